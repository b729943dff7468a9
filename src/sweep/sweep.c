// SPDX-License-Identifier: Apache-2.0
// A sweep as a job of the farm: one round, whose tasks are the candidates.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>

struct sweep {
    struct assay_config config; // with the team and the rung that were chosen
    struct assay_engine engine;
    struct sweep_given given;
    struct assay_space space;
    struct assay_comm *comm;     // borrowed
    const struct assay_log *log; // borrowed
    struct assay_pla *pla;       // of the team, or NULL
    struct assay_images *images;
    struct assay_held held;
    struct assay_evaluator *evaluator;
    char *identity, warning[ASSAY_DATA_WARNING]; // of the images
    // rank 0
    struct sweep_candidates candidates;
    struct assay_round round;
    struct sweep_publisher publisher;
    double *cost; // (n_task) until the queue has them; NULL: there is one rank
    bool asked;   // for the round
};

// ---- every rank ---------------------------------------------------------------------------------
static int open_evaluator(struct sweep *s, struct assay_err *err)
{
    const struct assay_data *data = assay_images_data(s->images);
    char images[ASSAY_DATA_IDENTITY];

    s->held = assay_images_held(s->images, false);
    ASSAY_TRY(
        assay_evaluator_create(&s->evaluator, &s->config, &s->space, data, s->pla, &s->held, err));
    assay_data_identity(data, images);
    snprintf(s->warning, sizeof s->warning, "%s", assay_data_warning(data));
    s->identity = sweep_identity_text(&s->config, assay_evaluator_schema(s->evaluator),
                                      assay_config_evaluation(&s->config)->cpu, images);
    return s->identity ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a text");
}

static int open_space(struct sweep *s, struct assay_comm *team, struct assay_err *err)
{
    ASSAY_TRY(assay_pla_create(&s->pla, team, err));
    return sweep_given_space(&s->config, s->given.block, s->given.n, &s->space, err);
}

static int open_sweep(void *self, struct assay_comm *team, struct assay_err *err)
{
    struct sweep *s = self;

    ASSAY_TRY(sweep_given_open(&s->given, &s->config, s->comm, s->log, err));
    ASSAY_TRY(assay_comm_agree(s->comm, open_space(s, team, err), err));
    ASSAY_TRY(assay_images_open(&s->images, &s->config, s->comm, 1, err));
    int status = open_evaluator(s, err);
    status = assay_comm_agree(s->comm, status, err);
    assay_images_close(s->images); // every rank has drawn its batches
    s->images = NULL;
    return status;
}

static const struct assay_schema *schema(const void *self)
{
    return assay_evaluator_schema(((const struct sweep *)self)->evaluator);
}

static const char *identity(const void *self)
{
    return ((const struct sweep *)self)->identity;
}

// What ends a run, such as a lack of memory, names the candidate that it was met at.
static int name_candidate(const struct sweep *s, uint64_t index, struct assay_err *err)
{
    char arch[ASSAY_ARCH_MAX] = "";
    assay_space_format(&s->space, index, arch, sizeof arch);
    return assay_err_prefix(err, "candidate %" PRIu64 " (%.300s)", index, arch);
}

static int evaluate(void *self, const void *task, struct assay_record *record,
                    struct assay_err *err)
{
    const struct sweep *s = self;
    const uint64_t index = *(const uint64_t *)task;
    const int status = assay_evaluate(s->evaluator, index, record, err);

    return status < 0 ? name_candidate(s, index, err) : status;
}

static int evaluate_repeat(void *self, const void *task, uint32_t repeat,
                           struct assay_record *record, struct assay_err *err)
{
    const struct sweep *s = self;
    const uint64_t index = *(const uint64_t *)task;
    const int status = assay_evaluate_repeat(s->evaluator, index, repeat, record, err);

    return status < 0 ? name_candidate(s, index, err) : status;
}

// ---- rank 0 -------------------------------------------------------------------------------------
static int check_scores(struct sweep *s, uint32_t *columns, struct assay_err *err)
{
    struct assay_columns counted;

    ASSAY_TRY(assay_columns_create(&counted, &s->config, true, err));
    const int status = sweep_scores_fit(&s->config, schema(s), &counted, columns, err);
    *columns += counted.n_column;
    assay_columns_free(&counted);
    return status;
}

static int check_memory(struct sweep *s, uint32_t columns, struct assay_err *err)
{
    const struct assay_farm_spec spec = assay_config_farm(&s->config, NULL);
    const struct assay_teams teams = assay_teams_make(&spec, assay_comm_size(s->comm));
    struct sweep_memory most = {.held = s->held, .works = teams.works};

    most.limit = assay_config_evaluation(&s->config)->memory << 20;
    if (!most.limit) return 0;
    most.records = sweep_records_bytes(&s->candidates, schema(s), columns, &s->space);
    ASSAY_TRY(sweep_memory_most(&most, s->evaluator, &s->candidates, err));
    return sweep_memory_check(&most, &s->config, &s->space, err);
}

static int prepare(void *self, const char *dir, void **extra, size_t *n_extra,
                   struct assay_err *err)
{
    struct sweep *s = self;
    struct sweep_shard shard;
    uint32_t columns; // beside those measured

    ASSAY_TRY(check_scores(s, &columns, err));
    ASSAY_TRY(sweep_shard_parse(&shard, assay_config_candidates(&s->config)->shard, err));
    ASSAY_TRY(sweep_candidates_make(&s->candidates, &s->config, &s->space, err));
    // The journal of a shard has the candidates of all shards, to show that they divide the same
    // ones.
    *extra = sweep_list_pack(&s->candidates, &s->given, n_extra);
    if (!*extra) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the candidate list");
    sweep_candidates_shard(&s->candidates, shard);
    ASSAY_TRY(check_memory(s, columns, err));
    ASSAY_TRY(assay_identity_check(s->identity, dir, err));
    return sweep_given_check(&s->given, &s->config, s->identity, dir, err);
}

static void log_pass(void *log, const char *line)
{
    assay_log_line(log, ASSAY_LOG_INFO, "%s", line);
}

static int start(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err)
{
    struct sweep *s = self;
    const struct assay_evaluation *told = assay_config_evaluation(&s->config);
    const struct assay_candidates *given = assay_config_candidates(&s->config);

    ASSAY_TRY(assay_config_write(&s->config, dir, err));
    assay_log_line(log, ASSAY_LOG_INFO, "%s%s%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s",
                   told->space, *given->shard ? ", shard " : "", given->shard, s->candidates.n_row,
                   s->candidates.n_task,
                   assay_config_members(&s->config) ? "" : " (one per class of equal networks)");
    ASSAY_TRY(sweep_passes(&s->config, log_pass, (void *)log, err));
    if (*s->warning) assay_log_line(log, ASSAY_LOG_WARN, "%s", s->warning);
    char warning[160];
    if (sweep_candidates_warning(&s->candidates, warning, sizeof warning))
        assay_log_line(log, ASSAY_LOG_WARN, "%s", warning);
    return sweep_publisher_open(&s->publisher, dir, &s->config, &s->space, &s->candidates,
                                schema(s), s->identity, comm, err);
}

static int next_round(void *self, struct assay_round **round, struct assay_err *err)
{
    struct sweep *s = self;
    const bool more = !s->asked;

    (void)err;
    s->asked = true;
    s->round.task = s->candidates.task;
    s->round.n = s->candidates.n_task;
    *round = &s->round;
    return more;
}

static double cost(void *self, const void *task)
{
    const struct sweep *s = self;
    const uint64_t index = *(const uint64_t *)task;

    if (s->cost) return s->cost[sweep_candidates_find(&s->candidates, index)];
    return assay_evaluator_cost(s->evaluator, index);
}

static int fill(void *self, double seconds, struct assay_err *err)
{
    struct sweep *s = self;

    free(s->cost); // tasks are queued
    s->cost = NULL;
    return sweep_publisher_fill(&s->publisher, seconds, err);
}

static double publishing(void *self)
{
    const struct sweep *s = self;
    const struct sweep_publisher *p = &s->publisher;

    return sweep_publish_seconds(&s->candidates, p->schema, p->counted.n_column + p->scores.n);
}

static int publish(void *self, const struct assay_pause *pause, struct assay_err *err)
{
    struct sweep *s = self;
    const struct sweep_records records = {.record = s->round.record,
                                          .done = s->round.done,
                                          .place = s->round.place,
                                          .journal = s->round.journal};

    return sweep_publish(&s->publisher, &records, pause, err);
}

// ---- together -----------------------------------------------------------------------------------
static int compare(void *self, struct assay_comm *comm, const struct assay_log *log,
                   struct assay_err *err)
{
    struct sweep *s = self;

    ASSAY_TRY(assay_engine_compare(comm, log, err));
    return sweep_weigh(&s->cost, &s->candidates, s->evaluator, comm, err);
}

static void close_sweep(void *self)
{
    struct sweep *s = self;

    free(s->cost);
    sweep_publisher_close(&s->publisher);
    sweep_candidates_free(&s->candidates);
    free(s->identity);
    assay_evaluator_destroy(s->evaluator);
    assay_pla_destroy(s->pla);
    assay_space_close(&s->space);
    sweep_given_close(&s->given);
}

int assay_sweep_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                    const struct assay_log *log, int *exit_code, struct assay_err *err)
{
    struct sweep s = {.config = *config, .comm = comm, .log = log};
    const struct assay_job job = {.self = &s,
                                  .result = "results.h5",
                                  .task_bytes = sizeof *s.candidates.task,
                                  .open = open_sweep,
                                  .schema = schema,
                                  .identity = identity,
                                  .compare = compare,
                                  .evaluate = evaluate,
                                  .evaluate_repeat = evaluate_repeat,
                                  .close = close_sweep,
                                  .prepare = prepare,
                                  .start = start,
                                  .round = next_round,
                                  .cost = cost,
                                  .fill = fill,
                                  .publishing = publishing,
                                  .publish = publish};

    ASSAY_TRY(assay_config_meet(comm, config, err));
    ASSAY_TRY(sweep_team_choose(&s.config, dir, comm, err));
    ASSAY_TRY(assay_engine_agree(&s.engine, &s.config, comm, err));
    const struct assay_farm_spec spec = assay_config_farm(&s.config, &s.engine);
    return assay_farm_run(&job, &spec, dir, comm, log, exit_code, err);
}
