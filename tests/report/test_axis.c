// SPDX-License-Identifier: Apache-2.0
// Axes of plots: what they show of values that nobody chose, and how many marks they have.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "axis.h"

static struct axis fit(uint64_t n, const double *value)
{
    struct axis axis;
    struct assay_err err;
    if (axis_fit(&axis, n, value, &err) < 0) fail_msg("%s", err.text);
    assert_true(isfinite(axis.lo) && isfinite(axis.hi) && axis.lo < axis.hi);
    assert_true(fabs(axis_place(&axis, axis.lo)) < 1e-9);
    assert_true(fabs(axis_place(&axis, axis.hi) - 1) < 1e-9);
    for (double place = 0; place <= 1; place += 0.125)
        assert_true(fabs(axis_place(&axis, axis_value(&axis, place)) - place) < 1e-9);
    return axis;
}

static void axes_show_what_is_near(void **state)
{
    double value[1000];
    (void)state;
    for (int i = 0; i < 1000; i++) value[i] = 50 + i % 100;
    struct axis axis = fit(1000, value);
    assert_false(axis.log);
    assert_true(axis.lo == 50 && axis.hi == 149);
    value[3] = 1e9;
    axis = fit(1000, value);
    assert_true(axis.hi == 149 && !axis_shows(&axis, 1e9));
    for (int i = 0; i < 1000; i++) value[i] = pow(10, i / 100);
    axis = fit(1000, value);
    assert_true(axis.log && axis.lo == 1 && axis.hi == 1e9);
    value[0] = 0;
    assert_false(fit(1000, value).log);
}

// Differences that are no numbers, or too small for marks, would keep gnuplot busy for ever.
static void axes_of_strange_values(void **state)
{
    const double strange[][3] = {{5, 5, 5},
                                 {0, 0, 0},
                                 {-1e308, 0, 1e308},
                                 {5e-324, 1, 1.7e308},
                                 {1e9, 1e9 + 1e-6, 1e9 + 2e-6},
                                 {-3, -3, -3},
                                 {1e-320, 2e-320, 3e-320},
                                 {1e-320, 1e-300, 1e-290},
                                 {-1e308, -1e300, -1e290},
                                 {1e290, 1e300, 1e308},
                                 {1, 1e150, 1e308},
                                 {5e-324, 1e-250, 1e308}};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(strange); i++) {
        // A margin beyond the ends is a number, too, and positive on a logarithmic axis.
        const struct axis axis = fit(3, strange[i]);
        const double below = axis_value(&axis, -0.03), above = axis_value(&axis, 1.03);
        assert_true(isnormal(axis.log ? below : 1) && isfinite(below) && isfinite(above));
    }
    fit(1, strange[0]);
}

static char *commands(const struct axis *axis)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    axis_set(out, axis, "x");
    return assay_text_close(out, &text);
}

static void marks_are_few(void **state)
{
    (void)state;
    for (double decades = 1.8; decades < 600; decades *= 1.3) {
        const struct axis axis = {
            .log = true, .lo = pow(10, -decades / 2), .hi = pow(10, decades / 2)};
        char *text = commands(&axis);
        unsigned marks = 1;
        for (const char *at = text; (at = strchr(at, ',')); at++) marks++;
        assert_in_range(marks, 4, 16);
        free(text);
    }
    const struct axis axis = {.lo = 3, .hi = 11.2};
    char *text = commands(&axis);
    assert_non_null(strstr(text, "set xtics 2\n"));
    free(text);
}

static void many_points_are_counted(void **state)
{
    enum { N = 5000 };
    static double x[N], y[N];
    (void)state;
    for (int i = 0; i < N; i++) x[i] = i % 7, y[i] = i % 5;
    x[0] = 1e6;
    for (uint64_t n = 500; n <= N; n += N - 500) {
        const struct axis axis[2] = {fit(n, x), fit(n, y)};
        struct axis_points points;
        struct assay_err err;
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);
        assert_int_equal(axis_write(out, axis, n, x, y, &points, &err), ASSAY_OK);
        text = assay_text_close(out, &text);
        assert_true(points.binned == (n > 1000));
        assert_int_equal(points.outside, 1);
        uint64_t rows = 0, sum = 0;
        for (char *at = text; (at = strchr(at, '\n')); at++) {
            double v[6];
            unsigned long long count;
            rows++;
            if (points.binned && sscanf(at, "%lf %lf %lf %lf %lf %lf %llu", v, v + 1, v + 2, v + 3,
                                        v + 4, v + 5, &count) == 7) {
                assert_true(v[2] < v[0] && v[0] < v[3] && v[4] < v[1] && v[1] < v[5]);
                sum += count;
            }
        }
        assert_int_equal(points.binned ? sum : rows, points.binned ? n - 1 : n - 1 + 3);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_show_what_is_near),
        cmocka_unit_test(axes_of_strange_values),
        cmocka_unit_test(marks_are_few),
        cmocka_unit_test(many_points_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
