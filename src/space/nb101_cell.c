// SPDX-License-Identifier: Apache-2.0
#include "nb101.h"

// ---- what is on a path --------------------------------------------------------------------------
static uint32_t reached(const struct nb101_cell *cell)
{
    uint32_t mask = 1;
    for (uint32_t v = 1; v < cell->n; v++)
        if (cell->from[v] & mask) mask |= 1u << v;
    return mask;
}

static uint32_t reaching(const struct nb101_cell *cell)
{
    uint32_t mask = 1u << (cell->n - 1);
    for (uint32_t v = cell->n - 1; v > 0; v--)
        if (mask & 1u << v) mask |= cell->from[v];
    return mask;
}

// The bits of the mask's vertices, moved together.
static uint16_t gather(uint32_t bits, uint32_t mask)
{
    uint32_t out = 0;
    for (uint32_t v = 0, at = 0; mask >> v; v++)
        if (mask & 1u << v) out |= (bits >> v & 1) << at++;
    return (uint16_t)out;
}

bool nb101_prune(struct nb101_cell *cell)
{
    const uint32_t keep = reached(cell) & reaching(cell);
    uint32_t n = 0;
    if (!(keep & 1)) return false;
    for (uint32_t v = 0; v < cell->n; v++) {
        if (!(keep & 1u << v)) continue;
        cell->from[n] = gather(cell->from[v], keep);
        cell->op[n++] = cell->op[v];
    }
    cell->n = n;
    return true;
}

uint32_t nb101_edges(const struct nb101_cell *cell)
{
    uint32_t edges = 0;
    for (uint32_t v = 0; v < cell->n; v++) edges += (uint32_t)__builtin_popcount(cell->from[v]);
    return edges;
}

// ---- codes --------------------------------------------------------------------------------------
enum { OP_BITS = 8, EDGE_BITS = NB101_VERTICES * (NB101_VERTICES - 1) / 2 };

uint32_t nb101_encode(const struct nb101_cell *cell)
{
    uint32_t edges = 0, ops = 0;
    for (uint32_t v = 1; v < cell->n; v++) edges |= (uint32_t)cell->from[v] << v * (v - 1) / 2;
    for (uint32_t v = 1; v + 1 < cell->n; v++) ops = NB101_OPS * ops + cell->op[v];
    return (cell->n << EDGE_BITS | edges) << OP_BITS | ops;
}

void nb101_decode(uint32_t code, struct nb101_cell *cell)
{
    uint32_t ops = code & ((1u << OP_BITS) - 1);
    *cell = (struct nb101_cell){.n = code >> (OP_BITS + EDGE_BITS)};
    for (uint32_t v = 1; v < cell->n; v++)
        cell->from[v] = (uint16_t)(code >> OP_BITS >> v * (v - 1) / 2 & ((1u << v) - 1));
    for (uint32_t v = cell->n; v-- > 2; ops /= NB101_OPS)
        cell->op[v - 1] = (uint8_t)(ops % NB101_OPS);
}

// ---- isomorphic cells ---------------------------------------------------------------------------
// An order of a cell's vertices in which edges run forward.
struct relabelling {
    const struct nb101_cell *cell;
    uint32_t at[NB101_VERTICES]; // where each vertex stands
    struct nb101_cell out;
    uint32_t smallest;
};

// Gives place v to each vertex in turn whose parents all have one, and goes on from there. placed:
// the vertices that have one.
static void place(struct relabelling *r, uint32_t v, uint32_t placed)
{
    const uint32_t last = r->cell->n - 1;
    for (uint32_t u = 1; u <= last; u++) {
        if (placed & 1u << u || r->cell->from[u] & ~placed || (u == last) != (v == last)) continue;
        r->out.from[v] = 0;
        for (uint32_t p = 0; p < u; p++)
            if (r->cell->from[u] & 1u << p) r->out.from[v] |= (uint16_t)(1u << r->at[p]);
        r->out.op[v] = r->cell->op[u];
        r->at[u] = v;
        if (v < last) {
            place(r, v + 1, placed | 1u << u);
            continue;
        }
        const uint32_t code = nb101_encode(&r->out);
        if (code < r->smallest) r->smallest = code;
    }
}

uint32_t nb101_first(const struct nb101_cell *cell)
{
    struct relabelling r = {.cell = cell, .out = {.n = cell->n}, .smallest = UINT32_MAX};
    place(&r, 1, 1);
    return r.smallest;
}
