// SPDX-License-Identifier: Apache-2.0
#include "truth.h"
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct pair {
    uint64_t index; // of the architecture
    double value;
    size_t line;
};

static int read_number(const struct cli_csv *csv, size_t row, size_t column, double *value,
                       struct assay_err *err)
{
    const char *cell = cli_csv_cell(csv, row, column);
    char *end;
    *value = strtod(cell, &end);
    if (end != cell && !*end && isfinite(*value)) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s:%zu: %s is '%.60s', expected a finite number",
                         csv->file, csv->line[row + 1], csv->cell[column], cell);
}

static int read_pairs(const struct cli_csv *csv, size_t arch, size_t target,
                      const struct assay_space *space, struct pair *pair, struct assay_err *err)
{
    for (size_t i = 0; i < csv->n_row; i++) {
        pair[i].line = csv->line[i + 1];
        ASSAY_TRY(read_number(csv, i, target, &pair[i].value, err));
        if (assay_space_parse(space, cli_csv_cell(csv, i, arch), &pair[i].index, err) < 0)
            return assay_err_prefix(err, "%s:%zu", csv->file, pair[i].line);
    }
    return 0;
}

static int by_index(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

// Both lists ascend by index.
static int join(struct truth *truth, const char *file, const struct pair *pair,
                const struct assay_table *table, struct assay_err *err)
{
    uint64_t row = 0;
    for (uint64_t i = 0; i < truth->n_given; i++) {
        if (i > 0 && pair[i].index == pair[i - 1].index)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s:%zu: this architecture stands on line %zu already", file,
                                 pair[i].line, pair[i - 1].line);
        while (row < table->n_row && table->index[row] < pair[i].index) row++;
        if (row == table->n_row || table->index[row] != pair[i].index) continue;
        truth->value[row] = pair[i].value;
        truth->n_both++;
    }
    if (truth->n_both > 0) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: none of its %" PRIu64 " architectures is among the results", file,
                         truth->n_given);
}

static int read_csv(struct truth *truth, const struct cli_csv *csv, const char *target,
                    const struct assay_space *space, const struct assay_table *table,
                    struct assay_err *err)
{
    size_t arch_column, target_column;
    ASSAY_TRY(cli_csv_column(csv, "arch", NULL, &arch_column, err));
    ASSAY_TRY(cli_csv_column(csv, target, "--target", &target_column, err));
    struct pair *pair = malloc((csv->n_row + 1) * sizeof(*pair));
    truth->value = malloc((table->n_row + 1) * sizeof(*truth->value));
    if (!pair || !truth->value)
        return free(pair), assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < table->n_row; i++) truth->value[i] = NAN;
    truth->n_given = csv->n_row;
    int status = read_pairs(csv, arch_column, target_column, space, pair, err);
    if (status == 0) {
        qsort(pair, csv->n_row, sizeof(*pair), by_index);
        status = join(truth, csv->file, pair, table, err);
    }
    free(pair);
    return status;
}

int truth_read(struct truth *truth, const char *file, const char *target,
               const struct assay_space *space, const struct assay_table *table,
               struct assay_err *err)
{
    *truth = (struct truth){0};
    struct cli_csv csv;
    ASSAY_TRY(cli_csv_read(&csv, file, err));
    const int status = read_csv(truth, &csv, target, space, table, err);
    cli_csv_free(&csv);
    if (status < 0) truth_free(truth);
    return status;
}

void truth_free(struct truth *truth)
{
    free(truth->value);
    *truth = (struct truth){0};
}
