// SPDX-License-Identifier: Apache-2.0
// Stages in the shape of TransNAS-Bench-101: a stem of two strided convolutions, layers of two
// cells of which the first takes width and stride, and a classifier right behind them.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "space/blocks.h"
#include "space/stages.h"

#include <stdlib.h>
#include <string.h>

static uint32_t seen[16], n_seen; // channels and stride of each cell, in the order of numbers

static uint32_t conv_cell(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                          uint32_t stride, uint32_t number)
{
    char name[32];
    assert_int_equal(number, n_seen);
    seen[n_seen++] = 10 * c + stride;
    snprintf(name, sizeof name, "cells.%u%s", number, (const char *)self);
    return space_relu_conv_bn(g, x, c, 3, stride, true, name);
}

static uint32_t strided_stem(struct assay_graph *g, uint32_t x, uint32_t c, bool affine)
{
    x = assay_graph_conv(g, x, c / 2, 3, 2, 1, 1, 1, "stem.0");
    x = assay_graph_relu(g, assay_graph_bn(g, x, affine, "stem.1"));
    x = assay_graph_conv(g, x, c, 3, 2, 1, 1, 1, "stem.3");
    return assay_graph_bn(g, x, affine, "stem.4");
}

static uint64_t conv_bn(uint64_t a, uint64_t b)
{
    return 9 * a * b + 2 * b;
}

static void layers_take_width_and_stride(void **state)
{
    static const struct space_stage layer[] = {// 41414
                                               {.c = 128, .cells = 2, .stride = 2},
                                               {.c = 128, .cells = 2},
                                               {.c = 256, .cells = 2, .stride = 2},
                                               {.c = 256, .cells = 2},
                                               {.c = 512, .cells = 2, .stride = 2}};
    const struct space_stages stages = {.stem_c = 64,
                                        .stem = strided_stem,
                                        .stage = layer,
                                        .n = ASSAY_LEN(layer),
                                        .cell = conv_cell,
                                        .self = ".op",
                                        .plain = true,
                                        .affine = true};
    static const uint32_t width[] = {64, 128, 128, 128, 128, 256, 256, 256, 256, 512, 512};
    const struct assay_net net = {.classes = 75, .image = 64};
    struct assay_graph g;
    struct assay_err err;
    uint64_t params = conv_bn(3, 32) + conv_bn(32, 64) + 75 * 513;
    (void)state;
    n_seen = 0;
    assay_graph_init(&g);
    assert_int_equal(space_stages_build(&stages, &net, &g, &err), ASSAY_OK);
    assert_int_equal(n_seen, 10);
    for (uint32_t i = 0; i < 10; i++) {
        params += conv_bn(width[i], width[i + 1]);
        assert_int_equal(seen[i], 10 * width[i + 1] + (width[i] < width[i + 1] ? 2 : 1));
    }
    assert_int_equal(assay_graph_cost(&g).params, params);
    const struct assay_node *last = &g.node[g.n_node - 3]; // then average and classifier
    assert_int_equal(last->op, ASSAY_OP_BN);
    assert_true(last->c == 512 && last->h == 2 && last->w == 2); // 64 / 4 / 8
    assay_graph_free(&g);
}

// The stem, and every cell and residual block, in order.
static void features_are_their_outputs(void **state)
{
    static const uint8_t of[] = {ASSAY_FEATURE_STEM,      ASSAY_FEATURE_CELL, ASSAY_FEATURE_CELL,
                                 ASSAY_FEATURE_REDUCTION, ASSAY_FEATURE_CELL, ASSAY_FEATURE_CELL,
                                 ASSAY_FEATURE_REDUCTION, ASSAY_FEATURE_CELL, ASSAY_FEATURE_CELL};
    const struct assay_net net = {.channels = 4, .cells = 2, .classes = 10, .image = 32};
    struct assay_space nb201;
    struct assay_graph g;
    struct assay_err err;
    (void)state;
    assay_graph_init(&g);
    assert_int_equal(assay_space_open(&nb201, "nas-bench-201", &err), ASSAY_OK);
    assert_int_equal(assay_space_build(&nb201, 1462, &net, &g, &err), ASSAY_OK);
    assert_int_equal(g.n_feature, ASSAY_LEN(of));
    for (uint32_t i = 0; i < ASSAY_LEN(of); i++) {
        const struct assay_feature *f = &g.feature[i];
        assert_int_equal(f->of, of[i]);
        assert_int_equal(g.node[f->node].feature, i);
        assert_int_equal(g.node[f->node].c, i < 3 ? 4 : i < 6 ? 8 : 16);
    }
    assert_int_equal(g.node[g.n_node - 1].feature, g.n_feature);
    assay_graph_free(&g);
    assay_space_close(&nb201);
}

// A map is returned by its own module, by every container that ends with it, and by skip
// connections. The nodes come as they are appended: stem, cell, reduction block, and the head at
// last.
static void modules_return_nodes(void **state)
{
    static const char first[] = "013" /* cell */ "11312001131" /* reduction block */ "113113122",
                      head[] = "1212";
    const struct assay_net net = {.channels = 4, .cells = 1, .classes = 10, .image = 32};
    struct assay_space nb201;
    struct assay_graph g;
    struct assay_err err;
    uint64_t index;
    (void)state;
    assay_graph_init(&g);
    assert_int_equal(assay_space_open(&nb201, "nas-bench-201", &err), ASSAY_OK);
    assert_int_equal(assay_space_parse(&nb201,
                                       "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|"
                                       "skip_connect~1|nor_conv_1x1~2|",
                                       &index, &err),
                     ASSAY_OK);
    assert_int_equal(assay_space_build(&nb201, index, &net, &g, &err), ASSAY_OK);
    for (size_t i = 0; first[i]; i++) assert_int_equal('0' + g.node[i].returned, first[i]);
    for (size_t i = 0; head[i]; i++)
        assert_int_equal('0' + g.node[g.n_node - strlen(head) + i].returned, head[i]);
    assay_graph_free(&g);
    assay_space_close(&nb201);
}

// A thin network is one cell of one channel and the head; stem and stages do not count.
static void thin_is_a_single_cell(void **state)
{
    static const struct space_stage stage = {.c = 8, .cells = 3};
    const struct space_stages stages = {
        .stem_c = 8, .stage = &stage, .n = 1, .cell = conv_cell, .self = "", .affine = true};
    const struct assay_net net = {.classes = 10, .thin = true};
    struct assay_graph g;
    struct assay_err err;
    (void)state;
    n_seen = 0;
    assay_graph_init(&g);
    assert_int_equal(space_stages_build(&stages, &net, &g, &err), ASSAY_OK);
    assert_true(n_seen == 1 && seen[0] == 11);
    assert_true(g.node[0].c == 1 && g.node[0].h == 3);
    assert_int_equal(assay_graph_cost(&g).params, conv_bn(1, 1) + 2 + 20);
    assay_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_take_width_and_stride),
        cmocka_unit_test(features_are_their_outputs),
        cmocka_unit_test(modules_return_nodes),
        cmocka_unit_test(thin_is_a_single_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
