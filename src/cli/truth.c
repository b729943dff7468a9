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
static bool is_missing(const char *cell)
{
    static const char *const word[] = {"", "nan", "-nan", "na", "n/a", "<na>", "null", "none"};
    for (size_t i = 0; i < ASSAY_LEN(word); i++)
        if (strcasecmp(cell, word[i]) == 0) return true;
    return false;
}

// Reads decimal notation only, and nothing that a double cannot hold.
static bool read_number(const char *cell, double *value)
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
    if (is_missing(cell) || read_number(cell, value)) return 0;
    return assay_err_set(
        err, ASSAY_ERR_INPUT,
        "%s:%zu: %.100s is '%.*s', expected a finite number such as 93.25, or none", csv->file,
        csv->line[row + 1], csv->cell[column],
        (int)strcspn(cell, "\r\n") < 60 ? (int)strcspn(cell, "\r\n") : 60, cell);
}

// ---- rows ---------------------------------------------------------------------------------------
static void leave_out(struct truth *truth, size_t line)
{
    if (truth->n_left_out++ == 0) truth->first_left_out = line;
}

static int read_rows(struct truth *truth, const struct assay_csv *csv, const size_t column[2],
                     const struct assay_space *space, struct assay_err *err)
{
    for (size_t i = 0; i < csv->n_row; i++) {
        struct truth_row row = {.line = csv->line[i + 1]};
        ASSAY_TRY(read_accuracy(csv, i, column[1], &row.value, err));
        if (assay_space_parse(space, assay_csv_cell(csv, i, column[0]), &row.index, err) < 0)
            return assay_err_prefix(err, "%s:%zu", csv->file, row.line);
        if (isnan(row.value))
            leave_out(truth, row.line);
        else
            truth->row[truth->n++] = row;
    }
    if (truth->n) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: none of its %zu rows has a %.100s", csv->file,
                         csv->n_row, truth->options.target);
}

static int by_index(const void *a, const void *b)
{
    const struct truth_row *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int sort(struct truth *truth, const char *file, struct assay_err *err)
{
    struct truth_row *row = truth->row;
    qsort(row, truth->n, sizeof *row, by_index);
    for (size_t i = 1; i < truth->n; i++)
        if (row[i].index == row[i - 1].index)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s:%zu: this architecture stands on line %zu already, expected "
                                 "one accuracy of each",
                                 file, row[i].line, row[i - 1].line);
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
    ASSAY_TRY(read_rows(truth, csv, column, space, err));
    return sort(truth, csv->file, err);
}

int truth_read(struct truth *truth, const struct truth_options *options,
               const struct assay_space *space, struct assay_err *err)
{
    struct assay_csv csv;
    *truth = (struct truth){.options = *options};
    ASSAY_TRY(assay_csv_read(&csv, options->file, err));
    const int status = read_csv(truth, &csv, space, err);
    assay_csv_free(&csv);
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
    assay_print_line(stream,
                     "%s%s: %zu of %zu rows have no %s and are left out, the first on line %zu",
                     prefix, truth->options.file, truth->n_left_out, truth->n + truth->n_left_out,
                     truth->options.target, truth->first_left_out);
}
