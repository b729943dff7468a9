// SPDX-License-Identifier: Apache-2.0
// A sweep in virtual time: the roster deals for as many workers as are asked for, tasks take the
// seconds they are said to take, messages cost what they were measured to cost. Rank 0 and workers
// follow the loops of coordinator.c and worker.c.
#include "assay/farm.h"

#include "farm/roster.h"

#include <math.h>
#include <stdlib.h>

#define MESSAGES 64 // taken in a row, as coordinator.c does

enum kind { FINISHED, TASK, DONE };
struct event {
    double time;
    enum kind kind;
    int worker;
    uint64_t n; // tasks or records; those of a TASK begin at place `first` of the queue
    uint64_t first;
};

// What a worker holds, as places in the queue: the tasks that are finished and not sent, then those
// to come.
struct station {
    uint64_t unsent, current, last; // NONE: there is none
    uint64_t n_finished, n_left;
    double sent, idle_since;
};
#define NONE UINT64_MAX

struct sim {
    const struct assay_sim_input *in;
    struct assay_sim *out;
    struct farm_roster roster;
    struct station *station; // (workers)
    uint64_t *next;          // (n) place -> the place behind it in its worker's line
    struct event *heap;      // by time
    size_t n_heap, cap_heap;
    struct event *mail; // DONEs that have arrived, a ring
    size_t first_mail, n_mail, cap_mail;
    double now, own;
    uint64_t n_done;
    struct assay_err *err;
};

// ---- events -------------------------------------------------------------------------------------
static bool before(const struct event *a, const struct event *b)
{
    return a->time < b->time || (a->time == b->time && a->worker < b->worker);
}

static void push(struct sim *s, struct event event)
{
    size_t i = s->n_heap++;

    ASSAY_ASSERT(s->n_heap <= s->cap_heap);
    for (; i && before(&event, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = event;
}

static struct event pop(struct sim *s)
{
    const struct event top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0;

    for (size_t child = 1; child < s->n_heap; child = 2 * i + 1) {
        if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child])) child++;
        if (!before(&s->heap[child], &last)) break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    if (s->n_heap) s->heap[i] = last;
    return top;
}

// ---- workers ------------------------------------------------------------------------------------
static double seconds_at(const struct sim *s, uint64_t place)
{
    return s->in->seconds[s->roster.queue.task[place]];
}

static void start_next(struct sim *s, int worker, double time)
{
    const struct station *st = &s->station[worker];

    push(s, (struct event){time + seconds_at(s, st->current), FINISHED, worker, 1, 0});
}

static void send_done(struct sim *s, int worker, double time)
{
    struct station *st = &s->station[worker];

    push(s, (struct event){time + s->in->price.latency, DONE, worker, st->n_finished, st->unsent});
    st->unsent = st->current;
    st->n_finished = 0;
    st->sent = time;
}

static void finish_task(struct sim *s, const struct event *e)
{
    struct station *st = &s->station[e->worker];

    st->current = st->current == st->last ? NONE : s->next[st->current];
    st->n_finished++;
    st->n_left--;
    if (farm_records_due(st->n_finished, st->n_left, s->in->most, e->time - st->sent))
        send_done(s, e->worker, e->time);
    if (st->n_left)
        start_next(s, e->worker, e->time);
    else
        st->idle_since = e->time;
}

// Appends tasks to the worker's line.
static void take_task(struct sim *s, const struct event *e)
{
    struct station *st = &s->station[e->worker];
    const bool idle = !st->n_left;

    if (st->last != NONE) s->next[st->last] = e->first;
    st->last = e->first + e->n - 1;
    for (uint64_t i = e->first; i < st->last; i++) s->next[i] = i + 1;
    if (!st->n_finished && idle) st->unsent = e->first;
    if (idle) st->current = e->first;
    st->n_left += e->n;
    if (idle) start_next(s, e->worker, e->time);
}

// Messages for rank 0 are kept until it looks.
static void pass(struct sim *s, const struct event *e)
{
    if (e->kind == FINISHED) finish_task(s, e);
    if (e->kind == TASK) take_task(s, e);
    if (e->kind == DONE) s->mail[(s->first_mail + s->n_mail++) % s->cap_mail] = *e;
}

static void pass_until(struct sim *s, double time)
{
    while (s->n_heap && s->heap[0].time <= time) {
        const struct event e = pop(s);
        pass(s, &e);
    }
}

// ---- rank 0 -------------------------------------------------------------------------------------
static void spend(struct sim *s, double seconds)
{
    s->now += seconds;
    s->out->handling += seconds;
}

static void hand_out(struct sim *s)
{
    struct farm_deal deal = {0};
    struct farm_queue *q = &s->roster.queue;

    const struct farm_pace pace = {.deaf = s->own, .trip = 2 * s->in->price.latency};

    while (farm_roster_deal(&s->roster, &pace, &deal)) {
        const uint64_t first = q->next;
        for (uint64_t i = 0; i < deal.n; i++) farm_queue_take(q);
        spend(s, s->in->price.message);
        s->out->messages++;
        push(s, (struct event){s->now + s->in->price.latency, TASK, deal.worker, deal.n, first});
    }
}

static void finished(struct sim *s, uint64_t place)
{
    farm_queue_finished(&s->roster.queue, s->roster.queue.task[place], seconds_at(s, place));
    s->out->work += seconds_at(s, place);
    s->n_done++;
}

static void read_done(struct sim *s, const struct event *e)
{
    uint64_t place = e->first;

    spend(s, s->in->price.message + (double)e->n * s->in->price.record);
    s->out->messages++;
    farm_roster_answered(&s->roster, e->worker, e->n);
    for (uint64_t i = 0; i < e->n; i++, place = s->next[place]) finished(s, place);
}

// Waits for the first message when there is nothing else to do.
static void receive_all(struct sim *s, bool wait)
{
    pass_until(s, s->now);
    while (wait && !s->n_mail) {
        const struct event e = pop(s);
        s->now = fmax(s->now, e.time);
        pass(s, &e);
    }
    for (int i = 0; i < MESSAGES && s->n_mail; i++) {
        const struct event e = s->mail[s->first_mail];
        s->first_mail = (s->first_mail + 1) % s->cap_mail;
        s->n_mail--;
        read_done(s, &e);
        pass_until(s, s->now);
    }
}

static void evaluate_one(struct sim *s)
{
    const uint64_t place = s->roster.queue.next;

    farm_queue_take(&s->roster.queue);
    s->own = seconds_at(s, place);
    s->now += s->own;
    finished(s, place);
    s->station[0].idle_since = s->now;
}

static void run(struct sim *s)
{
    const struct farm_queue *q = &s->roster.queue;

    while (s->n_done < q->n) {
        hand_out(s);
        const bool own = s->roster.works && q->next < q->n;
        if (own) evaluate_one(s);
        if (s->n_done < q->n) receive_all(s, !own);
    }
}

// ---- what came out ------------------------------------------------------------------------------
static void sum_up(struct sim *s)
{
    struct assay_sim *out = s->out;
    const int first = s->roster.works ? 0 : 1;
    double idle = 0;

    for (int worker = first; worker < s->in->workers; worker++)
        idle += s->now - s->station[worker].idle_since;
    for (uint64_t i = 0; i < s->roster.queue.n; i++)
        out->longest = fmax(out->longest, seconds_at(s, i));
    const double paid = fmax(s->now * s->in->workers, 1e-12);
    out->wall = s->now;
    out->efficiency = out->work / paid;
    out->coordinating = first ? s->now / paid : 0;
    out->tail = idle / paid;
    out->waiting = fmax(1 - out->efficiency - out->coordinating - out->tail, 0);
    out->load = out->handling / fmax(s->now, 1e-12);
}

const char *assay_sim_limit(const struct assay_sim *sim, int workers)
{
    if (sim->coordinating > fmax(sim->tail, sim->waiting)) return "rank 0 only coordinates";
    if (sim->load > 0.5 && sim->waiting > sim->tail) return "messages to rank 0";
    if (sim->waiting > sim->tail) return "waiting for tasks";
    return sim->longest * workers > 0.5 * sim->work ? "the longest tasks" : "the last tasks";
}

// ---- making -------------------------------------------------------------------------------------
static int open_queue(struct sim *s)
{
    const struct assay_sim_input *in = s->in;
    double *cost = malloc((in->n + 1) * sizeof *cost);

    for (uint64_t i = 0; cost && i < in->n; i++) cost[i] = in->cost[i];
    return farm_roster_begin(&s->roster, cost, in->n, s->err);
}

// A worker has at most one FINISHED, and every other message holds a task of its own.
static int open_sim(struct sim *s)
{
    const struct assay_sim_input *in = s->in;

    ASSAY_TRY(farm_roster_open(&s->roster, in->workers, in->works, s->err));
    ASSAY_TRY(open_queue(s));
    s->cap_mail = in->n + 1;
    s->cap_heap = (size_t)in->workers + 2 * in->n + 1;
    s->next = calloc(in->n + 1, sizeof *s->next);
    s->mail = malloc(s->cap_mail * sizeof *s->mail);
    s->heap = malloc(s->cap_heap * sizeof *s->heap);
    s->station = malloc((size_t)in->workers * sizeof *s->station);
    if (!s->next || !s->mail || !s->heap || !s->station)
        return assay_err_set(s->err, ASSAY_ERR_MEMORY, "no memory to simulate %d ranks",
                             in->workers);
    for (int worker = 0; worker < in->workers; worker++)
        s->station[worker] = (struct station){.unsent = NONE, .current = NONE, .last = NONE};
    return 0;
}

int assay_sim_run(struct assay_sim *out, const struct assay_sim_input *in, struct assay_err *err)
{
    struct sim s = {.in = in, .out = out, .err = err};

    *out = (struct assay_sim){0};
    const int status = open_sim(&s);
    if (!status) {
        run(&s);
        sum_up(&s);
    }
    farm_roster_free(&s.roster);
    free(s.next);
    free(s.mail);
    free(s.heap);
    free(s.station);
    return status;
}
