// SPDX-License-Identifier: Apache-2.0
// What needs no other rank and evaluates nothing: telling what a run would do, and publishing
// again.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- pack ---------------------------------------------------------------------------------------
static int pack(struct sweep_archive *a, struct sweep_publisher *publisher, const char *dir,
                const struct assay_log *log, struct assay_err *err)
{
    ASSAY_TRY(sweep_archive_open(a, dir, false, err));
    ASSAY_TRY(sweep_archive_load(a, dir, err));
    ASSAY_TRY(sweep_publisher_open(publisher, dir, &a->config, &a->space, &a->plan, &a->schema,
                                   a->identity, NULL, err));
    ASSAY_TRY(sweep_publish(publisher, a->ledger.record, a->ledger.done, err));
    assay_log_line(log, ASSAY_LOG_INFO,
                   "%s/results.h5: %" PRIu64 " rows, %" PRIu64 " of %" PRIu64 " evaluations done",
                   dir, a->plan.n_row, a->ledger.n_done, a->plan.n_task);
    return 0;
}

int assay_sweep_pack(const char *dir, const struct assay_log *log, struct assay_err *err)
{
    struct sweep_archive a = {0};
    struct sweep_publisher publisher = {0};

    const int status = pack(&a, &publisher, dir, log, err);
    sweep_publisher_close(&publisher);
    sweep_archive_close(&a);
    return status;
}

// ---- dry run ------------------------------------------------------------------------------------
static int print_state(struct sweep_archive *a, struct assay_hash data, const char *dir, FILE *out,
                       struct assay_err *err)
{
    char path[2 * ASSAY_TEXT_MAX];

    snprintf(path, sizeof path, "%s/journal", dir);
    if (access(path, F_OK)) {
        fprintf(out, "directory: %s, a new run\n", dir);
        return 0;
    }
    ASSAY_TRY(assay_journal_peek(dir, &a->identity, &a->list, &a->n_list, err));
    const struct assay_kern *kern;
    ASSAY_TRY(assay_kern_select(&kern, a->config.cpu, err));
    char *mine = sweep_identity_text(&a->config, &a->schema, assay_kern_name(kern), data);
    const bool same = mine && strcmp(mine, a->identity) == 0;
    free(mine);
    if (!same) {
        fprintf(out, "directory: %s, holds a run of another configuration and would be refused\n",
                dir);
        return 0;
    }
    ASSAY_TRY(sweep_archive_load(a, dir, err));
    fprintf(out, "directory: %s, would resume: %" PRIu64 " of %" PRIu64 " done\n", dir,
            a->ledger.n_done, a->plan.n_task);
    return 0;
}

static void print_columns(const char *what, const struct assay_columns *columns, FILE *out)
{
    fprintf(out, "%s:", what);
    for (uint32_t i = 0; i < columns->n_column; i++) fprintf(out, " %s", columns->column[i].name);
    fprintf(out, "\n");
}

// Opens the data, makes an evaluator and finds the largest candidate, so that what would stop the
// run at its start shows here.
static int try_evaluator(struct sweep_archive *a, struct sweep_memory *most,
                         struct assay_hash *digest, struct assay_err *err)
{
    struct assay_data *data = NULL;
    struct assay_evaluator *evaluator = NULL;

    ASSAY_TRY(assay_data_open(&data, &a->config.data, err));
    int status = assay_evaluator_create(&evaluator, &a->config, &a->space, data, err);
    if (status >= 0) status = sweep_memory_most(most, evaluator, &a->plan, err);
    if (status >= 0) status = sweep_memory_check(most, &a->config, &a->space, err);
    assay_evaluator_destroy(evaluator);
    *digest = assay_data_digest(data);
    assay_data_close(data);
    return status;
}

static void print_memory(const struct sweep_archive *a, const struct sweep_memory *most, FILE *out)
{
    char arch[ASSAY_ARCH_MAX] = "";
    const struct assay_memory *m = &most->need;

    assay_space_format(&a->space, most->candidate, arch, sizeof arch);
    fprintf(out,
            "memory: at most %.1f MiB on a rank (executor %.1f, scratch %.1f, batches and graphs "
            "%.1f), for candidate %" PRIu64 " %s\n",
            (double)m->total / 0x1p20, (double)m->exec / 0x1p20, (double)m->scratch / 0x1p20,
            (double)(m->inputs + m->graphs) / 0x1p20, most->candidate, arch);
}

static int dry_run(struct sweep_archive *a, const char *dir, FILE *out, struct assay_err *err)
{
    struct assay_columns counted = {0};
    struct sweep_memory most;
    struct sweep_shard shard;
    struct assay_hash data;

    ASSAY_TRY(sweep_shard_parse(&shard, a->config.shard, err));
    ASSAY_TRY(sweep_archive_schema(a, err));
    ASSAY_TRY(sweep_plan_make(&a->plan, &a->config, &a->space, err));
    sweep_plan_shard(&a->plan, shard);
    ASSAY_TRY(try_evaluator(a, &most, &data, err));
    fprintf(out, "%s%s%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s, %u repeat%s each\n",
            a->config.space, *a->config.shard ? ", shard " : "", a->config.shard, a->plan.n_row,
            a->plan.n_task, a->config.members ? "" : " (one per class of equal networks)",
            a->schema.repeats, a->schema.repeats > 1 ? "s" : "");
    print_memory(a, &most, out);
    ASSAY_TRY(print_state(a, data, dir, out, err));
    print_columns("measured", &a->columns, out);
    ASSAY_TRY(assay_columns_create(&counted, &a->config, true, err));
    print_columns("counted", &counted, out);
    assay_columns_free(&counted);
    char *text = sweep_config_text(&a->config);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    fprintf(out, "\n%s", text);
    free(text);
    return 0;
}

int assay_sweep_dry_run(const struct assay_config *config, const char *dir, FILE *out,
                        struct assay_err *err)
{
    struct sweep_archive a = {.config = *config};

    const int status = dry_run(&a, dir, out, err);
    sweep_archive_close(&a);
    return status;
}
