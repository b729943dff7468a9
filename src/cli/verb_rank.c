// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "results.h"
#include "text_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct rank_view {
    const struct assay_table *table;
    int ranking;  // which order
    uint64_t top; // rows shown
    int *column;  // which columns, in order
    int n_column;
    bool csv;
};

static int choose_ranking(const struct assay_table *t, const char *by, struct assay_err *err)
{
    if (by) return results_find_ranking(t, by, err);
    if (t->n_ranking == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "the file holds no rankings: none of its columns has a direction");
    const int tenas = results_ranking(t, "tenas");
    return tenas >= 0 ? tenas : 0;
}

static void show(struct rank_view *v, const char *name)
{
    const int column = results_column(v->table, name);
    for (int i = 0; i < v->n_column; i++)
        if (v->column[i] == column) return;
    if (column >= 0) v->column[v->n_column++] = column;
}

// What the ranking is made of, and the costs.
static void show_usual(struct rank_view *v)
{
    show(v, v->table->ranking[v->ranking]);
    if (strcmp(v->table->ranking[v->ranking], "tenas") == 0) {
        show(v, "kappa");
        show(v, "regions");
    }
    show(v, "params");
    show(v, "flops");
}

static void add_row(struct text_table *text, const struct rank_view *v, uint64_t place)
{
    const struct assay_table *t = v->table;
    const uint64_t row = t->order[v->ranking][place];
    if (t->status[row] == ASSAY_VERDICT_OK)
        text_table_add(text, "%" PRIu64, place + 1);
    else
        text_table_add(text, "%s", "");
    text_table_add(text, "%" PRIu64, t->index[row]);
    text_table_add(text, "%s", t->arch[row]);
    text_table_add(text, "%s", results_status_name(t->status[row]));
    for (int i = 0; i < v->n_column; i++)
        text_table_add_number(text, t->value[v->column[i]][row], v->csv ? 17 : 6);
}

static int print_view(const struct rank_view *v, struct assay_err *err)
{
    const char *const fixed[] = {"rank", "index", "arch", "status"};
    struct text_table text = {
        .n_column = ASSAY_LEN(fixed) + (size_t)v->n_column, .n_key = 2, .soft = 2};
    for (size_t i = 0; i < ASSAY_LEN(fixed); i++) text_table_add(&text, "%s", fixed[i]);
    for (int i = 0; i < v->n_column; i++) text_table_add(&text, "%s", v->table->name[v->column[i]]);
    for (uint64_t place = 0; place < v->top; place++) add_row(&text, v, place);
    const int status = text_table_print(&text, v->csv, stdout, err);
    text_table_free(&text);
    return status;
}

static int rank_table(const struct cli_args *args, const struct assay_table *t,
                      struct assay_err *err)
{
    struct rank_view v = {.table = t, .top = 20, .csv = cli_flag(args, "csv")};
    v.ranking = choose_ranking(t, cli_value(args, "by"), err);
    ASSAY_TRY(v.ranking);
    ASSAY_TRY(cli_u64(args, "top", 1, UINT64_MAX, &v.top, err));
    if (cli_flag(args, "all") || v.top > t->n_row) v.top = t->n_row;
    v.column = calloc(t->n_column + 1, sizeof(*v.column));
    if (!v.column) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const char *words = cli_value(args, "columns");
    if (words)
        v.n_column = results_columns(t, words, v.column, err);
    else
        show_usual(&v);
    const int status = v.n_column < 0 ? v.n_column : print_view(&v, err);
    free(v.column);
    if (status < 0 || v.csv) return status < 0 ? status : ASSAY_EXIT_COMPLETE;
    results_print_counts(t, stdout);
    printf("; best first by %s; only ok candidates have a rank\n", t->ranking[v.ranking]);
    return ASSAY_EXIT_COMPLETE;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_table *table;
    ASSAY_TRY(results_read(&table, args->position[0], err));
    const int status = rank_table(args, table, err);
    assay_table_free(table);
    return status;
}

static const struct cli_option options[] = {
    {.name = "by", .value = "RANKING", .help = "a column with a direction, or tenas (the default)"},
    {.name = "top", .value = "K", .help = "rows shown (20)"},
    {.name = "all", .help = "show every row"},
    {.name = "columns", .value = "A,B,...", .help = "columns shown; all: every one"},
    {.name = "csv", .help = "comma-separated, every digit"},
    {0},
};

const struct cli_verb cli_verb_rank = {
    .name = "rank",
    .synopsis = "DIR|RESULTS.h5",
    .help = "print the candidates of a results file, best first",
    .about =
        "Rows are ordered by one of the file's rankings. tenas is rank(kappa) + rank(regions).\n"
        "Candidates that are dead, degenerate, failed or unfinished come last, without a rank.\n",
    .examples = "assay rank runs/nb201 --top 20\n"
                "assay rank runs/nb201/results.h5 --by kappa --columns kappa,regions,flops\n"
                "assay rank runs/nb201/results.h5 --all --csv > ranking.csv\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
