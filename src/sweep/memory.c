// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <inttypes.h>

int sweep_memory_most(struct sweep_memory *most, struct assay_evaluator *e,
                      const struct sweep_plan *plan, struct assay_err *err)
{
    *most = (struct sweep_memory){0};
    for (uint64_t i = 0; i < plan->n_task; i++) {
        struct assay_memory memory;
        ASSAY_TRY(assay_evaluator_memory(e, plan->task[i], &memory, err));
        if (i && memory.total <= most->need.total) continue;
        *most = (struct sweep_memory){.candidate = plan->task[i], .need = memory};
    }
    return 0;
}

int sweep_memory_check(const struct sweep_memory *most, const struct assay_config *config,
                       const struct assay_space *space, struct assay_err *err)
{
    char arch[ASSAY_ARCH_MAX] = "";
    const uint64_t limit = config->memory << 20;

    if (!limit || most->need.total <= limit) return 0;
    assay_space_format(space, most->candidate, arch, sizeof arch);
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "candidate %" PRIu64 " (%.400s) needs %" PRIu64
                         " bytes (%.1f MiB) on a rank, over the limit of %" PRIu64
                         " MiB (run.memory, --memory): raise it with fewer ranks on a machine, or "
                         "need less with a smaller ntk.batch, network.channels or network.cells",
                         most->candidate, arch, most->need.total, (double)most->need.total / 0x1p20,
                         config->memory);
}
