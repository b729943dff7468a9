// SPDX-License-Identifier: Apache-2.0
// The rows of a Jacobian, the kernel Theta = J J^T, and its eigenvalues.
#include "subject.h"

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
// Cotangents of the logits (*count, classes) whose rows are wanted of each image: s_n = sum_k
// logit_k(x_n), or every logit by itself.
static size_t cotangent_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const size_t classes = classes_of(s, pass);
    return (pass->pass.outputs == ASSAY_OUTPUTS_ALL ? classes * classes : classes) * sizeof(double);
}

static int cotangents(struct assay_subject *s, const struct assay_wanted_pass *pass, double **cot,
                      struct assay_err *err)
{
    const bool all = pass->pass.outputs == ASSAY_OUTPUTS_ALL;
    const uint64_t classes = classes_of(s, pass), count = jacobian_unit(s, pass);
    void *block;
    ASSAY_TRY(memo_alloc(s, cotangent_bytes(s, pass), &block, err));
    *cot = block;
    for (uint64_t i = 0; i < count * classes; i++) (*cot)[i] = !all || i % (classes + 1) == 0;
    return ASSAY_OK;
}

size_t kernel_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t n = memo_rows(s, pass);
    const size_t cot = assay_arena_block(cotangent_bytes(s, pass));
    const size_t gram = assay_arena_block(assay_pla_part(n, s->team) * sizeof(double));
    if (pass->pass.pull == ASSAY_PULL_EXTREMES)
        return cot + (jacobian_blocks(s, pass) > 1 ? gram : 0);
    return gram + assay_arena_block(n * sizeof(double)) + cot;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// Before it is the scratch of eigenvalues, the diagonal lies there, and before that the rows of the
// Jacobian that are on their way.
static size_t work_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint32_t n = memo_rows(s, pass), unit = jacobian_unit(s, pass);
    const uint64_t p = forward_graph(s, wanted_forward(s, pass))->n_weight;
    size_t work = larger(n, assay_pla_work(n, unit, classes_of(s, pass), s->team));
    if (pass->pass.pull == ASSAY_PULL_EXTREMES)
        work = larger(work, n + assay_pla_extremes_work(n, unit, p, s->team));
    return larger(work * sizeof(double), jacobian_work(s, pass));
}

// Of all passes over kernels, which are of as many rows.
static void shared_bytes(const struct assay_subject *s, size_t *copy, size_t *work)
{
    *copy = *work = 0;
    for (uint32_t i = 0; i < s->demand->n_pass; i++) {
        const struct assay_wanted_pass *pass = &s->demand->pass[i];
        if (!has_kernel(&pass->pass)) continue;
        *copy = larger(*copy, assay_pla_part(memo_rows(s, pass), s->team) * sizeof(double));
        *work = larger(*work, work_bytes(s, pass));
    }
}

size_t kernel_shared_scratch(const struct assay_subject *s)
{
    size_t copy, work;
    shared_bytes(s, &copy, &work);
    return copy ? assay_arena_block(copy) + assay_arena_block(work) : 0;
}

// Whether all that pulls back makes kernels, so that no executor comes behind the last of them.
static bool are_all_kernels(const struct assay_subject *s)
{
    bool all = true;
    for (uint32_t i = 0; i < s->demand->n_pass; i++) all &= has_kernel(&s->demand->pass[i].pass);
    return all;
}

// The kernel and its copy, or the copy alone: the kernel of another pass may be there.
size_t kernel_late_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const size_t part = assay_pla_part(memo_rows(s, pass), s->team) * sizeof(double);
    if (!jacobian_is_single(s, pass) || jacobian_blocks(s, pass) > 1) return 0;
    return pass->pass.pull == ASSAY_PULL_KERNEL && are_all_kernels(s) ? 2 * part : part;
}

// The pages of a large part that an earlier kernel touched go back, so that the executor of what
// comes next finds memory.
static void forget(const struct assay_subject *s, void *part, uint32_t n)
{
    if (assay_pla_large(n)) assay_arena_forget(part, assay_pla_part(n, s->team) * sizeof(double));
}

static int reserve(struct assay_subject *s, struct assay_err *err)
{
    struct assay_memo *memo = s->memo;
    size_t copy_bytes, bytes;
    void *copy, *work;
    if (memo->copy) return ASSAY_OK;
    shared_bytes(s, &copy_bytes, &bytes);
    ASSAY_TRY(memo_alloc(s, copy_bytes, &copy, err));
    ASSAY_TRY(memo_alloc(s, bytes, &work, err));
    memo->copy = copy;
    memo->work = work;
    return ASSAY_OK;
}

int memo_copy(struct assay_subject *s, const struct assay_kernel *kernel, struct assay_err *err)
{
    ASSAY_TRY(reserve(s, err));
    memcpy(s->memo->copy, kernel->gram, assay_pla_part(kernel->n, s->team) * sizeof(double));
    return ASSAY_OK;
}

// ---- the kernel ---------------------------------------------------------------------------------
// Everything before the team works together: what fails here fails on one rank alone.
static int prepare_rows(struct assay_subject *s, const struct assay_wanted_pass *pass, double **cot,
                        struct assay_err *err)
{
    ASSAY_TRY(memo_jacobian(s, err));
    ASSAY_TRY(cotangents(s, pass, cot, err));
    ASSAY_TRY(reserve(s, err));
    forget(s, s->memo->copy, memo_rows(s, pass));
    return memo_bind_rows(s, pass, err);
}

static int prepare_kernel(struct assay_subject *s, const struct assay_wanted_pass *pass,
                          struct assay_kernel *made, struct assay_err *err)
{
    const size_t part = assay_pla_part(made->n, s->team) * sizeof(double);
    void *gram, *eigenvalue;
    ASSAY_TRY(memo_alloc(s, part, &gram, err));
    forget(s, gram, made->n);
    ASSAY_TRY(memo_alloc(s, made->n * sizeof(double), &eigenvalue, err));
    s->memo->eigenvalue[pass->pass.bn] = eigenvalue;
    made->gram = gram;
    return ASSAY_OK;
}

// All ranks know how the others' preparations went, and have the forward pass.
static int go_forward(struct assay_subject *s, const struct assay_wanted_pass *pass, int status,
                      struct assay_err *err)
{
    const int held = assay_pla_agree(s->pla, status, err);
    ASSAY_TRY(held);
    return held ? ASSAY_OK : memo_forward_rows(s, pass, err);
}

// Adds the Jacobian's products, block by block. Of a large one that is made at once, its rows are
// all that is left of the pass: the executor gives its memory back.
static int add_blocks(struct assay_subject *s, const struct assay_wanted_pass *pass,
                      const double *cot, struct assay_kernel *made, struct assay_err *err)
{
    const size_t part = assay_pla_part(made->n, s->team) * sizeof *made->gram;
    const uint32_t unit = jacobian_unit(s, pass), blocks = jacobian_blocks(s, pass);
    double *work = s->memo->work;
    struct assay_la_rows jac;
    for (uint32_t i = 0; i < blocks; i++) {
        ASSAY_TRY(jacobian_make(s, pass, cot, i, &jac, err));
        if (jac.single && blocks == 1) memo_release(s);
        if (i == 0) memset(made->gram, 0, part); // parts differ
        ASSAY_TRY(blocks == 1
                      ? assay_pla_gram(s->pla, made->n, unit, &jac, ASSAY_PLA_EXACT, made->gram,
                                       work, err)
                      : assay_pla_add_gram(s->pla, made->n, unit, &jac, made->gram, work, err));
    }
    return ASSAY_OK;
}

// The rank's rows of the Jacobian, then Theta by all.
static int compute_gram(struct assay_subject *s, const struct assay_wanted_pass *pass,
                        struct assay_kernel *made, struct assay_err *err)
{
    double *cot = NULL;
    int status = prepare_kernel(s, pass, made, err);
    if (status >= 0) status = prepare_rows(s, pass, &cot, err);
    ASSAY_TRY(go_forward(s, pass, status, err));
    ASSAY_TRY(add_blocks(s, pass, cot, made, err));

    double *work = s->memo->work;
    ASSAY_TRY(assay_pla_diagonal(s->pla, made->n, made->gram, work, err));
    for (uint32_t i = 0; i < made->n; i++) made->trace += work[i];
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

static int name_kernel(enum assay_bn bn, struct assay_err *err)
{
    return assay_err_prefix(err, "%s kernel", bn == ASSAY_BN_BATCH ? "batch" : "frozen");
}

int assay_subject_kernel(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                         const struct assay_kernel **out, struct assay_err *err)
{
    const enum assay_bn bn = wanted_pass(s, use, pass)->pass.bn;
    struct assay_kernel *kernel;
    ASSAY_TRY(get(s, wanted_pass(s, use, pass), &kernel, err));
    *out = kernel;
    if (kernel->eigenvalue) return ASSAY_OK;
    ASSAY_TRY(memo_copy(s, kernel, err));
    const struct assay_memo *memo = s->memo;
    double *eigenvalue = memo->eigenvalue[bn];
    if (assay_pla_eigenvalues(s->pla, kernel->n, memo->copy, eigenvalue, memo->work, err) < 0)
        return name_kernel(bn, err);
    kernel->eigenvalue = eigenvalue;
    forget(s, s->memo->copy, kernel->n);
    return ASSAY_OK;
}

static int ends_of_rows(struct assay_subject *s, const struct assay_wanted_pass *pass,
                        struct assay_pla_extremes *made, struct assay_err *err)
{
    const uint32_t n = memo_rows(s, pass);
    struct assay_la_rows jac;
    double *cot = NULL;
    ASSAY_TRY(go_forward(s, pass, prepare_rows(s, pass, &cot, err), err));
    ASSAY_TRY(jacobian_make(s, pass, cot, 0, &jac, err));
    if (jac.single) memo_release(s);
    const struct assay_memo *memo = s->memo;
    const int status = assay_pla_extremes(s->pla, n, jacobian_unit(s, pass), &jac, memo->copy,
                                          memo->work, memo->work + n, made, err);
    return status < 0 ? name_kernel(pass->pass.bn, err) : ASSAY_OK;
}

static int ends_of_gram(struct assay_subject *s, const struct assay_wanted_pass *pass,
                        struct assay_pla_extremes *made, struct assay_err *err)
{
    const uint32_t n = memo_rows(s, pass);
    struct assay_kernel kernel = {.n = n};
    double *cot = NULL;
    void *gram = NULL;
    int status = memo_alloc(s, assay_pla_part(n, s->team) * sizeof(double), &gram, err);
    if (status >= 0) status = prepare_rows(s, pass, &cot, err);
    ASSAY_TRY(go_forward(s, pass, status, err));
    kernel.gram = gram;
    ASSAY_TRY(add_blocks(s, pass, cot, &kernel, err));
    const struct assay_memo *memo = s->memo;
    status = assay_pla_extremes_of_gram(s->pla, n, kernel.gram, memo->copy, memo->work,
                                        memo->work + n, made, err);
    return status < 0 ? name_kernel(pass->pass.bn, err) : ASSAY_OK;
}

int assay_subject_extremes(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                           const struct assay_pla_extremes **out, struct assay_err *err)
{
    const struct assay_wanted_pass *wanted = wanted_pass(s, use, pass);
    struct assay_pla_extremes made;
    struct assay_memo *memo;
    ASSAY_ASSERT(wanted->pass.pull == ASSAY_PULL_EXTREMES);
    ASSAY_TRY(memo_get(s, &memo, err));
    *out = &memo->ends[wanted->pass.bn].found;
    if (memo->ends[wanted->pass.bn].made) return ASSAY_OK;
    ASSAY_TRY(jacobian_blocks(s, wanted) > 1 ? ends_of_gram(s, wanted, &made, err)
                                             : ends_of_rows(s, wanted, &made, err));
    memo->ends[wanted->pass.bn] = (struct memo_ends){.made = true, .found = made};
    forget(s, memo->copy, memo_rows(s, wanted));
    return ASSAY_OK;
}
