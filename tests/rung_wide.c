// SPDX-License-Identifier: Apache-2.0
// The AVX-512 rung's tiles and lanes compiled for any CPU, so that they are tested everywhere.
#include <stdbool.h>

#include "rung_wide.h"

#define RUNG_AS(kind)   OF_REAL(assay_kern_wide##kind)
#define RUNG_NAME       "wide"
#define LANES           (64 / REAL_BYTES)
#define CO_TILE         6
#define CONV_PX         2
#define CHUNK_BYTES     0 // one group after the other
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
    return true;
}

#include "kern/table_end.h"
