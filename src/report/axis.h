// SPDX-License-Identifier: Apache-2.0
// What part of a column an axis shows, and points that are counted in bins when they are many.
#ifndef ASSAY_SRC_REPORT_AXIS_H
#define ASSAY_SRC_REPORT_AXIS_H

#include "assay/base.h"

struct axis {
    bool log;      // all values are positive and span decades
    double lo, hi; // what is shown; the few values far from all others are not
};

// Fits an axis to finite values (n > 0).
int axis_fit(struct axis *axis, uint64_t n, const double *value, struct assay_err *err);
bool axis_shows(const struct axis *axis, double value);
// Position of a value from 0 at lo to 1 at hi, and back.
double axis_place(const struct axis *axis, double value);
double axis_value(const struct axis *axis, double place);
// Writes gnuplot's commands for the range of axis "x" or "y".
void axis_set(FILE *script, const struct axis *axis, const char *name);

// Writes a data block $D of the points: "x y" of each, or when they are many "x y xlo xhi ylo yhi
// count" of each bin that is not empty. Points that an axis does not show are left out.
struct axis_points {
    bool binned;
    uint64_t most;    // in one bin
    uint64_t outside; // points that are not shown
};
int axis_write(FILE *script, const struct axis axis[2], uint64_t n, const double *x,
               const double *y, struct axis_points *points, struct assay_err *err);
// Writes how such a block is drawn: what stands behind "plot".
void axis_plot(FILE *script, const struct axis_points *points);

#endif
