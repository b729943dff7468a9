// SPDX-License-Identifier: Apache-2.0
// Shows how far a run is: on a terminal by a bar, as wide as the terminal is now, and elsewhere by
// lines at growing intervals. Times are those of assay_clock_wall.
#ifndef ASSAY_SRC_FARM_PROGRESS_H
#define ASSAY_SRC_FARM_PROGRESS_H

#include "assay/base.h"

struct farm_progress {
    const struct assay_log *log;
    bool bar, drawn; // bar: the log is on a terminal
    double start, shown, interval;
    double cost_start;
    uint64_t done_start;
};
struct farm_count {
    uint64_t done, total, failed;
    double cost_left, cost_done; // in the units of the job's cost
};
// A zeroed struct is a run's first round; the intervals of lines go on from round to round.
void farm_progress_open(struct farm_progress *p, const struct assay_log *log,
                        const struct farm_count *count, double now);
// Redraws the bar, or prints a line, when it is time.
void farm_progress_show(struct farm_progress *p, const struct farm_count *count, double now);
// Wipes the bar, before other lines are printed.
void farm_progress_break(struct farm_progress *p);

#endif
