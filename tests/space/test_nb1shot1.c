// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "space/nb1shot1.h"

#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

static struct assay_space nb101, space[NB1SHOT1_SPACES], cells[NB1SHOT1_SPACES];

static int set_up(UNUSED void **state)
{
    struct assay_err err;
    int status = assay_space_open(&nb101, "nas-bench-101", &err);
    for (int i = 0; i < NB1SHOT1_SPACES && status >= 0; i++) {
        char name[32];
        snprintf(name, sizeof name, "nas-bench-1shot1-s%d", i + 1);
        status = assay_space_open(&space[i], name, &err);
        if (status < 0) break;
        const struct assay_space_kind *kind = space[i].kind;
        int *of = calloc(1, kind->options->size);
        if (!of) return -1;
        status =
            assay_opts_set(kind->options->opt, of, "nas-bench-1shot1", "of", "cells", "", &err);
        if (status >= 0) status = assay_space_open_kind(&cells[i], kind, of, &err);
        free(of);
    }
    if (status < 0) print_error("%s\n", err.text);
    return status < 0;
}

static int tear_down(UNUSED void **state)
{
    assay_space_close(&nb101);
    for (int i = 0; i < NB1SHOT1_SPACES; i++) {
        assay_space_close(&space[i]);
        assay_space_close(&cells[i]);
    }
    return 0;
}

static uint64_t parse(const struct assay_space *s, const char *text)
{
    struct assay_err err;
    uint64_t index = UINT64_MAX;
    if (assay_space_parse(s, text, &index, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

static void write(const struct assay_space *s, uint64_t index, char text[ASSAY_ARCH_MAX])
{
    assert_int_equal(assay_space_format(s, index, text, ASSAY_ARCH_MAX), ASSAY_OK);
}

// Vertex 1 is the highest digit of the sets of parents, which are in lexicographic order;
// operations come last: pool, 3x3, 1x1.
static void order_of_encodings(UNUSED void **state)
{
    static const struct {
        int space;
        uint64_t index;
        const char *text;
    } row[] = {
        {0, 0, "011111;001111;000000;000000;000000;000000/2222"},
        {0, 1, "011111;001111;000000;000000;000000;000000/2220"},
        {0, 3 + 2, "011111;001111;000000;000000;000000;000000/2201"},
        {0, 81, "011111;001110;000001;000000;000000;000000/2222"},
        {0, 10 * 81, "011111;001101;000010;000000;000000;000000/2222"},
        {0, 14579, "011000;001100;000110;000011;000001;000000/1111"},
        {1, 0, "011111;000111;000001;000000;000000;000000/2222"},
        {1, 29159, "010000;001100;000111;000011;000001;000000/1111"},
        {2, 1312199, "0100000;0010000;0001100;0000110;0000011;0000001;0000000/11111"},
    };
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        char text[ASSAY_ARCH_MAX];
        write(&space[row[i].space], row[i].index, text);
        assert_string_equal(text, row[i].text);
        assert_int_equal(parse(&space[row[i].space], text), row[i].index);
    }
}

static const uint32_t encodings[] = {14580, 29160, 1312200}, distinct[] = {2685, 7773, 55854};

static uint64_t cell_of(const struct assay_space *s, uint64_t index)
{
    char hash[NB101_HEX + 1];
    assert_int_equal(assay_space_hash(s, index, hash, sizeof hash), ASSAY_OK);
    return parse(&nb101, hash);
}

// Encodings are of one class exactly if they lead to one cell, which all ways to say it lead to.
static void encodings_and_cells(UNUSED void **state)
{
    struct assay_rng rng;
    assay_rng_init(&rng, 1, 0, "test", "1shot1");
    for (int s = 0; s < NB1SHOT1_SPACES; s++) {
        assert_int_equal(assay_space_size(&space[s]), encodings[s]);
        assert_int_equal(assay_space_size(&cells[s]), distinct[s]);
        for (int i = 0; i < 300; i++) {
            char text[ASSAY_ARCH_MAX];
            const uint64_t index = assay_rng_below(&rng, encodings[s]);
            const uint64_t class = assay_space_canonical(&space[s], index);
            write(&space[s], index, text);
            assert_int_equal(parse(&space[s], text), index);
            const uint64_t cell = parse(&nb101, text), number = parse(&cells[s], text);
            assert_int_equal(cell_of(&space[s], index), cell);
            assert_int_equal(cell_of(&space[s], class), cell);
            assert_int_equal(cell_of(&cells[s], number), cell);
            assert_int_equal(assay_space_canonical(&cells[s], number), number);
            write(&nb101, cell, text);
            assert_int_equal(assay_space_canonical(&space[s], parse(&space[s], text)), class);
        }
    }
}

// How many are the smallest of their class, and how large the largest class is.
static void classes(UNUSED void **state)
{
    for (int s = 0; s < 2; s++) {
        static const uint32_t largest[] = {486, 324};
        uint32_t *count = calloc(encodings[s], sizeof *count), smallest = 0, most = 0;
        for (uint32_t i = 0; i < encodings[s]; i++) {
            const uint64_t class = assay_space_canonical(&space[s], i);
            assert_true(class <= i && (class == i || count[class] > 0));
            smallest += class == i;
            if (++count[class] > most) most = count[class];
        }
        assert_int_equal(smallest, distinct[s]);
        assert_int_equal(most, largest[s]);
        free(count);
    }
}

// The network is the benchmark's, and has the parameters of the cell.
static void networks(UNUSED void **state)
{
    struct assay_graph one, two;
    assay_graph_init(&one);
    assay_graph_init(&two);
    for (int s = 0; s < NB1SHOT1_SPACES; s++) {
        assert_true(space[s].kind->same_literal);
        const struct assay_net *net = &space[s].kind->full;
        const uint64_t index = encodings[s] / 3, cell = cell_of(&space[s], index);
        assert_int_equal(assay_space_build(&space[s], index, net, &one, NULL), ASSAY_OK);
        assert_int_equal(assay_space_build(&nb101, cell, net, &two, NULL), ASSAY_OK);
        assert_true(assay_hash_equal(assay_graph_hash(&one), assay_graph_hash(&two)));
    }
    assay_graph_free(&one);
    assay_graph_free(&two);
}

static void other_texts(UNUSED void **state)
{
    struct assay_err err;
    uint64_t index = 77;
    // The seventh vertex of NAS-Bench-101's form, which leads nowhere.
    assert_int_equal(
        parse(&space[0], "0111101;0011101;0000000;0000000;0000000;0000000;0000000/22221"), 0);
#define BLOCKS                                                                                     \
    "{'choice_block_1_op': 'maxpool3x3', 'choice_block_1_parents': (0,), "                         \
    "'choice_block_2_op': 'conv1x1-bn-relu', 'choice_block_2_parents': (0, 1), "                   \
    "'choice_block_3_op': 'conv3x3-bn-relu', 'choice_block_3_parents': (1, 0), "                   \
    "'choice_block_4_op': 'maxpool3x3', 'choice_block_4_parents': (0, 1), "                        \
    "'choice_block_5_parents': (0, "
    assert_int_equal(parse(&space[0], BLOCKS "2)}"), 81 + 2 * 9 + 3);
    for (int i = 0; i < 4; i++) {
        static const char *const end[] = {"0)}", "5)}", "1, 2)}", "1)"};
        char text[512];
        snprintf(text, sizeof text, BLOCKS "%s", end[i]);
        assert_int_equal(assay_space_parse(&space[0], text, &index, &err), ASSAY_ERR_INPUT);
        if (i < 3)
            assert_non_null(strstr(err.text, "expected a tuple of as many earlier vertices"));
    }
    assert_int_equal(assay_space_parse(&space[2], BLOCKS "1)}", &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "expected"));
    assert_int_equal(assay_space_parse(&space[0], "01;00/", &index, &err), ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "no encoding of nas-bench-1shot1-s1 leads to this cell"));
    assert_int_equal(assay_space_parse(&cells[1], "0110;0001;0001;0000/2", &index, &err),
                     ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "expected an operation"));
    assert_int_equal(index, 77);
}

// What a one-shot network decides on is the same cell, however the space is numbered: one operation
// everywhere, and the first parents of each vertex, as many as it has, which are the first digits.
static void decisions_are_cells(UNUSED void **state)
{
    for (int i = 0; i < NB1SHOT1_SPACES; i++) {
        const struct assay_oneshot_kind *kind = space[i].kind->oneshot;
        for (uint32_t op = 0; op < NB101_OPS; op++) {
            char one[64], other[64];
            uint8_t option[ASSAY_ONESHOT_CHOICES];
            for (uint32_t c = 0; c < kind->choices; c++)
                option[c] = (uint8_t)(kind->blends[c] ? (1u << kind->blends[c]) - 1 : op);
            const uint64_t encoding = kind->index(&space[i], option),
                           cell = kind->index(&cells[i], option);
            assert_true(cell < assay_space_size(&cells[i]));
            assert_int_equal(assay_space_hash(&space[i], encoding, one, sizeof one), ASSAY_OK);
            assert_int_equal(assay_space_hash(&cells[i], cell, other, sizeof other), ASSAY_OK);
            assert_string_equal(one, other);
            assert_int_equal(encoding, op * ((i < 2 ? 81 : 243) - 1) / 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_encodings),
        cmocka_unit_test(encodings_and_cells),
        cmocka_unit_test(classes),
        cmocka_unit_test(networks),
        cmocka_unit_test(other_texts),
        cmocka_unit_test(decisions_are_cells),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
