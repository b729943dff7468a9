// SPDX-License-Identifier: Apache-2.0
// Taps in the midst of a pass: nodes are shown to who looks on.
#include <string.h>

#include "exec/run.h"

// Of one of the groups of so many images.
static struct assay_block block_of(const struct assay_exec *x, uint32_t node, uint32_t group,
                                   uint32_t images)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const uint32_t first = group * images, left = x->plan->n - first;
    return (struct assay_block){.node = node,
                                .first = first,
                                .count = left < images ? left : images,
                                .c = n->c,
                                .pixels = n->h * n->w,
                                .stride = images};
}

void exec_show_value(struct assay_exec *x, uint32_t node)
{
    if (!(x->plan->slot[node].tap & ASSAY_TAP_VALUE)) return;
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const struct assay_block b = block_of(x, node, g, ASSAY_IMAGES);
        x->taps->value(x->taps->self, &b, exec_value(x, node, g));
    }
}

// Channels [c0, c0 + c) of a gradient that convolutions or BNs make, which stay in cache while all
// images of them are shown.
struct slice {
    uint32_t c0, c;
};

#define SLICE_NUMBERS 8192 // of one group

static bool next_slice(const struct assay_exec *x, const struct assay_node *n, struct slice *s)
{
    const uint32_t fit = SLICE_NUMBERS / (n->h * n->w * exec_images(x)), most = fit < 1 ? 1 : fit;
    s->c0 += s->c;
    s->c = n->c - s->c0 < most ? n->c - s->c0 : most;
    return s->c > 0;
}

// Returns scale times the first cotangent's lanes of n numbers of dy.
static double *first_lanes(const struct assay_exec *x, size_t n, const real *dy, real scale)
{
    double *const out = AT(x, double, x->plan->shown);
    const size_t lanes = x->plan->back->lanes, images = exec_images(x);
    if (lanes == images) {
        for (size_t i = 0; i < n * images; i++) out[i] = (double)(scale * dy[i]);
        return out;
    }
    for (size_t p = 0; p < n; p++) {
        for (size_t i = 0; i < ASSAY_IMAGES; i++)
            out[p * ASSAY_IMAGES + i] = (double)(scale * dy[p * lanes + i]);
    }
    return out;
}

// What is kept of a slice of a node: itself, or of the input of a BN what that made of it.
static const double *kept_of(const struct assay_exec *x, const struct assay_block *b,
                             uint32_t group, double *out)
{
    const struct slot *s = &x->plan->slot[b->node];
    const size_t plane = (size_t)b->pixels * exec_images(x),
                 all = exec_pixels(&x->plan->graph->node[b->node]);
    const size_t at = group * all * exec_images(x) + b->channel * plane;
    if (s->keep) {
        const real *kept = AT(x, real, s->keep) + at;
        for (size_t i = 0; i < b->c * plane; i++) out[i] = (double)kept[i];
        return out;
    }
    if (!s->behind_bn) return NULL;
    const struct unit *u = &x->plan->unit[s->unit];
    const real *xhat = AT(x, real, x->plan->slot[u->bn].xhat) + at;
    for (uint32_t c = 0; c < b->c; c++) {
        const double mean = AT(x, double, u->mean)[b->channel + c],
                     deviation = 1 / AT(x, double, u->rstd)[b->channel + c];
        for (size_t i = c * plane; i < (c + 1) * plane; i++)
            out[i] = mean + deviation * (double)xhat[i];
    }
    return out;
}

// dy: of the slice.
static void show(const struct assay_exec *x, uint32_t node, uint32_t group, const struct slice *s,
                 const real *dy, real scale)
{
    struct assay_block b = block_of(x, node, group, exec_images(x));
    b.channel = s->c0, b.c = s->c;
    const size_t n = (size_t)b.c * b.pixels;
    double *gradient = first_lanes(x, n, dy, scale);
    x->taps->gradient(x->taps->self, &b, gradient,
                      kept_of(x, &b, group, gradient + n * exec_images(x)));
}

// Makes the gradient of a slice of one group in front of the BN behind a convolution.
static const real *before_bn(const struct assay_exec *x, const struct pass *pass, uint32_t unit,
                             uint32_t group, const struct slice *s)
{
    const struct unit *u = &x->plan->unit[unit];
    const struct job job = {.unit = unit, .from = u->g};
    real *dz = AT(x, real, x->plan->aside) + group * x->plan->aside_group;
    exec_bn_backward(x, &job, group, pass->frozen,
                     &(struct patch){.c0 = s->c0,
                                     .c = s->c,
                                     .y1 = u->oh,
                                     .dst = dz,
                                     .plane = (ptrdiff_t)u->oh * u->ow * x->plan->back->lanes});
    return dz;
}

static void show_before_bn(const struct assay_exec *x, const struct pass *pass,
                           const struct tapped *tapped)
{
    const struct assay_node *n = &x->plan->graph->node[tapped->node];
    const bool gradient = tapped->gradient && x->taps->gradient,
               products = tapped->products && x->taps->products && !pass->frozen;
    const uint32_t end = pass->first_group + pass->n_group;
    if (!gradient && !products) return;
    for (struct slice s = {0}; next_slice(x, n, &s);) {
        for (uint32_t g = pass->first_group; g < end; g++) {
            const real *dz = before_bn(x, pass, tapped->unit, g, &s);
            if (gradient) show(x, tapped->node, g, &s, dz, 1);
        }
        const struct vectors v = {AT(x, real, x->plan->aside), x->plan->aside_group,
                                  (size_t)s.c * n->h * n->w};
        if (products) exec_add_products(x, &v, s.c0 == 0);
    }
    if (products) exec_show_products(x, tapped, exec_pixels(n));
}

// A ReLU that others read, too, masks what is pulled back to it when all of that is there.
static void mask_pulled(const struct assay_exec *x, const struct unit *u, uint32_t group)
{
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const struct slot *s = &x->plan->slot[u->src];
    const ptrdiff_t lanes = x->plan->back->lanes, row = exec_back_row(x->plan, in, s->halo);
    const struct assay_planes p = {.c = in->c,
                                   .h = in->h,
                                   .w = in->w,
                                   .src_c = (ptrdiff_t)in->h * in->w * lanes,
                                   .src_y = in->w * lanes,
                                   .dst_c = (ptrdiff_t)in->h * in->w * lanes,
                                   .dst_y = in->w * lanes,
                                   .act_c = exec_back_plane(x->plan, in, s->halo),
                                   .act_y = row};
    real *dx = exec_apart(x, u, group);
    if (in->op != ASSAY_OP_RELU || s->fused) return;
    x->plan->back->relu(&p, dx, 1, exec_act(x, u->src, group) + s->halo * (row + exec_images(x)),
                        dx, false);
}

static void show_pulled(const struct assay_exec *x, const struct pass *pass,
                        const struct tapped *tapped)
{
    const struct unit *u = &x->plan->unit[tapped->unit];
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const size_t plane = (size_t)in->h * in->w, lanes = x->plan->back->lanes;
    const bool products = x->taps->products && !pass->frozen;
    const uint32_t end = pass->first_group + pass->n_group;
    for (uint32_t g = pass->first_group; g < end; g++) mask_pulled(x, u, g);
    for (struct slice s = {0}; next_slice(x, in, &s);) {
        const struct vectors v = {exec_apart(x, u, 0) + s.c0 * plane * lanes,
                                  exec_pixels(in) * lanes, s.c * plane};
        for (uint32_t g = pass->first_group; x->taps->pulled && g < end; g++) {
            struct assay_block b = block_of(x, u->src, g, exec_images(x));
            b.node = tapped->node, b.channel = s.c0, b.c = s.c;
            x->taps->pulled(x->taps->self, &b, first_lanes(x, v.n, v.at + g * v.group, 1));
        }
        if (products) exec_add_products(x, &v, s.c0 == 0);
    }
    if (products) exec_show_products(x, tapped, exec_pixels(in));
}

void exec_show_convs(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    for (uint32_t i = 0; i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        const bool here = tapped->unit != NONE && tapped->level == level;
        if (here && !tapped->layer && !tapped->pulled) show_before_bn(x, pass, tapped);
    }
}

void exec_show_pulled(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    if (!x->taps->pulled && !x->taps->products) return;
    for (uint32_t i = 0; i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        if (tapped->pulled && tapped->level == level) show_pulled(x, pass, tapped);
    }
}

// Shows the rows of one group, which are the first lanes of accumulators (n, lanes).
static void show_rows(const struct assay_exec *x, const struct unit *u, uint32_t param,
                      uint32_t group, size_t n)
{
    const struct product *room = &x->plan->product[u->product];
    const struct assay_block b = block_of(x, u->conv, group, exec_images(x));
    const double scale = u->bn == NONE ? u->g.scale : 1;
    const size_t lanes = x->plan->back->lanes;
    double *row = AT(x, double, room->sum);
    real *acc = AT(x, real, room->acc);
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < exec_images(x); l++)
            row[l * n + i] = scale * (double)acc[i * lanes + l];
    memset(acc, 0, n * lanes * sizeof *acc);
    x->taps->layer(x->taps->self, param, b.first, b.count, row);
}

// The gradient of the output of a unit's convolution or linear layer.
static const real *layer_gradient(const struct assay_exec *x, const struct pass *pass,
                                  uint32_t unit, uint32_t group)
{
    const struct unit *u = &x->plan->unit[unit];
    const struct slice all = {.c = u->co};
    return u->bn == NONE ? exec_ref(x, &u->g, group) : before_bn(x, pass, unit, group, &all);
}

static void show_weight(const struct assay_exec *x, const struct pass *pass, uint32_t unit,
                        uint32_t group)
{
    const struct unit *u = &x->plan->unit[unit];
    const struct product own = exec_own_product(x, unit);
    exec_outer(x, &own, layer_gradient(x, pass, unit, group), group);
    x->plan->back->window(u->co, own.windows, own.q, AT(x, real, own.lift), AT(x, real, own.acc));
    show_rows(x, u, u->p_weight, group, (size_t)u->co * u->q);
}

static void show_bias(const struct assay_exec *x, const struct pass *pass, uint32_t unit,
                      uint32_t group)
{
    const struct unit *u = &x->plan->unit[unit];
    x->plan->back->sum(u->co, u->oh * u->ow, layer_gradient(x, pass, unit, group), NULL,
                       AT(x, real, x->plan->product[u->product].acc));
    show_rows(x, u, u->p_bias, group, u->co);
}

void exec_show_layers(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    const uint32_t first = pass->first_group, end = first + pass->n_group;
    for (uint32_t i = 0; i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        if (!tapped->layer || tapped->level != level) continue;
        for (uint32_t g = first; g < end; g++) show_weight(x, pass, tapped->unit, g);
        if (x->plan->unit[tapped->unit].p_bias == NONE) continue;
        for (uint32_t g = first; g < end; g++) show_bias(x, pass, tapped->unit, g);
    }
}

void exec_show_tensor(const struct assay_exec *x, const struct tensor *t, uint32_t group)
{
    for (uint32_t i = 0; x->taps->gradient && i < x->plan->n_tapped; i++) {
        const struct tapped *tapped = &x->plan->tapped[i];
        const struct ref *g = &x->plan->slot[tapped->node].g;
        if (tapped->unit != NONE || &x->plan->tensor[g->tensor] != t) continue;
        const struct slice all = {.c = x->plan->graph->node[tapped->node].c};
        show(x, tapped->node, group, &all, exec_ref(x, g, group), (real)g->scale);
    }
}

void exec_replace(const struct assay_exec *x, const struct tensor *t, uint32_t group)
{
    const struct assay_block b = block_of(x, t->node, group, exec_images(x));
    const size_t n = (size_t)t->c * t->hw, lanes = x->plan->back->lanes;
    real *dy = exec_gradient_at(x, t, group);
    double *given = AT(x, double, x->plan->shown);
    exec_show_tensor(x, t, group);
    if (!x->taps->replace) return;
    memset(given, 0, n * exec_images(x) * sizeof *given);
    x->taps->replace(x->taps->self, &b, given);
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < b.count; i++)
            dy[p * lanes + i] = (real)given[p * exec_images(x) + i];
}
