// SPDX-License-Identifier: Apache-2.0
// Correlations of every rung against plain loops over outputs, parts, input channels and taps.
#include "tensor.h"

#define MOST_PARTS 3
#define MOST_TAPS  15

enum kind { TAPS, RUNS, LIFTED, BN };

// A part as the kernel reads it, and as the reference does.
struct operand {
    enum kind kind;
    struct assay_part part;
    struct assay_bn_part bn;
    struct grid grid;
    struct grid hat;
    struct tensor *in, *weight, *packed; // weight: (co, ci, taps)
    struct tensor *xhat, *k0, *k1, *k2;
    size_t origin; // of the element that part.in points to
    int32_t off[MOST_TAPS];
};

struct problem {
    const struct assay_kern *kern;
    bool wide;
    uint32_t lanes, step_x; // step_x: input pixels from one output pixel to the next
    struct assay_corr corr;
    struct assay_part part[MOST_PARTS];
    struct operand operand[MOST_PARTS];
};

// ---- operands -----------------------------------------------------------------------------------
// G g of a row of three weights.
static double lifted_weight(const struct tensor *w, size_t row, uint32_t j)
{
    const double g[] = {get(w, row), get(w, row + 1), get(w, row + 2)};
    if (j == 0 || j == 3) return g[j == 0 ? 0 : 2];
    return (g[0] + (j == 1 ? g[1] : -g[1]) + g[2]) / 2;
}

static void pack(const struct problem *p, struct operand *v)
{
    const bool lifted = v->kind == LIFTED;
    const uint32_t co = p->corr.co, ci = v->part.ci, taps = v->part.taps,
                   packed = lifted ? ASSAY_LIFTED_TAPS : taps;
    size_t at = 0;
    v->packed = tensor_make("packed weight", p->wide, (size_t)co * ci * packed);
    for (uint32_t o = 0, end = 0, n; o < co; o += n) {
        if (o == end) end += assay_kern_tile(p->kern, co - o);
        n = lifted ? assay_share(end - o, p->kern->lift_co) : end - o;
        for (uint32_t k = 0; k < ci * packed * n; k++, at++) {
            const uint32_t i = k / (packed * n), t = k / n % packed, j = k % n;
            const size_t kernel = ((size_t)(o + j) * ci + i) * taps;
            if (lifted)
                set(v->packed, at, lifted_weight(v->weight, kernel + t / 4 * 3, t % 4));
            else
                set(v->packed, at, get(v->weight, kernel + t));
        }
    }
    v->part.weight = address(v->packed, 0);
}

static void add_bn(const struct problem *p, struct operand *v)
{
    const uint32_t ci = v->part.ci;
    v->hat = grid_make(ci, p->corr.h, p->corr.w, IMAGES);
    v->xhat = grid_tensor("xhat", elements(), &v->hat, true);
    v->k0 = tensor_draw("k0", elements(), (size_t)ci * p->lanes);
    v->k1 = tensor_draw("k1", elements(), ci);
    v->k2 = tensor_draw("k2", elements(), (size_t)ci * p->lanes);
    v->bn = (struct assay_bn_part){.xhat = address(v->xhat, v->hat.first),
                                   .k0 = address(v->k0, 0),
                                   .k1 = address(v->k1, 0),
                                   .k2 = address(v->k2, 0),
                                   .xhat_c = v->hat.step_c,
                                   .xhat_y = v->hat.step_y};
    v->part.bn = &v->bn;
}

static void draw_operand(struct problem *p, struct operand *v, enum kind kind)
{
    const uint32_t run = flip() ? 3 : 5, apart = pick(1, 2), rows = pick(1, 3);
    const uint32_t step_y = kind == LIFTED ? 1 : pick(1, 2);
    uint32_t tall = pick(1, 3), across = pick(1, 3);
    v->kind = kind;
    v->part = (struct assay_part){.ci = pick(1, 4), .taps = pick(1, 9), .off = v->off};
    if (kind == RUNS)
        v->part.taps = run * rows, v->part.run = run, tall = rows, across = (run - 1) * apart + 1;
    if (kind == LIFTED) v->part.taps = 9, v->part.lifted = true, tall = 3, across = 3;
    if (kind == BN) v->part.taps = 1, tall = 1, across = 1;
    v->grid = grid_make(v->part.ci, (p->corr.h - 1) * step_y + tall,
                        (p->corr.w - 1) * p->step_x + across, p->lanes);
    v->in = grid_tensor("in", p->wide, &v->grid, true);
    v->weight = tensor_draw("weight", p->wide, (size_t)p->corr.co * v->part.ci * v->part.taps);
    // Offsets reach back where in points to is not the first pixel.
    const uint32_t y0 = kind < LIFTED ? pick(0, tall - 1) : 0,
                   x0 = kind < LIFTED ? pick(0, across - 1) : 0;
    for (uint32_t t = 0; t < v->part.taps; t++) {
        uint32_t y = pick(0, tall - 1), x = pick(0, across - 1);
        if (kind == RUNS) y = t / run, x = (run - 1 - t % run) * apart;
        if (kind == LIFTED) y = t / 3, x = t % 3;
        v->off[t] = ((int32_t)y - (int32_t)y0) * (int32_t)v->grid.step_y +
                    ((int32_t)x - (int32_t)x0) * (int32_t)p->lanes;
    }
    v->origin = grid_at(&v->grid, 0, y0, x0);
    v->part.in = address(v->in, v->origin);
    v->part.in_c = v->grid.step_c, v->part.in_y = v->grid.step_y * (ptrdiff_t)step_y;
    if (kind == BN) add_bn(p, v);
    pack(p, v);
}

// ---- reference ----------------------------------------------------------------------------------
// What one part adds to an output; products of lifted parts are of sums of weights and inputs: for
// a row's three terms there are three products of up to 1.5 x 2.
static void add_operand(const struct problem *p, const struct operand *v, struct tensor *out,
                        size_t at, uint32_t o, uint32_t y, uint32_t x, uint32_t lane)
{
    for (uint32_t q = 0; q < v->part.ci * v->part.taps; q++) {
        const uint32_t i = q / v->part.taps;
        const ptrdiff_t pixel = (ptrdiff_t)v->origin + i * v->part.in_c + y * v->part.in_y +
                                (ptrdiff_t)x * p->step_x * p->lanes + v->off[q % v->part.taps];
        const double w = was(v->weight, (size_t)o * v->part.ci * v->part.taps + q);
        const double in = was(v->in, (size_t)pixel + lane);
        if (v->kind == BN) {
            const size_t own = (size_t)i * p->lanes + lane;
            add(out, at, w * was(v->k1, i) * in);
            add(out, at, w * was(v->k0, own));
            add(out, at,
                w * was(v->k2, own) * was(v->xhat, grid_at(&v->hat, i, y, x) + lane % IMAGES));
        } else {
            add_sized(out, at, w * in, v->kind == LIFTED ? 3 : fabs(w * in));
        }
    }
}

// Memory to be fetched meanwhile must not matter.
static struct assay_ahead *draw_ahead(struct assay_ahead *a, const struct tensor *t)
{
    *a = (struct assay_ahead){.n = pick(0, 3)};
    for (uint32_t i = 0; i < a->n; i++)
        a->range[i] = (struct assay_range){.at = t->memory,
                                           .jump = ASSAY_LINE,
                                           .pieces = pick(1, 3),
                                           .lines = (int32_t)pick(1, 4)};
    if (a->n > 0) a->at = a->range[0].at, a->left = a->range[0].lines;
    return flip() ? a : NULL;
}

// Pixels of the outputs may lie apart, as those of one parity of a stride do.
static struct grid spaced(uint32_t c, uint32_t h, uint32_t w, uint32_t lanes, uint32_t step)
{
    return grid_make(c, (h - 1) * step + 1, (w - 1) * step + 1, lanes);
}

// The reference takes a convolution for a correlation of one part.
static void conv_f64_round(const struct assay_kern *k)
{
    struct problem p = {.kern = k, .wide = true, .lanes = IMAGES, .step_x = pick(1, 2)};
    p.corr = (struct assay_corr){.co = pick(1, 13), .h = pick(1, 4), .w = pick(1, 40)};
    draw_operand(&p, &p.operand[0], TAPS);
    const struct assay_part *part = &p.operand[0].part;
    const struct grid to = grid_make(p.corr.co, p.corr.h, p.corr.w, IMAGES);
    struct tensor *out = grid_tensor("out", true, &to, false);
    const struct assay_conv conv = {.co = p.corr.co,
                                    .h = p.corr.h,
                                    .w = p.corr.w,
                                    .ci = part->ci,
                                    .taps = part->taps,
                                    .off = part->off,
                                    .in = part->in,
                                    .weight = part->weight,
                                    .in_c = part->in_c,
                                    .in_y = part->in_y,
                                    .in_x = (ptrdiff_t)p.step_x * IMAGES,
                                    .out_c = to.step_c,
                                    .out_y = to.step_y};
    seal();
    k->conv_f64(&conv, out->d + to.first);
    for (uint32_t j = 0; j < p.corr.co * p.corr.h * p.corr.w * IMAGES; j++) {
        const uint32_t l = j % IMAGES, x = j / IMAGES % p.corr.w, r = j / IMAGES / p.corr.w,
                       y = r % p.corr.h, o = r / p.corr.h;
        const size_t at = grid_at(&to, o, y, x) + l;
        begin(out, at, false);
        add_operand(&p, &p.operand[0], out, at, o, y, x, l);
    }
}

// What corr has besides.
struct extras {
    bool accumulate;
    uint32_t step; // pixels from one output to the next
    struct grid to, act;
    struct tensor *out, *mask, *sum, *add[2];
    struct assay_addend addend[2];
    struct assay_ahead ahead;
};

static void draw_extras(struct problem *p, struct extras *e, bool lifted)
{
    struct assay_corr *c = &p->corr;
    *e = (struct extras){.accumulate = flip(), .step = lifted ? 1 : pick(1, 2)};
    e->to = spaced(c->co, c->h, c->w, p->lanes, e->step);
    e->act = spaced(c->co, c->h, c->w, IMAGES, e->step);
    e->out = grid_tensor("out", elements(), &e->to, e->accumulate);
    c->out_c = e->to.step_c, c->out_y = e->to.step_y * (ptrdiff_t)e->step;
    c->out_x = (ptrdiff_t)(e->step * p->lanes);
    if (flip()) {
        e->mask = tensor_make("mask", elements(), e->act.n);
        grid_fill(e->mask, &e->act, true);
        c->mask = address(e->mask, e->act.first);
        c->mask_c = e->act.step_c, c->mask_y = e->act.step_y * (ptrdiff_t)e->step;
        c->mask_x = (ptrdiff_t)e->step * IMAGES;
    }
    c->n_add = pick(0, 2), c->add = e->addend;
    for (uint32_t i = 0; i < c->n_add; i++) {
        e->add[i] = grid_tensor("addend", elements(), &e->to, true);
        e->addend[i] = (struct assay_addend){address(e->add[i], e->to.first), draw()};
    }
    if (flip()) {
        e->sum = tensor_draw("sum", elements(), (size_t)c->co * p->lanes);
        c->sum = address(e->sum, 0);
    }
    c->ahead = draw_ahead(&e->ahead, p->operand[0].in);
}

static void expect(const struct problem *p, const struct extras *e, uint32_t o, uint32_t y,
                   uint32_t x, uint32_t lane)
{
    const size_t at = grid_at(&e->to, o, y * e->step, x * e->step) + lane;
    const size_t act = grid_at(&e->act, o, y * e->step, x * e->step) + lane % IMAGES;
    begin(e->out, at, e->accumulate);
    for (uint32_t i = 0; i < p->corr.n_part && (!e->mask || was(e->mask, act) != 0); i++)
        add_operand(p, &p->operand[i], e->out, at, o, y, x, lane);
    for (uint32_t i = 0; i < p->corr.n_add; i++)
        add(e->out, at, e->addend[i].scale * was(e->add[i], at));
    if (!e->sum) return;
    struct due *sum = &e->sum->due[o * p->lanes + lane];
    add_sized(e->sum, o * p->lanes + lane, e->out->due[at].want, e->out->due[at].size);
    sum->terms += e->out->due[at].terms;
}

static void corr_with(const struct assay_kern *k, bool lifted)
{
    struct problem p = {.kern = k, .wide = elements(), .lanes = k->lanes, .step_x = 1};
    struct extras e;
    p.corr = (struct assay_corr){.co = pick(lifted ? 2 : 1, 13),
                                 .h = pick(1, 4),
                                 .w = lifted ? k->lift_px * pick(1, 4) : pick(1, 20),
                                 .n_part = pick(1, MOST_PARTS),
                                 .part = p.part};
    if (!lifted && flip()) p.corr.co = 1; // for which there are most loops
    const uint32_t n_lifted = lifted ? pick(1, p.corr.n_part) : 0;
    for (uint32_t i = 0; i < p.corr.n_part; i++) {
        const enum kind others[] = {TAPS, RUNS, BN};
        draw_operand(&p, &p.operand[i], i < n_lifted ? LIFTED : others[pick(0, 2)]);
        p.part[i] = p.operand[i].part;
    }
    draw_extras(&p, &e, lifted);
    seal();
    k->corr(&p.corr, address(e.out, e.to.first), e.accumulate);
    for (size_t i = 0; e.sum && i < e.sum->n; i++) begin(e.sum, i, true);
    for (uint32_t j = 0; j < p.corr.co * p.corr.h * p.corr.w; j++)
        for (uint32_t l = 0; l < p.lanes; l++)
            expect(&p, &e, j / (p.corr.h * p.corr.w), j / p.corr.w % p.corr.h, j % p.corr.w, l);
}

static void corr_round(const struct assay_kern *k)
{
    corr_with(k, false);
}

static void lifted_round(const struct assay_kern *k)
{
    if (k->lift_px > 0) corr_with(k, true);
}

static void test_conv_f64(void **state)
{
    (void)state;
    rounds("conv_f64", false, 100, conv_f64_round);
}

static void test_corr(void **state)
{
    (void)state;
    rounds("corr", true, 150, corr_round);
}

static void test_lifted(void **state)
{
    (void)state;
    rounds("lifted", true, 100, lifted_round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_f64),
        cmocka_unit_test(test_corr),
        cmocka_unit_test(test_lifted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
