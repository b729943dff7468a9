// SPDX-License-Identifier: Apache-2.0
// The published table by columns: means and standard errors, scores, and the order of rows by each.
#ifndef ASSAY_SRC_STORE_SHEET_H
#define ASSAY_SRC_STORE_SHEET_H

#include "assay/store.h"

// One column of the published table; its arrays have n_row entries.
struct sheet_column {
    struct assay_column meta;
    const char *protocol;
    double *mean;
    double *error; // standard error over repeats, NULL when there are none
    bool ranked;
    struct assay_ranking ranking;
};
struct sheet {
    struct sheet_column *column; // the schema's, the extra ones, then the scores
    uint32_t n_column;
};
// Makes the sheet of the results; all of its memory is the arena's. ERR_MEMORY, an error of
// assay_score_evaluate, or the status of a pause.
int sheet_fill(struct sheet *sheet, const struct assay_results *results, struct assay_arena *arena,
               struct assay_err *err);

#endif
