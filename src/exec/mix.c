// SPDX-License-Identifier: Apache-2.0
// Mixes: derivatives with respect to coefficients, and forward passes on one piece of the network.
#include <string.h>

#include "exec/run.h"

// ---- forward ----------------------------------------------------------------------------------
static uint8_t *gates(const struct assay_exec *x, uint32_t node)
{
    return AT(x, uint8_t, x->plan->slot[node].gate) +
           x->begin * exec_pixels(&x->plan->graph->node[node]);
}

static void keep_gates(struct assay_exec *x, uint32_t node)
{
    const double *v = exec_chunk(x, node);
    const size_t pixels = exec_chunk_size(x, node) / ASSAY_IMAGES;
    uint8_t *gate = gates(x, node);
    for (size_t p = 0; p < pixels; p++, v += ASSAY_IMAGES)
        gate[p] = (uint8_t)((v[0] > 0) | (v[1] > 0) << 1 | (v[2] > 0) << 2 | (v[3] > 0) << 3);
}

void exec_keep(struct assay_exec *x, uint32_t node)
{
    const struct slot *s = &x->plan->slot[node];
    const size_t pixels = exec_pixels(&x->plan->graph->node[node]);
    const bool relu = x->plan->graph->node[node].op == ASSAY_OP_RELU;
    if (s->gate && relu && !x->held) keep_gates(x, node);
    if (!s->keep || s->keep == s->xhat) return;
    const struct assay_planes p = {.c = 1, .h = 1, .w = (uint32_t)(pixels * (x->end - x->begin))};
    x->plan->kern->save(&p, exec_chunk(x, node),
                        AT(x, real, s->keep + x->plan->packing) + x->begin * pixels * ASSAY_IMAGES);
}

void exec_held_relu(struct assay_exec *x, uint32_t node)
{
    const size_t size = exec_chunk_size(x, node);
    const double *in = exec_chunk(x, x->plan->graph->in[x->plan->graph->node[node].in]);
    double *out = exec_chunk(x, node);
    const uint8_t *gate = gates(x, node);
    for (size_t i = 0; i < size; i++)
        out[i] = gate[i / ASSAY_IMAGES] >> i % ASSAY_IMAGES & 1 ? in[i] : 0;
}

void exec_held_max_pool(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const size_t plane = (size_t)n->h * n->w * ASSAY_IMAGES, size = exec_chunk_size(x, node);
    const double *src = exec_chunk(x, x->plan->graph->in[n->in]);
    const real *arg = exec_saved_xhat(x, node, x->begin);
    double *out = exec_chunk(x, node);
    for (size_t i = 0; i < size; i++) {
        const uint32_t pixel = (uint32_t)(i % plane / ASSAY_IMAGES), tap = (uint32_t)arg[i];
        const uint32_t y = pixel / n->w * n->stride + tap / n->kernel - n->pad;
        const uint32_t c = pixel % n->w * n->stride + tap % n->kernel - n->pad;
        out[i] = src[((i / plane * in->h + y) * in->w + c) * ASSAY_IMAGES + i % ASSAY_IMAGES];
    }
}

// ---- backward ---------------------------------------------------------------------------------
void exec_clear_probes(const struct assay_exec *x, const struct tensor *t)
{
    for (uint32_t i = t->first_probe; i < t->first_probe + t->n_probe; i++) {
        const struct probe *p = &x->plan->probe[i];
        const size_t c = x->plan->graph->node[p->node].c;
        memset(AT(x, double, p->sum), 0, c * x->plan->back->cots * sizeof(double));
    }
}

void exec_run_probes(const struct assay_exec *x, const struct tensor *t, uint32_t group, bool flush)
{
    for (uint32_t i = t->first_probe; i < t->first_probe + t->n_probe; i++) {
        const struct probe *p = &x->plan->probe[i];
        const struct assay_node *n = &x->plan->graph->node[p->node];
        const real *v =
            AT(x, real, x->plan->slot[p->node].keep) + group * exec_pixels(n) * ASSAY_IMAGES;
        real *acc = AT(x, real, p->acc);
        x->plan->back->sum(n->c, n->h * n->w, exec_ref(x, &p->g, group), v, acc);
        if (flush) x->plan->back->flush(n->c, acc, AT(x, double, p->sum), n->c, true);
    }
}

void exec_finish_probes(const struct assay_exec *x, const struct tensor *t, double *coef)
{
    for (uint32_t i = t->first_probe; i < t->first_probe + t->n_probe; i++) {
        const struct probe *p = &x->plan->probe[i];
        const double *sum = AT(x, double, p->sum);
        double total = 0;
        for (uint32_t c = 0; c < x->plan->graph->node[p->node].c; c++) total += sum[c];
        coef[p->edge] = p->g.scale * total;
    }
}
