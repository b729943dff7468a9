// SPDX-License-Identifier: Apache-2.0
// What taps show of a random network is kept, to be compared.
#ifndef ASSAY_TESTS_EXEC_SHOWN_H
#define ASSAY_TESTS_EXEC_SHOWN_H

#include "random_subject.h"

struct shown {
    const struct subject *s;
    const struct assay_graph *g;
    double **value, **gradient, **kept, **pulled; // (node) each (n, c, pixels), NULL: not shown
    double **products[2]; // (node) of gradients, of what is pulled back: (n + 1, n), sums last
    double **layer;       // (parameter) each (n, size), NULL: not shown
    bool twice;           // something was shown more than once
    const double *given;  // gradient that takes a node's place
};

// b: of some channels of node `of`, or of a convolution that reads it.
static void take(struct shown *shown, double **to, const struct assay_block *b, uint32_t of,
                 uint32_t i, uint32_t p, double v)
{
    const size_t units = (size_t)shown->g->node[of].c * b->pixels;
    if (!to[b->node]) {
        to[b->node] = numbers(units * shown->s->recipe->batch);
        for (size_t k = 0; k < units * shown->s->recipe->batch; k++) to[b->node][k] = NAN;
    }
    double *at = &to[b->node][(b->first + i) * units + b->channel * b->pixels + p];
    shown->twice |= !isnan(*at) && to != shown->value;
    *at = v;
}

static void take_value(void *self, const struct assay_block *b, const double *value)
{
    struct shown *shown = self;
    for (uint32_t i = 0; i < b->count; i++) {
        for (uint32_t p = 0; p < b->c * b->pixels; p++)
            take(shown, shown->value, b, b->node, i, p, value[p * b->stride + i]);
    }
}

static void take_gradient(void *self, const struct assay_block *b, const double *gradient,
                          const double *kept)
{
    struct shown *shown = self;
    for (uint32_t i = 0; i < b->count; i++) {
        for (uint32_t p = 0; p < b->c * b->pixels; p++) {
            take(shown, shown->gradient, b, b->node, i, p, gradient[p * b->stride + i]);
            if (kept) take(shown, shown->kept, b, b->node, i, p, kept[p * b->stride + i]);
        }
    }
}

static void take_pulled(void *self, const struct assay_block *b, const double *gradient)
{
    struct shown *shown = self;
    const uint32_t from = shown->g->in[shown->g->node[b->node].in];
    for (uint32_t i = 0; i < b->count; i++) {
        for (uint32_t p = 0; p < b->c * b->pixels; p++)
            take(shown, shown->pulled, b, from, i, p, gradient[p * b->stride + i]);
    }
}

static void give_gradient(void *self, const struct assay_block *b, double *gradient)
{
    const struct shown *shown = self;
    const size_t units = (size_t)b->c * b->pixels;
    for (uint32_t i = 0; i < b->count; i++)
        for (size_t p = 0; p < units; p++)
            gradient[p * b->stride + i] = shown->given[(b->first + i) * units + p];
}

static void take_layer(void *self, uint32_t param, uint32_t first, uint32_t count,
                       const double *row)
{
    struct shown *shown = self;
    const uint64_t size = shown->g->param[param].size, n = shown->s->recipe->batch;
    double **to = &shown->layer[param];
    if (!*to) *to = numbers(size * n);
    for (uint64_t k = 0; k < count * size; k++) (*to)[first * size + k] += row[k];
}

static void take_products(void *self, const struct assay_products *p)
{
    struct shown *shown = self;
    const size_t n = shown->s->recipe->batch;
    double **to = &shown->products[p->pulled][p->node];
    shown->twice |= *to != NULL;
    if (!*to) *to = numbers((n + 1) * n);
    for (size_t i = 0; i < n; i++) {
        (*to)[n * n + i] = p->sum[i];
        for (size_t j = 0; j <= i; j++) (*to)[i * n + j] = p->product[i * p->ld + j];
    }
}

static struct shown nothing(const struct subject *s, const struct run *r)
{
    const struct assay_graph *g = r->folded ? &s->folded : &s->g;
    double **all = calloc(6 * (size_t)g->n_node + g->n_param, sizeof *all);
    ASSAY_ASSERT(all);
    return (struct shown){.s = s,
                          .g = g,
                          .value = all,
                          .gradient = all + g->n_node,
                          .kept = all + 2 * (size_t)g->n_node,
                          .pulled = all + 3 * (size_t)g->n_node,
                          .products = {all + 4 * (size_t)g->n_node, all + 5 * (size_t)g->n_node},
                          .layer = all + 6 * (size_t)g->n_node};
}

static void forget(struct shown *shown)
{
    for (size_t i = 0; i < 6 * (size_t)shown->g->n_node + shown->g->n_param; i++)
        free(shown->value[i]);
    free(shown->value);
}

// The gradient of a functional of the logits, and what taps show meanwhile.
static double *look(const struct subject *s, const struct run *r, const double *theta,
                    const double *cot, struct shown *shown)
{
    struct bound x = bind(s, r, theta, true);
    double *grad = numbers(x.graph->n_theta), *own = own_theta(s, r, theta);
    const double *given = shown ? shown->given : NULL;
    const struct assay_taps taps = {.self = shown,
                                    .value = take_value,
                                    .gradient = take_gradient,
                                    .replace = given ? give_gradient : NULL,
                                    .layer = take_layer,
                                    .pulled = take_pulled,
                                    .products = take_products};
    if (shown) {
        *shown = nothing(s, r);
        shown->given = given;
        assay_exec_set_taps(x.exec, &taps);
        assay_exec_forward(x.exec, own, s->images);
    }
    assay_exec_gradient(x.exec, r->bn, cot, grad);
    bound_destroy(&x);
    free(own);
    return grad;
}

#endif
