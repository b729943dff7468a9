// SPDX-License-Identifier: Apache-2.0
// Taps: what others are shown of a pass while it is hot, and sign patterns, which are one of them.
#include "exec/run.h"

#include <string.h>

// ---- plan -------------------------------------------------------------------------------------
// The gradient in front of a BN is known when the BN's sums are, a level after the one behind it,
// which must still be there.
static bool is_before_bn(const struct assay_plan *plan, uint32_t node)
{
    return plan->slot[node].fused && plan->graph->node[node].op == ASSAY_OP_CONV;
}

int assay_plan_tapped(struct assay_plan *plan, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->n_tapped = 0;
    plan->tapped = assay_arena_alloc(&plan->meta, (g->n_node + 1) * sizeof *plan->tapped);
    if (!plan->tapped)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct slot *s = &plan->slot[i];
        s->kept |= (s->tap & ASSAY_TAP_KEPT) != 0;
        if (!(s->tap & TAP_GRADIENTS) || !s->needs_grad) continue;
        const bool before = is_before_bn(plan, i);
        struct tensor *t = &plan->tensor[(before ? plan->unit[s->unit].g : s->g).tensor];
        const uint32_t level = t->level + before;
        if (level > t->last_level) t->last_level = level;
        plan->tapped[plan->n_tapped++] =
            (struct tapped){.node = i, .level = level, .unit = before ? s->unit : NONE};
    }
    return ASSAY_OK;
}

// ---- passes -----------------------------------------------------------------------------------
void assay_exec_set_taps(struct assay_exec *x, const struct assay_taps *taps)
{
    x->taps = taps;
}

static struct assay_block block_of(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const uint32_t first = group * ASSAY_IMAGES, left = x->plan->n - first;
    return (struct assay_block){.node = node,
                                .first = first,
                                .count = left < ASSAY_IMAGES ? left : ASSAY_IMAGES,
                                .c = n->c,
                                .pixels = n->h * n->w,
                                .stride = ASSAY_IMAGES};
}

void assay_exec_show_value(struct assay_exec *x, uint32_t node)
{
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const struct assay_block b = block_of(x, node, g);
        x->taps->value(x->taps->self, &b, assay_exec_value(x, node, g));
    }
}

// Shows scale times the first cotangent's lanes of dy.
static void show(const struct assay_exec *x, uint32_t node, uint32_t group, const real *dy,
                 real scale)
{
    const struct assay_block b = block_of(x, node, group);
    const size_t n = (size_t)b.c * b.pixels, lanes = x->plan->kern->lanes;
    double *out = AT(x, double, x->plan->shown);
    for (size_t p = 0; p < n; p++, out += ASSAY_IMAGES) {
        for (size_t i = 0; i < ASSAY_IMAGES; i++) out[i] = (double)(scale * dy[p * lanes + i]);
    }
    const size_t keep = x->plan->slot[node].keep;
    const real *kept = AT(x, real, keep) + group * n * ASSAY_IMAGES;
    for (size_t i = 0; keep && i < n * ASSAY_IMAGES; i++) out[i] = (double)kept[i];
    x->taps->gradient(x->taps->self, &b, out - n * ASSAY_IMAGES, keep ? out : NULL);
}

void assay_exec_show_convs(const struct assay_exec *x, const struct pass *pass, uint32_t level,
                           uint32_t group)
{
    for (uint32_t i = 0; i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        if (tapped->unit == NONE || tapped->level != level) continue;
        const struct unit *u = &x->plan->unit[tapped->unit];
        const struct job job = {.unit = tapped->unit, .from = u->g};
        real *dz = AT(x, real, x->plan->scratch);
        assay_exec_bn_backward(
            x, &job, group, pass->frozen,
            &(struct patch){.c = u->co,
                            .y1 = u->oh,
                            .dst = dz,
                            .plane = (ptrdiff_t)u->oh * u->ow * x->plan->kern->lanes});
        show(x, tapped->node, group, dz, 1);
    }
}

void assay_exec_show_tensor(const struct assay_exec *x, const struct tensor *t, uint32_t group)
{
    for (uint32_t i = 0; i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        const struct ref *g = &x->plan->slot[tapped->node].g;
        if (tapped->unit != NONE || &x->plan->tensor[g->tensor] != t) continue;
        show(x, tapped->node, group, assay_exec_ref(x, g, group), (real)g->scale);
    }
}

void assay_exec_replace(const struct assay_exec *x, const struct tensor *t, uint32_t group)
{
    const struct assay_block b = block_of(x, t->node, group);
    const size_t n = (size_t)t->c * t->hw, lanes = x->plan->kern->lanes;
    real *dy = assay_exec_gradient_at(x, t, group);
    double *given = AT(x, double, x->plan->shown);
    if (x->taps->gradient) assay_exec_show_tensor(x, t, group);
    if (!x->taps->replace) return;
    memset(given, 0, n * ASSAY_IMAGES * sizeof *given);
    x->taps->replace(x->taps->self, &b, given);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < b.count; i++) dy[p * lanes + i] = (real)given[p * ASSAY_IMAGES + i];
}

// ---- sign patterns ----------------------------------------------------------------------------
void assay_tap_relus(const struct assay_graph *g, uint8_t *tap)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_RELU) tap[i] |= ASSAY_TAP_VALUE;
    }
}

size_t assay_sign_words(const struct assay_graph *g)
{
    size_t bits = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_RELU) bits += assay_exec_pixels(&g->node[i]);
    }
    return (bits + 63) / 64;
}

static void collect_signs(void *self, const struct assay_block *b, const double *value)
{
    struct assay_signs *signs = self;
    const size_t units = (size_t)b->c * b->pixels;
    if (signs->graph->node[b->node].op != ASSAY_OP_RELU) return; // tapped for another
    if (b->node < signs->node) signs->next = 0;                  // another pass begins
    if (b->node != signs->node)
        signs->node = b->node, signs->bit = signs->next, signs->next += units;
    if (signs->bit == 0)
        memset(signs->row + b->first * signs->words, 0,
               b->count * signs->words * sizeof *signs->row);
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t *row = signs->row + (b->first + i) * signs->words;
        for (size_t p = 0; p < units; p++) {
            const size_t bit = signs->bit + p;
            row[bit / 64] |= (uint64_t)(value[p * b->stride + i] > 0) << bit % 64;
        }
    }
}

struct assay_taps assay_signs_tap(struct assay_signs *signs, const struct assay_graph *g,
                                  uint64_t *row)
{
    *signs = (struct assay_signs){
        .graph = g, .row = row, .words = assay_sign_words(g), .node = UINT32_MAX};
    return (struct assay_taps){.self = signs, .value = collect_signs};
}
