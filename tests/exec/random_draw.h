// SPDX-License-Identifier: Apache-2.0
// Recipes of random networks, and how they are drawn; random_net.h builds them.
#ifndef ASSAY_TESTS_EXEC_RANDOM_DRAW_H
#define ASSAY_TESTS_EXEC_RANDOM_DRAW_H

#include "assay/graph.h"

#define GENES_MAX 12
#define FAN_MAX   4

struct gene {
    uint32_t op;          // enum assay_op, or one of two more, see below
    uint32_t n_in;        // of adds, mixes and concatenations
    uint32_t in[FAN_MAX]; // counted from the stem
    uint32_t c, kernel, kernel_w, stride, pad, dilation;
    uint32_t groups; // 0: depthwise
    uint32_t affine, bias, ceil, act;
    double eps;
    uint32_t edge[FAN_MAX]; // of a node of a cell: the operation on each input, see build_edge
    double coef[FAN_MAX];
};

struct recipe {
    uint64_t seed;                    // of parameters and images
    uint32_t c, h, w, batch, classes; // channels and size of the images
    uint32_t stem;                    // channels; 0: nodes begin at the image
    uint32_t head;                    // node that is classified beside the last one
    uint32_t at_init;                 // BN betas are 0, and folding knows it
    uint32_t norm[2];                 // enum assay_norm of BNs without and with gamma and beta
    uint32_t scheme;                  // of the parameters: 0: random; others are degenerate
    uint32_t n;
    struct gene gene[GENES_MAX];
};

// ---- drawing ----------------------------------------------------------------------------------
static uint32_t below(struct assay_rng *rng, uint32_t n)
{
    return (uint32_t)assay_rng_below(rng, n);
}

static uint32_t between(struct assay_rng *rng, uint32_t low, uint32_t high)
{
    return low + below(rng, high - low + 1);
}

static bool chance(struct assay_rng *rng, uint32_t percent)
{
    return below(rng, 100) < percent;
}

static double draw_coef(struct assay_rng *rng, bool mix)
{
    if (chance(rng, mix ? 40 : 5)) return 0;
    if (chance(rng, 40)) return 1;
    return chance(rng, 10) ? -1 : assay_rng_normal(rng);
}

// How often each operation is drawn, in percent. Two more: INPUT stands for a mix, NODE for a node
// of a cell, a sum of operations on several nodes.
#define NODE ASSAY_OP_COUNT
static const uint32_t frequency[NODE + 1] = {
    [ASSAY_OP_INPUT] = 5,
    [ASSAY_OP_ZERO] = 2,
    [ASSAY_OP_CONV] = 15,
    [ASSAY_OP_BN] = 8,
    [ASSAY_OP_RELU] = 9,
    [ASSAY_OP_AVG_POOL] = 4,
    [ASSAY_OP_MAX_POOL] = 4,
    [ASSAY_OP_ADD] = 9,
    [ASSAY_OP_CONCAT] = 6,
    [ASSAY_OP_SLICE] = 3,
    [ASSAY_OP_GAP] = 1,
    [ASSAY_OP_LINEAR] = 2,
    [ASSAY_OP_FLATTEN] = 2,
    [ASSAY_OP_ACT] = 6,
    [ASSAY_OP_MUL] = 4,
    [ASSAY_OP_SHUFFLE] = 2,
    [ASSAY_OP_PAD] = 2,
    [ASSAY_OP_UPSAMPLE] = 3,
    [NODE] = 13,
};

static uint32_t draw_op(struct assay_rng *rng)
{
    uint32_t op = 0, left = below(rng, 100);
    while (left >= frequency[op]) left -= frequency[op++];
    return op;
}

// Gene i: often behind the node before it, sometimes the twin of an earlier one.
static struct gene draw_gene(struct assay_rng *rng, const struct recipe *r, uint32_t i)
{
    if (i > 0 && chance(rng, 12)) return r->gene[below(rng, i)];
    struct gene g = {.op = draw_op(rng),
                     .n_in = between(rng, 1, FAN_MAX),
                     .c = between(rng, 1, 9),
                     .kernel = chance(rng, 90) ? between(rng, 1, 5) : between(rng, 6, 7),
                     .kernel_w = chance(rng, 80) ? 0 : between(rng, 1, 7),
                     .stride = chance(rng, 25) ? between(rng, 2, 4) : 1,
                     .pad = between(rng, 0, 4),
                     .dilation = chance(rng, 20) ? between(rng, 2, 3) : 1,
                     .groups = chance(rng, 70) ? 1 : below(rng, 4),
                     .affine = chance(rng, 70),
                     .bias = chance(rng, 30),
                     .ceil = chance(rng, 30),
                     .act = below(rng, ASSAY_ACT_COUNT),
                     .eps = chance(rng, 80) ? ASSAY_BN_EPS : 1e-3};
    if (chance(rng, 60)) g.pad = g.dilation * (g.kernel / 2); // keeps the size
    if (chance(rng, 40)) g.kernel = 3, g.pad = g.dilation;
    for (uint32_t k = 0; k < FAN_MAX; k++) {
        g.in[k] = chance(rng, k || g.op == NODE ? 30 : 60) ? i : below(rng, i + 1);
        g.edge[k] = below(rng, 9);
        g.coef[k] = draw_coef(rng, g.op == ASSAY_OP_INPUT);
    }
    return g;
}

// As in the cells of search spaces every node has the same shape, so that sums meet.
static void make_alike(struct gene *g, uint32_t c)
{
    g->c = c, g->stride = 1, g->kernel |= 1, g->kernel_w = 0;
    g->pad = g->dilation * (g->kernel / 2);
}

static uint32_t draw_side(struct assay_rng *rng)
{
    static const uint32_t large[] = {12, 16, 20, 32};
    return chance(rng, 8) ? large[below(rng, 4)] : between(rng, 1, 9);
}

static struct recipe draw_recipe(uint64_t seed, uint64_t number)
{
    struct assay_rng rng;
    assay_rng_init(&rng, seed, number, "test", "recipe");
    struct recipe r = {.seed = seed + number * UINT64_C(1000003),
                       .c = between(&rng, 1, 4),
                       .h = draw_side(&rng),
                       .batch = chance(&rng, 5) ? 1 : between(&rng, 2, 7),
                       .classes = between(&rng, 1, 4),
                       .stem = chance(&rng, 90) ? between(&rng, 1, 9) : 0,
                       .at_init = chance(&rng, 30),
                       .scheme = chance(&rng, 15) ? between(&rng, 1, 3) : 0,
                       .n = between(&rng, 1, GENES_MAX)};
    r.w = chance(&rng, 70) ? r.h : draw_side(&rng);
    const bool alike = chance(&rng, 50);
    for (uint32_t i = 0; i < r.n; i++) {
        r.gene[i] = draw_gene(&rng, &r, i);
        if (alike) make_alike(&r.gene[i], r.stem ? r.stem : r.c);
    }
    r.head = below(&rng, r.n + 1);
    for (int i = 0; i < 2; i++) r.norm[i] = chance(&rng, 70) ? ASSAY_NORM_BATCH : below(&rng, 3);
    return r;
}

#endif
