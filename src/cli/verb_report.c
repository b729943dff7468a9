// SPDX-License-Identifier: Apache-2.0
#include "assay/report.h"
#include "cli.h"
#include "export.h"
#include "results.h"
#include "times.h"
#include "truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct cli_args *args;
    char file[2 * ASSAY_TEXT_MAX];
    const char *output;
    struct truth_options truth;
    struct assay_report report;
    struct assay_table *table;
    struct assay_space space;
    bool has_space;
    struct assay_holder holder;
    struct assay_config *config; // of the run; NULL: unknown
    int *column;
    double *seconds;  // (n_column) of the report
    double *accuracy; // (n_row)
};

// ---- what is shown ------------------------------------------------------------------------------
// Counts that the usual choice has, too: the others say the same.
static bool is_usual(const struct assay_table *t, const char *name)
{
    static const char *const count[] = {"params", "flops", "layers"};
    for (size_t i = 0; i < ASSAY_LEN(count); i++)
        if (strcmp(name, count[i]) == 0) return true;
    return results_ranking(t, name) >= 0 && !results_is_count(name);
}

// The columns named, or all that have a ranking.
static int choose_columns(struct job *j, struct assay_err *err)
{
    const struct assay_table *t = j->table;
    const char *words = cli_value(j->args, "columns");
    j->column = malloc((t->n_column + 1) * sizeof *j->column);
    if (!j->column) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const int n = results_columns(t, words ? words : "all", j->column, err);
    ASSAY_TRY(n);
    j->report.column = j->column;
    for (int i = 0; i < n; i++)
        if (words || is_usual(t, t->name[j->column[i]]))
            j->column[j->report.n_column++] = j->column[i];
    return ASSAY_OK;
}

// TE-NAS's rank sum, or else the first ranking there is.
static int choose_ranking(struct job *j, struct assay_err *err)
{
    const char *by = cli_value(j->args, "by");
    j->report.by = results_ranking(j->table, by ? by : "tenas");
    if (by) return results_find_ranking(j->table, by, err);
    if (j->report.by < 0 && j->table->n_ranking) j->report.by = 0;
    return ASSAY_OK;
}

// ---- accuracies ---------------------------------------------------------------------------------
// The accuracies of n architectures, by what they are called where a search found them.
static int join(struct job *j, const struct truth *truth, char *const *arch, uint64_t n,
                struct assay_err *err)
{
    uint64_t known = 0;
    j->accuracy = malloc((n + 1) * sizeof *j->accuracy);
    if (!j->accuracy) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t index = arch ? 0 : j->table->index[i];
        if (arch && assay_space_parse(&j->space, arch[i], &index, err) < 0)
            return assay_err_prefix(err, "%s: found/arch", j->file);
        j->accuracy[i] = truth_of(truth, index);
        known += !isnan(j->accuracy[i]);
    }
    j->report.truth = j->accuracy;
    j->report.n_truth = n;
    j->report.target = j->truth.target;
    j->report.truth_file = j->truth.file;
    if (known || arch) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: none of its %zu architectures is among the results", j->truth.file,
                         truth->n);
}

static int join_found(struct job *j, const struct truth *truth, struct assay_err *err)
{
    char **arch;
    uint64_t n;
    ASSAY_TRY(assay_parts_texts(j->report.parts, "found/arch", &arch, &n, err));
    return arch ? join(j, truth, arch, n, err) : ASSAY_OK;
}

static int read_truth(struct job *j, struct assay_err *err)
{
    struct truth truth;
    if (!j->truth.file) return ASSAY_OK;
    if (!j->has_space)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: it names no space that this program knows, so that --truth "
                             "cannot be read",
                             j->file);
    ASSAY_TRY(truth_read(&truth, &j->truth, &j->space, err));
    const int status =
        j->table ? join(j, &truth, NULL, j->table->n_row, err) : join_found(j, &truth, err);
    truth_free(&truth);
    return status;
}

// ---- times --------------------------------------------------------------------------------------
// Adds what each column took of an ok row; a network is built for it. *n counts such rows.
static int add_row(struct job *j, struct times *times, bool (*takes)[ASSAY_METRICS_MAX],
                   uint64_t row, uint32_t *n, struct assay_err *err)
{
    const struct assay_table *t = j->table;
    const bool known = t->status[row] == ASSAY_VERDICT_OK && isfinite(t->seconds[row]) &&
                       t->class_index[row] < assay_space_size(&j->space);
    if (!known) return ASSAY_OK;
    ASSAY_TRY(times_row(times, t->class_index[row], err));
    for (uint32_t i = 0; i < j->report.n_column; i++)
        j->seconds[i] += times_of(times, takes[i], t->seconds[row]);
    (*n)++;
    return ASSAY_OK;
}

// Means over rows here and there, which are enough.
static int add_rows(struct job *j, struct times *times, bool (*takes)[ASSAY_METRICS_MAX],
                    struct assay_err *err)
{
    enum { ROWS = 300 };
    const struct assay_table *t = j->table;
    const uint64_t n_draw = t->n_row < ROWS ? t->n_row : ROWS;
    uint32_t n = 0;
    struct assay_rng rng;
    assay_rng_init(&rng, j->report.seed, 0, "times", "");
    for (uint32_t i = 0; i < j->report.n_column; i++)
        times_mark(times, t->name[j->column[i]], takes[i]);
    for (uint64_t i = 0; i < n_draw; i++)
        ASSAY_TRY(add_row(j, times, takes, n_draw < t->n_row ? assay_rng_below(&rng, t->n_row) : i,
                          &n, err));
    for (uint32_t i = 0; i < j->report.n_column && n; i++) j->seconds[i] /= n;
    if (n) j->report.seconds = j->seconds;
    return ASSAY_OK;
}

static int measure_times(struct job *j, struct assay_err *err)
{
    struct times times;
    if (!j->table || !j->table->seconds || !j->config) return ASSAY_OK;
    int status = times_open(&times, j->config, &j->space, err);
    bool(*takes)[ASSAY_METRICS_MAX] = calloc(j->report.n_column + 1, sizeof *takes);
    j->seconds = calloc(j->report.n_column + 1, sizeof *j->seconds);
    if (status >= 0)
        status = takes && j->seconds ? add_rows(j, &times, takes, err)
                                     : assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    free(takes);
    times_close(&times);
    return status;
}

// ---- the verb -----------------------------------------------------------------------------------
// A space that this program does not know is no error: a report does without drawings.
static int open_space(struct job *j, struct assay_err *err)
{
    const char *name = j->table ? j->table->space : NULL;
    if (!j->table) ASSAY_TRY(assay_parts_attr(j->report.parts, "/", "space", &name, err));
    if (!name || !assay_space_find(name)) return ASSAY_OK;
    const struct export file = {.table = j->table, .file = j->file};
    ASSAY_TRY(j->table ? export_open_space(&file, &j->space, &j->config, err)
                       : assay_space_open(&j->space, name, err));
    j->has_space = true;
    j->report.space = &j->space;
    const bool named = j->table && j->space.kind->given;
    return named ? results_renumber(j->table, &j->space, j->file, err) : ASSAY_OK;
}

static int read_table(struct job *j, struct assay_err *err)
{
    ASSAY_TRY(assay_table_read(&j->table, j->file, err));
    j->report.table = j->table;
    ASSAY_TRY(choose_columns(j, err));
    return choose_ranking(j, err);
}

static int write_report(struct job *j, struct assay_err *err)
{
    const bool search = assay_parts_is_search(j->report.parts);
    if (!search) ASSAY_TRY(read_table(j, err));
    ASSAY_TRY(open_space(j, err));
    ASSAY_TRY(read_truth(j, err));
    ASSAY_TRY(measure_times(j, err));
    ASSAY_TRY(assay_report_write(&j->report, j->output, err));
    assay_print_line(stdout, "%s: open it in a browser", j->output);
    return ASSAY_EXIT_COMPLETE;
}

static int read_options(struct job *j, struct assay_err *err)
{
    struct assay_report *report = &j->report;
    j->output = cli_value(j->args, "output");
    report->top = 10;
    report->resamples = 200;
    report->seed = 1;
    ASSAY_TRY(truth_options(&j->truth, j->args, err));
    ASSAY_TRY(cli_u64(j->args, "top", 0, 1000, &report->top, err));
    ASSAY_TRY(cli_u64(j->args, "bootstrap", 0, 1000000, &report->resamples, err));
    ASSAY_TRY(cli_u64(j->args, "seed", 0, UINT64_MAX, &report->seed, err));
    if (j->output) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_USAGE, "-o FILE.html is missing");
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct job j = {.args = args};
    struct assay_parts *parts;
    ASSAY_TRY(read_options(&j, err));
    ASSAY_TRY(results_path(j.file, sizeof j.file, args->position[0], true, err));
    ASSAY_TRY(assay_parts_open(&parts, j.file, err));
    j.report.parts = parts;
    if (strcmp(j.file, args->position[0]) != 0 &&
        assay_holder_read(&j.holder, args->position[0], NULL) >= 0)
        j.report.job = &j.holder;
    const int status = write_report(&j, err);
    if (j.has_space) assay_space_close(&j.space);
    if (j.table) assay_table_free(j.table);
    assay_parts_close(parts);
    free(j.config);
    free(j.column);
    free(j.seconds);
    free(j.accuracy);
    return status;
}

static const struct cli_option options[] = {
    {.name = "output", .letter = 'o', .value = "FILE.html", .help = "the report"},
    CLI_OPTIONS_TRUTH,
    {.name = "columns",
     .value = "A,B,...",
     .help = "columns shown (all that have a ranking, but of counts only\n"
             "params, flops and layers); all: every one"},
    {.name = "by",
     .value = "RANKING",
     .help = "column by which the best are shown (tenas, or the first ranking)"},
    {.name = "top", .value = "K", .help = "how many are drawn (10)"},
    {.name = "bootstrap",
     .value = "B",
     .help = "resamples of the confidence intervals (200); 0: none"},
    {.name = "seed", .value = "S", .help = "of the resamples (1)"},
    {0},
};

const struct cli_verb cli_verb_report = {
    .name = "report",
    .synopsis = "DIR|RESULTS.h5|SEARCH.h5 -o FILE.html",
    .help = "show a results file or a search as one HTML file with plots",
    .about = "The file needs neither a network nor scripts. It tells what was run, draws the best "
             "architectures,\n"
             "and plots the columns against measured accuracies (or, without --truth, against "
             "parameters) and\n"
             "against each other; of a search it shows how it went on. The program gnuplot, which "
             "draws the\n"
             "plots, must be installed (Debian: gnuplot-nox).\n",
    .examples = "assay report runs/nb201 -o nb201.html\n"
                "assay report runs/nb201/results.h5 --truth accuracy.csv -o nb201.html\n"
                "assay report runs/nb201 --columns kappa,regions,params --by kappa -o kappa.html\n"
                "assay report runs/te -o search.html\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
