// SPDX-License-Identifier: Apache-2.0
#include "assay/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- order of rows ------------------------------------------------------------------------------
// Rows are sorted by the bits of their keys, a byte at a time, which takes a tenth of the time of
// comparing them and is stable.
struct place {
    uint64_t key, row;
};
enum { KEY_BYTES = 8, BYTE_VALUES = 256 };

// Bits that are ordered as the numbers are; -0 is 0.
static uint64_t key_of(double x)
{
    uint64_t bits;
    x += 0.0;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static unsigned byte_of(uint64_t key, unsigned byte)
{
    return key >> (8 * byte) & 0xff;
}

// Moves the places from a to b, by one byte of their keys. at: where those of each value begin.
static void move(const struct place *a, struct place *b, uint64_t n, unsigned byte,
                 uint64_t at[BYTE_VALUES])
{
    for (uint64_t i = 0; i < n; i++) b[at[byte_of(a[i].key, byte)]++] = a[i];
}

// Turns numbers of each value into places; false: all have one value, and are sorted by it.
static bool sum(uint64_t count[BYTE_VALUES], uint64_t n)
{
    uint64_t at = 0;
    for (unsigned v = 0; v < BYTE_VALUES; v++) {
        const uint64_t here = count[v];
        if (here == n) return false;
        count[v] = at;
        at += here;
    }
    return true;
}

// Sorts by key; other is as long. Returns which of the two has the result.
static struct place *sort(struct place *place, struct place *other, uint64_t n)
{
    uint64_t count[KEY_BYTES][BYTE_VALUES] = {{0}};
    for (uint64_t i = 0; i < n; i++)
        for (unsigned b = 0; b < KEY_BYTES; b++) count[b][byte_of(place[i].key, b)]++;
    for (unsigned b = 0; b < KEY_BYTES; b++) {
        struct place *const from = place;
        if (!sum(count[b], n)) continue;
        move(from, other, n, b, count[b]);
        place = other;
        other = from;
    }
    return place;
}

// What rows are ranked by. tie decides between equal values, in the same direction; NULL: nothing
// does.
struct by {
    const struct assay_score_rows *rows;
    const double *value, *tie;
    int direction;
};

static bool is_ok(const struct assay_score_rows *rows, uint64_t i)
{
    return !rows->ok || rows->ok[i];
}

static bool is_valid(const struct by *by, uint64_t i)
{
    return is_ok(by->rows, i) && isfinite(by->value[i]);
}

// Smaller keys are better.
static void set_keys(const struct by *by, const double *value, struct place *place, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        const double x = value[place[i].row];
        place[i].key = key_of(by->direction > 0 ? -x : x);
    }
}

static bool ties(const struct by *by, uint64_t a, uint64_t b)
{
    return by->value[a] == by->value[b] && (!by->tie || by->tie[a] == by->tie[b]);
}

// Valid rows come first, sorted; the others share the last rank.
static void fill_ranking(const struct by *by, const struct place *place, uint64_t n,
                         const struct assay_ranking *ranking)
{
    uint64_t rank = 0, at = n;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t row = place[i].row;
        if (!i || !ties(by, place[i - 1].row, row)) rank = i + 1;
        ranking->order[i] = row;
        ranking->rank[row] = rank;
    }
    for (uint64_t row = 0; row < by->rows->n; row++) {
        if (is_valid(by, row)) continue;
        ranking->order[at++] = row;
        ranking->rank[row] = n + 1;
    }
}

static bool rank_rows(const struct assay_score_rows *rows, const double *value, const double *tie,
                      int direction, const struct assay_ranking *ranking)
{
    const struct by by = {.rows = rows, .value = value, .tie = tie, .direction = direction};
    struct place *both = malloc((2 * rows->n + 1) * sizeof *both), *place = both;
    uint64_t n = 0;
    if (!both) return false;
    for (uint64_t i = 0; i < rows->n; i++)
        if (is_valid(&by, i)) place[n++].row = i;
    if (tie) {
        set_keys(&by, tie, place, n);
        place = sort(place, both + rows->n, n);
    }
    set_keys(&by, value, place, n);
    place = sort(place, place == both ? both + rows->n : both, n);
    fill_ranking(&by, place, n, ranking);
    free(both);
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
