// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

// ---- kernels ------------------------------------------------------------------------------------
static void the_kernel_is_symmetric_and_positive(void **state)
{
    struct fixture *f = *state;
    for (int bn = ASSAY_BN_BATCH; bn <= ASSAY_BN_FROZEN; bn++) {
        double trace = 0.0, sum = 0.0;
        restart(f);
        const struct assay_kernel *kernel = kernel_of(f, (enum assay_bn)bn);
        for (size_t i = 0; i < N; i++) {
            trace += kernel->gram[i * N + i];
            sum += kernel->eigenvalue[i];
            assert_true(kernel->eigenvalue[i] > 0.0);
            for (size_t j = 0; j < N; j++) {
                assert_true(kernel->gram[i * N + j] == kernel->gram[j * N + i]);
            }
        }
        assert_close(trace, sum, 1e-12);
    }
}

static void the_two_kernels_differ(void **state)
{
    struct fixture *f = *state;
    restart(f);
    const double batch = value(f, "ntk"), frozen = value(f, "ntk_frozen");
    assert_true(fabs(batch - frozen) > 0.1 * batch);
}

// Image i goes to place 3 i + 1 (mod N).
static void permuting_the_batch_permutes_the_kernel(void **state)
{
    struct fixture *f = *state;
    double *moved = malloc(N * PIXELS * sizeof *moved), before[N * N], after[N * N];
    assert_non_null(moved);
    for (size_t i = 0; i < N; i++) {
        memcpy(moved + (3 * i + 1) % N * PIXELS, f->images + i * PIXELS, PIXELS * sizeof *moved);
    }
    for (int bn = ASSAY_BN_BATCH; bn <= ASSAY_BN_FROZEN; bn++) {
        restart(f);
        f->given[0].x = f->images;
        copy_gram(f, (enum assay_bn)bn, before);
        restart(f);
        f->given[0].x = moved;
        copy_gram(f, (enum assay_bn)bn, after);
        double largest = 0.0;
        for (size_t i = 0; i < N * N; i++) largest = fmax(largest, fabs(before[i]));
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < N; j++) {
                const size_t to = (3 * i + 1) % N * N + (3 * j + 1) % N;
                assert_true(fabs(after[to] - before[i * N + j]) < 2e-6 * largest);
            }
        }
    }
    free(moved);
}

static void equal_images_make_the_kernel_degenerate(void **state)
{
    struct fixture *f = *state;
    double *twins = malloc(N * PIXELS * sizeof *twins), out[16];
    assert_non_null(twins);
    memcpy(twins, f->images, N * PIXELS * sizeof *twins);
    memcpy(twins + 7 * PIXELS, twins + 2 * PIXELS, PIXELS * sizeof *twins);
    static const char *const names[] = {"ntk", "ntk_frozen"};
    for (size_t i = 0; i < ASSAY_LEN(names); i++) {
        char reason[ASSAY_METRIC_REASON] = "";
        restart(f);
        f->given[0].x = twins;
        assert_int_equal(measure(f, names[i], out, reason), ASSAY_VERDICT_DEGENERATE);
        assert_true(isinf(out[0]) && out[0] > 0);
        assert_int_equal((int)out[5], N - 1);
        assert_non_null(strstr(reason, "rank 9 of 10"));
    }
    free(twins);
}

static void the_columns_of_ntk_agree(void **state)
{
    struct fixture *f = *state;
    double out[16], spectrum[N], sum = 0.0, entropy = 0.0;
    char reason[ASSAY_METRIC_REASON];
    struct assay_err err = {0};
    restart(f);
    assert_int_equal(
        assay_subject_measure(&f->subject, use_of(f, "ntk"), out, spectrum, reason, &err), 0);
    for (size_t i = 0; i < N; i++) sum += spectrum[i];
    for (size_t i = 0; i < N; i++) entropy -= spectrum[i] / sum * log(spectrum[i] / sum);
    assert_close(out[0], spectrum[N - 1] / spectrum[0], 1e-15);
    assert_true(out[2] == spectrum[N - 1] && out[3] == spectrum[0] && out[5] == N);
    assert_close(out[4], sum, 1e-12);
    assert_close(out[6], entropy, 1e-12);
    assert_true(entropy > 0.0 && entropy <= log(N));
}

static void the_spectrum_is_of_the_kernel(void **state)
{
    struct fixture *f = *state;
    double out[16], gram[N * N], squares = 0, sum = 0, product = 1;
    char reason[ASSAY_METRIC_REASON];
    restart(f);
    assert_int_equal(measure(f, "ntk_spectrum", out, reason), ASSAY_VERDICT_OK);
    const double *l = kernel_of(f, ASSAY_BN_BATCH)->eigenvalue;
    copy_gram(f, ASSAY_BN_BATCH, gram);
    for (size_t i = 0; i < N * N; i++) squares += gram[i] * gram[i], sum += gram[i];
    for (size_t i = 0; i < N; i++) product *= l[i];
    assert_close(out[0], sqrt(squares), 1e-12);
    assert_close(out[1], log(product), 1e-12);
    assert_close(out[2], sum / (N * N), 1e-12);
    assert_true(out[3] > 1 && out[3] < N);
    assert_close(out[4], l[N - 1] / (l[0] + 0.9 * (l[1] - l[0])), 1e-12);
    assert_close(out[5], l[N - 1] / (l[2] + 0.25 * (l[3] - l[2])), 1e-12);
    assert_close(out[6], l[N - 1] / (l[4] + 0.5 * (l[5] - l[4])), 1e-12);
}

// ---- alignment ----------------------------------------------------------------------------------
// a (n,n) less the means of its rows and columns, or of all.
static void centre(size_t n, const double *a, bool by_rows, double *out)
{
    double *row = calloc(n, sizeof *row), mean = 0;
    assert_non_null(row);
    for (size_t i = 0; i < n * n; i++) row[i / n] += a[i] / (double)n;
    for (size_t i = 0; i < n; i++) mean += row[i] / (double)n;
    for (size_t i = 0; i < n * n; i++)
        out[i] = by_rows ? a[i] - row[i / n] - row[i % n] + mean : a[i] - mean;
    free(row);
}

static double align(size_t n, const double *a, const double *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n * n; i++) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    return ab / sqrt(aa * bb);
}

static void alignment_is_that_of_matrices(void **state)
{
    struct fixture *f = *state;
    enum { MOST = N * CLASSES };
    static double y[MOST * MOST], a[MOST * MOST], b[MOST * MOST];
    for (int outputs = ASSAY_OUTPUTS_SUM; outputs <= ASSAY_OUTPUTS_ALL; outputs++) {
        double out[16];
        char reason[ASSAY_METRIC_REASON];
        set(f, "ntk", "outputs", outputs == ASSAY_OUTPUTS_SUM ? "sum" : "all");
        choose_all(f);
        assert_int_equal(measure(f, "kta", out, reason), ASSAY_VERDICT_OK);
        const struct assay_kernel *kernel = kernel_of(f, ASSAY_BN_BATCH);
        const size_t n = kernel->n, each = n / N;
        for (size_t i = 0; i < n * n; i++) y[i] = f->label[i / n / each] == f->label[i % n / each];
        assert_close(out[0], align(n, kernel->gram, y), 1e-12);
        centre(n, kernel->gram, true, a), centre(n, y, true, b);
        assert_close(out[1], align(n, a, b), 1e-10);
        assert_true(out[3] == out[1]);
        for (size_t i = 0; i < n * n; i++) y[i] = 2 * y[i] - 1;
        assert_close(out[2], align(n, kernel->gram, y), 1e-10);
        centre(n, kernel->gram, false, a), centre(n, y, false, b);
        assert_close(out[4], align(n, a, b), 1e-10);
    }
}

static void one_label_aligns_with_nothing(void **state)
{
    struct fixture *f = *state;
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    memset(f->label, 0, sizeof f->label);
    choose_one(f, "kta");
    assert_int_equal(measure(f, "kta", out, reason), ASSAY_VERDICT_DEGENERATE);
    assert_non_null(strstr(reason, "one label"));
    assert_true(out[0] > 0 && isnan(out[1]) && isnan(out[4]));
}

// ---- gradients ----------------------------------------------------------------------------------
// The gradient of the mean is the mean of the rows of the Jacobian.
static void nasi_without_labels_is_the_mean_row(void **state)
{
    struct fixture *f = *state;
    const size_t p = f->net.n_weight;
    const double ones[CLASSES] = {1, 1, 1, 1};
    double *jac = malloc(N * p * sizeof *jac), expected = 0.0;
    assert_non_null(jac);
    bind(f);
    assay_exec_jacobian(f->exec, ASSAY_BN_BATCH, ones, 1, 0, N, p, jac, p);
    for (size_t k = 0; k < p; k++) {
        double mean = 0.0;
        for (size_t i = 0; i < N; i++) mean += jac[i * p + k] / N;
        expected += mean * mean;
    }
    restart(f);
    set(f, "nasi", "labels", "none");
    choose_all(f);
    assert_close(value(f, "nasi"), expected, 1e-5);
    free(jac);
}

static double cross_entropy(struct fixture *f, const double *theta)
{
    assay_exec_forward(f->exec, theta, f->images);
    const double *logits = assay_exec_logits(f->exec);
    double loss = 0.0;
    for (size_t i = 0; i < N; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < CLASSES; k++) sum += exp(logits[i * CLASSES + k]);
        loss += (log(sum) - logits[i * CLASSES + f->label[i]]) / N;
    }
    return loss;
}

// d/de L(theta + e g) = ||g||^2 for g the gradient of L.
static void nasi_is_the_slope_of_the_loss(void **state)
{
    struct fixture *f = *state;
    const size_t p = f->net.n_theta;
    double cot[N * CLASSES], *grad = malloc(p * sizeof *grad), *theta = malloc(p * sizeof *theta);
    assert_non_null(grad);
    assert_non_null(theta);
    bind(f);
    const double *logits = assay_exec_logits(f->exec);
    for (size_t i = 0; i < N; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < CLASSES; k++) sum += exp(logits[i * CLASSES + k]);
        for (size_t k = 0; k < CLASSES; k++) {
            cot[i * CLASSES + k] = (exp(logits[i * CLASSES + k]) / sum - (k == f->label[i])) / N;
        }
    }
    assay_exec_gradient(f->exec, ASSAY_BN_BATCH, cot, grad);
    const double step = 1e-5;
    for (size_t k = 0; k < p; k++) theta[k] = f->theta_net[k] + step * grad[k];
    const double up = cross_entropy(f, theta);
    for (size_t k = 0; k < p; k++) theta[k] = f->theta_net[k] - step * grad[k];
    const double down = cross_entropy(f, theta);
    restart(f);
    set(f, "nasi", "labels", "true");
    choose_all(f);
    assert_close(value(f, "nasi"), (up - down) / (2 * step), 1e-4);
    free(grad);
    free(theta);
}

// One backward pass per image and class gives the same sum of squares.
static void the_trace_over_all_outputs_is_a_sum_of_squares(void **state)
{
    struct fixture *f = *state;
    double *grad = malloc(f->net.n_theta * sizeof *grad), expected = 0.0;
    assert_non_null(grad);
    bind(f);
    for (size_t i = 0; i < N * CLASSES; i++) {
        double cot[N * CLASSES] = {0};
        cot[i] = 1.0;
        assay_exec_gradient(f->exec, ASSAY_BN_FROZEN, cot, grad);
        for (size_t k = 0; k < f->net.n_theta; k++) expected += grad[k] * grad[k];
    }
    restart(f);
    assert_close(value(f, "ntk_trace"), expected, 1e-6);
    free(grad);
}

// ---- all outputs --------------------------------------------------------------------------------
// s_n is the sum of its logits: so are the kernels.
static void the_kernel_of_sums_is_the_sum_of_blocks(void **state)
{
    struct fixture *f = *state;
    for (int bn = ASSAY_BN_BATCH; bn <= ASSAY_BN_FROZEN; bn++) {
        double gram[N * N], largest = 0.0;
        set(f, "ntk", "outputs", "sum");
        choose_all(f);
        copy_gram(f, (enum assay_bn)bn, gram);
        for (size_t i = 0; i < N * N; i++) largest = fmax(largest, fabs(gram[i]));
        set(f, "ntk", "outputs", "all");
        choose_all(f);
        const struct assay_kernel *kernel = kernel_of(f, (enum assay_bn)bn);
        assert_int_equal(kernel->n, N * CLASSES);
        for (size_t i = 0; i < (size_t)N * CLASSES; i++) {
            for (size_t j = 0; j < (size_t)N * CLASSES; j++)
                gram[i / CLASSES * N + j / CLASSES] -= kernel->gram[i * kernel->n + j];
        }
        for (size_t i = 0; i < N * N; i++) assert_true(fabs(gram[i]) < 1e-5 * largest);
    }
}

// ---- ridge regression ---------------------------------------------------------------------------
// The second half repeats the first: without regularisation it is known, with all of it nothing is.
static void ridge_knows_what_it_has_seen(void **state)
{
    struct fixture *f = *state;
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    memcpy(f->images + N / 2 * PIXELS, f->images, N / 2 * PIXELS * sizeof *f->images);
    for (size_t i = 0; i < N; i++) f->label[i] = (i % (N / 2) + 1) % CLASSES;
    for (int outputs = ASSAY_OUTPUTS_SUM; outputs <= ASSAY_OUTPUTS_ALL; outputs++) {
        set(f, "ntk", "outputs", outputs == ASSAY_OUTPUTS_SUM ? "sum" : "all");
        set(f, "ridge", "lambda", "1e-10");
        choose_all(f);
        assert_int_equal(measure(f, "ntk_ridge", out, reason), ASSAY_VERDICT_OK);
        assert_true(out[0] == 1.0 && out[1] < 1e-6);
        set(f, "ridge", "lambda", "1e6");
        restart(f);
        assert_int_equal(measure(f, "ntk_ridge", out, reason), ASSAY_VERDICT_OK);
        assert_close(out[1], 1.0 / CLASSES * (1 - 1.0 / CLASSES), 1e-5);
        f->label[N / 2]++; // another truth of an image that is predicted
        set(f, "ridge", "lambda", "1e-10");
        restart(f);
        assert_int_equal(measure(f, "ntk_ridge", out, reason), ASSAY_VERDICT_OK);
        assert_close(out[0], 0.8, 1e-12);
        assert_close(out[1], 2.0 / (5 * CLASSES), 1e-3);
        f->label[N / 2]--;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAW(the_kernel_is_symmetric_and_positive),
        LAW(the_two_kernels_differ),
        LAW(permuting_the_batch_permutes_the_kernel),
        LAW(equal_images_make_the_kernel_degenerate),
        LAW(the_columns_of_ntk_agree),
        LAW(the_spectrum_is_of_the_kernel),
        LAW(alignment_is_that_of_matrices),
        LAW(one_label_aligns_with_nothing),
        LAW(nasi_without_labels_is_the_mean_row),
        LAW(nasi_is_the_slope_of_the_loss),
        LAW(the_kernel_of_sums_is_the_sum_of_blocks),
        LAW(ridge_knows_what_it_has_seen),
        LAW(the_trace_over_all_outputs_is_a_sum_of_squares),
    };
    return cmocka_run_group_tests_name("ntk", tests, NULL, NULL);
}
