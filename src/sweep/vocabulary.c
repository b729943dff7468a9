// SPDX-License-Identifier: Apache-2.0
// Which candidates a sweep has, how a farm runs, and what columns are made of others.
#include "run.h"

#define CANDIDATES(member) .offset = offsetof(struct assay_candidates, member)
#define RUN(member)        .offset = offsetof(struct assay_run_spec, member)
#define OF_SWEEPS          .job = "sweep"
#define HOW                .role = ASSAY_OPT_CIRCUMSTANCE

// clang-format off
static const struct assay_opt candidates_rows[] = {
    {"candidates", "first", "index of the first candidate",
     ASSAY_KEY_ANY_U64, CANDIDATES(first), .def = "0", OF_SWEEPS},
    {"candidates", "count", "number of candidates from there on; 0: to the end of the space",
     ASSAY_KEY_ANY_U64, CANDIDATES(count), .def = "0", OF_SWEEPS},
    {"candidates", "sample", "evaluate a random sample of so many of them; 0: all",
     ASSAY_KEY_ANY_U64, CANDIDATES(sample), .def = "0", OF_SWEEPS},
    {"candidates", "seed", "seed of the sample",
     ASSAY_KEY_ANY_U64, CANDIDATES(seed), .def = "0", OF_SWEEPS},
    {"candidates", "archs", "file with one architecture or index per line, or a table with a column of them, in place of first and count; onnx: with one path per line, or a directory",
     ASSAY_KEY_TEXT, CANDIDATES(archs), .def = "", OF_SWEEPS},
    {"candidates", "order", "table with columns index and arch: candidates are its own, and indices count as it does",
     ASSAY_KEY_TEXT, CANDIDATES(order), .def = "", OF_SWEEPS, .with = "order"},
    {"candidates", "key", "column of architectures of such tables",
     ASSAY_KEY_TEXT, CANDIDATES(key), .def = "arch", OF_SWEEPS, .with = "order"},
    {"candidates", "shard", "I/N: only part I of N of them, for `assay merge`; empty: all",
     ASSAY_KEY_TEXT, CANDIDATES(shard), .def = "", .max = sizeof(((struct assay_candidates *)NULL)->shard), OF_SWEEPS, .with = "shard"},
    {.name = NULL},
};

static const struct assay_opt run_rows[] = {
    {"run", "checkpoint", "seconds between checkpoints of results.h5; 0: only at the end",
     ASSAY_KEY_F64(0, 0x1p53), RUN(checkpoint), .def = "300", HOW},
    {"run", "time_limit", "seconds until a clean stop; 0: at Slurm's end time, or none",
     ASSAY_KEY_F64(0, 0x1p53), RUN(time_limit), .def = "0", HOW},
    {"run", "coordinator_works", "rank 0 evaluates too; auto: when there are at most 8 ranks, or teams",
     ASSAY_KEY_CHOICE("auto|yes|no"), RUN(coordinator_works), .def = "auto", HOW},
    {.name = NULL},
};

static const struct assay_opt score_rows[] = {
    {"score", "NAME", "a column of your own, by any name: weighted ranks, such as 2*kappa + regions (or lnrank(kappa) + ...: ln of rank/M)",
     .type = ASSAY_OPT_NAMED, .offset = offsetof(struct assay_score_spec, lines), .def = ""},
    {.name = NULL},
};
// clang-format on
const struct assay_options assay_candidates_options = {candidates_rows,
                                                       sizeof(struct assay_candidates)};
const struct assay_options assay_run_options = {run_rows, sizeof(struct assay_run_spec)};
const struct assay_options assay_score_options = {score_rows, sizeof(struct assay_score_spec)};

static int check(struct assay_config *config, struct assay_err *err)
{
    const struct assay_candidates *c = assay_config_candidates(config);
    struct sweep_shard shard;
    if (*c->archs && (c->first || c->count || c->sample))
        return assay_err_set(
            err, ASSAY_ERR_CONFIG,
            "candidates.archs = %.200s excludes candidates.first, count and sample", c->archs);
    ASSAY_TRY(sweep_shard_parse(&shard, c->shard, err));
    return sweep_scores_check(config, err);
}

void assay_sweep_vocabulary(struct assay_vocabulary *v)
{
    assay_vocabulary_add(v, &assay_candidates_options);
    assay_vocabulary_add(v, &assay_run_options);
    assay_vocabulary_add(v, &assay_score_options);
    assay_vocabulary_add_check(v, check);
}
