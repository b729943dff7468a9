// SPDX-License-Identifier: Apache-2.0
// What random search and evolution share: the architectures that were evaluated, and how good they
// are by the configured column.
#ifndef ASSAY_SRC_SEARCH_BASELINE_H
#define ASSAY_SRC_SEARCH_BASELINE_H

#include "by.h"
#include "method.h"

struct baseline_column {
    const char *name;
    int direction;
    uint32_t at;   // number in the schema; n_column: it is not measured
    double *value; // (n) means over repeats; NaN unless OK
};
struct baseline {
    const struct search_context *c;
    const char *method;
    uint64_t seed;
    uint64_t *index; // (n) architectures evaluated, in the order asked
    struct search_by by;
    struct baseline_column column[2 + ASSAY_SCORE_TERMS]; // kappa, regions, others of search.by
    uint32_t n_column;
    double *value; // (n) of what decides
    double *score; // (n) larger is better; -inf unless OK
    double *block; // holds all of these
    size_t n, cap;
    struct assay_columns counted;  // of columns that need no evaluation
    char reason[ASSAY_REASON_MAX]; // why the first that is not OK is not
    uint64_t samples;
};

int baseline_configure(struct assay_config *config, const struct assay_space *space,
                       struct assay_err *err);
int baseline_open(struct baseline *b, const struct search_context *c, const char *method,
                  uint64_t seed, struct assay_err *err);
// Asks for an architecture's network; its record has the same place.
int baseline_ask(struct baseline *b, struct search_round *round, uint64_t index);
// Takes the records that were answered and scores all architectures anew, since a rank sum depends
// on all of them.
int baseline_take(struct baseline *b, const struct search_round *round);
// The best of all, the earliest of equal ones. An error when nothing decides between them: none is
// OK, or all that are have the same value. Warns where one column of a rank sum decides nothing.
int baseline_best(const struct baseline *b, uint64_t *index, struct assay_err *err);
// A uniformly drawn architecture.
uint64_t baseline_draw(const struct baseline *b, struct assay_rng *rng);
// Writes what was evaluated into the history, once, at the end.
void baseline_note(const struct baseline *b);
void baseline_close(struct baseline *b);

#endif
