// SPDX-License-Identifier: Apache-2.0
// NAS-Bench-101 (Ying et al., ICML 2019): a cell is a graph of at most 7 vertices and 9 edges,
// vertex 0 its input, the last its output, the others with one of 3 operations each.
#ifndef ASSAY_SRC_SPACE_NB101_H
#define ASSAY_SRC_SPACE_NB101_H

#include "assay/space.h"

#define NB101_VERTICES 7
#define NB101_EDGES    9
#define NB101_OPS      3
#define NB101_SIZE     423624

enum { NB101_CONV_3X3, NB101_CONV_1X1, NB101_MAX_POOL };

// Edges run from a vertex to a later one. A cell that somebody writes may have more vertices than
// it needs.
#define NB101_WRITTEN_MAX 16
struct nb101_cell {
    uint32_t n;                       // vertices
    uint16_t from[NB101_WRITTEN_MAX]; // (n) bit u of from[v]: an edge from u to v
    uint8_t op[NB101_WRITTEN_MAX];    // (n) of those between input and output
};

// Takes off the vertices that are on no path from the input to the output, and keeps the order of
// the others; false: there is no path.
bool nb101_prune(struct nb101_cell *cell);
uint32_t nb101_edges(const struct nb101_cell *cell);

// A pruned cell within the limits as a number: its vertices, then the bits of its edges, u -> v
// being bit u + v (v - 1) / 2, then its operations as digits. The benchmark enumerates cells in the
// order of these numbers, and of isomorphic ones has the first.
uint32_t nb101_encode(const struct nb101_cell *cell);
void nb101_decode(uint32_t code, struct nb101_cell *cell);
// The smallest code of the cells that are isomorphic to this one.
uint32_t nb101_first(const struct nb101_cell *cell);

// The benchmark's hash of a pruned cell, equal for isomorphic ones: of at most NB101_LANES cells at
// a time that differ in operations alone.
#define NB101_LANES      8
#define NB101_HASH_BYTES 16
void nb101_hash(const struct nb101_cell *cell, uint32_t n, uint8_t hash[][NB101_HASH_BYTES]);

// All cells in ascending order of their hashes, which numbers them: the codes, and the first four
// bytes of the hashes as big-endian numbers; and in the order of their codes, the numbers. The
// tables are made when the program is built.
extern const uint32_t nb101_code[NB101_SIZE], nb101_prefix[NB101_SIZE], nb101_by_code[NB101_SIZE];

// ---- cells by their indices ---------------------------------------------------------------------
// The hash in hexadecimal digits, and the cell of one (lower case); false: there is none.
#define NB101_HEX (2 * NB101_HASH_BYTES)
void nb101_name(uint64_t index, char text[NB101_HEX + 1]);
bool nb101_find_hash(const char *text, uint64_t *index);
// The index of a cell that is within the limits when it is pruned. *other: it is another encoding
// than the one that the benchmark has.
uint32_t nb101_find(const struct nb101_cell *cell, bool *other);
// As the callbacks of a space.
int nb101_build(uint64_t index, const struct assay_net *net, struct assay_graph *g,
                struct assay_err *err);

void nb101_draw(const struct nb101_cell *cell, struct assay_drawing *drawing);

// ---- "0111;0001;0001;0000/00" -------------------------------------------------------------------
// The rows of the matrix of edges, and the operations.
int nb101_write(const struct nb101_cell *cell, char *text, size_t cap);
struct space_text;
// Reads such a text, a hash, or what Python, NASLib and the benchmark's own file have in their
// place: the cell as it is written, which is within the limits when it is pruned.
int nb101_read(struct space_text *t, struct nb101_cell *cell);
int nb101_parse(const struct assay_space *space, struct space_text *t, uint64_t *index);

#endif
