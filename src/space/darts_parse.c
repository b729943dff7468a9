// SPDX-License-Identifier: Apache-2.0
// Reads a genotype of DARTS in the notations in which programs print it.
#include "darts.h"
#include "literal.h"

#include <string.h>

#define EDGES (2 * DARTS_NODES) // of a cell of an architecture
#define OPS                                                                                        \
    "one of skip_connect, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5, avg_pool_3x3, "  \
    "max_pool_3x3"

static const char *const cell_name[DARTS_CELLS] = {"normal", "reduce"};

// Sets one edge of node i; the second must read another state than the first unless g is tolerant.
static int take_state(struct space_text *t, struct darts_genotype *g, uint32_t c, uint32_t edge,
                      const struct literal *pair, const struct literal *value)
{
    const uint32_t i = edge / 2, k = edge % 2;
    char expected[96];
    snprintf(expected, sizeof expected, "a state from 0 to %u, which node %u can read", i + 1,
             i + 2);
    ASSAY_TRY(literal_number(t, value, i + 2, expected, &g->state[c][i][k]));
    if (k == 0 || g->tolerant || g->state[c][i][0] != g->state[c][i][1]) return ASSAY_OK;
    return literal_fail(t, pair,
                        "an edge from another state than the node's first edge (darts-tolerant "
                        "takes two from one)");
}

// ---- Genotype(normal=[('sep_conv_3x3', 0), ...], ...) -------------------------------------------
static int take_pair(struct space_text *t, struct darts_genotype *g, uint32_t c, uint32_t edge,
                     const struct literal *pair)
{
    uint32_t op;
    if (pair->kind != LITERAL_LIST || pair->n != 2)
        return literal_fail(t, pair, "a pair of operation and state");
    if (pair->first->kind != LITERAL_TEXT)
        return literal_fail(t, pair->first, "an operation in quotes");
    ASSAY_TRY(literal_choice(
        t, pair->first, darts_op_name, g->tolerant ? DARTS_NONE : DARTS_SKIP, DARTS_OPS,
        g->tolerant ? "none, or " OPS : OPS " (darts-tolerant takes none, too)", &op));
    g->op[c][edge / 2][edge % 2] = (uint8_t)op;
    return take_state(t, g, c, edge, pair, pair->last);
}

static bool is_list(const struct literal *value)
{
    return value && value->kind == LITERAL_LIST;
}

// Reads 8 pairs, or a list of two for each node.
static int take_cell(struct space_text *t, struct darts_genotype *g, uint32_t c,
                     const struct literal *cell)
{
    const bool nested = is_list(cell) && is_list(cell->first) && is_list(cell->first->first);
    uint32_t n = 0;
    if (!is_list(cell)) return literal_fail(t, cell, "8 pairs of operation and state");
    for (const struct literal *m = cell->first; m; m = m->next) {
        const struct literal *pair = nested ? m->first : m;
        if (nested && (!is_list(m) || m->n != 2))
            return literal_fail(t, m, "two pairs of operation and state for each node");
        for (uint32_t k = 0; k < (nested ? 2 : 1); k++, pair = pair->next) {
            if (n == EDGES) return literal_fail(t, pair, "8 pairs in all");
            ASSAY_TRY(take_pair(t, g, c, n++, pair));
        }
    }
    return n == EDGES ? ASSAY_OK : literal_fail(t, cell, "8 pairs of operation and state in it");
}

// The first member that is not the next of these numbers, or NULL; `list` where some are missing.
static const struct literal *differs(const struct literal *list, uint32_t first, uint32_t last)
{
    for (const struct literal *m = list->first; m; m = m->next, first++)
        if (m->kind != LITERAL_NUMBER || m->number != first || first > last) return m;
    return first > last ? NULL : list;
}

// Checks that all four nodes are the output. NASLib means the same when it prints [2, 3, 4, 5, 6]
// for the normal cell and [4, 5, 6] for the reduction cell: there is no node 6.
static int check_concat(struct space_text *t, uint32_t c, const struct literal *list)
{
    static const char expected[] = "[2, 3, 4, 5] or range(2, 6)";
    if (!is_list(list)) return literal_fail(t, list, expected);
    const struct literal *other = differs(list, 2, 5);
    if (!other || !differs(list, c == DARTS_REDUCE ? 4 : 2, 6)) return ASSAY_OK;
    return literal_fail(t, other, expected);
}

// The places of members in the named tuple; that of GDAS has two more, which are None for cells
// like these.
enum { NORMAL, NORMAL_CONCAT, REDUCE, REDUCE_CONCAT, CONNECT_N, CONNECTS, MEMBERS };

static int place_members(struct space_text *t, const struct literal *value,
                         const struct literal *place[MEMBERS])
{
    static const char *const key[MEMBERS] = {"normal",        "normal_concat", "reduce",
                                             "reduce_concat", "connectN",      "connects"};
    static const char expected[] = "each of normal, normal_concat, reduce, reduce_concat once";
    uint32_t number = 0;
    for (const struct literal *m = value->first; m; m = m->next, number++) {
        uint32_t k = m->key ? 0 : number;
        while (m->key && k < MEMBERS && !literal_has_key(m, key[k])) k++;
        if (k >= MEMBERS || place[k])
            return m->key ? literal_fail_key(t, m, expected) : literal_fail(t, m, expected);
        if (k >= CONNECT_N && !literal_is(m, "None")) return literal_fail(t, m, "None");
        place[k] = m;
    }
    return ASSAY_OK;
}

static int take_genotype(struct space_text *t, struct darts_genotype *g,
                         const struct literal *value)
{
    const struct literal *place[MEMBERS] = {0};
    ASSAY_TRY(place_members(t, value, place));
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        const struct literal *cell = place[2 * c + NORMAL], *concat = place[2 * c + NORMAL_CONCAT];
        if (!cell) return literal_fail(t, value, "a normal and a reduce cell in it");
        ASSAY_TRY(take_cell(t, g, c, cell));
        if (concat) ASSAY_TRY(check_concat(t, c, concat));
    }
    return ASSAY_OK;
}

// ---- NASLib -------------------------------------------------------------------------------------
// NASLib's compact form (naslib/search_spaces/nasbench301/conversions.py) has for each cell 8 pairs
// (state, operation), operations numbered in an order of its own.
static int take_numbers(struct space_text *t, struct darts_genotype *g, uint32_t c,
                        const struct literal *cell)
{
    static const uint8_t op[] = {DARTS_MAX_POOL, DARTS_AVG_POOL, DARTS_SKIP,   DARTS_SEP_3X3,
                                 DARTS_SEP_5X5,  DARTS_DIL_3X3,  DARTS_DIL_5X5};
    static const char expected[] = "8 pairs of state and operation, as NASLib numbers them, for "
                                   "each cell; or Genotype(normal=[...], ...)";
    if (!is_list(cell) || cell->n != EDGES) return literal_fail(t, cell, expected);
    const struct literal *pair = cell->first;
    for (uint32_t edge = 0; edge < EDGES; edge++, pair = pair->next) {
        uint8_t number;
        if (!is_list(pair) || pair->n != 2) return literal_fail(t, pair, expected);
        ASSAY_TRY(take_state(t, g, c, edge, pair, pair->first));
        ASSAY_TRY(literal_number(t, pair->last, ASSAY_LEN(op),
                                 "an operation from 0 to 6, as NASLib numbers them", &number));
        g->op[c][edge / 2][edge % 2] = op[number];
    }
    return ASSAY_OK;
}

// ---- NAS-Bench-301 ------------------------------------------------------------------------------
#define SELECTOR "NetworkSelectorDatasetInfo:darts:"

// NAS-Bench-301 calls edge 3 of the normal cell "edge_normal_3"; edges 0 and 1 enter node 0, edges
// 2 to 4 node 1, and so on.
static const struct literal *find_key(const struct literal *config, const char *what, uint32_t c,
                                      uint32_t number)
{
    char key[96];
    const struct literal *m = config->first;
    snprintf(key, sizeof key, SELECTOR "%s_%s_%u", what, cell_name[c], number);
    while (m && !literal_has_key(m, key)) m = m->next;
    return m;
}

// The edges that a configuration has are the two of each node; inputs_node names their states once
// more.
static int take_node(struct space_text *t, struct darts_genotype *g, uint32_t c, uint32_t i,
                     const struct literal *config, uint32_t *used)
{
    const uint32_t first = i * (i + 3) / 2;
    uint32_t n = 0, op;
    for (uint32_t state = 0; state < i + 2; state++) {
        const struct literal *m = find_key(config, "edge", c, first + state);
        if (!m) continue;
        if (n == 2) return literal_fail_key(t, m, "two edges into each node");
        ASSAY_TRY(literal_choice(t, m, darts_op_name, DARTS_SKIP, DARTS_OPS, OPS, &op));
        g->op[c][i][n] = (uint8_t)op;
        g->state[c][i][n++] = (uint8_t)state;
        ++*used;
    }
    if (n != 2) return literal_fail(t, config, "two edges into each node in it");
    const struct literal *inputs = find_key(config, "inputs_node", c, i + 2);
    if (!inputs) return ASSAY_OK;
    char states[16];
    ++*used;
    snprintf(states, sizeof states, "%u_%u", g->state[c][i][0], g->state[c][i][1]);
    return literal_is(inputs, states) ? ASSAY_OK
                                      : literal_fail(t, inputs, "the states of this node's edges");
}

static int take_config(struct space_text *t, struct darts_genotype *g, const struct literal *config)
{
    uint32_t used = 0;
    for (uint32_t c = 0; c < DARTS_CELLS; c++)
        for (uint32_t i = 0; i < DARTS_NODES; i++) ASSAY_TRY(take_node(t, g, c, i, config, &used));
    if (used == config->n) return ASSAY_OK;
    return literal_fail(t, config, "only keys of edges and inputs of nodes, each once, in it");
}

static bool is_config(const struct literal *value)
{
    const struct literal *m = value->first;
    const size_t n = strlen(SELECTOR);
    return m && m->key && m->key_length > n && memcmp(m->key, SELECTOR, n) == 0;
}

// ---- all of them --------------------------------------------------------------------------------
static int take(struct space_text *t, struct darts_genotype *g, const struct literal *value)
{
    if (value->kind == LITERAL_CALL && literal_is(value, "Configuration") && value->n &&
        literal_has_key(value->last, "values"))
        value = value->last;
    if (value->kind == LITERAL_DICT && is_config(value)) return take_config(t, g, value);
    if (value->kind == LITERAL_DICT ||
        (value->kind == LITERAL_CALL && literal_is(value, "Genotype")))
        return take_genotype(t, g, value);
    if (!is_list(value) || value->n != DARTS_CELLS)
        return literal_fail(t, value, "Genotype(normal=[...], ...)");
    ASSAY_TRY(take_numbers(t, g, DARTS_NORMAL, value->first));
    return take_numbers(t, g, DARTS_REDUCE, value->last);
}

int darts_parse_genotype(struct space_text *t, struct darts_genotype *genotype)
{
    struct literals pool;
    const struct literal *value;
    t->what = "DARTS genotype";
    if (!space_text_word(t) && !(*t->at && strchr("([{", *t->at)))
        return space_text_fail(t, "Genotype(normal=[...], ...)");
    ASSAY_TRY(literal_read(t, &pool, &value));
    return take(t, genotype, value);
}

int darts_parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    struct darts_genotype genotype = {.tolerant = false};
    (void)space;
    ASSAY_TRY(darts_parse_genotype(t, &genotype));
    *index = darts_encode(&genotype);
    return ASSAY_OK;
}
