// SPDX-License-Identifier: Apache-2.0
// AVX2 and FMA: 8 lanes = 2 cotangents x 4 images, 16 registers.
#include <stdbool.h>

#include "kern/rungs.h"

#define RUNG_AS(kind)   OF_REAL(assay_kern_avx2##kind)
#define RUNG_NAME       "avx2"
#define LANES           (32 / REAL_BYTES)
#define CO_TILE         3
#define CONV_PX         1
#define LIFT_CO         0
#define OUTER_TILE      3
#define OUTER_ACC       10
#define OUTER_RUNS_OF_1 3
#define OUTER_RUNS      1
#define WINDOW_CO       2
#define WINDOW_CI       2
#define OUTER_RUNS_OF_5 2

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
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#include "kern/table_end.h"
