// SPDX-License-Identifier: Apache-2.0
// Average and max-pooling kernels of every rung against plain loops.
#include "tensor.h"

// A random shape; half of them of the kind that keeps the size, for which there is a loop.
static struct assay_pool draw_shape(void)
{
    struct assay_pool p = {.c = pick(1, 3), .kernel = 3, .stride = 1, .pad = 1};
    if (flip()) {
        p.kernel = pick(1, 5);
        p.stride = pick(1, 3);
        p.pad = pick(0, p.kernel - 1);
    }
    const uint32_t least = p.kernel > 2 * p.pad ? p.kernel - 2 * p.pad : 1;
    p.h = pick(least, least + 8), p.w = pick(least, least + 8);
    p.oh = (p.h + 2 * p.pad - p.kernel) / p.stride + 1;
    p.ow = (p.w + 2 * p.pad - p.kernel) / p.stride + 1;
    p.scale = draw();
    return p;
}

// The input under a tap of an output, (oh, ow) with the channel; false: padding.
static bool under(const struct assay_pool *p, size_t output, uint32_t tap, size_t *input)
{
    const size_t c = output / (p->oh * p->ow), oy = output / p->ow % p->oh, ox = output % p->ow;
    const size_t y = oy * p->stride + tap / p->kernel, x = ox * p->stride + tap % p->kernel;
    *input = (c * p->h + y - p->pad) * p->w + x - p->pad;
    return y >= p->pad && y < p->h + p->pad && x >= p->pad && x < p->w + p->pad;
}

static struct tensor *draw_inv(struct assay_pool *p)
{
    struct tensor *inv = tensor_make("inv", true, (size_t)p->oh * p->ow);
    for (size_t o = 0; o < inv->n; o++) {
        size_t input, n = 0;
        for (uint32_t tap = 0; tap < p->kernel * p->kernel; tap++) n += under(p, o, tap, &input);
        set(inv, o, 1.0 / (double)n);
    }
    p->inv = inv->d;
    return inv;
}

static size_t inputs(const struct assay_pool *p)
{
    return (size_t)p->c * p->h * p->w;
}

static size_t outputs(const struct assay_pool *p)
{
    return (size_t)p->c * p->oh * p->ow;
}

static void pool_f64_round(const struct assay_kern *k)
{
    struct assay_pool p = draw_shape();
    const struct tensor *inv = draw_inv(&p);
    struct tensor *x = tensor_draw("x", true, inputs(&p) * IMAGES),
                  *y = tensor_make("y", true, outputs(&p) * IMAGES);
    seal();
    k->pool_f64(&p, x->d, y->d);
    for (size_t i = 0; i < y->n; i++) {
        const size_t o = i / IMAGES;
        size_t in;
        begin(y, i, false);
        for (uint32_t tap = 0; tap < p.kernel * p.kernel; tap++)
            if (under(&p, o, tap, &in))
                add(y, i, was(x, in * IMAGES + i % IMAGES) * was(inv, o % (p.oh * p.ow)));
    }
}

static void pool_round(const struct assay_kern *k)
{
    struct assay_pool p = draw_shape();
    const struct tensor *inv = draw_inv(&p);
    const bool accumulate = flip();
    const size_t lanes = k->lanes, n = inputs(&p) * lanes;
    struct tensor *dy = tensor_draw("dy", elements(), outputs(&p) * lanes),
                  *scratch = tensor_make("scratch", elements(),
                                         ((size_t)(p.oh + 3) * p.w + p.ow + 2 * p.kernel) * lanes),
                  *dx = accumulate ? tensor_draw("dx", elements(), n)
                                   : tensor_make("dx", elements(), n);
    seal();
    k->pool(&p, address(dy, 0), address(scratch, 0), address(dx, 0), accumulate);
    for (size_t i = 0; i < scratch->n; i++) scratch->due[i].kind = ANYTHING;
    for (size_t i = 0; i < n; i++) begin(dx, i, accumulate);
    for (size_t i = 0; i < dy->n; i++) {
        const size_t o = i / lanes;
        size_t in;
        for (uint32_t tap = 0; tap < p.kernel * p.kernel; tap++)
            if (under(&p, o, tap, &in))
                add(dx, in * lanes + i % lanes, was(dy, i) * was(inv, o % (p.oh * p.ow)) * p.scale);
    }
}

static void maxpool_f64_round(const struct assay_kern *k)
{
    const struct assay_pool p = draw_shape();
    const bool saved = flip();
    struct tensor *x = tensor_make("x", true, inputs(&p) * IMAGES),
                  *y = tensor_make("y", true, outputs(&p) * IMAGES),
                  *arg = tensor_make("arg", elements(), y->n);
    // All negative, so that padding would win; few values, so that many are equal.
    for (size_t i = 0; i < x->n; i++) set(x, i, -(double)pick(1, 4) / 3);
    seal();
    k->maxpool_f64(&p, x->d, y->d, saved ? address(arg, 0) : NULL);
    for (size_t i = 0; i < y->n; i++) {
        size_t in;
        double best = -HUGE_VAL;
        for (uint32_t tap = 0; tap < p.kernel * p.kernel; tap++) {
            if (!under(&p, i / IMAGES, tap, &in)) continue;
            const double v = was(x, in * IMAGES + i % IMAGES);
            if (v <= best) continue;
            exactly(y, i, best = v);
            if (saved) exactly(arg, i, tap);
        }
    }
}

static void maxpool_round(const struct assay_kern *k)
{
    const struct assay_pool p = draw_shape();
    const bool accumulate = flip();
    const size_t lanes = k->lanes, n = inputs(&p) * lanes;
    struct tensor *dy = tensor_draw("dy", elements(), outputs(&p) * lanes),
                  *arg = tensor_make("arg", elements(), outputs(&p) * IMAGES),
                  *dx = accumulate ? tensor_draw("dx", elements(), n)
                                   : tensor_make("dx", elements(), n);
    size_t in;
    for (size_t i = 0; i < arg->n; i++) {
        uint32_t tap;
        do tap = pick(0, p.kernel * p.kernel - 1);
        while (!under(&p, i / IMAGES, tap, &in));
        set(arg, i, tap);
    }
    seal();
    k->maxpool(&p, address(dy, 0), address(arg, 0), address(dx, 0), accumulate);
    for (size_t i = 0; i < n; i++) begin(dx, i, accumulate);
    for (size_t i = 0; i < dy->n; i++) {
        const size_t o = i / lanes, lane = i % lanes;
        under(&p, o, (uint32_t)was(arg, o * IMAGES + lane % IMAGES), &in);
        add(dx, in * lanes + lane, was(dy, i) * p.scale);
    }
}

#define TEST(kernel, backward)                                                                     \
    static void test_##kernel(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        rounds(#kernel, backward, 150, kernel##_round);                                            \
    }
TEST(pool_f64, false)
TEST(pool, true)
TEST(maxpool_f64, false)
TEST(maxpool, true)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_f64),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_maxpool_f64),
        cmocka_unit_test(test_maxpool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
