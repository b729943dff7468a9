// SPDX-License-Identifier: Apache-2.0
// Networks of DARTS's space: architectures, and supernets.
#include "darts.h"
#include "blocks.h"

static const uint8_t edge_from[DARTS_EDGES] = {0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4};
static const uint8_t edge_to[DARTS_EDGES] = {0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3};

// ---- cells --------------------------------------------------------------------------------------
// A network under construction: the outputs of the last two cells, and what the next must know.
struct stack {
    struct assay_graph *g;
    const struct assay_supernet *mask;     // or NULL
    const struct darts_genotype *genotype; // of an architecture
    uint32_t before, last;                 // nodes
    bool reduced;                          // `before` is twice as large as `last`
    uint32_t c, number; // channels of the last cell's nodes; the next cell's number in names
};

static void mixed_edge(const struct stack *s, bool reduce, uint32_t edge, uint32_t x,
                       struct space_sum *sum)
{
    const uint16_t alive = s->mask->alive[reduce ? DARTS_REDUCE : DARTS_NORMAL][edge];
    const uint32_t stride = reduce && edge_from[edge] < 2 ? 2 : 1;
    for (uint32_t op = DARTS_SKIP; op < DARTS_OPS; op++) {
        if (!(alive & 1u << op)) continue;
        char name[64];
        snprintf(name, sizeof name, "cells.%u.edges.%u<-%u._ops.%u", s->number, edge_to[edge],
                 edge_from[edge], op);
        space_sum_add(sum, darts_operation(s->g, op, x, stride, true, name),
                      1.0 / __builtin_popcount(alive));
    }
}

// Appends the operations on all edges into node i, as its terms.
static void mixed_node(const struct stack *s, bool reduce, uint32_t i, const uint32_t *state,
                       struct space_sum *sum)
{
    for (uint32_t e = 0; e < DARTS_EDGES; e++)
        if (edge_to[e] == i) mixed_edge(s, reduce, e, state[edge_from[e]], sum);
}

// The same of an architecture. `none` is no term. A second operation of the same kind on the same
// edge has a name of its own.
static void chosen_node(const struct stack *s, bool reduce, uint32_t i, const uint32_t *state,
                        struct space_sum *sum)
{
    const uint32_t c = reduce ? DARTS_REDUCE : DARTS_NORMAL;
    const uint8_t *op = s->genotype->op[c][i], *from = s->genotype->state[c][i];
    for (uint32_t k = 0; k < 2; k++) {
        const bool again = k && op[0] == op[1] && from[0] == from[1];
        char name[64];
        if (op[k] == DARTS_NONE) continue;
        assay_graph_name(s->g, name, sizeof name, "cells.%u.edges.%u<-%u._ops.%u%s", s->number, i,
                         from[k], op[k], again ? ".again" : "");
        space_sum_add(
            sum,
            darts_operation(s->g, op[k], state[from[k]], reduce && from[k] < 2 ? 2 : 1, true, name),
            1);
    }
}

static void preprocess(const struct stack *s, uint32_t state[2])
{
    char name[32];
    assay_graph_name(s->g, name, sizeof name, "cells.%u.preprocess0", s->number);
    state[0] = s->reduced ? space_reduce(s->g, s->before, s->c, true, name)
                          : space_relu_conv_bn(s->g, s->before, s->c, 1, 1, true, name);
    assay_graph_name(s->g, name, sizeof name, "cells.%u.preprocess1", s->number);
    state[1] = space_relu_conv_bn(s->g, s->last, s->c, 1, 1, true, name);
}

static void add_cell(struct stack *s, bool reduce)
{
    uint32_t state[2 + DARTS_NODES];
    if (reduce) s->c *= 2;
    preprocess(s, state);
    const uint32_t h = assay_graph_shape(s->g, state[1]).h, size = reduce ? (h + 1) / 2 : h;
    for (uint32_t i = 0; i < DARTS_NODES; i++) {
        struct space_sum sum = {.n = 0};
        (s->mask ? mixed_node : chosen_node)(s, reduce, i, state, &sum);
        state[2 + i] = space_sum_end(s->g, &sum, s->c, size);
    }
    s->before = s->last;
    s->last = assay_graph_concat(s->g, DARTS_NODES, state + 2);
    assay_graph_feature(s->g, ASSAY_FEATURE_CELL, s->last);
    s->reduced = reduce;
    s->number++;
}

// ---- macro networks -----------------------------------------------------------------------------
// Whether a cell reduces: those at a third and at two thirds do. A network of fewer than three
// cells has the first of three.
static void add_cells(struct stack *s, uint32_t n)
{
    const uint32_t third = n < 3 ? 3 : n;
    for (uint32_t i = 0; i < n; i++) add_cell(s, i == third / 3 || i == 2 * third / 3);
}

static uint32_t strided(struct assay_graph *g, uint32_t x, uint32_t c, const char *conv,
                        const char *bn)
{
    x = assay_graph_conv(g, x, c, 3, 2, 1, 1, 1, conv);
    return assay_graph_bn(g, x, true, bn);
}

static void imagenet_stem(struct stack *s, uint32_t x)
{
    x = strided(s->g, x, s->c / 2, "stem0.0", "stem0.1");
    x = assay_graph_relu(s->g, x);
    s->before = strided(s->g, x, s->c, "stem0.3", "stem0.4");
    assay_graph_returned(s->g, s->before, 1); // stem0
    x = assay_graph_relu(s->g, s->before);
    s->last = strided(s->g, x, s->c, "stem1.1", "stem1.2");
    s->reduced = true;
}

static void stem(struct stack *s, const struct assay_net *net)
{
    const uint32_t x = space_input(s->g, net);
    if (net->thin)
        s->before = s->last = x;
    else if (net->macro == ASSAY_MACRO_IMAGENET)
        imagenet_stem(s, x);
    else
        s->before = s->last =
            space_conv_bn(s->g, x, s->c * (net->stem ? net->stem : 1), true, "stem");
    if (!net->thin) assay_graph_feature(s->g, ASSAY_FEATURE_STEM, s->last);
}

// IMAGENET's stem begins with half the channels, and halves the image three times before the cells
// do twice.
static int check_net(const struct assay_net *net, struct assay_err *err)
{
    if (net->thin || net->macro != ASSAY_MACRO_IMAGENET) return ASSAY_OK;
    if (net->image % 32)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%s.image is %u, expected a multiple of 32 with the macro "
                             "network imagenet",
                             space_section(net), net->image);
    if (net->channels % 2 == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s.channels is %u, expected an even number with the macro network "
                         "imagenet",
                         space_section(net), net->channels);
}

static int build_stack(struct stack *s, const struct assay_net *net, struct assay_err *err)
{
    s->c = net->thin ? 1 : net->channels;
    ASSAY_TRY(check_net(net, err));
    stem(s, net);
    add_cells(s, net->thin ? DARTS_CELLS : net->cells);
    if (net->thin || net->macro == ASSAY_MACRO_TENAS)
        space_head(s->g, s->last, net->classes, true);
    else
        space_classify(s->g, s->last, net->classes);
    return assay_graph_finish(s->g, err);
}

static int build_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                          const struct assay_net *net, struct assay_graph *g, struct assay_err *err)
{
    struct stack s = {.g = g, .mask = mask};
    (void)space;
    return build_stack(&s, net, err);
}

int darts_build(const struct darts_genotype *genotype, const struct assay_net *net,
                struct assay_graph *g, struct assay_err *err)
{
    struct stack s = {.g = g, .genotype = genotype};
    return build_stack(&s, net, err);
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    struct darts_genotype genotype;
    (void)space;
    darts_decode(index, &genotype);
    return darts_build(&genotype, net, g, err);
}

// ---- the space ----------------------------------------------------------------------------------
static const struct assay_supernet_kind supernet = {
    .cells = DARTS_CELLS,
    .edges = DARTS_EDGES,
    .ops = DARTS_OPS,
    .keep = 2,
    .cell_name = darts_cell_name,
    .op_name = darts_op_name,
    .from = edge_from,
    .to = edge_to,
    .build = build_supernet,
    .index = darts_index,
    .mask = darts_mask,
};

// Every architecture is a network of its own: parents are sorted, so that one index is one set of
// edges; the order of a cell's nodes decides the order of its output channels and with it the
// function.
const struct assay_space_kind assay_space_darts = {
    .name = "darts",
    .help =
        "DARTS: pairs of a normal and a reduction cell, 4 nodes with 2 edges each, 7 operations",
    .source = "Liu, Simonyan and Yang, ICLR 2019",
    DARTS_NETWORKS,
    .size = darts_size,
    .build = build,
    .format = darts_format,
    .parse = darts_parse,
    .supernet = &supernet,
    .oneshot = &darts_oneshot,
};
