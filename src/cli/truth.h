// SPDX-License-Identifier: Apache-2.0
// The accuracies of a comma-separated table, joined to the rows of a results file by architecture.
#ifndef ASSAY_CLI_TRUTH_H
#define ASSAY_CLI_TRUTH_H

#include "assay/space.h"
#include "assay/store.h"

struct truth {
    double *value;    // (n_row of the results) NaN where the table has none
    uint64_t n_given; // architectures the table names
    uint64_t n_both;  // of these, how many the results hold
};

// Reads columns `arch` and `target` of the file; all others are ignored (an `index` is the
// publisher's own). An architecture that does not parse or is given twice, and an accuracy that is
// not a finite number, are errors naming file and line; so is a table that shares no architecture
// with the results.
int truth_read(struct truth *truth, const char *file, const char *target,
               const struct assay_space *space, const struct assay_table *table,
               struct assay_err *err);
void truth_free(struct truth *truth);

#endif
