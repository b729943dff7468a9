// SPDX-License-Identifier: Apache-2.0
// TE-NAS's pruning by importance (arXiv 2102.11535, algorithm 1, as its released code does it), by
// the columns of any score.
#ifndef ASSAY_SRC_SEARCH_PRUNE_H
#define ASSAY_SRC_SEARCH_PRUNE_H

#include "assay/space.h"

#include "by.h"

// The supernet without one operation, compared with the supernet. Columns are those of a struct
// search_by.
struct prune_candidate {
    uint32_t cell, edge, op;
    double delta[ASSAY_SCORE_TERMS];  // by column, mean over repeats, rounded
    uint32_t rank[ASSAY_SCORE_TERMS]; // by column, dense, from 0
    double sum;                       // of the ranks: the lowest goes first
    bool pruned;
};

// (x0 - x1) / |x0|, 0 where x0 is 0. A value that is not finite is that of a broken network: an
// operation whose removal breaks the network changes it most of all (-inf where smaller values are
// better, +inf where larger ones are), one whose removal mends it gives the limit 1, or -1.
double prune_delta(double x0, double x1, int direction);
// Rounds to 3 significant digits, ties to even; infinities stay.
double prune_round(double x);
// Ranks every column's changes, what is lost last: equal values share a rank, the next value has
// the next rank. Sums the ranks as the formula has them. lnrank and vote take what is lost as the
// value of a column, the most as the best. ERR_MEMORY.
int prune_rank(struct prune_candidate *c, size_t n, const struct search_by *by,
               struct assay_err *err);
// tied[column]: its ranks decide nothing, because they tell no two candidates of any edge apart;
// with a kind, no two edges that enter the same node.
void prune_find_ties(const struct prune_candidate *c, size_t n, uint32_t n_column,
                     const struct assay_supernet_kind *kind, bool *tied);
// On every edge removes from the mask the `number` candidates with the lowest sum of ranks, but
// never the last operation. Of equal sums the one with the lower rank of the first column goes
// first, then the earlier candidate.
void prune_ops(struct prune_candidate *c, size_t n, uint64_t number, struct assay_supernet *mask);
// The same where candidates are whole edges. They are ranked among the edges that enter the same
// node, and `keep` of these stay.
int prune_edges(struct prune_candidate *c, size_t n, const struct assay_supernet_kind *kind,
                const struct search_by *by, struct assay_supernet *mask, struct assay_err *err);

#endif
