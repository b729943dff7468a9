// SPDX-License-Identifier: Apache-2.0
// Operations number by number: activations, products of two nodes.
#include <string.h>

#include "exec/operation.h"

#define SPAN 256 // numbers of an activation at a time

static uint32_t input_of(const struct assay_exec *x, uint32_t node, uint32_t k)
{
    return x->plan->graph->in[x->plan->graph->node[node].in + k];
}

// Lanes of a group that are images; the others stay zero.
static const double *valid(const struct assay_exec *x, uint32_t group)
{
    return AT(x, double, group + 1 == x->plan->groups ? x->plan->valid_last : x->plan->valid);
}

// dx[p][t][i] (+)= scale * dy[p][t][i] * v[p][i] of n pixels; dy and v advance by whole pixels or,
// of step 0, stay.
static void times(const struct assay_exec *x, size_t n, real scale, const real *dy, size_t dy_step,
                  const real *v, size_t v_step, real *dx, size_t dx_step)
{
    const size_t lanes = x->plan->back->lanes, images = exec_images(x);
    for (size_t p = 0; p < n;
         p++, dy += dy_step * lanes, v += v_step * images, dx += dx_step * lanes) {
        for (size_t t = 0; t < lanes; t += images)
            for (size_t i = 0; i < images; i++) dx[t + i] += scale * dy[t + i] * v[i];
    }
}

static void clear_unless(const struct assay_exec *x, bool accumulate, size_t pixels, real *dx)
{
    if (!accumulate) memset(dx, 0, pixels * x->plan->back->lanes * sizeof *dx);
}

// ---- activations --------------------------------------------------------------------------------
static void forward_act(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    const size_t group = exec_pixels(n) * ASSAY_IMAGES;
    double slope[SPAN];
    for (uint32_t g = x->begin; g < x->end; g++) {
        const double *from = exec_value(x, input_of(x, node, 0), g), *on = valid(x, g);
        double *to = exec_value(x, node, g);
        real *keep = s->xhat ? exec_saved_xhat(x, node, g) : NULL;
        uint8_t *piece = s->gate ? AT(x, uint8_t, s->gate) + g * group : NULL;
        for (size_t k = 0, m; k < group; k += m) {
            m = group - k < SPAN ? group - k : SPAN;
            assay_act_apply(n, m, from + k, x->held, piece ? piece + k : NULL, to + k, slope);
            for (size_t i = 0; i < m; i++) to[k + i] = on[i % ASSAY_IMAGES] ? to[k + i] : 0;
            for (size_t i = 0; keep && i < m; i++) keep[k + i] = (real)slope[i];
        }
    }
}

static void act_backward(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                         bool accumulate)
{
    const size_t pixels = exec_pixels(&x->plan->graph->node[j->user]);
    clear_unless(x, accumulate, pixels, dx);
    times(x, pixels, (real)j->from.scale, exec_ref(x, &j->from, group), 1,
          exec_xhat(x, j->user, group), 1, dx, 1);
}

const struct operation exec_op_act = {forward_act, act_backward};

// ---- products -----------------------------------------------------------------------------------
// Pixels from one of input 1 to the next, while input 0 goes to its next channel, row and pixel.
struct broadcast {
    size_t c, y, x;
};

static struct broadcast broadcast_of(const struct assay_node *gate)
{
    return (struct broadcast){.c = gate->c > 1 ? (size_t)gate->h * gate->w : 0,
                              .y = gate->h > 1 ? gate->w : 0,
                              .x = gate->w > 1};
}

static void forward_mul(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const uint32_t in[2] = {input_of(x, node, 0), input_of(x, node, 1)};
    const struct broadcast b = broadcast_of(&x->plan->graph->node[in[1]]);
    for (uint32_t g = x->begin; g < x->end; g++) {
        const double *v = exec_value(x, in[0], g), *gate = exec_value(x, in[1], g);
        double *to = exec_value(x, node, g);
        for (uint32_t row = 0; row < n->c * n->h; row++) {
            const double *at = gate + (row / n->h * b.c + row % n->h * b.y) * ASSAY_IMAGES;
            for (uint32_t p = 0; p < n->w; p++, at += b.x * ASSAY_IMAGES)
                for (uint32_t i = 0; i < ASSAY_IMAGES; i++) *to++ = *v++ * at[i];
        }
    }
}

static const real *kept(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const size_t pixels = exec_pixels(&x->plan->graph->node[node]);
    return AT(x, real, x->plan->slot[node].keep) + group * pixels * exec_images(x);
}

// Of input 0 the gradient times the gate; of the gate, times input 0, summed where the gate is one.
static void mul_backward(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                         bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user];
    const uint32_t in[2] = {input_of(x, j->user, 0), input_of(x, j->user, 1)};
    const struct broadcast b = broadcast_of(&x->plan->graph->node[in[1]]);
    const size_t lanes = x->plan->back->lanes, images = exec_images(x);
    const real *dy = exec_ref(x, &j->from, group), *other = kept(x, in[1 - j->input], group);
    const real scale = (real)j->from.scale;
    clear_unless(x, accumulate, exec_pixels(&x->plan->graph->node[in[j->input]]), dx);
    for (uint32_t row = 0; row < n->c * n->h; row++, dy += n->w * lanes) {
        const size_t gate = row / n->h * b.c + row % n->h * b.y, at = (size_t)row * n->w;
        if (j->input == 0)
            times(x, n->w, scale, dy, 1, other + gate * images, b.x, dx + at * lanes, 1);
        else
            times(x, n->w, scale, dy, 1, other + at * images, 1, dx + gate * lanes, b.x);
    }
}

const struct operation exec_op_mul = {forward_mul, mul_backward};
