// SPDX-License-Identifier: Apache-2.0
// Operations and attributes that networks from elsewhere have.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/graph.h"

static struct assay_graph graph;

static int setup(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assay_graph_free(&graph);
    return 0;
}

static void finish(struct assay_graph *g)
{
    struct assay_err err = {0};
    if (assay_graph_finish(g, &err) != ASSAY_OK) fail_msg("%s", err.text);
}

// Pools with ceil_mode, as PyTorch has it: a window more begins inside of the map, or of the pad in
// front.
static void test_ceil(void **state)
{
    static const struct {
        uint32_t size, kernel, stride, pad, out;
    } pool[] = {{7, 2, 2, 0, 4}, {16, 3, 2, 0, 8}, {8, 3, 2, 0, 4},
                {6, 3, 3, 1, 3}, {5, 2, 2, 1, 3},  {4, 1, 3, 0, 2},
                {5, 3, 1, 1, 5}, {4, 2, 4, 1, 2},  {2, 3, 2, 0, 1}};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(pool); i++) {
        assay_graph_reset(&graph);
        const uint32_t in = assay_graph_input(&graph, 2, pool[i].size, pool[i].size);
        const struct assay_node n = {.op = ASSAY_OP_MAX_POOL,
                                     .kernel = (uint8_t)pool[i].kernel,
                                     .stride = (uint8_t)pool[i].stride,
                                     .pad = (uint8_t)pool[i].pad,
                                     .dilation = 1,
                                     .ceil = 1,
                                     .n_in = 1};
        const uint32_t x = assay_graph_append(&graph, n, &in, NULL, NULL);
        finish(&graph);
        assert_int_equal(graph.node[x].w, pool[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ceil, setup, teardown),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
