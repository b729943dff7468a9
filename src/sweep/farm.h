// SPDX-License-Identifier: Apache-2.0
// The farm: who evaluates what when, for real and in a simulation.
#ifndef SRC_SWEEP_FARM_H
#define SRC_SWEEP_FARM_H

#include "run.h"

// ---- messages and ranks -------------------------------------------------------------------------
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
    struct assay_comm *team; // borrowed; NULL: it evaluates alone
};
int sweep_bench_open(struct sweep_bench *bench, const struct assay_job *job, int rank,
                     struct assay_comm *team, struct assay_err *err);
// On the first rank of a team, which the others follow until they are dismissed.
int sweep_bench_evaluate(struct sweep_bench *bench, const void *item, void *packed,
                         uint32_t *repeat, struct assay_err *err);
int sweep_bench_dismiss(const struct sweep_bench *bench, struct assay_err *err);
// On the others. A signal is told to rank 0 of comm. Errors are those of messages.
int sweep_bench_follow(struct sweep_bench *bench, struct assay_comm *comm, struct assay_err *err);
void sweep_bench_close(struct sweep_bench *bench);

// Every rank but 0 that leads a team, or is left over. Running ends when rank 0 says so; a system
// error during an evaluation is sent to rank 0 and is not the status here, which tells of messages
// only.
struct sweep_worker;
int sweep_worker_open(struct sweep_worker **out, struct assay_comm *comm, struct assay_comm *team,
                      const struct assay_job *job, struct assay_err *err);
int sweep_worker_run(struct sweep_worker *w);
void sweep_worker_close(struct sweep_worker *w);

// Rank 0: the desk that hands out tasks, and takes records into journal and ledger.
enum sweep_end { SWEEP_COMPLETE, SWEEP_STOPPED };
struct sweep_farm {
    struct assay_comm *comm, *team; // team: rank 0's, or NULL
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
// Who evaluates with whom: teams are `size` ranks in a row, the first of which leads; those that
// are left over wait. Hand 0 is rank 0, with the first team when it works, and hand i the i-th team
// of the others.
struct sweep_teams {
    int size, ranks, hands;
    bool works;
};
struct sweep_teams sweep_teams_make(const struct assay_config *config, int ranks);
int sweep_teams_hand(const struct sweep_teams *t, int rank); // -1: left over
int sweep_teams_leader(const struct sweep_teams *t, int hand);
int sweep_teams_evaluating(const struct sweep_teams *t); // teams
// ERR_CONFIG when there are fewer ranks than a team has.
int sweep_teams_check(const struct sweep_teams *t, struct assay_err *err);
// Sets the outline's run.team to the smallest, up to so many ranks, with which the largest
// candidate fits into run.memory.
int sweep_team_fit(struct sweep_outline *o, int ranks, struct assay_err *err);
// Sets it to what the run in dir has, else fits it to so many ranks that evaluate, and to no fewer
// than there are tasks for.
int sweep_team_take(struct sweep_outline *o, const char *dir, int ranks, struct assay_err *err);
// Of so many ranks, those that may evaluate.
int sweep_team_ranks(const struct assay_config *config, int ranks);
// Collective: chooses run.team where it is 0: what the run in dir has, or so that every candidate
// fits into run.memory, and no fewer ranks work than there are tasks for.
int sweep_team_choose(struct assay_config *config, const char *dir, struct assay_comm *comm,
                      struct assay_err *err);

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
