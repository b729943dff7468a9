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
    d->input[i].judged |= has_gradient(pass) && pass->input.kind == ASSAY_INPUT_IMAGES;
    if (pass->labels == ASSAY_LABELS_TRUE && !d->input[i].reader)
        d->input[i].reader = reader, d->input[i].label_key = pass->label_key;
    return i;
}

static uint32_t add_weights(struct assay_demand *d, const struct assay_pass *pass)
{
    const struct assay_weights made = {.network = pass->network,
                                       .init = pass->init,
                                       .weighting = pass->weighting,
                                       .constant = pass->constant};
    uint32_t i = 0;
    for (; i < d->n_weights; i++) {
        const struct assay_weights *w = &d->weights[i];
        if (w->network == made.network && w->init == made.init && w->weighting == made.weighting &&
            w->constant == made.constant)
            break;
    }
    if (i == d->n_weights) d->weights[d->n_weights++] = made;
    return i;
}

static uint32_t add_forward(struct assay_demand *d, const struct assay_pass *pass,
                            const char *reader)
{
    const struct assay_forward made = {.weights = add_weights(d, pass),
                                       .input = add_input(d, pass, reader),
                                       .part = pass->part,
                                       .parts = pass->parts ? pass->parts : 1,
                                       .take = pass->take,
                                       .batch = pass->batch,
                                       .norms = pass->norms,
                                       .precise = pass->precise};
    const bool pulls = pass->pull != ASSAY_PULL_NONE;
    uint32_t i = 0;
    ASSAY_ASSERT(!pass->single || !pass->curvature);
    for (; i < d->n_forward; i++) {
        const struct assay_forward *f = &d->forward[i];
        const bool alike = !pulls || !f->backward || f->single == pass->single;
        if (f->weights == made.weights && f->input == made.input && f->part == made.part &&
            f->parts == made.parts && f->take == made.take && f->batch == made.batch &&
            f->norms == made.norms && f->precise == made.precise && alike)
            break;
    }
    if (i == d->n_forward) d->forward[d->n_forward++] = made;
    d->forward[i].backward |= pulls;
    d->forward[i].single |= pulls && pass->single;
    d->forward[i].curvature |= pass->curvature;
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

// What is given stands for images and for noise; nobody gives ones.
static void take_given(struct assay_input *input, const struct assay_given_counts *given)
{
    if (input->kind == ASSAY_INPUT_ONES) return;
    if (input->kind == ASSAY_INPUT_NOISE) input->kind = ASSAY_INPUT_IMAGES;
    input->n = input->kind == ASSAY_INPUT_PATCHES ? given->patches : given->images;
    input->stream = "given";
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
            if (given) take_given(&pass[k].input, given);
            ASSAY_TRY(check(&pass[k], err));
            u->pass[k] = add_pass(d, &pass[k], m->name);
            d->network[pass[k].network] = true;
        }
        d->network[ASSAY_NET_LITERAL] |= m->scope == ASSAY_SCOPE_LITERAL && u->n_pass;
    }
    return ASSAY_OK;
}

// ---- what is wanted of nodes --------------------------------------------------------------------
static enum assay_norm norm_of(const struct assay_graph *g, uint32_t node, enum assay_norms norms)
{
    const uint32_t feature = g->node[node].feature;
    switch (norms) {
    case ASSAY_NORMS_BATCH:
        return ASSAY_NORM_BATCH;
    case ASSAY_NORMS_RUNNING:
        return ASSAY_NORM_RUNNING;
    case ASSAY_NORMS_NONE:
        return ASSAY_NORM_NONE;
    case ASSAY_NORMS_REDUCTIONS:
        return feature < g->n_feature && g->feature[feature].of == ASSAY_FEATURE_REDUCTION
                   ? ASSAY_NORM_BATCH
                   : ASSAY_NORM_NONE;
    }
    return ASSAY_NORM_BATCH;
}

static int grow(uint8_t **array, uint32_t n, struct assay_err *err)
{
    uint8_t *grown = realloc(*array, n);
    if (!grown) return assay_err_set(err, ASSAY_ERR_MEMORY, "metric: no memory for taps");
    *array = grown;
    return ASSAY_OK;
}

// Nobody taps a forward pass yet.
static int begin(struct assay_forward *f, const struct assay_graph *g, struct assay_err *err)
{
    f->tapped = false;
    if (!g) return ASSAY_OK;
    if (f->cap < g->n_node) {
        ASSAY_TRY(grow(&f->tap, g->n_node, err));
        ASSAY_TRY(grow(&f->norm, g->n_node, err));
        f->cap = g->n_node;
    }
    memset(f->tap, 0, g->n_node);
    for (uint32_t i = 0; i < g->n_node; i++)
        f->norm[i] = g->node[i].op == ASSAY_OP_BN ? (uint8_t)norm_of(g, i, f->norms) : 0;
    return ASSAY_OK;
}

int assay_demand_taps(struct assay_demand *d, const struct assay_graph *const graph[ASSAY_NETWORKS],
                      struct assay_err *err)
{
    for (uint32_t i = 0; i < d->n_forward; i++) {
        struct assay_forward *f = &d->forward[i];
        ASSAY_TRY(begin(f, graph[d->weights[f->weights].network], err));
    }
    for (uint32_t i = 0; i < d->n_use; i++) {
        const struct assay_use *u = &d->use[i];
        for (uint32_t k = 0; k < u->n_pass && u->metric->tap; k++) {
            const struct assay_wanted_pass *pass = &d->pass[u->pass[k]];
            if (pass->pass.pull == ASSAY_PULL_WEIGHTS) continue;
            struct assay_forward *f = &d->forward[pass->forward];
            u->metric->tap(graph[pass->pass.network], f->tap);
            f->tapped = true;
        }
    }
    return ASSAY_OK;
}

void assay_demand_free(struct assay_demand *d)
{
    for (uint32_t i = 0; i < d->n_forward; i++) free(d->forward[i].tap), free(d->forward[i].norm);
    memset(d, 0, sizeof *d);
}
