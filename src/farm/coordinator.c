// SPDX-License-Identifier: Apache-2.0
// Rank 0: hands out tasks, takes records in, writes the journal; between messages it evaluates
// tasks itself, so that its core is not lost. Workers have a chunk ahead meanwhile.
#include "farm/coordinator.h"

#include "farm/checkpoint.h"
#include "farm/context.h"
#include "farm/pending.h"
#include "farm/progress.h"
#include "farm/roster.h"
#include "farm/stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONG_SECONDS 0.1 // of rank 0's evaluations, between which it looks after the journal
#define WAIT_SECONDS 0.05
#define MESSAGES     64 // taken in a row before rank 0 does anything else

struct farm_coordinator {
    struct farm farm;
    struct assay_ledger *ledger; // of the round, borrowed
    struct farm_context context;
    struct farm_roster roster;
    struct farm_progress progress;
    struct assay_teams teams;
    int ranks, n_end, n_left;    // workers to end, and those that have ended
    uint32_t cut;                // items of a task in this round: 1 or its repeats
    char *chunk;                 // (FARM_CHUNK_MAX, item) a message TASK being made
    struct farm_pending pending; // records not yet in the journal
    double own;                  // seconds of rank 0's last evaluation
    struct farm_trip trip;
    struct farm_checkpoint checkpoint;
    struct farm_limit limit;
    double longest; // of all evaluations so far, in CPU seconds
    int signal;     // seen by any rank
    char why[128];
    struct assay_err *err;
};

// ---- records ------------------------------------------------------------------------------------
// Enters the record that stands behind the pending ones, of a whole task or of one repeat; a task
// that is done joins the pending ones.
static int enter(struct farm_coordinator *c, uint32_t repeat, double seconds)
{
    uint64_t task;
    char *packed = farm_pending_end(&c->pending);
    struct assay_ledger *ledger = c->ledger;
    const bool whole = repeat == FARM_WHOLE;
    const uint64_t place = farm_pending_place(&c->pending);
    const int done = whole
                         ? assay_ledger_enter(ledger, packed, place, &task, c->err)
                         : assay_ledger_enter_repeat(ledger, packed, repeat, place, &task, c->err);

    ASSAY_TRY(done);
    ASSAY_ASSERT(done || !whole);
    farm_queue_finished(&c->roster.queue, whole ? task : task * c->cut + repeat, seconds);
    if (!done) return 0;
    c->longest = fmax(c->longest, ledger->record[task].seconds);
    c->pending.n++;
    return 0;
}

// Writes them at once where rank 0's evaluations are long, otherwise now and then.
static int flush_if_due(struct farm_coordinator *c)
{
    return farm_pending_flush_due(&c->pending, c->own > LONG_SECONDS, c->err);
}

// ---- messages -----------------------------------------------------------------------------------
// A worker cannot go on: its error becomes that of the run.
static int read_error(struct farm_coordinator *c, const char *message, size_t n)
{
    struct farm_failure failure;

    ASSAY_ASSERT(n == sizeof failure);
    memcpy(&failure, message, sizeof failure);
    return assay_err_set(c->err, failure.error.code, "%s", failure.error.text);
}

static int enter_all(struct farm_coordinator *c, const struct farm_done *done, const char *record)
{
    const char *repeats = record + done->n_record * c->context.bytes;

    ASSAY_TRY(farm_pending_reserve(&c->pending, done->n_record + 1, c->err));
    for (uint32_t i = 0; i < done->n_record; i++) {
        uint32_t repeat;
        memcpy(&repeat, repeats + i * sizeof repeat, sizeof repeat);
        memcpy(farm_pending_end(&c->pending), record + i * c->context.bytes, c->context.bytes);
        ASSAY_TRY(enter(c, repeat, done->seconds / done->n_record));
    }
    return 0;
}

static int read_done(struct farm_coordinator *c, const struct assay_mail *mail, const char *message)
{
    struct farm_done done;

    ASSAY_ASSERT(mail->n >= sizeof done);
    memcpy(&done, message, sizeof done);
    if (done.flag & FARM_DONE_ERROR) return read_error(c, message, mail->n);
    if (done.flag & FARM_DONE_LAST) c->n_left++;
    if (done.flag & FARM_DONE_STOP) c->signal = done.signal;
    ASSAY_ASSERT(mail->n == sizeof done + done.n_record * (c->context.bytes + sizeof(uint32_t)));
    const int worker = assay_teams_worker(&c->teams, mail->from);
    if (worker > 0) farm_roster_answered(&c->roster, worker, done.n_record);
    if (worker > 0) farm_trip_answered(&c->trip, worker, done.seconds, assay_clock_wall());
    return enter_all(c, &done, message + sizeof done);
}

static int receive(struct farm_coordinator *c, const struct assay_mail *mail)
{
    char *message = malloc(mail->n + 1);

    if (!message)
        return assay_err_set(c->err, ASSAY_ERR_MPI, "no memory for a message of %zu bytes",
                             mail->n);
    int status = assay_comm_take(c->farm.comm, mail, message, c->err);
    if (!status) status = read_done(c, mail, message);
    free(message);
    return status;
}

// Takes what has arrived; waits for the first message when there is nothing else to do.
static int receive_all(struct farm_coordinator *c, double wait)
{
    struct assay_mail mail;

    for (int i = 0; i < MESSAGES; i++) {
        const int found = assay_comm_poll(c->farm.comm, i ? 0 : wait, &mail, c->err);
        if (found <= 0) return found;
        ASSAY_TRY(receive(c, &mail));
    }
    return 0;
}

static void next_item(struct farm_coordinator *c, char *item)
{
    const struct assay_tasks *task = &c->ledger->task;
    const uint64_t next = farm_queue_take(&c->roster.queue);
    const uint32_t repeat = c->cut > 1 ? (uint32_t)(next % c->cut) : FARM_WHOLE;

    farm_item_make(item, c->farm.job, task->at + next / c->cut * task->bytes, repeat);
}

static int send_chunk(struct farm_coordinator *c, int rank, uint64_t n)
{
    const size_t bytes = farm_item_bytes(c->farm.job);

    for (uint64_t i = 0; i < n; i++) next_item(c, c->chunk + i * bytes);
    return assay_comm_post(c->farm.comm, rank, ASSAY_TAG_TASK, c->chunk, n * bytes, c->err);
}

static int hand_out(struct farm_coordinator *c)
{
    const struct farm_pace pace = {.deaf = c->own, .trip = c->trip.seconds};
    struct farm_deal deal = {0};

    while (farm_roster_deal(&c->roster, &pace, &deal)) {
        const uint64_t out = c->roster.share[deal.worker].out;
        farm_trip_sent(&c->trip, deal.worker, out == deal.n, assay_clock_wall());
        ASSAY_TRY(send_chunk(c, assay_teams_leader(&c->teams, deal.worker), deal.n));
    }
    return 0;
}

// Whether rank 0 exchanges messages with that rank: it leads a team, or is left over.
static bool is_worker(const struct farm_coordinator *c, int rank)
{
    const int worker = assay_teams_worker(&c->teams, rank);

    return rank > 0 && (worker < 0 || assay_teams_leader(&c->teams, worker) == rank);
}

// Ends every worker and takes what they have finished. Where one of them reports an error
// meanwhile, an earlier error stands.
static int end_workers(struct farm_coordinator *c)
{
    int status = farm_context_dismiss(&c->context, c->err);

    for (int rank = 1; rank < c->ranks; rank++) {
        if (!is_worker(c, rank)) continue;
        ASSAY_TRY(assay_comm_post(c->farm.comm, rank, ASSAY_TAG_TASK, NULL, 0, c->err));
        c->n_end++;
    }
    while (c->n_left < c->n_end) {
        const int got = receive_all(c, WAIT_SECONDS);
        if (got == ASSAY_ERR_MPI) return got;
        if (got < 0 && !status) status = got;
        if (flush_if_due(c) < 0 && !status) status = c->err->code;
    }
    return status;
}

// ---- the loop -----------------------------------------------------------------------------------
static int evaluate_one(struct farm_coordinator *c)
{
    const double start = assay_clock_wall();
    uint32_t repeat;

    next_item(c, c->chunk);
    ASSAY_TRY(farm_pending_reserve(&c->pending, 1, c->err));
    ASSAY_TRY(farm_context_evaluate(&c->context, c->chunk, farm_pending_end(&c->pending), &repeat,
                                    c->err));
    c->own = assay_clock_wall() - start;
    return enter(c, repeat, c->own);
}

static bool must_stop(struct farm_coordinator *c)
{
    const char *limit = farm_limit_reached(&c->limit, c->longest, c->checkpoint.spent);

    if (farm_signal()) c->signal = farm_signal();
    if (c->signal)
        snprintf(c->why, sizeof c->why, "signal %d (%s)", c->signal, strsignal(c->signal));
    else if (limit)
        snprintf(c->why, sizeof c->why, "%s", limit);
    return c->signal || limit;
}

static void show(struct farm_coordinator *c)
{
    const struct assay_ledger *ledger = c->ledger;

    farm_progress_show(&c->progress,
                       &(struct farm_count){.done = ledger->n_done,
                                            .total = ledger->task.n,
                                            .failed = ledger->n_failed,
                                            .cost_left = c->roster.queue.cost_left,
                                            .cost_done = c->roster.queue.cost_done},
                       assay_clock_wall());
}

// Between the parts of a publication, whose records are those that were known when it began.
// Returns 1 to end it: all is done, or is to stop.
static int serve(void *self, struct assay_err *err)
{
    struct farm_coordinator *c = self;

    (void)err; // it is c's
    ASSAY_TRY(hand_out(c));
    if (c->ranks > 1) ASSAY_TRY(receive_all(c, 0));
    ASSAY_TRY(flush_if_due(c));
    show(c);
    return must_stop(c) || c->ledger->n_done == c->ledger->task.n;
}

static int checkpoint_if_due(struct farm_coordinator *c)
{
    const uint64_t n = c->ledger->n_done;

    if (!farm_checkpoint_due(&c->checkpoint, n)) return 0;
    ASSAY_TRY(farm_pending_flush(&c->pending, c->err));
    ASSAY_TRY(assay_journal_sync(c->farm.journal, c->err));
    return farm_checkpoint_publish(&c->checkpoint, n,
                                   &(struct assay_pause){.call = serve, .self = c}, c->err);
}

static int run(struct farm_coordinator *c)
{
    const struct assay_ledger *ledger = c->ledger;

    while (ledger->n_done < ledger->task.n && !must_stop(c)) {
        ASSAY_TRY(hand_out(c));
        const bool own = c->roster.works && c->roster.queue.next < c->roster.queue.n;
        if (own) ASSAY_TRY(evaluate_one(c));
        const int more = farm_checkpoint_fill(&c->checkpoint, c->err);
        ASSAY_TRY(more);
        if (c->ranks > 1) ASSAY_TRY(receive_all(c, own || more ? 0 : WAIT_SECONDS));
        ASSAY_TRY(flush_if_due(c));
        ASSAY_TRY(checkpoint_if_due(c));
        show(c);
    }
    return 0;
}

static double cost_of(const struct farm_coordinator *c, uint64_t i)
{
    const struct assay_job *job = c->farm.job;
    const struct assay_tasks *task = &c->ledger->task;

    if (c->ledger->done[i]) return FARM_NOT_QUEUED;
    return fmax(job->cost(job->self, task->at + i * task->bytes) / c->cut, 0);
}

static int open_queue(struct farm_coordinator *c)
{
    const struct assay_ledger *ledger = c->ledger;
    const uint64_t n = ledger->task.n, left = n - ledger->n_done;
    const uint32_t most = c->farm.job->evaluate_repeat ? ledger->schema->repeats : 1;

    c->cut = assay_farm_cut(left, most, assay_teams_evaluating(&c->teams));
    double *cost = malloc((n * c->cut + 1) * sizeof *cost);
    for (uint64_t i = 0; cost && i < n; i++) {
        cost[i * c->cut] = cost_of(c, i);
        for (uint32_t k = 1; k < c->cut; k++) cost[i * c->cut + k] = cost[i * c->cut];
    }
    return farm_roster_begin(&c->roster, cost, n * c->cut, c->err);
}

int farm_coordinator_round(struct farm_coordinator *c, struct assay_ledger *ledger)
{
    c->ledger = ledger;
    c->checkpoint.n_done = ledger->n_done;
    ASSAY_TRY(open_queue(c));
    farm_progress_open(&c->progress, c->farm.log, &(struct farm_count){.done = ledger->n_done},
                       assay_clock_wall());
    const int status = run(c);
    farm_progress_break(&c->progress);
    if (status < 0) return status;
    ASSAY_TRY(farm_pending_flush(&c->pending, c->err));
    return ledger->n_done == ledger->task.n ? FARM_COMPLETE : FARM_STOPPED;
}

int farm_coordinator_end(struct farm_coordinator *c, int status)
{
    const struct assay_err first = *c->err;

    if (status == ASSAY_ERR_MPI) return status;
    int ended = end_workers(c);
    if (ended == ASSAY_ERR_MPI) return ended;
    if (ended >= 0) ended = farm_pending_flush(&c->pending, c->err);
    if (status >= 0) return ended < 0 ? ended : status;
    *c->err = first;
    return status;
}

const char *farm_coordinator_why(const struct farm_coordinator *c)
{
    return c->why;
}

// ---- making -------------------------------------------------------------------------------------
static int fill(struct farm_coordinator *c)
{
    const struct farm *farm = &c->farm;

    ASSAY_TRY(farm_roster_open(&c->roster, c->teams.workers, c->teams.works, c->err));
    ASSAY_TRY(farm_trip_open(&c->trip, c->teams.workers, c->err));
    c->chunk = malloc(FARM_CHUNK_MAX * farm_item_bytes(farm->job));
    if (!c->chunk) return assay_err_set(c->err, ASSAY_ERR_MEMORY, "no memory for messages");
    ASSAY_TRY(farm_context_open(&c->context, farm->job, 0, farm->team, c->err));
    farm_pending_open(&c->pending, farm->journal, c->context.bytes);
    return farm_pending_reserve(&c->pending, 16, c->err);
}

int farm_coordinator_open(struct farm_coordinator **out, const struct farm *farm,
                          struct assay_err *err)
{
    struct farm_coordinator *c = calloc(1, sizeof *c);

    if (!c) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the coordinator");
    c->farm = *farm;
    c->err = err;
    c->ranks = assay_comm_size(farm->comm);
    c->teams = assay_teams_make(farm->spec, c->ranks);
    farm_limit_open(&c->limit, farm->spec->time_limit);
    farm_checkpoint_open(&c->checkpoint, farm->job, farm->spec->checkpoint);
    const int status = fill(c);
    if (status < 0) {
        farm_coordinator_close(c);
        return status;
    }
    *out = c;
    return 0;
}

void farm_coordinator_close(struct farm_coordinator *c)
{
    if (!c) return;
    farm_roster_free(&c->roster);
    farm_trip_free(&c->trip);
    farm_context_close(&c->context);
    free(c->chunk);
    farm_pending_close(&c->pending);
    free(c);
}
