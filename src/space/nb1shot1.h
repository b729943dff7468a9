// SPDX-License-Identifier: Apache-2.0
// NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020): three parts of NAS-Bench-101 in which every
// vertex has a given number of parents, so that one-shot networks exist. Many encodings lead to the
// same cell, as vertices that lead nowhere do not count.
#ifndef ASSAY_SRC_SPACE_NB1SHOT1_H
#define ASSAY_SRC_SPACE_NB1SHOT1_H

#include "nb101.h"

#define NB1SHOT1_SPACES 3

struct nb1shot1 {
    uint32_t blocks;                     // vertices between input and output
    uint8_t parents[NB101_VERTICES - 1]; // (blocks + 1) of each of these, then of the output
    uint32_t encodings, cells;           // cells: different ones
    uint32_t first;                      // row of nb1shot1_cells
};
extern const struct nb1shot1 nb1shot1_space[NB1SHOT1_SPACES];
#define NB1SHOT1_CELLS (2685 + 7773 + 55854)

// An encoding is a number of mixed radix, of which vertex 1 is the highest digit: the sets of
// parents of each vertex and of the output, in lexicographic order, then the operations: max pool,
// 3x3, 1x1.
void nb1shot1_decode(const struct nb1shot1 *s, uint32_t encoding, struct nb101_cell *cell);
// In the order of encodings.
extern const uint8_t nb1shot1_op[NB101_OPS];
// The encoding that a cell of blocks + 2 vertices is, or of one more that leads nowhere before the
// output; false: it is none.
bool nb1shot1_encode(const struct nb1shot1 *s, const struct nb101_cell *cell, uint32_t *encoding);

// Which of the spaces it is.
const struct nb1shot1 *nb1shot1_of(const struct assay_space *space);
// The architecture that a cell is, as the space numbers them; false: no encoding leads to it.
// *other: it is another encoding of the architecture.
bool nb1shot1_index(const struct assay_space *space, const struct nb101_cell *cell, uint64_t *index,
                    bool *other);
extern const struct assay_oneshot_kind nb1shot1_oneshot[NB1SHOT1_SPACES];

// The cells that encodings of each space lead to, ascending, and the smallest encoding of each.
// Made when the program is built.
extern const uint32_t nb1shot1_cells[NB1SHOT1_CELLS][2];

#endif
