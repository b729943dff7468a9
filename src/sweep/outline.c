// SPDX-License-Identifier: Apache-2.0
// What a run would be, known without running it.
#include "run.h"

#include <inttypes.h>

static int open_evaluator(struct sweep_outline *o, struct assay_err *err)
{
    struct assay_data *data = NULL;

    ASSAY_TRY(assay_data_open(&data, &o->config.data, err));
    const int status =
        assay_evaluator_create(&o->evaluator, &o->config, &o->space, data, NULL, err);
    assay_data_identity(data, o->data);
    snprintf(o->warning, sizeof o->warning, "%s", assay_data_warning(data));
    assay_data_close(data);
    return status;
}

int sweep_outline_open(struct sweep_outline *o, const struct assay_config *config,
                       struct assay_err *err)
{
    const double start = assay_clock_wall();
    struct sweep_shard shard;

    *o = (struct sweep_outline){.config = *config};
    ASSAY_TRY(assay_space_open(&o->space, o->config.space, err));
    ASSAY_TRY(sweep_shard_parse(&shard, o->config.shard, err));
    ASSAY_TRY(sweep_plan_make(&o->plan, &o->config, &o->space, err));
    sweep_plan_shard(&o->plan, shard);
    ASSAY_TRY(open_evaluator(o, err));
    o->opening = assay_clock_wall() - start;
    return sweep_memory_most(&o->most, o->evaluator, &o->plan, err);
}

static void print_memory(const struct sweep_outline *o, FILE *out)
{
    char arch[ASSAY_ARCH_MAX] = "";
    const struct assay_memory *m = &o->most.need;

    assay_space_format(&o->space, o->most.candidate, arch, sizeof arch);
    fprintf(out,
            "memory: at most %.1f MiB on a rank (executor %.1f, scratch %.1f, batches and graphs "
            "%.1f), for candidate %" PRIu64 " %s\n",
            (double)m->total / 0x1p20, (double)m->exec / 0x1p20, (double)m->scratch / 0x1p20,
            (double)(m->inputs + m->graphs) / 0x1p20, o->most.candidate, arch);
}

void sweep_outline_print(const struct sweep_outline *o, FILE *out)
{
    const uint32_t repeats = assay_evaluator_schema(o->evaluator)->repeats;

    fprintf(out, "%s%s%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s, %u repeat%s each\n",
            o->config.space, *o->config.shard ? ", shard " : "", o->config.shard, o->plan.n_row,
            o->plan.n_task, o->config.members ? "" : " (one per class of equal networks)", repeats,
            repeats > 1 ? "s" : "");
    if (*o->warning) fprintf(out, "warning: %s\n", o->warning);
    print_memory(o, out);
}

void sweep_outline_close(struct sweep_outline *o)
{
    assay_evaluator_destroy(o->evaluator);
    sweep_plan_free(&o->plan);
    assay_space_close(&o->space);
}
