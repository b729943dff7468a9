// SPDX-License-Identifier: Apache-2.0
#include "nb201.h"

const uint8_t nb201_from[NB201_EDGES] = {0, 0, 1, 0, 1, 2};
const uint8_t nb201_to[NB201_EDGES] = {1, 2, 2, 3, 3, 3};
const char *const nb201_op_name[NB201_OPS] = {
    [NB201_NONE] = "none",
    [NB201_SKIP] = "skip_connect",
    [NB201_CONV_1X1] = "nor_conv_1x1",
    [NB201_CONV_3X3] = "nor_conv_3x3",
    [NB201_AVG_POOL] = "avg_pool_3x3",
};

uint32_t nb201_cells(uint32_t ops)
{
    uint32_t n = 1;
    for (int k = 0; k < NB201_EDGES; k++) n *= ops;
    return n;
}

void nb201_decode(uint64_t index, uint32_t ops, uint8_t op[NB201_EDGES])
{
    for (int k = NB201_EDGES; k-- > 0; index /= ops) op[k] = (uint8_t)(index % ops);
}

uint64_t nb201_encode(const uint8_t op[NB201_EDGES], uint32_t ops)
{
    uint64_t index = 0;
    for (int k = 0; k < NB201_EDGES; k++) index = ops * index + op[k];
    return index;
}

int nb201_format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    const char *name[NB201_EDGES];
    uint8_t op[NB201_EDGES];
    (void)space;
    nb201_decode(index, NB201_OPS, op);
    for (int k = 0; k < NB201_EDGES; k++) name[k] = nb201_op_name[op[k]];
    const int len = snprintf(text, cap, "|%s~0|+|%s~0|%s~1|+|%s~0|%s~1|%s~2|", name[0], name[1],
                             name[2], name[3], name[4], name[5]);
    return len >= 0 && (size_t)len < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}
