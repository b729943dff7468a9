// SPDX-License-Identifier: Apache-2.0
// What needs no other rank and evaluates nothing: to tell what a run would do, and to publish
// again.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- pack ---------------------------------------------------------------------------------------
static int pack(struct sweep_archive *a, struct sweep_publisher *publisher,
                const struct assay_vocabulary *vocabulary, const char *dir,
                const struct assay_log *log, struct assay_err *err)
{
    ASSAY_TRY(sweep_archive_open(a, vocabulary, dir, false, err));
    ASSAY_TRY(assay_arithmetic_check(a->identity, dir, err));
    ASSAY_TRY(sweep_archive_load(a, dir, err));
    ASSAY_TRY(sweep_publisher_open(publisher, dir, &a->config, &a->space, &a->candidates,
                                   &a->schema, a->identity, NULL, err));
    const struct sweep_records records = sweep_records_of(&a->ledger, a->journal);
    ASSAY_TRY(sweep_publish(publisher, &records, NULL, err));
    assay_log_line(log, ASSAY_LOG_INFO,
                   "%s/results.h5: %" PRIu64 " rows, %" PRIu64 " of %" PRIu64 " evaluations done",
                   dir, a->candidates.n_row, a->ledger.n_done, a->candidates.n_task);
    return 0;
}

int assay_sweep_pack(const struct assay_vocabulary *vocabulary, const char *dir,
                     const struct assay_log *log, struct assay_err *err)
{
    struct sweep_archive a = {0};
    struct sweep_publisher publisher = {0};

    const int status = pack(&a, &publisher, vocabulary, dir, log, err);
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
    struct assay_ledger ledger = {0};
    struct assay_journal *journal;
    const int status = assay_ledger_read(&ledger, &journal, assay_evaluator_schema(o->evaluator),
                                         sweep_candidates_tasks(&o->candidates), dir, err);

    if (status >= 0)
        assay_print_line(out, "directory: %s, would resume: %" PRIu64 " of %" PRIu64 " done", dir,
                         ledger.n_done, o->candidates.n_task);
    assay_journal_close(journal);
    assay_ledger_free(&ledger);
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
        assay_print_line(out, "directory: %s, a new run", dir);
        return 0;
    }
    if (o->absent) {
        fprintf(out, "directory: %s, holds a run; whether of these images only they can tell\n",
                dir);
        return 0;
    }
    ASSAY_TRY(assay_config_kern(&o->config, &kern, err));
    ASSAY_TRY(assay_journal_peek(dir, &identity, &list, &n_list, err));
    const bool same = same_identity(o, identity, assay_kern_name(kern));
    struct assay_err other = {0};
    const bool arithmetic = assay_arithmetic_check(identity, dir, &other) >= 0;
    const bool files =
        !same || sweep_given_check(&o->given, &o->config, identity, dir, &other) >= 0;
    free(identity);
    free(list);
    if (same && files) return print_done(o, dir, out, err);
    if (arithmetic && files)
        assay_print_line(
            out, "directory: %s, holds a run of another configuration and would be refused", dir);
    else
        assay_print_line(out, "directory: %s, would be refused: %s", dir, other.text);
    return 0;
}

static void print_columns(const char *what, const struct assay_column *column, uint32_t n,
                          FILE *out)
{
    fprintf(out, "%s:", what);
    for (uint32_t i = 0; i < n; i++) fprintf(out, " %s", column[i].name);
    fprintf(out, "\n");
}

// The ranks are too few for any team in which the largest candidate fits; the error says how many
// would do.
static int suggest_team(struct sweep_outline *o, int ranks, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(&o->config);
    enum { RANKS_MOST = 16384 };
    struct assay_err ignored;

    const int status = sweep_team_fit(o, RANKS_MOST, &ignored);
    if (status < 0 || sweep_memory_check(&o->most, &o->config, &o->space, &ignored) < 0)
        return ASSAY_ERR_MEMORY;
    return assay_err_set(
        err, ASSAY_ERR_MEMORY,
        "run.team = 0: with the limit of %" PRIu64
        " MiB (run.memory, --memory) the largest candidate needs a team of %" PRIu64
        " ranks, and this job has %d",
        told->memory, told->team, ranks);
}

static void print_team(const struct sweep_outline *o, const struct assay_config *config, FILE *out)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    const uint64_t team = assay_config_evaluation(&o->config)->team;

    if (team > 1)
        fprintf(out, "teams: %" PRIu64 " ranks evaluate a candidate together (run.team%s)\n", team,
                told->team ? "" : " = 0 takes that");
    else if (!told->team)
        fprintf(out,
                "teams: each rank evaluates candidates of its own (run.team = 0 takes that)\n");
}

static int dry_run(struct sweep_outline *o, const struct assay_config *config, const char *dir,
                   int ranks, int sharing, FILE *out, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    struct assay_columns counted = {0};

    ASSAY_TRY(sweep_outline_open(o, config, sharing, err));
    if (!told->team) ASSAY_TRY(sweep_team_take(o, dir, sweep_team_ranks(config, ranks), err));
    const struct assay_farm_spec spec = assay_config_farm(&o->config, NULL);
    o->most.works = assay_teams_make(&spec, ranks).works;
    const int fits = sweep_memory_check(&o->most, &o->config, &o->space, err);
    if (fits < 0) return told->team ? fits : suggest_team(o, ranks, err);
    const struct assay_schema *schema = assay_evaluator_schema(o->evaluator);
    print_team(o, config, out);
    ASSAY_TRY(sweep_outline_print(o, out, err));
    ASSAY_TRY(print_state(o, dir, out, err));
    print_columns("measured", schema->column, schema->n_column, out);
    ASSAY_TRY(assay_columns_create(&counted, config, true, err));
    print_columns("counted", counted.column, counted.n_column, out);
    assay_columns_free(&counted);
    char *text = assay_config_text(config);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    fprintf(out, "\n");
    char *rest = text;
    while (rest && *rest) assay_print_line(out, "%s", strsep(&rest, "\n"));
    free(text);
    return 0;
}

static int dry_run_alone(const struct assay_config *config, const char *dir, int ranks, int sharing,
                         FILE *out, struct assay_err *err)
{
    struct sweep_outline o;

    const int status = dry_run(&o, config, dir, ranks, sharing, out, err);
    sweep_outline_close(&o);
    return status;
}

int assay_sweep_dry_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                        FILE *out, struct assay_err *err)
{
    int sharing, status = 0;

    ASSAY_TRY(assay_comm_sharing(comm, &sharing, err));
    if (assay_comm_rank(comm) == 0)
        status = dry_run_alone(config, dir, assay_comm_size(comm), sharing, out, err);
    return assay_comm_agree(comm, status, err);
}
