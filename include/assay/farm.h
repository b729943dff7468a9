// SPDX-License-Identifier: Apache-2.0
// farm: tasks in, records out. Rank 0 hands out the tasks of a job, the other ranks evaluate them,
// and what is finished stands in the journal of a directory, from which the same command goes on.
// The farm knows nothing of what a task means: its client does (struct assay_job).
#ifndef ASSAY_FARM_H
#define ASSAY_FARM_H

#include "assay/comm.h"
#include "assay/store.h"

enum assay_exit {
    ASSAY_EXIT_COMPLETE = 0,
    ASSAY_EXIT_ERROR = 1,
    ASSAY_EXIT_USAGE = 2,
    ASSAY_EXIT_FAILED_CANDIDATES = 3,
    ASSAY_EXIT_STOPPED = 75
};

// ---- a job --------------------------------------------------------------------------------------
// What a job computes on all ranks: rounds of independent tasks, each of which gives one record. A
// task is task_bytes bytes that every rank understands; the first 8 are its number (u64), which is
// the index of its record in the journal.
struct assay_round {
    const void *task; // (n, task_bytes), the job's own; numbers ascend and are distinct
    uint64_t n;
    // What is known of the tasks, which the farm sets; borrowed until the next round is asked for.
    const struct assay_record *record; // (n)
    const bool *done;                  // (n)
    const uint64_t *place;             // (n) in the journal, which has the spectra
    struct assay_journal *journal;
};
struct assay_job {
    void *self;         // the first argument of every function
    const char *result; // name of the file that publish writes
    size_t task_bytes;
    bool rounds; // there may be several, and the journal holds the records of all

    // ---- on every rank ----
    // Collective, and called first. team: the ranks that evaluate tasks together with this one, or
    // NULL when it evaluates alone; borrowed until close. Evaluations are collective over the team.
    int (*open)(void *self, struct assay_comm *team, struct assay_err *err);
    const struct assay_schema *(*schema)(const void *self);
    // All that determines the numbers, as a text, which must be the same on every rank.
    const char *(*identity)(const void *self);
    // Collective, called when all ranks are open and agree on the identity. Compares what else must
    // agree between them. log is NULL on all ranks but 0. May be NULL.
    int (*compare)(void *self, struct assay_comm *comm, const struct assay_log *log,
                   struct assay_err *err);
    // Fills the record of a task, whose index is then set to the task's number. A task's failure is
    // its verdict; a negative status means the system failed.
    int (*evaluate)(void *self, const void *task, struct assay_record *record,
                    struct assay_err *err);
    // Evaluates one repeat of a task; all repeats make the same record as evaluate. May be NULL.
    int (*evaluate_repeat)(void *self, const void *task, uint32_t repeat,
                           struct assay_record *record, struct assay_err *err);
    // Collective over the team. Called last, also when open failed or was not called. May be NULL.
    void (*close)(void *self);

    // ---- on rank 0 ----
    // Called before dir is touched. *extra: a malloc'd block for the journal's header.
    int (*prepare)(void *self, const char *dir, void **extra, size_t *n_extra,
                   struct assay_err *err);
    // Called when the journal is open.
    int (*start)(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err);
    // Returns 1 and the next round, whose record and done the farm sets, or 0 when all is done. The
    // farm asks for a round once the one before is complete.
    int (*round)(void *self, struct assay_round **round, struct assay_err *err);
    // What a task costs, in any unit; the farm makes its schedule by it.
    double (*cost)(void *self, const void *task);
    // Does, for about so many seconds, a part of what publish needs and no record changes; publish
    // does what is left of it. Returns 1 while there is more, otherwise 0. May be NULL.
    int (*fill)(void *self, double seconds, struct assay_err *err);
    // About how many seconds publish takes when all is known, so that a run stops in time. May be
    // NULL.
    double (*publishing)(void *self);
    // Writes the result from what is known now. pause is NULL, or is called now and then meanwhile:
    // what becomes known then does not count, and when it ends the writing, its status is returned
    // and the former result remains.
    int (*publish)(void *self, const struct assay_pause *pause, struct assay_err *err);
};

// Whether rank 0 evaluates tasks beside handing them out. AUTO: it does when it is alone, when
// there are at most 8 ranks, and with teams.
enum assay_rank_0 { ASSAY_RANK_0_AUTO, ASSAY_RANK_0_WORKS, ASSAY_RANK_0_COORDINATES };
// How the farm is to run a job.
struct assay_farm_spec {
    int team;                 // ranks that evaluate a task together, at least 1
    enum assay_rank_0 rank_0; // whether it evaluates, too
    double checkpoint;        // seconds between publications while it runs, 0: only at the end
    double time_limit;        // seconds until a clean stop, 0: Slurm's end time or none
    // What a rank computes with, for the log: "avx2 kernels, no memory limit" and "1 BLAS thread a
    // rank: OpenBLAS". Borrowed.
    const char *engine, *library;
};
// Collective. Does the job in dir, or resumes it: what DIR/journal holds is not computed again.
// Rank 0 hands out tasks, writes all files, and evaluates too where spec says so. With teams of
// more than one rank, teams evaluate instead of ranks, and ranks that are left over wait. Where
// there are few tasks for the ranks, repeats are handed out one by one. SIGTERM, SIGINT and SIGUSR1
// on any rank, spec's time limit and SLURM_JOB_END_TIME (less a margin) stop it cleanly; the signal
// handlers stay installed. A system error on any rank ends the run with an error on all of them;
// what is finished is safe in the journal. *exit_code is the same on all ranks. log is used on rank
// 0 only.
int assay_farm_run(const struct assay_job *job, const struct assay_farm_spec *spec, const char *dir,
                   struct assay_comm *comm, const struct assay_log *log, int *exit_code,
                   struct assay_err *err);

// ---- whether all ranks do the same --------------------------------------------------------------
// Collective; the first such call of a process. ERR_MPI on all ranks unless all run the same build
// of the program for the same words ("sweep"); the error names the difference.
int assay_farm_meet(struct assay_comm *comm, const char *words, struct assay_err *err);
// Collective, to be called before anything that the settings steer. ERR_MPI on all ranks unless all
// give the same lines "KEY = VALUE"; the error names the first key that differs. lines is NULL
// where there was no memory for the text, which is ERR_MEMORY on all ranks.
int assay_farm_meet_settings(struct assay_comm *comm, const char *lines, struct assay_err *err);

// ---- teams --------------------------------------------------------------------------------------
// Who evaluates with whom: teams are `size` ranks in a row, the first of which leads; those that
// are left over wait. Worker 0 is rank 0, with the first team when it works; worker i is the i-th
// team of the others.
struct assay_teams {
    int size, ranks, workers;
    bool works; // rank 0 evaluates, too
};
struct assay_teams assay_teams_make(const struct assay_farm_spec *spec, int ranks);
int assay_teams_worker(const struct assay_teams *t, int rank); // -1: it is left over
int assay_teams_leader(const struct assay_teams *t, int worker);
int assay_teams_evaluating(const struct assay_teams *t); // teams
// ERR_CONFIG when there are fewer ranks than a team has.
int assay_teams_check(const struct assay_teams *t, struct assay_err *err);
// Into how many items each of n tasks is cut: 1 while there are many tasks for each evaluator,
// otherwise `most`.
uint32_t assay_farm_cut(uint64_t n, uint32_t most, int evaluators);
// How many records of that many bytes a worker keeps at most before it sends them.
uint64_t assay_farm_records_most(size_t bytes);
// Bytes that rank 0 holds of n tasks: their records, and what tells which is next.
uint64_t assay_farm_bytes(const struct assay_schema *schema, uint64_t n);

// ---- the ledger: what is known of tasks ---------------------------------------------------------
struct assay_tasks {
    const char *at; // (n, bytes), borrowed; each begins with its number, ascending and distinct
    uint64_t n;
    size_t bytes;
};
struct assay_ledger_part {
    uint32_t n, worst; // repeats entered; the first of those with the worst verdict
    double *spectrum;  // of the repeats entered, malloc'd
};
struct assay_ledger {
    const struct assay_schema *schema; // borrowed
    struct assay_tasks task;
    struct assay_record *record;    // (n), without their spectra, which stay in the journal
    bool *done;                     // (n)
    uint64_t *place;                // (n) number of a done task's record in the journal
    double *value;                  // that the records point into
    struct assay_ledger_part *part; // (n) of tasks that are entered repeat by repeat
    size_t bytes;                   // of a packed record
    uint64_t n_done, n_failed;
};
int assay_ledger_open(struct assay_ledger *ledger, const struct assay_schema *schema,
                      struct assay_tasks task, struct assay_err *err);
// Enters the journal's first n records. A record of no task is left out where `others` are
// expected, and is otherwise ERR_INPUT.
int assay_ledger_load(struct assay_ledger *ledger, struct assay_journal *journal, uint64_t n,
                      bool others, struct assay_err *err);
// Opens a ledger of what DIR/journal holds; the journal is only read. *journal remains open for the
// spectra; NULL after an error.
int assay_ledger_read(struct assay_ledger *ledger, struct assay_journal **journal,
                      const struct assay_schema *schema, struct assay_tasks task, const char *dir,
                      struct assay_err *err);
// Enters a packed record, which stands or will stand at that place of the journal; *task is the
// task it is of. Returns 1, 0 when the task was already done, or an error.
int assay_ledger_enter(struct assay_ledger *ledger, const void *packed, uint64_t place,
                       uint64_t *task, struct assay_err *err);
// The same with a record of one repeat. It is kept until all repeats are there, and then the task
// is done: returns 1 for the last repeat and packs the whole record, otherwise 0. A task of which
// repeats are missing is not done, and those that were kept are lost with the ledger.
int assay_ledger_enter_repeat(struct assay_ledger *ledger, void *packed, uint32_t repeat,
                              uint64_t place, uint64_t *task, struct assay_err *err);
// Failed tasks count as not done again, so that a run tries them once more; returns how many.
uint64_t assay_ledger_retry(struct assay_ledger *ledger);
void assay_ledger_free(struct assay_ledger *ledger);

// ---- simulation ---------------------------------------------------------------------------------
// What messages cost: the time of rank 0, and that on the way to it.
struct assay_sim_price {
    double message, record; // seconds of rank 0 for each message, and for each record in it
    double latency;         // seconds from when it is sent until it is looked at
};
struct assay_sim_input {
    const double *cost;    // (n) of tasks, by which they are dealt
    const double *seconds; // (n) that tasks take
    uint64_t n, most;      // most: records in a message (assay_farm_records_most)
    int workers;           // rank 0 among them
    bool works;            // rank 0 evaluates, too
    struct assay_sim_price price;
};
// The workers' time in parts, which add up to 1: efficiency is work, coordinating is that of a rank
// 0 that only coordinates, tail is that of workers that have finished their last task, and waiting
// is the rest.
struct assay_sim {
    double wall, work, longest; // seconds: from first to last, of all tasks, of the longest
    double efficiency, coordinating, tail, waiting;
    double handling, load; // seconds of rank 0 for messages; their part of its time
    uint64_t messages;
};
// Runs the farm in virtual time, by the schedule of a real run.
int assay_sim_run(struct assay_sim *out, const struct assay_sim_input *in, struct assay_err *err);
// What takes most of the time that is not work, in words.
const char *assay_sim_limit(const struct assay_sim *sim, int workers);

#endif
