// SPDX-License-Identifier: Apache-2.0
// What candidates cost, found by all ranks together: they would only wait for rank 0 meanwhile.
#include "run.h"

#include <stdlib.h>

struct weighing {
    struct assay_comm *comm;
    uint64_t n, mine;       // candidates; those of the rank
    int *bytes, *at, *none; // (ranks) of the ranks' parts; zeros
    uint64_t *task;         // (mine)
    double *part;           // (mine)
};

static uint64_t begin_of(const struct weighing *w, int rank)
{
    return w->n * (uint64_t)rank / (uint64_t)assay_comm_size(w->comm);
}

static int reserve(struct weighing *w, double **cost, struct assay_err *err)
{
    const size_t ranks = (size_t)assay_comm_size(w->comm);
    const int rank = assay_comm_rank(w->comm);

    w->mine = begin_of(w, rank + 1) - begin_of(w, rank);
    w->bytes = calloc(4 * ranks, sizeof *w->bytes);
    w->task = malloc((w->mine + 1) * sizeof *w->task);
    w->part = malloc((w->mine + 1) * sizeof *w->part);
    if (rank == 0) *cost = malloc((w->n + 1) * sizeof **cost);
    if (!w->bytes || !w->task || !w->part || (rank == 0 && !*cost))
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory to weigh candidates");
    w->at = w->bytes + ranks;
    w->none = w->at + ranks;
    for (int r = 0; r < (int)ranks; r++) {
        w->bytes[r] = (int)((begin_of(w, r + 1) - begin_of(w, r)) * sizeof *w->part);
        w->at[r] = (int)(begin_of(w, r) * sizeof *w->part);
    }
    return 0;
}

// What rank 0 sends to a rank is as long as what that sends back; nobody else sends anything.
static int exchange(const struct weighing *w, struct assay_evaluator *e, const uint64_t *task,
                    double *cost, struct assay_err *err)
{
    const bool first = assay_comm_rank(w->comm) == 0;
    const int *of_all = first ? w->bytes : w->none, *at = first ? w->at : w->none;
    int *of_first = w->none + assay_comm_size(w->comm);

    of_first[0] = (int)(w->mine * sizeof *w->part);
    ASSAY_TRY(assay_comm_exchange(w->comm, task, of_all, at, w->task, of_first, w->none, err));
    for (uint64_t i = 0; i < w->mine; i++) w->part[i] = assay_evaluator_cost(e, w->task[i]);
    return assay_comm_exchange(w->comm, w->part, of_first, w->none, cost, of_all, at, err);
}

_Static_assert(sizeof(uint64_t) == sizeof(double), "candidates and costs lie alike");
_Static_assert(SWEEP_CANDIDATES_MAX <= INT32_MAX / (int)sizeof(double),
               "MPI counts bytes in 32 bits");

int sweep_weigh(double **cost, const struct sweep_candidates *candidates, struct assay_evaluator *e,
                struct assay_comm *comm, struct assay_err *err)
{
    struct weighing w = {.comm = comm, .n = candidates->n_task};

    *cost = NULL;
    if (assay_comm_size(comm) == 1) return 0;
    ASSAY_TRY(assay_comm_share(comm, 0, &w.n, sizeof w.n, err));
    int status = assay_comm_agree(comm, reserve(&w, cost, err), err);
    if (status >= 0) status = exchange(&w, e, candidates->task, *cost, err);
    free(w.bytes);
    free(w.task);
    free(w.part);
    if (status < 0) free(*cost), *cost = NULL;
    return status;
}
