// SPDX-License-Identifier: Apache-2.0
// What needs no other rank and evaluates nothing: telling what a run would do, and publishing
// again.
#include "farm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- pack ---------------------------------------------------------------------------------------
static int pack(struct sweep_archive *a, struct sweep_publisher *publisher, const char *dir,
                const struct assay_log *log, struct assay_err *err)
{
    ASSAY_TRY(sweep_archive_open(a, dir, false, err));
    ASSAY_TRY(sweep_arithmetic_check(a->identity, dir, err));
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
static bool same_identity(const struct sweep_outline *o, const char *identity, const char *rung)
{
    char *mine =
        sweep_identity_text(&o->config, assay_evaluator_schema(o->evaluator), rung, o->data);
    const bool same = mine && strcmp(mine, identity) == 0;
    free(mine);
    return same;
}

static int print_done(const struct sweep_outline *o, const char *dir, FILE *out,
                      struct assay_err *err)
{
    struct sweep_ledger ledger = {0};
    const int status = sweep_ledger_read(&ledger, assay_evaluator_schema(o->evaluator),
                                         sweep_plan_tasks(&o->plan), dir, err);

    if (status >= 0)
        fprintf(out, "directory: %s, would resume: %" PRIu64 " of %" PRIu64 " done\n", dir,
                ledger.n_done, o->plan.n_task);
    sweep_ledger_free(&ledger);
    return status;
}

static int print_state(const struct sweep_outline *o, const char *dir, FILE *out,
                       struct assay_err *err)
{
    char path[2 * ASSAY_TEXT_MAX], *identity;
    const struct assay_kern *kern;
    void *list;
    size_t n_list;

    snprintf(path, sizeof path, "%s/journal", dir);
    if (access(path, F_OK)) {
        fprintf(out, "directory: %s, a new run\n", dir);
        return 0;
    }
    ASSAY_TRY(assay_kern_select(&kern, o->config.cpu, err));
    ASSAY_TRY(assay_journal_peek(dir, &identity, &list, &n_list, err));
    const bool same = same_identity(o, identity, assay_kern_name(kern));
    struct assay_err other = {0};
    const bool arithmetic = sweep_arithmetic_check(identity, dir, &other) >= 0;
    free(identity);
    free(list);
    if (same) return print_done(o, dir, out, err);
    if (arithmetic)
        fprintf(out, "directory: %s, holds a run of another configuration and would be refused\n",
                dir);
    else
        fprintf(out, "directory: %s, would be refused: %s\n", dir, other.text);
    return 0;
}

static void print_columns(const char *what, const struct assay_column *column, uint32_t n,
                          FILE *out)
{
    fprintf(out, "%s:", what);
    for (uint32_t i = 0; i < n; i++) fprintf(out, " %s", column[i].name);
    fprintf(out, "\n");
}

static int dry_run(struct sweep_outline *o, const struct assay_config *config, const char *dir,
                   FILE *out, struct assay_err *err)
{
    struct assay_columns counted = {0};

    ASSAY_TRY(sweep_outline_open(o, config, err));
    if (config->team) ASSAY_TRY(sweep_memory_check(&o->most, &o->config, &o->space, err));
    if (!config->team && sweep_team_stored(dir, &o->config.team))
        ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->plan, err));
    const struct assay_schema *schema = assay_evaluator_schema(o->evaluator);
    sweep_outline_print(o, out);
    ASSAY_TRY(print_state(o, dir, out, err));
    print_columns("measured", schema->column, schema->n_column, out);
    ASSAY_TRY(assay_columns_create(&counted, config, true, err));
    print_columns("counted", counted.column, counted.n_column, out);
    assay_columns_free(&counted);
    char *text = sweep_config_text(config);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    fprintf(out, "\n%s", text);
    free(text);
    return 0;
}

int assay_sweep_dry_run(const struct assay_config *config, const char *dir, FILE *out,
                        struct assay_err *err)
{
    struct sweep_outline o;

    const int status = dry_run(&o, config, dir, out, err);
    sweep_outline_close(&o);
    return status;
}
