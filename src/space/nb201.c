// SPDX-License-Identifier: Apache-2.0
#include "blocks.h"
#include "nb201.h"
#include "stages.h"

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return NB201_SIZE;
}

// What stands in the place of every cell: an architecture, a supernet when there is a mask, or a
// one-shot network's cell.
struct cells {
    uint8_t op[NB201_EDGES];
    const struct assay_supernet *mask;
    const struct assay_oneshot *shot;
    bool affine;
};

static void mixed_edge(struct assay_graph *g, uint16_t alive, uint32_t k, uint32_t x,
                       uint32_t number, struct space_sum *sum)
{
    const uint32_t c = assay_graph_shape(g, x).c;
    for (uint8_t op = NB201_SKIP; op < NB201_OPS; op++) {
        if (!(alive & 1u << op)) continue;
        char name[64];
        snprintf(name, sizeof name, "cells.%u.edges.%u<-%u.%u", number, nb201_to[k], nb201_from[k],
                 op);
        space_sum_add(sum, nb201_operation(g, op, x, c, true, name),
                      1.0 / __builtin_popcount(alive));
    }
}

static uint32_t mixed_cell(struct assay_graph *g, const struct assay_supernet *mask, uint32_t x,
                           uint32_t number)
{
    const struct assay_shape s = assay_graph_shape(g, x);
    uint32_t node[4] = {x};
    for (uint32_t to = 1, k = 0; to < 4; to++) {
        struct space_sum sum = {.n = 0};
        for (; k < NB201_EDGES && nb201_to[k] == to; k++)
            mixed_edge(g, mask->alive[0][k], k, node[nb201_from[k]], number, &sum);
        node[to] = space_sum_end(g, &sum, s.c, s.h);
    }
    return node[3];
}

// Appends the cell of a one-shot network, in which every edge is a mix of the five operations.
static uint32_t shot_cell(struct assay_graph *g, const struct assay_oneshot *shot, uint32_t x,
                          uint32_t number)
{
    const uint32_t c = assay_graph_shape(g, x).c;
    uint32_t node[4] = {x};
    for (uint32_t to = 1, k = 0; to < 4; to++) {
        uint32_t term[3], n = 0;
        for (; k < NB201_EDGES && nb201_to[k] == to; k++) {
            const uint8_t from = nb201_from[k];
            uint32_t op[NB201_OPS];
            for (uint8_t o = 0; o < NB201_OPS; o++) {
                char name[64];
                snprintf(name, sizeof name, "cells.%u.edges.%u<-%u.%u", number, to, from, o);
                op[o] = nb201_operation(g, o, node[from], c, shot->affine, name);
            }
            term[n++] = space_mix(g, shot, NB201_OPS, op);
        }
        node[to] = assay_graph_add(g, n, term, NULL);
    }
    return node[3];
}

static uint32_t any_cell(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                         uint32_t stride, uint32_t number)
{
    const struct cells *cells = self;
    ASSAY_ASSERT(stride == 1);
    if (cells->shot) return shot_cell(g, cells->shot, x, number);
    if (cells->mask) return mixed_cell(g, cells->mask, x, number);
    return nb201_cell(g, cells->op, x, c, number);
}

// Three stages of N cells; residual blocks between them halve the map and double the channels.
static int build_cells(const struct cells *cells, const struct assay_net *net,
                       struct assay_graph *g, struct assay_err *err)
{
    const uint32_t c = net->channels, n = net->cells;
    const struct space_stage stage[] = {
        {.c = c, .cells = n},
        {.reduced = 2 * c, .c = 2 * c, .cells = n},
        {.reduced = 4 * c, .c = 4 * c, .cells = n},
    };
    const struct space_stages stages = {.stem_c = c,
                                        .stage = stage,
                                        .n = ASSAY_LEN(stage),
                                        .cell = any_cell,
                                        .self = cells,
                                        .affine = cells->affine};
    return space_stages_build(&stages, net, g, err);
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    struct cells cells = {.affine = true};
    (void)space;
    nb201_decode(index, NB201_OPS, cells.op);
    return build_cells(&cells, net, g, err);
}

static int build_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                          const struct assay_net *net, struct assay_graph *g, struct assay_err *err)
{
    const struct cells cells = {.mask = mask, .affine = true};
    (void)space;
    return build_cells(&cells, net, g, err);
}

static int build_oneshot(const struct assay_space *space, const struct assay_oneshot *shot,
                         const struct assay_net *net, struct assay_graph *g, struct assay_err *err)
{
    const struct cells cells = {.shot = shot, .affine = shot->affine};
    (void)space;
    return build_cells(&cells, net, g, err);
}

static uint32_t oneshot_cells(const struct assay_space *space, const struct assay_net *net)
{
    (void)space;
    return 3 * net->cells;
}

static uint32_t oneshot_choice(const struct assay_space *space, const struct assay_net *net,
                               uint32_t mix)
{
    (void)space;
    (void)net;
    return mix % NB201_EDGES;
}

static void oneshot_name(const struct assay_space *space, uint32_t choice, uint32_t option,
                         char text[ASSAY_ONESHOT_NAME])
{
    (void)space;
    snprintf(text, ASSAY_ONESHOT_NAME, "%u<-%u %s", nb201_to[choice], nb201_from[choice],
             nb201_op_name[option]);
}

static uint64_t oneshot_index(const struct assay_space *space, const uint8_t *option)
{
    (void)space;
    return nb201_encode(option, NB201_OPS);
}

static uint64_t index_of(const struct assay_space *space, const struct assay_supernet *mask)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    for (int k = 0; k < NB201_EDGES; k++) op[k] = (uint8_t)__builtin_ctz(mask->alive[0][k]);
    return nb201_encode(op, NB201_OPS);
}

static void mask_of(const struct assay_space *space, uint64_t index, struct assay_supernet *mask)
{
    uint8_t op[NB201_EDGES];
    (void)space;
    nb201_decode(index, NB201_OPS, op);
    for (int k = 0; k < NB201_EDGES; k++) mask->alive[0][k] = (uint16_t)(1u << op[k]);
}

static int open_classes(struct assay_space *space, struct assay_err *err)
{
    return nb201_open_classes(space, NB201_OPS, false, err);
}

static const char *const cell_name[] = {"only"};
static const struct assay_supernet_kind supernet = {
    .cells = 1,
    .edges = NB201_EDGES,
    .ops = NB201_OPS,
    .cell_name = cell_name,
    .op_name = nb201_op_name,
    .from = nb201_from,
    .to = nb201_to,
    .build = build_supernet,
    .index = index_of,
    .mask = mask_of,
};

static const uint8_t edge_options[NB201_EDGES] = {5, 5, 5, 5, 5, 5};
static const uint8_t edge_number[NB201_EDGES] = {0, 1, 2, 3, 4, 5};
static const struct assay_oneshot_kind oneshot = {
    .net = {.channels = 16, .cells = 5, .classes = 10, .image = 32, .stem = 1},
    .choices = NB201_EDGES,
    .per_cell = NB201_EDGES,
    .options = edge_options,
    .none = true,
    .differs = edge_number,
    .cells = oneshot_cells,
    .choice = oneshot_choice,
    .build = build_oneshot,
    .name = oneshot_name,
    .index = oneshot_index,
};

const struct assay_space_kind assay_space_nb201 = {
    .name = "nas-bench-201",
    .help = "NAS-Bench-201: cells of 6 edges, 5 operations each",
    .source = "Dong and Yang, ICLR 2020",
    .search = {.channels = 3, .cells = 1, .classes = 10, .image = 32, .stem = 1},
    .full = {.channels = 16, .cells = 5, .classes = 10, .image = 32, .stem = 1},
    .image_multiple = 4,
    .patch = 3,
    .open = open_classes,
    .close = nb201_close_classes,
    .size = size,
    .build = build,
    .format = nb201_format,
    .parse = nb201_parse,
    .canonical = nb201_canonical,
    .supernet = &supernet,
    .oneshot = &oneshot,
};
