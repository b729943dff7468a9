// SPDX-License-Identifier: Apache-2.0
// Rank 0: hands out tasks, takes records in, writes the journal; between messages it evaluates
// tasks itself, so that its core is not lost. Workers have a chunk ahead meanwhile.
#include "farm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_SECONDS  0.1 // records wait at most so long for the journal
#define FLUSH_BYTES    (1u << 20)
#define WAIT_SECONDS   0.05
#define MESSAGES       64  // taken in a row before other duties
#define PUBLISH_FACTOR 4.0 // of its own duration that a checkpoint waits at least

struct sweep_desk {
    struct sweep_farm farm;
    struct sweep_ledger *ledger; // of the round, borrowed
    struct sweep_bench bench;
    struct sweep_roster roster;
    struct sweep_progress progress;
    struct sweep_teams teams;
    int ranks, n_end, n_left; // workers to end, and those that have ended
    uint32_t cut;             // items of a task in this round: 1 or its repeats
    char *chunk;              // (SWEEP_CHUNK_MAX, item) a TASK being made
    char *pending;            // records not yet in the journal
    size_t n_pending, cap_pending;
    double flushed, published, own; // times of the last flush and publication; own: last evaluation
    double publishing;              // seconds that the last publication took
    uint64_t published_done;
    struct sweep_limit limit;
    double longest; // evaluation so far, CPU seconds
    int signal;     // seen by any rank
    char why[128];
    struct assay_err *err;
};

// ---- records ------------------------------------------------------------------------------------
static int flush(struct sweep_desk *d)
{
    const size_t n = d->n_pending;

    d->flushed = assay_clock_wall();
    if (!n) return 0;
    d->n_pending = 0;
    return assay_journal_append(d->farm.journal, d->pending, n, d->err);
}

static int reserve(struct sweep_desk *d, size_t n)
{
    if (n <= d->cap_pending) return 0;
    char *more = realloc(d->pending, 2 * n * d->bench.bytes);
    if (!more) return assay_err_set(d->err, ASSAY_ERR_MEMORY, "no memory for %zu records", 2 * n);
    d->pending = more;
    d->cap_pending = 2 * n;
    return 0;
}

static char *pending_at(struct sweep_desk *d, size_t i)
{
    return d->pending + i * d->bench.bytes;
}

// Enters the record that stands behind the pending ones, of a whole task or of one repeat; a task
// that is done joins the pending ones.
static int enter(struct sweep_desk *d, uint32_t repeat, double seconds)
{
    uint64_t task;
    char *packed = pending_at(d, d->n_pending);
    struct sweep_ledger *ledger = d->ledger;
    const bool whole = repeat == SWEEP_WHOLE;
    const int done = whole ? sweep_ledger_enter(ledger, packed, &task, d->err)
                           : sweep_ledger_enter_repeat(ledger, packed, repeat, &task, d->err);

    ASSAY_TRY(done);
    ASSAY_ASSERT(done || !whole);
    sweep_queue_finished(&d->roster.queue, whole ? task : task * d->cut + repeat, seconds);
    if (!done) return 0;
    if (!whole) assay_record_pack(ledger->schema, &ledger->record[task], packed);
    d->longest = fmax(d->longest, ledger->record[task].seconds);
    d->n_pending++;
    return 0;
}

// Before a long evaluation at once, otherwise now and then.
static int flush_if_due(struct sweep_desk *d)
{
    const bool due = assay_clock_wall() - d->flushed > FLUSH_SECONDS || d->own > FLUSH_SECONDS ||
                     d->n_pending * d->bench.bytes > FLUSH_BYTES;

    return due ? flush(d) : 0;
}

// ---- messages -----------------------------------------------------------------------------------
// A worker that cannot go on: its text is this run's error.
static int read_error(struct sweep_desk *d, const char *letter, size_t n)
{
    struct sweep_failure failure;

    ASSAY_ASSERT(n == sizeof failure);
    memcpy(&failure, letter, sizeof failure);
    return assay_err_set(d->err, failure.error.code, "%s", failure.error.text);
}

static int enter_all(struct sweep_desk *d, const struct sweep_done *done, const char *record)
{
    const char *repeats = record + done->n_record * d->bench.bytes;

    ASSAY_TRY(reserve(d, d->n_pending + done->n_record + 1));
    for (uint32_t i = 0; i < done->n_record; i++) {
        uint32_t repeat;
        memcpy(&repeat, repeats + i * sizeof repeat, sizeof repeat);
        memcpy(pending_at(d, d->n_pending), record + i * d->bench.bytes, d->bench.bytes);
        ASSAY_TRY(enter(d, repeat, done->seconds / done->n_record));
    }
    return 0;
}

static int read_done(struct sweep_desk *d, const struct assay_mail *mail, const char *letter)
{
    struct sweep_done done;

    ASSAY_ASSERT(mail->n >= sizeof done);
    memcpy(&done, letter, sizeof done);
    if (done.flag & SWEEP_DONE_ERROR) return read_error(d, letter, mail->n);
    if (done.flag & SWEEP_DONE_LAST) d->n_left++;
    if (done.flag & SWEEP_DONE_STOP) d->signal = done.signal;
    ASSAY_ASSERT(mail->n == sizeof done + done.n_record * (d->bench.bytes + sizeof(uint32_t)));
    const int hand = sweep_teams_hand(&d->teams, mail->from);
    if (hand > 0) sweep_roster_answered(&d->roster, hand, done.n_record);
    return enter_all(d, &done, letter + sizeof done);
}

static int receive(struct sweep_desk *d, const struct assay_mail *mail)
{
    char *letter = malloc(mail->n + 1);

    if (!letter)
        return assay_err_set(d->err, ASSAY_ERR_MPI, "no memory for a message of %zu bytes",
                             mail->n);
    int status = assay_comm_take(d->farm.comm, mail, letter, d->err);
    if (!status) status = read_done(d, mail, letter);
    free(letter);
    return status;
}

// Takes what has arrived; waits for the first message when there is nothing else to do.
static int receive_all(struct sweep_desk *d, double wait)
{
    struct assay_mail mail;

    for (int i = 0; i < MESSAGES; i++) {
        const int found = assay_comm_poll(d->farm.comm, i ? 0 : wait, &mail, d->err);
        if (found <= 0) return found;
        ASSAY_TRY(receive(d, &mail));
    }
    return 0;
}

static void next_item(struct sweep_desk *d, char *item)
{
    const struct sweep_tasks *task = &d->ledger->task;
    const uint64_t next = sweep_queue_take(&d->roster.queue);
    const uint32_t repeat = d->cut > 1 ? (uint32_t)(next % d->cut) : SWEEP_WHOLE;

    sweep_item_make(item, d->farm.job, task->at + next / d->cut * task->bytes, repeat);
}

static int send_chunk(struct sweep_desk *d, int rank, uint64_t n)
{
    const size_t bytes = sweep_item_bytes(d->farm.job);

    for (uint64_t i = 0; i < n; i++) next_item(d, d->chunk + i * bytes);
    return assay_comm_post(d->farm.comm, rank, ASSAY_TAG_TASK, d->chunk, n * bytes, d->err);
}

static int hand_out(struct sweep_desk *d)
{
    const double deaf = fmax(d->own, d->publishing);
    struct sweep_deal deal = {0};

    while (sweep_roster_deal(&d->roster, deaf, &deal))
        ASSAY_TRY(send_chunk(d, sweep_teams_leader(&d->teams, deal.rank), deal.n));
    return 0;
}

// Leads a team, or is left over.
static bool is_worker(const struct sweep_desk *d, int rank)
{
    const int hand = sweep_teams_hand(&d->teams, rank);

    return rank > 0 && (hand < 0 || sweep_teams_leader(&d->teams, hand) == rank);
}

// Ends every worker and takes what they have finished; an error among it is not the first.
static int end_workers(struct sweep_desk *d)
{
    int status = sweep_bench_dismiss(&d->bench, d->err);

    for (int rank = 1; rank < d->ranks; rank++) {
        if (!is_worker(d, rank)) continue;
        ASSAY_TRY(assay_comm_post(d->farm.comm, rank, ASSAY_TAG_TASK, NULL, 0, d->err));
        d->n_end++;
    }
    while (d->n_left < d->n_end) {
        const int got = receive_all(d, WAIT_SECONDS);
        if (got == ASSAY_ERR_MPI) return got;
        if (got < 0 && !status) status = got;
        if (flush_if_due(d) < 0 && !status) status = d->err->code;
    }
    return status;
}

// ---- the loop -----------------------------------------------------------------------------------
static int evaluate_one(struct sweep_desk *d)
{
    const double start = assay_clock_wall();
    uint32_t repeat;

    next_item(d, d->chunk);
    ASSAY_TRY(reserve(d, d->n_pending + 1));
    ASSAY_TRY(
        sweep_bench_evaluate(&d->bench, d->chunk, pending_at(d, d->n_pending), &repeat, d->err));
    d->own = assay_clock_wall() - start;
    return enter(d, repeat, d->own);
}

static int checkpoint_if_due(struct sweep_desk *d)
{
    const double least = assay_config_run(d->farm.config)->checkpoint, now = assay_clock_wall();
    const struct assay_job *job = d->farm.job;

    if (least <= 0 || now - d->published < fmax(least, PUBLISH_FACTOR * d->publishing)) return 0;
    if (d->ledger->n_done == d->published_done) return 0;
    ASSAY_TRY(flush(d));
    ASSAY_TRY(assay_journal_sync(d->farm.journal, d->err));
    const double start = assay_clock_wall();
    ASSAY_TRY(job->publish(job->self, d->err));
    d->published = assay_clock_wall();
    d->publishing = d->published - start;
    d->published_done = d->ledger->n_done;
    return 0;
}

static bool must_stop(struct sweep_desk *d)
{
    const char *limit = sweep_limit_reached(&d->limit, d->longest);

    if (sweep_signal()) d->signal = sweep_signal();
    if (d->signal)
        snprintf(d->why, sizeof d->why, "signal %d (%s)", d->signal, strsignal(d->signal));
    else if (limit)
        snprintf(d->why, sizeof d->why, "%s", limit);
    return d->signal || limit;
}

static void show(struct sweep_desk *d)
{
    const struct sweep_ledger *ledger = d->ledger;

    sweep_progress_show(&d->progress,
                        &(struct sweep_count){.done = ledger->n_done,
                                              .total = ledger->task.n,
                                              .failed = ledger->n_failed,
                                              .cost_left = d->roster.queue.cost_left,
                                              .cost_done = d->roster.queue.cost_done},
                        assay_clock_wall());
}

static int run(struct sweep_desk *d)
{
    const struct sweep_ledger *ledger = d->ledger;

    while (ledger->n_done < ledger->task.n && !must_stop(d)) {
        ASSAY_TRY(hand_out(d));
        const bool own = d->roster.works && d->roster.queue.next < d->roster.queue.n;
        if (own) ASSAY_TRY(evaluate_one(d));
        if (d->ranks > 1) ASSAY_TRY(receive_all(d, own ? 0 : WAIT_SECONDS));
        ASSAY_TRY(flush_if_due(d));
        ASSAY_TRY(checkpoint_if_due(d));
        show(d);
    }
    return 0;
}

static double cost_of(const struct sweep_desk *d, uint64_t i)
{
    const struct assay_job *job = d->farm.job;
    const struct sweep_tasks *task = &d->ledger->task;

    if (d->ledger->done[i]) return SWEEP_NOT_QUEUED;
    return fmax(job->cost(job->self, task->at + i * task->bytes) / d->cut, 0);
}

static int open_queue(struct sweep_desk *d)
{
    const struct sweep_ledger *ledger = d->ledger;
    const uint64_t n = ledger->task.n, left = n - ledger->n_done;
    const uint32_t most = d->farm.job->evaluate_repeat ? ledger->schema->repeats : 1;

    d->cut = sweep_cut(left, most, sweep_teams_evaluating(&d->teams));
    double *cost = malloc((n * d->cut + 1) * sizeof *cost);
    for (uint64_t i = 0; cost && i < n; i++) {
        cost[i * d->cut] = cost_of(d, i);
        for (uint32_t k = 1; k < d->cut; k++) cost[i * d->cut + k] = cost[i * d->cut];
    }
    return sweep_roster_begin(&d->roster, cost, n * d->cut, d->err);
}

int sweep_desk_round(struct sweep_desk *d, struct sweep_ledger *ledger)
{
    d->ledger = ledger;
    d->published_done = ledger->n_done;
    ASSAY_TRY(open_queue(d));
    sweep_progress_open(&d->progress, d->farm.log, &(struct sweep_count){.done = ledger->n_done},
                        assay_clock_wall());
    const int status = run(d);
    sweep_progress_break(&d->progress);
    if (status < 0) return status;
    ASSAY_TRY(flush(d));
    return ledger->n_done == ledger->task.n ? SWEEP_COMPLETE : SWEEP_STOPPED;
}

int sweep_desk_end(struct sweep_desk *d, int status)
{
    const struct assay_err first = *d->err;

    if (status == ASSAY_ERR_MPI) return status;
    int ended = end_workers(d);
    if (ended == ASSAY_ERR_MPI) return ended;
    if (ended >= 0) ended = flush(d);
    if (status >= 0) return ended < 0 ? ended : status;
    *d->err = first;
    return status;
}

const char *sweep_desk_why(const struct sweep_desk *d)
{
    return d->why;
}

// ---- making -------------------------------------------------------------------------------------
static int fill(struct sweep_desk *d)
{
    const struct sweep_farm *farm = &d->farm;

    ASSAY_TRY(sweep_roster_open(&d->roster, d->teams.hands, d->teams.works, d->err));
    d->chunk = malloc(SWEEP_CHUNK_MAX * sweep_item_bytes(farm->job));
    if (!d->chunk) return assay_err_set(d->err, ASSAY_ERR_MEMORY, "no memory for messages");
    ASSAY_TRY(sweep_bench_open(&d->bench, farm->job, 0, farm->team, d->err));
    return reserve(d, 16);
}

int sweep_desk_open(struct sweep_desk **out, const struct sweep_farm *farm, struct assay_err *err)
{
    struct sweep_desk *d = calloc(1, sizeof *d);

    if (!d) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the coordinator");
    d->farm = *farm;
    d->err = err;
    d->ranks = assay_comm_size(farm->comm);
    d->teams = sweep_teams_make(farm->config, d->ranks);
    sweep_limit_open(&d->limit, farm->config);
    d->flushed = d->published = assay_clock_wall();
    const int status = fill(d);
    if (status < 0) {
        sweep_desk_close(d);
        return status;
    }
    *out = d;
    return 0;
}

void sweep_desk_close(struct sweep_desk *d)
{
    if (!d) return;
    sweep_roster_free(&d->roster);
    sweep_bench_close(&d->bench);
    free(d->chunk);
    free(d->pending);
    free(d);
}
