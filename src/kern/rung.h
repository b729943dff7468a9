// SPDX-License-Identifier: Apache-2.0
// Vector types of one rung. The including file defines RUNG_AS (the name of its table, with an
// ending), LANES (elements of a vector), and the register tiles of the convolution kernels: CO_TILE
// (output channels of a correlation), LIFT_CO and LIFT_TILES (output channels, and pairs of pixels,
// of its lifted 3x3 parts; LIFT_CO 0: none), CONV_PX (pixels of a vector forward), OUTER_TILE and
// OUTER_ACC (output channels and accumulators of the weight gradient), OUTER_RUNS, OUTER_RUNS_OF_5
// and OUTER_RUNS_OF_1 (its runs of 3, 5 and 1 columns), WINDOW_CO and WINDOW_CI (output and input
// channels of its 3x3 windows).
#ifndef ASSAY_SRC_KERN_RUNG_H
#define ASSAY_SRC_KERN_RUNG_H

#include <math.h>
#include <string.h>
#if defined(__AVX__)
#    include <immintrin.h>
#endif

#include "assay/kern.h"
#include "kern/real.h"

// A rung's table, or its packed one, for files that are compiled for each. COTS: cotangents of a
// vector; IMAGES: those of an activation's.
#ifndef PACKED
#    define PACKED 0
#endif
#if PACKED
#    define RUNG   RUNG_AS(_packed)
#    define COTS   1
#    define IMAGES LANES
#else
#    define RUNG   RUNG_AS()
#    define COTS   (LANES / ASSAY_IMAGES)
#    define IMAGES ASSAY_IMAGES
#endif

#ifndef CHUNK_BYTES
#    define CHUNK_BYTES (512 << 10)
#endif
#define ALWAYS static inline __attribute__((always_inline))
#if defined(__clang__)
#    define UNROLL _Pragma("clang loop unroll(full)")
#else
#    define UNROLL _Pragma("GCC unroll 32")
#endif

// A loaded vector that is used several times stays in its register: with AVX-512 gcc would load it
// again as an operand of every FMA.
#if defined(__AVX512F__)
#    define KEEP(v) __asm__("" : "+v"(v))
#else
#    define KEEP(v) (void)(v)
#endif

typedef real act_vec __attribute__((vector_size(REAL_BYTES * IMAGES), may_alias));
typedef real grad_vec __attribute__((vector_size(REAL_BYTES * LANES), may_alias));
typedef real_bits grad_mask __attribute__((vector_size(REAL_BYTES * LANES), may_alias));
typedef double fwd_vec __attribute__((vector_size(8 * ASSAY_IMAGES), may_alias));
typedef int64_t fwd_mask __attribute__((vector_size(8 * ASSAY_IMAGES), may_alias));

ALWAYS grad_vec load_grad(const real *p)
{
    return *(const grad_vec *)p;
}

ALWAYS fwd_vec load_fwd(const double *p)
{
    return *(const fwd_vec *)p;
}

// An activation repeated over the cotangents: one broadcast load, where compilers make a load and a
// shuffle of the portable form.
ALWAYS grad_vec load_act(const real *p)
{
#if COTS == 1
    return *(const grad_vec *)p;
#elif REAL_BYTES == 4 && COTS == 2 && defined(__AVX__)
    return (grad_vec)_mm256_broadcast_ps((const __m128 *)p);
#elif REAL_BYTES == 4 && COTS == 4 && defined(__AVX512F__)
    return (grad_vec)_mm512_broadcast_f32x4(_mm_load_ps(p));
#elif REAL_BYTES == 8 && COTS == 2 && defined(__AVX512F__)
    return (grad_vec)_mm512_broadcast_f64x4(_mm256_load_pd(p));
#else
    grad_vec v;
    UNROLL for (int t = 0; t < COTS; t++)
        memcpy((char *)&v + t * sizeof(act_vec), p, sizeof(act_vec));
    return v;
#endif
}

// x where the ReLU passed, else 0: a passed activation is never stored as 0.
ALWAYS grad_vec mask_grad(grad_vec x, const real *act)
{
    const grad_mask on = load_act(act) != (grad_vec){0};
    return (grad_vec)((grad_mask)x & on);
}

ALWAYS void put_grad(real *p, grad_vec v, bool accumulate)
{
    if (accumulate) v += load_grad(p);
    *(grad_vec *)p = v;
}

#endif
