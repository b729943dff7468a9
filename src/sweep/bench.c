// SPDX-License-Identifier: Apache-2.0
#include "farm.h"

#include <stdlib.h>
#include <string.h>

int sweep_bench_open(struct sweep_bench *bench, const struct assay_job *job, int rank,
                     struct assay_comm *team, struct assay_err *err)
{
    const struct assay_schema *schema = job->schema(job->self);
    const size_t values = (size_t)schema->repeats * schema->n_column;

    *bench = (struct sweep_bench){
        .job = job, .bytes = assay_record_bytes(schema), .rank = rank, .team = team};
    bench->number =
        calloc(values + (size_t)schema->repeats * schema->spectrum_len + 1, sizeof(double));
    if (!bench->number) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    bench->record.value = bench->number;
    bench->record.spectrum = bench->number + values;
    return 0;
}

size_t sweep_item_bytes(const struct assay_job *job)
{
    return job->task_bytes + sizeof(uint32_t) * 2;
}

void sweep_item_make(void *item, const struct assay_job *job, const void *task, uint32_t repeat)
{
    memset((char *)item + job->task_bytes, 0, sizeof(uint32_t) * 2);
    memcpy(item, task, job->task_bytes);
    memcpy((char *)item + job->task_bytes, &repeat, sizeof repeat);
}

// To the other ranks of the team; nothing: to end.
static int pass_on(const struct sweep_bench *bench, const void *item, size_t n,
                   struct assay_err *err)
{
    for (int rank = 1; bench->team && rank < assay_comm_size(bench->team); rank++)
        ASSAY_TRY(assay_comm_post(bench->team, rank, ASSAY_TAG_TASK, item, n, err));
    return 0;
}

int sweep_bench_dismiss(const struct sweep_bench *bench, struct assay_err *err)
{
    return pass_on(bench, NULL, 0, err);
}

static int evaluate(struct sweep_bench *bench, const void *item, uint32_t repeat,
                    struct assay_err *err)
{
    const struct assay_job *job = bench->job;

    return repeat == SWEEP_WHOLE
               ? job->evaluate(job->self, item, &bench->record, err)
               : job->evaluate_repeat(job->self, item, repeat, &bench->record, err);
}

int sweep_bench_evaluate(struct sweep_bench *bench, const void *item, void *packed,
                         uint32_t *repeat, struct assay_err *err)
{
    const struct assay_job *job = bench->job;

    memcpy(repeat, (const char *)item + job->task_bytes, sizeof *repeat);
    ASSAY_TRY(pass_on(bench, item, sweep_item_bytes(job), err));
    ASSAY_TRY(evaluate(bench, item, *repeat, err));
    bench->record.rank = bench->rank;
    memcpy(&bench->record.index, item, sizeof bench->record.index);
    assay_record_pack(job->schema(job->self), &bench->record, packed);
    return 0;
}

// ---- the other ranks of a team ------------------------------------------------------------------
#define IDLE_SECONDS 0.1

static int tell_signal(struct assay_comm *comm, int signal, struct assay_err *err)
{
    const struct sweep_done done = {.flag = SWEEP_DONE_STOP, .signal = signal};

    return assay_comm_post(comm, 0, ASSAY_TAG_DONE, &done, sizeof done, err);
}

// One evaluation; its error is also the first rank's, who tells of it.
static int follow(struct sweep_bench *bench, const struct assay_mail *mail, char *item,
                  struct assay_err *err)
{
    struct assay_err other = {0};
    uint32_t repeat;

    ASSAY_ASSERT(mail->n == sweep_item_bytes(bench->job));
    ASSAY_TRY(assay_comm_take(bench->team, mail, item, err));
    memcpy(&repeat, item + bench->job->task_bytes, sizeof repeat);
    const int status = evaluate(bench, item, repeat, &other);
    if (status != ASSAY_ERR_MPI) return 0;
    *err = other;
    return status;
}

int sweep_bench_follow(struct sweep_bench *bench, struct assay_comm *comm, struct assay_err *err)
{
    char *item = malloc(sweep_item_bytes(bench->job));
    struct assay_mail mail = {.n = 1};
    int status = item ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a task");

    for (int told = 0; status >= 0;) {
        const int found = assay_comm_poll(bench->team, IDLE_SECONDS, &mail, err);
        if (found > 0 && !mail.n) {
            status = assay_comm_take(bench->team, &mail, item, err);
            break;
        }
        status = found > 0 ? follow(bench, &mail, item, err) : found;
        if (status >= 0 && sweep_signal() && !told)
            status = tell_signal(comm, told = sweep_signal(), err);
    }
    free(item);
    return status;
}

void sweep_bench_close(struct sweep_bench *bench)
{
    free(bench->number);
    *bench = (struct sweep_bench){0};
}
