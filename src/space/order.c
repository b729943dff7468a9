// SPDX-License-Identifier: Apache-2.0
#include "assay/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int read_number(const struct assay_csv *csv, size_t row, size_t column, uint64_t *number,
                       struct assay_err *err)
{
    const char *cell = assay_csv_cell(csv, row, column);
    const size_t n = strlen(cell);
    errno = 0;
    *number = strtoull(cell, NULL, 10);
    if (n > 0 && strspn(cell, "0123456789") == n && !errno) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s:%zu: index is '%.60s', expected a whole number",
                         csv->file, csv->line[row + 1], cell);
}

static int already(const struct assay_order *order, const struct assay_order_row *row,
                   const struct assay_order_row *before, const char *what, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s:%zu: %s stands on line %zu already", order->file,
                         row->line, what, before->line);
}

static int compare(const void *a, const void *b)
{
    const struct assay_order_row *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int sort(struct assay_order *order, struct assay_err *err)
{
    qsort(order->row, order->n, sizeof *order->row, compare);
    for (size_t i = 1; i < order->n; i++) {
        char what[24];
        if (order->row[i].number != order->row[i - 1].number) continue;
        snprintf(what, sizeof what, "%" PRIu64, order->row[i].number);
        return already(order, &order->row[i], &order->row[i - 1], what, err);
    }
    return ASSAY_OK;
}

static int read_rows(struct assay_order *order, const struct assay_csv *csv, const char *key,
                     const struct assay_space *space, struct assay_err *err)
{
    size_t number, arch;
    ASSAY_TRY(assay_csv_column(csv, "index", NULL, &number, err));
    ASSAY_TRY(assay_csv_column(csv, key, "--key", &arch, err));
    order->row = malloc(csv->n_row * sizeof *order->row);
    if (!order->row)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %zu numbers", csv->n_row);
    for (; order->n < csv->n_row; order->n++) {
        struct assay_order_row *row = &order->row[order->n];
        row->line = csv->line[order->n + 1];
        ASSAY_TRY(read_number(csv, order->n, number, &row->number, err));
        const char *text = assay_csv_cell(csv, order->n, arch);
        if (assay_space_parse(space, text, &row->index, err) < 0)
            return assay_err_prefix(err, "%s:%zu", csv->file, row->line);
    }
    return sort(order, err);
}

int assay_order_read(struct assay_order *order, const struct assay_space *space, const char *file,
                     const char *key, struct assay_err *err)
{
    struct assay_csv csv;
    *order = (struct assay_order){.file = file};
    ASSAY_TRY(assay_csv_read(&csv, file, err));
    const int status = read_rows(order, &csv, key ? key : "arch", space, err);
    assay_csv_free(&csv);
    if (status < 0) assay_order_free(order);
    return status;
}

void assay_order_free(struct assay_order *order)
{
    free(order->row);
    *order = (struct assay_order){0};
}

static int compare_number(const void *number, const void *row)
{
    const uint64_t x = *(const uint64_t *)number, y = ((const struct assay_order_row *)row)->number;
    return (x > y) - (x < y);
}

int assay_order_number(const struct assay_order *order, uint64_t number,
                       const struct assay_order_row **row, struct assay_err *err)
{
    *row = bsearch(&number, order->row, order->n, sizeof *order->row, compare_number);
    if (*row) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: none of its %zu rows has the index %" PRIu64,
                         order->file, order->n, number);
}

int assay_order_architecture(const struct assay_order *order, uint64_t index,
                             const struct assay_order_row **row, struct assay_err *err)
{
    *row = NULL;
    for (size_t i = 0; i < order->n; i++) {
        if (order->row[i].index != index) continue;
        if (*row) return already(order, &order->row[i], *row, "this architecture", err);
        *row = &order->row[i];
    }
    if (*row) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: none of its %zu rows is this architecture",
                         order->file, order->n);
}
