// SPDX-License-Identifier: Apache-2.0
// search: TE-NAS's pruning, marginal pruning, NASI, random search and evolution, as jobs of the
// farm.
//
// A search is rounds of independent evaluations, each round derived from the results of those
// before, so that a search that was stopped or killed replays its journal and goes on. The searches
// of several seeds run side by side. Methods are listed in src/search/methods.c.
#ifndef ASSAY_SEARCH_H
#define ASSAY_SEARCH_H

#include "assay/sweep.h"

// [search] What a search is told besides the protocol.
struct assay_search_spec {
    char method[ASSAY_TEXT_MAX], seeds[ASSAY_TEXT_MAX];
    bool baseline;  // random searches at equal cost stand beside the methods
    uint64_t prune; // operations pruned from every edge in a round; 0: the space's own
    bool common;    // all candidates of a round share weights and batches
    char by[ASSAY_TEXT_MAX], finish[ASSAY_TEXT_MAX]; // finish: empty, as by
    char ranks[ASSAY_TEXT_MAX];                      // a results.h5, or empty
    uint64_t round, last; // marginal: architectures of a round; so many left are all evaluated
    char screen[ASSAY_TEXT_MAX]; // random: counts by which the samples are screened; empty: not
    uint64_t screened;           // how many of them are evaluated
    uint64_t samples, population, tournament, children;
    uint64_t steps;          // nasi: T
    char nu[ASSAY_TEXT_MAX]; // nasi: the bound, "100", or a quantile of T, "q70"
    double mu, nu_adaptive;  // nasi: the penalty's weight, NASI-ADA's first bound
    double bound, quantile;  // that nu says: one of them, the other NaN
    int norm;                // nasi: what divides a step: the largest norm so far, or its own
    bool none;               // nasi: `none` is one of the operations
    bool per_cell, affine;   // nasi: samples per cell; BNs of the one-shot network
    uint64_t channels, cells, stem; // nasi: of the one-shot network, 0: the space's own
};
extern const struct assay_options assay_search_options; // struct assay_search_spec
void assay_search_vocabulary(struct assay_vocabulary *v);
static inline const struct assay_search_spec *assay_config_search(const struct assay_config *config)
{
    return assay_config_get(config, &assay_search_options);
}

// Whose a row of the list is: a method's, or a baseline's: the best of as many random architectures
// as cost the same, by the same score; or the one of a random search's that has the most
// parameters.
enum assay_found_role { ASSAY_FOUND_SEARCH, ASSAY_FOUND_RANDOM, ASSAY_FOUND_PARAMS };
#define ASSAY_FOUND_BEST 100 // architectures of a search that are told, at the most
// What one method's search with one seed found.
struct assay_found {
    const char *method; // static
    uint64_t seed;
    enum assay_found_role role;
    uint64_t samples;        // random architectures; 0: it is no random search
    char of[ASSAY_NAME_MAX]; // of RANDOM and its PARAMS: the methods that cost as much
    bool done; // false: stopped early, nothing found yet; or nothing decides in a baseline
    uint64_t index;
    char arch[ASSAY_ARCH_MAX];
    uint64_t rounds, evaluations; // evaluations: records, each of all repeats
    double cpu_seconds;           // of all its evaluations, replayed ones included
    double wall_seconds;          // of this run, until it was found
    // Of the architectures that it compared in the end the best, each another network, best first;
    // none of methods that evaluate no architectures.
    uint64_t best[ASSAY_FOUND_BEST];
    size_t n_best;
};
struct assay_found_list {
    struct assay_found *item; // (n) for each method its seeds, in the order given; then baselines
    size_t n;
};

// Collective. Runs the searches that config.search names in dir, or resumes them; see
// assay_farm_run. DIR/search.h5 holds what happened: for each method tables of equal-length data
// sets, attributes as results.h5 has, and a group /run of all that may differ between equal runs.
// ERR_INPUT where nothing decides: no value is finite, or all are equal.
// found (rank 0): owned by the caller, also after an error.
int assay_search_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                     const struct assay_log *log, struct assay_found_list *found, int *exit_code,
                     struct assay_err *err);
void assay_found_free(struct assay_found_list *found);

// Name and help of method i, or false.
bool assay_search_method(unsigned i, const char **name, const char **help);

#endif
