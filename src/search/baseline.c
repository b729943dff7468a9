// SPDX-License-Identifier: Apache-2.0
#include "baseline.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int baseline_configure(struct assay_config *config, const struct assay_space *space,
                       struct assay_err *err)
{
    struct search_by by;
    char metrics[ASSAY_TEXT_MAX];
    ASSAY_TRY(search_need_supernet(space, err));
    ASSAY_TRY(search_by_read(&by, config, err));
    search_by_metrics(&by, metrics);
    search_set_metrics(config, metrics);
    return 0;
}

// ---- equal cost --------------------------------------------------------------------------------
// FLOPs of TE-NAS's round on this supernet: as it is, and without each operation that may go.
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

// How many mean architectures of the space cost as much as a TE-NAS search that prunes at random.
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

// ---- what is known -----------------------------------------------------------------------------
static void add_column(struct baseline *b, const char *name, int direction)
{
    for (uint32_t i = 0; i < b->n_column; i++)
        if (strcmp(b->column[i].name, name) == 0) return;
    b->column[b->n_column++] = (struct baseline_column){
        .name = name, .direction = direction, .at = search_column(b->c->schema, name)};
}

// kappa and regions are columns whatever decides, since the history has them.
static int open_columns(struct baseline *b, struct assay_err *err)
{
    bool count = false;
    ASSAY_TRY(search_by_read(&b->by, b->c->config, err));
    add_column(b, "kappa", -1);
    add_column(b, "regions", 1);
    for (uint32_t i = 0; i < b->by.n_column; i++) {
        add_column(b, b->by.column[i]->name, b->by.column[i]->direction);
        count |= b->by.metric[i]->count != NULL;
    }
    return count ? assay_columns_create(&b->counted, b->c->config, true, err) : 0;
}

int baseline_open(struct baseline *b, const struct search_context *c, const char *method,
                  uint64_t seed, struct assay_err *err)
{
    *b = (struct baseline){
        .c = c, .method = method, .seed = seed, .samples = assay_config_search(c->config)->samples};
    ASSAY_TRY(open_columns(b, err));
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
    free(b->block);
}

uint64_t baseline_draw(const struct baseline *b, struct assay_rng *rng)
{
    return draw_index(b->c->space, rng);
}

// Moves what is known of n architectures into a block that has room for cap of them.
static void spread(struct baseline *b, double *block, size_t cap)
{
    double **row[ASSAY_LEN(b->column) + 2];
    for (uint32_t i = 0; i < b->n_column; i++) row[i] = &b->column[i].value;
    row[b->n_column] = &b->value;
    row[b->n_column + 1] = &b->score;
    for (size_t i = 0; i < b->n_column + 2; i++) {
        if (b->n) memcpy(block + i * cap, *row[i], b->n * sizeof *block);
        *row[i] = block + i * cap;
    }
}

static int reserve(struct baseline *b, struct assay_err *err)
{
    if (b->n < b->cap) return 0;
    const size_t cap = b->cap ? 2 * b->cap : 64;
    uint64_t *index = realloc(b->index, cap * sizeof *index);
    if (index) b->index = index;
    double *block = malloc((b->n_column + 2) * cap * sizeof *block);
    if (!index || !block) {
        free(block);
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for architectures");
    }
    spread(b, block, cap);
    free(b->block);
    b->block = block;
    b->cap = cap;
    return 0;
}

// Equal networks are one task, and all architectures share weights and batches.
int baseline_ask(struct baseline *b, struct search_round *round, uint64_t index)
{
    const struct search_task task = {.draw = {.seed = b->seed},
                                     .index = assay_space_canonical(b->c->space, index)};
    ASSAY_TRY(reserve(b, round->err));
    b->index[b->n] = index;
    for (uint32_t i = 0; i < b->n_column; i++) b->column[i].value[b->n] = NAN;
    b->value[b->n] = NAN;
    b->score[b->n++] = -INFINITY;
    const int at = search_ask(round, task);
    return at < 0 ? at : 0;
}

static double mean_of(const struct baseline *b, const struct assay_record *record, uint32_t column)
{
    const struct assay_schema *s = b->c->schema;
    return column < s->n_column ? search_mean(s, record, column) : NAN;
}

// Fills in the columns that need no evaluation.
static int count(struct baseline *b, size_t at, struct assay_err *err)
{
    const struct assay_net net = assay_config_cost_net(b->c->config);
    double out[ASSAY_METRICS_MAX] = {0};
    struct assay_graph g;
    assay_graph_init(&g);
    const int status = assay_space_build(b->c->space, b->index[at], &net, &g, err);
    if (status >= 0) assay_columns_count(&b->counted, &g, out);
    assay_graph_free(&g);
    for (uint32_t i = 0; i < b->counted.n_column; i++)
        for (uint32_t k = 0; k < b->n_column; k++)
            if (strcmp(b->counted.column[i].name, b->column[k].name) == 0)
                b->column[k].value[at] = out[i];
    return status;
}

static const struct baseline_column *column_of(const struct baseline *b, const char *name)
{
    const struct baseline_column *column = b->column;
    while (strcmp(column->name, name) != 0) column++;
    return column;
}

// Fills in the values by which the search decides.
static int decide(struct baseline *b, struct assay_err *err)
{
    struct assay_score_column column[ASSAY_LEN(b->column)];
    const struct assay_score_rows rows = {.n = b->n, .column = column, .n_column = b->n_column};
    for (uint32_t i = 0; i < b->n_column; i++)
        column[i] = (struct assay_score_column){.name = b->column[i].name,
                                                .direction = b->column[i].direction,
                                                .value = b->column[i].value};
    if (b->by.sum) return assay_score_evaluate(&b->by.formula, &rows, b->value, NULL, err);
    memcpy(b->value, column_of(b, b->by.column[0]->name)->value, b->n * sizeof *b->value);
    return 0;
}

static int score_all(struct baseline *b, struct assay_err *err)
{
    ASSAY_TRY(decide(b, err));
    for (size_t i = 0; i < b->n; i++)
        b->score[i] = isfinite(b->value[i]) ? b->by.direction * b->value[i] : -INFINITY;
    return 0;
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
        for (uint32_t k = 0; k < b->n_column; k++)
            b->column[k].value[at] = mean_of(b, record, b->column[k].at);
        if (b->counted.n_column) ASSAY_TRY(count(b, at, round->err));
    }
    return score_all(b, round->err);
}

// ---- the decision -------------------------------------------------------------------------------
// Whether all architectures that have a score have the same value, which is then *value; false also
// when there are fewer than two.
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

// "kappa, as regions,"
static const char *all_names(const struct search_by *by, char *text, size_t cap)
{
    size_t n = (size_t)snprintf(text, cap, "%s", by->column[0]->name);
    for (uint32_t i = 1; i < by->n_column && n < cap; i++)
        n += (size_t)snprintf(text + n, cap - n, ", as %s", by->column[i]->name);
    if (by->n_column > 1 && n < cap) snprintf(text + n, cap - n, ",");
    return text;
}

// A sum decides nothing where each of its columns says nothing, or where they say the opposite of
// each other.
static int check_sum(const struct baseline *b, struct assay_err *err)
{
    const struct search_by *by = &b->by;
    double value[ASSAY_SCORE_TERMS] = {0}, sum = 0;
    bool equal[ASSAY_SCORE_TERMS], all = true;
    char names[512];
    for (uint32_t i = 0; i < by->n_column; i++) {
        equal[i] = all_equal(b, column_of(b, by->column[i]->name)->value, &value[i]);
        all &= equal[i];
    }
    if (all) return undecided(b, all_names(by, names, sizeof names), value[0], err);
    for (uint32_t i = 0; i < by->n_column; i++)
        if (equal[i]) warn_equal(b, by->column[i]->name, value[i]);
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
    const char *first = b->by.column[0]->name;
    const size_t ok = count_scored(b);
    double value = 0;
    if (!ok) return none_is_ok(b, first, err);
    if (2 * ok < b->n)
        assay_log_line(b->c->log, ASSAY_LOG_WARN,
                       "seed %" PRIu64
                       ": %s: %zu of %zu architectures are not ok and count for nothing (%s)",
                       b->seed, b->method, b->n - ok, b->n, b->reason);
    if (b->by.sum) return check_sum(b, err);
    return all_equal(b, b->value, &value) ? undecided(b, first, value, err) : 0;
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

// What the column `value` of the history is; the other columns explain themselves.
static const char *value_help(const struct baseline *b)
{
    const bool own = b->by.sum && !assay_score_find(assay_config_search(b->c->config)->by);
    return own ? "of the formula search.by among all"
               : "of the column search.by, mean over repeats; its rank sum among all "
                 "when that is tenas";
}

static void note_columns(const struct baseline *b, size_t i)
{
    struct search_history *history = b->c->history;
    char name[sizeof "architectures/" + ASSAY_NAME_MAX];
    const uint32_t n = b->by.sum ? b->n_column : 2;
    for (uint32_t k = 0; k < n; k++) {
        snprintf(name, sizeof name, "architectures/%s", b->column[k].name);
        search_history_number(history, name, b->column[k].value[i], "mean over repeats");
    }
    search_history_number(history, "architectures/value", b->value[i], value_help(b));
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
        note_columns(b, i);
    }
}
