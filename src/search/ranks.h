// SPDX-License-Identifier: Apache-2.0
// The values of a stored results file (search.ranks), against which others are ranked: as if each
// were one more row of the file, so that what else was evaluated has no part in it.
#ifndef ASSAY_SRC_SEARCH_RANKS_H
#define ASSAY_SRC_SEARCH_RANKS_H

#include "by.h"
#include "method.h"

struct search_ranks;

// Collective. Reads the file that search.ranks names, on rank 0 alone; *out is NULL on the others,
// and where there is none. *digest is that of the values, the same on all ranks. An error unless
// the file is of this space and has each column of search.by and search.finish by this protocol,
// but for repeats and seed; and where neither of the two sums ranks.
int search_ranks_open(struct search_ranks **out, const struct search_context *c,
                      struct assay_comm *comm, uint64_t *digest, struct assay_err *err);
void search_ranks_free(struct search_ranks *ranks); // takes NULL
// value (n) of the formula's sum, for n rows; column[i] (n) is the column i of `by`. NaN where one
// of them is not finite.
void search_ranks_evaluate(const struct search_ranks *ranks, const struct search_by *by,
                           const double *const *column, size_t n, double *value);

#endif
