// SPDX-License-Identifier: Apache-2.0
// The cell-level space of TransNAS-Bench-101: a cell of 6 edges with one of 4 operations each, in
// layers that double and halve, and layers that do neither.
#include "blocks.h"
#include "draw.h"
#include "literal.h"
#include "nb201.h"
#include "transnas.h"

#include <ctype.h>

#define OPS    4 // none, skip, 1x1 and 3x3 convolution, numbered as NAS-Bench-201's are
#define NUMBER "a number from 0 to 3"

static const uint8_t layers[] = {4, 1, 4, 1, 4};

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return nb201_cells(OPS);
}

// ---- networks -----------------------------------------------------------------------------------
static uint32_t skip(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t stride,
                     const char *name)
{
    if (stride > 1) return space_reduce(g, x, c, true, name);
    assay_graph_returned(g, x, 1);
    return x;
}

static uint32_t operation(struct assay_graph *g, uint8_t op, uint32_t x, uint32_t c,
                          uint32_t stride, const char *name)
{
    char sequence[80];
    const struct assay_shape s = assay_graph_shape(g, x);
    if (op == NB201_NONE)
        return assay_graph_zero(g, c, (s.h + stride - 1) / stride, (s.w + stride - 1) / stride);
    if (op == NB201_SKIP) return skip(g, x, c, stride, name);
    assay_graph_name(g, sequence, sizeof sequence, "%s.ops", name);
    return space_relu_conv_bn_of(g, x, c, op == NB201_CONV_1X1 ? 1 : 3, stride, true, sequence);
}

static uint32_t cell(const uint8_t *op, struct assay_graph *g, uint32_t x, uint32_t c,
                     uint32_t stride, const char *prefix)
{
    uint32_t node[4] = {x};
    for (uint32_t to = 1, k = 0; to < 4; to++) {
        uint32_t term[3], n = 0;
        for (; k < NB201_EDGES && nb201_to[k] == to; k++) {
            char name[64];
            assay_graph_name(g, name, sizeof name, "%s.edges.%u", prefix, k);
            term[n++] =
                operation(g, op[k], node[nb201_from[k]], c, nb201_from[k] ? 1 : stride, name);
        }
        node[to] = assay_graph_add(g, n, term, NULL);
    }
    return node[3];
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    nb201_decode(index, OPS, op);
    const struct transnas t = {.layer = layers, .n = ASSAY_LEN(layers), .cell = cell, .op = op};
    return transnas_build(&t, net, g, err);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    nb201_decode(index, OPS, op);
    struct assay_drawing_cell *drawn = draw_cell(drawing, NULL, 4);
    for (int k = 0; k < NB201_EDGES; k++)
        draw_edge(drawn, nb201_from[k], nb201_to[k], nb201_op_name[op[k]]);
}

// ---- "64-41414-1_02_333" ------------------------------------------------------------------------
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    nb201_decode(index, OPS, op);
    const int len =
        snprintf(text, cap, "64-41414-%u_%u%u_%u%u%u", op[0], op[1], op[2], op[3], op[4], op[5]);
    return len >= 0 && (size_t)len < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

static int parse_text(struct space_text *t, uint8_t op[NB201_EDGES])
{
    static const char form[] = "64-41414-o_oo_ooo"; // o: an operation
    int k = 0;
    for (const char *f = form; *f; f++, t->at++) {
        const bool right = *f == 'o' ? *t->at >= '0' && *t->at < '0' + OPS : *t->at == *f;
        if (!right) return space_text_fail(t, "64-41414-o_oo_ooo, where o is " NUMBER);
        if (*f == 'o') op[k++] = (uint8_t)(*t->at - '0');
    }
    return ASSAY_OK;
}

// NASLib's op_indices, which are the digits of the text.
static int parse_numbers(struct space_text *t, uint8_t op[NB201_EDGES])
{
    static const char six[] = "six numbers from 0 to 3, or 64-41414-o_oo_ooo";
    struct literals pool;
    const struct literal *list;
    ASSAY_TRY(literal_read(t, &pool, &list));
    if (list->kind != LITERAL_LIST || list->n != NB201_EDGES) return literal_fail(t, list, six);
    const struct literal *m = list->first;
    for (int k = 0; k < NB201_EDGES; k++, m = m->next)
        ASSAY_TRY(literal_number(t, m, OPS, NUMBER, &op[k]));
    return ASSAY_OK;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    t->what = "TransNAS-Bench-101 cell";
    ASSAY_TRY(*t->at && !isdigit((unsigned char)*t->at) ? parse_numbers(t, op) : parse_text(t, op));
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after the operations");
    *index = nb201_encode(op, OPS);
    return ASSAY_OK;
}

// ---- the space ----------------------------------------------------------------------------------
static int open_classes(struct assay_space *space, struct assay_err *err)
{
    return nb201_open_classes(space, OPS, true, err);
}

const struct assay_space_kind assay_space_transnas_micro = {
    .name = "transnas-micro",
    .help = "TransNAS-Bench-101's cells: 6 edges, 4 operations each",
    .source = "Duan et al., CVPR 2021",
    TRANSNAS_NETWORKS,
    .patch = 3,
    .open = open_classes,
    .close = nb201_close_classes,
    .size = size,
    .build = build,
    .begins = "0123456789",
    .draw = draw,
    .format = format,
    .parse = parse,
    .canonical = nb201_canonical,
};
