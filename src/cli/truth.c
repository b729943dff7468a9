// SPDX-License-Identifier: Apache-2.0
#include "truth.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int truth_options(struct truth_options *options, const struct cli_args *args, struct assay_err *err)
{
    const char *target = cli_value(args, "target"), *key = cli_value(args, "key");
    *options = (struct truth_options){
        .file = cli_value(args, "truth"),
        .target = target ? target : "test_accuracy",
        .key = key ? key : "arch",
    };
    if (options->file || (!target && !key)) return 0;
    return assay_err_set(err, ASSAY_ERR_USAGE,
                         "--%s is a column of --truth FILE.csv, which is missing",
                         target ? "target" : "key");
}

// ---- cells --------------------------------------------------------------------------------------
// Words that tables hold where nothing was measured.
bool truth_is_missing(const char *cell)
{
    static const char *const word[] = {"", "nan", "-nan", "na", "n/a", "<na>", "null", "none"};
    for (size_t i = 0; i < ASSAY_LEN(word); i++)
        if (strcasecmp(cell, word[i]) == 0) return true;
    return false;
}

// Reads decimal notation only, and nothing that a double cannot hold.
bool truth_read_number(const char *cell, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(cell, &end);
    return end != cell && cell[strspn(cell, "+-.0123456789eE")] == 0 && !*end && !errno;
}

static int read_accuracy(const struct assay_csv *csv, size_t row, size_t column, double *value,
                         struct assay_err *err)
{
    const char *cell = assay_csv_cell(csv, row, column);
    *value = NAN;
    if (truth_is_missing(cell) || truth_read_number(cell, value)) return 0;
    return assay_err_set(
        err, ASSAY_ERR_INPUT,
        "%s:%zu: %.100s is '%.*s', expected a finite number such as 93.25, or none", csv->file,
        csv->line[row + 1], csv->cell[column],
        (int)strcspn(cell, "\r\n") < 60 ? (int)strcspn(cell, "\r\n") : 60, cell);
}

// ---- rows ---------------------------------------------------------------------------------------
// "accuracy.csv:12", "zc.json: entry 12"
static const char *place(const struct truth *truth, size_t line, char text[ASSAY_TEXT_MAX])
{
    snprintf(text, ASSAY_TEXT_MAX, truth->json ? "%.900s: entry %zu" : "%.900s:%zu",
             truth->options.file, line);
    return text;
}

static void leave_out(struct truth *truth, size_t line)
{
    if (truth->n_left_out++ == 0) truth->first_left_out = line;
}

int truth_enter(struct truth *truth, const struct assay_space *space, const char *arch,
                double value, size_t line, struct assay_err *err)
{
    char where[ASSAY_TEXT_MAX];
    struct truth_row row = {.value = value, .line = line};
    if (assay_space_parse(space, arch, &row.index, err) < 0)
        return assay_err_prefix(err, "%s", place(truth, line, where));
    if (isnan(value))
        leave_out(truth, line);
    else
        truth->row[truth->n++] = row;
    return ASSAY_OK;
}

static int read_rows(struct truth *truth, const struct assay_csv *csv, const size_t column[2],
                     const struct assay_space *space, struct assay_err *err)
{
    for (size_t i = 0; i < csv->n_row; i++) {
        double value;
        ASSAY_TRY(read_accuracy(csv, i, column[1], &value, err));
        ASSAY_TRY(truth_enter(truth, space, assay_csv_cell(csv, i, column[0]), value,
                              csv->line[i + 1], err));
    }
    return ASSAY_OK;
}

static int by_index(const void *a, const void *b)
{
    const struct truth_row *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int sort(struct truth *truth, struct assay_err *err)
{
    struct truth_row *row = truth->row;
    char where[ASSAY_TEXT_MAX];
    if (!truth->n)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: none of its %zu rows has a %.100s",
                             truth->options.file, truth->n_left_out, truth->options.target);
    qsort(row, truth->n, sizeof *row, by_index);
    for (size_t i = 1; i < truth->n; i++)
        if (row[i].index == row[i - 1].index)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: this architecture stands on %s %zu already, expected "
                                 "one accuracy of each",
                                 place(truth, row[i].line, where), truth->json ? "entry" : "line",
                                 row[i - 1].line);
    return 0;
}

static int read_csv(struct truth *truth, const struct assay_csv *csv,
                    const struct assay_space *space, struct assay_err *err)
{
    size_t column[2];
    ASSAY_TRY(assay_csv_column(csv, truth->options.key, "--key", &column[0], err));
    ASSAY_TRY(assay_csv_column(csv, truth->options.target, "--target", &column[1], err));
    truth->row = malloc(csv->n_row * sizeof *truth->row);
    if (!truth->row)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %zu accuracies", csv->n_row);
    return read_rows(truth, csv, column, space, err);
}

// Takes the text.
static int read_text(struct truth *truth, char *text, const struct assay_space *space,
                     struct assay_err *err)
{
    struct assay_csv csv;
    const char first = text[strspn(text, " \t\r\n")];
    truth->json = first == '{' || first == '[';
    if (truth->json) {
        const int status = truth_read_json(truth, text, space, err);
        free(text);
        return status;
    }
    ASSAY_TRY(assay_csv_parse(&csv, truth->options.file, text, err));
    const int status = read_csv(truth, &csv, space, err);
    assay_csv_free(&csv);
    return status;
}

int truth_read(struct truth *truth, const struct truth_options *options,
               const struct assay_space *space, struct assay_err *err)
{
    char *text;
    *truth = (struct truth){.options = *options};
    ASSAY_TRY(assay_text_read(&text, options->file, options->file, "a comma-separated table", err));
    int status = read_text(truth, text, space, err);
    if (status >= 0) status = sort(truth, err);
    if (status < 0) truth_free(truth);
    return status;
}

void truth_free(struct truth *truth)
{
    free(truth->row);
    *truth = (struct truth){0};
}

// ---- what it tells ------------------------------------------------------------------------------
static int compare_index(const void *index, const void *row)
{
    const uint64_t x = *(const uint64_t *)index, y = ((const struct truth_row *)row)->index;
    return (x > y) - (x < y);
}

double truth_of(const struct truth *truth, uint64_t index)
{
    const struct truth_row *row = bsearch(&index, truth->row, truth->n, sizeof *row, compare_index);
    return row ? row->value : NAN;
}

void truth_print_left_out(const struct truth *truth, const char *prefix, FILE *stream)
{
    if (!truth->n_left_out) return;
    assay_print_line(stream, "%s%s: %zu of %zu rows have no %s and are left out, the first %s %zu",
                     prefix, truth->options.file, truth->n_left_out, truth->n + truth->n_left_out,
                     truth->options.target, truth->json ? "is entry" : "on line",
                     truth->first_left_out);
}
