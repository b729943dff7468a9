// SPDX-License-Identifier: Apache-2.0
// The schedule: which worker gets how much of the queue, and when. It is decided without messages
// or clock, so that a simulation asks the same questions.
#ifndef ASSAY_SRC_FARM_ROSTER_H
#define ASSAY_SRC_FARM_ROSTER_H

#include "farm/queue.h"

// A TASK message holds at most so many items, and a worker is sent the next when one is left.
#define FARM_CHUNK_MAX 4096

// What a worker has of the queue.
struct farm_share {
    uint64_t out, chunk; // items dealt and not answered; size of the last TASK
    bool asks;           // it is among those asking
};
struct farm_roster {
    struct farm_queue queue;  // of items: task x cut + repeat
    struct farm_share *share; // (workers); that of rank 0 is unused
    int *asking;              // (n_asking) workers that have answered since the last dealing
    int n_asking, workers;
    bool works; // rank 0 evaluates, too
};
int farm_roster_open(struct farm_roster *r, int workers, bool works, struct assay_err *err);
// Begins a round: all workers have nothing. cost: as farm_queue_open.
int farm_roster_begin(struct farm_roster *r, double *cost, uint64_t n, struct assay_err *err);
// A worker has sent n records.
void farm_roster_answered(struct farm_roster *r, int worker, uint64_t n);
// One dealing; a zeroed struct begins it. Every call names a worker that is due the next n items of
// the queue (farm_queue_take), which the caller sends; false: nobody is due any more. Workers that
// have nothing come first. Then each gets a chunk ahead, in the opposite order, since the worker
// that holds the most expensive tasks shall be the last to be given more.
struct farm_deal {
    int ahead, at, worker;
    uint64_t n;
};
struct farm_pace {
    double deaf; // seconds for which rank 0 may not look for messages
    double trip; // seconds from an answer to rank 0 until what it sends then arrives
};
bool farm_roster_deal(struct farm_roster *r, const struct farm_pace *pace, struct farm_deal *deal);
void farm_roster_free(struct farm_roster *r);
// How long messages take, told from workers that had nothing: an answer comes when their work and
// two messages are done. A zeroed struct knows nothing.
struct farm_trip {
    double *sent; // (workers) when a worker that had nothing was sent something, 0: it has answered
    double seconds; // of a message and its answer
};
int farm_trip_open(struct farm_trip *trip, int workers, struct assay_err *err);
void farm_trip_sent(struct farm_trip *trip, int worker, bool had_nothing, double now);
// seconds: the work that is answered.
void farm_trip_answered(struct farm_trip *trip, int worker, double seconds, double now);
void farm_trip_free(struct farm_trip *trip);
// Whether a worker with n finished records and `left` items in its queue sends the records: it does
// when as many are finished as are left. With one chunk being evaluated and one ahead, this is at
// the end of each chunk, and the last items go one by one. since: seconds since it last sent.
bool farm_records_due(uint64_t n, uint64_t left, uint64_t most, double since);

#endif
