// SPDX-License-Identifier: Apache-2.0
// What some metrics want together: every weight vector, input, forward pass and pull-back once.
#include "subject.h"

#include <stdlib.h>
#include <string.h>

static bool same_input(const struct assay_input *a, const struct assay_input *b)
{
    return a->kind == b->kind && a->n == b->n && strcmp(a->stream, b->stream) == 0;
}

static uint32_t add_input(struct assay_demand *d, const struct assay_pass *pass, const char *reader)
{
    uint32_t i = 0;
    while (i < d->n_input && !same_input(&d->input[i].input, &pass->input)) i++;
    if (i == d->n_input) d->input[d->n_input++] = (struct assay_wanted_input){.input = pass->input};
    if (pass->labels != ASSAY_LABELS_NONE) d->input[i].label[pass->labels] = true;
    d->input[i].judged |= has_gradient(pass);
    if (pass->labels == ASSAY_LABELS_TRUE && !d->input[i].reader)
        d->input[i].reader = reader, d->input[i].label_key = pass->label_key;
    return i;
}

static uint32_t add_weights(struct assay_demand *d, const struct assay_pass *pass)
{
    uint32_t i = 0;
    while (i < d->n_weights &&
           (d->weights[i].network != pass->network || d->weights[i].init != pass->init))
        i++;
    if (i == d->n_weights)
        d->weights[d->n_weights++] =
            (struct assay_weights){.network = pass->network, .init = pass->init};
    return i;
}

static uint32_t add_forward(struct assay_demand *d, const struct assay_pass *pass,
                            const char *reader)
{
    const struct assay_forward made = {.weights = add_weights(d, pass),
                                       .input = add_input(d, pass, reader),
                                       .part = pass->part,
                                       .parts = pass->parts ? pass->parts : 1,
                                       .batch = pass->batch};
    uint32_t i = 0;
    for (; i < d->n_forward; i++) {
        const struct assay_forward *f = &d->forward[i];
        if (f->weights == made.weights && f->input == made.input && f->part == made.part &&
            f->parts == made.parts && f->batch == made.batch)
            break;
    }
    if (i == d->n_forward) d->forward[d->n_forward++] = made;
    d->forward[i].backward |= pass->pull != ASSAY_PULL_NONE;
    return i;
}

static bool same_pull(const struct assay_pass *a, const struct assay_pass *b)
{
    return a->pull == b->pull && a->bn == b->bn && a->labels == b->labels &&
           a->outputs == b->outputs;
}

static uint32_t add_pass(struct assay_demand *d, const struct assay_pass *pass, const char *reader)
{
    struct assay_wanted_pass made = {
        .pass = *pass, .weights = add_weights(d, pass), .forward = UINT32_MAX};
    if (pass->pull != ASSAY_PULL_WEIGHTS) made.forward = add_forward(d, pass, reader);
    uint32_t i = 0;
    while (i < d->n_pass &&
           (d->pass[i].weights != made.weights || d->pass[i].forward != made.forward ||
            !same_pull(&d->pass[i].pass, pass)))
        i++;
    if (i == d->n_pass) d->pass[d->n_pass++] = made;
    return i;
}

static int check(const struct assay_pass *pass, struct assay_err *err)
{
    if (pass->input.n <= UINT32_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "%s: %llu samples, expected at most %u",
                         pass->input.key, (unsigned long long)pass->input.n, UINT32_MAX);
}

int assay_demand_make(struct assay_demand *d, const struct assay_protocol *p,
                      const struct assay_use *use, uint32_t n,
                      const struct assay_given_counts *given, struct assay_err *err)
{
    memset(d, 0, sizeof *d);
    ASSAY_ASSERT(n <= ASSAY_METRICS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct assay_use *u = &d->use[d->n_use];
        const struct assay_metric *m = use[i].metric;
        struct assay_pass pass[ASSAY_METRIC_PASSES];
        *u = use[i];
        u->index = d->n_use++;
        u->n_pass = m->passes ? m->passes(u, p, pass) : 0;
        ASSAY_ASSERT(u->n_pass <= ASSAY_METRIC_PASSES);
        for (uint32_t k = 0; k < u->n_pass; k++) {
            if (given)
                pass[k].input.n =
                    pass[k].input.kind == ASSAY_INPUT_PATCHES ? given->patches : given->images;
            if (given) pass[k].input.stream = "given";
            ASSAY_TRY(check(&pass[k], err));
            u->pass[k] = add_pass(d, &pass[k], m->name);
            d->network[pass[k].network] = true;
        }
        d->network[ASSAY_NET_LITERAL] |= m->scope == ASSAY_SCOPE_LITERAL && u->n_pass;
    }
    return ASSAY_OK;
}

// ---- taps ---------------------------------------------------------------------------------------
static int mark(struct assay_forward *f, const struct assay_graph *g, const struct assay_metric *m,
                bool first, struct assay_err *err)
{
    if (f->cap < g->n_node) {
        uint8_t *grown = realloc(f->tap, g->n_node);
        if (!grown) return assay_err_set(err, ASSAY_ERR_MEMORY, "metric: no memory for taps");
        f->tap = grown;
        f->cap = g->n_node;
    }
    if (first) memset(f->tap, 0, g->n_node);
    m->tap(g, f->tap);
    return ASSAY_OK;
}

int assay_demand_taps(struct assay_demand *d, const struct assay_graph *const graph[ASSAY_NETWORKS],
                      struct assay_err *err)
{
    bool marked[ASSAY_DEMAND_PASSES] = {false};
    for (uint32_t i = 0; i < d->n_use; i++) {
        const struct assay_use *u = &d->use[i];
        for (uint32_t k = 0; k < u->n_pass && u->metric->tap; k++) {
            const struct assay_wanted_pass *pass = &d->pass[u->pass[k]];
            if (pass->pass.pull == ASSAY_PULL_WEIGHTS) continue;
            ASSAY_TRY(mark(&d->forward[pass->forward], graph[pass->pass.network], u->metric,
                           !marked[pass->forward], err));
            marked[pass->forward] = true;
        }
    }
    return ASSAY_OK;
}

void assay_demand_free(struct assay_demand *d)
{
    for (uint32_t i = 0; i < d->n_forward; i++) free(d->forward[i].tap);
    memset(d, 0, sizeof *d);
}
