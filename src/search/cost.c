// SPDX-License-Identifier: Apache-2.0
// How many architectures cost as much as a TE-NAS search.
#include "method.h"

#include <math.h>

// FLOPs of TE-NAS's round on this supernet: as it is, once or beside each of the others
// (search.common), and without each operation that may go.
static double round_cost(const struct search_context *c, struct search_task *task)
{
    const struct assay_supernet_kind *k = c->space->kind->supernet;
    const bool common = assay_config_search(c->config)->common;
    const double whole = c->evaluator->cost(c->evaluator_state, task);
    double sum = common ? whole : 0;
    for (uint32_t i = 0; i < k->cells * k->edges; i++) {
        uint16_t *alive = &task->mask.alive[i / k->edges][i % k->edges];
        for (uint32_t op = 0; op < k->ops && __builtin_popcount(*alive) > 1; op++) {
            if (!(*alive & 1u << op)) continue;
            *alive ^= (uint16_t)(1u << op);
            sum += c->evaluator->cost(c->evaluator_state, task) + (common ? 0 : whole);
            *alive ^= (uint16_t)(1u << op);
        }
    }
    return sum;
}

static void prune_at_random(const struct assay_supernet_kind *k, uint64_t number,
                            struct assay_rng *rng, struct assay_supernet *mask)
{
    for (uint32_t i = 0; i < k->cells * k->edges; i++) {
        uint16_t *alive = &mask->alive[i / k->edges][i % k->edges];
        for (uint64_t n = 0; n < number && __builtin_popcount(*alive) > 1;) {
            const uint16_t bit = (uint16_t)(1u << assay_rng_below(rng, k->ops));
            n += (*alive & bit) != 0;
            *alive &= (uint16_t)~bit;
        }
    }
}

uint64_t search_tenas_cost(const struct search_context *c)
{
    enum { DRAWS = 64 };
    const struct assay_supernet_kind *k = c->space->kind->supernet;
    const uint64_t prune = assay_config_search(c->config)->prune;
    struct search_task task = {.index = UINT64_MAX};
    struct assay_rng rng;
    double search = 0, one = 0;
    assay_rng_init(&rng, 0, 0, "search", "equal cost");
    assay_space_full_supernet(c->space, false, &task.mask);
    while (!assay_supernet_is_discrete(&task.mask)) {
        search += round_cost(c, &task);
        prune_at_random(k, prune ? prune : k->keep ? 3 : 1, &rng, &task.mask);
    }
    for (int i = 0; i < DRAWS; i++) {
        const struct search_task arch = {.index =
                                             assay_rng_below(&rng, assay_space_size(c->space))};
        one += c->evaluator->cost(c->evaluator_state, &arch) / DRAWS;
    }
    return (uint64_t)fmax(1, rint(search / one));
}
