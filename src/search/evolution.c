// SPDX-License-Identifier: Apache-2.0
// Regularised evolution (Real et al. 2019, arXiv 1802.01548): the oldest die. Children are born
// and evaluated in groups, so that the order in which evaluations end decides nothing.
#include "baseline.h"

#include <stdlib.h>

struct evolution {
    struct baseline b;
    struct assay_rng rng;
};

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(config);
    ASSAY_TRY(baseline_configure(config, space, err));
    if (s->children <= s->population && s->tournament <= s->population) return 0;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search.tournament = %llu, search.children = %llu: at most "
                         "search.population = %llu",
                         (unsigned long long)s->tournament, (unsigned long long)s->children,
                         (unsigned long long)s->population);
}

static int open_evolution(void **state, const struct search_context *c, uint64_t seed,
                          struct assay_err *err)
{
    struct evolution *e = calloc(1, sizeof *e);
    if (!e) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = e;
    assay_rng_init(&e->rng, seed, 0, "search", "evolution");
    return baseline_open_samples(&e->b, c, "evolution", seed, err);
}

// Puts another operation on the edge. Where not all edges are kept, `none` is not among them.
static void change_op(const struct assay_supernet_kind *k, struct assay_rng *rng, uint16_t *alive)
{
    const uint32_t first = k->keep ? 1 : 0, n = k->ops - first;
    const uint32_t now = (uint32_t)__builtin_ctz(*alive) - first;
    const uint32_t other = (now + 1 + (uint32_t)assay_rng_below(rng, n - 1)) % n;
    *alive = (uint16_t)(1u << (first + other));
}

// Moves the operation to a free edge into the same node; false: there is none.
static bool change_parent(const struct assay_supernet_kind *k, struct assay_rng *rng,
                          uint16_t *alive, uint32_t edge)
{
    uint32_t free_edge[ASSAY_SUPERNET_EDGES], n = 0;
    for (uint32_t e = 0; e < k->edges; e++)
        if (k->to[e] == k->to[edge] && !alive[e]) free_edge[n++] = e;
    if (!n) return false;
    alive[free_edge[assay_rng_below(rng, n)]] = alive[edge];
    alive[edge] = 0;
    return true;
}

// Changes the operation of one edge. In spaces where edges are chosen too, it changes the edge's
// parent every second time.
static uint64_t mutate(struct evolution *e, uint64_t index)
{
    const struct assay_space *space = e->b.c->space;
    const struct assay_supernet_kind *k = space->kind->supernet;
    struct assay_supernet mask;
    uint32_t cell, edge;
    assay_space_index_supernet(space, index, &mask);
    do {
        cell = (uint32_t)assay_rng_below(&e->rng, k->cells);
        edge = (uint32_t)assay_rng_below(&e->rng, k->edges);
    } while (!mask.alive[cell][edge]);
    const bool parent = k->keep && assay_rng_below(&e->rng, 2);
    if (!parent || !change_parent(k, &e->rng, mask.alive[cell], edge))
        change_op(k, &e->rng, &mask.alive[cell][edge]);
    return k->index(space, &mask);
}

// The best of a tournament among the living, which are the youngest ones.
static uint64_t parent_of(struct evolution *e, size_t born)
{
    const struct assay_search_spec *s = assay_config_search(e->b.c->config);
    const size_t living = born < s->population ? born : s->population, oldest = born - living;
    size_t best = oldest + assay_rng_below(&e->rng, living);
    for (uint64_t i = 1; i < s->tournament; i++) {
        const size_t other = oldest + assay_rng_below(&e->rng, living);
        if (e->b.score[other] > e->b.score[best]) best = other;
    }
    return e->b.index[best];
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct evolution *e = state;
    struct baseline *b = &e->b;
    const struct assay_search_spec *s = assay_config_search(b->c->config);
    if (round->n_record) ASSAY_TRY(baseline_take(b, round));
    const size_t born = b->n;
    const uint64_t wanted = born ? s->children : s->population;
    for (uint64_t i = 0; i < wanted && b->n < b->samples; i++)
        ASSAY_TRY(baseline_ask(b, round,
                               born ? mutate(e, parent_of(e, born)) : baseline_draw(b, &e->rng)));
    if (b->n > born) return 1;
    baseline_note(b);
    return baseline_best(b, index, round->err);
}

static size_t first(const void *state, uint64_t *index, size_t n)
{
    return baseline_first(&((const struct evolution *)state)->b, index, n);
}

static void close_evolution(void *state)
{
    struct evolution *e = state;
    if (e) baseline_close(&e->b);
    free(e);
}

static uint64_t equal(const struct search_context *c, struct assay_config *config)
{
    const uint64_t samples = assay_config_search(c->config)->samples;
    return search_set_samples(config, samples ? samples : search_tenas_cost(c));
}

const struct search_method search_evolution = {
    .name = "evolution",
    .help = "regularised evolution by a score",
    .evaluator = &search_evaluator_metrics,
    .configure = configure,
    .open = open_evolution,
    .round = next_round,
    .best = first,
    .close = close_evolution,
    .random = &search_random,
    .equal = equal,
};
