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
static bool pulls(const struct assay_exec *x, uint32_t edge)
{
    const uint32_t user = x->user[edge];
    return x->slot[user].live && !(x->graph->node[user].mix && x->graph->coef[edge] == 0);
}

static void mark_live(struct assay_exec *x)
{
    const struct assay_graph *g = x->graph;
    x->slot[g->n_node - 1].live = true;
    x->mixes = false;
    for (uint32_t i = g->n_node; i-- > 0;) {
        const struct assay_node *n = &g->node[i];
        x->mixes |= n->mix;
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) x->slot[g->in[k]].live |= pulls(x, k);
    }
}

// The edges, grouped by the node that they read.
static void index_edges(struct assay_exec *x)
{
    const struct assay_graph *g = x->graph;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            x->user[k] = i;
            x->edge_first[g->in[k] + 2]++;
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) x->edge_first[i + 2] += x->edge_first[i + 1];
    for (uint32_t k = 0; k < g->n_in; k++) x->edge[x->edge_first[g->in[k] + 1]++] = k;
}

int assay_exec_plan_users(struct assay_exec *x, struct assay_err *err)
{
    const struct assay_graph *g = x->graph;
    x->slot = assay_arena_zalloc(&x->meta, g->n_node * sizeof *x->slot);
    x->edge_first = assay_arena_zalloc(&x->meta, (g->n_node + 2) * sizeof *x->edge_first);
    x->edge = assay_arena_alloc(&x->meta, (g->n_in + 1) * sizeof *x->edge);
    x->user = assay_arena_alloc(&x->meta, (g->n_in + 1) * sizeof *x->user);
    if (!x->slot || !x->edge_first || !x->edge || !x->user) return no_memory(err);
    index_edges(x);
    mark_live(x);
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        struct slot *s = &x->slot[i];
        s->unit = NONE;
        s->needs_grad = n->n_param > 0 || n->mix;
        for (uint32_t j = 0; j < n->n_in; j++)
            s->needs_grad |= x->slot[g->in[n->in + j]].needs_grad;
        s->needs_grad &= s->live;
    }
    return ASSAY_OK;
}

// The edges that read a node.
static uint32_t edges(const struct assay_exec *x, uint32_t node, const uint32_t **list)
{
    *list = x->edge + x->edge_first[node];
    return x->edge_first[node + 1] - x->edge_first[node];
}

// The edge that pulls back all of a node's gradient, if there is one only, else NONE.
static uint32_t sole_pull(const struct assay_exec *x, uint32_t node)
{
    const uint32_t *list;
    const uint32_t n = edges(x, node, &list);
    uint32_t found = NONE;
    for (uint32_t i = 0; i < n; i++) {
        if (!pulls(x, list[i])) continue;
        if (found != NONE) return NONE;
        found = list[i];
    }
    return found;
}

static bool is_op(const struct assay_exec *x, uint32_t node, enum assay_op op)
{
    return x->graph->node[node].op == op;
}

// The node that reads a node, if it alone does and once only, else NONE.
static uint32_t sole_user(const struct assay_exec *x, uint32_t node)
{
    const uint32_t *list;
    return edges(x, node, &list) == 1 ? x->user[list[0]] : NONE;
}

static bool conv_users_only(const struct assay_exec *x, uint32_t node)
{
    const uint32_t *list;
    const uint32_t n = edges(x, node, &list);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_op(x, x->user[list[i]], ASSAY_OP_CONV)) return false;
    }
    return n > 0;
}

// ---- units ------------------------------------------------------------------------------------
static void take_params(const struct assay_exec *x, uint32_t node, struct unit *u)
{
    const struct assay_node *n = &x->graph->node[node];
    for (uint32_t i = n->param; i < n->param + n->n_param; i++) {
        switch ((enum assay_role)x->graph->param[i].role) {
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
            u->p_bias = i;
            break;
        }
    }
}

static void set_geometry(const struct assay_exec *x, struct unit *u)
{
    const struct assay_node *n = &x->graph->node[u->conv], *in = &x->graph->node[u->src];
    const bool linear = n->op == ASSAY_OP_LINEAR; // a 1x1 convolution of 1x1 maps
    u->ci = in->c, u->co = n->c;
    u->groups = linear ? 1 : n->groups;
    u->kernel = linear ? 1 : n->kernel, u->stride = linear ? 1 : n->stride;
    u->pad = linear ? 0 : n->pad, u->dilation = linear ? 1 : n->dilation;
    u->h = in->h, u->w = in->w, u->oh = n->h, u->ow = n->w;
    u->q = u->ci / u->groups * assay_exec_taps(u);
    u->wants_dx = u->live && x->slot[u->src].needs_grad;
    struct slot *s = &x->slot[u->src];
    if (u->live && u->pad > s->halo) s->halo = u->pad;
}

static int check_unit(const struct unit *u, struct assay_err *err)
{
    if (u->kernel * u->kernel > MAX_TAPS || u->stride > 2) {
        return assay_err_set(
            err, ASSAY_ERR_INPUT,
            "exec: convolution %ux%u stride %u: expected a kernel up to 5x5 and stride 1 or 2",
            u->kernel, u->kernel, u->stride);
    }
    return ASSAY_OK;
}

static int add_unit(struct assay_exec *x, uint32_t node, struct assay_err *err)
{
    const struct assay_node *n = &x->graph->node[node];
    const uint32_t src = x->graph->in[n->in];
    if (n->op == ASSAY_OP_BN && x->slot[src].unit != NONE && x->slot[src].fused) {
        struct unit *u = &x->unit[x->slot[src].unit];
        u->bn = node;
        x->slot[node].unit = x->slot[src].unit;
        take_params(x, node, u);
        return ASSAY_OK;
    }
    struct unit *u = &x->unit[x->n_unit];
    memset(u, 0, sizeof *u);
    u->conv = u->bn = u->p_weight = u->p_gamma = u->p_beta = u->p_bias = NONE;
    u->src = src;
    u->live = x->slot[node].live;
    x->slot[node].unit = x->n_unit++;
    take_params(x, node, u);
    if (n->op == ASSAY_OP_BN) {
        u->bn = node, u->co = n->c, u->oh = n->h, u->ow = n->w;
        u->wants_dx = u->live && x->slot[src].needs_grad;
        return ASSAY_OK;
    }
    u->conv = node;
    set_geometry(x, u);
    const uint32_t user = sole_user(x, node);
    // A bias between them would count in none of the unit's sums.
    x->slot[node].fused = n->op == ASSAY_OP_CONV && user != NONE && is_op(x, user, ASSAY_OP_BN);
    return check_unit(u, err);
}

int assay_exec_plan_units(struct assay_exec *x, struct assay_err *err)
{
    const struct assay_graph *g = x->graph;
    x->unit = assay_arena_alloc(&x->meta, (g->n_node + 1) * sizeof *x->unit);
    if (!x->unit) return no_memory(err);
    x->n_unit = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const enum assay_op op = (enum assay_op)g->node[i].op;
        if (op == ASSAY_OP_CONV || op == ASSAY_OP_LINEAR || op == ASSAY_OP_BN)
            ASSAY_TRY(add_unit(x, i, err));
        if (op == ASSAY_OP_RELU) x->slot[i].fused = conv_users_only(x, i);
    }
    return ASSAY_OK;
}

// ---- gradient tensors -------------------------------------------------------------------------
static uint32_t level_of(const struct assay_exec *x, uint32_t tensor)
{
    return x->tensor[tensor].level;
}

// The gradient that user `u` of a tensor reads, and the level at which it can be read.
static struct ref gradient_read(const struct assay_exec *x, uint32_t u, uint32_t *level)
{
    const struct slot *s = &x->slot[u];
    const struct unit *unit = s->unit != NONE ? &x->unit[s->unit] : NULL;
    const struct ref g = unit && unit->bn != NONE ? x->slot[unit->bn].g : s->g;
    *level = level_of(x, g.tensor) + (unit && unit->bn != NONE ? 1 : 0);
    return g;
}

// What an edge into an add or a concatenation pulls back of that node's gradient.
static struct ref part_of(const struct assay_exec *x, uint32_t edge, struct ref gradient)
{
    const struct assay_node *n = &x->graph->node[x->user[edge]];
    if (n->op == ASSAY_OP_ADD) gradient.scale *= (float)x->graph->coef[edge];
    for (uint32_t k = n->in; n->op == ASSAY_OP_CONCAT && k < edge; k++)
        gradient.c_off += x->graph->node[x->graph->in[k]].c;
    return gradient;
}

static void add_job(struct assay_exec *x, struct tensor *t, uint32_t edge, uint32_t mask)
{
    const uint32_t user = x->user[edge];
    uint32_t level;
    const struct ref from = gradient_read(x, user, &level);
    x->job[x->n_job++] = (struct job){.op = x->graph->node[user].op,
                                      .user = user,
                                      .unit = x->slot[user].unit,
                                      .mask = mask,
                                      .from = part_of(x, edge, from),
                                      .tensor = (uint32_t)(t - x->tensor)};
    t->n_job++;
    if (level > t->level) t->level = level;
}

// The gradient of a node that one edge alone pulls back, into an add or a concatenation, is a part
// of that node's gradient.
static bool refer(struct assay_exec *x, uint32_t node)
{
    const uint32_t edge = sole_pull(x, node), user = edge == NONE ? NONE : x->user[edge];
    if (edge == NONE || (!is_op(x, user, ASSAY_OP_ADD) && !is_op(x, user, ASSAY_OP_CONCAT)))
        return false;
    x->slot[node].g = part_of(x, edge, x->slot[user].g);
    return true;
}

static void own_tensor(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->graph->node[node];
    struct tensor *t = &x->tensor[x->n_tensor];
    *t = (struct tensor){.node = node, .c = n->c, .hw = n->h * n->w, .first_job = x->n_job};
    x->slot[node].g = (struct ref){.tensor = x->n_tensor++, .scale = 1};
    const uint32_t *list;
    const uint32_t n_edge = edges(x, node, &list);
    for (uint32_t i = 0; i < n_edge; i++) {
        const uint32_t user = x->user[list[i]];
        if (!pulls(x, list[i])) continue;
        if (!is_op(x, user, ASSAY_OP_RELU) || !x->slot[user].fused) {
            add_job(x, t, list[i], NONE);
            continue;
        }
        const uint32_t *conv;
        const uint32_t n_conv = edges(x, user, &conv);
        for (uint32_t k = 0; k < n_conv; k++) {
            if (pulls(x, conv[k])) add_job(x, t, conv[k], user);
        }
    }
    t->last_level = t->level;
}

// Levels at which each tensor is read, and the weight gradients that read it.
static int index_readers(struct assay_exec *x, struct assay_err *err)
{
    x->reader = assay_arena_alloc(&x->meta, (x->n_unit + 1) * sizeof *x->reader);
    x->order = assay_arena_alloc(&x->meta, (x->n_tensor + 1) * sizeof *x->order);
    if (!x->reader || !x->order) return no_memory(err);
    for (uint32_t i = 0; i < x->n_job; i++) {
        struct tensor *from = &x->tensor[x->job[i].from.tensor];
        const uint32_t level = x->tensor[x->job[i].tensor].level;
        if (level > from->last_level) from->last_level = level;
    }
    uint32_t n = 0;
    for (uint32_t t = 0; t < x->n_tensor; t++) {
        x->tensor[t].first_unit = n;
        for (uint32_t u = 0; u < x->n_unit; u++) {
            if (x->unit[u].g.tensor != t) continue;
            x->reader[n++] = u;
            x->tensor[t].needs_sum |= x->unit[u].bn != NONE || x->unit[u].p_bias != NONE;
        }
        x->tensor[t].n_unit = n - x->tensor[t].first_unit;
        x->tensor[t].whole = x->tensor[t].last_level > x->tensor[t].level;
    }
    n = 0;
    x->n_level = 0;
    for (uint32_t level = 0; n < x->n_tensor; level++, x->n_level++) {
        for (uint32_t t = 0; t < x->n_tensor; t++) {
            if (x->tensor[t].level != level) continue;
            x->tensor[t].position = n;
            x->order[n++] = t;
        }
    }
    return ASSAY_OK;
}

int assay_exec_plan_tensors(struct assay_exec *x, struct assay_err *err)
{
    const struct assay_graph *g = x->graph;
    x->n_tensor = x->n_job = 0;
    x->tensor = assay_arena_alloc(&x->meta, (g->n_node + 1) * sizeof *x->tensor);
    x->job = assay_arena_alloc(&x->meta, (g->n_in + g->n_node + 1) * sizeof *x->job);
    if (!x->tensor || !x->job) return no_memory(err);
    for (uint32_t i = g->n_node; i-- > 0;) {
        struct slot *s = &x->slot[i];
        if (!s->needs_grad || s->fused) continue;
        if (!refer(x, i)) own_tensor(x, i);
    }
    for (uint32_t u = 0; u < x->n_unit; u++) {
        const uint32_t out = x->unit[u].bn != NONE ? x->unit[u].bn : x->unit[u].conv;
        x->unit[u].g = x->slot[out].g;
        if (!x->slot[out].needs_grad) x->unit[u].g.tensor = NONE;
    }
    ASSAY_TRY(index_readers(x, err));
    ASSAY_TRY(assay_exec_plan_products(x, err));
    return assay_exec_plan_probes(x, err);
}
