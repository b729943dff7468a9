// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <math.h>
#include <string.h>

const char *assay_op_name(enum assay_op op)
{
    static const char *const name[ASSAY_OP_COUNT] = {
        [ASSAY_OP_INPUT] = "input",       [ASSAY_OP_ZERO] = "zero",
        [ASSAY_OP_CONV] = "conv",         [ASSAY_OP_BN] = "bn",
        [ASSAY_OP_RELU] = "relu",         [ASSAY_OP_AVG_POOL] = "avg_pool",
        [ASSAY_OP_MAX_POOL] = "max_pool", [ASSAY_OP_ADD] = "add",
        [ASSAY_OP_CONCAT] = "concat",     [ASSAY_OP_SLICE] = "slice",
        [ASSAY_OP_GAP] = "gap",           [ASSAY_OP_LINEAR] = "linear",
        [ASSAY_OP_FLATTEN] = "flatten",   [ASSAY_OP_ACT] = "act",
        [ASSAY_OP_MUL] = "mul",           [ASSAY_OP_SHUFFLE] = "shuffle",
        [ASSAY_OP_PAD] = "pad",           [ASSAY_OP_UPSAMPLE] = "upsample",
    };
    return (unsigned)op < ASSAY_OP_COUNT ? name[op] : "unknown";
}

const char *assay_graph_param_name(const struct assay_graph *g, uint32_t param)
{
    ASSAY_ASSERT(param < g->n_param && !g->unnamed);
    return g->text + g->param[param].name;
}

// What most nodes have not: it is part of a hash only where a node has it, so that hashes of
// networks without it stay what they were.
static struct assay_hash add_rare(struct assay_hash hash, const struct assay_node *n)
{
    const bool norm = n->op == ASSAY_OP_BN && n->eps != ASSAY_BN_EPS;
    const bool bias = n->op == ASSAY_OP_LINEAR ? !n->bias : n->bias;
    const bool other = n->op == ASSAY_OP_ACT || n->op == ASSAY_OP_PAD;
    if (!norm && !bias && !n->ceil && !n->first && !n->kernel_w && !other) return hash;
    uint64_t rare[] = {hash.lo,  hash.hi, n->bias | n->ceil << 1 | n->act << 2 | n->kernel_w << 10,
                       n->first, 0,       0,
                       0,        0};
    memcpy(&rare[4], &n->eps, sizeof rare[4]);
    memcpy(&rare[5], &n->a, sizeof rare[5]);
    memcpy(&rare[6], &n->b, sizeof rare[6]);
    memcpy(&rare[7], n->pads, sizeof rare[7]);
    return assay_hash128(rare, sizeof rare);
}

struct assay_hash assay_graph_hash(const struct assay_graph *g)
{
    struct assay_hash hash = {g->n_node, g->n_in};
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        const uint64_t kind = n->affine | n->mix << 1;
        const uint64_t node[] = {hash.lo, hash.hi,     n->op,  n->kernel, n->stride,
                                 n->pad,  n->dilation, kind,   n->groups, n->c,
                                 n->h,    n->w,        n->n_in};
        hash = add_rare(assay_hash128(node, sizeof node), n);
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            uint64_t edge[] = {hash.lo, hash.hi, g->in[k], 0};
            memcpy(&edge[3], &g->coef[k], sizeof edge[3]);
            hash = assay_hash128(edge, sizeof edge);
        }
    }
    return hash;
}

static uint64_t node_macs(const struct assay_graph *g, const struct assay_node *n)
{
    if (n->op == ASSAY_OP_CONV) return g->param[n->param].size * n->h * n->w;
    if (n->op == ASSAY_OP_LINEAR) return g->param[n->param].size;
    return 0;
}

// Time beside the multiply-adds, in units of one, for each element of the output: a line through
// the measured kernels of NAS-Bench-201 (C = 3, 5,043 networks) fits these to 8 %.
static double node_memory(const struct assay_node *n)
{
    const double elements = (double)n->c * n->h * n->w;
    switch (n->op) {
    case ASSAY_OP_CONV:
        return 15.0 * elements; // with its BN and ReLU
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        return 10.0 * elements;
    case ASSAY_OP_ACT:
    case ASSAY_OP_MUL:
        return 5.0 * elements;
    case ASSAY_OP_ADD:
        return 2.5 * elements * n->n_in;
    default:
        return 0.0;
    }
}

static void add_node(const struct assay_graph *g, const struct assay_node *n,
                     struct assay_cost *cost)
{
    const bool layer = n->op == ASSAY_OP_CONV || n->op == ASSAY_OP_LINEAR;
    const uint64_t macs = node_macs(g, n), units = (uint64_t)n->c * n->h * n->w,
                   bias = n->bias ? units : 0;
    for (uint32_t k = 0; k < n->n_param; k++) cost->params += g->param[n->param + k].size;
    cost->tensors += n->n_param;
    cost->macs += macs;
    cost->flops += macs + bias;
    cost->layers += layer;
    if (layer) cost->log_weights += log((double)g->param[n->param].size);
    if (n->op == ASSAY_OP_RELU) cost->relus += units;
    cost->work += (double)(macs + bias) + node_memory(n);
}

struct assay_cost assay_graph_cost(const struct assay_graph *g)
{
    struct assay_cost cost = {0};
    for (uint32_t i = 0; i < g->n_node; i++) add_node(g, &g->node[i], &cost);
    return cost;
}

static bool in_cell(const struct assay_graph *g, const struct assay_node *n)
{
    return n->feature < g->n_feature && g->feature[n->feature].of == ASSAY_FEATURE_CELL;
}

struct assay_cost assay_graph_live_cost(const struct assay_graph *g)
{
    struct assay_cost cost = {0};
    const bool none = !g->node[g->n_node - 1].live;
    for (uint32_t i = 0; i < g->n_node; i++)
        if (none ? !in_cell(g, &g->node[i]) : g->node[i].live) add_node(g, &g->node[i], &cost);
    return cost;
}

static void print_attributes(const struct assay_node *n, FILE *stream)
{
    if (n->kernel) fprintf(stream, " %ux%u", n->kernel, assay_graph_kernel_w(n));
    if (n->stride > 1) fprintf(stream, " stride %u", n->stride);
    if (n->op == ASSAY_OP_SLICE)
        fprintf(stream, " from %u drop %u", n->first, n->pad);
    else if (n->pad)
        fprintf(stream, " pad %u", n->pad);
    if (n->dilation > 1) fprintf(stream, " dilation %u", n->dilation);
    if (n->groups > 1) fprintf(stream, " groups %u", n->groups);
    if (n->mix) fprintf(stream, " mix");
    if (n->ceil) fprintf(stream, " ceil");
    if (n->op == ASSAY_OP_PAD)
        fprintf(stream, " %d, %d, %d, %d of %g", n->pads[0], n->pads[1], n->pads[2], n->pads[3],
                n->a);
    if (n->op == ASSAY_OP_ACT) fprintf(stream, " %s", assay_act_name((enum assay_act)n->act));
    if (n->op == ASSAY_OP_ACT && (n->a != 0 || n->b != 0))
        fprintf(stream, " %.9g, %.9g", n->a, n->b);
    if (n->op == ASSAY_OP_BN && n->eps != ASSAY_BN_EPS) fprintf(stream, " eps %.9g", n->eps);
}

static void print_inputs(const struct assay_graph *g, const struct assay_node *n, FILE *stream)
{
    for (uint32_t k = 0; k < n->n_in; k++) {
        const double coef = g->coef[n->in + k];
        fputs(k == 0 ? " <- " : ", ", stream);
        if (coef != 1.0) fprintf(stream, "%.9g * ", coef);
        fprintf(stream, "%u", g->in[n->in + k]);
    }
}

// Names may be those of a foreign file.
static void print_param(const struct assay_graph *g, uint32_t param, FILE *stream)
{
    char name[512];
    assay_text_show(name, sizeof name, assay_graph_param_name(g, param), false);
    fprintf(stream, "  %s", name);
}

void assay_graph_print(const struct assay_graph *g, FILE *stream)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        fprintf(stream, "%4u  %-8s (%u,%u,%u)", i, assay_op_name(n->op), n->c, n->h, n->w);
        print_attributes(n, stream);
        print_inputs(g, n, stream);
        for (uint32_t k = 0; k < n->n_param; k++) print_param(g, n->param + k, stream);
        fputc('\n', stream);
    }
}
