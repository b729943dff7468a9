// SPDX-License-Identifier: Apache-2.0
// Small networks for the executor's tests, each of which exercises one thing. Included once.
#ifndef ASSAY_TESTS_EXEC_EXEC_NETS_H
#define ASSAY_TESTS_EXEC_EXEC_NETS_H

#include "assay/graph.h"

#define CLASSES 3

static void finish(struct assay_graph *g, uint32_t x)
{
    assay_graph_linear(g, assay_graph_gap(g, x), CLASSES, "classifier");
    struct assay_err err;
    assert_int_equal(assay_graph_finish(g, &err), 0);
}

static uint32_t conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t k, uint32_t s,
                        uint32_t p, uint32_t d, uint32_t groups, const char *name)
{
    char bn[64];
    snprintf(bn, sizeof bn, "%s_bn", name);
    return assay_graph_bn(g, assay_graph_conv(g, x, c, k, s, p, d, groups, name), true, bn);
}

static void net_plain(struct assay_graph *g)
{
    const uint32_t x = assay_graph_conv(g, assay_graph_input(g, 2, 6, 6), 4, 3, 1, 1, 1, 1, "a");
    finish(g, assay_graph_conv(g, x, 5, 1, 1, 0, 1, 1, "b"));
}

static void net_relu_bn(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 3, 8, 8), 3, 3, 1, 1, 1, 1, "a");
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 7, 3, 1, 1, 1, 1, "b");
    finish(g, assay_graph_relu(
                  g, assay_graph_bn(g, assay_graph_conv(g, y, 4, 1, 1, 0, 1, 1, "c"), false, "d")));
}

static void net_stride(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 3, 8, 8), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t main = conv_bn(g, assay_graph_relu(g, x), 6, 3, 2, 1, 1, 1, "b");
    const uint32_t pool = assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 2, 2, 0);
    const uint32_t both[] = {assay_graph_conv(g, pool, 6, 1, 1, 0, 1, 1, "c"), main};
    finish(g, assay_graph_relu(g, assay_graph_bn(g, assay_graph_add(g, 2, both, NULL), true, "d")));
}

static void net_mixed_edge(struct assay_graph *g)
{
    const double coef[] = {0.25, 0.5, -0.75, 2};
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 7, 7), 5, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t edges[] = {x, conv_bn(g, r, 5, 3, 1, 1, 1, 1, "b"),
                              conv_bn(g, r, 5, 1, 1, 0, 1, 1, "c"),
                              assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 3, 1, 1)};
    const uint32_t y = assay_graph_add(g, 4, edges, coef);
    const uint32_t again[] = {y, conv_bn(g, assay_graph_relu(g, y), 5, 3, 1, 1, 1, 1, "d")};
    finish(g, assay_graph_add(g, 2, again, coef));
}

static void net_depthwise(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 3, 9, 9), 6, 3, 2, 1, 1, 1, "a");
    const uint32_t y = assay_graph_conv(g, assay_graph_relu(g, x), 6, 3, 1, 2, 2, 6, "dw");
    const uint32_t z = conv_bn(g, y, 6, 1, 1, 0, 1, 1, "pw");
    const uint32_t parts[] = {z, conv_bn(g, assay_graph_relu(g, z), 4, 5, 1, 2, 1, 2, "grouped"),
                              x};
    finish(g, assay_graph_bn(g, assay_graph_concat(g, 3, parts), true, "e"));
}

// Depthwise kernels of DARTS's sizes and dilations, and of others, after one another, side by side,
// and beside grouped ones; rows of five tiles of four pixels, and of others.
static void net_separable(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 6, 20), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t y = assay_graph_conv(g, assay_graph_conv(g, r, 4, 3, 1, 1, 1, 4, "dw3"), 4, 5, 1,
                                        2, 1, 4, "dw5");
    const uint32_t sum[] = {conv_bn(g, r, 4, 5, 1, 4, 2, 4, "dil5"),
                            conv_bn(g, r, 4, 3, 1, 1, 1, 2, "grouped")};
    const uint32_t parts[] = {conv_bn(g, y, 3, 1, 1, 0, 1, 1, "pw"),
                              assay_graph_add(g, 2, sum, NULL)};
    const uint32_t z = assay_graph_relu(g, assay_graph_concat(g, 2, parts));
    const uint32_t wide = conv_bn(g, z, 7, 3, 1, 2, 2, 7, "dil3");
    const uint32_t even = conv_bn(g, wide, 7, 4, 1, 1, 1, 7, "even");
    finish(g, conv_bn(g, assay_graph_relu(g, even), 7, 3, 1, 3, 3, 7, "wider"));
}

// More padding than keeps the size, and two kernels that differ in their dilation alone.
static void net_padding(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 7, 7), 2, 3, 1, 2, 1, 1, "a"); // 9
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 3, 2, 1, 1, 1, 1, "b");        // 10
    const uint32_t z = conv_bn(g, assay_graph_relu(g, y), 3, 3, 1, 2, 1, 3, "c");        // 12
    const uint32_t one = conv_bn(g, assay_graph_relu(g, z), 1, 4, 1, 2, 1, 1, "d");      // 13
    const uint32_t r = assay_graph_relu(g, one);
    const uint32_t sum[] = {conv_bn(g, r, 1, 5, 1, 2, 1, 1, "near"),
                            conv_bn(g, r, 1, 5, 1, 4, 2, 1, "far")};
    const uint32_t all = assay_graph_relu(g, assay_graph_add(g, 2, sum, NULL));
    finish(g, conv_bn(g, all, 2, 1, 2, 1, 1, 1, "shifted"));
}

// Gradients that are made in the place of others, and such that must not be: another tensor still
// reads those, or the pass's own next channel group does.
static void net_places(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 6, 6), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 4, 3, 1, 1, 1, 4, "dw");
    const uint32_t w = conv_bn(g, assay_graph_relu(g, x), 4, 1, 1, 0, 1, 1, "b");
    const uint32_t sum[] = {conv_bn(g, assay_graph_relu(g, y), 4, 3, 1, 1, 1, 1, "c"), y,
                            conv_bn(g, assay_graph_relu(g, w), 4, 3, 1, 1, 1, 1, "d")};
    const uint32_t z = assay_graph_relu(g, assay_graph_add(g, 3, sum, NULL));
    const uint32_t half[] = {conv_bn(g, z, 2, 3, 1, 1, 1, 2, "e"),
                             conv_bn(g, z, 2, 3, 1, 1, 1, 2, "f")};
    finish(g, assay_graph_bn(g, assay_graph_concat(g, 2, half), true, "g"));
}

// 3x3 kernels on rows of four pixels: every share of a tile of channels, groups, and passes in
// which kernels of other kinds come before them.
static void net_lifted(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 3, 8), 7, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t sum[] = {
        conv_bn(g, r, 5, 1, 1, 0, 1, 1, "b"), conv_bn(g, r, 5, 3, 1, 1, 1, 1, "c"),
        assay_graph_conv(g, r, 5, 5, 1, 2, 1, 1, "d"),
        assay_graph_conv(g, r, 5, 3, 1, 1, 1, 1, "e"), conv_bn(g, r, 5, 3, 1, 2, 2, 1, "f")};
    const uint32_t y = conv_bn(g, assay_graph_add(g, 5, sum, NULL), 4, 3, 1, 1, 1, 1, "g");
    const uint32_t z = conv_bn(g, assay_graph_relu(g, y), 12, 3, 1, 1, 1, 1, "h");
    const uint32_t halves = conv_bn(g, assay_graph_relu(g, z), 4, 3, 1, 1, 1, 2, "i");
    finish(g, conv_bn(g, halves, 2, 3, 1, 1, 1, 2, "j"));
}

// The same beside pointwise kernels whose BN's backward is done on the way, in the place of the
// gradient that all of them read.
static void net_beside(struct assay_graph *g)
{
    const uint32_t first =
        assay_graph_conv(g, assay_graph_input(g, 2, 4, 4), 3, 1, 1, 0, 1, 1, "f");
    const uint32_t x = conv_bn(g, first, 3, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t sum[] = {conv_bn(g, r, 3, 1, 1, 0, 1, 1, "b"),
                            conv_bn(g, r, 3, 3, 1, 1, 1, 1, "c"), x,
                            conv_bn(g, r, 3, 1, 1, 0, 1, 1, "d")};
    const uint32_t y = assay_graph_add(g, 4, sum, NULL);
    finish(g, conv_bn(g, assay_graph_relu(g, y), 5, 3, 1, 1, 1, 1, "e"));
}

static void pointwise(struct assay_graph *g, uint32_t pad)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 6, 6), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 4, 1, 1, pad, 1, 1, "b");
    finish(g, conv_bn(g, assay_graph_relu(g, y), 4, 1, 1, 0, 1, 1, "c"));
}

// Places behind pointwise convolutions: one tile of channels, and two.
static void net_tile(struct assay_graph *g)
{
    pointwise(g, 0);
}

static void net_tiles(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 6, 6), 8, 3, 1, 1, 1, 1, "a");
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 8, 1, 1, 0, 1, 1, "b");
    const uint32_t sum[] = {y, conv_bn(g, assay_graph_relu(g, y), 8, 1, 1, 0, 1, 1, "c")};
    finish(g, conv_bn(g, assay_graph_add(g, 2, sum, NULL), 8, 1, 1, 0, 1, 1, "d"));
}

// A pointwise convolution whose output is larger than its input.
static void net_margin(struct assay_graph *g)
{
    pointwise(g, 1);
}

static void net_shared_relu(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 5, 5), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t sum[] = {r, conv_bn(g, r, 4, 3, 1, 1, 1, 1, "b"),
                            assay_graph_bn(g, x, true, "c")};
    finish(g, assay_graph_add(g, 3, sum, NULL));
}

// Factorised reduction and max-pooling, as in the DARTS space.
static void net_reduction(struct assay_graph *g)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 8, 8), 4, 3, 1, 1, 1, 1, "a");
    const uint32_t r = assay_graph_relu(g, x);
    const uint32_t half[] = {
        assay_graph_conv(g, r, 3, 1, 2, 0, 1, 1, "b"),
        assay_graph_conv(g, assay_graph_slice(g, r, 1), 3, 1, 2, 0, 1, 1, "c")};
    const uint32_t y = assay_graph_bn(g, assay_graph_concat(g, 2, half), true, "d");
    const uint32_t pools[] = {assay_graph_pool(g, ASSAY_OP_MAX_POOL, x, 3, 2, 1),
                              assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 3, 2, 1)};
    const double coef[] = {0.5, 1.5};
    const uint32_t z = assay_graph_add(g, 2, pools, coef);
    const uint32_t all[] = {y, z, assay_graph_pool(g, ASSAY_OP_MAX_POOL, z, 3, 1, 1)};
    finish(g, assay_graph_bn(g, assay_graph_concat(g, 3, all), true, "e"));
}

// Gradients so large that they are made in strips: with 16 lanes all of them, with 4 lanes those of
// joined convolutions. The second has a stride, odd sizes, and strips that do not divide its rows.
static void large(struct assay_graph *g, uint32_t w)
{
    const uint32_t x = conv_bn(g, assay_graph_input(g, 2, 23, w), 36, 3, 1, 1, 1, 1, "a");
    const uint32_t y = conv_bn(g, assay_graph_relu(g, x), 36, 3, 1, 1, 1, 1, "b");
    const uint32_t r = assay_graph_relu(g, y);
    const uint32_t sum[] = {conv_bn(g, r, 36, 5, 1, 2, 1, 1, "c"), y,
                            conv_bn(g, r, 36, 1, 1, 0, 1, 1, "d"),
                            conv_bn(g, r, 36, 3, 1, 2, 2, 1, "e")};
    const uint32_t z = assay_graph_add(g, 4, sum, NULL);
    const uint32_t p = conv_bn(g, assay_graph_relu(g, z), 36, 1, 1, 0, 1, 1, "pointwise");
    const uint32_t halves = conv_bn(g, assay_graph_relu(g, p), 72, 3, 1, 1, 1, 2, "grouped");
    const uint32_t all = conv_bn(g, assay_graph_relu(g, halves), 60, 1, 2, 1, 1, 1, "shifted");
    const uint32_t half = conv_bn(g, assay_graph_relu(g, all), 60, 3, 2, 1, 1, 1, "f");
    finish(g, conv_bn(g, assay_graph_relu(g, half), 4, 1, 1, 0, 1, 1, "g"));
}

static void net_large(struct assay_graph *g)
{
    large(g, 21);
}

// The same with rows of tiles of four pixels.
static void net_large_even(struct assay_graph *g)
{
    large(g, 20);
}

typedef void builder(struct assay_graph *g);
static builder *const nets[] = {net_plain,     net_relu_bn,   net_stride,  net_mixed_edge,
                                net_depthwise, net_separable, net_padding, net_places,
                                net_tile,      net_tiles,     net_margin,  net_shared_relu,
                                net_reduction, net_lifted,    net_beside};

#endif
