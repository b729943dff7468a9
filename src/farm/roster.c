// SPDX-License-Identifier: Apache-2.0
#include "farm/roster.h"

#include "assay/farm.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_SECONDS 0.5  // of work in one message TASK
#define CUT_BELOW     16   // tasks for each evaluator, below which repeats are dealt
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

// A chunk is long enough that a worker never waits for rank 0's own candidate or checkpoint. It
// grows by steps, since a first guess of the rate may be far off.
static uint64_t chunk_size(const struct farm_roster *r, const struct farm_share *share, double deaf)
{
    const uint64_t grown = share->chunk ? 8 * share->chunk : 1;
    const int evaluators = r->workers - 1 + r->works;

    return farm_queue_chunk(&r->queue, fmax(CHUNK_SECONDS, 2 * deaf), evaluators,
                            grown < FARM_CHUNK_MAX ? grown : FARM_CHUNK_MAX);
}

// How many items are not dealt ahead. While rank 0 works it may not look for messages for long, and
// keeps one for itself; otherwise the last items are for workers that have nothing.
static uint64_t kept(const struct farm_roster *r, bool ahead)
{
    if (!ahead) return 0;
    return r->works ? 1 : (uint64_t)r->workers;
}

bool farm_roster_deal(struct farm_roster *r, double deaf, struct farm_deal *deal)
{
    for (; deal->ahead < 2; deal->ahead++, deal->at = 0) {
        while (deal->at < r->n_asking && r->queue.n - r->queue.next > kept(r, deal->ahead)) {
            const int at = deal->at++;
            deal->worker = r->asking[deal->ahead ? r->n_asking - 1 - at : at];
            struct farm_share *share = &r->share[deal->worker];
            if (share->out > (deal->ahead ? share->chunk : 0)) continue;
            deal->n = share->chunk = chunk_size(r, share, deaf);
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
