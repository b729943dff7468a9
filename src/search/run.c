// SPDX-License-Identifier: Apache-2.0
// The searches of all seeds as one job of the farm: a round of the farm holds the rounds of all
// seeds that are still searching.
#include "method.h"
#include "ranks.h"
#include "runs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const struct search_method *method[SEARCH_METHODS_MAX];
    size_t n_method;
    struct search_context c;
    struct assay_config given;  // with the rung that was chosen
    struct assay_config config; // as the methods configured it
    struct assay_engine engine;
    struct assay_space space;
    struct assay_comm *comm; // borrowed
    struct assay_pla *pla;   // of the team, or NULL
    struct assay_images *images;
    struct search_ranks *ranks; // rank 0, or NULL
    char *identity;
    // rank 0
    struct search_history history;
    const char *dir;
    struct assay_attr attr[ASSAY_RUN_ATTRS];
    size_t n_attr;
    struct assay_arena arena; // of the attributes
    struct assay_found_list *found;
    struct search_runs runs;
    struct search_task *task; // of the round, sorted, distinct
    struct assay_round round;
    double start, asked; // times
};

// ---- every rank ---------------------------------------------------------------------------------
// The values that others are ranked against (search.ranks) are data, too.
static int make_identity(struct search *s, uint64_t ranks, struct assay_err *err)
{
    char *settings = assay_config_identity(&s->config, "search");
    if (settings) {
        char data[ASSAY_DATA_IDENTITY + 32];
        assay_data_identity(s->c.data, data);
        if (*assay_config_search(&s->config)->ranks)
            snprintf(data + strlen(data), 32, "\n# ranks: %016" PRIx64, ranks);
        s->identity = assay_identity_text(
            settings, s->c.schema, assay_config_evaluation(&s->config)->cpu,
            (enum assay_precision)assay_config_protocol(&s->config)->precision, data);
    }
    free(settings);
    return s->identity ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a text");
}

static int open_methods(struct search *s, const struct assay_config *config, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    ASSAY_TRY(assay_config_open_space(config, &s->space, err));
    const int n = search_find_methods(config, &s->space, s->method, &s->config, err);
    s->n_method = n < 0 ? 0 : (size_t)n;
    if (n < 0 || told->team == 1 || s->method[0]->evaluator == &search_evaluator_metrics) return n;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "run.team = %" PRIu64 ": %s takes its steps on one rank each; expected 1",
                         told->team, s->method[0]->name);
}

static int open_search(void *self, struct assay_comm *team, struct assay_err *err)
{
    struct search *s = self;
    uint64_t ranks;
    ASSAY_TRY(assay_comm_agree(s->comm, open_methods(s, &s->given, err), err));
    ASSAY_TRY(assay_images_open(&s->images, &s->given, s->comm, 1, err));
    int status = assay_pla_create(&s->pla, team, err);
    s->c = (struct search_context){.config = &s->config,
                                   .space = &s->space,
                                   .data = assay_images_data(s->images),
                                   .pla = s->pla,
                                   .held = assay_images_held(s->images, true),
                                   .history = &s->history,
                                   .evaluator = s->method[0]->evaluator};
    if (status >= 0) status = s->c.evaluator->open(&s->c.evaluator_state, &s->c, err);
    ASSAY_TRY(assay_comm_agree(s->comm, status, err));
    s->c.schema = s->c.evaluator->schema(s->c.evaluator_state);
    ASSAY_TRY(search_ranks_open(&s->ranks, &s->c, s->comm, &ranks, err));
    s->c.ranks = s->ranks;
    return make_identity(s, ranks, err);
}

static const struct assay_schema *schema(const void *self)
{
    return ((const struct search *)self)->c.schema;
}

static const char *identity(const void *self)
{
    return ((const struct search *)self)->identity;
}

static int evaluate(void *self, const void *bytes, struct assay_record *record,
                    struct assay_err *err)
{
    const struct search_context *c = &((struct search *)self)->c;
    struct search_task task;
    memcpy(&task, bytes, sizeof task);
    return c->evaluator->evaluate(c->evaluator_state, &task, record, err);
}

// ---- rank 0 -------------------------------------------------------------------------------------
static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the search");
}

static int prepare(void *self, const char *dir, void **extra, size_t *n_extra,
                   struct assay_err *err)
{
    struct search *s = self;
    ASSAY_TRY(search_runs_make(&s->runs, s->found, &s->c, s->method, s->n_method, err));
    *extra = NULL; // a search's tasks follow from its identity
    *n_extra = 0;
    return assay_identity_check(s->identity, dir, err);
}

static int start(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err)
{
    struct search *s = self;
    const struct assay_search_spec *spec = assay_config_search(&s->config);
    ASSAY_TRY(assay_config_write(&s->given, dir, err));
    s->dir = dir;
    s->c.log = log;
    s->start = s->asked = assay_clock_wall();
    assay_log_line(log, ASSAY_LOG_INFO, "%s: search by %s, seeds %s",
                   assay_config_evaluation(&s->config)->space, spec->method, spec->seeds);
    if (*assay_data_warning(s->c.data))
        assay_log_line(log, ASSAY_LOG_WARN, "%s", assay_data_warning(s->c.data));
    ASSAY_TRY(search_runs_open(&s->runs, err));
    return assay_run_attrs(s->attr, &s->n_attr, &s->arena, &s->config, s->identity, comm, err);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = ((const struct search_task *)a)->number;
    const uint64_t y = ((const struct search_task *)b)->number;
    return (x > y) - (x < y);
}

// Collects the records of what a run asked for, in that order.
static int collect(struct search *s, struct search_run *run, struct assay_err *err)
{
    struct search_round *r = &run->round;
    free(run->record);
    run->record = malloc((r->n_task + 1) * sizeof *run->record);
    if (!run->record) return no_memory(err);
    for (size_t i = 0; i < r->n_task; i++) {
        const struct search_task *at =
            bsearch(&r->task[i], s->task, s->round.n, sizeof *s->task, by_number);
        ASSAY_ASSERT(at);
        run->record[i] = &s->round.record[at - s->task];
        run->found->cpu_seconds += run->record[i]->seconds;
    }
    run->found->evaluations += r->n_task;
    run->found->rounds += r->n_task > 0;
    r->record = run->record;
    r->n_record = r->n_task;
    r->n_task = 0;
    r->wall_seconds = assay_clock_wall() - s->asked;
    return 0;
}

// Lets one run go on; the tasks that it asks for are in its round.
static int step(struct search *s, struct search_run *run, struct assay_err *err)
{
    if (run->over) return 0;
    if (run->asked) ASSAY_TRY(collect(s, run, err));
    run->asked = true;
    return search_run_step(run, &s->c, assay_clock_wall() - s->start, err);
}

// Makes one sorted list of the tasks of all runs, each once.
static int merge(struct search *s, struct assay_err *err)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < s->runs.n; i++)
        n += s->runs.run[i].over ? 0 : s->runs.run[i].round.n_task;
    struct search_task *task = malloc((n + 1) * sizeof *task);
    if (!task) return no_memory(err);
    n = 0;
    for (size_t i = 0; i < s->runs.n; i++) {
        const struct search_round *r = &s->runs.run[i].round;
        if (s->runs.run[i].over || !r->n_task) continue;
        memcpy(task + n, r->task, r->n_task * sizeof *task);
        n += r->n_task;
    }
    qsort(task, n, sizeof *task, by_number);
    for (size_t i = 0; i < n; i++)
        if (!kept || task[kept - 1].number != task[i].number) task[kept++] = task[i];
    free(s->task);
    s->task = task;
    s->round = (struct assay_round){.task = task, .n = kept};
    return 0;
}

static int next_round(void *self, struct assay_round **round, struct assay_err *err)
{
    struct search *s = self;
    bool over = true;
    for (size_t i = 0; i < s->runs.n; i++) {
        ASSAY_TRY(step(s, &s->runs.run[i], err));
        over &= s->runs.run[i].over;
    }
    ASSAY_TRY(merge(s, err));
    s->asked = assay_clock_wall();
    *round = &s->round;
    return !over;
}

static double cost(void *self, const void *bytes)
{
    const struct search_context *c = &((struct search *)self)->c;
    struct search_task task;
    memcpy(&task, bytes, sizeof task);
    return c->evaluator->cost(c->evaluator_state, &task);
}

static int publish(void *self, const struct assay_pause *pause, struct assay_err *err)
{
    (void)pause;
    struct search *s = self;
    return search_history_write(&s->history, s->dir, "search.h5", s->attr, s->n_attr, err);
}

// ---- together -----------------------------------------------------------------------------------
static int compare(void *self, struct assay_comm *comm, const struct assay_log *log,
                   struct assay_err *err)
{
    (void)self;
    return assay_engine_compare(comm, log, err);
}

static void close_search(void *self)
{
    struct search *s = self;
    search_runs_close(&s->runs);
    free(s->task);
    free(s->identity);
    search_history_free(&s->history);
    search_ranks_free(s->ranks);
    assay_arena_finish(&s->arena);
    if (s->c.evaluator) s->c.evaluator->close(s->c.evaluator_state);
    assay_pla_destroy(s->pla);
    assay_images_close(s->images);
    assay_space_close(&s->space);
}

int assay_search_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                     const struct assay_log *log, struct assay_found_list *found, int *exit_code,
                     struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    struct search s = {.given = *config, .found = found, .comm = comm};
    const struct assay_job job = {.self = &s,
                                  .result = "search.h5",
                                  .task_bytes = sizeof *s.task,
                                  .rounds = true,
                                  .open = open_search,
                                  .schema = schema,
                                  .identity = identity,
                                  .compare = compare,
                                  .evaluate = evaluate,
                                  .close = close_search,
                                  .prepare = prepare,
                                  .start = start,
                                  .round = next_round,
                                  .cost = cost,
                                  .publish = publish};
    *found = (struct assay_found_list){0};
    ASSAY_TRY(assay_config_meet(comm, config, err));
    if (!told->team)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "run.team = 0: a search does not know beforehand what it will "
                             "evaluate; expected a number of ranks");
    ASSAY_TRY(assay_engine_agree(&s.engine, &s.given, comm, err));
    const struct assay_farm_spec spec = assay_config_farm(&s.given, &s.engine);
    return assay_farm_run(&job, &spec, dir, comm, log, exit_code, err);
}

void assay_found_free(struct assay_found_list *found)
{
    free(found->item);
    *found = (struct assay_found_list){0};
}
