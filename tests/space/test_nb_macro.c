// SPDX-License-Identifier: Apache-2.0
// NAS-Bench-Macro. The laws of every space are in test_space.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <stdio.h>
#include <string.h>

#define SIZE 6561

static struct assay_space macro;
static struct assay_graph graph, other;

static int set_up(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&other);
    return assay_space_open(&macro, "nas-bench-macro", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assay_space_close(&macro);
    assay_graph_free(&graph);
    assay_graph_free(&other);
    return 0;
}

static uint64_t index_of(const char *text)
{
    struct assay_err err;
    uint64_t index = 0;
    if (assay_space_parse(&macro, text, &index, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

static struct assay_cost cost_of(uint64_t index, uint32_t c, uint32_t classes)
{
    const struct assay_net net = {.channels = c, .classes = classes, .image = 32};
    struct assay_err err;
    if (assay_space_build(&macro, index, &net, &graph, &err) < 0) fail_msg("%s", err.text);
    return assay_graph_cost(&graph);
}

// As the benchmark's own file has them; it counts no bias of the classifier among multiply-adds.
static void published_architectures(void **state)
{
    static const struct {
        const char *arch;
        uint64_t params, macs;
    } row[] = {{"00000000", 387882, 7713280},
               {"00000002", 1219370, 20910592},
               {"00000012", 1623082, 27312640}};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        const struct assay_cost cost = cost_of(index_of(row[i].arch), 32, 10);
        assert_int_equal(cost.params, row[i].params);
        assert_int_equal(cost.macs, row[i].macs);
    }
}

// A convolution, and its BN.
static uint64_t conv(uint64_t kernel, uint64_t from, uint64_t to)
{
    return kernel * kernel * from * to + 2 * to;
}

static uint64_t block_params(uint64_t a, uint64_t b, uint64_t kernel, uint64_t expand)
{
    return conv(1, a, expand * a) + conv(kernel, 1, expand * a) + conv(1, expand * a, b);
}

// Of all of them: the index counts the last layer fastest, and parameters have a closed form.
static void all_architectures(void **state)
{
    (void)state;
    assert_int_equal(assay_space_size(&macro), SIZE);
    for (uint64_t index = 0; index < SIZE; index++) {
        char text[ASSAY_ARCH_MAX], expected[9] = "";
        uint64_t c = 8, rest = index;
        for (int i = 8; i-- > 0; rest /= 3) expected[i] = (char)('0' + rest % 3);
        uint64_t params = conv(3, 3, c);
        for (int i = 0; i < 8; i++) {
            const bool first = i == 0 || i == 2 || i == 5;
            const uint64_t to = first ? 2 * c : c;
            params += expected[i] == '1'   ? block_params(c, to, 3, 3)
                      : expected[i] == '2' ? block_params(c, to, 5, 6)
                                           : (first ? conv(1, c, to) : 0);
            c = to;
        }
        params += conv(1, c, 320) + 100 * 321;
        assert_int_equal(assay_space_format(&macro, index, text, sizeof text), ASSAY_OK);
        assert_string_equal(text, expected);
        assert_int_equal(index_of(text), index);
        assert_int_equal(cost_of(index, 8, 100).params, params);
    }
}

// Identities behind a stage's first layer commute with what stands beside them.
static void classes(void **state)
{
    static const char *const same[][2] = {{"00000020", "00000002"},
                                          {"22120120", "22102102"},
                                          {"22210202", "22201202"},
                                          {"00010010", "00001001"}};
    static const char *const differ[][2] = {
        {"00000200", "00000002"}, {"01000000", "00010000"}, {"00000012", "00000021"}};
    uint32_t networks = 0;
    (void)state;
    for (uint64_t i = 0; i < SIZE; i++) networks += assay_space_canonical(&macro, i) == i;
    assert_int_equal(networks, 3969);
    for (size_t i = 0; i < ASSAY_LEN(same); i++)
        assert_int_equal(assay_space_canonical(&macro, index_of(same[i][0])), index_of(same[i][1]));
    for (size_t i = 0; i < ASSAY_LEN(differ); i++)
        assert_int_not_equal(assay_space_canonical(&macro, index_of(differ[i][0])),
                             assay_space_canonical(&macro, index_of(differ[i][1])));
}

static struct assay_hash hash_of(uint64_t index)
{
    struct assay_err err;
    cost_of(index, 4, 10);
    const struct assay_hash literal = assay_graph_hash(&graph);
    if (assay_graph_fold(&graph, true, &other, NULL, &err) < 0) fail_msg("%s", err.text);
    const struct assay_hash folded = assay_graph_hash(&other);
    assert_memory_equal(&literal, &folded, sizeof literal);
    return literal;
}

// The literal network is the same graph for all members of a class, and for no two classes that
// follow each other; and it is what is executed.
static void classes_are_graphs(void **state)
{
    struct assay_hash before = {0};
    (void)state;
    for (uint64_t i = 0; i < SIZE; i += 1 + i % 3) {
        const uint64_t class = assay_space_canonical(&macro, i);
        const struct assay_hash a = hash_of(i), b = hash_of(class);
        assert_memory_equal(&a, &b, sizeof a);
        if (class != i) continue;
        assert_memory_not_equal(&a, &before, sizeof a);
        before = a;
    }
}

static void names_are_those_of_the_benchmark(void **state)
{
    static const char *const name[] = {"stem.1.bias",
                                       "features.0.downsample.0.weight",
                                       "features.1.conv.3.weight",
                                       "features.7.conv.7.bias",
                                       "out.0.weight",
                                       "classifier.weight"};
    (void)state;
    cost_of(index_of("02220112"), 8, 10);
    for (size_t i = 0; i < ASSAY_LEN(name); i++) {
        uint32_t p = 0;
        while (p < graph.n_param && strcmp(assay_graph_param_name(&graph, p), name[i])) p++;
        if (p == graph.n_param) fail_msg("no %s", name[i]);
    }
}

// Eight digits are a text, fewer an index.
static void words(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "found the end at character 1, expected eight digits from 0 to 2"},
        {"2221220", "found the end at character 8, expected eight digits"},
        {"22212203", "found '3' at character 8"},
        {"222122022", "found '2' at character 9, expected nothing after eight digits"},
    };
    static const char *const right[] = {" 22212202\n", "'22212202',", "arch = 22212202"};
    (void)state;
    assert_true(assay_space_is_index(&macro, "6560"));
    assert_true(assay_space_is_index(&macro, "000000000"));
    assert_false(assay_space_is_index(&macro, "00000012"));
    assert_false(assay_space_is_index(&macro, "'00000012'"));
    assert_false(assay_space_is_index(&macro, ""));
    for (size_t i = 0; i < ASSAY_LEN(right); i++)
        assert_int_equal(index_of(right[i]),
                         2 * 2187 + 2 * 729 + 2 * 243 + 81 + 2 * 27 + 2 * 9 + 2);
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err;
        uint64_t index = 5;
        assert_int_equal(assay_space_parse(&macro, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_architectures),
        cmocka_unit_test(all_architectures),
        cmocka_unit_test(classes),
        cmocka_unit_test(classes_are_graphs),
        cmocka_unit_test(names_are_those_of_the_benchmark),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
