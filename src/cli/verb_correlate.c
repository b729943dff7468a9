// SPDX-License-Identifier: Apache-2.0
#include "assay/stats.h"
#include "cli.h"
#include "results.h"
#include "text_table.h"
#include "truth.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t tops[] = {1, 10, 100};
#define NDCG_TOP 100

struct correlation {
    const struct assay_table *table;
    const struct truth *truth;
    double *accuracy; // (n_row) NaN where the truth has none
    uint64_t n_both;  // architectures that both have
    const char *given_name;
    int given; // its column, or -1
    uint64_t resamples, seed;
    enum { INVALID_DROP, INVALID_LAST, INVALID_RELEASED } invalid; // of --invalid
    enum cli_format format;
    double *x, *y, *z; // (n_row) scratch
};

struct row_result {
    uint32_t n, invalid;
    bool given; // every point has a value of the given column
    struct assay_stats_correlation rank;
    double best[ASSAY_LEN(tops)], regret[ASSAY_LEN(tops)], ndcg;
};

// ---- one column ---------------------------------------------------------------------------------
// Tells whether a column holds of a candidate that is not ok. Nothing of a dead one is live.
static bool has_value(const char *name, int status)
{
    static const char live[] = "_live";
    const size_t n = strlen(name), end = strlen(live);
    if (!results_is_count(name)) return false;
    return status != ASSAY_VERDICT_DEAD || n < end || strcmp(name + n - end, live) != 0;
}

static bool is_valid(const struct assay_table *t, int column, uint64_t row)
{
    return t->status[row] == ASSAY_VERDICT_OK && isfinite(t->value[column][row]);
}

// The value of a row, behind all others where it is not valid; NaN: the column has no direction.
static double tied_last(const struct assay_table *t, int column, uint64_t row)
{
    const int direction = t->direction[column];
    const double x = t->value[column][row];
    if (is_valid(t, column, row)) return x;
    if (isfinite(x) && has_value(t->name[column], t->status[row])) return x;
    return direction ? -direction * INFINITY : NAN;
}

// The value of a row as the column's release has it; NaN where it has none.
static double as_released(const struct assay_table *t, int column, uint64_t row)
{
    const double x = t->value[column][row];
    if (t->status[row] < 0 || t->status[row] == ASSAY_VERDICT_FAILED) return NAN;
    return isfinite(x) ? x : results_released(t->name[column]);
}

// The value by which a row takes part in correlations; NaN: it does not.
static double value_of(const struct correlation *c, int column, uint64_t row)
{
    const struct assay_table *t = c->table;
    if (c->invalid == INVALID_LAST && t->direction[column]) return tied_last(t, column, row);
    if (c->invalid == INVALID_RELEASED) return as_released(t, column, row);
    return is_valid(t, column, row) ? t->value[column][row] : NAN;
}

// Gathers the points that take part, in row order, and counts those that do not.
static void gather(const struct correlation *c, int column, struct row_result *r)
{
    const struct assay_table *t = c->table;
    r->given = c->given >= 0;
    for (uint64_t row = 0; row < t->n_row; row++) {
        if (isnan(c->accuracy[row])) continue;
        r->invalid += !is_valid(t, column, row);
        c->x[r->n] = value_of(c, column, row);
        if (isnan(c->x[r->n])) continue;
        c->y[r->n] = c->accuracy[row];
        if (r->given) {
            c->z[r->n] = value_of(c, c->given, row);
            r->given = !isnan(c->z[r->n]);
        }
        r->n++;
    }
}

// Gathers the accuracies from best to worst by the file's own ranking, invalid candidates last.
static int measure_top(const struct correlation *c, int column, struct row_result *r)
{
    const int ranking = results_ranking(c->table, c->table->name[column]);
    uint32_t n = 0;
    double best = NAN;
    for (uint64_t place = 0; ranking >= 0 && place < c->table->n_row; place++) {
        const double accuracy = c->accuracy[c->table->order[ranking][place]];
        if (isnan(accuracy)) continue;
        c->y[n++] = accuracy;
        best = fmax(best, accuracy);
    }
    for (size_t i = 0; i < ASSAY_LEN(tops); i++) {
        r->best[i] = assay_stats_top_best(n, c->y, tops[i]);
        r->regret[i] = best - r->best[i];
    }
    return assay_stats_ndcg(n, c->y, NDCG_TOP, &r->ndcg);
}

static int measure(const struct correlation *c, int column, struct row_result *r,
                   struct assay_err *err)
{
    *r = (struct row_result){0};
    gather(c, column, r);
    int status = assay_stats_correlate(r->n, c->x, c->y, r->given ? c->z : NULL,
                                       (uint32_t)c->resamples, c->seed, &r->rank);
    if (status >= 0) status = measure_top(c, column, r);
    return status < 0 ? assay_err_set(err, status, "out of memory") : 0;
}

// ---- printing -----------------------------------------------------------------------------------
static void add_heads(struct text_table *text, const struct correlation *c)
{
    char given[64];
    const bool csv = c->format != CLI_TEXT, flops = strcmp(c->given_name, "flops") == 0;
    snprintf(given, sizeof given, "given %.50s", flops ? "FLOPs" : c->given_name);
    const char *const shown[] = {"column",
                                 "better",
                                 "n",
                                 "tau-b [95% CI]",
                                 "Spearman [95% CI]",
                                 given,
                                 "top 1 (regret)",
                                 "top 10 (regret)",
                                 "top 100 (regret)",
                                 "nDCG@100"};
    static const char *const raw[] = {
        "column",   "better",  "n",         "invalid",  "tau_b",      "tau_b_lo",   "tau_b_hi",
        "rho",      "rho_lo",  "rho_hi",    "partial",  "partial_lo", "partial_hi", "best_1",
        "regret_1", "best_10", "regret_10", "best_100", "regret_100", "ndcg_100"};
    text->n_column = csv ? ASSAY_LEN(raw) : ASSAY_LEN(shown);
    for (size_t i = 0; i < text->n_column; i++) text_table_add(text, "%s", csv ? raw[i] : shown[i]);
}

static void add_estimate(struct text_table *text, bool csv, const struct assay_stats_estimate *e)
{
    if (csv) {
        text_table_add_number(text, e->value, 10);
        text_table_add_number(text, e->lo, 10);
        text_table_add_number(text, e->hi, 10);
    } else if (isnan(e->value)) {
        text_table_add(text, "%s", "");
    } else if (isnan(e->lo)) {
        text_table_add(text, "%+.3f", e->value);
    } else {
        text_table_add(text, "%+.3f [%+.3f, %+.3f]", e->value, e->lo, e->hi);
    }
}

static void add_top(struct text_table *text, bool csv, double best, double regret)
{
    if (csv) {
        text_table_add_number(text, best, 10);
        text_table_add_number(text, regret, 10);
    } else if (isnan(best)) {
        text_table_add(text, "%s", "");
    } else {
        text_table_add(text, "%.2f (%.2f)", best, regret);
    }
}

static void add_result(struct text_table *text, const struct correlation *c, int column,
                       const struct row_result *r)
{
    const bool csv = c->format != CLI_TEXT;
    const int direction = c->table->direction[column];
    text_table_add(text, "%s", c->table->name[column]);
    text_table_add(text, "%s", direction > 0 ? "larger" : direction < 0 ? "smaller" : "");
    text_table_add_count(text, r->n);
    if (csv) text_table_add_count(text, r->invalid);
    add_estimate(text, csv, &r->rank.tau);
    add_estimate(text, csv, &r->rank.rho);
    const struct assay_stats_estimate bare = {r->rank.partial.value, NAN, NAN};
    add_estimate(text, csv, csv ? &r->rank.partial : &bare);
    for (size_t i = 0; i < ASSAY_LEN(tops); i++) add_top(text, csv, r->best[i], r->regret[i]);
    if (csv || isnan(r->ndcg))
        text_table_add_number(text, r->ndcg, 10);
    else
        text_table_add(text, "%.3f", r->ndcg);
}

// ---- which columns ------------------------------------------------------------------------------
static bool is_listed(int column, const int *list, int n)
{
    for (int i = 0; i < n; i++)
        if (list[i] == column) return true;
    return false;
}

// Chooses the columns asked for, or all that have a ranking; parameters and FLOPs are always there,
// at the end. list has room for n_column entries.
static int choose_columns(const struct assay_table *t, const char *words, int *list,
                          struct assay_err *err)
{
    const int given = results_columns(t, words ? words : "all", list, err);
    int n = 0;
    for (int i = 0; i < given; i++) {
        const char *name = t->name[list[i]];
        const bool wanted = words || results_ranking(t, name) >= 0;
        if (wanted && !results_is_count(name) && !is_listed(list[i], list, n)) list[n++] = list[i];
    }
    for (int c = 0; given >= 0 && c < (int)t->n_column; c++)
        if (results_is_count(t->name[c])) list[n++] = c;
    return given < 0 ? given : n;
}

// ---- the verb -----------------------------------------------------------------------------------
static void print_footer(const struct correlation *c)
{
    static const char *const taking_part[] = {
        [INVALID_DROP] = "ok candidates only",
        [INVALID_LAST] = "all candidates, invalid ones tied last",
        [INVALID_RELEASED] = "the values of all candidates, and releases' constants",
    };
    const struct truth *truth = c->truth;
    results_print_counts(c->table, stdout);
    printf("\n");
    assay_print_line(stdout, "%s: %zu architectures with %s, %" PRIu64 " of them among the results",
                     truth->options.file, truth->n, truth->options.target, c->n_both);
    truth_print_left_out(truth, "", stdout);
    printf("correlations over %s; top k with invalid candidates last; signs are those of the raw "
           "column\n",
           taking_part[c->invalid]);
    if (c->resamples)
        printf("intervals: percentiles of %" PRIu64 " bootstrap resamples, seed %" PRIu64 "\n",
               c->resamples, c->seed);
}

static int print_columns(const struct correlation *c, const int *column, int n,
                         struct assay_err *err)
{
    struct text_table text = {.n_key = 1};
    int status = 0;
    add_heads(&text, c);
    for (int i = 0; i < n && status >= 0; i++) {
        struct row_result result;
        status = measure(c, column[i], &result, err);
        if (status >= 0) add_result(&text, c, column[i], &result);
    }
    if (status >= 0) status = text_table_print(&text, c->format, stdout, err);
    text_table_free(&text);
    return status;
}

static int join(struct correlation *c, struct assay_err *err)
{
    const struct assay_table *t = c->table;
    for (uint64_t row = 0; row < t->n_row; row++) {
        c->accuracy[row] = truth_of(c->truth, t->index[row]);
        c->n_both += !isnan(c->accuracy[row]);
    }
    if (c->n_both) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: none of its %zu architectures is among the results",
                         c->truth->options.file, c->truth->n);
}

// A file need not have the column that is taken out unless told otherwise.
static int find_given(struct correlation *c, const char *asked, struct assay_err *err)
{
    c->given_name = asked ? asked : "flops";
    c->given = results_column(c->table, c->given_name);
    if (c->given >= 0 || !asked) return 0;
    return assay_err_set(err, ASSAY_ERR_USAGE, "--given: the results have no column '%.60s'",
                         asked);
}

static int correlate(struct correlation *c, const char *words, struct assay_err *err)
{
    const struct assay_table *t = c->table;
    double *scratch = malloc((4 * t->n_row + 1) * sizeof(*scratch));
    int *column = malloc((t->n_column + 1) * sizeof(*column));
    int status = ASSAY_ERR_MEMORY;
    if (scratch && column) {
        c->x = scratch, c->y = scratch + t->n_row, c->z = scratch + 2 * t->n_row;
        c->accuracy = scratch + 3 * t->n_row;
        status = join(c, err);
        if (status >= 0) status = choose_columns(t, words, column, err);
        if (status >= 0) status = print_columns(c, column, status, err);
    } else {
        assay_err_set(err, status, "out of memory");
    }
    free(column);
    free(scratch);
    return status;
}

static int read_options(struct correlation *c, const struct cli_args *args,
                        struct truth_options *truth, struct assay_err *err)
{
    ASSAY_TRY(truth_options(truth, args, err));
    c->resamples = 1000;
    c->seed = 1;
    ASSAY_TRY(cli_format(args, &c->format, err));
    ASSAY_TRY(cli_u64(args, "bootstrap", 0, 1000000, &c->resamples, err));
    ASSAY_TRY(cli_u64(args, "seed", 0, UINT64_MAX, &c->seed, err));
    int invalid = INVALID_DROP;
    ASSAY_TRY(cli_choice(args, "invalid", &invalid, err));
    c->invalid = invalid;
    if (truth->file) return 0;
    return assay_err_set(err, ASSAY_ERR_USAGE, "--truth FILE is missing");
}

static int read_truth(struct truth *truth, struct assay_table *table, const char *file,
                      const struct truth_options *options, struct assay_err *err)
{
    struct assay_space space;
    ASSAY_TRY(results_open_space(&space, table, err));
    int status = results_renumber(table, &space, file, err);
    if (status >= 0) status = truth_read(truth, options, &space, err);
    assay_space_close(&space);
    return status;
}

static void print_rest(const struct correlation *c)
{
    if (c->format != CLI_TEXT)
        truth_print_left_out(c->truth, "assay: ", stderr);
    else
        print_footer(c);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct correlation c = {0};
    struct truth_options options;
    ASSAY_TRY(read_options(&c, args, &options, err));
    struct assay_table *table;
    ASSAY_TRY(results_read(&table, args->position[0], err));
    struct truth truth = {0};
    int status = read_truth(&truth, table, args->position[0], &options, err);
    c.table = table;
    c.truth = &truth;
    if (status >= 0) status = find_given(&c, cli_value(args, "given"), err);
    if (status >= 0) status = correlate(&c, cli_value(args, "columns"), err);
    if (status >= 0) print_rest(&c);
    truth_free(&truth);
    assay_table_free(table);
    return status < 0 ? status : ASSAY_EXIT_COMPLETE;
}

static const struct cli_option options[] = {
    CLI_OPTIONS_TRUTH,
    {.name = "columns",
     .value = "A,B,...",
     .help = "columns compared (all that have a ranking); all: every one"},
    {.name = "given", .value = "NAME", .help = "column whose influence is taken out (flops)"},
    {.name = "invalid",
     .value = "drop|last|released",
     .help = "candidates that are not ok: left out of correlations (drop), tied\nbehind all others "
             "(last), or with what the column's release writes"},
    {.name = "bootstrap",
     .value = "B",
     .help = "resamples of the confidence intervals (1000); 0: none"},
    {.name = "seed", .value = "S", .help = "of the resamples (1)"},
    CLI_OPTIONS_FORMAT,
    {0},
};

const struct cli_verb cli_verb_correlate = {
    .name = "correlate",
    .synopsis = "DIR|RESULTS.h5 --truth FILE",
    .help = "compare the columns of a results file with measured accuracies",
    .about =
        "For every column: Kendall's tau-b and Spearman's rho with 95 % bootstrap intervals,\n"
        "Spearman given FLOPs (or --given), the best accuracy among the top 1, 10 and 100 with "
        "its\n"
        "regret, and nDCG. Signs are never dropped: a column of which smaller is better should\n"
        "correlate negatively. Rows are joined by architecture; other columns are ignored.\n"
        "JSON is what export writes, or {arch: {column: number}}, numbers also as {\"score\": "
        "number},\n"
        "under names of data sets too (--target cifar10/synflow), as in NAS-Bench-Suite-Zero.\n",
    .examples =
        "assay correlate runs/nb201 --truth accuracy.csv\n"
        "assay correlate runs/nb201/results.h5 --truth accuracy.csv --target "
        "valid_accuracy --csv\n"
        "assay correlate runs/nb201/results.h5 --truth nb201.csv --key arch_str --target acc\n"
        "assay correlate runs/nb201 --truth zc_nasbench201.json --target cifar10/synflow\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
