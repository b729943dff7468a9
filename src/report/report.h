// SPDX-License-Identifier: Apache-2.0
// Private to report: the sections of a report, in a file each. Each writes nothing where the result
// file has nothing for it.
#ifndef ASSAY_SRC_REPORT_REPORT_H
#define ASSAY_SRC_REPORT_REPORT_H

#include "assay/report.h"
#include "assay/stats.h"

// How a column agrees with the target.
struct report_fact {
    uint32_t n; // ok rows that have both
    struct assay_stats_correlation rank;
    bool bounds; // the intervals are bounds, since there are too many points to resample
};

struct report {
    const struct assay_report *in;
    const struct assay_table *table; // in->table
    FILE *html;
    struct assay_err *err;
    unsigned plots; // drawn so far
    // What columns are compared with: the accuracies, or the size of the networks; NULL: neither.
    const double *target; // (n_row)
    const char *target_name;
    struct report_fact *fact; // (in->n_column)
    double *x, *y;            // (n_row) scratch
};

// What was run: the protocol, its circumstances, and what failed.
int report_about(struct report *r);
// The best architectures by one ranking, as pictures.
int report_top(struct report *r);
// Fills the facts. How columns agree with the target, and a plot of each.
int report_measure(struct report *r);
int report_agree(struct report *r);
// The best of each ranking, where there are accuracies.
int report_curves(struct report *r);
int report_matrix(struct report *r);
// What columns cost, and how they agree with the target.
int report_cost(struct report *r);
// The operations of the best architectures by each column.
int report_shares(struct report *r);
// How the eigenvalues of the kernels are spread.
int report_spectra(struct report *r);
// Of searches: what was found, TE-NAS's rounds, NASI's steps and decisions, and what other methods
// evaluated.
int report_found(struct report *r);
int report_pruning(struct report *r);
int report_steps(struct report *r);
int report_choices(struct report *r);
int report_evaluated(struct report *r);

// ---- helpers ------------------------------------------------------------------------------------
// Position of the name in the table's rankings, or -1.
int report_ranking(const struct assay_table *t, const char *name);
// Writes to row (most) the ok rows, ascending, or a random sample of them; returns how many. *n_ok
// is how many there are. role: of the random numbers.
uint64_t report_sample(const struct report *r, const char *role, uint64_t most, uint64_t *row,
                       uint64_t *n_ok);
// How many ok rows the best 10 % of a ranking are; 0 where it is -1.
uint64_t report_best(const struct report *r, int ranking);
// " (smaller is better)", or an empty text.
const char *report_direction(int direction);
// Writes a column's protocol, for a caption.
void report_protocol(const struct report *r, int column);

#endif
