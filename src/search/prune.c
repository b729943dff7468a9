// SPDX-License-Identifier: Apache-2.0
#include "prune.h"

#include <math.h>
#include <stdlib.h>

bool prune_is_sound(double kappa)
{
    return isfinite(kappa) && kappa > 0;
}

double prune_delta_kappa(double k0, double k1)
{
    if (!prune_is_sound(k1)) return prune_is_sound(k0) ? -INFINITY : 0;
    return prune_is_sound(k0) ? (k0 - k1) / k0 : 1;
}

double prune_delta_regions(double r0, double r1)
{
    if (!isfinite(r0) || r0 <= 0) return 0;
    return isfinite(r1) ? (r0 - r1) / r0 : 1;
}

double prune_round(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.2e", x);
    return isfinite(x) ? strtod(text, NULL) : x;
}

// The dense rank: the number of distinct values before that of candidate `at`.
static uint32_t dense_rank(const struct prune_candidate *c, size_t n, size_t at, bool kappa)
{
    uint32_t rank = 0;
    const double x = kappa ? -c[at].delta_kappa : c[at].delta_regions;
    for (size_t i = 0; i < n; i++) {
        const double y = kappa ? -c[i].delta_kappa : c[i].delta_regions;
        bool first = y < x;
        for (size_t k = 0; first && k < i; k++)
            first = (kappa ? -c[k].delta_kappa : c[k].delta_regions) != y;
        rank += first;
    }
    return rank;
}

void prune_rank(struct prune_candidate *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c[i].rank_kappa = dense_rank(c, n, i, true);
        c[i].rank_regions = dense_rank(c, n, i, false);
    }
}

static double sum_of(const struct prune_candidate *c, const struct prune_weights *w)
{
    return w->kappa * c->rank_kappa + w->regions * c->rank_regions;
}

static bool goes_first(const struct prune_candidate *a, const struct prune_candidate *b,
                       const struct prune_weights *weights)
{
    const double x = sum_of(a, weights), y = sum_of(b, weights);
    return x < y || (x == y && a->rank_kappa < b->rank_kappa);
}

// Marks the next of n candidates to be pruned, and removes it from the mask.
static void prune_next(struct prune_candidate *c, size_t n, const struct prune_weights *weights,
                       struct assay_supernet *mask)
{
    struct prune_candidate *first = NULL;
    for (size_t i = 0; i < n; i++)
        if (!c[i].pruned && (!first || goes_first(&c[i], first, weights))) first = &c[i];
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

struct prune_ties prune_find_ties(const struct prune_candidate *c, size_t n,
                                  const struct assay_supernet_kind *kind)
{
    struct prune_ties ties = {true, true};
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, kind);
        for (size_t k = i + 1; k < i + size; k++) {
            ties.kappa &= c[k].rank_kappa == c[i].rank_kappa;
            ties.regions &= c[k].rank_regions == c[i].rank_regions;
        }
    }
    return ties;
}

void prune_ops(struct prune_candidate *c, size_t n, uint64_t number,
               const struct prune_weights *weights, struct assay_supernet *mask)
{
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, NULL);
        for (uint64_t k = 0; k < number; k++)
            if (assay_supernet_alive(mask, c[i].cell, c[i].edge) > 1)
                prune_next(c + i, size, weights, mask);
    }
}

void prune_edges(struct prune_candidate *c, size_t n, const struct assay_supernet_kind *kind,
                 const struct prune_weights *weights, struct assay_supernet *mask)
{
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(c + i, n - i, kind);
        prune_rank(c + i, size);
        for (size_t left = size; left > kind->keep; left--) prune_next(c + i, size, weights, mask);
    }
}
