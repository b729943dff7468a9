// SPDX-License-Identifier: Apache-2.0
// A space of this test's own, with options and a state made of them.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "space/text.h"

#include <stdlib.h>
#include <string.h>

struct count_options {
    uint64_t count, start;
};
static const struct assay_opt count_rows[] = {
    {"count", "count", "", .type = ASSAY_OPT_U64, .offset = offsetof(struct count_options, count),
     .def = "7", .min = 1, .max = 9},
    {"count", "start", "", .type = ASSAY_OPT_U64, .offset = offsetof(struct count_options, start),
     .def = "3", .max = 9},
    {.name = NULL},
};
static const struct assay_options count_table = {count_rows, sizeof(struct count_options)};
static int count_opened, count_closed;

// The state is the options' sum.
static int count_open(struct assay_space *space, struct assay_err *err)
{
    const struct count_options *o = space->options;
    uint64_t *sum = malloc(sizeof *sum);
    if (o->start == 9) {
        free(sum);
        return assay_err_set(err, ASSAY_ERR_CONFIG, "start is 9");
    }
    *sum = o->count + o->start;
    space->state = sum;
    count_opened++;
    return ASSAY_OK;
}

static void count_close(struct assay_space *space)
{
    count_closed += space->state != NULL;
    free(space->state);
}

static uint64_t count_size(const struct assay_space *space)
{
    return ((const struct count_options *)space->options)->count;
}

static int count_format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    snprintf(text, cap, "%d", (int)(*(const uint64_t *)space->state + index));
    return ASSAY_OK;
}

static void options_and_state_reach_callbacks(void **state)
{
    static const struct assay_space_kind kind = {.name = "count",
                                                 .options = &count_table,
                                                 .open = count_open,
                                                 .close = count_close,
                                                 .size = count_size,
                                                 .format = count_format};
    struct count_options mine = {.count = 2, .start = 4};
    struct assay_err err = {0};
    struct assay_space plain, own;
    char text[16];
    (void)state;
    assert_int_equal(assay_space_open_kind(&plain, &kind, NULL, &err), ASSAY_OK);
    assert_int_equal(assay_space_open_kind(&own, &kind, &mine, &err), ASSAY_OK);
    mine.count = 5; // the space has a copy
    assert_int_equal(assay_space_size(&plain), 7);
    assert_int_equal(assay_space_size(&own), 2);
    assert_int_equal(assay_space_format(&plain, 1, text, sizeof text), ASSAY_OK);
    assert_string_equal(text, "11");
    assert_int_equal(assay_space_format(&own, 1, text, sizeof text), ASSAY_OK);
    assert_string_equal(text, "7");
    assert_true(assay_space_format(&own, 2, text, sizeof text) < 0);
    assert_true(assay_space_canonical(&own, 1) == 1); // no callback: every architecture is its own
    assay_space_close(&plain);
    assay_space_close(&own);
    mine.start = 9;
    assert_int_equal(assay_space_open_kind(&own, &kind, &mine, &err), ASSAY_ERR_CONFIG);
    assay_space_close(&own);
    assert_true(count_opened == 2 && count_closed == 2);
}

static int count_parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    (void)space;
    if (strcmp(t->at, "1:2") != 0) return space_text_fail(t, "1:2");
    *index = 0;
    return ASSAY_OK;
}

// Numbers with colons between them are no labels of each other where texts begin with digits.
static void labels_end_where_a_text_begins(void **state)
{
    static const char *const right[] = {"1:2",          " 1:2 ", "arch: 1:2",
                                        "a1 = b2: 1:2", "'1:2'", "arch='1:2',"};
    static const char *const wrong[] = {"3:1:2", "arch1:2", "arch 3: 1:2"};
    const struct assay_space_kind kind = {
        .name = "count", .size = count_size, .begins = "0123456789", .parse = count_parse};
    const struct assay_space space = {.kind = &kind};
    struct assay_err err;
    uint64_t index;
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(right); i++)
        if (assay_space_parse(&space, right[i], &index, &err) < 0) fail_msg("%s", err.text);
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++)
        assert_int_equal(assay_space_parse(&space, wrong[i], &index, &err), ASSAY_ERR_INPUT);
}

// Of a space whose architectures have channels of their own, and no thin networks.
static void what_is_not_to_choose_is_refused(void **state)
{
    static const struct assay_space_kind kind = {
        .name = "own", .search = {.cells = 1, .classes = 10, .image = 32}, .image_multiple = 4};
    static const struct {
        struct assay_net net;
        const char *message; // NULL: it is a network
    } net[] = {
        {{.cells = 1, .classes = 10, .image = 32}, NULL},
        {{.cells = 7, .classes = 100, .image = 16, .stem = 1}, NULL},
        {{.channels = 3, .cells = 1, .classes = 10, .image = 32}, "cost.channels is 3, expected 0"},
        {{.cells = 0, .classes = 10, .image = 32}, "cost.cells is 0, expected 1 to"},
        {{.cells = 1, .classes = 10, .image = 32, .thin = true}, "own has no thin networks"},
        {{.cells = 1, .classes = 10, .image = 32, .stem = 3},
         "cost.stem: own has one macro network"},
        {{.cells = 1, .classes = 10, .image = 34}, "cost.image is 34, expected a multiple of 4"},
    };
    struct assay_err err = {0};
    struct assay_space space;
    (void)state;
    assert_int_equal(assay_space_open_kind(&space, &kind, NULL, &err), ASSAY_OK);
    for (size_t i = 0; i < ASSAY_LEN(net); i++) {
        struct assay_net cost = net[i].net;
        cost.section = "cost";
        assert_int_equal(assay_space_check(&space, &cost, &err),
                         net[i].message ? ASSAY_ERR_CONFIG : ASSAY_OK);
        if (net[i].message && !strstr(err.text, net[i].message)) fail_msg("%s", err.text);
    }
    assay_space_close(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_state_reach_callbacks),
        cmocka_unit_test(labels_end_where_a_text_begins),
        cmocka_unit_test(what_is_not_to_choose_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
