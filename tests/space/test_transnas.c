// SPDX-License-Identifier: Apache-2.0
// The two spaces of TransNAS-Bench-101. The laws of every space are in test_space.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <stdio.h>
#include <string.h>

static struct assay_space micro, macro;
static struct assay_graph graph, other;

static int set_up(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&other);
    assert_int_equal(assay_space_open(&micro, "transnas-micro", NULL), ASSAY_OK);
    return assay_space_open(&macro, "transnas-macro", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assay_space_close(&micro);
    assay_space_close(&macro);
    assay_graph_free(&graph);
    assay_graph_free(&other);
    return 0;
}

static void text_of(const struct assay_space *space, uint64_t index, char text[ASSAY_ARCH_MAX])
{
    assert_int_equal(assay_space_format(space, index, text, ASSAY_ARCH_MAX), ASSAY_OK);
}

static uint64_t index_of(const struct assay_space *space, const char *text)
{
    struct assay_err err;
    uint64_t index = 0;
    if (assay_space_parse(space, text, &index, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

static struct assay_cost cost_of(const struct assay_space *space, uint64_t index,
                                 const struct assay_net *net)
{
    struct assay_err err;
    if (assay_space_build(space, index, net, &graph, &err) < 0) fail_msg("%s", err.text);
    return assay_graph_cost(&graph);
}

// ---- parameters ---------------------------------------------------------------------------------
// A convolution, and its BN.
static uint64_t conv(uint64_t kernel, uint64_t from, uint64_t to)
{
    return kernel * kernel * from * to + 2 * to;
}

static uint64_t stem_params(uint64_t c)
{
    return conv(3, 3, c / 2) + conv(3, c / 2, c);
}

// Of the operation that digit means, between a and b channels. A skip is a factorised reduction of
// two halves.
static uint64_t op_params(char digit, uint64_t a, uint64_t b, bool reduces)
{
    if (digit == '2' || digit == '3') return conv(digit == '2' ? 1 : 3, a, b);
    return digit == '1' && reduces ? 2 * a * (b / 2) + 2 * b : 0;
}

static uint64_t cell_params(const char *ops, uint64_t a, uint64_t b, bool reduces)
{
    static const bool from_0[] = {true, true, false, true, false, false};
    uint64_t n = 0;
    for (int k = 0; k < 6; k++) n += op_params(ops[k], from_0[k] ? a : b, b, from_0[k] && reduces);
    return n;
}

static void micro_has_closed_forms(void **state)
{
    const struct assay_net net = {.channels = 64, .cells = 2, .classes = 63, .image = 32};
    (void)state;
    assert_int_equal(assay_space_size(&micro), 4096);
    for (uint64_t i = 0; i < 4096; i++) {
        char text[ASSAY_ARCH_MAX], expected[32], ops[7];
        uint64_t c = 64, params = stem_params(c);
        for (int k = 0; k < 6; k++) ops[k] = (char)('0' + (i >> 2 * (5 - k)) % 4);
        ops[6] = 0;
        snprintf(expected, sizeof expected, "64-41414-%.1s_%.2s_%.3s", ops, ops + 1, ops + 3);
        text_of(&micro, i, text);
        assert_string_equal(text, expected);
        for (int layer = 0; layer < 5; layer++) {
            const bool reduces = layer % 2 == 0;
            const uint64_t to = reduces ? 2 * c : c;
            params += cell_params(ops, c, to, reduces) + cell_params(ops, to, to, false);
            c = to;
        }
        assert_int_equal(cost_of(&micro, i, &net).params, params + 63 * (c + 1));
    }
}

static uint64_t block_params(uint64_t a, uint64_t b, bool changes)
{
    return conv(3, a, b) + conv(3, b, b) + (changes ? conv(1, a, b) : 0);
}

static void macro_has_closed_forms(void **state)
{
    const struct assay_net net = {.channels = 64, .cells = 2, .classes = 100, .image = 32};
    (void)state;
    assert_int_equal(assay_space_size(&macro), 3256);
    for (uint64_t i = 0; i < 3256; i++) {
        char text[ASSAY_ARCH_MAX], before[ASSAY_ARCH_MAX] = "";
        uint64_t c = 64, params = stem_params(c);
        uint32_t doubles = 0, halves = 0;
        text_of(&macro, i, text);
        if (i) text_of(&macro, i - 1, before);
        const size_t n = strlen(text), shorter = strlen(before);
        assert_true(shorter < n || (shorter == n && strcmp(before, text) < 0));
        for (const char *layer = text + 3; *layer != '-'; layer++) {
            const uint64_t to = *layer == '2' || *layer == '4' ? 2 * c : c;
            params += block_params(c, to, *layer != '1') + block_params(to, to, false);
            doubles += to > c;
            halves += *layer >= '3';
            c = to;
        }
        assert_true(n - strlen("64--basic") >= 4 && n - strlen("64--basic") <= 6);
        assert_true(doubles >= 1 && doubles <= 3 && halves >= 1 && halves <= 4);
        assert_int_equal(cost_of(&macro, i, &net).params, params + 100 * (c + 1));
    }
}

// ---- networks -----------------------------------------------------------------------------------
// What stands before the average is a sum without BN and ReLU, of the last map's size.
static void maps_halve_as_layers_say(void **state)
{
    static const struct {
        const struct assay_space *space;
        const char *text;
        uint32_t c, h;
    } row[] = {
        {&micro, "64-41414-3_33_333", 512, 8}, {&micro, "64-41414-1_11_111", 512, 8},
        {&macro, "64-1114-basic", 128, 32},    {&macro, "64-444311-basic", 512, 4},
        {&macro, "64-123321-basic", 256, 16},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        struct assay_net net = {.channels = 64, .cells = 2, .classes = 10, .image = 256};
        cost_of(row[i].space, index_of(row[i].space, row[i].text), &net);
        const struct assay_node *last = &graph.node[graph.n_node - 3];
        assert_true(last->op == ASSAY_OP_ADD && last->c == row[i].c && last->h == row[i].h);
        net.image = 31; // every operation of a stride rounds up
        cost_of(row[i].space, index_of(row[i].space, row[i].text), &net);
    }
}

static void names_are_those_of_the_benchmark(void **state)
{
    static const struct {
        const struct assay_space *space;
        const char *text, *name;
    } row[] = {
        {&micro, "64-41414-1_02_333", "stem.2.ops.1.weight"},
        {&micro, "64-41414-1_02_333", "layer0.0.edges.0.convs.1.weight"},
        {&micro, "64-41414-1_02_333", "layer4.1.edges.5.ops.2.bias"},
        {&micro, "64-41414-1_02_333", "head.bias"},
        {&macro, "64-1234-basic", "layer1.0.downsample.0.weight"},
        {&macro, "64-1234-basic", "layer3.1.conv_b.ops.1.weight"},
    };
    const struct assay_net net = {.channels = 8, .cells = 2, .classes = 10, .image = 32};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        uint32_t p = 0;
        cost_of(row[i].space, index_of(row[i].space, row[i].text), &net);
        while (p < graph.n_param && strcmp(assay_graph_param_name(&graph, p), row[i].name)) p++;
        if (p == graph.n_param) fail_msg("%s has no %s", row[i].text, row[i].name);
    }
}

static void odd_channels_are_refused(void **state)
{
    const struct assay_net odd = {.channels = 7, .cells = 1, .classes = 10, .image = 32};
    struct assay_err err;
    (void)state;
    assert_int_equal(assay_space_build(&micro, 9, &odd, &graph, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "network.channels is 7, expected an even number"));
    const struct assay_net thin = {.channels = 7, .classes = 10, .thin = true};
    assert_int_equal(assay_space_build(&micro, 9, &thin, &graph, &err), ASSAY_OK);
    assert_int_equal(assay_space_build(&macro, 9, &thin, &graph, &err), ASSAY_ERR_CONFIG);
}

// Cells of a class are equal both where they keep the map and where a skip from their input has
// weights: 1376 different networks.
static void micro_has_classes(void **state)
{
    static const char *const same[][2] = {
        // Another node in the middle; both exchanged; nothing reaches the output.
        {"64-41414-2_00_030", "64-41414-0_20_003"},
        {"64-41414-2_30_011", "64-41414-3_20_011"},
        {"64-41414-3_33_000", "64-41414-0_00_000"},
        // A skip of a skip.
        {"64-41414-1_01_001", "64-41414-0_00_100"},
    };
    // Different where a skip from the input has weights, that of a skip and two of them.
    static const char *const differ[][2] = {{"64-41414-1_00_020", "64-41414-0_00_200"},
                                            {"64-41414-1_01_011", "64-41414-1_10_011"}};
    uint32_t classes = 0;
    (void)state;
    for (uint64_t i = 0; i < 4096; i++) classes += assay_space_canonical(&micro, i) == i;
    assert_int_equal(classes, 1376);
    for (size_t i = 0; i < ASSAY_LEN(same); i++)
        assert_int_equal(assay_space_canonical(&micro, index_of(&micro, same[i][0])),
                         assay_space_canonical(&micro, index_of(&micro, same[i][1])));
    for (size_t i = 0; i < ASSAY_LEN(differ); i++)
        assert_int_not_equal(assay_space_canonical(&micro, index_of(&micro, differ[i][0])),
                             assay_space_canonical(&micro, index_of(&micro, differ[i][1])));
}

static void fold(struct assay_graph *out)
{
    struct assay_err err;
    if (assay_graph_fold(&graph, true, out, NULL, &err) < 0) fail_msg("%s", err.text);
}

// Members of a class execute as many parameters and multiply-adds.
static void members_of_a_class_cost_the_same(void **state)
{
    const struct assay_net net = {.channels = 4, .cells = 2, .classes = 10, .image = 32};
    (void)state;
    for (uint64_t i = 0; i < 4096; i++) {
        const uint64_t class = assay_space_canonical(&micro, i);
        if (class == i) continue;
        cost_of(&micro, i, &net);
        fold(&other);
        const struct assay_cost a = assay_graph_cost(&other);
        cost_of(&micro, class, &net);
        fold(&other);
        const struct assay_cost b = assay_graph_cost(&other);
        assert_true(a.params == b.params && a.flops == b.flops && a.layers == b.layers);
    }
}

// ---- texts --------------------------------------------------------------------------------------
static void texts(void **state)
{
    static const struct {
        const struct assay_space *space;
        const char *text, *right; // right: what it means
    } row[] = {
        {&micro, " '64-41414-1_02_333',", "64-41414-1_02_333"},
        {&micro, "arch = 64-41414-1_02_333", "64-41414-1_02_333"},
        {&micro, "(1, 0, 2, 3, 3, 3)", "64-41414-1_02_333"},
        {&micro, "[1,0,2,3,3,3]", "64-41414-1_02_333"},
        {&macro, "\"64-1234-basic\"\n", "64-1234-basic"},
        {&macro, "(1, 2, 3, 4, 0, 0)", "64-1234-basic"},
        {&macro, "(1, 2, 3, 4)", "64-1234-basic"},
        {&macro, "array([4, 4, 4, 3, 1, 1])", "64-444311-basic"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        char text[ASSAY_ARCH_MAX];
        text_of(row[i].space, index_of(row[i].space, row[i].text), text);
        assert_string_equal(text, row[i].right);
    }
}

static void wrong_texts(void **state)
{
    static const struct {
        const struct assay_space *space;
        const char *text, *message;
    } row[] = {
        {&micro, "", "found the end at character 1, expected 64-41414-o_oo_ooo"},
        {&micro, "64-41414-4_02_333", "found '4_02_333' at character 10, expected 64-41414-o_oo"},
        {&micro, "64-41414-1_02_33", "found the end at character 17"},
        {&micro, "64-41414-1_02_3333", "found '3' at character 18, expected nothing"},
        {&micro, "64-1234-basic", "found '1234' at character 4, expected 64-41414-o_oo_ooo"},
        {&micro, "(1, 0, 2, 3, 3)", "found '(' at character 1, expected six numbers from 0 to 3"},
        {&micro, "(1, 0, 2, 3, 3, 4)", "found '4' at character 17, expected a number from 0 to 3"},
        {&macro, "64-41414-1_02_333", "found '1_02_333' at character 10, expected 64-LAYERS-basic"},
        {&macro, "64-123-basic", "found '-' at character 7, expected 64-LAYERS-basic"},
        {&macro, "64-1234123-basic", "found '3' at character 10, expected 64-LAYERS-basic"},
        {&macro, "64-1111-basic", "expected 1 to 3 layers that double"},
        {&macro, "64-222211-basic", "expected 1 to 3 layers that double"},
        {&macro, "64-2333333-basic", "expected 64-LAYERS-basic"},
        {&macro, "64-233333-basic", "expected 1 to 3 layers that double"},
        {&macro, "64-1234-basic2", "found '2' at character 14, expected nothing"},
        {&macro, "(1, 2, 0, 3, 4, 0)", "found '3' at character 11, expected zeros behind a zero"},
        {&macro, "(1, 2, 3)", "expected 4 to 6 numbers from 1 to 4"},
        {&macro, "(0, 0, 0, 0)", "expected 4 to 6 numbers from 1 to 4"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        struct assay_err err;
        uint64_t index = 5;
        assert_int_equal(assay_space_parse(row[i].space, row[i].text, &index, &err),
                         ASSAY_ERR_INPUT);
        if (!strstr(err.text, row[i].message)) fail_msg("%s: %s", row[i].text, err.text);
        assert_int_equal(index, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_has_closed_forms),
        cmocka_unit_test(macro_has_closed_forms),
        cmocka_unit_test(maps_halve_as_layers_say),
        cmocka_unit_test(names_are_those_of_the_benchmark),
        cmocka_unit_test(odd_channels_are_refused),
        cmocka_unit_test(micro_has_classes),
        cmocka_unit_test(members_of_a_class_cost_the_same),
        cmocka_unit_test(texts),
        cmocka_unit_test(wrong_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
