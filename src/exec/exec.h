// SPDX-License-Identifier: Apache-2.0
// A plan with memory, private to exec: its buffers, and the passes of each element type.
#ifndef ASSAY_SRC_EXEC_EXEC_H
#define ASSAY_SRC_EXEC_EXEC_H

#include "exec/plan.h"

struct assay_exec {
    const struct assay_plan *plan;
    struct assay_arena memory;
    const struct assay_taps *taps;   // NULL: nobody looks on
    const struct assay_parts *parts; // of the plan of a part
    unsigned char *base;             // of the plan's offsets
    bool sums_ready;                 // K1 and K2 belong to the last forward
    uint64_t from;                   // the parameter that rows of the Jacobian begin with
    bool held;                       // the forward pass keeps to the last one's piece
    uint32_t begin, end;             // the chunk of groups that the forward pass is at
};

// Of a part: the moments of what nodes [first, last) of the sequence made become those of all
// parts.
void exec_share_moments(const struct assay_exec *x, uint32_t first, uint32_t last);

#define AT(x, type, offset) ((type *)((x)->base + (offset)))

// Of the element type of a kernel table: as the functions of assay/exec.h.
struct passes {
    void (*fill)(struct assay_exec *x); // constant contents after allocation
    void (*forward)(struct assay_exec *x, const double *theta, const double *input);
    void (*jacobian)(struct assay_exec *x, enum assay_bn bn, const double *cot, uint32_t t_count,
                     uint64_t first, uint64_t count, uint64_t columns, double *jac, size_t ld);
    void (*jacobian_firsts)(struct assay_exec *x, const double *cot, uint32_t t_count,
                            uint64_t first, uint64_t count, double *jac, size_t ld);
    void (*image_gradients)(struct assay_exec *x, const double *cot, uint32_t first, uint32_t count,
                            uint64_t columns, double *jac, size_t ld);
    void (*gradient)(struct assay_exec *x, enum assay_bn bn, const double *cot, double *grad,
                     double *coef); // coef: as of mixes, or NULL
};
extern const struct passes exec_passes_single, exec_passes_double;

#endif
