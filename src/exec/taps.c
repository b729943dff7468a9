// SPDX-License-Identifier: Apache-2.0
// Taps: what others are shown of a pass while it is hot, and sign patterns, which are one of them.
#include <string.h>

#include "exec/plan.h"

// ---- plan -------------------------------------------------------------------------------------
// The gradient in front of a BN is known when the BN's sums are, a level after the one behind it,
// which must still be there.
static bool is_before_bn(const struct assay_plan *plan, uint32_t node)
{
    return plan->slot[node].fused && plan->graph->node[node].op == ASSAY_OP_CONV;
}

// Adds what is shown `after` levels after its tensor is made, which must still be there then.
static void add_tapped(struct assay_plan *plan, const struct ref *g, uint32_t after,
                       struct tapped tapped)
{
    struct tensor *t = &plan->tensor[g->tensor];
    tapped.level = t->level + after;
    if (tapped.level > t->last_level) t->last_level = tapped.level;
    plan->tapped[plan->n_tapped++] = tapped;
}

// The level at which the gradient is made that a unit's convolution pulls back to, or NONE.
static uint32_t pulled_at(const struct assay_plan *plan, uint32_t unit)
{
    const struct unit *u = &plan->unit[unit];
    for (uint32_t i = 0; u->conv != NONE && u->wants_dx && i < plan->n_job; i++) {
        const struct job *j = &plan->job[i];
        if (j->op == ASSAY_OP_CONV && j->unit == unit) return plan->tensor[j->tensor].level;
    }
    return NONE;
}

int plan_tapped(struct assay_plan *plan, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->n_tapped = 0;
    plan->tapped = assay_arena_alloc(&plan->meta, 3 * (g->n_node + 1) * sizeof *plan->tapped);
    if (!plan->tapped)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct slot *s = &plan->slot[i];
        if (!s->needs_grad) continue;
        const bool before = is_before_bn(plan, i);
        s->behind_bn = s->tap & ASSAY_TAP_KEPT && before;
        s->kept |= s->tap & ASSAY_TAP_KEPT && !before;
        const bool layer = s->unit != NONE && plan->unit[s->unit].conv == i;
        const bool products = before && s->tap & ASSAY_TAP_PRODUCTS;
        if (s->tap & TAP_GRADIENTS || products)
            add_tapped(plan, before ? &plan->unit[s->unit].g : &s->g, before,
                       (struct tapped){.node = i,
                                       .unit = before ? s->unit : NONE,
                                       .gradient = s->tap & TAP_GRADIENTS,
                                       .products = products});
        if (s->tap & ASSAY_TAP_LAYER && layer)
            add_tapped(plan, &plan->unit[s->unit].g, 1,
                       (struct tapped){.node = i, .unit = s->unit, .layer = true});
        const uint32_t level = s->tap & ASSAY_TAP_PULLED && layer ? pulled_at(plan, s->unit) : NONE;
        if (level != NONE)
            plan->tapped[plan->n_tapped++] =
                (struct tapped){.node = i, .level = level, .unit = s->unit, .pulled = true};
    }
    return ASSAY_OK;
}

// ---- sign patterns ----------------------------------------------------------------------------
void assay_tap_relus(const struct assay_graph *g, uint8_t *tap)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_RELU) tap[i] |= ASSAY_TAP_VALUE;
    }
}

// Bits of a unit.
static uint32_t bits_of(const struct assay_node *n, bool kinks)
{
    if (n->op == ASSAY_OP_RELU) return 1;
    return kinks && n->op == ASSAY_OP_ACT ? assay_act_kinks(n) : 0;
}

void assay_tap_kinks(const struct assay_graph *g, uint8_t *tap)
{
    assay_tap_relus(g, tap);
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (n->op == ASSAY_OP_ACT && bits_of(n, true)) tap[g->in[n->in]] |= ASSAY_TAP_VALUE;
    }
}

static size_t bits_before(const struct assay_graph *g, uint32_t node, bool kinks)
{
    size_t bits = 0;
    for (uint32_t i = 0; i < node; i++)
        bits += bits_of(&g->node[i], kinks) * exec_pixels(&g->node[i]);
    return bits;
}

size_t assay_sign_words(const struct assay_graph *g)
{
    return (bits_before(g, g->n_node, false) + 63) / 64;
}

size_t assay_kink_words(const struct assay_graph *g)
{
    return (bits_before(g, g->n_node, true) + 63) / 64;
}

// Sets the bits [bit, bit + n) of a row; the others stay.
static void put_signs(uint64_t *row, size_t bit, size_t n, const double *value, size_t stride)
{
    for (size_t p = 0; p < n;) {
        const size_t at = (bit + p) % 64, count = n - p < 64 - at ? n - p : 64 - at;
        const uint64_t mask = (count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX) << at;
        uint64_t *word = &row[(bit + p) / 64], on = 0;
        for (size_t k = 0; k < count; k++, p++) on |= (uint64_t)(value[p * stride] > 0) << k;
        *word = (*word & ~mask) | on << at;
    }
}

// The pieces that a block's numbers lie on of an activation that reads them: bit k of a unit is set
// beyond its kink k.
static void put_pieces(const struct assay_signs *signs, uint32_t node, const struct assay_block *b,
                       const double *value)
{
    const struct assay_node *n = &signs->graph->node[node];
    const size_t units = (size_t)b->c * b->pixels, first = bits_before(signs->graph, node, true);
    const uint32_t kinks = assay_act_kinks(n);
    for (size_t p = 0; p < units * b->count; p++) {
        const size_t unit = p / b->count, image = p % b->count;
        uint8_t piece;
        double y, passed[2];
        assay_act_apply(n, 1, &value[unit * b->stride + image], false, &piece, &y, NULL);
        passed[0] = piece > 0, passed[1] = piece > 1;
        for (uint32_t k = 0; k < kinks; k++)
            put_signs(signs->row + (b->first + image) * signs->words, first + k * units + unit, 1,
                      &passed[k], 1);
    }
}

static void collect_signs(void *self, const struct assay_block *b, const double *value)
{
    struct assay_signs *signs = self;
    const struct assay_graph *g = signs->graph;
    for (uint32_t i = b->node + 1; i < g->n_node && signs->kinks; i++)
        if (g->node[i].op == ASSAY_OP_ACT && g->in[g->node[i].in] == b->node)
            put_pieces(signs, i, b, value);
    if (g->node[b->node].op != ASSAY_OP_RELU) return; // tapped for another
    if (b->node != signs->node) signs->bit = bits_before(g, signs->node = b->node, signs->kinks);
    for (uint32_t i = 0; i < b->count; i++)
        put_signs(signs->row + (b->first + i) * signs->words, signs->bit, (size_t)b->c * b->pixels,
                  value + i, b->stride);
}

struct assay_taps assay_signs_tap(struct assay_signs *signs, const struct assay_graph *g,
                                  uint64_t *row)
{
    *signs = (struct assay_signs){
        .graph = g, .row = row, .words = assay_sign_words(g), .node = UINT32_MAX};
    return (struct assay_taps){.self = signs, .value = collect_signs};
}

struct assay_taps assay_kinks_tap(struct assay_signs *signs, const struct assay_graph *g,
                                  uint64_t *row)
{
    const struct assay_taps tap = assay_signs_tap(signs, g, row);
    signs->words = assay_kink_words(g);
    signs->kinks = true;
    return tap;
}
