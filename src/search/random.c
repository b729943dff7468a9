// SPDX-License-Identifier: Apache-2.0
// Random search: the best of so many uniformly drawn architectures, all different networks. Where
// search.screen names counts, only those that are best by them are evaluated.
#include "baseline.h"

#include <inttypes.h>
#include <stdlib.h>

struct random_search {
    struct baseline b;
    struct baseline drawn; // counted, not evaluated
    bool screens;
};

static int read_screen(struct search_by *screen, const struct assay_config *config,
                       struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(config);
    if (!s->screened || s->samples < s->screened)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.screened = %" PRIu64 ", search.samples = %" PRIu64
                             ": search.screen takes the former from the latter; expected at "
                             "least 1, and no more than samples",
                             s->screened, s->samples);
    ASSAY_TRY(search_by_read(screen, config, "search.screen", s->screen, err));
    for (uint32_t i = 0; i < screen->n_column; i++)
        if (!screen->metric[i]->count)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "search.screen = %.100s: %s is measured; expected columns that "
                                 "need no evaluation, such as params_live (cost's of `assay list "
                                 "metrics`)",
                                 s->screen, screen->column[i]->name);
    return 0;
}

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(config);
    struct search_by by, screen;
    char metrics[ASSAY_TEXT_MAX];
    if (!*s->screen && s->screened)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.screened = %" PRIu64 ": search.screen is empty, so that "
                             "nothing is screened; expected columns there, or 0 here",
                             s->screened);
    if (!*s->screen) return baseline_configure(config, space, err);
    ASSAY_TRY(search_need_supernet(space, err));
    ASSAY_TRY(search_by_read(&by, config, "search.by", s->by, err));
    ASSAY_TRY(read_screen(&screen, config, err));
    search_by_metrics(&by, &screen, metrics);
    search_set_metrics(config, metrics);
    return 0;
}

static int open_random(void **state, const struct search_context *c, uint64_t seed,
                       struct assay_err *err)
{
    struct random_search *r = calloc(1, sizeof *r);
    struct search_by screen;
    if (!r) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = r;
    r->screens = *assay_config_search(c->config)->screen;
    if (r->screens) {
        ASSAY_TRY(read_screen(&screen, c->config, err));
        ASSAY_TRY(baseline_open_counts(&r->drawn, c, "random", seed, &screen, err));
    }
    return baseline_open_samples(&r->b, c, "random", seed, err);
}

static uint64_t draw_new(const struct baseline *b, struct assay_rng *rng)
{
    uint64_t index = baseline_draw(b, rng);
    for (int i = 1; i < BASELINE_TRIES && baseline_has(b, index); i++)
        index = baseline_draw(b, rng);
    return index;
}

// Asks for those of the drawn architectures that are best by their counts, the best first.
static int ask_best(struct random_search *r, struct search_round *round)
{
    const struct baseline *drawn = &r->drawn;
    const struct assay_search_spec *s = assay_config_search(drawn->c->config);
    const struct assay_score_rows rows = {.n = drawn->n};
    uint64_t *block = malloc(2 * drawn->n * sizeof *block);
    const struct assay_ranking ranking = {.order = block, .rank = block + drawn->n};
    int status = 0;
    if (!block || !assay_score_rank(&rows, drawn->score, 1, &ranking))
        status = assay_err_set(round->err, ASSAY_ERR_MEMORY, "no memory for ranks");
    for (uint64_t i = 0; status >= 0 && i < s->screened; i++)
        status = baseline_ask(&r->b, round, drawn->index[ranking.order[i]]);
    free(block);
    return status;
}

static int screen(struct random_search *r, struct search_round *round, struct assay_rng *rng)
{
    struct baseline *drawn = &r->drawn;
    for (uint64_t i = 0; i < r->b.samples; i++)
        ASSAY_TRY(baseline_add(drawn, draw_new(drawn, rng), round->err));
    ASSAY_TRY(baseline_count(drawn, round->err));
    return ask_best(r, round);
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct random_search *r = state;
    struct baseline *b = &r->b;
    struct assay_rng rng;
    assay_rng_init(&rng, b->seed, 0, "search", "random");
    if (round->n_record) {
        ASSAY_TRY(baseline_take(b, round));
        baseline_note(b);
        return baseline_best(b, index, round->err);
    }
    if (r->screens) ASSAY_TRY(screen(r, round, &rng));
    for (uint64_t i = 0; !r->screens && i < b->samples; i++)
        ASSAY_TRY(baseline_ask(b, round, draw_new(b, &rng)));
    return 1;
}

static size_t first(const void *state, uint64_t *index, size_t n)
{
    return baseline_first(&((const struct random_search *)state)->b, index, n);
}

static void close_random(void *state)
{
    struct random_search *r = state;
    if (!r) return;
    baseline_close(&r->b);
    baseline_close(&r->drawn);
    free(r);
}

static uint64_t equal(const struct search_context *c, struct assay_config *config)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    const uint64_t evaluated = *s->screen ? s->screened : s->samples;
    return search_set_samples(config, evaluated ? evaluated : search_tenas_cost(c));
}

static uint64_t drawn(const void *state, uint64_t i)
{
    const struct baseline *b = &((const struct random_search *)state)->b;
    return i < b->n ? b->index[i] : UINT64_MAX;
}

const struct search_method search_random = {
    .name = "random",
    .help = "the best of random architectures by a score",
    .evaluator = &search_evaluator_metrics,
    .configure = configure,
    .open = open_random,
    .round = next_round,
    .best = first,
    .close = close_random,
    .random = &search_random,
    .equal = equal,
    .drawn = drawn,
};
