// SPDX-License-Identifier: Apache-2.0
#include "draw.h"

struct assay_drawing_cell *draw_cell(struct assay_drawing *drawing, const char *name,
                                     uint32_t nodes)
{
    ASSAY_ASSERT(drawing->n_cell < ASSAY_LEN(drawing->cell) && nodes <= ASSAY_DRAWING_NODES);
    struct assay_drawing_cell *cell = &drawing->cell[drawing->n_cell++];
    *cell = (struct assay_drawing_cell){.name = name, .n_node = nodes};
    return cell;
}

void draw_edge(struct assay_drawing_cell *cell, uint32_t from, uint32_t to, const char *op)
{
    ASSAY_ASSERT(cell->n_edge < ASSAY_DRAWING_EDGES && from < to && to < cell->n_node);
    cell->edge[cell->n_edge++] =
        (struct assay_drawing_edge){.from = (uint8_t)from, .to = (uint8_t)to, .op = op};
}

void draw_chain(struct assay_drawing *drawing, const char *const *name, const uint8_t *choice,
                uint32_t n)
{
    struct assay_drawing_cell *cell = draw_cell(drawing, NULL, n + 1);
    for (uint32_t i = 0; i < n; i++) draw_edge(cell, i, i + 1, name[choice[i]]);
}

// ---- masks --------------------------------------------------------------------------------------
// How many nodes have no number among the edges' ends: DARTS counts the two inputs as states that
// edges come from, but not as nodes that they lead to.
static uint32_t inputs_before(const struct assay_supernet_kind *kind)
{
    uint32_t inputs = 0;
    for (uint32_t e = 0; e < kind->edges; e++)
        if (kind->from[e] + 1u > kind->to[e] + inputs) inputs = kind->from[e] + 1u - kind->to[e];
    return inputs;
}

static void draw_mask(const struct assay_supernet_kind *kind, const struct assay_supernet *mask,
                      struct assay_drawing *drawing)
{
    const uint32_t before = inputs_before(kind);
    for (uint32_t c = 0; c < kind->cells; c++) {
        const char *name = kind->cells > 1 ? kind->cell_name[c] : NULL;
        struct assay_drawing_cell *cell =
            draw_cell(drawing, name, before + kind->to[kind->edges - 1] + 1u);
        for (uint32_t e = 0; e < kind->edges; e++)
            for (uint32_t op = 0; op < kind->ops; op++)
                if (mask->alive[c][e] >> op & 1)
                    draw_edge(cell, kind->from[e], before + kind->to[e], kind->op_name[op]);
    }
}

bool assay_space_draw(const struct assay_space *space, uint64_t index,
                      struct assay_drawing *drawing)
{
    const struct assay_space_kind *kind = space->kind;
    *drawing = (struct assay_drawing){0};
    if (index >= assay_space_size(space) || (!kind->draw && !kind->supernet)) return false;
    if (kind->draw) {
        kind->draw(space, index, drawing);
    } else {
        struct assay_supernet mask = {{{0}}};
        kind->supernet->mask(space, index, &mask);
        draw_mask(kind->supernet, &mask, drawing);
    }
    return true;
}
