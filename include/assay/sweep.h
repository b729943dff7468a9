// SPDX-License-Identifier: Apache-2.0
// sweep: candidates, shards, publishing, merging, forecasting: a client of the farm.
#ifndef ASSAY_SWEEP_H
#define ASSAY_SWEEP_H

#include "assay/evaluate.h"
#include "assay/farm.h"

// ---- options ------------------------------------------------------------------------------------
// [candidates] Which architectures of the space a sweep evaluates.
struct assay_candidates {
    char archs[ASSAY_TEXT_MAX];          // file with one architecture or number per line
    char order[ASSAY_TEXT_MAX];          // table that numbers them
    char key[ASSAY_TEXT_MAX];            // its column of architectures
    uint64_t first, count, sample, seed; // count 0: to the end; sample 0: all
    char shard[48];                      // "I/N": part I of N of these candidates; "": all of them
};
// [run] How the farm does its work.
struct assay_run_spec {
    double checkpoint;     // seconds between checkpoints of results.h5
    double time_limit;     // seconds until a clean stop, 0: Slurm's end time or none
    int coordinator_works; // enum assay_rank_0
};
// [score] Columns that the user makes of others.
struct assay_score_spec {
    char lines[ASSAY_TEXT_MAX]; // "name = formula", for assay_opts_named
};
extern const struct assay_options assay_candidates_options; // struct assay_candidates
extern const struct assay_options assay_run_options;        // struct assay_run_spec
extern const struct assay_options assay_score_options;      // struct assay_score_spec
// Adds these tables to what assay_evaluate_vocabulary adds.
void assay_sweep_vocabulary(struct assay_vocabulary *v);
static inline const struct assay_candidates *
assay_config_candidates(const struct assay_config *config)
{
    return assay_config_get(config, &assay_candidates_options);
}
static inline const struct assay_run_spec *assay_config_run(const struct assay_config *config)
{
    return assay_config_get(config, &assay_run_options);
}
static inline const struct assay_score_spec *assay_config_score(const struct assay_config *config)
{
    return assay_config_get(config, &assay_score_options);
}

// ---- the run ------------------------------------------------------------------------------------
// Collective, to be called before anything that a configuration steers. ERR_MPI on all ranks unless
// all have the same configuration, but for the places of files and the kernel rung; the error names
// the key.
int assay_config_meet(struct assay_comm *comm, const struct assay_config *config,
                      struct assay_err *err);
// What computes on every rank: its kernels and its BLAS, in words for the log.
struct assay_engine {
    char kernels[320], library[320];
};
// Collective. Sets run.cpu to one rung for all ranks, the best that each of them has, so that no
// number depends on where it was computed.
int assay_engine_agree(struct assay_engine *engine, struct assay_config *config,
                       struct assay_comm *comm, struct assay_err *err);
// Collective. Warns of a BLAS that runs threads, and of a rank whose BLAS is not rank 0's.
int assay_engine_compare(struct assay_comm *comm, const struct assay_log *log,
                         struct assay_err *err);
// What the farm is told of a configuration, whose run.team has been chosen; borrows engine (NULL:
// none).
struct assay_farm_spec assay_config_farm(const struct assay_config *config,
                                         const struct assay_engine *engine);
// Refuses a DIR/journal of another arithmetic than this identity's, before the farm opens it.
int assay_identity_check(const char *identity, const char *dir, struct assay_err *err);
// Writes DIR/config.ini atomically.
int assay_config_write(const struct assay_config *config, const char *dir, struct assay_err *err);
// Attributes of a result file: what determines the numbers, and, with comm, what may differ between
// equal runs. The texts are the arena's.
#define ASSAY_RUN_ATTRS 8
int assay_run_attrs(struct assay_attr attr[ASSAY_RUN_ATTRS], size_t *n, struct assay_arena *arena,
                    const struct assay_config *config, const char *identity,
                    const struct assay_comm *comm, struct assay_err *err);

// Runs the farm (assay_farm_run) on the candidates that config names. Where the largest of them
// does not fit into run.memory, it is an error before dir is touched.
int assay_sweep_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                    const struct assay_log *log, int *exit_code, struct assay_err *err);
// Collective. Prints, on rank 0, what a run of these ranks would do: tasks, memory, the team it
// would choose, the state of dir, columns and settings. Changes nothing. Errors are those that
// would end the run at its start (data, architectures, memory).
int assay_sweep_dry_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                        FILE *out, struct assay_err *err);
// Prints what a sweep will take: tasks, memory, disk, CPU time, and for numbers of ranks the wall
// time of a simulated run with its efficiency and what limits it. Writes no file.
struct assay_forecast {
    int ranks;          // 0: powers of two
    double seconds;     // CPU time spent on measuring candidates
    const char *replay; // directory of a sweep whose recorded times are taken instead, or NULL
};
int assay_sweep_forecast(const struct assay_config *config, const struct assay_forecast *spec,
                         FILE *out, struct assay_err *err);
// Rewrites DIR/results.h5 from DIR/journal alone, without data or architecture file; the run may be
// unfinished or even still running.
int assay_sweep_pack(const struct assay_vocabulary *vocabulary, const char *dir,
                     const struct assay_log *log, struct assay_err *err);
// Joins what shards of one sweep have done into the run directory dir, whose results.h5 is that of
// an unsharded sweep; dir may hold a part of it already. ERR_STATE, with nothing written, where
// directories have other configurations (the lines that differ are shown) or other divisions, or
// where their records of a candidate differ in a bit (a failed one gives way). What is missing is
// named, and is ERR_STATE too unless partial. *exit_code is COMPLETE, FAILED_CANDIDATES, or STOPPED
// when an unsharded sweep in dir would go on from there.
int assay_sweep_merge(const struct assay_vocabulary *vocabulary, const char *const *from, size_t n,
                      const char *dir, bool partial, const struct assay_log *log, int *exit_code,
                      struct assay_err *err);
// ---- how far a run is ---------------------------------------------------------------------------
struct assay_run_reason {
    char text[ASSAY_REASON_MAX];
    int32_t verdict; // DEGENERATE or FAILED
    uint64_t n;      // evaluations with it
};
// What a run directory tells, of a sweep or a search, that runs, was stopped, or is dead.
struct assay_run_state {
    struct assay_holder holder;
    bool journal;                      // false: there is none yet
    bool search;                       // a search's tasks are not known before its end
    const struct assay_config *config; // NULL: this program cannot read it, and why
    char why[512];
    uint64_t n_task;                          // of a sweep or its shard; 0: not known
    uint64_t n_record;                        // in the journal; one task may have several
    uint64_t n_done;                          // tasks that have one
    uint64_t count[ASSAY_VERDICT_FAILED + 1]; // those tasks by verdict
    double cpu_seconds;                       // of all records
    int ranks;                                // that evaluated one
    double written, published;                // since the epoch: journal, result file; 0: never
    const char *result;                       // that file's name
    const struct assay_run_reason *reason;    // (n_reason) the most frequent first
    size_t n_reason;
};
struct assay_run_watch;
// Opens a directory to look at it, from any host; nothing is changed there, and the lock is held
// for a moment only.
int assay_run_watch_open(struct assay_run_watch **out, const struct assay_vocabulary *vocabulary,
                         const char *dir, struct assay_err *err);
// Reads what has come since. What state points at is the watch's, until the next look.
int assay_run_watch_look(struct assay_run_watch *w, struct assay_run_state *state,
                         struct assay_err *err);
void assay_run_watch_close(struct assay_run_watch *w);

// The build as "name: value", one a line: what --version prints and results.h5 records. Returns the
// length it needs (snprintf's rule), 0 when HDF5 finds no memory to tell its version.
size_t assay_build_describe(char *text, size_t cap);

#endif
