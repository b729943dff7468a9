// SPDX-License-Identifier: Apache-2.0
// The inside of a run: which tasks there are, what is known of them, and who computes the rest.
#ifndef SRC_SWEEP_RUN_H
#define SRC_SWEEP_RUN_H

#include "assay/sweep.h"

// ---- what is to be done -------------------------------------------------------------------------
// The tasks of a round.
struct sweep_tasks {
    const char *at; // (n, bytes), borrowed; each begins with its number, ascending and distinct
    uint64_t n;
    size_t bytes;
};
// Rows are candidates; a task is what is evaluated for one or more rows: the representative of
// their class, or the row itself when members are evaluated.
struct sweep_plan {
    uint64_t n_row, n_task;
    uint64_t *index;   // (n_row) candidates, ascending, distinct
    uint64_t *task_of; // (n_row) row -> task
    uint64_t *task;    // (n_task) candidate evaluated, ascending
};
// The candidates the configuration names.
int sweep_plan_make(struct sweep_plan *plan, const struct assay_config *config,
                    const struct assay_space *space, struct assay_err *err);
// The candidates of a packed list, checked: the plan of a journal.
int sweep_plan_unpack(struct sweep_plan *plan, const void *bytes, size_t n, bool members,
                      const struct assay_space *space, struct assay_err *err);
// Part i of n, 1 <= i <= n; n = 0: all.
struct sweep_shard {
    uint64_t i, n;
};
// "I/N" or "".
int sweep_shard_parse(struct sweep_shard *shard, const char *text, struct assay_err *err);
// Keeps one part. The tasks are dealt out, so no task is in two parts, all parts together hold all,
// and their numbers of tasks differ by one at most.
void sweep_plan_shard(struct sweep_plan *plan, struct sweep_shard shard);
// The part, from 1 on, of n that holds this task of all.
uint64_t sweep_shard_of(uint64_t task, uint64_t n);
// Takes the line of the shard out of an identity: what remains is the same for every part.
void sweep_shard_strip(char *identity);
// The candidate list as runs of (first, length), malloc'd; NULL when out of memory.
void *sweep_plan_pack(const struct sweep_plan *plan, size_t *n);
// Which task evaluates this candidate, or n_task.
uint64_t sweep_plan_find(const struct sweep_plan *plan, uint64_t candidate);
void sweep_plan_free(struct sweep_plan *plan);
// The tasks as the farm knows them.
struct sweep_tasks sweep_plan_tasks(const struct sweep_plan *plan);
// Candidates in any order -> ascending and distinct; takes index (malloc'd), also on error.
int sweep_plan_fill(struct sweep_plan *plan, uint64_t *index, uint64_t n, bool members,
                    const struct assay_space *space, struct assay_err *err);

// ---- whether it fits ----------------------------------------------------------------------------
// The task that needs the most memory. Every one is planned, since no cheaper order is exact.
struct sweep_memory {
    uint64_t candidate;
    struct assay_memory need;
};
int sweep_memory_most(struct sweep_memory *most, struct assay_evaluator *e,
                      const struct sweep_plan *plan, struct assay_err *err);
// ERR_MEMORY, with the numbers and what would help, when it is over run.memory.
int sweep_memory_check(const struct sweep_memory *most, const struct assay_config *config,
                       const struct assay_space *space, struct assay_err *err);

// ---- what is known ------------------------------------------------------------------------------
struct sweep_part {
    uint32_t n, worst; // repeats there; the first of those with the worst verdict
};
struct sweep_ledger {
    const struct assay_schema *schema; // borrowed
    struct sweep_tasks task;
    struct assay_record *record; // (n)
    bool *done;                  // (n)
    double *number;              // values and spectra the records point into
    struct sweep_part *part;     // (n) what is known of tasks entered by repeats
    size_t bytes;                // of a packed record
    uint64_t n_done, n_failed;
};
int sweep_ledger_open(struct sweep_ledger *ledger, const struct assay_schema *schema,
                      struct sweep_tasks task, struct assay_err *err);
// Enters the journal's first n records; one that is no task is left out with `others`, and
// otherwise ERR_INPUT.
int sweep_ledger_load(struct sweep_ledger *ledger, struct assay_journal *journal, uint64_t n,
                      bool others, struct assay_err *err);
// Enters a packed record; *task: which it is of. Returns 1, 0 when the task was already done, or an
// error.
int sweep_ledger_enter(struct sweep_ledger *ledger, const void *packed, uint64_t *task,
                       struct assay_err *err);
// The same with a record of one repeat. It is kept until all are there, then the task is done;
// returns 1 for the last, otherwise 0. What is kept is no part of `done` and lost with the ledger.
int sweep_ledger_enter_repeat(struct sweep_ledger *ledger, const void *packed, uint32_t repeat,
                              uint64_t *task, struct assay_err *err);
// Opens a ledger of what DIR/journal holds, which stays as it is.
int sweep_ledger_read(struct sweep_ledger *ledger, const struct assay_schema *schema,
                      struct sweep_tasks task, const char *dir, struct assay_err *err);
// Failed candidates count as not done again, so that a run tries them once more; returns how many.
uint64_t sweep_ledger_retry(struct sweep_ledger *ledger);
void sweep_ledger_free(struct sweep_ledger *ledger);

// What a run would be. Opens all that a run opens at its start, so that its errors show. To be
// closed also after an error; stays where it is meanwhile.
struct sweep_outline {
    struct assay_config config;
    struct assay_space space;
    struct sweep_plan plan;
    struct assay_evaluator *evaluator;
    struct assay_hash data; // digest of the images
    double opening;         // seconds that a rank takes before its first candidate
    struct sweep_memory most;
};
int sweep_outline_open(struct sweep_outline *o, const struct assay_config *config,
                       struct assay_err *err);
// Candidates and memory.
void sweep_outline_print(const struct sweep_outline *o, FILE *out);
void sweep_outline_close(struct sweep_outline *o);

// ---- what is published --------------------------------------------------------------------------
struct sweep_publisher {
    const char *dir;                   // borrowed
    const struct sweep_plan *plan;     // borrowed
    const struct assay_schema *schema; // borrowed
    struct assay_columns counted;
    struct assay_row *row;
    struct assay_attr attr[ASSAY_RUN_ATTRS];
    size_t n_attr;
    struct assay_arena arena; // rows, texts and counted values
};
// Prepares everything but the records: architecture texts, attributes, and the columns counted on
// every literal network. comm: whose ranks are named as circumstances of the run, may be NULL.
int sweep_publisher_open(struct sweep_publisher *p, const char *dir,
                         const struct assay_config *config, const struct assay_space *space,
                         const struct sweep_plan *plan, const struct assay_schema *schema,
                         const char *identity, const struct assay_comm *comm,
                         struct assay_err *err);
// Writes DIR/results.h5 from the records of the plan's tasks that are done.
int sweep_publish(struct sweep_publisher *p, const struct assay_record *record, const bool *done,
                  struct assay_err *err);
void sweep_publisher_close(struct sweep_publisher *p);

// ---- what a directory holds ---------------------------------------------------------------------
// What DIR/journal says, without the right to write there.
struct sweep_archive {
    struct assay_config config;
    struct assay_space space;
    struct assay_columns columns;
    struct assay_schema schema;
    struct sweep_plan plan; // of its shard, or of all
    struct assay_journal *journal;
    struct sweep_ledger ledger;
    char *identity;
    void *list; // packed, of all shards
    size_t n_list;
};
// Reads identity and candidates; whole: as if it were not sharded. A zeroed archive; closed by the
// caller also on error.
int sweep_archive_open(struct sweep_archive *a, const char *dir, bool whole, struct assay_err *err);
// Reads the records.
int sweep_archive_load(struct sweep_archive *a, const char *dir, struct assay_err *err);
void sweep_archive_close(struct sweep_archive *a);

// ---- what the run is ----------------------------------------------------------------------------
// malloc'd texts, NULL when out of memory: all of the configuration, and a sweep's identity.
char *sweep_config_text(const struct assay_config *config);
char *sweep_identity_text(const struct assay_config *config, const struct assay_schema *schema,
                          const char *rung, struct assay_hash data);
// The configuration of an identity.
int sweep_config_parse(struct assay_config *config, const char *text, struct assay_err *err);
// Writes DIR/config.ini atomically.
int sweep_config_write(const struct assay_config *config, const char *dir, struct assay_err *err);
// malloc'd command line of this process, words separated by blanks; NULL when it is not known.
char *sweep_command_text(void);
// Hash of the program file, the same on all ranks of one build.
uint64_t sweep_build_id(void);
// Every rank shows rank 0 that it is the same program with the same identity; another is an error
// on rank 0, which agreement then brings to all.
int sweep_hello(struct assay_comm *comm, const char *identity, const struct assay_log *log,
                struct assay_err *err);

// ---- when to stop -------------------------------------------------------------------------------
// SIGTERM, SIGINT and SIGUSR1 ask for a stop; a second SIGINT ends the process. A file size limit
// becomes an error of the write.
void sweep_signals_catch(void);
// The signal caught, or 0.
int sweep_signal(void);
// Monotonic times at which to stop, by run.time_limit and SLURM_JOB_END_TIME; infinity: never.
struct sweep_limit {
    double own, slurm, margin; // margin: before Slurm's end
};
void sweep_limit_open(struct sweep_limit *limit, const struct assay_config *config);
// The name of the limit that is reached, or NULL. longest: seconds a candidate in hand may still
// take.
const char *sweep_limit_reached(const struct sweep_limit *limit, double longest);

// ---- progress -----------------------------------------------------------------------------------
struct sweep_progress {
    const struct assay_log *log;
    bool bar, drawn; // bar: on a terminal
    double start, shown;
    double cost_start;
    uint64_t done_start;
};
struct sweep_count {
    uint64_t done, total, failed;
    double cost_left, cost_done; // in units of the evaluator
};
void sweep_progress_open(struct sweep_progress *p, const struct assay_log *log,
                         const struct sweep_count *count);
// Redraws the bar, or prints a line when a minute has passed.
void sweep_progress_show(struct sweep_progress *p, const struct sweep_count *count);
// Ends the bar's line, before other lines are printed.
void sweep_progress_break(struct sweep_progress *p);

// ---- the farm -----------------------------------------------------------------------------------
// Rank 0 sends TASK, items of a task and the repeat that is wanted; a worker answers DONE. An empty
// TASK ends the worker: it drops what it holds, sends what is finished, and marks that message
// LAST.
enum sweep_done_flag { SWEEP_DONE_LAST = 1, SWEEP_DONE_STOP = 2, SWEEP_DONE_ERROR = 4 };
struct sweep_done {
    uint32_t flag, n_record; // n_record packed records follow, and of each its repeat (u32)
    int32_t signal;          // that asked for the stop
    double seconds;          // wall time spent on these records
};
// The whole message under SWEEP_DONE_ERROR.
struct sweep_failure {
    struct sweep_done done;
    struct assay_err error;
};
// A TASK message holds at most so many tasks, and a worker is sent the next when one is left.
#define SWEEP_CHUNK_MAX 4096

// An item: a task, and behind it a repeat or SWEEP_WHOLE.
#define SWEEP_WHOLE UINT32_MAX
size_t sweep_item_bytes(const struct assay_job *job);
void sweep_item_make(void *item, const struct assay_job *job, const void *task, uint32_t repeat);

// One evaluation into a packed record: the scratch that a rank keeps for it.
struct sweep_bench {
    const struct assay_job *job; // borrowed
    struct assay_record record;
    double *number;
    size_t bytes;
    int rank;
};
int sweep_bench_open(struct sweep_bench *bench, const struct assay_job *job, int rank,
                     struct assay_err *err);
int sweep_bench_evaluate(struct sweep_bench *bench, const void *item, void *packed,
                         uint32_t *repeat, struct assay_err *err);
void sweep_bench_close(struct sweep_bench *bench);

// Every rank but 0. Running ends when rank 0 says so; a system error during an evaluation is sent
// to rank 0 and is not the status here, which tells of messages only.
struct sweep_worker;
int sweep_worker_open(struct sweep_worker **out, struct assay_comm *comm,
                      const struct assay_job *job, struct assay_err *err);
int sweep_worker_run(struct sweep_worker *w);
void sweep_worker_close(struct sweep_worker *w);

// Rank 0: the desk that hands out tasks, and takes records into journal and ledger.
enum sweep_end { SWEEP_COMPLETE, SWEEP_STOPPED };
struct sweep_farm {
    struct assay_comm *comm;
    const struct assay_config *config;
    const struct assay_log *log;
    const struct assay_job *job;
    struct assay_journal *journal;
};
struct sweep_desk;
int sweep_desk_open(struct sweep_desk **out, const struct sweep_farm *farm, struct assay_err *err);
// Has every unfinished task of the ledger computed and journalled. Returns an enum sweep_end, or an
// error.
int sweep_desk_round(struct sweep_desk *desk, struct sweep_ledger *ledger);
// After the last round, or one that did not complete, whose ledger takes what was still on its way:
// ends all workers. status: an error that came before, which stands. Returns it, or an error.
int sweep_desk_end(struct sweep_desk *desk, int status);
// Why it stopped early ("signal 15 (Terminated)"), for the log.
const char *sweep_desk_why(const struct sweep_desk *desk);
void sweep_desk_close(struct sweep_desk *desk);
// True when rank 0 evaluates candidates itself.
bool sweep_desk_works(const struct assay_config *config, int ranks);

// The unfinished tasks (or their repeats), the most expensive first, cut into chunks.
struct sweep_queue {
    uint64_t *task; // (n)
    double *cost;   // (n_task), by task
    uint64_t next, n;
    double cost_queued, cost_left,
        cost_done;                    // not handed out yet, unfinished, finished in this run
    double spent_cost, spent_seconds; // what evaluators reported lately
};
// cost: (n) by task, malloc'd, taken also on error; NULL: there was no memory for it.
#define SWEEP_NOT_QUEUED (-1.0) // cost of a task that is done
int sweep_queue_open(struct sweep_queue *q, double *cost, uint64_t n, struct assay_err *err);
// How many tasks make a chunk of about `seconds` for one of n evaluators, at least one while there
// are any; at most `limit`.
uint64_t sweep_queue_chunk(const struct sweep_queue *q, double seconds, int n, uint64_t limit);
// Hands out the next task; there must be one.
uint64_t sweep_queue_take(struct sweep_queue *q);
void sweep_queue_finished(struct sweep_queue *q, uint64_t task, double seconds);
void sweep_queue_free(struct sweep_queue *q);

// Who gets how much of the queue when: what the coordinator decides, without messages or clock, so
// that a simulation asks the same questions.
struct sweep_hand {
    uint64_t out, chunk; // items dealt and not answered; size of the last TASK
    bool asks;           // is among those asking
};
struct sweep_roster {
    struct sweep_queue queue; // of items: task x cut + repeat
    struct sweep_hand *hand;  // (ranks), 0 unused
    int *asking;              // (n_asking) ranks that have answered since the last dealing
    int n_asking, ranks;
    bool works; // rank 0 evaluates too
};
int sweep_roster_open(struct sweep_roster *r, int ranks, bool works, struct assay_err *err);
// Begins a round: all workers have nothing. cost: as sweep_queue_open.
int sweep_roster_begin(struct sweep_roster *r, double *cost, uint64_t n, struct assay_err *err);
void sweep_roster_answered(struct sweep_roster *r, int rank, uint64_t n);
// One dealing, which begins with zeros. Gives each worker that is due the next n items of the queue
// (sweep_queue_take), which the caller sends: first those that have nothing, then a chunk ahead, in
// the opposite order, since who holds the dearest shall be the last to be given more. false: nobody
// is due any more. deaf: seconds that rank 0 may not listen for.
struct sweep_deal {
    int ahead, at, rank;
    uint64_t n;
};
bool sweep_roster_deal(struct sweep_roster *r, double deaf, struct sweep_deal *deal);
void sweep_roster_free(struct sweep_roster *r);
// Into how many items each of n tasks is cut, 1 or `most`: whole while there are many for each
// evaluator.
uint32_t sweep_cut(uint64_t n, uint32_t most, int evaluators);
// True when a worker with n finished records and `left` tasks sends them: when as much is finished
// as is still queued. With one chunk in hand and one ahead that is at the end of each chunk, and
// the last tasks go one by one. since: seconds since it last sent.
bool sweep_records_due(uint64_t n, uint64_t left, uint64_t most, double since);
// How many records of so many bytes a worker keeps at most.
uint64_t sweep_records_most(size_t bytes);

// ---- simulation ---------------------------------------------------------------------------------
// What rank 0 and the way there cost.
struct sweep_price {
    double message, record; // seconds of rank 0 for each message, and for each record in it
    double latency;         // seconds from sending to being looked at
};
struct sweep_sim_input {
    const double *cost;    // (n) by which tasks are dealt, or SWEEP_NOT_QUEUED
    const double *seconds; // (n) that they take
    uint64_t n, most;      // most: records in a message, sweep_records_most
    int ranks;
    bool works;
    struct sweep_price price;
};
// efficiency + coordinating + tail + waiting is 1: work, rank 0 that only coordinates, ranks that
// have finished their last task, and the rest, of the ranks' time.
struct sweep_sim {
    double wall, work, longest; // seconds: from first to last, of all tasks, of the longest
    double efficiency, coordinating, tail, waiting;
    double handling, load; // seconds of rank 0 for messages; their part of its time
    uint64_t messages;
};
int sweep_sim_run(struct sweep_sim *out, const struct sweep_sim_input *in, struct assay_err *err);
// What costs most of the time that is no work.
const char *sweep_sim_limit(const struct sweep_sim *sim, int ranks);

// ---- what it will take --------------------------------------------------------------------------
struct sweep_calibration {
    double *cost, *seconds; // (n_task) by assay_evaluator_cost; CPU seconds
    double total, longest;  // of seconds
    uint64_t n_measured;
    double spent; // seconds on measuring
};
// Evaluates tasks for about so many CPU seconds, at least a few, or takes the times that the sweep
// in dir (NULL: none) has recorded, and estimates the others by their cost. To be freed also after
// an error.
int sweep_calibrate(struct sweep_calibration *c, struct sweep_outline *o, double seconds,
                    const char *dir, struct assay_err *err);
void sweep_calibration_free(struct sweep_calibration *c);

#endif
