// SPDX-License-Identifier: Apache-2.0
// Plans from outside: making them, what they take, and a candidate's set of them.
#include <stdlib.h>

#include "exec/plan.h"

const struct assay_want assay_want_logits = {.backward = false};
const struct assay_want assay_want_gradients = {.backward = true};

// A part without images has one group, in which no image is valid.
static uint32_t groups_of(uint32_t n, uint32_t images)
{
    return n ? (n + images - 1) / images : 1;
}

// Into a plan that is empty, or that nobody uses any more.
static int make(struct assay_plan *plan, const struct assay_kern *kern, const struct assay_graph *g,
                uint32_t n, const struct assay_want *want, struct assay_err *err)
{
    struct assay_arena meta = plan->meta;
    assay_arena_reset(&meta);
    *plan = (struct assay_plan){.kern = want->precise ? assay_kern_precise(kern) : kern,
                                .graph = g,
                                .n = n,
                                .batch = want->batch ? want->batch : n,
                                .groups = groups_of(n, ASSAY_IMAGES),
                                .backward = want->backward,
                                .precise = want->precise,
                                .held = want->held,
                                .single = want->single,
                                .part = want->batch > 0,
                                .meta = meta};
    // Fewer images than a group has leave lanes idle either way, and take less room as they are.
    const bool packed = want->single && !want->held && n > ASSAY_IMAGES;
    plan->back = packed ? plan->kern->packed : plan->kern;
    plan->back_groups = groups_of(n, plan->back->images);
    ASSAY_TRY(plan_users(plan, want, err));
    ASSAY_TRY(plan_units(plan, err));
    if (want->backward) ASSAY_TRY(plan_tensors(plan, err));
    return plan_layout(plan, err);
}

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory for a plan");
}

int assay_plan_make(struct assay_plan **out, const struct assay_kern *kern,
                    const struct assay_graph *g, uint32_t n, const struct assay_want *want,
                    struct assay_err *err)
{
    struct assay_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return no_memory(err);
    const int status = make(plan, kern, g, n, want, err);
    if (status < 0)
        assay_plan_free(plan);
    else
        *out = plan;
    return status;
}

void assay_plan_free(struct assay_plan *plan)
{
    if (!plan) return;
    assay_arena_finish(&plan->meta);
    free(plan);
}

uint64_t assay_plan_size(const struct assay_plan *plan)
{
    return sizeof *plan + assay_arena_held(&plan->meta);
}

uint64_t assay_plan_bytes(const struct assay_plan *plan)
{
    return assay_arena_footprint(plan->bytes);
}

double assay_plan_flops(const struct assay_plan *plan, uint64_t rows)
{
    double forward = 0, backward = 0;
    for (uint32_t i = 0; i < plan->n_unit; i++) {
        const struct unit *u = &plan->unit[i];
        if (u->conv == NONE) continue;
        const double mac = (double)u->co * u->q * u->oh * u->ow;
        forward += mac;
        backward += u->live ? mac * (u->wants_dx ? 2 : 1) : 0;
    }
    return 2 * plan->n * (forward + backward * (double)rows);
}

// ---- a candidate's plans ------------------------------------------------------------------------
struct assay_plans {
    const struct assay_kern *kern;
    struct assay_plan **plan; // (cap), NULL or a plan; the first n are in use
    uint32_t n, cap;
};

int assay_plans_create(struct assay_plans **out, const struct assay_kern *kern,
                       struct assay_err *err)
{
    struct assay_plans *plans = calloc(1, sizeof *plans);
    if (!plans) return no_memory(err);
    plans->kern = kern;
    *out = plans;
    return ASSAY_OK;
}

void assay_plans_destroy(struct assay_plans *plans)
{
    if (!plans) return;
    for (uint32_t i = 0; i < plans->cap; i++) assay_plan_free(plans->plan[i]);
    free(plans->plan);
    free(plans);
}

// Room for one more, and a plan in it that nobody uses.
static int reserve(struct assay_plans *plans, struct assay_err *err)
{
    if (plans->n == plans->cap) {
        const uint32_t cap = plans->cap ? 2 * plans->cap : 4;
        struct assay_plan **grown = realloc(plans->plan, cap * sizeof *grown);
        if (!grown) return no_memory(err);
        for (uint32_t i = plans->cap; i < cap; i++) grown[i] = NULL;
        plans->plan = grown;
        plans->cap = cap;
    }
    struct assay_plan **next = &plans->plan[plans->n];
    if (!*next) *next = calloc(1, sizeof **next);
    return *next ? ASSAY_OK : no_memory(err);
}

static bool is_wanted(const struct assay_plan *plan, const struct assay_graph *g, uint32_t n,
                      const struct assay_want *want)
{
    bool same = plan->graph == g && plan->n == n && plan->backward == want->backward &&
                plan->precise == want->precise && plan->held == want->held &&
                plan->single == want->single && plan->part == (want->batch > 0) &&
                (!plan->part || plan->batch == want->batch);
    for (uint32_t i = 0; same && i < g->n_node; i++)
        same = plan->slot[i].tap == (want->tap ? want->tap[i] : 0) &&
               plan->slot[i].norm == (want->norm ? want->norm[i] : ASSAY_NORM_BATCH);
    return same;
}

int assay_plans_get(struct assay_plans *plans, const struct assay_graph *g, uint32_t n,
                    const struct assay_want *want, const struct assay_plan **out,
                    struct assay_err *err)
{
    for (uint32_t i = 0; i < plans->n; i++) {
        *out = plans->plan[i];
        if (is_wanted(*out, g, n, want)) return ASSAY_OK;
    }
    ASSAY_TRY(reserve(plans, err));
    ASSAY_TRY(make(plans->plan[plans->n], plans->kern, g, n, want, err));
    *out = plans->plan[plans->n++];
    return ASSAY_OK;
}

void assay_plans_clear(struct assay_plans *plans)
{
    plans->n = 0;
}

uint64_t assay_plans_size(const struct assay_plans *plans)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < plans->n; i++) bytes += assay_plan_size(plans->plan[i]);
    return bytes;
}

uint32_t assay_plans_made(const struct assay_plans *plans)
{
    return plans->n;
}

void assay_plans_tile(const struct assay_plans *plans, uint32_t *images, uint32_t *cots)
{
    *images = ASSAY_IMAGES;
    *cots = plans->kern->cots;
}
