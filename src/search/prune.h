// SPDX-License-Identifier: Apache-2.0
// TE-NAS's pruning by importance (arXiv 2102.11535, algorithm 1, as its released code does it).
#ifndef ASSAY_SRC_SEARCH_PRUNE_H
#define ASSAY_SRC_SEARCH_PRUNE_H

#include "assay/space.h"

// The supernet without one operation, compared with the supernet.
struct prune_candidate {
    uint32_t cell, edge, op;
    double delta_kappa, delta_regions; // mean over repeats, rounded
    uint32_t rank_kappa, rank_regions; // dense, from 0
    bool pruned;
};

// Whether kappa is a positive number.
bool prune_is_sound(double kappa);
// (k0 - k1) / k0. A kappa that is not sound is that of a broken network: an operation
// whose removal breaks the network changes it most of all (-inf), one whose removal mends it gives
// the limit 1.
double prune_delta_kappa(double k0, double k1);
// (r0 - r1) / r0; a number of regions that is NaN counts as 0, and where there are none to lose the
// change is 0.
double prune_delta_regions(double r0, double r1);
// Rounds to 3 significant digits, ties to even; infinities stay.
double prune_round(double x);
// Ranks delta_kappa descending and delta_regions ascending: equal values share a rank, the next
// value has the next rank.
void prune_rank(struct prune_candidate *c, size_t n);
// Tells which ranks decide nothing, because they tell no two candidates of any edge apart; with a
// kind, no two edges that enter the same node.
struct prune_ties {
    bool kappa, regions;
};
struct prune_ties prune_find_ties(const struct prune_candidate *c, size_t n,
                                  const struct assay_supernet_kind *kind);
// What each of a candidate's ranks counts in their sum.
struct prune_weights {
    double kappa, regions;
};
// On every edge removes from the mask the `number` candidates with the lowest sum of ranks, but
// never the last operation. Of equal sums the one with the lower rank of kappa goes first, then the
// earlier candidate.
void prune_ops(struct prune_candidate *c, size_t n, uint64_t number,
               const struct prune_weights *weights, struct assay_supernet *mask);
// The same where candidates are whole edges. They are ranked among the edges that enter the same
// node, and `keep` of these stay.
void prune_edges(struct prune_candidate *c, size_t n, const struct assay_supernet_kind *kind,
                 const struct prune_weights *weights, struct assay_supernet *mask);

#endif
