// SPDX-License-Identifier: Apache-2.0
// The size of the kernel that `ntk` has, and how its eigenvalues fall off.
#include "subject.h"

#include <math.h>

static const double quantiles[] = {0.10, 0.25, 0.50};

static const struct assay_column columns[] = {
    {"ntk_frobenius", "1", "Frobenius norm of Theta", 1},
    {"ntk_logdet", "nat", "ln det Theta", 1},
    {"ntk_mean", "1", "mean of the entries of Theta", 1},
    {"ntk_effective_rank", "1", "exp of entropy (Roy and Vetterli 2007)", 1},
    {"ntk_kappa_10", "1", "lambda_max over the 10 % quantile (linear) of the eigenvalues", -1},
    {"ntk_kappa_25", "1", "lambda_max over the 25 % quantile (linear) of the eigenvalues", -1},
    {"ntk_kappa_50", "1", "lambda_max over the median of the eigenvalues", -1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = ntk_pass(use->option[0], ASSAY_PULL_KERNEL, ASSAY_BN_BATCH);
    return 1;
}

static void add_entry(void *sum, uint32_t row, uint32_t column, double value)
{
    *(double *)sum += row == column ? value : 2 * value;
}

// Interpolates between the two of n ascending values that stand around q (n - 1), as numpy does
// (Hyndman and Fan's seventh quantile).
static double quantile(uint32_t n, const double *value, double q)
{
    const double at = q * (n - 1);
    const uint32_t below = (uint32_t)at;
    if (below + 1 == n) return value[below];
    return value[below] + (at - below) * (value[below + 1] - value[below]);
}

static void of_eigenvalues(const struct assay_kernel *kernel, double *out)
{
    const uint32_t n = kernel->n;
    const double *value = kernel->eigenvalue, zero = kernel_zero(kernel);
    out[0] = sqrt(metric_sumsq(n, value));
    out[1] = 0;
    for (uint32_t i = 0; i < n; i++) out[1] += value[i] > zero ? log(value[i]) : NAN;
    for (size_t i = 0; i < ASSAY_LEN(quantiles); i++) {
        const double at = quantile(n, value, quantiles[i]);
        out[4 + i] = at > zero ? value[n - 1] / at : INFINITY;
    }
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_kernel *kernel;
    double summary[KERNEL_COLUMNS], sum = 0;
    ASSAY_TRY(assay_subject_kernel(s, use, 0, &kernel, err));
    assay_pla_visit(s->pla, kernel->n, kernel->gram, add_entry, &sum);
    ASSAY_TRY(assay_pla_sum(s->pla, 1, &sum, err));
    const int verdict = kernel_summary(kernel, summary, reason);
    of_eigenvalues(kernel, out);
    out[2] = sum / kernel->n / kernel->n;
    out[3] = exp(summary[6]);
    return verdict;
}

const struct assay_metric assay_metric_ntk_spectrum = {
    .name = "ntk_spectrum",
    .help = "norm, determinant, mean and effective rank of the NTK, lambda_max over quantiles",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .collective = true,
    .passes = passes,
    .describe = ntk_batch_describe,
    .measure = measure,
};
