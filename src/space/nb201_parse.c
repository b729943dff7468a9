// SPDX-License-Identifier: Apache-2.0
// |op~0|+|op~0|op~1|+|op~0|op~1|op~2| : for nodes 1, 2, 3 the edges that enter them.
#include "nb201.h"

#include <ctype.h>
#include <string.h>

#define MISSING 0xff

struct parser {
    const char *text, *at;
    struct assay_err *err;
    uint8_t op[NB201_EDGES];
};

static void skip_blank(struct parser *p)
{
    while (isspace((unsigned char)*p->at)) p->at++;
}

// "found X at character N, expected ...": X is the word at the parser's position, made printable.
static int fail(const struct parser *p, const char *expected)
{
    char found[64] = "the end";
    size_t n = 0, len = 1;
    if (isalnum((unsigned char)*p->at)) {
        while (isalnum((unsigned char)p->at[len]) || p->at[len] == '_') len++;
    }
    if (*p->at) found[n++] = '\'';
    for (size_t i = 0; *p->at && i < len && n + 8 < sizeof found; i++) {
        const unsigned char c = (unsigned char)p->at[i];
        n += (size_t)snprintf(found + n, sizeof found - n, isprint(c) ? "%c" : "\\x%02x", c);
    }
    if (*p->at) snprintf(found + n, sizeof found - n, "'");
    return assay_err_set(p->err, ASSAY_ERR_INPUT,
                         "NAS-Bench-201 architecture: found %s at character %td, expected %s",
                         found, p->at - p->text + 1, expected);
}

static int expect(struct parser *p, char c, const char *expected)
{
    skip_blank(p);
    if (*p->at != c) return fail(p, expected);
    p->at++;
    skip_blank(p);
    return ASSAY_OK;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int parse_op(struct parser *p, uint8_t *op)
{
    size_t len = 0;
    while (is_word(p->at[len])) len++;
    for (uint8_t i = 0; i < NB201_OPS; i++) {
        const char *name = assay_nb201_op_name[i];
        if (strlen(name) != len || memcmp(p->at, name, len) != 0) continue;
        p->at += len;
        *op = i;
        return ASSAY_OK;
    }
    return fail(p, "one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3");
}

// One "op~from" into node `to`; edges into a node are first .. first + to.
static int parse_edge(struct parser *p, int first, int to)
{
    static const char *const sources[] = {"", "node 0", "node 0 or 1", "node 0, 1 or 2"};
    char expected[96];
    uint8_t op = NB201_NONE;
    ASSAY_TRY(parse_op(p, &op));
    ASSAY_TRY(expect(p, '~', "'~' and the number of the node an edge comes from"));
    snprintf(expected, sizeof expected, "%s, where an edge into node %d can come from", sources[to],
             to);
    if (*p->at < '0' || *p->at >= '0' + to || is_word(p->at[1])) return fail(p, expected);
    const int from = *p->at - '0';
    if (p->op[first + from] != MISSING) {
        snprintf(expected, sizeof expected, "only one edge from node %d into node %d", from, to);
        return fail(p, expected);
    }
    p->op[first + from] = op;
    p->at++;
    return expect(p, '|', "'|' after an edge");
}

static int parse_node(struct parser *p, int first, int to)
{
    ASSAY_TRY(expect(p, '|', "'|' before the first edge into a node"));
    for (int n = 0; n < to && is_word(*p->at); n++) ASSAY_TRY(parse_edge(p, first, to));
    for (int from = 0; from < to; from++) {
        if (p->op[first + from] != MISSING) continue;
        char expected[96];
        snprintf(expected, sizeof expected, "the missing edge from node %d into node %d", from, to);
        return fail(p, expected);
    }
    return ASSAY_OK;
}

int assay_nb201_parse(const char *text, uint64_t *index, struct assay_err *err)
{
    struct parser p = {.text = text, .at = text, .err = err};
    memset(p.op, MISSING, sizeof p.op);
    for (int to = 1, first = 0; to < 4; first += to++) {
        if (to > 1) ASSAY_TRY(expect(&p, '+', "'+' between the nodes"));
        ASSAY_TRY(parse_node(&p, first, to));
    }
    if (*p.at) return fail(&p, "nothing after the edges into node 3");
    *index = assay_nb201_encode(p.op);
    return ASSAY_OK;
}
