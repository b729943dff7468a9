// SPDX-License-Identifier: Apache-2.0
#include "farm.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_SECONDS 0.5  // of work in one TASK
#define CUT_BELOW     16   // tasks for each evaluator
#define SEND_SECONDS  0.25 // records wait at most so long
#define BATCH_BYTES   (1u << 20)

int sweep_roster_open(struct sweep_roster *r, int ranks, bool works, struct assay_err *err)
{
    *r = (struct sweep_roster){.ranks = ranks, .works = works};
    r->hand = calloc((size_t)ranks, sizeof *r->hand);
    r->asking = malloc((size_t)ranks * sizeof *r->asking);
    return r->hand && r->asking
               ? 0
               : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d ranks", ranks);
}

void sweep_roster_free(struct sweep_roster *r)
{
    sweep_queue_free(&r->queue);
    free(r->hand);
    free(r->asking);
    *r = (struct sweep_roster){0};
}

// Long enough that a worker never waits for rank 0's own candidate or checkpoint; grows by steps,
// since a first guess of the rate may be far off.
static uint64_t chunk_size(const struct sweep_roster *r, const struct sweep_hand *hand, double deaf)
{
    const uint64_t grown = hand->chunk ? 8 * hand->chunk : 1;
    const int evaluators = r->ranks - 1 + r->works;

    return sweep_queue_chunk(&r->queue, fmax(CHUNK_SECONDS, 2 * deaf), evaluators,
                             grown < SWEEP_CHUNK_MAX ? grown : SWEEP_CHUNK_MAX);
}

// While rank 0 works it may be deaf for long; otherwise the last are for those that have nothing.
static uint64_t kept(const struct sweep_roster *r, bool ahead)
{
    if (!ahead) return 0;
    return r->works ? 1 : (uint64_t)r->ranks;
}

bool sweep_roster_deal(struct sweep_roster *r, double deaf, struct sweep_deal *deal)
{
    for (; deal->ahead < 2; deal->ahead++, deal->at = 0) {
        while (deal->at < r->n_asking && r->queue.n - r->queue.next > kept(r, deal->ahead)) {
            const int at = deal->at++;
            deal->rank = r->asking[deal->ahead ? r->n_asking - 1 - at : at];
            struct sweep_hand *hand = &r->hand[deal->rank];
            if (hand->out > (deal->ahead ? hand->chunk : 0)) continue;
            deal->n = hand->chunk = chunk_size(r, hand, deaf);
            hand->out += deal->n;
            return true;
        }
    }
    for (int i = 0; i < r->n_asking; i++) r->hand[r->asking[i]].asks = false;
    r->n_asking = 0;
    return false;
}

static void ask(struct sweep_roster *r, int rank)
{
    if (!r->hand[rank].asks) r->asking[r->n_asking++] = rank;
    r->hand[rank].asks = true;
}

void sweep_roster_answered(struct sweep_roster *r, int rank, uint64_t n)
{
    ASSAY_ASSERT(n <= r->hand[rank].out);
    r->hand[rank].out -= n;
    ask(r, rank);
}

int sweep_roster_begin(struct sweep_roster *r, double *cost, uint64_t n, struct assay_err *err)
{
    for (int rank = 1; rank < r->ranks; rank++) ask(r, rank);
    sweep_queue_free(&r->queue);
    return sweep_queue_open(&r->queue, cost, n, err);
}

uint32_t sweep_cut(uint64_t n, uint32_t most, int evaluators)
{
    return evaluators > 1 && n < (uint64_t)CUT_BELOW * (uint64_t)evaluators ? most : 1;
}

bool sweep_records_due(uint64_t n, uint64_t left, uint64_t most, double since)
{
    return n && (n >= left || n >= most || since >= SEND_SECONDS);
}

uint64_t sweep_records_most(size_t bytes)
{
    return 1 + BATCH_BYTES / bytes;
}
