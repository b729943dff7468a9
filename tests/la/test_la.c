// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/la.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 97 };

static double *doubles(size_t n)
{
    double *v = calloc(n, sizeof *v);
    assert_non_null(v);
    return v;
}

static void fill_normal(const char *name, size_t n, double *v)
{
    struct assay_rng rng;
    assay_rng_init(&rng, 7, 0, "test_la", name);
    for (size_t i = 0; i < n; i++) v[i] = assay_rng_normal(&rng);
}

static void eigenvalues(uint32_t n, double *a, double *w)
{
    double *work = doubles(assay_la_eigenvalues_work(n));
    struct assay_err err = {0};
    assert_int_equal(assay_la_eigenvalues(n, a, w, work, &err), ASSAY_OK);
    for (uint32_t i = 1; i < n; i++) assert_true(w[i - 1] <= w[i]);
    free(work);
}

static void gram_is_the_matrix_of_inner_products(void **state)
{
    (void)state;
    enum { N = 13, P = 57, LD = 64 };
    double *jac = doubles(N * LD), *theta = doubles(N * N);
    fill_normal("gram", N * LD, jac);
    assay_la_gram(N, P, jac, LD, theta);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < P; k++) dot += jac[i * LD + k] * jac[j * LD + k];
            assert_true(fabs(theta[i * N + j] - dot) < 1e-12);
            assert_true(theta[i * N + j] == theta[j * N + i]);
        }
    }
    assay_la_gram(N, 0, jac, 0, theta); // of nothing
    for (size_t i = 0; i < (size_t)N * N; i++) assert_true(theta[i] == 0.0);
    free(jac);
    free(theta);
}

static void products_of_columns_are_added(void **state)
{
    (void)state;
    enum { N = 13, P = 57, LD = 16 };
    double *rows = doubles(P * LD), *theta = doubles(N * N);
    fill_normal("products", P * LD, rows);
    for (size_t i = 0; i < N * N; i++) theta[i] = (double)i;
    assay_la_add_column_gram(N, P, rows, LD, theta);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double want = (double)(i * N + j); // the upper triangle stays
            for (size_t k = 0; k < P && j <= i; k++) want += rows[k * LD + i] * rows[k * LD + j];
            assert_true(fabs(theta[i * N + j] - want) < 1e-12);
        }
    }
    free(rows);
    free(theta);
}

// Of float32 and float64 rows, in numbers that no vector divides.
static void products_of_rows(void **state)
{
    (void)state;
    enum { N = 7, P = 29, LD = 32 };
    double *wide = doubles(N * LD), x[P], y[N], seen[P], gram[2][N * N] = {{0}};
    float *narrow = calloc(N * LD, sizeof *narrow), *tile = calloc(assay_la_tile(), sizeof *tile);
    assert_true(narrow && tile);
    fill_normal("rows", N * LD, wide);
    fill_normal("x", P, x);
    for (size_t i = 0; i < N * LD; i++) wide[i] = narrow[i] = (float)wide[i];
    for (int single = 0; single < 2; single++) {
        const struct assay_la_rows rows = {
            .n = N, .p = P, .ld = LD, .single = single, .at = single ? (void *)narrow : wide};
        assay_la_apply(&rows, x, y);
        for (size_t i = 0; i < N; i++) {
            for (size_t k = 0; k < P; k++) y[i] -= wide[i * LD + k] * x[k];
            assert_true(fabs(y[i]) < 1e-13);
        }
        assay_la_apply_transposed(&rows, x, seen);
        for (size_t k = 0; k < P; k++) {
            for (size_t i = 0; i < N; i++) seen[k] -= wide[i * LD + k] * x[i];
            assert_true(fabs(seen[k]) < 1e-13);
        }
    }
    assay_la_add_products(N, N, P, wide, LD, wide, LD, gram[0], N);
    assay_la_add_products_single(N, N, P, narrow, LD, narrow, LD, gram[1], N, tile);
    for (size_t i = 0; i < N * N; i++) {
        for (size_t k = 0; k < P; k++) gram[0][i] -= wide[i / N * LD + k] * wide[i % N * LD + k];
        assert_true(fabs(gram[0][i]) < 1e-13);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < P; k++) gram[1][i * N] -= wide[i * LD + k] * wide[k];
        assert_true(fabs(gram[1][i * N]) < 1e-4);
    }
    free(wide), free(narrow), free(tile);
}

static void cholesky_solves_or_says_no(void **state)
{
    (void)state;
    enum { N = 3 };
    double a[N * N] = {4, 2, -2, 0, 5, 1, 0, 0, 6}, x[N] = {2, 15, 18};
    assert_true(assay_la_cholesky(N, a));
    assay_la_solve(N, a, x);
    for (size_t i = 0; i < N; i++) assert_true(fabs(x[i] - (double)(i + 1)) < 1e-14);
    double bad[4] = {1, 2, 0, 1};
    assert_false(assay_la_cholesky(2, bad));
}

// Q diag(w) Q with the Householder reflection Q = I - 2 v v^T has the eigenvalues w. It is
// diag(w) - 2 v (w v)^T - 2 (w v) v^T + 4 (v^T w v) v v^T.
static void eigenvalues_survive_a_reflection(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 32, N_MAX, 2000}; // the last by two stages
    for (size_t t = 0; t < ASSAY_LEN(sizes); t++) {
        const uint32_t n = sizes[t];
        double *a = doubles((size_t)n * n), *v = doubles(n), *found = doubles(n), norm = 0.0,
               mean = 0.0;
        fill_normal("reflection", n, v);
        for (uint32_t i = 0; i < n; i++) norm += v[i] * v[i];
        for (uint32_t i = 0; i < n; i++) v[i] /= sqrt(norm);
        for (uint32_t i = 0; i < n; i++) mean += (i + 1.0) * v[i] * v[i];
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < n; j++)
                a[(size_t)i * n + j] =
                    (i == j) * (i + 1.0) + v[i] * v[j] * (4 * mean - 2 * (i + 1.0) - 2 * (j + 1.0));
        }
        eigenvalues(n, a, found);
        for (uint32_t k = 0; k < n; k++) assert_true(fabs(found[k] - (k + 1.0)) < 1e-12 * n);
        free(a);
        free(v);
        free(found);
    }
}

static void eigenvalues_scale_with_the_matrix(void **state)
{
    (void)state;
    enum { N = 24 };
    static const double factors[] = {0x1p-1040, 0x1p-500, 0x1p300, 0x1p1000};
    double *jac = doubles(N * N), *theta = doubles(N * N), *scaled = doubles(N * N);
    double w[N], v[N];
    fill_normal("scale", N * N, jac);
    assay_la_gram(N, N, jac, N, theta);
    for (size_t f = 0; f < ASSAY_LEN(factors); f++) {
        for (size_t i = 0; i < (size_t)N * N; i++) scaled[i] = theta[i] * factors[f];
        double *copy = doubles(N * N);
        memcpy(copy, theta, N * N * sizeof *copy);
        eigenvalues(N, copy, w);
        eigenvalues(N, scaled, v);
        // Exact by powers of two; at 2^-1040 the entries themselves have lost digits.
        const double tolerance = factors[f] < 0x1p-1000 ? 1e-3 : 0.0;
        for (size_t i = 0; i < N; i++) {
            assert_true(fabs(v[i] - w[i] * factors[f]) <= tolerance * w[N - 1] * factors[f]);
        }
        free(copy);
    }
    free(jac);
    free(theta);
    free(scaled);
}

static void a_gram_matrix_of_fewer_columns_is_rank_deficient(void **state)
{
    (void)state;
    enum { N = 40, P = 11 };
    double *jac = doubles(N * P), *theta = doubles(N * N), w[N], trace = 0.0, sum = 0.0;
    fill_normal("rank", N * P, jac);
    assay_la_gram(N, P, jac, P, theta);
    for (size_t i = 0; i < N; i++) trace += theta[i * N + i];
    eigenvalues(N, theta, w);
    for (size_t i = 0; i < N; i++) sum += w[i];
    assert_true(fabs(sum - trace) < 1e-12 * trace);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(w[i] > N * 0x1p-52 * w[N - 1], i >= N - P);
    }
    free(jac);
    free(theta);
}

static void zero_has_zero_eigenvalues(void **state)
{
    (void)state;
    double a[9] = {0}, w[3] = {1, 1, 1};
    eigenvalues(3, a, w);
    for (size_t i = 0; i < 3; i++) assert_true(w[i] == 0.0);
}

// (I - 2 v v^T) D with D of the values n, n - 1 ... 1 on the diagonal of a (m,n) matrix has these
// singular values; so has its transpose.
static void singular_values_survive_a_reflection(void **state)
{
    (void)state;
    enum { M = 70, N = 9 };
    double v[M], norm = 0, *a = doubles(M * N), *t = doubles(M * N), found[N];
    double *work = doubles(assay_la_singular_values_work(M, N));
    struct assay_err err = {0};
    fill_normal("singular", M, v);
    for (size_t i = 0; i < M; i++) norm += v[i] * v[i];
    for (size_t i = 0; i < M; i++) {
        for (size_t k = 0; k < N; k++)
            t[k * M + i] = a[i * N + k] =
                (double)(N - k) * ((double)(i == k) - 2 * v[i] * v[k] / norm);
    }
    assert_int_equal(assay_la_singular_values(M, N, a, found, work, &err), ASSAY_OK);
    for (size_t k = 0; k < N; k++) assert_true(fabs(found[k] - (double)(N - k)) < 1e-13 * N);
    assert_int_equal(assay_la_singular_values(N, M, t, found, work, &err), ASSAY_OK);
    for (size_t k = 0; k < N; k++) assert_true(fabs(found[k] - (double)(N - k)) < 1e-13 * N);
    free(a);
    free(t);
    free(work);
}

static void what_is_not_finite_is_an_error(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    double *work = doubles(assay_la_eigenvalues_work(2)), w[2];
    double *more = doubles(assay_la_singular_values_work(2, 2));
    for (size_t i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_err err = {0};
        double a[4] = {1, bad[i], bad[i], 1};
        assert_int_equal(assay_la_eigenvalues(2, a, w, work, &err), ASSAY_ERR_INPUT);
        assert_non_null(strstr(err.text, "finite"));
        err.text[0] = '\0';
        assert_int_equal(assay_la_singular_values(2, 2, a, w, more, &err), ASSAY_ERR_INPUT);
        assert_non_null(strstr(err.text, "finite"));
    }
    free(work);
    free(more);
}

static void the_library_has_a_name(void **state)
{
    (void)state;
    struct assay_err err;
    assert_int_equal(assay_la_start(&err), ASSAY_OK);
    assert_int_equal(assay_la_start(&err), ASSAY_OK); // once is enough
    assert_true(strlen(assay_la_name()) > 3);
    print_message("BLAS: %s\n", assay_la_name());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_is_the_matrix_of_inner_products),
        cmocka_unit_test(products_of_columns_are_added),
        cmocka_unit_test(products_of_rows),
        cmocka_unit_test(cholesky_solves_or_says_no),
        cmocka_unit_test(eigenvalues_survive_a_reflection),
        cmocka_unit_test(eigenvalues_scale_with_the_matrix),
        cmocka_unit_test(a_gram_matrix_of_fewer_columns_is_rank_deficient),
        cmocka_unit_test(zero_has_zero_eigenvalues),
        cmocka_unit_test(singular_values_survive_a_reflection),
        cmocka_unit_test(what_is_not_finite_is_an_error),
        cmocka_unit_test(the_library_has_a_name),
    };
    return cmocka_run_group_tests_name("la", tests, NULL, NULL);
}
