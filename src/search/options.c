// SPDX-License-Identifier: Apache-2.0
#include "method.h"

#include <math.h>
#include <stdlib.h>

#define FIELD(member) .offset = offsetof(struct assay_search_spec, member)
#define OF_SEARCHES   .job = "search"

// clang-format off
static const struct assay_opt rows[] = {
    {"search", "method", "search methods with commas between, side by side (`assay list methods`)",
     ASSAY_KEY_TEXT, FIELD(method), .def = "tenas", OF_SEARCHES},
    {"search", "seeds", "one search for each of these seeds, in place of run.seed: 0-3, or 1, 5, 8-9",
     ASSAY_KEY_TEXT, FIELD(seeds), .def = "0", OF_SEARCHES},
    {"search", "baseline", "also find the best of random architectures at equal cost, by the same score and by parameters",
     ASSAY_KEY_BOOL, FIELD(baseline), .def = "true", .with = "baseline", OF_SEARCHES},
    {"search", "prune", "tenas: operations pruned from every edge in a round; 0: 1 (darts: 3, its ImageNet: 2)",
     ASSAY_KEY_U64(0, 16), FIELD(prune), .def = "0", OF_SEARCHES},
    {"search", "common", "tenas: all candidates of a round share weights and batches; false: new ones for each (run.redraw = false: of weights, thin ones)",
     ASSAY_KEY_BOOL, FIELD(common), .def = "true", OF_SEARCHES},
    {"search", "by", "what decides: tenas (rank sum of kappa and regions), a score, a column or a formula of columns",
     ASSAY_KEY_TEXT, FIELD(by), .def = "tenas", OF_SEARCHES},
    {"search", "ranks", "random, evolution, marginal: a results.h5 whose rows give the ranks of search.by, in place of what was evaluated",
     ASSAY_KEY_TEXT, FIELD(ranks), .def = "", .role = ASSAY_OPT_CIRCUMSTANCE, OF_SEARCHES},
    {"search", "round", "marginal: random architectures that are evaluated in a round",
     ASSAY_KEY_U64(1, 100000), FIELD(round), .def = "64", .with = "round", OF_SEARCHES},
    {"search", "last", "marginal: when no more are left, all are evaluated; 0: 64 (darts: search.round)",
     ASSAY_KEY_U64(0, 100000), FIELD(last), .def = "0", .with = "last", OF_SEARCHES},
    {"search", "finish", "marginal: what decides between these last ones, as search.by; empty: search.by",
     ASSAY_KEY_TEXT, FIELD(finish), .def = "", .with = "finish", OF_SEARCHES},
    {"search", "samples", "random, evolution: architectures evaluated; 0: as many as cost a TE-NAS search's FLOPs (nasi-random: NASI's)",
     ASSAY_KEY_U64(0, 100000), FIELD(samples), .def = "0", OF_SEARCHES},
    {"search", "screen", "random: search.screened of the samples are evaluated, the best by these counts, as params_live; empty: all",
     ASSAY_KEY_TEXT, FIELD(screen), .def = "", .with = "screen", OF_SEARCHES},
    {"search", "screened", "random: how many search.screen leaves",
     ASSAY_KEY_U64(0, 100000), FIELD(screened), .def = "0", .with = "screen", OF_SEARCHES},
    {"search", "population", "evolution: architectures alive",
     ASSAY_KEY_U64(2, 100000), FIELD(population), .def = "32", OF_SEARCHES},
    {"search", "tournament", "evolution: of so many, drawn from the living, the best is a parent",
     ASSAY_KEY_U64(1, 100000), FIELD(tournament), .def = "8", OF_SEARCHES},
    {"search", "children", "evolution: born and evaluated together; as many of the oldest die",
     ASSAY_KEY_U64(1, 100000), FIELD(children), .def = "8", OF_SEARCHES},
    {"search", "steps", "nasi: steps T, each with a mini-batch (nasi.batch) and a sample of its own",
     ASSAY_KEY_U64(1, 100000), FIELD(steps), .def = "100", OF_SEARCHES},
    {"search", "mu", "nasi: the objective is T - mu max(0, T - nu), T the trace norm",
     ASSAY_KEY_F64(0, 0x1p53), FIELD(mu), .def = "2", OF_SEARCHES},
    {"search", "nu", "nasi, nasi-random: that bound, a number from 0; or q70: so many percent of the search's T are below it",
     ASSAY_KEY_TEXT, FIELD(nu), .def = "100", OF_SEARCHES},
    {"search", "nu_adaptive", "nasi-ada: the bound of step 1; of step t it is (this + the T of all steps before) / t",
     ASSAY_KEY_F64(0, 0x1p1000), FIELD(nu_adaptive), .def = "500", OF_SEARCHES},
    {"search", "norm", "nasi: a step's derivative is divided by the largest norm so far, or by its own",
     ASSAY_KEY_CHOICE("largest|own"), FIELD(norm), .def = "largest", OF_SEARCHES},
    {"search", "none", "nasi: `none` is one of the operations, where the space has it",
     ASSAY_KEY_BOOL, FIELD(none), .def = "true", OF_SEARCHES},
    {"search", "per_cell", "nasi: every cell has samples of its own; false: all cells of a type have the same",
     ASSAY_KEY_BOOL, FIELD(per_cell), .def = "false", OF_SEARCHES},
    {"search", "affine", "nasi: BNs of the one-shot network have scales and shifts",
     ASSAY_KEY_BOOL, FIELD(affine), .def = "false", OF_SEARCHES},
    {"search", "channels", "nasi: channels C of the one-shot network; 0: 16",
     ASSAY_KEY_U64(0, 1024), FIELD(channels), .def = "0", OF_SEARCHES},
    {"search", "cells", "nasi: cells N per stage of the one-shot network; 0: 5 (darts: all cells, 9)",
     ASSAY_KEY_U64(0, 64), FIELD(cells), .def = "0", OF_SEARCHES},
    {"search", "stem", "nasi, darts: channels of the one-shot network's stem in units of C; 0: 3",
     ASSAY_KEY_U64(0, 16), FIELD(stem), .def = "0", OF_SEARCHES},
    {.name = NULL},
};
// clang-format on
const struct assay_options assay_search_options = {rows, sizeof(struct assay_search_spec)};

// Reads search.nu. A number is written as other keys write theirs, so that 1e2 and 100 are equal.
static int read_nu(struct assay_config *config, struct assay_err *err)
{
    struct assay_search_spec *s = assay_config_edit(config, &assay_search_options);
    const bool quantile = *s->nu == 'q';
    const double most = quantile ? 100 : 0x1p1000;
    const char *number = s->nu + quantile;
    char *end;
    const double x = strtod(number, &end);
    if (end == number || *end || !(x >= 0 && x <= most))
        return assay_err_set(
            err, ASSAY_ERR_CONFIG,
            "search.nu = '%.100s': expected a number from 0, or q and a percentage "
            "(q70)",
            s->nu);
    s->bound = quantile ? NAN : x;
    s->quantile = quantile ? x / 100 : NAN;
    snprintf(s->nu, sizeof s->nu, "%s%.15g", quantile ? "q" : "", x);
    if (strtod(s->nu + quantile, NULL) != x)
        snprintf(s->nu, sizeof s->nu, "%s%.17g", quantile ? "q" : "", x);
    return 0;
}

void assay_search_vocabulary(struct assay_vocabulary *v)
{
    assay_vocabulary_add(v, &assay_search_options);
    assay_vocabulary_add_check(v, read_nu);
}
