// SPDX-License-Identifier: Apache-2.0
// The backward pass: one sweep over the batch per level, group by group.
#include <string.h>

#include "exec/plan.h"

// One group's gradient, with its shape's strides in floats.
static float *tensor_at(const struct assay_exec *x, const struct tensor *t, uint32_t group)
{
    return AT(x, float, t->at) + (t->whole ? group * t->group : 0);
}

// BN backward of one group into dst (padded by halo): k1 dy + k0 + k2 xhat. Without BN: scale * dy.
static void bn_backward(const struct assay_exec *x, const struct unit *u, const struct ref *from,
                        uint32_t group, bool frozen, float *dst, uint32_t halo)
{
    const ptrdiff_t lanes = x->kern->lanes;
    const ptrdiff_t row = (ptrdiff_t)(u->ow + 2 * halo) * lanes;
    const struct assay_planes p = {.c = u->co,
                                   .h = u->oh,
                                   .w = u->ow,
                                   .src_c = (ptrdiff_t)u->oh * u->ow * lanes,
                                   .src_y = u->ow * lanes,
                                   .dst_c = row * (ptrdiff_t)(u->oh + 2 * halo),
                                   .dst_y = row,
                                   .act_c = (ptrdiff_t)u->oh * u->ow * ASSAY_IMAGES,
                                   .act_y = (ptrdiff_t)u->ow * ASSAY_IMAGES};
    const bool coupled = u->bn != NONE && !frozen;
    const size_t k0 = group + 1 == x->groups ? u->k0_last : u->k0;
    x->kern->affine_f32(&p, assay_exec_ref(x, from, group),
                        coupled ? assay_exec_xhat(x, u->bn, group) : NULL, AT(x, float, k0),
                        AT(x, float, u->k1), AT(x, float, u->k2), dst + halo * (row + lanes));
}

static void conv_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                          bool frozen, bool accumulate)
{
    const struct unit *u = &x->unit[j->unit];
    const ptrdiff_t lanes = x->kern->lanes, s = u->stride;
    const ptrdiff_t row = (ptrdiff_t)(u->ow + 2 * u->halo) * lanes,
                    plane = row * (ptrdiff_t)(u->oh + 2 * u->halo);
    const struct assay_node *in = &x->graph->node[u->src];
    const uint32_t ci = u->ci / u->groups, co = u->co / u->groups, halo = x->slot[u->src].halo;
    const ptrdiff_t act_row = assay_exec_act_row(in, halo),
                    act_plane = assay_exec_act_plane(in, halo);
    const ptrdiff_t dx_plane = (ptrdiff_t)u->h * u->w * lanes;
    float *dz = AT(x, float, u->dz), *dx = tensor_at(x, &x->tensor[j->tensor], group);
    bn_backward(x, u, &j->from, group, frozen, dz, u->halo);
    for (uint32_t i = 0; i < u->n_parity * u->groups; i++) {
        const struct parity *p = &u->parity[i / u->groups];
        const uint32_t k = i % u->groups;
        const struct assay_corr c = {.ci = co,
                                     .co = ci,
                                     .taps = p->taps,
                                     .h = p->h,
                                     .w = p->w,
                                     .off = AT(x, int32_t, p->off),
                                     .in_c = plane,
                                     .in_y = row,
                                     .in_x = lanes,
                                     .out_c = dx_plane,
                                     .out_y = s * u->w * lanes,
                                     .out_x = s * lanes,
                                     .mask_c = act_plane,
                                     .mask_y = s * act_row,
                                     .mask_x = s * ASSAY_IMAGES};
        const float *mask = NULL;
        if (j->mask != NONE) {
            mask = assay_exec_act(x, u->src, group) + k * ci * act_plane +
                   (halo + p->ry) * act_row + (ptrdiff_t)(halo + p->rx) * ASSAY_IMAGES;
        }
        x->kern->corr_f32(
            &c, dz + k * co * plane, AT(x, float, p->weight) + (size_t)k * ci * co * p->taps, mask,
            dx + k * ci * dx_plane + ((ptrdiff_t)p->ry * u->w + p->rx) * lanes, accumulate);
    }
}

static void pool_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                          float *dx, bool accumulate)
{
    const struct assay_node *n = &x->graph->node[j->user],
                            *in = &x->graph->node[x->graph->in[n->in]];
    const struct assay_pool p = {.c = n->c,
                                 .h = in->h,
                                 .w = in->w,
                                 .oh = n->h,
                                 .ow = n->w,
                                 .kernel = n->kernel,
                                 .stride = n->stride,
                                 .pad = n->pad,
                                 .scale = j->from.scale,
                                 .inv = AT(x, double, x->slot[j->user].inv)};
    const float *dy = assay_exec_ref(x, &j->from, group);
    if (n->op == ASSAY_OP_MAX_POOL)
        x->kern->maxpool_f32(&p, dy, assay_exec_xhat(x, j->user, group), dx, accumulate);
    else
        x->kern->pool_f32(&p, dy, AT(x, float, x->scratch), dx, accumulate);
}

// Rows go back to where they were cut; the dropped ones get nothing.
static void slice_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                           float *dx, bool accumulate)
{
    const struct assay_node *n = &x->graph->node[j->user],
                            *in = &x->graph->node[x->graph->in[n->in]];
    const size_t lanes = x->kern->lanes;
    const float *dy = assay_exec_ref(x, &j->from, group);
    if (!accumulate) memset(dx, 0, assay_exec_pixels(in) * lanes * sizeof *dx);
    for (uint32_t c = 0; c < n->c; c++) {
        for (uint32_t y = 0; y < n->h; y++, dy += n->w * lanes) {
            float *to = dx + (((size_t)c * in->h + y + n->pad) * in->w + n->pad) * lanes;
            x->kern->axpy_f32(n->w, j->from.scale, dy, to, true);
        }
    }
}

static void relu_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                          float *dx, bool accumulate)
{
    const struct assay_node *n = &x->graph->node[j->user];
    const ptrdiff_t lanes = x->kern->lanes, halo = x->slot[j->user].halo,
                    row = assay_exec_act_row(n, (uint32_t)halo);
    const struct assay_planes p = {.c = n->c,
                                   .h = n->h,
                                   .w = n->w,
                                   .src_c = (ptrdiff_t)n->h * n->w * lanes,
                                   .src_y = n->w * lanes,
                                   .dst_c = (ptrdiff_t)n->h * n->w * lanes,
                                   .dst_y = n->w * lanes,
                                   .act_c = assay_exec_act_plane(n, (uint32_t)halo),
                                   .act_y = row};
    x->kern->relu_f32(&p, assay_exec_ref(x, &j->from, group), j->from.scale,
                      assay_exec_act(x, j->user, group) + halo * (row + ASSAY_IMAGES), dx,
                      accumulate);
}

// A BN that is not behind a convolution of its own.
static void lone_bn_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                             bool frozen, float *dx, bool accumulate)
{
    const struct unit *u = &x->unit[j->unit];
    float *to = accumulate ? AT(x, float, x->scratch) : dx;
    bn_backward(x, u, &j->from, group, frozen, to, 0);
    if (accumulate) x->kern->axpy_f32((size_t)u->co * u->oh * u->ow, 1, to, dx, true);
}

static void run_job(const struct assay_exec *x, const struct job *j, uint32_t group, bool frozen,
                    bool accumulate)
{
    const struct tensor *t = &x->tensor[j->tensor];
    float *dx = tensor_at(x, t, group);
    switch ((enum assay_op)j->op) {
    case ASSAY_OP_CONV:
    case ASSAY_OP_LINEAR:
        conv_backward(x, j, group, frozen, accumulate);
        break;
    case ASSAY_OP_BN:
        lone_bn_backward(x, j, group, frozen, dx, accumulate);
        break;
    case ASSAY_OP_RELU:
        relu_backward(x, j, group, dx, accumulate);
        break;
    case ASSAY_OP_MAX_POOL:
    case ASSAY_OP_AVG_POOL:
        pool_backward(x, j, group, dx, accumulate);
        break;
    case ASSAY_OP_SLICE:
        slice_backward(x, j, group, dx, accumulate);
        break;
    case ASSAY_OP_GAP:
        x->kern->gap_f32(t->c, t->hw, assay_exec_ref(x, &j->from, group), j->from.scale, dx,
                         accumulate);
        break;
    case ASSAY_OP_ADD:
    case ASSAY_OP_CONCAT:
        x->kern->axpy_f32((size_t)t->c * t->hw, j->from.scale, assay_exec_ref(x, &j->from, group),
                          dx, accumulate);
        break;
    default:
        ASSAY_ASSERT(!"an operation with an input");
    }
}

// ---- weight gradients -------------------------------------------------------------------------
void assay_exec_outer(const struct assay_exec *x, const struct unit *u, const float *dy,
                      uint32_t group)
{
    const struct assay_node *in = &x->graph->node[u->src];
    const uint32_t halo = x->slot[u->src].halo, lanes = x->kern->lanes, co = u->co / u->groups;
    const ptrdiff_t row = assay_exec_act_row(in, halo), plane = assay_exec_act_plane(in, halo);
    const struct assay_outer p = {.co = co,
                                  .q = u->q,
                                  .h = u->oh,
                                  .w = u->ow,
                                  .run = u->kernel == 1 ? 3 : u->kernel,
                                  .off = AT(x, int32_t, u->q_off),
                                  .dy_c = (ptrdiff_t)u->oh * u->ow * lanes,
                                  .dy_y = (ptrdiff_t)u->ow * lanes,
                                  .a_y = row * u->stride,
                                  .a_x = (ptrdiff_t)u->stride * ASSAY_IMAGES};
    const float *a = assay_exec_act(x, u->src, group);
    for (uint32_t k = 0; k < u->groups; k++) {
        x->kern->outer_f32(&p, dy + k * co * p.dy_c, a + k * (u->ci / u->groups) * plane,
                           AT(x, float, u->acc) + (size_t)k * co * u->q * lanes);
    }
}

// Sums of one group that need the tensor while it is in cache; float totals go to double every
// ~1000 terms.
static void read_tensor(const struct assay_exec *x, const struct tensor *t, uint32_t group,
                        const struct pass *pass)
{
    const uint32_t every = t->hw < 1024 ? 1024 / t->hw : 1;
    const bool flush =
        pass->frozen || (group + 1) % every == 0 || group + 1 == pass->first_group + pass->n_group;
    const float *dy = tensor_at(x, t, group);
    if (t->needs_sum) {
        float *acc = AT(x, float, t->acc);
        x->kern->sum_f32(t->c, t->hw, dy, NULL, acc);
        if (flush) x->kern->flush_f32(t->c, acc, AT(x, double, t->sum), t->c, !pass->frozen);
    }
    if (pass->coef) assay_exec_run_probes(x, t, group, flush);
    for (uint32_t i = 0; i < t->n_unit; i++) {
        const struct unit *u = &x->unit[x->reader[t->first_unit + i]];
        const float *d = assay_exec_ref(x, &u->g, group);
        if (u->conv != NONE) {
            const size_t n = (size_t)u->co * u->q;
            assay_exec_outer(x, u, d, group);
            if (flush)
                x->kern->flush_f32(n, AT(x, float, u->acc), AT(x, double, u->sum), n,
                                   !pass->frozen);
        } else {
            x->kern->sum_f32(u->co, u->oh * u->ow, d, assay_exec_xhat(x, u->bn, group),
                             AT(x, float, u->xdot_acc));
            if (flush)
                x->kern->flush_f32(u->co, AT(x, float, u->xdot_acc), AT(x, double, u->xdot_sum),
                                   u->co, !pass->frozen);
        }
    }
}

static void clear_level(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    const size_t rows = pass->frozen ? x->kern->lanes : x->kern->cots;
    for (uint32_t i = 0; i < x->n_tensor; i++) {
        const struct tensor *t = &x->tensor[i];
        if (t->level != level) continue;
        if (t->needs_sum) memset(AT(x, double, t->sum), 0, t->c * rows * sizeof(double));
        if (pass->coef) assay_exec_clear_probes(x, t);
        for (uint32_t k = 0; k < t->n_unit; k++) {
            const struct unit *u = &x->unit[x->reader[t->first_unit + k]];
            const size_t n = u->conv != NONE ? (size_t)u->co * u->q : u->co;
            memset(AT(x, double, u->conv != NONE ? u->sum : u->xdot_sum), 0,
                   n * rows * sizeof(double));
        }
    }
}

static void sweep_level(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    for (uint32_t g = pass->first_group; g < pass->first_group + pass->n_group; g++) {
        for (uint32_t i = 0; i < x->n_tensor; i++) {
            const struct tensor *t = &x->tensor[x->order[i]];
            if (t->level != level) continue;
            for (uint32_t k = 0; k < t->n_job; k++)
                run_job(x, &x->job[t->first_job + k], g, pass->frozen, k > 0);
            read_tensor(x, t, g, pass);
        }
    }
}

void assay_exec_backward(struct assay_exec *x, const struct pass *pass)
{
    for (uint32_t level = 0; level < x->n_level; level++) {
        clear_level(x, pass, level);
        sweep_level(x, pass, level);
        assay_exec_finish_level(x, pass, level);
    }
}
