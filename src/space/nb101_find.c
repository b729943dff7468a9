// SPDX-License-Identifier: Apache-2.0
// Cells among all, by their hashes and by themselves.
#include "nb101.h"

#include <string.h>

void nb101_name(uint64_t index, char text[NB101_HEX + 1])
{
    struct nb101_cell cell;
    uint8_t hash[1][NB101_HASH_BYTES];
    nb101_decode(nb101_code[index], &cell);
    nb101_hash(&cell, 1, hash);
    for (int i = 0; i < NB101_HASH_BYTES; i++) snprintf(text + 2 * i, 3, "%02x", hash[0][i]);
}

static uint32_t value_of(char digit)
{
    return (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool nb101_find_hash(const char *text, uint64_t *index)
{
    uint32_t prefix = 0, first = 0, last = NB101_SIZE;
    char name[NB101_HEX + 1];
    for (int i = 0; i < 8; i++) prefix = prefix << 4 | value_of(text[i]);
    while (first < last) {
        const uint32_t middle = first + (last - first) / 2;
        if (nb101_prefix[middle] < prefix)
            first = middle + 1;
        else
            last = middle;
    }
    for (; first < NB101_SIZE && nb101_prefix[first] == prefix; first++) {
        nb101_name(first, name);
        if (memcmp(name, text, NB101_HEX) != 0) continue;
        *index = first;
        return true;
    }
    return false;
}

// The place of a code among the cells, or NB101_SIZE.
static uint32_t find_code(uint32_t code)
{
    uint32_t first = 0, last = NB101_SIZE;
    while (first < last) {
        const uint32_t middle = first + (last - first) / 2;
        if (nb101_code[nb101_by_code[middle]] < code)
            first = middle + 1;
        else
            last = middle;
    }
    if (first == NB101_SIZE || nb101_code[nb101_by_code[first]] != code) return NB101_SIZE;
    return nb101_by_code[first];
}

uint32_t nb101_find(const struct nb101_cell *cell, bool *other)
{
    struct nb101_cell pruned = *cell;
    const bool path = nb101_prune(&pruned);
    ASSAY_ASSERT(path);
    uint32_t found = find_code(nb101_encode(&pruned));
    *other = found == NB101_SIZE;
    if (*other) found = find_code(nb101_first(&pruned));
    ASSAY_ASSERT(found < NB101_SIZE);
    return found;
}
