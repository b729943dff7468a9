// SPDX-License-Identifier: Apache-2.0
#include "nb1shot1.h"

const struct nb1shot1 nb1shot1_space[NB1SHOT1_SPACES] = {
    {.blocks = 4, .parents = {1, 2, 2, 2, 2}, .encodings = 14580, .cells = 2685, .first = 0},
    {.blocks = 4, .parents = {1, 1, 2, 2, 3}, .encodings = 29160, .cells = 7773, .first = 2685},
    {.blocks = 5,
     .parents = {1, 1, 1, 2, 2, 2},
     .encodings = 1312200,
     .cells = 55854,
     .first = 2685 + 7773},
};

const uint8_t nb1shot1_op[NB101_OPS] = {NB101_MAX_POOL, NB101_CONV_3X3, NB101_CONV_1X1};

// ---- sets of k of n vertices --------------------------------------------------------------------
static uint32_t sets(uint32_t n, uint32_t k)
{
    uint32_t count = 1;
    if (k > n) return 0;
    for (uint32_t i = 0; i < k; i++) count = count * (n - i) / (i + 1);
    return count;
}

static uint16_t set_of(uint32_t n, uint32_t k, uint32_t number)
{
    uint32_t mask = 0;
    for (uint32_t v = 0; k > 0; v++) {
        const uint32_t with = sets(n - v - 1, k - 1); // of those that are left, with v
        if (number < with) {
            mask |= 1u << v;
            k--;
        } else {
            number -= with;
        }
    }
    return (uint16_t)mask;
}

static uint32_t number_of(uint32_t n, uint32_t k, uint32_t mask)
{
    uint32_t number = 0;
    for (uint32_t v = 0; k > 0; v++) {
        if (mask & 1u << v)
            k--;
        else
            number += sets(n - v - 1, k - 1);
    }
    return number;
}

// ---- encodings ----------------------------------------------------------------------------------
void nb1shot1_decode(const struct nb1shot1 *s, uint32_t encoding, struct nb101_cell *cell)
{
    *cell = (struct nb101_cell){.n = s->blocks + 2};
    for (uint32_t v = s->blocks; v > 0; v--, encoding /= NB101_OPS)
        cell->op[v] = nb1shot1_op[encoding % NB101_OPS];
    for (uint32_t v = s->blocks + 1; v > 0; v--) {
        const uint32_t k = s->parents[v - 1], choices = sets(v, k);
        cell->from[v] = set_of(v, k, encoding % choices);
        encoding /= choices;
    }
}

// Takes off a vertex before the output that leads nowhere.
static struct nb101_cell without_last(const struct nb101_cell *cell)
{
    struct nb101_cell shorter = *cell;
    const uint32_t last = cell->n - 1;
    if (cell->from[last] & 1u << (last - 1)) return shorter;
    shorter.from[last - 1] = cell->from[last];
    shorter.n--;
    return shorter;
}

bool nb1shot1_encode(const struct nb1shot1 *s, const struct nb101_cell *cell, uint32_t *encoding)
{
    const struct nb101_cell c = cell->n == s->blocks + 3 ? without_last(cell) : *cell;
    uint32_t code = 0;
    if (c.n != s->blocks + 2) return false;
    for (uint32_t v = 1; v < c.n; v++) {
        const uint32_t k = s->parents[v - 1];
        if ((uint32_t)__builtin_popcount(c.from[v]) != k) return false;
        code = sets(v, k) * code + number_of(v, k, c.from[v]);
    }
    for (uint32_t v = 1; v <= s->blocks; v++) {
        uint32_t digit = 0;
        while (digit < NB101_OPS && nb1shot1_op[digit] != c.op[v]) digit++;
        if (digit == NB101_OPS) return false;
        code = NB101_OPS * code + digit;
    }
    *encoding = code;
    return true;
}
