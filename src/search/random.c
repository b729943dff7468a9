// SPDX-License-Identifier: Apache-2.0
// Random search: the best of so many uniformly drawn architectures, all different networks.
#include "baseline.h"

#include <stdlib.h>

static int open_random(void **state, const struct search_context *c, uint64_t seed,
                       struct assay_err *err)
{
    struct baseline *b = calloc(1, sizeof *b);
    if (!b) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = b;
    return baseline_open_samples(b, c, "random", seed, err);
}

static uint64_t draw_new(const struct baseline *b, struct assay_rng *rng)
{
    uint64_t index = baseline_draw(b, rng);
    for (int i = 1; i < BASELINE_TRIES && baseline_has(b, index); i++)
        index = baseline_draw(b, rng);
    return index;
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct baseline *b = state;
    struct assay_rng rng;
    assay_rng_init(&rng, b->seed, 0, "search", "random");
    if (round->n_record) {
        ASSAY_TRY(baseline_take(b, round));
        baseline_note(b);
        return baseline_best(b, index, round->err);
    }
    for (uint64_t i = 0; i < b->samples; i++) ASSAY_TRY(baseline_ask(b, round, draw_new(b, &rng)));
    return 1;
}

static void close_random(void *state)
{
    if (state) baseline_close(state);
    free(state);
}

const struct search_method search_random = {
    .name = "random",
    .help = "the best of random architectures by a column",
    .evaluator = &search_evaluator_metrics,
    .configure = baseline_configure,
    .open = open_random,
    .round = next_round,
    .close = close_random,
};
