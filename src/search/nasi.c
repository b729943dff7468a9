// SPDX-License-Identifier: Apache-2.0
// NASI (arXiv 2109.00817): the architecture that maximises the expected trace norm of the NTK up to
// a bound, by one step from alpha = 0. All steps are independent of each other, so that a search is
// one round; NASI-FIX and NASI-ADA differ in what they make of the same steps.
#include "nasi.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_NORM, OWN_NORM }; // the choices of search.norm

struct nasi {
    const struct search_context *c;
    const struct search_method *method;
    const struct assay_oneshot_kind *kind;
    uint64_t seed, n_step, skipped;
    uint64_t flat;       // steps whose derivative is zero
    enum nasi_what what; // of each step
    struct nasi_penalty penalty;
    struct nasi_sum sum;
    double least, most; // T
    double best, worst; // of nasi-random: R, and the step that has the best
    uint64_t best_step;
};

static int configure(struct assay_config *config, const struct assay_space *space,
                     struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    const char *ranks = assay_config_search(config)->ranks;
    if (!space->kind->oneshot)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search space %s has no one-shot network: NASI cannot search it",
                             space->kind->name);
    if (*ranks)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.ranks = %.200s: NASI goes by trace norms as they are; "
                             "expected random, evolution or marginal",
                             ranks);
    if (assay_config_nasi(config)->labels == ASSAY_LABELS_NONE)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "nasi.labels = none: the search needs labels, expected true or "
                             "random");
    if (p->classes == 1)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "network.classes = 1: the loss of one class is 0 for every network, "
                             "and NASI has nothing to go by; expected at least 2");
    search_set_metrics(config, "nasi");
    return 0;
}

// The method takes the best of single samples; where cells have samples of their own, a sample is
// no architecture.
static int configure_random(struct assay_config *config, const struct assay_space *space,
                            struct assay_err *err)
{
    if (assay_config_search(config)->per_cell)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.per_cell = true: nasi-random finds a step's architecture, and "
                             "there are many in it; expected false");
    return configure(config, space, err);
}

static int ask(struct nasi *n, struct search_round *round)
{
    for (uint64_t i = 0; i < n->n_step; i++) {
        const struct search_task task = {.draw = {.seed = n->seed}, .index = i, .what = n->what};
        ASSAY_TRY(search_ask(round, task));
    }
    return 1;
}

// ---- what is told -------------------------------------------------------------------------------
static uint64_t sampled(const struct nasi *n, uint64_t step)
{
    struct nasi_sample sample;
    nasi_draw(n->kind, assay_config_search(n->c->config)->none, n->seed, step, 0, &sample);
    return n->kind->index(n->c->space, sample.option);
}

static void note_derivative(const struct nasi *n, const struct assay_record *record)
{
    search_history_numbers(n->c->history, "steps/dalpha", record->value + 1,
                           n->c->schema->n_column - 1,
                           "dT/dalpha of all options, in the order of /choices");
}

static void note_step(const struct nasi *n, uint64_t step, const struct assay_record *record)
{
    struct search_history *h = n->c->history;
    const double trace = nasi_record_trace(record);
    const bool ok = record->verdict == ASSAY_VERDICT_OK;
    search_history_text(h, "steps/method", n->method->name, "of the search");
    search_history_int(h, "steps/seed", (int64_t)n->seed, "of the search");
    search_history_int(h, "steps/step", (int64_t)step + 1, "from 1");
    search_history_text(h, "steps/status", assay_verdict_name((enum assay_verdict)record->verdict),
                        "steps that are not ok count for nothing");
    search_history_number(h, "steps/nasi_trace", trace,
                          "T, the trace norm of mini-batch and sample");
    note_derivative(n, record);
    search_history_number(
        h, "steps/norm", ok && n->what == NASI_DERIVATIVE ? n->sum.norm : NAN,
        "of G, the derivative of T - mu max(0, T - nu) with respect to all alpha");
    search_history_number(h, "steps/nu", ok ? n->sum.nu : NAN, "the bound in this step");
    search_history_int(h, "steps/over", ok && trace > n->sum.nu, "1: T is above it");
    if (assay_config_search(n->c->config)->per_cell) return;
    char arch[ASSAY_ARCH_MAX] = "";
    const uint64_t index = sampled(n, step);
    assay_space_format(n->c->space, index, arch, sizeof arch);
    search_history_int(h, "steps/index", (int64_t)index, "of the sample");
    search_history_text(h, "steps/arch", arch, "the sample, an architecture");
}

// Writes the decision, with xi = 1, into the history.
static void note_choices(const struct nasi *n, const uint8_t *option)
{
    struct search_history *h = n->c->history;
    for (uint32_t c = 0; c < n->kind->choices; c++) {
        for (uint32_t i = 0; i < n->kind->options[c]; i++) {
            char name[ASSAY_ONESHOT_NAME];
            n->kind->name(n->c->space, c, i, name);
            search_history_text(h, "choices/method", n->method->name, "of the search");
            search_history_int(h, "choices/seed", (int64_t)n->seed, "of the search");
            search_history_int(h, "choices/choice", c, "number of the choice");
            search_history_int(h, "choices/option", i, "number of its option");
            search_history_text(h, "choices/name", name, "what that is");
            search_history_number(h, "choices/delta",
                                  n->sum.delta.of[c][i] / (double)(n->sum.steps ? n->sum.steps : 1),
                                  "alpha after the step");
            search_history_int(h, "choices/taken", nasi_takes(n->kind, option, c, i),
                               "1: decided on");
        }
    }
}

// A bound that hardly a step exceeds bounds nothing; one that nearly all exceed makes R fall with
// T.
static void warn_bound(const struct nasi *n)
{
    const uint64_t steps = n->sum.steps, under = steps - n->sum.over, few = steps / 20;
    const bool quantile = !n->penalty.adaptive && isnan(assay_config_search(n->c->config)->bound);
    if (quantile || (n->sum.over > few && under > few)) return;
    assay_log_line(n->c->log, ASSAY_LOG_WARN,
                   "seed %" PRIu64 ": %s: T, %.4g to %.4g, is above nu in %" PRIu64 " of %" PRIu64
                   " steps, so that %s%s",
                   n->seed, n->method->name, n->least, n->most, n->sum.over, steps,
                   under > few ? "nothing bounds it" : "each is penalised",
                   n->penalty.adaptive ? "" : "; search.nu = q70 is above 70 % of them");
}

static void log_steps(const struct nasi *n)
{
    assay_log_line(n->c->log, ASSAY_LOG_INFO,
                   "seed %" PRIu64 ": %s: %" PRIu64
                   " steps, trace norm %.4g (%.4g to %.4g), above nu in %" PRIu64
                   ", nu %.4g at last",
                   n->seed, n->method->name, n->sum.steps, n->sum.traces / (double)n->sum.steps,
                   n->least, n->most, n->sum.over, n->sum.nu);
    warn_bound(n);
    if (n->skipped)
        assay_log_line(n->c->log, ASSAY_LOG_WARN,
                       "seed %" PRIu64 ": %s: %" PRIu64 " steps whose trace norm or derivative is "
                       "not finite count for nothing",
                       n->seed, n->method->name, n->skipped);
    if (n->flat) // samples that are dead networks have none, but most samples are not
        assay_log_line(n->c->log, 2 * n->flat > n->sum.steps ? ASSAY_LOG_WARN : ASSAY_LOG_INFO,
                       "seed %" PRIu64 ": %s: %" PRIu64 " of %" PRIu64
                       " steps have a derivative of zero and decide nothing",
                       n->seed, n->method->name, n->flat, n->sum.steps);
}

// ---- what is answered ---------------------------------------------------------------------------
static int take_step(struct nasi *n, const struct search_round *round, uint64_t step)
{
    const struct assay_record *record = round->record[step];
    struct nasi_alpha dalpha = {{{0}}};
    if (record->verdict == ASSAY_VERDICT_FAILED)
        return assay_err_set(round->err, ASSAY_ERR_MEMORY,
                             "step %" PRIu64 " of seed %" PRIu64 ": %s", step + 1, n->seed,
                             record->reason);
    if (record->verdict == ASSAY_VERDICT_OK) {
        const double trace = nasi_record_trace(record);
        if (n->what == NASI_DERIVATIVE) nasi_record_dalpha(n->kind, record, &dalpha);
        nasi_add(n->kind, &n->penalty, trace, &dalpha, &n->sum);
        const double r = trace - n->penalty.mu * fmax(0, trace - n->sum.nu);
        if (n->sum.steps == 1 || r > n->best) n->best = r, n->best_step = step;
        n->worst = n->sum.steps == 1 ? r : fmin(n->worst, r);
        n->flat += n->what == NASI_DERIVATIVE && nasi_norm(&dalpha) == 0;
        n->least = n->sum.steps == 1 ? trace : fmin(n->least, trace);
        n->most = n->sum.steps == 1 ? trace : fmax(n->most, trace);
    }
    n->skipped += record->verdict != ASSAY_VERDICT_OK;
    note_step(n, step, record);
    return 0;
}

// Whether R is equal for all steps, to the rounding of T. With mu = 1 it is nu wherever T is above
// nu.
static bool all_equal(const struct nasi *n)
{
    return n->sum.steps > 1 && n->best - n->worst <= 1e-12 * n->most;
}

static int check_decided(const struct nasi *n, struct assay_err *err)
{
    char why[128] = "these images do not tell architectures apart";
    if (!n->sum.steps)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "seed %" PRIu64 ": %s: no step has a finite trace norm%s", n->seed,
                             n->method->name, n->what == NASI_DERIVATIVE ? " and derivative" : "");
    if (n->what == NASI_DERIVATIVE ? n->sum.largest > 0 : !all_equal(n)) return 0;
    if (n->sum.over == n->sum.steps && n->penalty.mu == 1)
        snprintf(why, sizeof why, "above nu = %g it does not change with mu = 1", n->sum.nu);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "seed %" PRIu64 ": %s: the objective %s in each of the %" PRIu64
                         " steps (trace norm %.4g to %.4g), so that nothing decides: %s",
                         n->seed, n->method->name,
                         n->what == NASI_DERIVATIVE ? "has a derivative of zero" : "is the same",
                         n->sum.steps, n->least, n->most, why);
}

// The bound that search.nu names as a quantile of the T of all steps, which do not depend on it.
static int find_bound(struct nasi *n, const struct search_round *round)
{
    const double quantile = assay_config_search(n->c->config)->quantile;
    size_t known = 0;
    if (n->penalty.adaptive || isnan(quantile)) return 0;
    double *trace = malloc((n->n_step + 1) * sizeof *trace);
    if (!trace) return assay_err_set(round->err, ASSAY_ERR_MEMORY, "no memory for traces");
    for (uint64_t i = 0; i < n->n_step; i++)
        if (round->record[i]->verdict == ASSAY_VERDICT_OK)
            trace[known++] = nasi_record_trace(round->record[i]);
    n->penalty.nu = known ? nasi_quantile(trace, known, quantile) : 0;
    free(trace);
    return 0;
}

static int next_round(void *state, struct search_round *round, uint64_t *index)
{
    struct nasi *n = state;
    uint8_t option[ASSAY_ONESHOT_CHOICES];
    if (!round->n_record) return ask(n, round);
    ASSAY_TRY(find_bound(n, round));
    for (uint64_t i = 0; i < n->n_step; i++) ASSAY_TRY(take_step(n, round, i));
    ASSAY_TRY(check_decided(n, round->err));
    log_steps(n);
    if (n->what == NASI_DERIVATIVE) {
        *index = nasi_decide(n->c->space, assay_config_search(n->c->config)->none, &n->sum, option);
        note_choices(n, option);
    } else {
        *index = sampled(n, n->best_step);
    }
    return 0;
}

// ---- the methods --------------------------------------------------------------------------------
// How many random architectures cost the FLOPs of that many steps.
static uint64_t equal_cost(const struct search_context *c, uint64_t steps)
{
    enum { DRAWS = 64 };
    double step = 0, one = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const struct search_task with = {.index = i, .what = NASI_DERIVATIVE},
                                 without = {.index = i, .what = NASI_TRACE};
        step += c->evaluator->cost(c->evaluator_state, &with);
        one += c->evaluator->cost(c->evaluator_state, &without);
    }
    return (uint64_t)fmax(1, rint((double)steps * step / one));
}

static int open_nasi(void **state, const struct search_context *c, uint64_t seed,
                     const struct search_method *method, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    struct nasi *n = calloc(1, sizeof *n);
    if (!n) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a search");
    *state = n;
    n->c = c;
    n->method = method;
    n->kind = c->space->kind->oneshot;
    n->seed = seed;
    n->penalty = (struct nasi_penalty){.mu = s->mu, .nu = s->bound};
    if (method == &search_nasi_ada)
        n->penalty = (struct nasi_penalty){.mu = s->mu, .nu = s->nu_adaptive, .adaptive = true};
    n->penalty.own_norm = s->norm == OWN_NORM;
    n->what = method == &search_nasi_random ? NASI_TRACE : NASI_DERIVATIVE;
    n->n_step = s->steps;
    if (method == &search_nasi_random)
        n->n_step = s->samples ? s->samples : equal_cost(c, s->steps);
    return 0;
}

static int open_fix(void **state, const struct search_context *c, uint64_t seed,
                    struct assay_err *err)
{
    return open_nasi(state, c, seed, &search_nasi, err);
}

static int open_ada(void **state, const struct search_context *c, uint64_t seed,
                    struct assay_err *err)
{
    return open_nasi(state, c, seed, &search_nasi_ada, err);
}

static int open_random(void **state, const struct search_context *c, uint64_t seed,
                       struct assay_err *err)
{
    return open_nasi(state, c, seed, &search_nasi_random, err);
}

static uint64_t equal(const struct search_context *c, struct assay_config *config)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    return s->per_cell ? 0 : search_set_samples(config, equal_cost(c, s->steps));
}

static uint64_t equal_random(const struct search_context *c, struct assay_config *config)
{
    const uint64_t samples = assay_config_search(c->config)->samples;
    return samples ? samples : equal(c, config);
}

static uint64_t drawn(const void *state, uint64_t i)
{
    const struct nasi *n = state;
    return i < n->n_step ? sampled(n, i) : UINT64_MAX;
}

const struct search_method search_nasi = {
    .name = "nasi",
    .help = "NASI-FIX: one step towards the largest NTK trace norm up to a fixed bound",
    .evaluator = &search_evaluator_nasi,
    .configure = configure,
    .open = open_fix,
    .round = next_round,
    .close = free,
    .random = &search_nasi_random,
    .equal = equal,
};

const struct search_method search_nasi_ada = {
    .name = "nasi-ada",
    .help = "NASI-ADA: the same steps with an adaptive bound",
    .evaluator = &search_evaluator_nasi,
    .configure = configure,
    .open = open_ada,
    .round = next_round,
    .close = free,
    .random = &search_nasi_random,
    .equal = equal,
};

const struct search_method search_nasi_random = {
    .name = "nasi-random",
    .help = "the best of random architectures by NASI's objective",
    .evaluator = &search_evaluator_nasi,
    .configure = configure_random,
    .open = open_random,
    .round = next_round,
    .close = free,
    .random = &search_nasi_random,
    .equal = equal_random,
    .drawn = drawn,
};
