// SPDX-License-Identifier: Apache-2.0
// The kernel Theta = J J^T and what is read off its spectrum.
#include "subject.h"

#include <float.h>
#include <math.h>
#include <string.h>

uint64_t assay_kernel_rows(const struct assay_pass *pass, uint64_t images, uint64_t classes)
{
    return images * (pass->outputs == ASSAY_OUTPUTS_ALL ? classes : 1);
}

static uint32_t classes_of(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return outputs_of(forward_graph(s, wanted_forward(s, pass)));
}

uint32_t memo_rows(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t images = forward_images(s, wanted_forward(s, pass));
    return (uint32_t)assay_kernel_rows(&pass->pass, images, classes_of(s, pass));
}

// ---- memory -------------------------------------------------------------------------------------
// Rows begin on cache lines.
size_t memo_jacobian_ld(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return (forward_graph(s, wanted_forward(s, pass))->n_theta + 7) / 8 * 8;
}

size_t memo_jacobian_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint64_t rows = assay_pla_rows(memo_rows(s, pass), s->team, 0).count;
    return rows * memo_jacobian_ld(s, pass) * sizeof(double);
}

int memo_jacobian(struct assay_subject *s, const struct assay_wanted_pass *pass,
                  struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(memo_get(s, &memo, err));
    if (memo->jac) return ASSAY_OK;
    void *block;
    ASSAY_TRY(memo_alloc(s, memo_jacobian_bytes(s, pass), &block, err));
    memo->jac = block;
    memo->jac_ld = memo_jacobian_ld(s, pass);
    return ASSAY_OK;
}

// Cotangents of the logits (*count, classes) whose rows are wanted of each image: s_n = sum_k
// logit_k(x_n), or every logit by itself.
static size_t cotangent_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const size_t classes = classes_of(s, pass);
    return (pass->pass.outputs == ASSAY_OUTPUTS_ALL ? classes * classes : classes) * sizeof(double);
}

static int cotangents(struct assay_subject *s, const struct assay_wanted_pass *pass, double **cot,
                      uint32_t *count, struct assay_err *err)
{
    const bool all = pass->pass.outputs == ASSAY_OUTPUTS_ALL;
    const uint64_t classes = classes_of(s, pass);
    void *block;
    ASSAY_TRY(memo_alloc(s, cotangent_bytes(s, pass), &block, err));
    *cot = block;
    *count = all ? (uint32_t)classes : 1;
    for (uint64_t i = 0; i < *count * classes; i++) (*cot)[i] = !all || i % (classes + 1) == 0;
    return ASSAY_OK;
}

size_t kernel_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t n = memo_rows(s, pass);
    return assay_arena_block(assay_pla_part(n, s->team) * sizeof(double)) +
           assay_arena_block(n * sizeof(double)) + assay_arena_block(cotangent_bytes(s, pass));
}

// Before it is the scratch of eigenvalues, the diagonal lies there.
static size_t work_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t n = memo_rows(s, pass);
    const size_t work = assay_pla_work(n, classes_of(s, pass), s->team);
    return (work > n ? work : n) * sizeof(double);
}

size_t kernel_shared_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t n = memo_rows(s, pass);
    return assay_arena_block(assay_pla_part(n, s->team) * sizeof(double)) +
           assay_arena_block(work_bytes(s, pass));
}

static int reserve(struct assay_subject *s, const struct assay_wanted_pass *pass,
                   struct assay_err *err)
{
    struct assay_memo *memo = s->memo;
    void *copy, *work;
    if (memo->copy) return ASSAY_OK;
    ASSAY_TRY(
        memo_alloc(s, assay_pla_part(memo_rows(s, pass), s->team) * sizeof(double), &copy, err));
    ASSAY_TRY(memo_alloc(s, work_bytes(s, pass), &work, err));
    memo->copy = copy;
    memo->work = work;
    return ASSAY_OK;
}

int memo_copy(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
              const struct assay_kernel *kernel, struct assay_err *err)
{
    ASSAY_TRY(reserve(s, wanted_pass(s, use, pass), err));
    memcpy(s->memo->copy, kernel->gram, assay_pla_part(kernel->n, s->team) * sizeof(double));
    return ASSAY_OK;
}

// ---- the kernel ---------------------------------------------------------------------------------
// Everything before the team works together: what fails here fails on one rank alone.
static int prepare(struct assay_subject *s, const struct assay_wanted_pass *pass,
                   struct assay_kernel *made, double **cot, uint32_t *count, struct assay_err *err)
{
    const size_t part = assay_pla_part(made->n, s->team) * sizeof(double);
    void *gram, *eigenvalue;
    ASSAY_TRY(memo_hold(s, pass->forward, err));
    ASSAY_TRY(memo_jacobian(s, pass, err));
    ASSAY_TRY(cotangents(s, pass, cot, count, err));
    ASSAY_TRY(memo_alloc(s, part, &gram, err));
    ASSAY_TRY(memo_alloc(s, made->n * sizeof(double), &eigenvalue, err));
    ASSAY_TRY(reserve(s, pass, err));
    s->memo->eigenvalue[pass->pass.bn] = eigenvalue;
    made->gram = memset(gram, 0, part); // parts differ in size: their ends are defined, too
    return ASSAY_OK;
}

// The rank's rows of the Jacobian, then Theta by all.
static int compute_gram(struct assay_subject *s, const struct assay_wanted_pass *pass,
                        struct assay_kernel *made, struct assay_err *err)
{
    const struct assay_run_of_rows rows = assay_pla_rows(made->n, s->team, assay_pla_rank(s->pla));
    double *cot = NULL;
    uint32_t count = 0;
    const int status = prepare(s, pass, made, &cot, &count, err);
    ASSAY_TRY(assay_pla_agree(s->pla, status, err));

    const struct assay_memo *memo = s->memo;
    const uint64_t weights = forward_graph(s, wanted_forward(s, pass))->n_weight;
    assay_exec_jacobian(s->exec, pass->pass.bn, cot, count, rows.first, rows.count, weights,
                        memo->jac, memo->jac_ld);
    assay_pla_gram(s->pla, made->n, weights, memo->jac, memo->jac_ld, made->gram, memo->work);
    ASSAY_TRY(assay_pla_diagonal(s->pla, made->n, made->gram, memo->work, err));
    for (uint32_t i = 0; i < made->n; i++) made->trace += memo->work[i];
    return ASSAY_OK;
}

static int get(struct assay_subject *s, const struct assay_wanted_pass *pass,
               struct assay_kernel **out, struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_ASSERT(pass->pass.pull == ASSAY_PULL_KERNEL);
    ASSAY_TRY(memo_get(s, &memo, err));
    *out = &memo->kernel[pass->pass.bn];
    if ((*out)->gram) return ASSAY_OK;
    struct assay_kernel made = {.n = memo_rows(s, pass),
                                .precision = (enum assay_precision)s->protocol->precision};
    ASSAY_TRY(compute_gram(s, pass, &made, err));
    **out = made;
    return ASSAY_OK;
}

int assay_subject_gram(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                       const struct assay_kernel **out, struct assay_err *err)
{
    struct assay_kernel *kernel;
    ASSAY_TRY(get(s, wanted_pass(s, use, pass), &kernel, err));
    *out = kernel;
    return ASSAY_OK;
}

int assay_subject_kernel(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                         const struct assay_kernel **out, struct assay_err *err)
{
    const enum assay_bn bn = wanted_pass(s, use, pass)->pass.bn;
    struct assay_kernel *kernel;
    ASSAY_TRY(get(s, wanted_pass(s, use, pass), &kernel, err));
    *out = kernel;
    if (kernel->eigenvalue) return ASSAY_OK;
    ASSAY_TRY(memo_copy(s, use, pass, kernel, err));
    const struct assay_memo *memo = s->memo;
    double *eigenvalue = memo->eigenvalue[bn];
    if (assay_pla_eigenvalues(s->pla, kernel->n, memo->copy, eigenvalue, memo->work, err) < 0) {
        return assay_err_prefix(err, "%s kernel", bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    }
    kernel->eigenvalue = eigenvalue;
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
