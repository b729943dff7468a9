// SPDX-License-Identifier: Apache-2.0
// Operations that need nothing of the passes but their own node: a file has one or a few of them,
// with both directions side by side.
#ifndef ASSAY_SRC_EXEC_OPERATION_H
#define ASSAY_SRC_EXEC_OPERATION_H

#include "exec/run.h"

struct operation {
    void (*forward)(struct assay_exec *x, uint32_t node); // of the chunk
    // What a job adds to its tensor, dx of one group.
    void (*backward)(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                     bool accumulate);
};

#define exec_op_act      OF_REAL(exec_op_act)
#define exec_op_flatten  OF_REAL(exec_op_flatten)
#define exec_op_mul      OF_REAL(exec_op_mul)
#define exec_op_pad      OF_REAL(exec_op_pad)
#define exec_op_shuffle  OF_REAL(exec_op_shuffle)
#define exec_op_slice    OF_REAL(exec_op_slice)
#define exec_op_upsample OF_REAL(exec_op_upsample)
extern const struct operation exec_op_act, exec_op_flatten, exec_op_mul, exec_op_pad,
    exec_op_shuffle, exec_op_slice, exec_op_upsample;

static inline const struct operation *exec_operation(uint8_t op)
{
    switch (op) {
    case ASSAY_OP_ACT:
        return &exec_op_act;
    case ASSAY_OP_MUL:
        return &exec_op_mul;
    case ASSAY_OP_FLATTEN:
        return &exec_op_flatten;
    case ASSAY_OP_PAD:
        return &exec_op_pad;
    case ASSAY_OP_SHUFFLE:
        return &exec_op_shuffle;
    case ASSAY_OP_UPSAMPLE:
        return &exec_op_upsample;
    case ASSAY_OP_SLICE:
        return &exec_op_slice;
    default:
        assay_bug(__FILE__, __LINE__, "an operation of its own");
    }
}

#endif
