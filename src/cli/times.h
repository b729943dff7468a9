// SPDX-License-Identifier: Apache-2.0
// How the seconds of a row divide among columns: by what the passes of their metrics cost.
#ifndef ASSAY_SRC_CLI_TIMES_H
#define ASSAY_SRC_CLI_TIMES_H

#include "assay/evaluate.h"

struct times {
    struct assay_costs *costs;
    double part[ASSAY_METRICS_MAX]; // of the row
};
// config and space are borrowed.
int times_open(struct times *t, const struct assay_config *config, const struct assay_space *space,
               struct assay_err *err);
void times_close(struct times *t);
// Marks the metrics whose passes a column takes; a score takes those of all its terms.
void times_mark(const struct times *t, const char *column, bool metric[ASSAY_METRICS_MAX]);
// Goes to the row of that class.
int times_row(struct times *t, uint64_t class, struct assay_err *err);
// What the metrics marked took of that row's seconds.
double times_of(const struct times *t, const bool metric[ASSAY_METRICS_MAX], double seconds);

#endif
