// SPDX-License-Identifier: Apache-2.0
// Operations that only move numbers, forward and backward.
#include <string.h>

#include "exec/operation.h"

static uint32_t input_of(const struct assay_exec *x, uint32_t node)
{
    return x->plan->graph->in[x->plan->graph->node[node].in];
}

// Drops the first `pad` rows and columns, and other channels, before the next group's.
static void forward_slice(struct assay_exec *x, uint32_t node)
{
    const uint32_t src = input_of(x, node);
    const struct assay_node *n = &x->plan->graph->node[node], *in = &x->plan->graph->node[src];
    const uint32_t groups = n->c == in->c ? x->end - x->begin : 1;
    const struct assay_planes p = {.c = n->c * groups,
                                   .h = n->h,
                                   .w = n->w,
                                   .src_c = exec_act_plane(in, 0),
                                   .src_y = exec_act_row(in, 0),
                                   .dst_c = exec_act_plane(n, 0),
                                   .dst_y = exec_act_row(n, 0)};
    for (uint32_t g = x->begin; g < x->end; g += groups)
        x->plan->kern->pad_f64(
            &p, exec_value(x, src, g) + n->first * p.src_c + n->pad * (p.src_y + ASSAY_IMAGES),
            exec_value(x, node, g));
}

// Rows go back to where they were cut; the dropped ones get nothing.
static void slice_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                           real *dx, bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const size_t lanes = x->plan->back->lanes;
    const real *dy = exec_ref(x, &j->from, group);
    if (!accumulate) memset(dx, 0, exec_pixels(in) * lanes * sizeof *dx);
    for (uint32_t c = 0; c < n->c; c++) {
        for (uint32_t y = 0; y < n->h; y++, dy += n->w * lanes) {
            real *to =
                dx + (((size_t)(n->first + c) * in->h + y + n->pad) * in->w + n->pad) * lanes;
            x->plan->back->axpy(n->w, j->from.scale, dy, to, true);
        }
    }
}

const struct operation exec_op_slice = {forward_slice, slice_backward};

// The numbers lie where they lay.
static void forward_flatten(struct assay_exec *x, uint32_t node)
{
    memcpy(exec_chunk(x, node), exec_chunk(x, input_of(x, node)),
           exec_chunk_size(x, node) * sizeof(double));
}

static void flatten_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                             real *dx, bool accumulate)
{
    const size_t n = exec_pixels(&x->plan->graph->node[j->user]);
    x->plan->back->axpy(n, j->from.scale, exec_ref(x, &j->from, group), dx, accumulate);
}

const struct operation exec_op_flatten = {forward_flatten, flatten_backward};

// ---- channels in another order ------------------------------------------------------------------
static void forward_shuffle(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const size_t plane = (size_t)n->h * n->w * ASSAY_IMAGES;
    for (uint32_t g = x->begin; g < x->end; g++) {
        const double *from = exec_value(x, input_of(x, node), g);
        double *to = exec_value(x, node, g);
        for (uint32_t c = 0; c < n->c; c++, to += plane)
            memcpy(to, from + assay_graph_channel(n, c) * plane, plane * sizeof *to);
    }
}

static void shuffle_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                             real *dx, bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user];
    const size_t hw = (size_t)n->h * n->w, plane = hw * x->plan->back->lanes;
    const real *dy = exec_ref(x, &j->from, group);
    for (uint32_t c = 0; c < n->c; c++, dy += plane)
        x->plan->back->axpy(hw, j->from.scale, dy, dx + assay_graph_channel(n, c) * plane,
                            accumulate);
}

const struct operation exec_op_shuffle = {forward_shuffle, shuffle_backward};

// ---- rows and columns around a map --------------------------------------------------------------
// The part of its input that is inside of a pad: h x w from (y,x) of the input, (oy,ox) of the pad.
struct inside {
    uint32_t y, x, oy, ox, h, w;
};

static uint32_t positive(int32_t v)
{
    return v > 0 ? (uint32_t)v : 0;
}

static struct inside inside_of(const struct assay_node *n, const struct assay_node *in)
{
    return (struct inside){.y = positive(-n->pads[0]),
                           .x = positive(-n->pads[1]),
                           .oy = positive(n->pads[0]),
                           .ox = positive(n->pads[1]),
                           .h = in->h - positive(-n->pads[0]) - positive(-n->pads[2]),
                           .w = in->w - positive(-n->pads[1]) - positive(-n->pads[3])};
}

// Lanes that are no images stay zero.
static void forward_pad(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[input_of(x, node)];
    const struct inside p = inside_of(n, in);
    for (uint32_t g = x->begin; g < x->end; g++) {
        const double *on =
            AT(x, double, g + 1 == x->plan->groups ? x->plan->valid_last : x->plan->valid);
        const double *from = exec_value(x, input_of(x, node), g);
        double *to = exec_value(x, node, g);
        const size_t size = exec_pixels(n) * ASSAY_IMAGES;
        for (size_t i = 0; i < size; i++) to[i] = on[i % ASSAY_IMAGES] ? n->a : 0;
        for (uint32_t row = 0; row < n->c * p.h; row++) {
            const size_t c = row / p.h, y = row % p.h;
            memcpy(to + ((c * n->h + p.oy + y) * n->w + p.ox) * ASSAY_IMAGES,
                   from + ((c * in->h + p.y + y) * in->w + p.x) * ASSAY_IMAGES,
                   p.w * ASSAY_IMAGES * sizeof *to);
        }
    }
}

static void pad_backward(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                         bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user],
                            *in = &x->plan->graph->node[input_of(x, j->user)];
    const struct inside p = inside_of(n, in);
    const size_t lanes = x->plan->back->lanes;
    const real *dy = exec_ref(x, &j->from, group);
    if (!accumulate) memset(dx, 0, exec_pixels(in) * lanes * sizeof *dx);
    for (uint32_t row = 0; row < n->c * p.h; row++) {
        const size_t c = row / p.h, y = row % p.h;
        x->plan->back->axpy(p.w, j->from.scale, dy + ((c * n->h + p.oy + y) * n->w + p.ox) * lanes,
                            dx + ((c * in->h + p.y + y) * in->w + p.x) * lanes, true);
    }
}

const struct operation exec_op_pad = {forward_pad, pad_backward};

// ---- pixels that are repeated -------------------------------------------------------------------
static void forward_upsample(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[input_of(x, node)];
    const double *from = exec_chunk(x, input_of(x, node));
    double *to = exec_chunk(x, node);
    for (uint32_t row = 0; row < (x->end - x->begin) * n->c * n->h; row++) {
        const double *line = from + (size_t)(row / n->stride) * in->w * ASSAY_IMAGES;
        for (uint32_t p = 0; p < n->w; p++, to += ASSAY_IMAGES)
            memcpy(to, line + (size_t)(p / n->stride) * ASSAY_IMAGES, ASSAY_IMAGES * sizeof *to);
    }
}

static void upsample_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                              real *dx, bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user],
                            *in = &x->plan->graph->node[input_of(x, j->user)];
    const size_t lanes = x->plan->back->lanes;
    const real *dy = exec_ref(x, &j->from, group);
    if (!accumulate) memset(dx, 0, exec_pixels(in) * lanes * sizeof *dx);
    for (uint32_t row = 0; row < n->c * n->h; row++) {
        real *line = dx + (size_t)(row / n->stride) * in->w * lanes;
        for (uint32_t p = 0; p < n->w; p++, dy += lanes)
            x->plan->back->axpy(1, j->from.scale, dy, line + (size_t)(p / n->stride) * lanes, true);
    }
}

const struct operation exec_op_upsample = {forward_upsample, upsample_backward};
