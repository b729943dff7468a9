// SPDX-License-Identifier: Apache-2.0
#include "darts.h"
#include "blocks.h"

const char *const darts_op_name[DARTS_OPS] = {
    [DARTS_NONE] = "none",
    [DARTS_SKIP] = "skip_connect",
    [DARTS_SEP_3X3] = "sep_conv_3x3",
    [DARTS_SEP_5X5] = "sep_conv_5x5",
    [DARTS_DIL_3X3] = "dil_conv_3x3",
    [DARTS_DIL_5X5] = "dil_conv_5x5",
    [DARTS_AVG_POOL] = "avg_pool_3x3",
    [DARTS_MAX_POOL] = "max_pool_3x3",
};
const char *const darts_cell_name[DARTS_CELLS] = {"normal", "reduction"};

static uint32_t sep_conv(struct assay_graph *g, uint32_t x, uint32_t kernel, uint32_t stride,
                         bool affine, const char *name)
{
    char half[80];
    assay_graph_name(g, half, sizeof half, "%s.op_a", name);
    x = space_separable(g, x, kernel, stride, 1, affine, half);
    assay_graph_name(g, half, sizeof half, "%s.op_b", name);
    x = space_separable(g, x, kernel, 1, 1, affine, half);
    assay_graph_returned(g, x, 1);
    return x;
}

static uint32_t skip(struct assay_graph *g, uint32_t x, uint32_t stride, bool affine,
                     const char *name)
{
    if (stride > 1) return space_reduce(g, x, assay_graph_shape(g, x).c, affine, name);
    assay_graph_returned(g, x, 1);
    return x;
}

static uint32_t pool(struct assay_graph *g, enum assay_op op, uint32_t x, uint32_t stride)
{
    x = assay_graph_pool(g, op, x, 3, stride, 1);
    assay_graph_returned(g, x, 1);
    return x;
}

uint32_t darts_operation(struct assay_graph *g, uint32_t op, uint32_t x, uint32_t stride,
                         bool affine, const char *name)
{
    switch (op) {
    case DARTS_SKIP:
        return skip(g, x, stride, affine, name);
    case DARTS_SEP_3X3:
        return sep_conv(g, x, 3, stride, affine, name);
    case DARTS_SEP_5X5:
        return sep_conv(g, x, 5, stride, affine, name);
    case DARTS_DIL_3X3:
        return space_separable(g, x, 3, stride, 2, affine, name);
    case DARTS_DIL_5X5:
        return space_separable(g, x, 5, stride, 2, affine, name);
    case DARTS_AVG_POOL:
        return pool(g, ASSAY_OP_AVG_POOL, x, stride);
    default:
        return pool(g, ASSAY_OP_MAX_POOL, x, stride);
    }
}
