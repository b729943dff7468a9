// SPDX-License-Identifier: Apache-2.0
// What a search method is: how its tasks are evaluated on any rank, and how one seed's search goes
// on from their results.
#ifndef ASSAY_SRC_SEARCH_METHOD_H
#define ASSAY_SRC_SEARCH_METHOD_H

#include "assay/search.h"

#include "history.h"

// What a rank is told of an evaluation. It is sent as plain bytes; its number is a hash of the
// other fields, so that equal tasks are evaluated once.
struct search_task {
    uint64_t number;
    struct {
        uint64_t seed, weights, batches; // as of struct assay_draw
    } draw;
    uint64_t index;             // of an architecture or a step; UINT64_MAX: a supernet
    uint64_t what;              // what of it is wanted, in the evaluator's own terms
    struct assay_supernet mask; // of the supernet
};

// What all searches of a run share. It is borrowed, and stays the same for the whole run.
struct search_context {
    const struct assay_config *config; // as the method's configure left it
    const struct assay_space *space;
    const struct assay_data *data;     // every rank
    const struct assay_pla *pla;       // of the ranks that evaluate a task together; NULL: one
    struct assay_held held;            // what a rank holds beside the evaluator
    const struct assay_schema *schema; // of the records
    const struct assay_log *log;       // NULL on all ranks but 0
    struct search_history *history;    // rank 0
    const struct search_ranks *ranks;  // rank 0: of search.ranks, or NULL
    const struct search_evaluator *evaluator;
    void *evaluator_state;
};

// How a task becomes a record; it exists on every rank.
struct search_evaluator {
    int (*open)(void **state, const struct search_context *c, struct assay_err *err);
    const struct assay_schema *(*schema)(const void *state);
    int (*evaluate)(void *state, const struct search_task *task, struct assay_record *record,
                    struct assay_err *err);
    double (*cost)(void *state, const struct search_task *task); // in any unit; called on rank 0
    void (*close)(void *state);                                  // takes NULL
};
// Evaluates run.metrics of an architecture or a supernet, at the task's draw of weights and
// batches; `what` is the draw's `thin`.
extern const struct search_evaluator search_evaluator_metrics;

// A round of one seed. It begins with the records of what was asked for, and ends with what is
// asked for next.
struct search_round {
    const struct assay_record *const *record; // (n_record) in the order asked; first round: none
    size_t n_record;
    double wall_seconds; // since the round was asked for
    struct search_task *task;
    size_t n_task, cap_task;
    struct assay_err *err;
};
// Asks for a task, whose number is filled in. Returns the place at which its record will stand, or
// ASSAY_ERR_MEMORY.
int search_ask(struct search_round *round, struct search_task task);

struct search_method {
    const char *name, *help;
    const struct search_evaluator *evaluator;
    // Called first, on every rank: sets what the method needs, such as its metrics; an error for
    // what it cannot take.
    int (*configure)(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err);
    // On rank 0 alone, with one state for each seed. round reads what was answered and asks for
    // more; it returns 1, or 0 when all is done and *index is the architecture found.
    int (*open)(void **state, const struct search_context *c, uint64_t seed, struct assay_err *err);
    int (*round)(void *state, struct search_round *round, uint64_t *index);
    // What was found and others, best first and at most n, each another network; returns how many.
    // NULL: the method evaluates no architectures.
    size_t (*best)(const void *state, uint64_t *index, size_t n);
    void (*close)(void *state); // takes NULL
    bool finishes;              // search.finish may decide in the end
    // The method that finds the best of random architectures by the same score, itself where it is
    // one. equal sets search.samples to how many of them cost as much as one search, and search.by
    // to what decides; it returns that number, or 0 where there is nothing to compare. On rank 0.
    const struct search_method *random;
    uint64_t (*equal)(const struct search_context *c, struct assay_config *config);
    // The i-th architecture that a random search drew, UINT64_MAX behind the last. NULL: it is
    // none.
    uint64_t (*drawn)(const void *state, uint64_t i);
};
extern const struct search_method *const search_methods[]; // ends with NULL
#define SEARCH_METHODS_MAX 7
// Reads the methods that search.method names, such as "tenas, random", each once, into `method`
// (SEARCH_METHODS_MAX), and has them configure *config. Returns how many there are, or an error.
int search_find_methods(const struct assay_config *given, const struct assay_space *space,
                        const struct search_method **method, struct assay_config *config,
                        struct assay_err *err);
extern const struct search_method search_tenas, search_marginal, search_random, search_evolution,
    search_nasi, search_nasi_ada, search_nasi_random;

// ---- helpers ------------------------------------------------------------------------------------
// Number of the schema's column of this name, or n_column.
uint32_t search_column(const struct assay_schema *schema, const char *name);
// Sets the metrics that a search evaluates, whatever the configuration says.
void search_set_metrics(struct assay_config *config, const char *metrics);
// Sets search.samples, and returns it.
uint64_t search_set_samples(struct assay_config *config, uint64_t samples);
// The mean over the repeats, NaN when one of them is NaN.
double search_mean(const struct assay_schema *schema, const struct assay_record *record,
                   uint32_t column);
// The end of an error's text where kernels of the configuration have no kappa.
#define SEARCH_SINGULAR                                                                            \
    "kernels are singular when images repeat, or when ntk.batch = %llu is more than the network "  \
    "tells apart: other images or a smaller batch may help"
// How many random architectures cost the FLOPs of a TE-NAS search that prunes at random.
uint64_t search_tenas_cost(const struct search_context *c);
// How many operations are alive, on all edges together.
unsigned search_count_alive(const struct assay_supernet_kind *kind,
                            const struct assay_supernet *mask);
// What is alive in one mask and no more in the other: " 1<-0 skip_connect, 3<-2 avg_pool_3x3", of
// two cell types " normal: ...; reduction: ...". malloc'd, NULL without memory.
char *search_pruned_text(const struct assay_supernet_kind *kind,
                         const struct assay_supernet *before, const struct assay_supernet *after);
// An error unless the space has supernets.
int search_need_supernet(const struct assay_space *space, struct assay_err *err);

#endif
