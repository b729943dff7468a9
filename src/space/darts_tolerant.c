// SPDX-License-Identifier: Apache-2.0
// DARTS's space and genotypes beyond it, as some tables list them: an edge may be `none`, and both
// edges of a node may come from one state; the two cells are then the same. A node sums what it
// has.
//
// Indices below those of DARTS's space are that space's own. Behind them stand the equal cells with
// a node that is not of that space: first those whose first such node is node 0, then node 1, and
// so on.
#include "darts.h"
#include "draw.h"
#include "text.h"

#include <string.h>

#define WITH_NONE 15 // pairs of operations on edges from two states, with `none` among them
#define ONE_STATE 36 // pairs of operations on two edges from one state, in no order

// ---- nodes --------------------------------------------------------------------------------------
// Edges ascend by state, then by operation.
struct node {
    uint8_t *op, *state; // (2)
};

static struct node node_of(struct darts_genotype *g, uint32_t cell, uint32_t i)
{
    return (struct node){g->op[cell][i], g->state[cell][i]};
}

static void exchange(uint8_t x[2])
{
    const uint8_t first = x[0];
    x[0] = x[1];
    x[1] = first;
}

static void sort(struct node n)
{
    if (n.state[0] < n.state[1] || (n.state[0] == n.state[1] && n.op[0] <= n.op[1])) return;
    exchange(n.op);
    exchange(n.state);
}

static uint32_t pairs(uint32_t i)
{
    return (i + 2) * (i + 1) / 2;
}

// How many choices node i has in DARTS's space, and beyond it. Those beyond are numbered behind
// the others.
static uint64_t strict_of(uint32_t i)
{
    return 49 * pairs(i);
}

static uint64_t beyond_of(uint32_t i)
{
    return WITH_NONE * pairs(i) + ONE_STATE * (i + 2);
}

// Pairs of states a < b are numbered by b, then a.
static uint64_t encode_node(struct node n, uint32_t i)
{
    const uint32_t a = n.state[0], b = n.state[1], x = n.op[0], y = n.op[1];
    const uint32_t pair = b * (b - 1) / 2 + a;
    if (a == b) return strict_of(i) + WITH_NONE * pairs(i) + ONE_STATE * a + y * (y + 1) / 2 + x;
    if (x == DARTS_NONE || y == DARTS_NONE)
        return strict_of(i) + WITH_NONE * pair + (x == DARTS_NONE ? y : 7 + x);
    return 49 * pair + 7 * (x - DARTS_SKIP) + y - DARTS_SKIP;
}

static void set_pair(struct node n, uint64_t pair)
{
    for (n.state[1] = 1; pair >= n.state[1];) pair -= n.state[1]++;
    n.state[0] = (uint8_t)pair;
}

static void decode_beyond(uint64_t code, uint32_t i, struct node n)
{
    const uint64_t with_none = WITH_NONE * pairs(i);
    if (code < with_none) {
        const uint8_t op = (uint8_t)(code % WITH_NONE);
        set_pair(n, code / WITH_NONE);
        n.op[0] = op > 7 ? op - 7 : DARTS_NONE;
        n.op[1] = op > 7 ? DARTS_NONE : op;
        return;
    }
    uint64_t rest = (code - with_none) % ONE_STATE;
    n.state[0] = n.state[1] = (uint8_t)((code - with_none) / ONE_STATE);
    for (n.op[1] = 0; rest > n.op[1];) rest -= ++n.op[1];
    n.op[0] = (uint8_t)rest;
}

static void decode_node(uint64_t code, uint32_t i, struct node n)
{
    if (code >= strict_of(i)) {
        decode_beyond(code - strict_of(i), i, n);
        return;
    }
    set_pair(n, code / 49);
    n.op[0] = (uint8_t)(DARTS_SKIP + code / 7 % 7);
    n.op[1] = (uint8_t)(DARTS_SKIP + code % 7);
}

// ---- cells --------------------------------------------------------------------------------------
// The choices of node i in cells whose first node beyond DARTS's space is node `first`.
static uint64_t choices(uint32_t i, uint32_t first)
{
    if (i == first) return beyond_of(i);
    return i < first ? strict_of(i) : strict_of(i) + beyond_of(i);
}

static uint64_t cells(uint32_t first)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < DARTS_NODES; i++) n *= choices(i, first);
    return n;
}

static uint64_t size(const struct assay_space *space)
{
    uint64_t n = darts_size(space);
    for (uint32_t first = 0; first < DARTS_NODES; first++) n += cells(first);
    return n;
}

// The first node beyond DARTS's space, DARTS_NODES if none is.
static uint32_t first_beyond(struct darts_genotype *g, uint32_t cell)
{
    uint32_t i = 0;
    while (i < DARTS_NODES && encode_node(node_of(g, cell, i), i) < strict_of(i)) i++;
    return i;
}

static uint64_t encode(const struct assay_space *space, struct darts_genotype *g)
{
    const uint32_t first = first_beyond(g, DARTS_NORMAL);
    uint64_t index = darts_size(space), cell = 0;
    if (first == DARTS_NODES) return darts_encode(g);
    for (uint32_t i = 0; i < first; i++) index += cells(i);
    for (uint32_t i = 0; i < DARTS_NODES; i++)
        cell = cell * choices(i, first) + encode_node(node_of(g, DARTS_NORMAL, i), i) -
               (i == first ? strict_of(i) : 0);
    return index + cell;
}

static void decode(const struct assay_space *space, uint64_t index, struct darts_genotype *g)
{
    const uint64_t strict = darts_size(space);
    uint32_t first = 0;
    *g = (struct darts_genotype){.tolerant = true};
    if (index < strict) {
        darts_decode(index, g);
        return;
    }
    for (index -= strict; index >= cells(first);) index -= cells(first++);
    for (uint32_t i = DARTS_NODES; i-- > 0; index /= choices(i, first)) {
        const uint64_t code = index % choices(i, first) + (i == first ? strict_of(i) : 0);
        for (uint32_t c = 0; c < DARTS_CELLS; c++) decode_node(code, i, node_of(g, c, i));
    }
}

// ---- the space ----------------------------------------------------------------------------------
static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    struct darts_genotype genotype;
    decode(space, index, &genotype);
    return darts_build(&genotype, net, g, err);
}

static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    struct darts_genotype genotype;
    decode(space, index, &genotype);
    return darts_format_genotype(&genotype, text, cap);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    struct darts_genotype g;
    decode(space, index, &g);
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        struct assay_drawing_cell *cell = draw_cell(drawing, darts_cell_name[c], 2 + DARTS_NODES);
        for (uint32_t i = 0; i < DARTS_NODES; i++)
            for (int k = 0; k < 2; k++)
                draw_edge(cell, g.state[c][i][k], 2 + i, darts_op_name[g.op[c][i][k]]);
    }
}

static bool are_equal(const struct darts_genotype *g)
{
    return memcmp(g->op[0], g->op[1], sizeof g->op[0]) == 0 &&
           memcmp(g->state[0], g->state[1], sizeof g->state[0]) == 0;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    struct darts_genotype genotype = {.tolerant = true};
    const struct space_text begin = *t;
    ASSAY_TRY(darts_parse_genotype(t, &genotype));
    for (uint32_t c = 0; c < DARTS_CELLS; c++)
        for (uint32_t i = 0; i < DARTS_NODES; i++) sort(node_of(&genotype, c, i));
    const bool strict = first_beyond(&genotype, DARTS_NORMAL) == DARTS_NODES &&
                        first_beyond(&genotype, DARTS_REDUCE) == DARTS_NODES;
    if (!strict && !are_equal(&genotype))
        return space_text_fail(&begin,
                               "equal cells where one has none or two edges from one state");
    *index = encode(space, &genotype);
    return ASSAY_OK;
}

// It does not matter from which state `none` comes. The smallest index has it from state 0, or
// from 1 where the other edge comes from 0.
static uint64_t canonical(const struct assay_space *space, uint64_t index)
{
    struct darts_genotype genotype;
    if (index < darts_size(space)) return index;
    decode(space, index, &genotype);
    for (uint32_t i = 0; i < DARTS_NODES; i++) {
        const struct node n = node_of(&genotype, DARTS_NORMAL, i);
        const uint32_t none = n.op[0] == DARTS_NONE ? 0 : 1;
        if (n.op[none] != DARTS_NONE) continue;
        if (n.op[!none] == DARTS_NONE) n.state[!none] = 0;
        n.state[none] = n.state[!none] == 0;
        sort(n);
    }
    return encode(space, &genotype);
}

const struct assay_space_kind assay_space_darts_tolerant = {
    .name = "darts-tolerant",
    .help = "DARTS's space, and equal cells that may have `none` and two edges from one state",
    .source = "lists of SWAP-NAS (Peng et al., ICLR 2024) are such",
    DARTS_NETWORKS,
    .size = size,
    .build = build,
    .draw = draw,
    .format = format,
    .parse = parse,
    .canonical = canonical,
};
