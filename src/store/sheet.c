// SPDX-License-Identifier: Apache-2.0
#include "sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// A sheet being filled.
struct fill {
    struct sheet *sheet;
    const struct assay_results *results;
    struct assay_score_column *column; // of the sheet, as formulas see them
    bool *ok;                          // (n_row)
    struct assay_arena *arena;
    struct assay_err *err;
};

static int no_memory(const struct fill *f)
{
    return assay_err_set(f->err, ASSAY_ERR_MEMORY, "no memory for the columns of results.h5");
}

static struct assay_score_rows rows_of(const struct fill *f)
{
    return (struct assay_score_rows){
        .n = f->results->n_row, .ok = f->ok, .column = f->column, .n_column = f->sheet->n_column};
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
    // Every NaN gets one bit pattern, so that equal results are equal files.
    if (isnan(*mean)) *mean = NAN;
    if (isnan(*error)) *error = NAN;
}

static int pause_fill(const struct fill *f)
{
    const struct assay_pause *p = f->results->pause;
    return p ? p->call(p->self, f->err) : 0;
}

static bool fill_measured(struct fill *f, struct sheet_column *to, uint32_t c)
{
    const struct assay_results *results = f->results;
    const struct assay_schema *schema = results->schema;
    to->meta = schema->column[c];
    to->protocol = schema->protocol ? schema->protocol[c] : NULL;
    to->mean = assay_arena_alloc(f->arena, results->n_row * sizeof *to->mean);
    to->error = assay_arena_alloc(f->arena, results->n_row * sizeof *to->error);
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

static bool fill_extra(struct fill *f, struct sheet_column *to, uint32_t c)
{
    const struct assay_results *results = f->results;
    to->meta = results->extra_column[c];
    to->protocol = results->extra_protocol ? results->extra_protocol[c] : NULL;
    to->mean = assay_arena_alloc(f->arena, results->n_row * sizeof *to->mean);
    if (!to->mean) return false;
    for (uint64_t i = 0; i < results->n_row; i++) {
        const double value = results->row[i].extra[c];
        to->mean[i] = isnan(value) ? NAN : value;
    }
    if (!results->extra_error || !results->extra_error[c]) return true;
    to->error = assay_arena_alloc(f->arena, results->n_row * sizeof *to->error);
    for (uint64_t i = 0; to->error && i < results->n_row; i++) {
        const double error = results->row[i].extra_error[c];
        to->error[i] = isnan(error) ? NAN : error;
    }
    return to->error;
}

// ---- rankings and scores -----------------------------------------------------------------------
static bool new_ranking(struct fill *f, struct assay_ranking *ranking)
{
    const uint64_t n = f->results->n_row;
    ranking->order = assay_arena_alloc(f->arena, n * sizeof *ranking->order);
    ranking->rank = assay_arena_alloc(f->arena, n * sizeof *ranking->rank);
    return ranking->order && ranking->rank;
}

static bool rank_column(struct fill *f, struct sheet_column *column)
{
    const struct assay_score_rows rows = rows_of(f);
    column->ranked = column->meta.direction != 0;
    if (!column->ranked) return true;
    return new_ranking(f, &column->ranking) &&
           assay_score_rank(&rows, column->mean, column->meta.direction, &column->ranking);
}

// Counts the column that was just made, so that later formulas may name it.
static void keep_column(struct fill *f)
{
    const struct sheet_column *from = &f->sheet->column[f->sheet->n_column];
    f->column[f->sheet->n_column++] = (struct assay_score_column){.name = from->meta.name,
                                                                  .direction = from->meta.direction,
                                                                  .value = from->mean,
                                                                  .rank = from->ranking.rank};
}

static int add_score(struct fill *f, const struct assay_score *score)
{
    struct sheet_column *to = &f->sheet->column[f->sheet->n_column];
    const struct assay_score_rows rows = rows_of(f);
    struct assay_score_formula formula;
    ASSAY_TRY(assay_score_parse(&formula, score->name, score->formula, f->err));
    *to = (struct sheet_column){.meta = {.name = score->name,
                                         .unit = score->unit,
                                         .source = score->source,
                                         .direction = formula.direction},
                                .protocol = score->protocol,
                                .ranked = true};
    to->mean = assay_arena_alloc(f->arena, rows.n * sizeof *to->mean);
    if (!to->mean || !new_ranking(f, &to->ranking)) return no_memory(f);
    ASSAY_TRY(assay_score_evaluate(&formula, &rows, to->mean, &to->ranking, f->err));
    keep_column(f);
    return ASSAY_OK;
}

// ---- together -----------------------------------------------------------------------------------
static bool open_fill(struct fill *f, uint32_t n_column)
{
    const uint64_t n = f->results->n_row;
    f->sheet->column = assay_arena_zalloc(f->arena, (n_column + 1) * sizeof *f->sheet->column);
    f->column = assay_arena_zalloc(f->arena, (n_column + 1) * sizeof *f->column);
    f->ok = assay_arena_alloc(f->arena, n * sizeof *f->ok);
    if (!f->sheet->column || !f->column || !f->ok) return false;
    for (uint64_t i = 0; i < n; i++) {
        const struct assay_record *record = f->results->row[i].record;
        f->ok[i] = record && record->verdict == ASSAY_VERDICT_OK;
    }
    return true;
}

int sheet_fill(struct sheet *sheet, const struct assay_results *results, struct assay_arena *arena,
               struct assay_err *err)
{
    const uint32_t n_measured = results->schema->n_column, n = n_measured + results->n_extra;
    struct fill f = {.sheet = sheet, .results = results, .arena = arena, .err = err};
    sheet->n_column = 0;
    if (!open_fill(&f, n + results->n_score)) return no_memory(&f);
    int ended = 0;
    for (uint32_t c = 0; !ended && c < n; c++) {
        struct sheet_column *to = &sheet->column[c];
        const bool filled =
            c < n_measured ? fill_measured(&f, to, c) : fill_extra(&f, to, c - n_measured);
        if (!filled || !rank_column(&f, to)) return no_memory(&f);
        keep_column(&f);
        ended = pause_fill(&f);
    }
    for (uint32_t i = 0; !ended && i < results->n_score; i++) {
        ASSAY_TRY(add_score(&f, &results->score[i]));
        ended = pause_fill(&f);
    }
    return ended;
}
