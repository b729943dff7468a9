// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "genotypes.h"

#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

static struct assay_space darts;
static struct assay_graph graph, folded;
static struct assay_rng rng;

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static int setup(UNUSED void **state)
{
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assay_rng_init(&rng, 1, 0, "test", "darts");
    return assay_space_open(&darts, "darts", NULL);
}

static int teardown(UNUSED void **state)
{
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    assay_space_close(&darts);
    return 0;
}

static uint64_t parse(const char *text)
{
    struct assay_err err = {0};
    uint64_t index = UINT64_MAX;
    assert_ok(assay_space_parse(&darts, text, &index, &err), &err);
    return index;
}

static void build(uint64_t index, const struct assay_net *net)
{
    struct assay_err err = {0};
    assert_ok(assay_space_build(&darts, index, net, &graph, &err), &err);
}

static uint64_t any_index(void)
{
    return assay_rng_below(&rng, assay_space_size(&darts));
}

// ---- index and text ---------------------------------------------------------------------------
static void the_space_has_its_size(UNUSED void **state)
{
    const uint64_t ops = UINT64_C(49) * 49 * 49 * 49, cell = 1 * 3 * 6 * 10 * ops;
    assert_true(assay_space_size(&darts) == cell * cell);
}

static void every_index_has_one_text(UNUSED void **state)
{
    const uint64_t size = assay_space_size(&darts);
    for (int i = 0; i < 3000; i++) {
        const uint64_t index = i == 0 ? 0 : i == 1 ? size - 1 : any_index();
        char text[ASSAY_ARCH_MAX];
        assert_int_equal(assay_space_format(&darts, index, text, sizeof text), ASSAY_OK);
        assert_true(parse(text) == index);
        assert_true(assay_space_format(&darts, index, text, strlen(text)) < 0);
        assert_true(assay_space_canonical(&darts, index) == index);
    }
}

// The text of a genotype whose pairs stand in reverse wherever `swap` has a bit.
static void print_pairs(const char *text, unsigned swap, char *out)
{
    char pair[16][32], tail[2][32];
    const int n = sscanf(
        text,
        "Genotype(normal=[(%31[^)]), (%31[^)]), (%31[^)]), (%31[^)]), (%31[^)]), (%31[^)]), "
        "(%31[^)]), (%31[^)])], normal_concat=%31[^]]], reduce=[(%31[^)]), (%31[^)]), "
        "(%31[^)]), (%31[^)]), (%31[^)]), (%31[^)]), (%31[^)]), (%31[^)])], "
        "reduce_concat=%31[^]]])",
        pair[0], pair[1], pair[2], pair[3], pair[4], pair[5], pair[6], pair[7], tail[0], pair[8],
        pair[9], pair[10], pair[11], pair[12], pair[13], pair[14], pair[15], tail[1]);
    assert_int_equal(n, 18);
    int at = sprintf(out, "Genotype(");
    for (int i = 0; i < 16; i++) {
        if (i % 8 == 0) at += sprintf(out + at, "%s=[", i ? "reduce" : "normal");
        at += sprintf(out + at, "(%s)%s", pair[swap >> i / 2 & 1 ? i ^ 1 : i],
                      i % 8 == 7 ? "], " : ", ");
        if (i % 8 == 7)
            at += sprintf(out + at, "%s_concat=%s]%s", i > 8 ? "reduce" : "normal", tail[i > 8],
                          i > 8 ? ")" : ", ");
    }
}

static void the_order_of_parents_is_nothing(UNUSED void **state)
{
    for (unsigned swap = 0; swap < 256; swap += 5) {
        const uint64_t index = any_index();
        char text[ASSAY_ARCH_MAX], swapped[ASSAY_ARCH_MAX];
        assert_int_equal(assay_space_format(&darts, index, text, sizeof text), ASSAY_OK);
        print_pairs(text, swap, swapped);
        assert_int_equal(strcmp(text, swapped) == 0, swap == 0);
        assert_true(parse(swapped) == index);
    }
}

static void replace(char *text, const char *from, const char *to)
{
    for (char *at = text; (at = strstr(at, from)); at += strlen(to)) {
        memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
        memcpy(at, to, strlen(to));
    }
}

static void genotypes_are_read_as_programs_print_them(UNUSED void **state)
{
    static const char *const change[][2] = {
        {" ", ""},       {"'", "\""},         {"[2, 3, 4, 5]", "range(2, 6)"},
        {"=", " = "},    {", ", " ,\n    "},  {"[2, 3, 4, 5]", "[2,3,4,5,]"},
        {"('", "( '"},   {"(", "\t("},        {"[2, 3, 4, 5])", "[ 2 , 3 , 4 , 5 ] , ) "},
        {")]", "),\n]"}, {"range(2, 6)", " "}};
    const uint64_t index = parse(DARTS_V2);
    for (size_t i = 0; i < ASSAY_LEN(change); i++) {
        char text[2 * ASSAY_ARCH_MAX] = DARTS_V2;
        replace(text, change[i][0], change[i][1]);
        assert_true(parse(text) == index);
    }
}

// NASLib names a node 6 that its networks do not have.
static void naslib_genotypes_are_read(UNUSED void **state)
{
    char text[2 * ASSAY_ARCH_MAX] = DARTS_V2;
    struct assay_err err = {0};
    uint64_t index = 77;
    replace(text, "[2, 3, 4, 5]", "+");
    replace(text, "normal_concat=+", "normal_concat=[2, 3, 4, 5, 6]");
    replace(text, "reduce_concat=+", "reduce_concat=[4, 5, 6]");
    assert_true(parse(text) == parse(DARTS_V2));
    replace(text, " ", "");
    assert_true(parse(text) == parse(DARTS_V2));
    replace(text, "[4,5,6]", "[2,3,4,5,6]");
    assert_int_equal(assay_space_parse(&darts, text, &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "found '6' at character"));
}

static void published_genotypes_round_trip(UNUSED void **state)
{
    static const char *const text[] = {DARTS_V1, DARTS_V2, PC_DARTS, PC_DARTS_IMAGENET,
                                       TE_NAS_IMAGENET};
    uint64_t index[ASSAY_LEN(text)];
    for (size_t i = 0; i < ASSAY_LEN(text); i++) {
        char back[ASSAY_ARCH_MAX];
        index[i] = parse(text[i]);
        assert_int_equal(assay_space_format(&darts, index[i], back, sizeof back), ASSAY_OK);
        assert_true(parse(back) == index[i]);
        for (size_t k = 0; k < i; k++) assert_true(index[k] != index[i]);
    }
    char back[ASSAY_ARCH_MAX];
    assay_space_format(&darts, index[0], back, sizeof back);
    assert_string_equal(back, DARTS_V1_SORTED);
}

static void wrong_genotypes_are_refused(UNUSED void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "found the end at character 1, expected Genotype("},
        {"|none~0|", "found '|' at character 1"},
        {"Genotype[", "found '[' at character 9, expected nothing after"},
        {"Genotype(", "found the end at character 10, expected a value"},
        {"Genotype(reduce=[])", "found 'Genotype' at character 1, expected a normal and a reduce"},
        {"Genotype(normal=[('none', 0)", "found the end at character 29, expected ',' or ']'"},
        {"Genotype(normal=[('none', 0)], reduce=[])",
         "found 'none' at character 20, expected one of skip_"},
        {"Genotype(normal=[('sep_conv_7x7', 0)], reduce=[])",
         "found 'sep_conv_7x7' at character 20"},
        {"Genotype(normal=[('sep_conv_3x3\", 0)", "expected the closing quote"},
        {"Genotype(normal=[('sep\\'conv', 0)]", "found '\\' at character 23, expected the closing"},
        {"Genotype(normal=[(sep_conv_3x3, 0)], reduce=[])",
         "found 'sep_conv_3x3' at character 19, expected an operation in quotes"},
        {"Genotype(normal=[('sep_conv_3x3', 2)], reduce=[])",
         "found '2' at character 35, expected a state from 0 to 1, which node 2 can read"},
        {"Genotype(normal=[('sep_conv_3x3', 0),], reduce=[])",
         "found '[' at character 17, expected 8"},
        {"Genotype(normal=[('sep_conv_3x3', 0, 0.3),], reduce=[])", "found '.' at character 39"},
        {"Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 0)], reduce=[])",
         "found '(' at character 39, expected an edge from another state"},
        {"Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('skip_connect', "
         "12)],reduce=1)",
         "found '12' at character 77, expected a state from 0 to 2"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err = {0};
        uint64_t index = 77;
        assert_int_equal(assay_space_parse(&darts, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 77);
    }
}

// Cutting a genotype anywhere, or anything after it, is noticed.
static void torn_genotypes_are_refused(UNUSED void **state)
{
    char text[ASSAY_ARCH_MAX] = DARTS_V2;
    struct assay_err err = {0};
    uint64_t index = 77;
    for (size_t n = strlen(text); n-- > 0;) {
        text[n] = '\0';
        assert_int_equal(assay_space_parse(&darts, text, &index, &err), ASSAY_ERR_INPUT);
    }
    assert_int_equal(assay_space_parse(&darts, DARTS_V2 "x", &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "nothing after the architecture"));
    strcpy(text, DARTS_V2);
    replace(text, "[2, 3, 4, 5]", "[2, 3, 5, 4]");
    assert_int_equal(assay_space_parse(&darts, text, &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "found '5' at character"));
    replace(text, "[2, 3, 5, 4]", "range(2, 5)");
    assert_int_equal(assay_space_parse(&darts, text, &index, &err), ASSAY_ERR_INPUT);
    assert_int_equal(index, 77);
}

// ---- networks ---------------------------------------------------------------------------------
static void published_sizes(UNUSED void **state)
{
    const struct assay_net *full = &darts.kind->full;
    const struct assay_net imagenet = {
        .channels = 48, .cells = 14, .classes = 1000, .image = 224, .macro = ASSAY_MACRO_IMAGENET};
    const struct {
        const char *text;
        const struct assay_net *net;
        double millions; // as published, to one decimal
    } want[] = {{DARTS_V2, full, 3.3},
                {PC_DARTS, full, 3.6},
                {DARTS_V2, &imagenet, 4.7},
                {PC_DARTS_IMAGENET, &imagenet, 5.3}};
    for (size_t i = 0; i < ASSAY_LEN(want); i++) {
        build(parse(want[i].text), want[i].net);
        const double millions = 1e-6 * (double)assay_graph_cost(&graph).params;
        if (millions < want[i].millions - 0.05 || millions >= want[i].millions + 0.05)
            fail_msg("network %zu: %.6f M parameters, published %.1f", i, millions,
                     want[i].millions);
    }
    build(parse(DARTS_V2), full);
    assert_int_equal(assay_graph_cost(&graph).params, 3349342);
}

// Channels and size of the last cell's output.
static void assert_output(const struct assay_net *net, uint32_t c, uint32_t size)
{
    build(any_index(), net);
    uint32_t last = graph.n_node - 1;
    while (graph.node[last].op != ASSAY_OP_CONCAT) last--;
    assert_int_equal(graph.node[last].c, c);
    assert_int_equal(graph.node[last].h, size);
    assert_int_equal(graph.node[graph.n_node - 1].c, net->classes);
}

static void macro_networks(UNUSED void **state)
{
    struct assay_net net = {.channels = 2, .cells = 1, .classes = 7, .image = 32};
    static const uint32_t size[] = {32, 16, 8, 8, 8, 8, 8};
    for (; net.cells <= ASSAY_LEN(size); net.cells++)
        assert_output(&net, 8 * (32 / size[net.cells - 1]), size[net.cells - 1]);
    net.macro = ASSAY_MACRO_IMAGENET;
    net.image = 224;
    assert_output(&net, 32, 7);
    assert_output(&darts.kind->search, 8, 16);
    assert_output(&darts.kind->full, 576, 8);
    net.thin = true;
    assert_output(&net, 8, 2);
    assert_int_equal(graph.node[0].c, 1);
    assert_int_equal(graph.node[0].h, 3);
}

static void networks_that_cannot_be(UNUSED void **state)
{
    static const struct {
        struct assay_net net;
        const char *message;
    } wrong[] = {
        {{.channels = 0, .cells = 2, .classes = 10, .image = 32}, "network.channels is 0"},
        {{.channels = 1, .cells = 2, .classes = 10, .image = 30}, "a multiple of 4"},
        {{.channels = 2, .cells = 2, .classes = 10, .image = 48, .macro = ASSAY_MACRO_IMAGENET},
         "a multiple of 32"},
        {{.channels = 3, .cells = 2, .classes = 10, .image = 64, .macro = ASSAY_MACRO_IMAGENET},
         "network.channels is 3, expected an even number"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err = {0};
        assert_int_equal(assay_space_build(&darts, 5, &wrong[i].net, &graph, &err),
                         ASSAY_ERR_CONFIG);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s", err.text);
    }
}

// No architecture is dead: every node reads two states through operations that pass them on.
static void every_network_sees_its_image(UNUSED void **state)
{
    struct assay_err err = {0};
    for (int i = 0; i < 200; i++) {
        struct assay_net net = darts.kind->search;
        net.thin = i % 2;
        build(any_index(), &net);
        assert_ok(assay_graph_fold(&graph, true, &folded, NULL, &err), &err);
        assert_false(assay_graph_is_dead(&folded));
        assert_int_equal(folded.n_theta, graph.n_theta); // and nothing in it is idle
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_space_has_its_size),
        cmocka_unit_test(every_index_has_one_text),
        cmocka_unit_test(the_order_of_parents_is_nothing),
        cmocka_unit_test(genotypes_are_read_as_programs_print_them),
        cmocka_unit_test(naslib_genotypes_are_read),
        cmocka_unit_test(published_genotypes_round_trip),
        cmocka_unit_test(wrong_genotypes_are_refused),
        cmocka_unit_test(torn_genotypes_are_refused),
        cmocka_unit_test(published_sizes),
        cmocka_unit_test(macro_networks),
        cmocka_unit_test(networks_that_cannot_be),
        cmocka_unit_test(every_network_sees_its_image),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
