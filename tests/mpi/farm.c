// SPDX-License-Identifier: Apache-2.0
// farm DIR: a sweep of 3,000 candidates with an evaluator that only pretends, to see the farm when
// the system fails under it. FARM_MICROSECONDS: how long a candidate takes. FARM_FAIL=I: candidate
// I meets a system error. FARM_FAILED=I: candidates from I on are failed ones. FARM_BAD_RANK=R:
// rank R's evaluator cannot be made. FARM_SAY=1: each rank tells how many candidates it weighed,
// and whether the dearest came first.
#include "../vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct assay_evaluator {
    struct assay_column column;
    const char *protocol;
    struct assay_schema schema;
    unsigned weighed;
    double last; // cost of the last candidate evaluated
    bool risen;
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

int assay_evaluator_create(struct assay_evaluator **out, const struct assay_config *config,
                           const struct assay_space *space, const struct assay_data *data,
                           const struct assay_pla *pla, const struct assay_held *held,
                           struct assay_err *err)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");

    (void)config, (void)space, (void)data, (void)pla, (void)held;
    if (strtoull(rank ? rank : "0", NULL, 10) == setting("FARM_BAD_RANK", UINT64_MAX))
        return assay_err_set(err, ASSAY_ERR_MEMORY, "pretended lack of memory at the start");
    struct assay_evaluator *e = calloc(1, sizeof *e);
    if (!e) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory");
    e->column = (struct assay_column){.name = "half", .unit = "1", .source = "", .direction = 1};
    e->protocol = "pretended";
    e->last = 98;
    e->schema = (struct assay_schema){
        .column = &e->column, .protocol = &e->protocol, .n_column = 1, .repeats = 1};
    *out = e;
    return ASSAY_OK;
}

int assay_evaluator_memory(struct assay_evaluator *e, uint64_t index, uint64_t room,
                           struct assay_memory *memory, struct assay_err *err)
{
    (void)e, (void)index, (void)room, (void)err;
    *memory = (struct assay_memory){.total = 1};
    return ASSAY_OK;
}

void assay_evaluator_destroy(struct assay_evaluator *e)
{
    if (e && setting("FARM_SAY", 0))
        fprintf(stderr, "weighed %u, %s\n", e->weighed, e->risen ? "out of order" : "in order");
    free(e);
}

const struct assay_schema *assay_evaluator_schema(const struct assay_evaluator *e)
{
    return &e->schema;
}

static double cost_of(uint64_t index)
{
    return (double)(1 + index % 97);
}

int assay_evaluate(struct assay_evaluator *e, uint64_t index, struct assay_record *record,
                   struct assay_err *err)
{
    const double cost = cost_of(index);
    e->risen |= cost > e->last;
    e->last = cost;
    if (index == setting("FARM_FAIL", UINT64_MAX))
        return assay_err_set(err, ASSAY_ERR_MEMORY, "pretended lack of memory");
    usleep((useconds_t)setting("FARM_MICROSECONDS", 100));
    record->index = index;
    const bool failed = index >= setting("FARM_FAILED", UINT64_MAX);
    record->verdict = failed ? ASSAY_VERDICT_FAILED : ASSAY_VERDICT_OK;
    record->seconds = 0;
    memset(record->reason, 0, sizeof record->reason);
    record->value[0] = (double)index / 2;
    return ASSAY_OK;
}

int assay_evaluate_repeat(struct assay_evaluator *e, uint64_t index, uint32_t repeat,
                          struct assay_record *record, struct assay_err *err)
{
    (void)repeat; // there is one
    return assay_evaluate(e, index, record, err);
}

double assay_evaluator_cost(struct assay_evaluator *e, uint64_t index)
{
    e->weighed++;
    return cost_of(index);
}

static int run(struct assay_comm *comm, const char *dir, int *code, struct assay_err *err)
{
    static const struct assay_setting setting[] = {{"run", "metrics", "null", "farm"},
                                                   {"run", "members", "true", "farm"},
                                                   {"candidates", "count", "3000", "farm"}};
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_INFO, .rank = -1};
    struct assay_config config;

    ASSAY_TRY(assay_config_resolve(&config, vocabulary(), setting, ASSAY_LEN(setting), err));
    return assay_sweep_run(&config, dir, comm, &log, code, err);
}

int main(int argc, char **argv)
{
    struct assay_comm *comm = NULL;
    struct assay_err err = {0};
    int code = ASSAY_EXIT_ERROR;

    if (argc != 2) return ASSAY_EXIT_USAGE;
    int status = assay_comm_start(&comm, false, &err);
    if (status >= 0) status = run(comm, argv[1], &code, &err);
    if (status < 0 && (!comm || assay_comm_rank(comm) == 0))
        fprintf(stderr, "farm: %s\n", err.text);
    assay_comm_finish(comm);
    return status < 0 ? ASSAY_EXIT_ERROR : code;
}
