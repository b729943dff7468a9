// SPDX-License-Identifier: Apache-2.0
#include "darts.h"

#include <string.h>

#define PAIR_OPS 49 // 7 operations on either edge, `none` is not among them

// The number of unordered pairs of the states that a node can read.
static uint32_t pairs(uint32_t node)
{
    return (node + 2) * (node + 1) / 2;
}

static uint64_t cell_size(void)
{
    uint64_t size = 1;
    for (uint32_t i = 0; i < DARTS_NODES; i++) size *= pairs(i) * PAIR_OPS;
    return size;
}

uint64_t darts_size(const struct assay_space *space)
{
    (void)space;
    return cell_size() * cell_size();
}

// Pairs a < b are numbered by b, then a.
static void decode_pair(uint32_t pair, uint8_t state[2])
{
    uint32_t b = 1;
    while (pair >= b) pair -= b++;
    state[0] = (uint8_t)pair;
    state[1] = (uint8_t)b;
}

static void decode_cell(uint64_t index, uint8_t op[DARTS_NODES][2], uint8_t state[DARTS_NODES][2])
{
    for (uint32_t i = DARTS_NODES; i-- > 0;) {
        op[i][1] = (uint8_t)(DARTS_SKIP + index % 7);
        op[i][0] = (uint8_t)(DARTS_SKIP + index / 7 % 7);
        index /= PAIR_OPS;
        decode_pair((uint32_t)(index % pairs(i)), state[i]);
        index /= pairs(i);
    }
}

void darts_decode(uint64_t index, struct darts_genotype *genotype)
{
    for (uint32_t c = DARTS_CELLS; c-- > 0; index /= cell_size())
        decode_cell(index % cell_size(), genotype->op[c], genotype->state[c]);
}

uint64_t darts_encode(const struct darts_genotype *genotype)
{
    uint64_t index = 0;
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        for (uint32_t i = 0; i < DARTS_NODES; i++) {
            const uint8_t *op = genotype->op[c][i], *state = genotype->state[c][i];
            const uint32_t first = state[0] > state[1]; // the edge that stands first
            const uint32_t a = state[first], b = state[!first];
            index = index * pairs(i) + b * (b - 1) / 2 + a;
            index = (index * 7 + op[first] - DARTS_SKIP) * 7 + op[!first] - DARTS_SKIP;
        }
    }
    return index;
}

// ---- masks --------------------------------------------------------------------------------------
// The number at which the edges of node i begin.
static uint32_t first_edge(uint32_t node)
{
    return node * (node + 3) / 2;
}

uint64_t darts_index(const struct assay_space *space, const struct assay_supernet *mask)
{
    struct darts_genotype genotype;
    (void)space;
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        for (uint32_t i = 0; i < DARTS_NODES; i++) {
            uint32_t k = 0;
            for (uint8_t from = 0; from < i + 2; from++) {
                const uint16_t alive = mask->alive[c][first_edge(i) + from];
                if (!alive) continue;
                ASSAY_ASSERT(k < 2);
                genotype.state[c][i][k] = from;
                genotype.op[c][i][k++] = (uint8_t)__builtin_ctz(alive);
            }
            ASSAY_ASSERT(k == 2);
        }
    }
    return darts_encode(&genotype);
}

void darts_mask(const struct assay_space *space, uint64_t index, struct assay_supernet *mask)
{
    struct darts_genotype genotype;
    (void)space;
    darts_decode(index, &genotype);
    memset(mask, 0, sizeof *mask);
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        for (uint32_t i = 0; i < DARTS_NODES; i++) {
            for (uint32_t k = 0; k < 2; k++) {
                const uint32_t edge = first_edge(i) + genotype.state[c][i][k];
                mask->alive[c][edge] = (uint16_t)(1u << genotype.op[c][i][k]);
            }
        }
    }
}
