// SPDX-License-Identifier: Apache-2.0
#include "assay/score.h"

#include <math.h>
#include <stdlib.h>

// ---- order of rows ------------------------------------------------------------------------------
// Smaller keys are better; equal keys are decided by tie.
struct key {
    double key, tie;
    uint64_t row;
    bool valid;
};

static int compare_keys(const struct key *a, const struct key *b)
{
    if (a->valid != b->valid) return a->valid ? -1 : 1;
    if (!a->valid) return 0;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->tie < b->tie ? -1 : a->tie > b->tie;
}

static int compare_rows(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    const int order = compare_keys(x, y);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static bool is_ok(const struct assay_score_rows *rows, uint64_t i)
{
    return !rows->ok || rows->ok[i];
}

// tie decides between equal values, in the same direction; NULL: nothing does.
static bool rank_rows(const struct assay_score_rows *rows, const double *value, const double *tie,
                      int direction, const struct assay_ranking *ranking)
{
    struct key *key = malloc((rows->n + 1) * sizeof *key);
    if (!key) return false;
    for (uint64_t i = 0; i < rows->n; i++)
        key[i] = (struct key){.key = direction > 0 ? -value[i] : value[i],
                              .tie = !tie            ? 0
                                     : direction > 0 ? -tie[i]
                                                     : tie[i],
                              .row = i,
                              .valid = is_ok(rows, i) && isfinite(value[i])};
    if (rows->n) qsort(key, rows->n, sizeof *key, compare_rows);
    for (uint64_t i = 0; i < rows->n; i++) {
        const bool ties = i > 0 && compare_keys(&key[i - 1], &key[i]) == 0;
        ranking->order[i] = key[i].row;
        ranking->rank[key[i].row] = ties ? ranking->rank[key[i - 1].row] : i + 1;
    }
    free(key);
    return true;
}

bool assay_score_rank(const struct assay_score_rows *rows, const double *value, int direction,
                      const struct assay_ranking *ranking)
{
    return rank_rows(rows, value, NULL, direction, ranking);
}

// ---- sums of ranks ------------------------------------------------------------------------------
// What evaluating a formula needs beside the caller's arrays.
struct scratch {
    struct assay_ranking ranking; // of a column that brings none
    uint64_t *ties;               // (n + 1) rows of each rank
    double *first;                // (n) the first term
};

static bool open_scratch(struct scratch *s, uint64_t n)
{
    s->ranking.order = malloc((n + 1) * sizeof *s->ranking.order);
    s->ranking.rank = malloc((n + 1) * sizeof *s->ranking.rank);
    s->ties = malloc((n + 1) * sizeof *s->ties);
    s->first = malloc((n + 1) * sizeof *s->first);
    return s->ranking.order && s->ranking.rank && s->ties && s->first;
}

static void close_scratch(struct scratch *s)
{
    free(s->ranking.order);
    free(s->ranking.rank);
    free(s->ties);
    free(s->first);
}

static void count_ties(const uint64_t *rank, uint64_t n, uint64_t *ties)
{
    for (uint64_t i = 0; i <= n; i++) ties[i] = 0;
    for (uint64_t i = 0; i < n; i++) ties[rank[i]]++;
}

// ln(r / M), where r is the mean place, counted from the worst row as 1, of the rows of this rank.
static double ln_rank(uint64_t rank, uint64_t ties, uint64_t n)
{
    const double place = (double)rank + ((double)ties - 1) / 2;
    return log(((double)n + 1 - place) / (double)n);
}

static bool add_term(const struct assay_score_term *term, const struct assay_score_column *column,
                     const struct assay_score_rows *rows, double *value, struct scratch *s)
{
    const uint64_t *rank = column->rank ? column->rank : s->ranking.rank;
    if (!column->rank && !assay_score_rank(rows, column->value, column->direction, &s->ranking))
        return false;
    if (term->lnrank) count_ties(rank, rows->n, s->ties);
    for (uint64_t i = 0; i < rows->n; i++) {
        const bool valid = is_ok(rows, i) && isfinite(column->value[i]);
        const double x =
            term->lnrank ? ln_rank(rank[i], s->ties[rank[i]], rows->n) : (double)rank[i];
        value[i] = valid ? value[i] + term->weight * x : NAN;
    }
    return true;
}

static bool add_terms(const struct assay_score_formula *f, const uint32_t *index,
                      const struct assay_score_rows *rows, double *value, struct scratch *s)
{
    for (uint64_t i = 0; i < rows->n; i++) value[i] = 0;
    for (uint32_t t = 0; t < f->n_term; t++) {
        if (!add_term(&f->term[t], &rows->column[index[t]], rows, value, s)) return false;
        for (uint64_t i = 0; t == 0 && i < rows->n; i++) s->first[i] = value[i];
    }
    return true;
}

// ---- votes --------------------------------------------------------------------------------------
// How many of n rows, whose ranks by one column stand behind those by another, are worse than row i
// by at least half of the columns.
static uint64_t count_outvoted(const uint32_t *rank, uint64_t n, uint32_t columns, uint64_t i)
{
    enum { BLOCK = 512 };
    uint32_t votes[BLOCK];
    uint64_t outvoted = 0;
    for (uint64_t from = 0; from < n; from += BLOCK) {
        const uint64_t count = n - from < BLOCK ? n - from : BLOCK;
        for (uint64_t j = 0; j < count; j++) votes[j] = 0;
        for (uint32_t t = 0; t < columns; t++) {
            const uint32_t *of = rank + t * n, mine = of[i];
            for (uint64_t j = 0; j < count; j++) votes[j] += of[from + j] > mine;
        }
        for (uint64_t j = 0; j < count; j++) outvoted += 2 * votes[j] >= columns;
    }
    return outvoted;
}

static bool fill_votes(const struct assay_score_formula *f, const uint32_t *index,
                       const struct assay_score_rows *rows, uint32_t *rank, double *value,
                       struct scratch *s)
{
    const uint64_t n = rows->n;
    if (!add_terms(f, index, rows, value, s)) return false; // NaN where a value is missing
    for (uint32_t t = 0; t < f->n_term; t++) {
        const struct assay_score_column *column = &rows->column[index[t]];
        const uint64_t *of = column->rank ? column->rank : s->ranking.rank;
        if (!column->rank && !assay_score_rank(rows, column->value, column->direction, &s->ranking))
            return false;
        for (uint64_t i = 0; i < n; i++) rank[t * n + i] = (uint32_t)of[i];
    }
    for (uint64_t i = 0; i < n; i++) {
        s->first[i] = -(double)rank[i];
        if (isfinite(value[i])) value[i] = (double)count_outvoted(rank, n, f->n_term, i);
    }
    return true;
}

static bool add_votes(const struct assay_score_formula *f, const uint32_t *index,
                      const struct assay_score_rows *rows, double *value, struct scratch *s)
{
    uint32_t *rank = malloc((f->n_term * rows->n + 1) * sizeof *rank);
    const bool done = rank && fill_votes(f, index, rows, rank, value, s);
    free(rank);
    return done;
}

int assay_score_evaluate(const struct assay_score_formula *f, const struct assay_score_rows *rows,
                         double *value, const struct assay_ranking *ranking, struct assay_err *err)
{
    uint32_t index[ASSAY_SCORE_TERMS];
    struct scratch s = {0};
    ASSAY_TRY(assay_score_bind(f, rows->column, rows->n_column, index, err));
    bool done =
        open_scratch(&s, rows->n) && (f->vote ? add_votes : add_terms)(f, index, rows, value, &s);
    if (done && ranking) done = rank_rows(rows, value, s.first, f->direction, ranking);
    close_scratch(&s);
    return done ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a score");
}
