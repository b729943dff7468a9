// SPDX-License-Identifier: Apache-2.0
// When a run stops: signals, Slurm's end time, the user's own limit.
#ifndef ASSAY_SRC_FARM_STOP_H
#define ASSAY_SRC_FARM_STOP_H

#include "assay/base.h"

// SIGTERM, SIGINT and SIGUSR1 ask for a stop; a second SIGINT ends the process. A file size limit
// becomes an error of the write. The first signal is answered at once, on standard error, with what
// becomes of the run in dir; NULL: silently.
void farm_signals_catch(const char *dir);
// The run is over, and a signal no longer answered: launchers end the other ranks of a job when the
// first has left with an error.
void farm_signals_hush(void);
// The signal caught, or 0.
int farm_signal(void);
// Monotonic times at which to stop, by the user's limit and SLURM_JOB_END_TIME; infinity: never.
struct farm_limit {
    double own, slurm, margin; // margin: before Slurm's end
};
// own: seconds from now on, 0: no such limit.
void farm_limit_open(struct farm_limit *limit, double own);
// The name of the limit that is reached, or NULL. longest: seconds that a task under evaluation may
// still take.
const char *farm_limit_reached(const struct farm_limit *limit, double longest);

#endif
