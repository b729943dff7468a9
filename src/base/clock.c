// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <time.h>

static double seconds(clockid_t id)
{
    struct timespec t;
    ASSAY_ASSERT(clock_gettime(id, &t) == 0);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double assay_clock_wall(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double assay_clock_thread(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}
