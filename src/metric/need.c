// SPDX-License-Identifier: Apache-2.0
// Memory of one repeat, from shapes alone.
#include "subject.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// What metrics share: a buffer for rows, one for a kernel of either BN, one for its copy.
static size_t shared_scratch(const struct assay_subject *s)
{
    size_t bytes = memo_bytes(s);
    bool rows = false;
    bool kernel[2][2] = {{false}}; // by whether it is the ends alone, and BN
    for (uint32_t i = 0; i < s->demand->n_pass; i++) {
        const struct assay_wanted_pass *pass = &s->demand->pass[i];
        if (has_gradient(&pass->pass)) bytes += assay_arena_block(memo_gradient_bytes(s, pass));
        rows |= pass->pass.pull == ASSAY_PULL_ROWS || has_kernel(&pass->pass);
        if (!has_kernel(&pass->pass)) continue;
        bool *counted = &kernel[pass->pass.pull == ASSAY_PULL_EXTREMES][pass->pass.bn];
        if (!*counted) bytes += kernel_scratch(s, pass);
        *counted = true;
    }
    if (rows) bytes += assay_arena_block(memo_jacobian_bytes(s));
    return bytes + kernel_shared_scratch(s);
}

// Makes the plan, and keeps the most that an executor takes for any.
static int plan(const struct assay_subject *s, const struct assay_forward *f, uint32_t n,
                uint64_t *most, struct assay_err *err)
{
    const struct assay_plan *made;
    if (n == 0) return ASSAY_OK;
    ASSAY_TRY(memo_plan(s, f, n, &made, err));
    *most = larger(*most, assay_plan_bytes(made));
    return ASSAY_OK;
}

static int plan_part(const struct assay_subject *s, const struct assay_forward *f, uint64_t *most,
                     struct assay_err *err)
{
    const struct assay_plan *made;
    ASSAY_TRY(memo_part_plan(s, f, &made, err));
    *most = larger(*most, assay_plan_bytes(made));
    return ASSAY_OK;
}

// Whether some pass wants the rank's part of a forward pass, or all of it.
static bool is_wanted(const struct assay_subject *s, uint32_t forward, bool part)
{
    for (uint32_t i = 0; i < s->demand->n_pass; i++) {
        const struct assay_wanted_pass *pass = &s->demand->pass[i];
        if (pass->forward == forward && in_parts(s, &pass->pass) == part) return true;
    }
    return false;
}

// One executor is bound to one plan after another; the plans stay.
static int executor(const struct assay_subject *s, uint64_t *bytes, struct assay_err *err)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->demand->n_forward; i++) {
        const struct assay_forward *f = &s->demand->forward[i];
        const uint32_t n = forward_images(s, f), batch = forward_batch(s, f);
        if (is_wanted(s, i, true)) ASSAY_TRY(plan_part(s, f, &most, err));
        if (!is_wanted(s, i, false)) continue;
        ASSAY_TRY(plan(s, f, batch, &most, err));
        ASSAY_TRY(plan(s, f, n % batch, &most, err)); // the last may be short
    }
    *bytes = most ? most + assay_plans_size(s->plans) : 0;
    return ASSAY_OK;
}

int assay_subject_need(const struct assay_subject *s, struct assay_need *need,
                       struct assay_err *err)
{
    uint32_t kernels = 0;
    *need = (struct assay_need){0};
    for (uint32_t i = 0; i < s->demand->n_pass; i++) {
        const struct assay_wanted_pass *pass = &s->demand->pass[i];
        if (!has_kernel(&pass->pass)) continue;
        const size_t late = kernel_late_scratch(s, pass);
        if (late < need->late || !kernels++) need->late = late;
        need->divides |= jacobian_divides(s, pass);
        need->buffers = assay_pla_buffers(memo_rows(s, pass), jacobian_unit(s, pass), s->team);
    }
    for (uint32_t i = 0; i < s->demand->n_use; i++) {
        const struct assay_use *use = &s->demand->use[i];
        if (use->metric->scratch) need->scratch += use->metric->scratch(s, use);
    }
    need->scratch += shared_scratch(s);
    return executor(s, &need->exec, err);
}
