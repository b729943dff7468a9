// SPDX-License-Identifier: Apache-2.0
// The unfinished items of a round, the most expensive first, cut into chunks.
#ifndef ASSAY_SRC_FARM_QUEUE_H
#define ASSAY_SRC_FARM_QUEUE_H

#include "assay/base.h"

struct farm_queue {
    uint64_t *task; // (n)
    double *cost;   // (n_task), by task
    uint64_t next, n;
    double cost_queued, cost_left,
        cost_done;                    // not handed out yet, unfinished, finished in this run
    double spent_cost, spent_seconds; // what evaluators reported lately
    uint64_t n_finished;
};
#define FARM_NOT_QUEUED (-1.0) // cost of a task that is done
// cost: (n) of tasks, malloc'd, which the queue takes, also on error; NULL: there was no memory for
// it.
int farm_queue_open(struct farm_queue *q, double *cost, uint64_t n, struct assay_err *err);
// How many tasks make a chunk of about `seconds` for one of n evaluators, at least one while there
// are any; at most `limit`. Towards the end chunks become shorter, to about `least` seconds.
uint64_t farm_queue_chunk(const struct farm_queue *q, double seconds, double least, int n,
                          uint64_t limit);
// Hands out the next task; there must be one.
uint64_t farm_queue_take(struct farm_queue *q);
void farm_queue_finished(struct farm_queue *q, uint64_t task, double seconds);
void farm_queue_free(struct farm_queue *q);

#endif
