// SPDX-License-Identifier: Apache-2.0
// marginal: from all operations on, every round evaluates random architectures of what is alive and
// takes from every edge the operation whose architectures rank worst in the mean; then, where the
// space keeps but some edges of a node, whole edges likewise. The last ones are all evaluated.
#include "baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES (ASSAY_SUPERNET_CELLS * ASSAY_SUPERNET_EDGES)
#define OPS     16

struct marginal {
    struct baseline b;
    struct assay_rng rng;
    struct assay_supernet mask;
    uint64_t round_size, last; // architectures of a round; at most so many are all evaluated
    uint64_t n_round;
    bool all; // the round that was asked has all that are left
};

// Sums of ranks over the architectures that have an operation on an edge.
struct means {
    double sum[CHOICES][OPS];
    uint64_t n[CHOICES][OPS];
};

static int no_choices(const struct assay_space *space, struct assay_err *err)
{
    char known[256] = "";
    for (const struct assay_space_kind *const *k = assay_space_kinds; *k; k++) {
        const size_t at = strlen(known);
        if ((*k)->supernet)
            snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", (*k)->name);
    }
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search space %s: marginal takes operations from edges, and there are "
                         "none to take; expected one of %s",
                         space->kind->name, known);
}

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    if (!space->kind->supernet) return no_choices(space, err);
    return baseline_set_metrics(config, true, err);
}

// ---- what is alive ------------------------------------------------------------------------------
static const struct assay_supernet_kind *kind_of(const struct marginal *m)
{
    return m->b.c->space->kind->supernet;
}

static bool is_alive(const struct marginal *m, uint32_t choice)
{
    return m->mask.alive[choice / kind_of(m)->edges][choice % kind_of(m)->edges] != 0;
}

// The choices from `first` on that enter the same node.
static uint32_t node_end(const struct assay_supernet_kind *k, uint32_t first)
{
    uint32_t i = first + 1;
    while (i % k->edges && k->to[i % k->edges] == k->to[first % k->edges]) i++;
    return i;
}

// How many ways there are to make `keep` of the node's edges, each with one operation.
static double node_ways(const struct marginal *m, uint32_t first, uint32_t end, uint32_t keep)
{
    const struct assay_supernet_kind *k = kind_of(m);
    double ways[ASSAY_SUPERNET_EDGES + 1] = {1};
    for (uint32_t i = first; i < end; i++)
        for (uint32_t n = i - first + 1; n > 0; n--)
            ways[n] += ways[n - 1] * assay_supernet_alive(&m->mask, i / k->edges, i % k->edges);
    return ways[keep ? keep : end - first];
}

static double count_left(const struct marginal *m)
{
    const struct assay_supernet_kind *k = kind_of(m);
    double ways = 1;
    for (uint32_t i = 0, end; i < k->cells * k->edges; i = end) {
        end = node_end(k, i);
        ways *= node_ways(m, i, end, k->keep);
    }
    return ways;
}

// ---- what is asked ------------------------------------------------------------------------------
static uint16_t draw_bit(struct assay_rng *rng, uint16_t alive)
{
    uint64_t skip = assay_rng_below(rng, (uint64_t)__builtin_popcount(alive));
    for (; skip; skip--) alive &= (uint16_t)(alive - 1);
    return (uint16_t)(alive & -alive);
}

// Gives operations to `keep` of the node's edges that are alive, all choices equally likely.
static void draw_node(struct marginal *m, uint32_t first, uint32_t end, struct assay_supernet *arch)
{
    const uint32_t edges = kind_of(m)->edges, keep = kind_of(m)->keep;
    uint32_t left = 0, wanted;
    for (uint32_t i = first; i < end; i++) left += is_alive(m, i);
    wanted = keep ? keep : left;
    for (uint32_t i = first; i < end; i++) {
        if (!is_alive(m, i) || assay_rng_below(&m->rng, left--) >= wanted) continue;
        wanted--;
        arch->alive[i / edges][i % edges] = draw_bit(&m->rng, m->mask.alive[i / edges][i % edges]);
    }
}

static uint64_t draw(struct marginal *m)
{
    const struct assay_supernet_kind *k = kind_of(m);
    struct assay_supernet arch = {{{0}}};
    for (uint32_t i = 0, end; i < k->cells * k->edges; i = end) {
        end = node_end(k, i);
        draw_node(m, i, end, &arch);
    }
    return k->index(m->b.c->space, &arch);
}

static int ask_some(struct marginal *m, struct search_round *round)
{
    for (uint64_t n = 0; n < m->round_size; n++) {
        uint64_t index = draw(m);
        for (int i = 1; i < BASELINE_TRIES && baseline_has(&m->b, index); i++) index = draw(m);
        ASSAY_TRY(baseline_ask(&m->b, round, index));
    }
    return 0;
}

// Asks for every architecture that continues `arch` from choice i on; `made`: the edges of i's node
// that have an operation so far.
static int ask_all(struct marginal *m, struct search_round *round, struct assay_supernet *arch,
                   uint32_t i, uint32_t made)
{
    const struct assay_supernet_kind *k = kind_of(m);
    if (i == k->cells * k->edges) return baseline_ask(&m->b, round, k->index(m->b.c->space, arch));
    const bool ends = i + 1 == node_end(k, i);
    uint16_t *at = &arch->alive[i / k->edges][i % k->edges];
    for (uint16_t left = m->mask.alive[i / k->edges][i % k->edges]; left;
         left &= (uint16_t)(left - 1)) {
        if (k->keep && (made == k->keep || (ends && made + 1 < k->keep))) break;
        *at = (uint16_t)(left & -left);
        ASSAY_TRY(ask_all(m, round, arch, i + 1, ends ? 0 : made + 1));
    }
    *at = 0;
    if (!k->keep || (ends && made < k->keep)) return 0;
    return ask_all(m, round, arch, i + 1, ends ? 0 : made);
}

static int ask(struct marginal *m, struct search_round *round)
{
    struct assay_supernet arch = {{{0}}};
    m->b.from = m->b.n;
    m->all = count_left(m) <= (double)m->last;
    if (!m->all) return ask_some(m, round);
    if (m->b.finish.n_column) m->b.by = m->b.finish;
    return ask_all(m, round, &arch, 0, 0);
}

// ---- what is answered ---------------------------------------------------------------------------
// Ranks the architectures of the round, those that are not OK last.
static int rank(const struct marginal *m, struct means *means, struct assay_err *err)
{
    const struct assay_supernet_kind *k = kind_of(m);
    const struct baseline *b = &m->b;
    const struct assay_score_rows rows = {.n = b->n - b->from};
    uint64_t *block = malloc(2 * rows.n * sizeof *block);
    const struct assay_ranking ranking = {.order = block, .rank = block + rows.n};
    const bool ranked = block && assay_score_rank(&rows, b->score + b->from, 1, &ranking);
    *means = (struct means){0};
    for (size_t i = 0; ranked && i < rows.n; i++) {
        struct assay_supernet arch;
        assay_space_index_supernet(b->c->space, b->index[b->from + i], &arch);
        for (uint32_t c = 0; c < k->cells * k->edges; c++) {
            const uint16_t alive = arch.alive[c / k->edges][c % k->edges];
            if (!alive) continue;
            means->sum[c][__builtin_ctz(alive)] += (double)ranking.rank[i];
            means->n[c][__builtin_ctz(alive)]++;
        }
    }
    free(block);
    return ranked ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for ranks");
}

static double mean_of(const struct means *means, uint32_t choice, uint32_t op)
{
    return means->sum[choice][op] / (double)means->n[choice][op];
}

// Takes from every edge with more than one operation the worst, of equal ones the first; those that
// no architecture of the round has stay.
static void prune_ops(struct marginal *m, const struct means *means)
{
    const struct assay_supernet_kind *k = kind_of(m);
    for (uint32_t c = 0; c < k->cells * k->edges; c++) {
        uint16_t *alive = &m->mask.alive[c / k->edges][c % k->edges];
        uint32_t worst = OPS;
        for (uint32_t op = 0; op < k->ops; op++) {
            if (!(*alive & 1u << op) || !means->n[c][op]) continue;
            if (worst == OPS || mean_of(means, c, op) > mean_of(means, c, worst)) worst = op;
        }
        if (worst < OPS && __builtin_popcount(*alive) > 1) *alive &= (uint16_t) ~(1u << worst);
    }
}

// Takes from every node with more edges than it keeps the worst, each of which has one operation.
static void prune_edges(struct marginal *m, const struct means *means)
{
    const struct assay_supernet_kind *k = kind_of(m);
    for (uint32_t i = 0, end; i < k->cells * k->edges; i = end) {
        uint32_t worst = CHOICES, left = 0;
        double most = 0;
        end = node_end(k, i);
        for (uint32_t c = i; c < end; c++) {
            const uint16_t alive = m->mask.alive[c / k->edges][c % k->edges];
            left += alive != 0;
            if (!alive || !means->n[c][__builtin_ctz(alive)]) continue;
            const double mean = mean_of(means, c, (uint32_t)__builtin_ctz(alive));
            if (worst == CHOICES || mean > most) worst = c, most = mean;
        }
        if (worst < CHOICES && left > k->keep)
            m->mask.alive[worst / k->edges][worst % k->edges] = 0;
    }
}

// Edges go when no operation could.
static void prune_by(struct marginal *m, const struct means *means)
{
    const unsigned before = search_count_alive(kind_of(m), &m->mask);
    prune_ops(m, means);
    if (search_count_alive(kind_of(m), &m->mask) == before) prune_edges(m, means);
}

// ---- what is told -------------------------------------------------------------------------------
static void note(const struct marginal *m, const struct means *means,
                 const struct assay_supernet *before)
{
    const struct assay_supernet_kind *k = kind_of(m);
    struct search_history *h = m->b.c->history;
    for (uint32_t i = 0; i < k->cells * k->edges * k->ops; i++) {
        const uint32_t choice = i / k->ops, cell = choice / k->edges, edge = choice % k->edges,
                       op = i % k->ops;
        if (!(before->alive[cell][edge] & 1u << op)) continue;
        search_history_int(h, "marginals/seed", (int64_t)m->b.seed, "of the search");
        search_history_int(h, "marginals/round", (int64_t)m->n_round, "from 1");
        search_history_int(h, "marginals/cell", cell, "cell type");
        search_history_int(h, "marginals/edge", edge, "edge of the cell");
        search_history_int(h, "marginals/op", op, "operation alive on it");
        search_history_int(h, "marginals/architectures", (int64_t)means->n[choice][op],
                           "of the round, that have it");
        search_history_number(h, "marginals/rank",
                              means->n[choice][op] ? mean_of(means, choice, op) : NAN,
                              "the mean of their ranks in the round, from 1; NaN: there are none");
        search_history_int(h, "marginals/pruned", !(m->mask.alive[cell][edge] & 1u << op),
                           "1: gone after the round");
    }
}

static void tell(const struct marginal *m, const struct search_round *round,
                 const struct assay_supernet *before)
{
    char *text = search_pruned_text(kind_of(m), before, &m->mask);
    if (text)
        assay_log_line(m->b.c->log, ASSAY_LOG_INFO,
                       "seed %llu round %llu: pruned%s; %u of %u left, %.4g architectures; "
                       "%zu evaluations, %.1f s",
                       (unsigned long long)m->b.seed, (unsigned long long)m->n_round, text,
                       search_count_alive(kind_of(m), &m->mask),
                       search_count_alive(kind_of(m), before), count_left(m), round->n_record,
                       round->wall_seconds);
    free(text);
}

// ---- the search ---------------------------------------------------------------------------------
static int prune(struct marginal *m, const struct search_round *round)
{
    const struct assay_supernet before = m->mask;
    struct means means;
    ASSAY_TRY(baseline_check(&m->b, round->err));
    ASSAY_TRY(rank(m, &means, round->err));
    m->n_round++;
    prune_by(m, &means);
    note(m, &means, &before);
    tell(m, round, &before);
    return 0;
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct marginal *m = state;
    if (round->n_record) {
        ASSAY_TRY(baseline_take(&m->b, round));
        if (m->all) {
            baseline_note(&m->b);
            return baseline_best(&m->b, index, round->err);
        }
        ASSAY_TRY(prune(m, round));
    }
    ASSAY_TRY(ask(m, round));
    return 1;
}

static void set_sizes(struct marginal *m, const struct search_context *c)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    m->b.c = c;
    m->round_size = s->round;
    m->last = s->last ? s->last : kind_of(m)->keep ? s->round : 64;
    assay_space_full_supernet(c->space, !kind_of(m)->keep, &m->mask);
}

static int open_marginal(void **state, const struct search_context *c, uint64_t seed,
                         struct assay_err *err)
{
    struct marginal *m = calloc(1, sizeof *m);
    if (!m) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = m;
    ASSAY_TRY(baseline_open(&m->b, c, "marginal", seed, err));
    assay_rng_init(&m->rng, seed, 0, "search", "marginal");
    set_sizes(m, c);
    return 0;
}

static size_t first(const void *state, uint64_t *index, size_t n)
{
    return baseline_first(&((const struct marginal *)state)->b, index, n);
}

static void close_marginal(void *state)
{
    struct marginal *m = state;
    if (m) baseline_close(&m->b);
    free(m);
}

// As many as it evaluates, when every round has an architecture for each operation.
static uint64_t equal(const struct search_context *c, struct assay_config *config)
{
    struct assay_search_spec *s = assay_config_edit(config, &assay_search_options);
    struct marginal m = {.n_round = 0};
    struct means means;
    uint64_t samples = 0;
    for (uint32_t i = 0; i < CHOICES * OPS; i++) {
        means.sum[i / OPS][i % OPS] = 0;
        means.n[i / OPS][i % OPS] = 1;
    }
    set_sizes(&m, c);
    for (; count_left(&m) > (double)m.last; prune_by(&m, &means)) samples += m.round_size;
    if (*s->finish) memcpy(s->by, s->finish, sizeof s->by);
    return search_set_samples(config, samples + (uint64_t)count_left(&m));
}

const struct search_method search_marginal = {
    .name = "marginal",
    .help = "prunes by the mean ranks of the random architectures that have an operation",
    .evaluator = &search_evaluator_metrics,
    .configure = configure,
    .open = open_marginal,
    .round = next_round,
    .best = first,
    .close = close_marginal,
    .finishes = true,
    .random = &search_random,
    .equal = equal,
};
