// SPDX-License-Identifier: Apache-2.0
// What the searches that evaluate architectures share: those that were evaluated, and how good they
// are by the configured score.
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
    struct search_by finish;          // of search.finish; no columns: it names none
    const struct search_ranks *ranks; // that sums of ranks are of; NULL: among those compared
    // kappa, regions, others of the two
    struct baseline_column column[2 + 2 * ASSAY_SCORE_TERMS];
    uint32_t n_column;
    double *value; // (n) of what decides
    double *score; // (n) larger is better; -inf unless OK
    double *block; // holds all of these
    size_t n, cap;
    size_t from;                   // those before this one are not compared with the others
    struct assay_columns counted;  // of columns that need no evaluation
    char reason[ASSAY_REASON_MAX]; // why the first that is not OK is not
    uint64_t samples;
};

// Sets the metrics that search.by and, if told so, search.finish need.
int baseline_set_metrics(struct assay_config *config, bool finish, struct assay_err *err);
int baseline_configure(struct assay_config *config, const struct assay_space *space,
                       struct assay_err *err);
int baseline_open(struct baseline *b, const struct search_context *c, const char *method,
                  uint64_t seed, struct assay_err *err);
// The same, with the number of architectures to evaluate: search.samples, or as many as cost a
// TE-NAS search.
int baseline_open_samples(struct baseline *b, const struct search_context *c, const char *method,
                          uint64_t seed, struct assay_err *err);
// The same for architectures that are not evaluated, by columns that need no evaluation.
int baseline_open_counts(struct baseline *b, const struct search_context *c, const char *method,
                         uint64_t seed, const struct search_by *by, struct assay_err *err);
// The values (n) of one of its columns.
const double *baseline_column(const struct baseline *b, const char *name);
// Asks for an architecture's network; its record has the same place.
int baseline_ask(struct baseline *b, struct search_round *round, uint64_t index);
// Adds one that is not evaluated.
int baseline_add(struct baseline *b, uint64_t index, struct assay_err *err);
// Scores all of these by their counts.
int baseline_count(struct baseline *b, struct assay_err *err);
// Takes the records that were answered and scores all architectures that are compared anew, since a
// rank sum depends on all of them.
int baseline_take(struct baseline *b, const struct search_round *round);
// The best of all that are compared, the earliest of equal ones. An error when nothing decides
// between them: none is OK, or all that are have the same value, which is but a warning where
// others were compared before. Warns where one column of a rank sum decides nothing.
int baseline_best(const struct baseline *b, uint64_t *index, struct assay_err *err);
// The best n of them, as search_method says.
size_t baseline_first(const struct baseline *b, uint64_t *index, size_t n);
// The same error and warnings.
int baseline_check(const struct baseline *b, struct assay_err *err);
// A uniformly drawn architecture.
uint64_t baseline_draw(const struct baseline *b, struct assay_rng *rng);
// Whether its network is among those that are compared.
bool baseline_has(const struct baseline *b, uint64_t index);
// Draws, after which a network may come twice, since there are hardly any more.
#define BASELINE_TRIES 64
// Writes what was evaluated into the history, once, at the end.
void baseline_note(const struct baseline *b);
void baseline_close(struct baseline *b);

#endif
