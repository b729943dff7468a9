// SPDX-License-Identifier: Apache-2.0
// |op~0|+|op~0|op~1|+|op~0|op~1|op~2| : for nodes 1, 2, 3 the edges that enter them.
#include "nb201.h"
#include "text.h"

#include <string.h>

#define MISSING 0xff

struct parser {
    struct space_text t;
    uint8_t op[NB201_EDGES];
};

// One "op~from" into node `to`; edges into a node are first .. first + to.
static int parse_edge(struct parser *p, int first, int to)
{
    static const char *const sources[] = {"", "node 0", "node 0 or 1", "node 0, 1 or 2"};
    struct space_text *t = &p->t;
    char expected[96];
    uint32_t op;
    ASSAY_TRY(space_text_name(t, assay_nb201_op_name, 0, NB201_OPS,
                              "one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3",
                              &op));
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
    ASSAY_TRY(space_text_expect(&p->t, '|', "'|' before the first edge into a node"));
    for (int n = 0; n < to && space_text_is_word(*p->t.at); n++)
        ASSAY_TRY(parse_edge(p, first, to));
    for (int from = 0; from < to; from++) {
        if (p->op[first + from] != MISSING) continue;
        char expected[96];
        snprintf(expected, sizeof expected, "the missing edge from node %d into node %d", from, to);
        return space_text_fail(&p->t, expected);
    }
    return ASSAY_OK;
}

int assay_nb201_parse(const char *text, uint64_t *index, struct assay_err *err)
{
    struct parser p = {
        .t = {.what = "NAS-Bench-201 architecture", .text = text, .at = text, .err = err}};
    memset(p.op, MISSING, sizeof p.op);
    for (int to = 1, first = 0; to < 4; first += to++) {
        if (to > 1) ASSAY_TRY(space_text_expect(&p.t, '+', "'+' between the nodes"));
        ASSAY_TRY(parse_node(&p, first, to));
    }
    if (*p.t.at) return space_text_fail(&p.t, "nothing after the edges into node 3");
    *index = assay_nb201_encode(p.op);
    return ASSAY_OK;
}
