// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct assay_graph graph, again;

static int setup(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&again);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assay_graph_free(&graph);
    assay_graph_free(&again);
    return 0;
}

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static void finish(struct assay_graph *g)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_finish(g, &err), &err);
}

// ---- shapes and parameters ----------------------------------------------------------------------

// Values of PyTorch 1.13's Conv2d and pools.
static void test_window_shapes(void **state)
{
    static const struct {
        uint32_t size, kernel, stride, pad, dilation, out;
    } conv[] = {
        {32, 3, 1, 1, 1, 32}, {32, 3, 2, 1, 1, 16}, {33, 3, 2, 1, 1, 17}, {32, 1, 2, 0, 1, 16},
        {31, 1, 2, 0, 1, 16}, {32, 5, 2, 2, 1, 16}, {32, 3, 1, 2, 2, 32}, {32, 3, 2, 2, 2, 16},
        {32, 5, 1, 4, 2, 32}, {32, 5, 2, 4, 2, 16}, {1, 5, 1, 4, 2, 1},   {3, 3, 1, 1, 1, 3},
        {5, 3, 1, 0, 2, 1},   {7, 7, 3, 3, 1, 3},
    };
    static const struct {
        uint32_t size, kernel, stride, pad, out;
    } pool[] = {
        {32, 3, 1, 1, 32}, {32, 3, 2, 1, 16}, {32, 2, 2, 0, 16}, {7, 2, 2, 0, 3},
        {7, 3, 2, 1, 4},   {3, 3, 1, 1, 3},   {1, 3, 2, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(conv); i++) {
        assay_graph_reset(&graph);
        uint32_t x = assay_graph_input(&graph, 2, conv[i].size, conv[i].size + 1);
        x = assay_graph_conv(&graph, x, 4, conv[i].kernel, conv[i].stride, conv[i].pad,
                             conv[i].dilation, 2, "c");
        finish(&graph);
        assert_int_equal(graph.node[x].c, 4);
        assert_int_equal(graph.node[x].h, conv[i].out);
        assert_int_equal(graph.param[0].size, 4 * 1 * conv[i].kernel * conv[i].kernel);
    }
    for (size_t i = 0; i < ASSAY_LEN(pool); i++) {
        for (int op = ASSAY_OP_AVG_POOL; op <= ASSAY_OP_MAX_POOL; op++) {
            assay_graph_reset(&graph);
            uint32_t x = assay_graph_input(&graph, 2, pool[i].size + 2, pool[i].size);
            x = assay_graph_pool(&graph, op, x, pool[i].kernel, pool[i].stride, pool[i].pad);
            finish(&graph);
            assert_int_equal(graph.node[x].c, 2);
            assert_int_equal(graph.node[x].w, pool[i].out);
        }
    }
}

// The factorised reduction of DARTS: two 1x1 stride-2 convolutions, the second on the shifted map.
static void test_factorized_reduction(void **state)
{
    (void)state;
    uint32_t x = assay_graph_input(&graph, 3, 32, 32), half[2];
    x = assay_graph_relu(&graph, x);
    half[0] = assay_graph_conv(&graph, x, 4, 1, 2, 0, 1, 1, "r.convs.0");
    const uint32_t shifted = assay_graph_slice(&graph, x, 1);
    half[1] = assay_graph_conv(&graph, shifted, 5, 1, 2, 0, 1, 1, "r.convs.1");
    x = assay_graph_concat(&graph, 2, half);
    x = assay_graph_bn(&graph, x, true, "r.bn");
    finish(&graph);
    assert_int_equal(graph.node[shifted].h, 31);
    assert_int_equal(graph.node[x].c, 9);
    assert_int_equal(graph.node[x].h, 16);
    assert_string_equal(assay_graph_param_name(&graph, 1), "r.convs.1.weight");
    assert_string_equal(assay_graph_param_name(&graph, 3), "r.bn.bias");
}

static void test_parameter_layout(void **state)
{
    static const struct {
        const char *name;
        uint32_t role, ndim, shape[4];
        uint64_t offset;
    } want[] = {
        {"dw.weight", ASSAY_CONV_WEIGHT, 4, {6, 1, 5, 5}, 0},
        {"bn.weight", ASSAY_BN_GAMMA, 1, {6, 1, 1, 1}, 150},
        {"bn.bias", ASSAY_BN_BETA, 1, {6, 1, 1, 1}, 156 + 24 + 12},
        {"pw.weight", ASSAY_CONV_WEIGHT, 4, {4, 6, 1, 1}, 156},
        {"fc.weight", ASSAY_LINEAR_WEIGHT, 2, {3, 4, 1, 1}, 180},
        {"fc.bias", ASSAY_LINEAR_BIAS, 1, {3, 1, 1, 1}, 198},
    };
    (void)state;
    uint32_t x = assay_graph_input(&graph, 6, 8, 8);
    x = assay_graph_conv(&graph, x, 6, 5, 1, 4, 2, 6, "dw");
    x = assay_graph_bn(&graph, x, true, "bn");
    x = assay_graph_conv(&graph, x, 4, 1, 1, 0, 1, 1, "pw");
    x = assay_graph_bn(&graph, x, false, "plain");
    x = assay_graph_gap(&graph, x);
    assay_graph_linear(&graph, x, 3, "fc");
    finish(&graph);
    assert_int_equal(graph.n_param, ASSAY_LEN(want));
    assert_int_equal(graph.n_weight, 192);
    assert_int_equal(graph.n_theta, 201);
    for (uint32_t i = 0; i < graph.n_param; i++) {
        const struct assay_param *p = &graph.param[i];
        assert_string_equal(assay_graph_param_name(&graph, i), want[i].name);
        assert_int_equal(p->role, want[i].role);
        assert_int_equal(p->ndim, want[i].ndim);
        assert_memory_equal(p->shape, want[i].shape, sizeof p->shape);
        assert_int_equal(p->offset, want[i].offset);
    }
    const struct assay_cost cost = assay_graph_cost(&graph);
    assert_int_equal(cost.params, 201);
    assert_int_equal(cost.flops, 150 * 64 + 24 * 64 + 12 + 3);
    assert_int_equal(cost.layers, 3);
    assert_int_equal(cost.relus, 0);
    assert_int_equal(cost.macs, 150 * 64 + 24 * 64 + 12);
    assert_int_equal(cost.tensors, 6);
    assert_true(fabs(cost.log_weights - log(150) - log(24) - log(12)) < 1e-12);
}

// x -> stem -+-------------------------> sum -> gap -> fc
//            +-> unused: reaches no output
//            +-> (times 0) -------------> sum
//        0 ----> fed by zeros, with BN -> sum
static void test_what_is_live(void **state)
{
    struct assay_graph *g = &graph;
    (void)state;
    const uint32_t x = assay_graph_input(g, 2, 8, 8);
    const uint32_t stem = assay_graph_conv(g, x, 3, 3, 1, 1, 1, 1, "stem");
    assay_graph_conv(g, stem, 3, 1, 1, 0, 1, 1, "unused");
    const uint32_t off = assay_graph_conv(g, stem, 3, 1, 1, 0, 1, 1, "off");
    uint32_t fed = assay_graph_zero(g, 3, 8, 8);
    fed = assay_graph_conv(g, assay_graph_relu(g, fed), 3, 3, 1, 1, 1, 1, "fed.conv");
    fed = assay_graph_bn(g, fed, true, "fed.bn");
    const uint32_t sum = assay_graph_add(g, 3, (uint32_t[]){stem, off, fed}, (double[]){1, 0, 1});
    assay_graph_linear(g, assay_graph_gap(g, sum), 5, "fc");
    finish(g);

    const struct assay_cost live = assay_graph_live_cost(g), all = assay_graph_cost(g);
    assert_int_equal(live.params, 54 + 20);
    assert_int_equal(live.macs, 54 * 64 + 15);
    assert_int_equal(live.layers, 2);
    assert_int_equal(live.tensors, 3);
    assert_int_equal(live.relus, 0);
    assert_true(fabs(live.log_weights - log(54) - log(15)) < 1e-12);
    assert_int_equal(all.layers, 5);
    for (uint32_t i = 0; i < g->n_node; i++)
        assert_int_equal(g->node[i].live, i == x || i == stem || i >= sum);
}

// What stands around cells still counts.
static void test_nothing_is_live_without_a_path(void **state)
{
    struct assay_graph *g = &graph;
    (void)state;
    const uint32_t stem = assay_graph_conv(g, assay_graph_input(g, 2, 8, 8), 3, 3, 1, 1, 1, 1, "s");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, stem);
    assay_graph_feature(g, ASSAY_FEATURE_CELL, assay_graph_conv(g, stem, 3, 1, 1, 0, 1, 1, "c"));
    assay_graph_linear(g, assay_graph_gap(g, assay_graph_zero(g, 3, 8, 8)), 5, "fc");
    finish(g);
    assert_int_equal(assay_graph_live_cost(g).params, 54 + 20);
    for (uint32_t i = 0; i < g->n_node; i++) assert_int_equal(g->node[i].live, 0);
}

// ---- what is refused ----------------------------------------------------------------------------

static void assert_refused(const char *message)
{
    struct assay_err err = {0};
    assert_int_equal(assay_graph_finish(&graph, &err), ASSAY_ERR_CONFIG);
    if (!strstr(err.text, message)) fail_msg("'%s' does not contain '%s'", err.text, message);
    assay_graph_reset(&graph);
}

static void test_wrong_shapes_are_refused(void **state)
{
    struct assay_graph *g = &graph;
    uint32_t x, two[2];
    (void)state;
    assert_refused("empty network");
    x = assay_graph_input(g, 3, 4, 4);
    x = assay_graph_conv(g, x, 3, 5, 1, 0, 1, 1, "c");
    assay_graph_relu(g, x);
    assert_refused("node 1 (conv): a window of 5 does not fit into 4");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_conv(g, x, 4, 1, 1, 0, 1, 2, "c");
    assert_refused("node 1 (conv): groups 2");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_pool(g, ASSAY_OP_MAX_POOL, x, 3, 1, 2);
    assert_refused("node 1 (max_pool): padding 2");
    two[0] = assay_graph_input(g, 3, 4, 4);
    two[1] = assay_graph_pool(g, ASSAY_OP_AVG_POOL, two[0], 2, 2, 0);
    assay_graph_add(g, 2, two, NULL);
    assert_refused("node 2 (add): input 1 has shape (3,2,2), expected (3,4,4)");
    two[0] = assay_graph_input(g, 3, 4, 4);
    two[1] = assay_graph_pool(g, ASSAY_OP_AVG_POOL, two[0], 2, 2, 0);
    assay_graph_concat(g, 2, two);
    assert_refused("node 2 (concat): input 1 is 2 x 2, expected 4 x 4");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_linear(g, x, 10, "fc");
    assert_refused("node 1 (linear): input is (3,4,4), expected (c,1,1)");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_slice(g, x, 4);
    assert_refused("node 1 (slice): drops 4");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_truncate(g, x, 4);
    assert_refused("node 1 (slice): shape (0,4,4)");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_add(g, 0, NULL, NULL);
    assert_refused("node 1 (add): 0 inputs");
    assay_graph_input(g, 0, 4, 4);
    assert_refused("node 0 (input): shape (0,4,4)");
    x = assay_graph_input(g, 3, 4, 4);
    assay_graph_add(g, 1, &x, (double[]){NAN});
    assert_refused("node 1 (add): coefficient 0 is nan");
    assay_graph_input(g, 3, 4, 4);
    assay_graph_input(g, 3, 4, 4);
    assert_refused("node 1 (input): node 0 and no other");
}

static void small_network(struct assay_graph *g)
{
    assay_graph_reset(g);
    uint32_t two[2];
    two[0] = assay_graph_input(g, 2, 4, 4);
    two[1] = assay_graph_conv(g, assay_graph_relu(g, two[0]), 2, 3, 1, 1, 1, 1, "c");
    two[1] = assay_graph_bn(g, two[1], true, "b");
    uint32_t x = assay_graph_add(g, 2, two, (double[]){0.5, 2});
    x = assay_graph_linear(g, assay_graph_gap(g, x), 3, "fc");
    finish(g);
}

static void test_validate_names_the_damage(void **state)
{
    struct assay_err err = {0};
    (void)state;
#define DAMAGED(change, message)                                                                   \
    do {                                                                                           \
        small_network(&graph);                                                                     \
        change;                                                                                    \
        assert_int_equal(assay_graph_validate(&graph, &err), ASSAY_ERR_CONFIG);                    \
        if (!strstr(err.text, message)) fail_msg("%s: %s", #change, err.text);                     \
    } while (0)
    DAMAGED(graph.node[4].op = ASSAY_OP_COUNT, "node 4 (unknown)");
    DAMAGED(graph.in[graph.node[2].in] = 2, "node 2 (conv): input 0 is node 2");
    DAMAGED(graph.in[graph.node[2].in] = 5000, "node 2 (conv): input 0 is node 5000");
    DAMAGED(graph.node[3].in = 7000, "node 3 (bn): inputs 7000");
    DAMAGED(graph.node[4].n_in = UINT32_MAX, "node 4 (add)");
    DAMAGED(graph.node[1].h = 5, "node 1 (relu): shape (2,5,4), expected (2,4,4)");
    DAMAGED(graph.node[2].stride = 0, "node 2 (conv): kernel 3, stride 0");
    DAMAGED(graph.node[2].groups = 0, "node 2 (conv): groups 0");
    DAMAGED(graph.node[3].affine = 0, "node 3 (bn): parameters");
    DAMAGED(graph.node[3].param = 100, "node 3 (bn): parameters");
    DAMAGED(graph.param[1].role = ASSAY_BN_BETA, "node 3 (bn): parameter 0");
    DAMAGED(graph.param[2].shape[0] = 3, "node 3 (bn): parameter 1");
    DAMAGED(graph.param[0].name = 10000, "node 2 (conv): parameter 0 has no name");
    DAMAGED(graph.param[4].offset++, "fc.bias has offset");
    DAMAGED(graph.n_weight--, "expected");
    DAMAGED(graph.n_theta++, "expected");
    DAMAGED(graph.n_param--, "parameters");
#undef DAMAGED
}

// Whatever one overwritten byte does, the validator answers; sanitizers watch it.
static void test_validate_survives_damage(void **state)
{
    struct assay_rng rng;
    int refused = 0;
    (void)state;
    assay_rng_init(&rng, 1, 0, "test", "damage");
    for (int i = 0; i < 20000; i++) {
        small_network(&graph);
        uint8_t *array[] = {(uint8_t *)graph.node, (uint8_t *)graph.in, (uint8_t *)graph.coef,
                            (uint8_t *)graph.param, (uint8_t *)graph.text};
        const size_t size[] = {graph.n_node * sizeof *graph.node, graph.n_in * sizeof *graph.in,
                               graph.n_in * sizeof *graph.coef, graph.n_param * sizeof *graph.param,
                               graph.n_text};
        const uint64_t a = assay_rng_below(&rng, ASSAY_LEN(array));
        array[a][assay_rng_below(&rng, size[a])] = (uint8_t)assay_rng_u32(&rng);
        refused += assay_graph_validate(&graph, NULL) != ASSAY_OK;
    }
    assert_true(refused > 5000);
}

static void test_out_of_memory_is_reported(void **state)
{
    struct assay_err err = {0};
    (void)state;
    small_network(&graph);
    graph.failed = true;
    assert_int_equal(assay_graph_relu(&graph, 0), 1); // the existing one
    assert_int_equal(assay_graph_gap(&graph, 0), 0);
    assert_int_equal(assay_graph_shape(&graph, UINT32_MAX).c, 1); // nothing is read
    assert_int_equal(assay_graph_finish(&graph, &err), ASSAY_ERR_MEMORY);
    assert_non_null(strstr(err.text, "out of memory"));
    assert_int_equal(graph.n_node, 0);
}

// ---- hash and print -----------------------------------------------------------------------------

static void test_hash(void **state)
{
    struct assay_hash plain;
    (void)state;
    small_network(&graph);
    plain = assay_graph_hash(&graph);
    small_network(&again);
    again.text[0] = 'X'; // names do not matter
    assert_true(assay_hash_equal(plain, assay_graph_hash(&again)));
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        small_network(&again);                                                                     \
        change;                                                                                    \
        assert_false(assay_hash_equal(plain, assay_graph_hash(&again)));                           \
    } while (0)
    DIFFERS(again.coef[again.node[4].in] = 0.25);
    DIFFERS(again.in[again.node[4].in] = 1);
    DIFFERS(again.node[2].kernel++);
    DIFFERS(again.node[2].stride++);
    DIFFERS(again.node[2].pad++);
    DIFFERS(again.node[2].dilation++);
    DIFFERS(again.node[2].groups++);
    DIFFERS(again.node[3].affine = 0);
    DIFFERS(again.node[3].eps = 1e-3);
    DIFFERS(again.node[2].bias = 1);
    DIFFERS(again.node[6].bias = 0);
    DIFFERS(again.node[3].op = ASSAY_OP_RELU);
    DIFFERS(again.node[6].c++);
    DIFFERS(again.n_node--);
#undef DIFFERS
}

static void test_print(void **state)
{
    char *text = NULL;
    size_t size = 0, lines = 0;
    (void)state;
    small_network(&graph);
    FILE *stream = open_memstream(&text, &size);
    assay_graph_print(&graph, stream);
    fclose(stream);
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    assert_int_equal(lines, graph.n_node);
    assert_non_null(strstr(text, "<- 0.5 * 0, 2 * 3"));
    assert_non_null(strstr(text, "fc.bias"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_window_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_factorized_reduction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parameter_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_live, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_live_without_a_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_shapes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validate_names_the_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_validate_survives_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory_is_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print, setup, teardown),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
