// SPDX-License-Identifier: Apache-2.0
// NASI's one-shot network for DARTS's space: node i of a cell has two slots, each of which chooses
// one of the i + 2 states before it and one of the 7 operations, independently. The states are
// mixed in front of the operations, of which a slot therefore has one each.
#include "darts.h"
#include "blocks.h"

#define SLOTS    (2 * DARTS_NODES)
#define PER_CELL (2 * SLOTS) // a slot's state, then its operation
#define OPTIONS  (DARTS_OPS - DARTS_SKIP)

static const uint8_t options[DARTS_CELLS * PER_CELL] = {
    2, OPTIONS, 2, OPTIONS, 3, OPTIONS, 3, OPTIONS, 4, OPTIONS, 4, OPTIONS, 5, OPTIONS, 5, OPTIONS,
    2, OPTIONS, 2, OPTIONS, 3, OPTIONS, 3, OPTIONS, 4, OPTIONS, 4, OPTIONS, 5, OPTIONS, 5, OPTIONS,
};
// The second state of a node must differ from the first.
static const uint8_t differs[DARTS_CELLS * PER_CELL] = {
    0,  1,  0,  3,  4,  5,  4,  7,  8,  9,  8,  11, 12, 13, 12, 15,
    16, 17, 16, 19, 20, 21, 20, 23, 24, 25, 24, 27, 28, 29, 28, 31,
};

static uint32_t cells(const struct assay_space *space, const struct assay_net *net)
{
    (void)space;
    return net->cells;
}

static bool reduces(const struct assay_net *net, uint32_t cell)
{
    const uint32_t third = net->cells >= 3 ? net->cells / 3 : 1;
    return cell == third || cell == 2 * third;
}

static uint32_t choice(const struct assay_space *space, const struct assay_net *net, uint32_t mix)
{
    (void)space;
    return (reduces(net, mix / PER_CELL) ? PER_CELL : 0) + mix % PER_CELL;
}

static uint32_t slot(struct assay_graph *g, const struct assay_oneshot *shot, const uint32_t *state,
                     uint32_t number, uint32_t i)
{
    const uint32_t x = space_mix(g, shot, i / 2 + 2, state);
    uint32_t op[OPTIONS];
    for (uint32_t o = 0; o < OPTIONS; o++) {
        char name[64];
        snprintf(name, sizeof name, "cells.%u.slots.%u.%u", number, i, DARTS_SKIP + o);
        op[o] = darts_operation(g, DARTS_SKIP + o, x, 1, shot->affine, name);
    }
    return space_mix(g, shot, OPTIONS, op);
}

// All operations have stride 1: where DARTS's cell reduces, a max-pool stands in front of it.
static uint32_t cell(struct assay_graph *g, const struct assay_oneshot *shot, const uint32_t in[2],
                     uint32_t c, uint32_t number)
{
    uint32_t state[2 + DARTS_NODES];
    for (uint32_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "cells.%u.preprocess%u", number, i);
        state[i] = space_relu_conv_bn(g, in[i], c, 1, 1, shot->affine, name);
    }
    for (uint32_t i = 0; i < DARTS_NODES; i++) {
        const uint32_t both[2] = {slot(g, shot, state, number, 2 * i),
                                  slot(g, shot, state, number, 2 * i + 1)};
        state[2 + i] = assay_graph_add(g, 2, both, NULL);
    }
    return assay_graph_concat(g, DARTS_NODES, state + 2);
}

static int build(const struct assay_space *space, const struct assay_oneshot *shot,
                 const struct assay_net *net, struct assay_graph *g, struct assay_err *err)
{
    (void)space;
    uint32_t c = net->channels, last[2];
    const uint32_t x = space_input(g, net);
    last[0] = last[1] = space_conv_bn(g, x, c * (net->stem ? net->stem : 1), shot->affine, "stem");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, last[1]);
    for (uint32_t i = 0; i < net->cells; i++) {
        if (reduces(net, i)) {
            c *= 2;
            for (uint32_t k = 0; k < 2; k++)
                last[k] = assay_graph_pool(g, ASSAY_OP_MAX_POOL, last[k], 3, 2, 1);
        }
        const uint32_t out = cell(g, shot, last, c, i);
        last[0] = last[1];
        last[1] = out;
        assay_graph_feature(g, ASSAY_FEATURE_CELL, out);
    }
    space_classify(g, last[1], net->classes);
    return assay_graph_finish(g, err);
}

// Names an option: "reduction node 3 slot 0: state 2", "normal node 2 slot 1: skip_connect".
static void name(const struct assay_space *space, uint32_t choice, uint32_t option,
                 char text[ASSAY_ONESHOT_NAME])
{
    (void)space;
    const uint32_t slot = choice % PER_CELL / 2;
    const int n = snprintf(text, ASSAY_ONESHOT_NAME,
                           "%s node %u slot %u: ", darts_cell_name[choice / PER_CELL], 2 + slot / 2,
                           slot % 2);
    if (choice % 2)
        snprintf(text + n, ASSAY_ONESHOT_NAME - (size_t)n, "%s",
                 darts_op_name[DARTS_SKIP + option]);
    else
        snprintf(text + n, ASSAY_ONESHOT_NAME - (size_t)n, "state %u", option);
}

static uint64_t index_of(const struct assay_space *space, const uint8_t *option)
{
    struct darts_genotype genotype;
    (void)space;
    for (uint32_t s = 0; s < DARTS_CELLS * SLOTS; s++) {
        const uint32_t type = s / SLOTS, node = s % SLOTS / 2;
        genotype.state[type][node][s % 2] = option[2 * s];
        genotype.op[type][node][s % 2] = (uint8_t)(DARTS_SKIP + option[2 * s + 1]);
    }
    return darts_encode(&genotype);
}

const struct assay_oneshot_kind darts_oneshot = {
    .net = {.channels = 16, .cells = 9, .classes = 10, .image = 32, .stem = 3},
    .choices = DARTS_CELLS * PER_CELL,
    .per_cell = PER_CELL,
    .options = options,
    .differs = differs,
    .cells = cells,
    .choice = choice,
    .build = build,
    .name = name,
    .index = index_of,
};
