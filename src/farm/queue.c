// SPDX-License-Identifier: Apache-2.0
#include "farm/queue.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MEMORY_SECONDS 60.0 // of evaluators' time, after which what was measured counts half

struct place {
    double cost;
    uint64_t task;
};

static int dearer(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
    return (x->task > y->task) - (x->task < y->task);
}

// Every task costs something, so that a queue of free ones is shared by number.
static double at_least_one(double cost)
{
    return isfinite(cost) && cost > 1 ? cost : 1;
}

static void sort(struct farm_queue *q, struct place *place, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (q->cost[i] == FARM_NOT_QUEUED) continue;
        q->cost[i] = at_least_one(q->cost[i]);
        q->cost_left += q->cost[i];
        place[q->n++] = (struct place){q->cost[i], i};
    }
    qsort(place, q->n, sizeof *place, dearer);
    for (uint64_t i = 0; i < q->n; i++) q->task[i] = place[i].task;
    q->cost_queued = q->cost_left;
}

int farm_queue_open(struct farm_queue *q, double *cost, uint64_t n, struct assay_err *err)
{
    struct place *place = malloc((n + 1) * sizeof *place);

    *q = (struct farm_queue){.task = malloc((n + 1) * sizeof *q->task), .cost = cost};
    const bool room = place && q->task && cost;
    if (room) sort(q, place, n);
    free(place);
    if (room) return 0;
    farm_queue_free(q);
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a queue of %" PRIu64 " tasks", n);
}

// A share of what is left, so that chunks shrink towards the end and all evaluators end together;
// but shorter ones than `least` would have them wait for messages instead.
uint64_t farm_queue_chunk(const struct farm_queue *q, double seconds, double least, int n,
                          uint64_t limit)
{
    const double rate = q->spent_seconds > 0 ? q->spent_cost / q->spent_seconds : 0;
    const double share = q->cost_queued / n;
    const double budget = fmin(rate * seconds, fmax(share / 2, fmin(rate * least, share)));
    const uint64_t most = q->n - q->next < limit ? q->n - q->next : limit;
    double sum = 0;

    for (uint64_t i = 0; i < most; i++) {
        sum += q->cost[q->task[q->next + i]];
        if (i && sum > budget) return i;
    }
    return most;
}

uint64_t farm_queue_take(struct farm_queue *q)
{
    ASSAY_ASSERT(q->next < q->n);
    const uint64_t task = q->task[q->next++];
    q->cost_queued -= q->cost[task];
    return task;
}

void farm_queue_finished(struct farm_queue *q, uint64_t task, double seconds)
{
    if (q->spent_seconds > MEMORY_SECONDS) {
        q->spent_cost /= 2;
        q->spent_seconds /= 2;
    }
    q->spent_cost += q->cost[task];
    q->spent_seconds += seconds;
    q->n_finished++;
    q->cost_left -= q->cost[task];
    q->cost_done += q->cost[task];
}

void farm_queue_free(struct farm_queue *q)
{
    free(q->task);
    free(q->cost);
    *q = (struct farm_queue){0};
}
