// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "results.h"
#include "text_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rank_view {
    const struct assay_table *table;
    const char *by;              // name of a ranking, or a formula
    const uint64_t *order;       // rows from best to worst
    const double *score;         // of a formula, by rows; NULL: of none
    uint64_t top;                // rows shown
    struct results_field *field; // what is shown, in order
    int n_field;
    enum cli_format format;
};

// ---- which order --------------------------------------------------------------------------------
// Chooses one of the file's own rankings; TE-NAS's is the first choice.
static int choose_ranking(const struct assay_table *t, const char *by, struct assay_err *err)
{
    if (by) return results_find_ranking(t, by, err);
    if (t->n_ranking == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "the file holds no rankings: none of its columns has a direction");
    const int tenas = results_ranking(t, "tenas");
    return tenas >= 0 ? tenas : 0;
}

static int order_by_name(struct rank_view *v, const char *by, struct assay_err *err)
{
    const int ranking = choose_ranking(v->table, by, err);
    ASSAY_TRY(ranking);
    v->by = v->table->ranking[ranking];
    v->order = v->table->order[ranking];
    return ASSAY_OK;
}

// Orders rows by a formula, whose arrays are the arena's.
static int order_by_formula(struct rank_view *v, const struct assay_score_formula *f,
                            struct assay_arena *arena, struct assay_err *err)
{
    const struct assay_table *t = v->table;
    const size_t n = t->n_row;
    struct assay_score_column *column = assay_arena_alloc(arena, t->n_column * sizeof *column);
    bool *ok = assay_arena_alloc(arena, n * sizeof *ok);
    double *score = assay_arena_alloc(arena, n * sizeof *score);
    const struct assay_ranking ranking = {.order = assay_arena_alloc(arena, n * sizeof(uint64_t)),
                                          .rank = assay_arena_alloc(arena, n * sizeof(uint64_t))};
    if (!column || !ok || !score || !ranking.order || !ranking.rank)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint32_t c = 0; c < t->n_column; c++)
        column[c] = (struct assay_score_column){
            .name = t->name[c], .direction = t->direction[c], .value = t->value[c]};
    for (size_t i = 0; i < n; i++) ok[i] = t->status[i] == ASSAY_VERDICT_OK;
    const struct assay_score_rows rows = {
        .n = n, .ok = ok, .column = column, .n_column = t->n_column};
    v->by = f->text;
    v->order = ranking.order;
    v->score = score;
    return assay_score_evaluate(f, &rows, score, &ranking, err);
}

// Whether the text is one word, which names a ranking; anything else is a formula.
static bool is_word(const char *text)
{
    return !text[strcspn(text, " +-*().")];
}

// ---- the table ----------------------------------------------------------------------------------
static void show(struct rank_view *v, const char *name)
{
    const int column = results_column(v->table, name);
    for (int i = 0; i < v->n_field; i++)
        if (v->field[i].column == column) return;
    if (column >= 0)
        v->field[v->n_field++] = (struct results_field){.what = RESULTS_VALUE, .column = column};
}

// Shows what the ranking is made of, and parameters and FLOPs.
static int show_usual(struct rank_view *v, const struct assay_score_formula *f,
                      struct assay_err *err)
{
    v->field = malloc((f->n_term + 3) * sizeof *v->field);
    if (!v->field) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    if (!v->score) show(v, v->by);
    for (uint32_t i = 0; i < f->n_term; i++) show(v, f->term[i].column);
    show(v, "params");
    show(v, "flops");
    return ASSAY_OK;
}

static void add_row(struct text_table *text, const struct rank_view *v, uint64_t place)
{
    const struct assay_table *t = v->table;
    const uint64_t row = v->order[place];
    const int digits = v->format == CLI_TEXT ? 6 : 17;
    if (t->status[row] == ASSAY_VERDICT_OK)
        text_table_add_count(text, place + 1);
    else
        text_table_add_number(text, NAN, digits);
    text_table_add_count(text, t->index[row]);
    text_table_add(text, "%s", t->arch[row]);
    text_table_add(text, "%s", results_status_name(t->status[row]));
    if (v->score) text_table_add_number(text, v->score[row], digits);
    for (int i = 0; i < v->n_field; i++) results_add_field(text, t, &v->field[i], row, digits);
}

static int print_view(const struct rank_view *v, struct assay_err *err)
{
    const char *const fixed[] = {"rank", "index", "arch", "status", "score"};
    const size_t n = v->score ? 5 : 4;
    struct text_table text = {.n_column = n + (size_t)v->n_field, .n_key = 2, .soft = 2};
    for (size_t i = 0; i < n; i++) text_table_add(&text, "%s", fixed[i]);
    for (int i = 0; i < v->n_field; i++) {
        char name[ASSAY_TEXT_MAX];
        results_field_name(v->table, &v->field[i], name);
        text_table_add(&text, "%s", name);
    }
    for (uint64_t place = 0; place < v->top; place++) add_row(&text, v, place);
    const int status = text_table_print(&text, v->format, stdout, err);
    text_table_free(&text);
    return status;
}

// ---- the verb -----------------------------------------------------------------------------------
static int print_table(const struct cli_args *args, struct rank_view *v,
                       const struct assay_score_formula *f, struct assay_err *err)
{
    const struct assay_table *t = v->table;
    const char *words = cli_value(args, "columns");
    if (words)
        ASSAY_TRY(v->n_field = results_fields(t, words, &v->field, err));
    else
        ASSAY_TRY(show_usual(v, f, err));
    const int status = print_view(v, err);
    free(v->field);
    ASSAY_TRY(status);
    if (v->format != CLI_TEXT) return ASSAY_EXIT_COMPLETE;
    results_print_counts(t, stdout);
    printf("; best first by %s; only ok candidates have a rank\n", v->by);
    return ASSAY_EXIT_COMPLETE;
}

// The formula of a known score tells what it is made of.
static int choose_order(struct rank_view *v, const char *by, struct assay_score_formula *f,
                        struct assay_arena *arena, struct assay_err *err)
{
    const struct assay_score *known = by ? assay_score_find(by) : NULL;
    if (by && results_ranking(v->table, by) < 0 && (known || !is_word(by))) {
        ASSAY_TRY(cli_usage(assay_score_parse(f, "--by", known ? known->formula : by, err), err));
        return cli_usage(order_by_formula(v, f, arena, err), err);
    }
    ASSAY_TRY(order_by_name(v, by, err));
    known = assay_score_find(v->by);
    return known ? assay_score_parse(f, "--by", known->formula, err) : ASSAY_OK;
}

static int rank_table(const struct cli_args *args, const struct assay_table *t,
                      struct assay_arena *arena, struct assay_err *err)
{
    struct rank_view v = {.table = t, .top = 20};
    struct assay_score_formula formula = {.n_term = 0};
    ASSAY_TRY(cli_format(args, &v.format, err));
    ASSAY_TRY(choose_order(&v, cli_value(args, "by"), &formula, arena, err));
    ASSAY_TRY(cli_u64(args, "top", 1, UINT64_MAX, &v.top, err));
    if (cli_flag(args, "all") || v.top > t->n_row) v.top = t->n_row;
    return print_table(args, &v, &formula, err);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_table *table;
    struct assay_arena arena = {0};
    ASSAY_TRY(results_read(&table, args->position[0], err));
    const int status = rank_table(args, table, &arena, err);
    assay_arena_finish(&arena);
    assay_table_free(table);
    return status;
}

static const struct cli_option options[] = {
    {.name = "by",
     .value = "RANKING",
     .help = "a column with a direction, tenas (the default), or a formula of\n"
             "such columns: '2*kappa + regions'"},
    {.name = "top", .value = "K", .help = "rows shown (20)"},
    {.name = "all", .help = "show every row"},
    {.name = "columns",
     .value = "A,B,...",
     .help = "columns shown, also COLUMN_stderr, class, status_code, reason and\n"
             "seconds; all: every one"},
    CLI_OPTIONS_FORMAT,
    {0},
};

const struct cli_verb cli_verb_rank = {
    .name = "rank",
    .synopsis = "DIR|RESULTS.h5",
    .help = "print the candidates of a results file, best first",
    .about =
        "Rows are ordered by one of the file's rankings, or by a formula: a sum of weighted "
        "ranks,\n"
        "smaller is better (tenas is kappa + regions), or of lnrank(COLUMN), ln of rank / rows\n"
        "counted from the worst, larger is better; or vote(COLUMN, ...), how many rows at least\n"
        "half of the columns hold worse. Equal ones are decided by the first term.\n"
        "Candidates that are dead, degenerate, failed or unfinished come last, without a rank.\n",
    .examples = "assay rank runs/nb201 --top 20\n"
                "assay rank runs/nb201/results.h5 --by kappa --columns kappa,regions,flops\n"
                "assay rank runs/nb201 --by 'kappa + 0.5*regions - 0.1*flops'\n"
                "assay rank runs/nb201/results.h5 --all --csv > ranking.csv\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
