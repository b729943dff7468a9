// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <inttypes.h>

// What a candidate may take.
static uint64_t room_of(const struct sweep_memory *m)
{
    const uint64_t beside = assay_held_evaluating(&m->held) + (m->works ? m->records : 0);

    return !m->limit ? 0 : m->limit > beside ? m->limit - beside : 1;
}

int sweep_memory_most(struct sweep_memory *most, struct assay_evaluator *e,
                      const struct sweep_candidates *candidates, struct assay_err *err)
{
    most->candidate = 0;
    most->need = (struct assay_memory){0};
    for (uint64_t i = 0; i < candidates->n_task; i++) {
        struct assay_memory memory;
        ASSAY_TRY(assay_evaluator_memory(e, candidates->task[i], room_of(most), &memory, err));
        if (i && memory.total <= most->need.total) continue;
        most->candidate = candidates->task[i];
        most->need = memory;
    }
    return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// The most bytes of a rank at one time. It first has the images beside the batches, and later
// records and candidates. A rank 0 that only coordinates has batches too, and any other rank has no
// records.
static uint64_t peak(const struct sweep_memory *m, uint64_t candidate)
{
    const uint64_t inputs = m->need.inputs, own = candidate - inputs;
    const uint64_t later = m->works ? m->records + own : larger(m->records, own);

    return inputs + larger(assay_held_drawing(&m->held), assay_held_evaluating(&m->held) + later);
}

uint64_t sweep_memory_peak(const struct sweep_memory *most)
{
    return peak(most, most->need.total);
}

uint64_t sweep_memory_fixed(const struct sweep_memory *most)
{
    return peak(most, most->need.total - most->need.scratch - most->need.exec);
}

// The error names what is over the limit: images and batches, or a candidate.
int sweep_memory_check(const struct sweep_memory *most, const struct assay_config *config,
                       const struct assay_space *space, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    char arch[ASSAY_ARCH_MAX] = "";
    const uint64_t limit = told->memory << 20, all = sweep_memory_peak(most);

    if (!limit || all <= limit) return 0;
    assay_space_format(space, most->candidate, arch, sizeof arch);
    return assay_err_set(
        err, ASSAY_ERR_MEMORY,
        "a rank needs %" PRIu64 " bytes (%.1f MiB), over the limit of %" PRIu64
        " MiB (run.memory, --memory): the program %.1f, its part of the images, which the ranks of "
        "a host share, %.1f, batches "
        "%.1f, rank 0's records %.1f, and candidate %" PRIu64 " (%.400s) %.1f; raise it with fewer "
        "ranks on a machine, or need less with a smaller ntk.batch, network.channels or "
        "network.cells",
        all, (double)all / 0x1p20, told->memory, (double)most->held.program / 0x1p20,
        (double)most->held.images / 0x1p20, (double)most->need.inputs / 0x1p20,
        (double)most->records / 0x1p20, most->candidate, arch,
        (double)(most->need.total - most->need.inputs) / 0x1p20);
}
