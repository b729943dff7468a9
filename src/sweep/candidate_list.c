// SPDX-License-Identifier: Apache-2.0
// The list of candidates: its rows and tasks, and how a journal holds it.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

// Makes the indices ascending and distinct; returns how many remain.
static uint64_t sort_distinct(uint64_t *x, uint64_t n)
{
    uint64_t kept = 0;

    qsort(x, n, sizeof *x, compare);
    for (uint64_t i = 0; i < n; i++)
        if (!kept || x[kept - 1] != x[i]) x[kept++] = x[i];
    return kept;
}

uint64_t sweep_candidates_find(const struct sweep_candidates *candidates, uint64_t candidate)
{
    const uint64_t *at = bsearch(&candidate, candidates->task, candidates->n_task,
                                 sizeof *candidates->task, compare);

    return at ? (uint64_t)(at - candidates->task) : candidates->n_task;
}

struct assay_tasks sweep_candidates_tasks(const struct sweep_candidates *candidates)
{
    return (struct assay_tasks){.at = (const char *)candidates->task,
                                .n = candidates->n_task,
                                .bytes = sizeof *candidates->task};
}

int sweep_candidates_fill(struct sweep_candidates *candidates, uint64_t *index, uint64_t n,
                          bool members, const struct assay_space *space, struct assay_err *err)
{
    *candidates = (struct sweep_candidates){.index = index, .n_row = sort_distinct(index, n)};
    n = candidates->n_row;
    candidates->task_of = malloc((n ? n : 1) * sizeof *candidates->task_of);
    candidates->task = malloc((n ? n : 1) * sizeof *candidates->task);
    if (!candidates->task_of || !candidates->task) {
        sweep_candidates_free(candidates);
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %" PRIu64 " candidates", n);
    }
    for (uint64_t i = 0; i < n; i++)
        candidates->task_of[i] = candidates->task[i] =
            members ? index[i] : assay_space_canonical(space, index[i]);
    candidates->n_task = sort_distinct(candidates->task, n);
    for (uint64_t i = 0; i < n; i++)
        candidates->task_of[i] = sweep_candidates_find(candidates, candidates->task_of[i]);
    return 0;
}

void sweep_candidates_free(struct sweep_candidates *candidates)
{
    free(candidates->index);
    free(candidates->task_of);
    free(candidates->task);
    *candidates = (struct sweep_candidates){0};
}

// ---- packed list --------------------------------------------------------------------------------
struct span {
    uint64_t first, length;
};

// Fills in the runs of consecutive candidates; span is NULL where they are only counted.
static uint64_t find_spans(const struct sweep_candidates *candidates, struct span *span)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < candidates->n_row; i++) {
        const bool next = i && candidates->index[i] == candidates->index[i - 1] + 1;
        n += !next;
        if (span && next) span[n - 1].length++;
        if (span && !next) span[n - 1] = (struct span){candidates->index[i], 1};
    }
    return n;
}

void *sweep_candidates_pack(const struct sweep_candidates *candidates, size_t *n)
{
    *n = find_spans(candidates, NULL) * sizeof(struct span);
    struct span *span = malloc(*n ? *n : 1);
    if (span) find_spans(candidates, span);
    return span;
}

static int bad_list(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT, "the candidate list does not fit its search space");
}

// Checks that spans are as sweep_candidates_pack makes them: ascending, apart, and of one candidate
// or more. The sum of their lengths is then at most the space's size.
static int count_list(const struct span *span, size_t n, uint64_t size, uint64_t *total,
                      struct assay_err *err)
{
    uint64_t end = 0;

    *total = 0;
    for (size_t i = 0; i < n; i++) {
        if (span[i].first >= size || span[i].length > size - span[i].first) return bad_list(err);
        if (!span[i].length || (i && span[i].first <= end)) return bad_list(err);
        end = span[i].first + span[i].length;
        *total += span[i].length;
    }
    return *total <= SWEEP_CANDIDATES_MAX ? 0 : bad_list(err);
}

// Bytes that a candidate takes at least: in the list, as a record without values, and as a row.
enum { CANDIDATE = 3 * sizeof(uint64_t) + sizeof(struct assay_record) + sizeof(struct assay_row) };

int sweep_candidates_unpack(struct sweep_candidates *candidates, const void *bytes, size_t n,
                            bool members, const struct assay_space *space, struct assay_err *err)
{
    uint64_t total = 0, at = 0;

    if (n % sizeof(struct span)) return bad_list(err);
    struct span *span = malloc(n ? n : 1);
    if (!span) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the candidate list");
    memcpy(span, bytes, n);
    n /= sizeof *span;
    int status = count_list(span, n, assay_space_size(space), &total, err);
    if (!status) status = assay_memory_room(total, "candidates", CANDIDATE, err);
    uint64_t *index = status ? NULL : malloc((total ? total : 1) * sizeof *index);
    if (!status && !index)
        status = assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the candidate list");
    for (size_t i = 0; !status && i < n; i++)
        for (uint64_t k = 0; k < span[i].length; k++) index[at++] = span[i].first + k;
    free(span);
    return status ? status : sweep_candidates_fill(candidates, index, total, members, space, err);
}
