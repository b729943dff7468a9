// SPDX-License-Identifier: Apache-2.0
// What a TE-NAS search knows, for the files that decide and that tell.
#ifndef ASSAY_SRC_SEARCH_TENAS_H
#define ASSAY_SRC_SEARCH_TENAS_H

#include "by.h"
#include "method.h"
#include "prune.h"

#define TENAS_CANDIDATES (ASSAY_SUPERNET_CELLS * ASSAY_SUPERNET_EDGES * 16)

// A supernet that was evaluated.
struct tenas_seen {
    const struct assay_record *record;
    double counted[ASSAY_SCORE_TERMS]; // of columns that need no evaluation
};
struct tenas {
    const struct search_context *c;
    uint64_t seed, prune, n_round;  // n_round: evaluated so far
    struct search_by by;            // of the columns below, too
    uint32_t at[ASSAY_SCORE_TERMS]; // number in the schema; n_column: it is counted
    struct assay_columns counted;
    struct assay_supernet mask;
    bool edges;                       // whole edges are pruned
    uint64_t tied[ASSAY_SCORE_TERMS]; // rounds in which these decided nothing
    struct prune_candidate candidate[TENAS_CANDIDATES];
    struct tenas_seen base[TENAS_CANDIDATES], one[TENAS_CANDIDATES]; // of each, with and without
    size_t n;
};

const struct assay_supernet_kind *tenas_kind(const struct tenas *t);
// The value of a column of search.by in a repeat, NaN where it is undefined; and its mean.
double tenas_value(const struct tenas *t, const struct tenas_seen *seen, uint32_t repeat,
                   uint32_t column);
double tenas_mean(const struct tenas *t, const struct tenas_seen *seen, uint32_t column);
// Counts the rounds in which a column tells no candidates apart; an error where all do, or where
// one has no value.
int tenas_check_round(struct tenas *t, struct assay_err *err);
// Warns of the columns that decided nothing in some rounds.
void tenas_warn_tied(const struct tenas *t);
// Writes a round into the history, and a line about it into the log; before: its supernet.
void tenas_tell(const struct tenas *t, const struct search_round *round,
                const struct assay_supernet *before);

#endif
