// SPDX-License-Identifier: Apache-2.0
// What is read off the spectrum of a kernel.
#include "subject.h"

#include <float.h>
#include <math.h>
#include <string.h>

// -sum p ln p with p = lambda / sum of lambda; eigenvalues below zero are round-off.
static double spectral_entropy(uint32_t n, const double *eigenvalue)
{
    double sum = 0.0, entropy = 0.0;
    for (uint32_t i = 0; i < n; i++) sum += fmax(eigenvalue[i], 0.0);
    for (uint32_t i = 0; i < n; i++) {
        const double p = eigenvalue[i] / sum;
        if (p > 0.0) entropy -= p * log(p);
    }
    return entropy;
}

// Of an eigenvalue that is 0, a Jacobian in float64 leaves N eps, but one in single precision is
// rounded to float32 and Theta is its square. Equal images measured up to 7e-13 lambda_max where 0
// is exact; kernels of real networks stay above 1e-6.
double kernel_rounding(uint32_t n, enum assay_precision precision)
{
    const double rounding = 32.0 * (precision == ASSAY_SINGLE ? FLT_EPSILON : DBL_EPSILON);
    return fmax(n * DBL_EPSILON, rounding * rounding);
}

double kernel_zero(const struct assay_kernel *kernel)
{
    return kernel_rounding(kernel->n, kernel->precision) * kernel->eigenvalue[kernel->n - 1];
}

int kernel_summary(const struct assay_kernel *kernel, double out[KERNEL_COLUMNS], char *reason)
{
    const uint32_t n = kernel->n;
    const double *eigenvalue = kernel->eigenvalue;
    const double largest = eigenvalue[n - 1], smallest = eigenvalue[0];
    const double tolerance = kernel_zero(kernel);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < n; i++) rank += eigenvalue[i] > tolerance;
    const bool singular = !(smallest > tolerance);
    out[0] = singular ? INFINITY : largest / smallest;
    out[1] = log(out[0]);
    out[2] = largest;
    out[3] = smallest;
    out[4] = kernel->trace;
    out[5] = rank;
    out[6] = largest > 0.0 ? spectral_entropy(n, eigenvalue) : NAN;
    if (!singular) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "rank %u of %u: lambda_min %.3g, lambda_max %.3g", rank, n,
                             smallest, largest);
}

// ---- ntk and ntk_frozen -------------------------------------------------------------------------
static int eigenvalues_of(const struct assay_use *use)
{
    const struct assay_ntk_options *o = use->option[0];
    return o->eigenvalues;
}

// Known before any work, which nobody would wait for: a kernel of more rows than parameters. Small
// ones are computed all the same, for their other columns.
static bool more_rows_than_parameters(const struct assay_subject *s, const struct assay_use *use,
                                      double out[KERNEL_COLUMNS], char *reason)
{
    const uint32_t n = memo_rows(s, wanted_pass(s, use, 0));
    const uint64_t p = assay_subject_graph(s, use, 0)->n_weight;
    if (!assay_pla_large(n) || n <= p) return false;
    for (int i = 0; i < KERNEL_COLUMNS; i++) out[i] = NAN;
    out[0] = out[1] = INFINITY;
    out[3] = 0;
    metric_degenerate(reason,
                      "rank %llu of %u at most: not computed, as the network has so few "
                      "parameters",
                      (unsigned long long)p, n);
    return true;
}

// As kernel_summary; what needs all eigenvalues is undefined.
static int ends_summary(const struct assay_subject *s, const struct assay_use *use,
                        const struct assay_pla_extremes *ends, double out[KERNEL_COLUMNS],
                        char *reason)
{
    const uint32_t n = memo_rows(s, wanted_pass(s, use, 0));
    const double zero =
        kernel_rounding(n, (enum assay_precision)s->protocol->precision) * ends->largest;
    const bool singular = !(ends->smallest > zero);
    out[0] = singular ? INFINITY : ends->largest / ends->smallest;
    out[1] = log(out[0]);
    out[2] = ends->largest;
    out[3] = ends->smallest;
    out[4] = ends->trace;
    out[5] = singular ? NAN : n;
    out[6] = NAN;
    if (singular)
        return metric_degenerate(reason, "rank less than %u: lambda_min %.3g, lambda_max %.3g", n,
                                 ends->smallest, ends->largest);
    snprintf(reason, ASSAY_METRIC_REASON, "entropy needs ntk.eigenvalues = all");
    return ASSAY_VERDICT_OK;
}

static int disagree(const char *name, double all, double alone, double off, struct assay_err *err)
{
    if (fabs(all - alone) <= off) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s is %.12g among all eigenvalues, %.12g by itself, off by %.3g at most",
                         name, all, alone, off);
}

static int compare(const struct assay_kernel *kernel, const struct assay_pla_extremes *ends,
                   struct assay_err *err)
{
    const double largest = kernel->eigenvalue[kernel->n - 1],
                 rounding = kernel->n * DBL_EPSILON * largest;
    ASSAY_TRY(
        disagree("lambda_max", largest, ends->largest, ends->largest_residual + rounding, err));
    return disagree("lambda_min", kernel->eigenvalue[0], ends->smallest,
                    ends->smallest_residual + rounding, err);
}

int kernel_measure(struct assay_subject *s, const struct assay_use *use, double out[KERNEL_COLUMNS],
                   double *spectrum, char *reason, struct assay_err *err)
{
    const int wanted = eigenvalues_of(use);
    const struct assay_pla_extremes *ends = NULL;
    const struct assay_kernel *kernel = NULL;
    if (more_rows_than_parameters(s, use, out, reason)) return ASSAY_VERDICT_DEGENERATE;
    if (wanted != ASSAY_EIGENVALUES_ALL)
        ASSAY_TRY(assay_subject_extremes(s, use, use->n_pass - 1, &ends, err));
    if (wanted == ASSAY_EIGENVALUES_EXTREME) return ends_summary(s, use, ends, out, reason);
    ASSAY_TRY(assay_subject_kernel(s, use, 0, &kernel, err));
    if (ends) ASSAY_TRY(compare(kernel, ends, err));
    if (spectrum) memcpy(spectrum, kernel->eigenvalue, kernel->n * sizeof *spectrum);
    return kernel_summary(kernel, out, reason);
}

int kernel_residuals(struct assay_subject *s, const struct assay_use *use, double out[2],
                     double *spectrum, char *reason, struct assay_err *err)
{
    const struct assay_pla_extremes *ends;
    const struct assay_kernel *kernel;
    double none[KERNEL_COLUMNS];
    (void)spectrum;
    if (more_rows_than_parameters(s, use, none, reason)) {
        out[0] = out[1] = NAN;
        return ASSAY_VERDICT_DEGENERATE;
    }
    if (eigenvalues_of(use) == ASSAY_EIGENVALUES_ALL) {
        ASSAY_TRY(assay_subject_kernel(s, use, 0, &kernel, err));
        out[0] = out[1] = kernel->n * DBL_EPSILON * kernel->eigenvalue[kernel->n - 1];
        return ASSAY_VERDICT_OK;
    }
    ASSAY_TRY(assay_subject_extremes(s, use, use->n_pass - 1, &ends, err));
    out[0] = ends->largest_residual;
    out[1] = ends->smallest_residual;
    return ASSAY_VERDICT_OK;
}
