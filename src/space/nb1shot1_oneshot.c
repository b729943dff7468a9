// SPDX-License-Identifier: Apache-2.0
// The one-shot network of NAS-Bench-1Shot1 (its repository's GDAS variant): operations are taken
// whole, while parents, of which a vertex has several, are blended. Parameters have the names of
// that repository.
#include "blocks.h"
#include "nb1shot1.h"

#define TERMS (NB101_VERTICES - 1) // in front of the output

static const char *const op_name[NB101_OPS] = {"maxpool3x3", "conv3x3-bn-relu", "conv1x1-bn-relu"};

// ---- choices ------------------------------------------------------------------------------------
// Each vertex chooses its parents, where it has fewer than there are, and its operation; the output
// chooses its parents.
struct made {
    uint32_t vertex;
    bool parents; // not the operation
};

static bool chooses(const struct nb1shot1 *s, uint32_t vertex)
{
    return s->parents[vertex - 1] < vertex;
}

static struct made made_by(const struct nb1shot1 *s, uint32_t choice)
{
    uint32_t v = 1;
    for (; choice > chooses(s, v); v++) choice -= chooses(s, v) + 1;
    return (struct made){.vertex = v, .parents = choice == 0 && chooses(s, v)};
}

static uint32_t cells(const struct assay_space *space, const struct assay_net *net)
{
    (void)space;
    return net->cells;
}

static uint32_t choice(const struct assay_space *space, const struct assay_net *net, uint32_t mix)
{
    (void)net;
    return mix % space->kind->oneshot->per_cell;
}

// Names an option: "node 3: parent 1", "node 3: conv3x3-bn-relu", "output: parent 0".
static void name(const struct assay_space *space, uint32_t choice, uint32_t option,
                 char text[ASSAY_ONESHOT_NAME])
{
    const struct nb1shot1 *s = nb1shot1_of(space);
    const struct made made = made_by(s, choice);
    char vertex[16] = "output", number[16];
    snprintf(number, sizeof number, "parent %u", option);
    if (made.vertex <= s->blocks) snprintf(vertex, sizeof vertex, "node %u", made.vertex);
    snprintf(text, ASSAY_ONESHOT_NAME, "%s: %s", vertex, made.parents ? number : op_name[option]);
}

static uint64_t index_of(const struct assay_space *space, const uint8_t *option)
{
    const struct nb1shot1 *s = nb1shot1_of(space);
    struct nb101_cell cell = {.n = s->blocks + 2};
    uint64_t index = 0;
    bool other;
    for (uint32_t v = 1; v < cell.n; v++) {
        cell.from[v] = (uint16_t)(chooses(s, v) ? *option++ : (1u << v) - 1);
        if (v <= s->blocks) cell.op[v] = nb1shot1_op[*option++];
    }
    const bool found = nb1shot1_index(space, &cell, &index, &other);
    ASSAY_ASSERT(found);
    return index;
}

// ---- the network --------------------------------------------------------------------------------
struct cell {
    struct assay_graph *g;
    const struct assay_oneshot *shot;
    const struct nb1shot1 *s;
    uint32_t in, c, number; // node that it reads, channels of a vertex, number of the cell
};

static uint32_t conv_bn_relu(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                             bool affine, const char *prefix)
{
    char name[96];
    snprintf(name, sizeof name, "%s.op.0", prefix);
    x = assay_graph_conv(g, x, c, kernel, 1, kernel / 2, 1, 1, name);
    snprintf(name, sizeof name, "%s.op.1", prefix);
    return assay_graph_relu(g, assay_graph_bn(g, x, affine, name));
}

// Of the cell's input, for vertex v.
static uint32_t project(const struct cell *cell, uint32_t v, uint32_t c)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "cells.%u._input_projections.%u", cell->number, v - 1);
    return conv_bn_relu(cell->g, cell->in, c, 1, cell->shot->affine, prefix);
}

static uint32_t operations(const struct cell *cell, uint32_t v, uint32_t x)
{
    uint32_t op[NB101_OPS] = {assay_graph_pool(cell->g, ASSAY_OP_MAX_POOL, x, 3, 1, 1)};
    for (uint32_t o = 1; o < NB101_OPS; o++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "cells.%u._choice_blocks.%u.mixed_op._ops.%u.op",
                 cell->number, v - 1, o);
        op[o] = conv_bn_relu(cell->g, x, cell->c, o == 1 ? 3 : 1, cell->shot->affine, prefix);
    }
    return space_mix(cell->g, cell->shot, NB101_OPS, op);
}

// term: the projection of the input, then the vertices before v.
static uint32_t parents(const struct cell *cell, uint32_t v, const uint32_t *term)
{
    return chooses(cell->s, v) ? space_mix(cell->g, cell->shot, v, term)
                               : assay_graph_add(cell->g, v, term, NULL);
}

// Makes of each vertex what it is in the concatenation of all, zeros beside it, so that its weight
// is the coefficient of an input.
static void spread(const struct cell *cell, uint32_t *term)
{
    const struct assay_shape shape = assay_graph_shape(cell->g, term[1]);
    const uint32_t zero = assay_graph_zero(cell->g, shape.c, shape.h, shape.w);
    for (uint32_t v = 1; v <= cell->s->blocks; v++) {
        uint32_t part[TERMS];
        for (uint32_t i = 1; i <= cell->s->blocks; i++) part[i - 1] = i == v ? term[v] : zero;
        term[v] = assay_graph_concat(cell->g, cell->s->blocks, part);
    }
}

static uint32_t append(const struct cell *cell)
{
    const uint32_t last = cell->s->blocks + 1;
    uint32_t term[TERMS];
    for (uint32_t v = 1; v < last; v++) {
        term[0] = project(cell, v, cell->c);
        term[v] = operations(cell, v, parents(cell, v, term));
    }
    spread(cell, term);
    term[0] = project(cell, last, cell->s->blocks * cell->c);
    return parents(cell, last, term);
}

static uint32_t head(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t classes)
{
    x = assay_graph_conv(g, assay_graph_relu(g, x), c, 1, 1, 0, 1, 1, "postprocess.op.1");
    return space_classify(g, assay_graph_bn(g, x, false, "postprocess.op.2"), classes);
}

static int build(const struct assay_space *space, const struct assay_oneshot *shot,
                 const struct assay_net *net, struct assay_graph *g, struct assay_err *err)
{
    struct cell cell = {.g = g, .shot = shot, .s = nb1shot1_of(space), .c = net->channels};
    cell.in = conv_bn_relu(g, space_input(g, net), cell.c, 3, shot->affine, "stem");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, cell.in);
    for (; cell.number < net->cells; cell.number++) {
        if (cell.number == net->cells / 3 || cell.number == 2 * net->cells / 3) {
            cell.in = assay_graph_pool(g, ASSAY_OP_MAX_POOL, cell.in, 2, 2, 1);
            cell.c *= 2;
        }
        cell.in = append(&cell);
        assay_graph_feature(g, ASSAY_FEATURE_CELL, cell.in);
    }
    head(g, cell.in, cell.c, net->classes);
    return assay_graph_finish(g, err);
}

// Behind the head's BN the sum over the batch is 0, whatever the weights before it.
static const char singular[] = "its last BN has no gamma and beta, so that the sum of logits over "
                               "the batch is constant and the NTK's rows add up to 0";

// ---- the spaces ---------------------------------------------------------------------------------
// Of vertex after vertex, parents and operation, and of the output.
static const uint8_t options[NB1SHOT1_SPACES][ASSAY_ONESHOT_CHOICES] = {
    {3, 3, 3, 3, 4, 3, 5}, {3, 2, 3, 3, 3, 4, 3, 5}, {3, 2, 3, 3, 3, 4, 3, 5, 3, 6}};
static const uint8_t blends[NB1SHOT1_SPACES][ASSAY_ONESHOT_CHOICES] = {
    {0, 0, 2, 0, 2, 0, 2}, {0, 1, 0, 2, 0, 2, 0, 3}, {0, 1, 0, 1, 0, 2, 0, 2, 0, 2}};
static const uint8_t itself[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

#define ONESHOT(number, n)                                                                         \
    {                                                                                              \
        .net = {.channels = 16, .cells = 9, .classes = 10, .image = 32, .stem = 1}, .choices = n,  \
        .per_cell = n, .options = options[number], .differs = itself, .blends = blends[number],    \
        .singular = singular, .cells = cells, .choice = choice, .build = build, .name = name,      \
        .index = index_of,                                                                         \
    }
const struct assay_oneshot_kind nb1shot1_oneshot[NB1SHOT1_SPACES] = {ONESHOT(0, 7), ONESHOT(1, 8),
                                                                     ONESHOT(2, 10)};
