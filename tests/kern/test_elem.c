// SPDX-License-Identifier: Apache-2.0
// Elementwise kernels of every rung against plain loops.
#include "tensor.h"

// ---- forward, double ----------------------------------------------------------------------------
static struct tensor *draw_valid(void)
{
    struct tensor *valid = tensor_make("valid", true, IMAGES);
    for (uint32_t i = 0; i < IMAGES; i++) set(valid, i, flip());
    return valid;
}

// Of a channel before and after a group, by the definition; first: of its numbers in x.
static void expect_moments(const struct tensor *x, size_t first, size_t n, uint32_t lanes,
                           double before, struct tensor *mean, struct tensor *sq, size_t c)
{
    const double mean0 = before > 0 ? was(mean, c) : 0, sq0 = before > 0 ? was(sq, c) : 0;
    const double total = before + (double)(n / IMAGES * lanes);
    double sum = before * mean0, most = fabs(mean0);
    for (size_t i = 0; i < n; i++) {
        if (i % IMAGES >= lanes) continue;
        sum += was(x, first + i), most = fmax(most, fabs(was(x, first + i)));
    }
    const double m = sum / total, off = mean0 - m;
    begin(mean, c, false), begin(sq, c, false);
    add_sized(mean, c, m, 8 * most);
    add(sq, c, sq0);
    add_sized(sq, c, before * off * off, before * fabs(off) * 8 * most);
    for (size_t i = 0; i < n; i++) {
        const double d = was(x, first + i) - m;
        if (i % IMAGES < lanes) add_sized(sq, c, d * d, 8 * fabs(d) * most);
    }
}

static void moments_f64_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 6), hw = pick(1, 50), lanes = pick(1, IMAGES);
    const double before = flip() ? 0 : pick(1, 999), far = flip() ? 1e9 : 0;
    struct tensor *x = tensor_draw("x", true, (size_t)c * hw * IMAGES),
                  *mean = before > 0 ? tensor_draw("mean", true, c) : tensor_make("mean", true, c),
                  *sq = before > 0 ? tensor_draw("sq", true, c) : tensor_make("sq", true, c),
                  *valid = tensor_make("valid", true, IMAGES);
    for (uint32_t i = 0; i < IMAGES; i++) set(valid, i, i < lanes);
    for (size_t i = 0; i < x->n; i++) set(x, i, i % IMAGES < lanes ? x->d[i] + far : 0);
    for (uint32_t i = 0; before > 0 && i < c; i++) set(mean, i, mean->d[i] + far);
    seal();
    k->moments_f64(c, hw, x->d, valid->d, before, mean->d, sq->d);
    for (uint32_t i = 0; i < c; i++)
        expect_moments(x, (size_t)i * hw * IMAGES, (size_t)hw * IMAGES, lanes, before, mean, sq, i);
}

// A channel that does not vary has no variance at all, whatever its value.
static void constant_round(const struct assay_kern *k)
{
    const uint32_t hw = pick(1, 50), lanes = pick(1, IMAGES), groups = pick(1, 5);
    const double v = draw() * 1e5;
    struct tensor *x = tensor_make("x", true, (size_t)hw * IMAGES),
                  *mean = tensor_make("mean", true, 1), *sq = tensor_make("sq", true, 1),
                  *valid = tensor_make("valid", true, IMAGES);
    for (uint32_t i = 0; i < IMAGES; i++) set(valid, i, i < lanes);
    for (size_t i = 0; i < x->n; i++) set(x, i, i % IMAGES < lanes ? v : 0);
    seal();
    for (uint32_t g = 0; g < groups; g++)
        k->moments_f64(1, hw, x->d, valid->d, (double)g * hw * lanes, mean->d, sq->d);
    exactly(mean, 0, v), exactly(sq, 0, 0);
}

static void norm_f64_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 6), hw = pick(1, 50);
    const bool saved = flip(), place = flip(), accumulate = !place && flip();
    const double scale = draw();
    struct tensor *x = tensor_draw("x", true, (size_t)c * hw * IMAGES),
                  *mean = tensor_draw("mean", true, c), *rstd = tensor_draw("rstd", true, c),
                  *gamma = tensor_draw("gamma", true, c), *beta = tensor_draw("beta", true, c),
                  *valid = draw_valid(), *xhat = tensor_make("xhat", elements(), x->n),
                  *y = place        ? x
                       : accumulate ? tensor_draw("y", true, x->n)
                                    : tensor_make("y", true, x->n);
    seal();
    k->norm_f64(c, hw, x->d,
                &(struct assay_bn_forward){.mean = mean->d,
                                           .rstd = rstd->d,
                                           .gamma = gamma->d,
                                           .beta = beta->d,
                                           .valid = valid->d,
                                           .scale = scale},
                y->d, accumulate, saved ? address(xhat, 0) : NULL);
    for (size_t i = 0; i < x->n; i++) {
        const size_t ch = i / (hw * IMAGES);
        const double on = was(valid, i % IMAGES),
                     v = (was(x, i) - was(mean, ch)) * was(rstd, ch) * on;
        begin(y, i, accumulate);
        add(y, i, scale * was(gamma, ch) * v);
        add(y, i, scale * was(beta, ch) * on);
        if (!saved) continue;
        begin(xhat, i, false);
        add(xhat, i, v);
    }
}

static void axpy_f64_round(const struct assay_kern *k)
{
    const bool accumulate = flip();
    const double a = draw();
    struct tensor *x = tensor_draw("x", true, pick(1, 200)),
                  *y = accumulate ? tensor_draw("y", true, x->n) : tensor_make("y", true, x->n);
    seal();
    k->axpy_f64(x->n, a, x->d, y->d, accumulate);
    for (size_t i = 0; i < x->n; i++) {
        begin(y, i, accumulate);
        add(y, i, a * was(x, i));
    }
}

static struct assay_planes planes_of(const struct grid *src, const struct grid *dst,
                                     const struct grid *act)
{
    return (struct assay_planes){.c = src->c,
                                 .h = src->h,
                                 .w = src->w,
                                 .src_c = src->step_c,
                                 .src_y = src->step_y,
                                 .dst_c = dst->step_c,
                                 .dst_y = dst->step_y,
                                 .act_c = act ? act->step_c : 0,
                                 .act_y = act ? act->step_y : 0};
}

// Calls `each` with the places of every element of three grids of one shape.
static void everywhere(const struct grid *g, const struct grid *to, const struct grid *act,
                       void (*each)(size_t from, size_t at, size_t beside, uint32_t c,
                                    uint32_t lane))
{
    for (uint32_t i = 0; i < g->c * g->h * g->w; i++) {
        const uint32_t c = i / (g->h * g->w), y = i / g->w % g->h, x = i % g->w;
        for (uint32_t l = 0; l < g->lanes; l++)
            each(grid_at(g, c, y, x) + l, grid_at(to, c, y, x) + l,
                 act ? grid_at(act, c, y, x) + l % IMAGES : 0, c, l);
    }
}

static struct tensor *from, *to, *beside, *k0, *k1, *k2;
static bool adds;
static double factor;

static bool passes;
static void pad_each(size_t f, size_t at, size_t b, uint32_t c, uint32_t lane)
{
    (void)b, (void)c, (void)lane;
    exactly(to, at, passes && !(was(from, f) > 0) ? 0 : was(from, f));
}

// Around the planes come zeros; without padding gaps stay as they are.
static void padded_round(const struct assay_kern *k, bool relu)
{
    const uint32_t c = pick(1, 4), h = pick(1, 6), w = pick(1, 9), halo = pick(0, 3);
    const struct grid src = grid_make(c, h, w, IMAGES);
    struct grid dst = grid_make(c, h + 2 * halo, w + 2 * halo, IMAGES);
    if (halo > 0) {
        dst.step_y = (ptrdiff_t)dst.w * IMAGES;
        dst.step_c = dst.h * dst.step_y + (ptrdiff_t)(pick(0, 2) * IMAGES);
        dst.n = dst.first + (size_t)c * (size_t)dst.step_c;
    }
    struct assay_planes p = planes_of(&src, &dst, NULL);
    p.halo = halo;
    from = grid_tensor("src", true, &src, true), to = grid_tensor("dst", true, &dst, false);
    for (uint32_t i = 0; i < h; i++)
        set(from, grid_at(&src, pick(0, c - 1), i, pick(0, w - 1)), flip() ? 0.0 : -0.0);
    seal();
    for (uint32_t i = 0; i < c * dst.h * dst.w * IMAGES && halo > 0; i++)
        exactly(to,
                grid_at(&dst, i / IMAGES / (dst.h * dst.w), i / IMAGES / dst.w % dst.h,
                        i / IMAGES % dst.w) +
                    i % IMAGES,
                0);
    struct grid inner = dst;
    inner.h = h, inner.w = w, inner.first = grid_at(&dst, 0, halo, halo);
    (relu ? k->relu_f64 : k->pad_f64)(&p, from->d + src.first, to->d + inner.first);
    passes = relu;
    everywhere(&src, &inner, NULL, pad_each);
}

static void pad_f64_round(const struct assay_kern *k)
{
    padded_round(k, false);
}

static void relu_f64_round(const struct assay_kern *k)
{
    padded_round(k, true);
}

static void save_each(size_t f, size_t at, size_t b, uint32_t c, uint32_t lane)
{
    const double v = was(from, f);
    (void)b, (void)c, (void)lane;
    const double least = elements() ? 0x1p-1022 : 0x1p-126;
    const double saved = elements() ? v : (double)(float)v;
    exactly(to, at, v != 0 && fabs(saved) < least ? copysign(least, v) : saved);
}

static void save_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 4), h = pick(1, 6), w = pick(1, 9);
    const struct grid src = grid_make(c, h, w, IMAGES), dst = grid_make(c, h, w, IMAGES);
    const struct assay_planes p = planes_of(&src, &dst, NULL);
    from = grid_tensor("src", true, &src, true), to = grid_tensor("dst", elements(), &dst, false);
    for (uint32_t y = 0; y < h; y++) {
        const size_t at = grid_at(&src, pick(0, c - 1), y, pick(0, w - 1));
        set(from, at, ldexp(draw(), -(int)pick(100, 1070))); // too small for a float, or near that
        set(from, at + 1, 0);
        set(from, at + 2, draw() / 3); // to be rounded
    }
    seal();
    k->save(&p, from->d + src.first, address(to, dst.first));
    everywhere(&src, &dst, NULL, save_each);
}

// ---- backward ----------------------------------------------------------------------------------
static void affine_each(size_t f, size_t at, size_t b, uint32_t c, uint32_t lane)
{
    begin(to, at, false);
    add(to, at, was(k1, c) * was(from, f));
    if (!beside) return;
    const size_t own = (size_t)c * now.kern->lanes + lane;
    add(to, at, was(k0, own));
    add(to, at, was(k2, own) * was(beside, b));
}

static void affine_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 4), h = pick(1, 6), w = pick(1, 9);
    const struct grid src = grid_make(c, h, w, k->lanes), dst = grid_make(c, h, w, k->lanes),
                      act = grid_make(c, h, w, IMAGES);
    const struct assay_planes p = planes_of(&src, &dst, &act);
    from = grid_tensor("src", elements(), &src, true),
    to = grid_tensor("dst", elements(), &dst, false);
    beside = flip() ? grid_tensor("xhat", elements(), &act, true) : NULL;
    k0 = tensor_draw("k0", elements(), (size_t)c * k->lanes), k1 = tensor_draw("k1", elements(), c);
    k2 = tensor_draw("k2", elements(), (size_t)c * k->lanes);
    seal();
    k->affine(&p, address(from, src.first), beside ? address(beside, act.first) : NULL,
              address(k0, 0), address(k1, 0), address(k2, 0), address(to, dst.first));
    everywhere(&src, &dst, &act, affine_each);
}

static void relu_each(size_t f, size_t at, size_t b, uint32_t c, uint32_t lane)
{
    (void)c, (void)lane;
    begin(to, at, adds);
    add(to, at, was(beside, b) != 0 ? factor * was(from, f) : 0);
}

static void relu_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 4), h = pick(1, 6), w = pick(1, 9);
    const struct grid src = grid_make(c, h, w, k->lanes), dst = grid_make(c, h, w, k->lanes),
                      act = grid_make(c, h, w, IMAGES);
    const struct assay_planes p = planes_of(&src, &dst, &act);
    adds = flip(), factor = draw();
    from = grid_tensor("x", elements(), &src, true), to = grid_tensor("y", elements(), &dst, adds);
    beside = tensor_make("act", elements(), act.n);
    grid_fill(beside, &act, true);
    seal();
    k->relu(&p, address(from, src.first), factor, address(beside, act.first),
            address(to, dst.first), adds);
    everywhere(&src, &dst, &act, relu_each);
}

static struct tensor *output(const char *name, size_t n, bool accumulate)
{
    return accumulate ? tensor_draw(name, elements(), n) : tensor_make(name, elements(), n);
}

static void axpy_round(const struct assay_kern *k)
{
    const size_t vectors = pick(1, 20);
    const bool accumulate = flip();
    const double a = draw();
    struct tensor *x = tensor_draw("x", elements(), vectors * k->lanes),
                  *y = output("y", x->n, accumulate);
    seal();
    k->axpy(vectors, a, address(x, 0), address(y, 0), accumulate);
    for (size_t i = 0; i < x->n; i++) {
        begin(y, i, accumulate);
        add(y, i, a * was(x, i));
    }
}

static void gap_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 6), hw = pick(1, 50);
    const bool accumulate = flip();
    const double scale = draw();
    struct tensor *dy = tensor_draw("dy", elements(), (size_t)c * k->lanes),
                  *dx = output("dx", (size_t)c * hw * k->lanes, accumulate);
    seal();
    k->gap(c, hw, address(dy, 0), scale, address(dx, 0), accumulate);
    for (size_t i = 0; i < dx->n; i++) {
        const size_t ch = i / ((size_t)hw * k->lanes);
        begin(dx, i, accumulate);
        add(dx, i, was(dy, ch * k->lanes + i % k->lanes) * scale / hw);
    }
}

// ---- the table itself ---------------------------------------------------------------------------
static void test_table(void **state)
{
    (void)state;
    for (unsigned i = 0; rung(i, true); i++) {
        const struct assay_kern *k = rung(i, true);
        assert_int_equal(k->lanes, k->cots * k->images);
        assert_int_equal(k->packed->images, k->lanes);
        assert_int_equal(k->packed->co_tile, k->co_tile); // parameters are packed once for both
        assert_true(k->fma_loop(100) == 2.0 * k->lanes * 1200 && k->fma_loop(0) == 0);
    }
}

#define TEST(kernel, backward)                                                                     \
    static void test_##kernel(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        rounds(#kernel, backward, 60, kernel##_round);                                             \
    }
TEST(moments_f64, false)
TEST(constant, false)
TEST(norm_f64, false)
TEST(relu_f64, false)
TEST(axpy_f64, false)
TEST(pad_f64, false)
TEST(save, false)
TEST(affine, true)
TEST(relu, true)
TEST(axpy, true)
TEST(gap, true)

#define RUN(kernel) cmocka_unit_test(test_##kernel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(table),   RUN(moments_f64), RUN(constant), RUN(norm_f64), RUN(relu_f64), RUN(axpy_f64),
        RUN(pad_f64), RUN(save),        RUN(affine),   RUN(relu),     RUN(axpy),     RUN(gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
