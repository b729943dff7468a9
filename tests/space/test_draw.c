// SPDX-License-Identifier: Apache-2.0
// Drawings of architectures, of every space.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "assay/space.h"

static void open_space(struct assay_space *space, const char *name)
{
    struct assay_err err;
    if (assay_space_open(space, name, &err) < 0) fail_msg("%s", err.text);
}

static void assert_drawing(const struct assay_drawing *d)
{
    assert_in_range(d->n_cell, 1, ASSAY_SUPERNET_CELLS);
    for (uint32_t c = 0; c < d->n_cell; c++) {
        const struct assay_drawing_cell *cell = &d->cell[c];
        uint32_t ops = 0;
        assert_true((d->n_cell > 1) == (cell->name != NULL));
        assert_in_range(cell->n_edge, 1, ASSAY_DRAWING_EDGES);
        for (uint32_t e = 0; e < cell->n_edge; e++) {
            assert_true(cell->edge[e].from < cell->edge[e].to);
            assert_true(cell->edge[e].to < cell->n_node);
            ops += cell->edge[e].op != NULL;
        }
        for (uint32_t v = 0; v < cell->n_node; v++) ops += cell->node[v] != NULL;
        assert_true(ops > 0 || cell->n_node == 2); // NAS-Bench-101 has a cell without vertices
    }
}

// What differs looks different, but where encodings of one cell do not differ as networks.
static void every_space_is_drawn(void **state)
{
    (void)state;
    for (int k = 0; assay_space_kinds[k]; k++) {
        static struct assay_drawing last, next;
        struct assay_space space;
        open_space(&space, assay_space_kinds[k]->name);
        const uint64_t size = assay_space_size(&space), step = size > 300 ? size / 300 : 1;
        for (uint64_t i = 0; i < size - step + 1; i += step) {
            if (!assay_space_draw(&space, i, &next)) fail_msg("%s", space.kind->name);
            assert_drawing(&next);
            const bool equal = i && memcmp(&last, &next, sizeof last) == 0;
            assert_false(equal && assay_space_canonical(&space, i) !=
                                      assay_space_canonical(&space, i - step));
            last = next;
        }
        assert_false(assay_space_draw(&space, size, &next));
        assay_space_close(&space);
    }
}

static void assert_edge(const struct assay_drawing_cell *cell, uint32_t edge, uint32_t from,
                        uint32_t to, const char *op)
{
    assert_int_equal(cell->edge[edge].from, from);
    assert_int_equal(cell->edge[edge].to, to);
    assert_string_equal(cell->edge[edge].op, op);
}

static struct assay_drawing draw(const char *name, const char *text)
{
    struct assay_space space;
    struct assay_drawing d;
    struct assay_err err;
    uint64_t index;
    open_space(&space, name);
    if (assay_space_parse(&space, text, &index, &err) < 0) fail_msg("%s", err.text);
    assert_true(assay_space_draw(&space, index, &d));
    assay_space_close(&space);
    return d;
}

static void drawings_are_what_texts_say(void **state)
{
    (void)state;
    struct assay_drawing d =
        draw("nas-bench-201", "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|"
                              "avg_pool_3x3~2|");
    assert_int_equal(d.cell[0].n_node, 4);
    assert_edge(&d.cell[0], 0, 0, 1, "nor_conv_3x3");
    assert_edge(&d.cell[0], 2, 1, 2, "skip_connect");
    assert_edge(&d.cell[0], 5, 2, 3, "avg_pool_3x3");
    d = draw("nas-bench-101", "0110;0001;0001;0000/02");
    assert_int_equal(d.cell[0].n_edge, 4);
    assert_null(d.cell[0].edge[0].op);
    assert_null(d.cell[0].node[0]);
    assert_string_equal(d.cell[0].node[1], "conv3x3");
    assert_string_equal(d.cell[0].node[2], "maxpool3x3");
    d = draw("darts", "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), "
                      "('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), "
                      "('skip_connect', 1), ('dil_conv_5x5', 1), ('max_pool_3x3', 2)], "
                      "normal_concat=[2, 3, 4, 5], "
                      "reduce=[('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), "
                      "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1), "
                      "('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2, 3, 4, 5])");
    assert_int_equal(d.n_cell, 2);
    assert_string_equal(d.cell[1].name, "reduction");
    assert_int_equal(d.cell[0].n_node, 6);
    assert_edge(&d.cell[0], 0, 0, 2, "sep_conv_3x3");
    assert_edge(&d.cell[0], 7, 2, 5, "max_pool_3x3");
    d = draw("nats-sss", "8:16:64:40:64");
    assert_edge(&d.cell[0], 2, 2, 3, "64");
    d = draw("nas-bench-macro", "01200000");
    assert_edge(&d.cell[0], 2, 2, 3, "MB6 5x5");
    d = draw("transnas-macro", "64-1234-basic");
    assert_edge(&d.cell[0], 3, 3, 4, "both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_space_is_drawn),
        cmocka_unit_test(drawings_are_what_texts_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
