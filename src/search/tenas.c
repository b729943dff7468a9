// SPDX-License-Identifier: Apache-2.0
// TE-NAS (arXiv 2102.11535): from the full supernet on, every round prunes on each edge the
// operations whose removal hurts kappa and regions least; then, where the space keeps but some
// edges of a node, whole edges.
#include "by.h"
#include "method.h"
#include "prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX (ASSAY_SUPERNET_CELLS * ASSAY_SUPERNET_EDGES * 16)
// More draws than a round takes, so that rounds do not share any.
#define ROUND_DRAWS 4096

struct tenas {
    const struct search_context *c;
    uint64_t seed, prune, n_round; // n_round: evaluated so far
    uint32_t kappa, regions;       // columns
    struct prune_weights weights;
    struct assay_supernet mask;
    bool edges;                        // whole edges are pruned
    uint64_t tied_kappa, tied_regions; // rounds in which these decided nothing
    struct prune_candidate candidate[CANDIDATES_MAX];
    size_t n;
};

// The weights that search.by gives the two ranks. A single column that decides for other methods
// does not decide for this one.
static int read_weights(struct prune_weights *weights, const struct assay_config *config,
                        struct assay_err *err)
{
    struct search_by by;
    ASSAY_TRY(search_by_read(&by, config, "search.by", assay_config_search(config)->by, err));
    *weights = by.sum ? (struct prune_weights){0, 0} : (struct prune_weights){1, 1};
    for (uint32_t i = 0; i < by.formula.n_term; i++) {
        const struct assay_score_term *term = &by.formula.term[i];
        const bool kappa = !strcmp(term->column, "kappa"),
                   regions = !strcmp(term->column, "regions");
        if (by.formula.direction > 0 || (!kappa && !regions))
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "search.by = %.200s: position %u: tenas prunes by the ranks of "
                                 "kappa and regions, expected one of these",
                                 assay_config_search(config)->by, (unsigned)term->at);
        *(kappa ? &weights->kappa : &weights->regions) += term->weight;
    }
    return 0;
}

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    struct prune_weights ignored;
    ASSAY_TRY(search_need_supernet(space, err));
    ASSAY_TRY(read_weights(&ignored, config, err));
    search_set_metrics(config, "ntk,regions");
    return 0;
}

// ---- what is asked ------------------------------------------------------------------------------
static const struct assay_supernet_kind *kind_of(const struct tenas *t)
{
    return t->c->space->kind->supernet;
}

// Lists all operations, or edges, that may go. Of edges, those stay that enter a node together with
// no more than it keeps.
static void list_candidates(struct tenas *t)
{
    const struct assay_supernet_kind *k = kind_of(t);
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
        .index = UINT64_MAX,
        .mask = *mask};
}

// Asks for the supernet once and then for each candidate, where they share draws; otherwise for the
// supernet before each candidate.
static int ask(struct tenas *t, struct search_round *round)
{
    const bool common = assay_config_search(t->c->config)->common;
    for (size_t i = 0; i < t->n; i++) {
        const struct prune_candidate *c = &t->candidate[i];
        struct assay_supernet without = t->mask;
        without.alive[c->cell][c->edge] &= (uint16_t) ~(1u << c->op);
        if (!common || i == 0) ASSAY_TRY(search_ask(round, make_task(t, &t->mask, common ? 0 : i)));
        ASSAY_TRY(search_ask(round, make_task(t, &without, common ? 0 : i)));
    }
    return 1;
}

// ---- what is answered ---------------------------------------------------------------------------
static const struct assay_record *base_of(const struct tenas *t, const struct search_round *round,
                                          size_t i)
{
    return round->record[assay_config_search(t->c->config)->common ? 0 : 2 * i];
}

static const struct assay_record *one_of(const struct tenas *t, const struct search_round *round,
                                         size_t i)
{
    return round->record[assay_config_search(t->c->config)->common ? i + 1 : 2 * i + 1];
}

static double value(const struct tenas *t, const struct assay_record *record, uint32_t repeat,
                    uint32_t column)
{
    return record->value[(size_t)repeat * t->c->schema->n_column + column];
}

// A network that breaks in one repeat is broken: then its regions do not speak for the removal
// either.
static void compare(struct tenas *t, const struct search_round *round, size_t i)
{
    const uint32_t repeats = t->c->schema->repeats;
    const struct assay_record *base = base_of(t, round, i), *one = one_of(t, round, i);
    struct prune_candidate *c = &t->candidate[i];
    double kappa = 0, regions = 0;
    for (uint32_t r = 0; r < repeats; r++) {
        kappa += prune_delta_kappa(value(t, base, r, t->kappa), value(t, one, r, t->kappa));
        regions += prune_delta_regions(value(t, base, r, t->regions), value(t, one, r, t->regions));
    }
    c->delta_kappa = prune_round(kappa / repeats);
    c->delta_regions = isinf(kappa) ? INFINITY : prune_round(regions / repeats);
}

static int check_base(const struct tenas *t, const struct search_round *round)
{
    const struct assay_record *base = round->record[0];
    char text[ASSAY_ARCH_MAX] = "";
    if (base->verdict != ASSAY_VERDICT_FAILED) return 0;
    assay_space_format_supernet(t->c->space, &t->mask, text, sizeof text);
    return assay_err_set(round->err, ASSAY_ERR_MEMORY, "supernet %s: %s", text, base->reason);
}

// ---- whether it decides -------------------------------------------------------------------------
static bool is_measured(const struct tenas *t, const struct assay_record *record)
{
    for (uint32_t r = 0; r < t->c->schema->repeats; r++)
        if (prune_is_sound(value(t, record, r, t->kappa))) return true;
    return false;
}

// An error when no candidate's kappa is a positive number in any repeat, or when none's is in all
// repeats.
static int check_kappa(const struct tenas *t, const struct search_round *round)
{
    bool measured = false, broken = true;
    for (size_t i = 0; i < t->n; i++) {
        measured |= is_measured(t, one_of(t, round, i));
        broken &= isinf(t->candidate[i].delta_kappa);
    }
    if (measured && !broken) return 0;
    return assay_err_set(
        round->err, ASSAY_ERR_INPUT,
        "seed %llu round %llu: kappa is infinite or undefined for all of the %zu candidates, "
        "so that it decides nothing (%s); " SEARCH_SINGULAR,
        (unsigned long long)t->seed, (unsigned long long)t->n_round, t->n,
        one_of(t, round, 0)->reason, (unsigned long long)assay_config_ntk(t->c->config)->batch);
}

static int check_round(struct tenas *t, const struct search_round *round)
{
    const struct prune_ties ties =
        prune_find_ties(t->candidate, t->n, t->edges ? kind_of(t) : NULL);
    ASSAY_TRY(check_kappa(t, round));
    t->tied_kappa += ties.kappa;
    t->tied_regions += ties.regions;
    if (!ties.kappa || !ties.regions) return 0;
    return assay_err_set(round->err, ASSAY_ERR_INPUT,
                         "seed %llu round %llu: neither kappa (%.4g) nor regions (%.5g) tell the "
                         "%zu candidates apart, so that nothing decides which of them go; "
                         "more images (ntk.batch), patches (regions.batch) or run.repeats may help",
                         (unsigned long long)t->seed, (unsigned long long)t->n_round,
                         search_mean(t->c->schema, round->record[0], t->kappa),
                         search_mean(t->c->schema, round->record[0], t->regions), t->n);
}

static void warn_tied(const struct tenas *t, uint64_t rounds, const char *column, const char *more)
{
    if (rounds)
        assay_log_line(t->c->log, ASSAY_LOG_WARN,
                       "seed %llu: tenas: %s decided nothing in %llu of %llu rounds: the same "
                       "without each of the candidates; more %s may tell them apart",
                       (unsigned long long)t->seed, column, (unsigned long long)rounds,
                       (unsigned long long)t->n_round, more);
}

// ---- what is told -------------------------------------------------------------------------------
static void note_round(const struct tenas *t, const struct search_round *round, const char *mask)
{
    struct search_history *h = t->c->history;
    const struct assay_schema *s = t->c->schema;
    const struct assay_record *base = round->record[0];
    double *kappa = malloc(2 * s->repeats * sizeof *kappa), *regions = kappa + s->repeats;
    h->failed |= !kappa;
    if (!kappa) return;
    for (uint32_t r = 0; r < s->repeats; r++) {
        kappa[r] = value(t, base, r, t->kappa);
        regions[r] = value(t, base, r, t->regions);
    }
    search_history_int(h, "rounds/seed", (int64_t)t->seed, "of the search");
    search_history_int(h, "rounds/round", (int64_t)t->n_round, "from 1");
    search_history_text(h, "rounds/mask", mask, "the supernet of the round, before pruning");
    search_history_int(h, "rounds/edges", t->edges, "1: whole edges are pruned");
    search_history_text(h, "rounds/status", assay_verdict_name((enum assay_verdict)base->verdict),
                        "of the supernet");
    search_history_numbers(h, "rounds/kappa", kappa, s->repeats, "of the supernet, by repeat");
    search_history_numbers(h, "rounds/regions", regions, s->repeats, "of the supernet, by repeat");
    search_history_number(h, "run/round_seconds", round->wall_seconds,
                          "wall time of each row of /rounds; 0 where it was replayed");
    free(kappa);
}

static void note_candidate(const struct tenas *t, const struct search_round *round, size_t i)
{
    struct search_history *h = t->c->history;
    const struct prune_candidate *c = &t->candidate[i];
    const struct assay_record *one = one_of(t, round, i);
    search_history_int(h, "candidates/seed", (int64_t)t->seed, "of the search");
    search_history_int(h, "candidates/round", (int64_t)t->n_round, "from 1");
    search_history_int(h, "candidates/cell", c->cell, "cell type");
    search_history_int(h, "candidates/edge", c->edge, "edge of the cell");
    search_history_int(h, "candidates/op", c->op,
                       "operation that the supernet was evaluated without");
    search_history_text(h, "candidates/status",
                        assay_verdict_name((enum assay_verdict)one->verdict), "without it");
    search_history_number(h, "candidates/kappa", search_mean(t->c->schema, one, t->kappa),
                          "without it, mean over repeats");
    search_history_number(h, "candidates/regions", search_mean(t->c->schema, one, t->regions),
                          "without it, mean over repeats");
    search_history_number(
        h, "candidates/delta_kappa", c->delta_kappa,
        "(kappa of the supernet - kappa without it) / kappa of the supernet, mean "
        "over repeats, 3 digits; -inf: the network breaks");
    search_history_number(h, "candidates/delta_regions", c->delta_regions, "the same of regions");
    search_history_int(h, "candidates/rank_kappa", c->rank_kappa,
                       "by delta_kappa, descending, dense");
    search_history_int(h, "candidates/rank_regions", c->rank_regions,
                       "by delta_regions, ascending, dense");
    search_history_int(h, "candidates/pruned", c->pruned, "1: gone after the round");
}

static void log_round(const struct tenas *t, const struct search_round *round,
                      const struct assay_supernet *before)
{
    const struct assay_schema *s = t->c->schema;
    char *text = search_pruned_text(kind_of(t), before, &t->mask);
    if (text)
        assay_log_line(t->c->log, ASSAY_LOG_INFO,
                       "seed %llu round %llu: kappa %.4g, regions %.5g; pruned%s; %u of %u left; "
                       "%zu evaluations, %.1f s",
                       (unsigned long long)t->seed, (unsigned long long)t->n_round,
                       search_mean(s, round->record[0], t->kappa),
                       search_mean(s, round->record[0], t->regions), text,
                       search_count_alive(kind_of(t), &t->mask),
                       search_count_alive(kind_of(t), before), round->n_record,
                       round->wall_seconds);
    free(text);
}

// ---- the search ---------------------------------------------------------------------------------
static int judge(struct tenas *t, struct search_round *round)
{
    char mask[ASSAY_ARCH_MAX] = "";
    const struct assay_supernet before = t->mask;
    ASSAY_TRY(check_base(t, round));
    assay_space_format_supernet(t->c->space, &t->mask, mask, sizeof mask);
    t->n_round++;
    for (size_t i = 0; i < t->n; i++) compare(t, round, i);
    if (t->edges) {
        prune_edges(t->candidate, t->n, kind_of(t), &t->weights, &t->mask);
    } else {
        prune_rank(t->candidate, t->n);
        prune_ops(t->candidate, t->n, t->prune, &t->weights, &t->mask);
    }
    ASSAY_TRY(check_round(t, round));
    note_round(t, round, mask);
    for (size_t i = 0; i < t->n; i++) note_candidate(t, round, i);
    log_round(t, round, &before);
    return 0;
}

// Prunes `none` first, on all edges, as the released code does.
static void prune_none(struct tenas *t)
{
    assay_space_full_supernet(t->c->space, true, &t->mask);
    const unsigned before = search_count_alive(kind_of(t), &t->mask);
    assay_space_full_supernet(t->c->space, false, &t->mask);
    assay_log_line(t->c->log, ASSAY_LOG_INFO, "seed %llu: pruned none on every edge; %u of %u left",
                   (unsigned long long)t->seed, search_count_alive(kind_of(t), &t->mask), before);
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct tenas *t = state;
    if (round->n_record)
        ASSAY_TRY(judge(t, round));
    else
        prune_none(t);
    list_candidates(t);
    if (t->n == 0 && !t->edges && kind_of(t)->keep) {
        t->edges = true;
        list_candidates(t);
    } else if (t->edges) {
        t->n = 0;
    }
    if (t->n) return ask(t, round);
    warn_tied(t, t->tied_kappa, "kappa", "images (ntk.batch)");
    warn_tied(t, t->tied_regions, "regions", "patches (regions.batch)");
    return assay_space_supernet_index(t->c->space, &t->mask, index, round->err);
}

static int open_tenas(void **state, const struct search_context *c, uint64_t seed,
                      struct assay_err *err)
{
    struct tenas *t = calloc(1, sizeof *t);
    if (!t) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = t;
    t->c = c;
    t->seed = seed;
    t->kappa = search_column(c->schema, "kappa");
    t->regions = search_column(c->schema, "regions");
    t->prune = assay_config_search(c->config)->prune;
    if (!t->prune) t->prune = kind_of(t)->keep ? 3 : 1;
    return read_weights(&t->weights, c->config, err);
}

const struct search_method search_tenas = {
    .name = "tenas",
    .help = "TE-NAS: prunes supernets by what each operation means to kappa and regions",
    .evaluator = &search_evaluator_metrics,
    .configure = configure,
    .open = open_tenas,
    .round = next_round,
    .close = free,
};
