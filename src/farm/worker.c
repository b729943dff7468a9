// SPDX-License-Identifier: Apache-2.0
// A worker: keeps a queue of tasks, evaluates them in order, sends records back in batches.
#include "farm/worker.h"

#include "farm/context.h"
#include "farm/roster.h"
#include "farm/stop.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_SECONDS 0.005 // between looks for messages while there is work
#define IDLE_SECONDS 0.1
#define QUEUE_MAX    ((size_t)2 * FARM_CHUNK_MAX)

struct farm_worker {
    struct assay_comm *comm;
    struct farm_context context;
    char *queue; // (QUEUE_MAX, item_bytes)
    size_t item_bytes;
    size_t next, end; // what is left of it
    char *batch;      // header and room for n_batch packed records and their repeats
    uint32_t *repeat; // (n_batch)
    uint32_t n_record, n_batch;
    double seconds; // spent on the records in the batch
    double sent, looked;
    bool ended, broken, told_stop;
    struct assay_err *err;
};

static char *item_at(const struct farm_worker *w, size_t i)
{
    return w->queue + i * w->item_bytes;
}

static char *record_at(const struct farm_worker *w, uint32_t i)
{
    return w->batch + sizeof(struct farm_done) + (size_t)i * w->context.bytes;
}

static int send_done(struct farm_worker *w, uint32_t flag)
{
    const int signal = farm_signal();
    const struct farm_done done = {.flag = flag | (signal ? FARM_DONE_STOP : 0),
                                   .n_record = w->n_record,
                                   .signal = signal,
                                   .seconds = w->seconds};

    char *end = record_at(w, w->n_record);
    const size_t repeats = w->n_record * sizeof *w->repeat;

    memcpy(w->batch, &done, sizeof done);
    memcpy(end, w->repeat, repeats);
    ASSAY_TRY(assay_comm_post(w->comm, 0, ASSAY_TAG_DONE, w->batch,
                              (size_t)(end - w->batch) + repeats, w->err));
    w->told_stop |= signal != 0;
    w->n_record = 0;
    w->seconds = 0;
    w->sent = assay_clock_wall();
    return 0;
}

// Tells rank 0 that the system failed, not a candidate; it will end the job.
static int send_error(struct farm_worker *w, int status, struct assay_err *error)
{
    struct farm_failure failure = {.done = {.flag = FARM_DONE_ERROR}};

    assay_err_prefix(error, "rank %d on %s", assay_comm_rank(w->comm), assay_comm_host(w->comm));
    failure.error = *error;
    failure.error.code = status;
    w->broken = true;
    w->next = w->end = 0;
    return assay_comm_post(w->comm, 0, ASSAY_TAG_DONE, &failure, sizeof failure, w->err);
}

static int send_if_due(struct farm_worker *w)
{
    const double since = assay_clock_wall() - w->sent;

    return farm_records_due(w->n_record, w->end - w->next, w->n_batch, since) ? send_done(w, 0) : 0;
}

static int evaluate_next(struct farm_worker *w)
{
    struct assay_err error = {0};
    const double start = assay_clock_wall();
    const int status =
        farm_context_evaluate(&w->context, item_at(w, w->next), record_at(w, w->n_record),
                              &w->repeat[w->n_record], &error);

    if (status < 0) return send_error(w, status, &error);
    w->next++;
    w->n_record++;
    w->seconds += assay_clock_wall() - start;
    return send_if_due(w);
}

static int take_task(struct farm_worker *w, const struct assay_mail *mail)
{
    const size_t n = mail->n / w->item_bytes;

    memmove(w->queue, item_at(w, w->next), (w->end - w->next) * w->item_bytes);
    w->end -= w->next;
    w->next = 0;
    ASSAY_ASSERT(mail->tag == ASSAY_TAG_TASK && n <= QUEUE_MAX - w->end);
    ASSAY_TRY(assay_comm_take(w->comm, mail, item_at(w, w->end), w->err));
    w->end += n;
    w->ended = !n;
    if (w->ended || w->broken) w->end = 0;
    return 0;
}

// Takes every message that is there; waits for one when there is no work.
static int look(struct farm_worker *w)
{
    struct assay_mail mail;
    int found = 1;

    while (found > 0 && !w->ended) {
        found = assay_comm_poll(w->comm, w->next < w->end ? 0 : IDLE_SECONDS, &mail, w->err);
        if (found > 0) ASSAY_TRY(take_task(w, &mail));
    }
    w->looked = assay_clock_wall();
    return found < 0 ? found : 0;
}

static int work(struct farm_worker *w)
{
    while (!w->ended) {
        if (farm_signal() && !w->told_stop) ASSAY_TRY(send_done(w, 0));
        if (w->next < w->end) ASSAY_TRY(evaluate_next(w));
        if (w->next == w->end || assay_clock_wall() - w->looked > LOOK_SECONDS) ASSAY_TRY(look(w));
    }
    ASSAY_TRY(farm_context_dismiss(&w->context, w->err));
    return send_done(w, FARM_DONE_LAST);
}

static int make_worker(struct farm_worker **out, struct assay_comm *comm, struct assay_comm *team,
                       const struct assay_job *job, struct assay_err *err)
{
    struct farm_worker *w = calloc(1, sizeof *w);

    if (!w) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a worker");
    *out = w;
    w->comm = comm;
    w->err = err;
    ASSAY_TRY(farm_context_open(&w->context, job, assay_comm_rank(comm), team, err));
    w->n_batch = (uint32_t)assay_farm_records_most(w->context.bytes);
    w->repeat = malloc(w->n_batch * sizeof *w->repeat);
    w->batch =
        malloc(sizeof(struct farm_done) + w->n_batch * (w->context.bytes + sizeof *w->repeat));
    w->item_bytes = farm_item_bytes(job);
    w->queue = malloc(QUEUE_MAX * w->item_bytes);
    return w->batch && w->repeat && w->queue
               ? 0
               : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a worker");
}

int farm_worker_open(struct farm_worker **out, struct assay_comm *comm, struct assay_comm *team,
                     const struct assay_job *job, struct assay_err *err)
{
    *out = NULL;
    const int status = make_worker(out, comm, team, job, err);
    if (status >= 0) return status;
    farm_worker_close(*out);
    *out = NULL;
    return status;
}

int farm_worker_run(struct farm_worker *w)
{
    w->sent = assay_clock_wall();
    return work(w);
}

void farm_worker_close(struct farm_worker *w)
{
    if (!w) return;
    farm_context_close(&w->context);
    free(w->batch);
    free(w->repeat);
    free(w->queue);
    free(w);
}
