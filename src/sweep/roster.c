// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK_SECONDS 0.5  // of work in one TASK
#define WORKING_RANKS 8    // up to which rank 0 works by itself
#define SEND_SECONDS  0.25 // records wait at most so long
#define BATCH_BYTES   (1u << 20)

bool sweep_desk_works(const struct assay_config *config, int ranks)
{
    enum { AUTO, YES };
    return ranks == 1 || config->coordinator_works == YES ||
           (config->coordinator_works == AUTO && ranks <= WORKING_RANKS);
}

int sweep_roster_open(struct sweep_roster *r, int ranks, bool works, struct assay_err *err)
{
    *r = (struct sweep_roster){.ranks = ranks, .works = works};
    r->hand = calloc((size_t)ranks, sizeof *r->hand);
    return r->hand ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d ranks", ranks);
}

void sweep_roster_free(struct sweep_roster *r)
{
    sweep_queue_free(&r->queue);
    free(r->hand);
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

static bool is_due(const struct sweep_roster *r, const struct sweep_deal *deal)
{
    const struct sweep_hand *hand = &r->hand[deal->rank];

    return hand->out <= (deal->ahead ? hand->chunk : 0);
}

// First those that have nothing, then one chunk ahead for each.
bool sweep_roster_deal(struct sweep_roster *r, double deaf, struct sweep_deal *deal)
{
    for (; deal->ahead < 2; deal->ahead++, deal->rank = 0) {
        while (++deal->rank < r->ranks) {
            const uint64_t left = r->queue.n - r->queue.next;
            if (left <= (uint64_t)(deal->ahead && r->works)) return false;
            if (!is_due(r, deal)) continue;
            struct sweep_hand *hand = &r->hand[deal->rank];
            deal->n = hand->chunk = chunk_size(r, hand, deaf);
            hand->out += deal->n;
            return true;
        }
    }
    return false;
}

bool sweep_records_due(uint64_t n, uint64_t left, uint64_t most, double since)
{
    return n && (n >= left || n >= most || since >= SEND_SECONDS);
}

uint64_t sweep_records_most(size_t bytes)
{
    return 1 + BATCH_BYTES / bytes;
}
