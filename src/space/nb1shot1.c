// SPDX-License-Identifier: Apache-2.0
#include "nb1shot1.h"

#include "literal.h"

#include <stdlib.h>
#include <string.h>

// ---- options ------------------------------------------------------------------------------------
enum { ENCODINGS, CELLS };
struct choice {
    int of; // what an index numbers
};

// clang-format off
static const struct assay_opt rows[] = {
    {"nas-bench-1shot1", "of", "what is numbered and drawn: encodings, many of which are one cell, or the cells",
     ASSAY_KEY_CHOICE("encodings|cells"), .offset = offsetof(struct choice, of), .def = "encodings", .with = "of"},
    {.name = NULL},
};
// clang-format on
static const struct assay_options options = {rows, sizeof(struct choice)};

// ---- indices ------------------------------------------------------------------------------------
const struct nb1shot1 *nb1shot1_of(const struct assay_space *space)
{
    return &nb1shot1_space[space->kind->name[strlen(space->kind->name) - 1] - '1'];
}

static bool by_cells(const struct assay_space *space)
{
    return ((const struct choice *)space->options)->of == CELLS;
}

static uint64_t size(const struct assay_space *space)
{
    return by_cells(space) ? nb1shot1_of(space)->cells : nb1shot1_of(space)->encodings;
}

static int compare(const void *cell, const void *row)
{
    const uint32_t x = *(const uint32_t *)cell, y = *(const uint32_t *)row;
    return (x > y) - (x < y);
}

// The row of nb1shot1_cells of a cell of NAS-Bench-101, or NULL.
static const uint32_t *find(const struct nb1shot1 *s, uint32_t cell)
{
    return bsearch(&cell, nb1shot1_cells[s->first], s->cells, sizeof nb1shot1_cells[0], compare);
}

// The cell of NAS-Bench-101.
static uint32_t cell_of(const struct assay_space *space, uint64_t index)
{
    struct nb101_cell cell;
    bool other;
    if (by_cells(space)) return nb1shot1_cells[nb1shot1_of(space)->first + index][0];
    nb1shot1_decode(nb1shot1_of(space), (uint32_t)index, &cell);
    return nb101_find(&cell, &other);
}

// The smallest encoding of a cell.
static uint64_t canonical(const struct assay_space *space, uint64_t index)
{
    return by_cells(space) ? index : find(nb1shot1_of(space), cell_of(space, index))[1];
}

bool nb1shot1_index(const struct assay_space *space, const struct nb101_cell *cell, uint64_t *index,
                    bool *other)
{
    const struct nb1shot1 *s = nb1shot1_of(space);
    uint32_t encoding;
    if (!by_cells(space) && nb1shot1_encode(s, cell, &encoding)) {
        *index = encoding;
        return true;
    }
    const uint32_t *row = find(s, nb101_find(cell, other));
    if (!row) return false;
    *index = by_cells(space) ? (uint64_t)(row - nb1shot1_cells[s->first]) / 2 : row[1];
    return true;
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    return nb101_build(cell_of(space, index), net, g, err);
}

// The cell, without the vertices that lead nowhere.
static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    struct nb101_cell cell;
    nb101_decode(nb101_code[cell_of(space, index)], &cell);
    nb101_draw(&cell, drawing);
}

// ---- how they are written -----------------------------------------------------------------------
// An encoding is written with all its vertices.
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    struct nb101_cell cell;
    if (by_cells(space))
        nb101_decode(nb101_code[cell_of(space, index)], &cell);
    else
        nb1shot1_decode(nb1shot1_of(space), (uint32_t)index, &cell);
    return nb101_write(&cell, text, cap);
}

static int hash(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    if (cap <= NB101_HEX) return ASSAY_ERR_INPUT;
    nb101_name(cell_of(space, index), text);
    return ASSAY_OK;
}

// ---- configurations of NAS-Bench-1Shot1's own code ----------------------------------------------
#define KEY "choice_block_"

static const struct literal *member(const struct literal *dict, uint32_t vertex, const char *what)
{
    char key[32];
    snprintf(key, sizeof key, KEY "%u_%s", vertex, what);
    const struct literal *m = dict->first;
    while (m && !literal_has_key(m, key)) m = m->next;
    return m;
}

static int take_parents(struct space_text *t, const struct literal *value, uint32_t v, uint32_t n,
                        uint16_t *from)
{
    static const char expected[] = "a tuple of as many earlier vertices as the space has parents";
    uint8_t u;
    *from = 0;
    const bool list = value->kind == LITERAL_LIST;
    for (const struct literal *m = list ? value->first : value; m; m = list ? m->next : NULL) {
        ASSAY_TRY(literal_number(t, m, v, expected, &u));
        *from |= (uint16_t)(1u << u);
    }
    const bool right = (uint32_t)__builtin_popcount(*from) == n && (list ? value->n == n : n == 1);
    return right ? ASSAY_OK : literal_fail(t, value, expected);
}

// Reads {'choice_block_1_op': 'maxpool3x3', 'choice_block_2_parents': (0, 1), ...}.
static int take_blocks(const struct nb1shot1 *s, struct space_text *t, const struct literal *dict,
                       struct nb101_cell *cell)
{
    static const char *const op[NB101_OPS] = {[NB101_CONV_3X3] = "conv3x3-bn-relu",
                                              [NB101_CONV_1X1] = "conv1x1-bn-relu",
                                              [NB101_MAX_POOL] = "maxpool3x3"};
    *cell = (struct nb101_cell){.n = s->blocks + 2};
    for (uint32_t v = 1; v < cell->n; v++) {
        const struct literal *from = member(dict, v, "parents"), *of = member(dict, v, "op");
        uint32_t number = 0;
        if (!from || (v <= s->blocks && !of))
            return literal_fail(t, dict,
                                "parents of each block and the output, and each block's op");
        ASSAY_TRY(take_parents(t, from, v, s->parents[v - 1], &cell->from[v]));
        if (v <= s->blocks)
            ASSAY_TRY(literal_choice(t, of, op, 0, NB101_OPS,
                                     "one of conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3",
                                     &number));
        cell->op[v] = (uint8_t)number;
    }
    return ASSAY_OK;
}

// ---- how they are read --------------------------------------------------------------------------
static int read(const struct nb1shot1 *s, struct space_text *t, struct nb101_cell *cell)
{
    struct literals pool;
    const struct literal *dict;
    if (*t->at != '{' || !strstr(t->at, KEY)) return nb101_read(t, cell);
    ASSAY_TRY(literal_read(t, &pool, &dict));
    return take_blocks(s, t, dict, cell);
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    struct nb101_cell cell;
    t->what = "NAS-Bench-1Shot1 architecture";
    ASSAY_TRY(read(nb1shot1_of(space), t, &cell));
    if (nb1shot1_index(space, &cell, index, &t->other)) return ASSAY_OK;
    return assay_err_set(t->err, ASSAY_ERR_INPUT, "%s: no encoding of %s leads to this cell",
                         t->what, space->kind->name);
}

// ---- the spaces ---------------------------------------------------------------------------------
#define SPACE(number, words)                                                                       \
    const struct assay_space_kind assay_space_nb1shot1_s##number = {                               \
        .name = "nas-bench-1shot1-s" #number,                                                      \
        .help = "NAS-Bench-1Shot1's search space " #number ": " words,                             \
        .source = "Zela, Siems and Hutter, ICLR 2020",                                             \
        .options = &options,                                                                       \
        .search = {.channels = 8, .cells = 1, .classes = 10, .image = 32, .stem = 1},              \
        .full = {.channels = 128, .cells = 3, .classes = 10, .image = 32, .stem = 1},              \
        .image_multiple = 4,                                                                       \
        .patch = 3,                                                                                \
        .digits = 32,                                                                              \
        .size = size,                                                                              \
        .build = build,                                                                            \
        .draw = draw,                                                                              \
        .format = format,                                                                          \
        .parse = parse,                                                                            \
        .hash = hash,                                                                              \
        .canonical = canonical,                                                                    \
        .same_literal = true,                                                                      \
        .oneshot = &nb1shot1_oneshot[number - 1],                                                  \
    }
SPACE(1, "cells of NAS-Bench-101 from 4 vertices with 1, 2, 2, 2 parents, the output with 2");
SPACE(2, "cells of NAS-Bench-101 from 4 vertices with 1, 1, 2, 2 parents, the output with 3");
SPACE(3, "cells of NAS-Bench-101 from 5 vertices with 1, 1, 1, 2, 2 parents, the output with 2");
