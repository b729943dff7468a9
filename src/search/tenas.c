// SPDX-License-Identifier: Apache-2.0
// TE-NAS (arXiv 2102.11535): from the full supernet on, every round prunes on each edge the
// operations whose removal hurts kappa and regions least; then, where the space keeps but some
// edges of a node, whole edges. Another score than that of these two may decide.
#include "tenas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// More draws than a round takes, so that rounds do not share any.
#define ROUND_DRAWS 4096

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    struct search_by by;
    char metrics[ASSAY_TEXT_MAX];
    const struct assay_search_spec *s = assay_config_search(config);
    ASSAY_TRY(search_need_supernet(space, err));
    if (*s->ranks)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.ranks = %.200s: tenas ranks what supernets lose, which no "
                             "file of architectures tells; expected random, evolution or marginal",
                             s->ranks);
    ASSAY_TRY(search_by_read(&by, config, "search.by", s->by, err));
    search_by_metrics(&by, NULL, metrics);
    search_set_metrics(config, metrics);
    return 0;
}

// ---- what is asked ------------------------------------------------------------------------------
const struct assay_supernet_kind *tenas_kind(const struct tenas *t)
{
    return t->c->space->kind->supernet;
}

// Lists all operations, or edges, that may go. Of edges, those stay that enter a node together with
// no more than it keeps.
static void list_candidates(struct tenas *t)
{
    const struct assay_supernet_kind *k = tenas_kind(t);
    t->n = 0;
    for (uint32_t i = 0; i < k->cells * k->edges; i++) {
        const uint32_t cell = i / k->edges, edge = i % k->edges;
        uint32_t into = 0;
        for (uint32_t e = 0; e < k->edges; e++) into += k->to[e] == k->to[edge];
        if (t->edges ? into <= k->keep : assay_supernet_alive(&t->mask, cell, edge) < 2) continue;
        for (uint32_t op = 0; op < k->ops; op++) {
            if (!(t->mask.alive[cell][edge] & 1u << op)) continue;
            t->candidate[t->n++] = (struct prune_candidate){.cell = cell, .edge = edge, .op = op};
        }
    }
}

static struct search_task make_task(const struct tenas *t, const struct assay_supernet *mask,
                                    uint64_t draw)
{
    const struct assay_protocol *p = assay_config_protocol(t->c->config);
    const uint64_t round = t->n_round * ROUND_DRAWS * p->repeats;
    const uint64_t own = round + draw * p->repeats;
    return (struct search_task){
        .draw = {.seed = t->seed, .weights = p->redraw ? own : round, .batches = own},
        .what = p->redraw ? 0 : own - round, // thin weights are new for every candidate
        .index = UINT64_MAX,
        .mask = *mask};
}

static struct assay_supernet without(const struct tenas *t, size_t i)
{
    const struct prune_candidate *c = &t->candidate[i];
    struct assay_supernet mask = t->mask;
    mask.alive[c->cell][c->edge] &= (uint16_t) ~(1u << c->op);
    return mask;
}

// Asks for the supernet once and then for each candidate, where they share draws; otherwise for the
// supernet before each candidate.
static int ask(struct tenas *t, struct search_round *round)
{
    const bool common = assay_config_search(t->c->config)->common;
    for (size_t i = 0; i < t->n; i++) {
        const struct assay_supernet mask = without(t, i);
        if (!common || i == 0) ASSAY_TRY(search_ask(round, make_task(t, &t->mask, common ? 0 : i)));
        ASSAY_TRY(search_ask(round, make_task(t, &mask, common ? 0 : i)));
    }
    return 1;
}

// ---- what is answered ---------------------------------------------------------------------------
double tenas_value(const struct tenas *t, const struct tenas_seen *seen, uint32_t repeat,
                   uint32_t column)
{
    const uint32_t n = t->c->schema->n_column;
    if (t->at[column] < n) return seen->record->value[(size_t)repeat * n + t->at[column]];
    return seen->record->verdict == ASSAY_VERDICT_DEAD ? NAN : seen->counted[column];
}

// Fills in the columns that need no evaluation.
static int count(const struct tenas *t, const struct assay_supernet *mask, struct tenas_seen *seen,
                 struct assay_err *err)
{
    const struct assay_net net = assay_config_cost_net(t->c->config);
    double out[ASSAY_METRICS_MAX] = {0};
    struct assay_graph g;
    if (!t->counted.n_column) return 0;
    assay_graph_init(&g);
    const int status = assay_space_build_supernet(t->c->space, mask, &net, &g, err);
    if (status >= 0) assay_columns_count(&t->counted, &g, out);
    assay_graph_free(&g);
    for (uint32_t k = 0; k < t->by.n_column; k++)
        for (uint32_t i = 0; i < t->counted.n_column; i++)
            if (strcmp(t->counted.column[i].name, t->by.column[k]->name) == 0)
                seen->counted[k] = out[i];
    return status;
}

static int see(struct tenas *t, const struct search_round *round)
{
    const bool common = assay_config_search(t->c->config)->common;
    ASSAY_TRY(count(t, &t->mask, &t->base[0], round->err));
    for (size_t i = 0; i < t->n; i++) {
        const struct assay_supernet mask = without(t, i);
        t->base[i] = t->base[0];
        t->base[i].record = round->record[common ? 0 : 2 * i];
        t->one[i].record = round->record[common ? i + 1 : 2 * i + 1];
        ASSAY_TRY(count(t, &mask, &t->one[i], round->err));
    }
    return 0;
}

// A network that breaks by one column in one repeat is broken: then no other speaks for the removal
// either.
static void compare(struct tenas *t, size_t i)
{
    const uint32_t repeats = t->c->schema->repeats;
    struct prune_candidate *c = &t->candidate[i];
    bool broken = false;
    for (uint32_t k = 0; k < t->by.n_column; k++) {
        double sum = 0;
        for (uint32_t r = 0; r < repeats; r++)
            sum += prune_delta(tenas_value(t, &t->base[i], r, k), tenas_value(t, &t->one[i], r, k),
                               t->by.column[k]->direction);
        c->delta[k] = prune_round(sum / repeats);
        broken |= isinf(c->delta[k]);
    }
    for (uint32_t k = 0; broken && k < t->by.n_column; k++)
        c->delta[k] = t->by.column[k]->direction < 0 ? -INFINITY : INFINITY;
}

static int check_base(const struct tenas *t, const struct search_round *round)
{
    const struct assay_record *base = round->record[0];
    char text[ASSAY_ARCH_MAX] = "";
    if (base->verdict != ASSAY_VERDICT_FAILED) return 0;
    assay_space_format_supernet(t->c->space, &t->mask, text, sizeof text);
    return assay_err_set(round->err, ASSAY_ERR_MEMORY, "supernet %s: %s", text, base->reason);
}

// ---- the search ---------------------------------------------------------------------------------
static int judge(struct tenas *t, struct search_round *round)
{
    const struct assay_supernet before = t->mask;
    ASSAY_TRY(check_base(t, round));
    ASSAY_TRY(see(t, round));
    t->n_round++;
    for (size_t i = 0; i < t->n; i++) compare(t, i);
    if (t->edges) {
        ASSAY_TRY(prune_edges(t->candidate, t->n, tenas_kind(t), &t->by, &t->mask, round->err));
    } else {
        ASSAY_TRY(prune_rank(t->candidate, t->n, &t->by, round->err));
        prune_ops(t->candidate, t->n, t->prune, &t->mask);
    }
    ASSAY_TRY(tenas_check_round(t, round->err));
    tenas_tell(t, round, &before);
    return 0;
}

// Prunes `none` first, on all edges, as the released code does.
static void prune_none(struct tenas *t)
{
    assay_space_full_supernet(t->c->space, true, &t->mask);
    const unsigned before = search_count_alive(tenas_kind(t), &t->mask);
    assay_space_full_supernet(t->c->space, false, &t->mask);
    assay_log_line(t->c->log, ASSAY_LOG_INFO, "seed %llu: pruned none on every edge; %u of %u left",
                   (unsigned long long)t->seed, search_count_alive(tenas_kind(t), &t->mask),
                   before);
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct tenas *t = state;
    if (round->n_record)
        ASSAY_TRY(judge(t, round));
    else
        prune_none(t);
    list_candidates(t);
    if (t->n == 0 && !t->edges && tenas_kind(t)->keep) {
        t->edges = true;
        list_candidates(t);
    } else if (t->edges) {
        t->n = 0;
    }
    if (t->n) return ask(t, round);
    tenas_warn_tied(t);
    return assay_space_supernet_index(t->c->space, &t->mask, index, round->err);
}

static int open_columns(struct tenas *t, struct assay_err *err)
{
    const struct assay_config *config = t->c->config;
    bool count = false;
    ASSAY_TRY(search_by_read(&t->by, config, "search.by", assay_config_search(config)->by, err));
    for (uint32_t k = 0; k < t->by.n_column; k++) {
        t->at[k] = search_column(t->c->schema, t->by.column[k]->name);
        count |= t->by.metric[k]->count != NULL;
    }
    return count ? assay_columns_create(&t->counted, config, true, err) : 0;
}

static int open_tenas(void **state, const struct search_context *c, uint64_t seed,
                      struct assay_err *err)
{
    struct tenas *t = calloc(1, sizeof *t);
    if (!t) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = t;
    t->c = c;
    t->seed = seed;
    t->prune = assay_config_search(c->config)->prune;
    if (!t->prune) t->prune = tenas_kind(t)->keep ? 3 : 1;
    return open_columns(t, err);
}

static void close_tenas(void *state)
{
    struct tenas *t = state;
    if (t) assay_columns_free(&t->counted);
    free(t);
}

static uint64_t equal(const struct search_context *c, struct assay_config *config)
{
    return search_set_samples(config, search_tenas_cost(c));
}

const struct search_method search_tenas = {
    .name = "tenas",
    .help = "TE-NAS: prunes supernets by what each operation means to a score (kappa and regions)",
    .evaluator = &search_evaluator_metrics,
    .configure = configure,
    .open = open_tenas,
    .round = next_round,
    .close = close_tenas,
    .random = &search_random,
    .equal = equal,
};
