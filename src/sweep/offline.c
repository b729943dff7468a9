// SPDX-License-Identifier: Apache-2.0
// What needs no other rank and evaluates nothing: telling what a run would do, and publishing
// again.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What a directory's journal says, without the right to write there.
struct archive {
    struct assay_config config;
    struct assay_space space;
    struct assay_columns columns;
    struct assay_schema schema;
    struct sweep_plan plan;
    struct assay_journal *journal;
    struct sweep_ledger ledger;
    struct sweep_publisher publisher;
    struct assay_hash data; // digest of the images, of a dry run
    char *identity;
    void *list;
    size_t n_list;
};

static void close_archive(struct archive *a)
{
    sweep_publisher_close(&a->publisher);
    sweep_ledger_free(&a->ledger);
    assay_journal_close(a->journal);
    sweep_plan_free(&a->plan);
    assay_columns_free(&a->columns);
    assay_space_close(&a->space);
    free(a->identity);
    free(a->list);
}

static int open_schema(struct archive *a, struct assay_err *err)
{
    const struct assay_protocol *p = &a->config.protocol;

    ASSAY_TRY(assay_space_open(&a->space, a->config.space, err));
    ASSAY_TRY(assay_columns_create(&a->columns, &a->config, false, err));
    a->schema =
        (struct assay_schema){.column = a->columns.column,
                              .protocol = a->columns.protocol,
                              .n_column = a->columns.n_column,
                              .repeats = (uint32_t)p->repeats,
                              .spectrum_len = a->columns.spectrum ? (uint32_t)p->ntk_batch : 0};
    return 0;
}

static int open_records(struct archive *a, const char *dir, struct assay_err *err)
{
    uint64_t n = 0;

    ASSAY_TRY(sweep_ledger_open(&a->ledger, &a->schema, sweep_plan_tasks(&a->plan), err));
    ASSAY_TRY(assay_journal_open_read(&a->journal, dir, &a->schema, &n, err));
    return sweep_ledger_load(&a->ledger, a->journal, n, false, err);
}

// ---- pack ---------------------------------------------------------------------------------------
static int pack(struct archive *a, const char *dir, const struct assay_log *log,
                struct assay_err *err)
{
    ASSAY_TRY(assay_journal_peek(dir, &a->identity, &a->list, &a->n_list, err));
    if (strstr(a->identity, "\n[search]\n"))
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%s holds a search: `assay search` with the same configuration writes "
                             "its search.h5 again",
                             dir);
    if (sweep_config_parse(&a->config, a->identity, err) < 0)
        return assay_err_prefix(err, "%s/journal", dir);
    ASSAY_TRY(open_schema(a, err));
    ASSAY_TRY(sweep_plan_unpack(&a->plan, a->list, a->n_list, a->config.members, &a->space, err));
    ASSAY_TRY(open_records(a, dir, err));
    ASSAY_TRY(sweep_publisher_open(&a->publisher, dir, &a->config, &a->space, &a->plan, &a->schema,
                                   a->identity, NULL, err));
    ASSAY_TRY(sweep_publish(&a->publisher, a->ledger.record, a->ledger.done, err));
    assay_log_line(log, ASSAY_LOG_INFO,
                   "%s/results.h5: %" PRIu64 " rows, %" PRIu64 " of %" PRIu64 " evaluations done",
                   dir, a->plan.n_row, a->ledger.n_done, a->plan.n_task);
    return 0;
}

int assay_sweep_pack(const char *dir, const struct assay_log *log, struct assay_err *err)
{
    struct archive a = {0};

    const int status = pack(&a, dir, log, err);
    close_archive(&a);
    return status;
}

// ---- dry run ------------------------------------------------------------------------------------
static int print_state(struct archive *a, const char *dir, FILE *out, struct assay_err *err)
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
    char *mine = sweep_identity_text(&a->config, &a->schema, assay_kern_name(kern), a->data);
    const bool same = mine && strcmp(mine, a->identity) == 0;
    free(mine);
    if (!same) {
        fprintf(out, "directory: %s, holds a run of another configuration and would be refused\n",
                dir);
        return 0;
    }
    ASSAY_TRY(open_records(a, dir, err));
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
static int try_evaluator(struct archive *a, struct sweep_memory *most, struct assay_err *err)
{
    struct assay_data *data = NULL;
    struct assay_evaluator *evaluator = NULL;

    ASSAY_TRY(assay_data_open(&data, &a->config.data, err));
    int status = assay_evaluator_create(&evaluator, &a->config, &a->space, data, err);
    if (status >= 0) status = sweep_memory_most(most, evaluator, &a->plan, err);
    if (status >= 0) status = sweep_memory_check(most, &a->config, &a->space, err);
    assay_evaluator_destroy(evaluator);
    a->data = assay_data_digest(data);
    assay_data_close(data);
    return status;
}

static void print_memory(const struct archive *a, const struct sweep_memory *most, FILE *out)
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

static int dry_run(struct archive *a, const char *dir, FILE *out, struct assay_err *err)
{
    struct assay_columns counted = {0};
    struct sweep_memory most;

    ASSAY_TRY(open_schema(a, err));
    ASSAY_TRY(sweep_plan_make(&a->plan, &a->config, &a->space, err));
    ASSAY_TRY(try_evaluator(a, &most, err));
    fprintf(out, "%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s, %u repeat%s each\n",
            a->config.space, a->plan.n_row, a->plan.n_task,
            a->config.members ? "" : " (one per class of equal networks)", a->schema.repeats,
            a->schema.repeats > 1 ? "s" : "");
    print_memory(a, &most, out);
    ASSAY_TRY(print_state(a, dir, out, err));
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
    struct archive a = {.config = *config};

    const int status = dry_run(&a, dir, out, err);
    close_archive(&a);
    return status;
}
