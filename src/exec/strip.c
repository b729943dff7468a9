// SPDX-License-Identifier: Apache-2.0
// Gradients through convolutions and the BNs behind them: a pass makes those of all convolutions
// that read one node, strip by strip of its rows, while the next strip's memory is fetched.
#include <string.h>

#include "exec/run.h"

void exec_bn_backward(const struct assay_exec *x, const struct job *j, uint32_t group, bool frozen,
                      const struct patch *d)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const ptrdiff_t lanes = x->plan->back->lanes, plane = (ptrdiff_t)u->oh * u->ow;
    const ptrdiff_t row = (ptrdiff_t)(u->ow + 2 * d->halo) * lanes;
    const ptrdiff_t at = d->c0 * plane + d->y0 * u->ow; // of dy and xhat
    const struct assay_planes p = {.c = d->c,
                                   .h = d->y1 - d->y0,
                                   .w = u->ow,
                                   .src_c = plane * lanes,
                                   .src_y = u->ow * lanes,
                                   .dst_c = d->plane,
                                   .dst_y = row,
                                   .act_c = plane * exec_images(x),
                                   .act_y = (ptrdiff_t)u->ow * exec_images(x)};
    const bool coupled = u->bn != NONE && !frozen;
    x->plan->back->affine(&p, exec_ref(x, &j->from, group) + at * lanes,
                          coupled ? exec_xhat(x, u->bn, group) + at * exec_images(x) : NULL,
                          exec_k0(x, u, group) + d->c0 * lanes, AT(x, real, u->k1) + d->c0,
                          AT(x, real, u->k2) + d->c0 * lanes, d->dst + d->halo * lanes);
}

// A strip of the rows of dx: those of all stride parities from grid row `first`, `rows` of them.
struct strip {
    uint32_t group, k; // images; channel group of the convolutions
    uint32_t first, rows;
    bool frozen, last; // last: nothing is added afterwards
    bool alone, shown; // what each convolution pulls back is added by itself; is kept to be shown
};

// The part of dz that a strip reads, zero outside of the image.
static void fill_strip(const struct assay_exec *x, const struct job *j, const struct strip *s)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const uint32_t h = s->rows + 2 * u->halo, co = u->co / u->groups;
    const uint32_t top = s->first < u->halo ? u->halo - s->first : 0; // rows before the image
    const uint32_t y0 = s->first + top - u->halo;
    const uint32_t y1 = y0 + h - top < u->oh ? y0 + h - top : u->oh;
    const ptrdiff_t row = (ptrdiff_t)(u->ow + 2 * u->halo) * x->plan->back->lanes;
    const ptrdiff_t plane = (ptrdiff_t)exec_dz_plane(u) * x->plan->back->lanes;
    real *dz = AT(x, real, u->dz);
    exec_bn_backward(x, j, s->group, s->frozen,
                     &(struct patch){.c0 = s->k * co,
                                     .c = co,
                                     .y0 = y0,
                                     .y1 = y1,
                                     .dst = dz + top * row,
                                     .plane = plane,
                                     .halo = u->halo});
    if (u->strip == u->parity[0].h) return; // the same rows each time: they were zero before
    for (uint32_t c = 0; c < co; c++, dz += plane) {
        const uint32_t below = top + y1 - y0;
        memset(dz, 0, top * row * sizeof *dz);
        memset(dz + below * row, 0, (h - below) * row * sizeof *dz);
    }
}

static void direct_part(const struct assay_exec *x, const struct job *j, const struct strip *s,
                        const struct parity *p, struct assay_part *part, struct assay_bn_part *bn)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const ptrdiff_t plane = (ptrdiff_t)u->oh * u->ow, at = (ptrdiff_t)s->first * u->ow;
    *bn = (struct assay_bn_part){.xhat = exec_xhat(x, u->bn, s->group) + at * exec_images(x),
                                 .k0 = exec_k0(x, u, s->group),
                                 .k1 = AT(x, real, u->k1),
                                 .k2 = AT(x, real, u->k2),
                                 .xhat_c = plane * exec_images(x),
                                 .xhat_y = (ptrdiff_t)u->ow * exec_images(x)};
    *part = (struct assay_part){.ci = u->co,
                                .taps = 1,
                                .in = exec_ref(x, &j->from, s->group) + at * x->plan->back->lanes,
                                .weight = AT(x, real, p->weight),
                                .in_c = plane * x->plan->back->lanes,
                                .in_y = (ptrdiff_t)u->ow * x->plan->back->lanes,
                                .bn = bn};
}

// The taps of a transposed kernel's row where kern has a loop for them, else 0.
static uint32_t row_taps(const struct unit *u)
{
    const bool known =
        (u->kernel == 3 || u->kernel == 5) && u->kernel_w == u->kernel && u->dilation <= 2;
    return u->stride == 1 && known ? u->kernel : 0;
}

// Not where parts are added one by one in the place of a gradient that a later one reads.
static bool reads_directly(const struct assay_exec *x, const struct job *pass, const struct job *j,
                           const struct strip *s)
{
    const bool over = s->alone && pass->n_conv > 1 && x->plan->tensor[pass->tensor].in_place;
    return x->plan->unit[j->unit].direct && !s->frozen && !over;
}

// The part of one convolution of a pass; false: no tap is of this parity.
static bool take_part(const struct assay_exec *x, const struct job *pass, const struct job *j,
                      const struct strip *s, uint32_t parity, struct assay_part *part,
                      struct assay_bn_part *bn)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const struct parity *p = &u->parity[parity];
    const ptrdiff_t lanes = x->plan->back->lanes, row = (ptrdiff_t)(u->ow + 2 * u->halo) * lanes;
    if (p->taps == 0) return false;
    if (reads_directly(x, pass, j, s))
        direct_part(x, j, s, p, part, bn);
    else
        *part = (struct assay_part){.ci = u->co / u->groups,
                                    .taps = p->taps,
                                    .off = AT(x, int32_t, p->off),
                                    .run = row_taps(u),
                                    .lifted = u->lifted,
                                    .in = AT(x, real, u->dz),
                                    .weight = AT(x, real, p->weight) + s->k * exec_packed(u, p),
                                    .in_c = (ptrdiff_t)exec_dz_plane(u) * lanes,
                                    .in_y = row};
    return true;
}

static bool keeps_part(const struct assay_exec *x, const struct job *j, const struct strip *s)
{
    return s->shown && x->plan->unit[j->unit].apart;
}

// The convolutions of a pass one after the other, the first with what is added as it is: the sum is
// the same whether each one's part is kept or not. at: of the strip in a group.
static void pull_alone(const struct assay_exec *x, const struct job *j, const struct strip *s,
                       uint32_t parity, struct assay_corr *c, ptrdiff_t at, real *dx,
                       bool accumulate)
{
    struct assay_part part;
    struct assay_bn_part bn;
    void *const sum = c->sum;
    c->part = &part;
    for (uint32_t i = 0; i < j->n_conv; i++) {
        real *apart = exec_apart(x, &x->plan->unit[j[i].unit], s->group) + at;
        c->n_part = take_part(x, j, &j[i], s, parity, &part, &bn);
        c->apart = keeps_part(x, &j[i], s) ? apart : NULL;
        c->sum = i + 1 == j->n_conv ? sum : NULL;
        x->plan->back->corr(c, dx + at, accumulate || i > 0);
        c->n_add = 0;
    }
    c->apart = NULL, c->sum = sum;
}

// All of them together; what is kept is made once more.
static void pull_together(const struct assay_exec *x, const struct job *j, const struct strip *s,
                          uint32_t parity, struct assay_corr *c, ptrdiff_t at, real *dx,
                          bool accumulate)
{
    struct assay_part part[MAX_PARTS];
    struct assay_bn_part bn[MAX_PARTS];
    struct assay_corr own = *c;
    own.n_add = 0, own.sum = NULL, own.ahead = NULL;
    c->part = part, c->n_part = 0;
    for (uint32_t i = 0; i < j->n_conv; i++) {
        own.part = c->part + c->n_part;
        own.n_part = take_part(x, j, &j[i], s, parity, &part[c->n_part], &bn[i]);
        c->n_part += own.n_part;
        if (keeps_part(x, &j[i], s))
            x->plan->back->corr(&own, exec_apart(x, &x->plan->unit[j[i].unit], s->group) + at,
                                false);
    }
    x->plan->back->corr(c, dx + at, accumulate);
}

// One stride parity of a strip, of all convolutions of a pass.
static void pull_strip(const struct assay_exec *x, const struct job *j, const struct strip *s,
                       uint32_t parity, struct assay_corr *c, real *dx, bool accumulate)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const struct parity *grid = &u->parity[parity];
    const ptrdiff_t lanes = x->plan->back->lanes;
    const uint32_t halo = x->plan->slot[u->src].halo;
    const ptrdiff_t y = (ptrdiff_t)s->first * u->stride + grid->ry;
    const ptrdiff_t at = s->k * c->co * c->out_c + (y * u->w + grid->rx) * lanes;
    struct assay_addend add[MAX_ADDENDS];
    if (s->first >= grid->h) return;
    c->h = grid->h - s->first < s->rows ? grid->h - s->first : s->rows;
    c->w = grid->w, c->n_add = j->n_add, c->add = add;
    for (uint32_t i = 0; i < j->n_add; i++) {
        const struct ref *from = &j[j->n_conv + i].from;
        add[i] = (struct assay_addend){exec_ref(x, from, s->group) + at, from->scale};
    }
    if (j->mask != NONE) {
        c->mask = exec_act(x, u->src, s->group) + s->k * c->co * c->mask_c +
                  (halo + y) * (c->mask_y / u->stride) +
                  (ptrdiff_t)(halo + grid->rx) * exec_images(x);
    }
    if (s->alone)
        pull_alone(x, j, s, parity, c, at, dx, accumulate);
    else
        pull_together(x, j, s, parity, c, at, dx, accumulate);
}

// Rows [y0, y1) of c planes of h x w vectors of `lanes` elements.
static void want_rows(struct assay_ahead *a, const real *at, uint32_t c, ptrdiff_t h, ptrdiff_t w,
                      ptrdiff_t y0, ptrdiff_t y1, ptrdiff_t lanes)
{
    const ptrdiff_t size = sizeof(real), plane = h * w * lanes * size;
    const bool whole = y0 == 0 && y1 == h;
    const ptrdiff_t bytes = whole ? c * plane : (y1 - y0) * w * lanes * size;
    const ptrdiff_t lines = (bytes + ASSAY_LINE - 1) / ASSAY_LINE;
    if (a->n == ASSAY_AHEAD_MAX || bytes <= 0) return;
    a->range[a->n++] = (struct assay_range){.at = (const char *)(at + y0 * w * lanes),
                                            .jump = plane - lines * ASSAY_LINE,
                                            .pieces = whole ? 1 : c,
                                            .lines = (int32_t)lines};
}

// The activations that the weight gradients of a span read.
static void want_inputs(const struct assay_exec *x, const struct tensor *t, const struct span *s,
                        struct assay_ahead *a)
{
    const uint32_t *reader = x->plan->reader + t->first_unit;
    for (uint32_t i = 0, k; i < t->n_unit; i++) {
        const struct unit *u = &x->plan->unit[reader[i]];
        if (u->conv == NONE || u->late) continue;
        for (k = 0;
             x->plan->unit[reader[k]].conv == NONE || x->plan->unit[reader[k]].src != u->src;)
            k++;
        if (k < i) continue; // wanted already
        const uint32_t co = u->co / u->groups, ci = u->ci / u->groups, off = u->g.c_off;
        const uint32_t first = s->c0 > off ? (s->c0 - off) / co : 0;
        const uint32_t end = s->c1 > off ? (s->c1 - off) / co : 0;
        const uint32_t groups = (end < u->groups ? end : u->groups) - first;
        if (end <= first || first >= u->groups) continue;
        const ptrdiff_t pad = 2 * (ptrdiff_t)x->plan->slot[u->src].halo, w = u->w + pad,
                        h = u->h + pad;
        const ptrdiff_t past = (ptrdiff_t)s->y1 * u->stride + pad;
        want_rows(a, exec_act(x, u->src, s->group) + first * ci * h * w * exec_images(x),
                  groups * ci, h, w, (ptrdiff_t)s->y0 * u->stride, past < h ? past : h,
                  exec_images(x));
    }
}

_Static_assert(2 * MAX_PARTS + 2 <= ASSAY_AHEAD_MAX, "all but what is wanted last fits");
// What a strip will read and write that is not in cache.
static void want_strip(const struct assay_exec *x, const struct job *j, const struct strip *s,
                       struct assay_ahead *a)
{
    const ptrdiff_t lanes = x->plan->back->lanes;
    const struct tensor *t = &x->plan->tensor[j->tensor];
    for (uint32_t i = 0; i < j->n_conv; i++) {
        const struct unit *u = &x->plan->unit[j[i].unit];
        const uint32_t from = j[i].from.tensor, co = u->co / u->groups;
        const ptrdiff_t plane = (ptrdiff_t)u->oh * u->ow, end = s->first + s->rows + u->halo;
        const ptrdiff_t y0 = s->first ? s->first + u->halo : 0, y1 = end < u->oh ? end : u->oh;
        const bool again = i > 0 && from == j[i - 1].from.tensor;
        if (x->plan->tensor[from].whole && !again)
            want_rows(a, exec_ref(x, &j[i].from, s->group) + s->k * co * plane * lanes, co, u->oh,
                      u->ow, y0, y1, lanes);
        if (u->bn != NONE && !s->frozen)
            want_rows(a, exec_xhat(x, u->bn, s->group) + s->k * co * plane * exec_images(x), co,
                      u->oh, u->ow, y0, y1, exec_images(x));
    }
    const struct unit *u = &x->plan->unit[j->unit];
    const uint32_t ci = u->ci / u->groups, first = s->first * u->stride,
                   end = first + s->rows * u->stride;
    const struct span made = {.group = s->group,
                              .c0 = s->k * ci,
                              .c1 = (s->k + 1) * ci,
                              .y0 = first,
                              .y1 = end < u->h ? end : u->h};
    if (x->plan->slot[u->src].act) {
        const ptrdiff_t pad = 2 * (ptrdiff_t)x->plan->slot[u->src].halo, w = u->w + pad,
                        h = u->h + pad;
        want_rows(a, exec_act(x, u->src, s->group) + made.c0 * h * w * exec_images(x), ci, h, w,
                  first, end + pad < h ? end + pad : h, exec_images(x));
    }
    if (t->whole && !t->in_place)
        want_rows(a, exec_gradient_at(x, t, s->group) + (size_t)made.c0 * u->h * u->w * lanes, ci,
                  u->h, u->w, made.y0, made.y1, lanes);
    if (s->last) want_inputs(x, t, &made, a);
}

// The strip after this one: rows, then channel groups, then images.
static void want_next(const struct assay_exec *x, const struct job *j, const struct strip *s,
                      uint32_t rows, struct assay_ahead *a)
{
    const uint32_t strip = x->plan->unit[j->unit].strip;
    struct strip next = *s;
    a->n = a->now = 0, a->left = 0;
    next.first += strip;
    if (next.first >= rows) next.first = 0, next.k++;
    if (next.k == x->plan->unit[j->unit].groups) next.k = 0, next.group++;
    next.rows = rows - next.first < strip ? rows - next.first : strip;
    if (next.group < x->plan->back_groups) want_strip(x, j, &next, a);
    if (a->n > 0) a->at = a->range[0].at, a->left = a->range[0].lines;
}

// What the strip's own rows of dz add to the weight gradient.
static void read_strip(const struct assay_exec *x, const struct job *j, const struct strip *s)
{
    const struct unit *u = &x->plan->unit[j->unit];
    const struct product *p = &x->plan->product[u->product];
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const uint32_t act_halo = x->plan->slot[u->src].halo, co = u->co / u->groups;
    const ptrdiff_t lanes = x->plan->back->lanes, plane = (ptrdiff_t)exec_dz_plane(u) * lanes,
                    row = (ptrdiff_t)(u->ow + 2 * u->halo) * lanes;
    const ptrdiff_t act_row = exec_back_row(x->plan, in, act_halo),
                    act_plane = exec_back_plane(x->plan, in, act_halo);
    // Rows past those of the last strip see inputs as far as dz has them, then padding alone.
    const bool last = s->first + s->rows == u->parity[0].h;
    const uint32_t past = s->first + s->rows + (last ? u->halo : 0);
    const uint32_t end = past < u->oh ? past : u->oh;
    if (s->first >= end) return;
    const struct assay_outer c = {.co = co,
                                  .q = p->q,
                                  .h = end - s->first,
                                  .w = u->ow,
                                  .run = p->run,
                                  .windows = p->windows,
                                  .lift = AT(x, real, p->lift),
                                  .off = AT(x, ptrdiff_t, p->off),
                                  .dy_c = plane,
                                  .dy_y = row,
                                  .a_y = act_row * u->stride,
                                  .a_x = (ptrdiff_t)u->stride * exec_images(x),
                                  .a_next = (end - s->first) * act_row * u->stride};
    x->plan->back->outer(&c, AT(x, real, u->dz) + u->halo * (row + lanes),
                         exec_act(x, u->src, s->group) + s->first * c.a_y +
                             s->k * (u->ci / u->groups) * act_plane,
                         AT(x, real, p->acc) + (size_t)s->k * co * p->q * lanes);
}

void exec_pass_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                        const struct pass *pass, bool accumulate, bool last)
{
    const struct tensor *t = &x->plan->tensor[j->tensor];
    real *dx = exec_gradient_at(x, t, group);
    const struct unit *u = &x->plan->unit[j->unit];
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const ptrdiff_t lanes = x->plan->back->lanes, stride = u->stride;
    const uint32_t halo = x->plan->slot[u->src].halo, rows = u->parity[0].h;
    struct assay_corr c = {.co = u->ci / u->groups,
                           .out_c = (ptrdiff_t)u->h * u->w * lanes,
                           .out_y = stride * u->w * lanes,
                           .out_x = stride * lanes,
                           .mask_c = exec_back_plane(x->plan, in, halo),
                           .mask_y = stride * exec_back_row(x->plan, in, halo),
                           .mask_x = stride * exec_images(x)};
    real *sum = last && t->needs_sum ? AT(x, real, t->acc) : NULL;
    struct strip s = {.group = group,
                      .frozen = pass->frozen,
                      .last = last,
                      .alone = x->plan->single,
                      .shown = pass->show && x->taps && (x->taps->pulled || x->taps->products)};
    struct assay_ahead ahead;
    c.ahead = &ahead;
    for (s.k = 0; s.k < u->groups; s.k++) {
        if (sum) c.sum = sum + s.k * c.co * lanes;
        for (s.first = 0; s.first < rows; s.first += u->strip) {
            s.rows = rows - s.first < u->strip ? rows - s.first : u->strip;
            for (uint32_t i = 0; i < j->n_conv; i++) {
                const struct unit *v = &x->plan->unit[j[i].unit];
                if (!reads_directly(x, j, &j[i], &s)) fill_strip(x, &j[i], &s);
                if (v->late) read_strip(x, &j[i], &s);
            }
            want_next(x, j, &s, rows, &ahead);
            for (uint32_t p = 0; p < u->n_parity; p++) pull_strip(x, j, &s, p, &c, dx, accumulate);
            const uint32_t end = (s.first + s.rows) * u->stride;
            const struct span made = {.group = group,
                                      .c0 = s.k * c.co,
                                      .c1 = (s.k + 1) * c.co,
                                      .y0 = s.first * u->stride,
                                      .y1 = end < u->h ? end : u->h};
            if (last) exec_read(x, t, &made, &ahead);
        }
    }
}
