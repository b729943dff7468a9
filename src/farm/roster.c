// SPDX-License-Identifier: Apache-2.0
#include "farm/roster.h"

#include "assay/farm.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_SECONDS 0.5  // of work in one message TASK
#define KNOWN_ITEMS   32   // finished, after which the rate of evaluators is known
#define CUT_BELOW     16   // tasks for each evaluator, below which repeats are dealt
#define TRIP_MOST     0.05 // seconds that a message and its answer may take
#define TRIP_MEAN     8.0  // of how many
#define SEND_SECONDS  0.25 // for which finished records wait at most
#define BATCH_BYTES   (1u << 20)

int farm_roster_open(struct farm_roster *r, int workers, bool works, struct assay_err *err)
{
    *r = (struct farm_roster){.workers = workers, .works = works};
    r->share = calloc((size_t)workers, sizeof *r->share);
    r->asking = malloc((size_t)workers * sizeof *r->asking);
    return r->share && r->asking
               ? 0
               : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d ranks", workers);
}

void farm_roster_free(struct farm_roster *r)
{
    farm_queue_free(&r->queue);
    free(r->share);
    free(r->asking);
    *r = (struct farm_roster){0};
}

// A chunk is long enough that a worker never waits for rank 0's own candidate, nor for messages. It
// grows by steps while a guess of the rate may be far off.
static uint64_t chunk_size(const struct farm_roster *r, const struct farm_share *share,
                           const struct farm_pace *pace)
{
    const bool known = r->queue.n_finished >= KNOWN_ITEMS;
    const uint64_t grown = share->chunk ? 8 * share->chunk : 1;
    const int evaluators = r->workers - 1 + r->works;

    return farm_queue_chunk(&r->queue, fmax(CHUNK_SECONDS, 2 * pace->deaf), 2 * pace->trip,
                            evaluators, known || grown > FARM_CHUNK_MAX ? FARM_CHUNK_MAX : grown);
}

// How many items are not dealt ahead. While rank 0 works it may not look for messages for long, and
// keeps one for itself; otherwise the last items are for workers that have nothing, unless they
// would sooner be done than another worker be told of them.
static uint64_t kept(const struct farm_roster *r, bool ahead, const struct farm_pace *pace)
{
    const struct farm_queue *q = &r->queue;

    if (!ahead || q->next == q->n) return 0;
    if (r->works) return 1;
    const double next = q->cost[q->task[q->next]];
    const bool brief = next * q->spent_seconds < pace->trip * q->spent_cost;
    return brief ? 0 : (uint64_t)r->workers;
}

bool farm_roster_deal(struct farm_roster *r, const struct farm_pace *pace, struct farm_deal *deal)
{
    for (; deal->ahead < 2; deal->ahead++, deal->at = 0) {
        while (deal->at < r->n_asking && r->queue.n - r->queue.next > kept(r, deal->ahead, pace)) {
            const int at = deal->at++;
            deal->worker = r->asking[deal->ahead ? r->n_asking - 1 - at : at];
            struct farm_share *share = &r->share[deal->worker];
            if (share->out > (deal->ahead ? share->chunk : 0)) continue;
            deal->n = share->chunk = chunk_size(r, share, pace);
            share->out += deal->n;
            return true;
        }
    }
    for (int i = 0; i < r->n_asking; i++) r->share[r->asking[i]].asks = false;
    r->n_asking = 0;
    return false;
}

static void ask(struct farm_roster *r, int worker)
{
    if (!r->share[worker].asks) r->asking[r->n_asking++] = worker;
    r->share[worker].asks = true;
}

void farm_roster_answered(struct farm_roster *r, int worker, uint64_t n)
{
    ASSAY_ASSERT(n <= r->share[worker].out);
    r->share[worker].out -= n;
    ask(r, worker);
}

int farm_roster_begin(struct farm_roster *r, double *cost, uint64_t n, struct assay_err *err)
{
    for (int worker = 1; worker < r->workers; worker++) ask(r, worker);
    farm_queue_free(&r->queue);
    return farm_queue_open(&r->queue, cost, n, err);
}

int farm_trip_open(struct farm_trip *trip, int workers, struct assay_err *err)
{
    *trip = (struct farm_trip){.sent = calloc((size_t)workers, sizeof *trip->sent)};
    return trip->sent ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d ranks", workers);
}

void farm_trip_sent(struct farm_trip *trip, int worker, bool had_nothing, double now)
{
    trip->sent[worker] = had_nothing ? now : 0;
}

// The mean of the last few; rank 0 may have been late to look, so none counts as more than a limit.
void farm_trip_answered(struct farm_trip *trip, int worker, double seconds, double now)
{
    const double took = now - trip->sent[worker] - seconds;

    if (trip->sent[worker] <= 0) return;
    trip->sent[worker] = 0;
    trip->seconds += (fmin(fmax(took, 0), TRIP_MOST) - trip->seconds) / TRIP_MEAN;
}

void farm_trip_free(struct farm_trip *trip)
{
    free(trip->sent);
    trip->sent = NULL;
}

uint32_t assay_farm_cut(uint64_t n, uint32_t most, int evaluators)
{
    return evaluators > 1 && n < (uint64_t)CUT_BELOW * (uint64_t)evaluators ? most : 1;
}

bool farm_records_due(uint64_t n, uint64_t left, uint64_t most, double since)
{
    return n && (n >= left || n >= most || since >= SEND_SECONDS);
}

uint64_t assay_farm_records_most(size_t bytes)
{
    return 1 + BATCH_BYTES / bytes;
}
