// SPDX-License-Identifier: Apache-2.0
// sweep: candidates, shards, publishing, merging, forecasting; coordinator, workers, resume, stop.
#ifndef ASSAY_SWEEP_H
#define ASSAY_SWEEP_H

#include "assay/evaluate.h"

// ---- options ------------------------------------------------------------------------------------
// [candidates] Which architectures of the space a sweep evaluates.
struct assay_candidates {
    char archs[ASSAY_TEXT_MAX]; // file with one architecture or number per line
    char order[ASSAY_TEXT_MAX], key[ASSAY_TEXT_MAX]; // table that numbers them, its column
    uint64_t first, count, sample, seed;             // count 0: to the end; sample 0: all
    char shard[48]; // "I/N": part I of N of these candidates; "": all of them
};
// [run] How the farm does its work.
struct assay_run_spec {
    double checkpoint;     // seconds between results.h5 checkpoints
    double time_limit;     // seconds until a clean stop, 0: Slurm's end time or none
    int coordinator_works; // does rank 0 evaluate too: auto (up to 8 ranks), yes, no
};
extern const struct assay_options assay_candidates_options; // struct assay_candidates
extern const struct assay_options assay_run_options;        // struct assay_run_spec
// Adds these to what assay_evaluate_vocabulary adds.
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

// ---- the run ------------------------------------------------------------------------------------
enum assay_exit {
    ASSAY_EXIT_COMPLETE = 0,
    ASSAY_EXIT_ERROR = 1,
    ASSAY_EXIT_USAGE = 2,
    ASSAY_EXIT_FAILED_CANDIDATES = 3,
    ASSAY_EXIT_STOPPED = 75
};
// What a job computes on all ranks: rounds of independent tasks, each of which gives one record. A
// task is task_bytes bytes that every rank understands; the first 8 are its number (u64), which is
// the index of its record in the journal.
struct assay_round {
    const void *task; // (n, task_bytes), numbers ascending and distinct; the job's own
    uint64_t n;
    // What is known; borrowed from the farm until the next round is asked for.
    const struct assay_record *record; // (n)
    const bool *done;                  // (n)
};
struct assay_job {
    void *self;         // the first argument of every function
    const char *result; // name of the file that publish writes
    size_t task_bytes;
    bool rounds; // more than one: the journal also holds other rounds' records
    // On every rank. open: config holds the kernel rung that all ranks have and outlives the job.
    // pla: of the team it evaluates with, or NULL. identity: all that determines the numbers
    // (assay_identity_text). evaluate: as assay_evaluate; the record's index is then set to the
    // task's number.
    int (*open)(void *self, const struct assay_config *config, const struct assay_pla *pla,
                struct assay_err *err);
    const struct assay_schema *(*schema)(const void *self);
    const char *(*identity)(const void *self);
    int (*evaluate)(void *self, const void *task, struct assay_record *record,
                    struct assay_err *err);
    // NULL, or evaluates one repeat of a task; all repeats make the same record as evaluate.
    int (*evaluate_repeat)(void *self, const void *task, uint32_t repeat,
                           struct assay_record *record, struct assay_err *err);
    // On rank 0. prepare: before the directory is touched; *extra: a malloc'd block for the
    // journal's header. start: the journal is open. round: 1 and the next round, whose record and
    // done the farm sets, or 0 when all is done; each is asked for once. cost: for scheduling, in
    // any unit. publish: writes the result from what is known now.
    int (*prepare)(void *self, void **extra, size_t *n_extra, struct assay_err *err);
    int (*start)(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err);
    int (*round)(void *self, struct assay_round **round, struct assay_err *err);
    double (*cost)(void *self, const void *task);
    int (*publish)(void *self, struct assay_err *err);
};
// Collective, the first of a process: ERR_MPI on all ranks unless all run the same build of the
// program for the same words ("sweep"), the error naming the difference.
int assay_meet(struct assay_comm *comm, const char *words, struct assay_err *err);
// Collective, before anything that a configuration steers: ERR_MPI on all ranks unless all have the
// same, but for the places of files and the kernel rung; the error names the key.
int assay_config_meet(struct assay_comm *comm, const struct assay_config *config,
                      struct assay_err *err);
// Collective. Does the job in dir, or resumes it: what DIR/journal holds is not computed again.
// Rank 0 hands out tasks, alone writes files, and evaluates too while it is alone or the ranks are
// few (run.coordinator_works). With run.team, teams evaluate instead of ranks; what is left of the
// ranks waits. Where ranks are many for the tasks, repeats are handed out one by
// one. SIGTERM, SIGINT and SIGUSR1 on any rank, run.time_limit and SLURM_JOB_END_TIME (less a
// margin) stop it cleanly; the handlers stay. A system error on any rank ends the run with an error
// on all, with what is finished safe in the journal. *exit_code is the same on all ranks. log is
// used on rank 0 only.
int assay_farm_run(const struct assay_job *job, const struct assay_config *config, const char *dir,
                   struct assay_comm *comm, const struct assay_log *log, int *exit_code,
                   struct assay_err *err);
// Attributes of a result file: what determines the numbers, and, with comm, what may differ between
// equal runs. The texts are the arena's.
#define ASSAY_RUN_ATTRS 8
int assay_run_attrs(struct assay_attr attr[ASSAY_RUN_ATTRS], size_t *n, struct assay_arena *arena,
                    const struct assay_config *config, const char *identity,
                    const struct assay_comm *comm, struct assay_err *err);

// assay_farm_run of the candidates that config names. With run.memory the largest must fit: an
// error before dir is touched.
int assay_sweep_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                    const struct assay_log *log, int *exit_code, struct assay_err *err);
// Collective. Prints, on rank 0, what a run of these ranks would do: tasks, memory, the team it
// would choose, state of dir, columns, settings; changes nothing. Errors are those that would end
// the run at its start (data, architectures, memory).
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
// an unsharded sweep; dir may hold a part of it already. ERR_STATE and nothing written: directories
// of other configurations (the lines that differ are shown), of other divisions, or whose records
// of a candidate differ in a bit (a failed one gives way). What is missing is named, and is
// ERR_STATE too unless partial. *exit_code: COMPLETE, FAILED_CANDIDATES, or STOPPED: a sweep in
// dir, not sharded, would go on from there.
int assay_sweep_merge(const struct assay_vocabulary *vocabulary, const char *const *from, size_t n,
                      const char *dir, bool partial, const struct assay_log *log, int *exit_code,
                      struct assay_err *err);
// The build as "name: value", one a line: what --version prints and results.h5 records. Returns the
// length it needs (snprintf's rule), 0 when HDF5 finds no memory to tell its version.
size_t assay_build_describe(char *text, size_t cap);

#endif
