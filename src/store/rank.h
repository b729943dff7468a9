// SPDX-License-Identifier: Apache-2.0
// Orders of rows, and what they are made from: means and standard errors of every column.
#ifndef ASSAY_STORE_RANK_H
#define ASSAY_STORE_RANK_H

#include "assay/store.h"

// Smaller keys are better; equal keys are decided by tie. Rows that are not valid stand last, in
// order of rows, and share one rank.
struct assay_rank_key {
    double key, tie;
    uint64_t row;
    bool valid;
};
// order[position] = row; rank[row] = 1 + number of rows that are strictly better.
struct assay_ranking {
    uint64_t *order, *rank;
};
// Sorts key. ranking's arrays of n are the caller's.
void assay_rank_rows(struct assay_rank_key *key, uint64_t n, const struct assay_ranking *ranking);

// One column of the published table. Arrays of n_row.
struct assay_sheet_column {
    struct assay_column meta;
    const char *protocol;
    double *mean;
    double *error; // standard error over repeats, NULL when there are none
    bool ranked;
    struct assay_ranking ranking;
};
struct assay_sheet {
    struct assay_sheet_column *column; // the schema's, the extra ones, then tenas
    uint32_t n_column;
};
// Everything from the arena; false when it has no memory left.
bool assay_sheet_fill(struct assay_sheet *sheet, const struct assay_results *results,
                      struct assay_arena *arena);

#endif
