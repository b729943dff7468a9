// SPDX-License-Identifier: Apache-2.0
// The portable rung: 4 lanes (SSE2, NEON, or whatever the compiler makes of vectors).
#include <stdbool.h>

#include "kern/rungs.h"

#define RUNG_AS(kind)   OF_REAL(assay_kern_baseline##kind)
#define RUNG_NAME       "baseline"
#define LANES           ASSAY_IMAGES
#define CO_TILE         2
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
    return true;
}

#include "kern/table_end.h"
