// SPDX-License-Identifier: Apache-2.0
// AVX-512: 16 lanes = 4 cotangents x 4 images, half as many of double; 32 registers.
#include <stdbool.h>

#include "kern/rungs.h"

#define RUNG_AS(kind)   OF_REAL(assay_kern_avx512##kind)
#define RUNG_NAME       "avx512"
#define LANES           (64 / REAL_BYTES)
#define CO_TILE         6
#define CONV_PX         2
#define LIFT_CO         3
#define LIFT_TILES      2
#define OUTER_TILE      3
#define OUTER_ACC       27
#define OUTER_RUNS_OF_1 8
#define OUTER_RUNS      3
#define WINDOW_CO       3
#define WINDOW_CI       3
#define OUTER_RUNS_OF_5 5

#include "kern/rung.h"
#include "kern/fetch.h"
#include "kern/corr.h"
#include "kern/conv.h"
#include "kern/lift.h"
#include "kern/window.h"
#include "kern/outer.h"
#include "kern/elem.h"
#include "kern/pool.h"

static bool runnable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

#include "kern/table_end.h"
