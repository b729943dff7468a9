// SPDX-License-Identifier: Apache-2.0
// Shards: parts of a sweep that are run by themselves.
#include "run.h"

#include <inttypes.h>
#include <string.h>

int sweep_shard_parse(struct sweep_shard *shard, const char *text, struct assay_err *err)
{
    char again[48] = "";

    *shard = (struct sweep_shard){0};
    if (!*text) return 0;
    // A part is written in one way only, since it belongs to the run's identity.
    if (sscanf(text, "%6" SCNu64 "/%6" SCNu64, &shard->i, &shard->n) == 2)
        snprintf(again, sizeof again, "%" PRIu64 "/%" PRIu64, shard->i, shard->n);
    if (strcmp(again, text) != 0 || shard->i < 1 || shard->i > shard->n)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.shard = %s: expected I/N with I from 1 to N, such as 3/8",
                             text);
    return 0;
}

// Each n tasks in a row are dealt to the n parts, beginning with another one each time, so that a
// period in the space does not give one part all that is expensive.
uint64_t sweep_shard_of(uint64_t task, uint64_t n)
{
    const uint64_t deal = task / n;

    return 1 + (task % n + assay_hash64(&deal, sizeof deal, 0) % n) % n;
}

void sweep_candidates_shard(struct sweep_candidates *candidates, struct sweep_shard shard)
{
    uint64_t rows = 0, tasks = 0;

    if (!shard.n) return;
    for (uint64_t i = 0; i < candidates->n_row; i++) {
        if (sweep_shard_of(candidates->task_of[i], shard.n) != shard.i) continue;
        candidates->index[rows] = candidates->index[i];
        // A candidate for now, and the place of its task when the tasks are known.
        candidates->task_of[rows++] = candidates->task[candidates->task_of[i]];
    }
    for (uint64_t i = 0; i < candidates->n_task; i++)
        if (sweep_shard_of(i, shard.n) == shard.i) candidates->task[tasks++] = candidates->task[i];
    candidates->n_row = rows;
    candidates->n_task = tasks;
    for (uint64_t i = 0; i < rows; i++)
        candidates->task_of[i] = sweep_candidates_find(candidates, candidates->task_of[i]);
}

void sweep_shard_strip(char *identity)
{
    char *line = strstr(identity, "\nshard = ");

    if (!line) return;
    const char *rest = line + 1 + strcspn(line + 1, "\n");
    memmove(line, rest, strlen(rest) + 1);
}
