// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 15625

static struct assay_space nb201;
static struct assay_graph graph, folded, unnamed;

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static int setup(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assay_graph_init(&unnamed);
    return assay_space_open(&nb201, "nas-bench-201", NULL);
}

static int teardown(void **state)
{
    (void)state;
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    assay_graph_free(&unnamed);
    assay_space_close(&nb201);
    return 0;
}

static void build(const struct assay_space *space, uint64_t index, const struct assay_net *net)
{
    struct assay_err err = {0};
    assert_ok(assay_space_build(space, index, net, &graph, &err), &err);
}

static void fold(bool at_init, struct assay_graph *out)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_fold(&graph, at_init, out, NULL, &err), &err);
}

static uint64_t parse(const char *text)
{
    struct assay_err err = {0};
    uint64_t index = UINT64_MAX;
    assert_ok(assay_space_parse(&nb201, text, &index, &err), &err);
    return index;
}

// ---- laws of every space ----

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void assert_names_unique(const struct assay_graph *g)
{
    const char **name = calloc(g->n_param + 1, sizeof *name);
    for (uint32_t i = 0; i < g->n_param; i++) name[i] = assay_graph_param_name(g, i);
    qsort(name, g->n_param, sizeof *name, compare_names);
    for (uint32_t i = 1; i < g->n_param; i++) assert_string_not_equal(name[i - 1], name[i]);
    free(name);
}

// A network without names is the same network; `folded` is that of `graph`.
static void assert_same_unnamed(const struct assay_space *space, uint64_t index,
                                const struct assay_net *net)
{
    struct assay_err err = {0};
    const struct assay_hash literal = assay_graph_hash(&graph), fold = assay_graph_hash(&folded);
    const struct assay_cost cost = assay_graph_live_cost(&graph);
    unnamed.unnamed = true;
    assert_ok(assay_space_build(space, index, net, &unnamed, &err), &err);
    assert_memory_equal(&(struct assay_hash[]){assay_graph_hash(&unnamed)}, &literal,
                        sizeof literal);
    assert_memory_equal(&(struct assay_cost[]){assay_graph_live_cost(&unnamed)}, &cost,
                        sizeof cost);
    assert_int_equal(unnamed.n_text, 0);
    assert_ok(assay_graph_validate(&unnamed, &err), &err);
    assert_ok(assay_graph_fold(&unnamed, true, &folded, NULL, &err), &err);
    assert_memory_equal(&(struct assay_hash[]){assay_graph_hash(&folded)}, &fold, sizeof fold);
    assert_int_equal(folded.n_text, 0);
    assert_ok(assay_graph_validate(&folded, &err), &err);
}

static void assert_laws(const struct assay_space *space, uint64_t index)
{
    struct assay_err err = {0};
    char text[ASSAY_ARCH_MAX];
    uint64_t back = UINT64_MAX;
    assert_int_equal(assay_space_format(space, index, text, sizeof text), ASSAY_OK);
    assert_ok(assay_space_parse(space, text, &back, &err), &err);
    assert_int_equal(back, index);
    assert_int_not_equal(assay_space_format(space, index, text, strlen(text)), ASSAY_OK);
    const uint64_t canonical = assay_space_canonical(space, index);
    assert_true(canonical <= index);
    assert_int_equal(assay_space_canonical(space, canonical), canonical);
    for (int i = 0; i < 1 + (space->kind->patch > 0); i++) {
        struct assay_net net = space->kind->search;
        net.thin = i;
        build(space, index, &net);
        assert_ok(assay_graph_validate(&graph, &err), &err);
        if (!net.thin) assert_int_equal(graph.node[graph.n_node - 1].c, 10);
        for (int at_init = 0; at_init < 2; at_init++) {
            fold(at_init, &folded);
            assert_ok(assay_graph_validate(&folded, &err), &err);
            assert_true(folded.n_node <= graph.n_node);
        }
        assert_same_unnamed(space, index, &net);
    }
}

static void test_laws_of_every_space(void **state)
{
    (void)state;
    for (int i = 0; assay_space_kinds[i]; i++) {
        struct assay_err err = {0};
        struct assay_space space;
        assert_ok(assay_space_open(&space, assay_space_kinds[i]->name, &err), &err);
        assert_non_null(space.kind->help);
        const uint64_t size = assay_space_size(&space);
        assert_int_equal(size == 0, space.kind->given);
        assert_int_equal(assay_space_build(&space, size, &space.kind->search, &graph, &err),
                         ASSAY_ERR_CONFIG);
        assert_true(assay_space_format(&space, size, err.text, sizeof err.text) < 0);
        if (!size) continue;
        struct assay_rng rng;
        assay_rng_init(&rng, 1, 0, "test", space.kind->name);
        const bool all = size < 20000;
        for (uint64_t k = 0; k < (all ? size : 300); k++)
            assert_laws(&space, all ? k : assay_rng_below(&rng, size));
        build(&space, size - 1, &space.kind->search);
        assert_names_unique(&graph);
        assay_space_close(&space);
    }
}

static void test_unknown_space(void **state)
{
    struct assay_err err = {0};
    struct assay_space space;
    (void)state;
    assert_int_equal(assay_space_open(&space, "nas-bench-102", &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "nas-bench-102"));
    for (int i = 0; assay_space_kinds[i]; i++)
        assert_non_null(strstr(err.text, assay_space_kinds[i]->name));
    assay_space_close(&space);
}

static void test_impossible_networks_are_refused(void **state)
{
    static const struct {
        struct assay_net net;
        const char *message;
    } wrong[] = {
        {{.channels = 0, .cells = 1, .classes = 10, .image = 32},
         "network.channels is 0, expected 1 to"},
        {{.channels = 5000, .cells = 1, .classes = 10, .image = 32}, "network.channels is 5000"},
        {{.channels = 3, .cells = 0, .classes = 10, .image = 32}, "network.cells is 0"},
        {{.channels = 3, .cells = 1, .classes = 0, .image = 32}, "network.classes is 0"},
        {{.channels = 3, .cells = 1, .classes = 10, .image = 2}, "network.image is 2"},
        {{.channels = 3, .cells = 1, .classes = 10, .image = 30},
         "network.image is 30, expected a multiple of 4"},
        {{.channels = 3, .cells = 1, .classes = 0, .image = 32, .thin = true},
         "network.classes is 0"},
        {{.channels = 3, .cells = 1, .classes = 10, .image = 32, .stem = 2},
         "nas-bench-201 has one macro network"},
        {{.channels = 3, .cells = 1, .classes = 10, .image = 32, .macro = ASSAY_MACRO_CIFAR},
         "nas-bench-201 has one macro network"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err = {0};
        assert_int_equal(assay_space_build(&nb201, 5, &wrong[i].net, &graph, &err),
                         ASSAY_ERR_CONFIG);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s", err.text);
    }
}

// ---- NAS-Bench-201: text ----

static void test_index_order(void **state)
{
    (void)state;
    assert_int_equal(parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), 0);
    assert_int_equal(parse("|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"), 1);
    assert_int_equal(parse("|skip_connect~0|+|none~0|none~1|+|none~0|none~1|none~2|"), 3125);
    assert_int_equal(parse("|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|none~1|"
                           "skip_connect~2|"),
                     2 * 3125 + 3 * 625 + 4 * 125 + 1);
    assert_int_equal(assay_space_size(&nb201), SIZE);
}

static void test_parser_is_tolerant(void **state)
{
    const char *strict = "|none~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|"
                         "none~2|";
    (void)state;
    assert_int_equal(parse(strict),
                     parse("\t |none~0|\n+ |avg_pool_3x3~1| skip_connect~0 |+|none~2|"
                           "nor_conv_1x1 ~ 0|nor_conv_3x3~1|\r\n"));
}

static void test_parser_is_strict(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "found the end at character 1, expected '|' before the first edge into a node"},
        {"  \n", "found the end at character 1 of its line 2, expected '|'"},
        {"none~0|", "found 'none' at character 1, expected '|' before"},
        {"|none~0", "found the end at character 8, expected '|' after an edge"},
        {"|none", "found the end at character 6, expected '~'"},
        {"|none~", "found the end at character 7, expected node 0, where"},
        {"|~0|", "found '~' at character 2, expected the missing edge from node 0 into node 1"},
        {"|conv~0|", "found 'conv' at character 2, expected one of none, skip_connect"},
        {"|None~0|", "found 'None' at character 2"},
        {"|none_~0|", "found 'none_' at character 2"},
        {"|none~1|", "found '1' at character 7, expected node 0, where an edge into node 1"},
        {"|none~-1|", "found '-' at character 7"},
        {"|none~00|", "found '00' at character 7"},
        {"|none~0||", "found '|' at character 9, expected '+' between the nodes"},
        {"|none~0|+|none~0|+", "found '+' at character 18, expected the missing edge from node 1"},
        {"|none~0|+|none~0|none~0|", "found '0' at character 23, expected only one edge from node"},
        {"|none~0|+|none~0|none~2|", "found '2' at character 23, expected node 0 or 1, where"},
        {"|none~0|none~0|", "found 'none' at character 9, expected '+' between the nodes"},
        {"|none~0|+|none~0|none~1|", "found the end at character 25, expected '+'"},
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~3|", "expected node 0, 1 or 2"},
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|x", "found 'x' at character 48, expected "
                                                             "nothing"},
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|", "found '+' at character 48"},
        {"|\001\377~0|", "found '\\x01' at character 2"},
        {"|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa~"
         "0|",
         "found 'aaaaaaaa"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err = {0};
        uint64_t index = 77;
        assert_int_equal(assay_space_parse(&nb201, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 77);
    }
}

static void test_overlong_text_is_refused(void **state)
{
    static char text[100000];
    struct assay_err err = {0};
    uint64_t index;
    (void)state;
    memset(text, ' ', sizeof text - 1);
    assert_int_equal(assay_space_parse(&nb201, text, &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "8192 or more characters"));
    memcpy(text, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 47);
    text[ASSAY_ARCH_TEXT_MAX - 1] = '\0';
    assert_int_equal(parse(text), 0);
}

static size_t mutate(struct assay_rng *rng, char *text, size_t len)
{
    static const char alphabet[] = "|~+0123 none_skip\t";
    const size_t at = assay_rng_below(rng, len), to = assay_rng_below(rng, len);
    switch (assay_rng_below(rng, 5)) {
    case 0:
        text[at] = (char)(1 + assay_rng_below(rng, 255));
        return len;
    case 1:
        text[at] = alphabet[assay_rng_below(rng, sizeof alphabet - 1)];
        return len;
    case 2: // delete
        memmove(text + at, text + at + 1, len - at);
        return len - 1;
    case 3: // cut
        text[at + 1] = '\0';
        return at + 1;
    default: // repeat a piece
        if (len > 300) return len;
        memmove(text + to + len / 4, text + to, len - to + 1);
        memmove(text + to, text + (at + len / 4 > len ? 0 : at), len / 4);
        return strlen(text);
    }
}

// A text that parses means what it says: formatted and parsed again, it is the same index.
static void test_parser_survives_mutations(void **state)
{
    struct assay_rng rng;
    int accepted = 0, refused = 0;
    (void)state;
    assay_rng_init(&rng, 3, 0, "test", "fuzz");
    for (int i = 0; i < 60000; i++) {
        struct assay_err err = {0};
        char text[ASSAY_ARCH_MAX];
        uint64_t index = SIZE, again = SIZE;
        assay_space_format(&nb201, assay_rng_below(&rng, SIZE), text, sizeof text);
        size_t len = strlen(text);
        for (uint64_t n = assay_rng_below(&rng, 4); n > 0 && len > 1; n--)
            len = mutate(&rng, text, len);
        if (assay_space_parse(&nb201, text, &index, &err) == ASSAY_OK) {
            assert_true(index < SIZE);
            assay_space_format(&nb201, index, text, sizeof text);
            assert_int_equal(assay_space_parse(&nb201, text, &again, &err), ASSAY_OK);
            assert_int_equal(index, again);
            accepted++;
        } else {
            assert_non_null(strstr(err.text, "expected"));
            refused++;
        }
    }
    assert_true(accepted > 10000 && refused > 10000);
}

static void test_parser_survives_noise(void **state)
{
    struct assay_rng rng;
    (void)state;
    assay_rng_init(&rng, 4, 0, "test", "noise");
    for (int i = 0; i < 20000; i++) {
        char text[64] = "|none~0|+";
        uint64_t index;
        const size_t first = i % 2 ? 9 : 0, len = 1 + assay_rng_below(&rng, 50);
        for (size_t k = first; k < first + len; k++)
            text[k] = (char)(1 + assay_rng_below(&rng, 255));
        assert_int_equal(assay_space_parse(&nb201, text, &index, NULL), ASSAY_ERR_INPUT);
    }
}

static void test_benchmark_table(void **state)
{
    static bool seen[SIZE];
    char path[4096], line[512];
    int rows = 0;
    (void)state;
    if (!getenv("ASSAY_TEST_DATA")) {
        print_message("skipped: ASSAY_TEST_DATA is not set\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/data/nb201-cifar10.csv", getenv("ASSAY_TEST_DATA"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        char *arch = strchr(line, ',') + 1, back[ASSAY_ARCH_MAX];
        *strchr(arch, ',') = '\0';
        const uint64_t index = parse(arch);
        assert_false(seen[index]);
        seen[index] = true;
        assay_space_format(&nb201, index, back, sizeof back);
        assert_string_equal(arch, back);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laws_of_every_space),
        cmocka_unit_test(test_unknown_space),
        cmocka_unit_test(test_impossible_networks_are_refused),
        cmocka_unit_test(test_index_order),
        cmocka_unit_test(test_parser_is_tolerant),
        cmocka_unit_test(test_parser_is_strict),
        cmocka_unit_test(test_overlong_text_is_refused),
        cmocka_unit_test(test_parser_survives_mutations),
        cmocka_unit_test(test_parser_survives_noise),
        cmocka_unit_test(test_benchmark_table),
    };
    return cmocka_run_group_tests_name("space", tests, setup, teardown);
}
