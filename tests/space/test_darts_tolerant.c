// SPDX-License-Identifier: Apache-2.0
// Genotypes beyond DARTS's space. The laws of every space are in test_space, which meets few of
// these.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <stdio.h>
#include <string.h>

#define STRICT UINT64_C(1076746950455072400)
#define BEYOND UINT64_C(16627103820) // 136 * 300 * 528 * 820 - 49^4 * 180 cells

static struct assay_space tolerant, darts;
static struct assay_graph graph, folded;

static int set_up(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assert_int_equal(assay_space_open(&darts, "darts", NULL), ASSAY_OK);
    return assay_space_open(&tolerant, "darts-tolerant", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assay_space_close(&tolerant);
    assay_space_close(&darts);
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    return 0;
}

static uint64_t index_of(const struct assay_space *space, const char *text)
{
    struct assay_err err;
    uint64_t index = 0;
    if (assay_space_parse(space, text, &index, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

// A genotype whose cells are both these pairs.
static const char *both(const char *pairs)
{
    static char text[2 * ASSAY_ARCH_MAX];
    snprintf(text, sizeof text, "Genotype(normal=[%s], reduce=[%s])", pairs, pairs);
    return text;
}

#define REST "('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
#define LAST "('skip_connect', 0), ('max_pool_3x3', 4)"

static uint64_t index_with(const char *pairs)
{
    char cell[512];
    snprintf(cell, sizeof cell, "%s, " REST LAST, pairs);
    return index_of(&tolerant, both(cell));
}

// ---- indices ------------------------------------------------------------------------------------
static void beyond_are_texts_and_indices(void **state)
{
    struct assay_rng rng;
    (void)state;
    assert_int_equal(assay_space_size(&darts), STRICT);
    assert_int_equal(assay_space_size(&tolerant), STRICT + BEYOND);
    assay_rng_init(&rng, 1, 0, "test", "darts-tolerant");
    for (uint32_t k = 0; k < 20000; k++) {
        char text[ASSAY_ARCH_MAX], again[ASSAY_ARCH_MAX];
        const uint64_t beyond = k < 5000    ? k
                                : k < 10000 ? BEYOND - 1 - (k - 5000)
                                            : assay_rng_below(&rng, BEYOND);
        const uint64_t canonical = assay_space_canonical(&tolerant, STRICT + beyond);
        uint64_t none;
        assert_int_equal(assay_space_format(&tolerant, STRICT + beyond, text, sizeof text), 0);
        assert_int_equal(index_of(&tolerant, text), STRICT + beyond);
        assert_int_equal(assay_space_parse(&darts, text, &none, NULL), ASSAY_ERR_INPUT);
        assert_true(canonical >= STRICT && canonical <= STRICT + beyond);
        assert_int_equal(assay_space_canonical(&tolerant, canonical), canonical);
        assert_int_equal(assay_space_format(&tolerant, canonical, again, sizeof again), 0);
        if (!strstr(text, "none")) assert_string_equal(text, again);
    }
}

static void strict_ones_are_those_of_darts(void **state)
{
    static const uint64_t index[] = {0, 12345678901234567, STRICT / 2, STRICT - 1};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(index); i++) {
        char a[ASSAY_ARCH_MAX], b[ASSAY_ARCH_MAX];
        struct assay_err err;
        assert_int_equal(assay_space_format(&tolerant, index[i], a, sizeof a), ASSAY_OK);
        assert_int_equal(assay_space_format(&darts, index[i], b, sizeof b), ASSAY_OK);
        assert_string_equal(a, b);
        assert_int_equal(index_of(&tolerant, a), index[i]);
        assert_int_equal(assay_space_canonical(&tolerant, index[i]), index[i]);
        assert_int_equal(assay_space_build(&tolerant, index[i], &darts.kind->search, &graph, &err),
                         ASSAY_OK);
        const struct assay_hash one = assay_graph_hash(&graph);
        assert_int_equal(assay_space_build(&darts, index[i], &darts.kind->search, &graph, &err),
                         ASSAY_OK);
        const struct assay_hash two = assay_graph_hash(&graph);
        assert_memory_equal(&one, &two, sizeof one);
    }
}

// The order of a node's edges says nothing, and neither does the state that `none` comes from.
static void classes(void **state)
{
    static const char *const same[][2] = {
        {"('none', 0), ('none', 0)", "('none', 1), ('none', 0)"},
        {"('none', 0), ('skip_connect', 0)", "('skip_connect', 0), ('none', 1)"},
        {"('none', 1), ('skip_connect', 1)", "('none', 0), ('skip_connect', 1)"}};
    static const char *const differ[][2] = {
        {"('none', 0), ('skip_connect', 0)", "('none', 0), ('skip_connect', 1)"},
        {"('none', 0), ('skip_connect', 0)", "('skip_connect', 0), ('skip_connect', 0)"}};
    (void)state;
    assert_int_equal(index_with("('max_pool_3x3', 1), ('skip_connect', 1)"),
                     index_with("('skip_connect', 1), ('max_pool_3x3', 1)"));
    for (size_t i = 0; i < ASSAY_LEN(same); i++) {
        const uint64_t a = index_with(same[i][0]), b = index_with(same[i][1]);
        assert_int_not_equal(a, b);
        assert_int_equal(assay_space_canonical(&tolerant, a), assay_space_canonical(&tolerant, b));
    }
    for (size_t i = 0; i < ASSAY_LEN(differ); i++)
        assert_int_not_equal(assay_space_canonical(&tolerant, index_with(differ[i][0])),
                             assay_space_canonical(&tolerant, index_with(differ[i][1])));
}

// ---- networks -----------------------------------------------------------------------------------
static uint64_t params_with(const char *pairs)
{
    const struct assay_net net = {.channels = 4, .cells = 2, .classes = 10, .image = 32, .stem = 1};
    struct assay_err err;
    if (assay_space_build(&tolerant, index_with(pairs), &net, &graph, &err) < 0)
        fail_msg("%s", err.text);
    return assay_graph_cost(&graph).params;
}

static bool has_param(const char *name)
{
    for (uint32_t p = 0; p < graph.n_param; p++)
        if (strcmp(assay_graph_param_name(&graph, p), name) == 0) return true;
    return false;
}

// A separable convolution of the normal cell, C = 4, and of the reduction cell, C = 8.
static uint64_t separable(uint64_t c)
{
    return 2 * (9 * c + c * c + 2 * c);
}

static void nodes_sum_what_they_have(void **state)
{
    const uint64_t none = params_with("('none', 0), ('none', 1)");
    (void)state;
    assert_false(has_param("cells.0.edges.0<-0._ops.2.op_a.op.1.weight"));
    assert_int_equal(params_with("('sep_conv_3x3', 0), ('none', 1)"),
                     none + separable(4) + separable(8));
    assert_int_equal(params_with("('sep_conv_3x3', 0), ('sep_conv_3x3', 0)"),
                     none + 2 * (separable(4) + separable(8)));
    assert_true(has_param("cells.0.edges.0<-0._ops.2.op_a.op.1.weight"));
    assert_true(has_param("cells.0.edges.0<-0._ops.2.again.op_a.op.1.weight"));
}

// A cell of nothing passes nothing on.
static void nothing_but_none_is_dead(void **state)
{
    struct assay_err err;
    char cell[512] = "('none', 0)";
    for (int i = 1; i < 8; i++) strcat(cell, ", ('none', 0)");
    (void)state;
    assert_int_equal(assay_space_build(&tolerant, index_of(&tolerant, both(cell)),
                                       &tolerant.kind->search, &graph, &err),
                     ASSAY_OK);
    assert_int_equal(assay_graph_fold(&graph, true, &folded, NULL, &err), ASSAY_OK);
    assert_true(assay_graph_is_dead(&folded));
}

static void cells_must_be_equal(void **state)
{
    struct assay_err err;
    uint64_t index = 5;
    (void)state;
    assert_int_equal(
        assay_space_parse(&tolerant,
                          "Genotype(normal=[('none', 0), ('skip_connect', 1), " REST LAST
                          "], reduce=[('skip_connect', 0), ('skip_connect', 1), " REST LAST "])",
                          &index, &err),
        ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "expected equal cells where one has none or two edges from "));
    assert_int_equal(index, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beyond_are_texts_and_indices),
        cmocka_unit_test(strict_ones_are_those_of_darts),
        cmocka_unit_test(classes),
        cmocka_unit_test(nodes_sum_what_they_have),
        cmocka_unit_test(nothing_but_none_is_dead),
        cmocka_unit_test(cells_must_be_equal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
