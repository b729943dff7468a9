// SPDX-License-Identifier: Apache-2.0
// Whether anything decides between the architectures that were evaluated, and which is the best.
#include "baseline.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// Whether all architectures that have a score have the same value, which is then *value; false also
// when there are fewer than two.
static bool all_equal(const struct baseline *b, const double *column, double *value)
{
    size_t n = 0;
    bool equal = true;
    for (size_t i = b->from; i < b->n; i++) {
        if (!isfinite(b->score[i])) continue;
        if (n++ == 0) *value = column[i];
        equal &= column[i] == *value;
    }
    return n > 1 && equal;
}

static size_t count_scored(const struct baseline *b)
{
    size_t n = 0;
    for (size_t i = b->from; i < b->n; i++) n += isfinite(b->score[i]);
    return n;
}

static void warn_equal(const struct baseline *b, const char *what, double value)
{
    assay_log_line(b->c->log, ASSAY_LOG_WARN,
                   "seed %" PRIu64 ": %s: %s decided nothing: %.6g for each of the %zu "
                   "architectures that are ok",
                   b->seed, b->method, what, value, count_scored(b));
}

// Where others were compared before, what they decided stands.
static int undecided(const struct baseline *b, const char *column, double value,
                     struct assay_err *err)
{
    if (b->from) return warn_equal(b, column, value), 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "seed %" PRIu64 ": %s: %s is %.6g for each of the %zu architectures that "
                         "are ok, so that nothing decides between them",
                         b->seed, b->method, column, value, count_scored(b));
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
        equal[i] = all_equal(b, baseline_column(b, by->column[i]->name), &value[i]);
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
                         b->seed, b->method, column, b->n - b->from, b->reason, why);
}

int baseline_check(const struct baseline *b, struct assay_err *err)
{
    const char *first = b->by.column[0]->name;
    const size_t ok = count_scored(b), n = b->n - b->from;
    double value = 0;
    if (!ok) return none_is_ok(b, first, err);
    if (2 * ok < n)
        assay_log_line(b->c->log, ASSAY_LOG_WARN,
                       "seed %" PRIu64
                       ": %s: %zu of %zu architectures are not ok and count for nothing (%s)",
                       b->seed, b->method, n - ok, n, b->reason);
    if (b->by.sum) return check_sum(b, err);
    return all_equal(b, b->value, &value) ? undecided(b, first, value, err) : 0;
}

// Which stands behind `last` in order of scores, and of places where these are equal; n: none does.
// last == n asks for the first.
static size_t next_best(const struct baseline *b, size_t last)
{
    size_t best = b->n;
    for (size_t i = b->from; i < b->n; i++) {
        if (!isfinite(b->score[i])) continue;
        if (last < b->n && (b->score[i] > b->score[last] || i == last)) continue;
        if (last < b->n && b->score[i] == b->score[last] && i < last) continue;
        if (best == b->n || b->score[i] > b->score[best]) best = i;
    }
    return best;
}

size_t baseline_first(const struct baseline *b, uint64_t *index, size_t n)
{
    const struct assay_space *space = b->c->space;
    size_t found = 0;
    for (size_t at = next_best(b, b->n); at < b->n && found < n; at = next_best(b, at)) {
        const uint64_t network = assay_space_canonical(space, b->index[at]);
        bool known = false;
        for (size_t k = 0; k < found; k++)
            known |= assay_space_canonical(space, index[k]) == network;
        if (!known) index[found++] = b->index[at];
    }
    return found;
}

int baseline_best(const struct baseline *b, uint64_t *index, struct assay_err *err)
{
    ASSAY_TRY(baseline_check(b, err));
    *index = b->index[next_best(b, b->n)];
    return 0;
}
