// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "assay/stats.h"

static void assert_near(double seen, double expected, double tolerance)
{
    if (fabs(seen - expected) <= tolerance) return;
    fail_msg("seen %.17g, expected %.17g within %g", seen, expected, tolerance);
}

static struct assay_stats_correlation correlate(uint32_t n, const double *x, const double *y,
                                                const double *z)
{
    struct assay_stats_correlation c;
    assert_int_equal(assay_stats_correlate(n, x, y, z, 0, 1, &c), 0);
    return c;
}

// ---- the definitions, in O(n^2) -----------------------------------------------------------------
static int sign(double x)
{
    return (x > 0) - (x < 0);
}

static double brute_tau(uint32_t n, const double *x, const double *y)
{
    double s = 0, free_x = 0, free_y = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            s += sign(x[i] - x[j]) * sign(y[i] - y[j]);
            free_x += x[i] != x[j];
            free_y += y[i] != y[j];
        }
    return s / sqrt(free_x * free_y);
}

static double mid_rank(uint32_t n, const double *x, uint32_t i)
{
    double rank = 0.5;
    for (uint32_t j = 0; j < n; j++) rank += x[j] < x[i] ? 1 : x[j] == x[i] ? 0.5 : 0;
    return rank;
}

static double brute_rho(uint32_t n, const double *x, const double *y)
{
    double xx = 0, yy = 0, xy = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double a = mid_rank(n, x, i) - 0.5 * (n + 1), b = mid_rank(n, y, i) - 0.5 * (n + 1);
        xx += a * a, yy += b * b, xy += a * b;
    }
    return xy / sqrt(xx * yy);
}

static void draw(struct assay_rng *rng, uint32_t n, uint32_t levels, double *x, double *y,
                 double *z)
{
    for (uint32_t i = 0; i < n; i++) {
        z[i] = (double)assay_rng_below(rng, levels);
        x[i] = z[i] - (double)assay_rng_below(rng, levels);
        y[i] = 0.25 * z[i] + (double)assay_rng_below(rng, levels);
    }
}

// ---- tests --------------------------------------------------------------------------------------
static void test_known(void **state)
{
    (void)state;
    // The worked examples of scipy.stats.kendalltau and scipy.stats.spearmanr.
    const double a[] = {12, 2, 1, 12, 2}, b[] = {1, 4, 7, 1, 0};
    assert_near(correlate(5, a, b, NULL).tau.value, -0.47140452079103173, 1e-15);
    const double c[] = {1, 2, 3, 4, 5}, d[] = {5, 6, 7, 8, 7};
    assert_near(correlate(5, c, d, NULL).rho.value, 0.82078268166812329, 1e-15);
    const double up[] = {-3, 0, 1, 8}, down[] = {9, 2, -1, -INFINITY};
    assert_near(correlate(4, up, up, NULL).tau.value, 1, 1e-15);
    assert_near(correlate(4, up, down, NULL).tau.value, -1, 1e-15);
    assert_near(correlate(4, up, down, NULL).rho.value, -1, 1e-15);
}

static void test_brute_force(void **state)
{
    (void)state;
    double x[60], y[60], z[60];
    struct assay_rng rng;
    assay_rng_init(&rng, 7, 0, "test", "stats");
    for (uint32_t round = 0; round < 200; round++) {
        const uint32_t n = 6 + round % 55, levels = 3 + round % 40;
        draw(&rng, n, levels, x, y, z);
        const struct assay_stats_correlation c = correlate(n, x, y, z);
        assert_near(c.tau.value, brute_tau(n, x, y), 1e-12);
        assert_near(c.rho.value, brute_rho(n, x, y), 1e-12);
        const double xy = brute_rho(n, x, y), xz = brute_rho(n, x, z), yz = brute_rho(n, y, z);
        assert_near(c.partial.value, (xy - xz * yz) / sqrt((1 - xz * xz) * (1 - yz * yz)), 1e-9);
    }
}

static void test_undefined(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4}, constant[] = {5, 5, 5, 5};
    struct assay_stats_correlation c;
    assert_int_equal(assay_stats_correlate(4, x, constant, constant, 50, 1, &c), 0);
    assert_true(isnan(c.tau.value) && isnan(c.rho.value) && isnan(c.partial.value));
    assert_true(isnan(c.tau.lo) && isnan(c.tau.hi));
    assert_int_equal(assay_stats_correlate(1, x, x, NULL, 50, 1, &c), 0);
    assert_true(isnan(c.tau.value));
    assert_true(isnan(correlate(4, x, constant, x).partial.value));
    assert_true(isnan(correlate(4, x, x, x).partial.value));
}

static void gaussian_pairs(uint32_t n, double r, double *x, double *y)
{
    struct assay_rng rng;
    assay_rng_init(&rng, 11, 0, "test", "gaussian");
    for (uint32_t i = 0; i < n; i++) {
        x[i] = assay_rng_normal(&rng);
        y[i] = r * x[i] + sqrt(1 - r * r) * assay_rng_normal(&rng);
    }
}

// Fieller, Hartley and Pearson 1957: for normal pairs atanh(tau) has variance 0.437/(n - 4) and
// atanh(rho_s) 1.06/(n - 3).
static void test_interval(void **state)
{
    (void)state;
    enum { N = 1000 };
    static double x[N], y[N];
    gaussian_pairs(N, 0.6, x, y);
    struct assay_stats_correlation c, again;
    assert_int_equal(assay_stats_correlate(N, x, y, NULL, 1000, 1, &c), 0);
    assert_int_equal(assay_stats_correlate(N, x, y, NULL, 1000, 1, &again), 0);
    assert_memory_equal(&c.tau, &again.tau, sizeof(c.tau));
    assert_true(c.tau.lo < c.tau.value && c.tau.value < c.tau.hi);
    assert_true(c.rho.lo < c.rho.value && c.rho.value < c.rho.hi);
    const double tau = 2 * 1.96 * sqrt(0.437 / (N - 4)), rho = 2 * 1.96 * sqrt(1.06 / (N - 3));
    assert_near((atanh(c.tau.hi) - atanh(c.tau.lo)) / tau, 1, 0.15);
    assert_near((atanh(c.rho.hi) - atanh(c.rho.lo)) / rho, 1, 0.15);
    assert_near(c.tau.value, 2 / M_PI * asin(0.6), 0.05);
}

static void test_interval_of_certainty(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct assay_stats_correlation c;
    assert_int_equal(assay_stats_correlate(8, x, x, NULL, 200, 3, &c), 0);
    assert_near(c.tau.lo, 1, 1e-15);
    assert_near(c.rho.hi, 1, 1e-15);
}

static void test_top(void **state)
{
    (void)state;
    const double best_first[] = {94, 93, 90, 10}, mixed[] = {90, 94, 10, 93};
    assert_near(assay_stats_top_best(4, mixed, 1), 90, 0);
    assert_near(assay_stats_top_best(4, mixed, 3), 94, 0);
    assert_near(assay_stats_top_best(4, mixed, 100), 94, 0);
    assert_true(isnan(assay_stats_top_best(0, mixed, 10)));
    double ndcg = 0;
    assert_int_equal(assay_stats_ndcg(4, best_first, 100, &ndcg), 0);
    assert_near(ndcg, 1, 1e-15);
    const double gain = 80 + 84 / log2(3), most = 84 + 83 / log2(3);
    assert_int_equal(assay_stats_ndcg(4, mixed, 2, &ndcg), 0);
    assert_near(ndcg, gain / most, 1e-15);
    assert_int_equal(assay_stats_ndcg(1, mixed, 1, &ndcg), 0);
    assert_true(isnan(ndcg));
}

static void test_dense(void **state)
{
    (void)state;
    const double x[] = {3, -INFINITY, 3, 0, INFINITY};
    const uint32_t expected[] = {2, 0, 2, 1, 3};
    uint32_t group[5];
    assert_int_equal(assay_stats_dense(5, x, group), 4);
    assert_memory_equal(group, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_interval_of_certainty),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
