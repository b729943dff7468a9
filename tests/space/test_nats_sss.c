// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <string.h>

#define SIZE 32768

static struct assay_space sss;

static int set_up(void **state)
{
    (void)state;
    return assay_space_open(&sss, "nats-sss", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assay_space_close(&sss);
    return 0;
}

static struct assay_cost cost_of(struct assay_graph *g, uint64_t index, uint32_t classes)
{
    struct assay_net net = sss.kind->full;
    struct assay_err err;
    net.classes = classes;
    if (assay_space_build(&sss, index, &net, g, &err) < 0) fail_msg("%s", err.text);
    return assay_graph_cost(g);
}

// As the benchmark's own files have them: index, widths, parameters, multiply-adds.
static void published_architectures(void **state)
{
    static const struct {
        uint64_t index, params, flops;
        const char *arch;
    } row[] = {{0, 11714, 4481114, "8:8:8:8:8"},
               {11, 49202, 6840650, "8:8:8:16:32"},
               {12, 67378, 7991706, "8:8:8:16:40"},
               {284, 144834, 21827994, "8:8:40:32:40"}};
    struct assay_graph g;
    (void)state;
    assay_graph_init(&g);
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        char text[ASSAY_ARCH_MAX];
        const struct assay_cost cost = cost_of(&g, row[i].index, 10);
        assert_int_equal(assay_space_format(&sss, row[i].index, text, sizeof text), ASSAY_OK);
        assert_string_equal(text, row[i].arch);
        assert_true(cost.params == row[i].params && cost.flops == row[i].flops);
    }
    assay_graph_free(&g);
}

// A convolution, and its BN.
static uint64_t conv(uint64_t kernel, uint64_t from, uint64_t to)
{
    return kernel * kernel * from * to + 2 * to;
}

static uint64_t cell_params(uint64_t a, uint64_t b)
{
    return 2 * conv(3, a, b) + 3 * conv(3, b, b) + (a == b ? 0 : conv(1, a, b));
}

static uint64_t block_params(uint64_t a, uint64_t b)
{
    return conv(3, a, b) + conv(3, b, b) + a * b;
}

// Of all of them: the index counts the last width fastest, and parameters have a closed form.
static void all_sizes(void **state)
{
    struct assay_graph g;
    (void)state;
    assert_int_equal(assay_space_size(&sss), SIZE);
    assay_graph_init(&g);
    for (uint64_t index = 0; index < SIZE; index++) {
        uint64_t c[5], rest = index;
        char text[ASSAY_ARCH_MAX];
        for (int i = 5; i-- > 0; rest /= 8) c[i] = 8 + 8 * (rest % 8);
        const unsigned classes = index % 2 ? 100 : 10;
        const uint64_t params = conv(3, 3, c[0]) + cell_params(c[0], c[0]) +
                                block_params(c[0], c[1]) + cell_params(c[1], c[2]) +
                                block_params(c[2], c[3]) + cell_params(c[3], c[4]) + 2 * c[4] +
                                classes * (c[4] + 1);
        uint64_t back;
        snprintf(text, sizeof text, "%d:%d:%d:%d:%d", (int)c[0], (int)c[1], (int)c[2], (int)c[3],
                 (int)c[4]);
        assert_int_equal(assay_space_parse(&sss, text, &back, NULL), ASSAY_OK);
        assert_int_equal(back, index);
        assert_int_equal(assay_space_canonical(&sss, index), index);
        assert_int_equal(cost_of(&g, index, classes).params, params);
    }
    assay_graph_free(&g);
}

static void texts(void **state)
{
    static const char *const right[] = {"64:8:16:24:32", " 64 : 8:16:24:32\n", "'64:8:16:24:32',",
                                        "arch = 64:8:16:24:32", "channels: \"64:8:16:24:32\""};
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "found the end at character 1, expected a multiple of 8"},
        {"64:8:16:24", "found the end at character 11, expected ':'"},
        {"64:8:16:24:32:40", "found ':' at character 14, expected nothing"},
        {"64:8:16:24:0", "found '0' at character 12, expected a multiple of 8 from 8 to 64"},
        {"64:8:16:24:72", "found '72' at character 12"},
        {"64:8:16:24:08", "found '08' at character 12"},
        {"64:9:16:24:32", "found '9' at character 4"},
        {"64,8,16,24,32", "found ',' at character 3, expected ':'"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(right); i++) {
        struct assay_err err;
        uint64_t index = 0;
        if (assay_space_parse(&sss, right[i], &index, &err) < 0) fail_msg("%s", err.text);
        assert_int_equal(index, 7 * 4096 + 0 * 512 + 1 * 64 + 2 * 8 + 3);
    }
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err;
        uint64_t index = 5;
        assert_int_equal(assay_space_parse(&sss, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 5);
    }
}

// ImageNet16-120 has images of 16; what is the architecture's is not to choose.
static void sizes(void **state)
{
    static const struct {
        struct assay_net net;
        const char *message; // NULL: it is a network
    } size[] = {
        {{.classes = 120, .image = 16}, NULL},
        {{.channels = 16, .classes = 10, .image = 32}, "network.channels is 16, expected 0"},
        {{.cells = 1, .classes = 10, .image = 32}, "network.cells is 1, expected 0"},
        {{.classes = 10, .thin = true}, NULL},
    };
    struct assay_graph g;
    (void)state;
    assay_graph_init(&g);
    for (size_t i = 0; i < ASSAY_LEN(size); i++) {
        struct assay_err err;
        const int status = assay_space_build(&sss, 9, &size[i].net, &g, &err);
        assert_int_equal(status, size[i].message ? ASSAY_ERR_CONFIG : ASSAY_OK);
        if (size[i].message && !strstr(err.text, size[i].message)) fail_msg("%s", err.text);
    }
    assay_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_architectures),
        cmocka_unit_test(all_sizes),
        cmocka_unit_test(texts),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
