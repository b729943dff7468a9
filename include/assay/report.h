// SPDX-License-Identifier: Apache-2.0
// report: a result file as one HTML file with its plots in it, which needs neither script nor
// network.
//
// Plots are drawn by the program gnuplot, which is started when a report is written.
#ifndef ASSAY_REPORT_H
#define ASSAY_REPORT_H

#include "assay/space.h"
#include "assay/store.h"

// What a report is made of. All of it is borrowed.
struct assay_report {
    struct assay_parts *parts;       // the result file
    const struct assay_holder *job;  // the last job of its directory; NULL: not known
    const struct assay_table *table; // its table; NULL: it is that of a search
    const struct assay_space *space; // NULL: the file names none
    const int *column;               // (n_column) the columns shown
    uint32_t n_column;
    const double *seconds; // (n_column) CPU time of an architecture; NULL: not known
    int by;                // the ranking whose best are drawn, -1: none
    uint64_t top;          // how many
    // Measured accuracies of the rows of the table, or of those that searches found; NaN where
    // there is none; NULL: none at all.
    const double *truth; // (n_truth)
    uint64_t n_truth;
    const char *target; // what they are called
    const char *truth_file;
    uint64_t resamples, seed; // of intervals
};

// Writes the file, or leaves what stood there. ERR_STATE where gnuplot is missing or fails.
int assay_report_write(const struct assay_report *report, const char *file, struct assay_err *err);

#endif
