// SPDX-License-Identifier: Apache-2.0
// What every task will take: the times of a few, which are spread over all costs, are measured, and
// those of the others follow from them along a straight line.
#include "run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define TASKS_LEAST  8
#define TASKS_MOST   256
#define LONG_SECONDS 5.0

struct fit {
    double n, cost, seconds, cost2, product; // sums over the tasks measured
};

static int by_cost(const void *a, const void *b)
{
    const double x = **(double *const *)a, y = **(double *const *)b;

    return (x > y) - (x < y);
}

// The tasks by ascending cost, as pointers into cost; NULL when out of memory.
static double **sort_by_cost(double *cost, uint64_t n)
{
    double **order = malloc((n + 1) * sizeof *order);

    for (uint64_t i = 0; order && i < n; i++) order[i] = &cost[i];
    if (order) qsort(order, n, sizeof *order, by_cost);
    return order;
}

// The i-th number of van der Corput's sequence, the first few of which, however many, are spread
// evenly over [0, 1).
static double spread(uint64_t i)
{
    double x = 0, half = 0.5;

    for (i++; i; i >>= 1, half /= 2) x += half * (double)(i & 1);
    return x;
}

static void add(struct fit *fit, double cost, double seconds)
{
    fit->n++;
    fit->cost += cost;
    fit->seconds += seconds;
    fit->cost2 += cost * cost;
    fit->product += cost * seconds;
}

// The line of least squares, seconds = base + slope * cost. When it would fall, or begin below the
// origin, it is the line through the origin and the means.
static void draw_line(const struct fit *fit, double *base, double *slope)
{
    const double spread_of_cost = fit->n * fit->cost2 - fit->cost * fit->cost;

    *slope = spread_of_cost > 1e-9 * fit->n * fit->cost2
                 ? (fit->n * fit->product - fit->cost * fit->seconds) / spread_of_cost
                 : 0;
    *base = (fit->seconds - *slope * fit->cost) / fmax(fit->n, 1);
    if (*slope >= 0 && *base >= 0) return;
    *base = 0;
    *slope = fit->seconds / fmax(fit->cost, 1);
}

static void fill(struct sweep_calibration *c, uint64_t n)
{
    struct fit fit = {0};
    double base, slope;

    for (uint64_t i = 0; i < n; i++)
        if (!isnan(c->seconds[i])) add(&fit, c->cost[i], c->seconds[i]);
    draw_line(&fit, &base, &slope);
    for (uint64_t i = 0; i < n; i++) {
        if (isnan(c->seconds[i])) c->seconds[i] = base + slope * c->cost[i];
        c->total += c->seconds[i];
        c->longest = fmax(c->longest, c->seconds[i]);
    }
}

// ---- measuring ----------------------------------------------------------------------------------
static int take(struct sweep_calibration *c, uint64_t task, const struct assay_record *record)
{
    c->seconds[task] = record->seconds;
    c->spent += record->seconds;
    c->n_measured++;
    return 0;
}

static int measure(struct sweep_calibration *c, struct sweep_outline *o, uint64_t task,
                   struct assay_record *record, struct assay_err *err)
{
    ASSAY_TRY(assay_evaluate(o->evaluator, o->candidates.task[task], record, err));
    return take(c, task, record);
}

static int measure_some(struct sweep_calibration *c, struct sweep_outline *o, double seconds,
                        double **order, struct assay_record *record, struct assay_err *err)
{
    const uint64_t n = o->candidates.n_task, most = n < TASKS_MOST ? n : TASKS_MOST;

    // The first evaluation also warms caches and lets the system find the memory, so that its time
    // does not count; in that of a long one it makes no difference.
    const uint64_t dearest = (uint64_t)(order[n - 1] - c->cost);
    ASSAY_TRY(assay_evaluate(o->evaluator, o->candidates.task[dearest], record, err));
    if (record->seconds > seconds && record->seconds > LONG_SECONDS)
        return take(c, dearest, record);
    for (uint64_t i = 0; c->n_measured < most && i < 4 * most; i++) {
        const uint64_t task = (uint64_t)(order[(uint64_t)(spread(i) * (double)n)] - c->cost);
        if (c->n_measured >= TASKS_LEAST && c->spent >= seconds) break;
        if (isnan(c->seconds[task])) ASSAY_TRY(measure(c, o, task, record, err));
    }
    return 0;
}

static int calibrate(struct sweep_calibration *c, struct sweep_outline *o, double seconds,
                     struct assay_err *err)
{
    const struct assay_schema *schema = assay_evaluator_schema(o->evaluator);
    const size_t values = (size_t)schema->repeats * schema->n_column;
    double **order = sort_by_cost(c->cost, o->candidates.n_task);
    double *number =
        malloc((values + (size_t)schema->repeats * schema->spectrum_len + 1) * sizeof *number);
    struct assay_record record = {.value = number, .spectrum = number ? number + values : NULL};

    // run.memory does not hold here, since one rank alone may need more than each rank of a team.
    struct assay_evaluation *told = assay_config_edit(&o->config, &assay_evaluation_options);
    const uint64_t limit = told->memory;
    told->memory = 0;
    const int status = order && number
                           ? measure_some(c, o, seconds, order, &record, err)
                           : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a calibration");
    told->memory = limit;
    free(order);
    free(number);
    return status;
}

// ---- replaying ----------------------------------------------------------------------------------
// Takes the times that a run recorded. With another number of repeats they are in proportion, and a
// team's time was spent by each of its ranks.
static int take_over(struct sweep_calibration *c, const struct sweep_outline *o,
                     const struct sweep_archive *a, const char *dir, struct assay_err *err)
{
    const double part = (double)assay_config_evaluation(&a->config)->team *
                        (double)assay_config_protocol(&o->config)->repeats /
                        (double)assay_config_protocol(&a->config)->repeats;

    for (uint64_t i = 0; i < a->candidates.n_task; i++) {
        const uint64_t task = sweep_candidates_find(&o->candidates, a->candidates.task[i]);
        if (!a->ledger.done[i] || task == o->candidates.n_task) continue;
        c->seconds[task] = part * a->ledger.record[i].seconds;
        c->n_measured++;
    }
    if (c->n_measured) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "--replay %s: it has finished none of the %" PRIu64
                         " candidates of this configuration",
                         dir, o->candidates.n_task);
}

static int replay(struct sweep_calibration *c, const struct sweep_outline *o, const char *dir,
                  struct assay_err *err)
{
    struct sweep_archive a = {0};

    int status = sweep_archive_open(&a, o->config.vocabulary, dir, false, err);
    if (status >= 0) status = sweep_archive_load(&a, dir, err);
    if (status >= 0) status = take_over(c, o, &a, dir, err);
    sweep_archive_close(&a);
    return status;
}

// ---- making -------------------------------------------------------------------------------------
int sweep_calibrate(struct sweep_calibration *c, struct sweep_outline *o, double seconds,
                    const char *dir, struct assay_err *err)
{
    const uint64_t n = o->candidates.n_task;

    *c = (struct sweep_calibration){.cost = malloc((n + 1) * sizeof *c->cost),
                                    .seconds = malloc((n + 1) * sizeof *c->seconds)};
    if (!c->cost || !c->seconds)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %" PRIu64 " tasks", n);
    const double start = assay_clock_thread();
    for (uint64_t i = 0; i < n; i++) {
        c->cost[i] = assay_evaluator_cost(o->evaluator, o->candidates.task[i]);
        c->seconds[i] = NAN;
    }
    c->weighing = assay_clock_thread() - start;
    ASSAY_TRY(dir ? replay(c, o, dir, err) : calibrate(c, o, seconds, err));
    fill(c, n);
    return 0;
}

void sweep_calibration_free(struct sweep_calibration *c)
{
    free(c->cost);
    free(c->seconds);
    *c = (struct sweep_calibration){0};
}
