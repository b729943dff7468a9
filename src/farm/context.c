// SPDX-License-Identifier: Apache-2.0
#include "farm/context.h"

#include "farm/stop.h"

#include <stdlib.h>
#include <string.h>

int farm_context_open(struct farm_context *context, const struct assay_job *job, int rank,
                      struct assay_comm *team, struct assay_err *err)
{
    const struct assay_schema *schema = job->schema(job->self);
    const size_t values = (size_t)schema->repeats * schema->n_column;

    *context = (struct farm_context){
        .job = job, .bytes = assay_record_bytes(schema), .rank = rank, .team = team};
    context->number =
        calloc(values + (size_t)schema->repeats * schema->spectrum_len + 1, sizeof(double));
    if (!context->number) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    context->record.value = context->number;
    context->record.spectrum = context->number + values;
    return 0;
}

size_t farm_item_bytes(const struct assay_job *job)
{
    return job->task_bytes + sizeof(uint32_t) * 2;
}

void farm_item_make(void *item, const struct assay_job *job, const void *task, uint32_t repeat)
{
    memset((char *)item + job->task_bytes, 0, sizeof(uint32_t) * 2);
    memcpy(item, task, job->task_bytes);
    memcpy((char *)item + job->task_bytes, &repeat, sizeof repeat);
}

// Sends an item to the other ranks of the team; n = 0 ends their following.
static int pass_on(const struct farm_context *context, const void *item, size_t n,
                   struct assay_err *err)
{
    for (int rank = 1; context->team && rank < assay_comm_size(context->team); rank++)
        ASSAY_TRY(assay_comm_post(context->team, rank, ASSAY_TAG_TASK, item, n, err));
    return 0;
}

int farm_context_dismiss(const struct farm_context *context, struct assay_err *err)
{
    return pass_on(context, NULL, 0, err);
}

static int evaluate(struct farm_context *context, const void *item, uint32_t repeat,
                    struct assay_err *err)
{
    const struct assay_job *job = context->job;

    return repeat == FARM_WHOLE
               ? job->evaluate(job->self, item, &context->record, err)
               : job->evaluate_repeat(job->self, item, repeat, &context->record, err);
}

int farm_context_evaluate(struct farm_context *context, const void *item, void *packed,
                          uint32_t *repeat, struct assay_err *err)
{
    const struct assay_job *job = context->job;

    memcpy(repeat, (const char *)item + job->task_bytes, sizeof *repeat);
    ASSAY_TRY(pass_on(context, item, farm_item_bytes(job), err));
    ASSAY_TRY(evaluate(context, item, *repeat, err));
    context->record.rank = context->rank;
    memcpy(&context->record.index, item, sizeof context->record.index);
    assay_record_pack(job->schema(job->self), &context->record, packed);
    return 0;
}

// ---- the other ranks of a team ------------------------------------------------------------------
#define IDLE_SECONDS 0.1

static int tell_signal(struct assay_comm *comm, int signal, struct assay_err *err)
{
    const struct farm_done done = {.flag = FARM_DONE_STOP, .signal = signal};

    return assay_comm_post(comm, 0, ASSAY_TAG_DONE, &done, sizeof done, err);
}

// Takes part in one evaluation. Its error is also that of the first rank, which reports it; only
// errors of messages are returned here.
static int follow(struct farm_context *context, const struct assay_mail *mail, char *item,
                  struct assay_err *err)
{
    struct assay_err other = {0};
    uint32_t repeat;

    ASSAY_ASSERT(mail->n == farm_item_bytes(context->job));
    ASSAY_TRY(assay_comm_take(context->team, mail, item, err));
    memcpy(&repeat, item + context->job->task_bytes, sizeof repeat);
    const int status = evaluate(context, item, repeat, &other);
    if (status != ASSAY_ERR_MPI) return 0;
    *err = other;
    return status;
}

int farm_context_follow(struct farm_context *context, struct assay_comm *comm,
                        struct assay_err *err)
{
    char *item = malloc(farm_item_bytes(context->job));
    struct assay_mail mail = {.n = 1};
    int status = item ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a task");

    for (int told = 0; status >= 0;) {
        const int found = assay_comm_poll(context->team, IDLE_SECONDS, &mail, err);
        if (found > 0 && !mail.n) {
            status = assay_comm_take(context->team, &mail, item, err);
            break;
        }
        status = found > 0 ? follow(context, &mail, item, err) : found;
        if (status >= 0 && farm_signal() && !told)
            status = tell_signal(comm, told = farm_signal(), err);
    }
    free(item);
    return status;
}

void farm_context_close(struct farm_context *context)
{
    free(context->number);
    *context = (struct farm_context){0};
}
