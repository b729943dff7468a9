// SPDX-License-Identifier: Apache-2.0
// |op~0|+|op~0|op~1|+|op~0|op~1|op~2| : for nodes 1, 2, 3 the edges that enter them; and what other
// programs print.
#include "literal.h"
#include "nb201.h"

#include <string.h>

#define MISSING 0xff

struct parser {
    struct space_text *t;
    uint8_t op[NB201_EDGES];
};

static const char ops[] = "one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3";

// ---- its own notation ---------------------------------------------------------------------------

// Reads one "op~from" into node `to`, whose edges are first .. first + to.
static int parse_edge(struct parser *p, int first, int to)
{
    static const char *const sources[] = {"", "node 0", "node 0 or 1", "node 0, 1 or 2"};
    struct space_text *t = p->t;
    char expected[96];
    uint32_t op;
    ASSAY_TRY(space_text_name(t, nb201_op_name, 0, NB201_OPS, ops, &op));
    ASSAY_TRY(space_text_expect(t, '~', "'~' and the number of the node an edge comes from"));
    snprintf(expected, sizeof expected, "%s, where an edge into node %d can come from", sources[to],
             to);
    if (*t->at < '0' || *t->at >= '0' + to || space_text_is_word(t->at[1]))
        return space_text_fail(t, expected);
    const int from = *t->at - '0';
    if (p->op[first + from] != MISSING) {
        snprintf(expected, sizeof expected, "only one edge from node %d into node %d", from, to);
        return space_text_fail(t, expected);
    }
    p->op[first + from] = (uint8_t)op;
    t->at++;
    return space_text_expect(t, '|', "'|' after an edge");
}

static int parse_node(struct parser *p, int first, int to)
{
    ASSAY_TRY(space_text_expect(p->t, '|', "'|' before the first edge into a node"));
    for (int n = 0; n < to && space_text_is_word(*p->t->at); n++)
        ASSAY_TRY(parse_edge(p, first, to));
    for (int from = 0; from < to; from++) {
        if (p->op[first + from] != MISSING) continue;
        char expected[96];
        snprintf(expected, sizeof expected, "the missing edge from node %d into node %d", from, to);
        return space_text_fail(p->t, expected);
    }
    return ASSAY_OK;
}

static int parse_nodes(struct parser *p)
{
    for (int to = 1, first = 0; to < 4; first += to++) {
        if (to > 1) ASSAY_TRY(space_text_expect(p->t, '+', "'+' between the nodes"));
        ASSAY_TRY(parse_node(p, first, to));
    }
    return ASSAY_OK;
}

// Reads what AutoDL-Projects prints of an object: "Structure(4 nodes with |op~0|+...)".
static int parse_structure(struct parser *p)
{
    static const char *const word[] = {"4", "nodes", "with"};
    static const char expected[] = "Structure(4 nodes with |op~0|+...)";
    uint32_t number;
    p->t->at += space_text_word(p->t);
    ASSAY_TRY(space_text_expect(p->t, '(', expected));
    for (uint32_t i = 0; i < ASSAY_LEN(word); i++) {
        ASSAY_TRY(space_text_name(p->t, word, i, i + 1, expected, &number));
        space_text_skip_blank(p->t);
    }
    ASSAY_TRY(parse_nodes(p));
    return space_text_expect(p->t, ')', "')' after the edges into node 3");
}

// ---- NASLib -------------------------------------------------------------------------------------
// Reads NASLib's op_indices (naslib/search_spaces/nasbench201/conversions.py): edges in the order
// 0-1, 0-2, 0-3, 1-2, 1-3, 2-3, and operations numbered in an order of their own.
static int take_numbers(struct parser *p, const struct literal *list)
{
    static const uint8_t edge[NB201_EDGES] = {0, 1, 3, 2, 4, 5};
    static const uint8_t op[NB201_OPS] = {NB201_SKIP, NB201_NONE, NB201_CONV_3X3, NB201_CONV_1X1,
                                          NB201_AVG_POOL};
    const struct literal *m = list->first;
    for (uint32_t e = 0; e < NB201_EDGES; e++, m = m->next) {
        uint8_t number;
        ASSAY_TRY(
            literal_number(p->t, m, NB201_OPS,
                           "six numbers from 0 to 4, as NASLib has them, or |op~0|+... (names "
                           "alone do not say their edges)",
                           &number));
        p->op[edge[e]] = op[number];
    }
    return ASSAY_OK;
}

// ---- AutoDL-Projects ----------------------------------------------------------------------------
// Reads (op, from) into node `to`.
static int take_pair(struct parser *p, const struct literal *pair, int first, int to)
{
    uint8_t from;
    uint32_t op;
    if (pair->kind != LITERAL_LIST || pair->n != 2)
        return literal_fail(p->t, pair, "a pair of operation and node");
    ASSAY_TRY(literal_choice(p->t, pair->first, nb201_op_name, 0, NB201_OPS, ops, &op));
    ASSAY_TRY(literal_number(p->t, pair->last, (uint32_t)to, "a node before this one", &from));
    if (p->op[first + from] != MISSING)
        return literal_fail(p->t, pair->last, "only one edge from each node");
    p->op[first + from] = (uint8_t)op;
    return ASSAY_OK;
}

// Reads [(pair,), (pair, pair), (pair, pair, pair)].
static int take_nodes(struct parser *p, const struct literal *list)
{
    const struct literal *node = list->first;
    for (int to = 1, first = 0; to < 4; first += to++, node = node->next) {
        if (node->kind != LITERAL_LIST || node->n != (uint32_t)to)
            return literal_fail(p->t, node, "1, 2 and 3 pairs of operation and node");
        for (const struct literal *m = node->first; m; m = m->next)
            ASSAY_TRY(take_pair(p, m, first, to));
    }
    return ASSAY_OK;
}

// ---- NNI ----------------------------------------------------------------------------------------
// Reads {"0_1": "conv_1x1", ...}, where "0_1" is the edge from node 0 into node 1.
static int take_edges(struct parser *p, const struct literal *dict)
{
    static const char *const name[NB201_OPS] = {"none", "skip_connect", "conv_1x1", "conv_3x3",
                                                "avg_pool_3x3"};
    static const char expected[] = "one of none, skip_connect, conv_1x1, conv_3x3, avg_pool_3x3";
    for (const struct literal *m = dict->first; m; m = m->next) {
        uint32_t e = 0, op;
        for (char key[16]; e < NB201_EDGES; e++) {
            snprintf(key, sizeof key, "%u_%u", nb201_from[e], nb201_to[e]);
            if (literal_has_key(m, key)) break;
        }
        if (e == NB201_EDGES || p->op[e] != MISSING)
            return literal_fail_key(p->t, m, "each of the keys 0_1, 0_2, 0_3, 1_2, 1_3, 2_3 once");
        ASSAY_TRY(literal_choice(p->t, m, name, 0, NB201_OPS, expected, &op));
        p->op[e] = (uint8_t)op;
    }
    return dict->n == NB201_EDGES ? ASSAY_OK : literal_fail(p->t, dict, "six edges");
}

// ---- all of them --------------------------------------------------------------------------------
static int parse_literal(struct parser *p)
{
    struct literals pool;
    const struct literal *value;
    ASSAY_TRY(literal_read(p->t, &pool, &value));
    if (value->kind == LITERAL_DICT) return take_edges(p, value);
    if (value->kind == LITERAL_LIST && value->n == NB201_EDGES) return take_numbers(p, value);
    if (value->kind == LITERAL_LIST && value->n == 3) return take_nodes(p, value);
    return literal_fail(p->t, value, "six numbers, three nodes, or |op~0|+...");
}

static bool is_structure(const struct space_text *t)
{
    static const char *const name[] = {"Structure", "CellStructure"};
    struct space_text copy = *t;
    uint32_t number;
    copy.err = NULL;
    return space_text_name(&copy, name, 0, ASSAY_LEN(name), "", &number) >= 0;
}

int nb201_parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    struct parser p = {.t = t};
    (void)space;
    t->what = "NAS-Bench-201 architecture";
    memset(p.op, MISSING, sizeof p.op);
    if (is_structure(t))
        ASSAY_TRY(parse_structure(&p));
    else if (literal_begins(t))
        ASSAY_TRY(parse_literal(&p));
    else
        ASSAY_TRY(parse_nodes(&p));
    if (*t->at) return space_text_fail(t, "nothing after the edges into node 3");
    *index = nb201_encode(p.op, NB201_OPS);
    return ASSAY_OK;
}
