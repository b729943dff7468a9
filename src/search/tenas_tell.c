// SPDX-License-Identifier: Apache-2.0
// Whether the rounds of a TE-NAS search decide anything, and what is told of them.
#include "tenas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double tenas_mean(const struct tenas *t, const struct tenas_seen *seen, uint32_t column)
{
    const uint32_t repeats = t->c->schema->repeats;
    double sum = 0;
    for (uint32_t r = 0; r < repeats; r++) sum += tenas_value(t, seen, r, column);
    return sum / repeats;
}

// ---- whether it decides -------------------------------------------------------------------------
// Whether the column is finite for a candidate in some repeat.
static bool is_measured(const struct tenas *t, uint32_t column)
{
    for (size_t i = 0; i < t->n; i++)
        for (uint32_t r = 0; r < t->c->schema->repeats; r++)
            if (isfinite(tenas_value(t, &t->one[i], r, column))) return true;
    return false;
}

static int no_values(const struct tenas *t, uint32_t column, struct assay_err *err)
{
    char why[256] = "";
    if (!strncmp(t->by.metric[column]->name, "ntk", 3))
        snprintf(why, sizeof why, "; " SEARCH_SINGULAR,
                 (unsigned long long)assay_config_ntk(t->c->config)->batch);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "seed %llu round %llu: %s is infinite or undefined for all of the %zu "
                         "candidates, so that it decides nothing (%s)%s",
                         (unsigned long long)t->seed, (unsigned long long)t->n_round,
                         t->by.column[column]->name, t->n, t->one[0].record->reason, why);
}

// An error when no candidate has a column in any repeat, or when none has all in all repeats.
static int check_values(const struct tenas *t, struct assay_err *err)
{
    bool broken = true;
    for (uint32_t k = 0; k < t->by.n_column; k++)
        if (!is_measured(t, k)) return no_values(t, k, err);
    for (size_t i = 0; i < t->n; i++) broken &= isinf(t->candidate[i].delta[0]);
    return broken ? no_values(t, 0, err) : 0;
}

static void print_values(const struct tenas *t, FILE *out, const char *between)
{
    for (uint32_t k = 0; k < t->by.n_column; k++)
        fprintf(out, "%s%s %.4g", k ? between : "", t->by.column[k]->name,
                tenas_mean(t, &t->base[0], k));
}

// "kappa 54.2, regions 2168", of the supernet; malloc'd, NULL without memory.
static char *values_text(const struct tenas *t, const char *between)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    print_values(t, out, between);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

static int undecided(const struct tenas *t, struct assay_err *err)
{
    const bool one = t->by.n_column == 1;
    char *text = values_text(t, " nor ");
    const int status = assay_err_set(
        err, ASSAY_ERR_INPUT,
        "seed %llu round %llu: %s%s %s the %zu candidates apart, so that nothing decides which of "
        "them go; more images (ntk.batch), patches (regions.batch) or run.repeats may help",
        (unsigned long long)t->seed, (unsigned long long)t->n_round, one ? "" : "neither ",
        text ? text : t->by.column[0]->name, one ? "does not tell" : "tells", t->n);
    free(text);
    return status;
}

int tenas_check_round(struct tenas *t, struct assay_err *err)
{
    bool tied[ASSAY_SCORE_TERMS], all = true;
    prune_find_ties(t->candidate, t->n, t->by.n_column, t->edges ? tenas_kind(t) : NULL, tied);
    ASSAY_TRY(check_values(t, err));
    for (uint32_t k = 0; k < t->by.n_column; k++) {
        t->tied[k] += tied[k];
        all &= tied[k];
    }
    return all ? undecided(t, err) : 0;
}

static const char *more_of(const char *column)
{
    if (!strcmp(column, "kappa")) return "images (ntk.batch)";
    return strcmp(column, "regions") ? "images or repeats (run.repeats)"
                                     : "patches (regions.batch)";
}

void tenas_warn_tied(const struct tenas *t)
{
    for (uint32_t k = 0; k < t->by.n_column; k++) {
        const char *column = t->by.column[k]->name;
        if (!t->tied[k]) continue;
        assay_log_line(t->c->log, ASSAY_LOG_WARN,
                       "seed %llu: tenas: %s decided nothing in %llu of %llu rounds: the same "
                       "without each of the candidates; more %s may tell them apart",
                       (unsigned long long)t->seed, column, (unsigned long long)t->tied[k],
                       (unsigned long long)t->n_round, more_of(column));
    }
}

// ---- what is told -------------------------------------------------------------------------------
// Appends to the series "PREFIX COLUMN" of the history.
static void note_number(const struct tenas *t, const char *prefix, uint32_t column, double value,
                        const char *help)
{
    char name[SEARCH_SERIES_NAME];
    snprintf(name, sizeof name, "%s%s", prefix, t->by.column[column]->name);
    search_history_number(t->c->history, name, value, help);
}

static void note_repeats(const struct tenas *t, uint32_t column)
{
    struct search_history *h = t->c->history;
    const uint32_t repeats = t->c->schema->repeats;
    double *value = malloc(repeats * sizeof *value);
    char name[SEARCH_SERIES_NAME];
    h->failed |= !value;
    if (!value) return;
    for (uint32_t r = 0; r < repeats; r++) value[r] = tenas_value(t, &t->base[0], r, column);
    snprintf(name, sizeof name, "rounds/%s", t->by.column[column]->name);
    search_history_numbers(h, name, value, repeats, "of the supernet, by repeat");
    free(value);
}

static void note_round(const struct tenas *t, const struct search_round *round,
                       const struct assay_supernet *before)
{
    struct search_history *h = t->c->history;
    const struct assay_record *base = round->record[0];
    char mask[ASSAY_ARCH_MAX] = "";
    assay_space_format_supernet(t->c->space, before, mask, sizeof mask);
    search_history_int(h, "rounds/seed", (int64_t)t->seed, "of the search");
    search_history_int(h, "rounds/round", (int64_t)t->n_round, "from 1");
    search_history_text(h, "rounds/mask", mask, "the supernet of the round, before pruning");
    search_history_int(h, "rounds/edges", t->edges, "1: whole edges are pruned");
    search_history_text(h, "rounds/status", assay_verdict_name((enum assay_verdict)base->verdict),
                        "of the supernet");
    for (uint32_t k = 0; k < t->by.n_column; k++) note_repeats(t, k);
    search_history_number(h, "run/round_seconds", round->wall_seconds,
                          "wall time of each row of /rounds; 0 where it was replayed");
}

static void note_column(const struct tenas *t, size_t i, uint32_t column)
{
    const struct prune_candidate *c = &t->candidate[i];
    char name[SEARCH_SERIES_NAME];
    note_number(t, "candidates/", column, tenas_mean(t, &t->one[i], column),
                "without it, mean over repeats");
    note_number(t, "candidates/delta_", column, c->delta[column],
                "(the column of the supernet - the column without it) / that of the supernet, mean "
                "over repeats, 3 digits; infinite: the network breaks");
    snprintf(name, sizeof name, "candidates/rank_%s", t->by.column[column]->name);
    search_history_int(t->c->history, name, c->rank[column],
                       "by that change, dense: the more is lost the higher");
}

static void note_candidate(const struct tenas *t, size_t i)
{
    struct search_history *h = t->c->history;
    const struct prune_candidate *c = &t->candidate[i];
    search_history_int(h, "candidates/seed", (int64_t)t->seed, "of the search");
    search_history_int(h, "candidates/round", (int64_t)t->n_round, "from 1");
    search_history_int(h, "candidates/cell", c->cell, "cell type");
    search_history_int(h, "candidates/edge", c->edge, "edge of the cell");
    search_history_int(h, "candidates/op", c->op,
                       "operation that the supernet was evaluated without");
    search_history_text(h, "candidates/status",
                        assay_verdict_name((enum assay_verdict)t->one[i].record->verdict),
                        "without it");
    for (uint32_t k = 0; k < t->by.n_column; k++) note_column(t, i, k);
    search_history_number(h, "candidates/sum", c->sum, "of the ranks, by search.by");
    search_history_int(h, "candidates/pruned", c->pruned, "1: gone after the round");
}

static void log_round(const struct tenas *t, const struct search_round *round,
                      const struct assay_supernet *before)
{
    char *pruned = search_pruned_text(tenas_kind(t), before, &t->mask),
         *values = values_text(t, ", ");
    if (pruned && values)
        assay_log_line(t->c->log, ASSAY_LOG_INFO,
                       "seed %llu round %llu: %s; pruned%s; %u of %u left; %zu evaluations, %.1f s",
                       (unsigned long long)t->seed, (unsigned long long)t->n_round, values, pruned,
                       search_count_alive(tenas_kind(t), &t->mask),
                       search_count_alive(tenas_kind(t), before), round->n_record,
                       round->wall_seconds);
    free(pruned);
    free(values);
}

void tenas_tell(const struct tenas *t, const struct search_round *round,
                const struct assay_supernet *before)
{
    note_round(t, round, before);
    for (size_t i = 0; i < t->n; i++) note_candidate(t, i);
    log_round(t, round, before);
}
