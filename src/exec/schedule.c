// SPDX-License-Identifier: Apache-2.0
// In which order the forward pass runs: which level a node belongs to, which values outlive a chunk
// of groups, and which are never stored as they are.
#include "exec/plan.h"

static bool is_bn(const struct assay_plan *plan, uint32_t node)
{
    return plan->graph->node[node].op == ASSAY_OP_BN;
}

// Of which all images must be there.
static bool needs_batch(const struct assay_plan *plan, uint32_t node)
{
    return is_bn(plan, node) && plan->slot[node].norm == ASSAY_NORM_BATCH;
}

static void choose_chunk(struct assay_plan *plan)
{
    size_t most = 1;
    for (uint32_t i = 0; i < plan->graph->n_node; i++) {
        const size_t pixels = exec_pixels(&plan->graph->node[i]);
        if (pixels > most) most = pixels;
    }
    const size_t fit = plan->kern->chunk_bytes / (most * ASSAY_IMAGES * sizeof(double));
    plan->chunk = fit < 1 ? 1 : fit < plan->groups ? (uint32_t)fit : plan->groups;
}

// As soon as its inputs are there; a BN as late as its users allow, where most are but a step on
// the way to a sum.
static void choose_levels(struct assay_plan *plan)
{
    const struct assay_graph *g = plan->graph;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            const uint32_t level = plan->slot[g->in[k]].level + needs_batch(plan, i);
            if (level > plan->slot[i].level) plan->slot[i].level = level;
        }
    }
    for (uint32_t i = g->n_node; i-- > 0;) {
        uint32_t latest = NONE;
        for (uint32_t k = plan->edge_first[i]; is_bn(plan, i) && k < plan->edge_first[i + 1]; k++) {
            const uint32_t user = plan->user[plan->edge[k]];
            const uint32_t level = plan->slot[user].level - needs_batch(plan, user);
            if (level < latest) latest = level;
        }
        if (latest != NONE) plan->slot[i].level = latest;
    }
}

static int order_nodes(struct assay_plan *plan, struct assay_err *err)
{
    const uint32_t n_node = plan->graph->n_node;
    uint32_t n = 0;
    plan->sequence = assay_arena_alloc(&plan->meta, n_node * sizeof *plan->sequence);
    if (!plan->sequence)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
    for (uint32_t level = 0; n < n_node; level++) {
        for (uint32_t i = 0; i < n_node; i++) {
            if (plan->slot[i].level != level) continue;
            plan->slot[i].position = n;
            plan->sequence[n++] = i;
        }
    }
    return ASSAY_OK;
}

// Is shown when the level is done: all blocks of a node together.
static bool is_shown(const struct assay_plan *plan, uint32_t node)
{
    return plan->slot[node].tap & ASSAY_TAP_VALUE;
}

// Whether anything but convolutions reads a node's value, or it is not kept as they read it.
static bool is_read_plain(const struct assay_plan *plan, uint32_t node)
{
    const struct slot *s = &plan->slot[node];
    if (s->pad == 0 || plan->graph->node[node].op != ASSAY_OP_RELU) return true;
    if (is_shown(plan, node) || s->kept || exec_has_pieces(plan)) return true;
    for (uint32_t k = plan->edge_first[node]; k < plan->edge_first[node + 1]; k++) {
        if (plan->graph->node[plan->user[plan->edge[k]]].op != ASSAY_OP_CONV) return true;
    }
    return false;
}

// A BN that an add alone reads is made there. (kept: of one without affine its xhat is.)
static bool is_made_in_sum(const struct assay_plan *plan, uint32_t node)
{
    const struct slot *s = &plan->slot[node];
    const uint32_t k = plan->edge_first[node];
    if (!is_bn(plan, node) || plan->edge_first[node + 1] - k != 1) return false;
    return plan->graph->node[plan->user[plan->edge[k]]].op == ASSAY_OP_ADD &&
           !is_shown(plan, node) && !(s->kept && plan->graph->node[node].affine);
}

// A BN whose value outlives the chunk takes the place of its input when nobody else reads that, or
// is shown it.
static bool is_in_place(const struct assay_plan *plan, uint32_t node)
{
    const struct assay_graph *g = plan->graph;
    if (!is_bn(plan, node) || !plan->slot[node].plain || !plan->slot[node].whole) return false;
    const uint32_t src = g->in[g->node[node].in];
    return plan->slot[src].whole && !is_shown(plan, src) &&
           plan->edge_first[src + 1] - plan->edge_first[src] == 1;
}

static void choose_values(struct assay_plan *plan)
{
    const struct assay_graph *g = plan->graph;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (is_shown(plan, i)) plan->slot[i].whole = true;
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            struct slot *s = &plan->slot[g->in[k]];
            if (n->op == ASSAY_OP_CONV && n->pad > s->pad) s->pad = n->pad;
            if (needs_batch(plan, i)) s->measured = true;
            if (plan->slot[i].level > s->level) s->whole = true;
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct slot *s = &plan->slot[i];
        s->plain = is_read_plain(plan, i) && !is_made_in_sum(plan, i);
        s->value_of = is_in_place(plan, i) ? plan->slot[g->in[g->node[i].in]].value_of : i;
    }
}

int plan_schedule(struct assay_plan *plan, struct assay_err *err)
{
    choose_chunk(plan);
    choose_levels(plan);
    ASSAY_TRY(order_nodes(plan, err));
    choose_values(plan);
    return ASSAY_OK;
}
