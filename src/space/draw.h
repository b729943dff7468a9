// SPDX-License-Identifier: Apache-2.0
// Filling drawings.
#ifndef ASSAY_SRC_SPACE_DRAW_H
#define ASSAY_SRC_SPACE_DRAW_H

#include "assay/space.h"

// Appends a cell of so many nodes, without edges.
struct assay_drawing_cell *draw_cell(struct assay_drawing *drawing, const char *name,
                                     uint32_t nodes);
void draw_edge(struct assay_drawing_cell *cell, uint32_t from, uint32_t to, const char *op);
// Draws the only cell as a chain of n choices, which are numbers into the names.
void draw_chain(struct assay_drawing *drawing, const char *const *name, const uint8_t *choice,
                uint32_t n);

#endif
