// SPDX-License-Identifier: Apache-2.0
// Which contributions to a gradient are made together: the tensor is then written, and masked, once
// for all of them.
#include "exec/plan.h"

// The gradients of one pass should stay in the second-level cache: they are made strip by strip if
// whole ones are larger, or if strips cost nothing and one is not enough.
#define WHOLE_BYTES (768u << 10)
#define STRIP_BYTES (256u << 10)

static const struct unit *conv_of(const struct assay_plan *plan, const struct job *j)
{
    const bool conv = j->op == ASSAY_OP_CONV || j->op == ASSAY_OP_LINEAR;
    return conv ? &plan->unit[j->unit] : NULL;
}

// Order of the jobs of a tensor: what stands alone, convolutions, what is added as it is.
static uint64_t place_of(const struct assay_plan *plan, const struct job *j)
{
    const struct unit *u = conv_of(plan, j);
    if (u) return 1 + ((uint64_t)j->mask << 24 | (uint64_t)u->groups << 4 | u->stride);
    return j->op == ASSAY_OP_ADD || j->op == ASSAY_OP_CONCAT ? UINT64_MAX : 0;
}

// Of a pass those first that are lifted, as corr wants it.
static bool comes_before(const struct assay_plan *plan, const struct job *a, const struct job *b)
{
    const uint64_t place = place_of(plan, a), other = place_of(plan, b);
    const struct unit *u = conv_of(plan, a), *v = conv_of(plan, b);
    return place < other || (place == other && u && u->lifted && !v->lifted);
}

static void sort_jobs(const struct assay_plan *plan, struct job *job, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const struct job j = job[i];
        uint32_t k = i;
        for (; k > 0 && comes_before(plan, &j, &job[k - 1]); k--) job[k] = job[k - 1];
        job[k] = j;
    }
}

// Every convolution of a pass has scratch of its own.
static void take_turn(const struct assay_plan *plan, const struct job *pass, struct unit *u)
{
    u->turn = 0;
    for (; &plan->unit[pass->unit] != u; pass++)
        u->turn += exec_same_dz(&plan->unit[pass->unit], u);
}

// With a few output channels dz is needed once or twice only.
static bool is_direct(const struct assay_plan *plan, const struct unit *u)
{
    return !u->late && exec_taps(u) == 1 && u->stride == 1 && u->pad == 0 && u->groups == 1 &&
           u->bn != NONE && u->ci <= 2 * plan->kern->co_tile;
}

static void choose_strip(const struct assay_plan *plan, const struct job *pass, uint32_t n)
{
    const uint32_t rows = plan->unit[pass->unit].parity[0].h;
    uint32_t halo = 0;
    size_t row = 0;
    bool all = true;
    for (uint32_t i = 0; i < n; i++) all &= is_direct(plan, &plan->unit[pass[i].unit]);
    for (uint32_t i = 0; i < n; i++) {
        struct unit *u = &plan->unit[pass[i].unit];
        // Beside lifted ones if one of their tiles has all channels.
        const bool once = plan->unit[pass->unit].lifted && u->ci <= plan->kern->lift_co;
        u->direct = (all || once) && is_direct(plan, u);
        halo |= u->halo;
        if (u->direct) continue;
        row += (size_t)(u->co / u->groups) * (u->ow + 2 * u->halo) * plan->kern->lanes *
               plan->kern->size;
    }
    // Rows where strips meet are made twice. Pointwise convolutions have none.
    const size_t whole = halo ? WHOLE_BYTES : STRIP_BYTES;
    size_t fit = row * rows > whole ? STRIP_BYTES / row : rows;
    if (fit < rows) fit &= ~(size_t)1; // pairs of rows are quicker (kern/window.h)
    if (fit == 0) fit = rows > 1 ? 2 : 1;
    const uint32_t strips = (uint32_t)((rows + fit - 1) / fit), each = (rows + strips - 1) / strips;
    const uint32_t strip = strips > 1 ? (each + 1) / 2 * 2 : rows;
    for (uint32_t i = 0; i < n; i++) plan->unit[pass[i].unit].strip = strip;
}

// The pass that begins with job[0], of n left; returns its length.
static uint32_t join(struct assay_plan *plan, struct job *job, uint32_t n)
{
    uint32_t k = 0;
    while (k < n && k < MAX_PARTS && conv_of(plan, job) &&
           place_of(plan, &job[k]) == place_of(plan, job))
        k++;
    if (k > 0) choose_strip(plan, job, k);
    for (uint32_t i = 0; i < k; i++) take_turn(plan, job, &plan->unit[job[i].unit]);
    job->n_conv = k;
    for (; k < n && job->n_add < MAX_ADDENDS && place_of(plan, &job[k]) == UINT64_MAX; k++)
        job->n_add++;
    return k ? k : 1;
}

void plan_join(struct assay_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_tensor; i++) {
        const struct tensor *t = &plan->tensor[i];
        struct job *job = &plan->job[t->first_job];
        sort_jobs(plan, job, t->n_job);
        for (uint32_t k = 0; k < t->n_job;) k += join(plan, job + k, t->n_job - k);
    }
}
