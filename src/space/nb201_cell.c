// SPDX-License-Identifier: Apache-2.0
#include "blocks.h"
#include "nb201.h"

// A skip to another number of channels is a 1x1 convolution and BN, without a ReLU.
static uint32_t skip(struct assay_graph *g, uint32_t x, uint32_t c, bool affine, const char *name)
{
    char module[80];
    if (assay_graph_shape(g, x).c == c) {
        assay_graph_returned(g, x, 1);
        return x;
    }
    assay_graph_name(g, module, sizeof module, "%s.conv", name);
    x = assay_graph_conv(g, x, c, 1, 1, 0, 1, 1, module);
    assay_graph_name(g, module, sizeof module, "%s.bn", name);
    x = assay_graph_bn(g, x, affine, module);
    assay_graph_returned(g, x, 1);
    return x;
}

uint32_t nb201_operation(struct assay_graph *g, uint8_t op, uint32_t x, uint32_t c, bool affine,
                         const char *name)
{
    const struct assay_shape s = assay_graph_shape(g, x);
    switch (op) {
    case NB201_NONE:
        return assay_graph_zero(g, c, s.h, s.w);
    case NB201_SKIP:
        return skip(g, x, c, affine, name);
    case NB201_AVG_POOL:
        ASSAY_ASSERT(g->failed || s.c == c);
        x = assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 3, 1, 1);
        assay_graph_returned(g, x, 1);
        return x;
    default:
        return space_relu_conv_bn(g, x, c, op == NB201_CONV_1X1 ? 1 : 3, 1, affine, name);
    }
}

uint32_t nb201_cell(struct assay_graph *g, const uint8_t op[NB201_EDGES], uint32_t x, uint32_t c,
                    uint32_t number)
{
    uint32_t node[4] = {x};
    for (uint32_t to = 1, k = 0; to < 4; to++) {
        uint32_t term[3], n = 0;
        for (; k < NB201_EDGES && nb201_to[k] == to; k++) {
            char name[64];
            assay_graph_name(g, name, sizeof name, "cells.%u.layers.%u", number, k);
            term[n++] = nb201_operation(g, op[k], node[nb201_from[k]], c, true, name);
        }
        node[to] = assay_graph_add(g, n, term, NULL);
    }
    return node[3];
}
