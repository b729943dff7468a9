// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <string.h>

bool graph_is_weight(const struct assay_param *p)
{
    return p->role == ASSAY_CONV_WEIGHT || p->role == ASSAY_BN_GAMMA ||
           p->role == ASSAY_LINEAR_WEIGHT;
}

void graph_layout(struct assay_graph *g)
{
    g->n_theta = 0;
    for (int biases = 0; biases < 2; biases++) {
        for (uint32_t i = 0; i < g->n_param; i++) {
            struct assay_param *p = &g->param[i];
            if (graph_is_weight(p) == !biases) {
                p->offset = g->n_theta;
                g->n_theta += p->size;
            }
        }
        if (!biases) g->n_weight = g->n_theta;
    }
}

// Whether term k of node n counts: a mix's may, whatever its coefficient is now.
static bool is_term(const struct assay_graph *g, const struct assay_node *n, uint32_t k)
{
    return n->mix || g->coef[n->in + k] != 0.0;
}

// What depends on the input, then, from the output back, what of it the output depends on.
static void mark_live(struct assay_graph *g)
{
    enum { FROM_INPUT = 1, TO_OUTPUT = 2 };
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct assay_node *n = &g->node[i];
        n->live = n->op == ASSAY_OP_INPUT;
        for (uint32_t k = 0; k < n->n_in; k++)
            if (is_term(g, n, k)) n->live |= g->node[g->in[n->in + k]].live;
    }
    g->node[g->n_node - 1].live |= TO_OUTPUT;
    for (uint32_t i = g->n_node; i-- > 0;) {
        struct assay_node *n = &g->node[i];
        for (uint32_t k = 0; k < n->n_in && n->live & TO_OUTPUT; k++)
            if (is_term(g, n, k)) g->node[g->in[n->in + k]].live |= TO_OUTPUT;
        n->live = n->live == (FROM_INPUT | TO_OUTPUT);
    }
}

// What was appended is valid by construction, but for shapes that do not work out and for inputs at
// a wrong place: nothing else is looked for in every network of a sweep.
static bool is_sound(const struct assay_graph *g)
{
    for (uint32_t i = 0; i < g->n_node; i++)
        if (!g->node[i].c || (g->node[i].op == ASSAY_OP_INPUT) != (i == 0)) return false;
    return g->n_node > 0;
}

int assay_graph_finish(struct assay_graph *g, struct assay_err *err)
{
    if (g->failed) {
        assay_graph_reset(g);
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for a network");
    }
    graph_layout(g);
    if (!is_sound(g)) ASSAY_TRY(assay_graph_validate(g, err));
    mark_live(g);
    return ASSAY_OK;
}

static bool in_range(uint32_t first, uint32_t n, uint32_t total)
{
    return (uint64_t)first + n <= total;
}

static int check_inputs(const struct assay_graph *g, uint32_t i, struct assay_err *err)
{
    const struct assay_node *n = &g->node[i];
    if (n->mix && n->op != ASSAY_OP_ADD)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "only an add can mix");
    if ((n->op == ASSAY_OP_INPUT) != (i == 0))
        return assay_err_set(err, ASSAY_ERR_CONFIG, "node 0 and no other must be the input");
    if (!in_range(n->in, n->n_in, g->n_in))
        return assay_err_set(err, ASSAY_ERR_CONFIG, "inputs %u + %u, the graph has %u", n->in,
                             n->n_in, g->n_in);
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (g->in[n->in + k] >= i)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "input %u is node %u, expected an earlier one", k,
                                 g->in[n->in + k]);
    }
    return ASSAY_OK;
}

static int check_shape(const struct assay_graph *g, uint32_t i, struct assay_err *err)
{
    const struct assay_node *n = &g->node[i];
    struct assay_node want = *n;
    ASSAY_TRY(graph_infer(g, &want, err));
    if (n->c != want.c || n->h != want.h || n->w != want.w)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "shape (%u,%u,%u), expected (%u,%u,%u)", n->c,
                             n->h, n->w, want.c, want.h, want.w);
    return ASSAY_OK;
}

static int check_params(const struct assay_graph *g, uint32_t i, struct assay_err *err)
{
    const struct assay_node *n = &g->node[i];
    const uint32_t count = graph_param_count(n);
    if (n->n_param != count || !in_range(n->param, count, g->n_param))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "parameters %u + %u, expected %u of the graph's %u", n->param,
                             n->n_param, count, g->n_param);
    for (uint32_t k = 0; k < count; k++) {
        const struct assay_param *p = &g->param[n->param + k];
        struct assay_param want = {.node = i};
        graph_param_shape(g, n, k, &want);
        if (p->role != want.role || p->node != i || p->ndim != want.ndim || p->size != want.size ||
            memcmp(p->shape, want.shape, sizeof p->shape) != 0)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "parameter %u has another role or shape than its node", k);
        if (!g->unnamed &&
            (p->name >= g->n_text || !memchr(g->text + p->name, '\0', g->n_text - p->name)))
            return assay_err_set(err, ASSAY_ERR_CONFIG, "parameter %u has no name", k);
    }
    return ASSAY_OK;
}

// The parameters partition [0, n_theta), weights in front.
static int check_offsets(const struct assay_graph *g, struct assay_err *err)
{
    uint64_t weight = 0, bias = g->n_weight, owned = 0;
    for (uint32_t i = 0; i < g->n_node; i++) owned += g->node[i].n_param;
    if (owned != g->n_param)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "%u parameters, the nodes have %llu",
                             g->n_param, (unsigned long long)owned);
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        uint64_t *next = graph_is_weight(p) ? &weight : &bias;
        if (p->offset != *next)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "parameter %s has offset %llu, expected %llu",
                                 g->unnamed ? "" : assay_graph_param_name(g, i),
                                 (unsigned long long)p->offset, (unsigned long long)*next);
        *next += p->size;
    }
    if (weight != g->n_weight || bias != g->n_theta)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%llu weights and %llu parameters, expected %llu and %llu",
                             (unsigned long long)g->n_weight, (unsigned long long)g->n_theta,
                             (unsigned long long)weight, (unsigned long long)bias);
    return ASSAY_OK;
}

int assay_graph_validate(const struct assay_graph *g, struct assay_err *err)
{
    if (g->n_node == 0) return assay_err_set(err, ASSAY_ERR_CONFIG, "an empty network");
    for (uint32_t i = 0; i < g->n_node; i++) {
        int status = check_inputs(g, i, err);
        if (status == ASSAY_OK) status = check_shape(g, i, err);
        if (status == ASSAY_OK) status = check_params(g, i, err);
        if (status != ASSAY_OK) {
            assay_err_prefix(err, "node %u (%s)", i, assay_op_name(g->node[i].op));
            return status;
        }
    }
    return check_offsets(g, err);
}
