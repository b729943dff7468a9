// SPDX-License-Identifier: Apache-2.0
#include "prune.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double prune_delta(double x0, double x1, int direction)
{
    const double worse = direction < 0 ? -1 : 1;
    if (!isfinite(x1)) return isfinite(x0) ? worse * INFINITY : 0;
    if (!isfinite(x0)) return -worse;
    return x0 == 0 ? 0 : (x0 - x1) / fabs(x0);
}

double prune_round(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.2e", x);
    return isfinite(x) ? strtod(text, NULL) : x;
}

// ---- ranks --------------------------------------------------------------------------------------
// What is lost without the operation.
static double loss(const struct prune_candidate *c, const struct search_by *by, uint32_t column)
{
    return by->column[column]->direction < 0 ? -c->delta[column] : c->delta[column];
}

// The dense rank: the number of distinct values before that of candidate `at`.
static uint32_t dense_rank(const struct prune_candidate *c, size_t n, size_t at,
                           const struct search_by *by, uint32_t column)
{
    uint32_t rank = 0;
    const double x = loss(&c[at], by, column);
    for (size_t i = 0; i < n; i++) {
        const double y = loss(&c[i], by, column);
        bool first = y < x;
        for (size_t k = 0; first && k < i; k++) first = loss(&c[k], by, column) != y;
        rank += first;
    }
    return rank;
}

static void sum_ranks(struct prune_candidate *c, const struct search_by *by)
{
    c->sum = by->sum ? 0 : c->rank[0];
    for (uint32_t t = 0; t < by->formula.n_term; t++) {
        const struct assay_score_term *term = &by->formula.term[t];
        c->sum += term->weight * c->rank[search_by_column(by, term)];
    }
}

// What the formula makes of the losses of n candidates. block: (n_column + 1, n)
static int sum_scores(struct prune_candidate *c, size_t n, const struct search_by *by,
                      double *block, struct assay_err *err)
{
    struct assay_score_column column[ASSAY_SCORE_TERMS];
    const struct assay_score_rows rows = {.n = n, .column = column, .n_column = by->n_column};
    double *sum = block + by->n_column * n;
    for (uint32_t k = 0; k < by->n_column; k++) {
        for (size_t i = 0; i < n; i++) // a broken network has a value, the most of all
            block[k * n + i] = fmax(-DBL_MAX, fmin(DBL_MAX, loss(&c[i], by, k)));
        column[k] = (struct assay_score_column){
            .name = by->column[k]->name, .direction = 1, .value = block + k * n};
    }
    ASSAY_TRY(assay_score_evaluate(&by->formula, &rows, sum, NULL, err));
    for (size_t i = 0; i < n; i++) c[i].sum = sum[i];
    return 0;
}

int prune_rank(struct prune_candidate *c, size_t n, const struct search_by *by,
               struct assay_err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < by->n_column; k++) c[i].rank[k] = dense_rank(c, n, i, by, k);
        sum_ranks(&c[i], by);
    }
    if (!by->sum || by->formula.direction < 0) return 0;
    double *block = malloc((by->n_column + 1) * n * sizeof *block);
    const int status = block ? sum_scores(c, n, by, block, err)
                             : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a score");
    free(block);
    return status;
}

// ---- what goes ----------------------------------------------------------------------------------
static bool goes_first(const struct prune_candidate *a, const struct prune_candidate *b)
{
    return a->sum < b->sum || (a->sum == b->sum && a->rank[0] < b->rank[0]);
}

// Marks the next of n candidates to be pruned, and removes it from the mask.
static void prune_next(struct prune_candidate *c, size_t n, struct assay_supernet *mask)
{
    struct prune_candidate *first = NULL;
    for (size_t i = 0; i < n; i++)
        if (!c[i].pruned && (!first || goes_first(&c[i], first))) first = &c[i];
    first->pruned = true;
    mask->alive[first->cell][first->edge] &= (uint16_t) ~(1u << first->op);
}

// How many candidates, from c on, are on the same edge; with a kind, on edges that enter the same
// node.
static size_t group_size(const struct prune_candidate *c, size_t n,
                         const struct assay_supernet_kind *kind)
{
    size_t i = 1;
    while (i < n && c[i].cell == c->cell &&
           (kind ? kind->to[c[i].edge] == kind->to[c->edge] : c[i].edge == c->edge))
        i++;
    return i;
}

void prune_find_ties(const struct prune_candidate *c, size_t n, uint32_t n_column,
                     const struct assay_supernet_kind *kind, bool *tied)
{
    for (uint32_t k = 0; k < n_column; k++) tied[k] = true;
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, kind);
        for (size_t j = i + 1; j < i + size; j++)
            for (uint32_t k = 0; k < n_column; k++) tied[k] &= c[j].rank[k] == c[i].rank[k];
    }
}

void prune_ops(struct prune_candidate *c, size_t n, uint64_t number, struct assay_supernet *mask)
{
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, NULL);
        for (uint64_t k = 0; k < number; k++)
            if (assay_supernet_alive(mask, c[i].cell, c[i].edge) > 1) prune_next(c + i, size, mask);
    }
}

int prune_edges(struct prune_candidate *c, size_t n, const struct assay_supernet_kind *kind,
                const struct search_by *by, struct assay_supernet *mask, struct assay_err *err)
{
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, kind);
        ASSAY_TRY(prune_rank(c + i, size, by, err));
        for (size_t left = size; left > kind->keep; left--) prune_next(c + i, size, mask);
    }
    return 0;
}
