// SPDX-License-Identifier: Apache-2.0
// Operations that only move numbers, forward and backward.
#include <string.h>

#include "exec/operation.h"

static uint32_t input_of(const struct assay_exec *x, uint32_t node)
{
    return x->plan->graph->in[x->plan->graph->node[node].in];
}

// Drops the first `pad` rows and columns, and the last channels, before the next group's.
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
        x->plan->kern->pad_f64(&p, exec_value(x, src, g) + n->pad * (p.src_y + ASSAY_IMAGES),
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
            real *to = dx + (((size_t)c * in->h + y + n->pad) * in->w + n->pad) * lanes;
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
