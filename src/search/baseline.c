// SPDX-License-Identifier: Apache-2.0
#include "baseline.h"
#include "ranks.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// *finish has no columns where search.finish names none.
static int read_scores(const struct assay_config *config, struct search_by *by,
                       struct search_by *finish, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(config);
    *finish = (struct search_by){0};
    ASSAY_TRY(search_by_read(by, config, "search.by", s->by, err));
    return *s->finish ? search_by_read(finish, config, "search.finish", s->finish, err) : 0;
}

int baseline_set_metrics(struct assay_config *config, bool finish, struct assay_err *err)
{
    struct search_by by, last;
    char metrics[ASSAY_TEXT_MAX];
    ASSAY_TRY(read_scores(config, &by, &last, err));
    search_by_metrics(&by, finish ? &last : NULL, metrics);
    search_set_metrics(config, metrics);
    return 0;
}

int baseline_configure(struct assay_config *config, const struct assay_space *space,
                       struct assay_err *err)
{
    ASSAY_TRY(search_need_supernet(space, err));
    return baseline_set_metrics(config, false, err);
}

// ---- what is known -----------------------------------------------------------------------------
static void add_column(struct baseline *b, const char *name, int direction)
{
    for (uint32_t i = 0; i < b->n_column; i++)
        if (strcmp(b->column[i].name, name) == 0) return;
    b->column[b->n_column++] = (struct baseline_column){
        .name = name, .direction = direction, .at = search_column(b->c->schema, name)};
}

// Returns whether one of them needs no evaluation.
static bool add_columns(struct baseline *b, const struct search_by *by)
{
    bool count = false;
    for (uint32_t i = 0; i < by->n_column; i++) {
        add_column(b, by->column[i]->name, by->column[i]->direction);
        count |= by->metric[i]->count != NULL;
    }
    return count;
}

// kappa and regions are columns whatever decides, since the history has them.
static int open_columns(struct baseline *b, struct assay_err *err)
{
    ASSAY_TRY(read_scores(b->c->config, &b->by, &b->finish, err));
    add_column(b, "kappa", -1);
    add_column(b, "regions", 1);
    const bool count = add_columns(b, &b->by), last = add_columns(b, &b->finish);
    return count || last ? assay_columns_create(&b->counted, b->c->config, true, err) : 0;
}

int baseline_open(struct baseline *b, const struct search_context *c, const char *method,
                  uint64_t seed, struct assay_err *err)
{
    *b = (struct baseline){.c = c, .method = method, .seed = seed, .ranks = c->ranks};
    return open_columns(b, err);
}

int baseline_open_counts(struct baseline *b, const struct search_context *c, const char *method,
                         uint64_t seed, const struct search_by *by, struct assay_err *err)
{
    *b = (struct baseline){.c = c, .method = method, .seed = seed, .by = *by};
    add_columns(b, by);
    return assay_columns_create(&b->counted, c->config, true, err);
}

int baseline_open_samples(struct baseline *b, const struct search_context *c, const char *method,
                          uint64_t seed, struct assay_err *err)
{
    ASSAY_TRY(baseline_open(b, c, method, seed, err));
    b->samples = assay_config_search(c->config)->samples;
    if (!b->samples) {
        b->samples = search_tenas_cost(c);
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
    return assay_rng_below(rng, assay_space_size(b->c->space));
}

bool baseline_has(const struct baseline *b, uint64_t index)
{
    const struct assay_space *space = b->c->space;
    const uint64_t network = assay_space_canonical(space, index);
    for (size_t i = b->from; i < b->n; i++)
        if (assay_space_canonical(space, b->index[i]) == network) return true;
    return false;
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

int baseline_add(struct baseline *b, uint64_t index, struct assay_err *err)
{
    ASSAY_TRY(reserve(b, err));
    b->index[b->n] = index;
    for (uint32_t i = 0; i < b->n_column; i++) b->column[i].value[b->n] = NAN;
    b->value[b->n] = NAN;
    b->score[b->n++] = -INFINITY;
    return 0;
}

// Equal networks are one task, and all architectures share weights and batches.
int baseline_ask(struct baseline *b, struct search_round *round, uint64_t index)
{
    const struct search_task task = {.draw = {.seed = b->seed},
                                     .index = assay_space_canonical(b->c->space, index)};
    ASSAY_TRY(baseline_add(b, index, round->err));
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

const double *baseline_column(const struct baseline *b, const char *name)
{
    const struct baseline_column *column = b->column;
    while (strcmp(column->name, name) != 0) column++;
    return column->value;
}

static void rank_by_table(struct baseline *b)
{
    const double *column[ASSAY_SCORE_TERMS];
    for (uint32_t i = 0; i < b->by.n_column; i++)
        column[i] = baseline_column(b, b->by.column[i]->name) + b->from;
    search_ranks_evaluate(b->ranks, &b->by, column, b->n - b->from, b->value + b->from);
}

// Fills in the values by which the search decides.
static int decide(struct baseline *b, struct assay_err *err)
{
    struct assay_score_column column[ASSAY_LEN(b->column)];
    const size_t from = b->from;
    const struct assay_score_rows rows = {
        .n = b->n - from, .column = column, .n_column = b->n_column};
    for (uint32_t i = 0; i < b->n_column; i++)
        column[i] = (struct assay_score_column){.name = b->column[i].name,
                                                .direction = b->column[i].direction,
                                                .value = b->column[i].value + from};
    if (b->by.sum && b->ranks) return rank_by_table(b), 0;
    if (b->by.sum) return assay_score_evaluate(&b->by.formula, &rows, b->value + from, NULL, err);
    memcpy(b->value + from, baseline_column(b, b->by.column[0]->name) + from,
           rows.n * sizeof *b->value);
    return 0;
}

static int score_all(struct baseline *b, struct assay_err *err)
{
    ASSAY_TRY(decide(b, err));
    for (size_t i = b->from; i < b->n; i++)
        b->score[i] = isfinite(b->value[i]) ? b->by.direction * b->value[i] : -INFINITY;
    return 0;
}

int baseline_count(struct baseline *b, struct assay_err *err)
{
    for (size_t i = 0; i < b->n; i++) ASSAY_TRY(count(b, i, err));
    return score_all(b, err);
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

// ---- what is told -------------------------------------------------------------------------------
// What the column `value` of the history is; the other columns explain themselves.
static const char *value_help(const struct baseline *b)
{
    if (b->ranks)
        return "of search.by, of search.finish in marginal's last round; ranks of a sum are those "
               "against the rows of search.ranks";
    if (!strcmp(b->method, "marginal"))
        return "of search.by among those of its round, of search.finish in the last";
    const bool own = b->by.sum && !assay_score_find(assay_config_search(b->c->config)->by);
    return own ? "of the formula search.by among all"
               : "of the column search.by, mean over repeats; its rank sum among all "
                 "when that is tenas";
}

static void note_columns(const struct baseline *b, size_t i)
{
    struct search_history *history = b->c->history;
    char name[SEARCH_SERIES_NAME];
    const uint32_t n = b->by.sum || b->finish.n_column ? b->n_column : 2;
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
