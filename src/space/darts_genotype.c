// SPDX-License-Identifier: Apache-2.0
// An architecture as Python prints it: DARTS's named tuple Genotype.
#include "darts.h"
#include "text.h"

#include <stdarg.h>
#include <string.h>

static const char *const key[DARTS_CELLS] = {"normal", "reduce"};

// ---- writing ------------------------------------------------------------------------------------
struct writer {
    char *text;
    size_t cap, n; // n: bytes the text needs so far
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *fmt, ...)
{
    va_list args;
    const size_t at = w->n < w->cap ? w->n : w->cap;
    va_start(args, fmt);
    const int len = vsnprintf(w->text + at, w->cap - at, fmt, args);
    va_end(args);
    w->n += len > 0 ? (size_t)len : 0;
}

int assay_darts_format(uint64_t index, char *text, size_t cap)
{
    struct darts_genotype genotype;
    struct writer w = {.text = text, .cap = cap};
    assay_darts_decode(index, &genotype);
    put(&w, "Genotype(");
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        put(&w, "%s%s=[", c ? ", " : "", key[c]);
        for (uint32_t e = 0; e < 2 * DARTS_NODES; e++) {
            put(&w, "%s('%s', %u)", e ? ", " : "",
                assay_darts_op_name[genotype.op[c][e / 2][e % 2]], genotype.state[c][e / 2][e % 2]);
        }
        put(&w, "], %s_concat=[2, 3, 4, 5]", key[c]);
    }
    put(&w, ")");
    return w.n < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

// ---- reading ------------------------------------------------------------------------------------
static int parse_word(struct space_text *t, const char *word, const char *expected)
{
    uint32_t number;
    space_text_skip_blank(t);
    return space_text_name(t, &word, 0, 1, expected, &number);
}

// "normal=" or "normal_concat="
static int parse_key(struct space_text *t, const char *name, const char *suffix)
{
    char word[32], expected[48];
    snprintf(word, sizeof word, "%s%s", name, suffix);
    snprintf(expected, sizeof expected, "%s=", word);
    ASSAY_TRY(parse_word(t, word, expected));
    return space_text_expect(t, '=', "'='");
}

// One digit, below `end`.
static int parse_digit(struct space_text *t, uint32_t end, const char *expected, uint8_t *digit)
{
    space_text_skip_blank(t);
    if (*t->at < '0' || *t->at >= (char)('0' + end) || space_text_is_word(t->at[1]))
        return space_text_fail(t, expected);
    *digit = (uint8_t)(*t->at++ - '0');
    return ASSAY_OK;
}

static int parse_edge(struct space_text *t, uint32_t node, uint8_t *op, uint8_t *state)
{
    uint32_t number;
    char expected[96];
    ASSAY_TRY(space_text_expect(t, '(', "'(' before an operation"));
    const char quote = *t->at;
    if (quote != '\'' && quote != '"') return space_text_fail(t, "an operation in quotes");
    t->at++;
    ASSAY_TRY(space_text_name(t, assay_darts_op_name, DARTS_SKIP, DARTS_OPS,
                              "one of skip_connect, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, "
                              "dil_conv_5x5, avg_pool_3x3, max_pool_3x3",
                              &number));
    ASSAY_TRY(space_text_expect(t, quote, "the closing quote"));
    ASSAY_TRY(space_text_expect(t, ',', "',' and the state that the operation reads"));
    snprintf(expected, sizeof expected, "a state from 0 to %u, which node %u can read", node + 1,
             node + 2);
    ASSAY_TRY(parse_digit(t, node + 2, expected, state));
    *op = (uint8_t)number;
    return space_text_expect(t, ')', "')' after an operation");
}

static void skip_comma(struct space_text *t)
{
    space_text_skip_blank(t);
    if (*t->at == ',') t->at++;
    space_text_skip_blank(t);
}

static int parse_cell(struct space_text *t, uint8_t op[DARTS_NODES][2],
                      uint8_t state[DARTS_NODES][2])
{
    ASSAY_TRY(space_text_expect(t, '[', "'[' and 8 pairs of operation and state"));
    for (uint32_t e = 0; e < 2 * DARTS_NODES; e++) {
        const uint32_t i = e / 2, k = e % 2;
        if (e) ASSAY_TRY(space_text_expect(t, ',', "',' and 8 pairs in all"));
        const char *at = t->at;
        ASSAY_TRY(parse_edge(t, i, &op[i][k], &state[i][k]));
        if (k == 0 || state[i][0] != state[i][1]) continue;
        t->at = at;
        return space_text_fail(t, "an edge from another state than the node's first edge");
    }
    skip_comma(t);
    return space_text_expect(t, ']', "']' after 8 pairs");
}

// "[2, 3, 4, 5]": these numbers.
static int parse_numbers(struct space_text *t, const char *numbers, const char *expected)
{
    for (; *numbers; numbers++) {
        uint8_t digit = 0;
        const char *at = t->at;
        ASSAY_TRY(parse_digit(t, 10, expected, &digit));
        if (digit != (uint8_t)(*numbers - '0')) {
            t->at = at;
            return space_text_fail(t, expected);
        }
        if (numbers[1]) ASSAY_TRY(space_text_expect(t, ',', expected));
    }
    return ASSAY_OK;
}

// All four nodes are the output: [2, 3, 4, 5] or range(2, 6). NASLib means the same when it prints
// [2, 3, 4, 5, 6] for the normal cell and [4, 5, 6] for the reduction cell: there is no node 6.
static int parse_concat(struct space_text *t, bool reduce)
{
    static const char expected[] = "[2, 3, 4, 5] or range(2, 6)";
    if (*t->at == 'r') {
        ASSAY_TRY(parse_word(t, "range", expected));
        ASSAY_TRY(space_text_expect(t, '(', expected));
        ASSAY_TRY(parse_numbers(t, "26", expected));
        return space_text_expect(t, ')', expected);
    }
    ASSAY_TRY(space_text_expect(t, '[', expected));
    struct space_text naslib = *t;
    naslib.err = NULL;
    if (parse_numbers(&naslib, reduce ? "456" : "23456", expected) >= 0)
        t->at = naslib.at;
    else
        ASSAY_TRY(parse_numbers(t, "2345", expected));
    skip_comma(t);
    return space_text_expect(t, ']', expected);
}

int assay_darts_parse(const char *text, uint64_t *index, struct assay_err *err)
{
    struct darts_genotype genotype;
    struct space_text t = {.what = "DARTS genotype", .text = text, .at = text, .err = err};
    ASSAY_TRY(parse_word(&t, "Genotype", "Genotype(normal=[...], ...)"));
    ASSAY_TRY(space_text_expect(&t, '(', "'('"));
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        if (c) ASSAY_TRY(space_text_expect(&t, ',', "',' and reduce=[...]"));
        ASSAY_TRY(parse_key(&t, key[c], ""));
        ASSAY_TRY(parse_cell(&t, genotype.op[c], genotype.state[c]));
        ASSAY_TRY(space_text_expect(&t, ',', "',' and the concatenated nodes"));
        ASSAY_TRY(parse_key(&t, key[c], "_concat"));
        ASSAY_TRY(parse_concat(&t, c > 0));
    }
    skip_comma(&t);
    ASSAY_TRY(space_text_expect(&t, ')', "')' at the end"));
    if (*t.at) return space_text_fail(&t, "nothing after the genotype");
    *index = assay_darts_encode(&genotype);
    return ASSAY_OK;
}
