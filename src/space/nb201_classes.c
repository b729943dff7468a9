// SPDX-License-Identifier: Apache-2.0
// Functional equivalence of NAS-Bench-201 cells, and of those of TransNAS-Bench-101, at
// initialisation. Every node of a cell is a linear form sum c * pool^p(atom), the atoms being the
// cell's input and its convolutions: skip is the identity, `none` is 0, average pooling is linear,
// and a convolution of 0 is 0 (BN shifts start at 0). Two cells are the same random network when
// one relabelling of the convolutions that reach the output makes their forms equal. In a cell of
// stride 2 a skip from its input is an atom, too.
#include "nb201.h"

#include <stdlib.h>
#include <string.h>

// Atom 0 is the cell's input, atom 1 + k the convolution on edge k. A form holds for each atom four
// 4-bit coefficients, of pool^0 (lowest) to pool^3; a path has at most three edges, and at most
// four paths join two nodes, so nothing overflows.
#define ATOMS (1 + NB201_EDGES)

struct form {
    uint16_t term[ATOMS];
};

struct cell {
    struct form of_atom[ATOMS]; // input form of a convolution; unused for atom 0
    uint8_t kind[ATOMS];        // operation of a convolution
    bool strided;
    struct form output;
    uint8_t live[NB201_EDGES]; // convolutions that reach the output
    uint32_t n_live;
};

// A cell under one labelling of its live convolutions, comparable as bytes.
struct key {
    uint16_t n_live;
    uint16_t kind[NB201_EDGES];
    struct form of_label[NB201_EDGES];
    struct form output;
};

struct row {
    struct key key[2]; // of the cell of stride 1, and of the one of stride 2
    uint16_t index;    // stands behind what is compared
};
#define KEY_BYTES offsetof(struct row, index)

static bool is_zero(const struct form *f)
{
    for (int a = 0; a < ATOMS; a++) {
        if (f->term[a]) return false;
    }
    return true;
}

static void add_edge(struct cell *c, struct form *to, const struct form *from, uint8_t op, int k)
{
    const int shift = op == NB201_AVG_POOL ? 4 : 0;
    if (op == NB201_NONE || is_zero(from)) return;
    const bool reduces = c->strided && nb201_from[k] == 0;
    if ((op == NB201_SKIP && !reduces) || op == NB201_AVG_POOL) {
        for (int a = 0; a < ATOMS; a++) to->term[a] += (uint16_t)(from->term[a] << shift);
        return;
    }
    c->kind[1 + k] = op;
    c->of_atom[1 + k] = *from;
    to->term[1 + k]++;
}

static void find_live(struct cell *c)
{
    bool live[ATOMS] = {false};
    for (int a = 0; a < ATOMS; a++) live[a] = c->output.term[a] != 0;
    // A convolution reads only convolutions on earlier edges.
    for (int a = ATOMS - 1; a > 0; a--) {
        if (!live[a]) continue;
        for (int b = 0; b < ATOMS; b++) live[b] |= c->of_atom[a].term[b] != 0;
    }
    for (uint8_t a = 1; a < ATOMS; a++) {
        if (live[a]) c->live[c->n_live++] = a;
    }
}

static void analyse(const uint8_t op[NB201_EDGES], bool strided, struct cell *c)
{
    struct form node[4] = {{{1}}};
    *c = (struct cell){.strided = strided};
    for (int k = 0; k < NB201_EDGES; k++)
        add_edge(c, &node[nb201_to[k]], &node[nb201_from[k]], op[k], k);
    c->output = node[3];
    find_live(c);
}

// Writes a cell under a labelling: label[l] is the atom called 1 + l.
static struct form relabel(const struct form *f, const uint8_t *label, uint32_t n)
{
    struct form out = {{f->term[0]}};
    for (uint32_t l = 0; l < n; l++) out.term[1 + l] = f->term[label[l]];
    return out;
}

static void keep_smallest(const struct cell *c, const uint8_t *label, struct key *best)
{
    struct key key;
    memset(&key, 0, sizeof key);
    key.n_live = (uint16_t)c->n_live;
    for (uint32_t l = 0; l < c->n_live; l++) {
        key.kind[l] = c->kind[label[l]];
        key.of_label[l] = relabel(&c->of_atom[label[l]], label, c->n_live);
    }
    key.output = relabel(&c->output, label, c->n_live);
    if (memcmp(&key, best, sizeof key) < 0) *best = key;
}

// Tries all orders of label[at..n_live).
static void permute(const struct cell *c, uint8_t *label, uint32_t at, struct key *best)
{
    if (at == c->n_live) keep_smallest(c, label, best);
    for (uint32_t i = at; i < c->n_live; i++) {
        const uint8_t first = label[at], other = label[i];
        label[at] = other;
        label[i] = first;
        permute(c, label, at + 1, best);
        label[at] = first;
        label[i] = other;
    }
}

static void find_key(const uint8_t op[NB201_EDGES], bool strided, struct key *key)
{
    struct cell c;
    analyse(op, strided, &c);
    memset(key, 0xff, sizeof *key);
    permute(&c, c.live, 0, key);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    const int order = memcmp(x, y, KEY_BYTES);
    return order ? order : (int)x->index - (int)y->index;
}

// canonical[i] is the smallest index of its class.
static void find_classes(uint32_t n, uint32_t ops, bool strided, struct row *row,
                         uint16_t *canonical)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t op[NB201_EDGES];
        nb201_decode(i, ops, op);
        row[i].index = (uint16_t)i;
        find_key(op, false, &row[i].key[0]);
        if (strided) find_key(op, true, &row[i].key[1]);
    }
    qsort(row, n, sizeof *row, compare_rows);
    for (uint32_t i = 0; i < n; i++) {
        const bool same = i > 0 && memcmp(&row[i], &row[i - 1], KEY_BYTES) == 0;
        canonical[row[i].index] = same ? canonical[row[i - 1].index] : row[i].index;
    }
}

int nb201_open_classes(struct assay_space *space, uint32_t ops, bool strided, struct assay_err *err)
{
    const uint32_t n = nb201_cells(ops);
    uint16_t *canonical = malloc(n * sizeof *canonical);
    struct row *row = calloc(n, sizeof *row);
    if (row && canonical) find_classes(n, ops, strided, row, canonical);
    space->state = row ? canonical : NULL;
    if (!row) free(canonical);
    free(row);
    return space->state
               ? ASSAY_OK
               : assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for %u architectures", n);
}

void nb201_close_classes(struct assay_space *space)
{
    free(space->state);
}

uint64_t nb201_canonical(const struct assay_space *space, uint64_t index)
{
    return ((const uint16_t *)space->state)[index];
}
