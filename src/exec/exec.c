// SPDX-License-Identifier: Apache-2.0
// The public face of the executor: it is bound to a plan, whose element type says who does a pass.
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"

int assay_exec_create(struct assay_exec **out, struct assay_err *err)
{
    struct assay_exec *x = calloc(1, sizeof *x);
    if (!x) return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory");
    *out = x;
    return ASSAY_OK;
}

void assay_exec_destroy(struct assay_exec *x)
{
    if (!x) return;
    assay_arena_finish(&x->memory);
    free(x);
}

static const struct passes *passes(const struct assay_exec *x)
{
    return x->plan->kern->size == sizeof(float) ? &exec_passes_single : &exec_passes_double;
}

int assay_exec_bind(struct assay_exec *x, const struct assay_plan *plan, uint64_t memory_limit,
                    struct assay_err *err)
{
    const uint64_t need = assay_plan_bytes(plan);
    x->plan = NULL;
    if (memory_limit && need > memory_limit) {
        return assay_err_set(
            err, ASSAY_ERR_MEMORY,
            "this network needs %.1f MiB for a batch of %u, over the limit of %.1f MiB",
            (double)need / 0x1p20, plan->n, (double)memory_limit / 0x1p20);
    }
    if (!assay_arena_reserve(&x->memory, plan->bytes, memory_limit)) {
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "exec: no memory for %.1f MiB for a batch of %u",
                             (double)need / 0x1p20, plan->n);
    }
    x->base = assay_arena_alloc(&x->memory, plan->bytes);
    x->plan = plan;
    x->taps = NULL;
    x->parts = NULL;
    passes(x)->fill(x);
    return ASSAY_OK;
}

void assay_exec_release(struct assay_exec *x)
{
    assay_arena_finish(&x->memory);
    x->plan = NULL;
}

const double *assay_exec_logits(const struct assay_exec *x)
{
    return AT(x, double, x->plan->logits);
}

double assay_exec_variance(const struct assay_exec *x, uint32_t bn, uint32_t c)
{
    const double eps = x->plan->graph->node[bn].eps;
    const double rstd = AT(x, double, x->plan->unit[x->plan->slot[bn].unit].rstd)[c];
    const double variance = 1 / (rstd * rstd) - eps;
    return variance > 1e-18 ? variance : 0; // less is the rounding of a constant
}

void assay_exec_forward(struct assay_exec *x, const double *theta, const double *input)
{
    x->held = false;
    passes(x)->forward(x, theta, input);
}

void assay_exec_forward_held(struct assay_exec *x, const double *theta, const double *input)
{
    ASSAY_ASSERT(x->plan->backward && exec_has_pieces(x->plan));
    x->held = true;
    passes(x)->forward(x, theta, input);
}

void assay_exec_jacobian_columns(struct assay_exec *x, enum assay_bn bn, const double *cot,
                                 uint32_t t_count, uint64_t first, uint64_t count, uint64_t from,
                                 uint64_t columns, double *jac, size_t ld)
{
    const uint32_t images = bn == ASSAY_BN_BATCH ? x->plan->batch : x->plan->n;
    ASSAY_ASSERT(x->plan->backward && first + count <= (uint64_t)images * t_count);
    if (count == 0) return;
    for (uint64_t i = 0; i < count; i++) memset(jac + i * ld, 0, columns * sizeof *jac);
    x->from = from;
    passes(x)->jacobian(x, bn, cot, t_count, first, count, columns, jac, ld);
    x->from = 0;
}

void assay_exec_jacobian(struct assay_exec *x, enum assay_bn bn, const double *cot,
                         uint32_t t_count, uint64_t first, uint64_t count, uint64_t columns,
                         double *jac, size_t ld)
{
    assay_exec_jacobian_columns(x, bn, cot, t_count, first, count, 0, columns, jac, ld);
}

// Rows of all images of a group, and no fewer than a backward pass makes.
uint32_t assay_exec_block(uint32_t t_count)
{
    return ASSAY_IMAGES * t_count * (t_count < ASSAY_MAX_LANES / ASSAY_IMAGES ? 4 : 1);
}

void assay_exec_jacobian_firsts(struct assay_exec *x, const double *cot, uint32_t t_count,
                                uint64_t first, uint64_t count, double *jac, size_t ld)
{
    const size_t columns = x->plan->graph->n_param;
    ASSAY_ASSERT(x->plan->backward && first + count <= (uint64_t)x->plan->n * t_count);
    if (count == 0) return;
    for (uint64_t i = 0; i < count; i++) memset(jac + i * ld, 0, columns * sizeof *jac);
    passes(x)->jacobian_firsts(x, cot, t_count, first, count, jac, ld);
}

void assay_exec_image_gradients(struct assay_exec *x, const double *cot, uint32_t first,
                                uint32_t count, uint64_t columns, double *jac, size_t ld)
{
    ASSAY_ASSERT(x->plan->backward && !x->plan->part && first + count <= x->plan->n);
    for (uint64_t i = 0; i < count; i++) memset(jac + i * ld, 0, columns * sizeof *jac);
    passes(x)->image_gradients(x, cot, first, count, columns, jac, ld);
}

void assay_exec_gradient(struct assay_exec *x, enum assay_bn bn, const double *cot, double *grad)
{
    ASSAY_ASSERT(x->plan->backward && !x->plan->part);
    memset(grad, 0, x->plan->graph->n_theta * sizeof *grad);
    passes(x)->gradient(x, bn, cot, grad, NULL);
}

void assay_exec_mix_gradient(struct assay_exec *x, const double *cot, double *grad, double *coef)
{
    ASSAY_ASSERT(x->plan->backward && !x->plan->part);
    memset(grad, 0, x->plan->graph->n_theta * sizeof *grad);
    memset(coef, 0, x->plan->graph->n_in * sizeof *coef);
    passes(x)->gradient(x, ASSAY_BN_BATCH, cot, grad, coef);
}

void assay_exec_set_parts(struct assay_exec *x, const struct assay_parts *parts)
{
    x->parts = parts;
}

void assay_exec_set_taps(struct assay_exec *x, const struct assay_taps *taps)
{
    x->taps = taps;
}
