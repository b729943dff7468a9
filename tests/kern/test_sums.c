// SPDX-License-Identifier: Apache-2.0
// Reductions of every rung, and what is done on their way, against plain loops.
#include "tensor.h"

static void sum_round(const struct assay_kern *k)
{
    const uint32_t c = pick(1, 6), hw = pick(1, 50);
    struct tensor *dy = tensor_draw("dy", elements(), (size_t)c * hw * k->lanes),
                  *xhat = flip() ? tensor_draw("xhat", elements(), (size_t)c * hw * IMAGES) : NULL,
                  *acc = tensor_draw("acc", elements(), (size_t)c * k->lanes);
    seal();
    k->sum(c, hw, address(dy, 0), xhat ? address(xhat, 0) : NULL, address(acc, 0));
    for (size_t i = 0; i < acc->n; i++) begin(acc, i, true);
    for (size_t i = 0; i < dy->n; i++) {
        const size_t pixel = i / k->lanes, lane = i % k->lanes;
        add(acc, pixel / hw * k->lanes + lane,
            was(dy, i) * (xhat ? was(xhat, pixel * IMAGES + lane % IMAGES) : 1));
    }
}

static void spread_round(const struct assay_kern *k)
{
    const size_t n = pick(1, 40);
    struct tensor *a = tensor_draw("a", elements(), n * IMAGES),
                  *out = tensor_make("out", elements(), n * k->lanes);
    seal();
    k->spread(n, address(a, 0), address(out, 0));
    for (size_t i = 0; i < out->n; i++)
        exactly(out, i, was(a, i / k->lanes * IMAGES + i % k->lanes % IMAGES));
}

static void flush_round(const struct assay_kern *k)
{
    const size_t n = pick(1, 20), ld = n + pick(0, 3);
    const bool reduce = flip();
    const uint32_t rows = reduce ? k->cots : k->lanes;
    struct tensor *acc = tensor_draw("acc", elements(), n * k->lanes),
                  *sum = tensor_make("sum", true, rows * ld);
    for (size_t i = 0; i < rows * n; i++) set(sum, i / n * ld + i % n, draw());
    seal();
    k->flush(n, address(acc, 0), sum->d, ld, reduce);
    for (size_t i = 0; i < rows * n; i++) begin(sum, i / n * ld + i % n, true);
    for (size_t i = 0; i < acc->n; i++) {
        const size_t lane = i % k->lanes, at = (reduce ? lane / IMAGES : lane) * ld + i / k->lanes;
        exactly(acc, i, 0);
        if (reduce)
            add(sum, at, was(acc, i));
        else
            exactly(sum, at, was(sum, at) + was(acc, i));
    }
}

static void shift_round(const struct assay_kern *k)
{
    const size_t n = pick(1, 40);
    struct tensor *x = tensor_draw("x", elements(), n * k->lanes),
                  *by = tensor_draw("by", elements(), k->lanes),
                  *sum = tensor_draw("sum", elements(), k->lanes);
    seal();
    k->shift(n, address(x, 0), address(by, 0), address(sum, 0));
    for (size_t l = 0; l < k->lanes; l++) begin(sum, l, true);
    for (size_t i = 0; i < x->n; i++) {
        const double v = was(x, i) - was(by, i % k->lanes);
        exactly(x, i, elements() ? v : (double)(float)v);
        add(sum, i % k->lanes, v);
    }
}

static void products_round(const struct assay_kern *k)
{
    const size_t n = pick(1, 40);
    struct tensor *a = tensor_draw("a", elements(), n * k->lanes),
                  *b = tensor_draw("b", elements(), n * k->lanes),
                  *acc = tensor_draw("acc", elements(), (size_t)IMAGES * k->lanes);
    seal();
    k->products(n, address(a, 0), address(b, 0), address(acc, 0));
    for (size_t i = 0; i < acc->n; i++) begin(acc, i, true);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < acc->n; i++)
            add(acc, i, was(a, p * k->lanes + i / k->lanes) * was(b, p * k->lanes + i % k->lanes));
}

#define TEST(kernel)                                                                               \
    static void test_##kernel(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        rounds(#kernel, true, 60, kernel##_round);                                                 \
    }
TEST(sum)
TEST(spread)
TEST(shift)
TEST(products)
TEST(flush)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),   cmocka_unit_test(test_spread),
        cmocka_unit_test(test_shift), cmocka_unit_test(test_products),
        cmocka_unit_test(test_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
