// SPDX-License-Identifier: Apache-2.0
// Analysis of a graph: who reads a node, trainable units, gradient tensors and the jobs that fill
// them. A node may read another one several times, so that all of it goes by edges: edge k is input
// g->in[k] of its user, and pulls back a part of the user's gradient of its own.
#include <string.h>

#include "exec/plan.h"

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
}

// Whether the user of an edge has a gradient for the node that it reads.
static bool pulls(const struct assay_plan *plan, uint32_t edge)
{
    const uint32_t user = plan->user[edge];
    return plan->slot[user].live && !(plan->graph->node[user].mix && plan->graph->coef[edge] == 0);
}

static void mark_live(struct assay_plan *plan)
{
    const struct assay_graph *g = plan->graph;
    plan->slot[g->n_node - 1].live = true;
    plan->mixes = false;
    for (uint32_t i = g->n_node; i-- > 0;) {
        const struct assay_node *n = &g->node[i];
        plan->mixes |= n->mix;
        for (uint32_t k = n->in; k < n->in + n->n_in; k++)
            plan->slot[g->in[k]].live |= pulls(plan, k);
    }
}

// The edges, grouped by the node that they read.
static void index_edges(struct assay_plan *plan)
{
    const struct assay_graph *g = plan->graph;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            plan->user[k] = i;
            plan->edge_first[g->in[k] + 2]++;
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) plan->edge_first[i + 2] += plan->edge_first[i + 1];
    for (uint32_t k = 0; k < g->n_in; k++) plan->edge[plan->edge_first[g->in[k] + 1]++] = k;
}

int plan_users(struct assay_plan *plan, const struct assay_want *want, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->slot = assay_arena_zalloc(&plan->meta, g->n_node * sizeof *plan->slot);
    plan->edge_first = assay_arena_zalloc(&plan->meta, (g->n_node + 2) * sizeof *plan->edge_first);
    plan->edge = assay_arena_alloc(&plan->meta, (g->n_in + 1) * sizeof *plan->edge);
    plan->user = assay_arena_alloc(&plan->meta, (g->n_in + 1) * sizeof *plan->user);
    if (!plan->slot || !plan->edge_first || !plan->edge || !plan->user) return no_memory(err);
    index_edges(plan);
    mark_live(plan);
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        struct slot *s = &plan->slot[i];
        s->unit = NONE;
        if (want->tap) s->tap = want->tap[i];
        if (want->norm) s->norm = want->norm[i];
        s->trained = n->n_param > 0 || n->mix;
        s->needs_grad = s->trained || s->tap & TAP_GRADIENTS;
        for (uint32_t j = 0; j < n->n_in; j++) {
            s->trained |= plan->slot[g->in[n->in + j]].trained;
            s->needs_grad |= plan->slot[g->in[n->in + j]].needs_grad;
        }
        s->needs_grad &= s->live;
    }
    return ASSAY_OK;
}

// The edges that read a node.
static uint32_t edges(const struct assay_plan *plan, uint32_t node, const uint32_t **list)
{
    *list = plan->edge + plan->edge_first[node];
    return plan->edge_first[node + 1] - plan->edge_first[node];
}

// The edge that pulls back all of a node's gradient, if there is one only, else NONE.
static uint32_t sole_pull(const struct assay_plan *plan, uint32_t node)
{
    const uint32_t *list;
    const uint32_t n = edges(plan, node, &list);
    uint32_t found = NONE;
    for (uint32_t i = 0; i < n; i++) {
        if (!pulls(plan, list[i])) continue;
        if (found != NONE) return NONE;
        found = list[i];
    }
    return found;
}

static bool is_op(const struct assay_plan *plan, uint32_t node, enum assay_op op)
{
    return plan->graph->node[node].op == op;
}

// The node that reads a node, if it alone does and once only, else NONE.
static uint32_t sole_user(const struct assay_plan *plan, uint32_t node)
{
    const uint32_t *list;
    return edges(plan, node, &list) == 1 ? plan->user[list[0]] : NONE;
}

static bool conv_users_only(const struct assay_plan *plan, uint32_t node)
{
    const uint32_t *list;
    const uint32_t n = edges(plan, node, &list);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_op(plan, plan->user[list[i]], ASSAY_OP_CONV)) return false;
    }
    return n > 0;
}

// ---- units ------------------------------------------------------------------------------------
static void take_params(const struct assay_plan *plan, uint32_t node, struct unit *u)
{
    const struct assay_node *n = &plan->graph->node[node];
    for (uint32_t i = n->param; i < n->param + n->n_param; i++) {
        switch ((enum assay_role)plan->graph->param[i].role) {
        case ASSAY_CONV_WEIGHT:
        case ASSAY_LINEAR_WEIGHT:
            u->p_weight = i;
            break;
        case ASSAY_BN_GAMMA:
            u->p_gamma = i;
            break;
        case ASSAY_BN_BETA:
            u->p_beta = i;
            break;
        case ASSAY_LINEAR_BIAS:
        case ASSAY_CONV_BIAS:
            u->p_bias = i;
            break;
        }
    }
}

static void set_geometry(const struct assay_plan *plan, struct unit *u)
{
    const struct assay_node *n = &plan->graph->node[u->conv], *in = &plan->graph->node[u->src];
    const bool linear = n->op == ASSAY_OP_LINEAR; // a 1x1 convolution of 1x1 maps
    u->ci = in->c, u->co = n->c;
    u->groups = linear ? 1 : n->groups;
    u->kernel = linear ? 1 : n->kernel, u->kernel_w = linear ? 1 : assay_graph_kernel_w(n);
    u->stride = linear ? 1 : n->stride;
    u->pad = linear ? 0 : n->pad, u->dilation = linear ? 1 : n->dilation;
    u->h = in->h, u->w = in->w, u->oh = n->h, u->ow = n->w;
    u->q = u->ci / u->groups * exec_taps(u);
    u->wants_dx = u->live && plan->slot[u->src].needs_grad;
    struct slot *s = &plan->slot[u->src];
    if (u->live && u->pad > s->halo) s->halo = u->pad;
}

static int check_unit(const struct unit *u, struct assay_err *err)
{
    if (u->kernel > MAX_KERNEL || u->kernel_w > MAX_KERNEL || u->stride > MAX_STRIDE)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "exec: convolution %ux%u stride %u: expected a kernel up to %ux%u and "
                             "a stride up to %u",
                             u->kernel, u->kernel_w, u->stride, MAX_KERNEL, MAX_KERNEL, MAX_STRIDE);
    return ASSAY_OK;
}

static int add_unit(struct assay_plan *plan, uint32_t node, struct assay_err *err)
{
    const struct assay_node *n = &plan->graph->node[node];
    const uint32_t src = plan->graph->in[n->in];
    if (n->op == ASSAY_OP_BN && plan->slot[src].unit != NONE && plan->slot[src].fused) {
        struct unit *u = &plan->unit[plan->slot[src].unit];
        u->bn = node;
        plan->slot[node].unit = plan->slot[src].unit;
        take_params(plan, node, u);
        return ASSAY_OK;
    }
    struct unit *u = &plan->unit[plan->n_unit];
    memset(u, 0, sizeof *u);
    u->conv = u->bn = u->p_weight = u->p_gamma = u->p_beta = u->p_bias = NONE;
    u->src = src;
    u->live = plan->slot[node].live;
    plan->slot[node].unit = plan->n_unit++;
    take_params(plan, node, u);
    if (n->op == ASSAY_OP_BN) {
        u->bn = node, u->co = n->c, u->oh = n->h, u->ow = n->w;
        u->wants_dx = u->live && plan->slot[src].needs_grad;
        return ASSAY_OK;
    }
    u->conv = node;
    set_geometry(plan, u);
    u->parity = assay_arena_zalloc(&plan->meta, u->stride * u->stride * sizeof *u->parity);
    if (!u->parity) return no_memory(err);
    const uint32_t user = sole_user(plan, node);
    // The bias of a linear layer between them would count in none of the unit's sums.
    plan->slot[node].fused = n->op == ASSAY_OP_CONV && user != NONE &&
                             is_op(plan, user, ASSAY_OP_BN) &&
                             !(plan->slot[node].tap & ASSAY_TAP_REPLACED);
    return check_unit(u, err);
}

int plan_units(struct assay_plan *plan, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->unit = assay_arena_alloc(&plan->meta, (g->n_node + 1) * sizeof *plan->unit);
    if (!plan->unit) return no_memory(err);
    plan->n_unit = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const enum assay_op op = (enum assay_op)g->node[i].op;
        if (op == ASSAY_OP_CONV || op == ASSAY_OP_LINEAR || op == ASSAY_OP_BN)
            ASSAY_TRY(add_unit(plan, i, err));
        // Of a product either value is what the other's gradient is multiplied by.
        if (op == ASSAY_OP_MUL && plan->backward)
            for (uint32_t k = 0; k < 2; k++) plan->slot[g->in[g->node[i].in + k]].kept = true;
        if (op == ASSAY_OP_RELU)
            plan->slot[i].fused = conv_users_only(plan, i) && !(plan->slot[i].tap & TAP_GRADIENTS);
    }
    return ASSAY_OK;
}

// ---- gradient tensors -------------------------------------------------------------------------
static uint32_t level_of(const struct assay_plan *plan, uint32_t tensor)
{
    return plan->tensor[tensor].level;
}

// The gradient that user `u` of a tensor reads, and the level at which it can be read.
static struct ref gradient_read(const struct assay_plan *plan, uint32_t u, uint32_t *level)
{
    const struct slot *s = &plan->slot[u];
    const struct unit *unit = s->unit != NONE ? &plan->unit[s->unit] : NULL;
    const struct ref g = unit && unit->bn != NONE ? plan->slot[unit->bn].g : s->g;
    *level = level_of(plan, g.tensor) + (unit && unit->bn != NONE ? 1 : 0);
    return g;
}

// Rounded to what an element holds.
static double element(const struct assay_plan *plan, double v)
{
    return plan->kern->size == sizeof(float) ? (double)(float)v : v;
}

// What an edge into an add or a concatenation pulls back of that node's gradient.
static struct ref part_of(const struct assay_plan *plan, uint32_t edge, struct ref gradient)
{
    const struct assay_node *n = &plan->graph->node[plan->user[edge]];
    if (n->op == ASSAY_OP_ADD)
        gradient.scale = element(plan, gradient.scale * element(plan, plan->graph->coef[edge]));
    for (uint32_t k = n->in; n->op == ASSAY_OP_CONCAT && k < edge; k++)
        gradient.c_off += plan->graph->node[plan->graph->in[k]].c;
    return gradient;
}

static void add_job(struct assay_plan *plan, struct tensor *t, uint32_t edge, uint32_t mask)
{
    const uint32_t user = plan->user[edge];
    uint32_t level;
    const struct ref from = gradient_read(plan, user, &level);
    plan->job[plan->n_job++] = (struct job){.op = plan->graph->node[user].op,
                                            .user = user,
                                            .input = edge - plan->graph->node[user].in,
                                            .unit = plan->slot[user].unit,
                                            .mask = mask,
                                            .from = part_of(plan, edge, from),
                                            .tensor = (uint32_t)(t - plan->tensor)};
    t->n_job++;
    if (level > t->level) t->level = level;
}

// The gradient of a node that one edge alone pulls back, into an add or a concatenation, is a part
// of that node's gradient.
static bool refer(struct assay_plan *plan, uint32_t node)
{
    const uint32_t edge = sole_pull(plan, node), user = edge == NONE ? NONE : plan->user[edge];
    if (edge == NONE || (!is_op(plan, user, ASSAY_OP_ADD) && !is_op(plan, user, ASSAY_OP_CONCAT)))
        return false;
    plan->slot[node].g = part_of(plan, edge, plan->slot[user].g);
    return true;
}

static void own_tensor(struct assay_plan *plan, uint32_t node)
{
    const struct assay_node *n = &plan->graph->node[node];
    struct tensor *t = &plan->tensor[plan->n_tensor];
    *t = (struct tensor){.node = node,
                         .c = n->c,
                         .hw = n->h * n->w,
                         .first_job = plan->n_job,
                         .replaced = plan->slot[node].tap & ASSAY_TAP_REPLACED};
    plan->slot[node].g = (struct ref){.tensor = plan->n_tensor++, .scale = 1};
    const uint32_t *list;
    const uint32_t n_edge = edges(plan, node, &list);
    for (uint32_t i = 0; i < n_edge; i++) {
        const uint32_t user = plan->user[list[i]];
        if (!pulls(plan, list[i])) continue;
        if (!is_op(plan, user, ASSAY_OP_RELU) || !plan->slot[user].fused) {
            add_job(plan, t, list[i], NONE);
            continue;
        }
        const uint32_t *conv;
        const uint32_t n_conv = edges(plan, user, &conv);
        for (uint32_t k = 0; k < n_conv; k++) {
            if (pulls(plan, conv[k])) add_job(plan, t, conv[k], user);
        }
    }
    t->last_level = t->level;
}

// Levels at which each tensor is read, and the weight gradients that read it.
static int index_readers(struct assay_plan *plan, struct assay_err *err)
{
    plan->reader = assay_arena_alloc(&plan->meta, (plan->n_unit + 1) * sizeof *plan->reader);
    plan->order = assay_arena_alloc(&plan->meta, (plan->n_tensor + 1) * sizeof *plan->order);
    if (!plan->reader || !plan->order) return no_memory(err);
    for (uint32_t i = 0; i < plan->n_job; i++) {
        struct tensor *from = &plan->tensor[plan->job[i].from.tensor];
        const uint32_t level = plan->tensor[plan->job[i].tensor].level;
        if (level > from->last_level) from->last_level = level;
    }
    uint32_t n = 0;
    for (uint32_t t = 0; t < plan->n_tensor; t++) {
        plan->tensor[t].first_unit = n;
        for (uint32_t u = 0; u < plan->n_unit; u++) {
            if (plan->unit[u].g.tensor != t) continue;
            plan->reader[n++] = u;
            plan->tensor[t].needs_sum |= plan->unit[u].bn != NONE || plan->unit[u].p_bias != NONE;
        }
        plan->tensor[t].n_unit = n - plan->tensor[t].first_unit;
        plan->tensor[t].whole = plan->tensor[t].last_level > plan->tensor[t].level;
    }
    n = 0;
    plan->n_level = 0;
    for (uint32_t level = 0; n < plan->n_tensor; level++, plan->n_level++) {
        for (uint32_t t = 0; t < plan->n_tensor; t++) {
            if (plan->tensor[t].level != level) continue;
            plan->tensor[t].position = n;
            plan->order[n++] = t;
        }
    }
    for (uint32_t i = 0; i < plan->n_tapped; i++) {
        if (plan->tapped[i].level >= plan->n_level) plan->n_level = plan->tapped[i].level + 1;
    }
    return ASSAY_OK;
}

int plan_tensors(struct assay_plan *plan, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->n_tensor = plan->n_job = 0;
    plan->tensor = assay_arena_alloc(&plan->meta, (g->n_node + 1) * sizeof *plan->tensor);
    plan->job = assay_arena_alloc(&plan->meta, (g->n_in + g->n_node + 1) * sizeof *plan->job);
    if (!plan->tensor || !plan->job) return no_memory(err);
    for (uint32_t i = g->n_node; i-- > 0;) {
        struct slot *s = &plan->slot[i];
        if (!s->needs_grad || s->fused) continue;
        if (s->tap & ASSAY_TAP_REPLACED || !refer(plan, i)) own_tensor(plan, i);
    }
    for (uint32_t u = 0; u < plan->n_unit; u++) {
        const uint32_t out = plan->unit[u].bn != NONE ? plan->unit[u].bn : plan->unit[u].conv;
        plan->unit[u].g = plan->slot[out].g;
        if (!plan->slot[out].needs_grad) plan->unit[u].g.tensor = NONE;
        plan->unit[u].late = exec_is_packed(plan) && plan->unit[u].conv != NONE &&
                             plan->unit[u].bn != NONE && plan->unit[u].wants_dx &&
                             plan->slot[plan->unit[u].src].trained &&
                             !exec_is_fixed(plan, &plan->unit[u]);
    }
    ASSAY_TRY(plan_tapped(plan, err));
    ASSAY_TRY(index_readers(plan, err));
    ASSAY_TRY(plan_products(plan, err));
    return plan_probes(plan, err);
}
