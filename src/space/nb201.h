// SPDX-License-Identifier: Apache-2.0
// NAS-Bench-201 (Dong and Yang, ICLR 2020): a cell is 6 edges with one of 5 operations each.
#ifndef ASSAY_SRC_SPACE_NB201_H
#define ASSAY_SRC_SPACE_NB201_H

#include "assay/space.h"

#define NB201_EDGES 6
#define NB201_OPS   5
#define NB201_SIZE  15625

enum { NB201_NONE, NB201_SKIP, NB201_CONV_1X1, NB201_CONV_3X3, NB201_AVG_POOL };

// Edges in string order: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; edge k runs from node from[k] to node to[k].
extern const uint8_t nb201_from[NB201_EDGES], nb201_to[NB201_EDGES];
extern const char *const nb201_op_name[NB201_OPS];

// Cells of 6 edges that have the first `ops` operations to choose: their number, and operations as
// the digits of an index, that of edge 0-1 the most significant.
uint32_t nb201_cells(uint32_t ops);
void nb201_decode(uint64_t index, uint32_t ops, uint8_t op[NB201_EDGES]);
uint64_t nb201_encode(const uint8_t op[NB201_EDGES], uint32_t ops);

// Appends an operation with c channels at its output, as a module of that name; avg_pool_3x3 keeps
// the number of channels.
uint32_t nb201_operation(struct assay_graph *g, uint8_t op, uint32_t x, uint32_t c, bool affine,
                         const char *name);
// Appends the cell as modules cells.NUMBER.layers.EDGE; node 0 is its input x, node 3 its output.
// Edges from node 0 change the number of channels to c.
uint32_t nb201_cell(struct assay_graph *g, const uint8_t op[NB201_EDGES], uint32_t x, uint32_t c,
                    uint32_t number);

int nb201_format(const struct assay_space *space, uint64_t index, char *text, size_t cap);
// Reads |op~0|+..., also within Structure(4 nodes with ...); AutoDL's list of each node's (op,
// from); NASLib's tuple of six numbers; and NNI's {"0_1": op, ...}.
int nb201_parse(const struct assay_space *space, struct space_text *t, uint64_t *index);

// The callbacks of a space of nb201_cells(ops) cells whose state is their classes: which compute
// the same function at initialisation; the smallest index stands for its class. strided: networks
// have the cell with stride 2, too, where a skip from its input has weights.
int nb201_open_classes(struct assay_space *space, uint32_t ops, bool strided,
                       struct assay_err *err);
void nb201_close_classes(struct assay_space *space);
uint64_t nb201_canonical(const struct assay_space *space, uint64_t index);

#endif
