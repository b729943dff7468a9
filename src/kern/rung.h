// SPDX-License-Identifier: Apache-2.0
// Vector types of one rung. The including file defines RUNG (its name), COTS (cotangents per
// vector), CO_TILE and Q_TILE (register tile of the convolution kernels: output channels; columns
// of the weight gradient).
#ifndef ASSAY_KERN_RUNG_H
#define ASSAY_KERN_RUNG_H

#include <string.h>

#include "kern/table.h"

#define LANES  (COTS * ASSAY_IMAGES)
#define ALWAYS static inline __attribute__((always_inline))
#if defined(__clang__)
#    define UNROLL _Pragma("clang loop unroll(full)")
#else
#    define UNROLL _Pragma("GCC unroll 32")
#endif

typedef float act_vec __attribute__((vector_size(4 * ASSAY_IMAGES), may_alias));
typedef float grad_vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t grad_mask __attribute__((vector_size(4 * LANES), may_alias));
typedef double fwd_vec __attribute__((vector_size(8 * ASSAY_IMAGES), may_alias));

ALWAYS grad_vec load_grad(const float *p)
{
    return *(const grad_vec *)p;
}

ALWAYS fwd_vec load_fwd(const double *p)
{
    return *(const fwd_vec *)p;
}

// An activation repeated over the cotangents: one broadcast load on x86.
#if COTS == 1
ALWAYS grad_vec load_act(const float *p)
{
    return *(const grad_vec *)p;
}
#elif COTS == 2
ALWAYS grad_vec load_act(const float *p)
{
    const act_vec a = *(const act_vec *)p;
    return __builtin_shufflevector(a, a, 0, 1, 2, 3, 0, 1, 2, 3);
}
#else
ALWAYS grad_vec load_act(const float *p)
{
    const act_vec a = *(const act_vec *)p;
    return __builtin_shufflevector(a, a, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}
#endif

// x where the activation is positive, else 0.
ALWAYS grad_vec mask_grad(grad_vec x, const float *act)
{
    const grad_mask on = load_act(act) > (grad_vec){0};
    return (grad_vec)((grad_mask)x & on);
}

ALWAYS void put_grad(float *p, grad_vec v, bool accumulate)
{
    if (accumulate) v += load_grad(p);
    *(grad_vec *)p = v;
}

#endif
