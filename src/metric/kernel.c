// SPDX-License-Identifier: Apache-2.0
// The sum-of-logits kernel Theta = J J^T and what is read off its spectrum.
#include "memo.h"

#include "assay/la.h"

#include <float.h>
#include <math.h>
#include <string.h>

// s_n = sum_k logit_k(x_n): one cotangent of ones over the classes.
static int compute_gram(struct assay_subject *s, enum assay_bn bn, double *gram,
                        struct assay_err *err)
{
    const uint32_t n = s->n_image, classes = s->net->node[s->net->n_node - 1].c;
    void *ones;
    ASSAY_TRY(assay_memo_forward(s, PASS_IMAGES, err));
    ASSAY_TRY(assay_memo_jacobian(s, err));
    ASSAY_TRY(assay_memo_alloc(s, classes * sizeof(double), &ones, err));
    for (uint32_t k = 0; k < classes; k++) ((double *)ones)[k] = 1.0;
    const struct assay_memo *memo = s->memo;
    assay_exec_jacobian(s->exec, bn, ones, 1, 0, n, s->net->n_weight, memo->jac, memo->jac_ld);
    assay_la_gram(n, s->net->n_weight, memo->jac, memo->jac_ld, gram);
    return ASSAY_OK;
}

// Theta, its eigenvalues, and the copy and workspace that give them.
size_t assay_kernel_bytes(uint32_t n)
{
    return (2 * (size_t)n * n + n + assay_la_eigenvalues_work(n)) * sizeof(double);
}

int assay_subject_kernel(struct assay_subject *s, enum assay_bn bn, const struct assay_kernel **out,
                         struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(assay_memo_get(s, &memo, err));
    struct assay_kernel *kernel = &memo->kernel[bn];
    *out = kernel;
    if (kernel->n) return ASSAY_OK;

    const uint32_t n = s->n_image;
    const size_t size = (size_t)n * n;
    void *block;
    ASSAY_TRY(assay_memo_alloc(s, assay_kernel_bytes(n), &block, err));
    double *gram = block, *eigenvalue = gram + size, *copy = eigenvalue + n, *work = copy + size;
    ASSAY_TRY(compute_gram(s, bn, gram, err));
    memcpy(copy, gram, size * sizeof *gram);
    if (assay_la_eigenvalues(n, copy, eigenvalue, work, err) < 0) {
        return assay_err_prefix(err, "%s kernel", bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    }
    *kernel = (struct assay_kernel){.n = n, .gram = gram, .eigenvalue = eigenvalue};
    return ASSAY_OK;
}

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

// Eigenvalues up to this are zero: N eps for a Jacobian in float64, but ours is rounded to float32
// and Theta is its square. Equal images measured up to 7e-13 lambda_max where 0 is exact; kernels
// of real networks stay above 1e-6.
static double zero_below(uint32_t n, double largest)
{
    const double rounding = 32.0 * FLT_EPSILON;
    return fmax(n * DBL_EPSILON, rounding * rounding) * largest;
}

int assay_kernel_summary(const struct assay_kernel *kernel, double out[KERNEL_COLUMNS],
                         char *reason)
{
    const uint32_t n = kernel->n;
    const double *eigenvalue = kernel->eigenvalue;
    const double largest = eigenvalue[n - 1], smallest = eigenvalue[0];
    const double tolerance = zero_below(n, largest);
    double trace = 0.0;
    uint32_t rank = 0;
    for (uint32_t i = 0; i < n; i++) {
        trace += kernel->gram[(size_t)i * n + i];
        rank += eigenvalue[i] > tolerance;
    }
    const bool singular = !(smallest > tolerance);
    out[0] = singular ? INFINITY : largest / smallest;
    out[1] = log(out[0]);
    out[2] = largest;
    out[3] = smallest;
    out[4] = trace;
    out[5] = rank;
    out[6] = largest > 0.0 ? spectral_entropy(n, eigenvalue) : NAN;
    if (!singular) return ASSAY_VERDICT_OK;
    return assay_metric_degenerate(reason, "rank %u of %u: lambda_min %.3g, lambda_max %.3g", rank,
                                   n, smallest, largest);
}
