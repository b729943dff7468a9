// SPDX-License-Identifier: Apache-2.0
// When a run stops: signals, Slurm's end time, the user's own limit.
#ifndef ASSAY_SRC_FARM_STOP_H
#define ASSAY_SRC_FARM_STOP_H

#include "assay/base.h"

// SIGTERM, SIGINT and SIGUSR1 ask for a stop; a second SIGINT ends the process. A file size limit
// that is reached becomes an error of the write (SIGXFSZ is ignored). The first signal is answered
// at once, on standard error, with what becomes of the run in dir; with dir NULL nothing is said.
void farm_signals_catch(const char *dir);
// Called when the run is over: signals are no longer answered. Launchers end the other ranks of a
// job when the first has left with an error, and that is no stop.
void farm_signals_hush(void);
// The signal caught, or 0.
int farm_signal(void);
// Monotonic times at which to stop, by the user's limit and SLURM_JOB_END_TIME; infinity: never.
struct farm_limit {
    double own, slurm, margin; // margin: how long before Slurm's end time
};
// own: the user's limit in seconds from now on; 0: none.
void farm_limit_open(struct farm_limit *limit, double own);
// The name of the limit that is reached, or NULL. longest: seconds that a task under evaluation may
// still take; publishing: those that the results take then.
const char *farm_limit_reached(const struct farm_limit *limit, double longest, double publishing);

#endif
