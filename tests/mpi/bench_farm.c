// SPDX-License-Identifier: Apache-2.0
// Benchmark, under mpirun: what the farm itself costs. Candidates that cost nothing are streamed
// to all ranks and stored in a journal; then rank 0's CPU time for a record and a TASK, one each in
// a message, which src/sweep/forecast.c reckons with. Candidates are counted by the wall, from the
// start of the farm to the synced journal, and by rank 0's CPU time, since machines are shared.
//
// Usage: mpirun -n N bench_farm DIR
#include "bench.h"

#include "assay/farm.h"

enum { TASKS = 1000000, MESSAGES = 20000, WINDOW = 32, TARGET = 200000 };

struct stream {
    uint64_t *task;
    struct assay_round round;
    struct assay_column column;
    const char *protocol;
    struct assay_schema schema;
    bool asked;
    double start, cpu, wall;
};

// ---- a job that costs nothing -------------------------------------------------------------------
static int open_stream(void *self, struct assay_comm *team, struct assay_err *err)
{
    struct stream *s = self;

    (void)team, (void)err;
    s->column = (struct assay_column){.name = "null", .unit = "1", .source = ""};
    s->protocol = "none";
    s->schema = (struct assay_schema){
        .column = &s->column, .protocol = &s->protocol, .n_column = 1, .repeats = 1};
    return 0;
}

static const struct assay_schema *schema(const void *self)
{
    return &((const struct stream *)self)->schema;
}

static const char *identity(const void *self)
{
    (void)self;
    return "[protocol]\nname = farm\n";
}

static int evaluate(void *self, const void *task, struct assay_record *record,
                    struct assay_err *err)
{
    (void)self, (void)task, (void)err;
    record->verdict = ASSAY_VERDICT_OK;
    record->seconds = 0;
    record->reason[0] = '\0';
    record->value[0] = 0;
    return 0;
}

static int prepare(void *self, const char *dir, void **extra, size_t *n_extra,
                   struct assay_err *err)
{
    struct stream *s = self;

    (void)dir, (void)err;
    s->task = allocate(TASKS * sizeof *s->task);
    for (uint64_t i = 0; i < TASKS; i++) s->task[i] = i;
    *extra = calloc(1, 1);
    *n_extra = 0;
    return 0;
}

static int start(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err)
{
    struct stream *s = self;

    (void)dir, (void)comm, (void)log, (void)err;
    s->start = assay_clock_wall();
    s->cpu = assay_clock_thread();
    return 0;
}

static int next_round(void *self, struct assay_round **round, struct assay_err *err)
{
    struct stream *s = self;
    const bool more = !s->asked;

    (void)err;
    s->asked = true;
    s->round.task = s->task;
    s->round.n = TASKS;
    *round = &s->round;
    return more;
}

static double cost(void *self, const void *task)
{
    (void)self, (void)task;
    return 1;
}

static int publish(void *self, const struct assay_pause *pause, struct assay_err *err)
{
    struct stream *s = self;

    (void)pause;
    (void)err;
    s->wall = assay_clock_wall() - s->start;
    s->cpu = assay_clock_thread() - s->cpu;
    return 0;
}

static int stream(struct assay_comm *comm, const char *dir, struct assay_err *err)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_WARN, .rank = -1};
    const struct assay_farm_spec spec = {.team = 1, .engine = "no kernels", .library = "no BLAS"};
    struct stream s = {.asked = false};
    const struct assay_job job = {.self = &s,
                                  .result = "nothing",
                                  .task_bytes = sizeof(uint64_t),
                                  .open = open_stream,
                                  .schema = schema,
                                  .identity = identity,
                                  .evaluate = evaluate,
                                  .prepare = prepare,
                                  .start = start,
                                  .round = next_round,
                                  .cost = cost,
                                  .publish = publish};
    int code;

    ASSAY_TRY(assay_farm_run(&job, &spec, dir, comm, &log, &code, err));
    if (assay_comm_rank(comm) == 0) {
        printf("%-40s %10s %10.3g  %s\n", "candidates/s streamed and stored", ">= 2e+05",
               TASKS / s.wall, TASKS / s.wall >= TARGET ? "ok" : "MISSED");
        printf("%-40s %10s %10.3g\n", "candidates/s of rank 0's CPU time", "", TASKS / s.cpu);
    }
    free(s.task);
    return 0;
}

// ---- messages -----------------------------------------------------------------------------------
// A worker that answers every TASK with one record, WINDOW of them on their way.
static int answer(struct assay_comm *comm, struct assay_err *err)
{
    char record[512] = {0};
    struct assay_mail mail;

    for (int i = 0; i < WINDOW; i++)
        ASSAY_TRY(assay_comm_post(comm, 0, ASSAY_TAG_DONE, record, sizeof record, err));
    for (int i = 0; i < MESSAGES;) {
        const int found = assay_comm_poll(comm, 1, &mail, err);
        ASSAY_TRY(found);
        if (!found) continue;
        ASSAY_TRY(assay_comm_take(comm, &mail, record, err));
        if (++i + WINDOW <= MESSAGES)
            ASSAY_TRY(assay_comm_post(comm, 0, ASSAY_TAG_DONE, record, sizeof record, err));
    }
    return 0;
}

static int ask(struct assay_comm *comm, struct assay_err *err)
{
    char record[512] = {0};
    struct assay_mail mail;
    double cpu = 0;

    for (int i = 0; i < MESSAGES;) {
        const double start = assay_clock_thread();
        const int found = assay_comm_poll(comm, i ? 0 : 1, &mail, err);
        ASSAY_TRY(found);
        if (!found) continue;
        ASSAY_TRY(assay_comm_take(comm, &mail, record, err));
        ASSAY_TRY(assay_comm_post(comm, mail.from, ASSAY_TAG_TASK, record, sizeof(uint64_t), err));
        cpu += assay_clock_thread() - start;
        i++;
    }
    printf("%-40s %10s %10.3g\n", "microseconds of rank 0 a message", "",
           1e6 * cpu / (2.0 * MESSAGES));
    return 0;
}

static int exchange(struct assay_comm *comm, struct assay_err *err)
{
    const int rank = assay_comm_rank(comm);

    if (assay_comm_size(comm) < 2 || rank > 1) return 0;
    return rank == 0 ? ask(comm, err) : answer(comm, err);
}

int main(int argc, char **argv)
{
    struct assay_comm *comm = NULL;
    struct assay_err err = {0};

    if (argc != 2) return ASSAY_EXIT_USAGE;
    stop_on(assay_comm_start(&comm, false, &err), &err);
    if (assay_comm_rank(comm) == 0) printf("%-40s %10s %10s\n", "figure", "target", "reached");
    stop_on(stream(comm, argv[1], &err), &err);
    stop_on(exchange(comm, &err), &err);
    assay_comm_finish(comm);
    return 0;
}
