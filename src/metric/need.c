// SPDX-License-Identifier: Apache-2.0
// Memory of one repeat, from shapes alone.
#include "memo.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t sign_scratch(const struct assay_subject *s)
{
    const size_t words = (assay_graph_cost(s->thin).relus + 63) / 64;
    return assay_arena_block((s->n_patch * words + 1) * sizeof(uint64_t));
}

// What metrics share.
static size_t shared_scratch(const struct assay_subject *s, unsigned needs)
{
    size_t bytes = assay_arena_block(sizeof(struct assay_memo));
    if (needs & ASSAY_NEEDS_JACOBIAN) bytes += assay_arena_block(assay_memo_jacobian_bytes(s));
    if (needs & ASSAY_NEEDS_KERNEL) bytes += assay_kernel_scratch(s);
    if (needs & ASSAY_NEEDS_FROZEN_KERNEL) bytes += assay_kernel_scratch(s);
    if (needs & (ASSAY_NEEDS_KERNEL | ASSAY_NEEDS_FROZEN_KERNEL))
        bytes += assay_kernel_shared_scratch(s);
    if (needs & ASSAY_NEEDS_PATCHES) bytes += sign_scratch(s);
    return bytes;
}

// Makes the plan, and keeps the most that an executor takes for any.
static int plan(const struct assay_subject *s, const struct assay_graph *g, uint32_t n,
                bool backward, uint64_t *most, struct assay_err *err)
{
    const struct assay_plan *made;
    if (n == 0) return ASSAY_OK;
    ASSAY_TRY(
        assay_plans_get(s->plans, g, n, &(struct assay_want){.backward = backward}, &made, err));
    *most = larger(*most, assay_plan_bytes(made));
    return ASSAY_OK;
}

// One executor is bound to one plan after another; the plans stay.
static int executor(const struct assay_subject *s, unsigned needs, uint64_t *bytes,
                    struct assay_err *err)
{
    const uint32_t batch = (uint32_t)s->protocol->region_batch, n_patch = s->n_patch;
    uint64_t most = 0;
    if (needs & ASSAY_NEEDS_IMAGES) ASSAY_TRY(plan(s, s->net, s->n_image, true, &most, err));
    if (needs & ASSAY_NEEDS_NASI) ASSAY_TRY(plan(s, s->net, s->n_nasi, true, &most, err));
    if (needs & ASSAY_NEEDS_PATCHES) {
        if (n_patch >= batch) ASSAY_TRY(plan(s, s->thin, batch, false, &most, err));
        ASSAY_TRY(plan(s, s->thin, n_patch % batch, false, &most, err)); // the last may be short
    }
    *bytes = most ? most + assay_plans_size(s->plans) : 0;
    return ASSAY_OK;
}

// ScaLAPACK counts a rank's part in 32 bits.
static int check_parts(const struct assay_subject *s, unsigned needs, struct assay_err *err)
{
    const uint32_t n = assay_subject_rows(s);
    const size_t part = assay_pla_part(n, s->team), jacobian = assay_memo_jacobian_bytes(s) / 8;
    const bool kernel = needs & (ASSAY_NEEDS_KERNEL | ASSAY_NEEDS_FROZEN_KERNEL);
    if (s->team == 1 || !kernel || larger(part, jacobian) <= INT32_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "run.team = %d: a rank's part of a kernel of %u rows has %zu numbers, "
                         "expected at most %d; a larger team has smaller parts",
                         s->team, n, larger(part, jacobian), INT32_MAX);
}

int assay_subject_need(const struct assay_subject *s, const struct assay_metric *const *metric,
                       uint32_t n_metric, struct assay_need *need, struct assay_err *err)
{
    unsigned needs = 0;
    size_t scratch = 0;
    for (uint32_t i = 0; i < n_metric; i++) {
        needs |= metric[i]->needs;
        if (metric[i]->scratch) scratch += metric[i]->scratch(s);
    }
    ASSAY_TRY(check_parts(s, needs, err));
    need->scratch = scratch + shared_scratch(s, needs);
    need->buffers = needs & (ASSAY_NEEDS_KERNEL | ASSAY_NEEDS_FROZEN_KERNEL)
                        ? assay_pla_buffers(assay_subject_rows(s), s->team)
                        : 0;
    return executor(s, needs, &need->exec, err);
}
