// SPDX-License-Identifier: Apache-2.0
#include "baseline.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANK_SUM "tenas"

// ---- the column
// -----------------------------------------------------------------------------------
static const struct assay_metric *metric_of(const char *column, const struct assay_column **which)
{
    for (const struct assay_metric *const *m = assay_metrics; *m; m++) {
        for (uint32_t i = 0; i < (*m)->n_column; i++) {
            *which = &(*m)->column[i];
            if (strcmp((*which)->name, column) == 0) return *m;
        }
    }
    return NULL;
}

int baseline_configure(struct assay_config *config, const struct assay_space *space,
                       struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(config);
    const struct assay_column *column;
    const struct assay_metric *m = metric_of(s->by, &column);
    ASSAY_TRY(search_need_supernet(space, err));
    if (!strcmp(s->by, RANK_SUM)) {
        search_set_metrics(config, "ntk,regions");
        return 0;
    }
    if (!m || !column->direction)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.by = %.100s: expected " RANK_SUM " or a column that is better "
                             "when smaller or larger (`assay list metrics`)",
                             s->by);
    search_set_metrics(config, m->name);
    return 0;
}

// ---- equal cost
// ----------------------------------------------------------------------------------- FLOPs of the
// round of this supernet: itself, and without each operation that may go.
static double round_cost(const struct search_context *c, struct search_task *task)
{
    const struct assay_supernet_kind *k = c->space->kind->supernet;
    double sum = c->evaluator->cost(c->evaluator_state, task);
    for (uint32_t i = 0; i < k->cells * k->edges; i++) {
        uint16_t *alive = &task->mask.alive[i / k->edges][i % k->edges];
        for (uint32_t op = 0; op < k->ops && __builtin_popcount(*alive) > 1; op++) {
            if (!(*alive & 1u << op)) continue;
            *alive ^= (uint16_t)(1u << op);
            sum += c->evaluator->cost(c->evaluator_state, task);
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

static uint64_t draw_index(const struct assay_space *space, struct assay_rng *rng)
{
    return assay_rng_below(rng, assay_space_size(space));
}

// What a TE-NAS search that prunes at random costs, in mean architectures of the space.
static int tenas_cost(const struct search_context *c, uint64_t *architectures,
                      struct assay_err *err)
{
    enum { DRAWS = 64 };
    const struct assay_supernet_kind *k = c->space->kind->supernet;
    const uint64_t prune = assay_config_search(c->config)->prune;
    struct search_task task = {.index = UINT64_MAX};
    struct assay_rng rng;
    double search = 0, one = 0;
    (void)err;
    assay_rng_init(&rng, 0, 0, "search", "equal cost");
    assay_space_full_supernet(c->space, false, &task.mask);
    while (!assay_supernet_is_discrete(&task.mask)) {
        search += round_cost(c, &task);
        prune_at_random(k, prune ? prune : k->keep ? 3 : 1, &rng, &task.mask);
    }
    for (int i = 0; i < DRAWS; i++) {
        const struct search_task arch = {.index = draw_index(c->space, &rng)};
        one += c->evaluator->cost(c->evaluator_state, &arch) / DRAWS;
    }
    *architectures = (uint64_t)fmax(1, rint(search / one));
    return 0;
}

// ---- what is known
// --------------------------------------------------------------------------------
int baseline_open(struct baseline *b, const struct search_context *c, const char *method,
                  uint64_t seed, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    const struct assay_column *column = NULL;
    const struct assay_metric *m = metric_of(s->by, &column);
    *b = (struct baseline){.c = c, .method = method, .seed = seed, .samples = s->samples};
    b->by = search_column(c->schema, s->by);
    b->by_kappa = search_column(c->schema, "kappa");
    b->by_regions = search_column(c->schema, "regions");
    b->direction = m ? column->direction : -1;
    if (m && m->count) ASSAY_TRY(assay_columns_create(&b->counted, c->config, true, err));
    if (!b->samples) {
        ASSAY_TRY(tenas_cost(c, &b->samples, err));
        assay_log_line(c->log, ASSAY_LOG_INFO,
                       "seed %" PRIu64 ": %s of %" PRIu64
                       " architectures, as many as cost the FLOPs of "
                       "a TE-NAS search",
                       seed, method, b->samples);
    }
    return 0;
}

void baseline_close(struct baseline *b)
{
    assay_columns_free(&b->counted);
    free(b->index);
    free(b->kappa);
}

uint64_t baseline_draw(const struct baseline *b, struct assay_rng *rng)
{
    return draw_index(b->c->space, rng);
}

static int reserve(struct baseline *b, struct assay_err *err)
{
    if (b->n < b->cap) return 0;
    const size_t cap = b->cap ? 2 * b->cap : 64;
    uint64_t *index = realloc(b->index, cap * sizeof *index);
    if (index) b->index = index;
    double *kappa = malloc(4 * cap * sizeof *kappa);
    if (!index || !kappa) {
        free(kappa);
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for architectures");
    }
    double *const row[] = {b->kappa, b->regions, b->value, b->score};
    for (size_t i = 0; b->n && i < 4; i++) memcpy(kappa + i * cap, row[i], b->n * sizeof *kappa);
    free(b->kappa);
    b->kappa = kappa;
    b->regions = kappa + cap;
    b->value = kappa + 2 * cap;
    b->score = kappa + 3 * cap;
    b->cap = cap;
    return 0;
}

// Equal networks are one task; all architectures share weights and batches.
int baseline_ask(struct baseline *b, struct search_round *round, uint64_t index)
{
    const struct search_task task = {.draw = {.seed = b->seed},
                                     .index = assay_space_canonical(b->c->space, index)};
    ASSAY_TRY(reserve(b, round->err));
    b->index[b->n] = index;
    b->kappa[b->n] = b->regions[b->n] = b->value[b->n] = NAN;
    b->score[b->n++] = -INFINITY;
    const int at = search_ask(round, task);
    return at < 0 ? at : 0;
}

static int count_one(const struct baseline *b, uint64_t index, double *value, struct assay_err *err)
{
    const struct assay_net net = assay_config_cost_net(b->c->config);
    double out[ASSAY_METRICS_MAX] = {0};
    struct assay_graph g;
    assay_graph_init(&g);
    const int status = assay_space_build(b->c->space, index, &net, &g, err);
    if (status >= 0) assay_columns_count(&b->counted, &g, out);
    assay_graph_free(&g);
    for (uint32_t i = 0; i < b->counted.n_column; i++)
        if (!strcmp(b->counted.column[i].name, assay_config_search(b->c->config)->by))
            *value = out[i];
    return status;
}

static double mean_of(const struct baseline *b, const struct assay_record *record, uint32_t column)
{
    const struct assay_schema *s = b->c->schema;
    return column < s->n_column ? search_mean(s, record, column) : NAN;
}

// 1 + the number of better ones.
static double rank_of(const double *x, size_t n, size_t at, int direction)
{
    double rank = 1;
    for (size_t i = 0; i < n; i++) rank += direction * (x[i] - x[at]) > 0;
    return rank;
}

static bool is_rank_sum(const struct baseline *b)
{
    return b->by == b->c->schema->n_column && !b->counted.n_column;
}

static void score_all(struct baseline *b)
{
    const bool sum = is_rank_sum(b);
    for (size_t i = 0; i < b->n; i++) {
        if (sum)
            b->value[i] = isfinite(b->kappa[i]) && isfinite(b->regions[i])
                              ? rank_of(b->kappa, b->n, i, -1) + rank_of(b->regions, b->n, i, 1)
                              : NAN;
        b->score[i] = isfinite(b->value[i]) ? b->direction * b->value[i] : -INFINITY;
    }
}

int baseline_take(struct baseline *b, const struct search_round *round)
{
    for (size_t i = 0; i < round->n_record; i++) {
        const struct assay_record *record = round->record[i];
        const size_t at = b->n - round->n_record + i;
        if (record->verdict != ASSAY_VERDICT_OK) {
            if (!*b->reason) memcpy(b->reason, record->reason, sizeof b->reason);
            continue;
        }
        b->kappa[at] = mean_of(b, record, b->by_kappa);
        b->regions[at] = mean_of(b, record, b->by_regions);
        b->value[at] = mean_of(b, record, b->by);
        if (b->counted.n_column) ASSAY_TRY(count_one(b, b->index[at], &b->value[at], round->err));
    }
    score_all(b);
    return 0;
}

// ---- the decision -------------------------------------------------------------------------------
// Of those with a score; *value is the first's. False when there are fewer than two, too.
static bool all_equal(const struct baseline *b, const double *column, double *value)
{
    size_t n = 0;
    bool equal = true;
    for (size_t i = 0; i < b->n; i++) {
        if (!isfinite(b->score[i])) continue;
        if (n++ == 0) *value = column[i];
        equal &= column[i] == *value;
    }
    return n > 1 && equal;
}

static size_t count_scored(const struct baseline *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) n += isfinite(b->score[i]);
    return n;
}

static int undecided(const struct baseline *b, const char *column, double value,
                     struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "seed %" PRIu64 ": %s: %s is %.6g for each of the %zu architectures that "
                         "are ok, so that nothing decides between them",
                         b->seed, b->method, column, value, count_scored(b));
}

static void warn_equal(const struct baseline *b, const char *what, double value)
{
    assay_log_line(b->c->log, ASSAY_LOG_WARN,
                   "seed %" PRIu64 ": %s: %s decided nothing: %.6g for each of the %zu "
                   "architectures that are ok",
                   b->seed, b->method, what, value, count_scored(b));
}

// Kappa and regions may each say nothing, or the opposite of each other.
static int check_sum(const struct baseline *b, struct assay_err *err)
{
    double kappa = 0, regions = 0, sum = 0;
    const bool no_kappa = all_equal(b, b->kappa, &kappa);
    const bool no_regions = all_equal(b, b->regions, &regions);
    if (no_kappa && no_regions) return undecided(b, "kappa, as regions,", kappa, err);
    if (no_kappa) warn_equal(b, "kappa", kappa);
    if (no_regions) warn_equal(b, "regions", regions);
    if (all_equal(b, b->value, &sum)) warn_equal(b, "the sum of ranks", sum);
    return 0;
}

static int none_is_ok(const struct baseline *b, const char *column, struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(b->c->config);
    char why[256] = "";
    if (!strncmp(p->metrics, "ntk", 3))
        snprintf(why, sizeof why, "; " SEARCH_SINGULAR,
                 (unsigned long long)assay_config_ntk(b->c->config)->batch);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "seed %" PRIu64
                         ": %s: %s is infinite or undefined for all of the %zu architectures "
                         "evaluated, so that it decides nothing (%s)%s",
                         b->seed, b->method, column, b->n, b->reason, why);
}

static int check_decided(const struct baseline *b, struct assay_err *err)
{
    const char *by = assay_config_search(b->c->config)->by;
    const bool sum = is_rank_sum(b);
    const size_t ok = count_scored(b);
    double value = 0;
    if (!ok) return none_is_ok(b, sum ? "kappa" : by, err);
    if (2 * ok < b->n)
        assay_log_line(b->c->log, ASSAY_LOG_WARN,
                       "seed %" PRIu64
                       ": %s: %zu of %zu architectures are not ok and count for nothing (%s)",
                       b->seed, b->method, b->n - ok, b->n, b->reason);
    if (sum) return check_sum(b, err);
    return all_equal(b, b->value, &value) ? undecided(b, by, value, err) : 0;
}

int baseline_best(const struct baseline *b, uint64_t *index, struct assay_err *err)
{
    size_t best = 0;
    ASSAY_TRY(check_decided(b, err));
    for (size_t i = 1; i < b->n; i++)
        if (b->score[i] > b->score[best]) best = i;
    *index = b->index[best];
    return 0;
}

void baseline_note(const struct baseline *b)
{
    struct search_history *history = b->c->history;
    for (size_t i = 0; i < b->n; i++) {
        char arch[ASSAY_ARCH_MAX] = "";
        assay_space_format(b->c->space, b->index[i], arch, sizeof arch);
        search_history_text(history, "architectures/method", b->method, "of the search");
        search_history_int(history, "architectures/seed", (int64_t)b->seed, "of the search");
        search_history_int(history, "architectures/index", (int64_t)b->index[i], "in the space");
        search_history_text(history, "architectures/arch", arch, "evaluated, in this order");
        search_history_number(history, "architectures/kappa", b->kappa[i], "mean over repeats");
        search_history_number(history, "architectures/regions", b->regions[i], "mean over repeats");
        search_history_number(history, "architectures/value", b->value[i],
                              "of the column search.by, mean over repeats; its rank sum among all "
                              "when that is tenas");
    }
}
