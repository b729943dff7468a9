// SPDX-License-Identifier: Apache-2.0
// What a worker evaluates with, and the messages between it and rank 0.
#ifndef ASSAY_SRC_FARM_CONTEXT_H
#define ASSAY_SRC_FARM_CONTEXT_H

#include "assay/farm.h"

// ---- messages -----------------------------------------------------------------------------------
// Rank 0 sends messages TASK, whose bytes are items: each is a task and the repeat of it that is
// wanted. A worker answers with messages DONE. An empty TASK ends the worker: it drops what it
// holds, sends what is finished, and marks that message LAST.
enum farm_done_flag { FARM_DONE_LAST = 1, FARM_DONE_STOP = 2, FARM_DONE_ERROR = 4 };
struct farm_done {
    uint32_t flag, n_record; // n_record packed records follow, and of each its repeat (u32)
    int32_t signal;          // the signal that asked for the stop
    double seconds;          // wall time spent on these records
};
// This is the whole message when FARM_DONE_ERROR is set.
struct farm_failure {
    struct farm_done done;
    struct assay_err error;
};

// An item is a task and, behind it, the number of a repeat or FARM_WHOLE.
#define FARM_WHOLE UINT32_MAX
size_t farm_item_bytes(const struct assay_job *job);
void farm_item_make(void *item, const struct assay_job *job, const void *task, uint32_t repeat);

// ---- a worker's context -------------------------------------------------------------------------
// What a rank keeps to evaluate an item into a packed record.
struct farm_context {
    const struct assay_job *job; // borrowed
    struct assay_record record;
    double *number; // values and spectrum of the record
    size_t bytes;   // of a packed record
    int rank;
    struct assay_comm *team; // borrowed; NULL: it evaluates alone
};
int farm_context_open(struct farm_context *context, const struct assay_job *job, int rank,
                      struct assay_comm *team, struct assay_err *err);
// For the first rank of a team, which the others follow until they are dismissed.
int farm_context_evaluate(struct farm_context *context, const void *item, void *packed,
                          uint32_t *repeat, struct assay_err *err);
int farm_context_dismiss(const struct farm_context *context, struct assay_err *err);
// For the other ranks: evaluates with the first until dismissed. A signal caught meanwhile is told
// to rank 0 of comm. Errors are those of messages.
int farm_context_follow(struct farm_context *context, struct assay_comm *comm,
                        struct assay_err *err);
void farm_context_close(struct farm_context *context);

#endif
