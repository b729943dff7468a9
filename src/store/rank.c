// SPDX-License-Identifier: Apache-2.0
#include "rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_keys(const struct assay_rank_key *a, const struct assay_rank_key *b)
{
    if (a->valid != b->valid) return a->valid ? -1 : 1;
    if (!a->valid) return 0;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->tie < b->tie ? -1 : a->tie > b->tie;
}

static int compare_rows(const void *a, const void *b)
{
    const struct assay_rank_key *x = a, *y = b;
    const int order = compare_keys(x, y);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

void assay_rank_rows(struct assay_rank_key *key, uint64_t n, const struct assay_ranking *ranking)
{
    if (n) qsort(key, n, sizeof *key, compare_rows);
    for (uint64_t i = 0; i < n; i++) {
        const bool ties = i > 0 && compare_keys(&key[i - 1], &key[i]) == 0;
        ranking->order[i] = key[i].row;
        ranking->rank[key[i].row] = ties ? ranking->rank[key[i - 1].row] : i + 1;
    }
}

// ---- means -------------------------------------------------------------------------------------

// value points at the first repeat; the others follow at the distance of step.
static void summarise(const double *value, uint32_t repeats, uint32_t step, double *mean,
                      double *error)
{
    double sum = 0, square = 0;
    for (uint32_t r = 0; r < repeats; r++) sum += value[(size_t)r * step];
    *mean = sum / repeats;
    for (uint32_t r = 0; r < repeats; r++) {
        const double d = value[(size_t)r * step] - *mean;
        square += d * d;
    }
    *error = repeats > 1 ? sqrt(square / (repeats - 1.0) / repeats) : NAN;
    // One bit pattern for every NaN, so that equal results are equal files.
    if (isnan(*mean)) *mean = NAN;
    if (isnan(*error)) *error = NAN;
}

static bool fill_measured(struct assay_sheet_column *to, const struct assay_results *results,
                          uint32_t c, struct assay_arena *arena)
{
    const struct assay_schema *schema = results->schema;
    to->meta = schema->column[c];
    to->protocol = schema->protocol ? schema->protocol[c] : NULL;
    to->mean = assay_arena_alloc(arena, results->n_row * sizeof *to->mean);
    to->error = assay_arena_alloc(arena, results->n_row * sizeof *to->error);
    if (!to->mean || !to->error) return false;
    for (uint64_t i = 0; i < results->n_row; i++) {
        const struct assay_record *record = results->row[i].record;
        to->mean[i] = to->error[i] = NAN;
        if (record)
            summarise(record->value + c, schema->repeats, schema->n_column, &to->mean[i],
                      &to->error[i]);
    }
    return true;
}

static bool fill_extra(struct assay_sheet_column *to, const struct assay_results *results,
                       uint32_t c, struct assay_arena *arena)
{
    to->meta = results->extra_column[c];
    to->protocol = results->extra_protocol ? results->extra_protocol[c] : NULL;
    to->mean = assay_arena_alloc(arena, results->n_row * sizeof *to->mean);
    if (!to->mean) return false;
    for (uint64_t i = 0; i < results->n_row; i++) {
        const double value = results->row[i].extra[c];
        to->mean[i] = isnan(value) ? NAN : value;
    }
    return true;
}

// ---- rankings ----------------------------------------------------------------------------------

static bool row_ok(const struct assay_row *row)
{
    return row->record && row->record->verdict == ASSAY_VERDICT_OK;
}

static bool new_ranking(struct assay_ranking *ranking, uint64_t n, struct assay_arena *arena)
{
    ranking->order = assay_arena_alloc(arena, n * sizeof *ranking->order);
    ranking->rank = assay_arena_alloc(arena, n * sizeof *ranking->rank);
    return ranking->order && ranking->rank;
}

static bool rank_column(struct assay_sheet_column *column, const struct assay_results *results,
                        struct assay_rank_key *key, struct assay_arena *arena)
{
    column->ranked = column->meta.direction != 0;
    if (!column->ranked) return true;
    if (!new_ranking(&column->ranking, results->n_row, arena)) return false;
    for (uint64_t i = 0; i < results->n_row; i++) {
        const double value = column->mean[i];
        key[i] = (struct assay_rank_key){.key = column->meta.direction > 0 ? -value : value,
                                         .row = i,
                                         .valid = row_ok(&results->row[i]) && isfinite(value)};
    }
    assay_rank_rows(key, results->n_row, &column->ranking);
    return true;
}

static const struct assay_sheet_column *find(const struct assay_sheet *sheet, const char *name,
                                             int direction)
{
    for (uint32_t c = 0; c < sheet->n_column; c++) {
        if (strcmp(sheet->column[c].meta.name, name) == 0)
            return sheet->column[c].meta.direction == direction ? &sheet->column[c] : NULL;
    }
    return NULL;
}

// TE-NAS's rank sum: ascending rank by kappa (smaller is better) + rank by regions (larger is
// better), ties by kappa's rank.
static bool add_tenas(struct assay_sheet *sheet, const struct assay_results *results,
                      struct assay_rank_key *key, struct assay_arena *arena)
{
    static const struct assay_column meta = {
        .name = "tenas",
        .unit = "rank sum",
        .source = "TE-NAS (arXiv 2102.11535): rank of kappa + rank of regions among these rows",
        .direction = -1};
    const struct assay_sheet_column *kappa = find(sheet, "kappa", -1);
    const struct assay_sheet_column *regions = find(sheet, "regions", +1);
    if (!kappa || !regions) return true;
    struct assay_sheet_column *to = &sheet->column[sheet->n_column];
    *to = (struct assay_sheet_column){
        .meta = meta, .protocol = "as of kappa and regions", .ranked = true};
    to->mean = assay_arena_alloc(arena, results->n_row * sizeof *to->mean);
    if (!to->mean || !new_ranking(&to->ranking, results->n_row, arena)) return false;
    for (uint64_t i = 0; i < results->n_row; i++) {
        const bool valid =
            row_ok(&results->row[i]) && isfinite(kappa->mean[i]) && isfinite(regions->mean[i]);
        const double of_kappa = (double)kappa->ranking.rank[i];
        const double sum = of_kappa + (double)regions->ranking.rank[i];
        to->mean[i] = valid ? sum : NAN;
        key[i] = (struct assay_rank_key){.key = sum, .tie = of_kappa, .row = i, .valid = valid};
    }
    assay_rank_rows(key, results->n_row, &to->ranking);
    sheet->n_column++;
    return true;
}

bool assay_sheet_fill(struct assay_sheet *sheet, const struct assay_results *results,
                      struct assay_arena *arena)
{
    const uint32_t n_measured = results->schema->n_column;
    const uint32_t n = n_measured + results->n_extra;
    struct assay_rank_key *key = assay_arena_alloc(arena, results->n_row * sizeof *key);
    sheet->column = assay_arena_zalloc(arena, (n + 1) * sizeof *sheet->column);
    sheet->n_column = 0;
    if (!key || !sheet->column) return false;
    for (uint32_t c = 0; c < n; c++) {
        struct assay_sheet_column *column = &sheet->column[sheet->n_column++];
        const bool filled = c < n_measured ? fill_measured(column, results, c, arena)
                                           : fill_extra(column, results, c - n_measured, arena);
        if (!filled || !rank_column(column, results, key, arena)) return false;
    }
    return add_tenas(sheet, results, key, arena);
}
