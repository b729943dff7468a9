// SPDX-License-Identifier: Apache-2.0
// What a run would be, as far as it is known without running it.
#include "run.h"

#include <inttypes.h>

void sweep_outline_share(struct sweep_outline *o, int ranks)
{
    o->sharing = ranks;
    o->most.held.images = (o->images + (uint64_t)ranks - 1) / (uint64_t)ranks;
}

static int open_evaluator(struct sweep_outline *o, const struct assay_images *images, int sharing,
                          struct assay_err *err)
{
    const struct assay_data *data = assay_images_data(images);

    o->images = assay_data_bytes(data);
    o->most.held = assay_images_held(images, false);
    sweep_outline_share(o, sharing);
    assay_data_identity(data, o->data);
    snprintf(o->warning, sizeof o->warning, "%s", assay_data_warning(data));
    return assay_evaluator_create(&o->evaluator, &o->config, &o->space, data, NULL, &o->most.held,
                                  err);
}

static int open_images(struct sweep_outline *o, int sharing, struct assay_err *err)
{
    struct assay_images *images;
    const struct assay_config *config = &o->config;

    o->absent = assay_data_absent(assay_config_data(config));
    int status = o->absent ? assay_images_stand_in(&images, config, sharing, err)
                           : assay_images_open(&images, config, NULL, sharing, err);
    if (status >= 0) status = open_evaluator(o, images, sharing, err);
    assay_images_close(images);
    return status;
}

static int weigh_records(struct sweep_outline *o, struct assay_err *err)
{
    struct assay_columns counted;

    ASSAY_TRY(assay_columns_create(&counted, &o->config, true, err));
    const int status = sweep_scores_fit(&o->config, assay_evaluator_schema(o->evaluator), &counted,
                                        &o->n_extra, err);
    o->n_extra += counted.n_column;
    o->most.works = true;
    o->most.records = sweep_records_bytes(&o->candidates, assay_evaluator_schema(o->evaluator),
                                          o->n_extra, &o->space);
    assay_columns_free(&counted);
    return status;
}

int sweep_outline_open(struct sweep_outline *o, const struct assay_config *config, int sharing,
                       struct assay_err *err)
{
    const double start = assay_clock_wall();
    struct sweep_shard shard;

    *o = (struct sweep_outline){.config = *config};
    ASSAY_TRY(sweep_given_open(&o->given, &o->config, NULL, NULL, err));
    ASSAY_TRY(sweep_given_space(&o->config, o->given.block, o->given.n, &o->space, err));
    ASSAY_TRY(sweep_shard_parse(&shard, assay_config_candidates(&o->config)->shard, err));
    ASSAY_TRY(sweep_candidates_make(&o->candidates, &o->config, &o->space, err));
    sweep_candidates_shard(&o->candidates, shard);
    ASSAY_TRY(open_images(o, sharing, err));
    o->opening = assay_clock_wall() - start;
    ASSAY_TRY(weigh_records(o, err));
    return sweep_outline_divide(o, err);
}

int sweep_outline_divide(struct sweep_outline *o, struct assay_err *err)
{
    o->most.limit = assay_config_evaluation(&o->config)->memory << 20;
    return sweep_memory_most(&o->most, o->evaluator, &o->candidates, err);
}

// All ranks of a host first draw batches, while the images are there once; then they evaluate, and
// rank 0 has records.
uint64_t sweep_outline_host(const struct sweep_outline *o)
{
    const struct sweep_memory *m = &o->most;
    const uint64_t ranks = (uint64_t)o->sharing, program = m->held.program;
    const uint64_t drawing = ranks * (program + m->need.inputs + m->held.drawing) + o->images;
    const uint64_t evaluating = ranks * (program + m->need.total) + m->records;

    return drawing > evaluating ? drawing : evaluating;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / 0x1p20;
}

// Prints the memory of the rank that reads the images, which has touched all of them.
static void print_memory(const struct sweep_outline *o, FILE *out)
{
    char arch[ASSAY_ARCH_MAX] = "";
    struct sweep_memory reader = o->most;
    const struct assay_memory *m = &reader.need;

    reader.held.images = o->images;
    assay_space_format(&o->space, o->most.candidate, arch, sizeof arch);
    fprintf(out,
            "memory: at most %.1f MiB on a rank (program %.1f, images %.1f, batches %.1f, records "
            "%.1f, executor %.1f, scratch %.1f, graphs %.1f), for candidate %" PRIu64 " %s\n",
            mib(sweep_memory_peak(&reader)), mib(reader.held.program), mib(o->images),
            mib(m->inputs), mib(reader.records), mib(m->exec), mib(m->scratch), mib(m->graphs),
            o->most.candidate, arch);
    if (m->blocks > 1)
        fprintf(out,
                "memory of Jacobians: they are made in %u blocks of parameters, each by a backward "
                "pass\n",
                m->blocks);
    if (!o->images) return;
    fprintf(out,
            "memory of images: one copy a host, read by one of its ranks, gone before candidates "
            "are evaluated; %d rank%s of a host take%s %.1f MiB together\n",
            o->sharing, o->sharing > 1 ? "s" : "", o->sharing > 1 ? "" : "s",
            mib(sweep_outline_host(o)));
}

int sweep_passes(const struct assay_config *config, void (*say)(void *self, const char *line),
                 void *self, struct assay_err *err)
{
    char text[ASSAY_PASS_TEXT], line[ASSAY_PASS_TEXT + 32];
    struct assay_demand demand;

    ASSAY_TRY(assay_config_demand(config, &demand, err));
    for (uint32_t i = 0; i < demand.n_forward; i++) {
        assay_demand_describe(&demand, assay_config_protocol(config), i, text, sizeof text);
        snprintf(line, sizeof line, "pass %u: %s", i + 1, text);
        say(self, line);
    }
    assay_demand_free(&demand);
    return ASSAY_OK;
}

static void print_pass(void *out, const char *line)
{
    assay_print_line(out, "%s", line);
}

int sweep_outline_print(const struct sweep_outline *o, FILE *out, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(&o->config);
    const struct assay_candidates *given = assay_config_candidates(&o->config);
    const uint32_t repeats = assay_evaluator_schema(o->evaluator)->repeats;

    fprintf(out, "%s%s%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s, %u repeat%s each\n",
            told->space, *given->shard ? ", shard " : "", given->shard, o->candidates.n_row,
            o->candidates.n_task,
            assay_config_members(&o->config) ? "" : " (one per class of equal networks)", repeats,
            repeats > 1 ? "s" : "");
    if (*o->warning) fprintf(out, "warning: %s\n", o->warning);
    char warning[160];
    if (sweep_candidates_warning(&o->candidates, warning, sizeof warning))
        fprintf(out, "warning: %s\n", warning);
    if (o->given.collection.n_failed)
        fprintf(out, "warning: %" PRIu64 " files have no network that can be read\n",
                o->given.collection.n_failed);
    ASSAY_TRY(sweep_passes(&o->config, print_pass, out, err));
    print_memory(o, out);
    return ASSAY_OK;
}

void sweep_outline_close(struct sweep_outline *o)
{
    assay_evaluator_destroy(o->evaluator);
    sweep_candidates_free(&o->candidates);
    assay_space_close(&o->space);
    sweep_given_close(&o->given);
}
