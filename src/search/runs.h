// SPDX-License-Identifier: Apache-2.0
// The searches of a run: each method with each seed, and beside them (search.baseline) random
// searches at equal cost, by which these are judged.
#ifndef ASSAY_SRC_SEARCH_RUNS_H
#define ASSAY_SRC_SEARCH_RUNS_H

#include "method.h"

// One method's search with one seed.
struct search_run {
    const struct search_method *method;
    const struct search_context *c; // its own, where it is a baseline
    void *state;
    struct search_round round;
    const struct assay_record **record;  // (n_task of the round before)
    struct assay_found *found, *largest; // of the list; largest: of its random draws, or NULL
    bool asked, over;
};

struct search_baseline;
struct search_runs {
    struct search_run *run;
    size_t n;
    struct search_baseline *baseline[SEARCH_METHODS_MAX];
    size_t n_baseline;
};

// Makes the runs of these methods, in their order, and the list of what they will find. c must stay
// where it is.
int search_runs_make(struct search_runs *runs, struct assay_found_list *found,
                     const struct search_context *c, const struct search_method *const *method,
                     size_t n_method, struct assay_err *err);
// Opens every run's search.
int search_runs_open(struct search_runs *runs, struct assay_err *err);
// Lets a run go on, whose records stand in its round. Returns 1 when it asks for more, 0 when it is
// over; a baseline is, too, when nothing decides between its architectures.
int search_run_step(struct search_run *run, const struct search_context *c, double seconds,
                    struct assay_err *err);
void search_runs_close(struct search_runs *runs); // a zeroed struct is none

#endif
