// SPDX-License-Identifier: Apache-2.0
// The forward pass in float64: level by level, and in each chunk by chunk of a few groups.
#include <math.h>
#include <string.h>

#include "exec/operation.h"

// Bytes of the channels of a sum that are made together, which stay in the first-level cache.
#define SUM_BYTES (16 << 10)

static const double *valid(const struct assay_exec *x, uint32_t group)
{
    return AT(x, double, group + 1 == x->plan->groups ? x->plan->valid_last : x->plan->valid);
}

static size_t pixels_of(const struct assay_exec *x, uint32_t node)
{
    return exec_pixels(&x->plan->graph->node[node]);
}

// The k-th input of a node.
static uint32_t input_of(const struct assay_exec *x, uint32_t node, uint32_t k)
{
    return x->plan->graph->in[x->plan->graph->node[node].in + k];
}

// To what treats all channels alike the groups of a chunk, which adjoin, are more channels.
static uint32_t planes_of(const struct assay_exec *x, uint32_t node)
{
    return x->plan->graph->node[node].c * (x->end - x->begin);
}

// ---- operations, of a chunk ---------------------------------------------------------------------
// (n,c,h,w) to (group,c,h,w,image); lanes past the batch are zero.
static void load_input(struct assay_exec *x, const double *input)
{
    const size_t pixels = pixels_of(x, 0);
    double *out = exec_chunk(x, 0);
    for (uint32_t g = x->begin; g < x->end; g++, out += pixels * ASSAY_IMAGES) {
        for (uint32_t i = 0; i < ASSAY_IMAGES; i++) {
            const uint32_t n = g * ASSAY_IMAGES + i;
            const double *from = n < x->plan->n ? input + n * pixels : NULL;
            for (size_t p = 0; p < pixels; p++) out[p * ASSAY_IMAGES + i] = from ? from[p] : 0;
        }
    }
}

// From values as they are to those with `pad` around them.
static struct assay_planes into_padded(const struct assay_exec *x, uint32_t node, uint32_t pad)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    return (struct assay_planes){.c = planes_of(x, node),
                                 .h = n->h,
                                 .w = n->w,
                                 .halo = pad,
                                 .src_c = exec_act_plane(n, 0),
                                 .src_y = exec_act_row(n, 0),
                                 .dst_c = exec_act_plane(n, pad),
                                 .dst_y = exec_act_row(n, pad)};
}

// What convolutions read of a node: its first pixel, of `pad` around it.
static double *conv_input(const struct assay_exec *x, uint32_t node, uint32_t pad)
{
    const struct slot *s = &x->plan->slot[node];
    if (s->pad == 0) return exec_chunk(x, node);
    return exec_padded(x, node, x->begin) +
           (s->pad - pad) * (exec_act_row(&x->plan->graph->node[node], s->pad) + ASSAY_IMAGES);
}

static void forward_conv(struct assay_exec *x, uint32_t node)
{
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const uint32_t pad = x->plan->slot[u->src].pad, ci = u->ci / u->groups, co = u->co / u->groups;
    double *out = exec_chunk(x, node);
    struct assay_conv p = {.co = co,
                           .h = u->oh,
                           .w = u->ow,
                           .ci = ci,
                           .taps = exec_taps(u),
                           .off = AT(x, int32_t, u->taps_off),
                           .in = conv_input(x, u->src, u->pad),
                           .in_c = exec_act_plane(in, pad),
                           .in_y = exec_act_row(in, pad) * u->stride,
                           .in_x = (ptrdiff_t)u->stride * ASSAY_IMAGES,
                           .out_c = (ptrdiff_t)u->oh * u->ow * ASSAY_IMAGES,
                           .out_y = (ptrdiff_t)u->ow * ASSAY_IMAGES};
    for (uint32_t k = 0; k < (x->end - x->begin) * u->groups; k++) {
        p.weight = AT(x, double, u->weight64) + (size_t)(k % u->groups) * co * u->q;
        x->plan->kern->conv_f64(&p, out);
        p.in += ci * p.in_c, out += co * p.out_c;
    }
}

// Lanes past the batch stay zero: sums over a batch take all lanes.
static void add_bias(struct assay_exec *x, uint32_t node)
{
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const double *bias = AT(x, double, u->bias64);
    double *out = exec_chunk(x, node);
    for (uint32_t g = x->begin; g < x->end; g++) {
        const double *on = valid(x, g);
        for (uint32_t c = 0; c < u->co; c++)
            for (uint32_t p = 0; p < u->oh * u->ow; p++, out += ASSAY_IMAGES)
                for (uint32_t i = 0; i < ASSAY_IMAGES; i++) out[i] += bias[c] * on[i];
    }
}

// Channels [c0, c0 + c) of groups [g, end): of several groups, all channels.
struct share {
    uint32_t g, end, c0, c;
};

// A share of a BN, times scale: added to y or stored. Of a single channel, the planes of all groups
// whose images are all valid are one plane.
static void normalize(struct assay_exec *x, uint32_t node, const struct share *s, double scale,
                      double *y, bool accumulate)
{
    const struct assay_plan *plan = x->plan;
    const struct assay_node *n = &plan->graph->node[node];
    const struct unit *u = &plan->unit[plan->slot[node].unit];
    const size_t hw = (size_t)n->h * n->w, at = s->c0 * hw * ASSAY_IMAGES;
    const double *theta = AT(x, double, plan->theta);
    const bool affine = n->affine && plan->slot[node].norm != ASSAY_NORM_NONE;
    const double *gamma =
        affine ? theta + plan->graph->param[u->p_gamma].offset : AT(x, double, plan->ones);
    const double *beta =
        affine ? theta + plan->graph->param[u->p_beta].offset : AT(x, double, plan->zeros);
    struct assay_bn_forward p = {.mean = AT(x, double, u->mean) + s->c0,
                                 .rstd = AT(x, double, u->rstd) + s->c0,
                                 .gamma = gamma + s->c0,
                                 .beta = beta + s->c0,
                                 .scale = scale};
    for (uint32_t g = s->g, groups; g < s->end;
         g += groups, y += groups * s->c * hw * ASSAY_IMAGES) {
        const uint32_t full = s->end < plan->groups ? s->end : plan->groups - 1;
        groups = n->c == 1 && g < full ? full - g : 1;
        p.valid = valid(x, g);
        plan->kern->norm_f64(s->c, (uint32_t)hw * groups,
                             exec_value(x, input_of(x, node, 0), g) + at, &p, y, accumulate,
                             plan->slot[node].xhat ? exec_saved_xhat(x, node, g) + at : NULL);
    }
}

static void forward_bn(struct assay_exec *x, uint32_t node)
{
    const struct share all = {.g = x->begin, .end = x->end, .c = x->plan->graph->node[node].c};
    if (!x->plan->slot[node].plain) return; // made in a sum
    normalize(x, node, &all, 1, exec_chunk(x, node), false);
}

// The same share of all inputs.
static void add_share(struct assay_exec *x, uint32_t node, const struct share *s)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const size_t plane = (size_t)n->h * n->w * ASSAY_IMAGES, at = s->c0 * plane;
    double *to = exec_value(x, node, s->g) + at;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const uint32_t in = input_of(x, node, k);
        const double coef = x->plan->graph->coef[n->in + k];
        if (x->plan->slot[in].plain)
            x->plan->kern->axpy_f64((s->end - s->g) * s->c * plane, coef,
                                    exec_value(x, in, s->g) + at, to, k > 0);
        else
            normalize(x, in, s, coef, to, k > 0);
    }
}

// Share by share: a few groups, or a few channels of one.
static void forward_add(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const size_t plane = (size_t)n->h * n->w * ASSAY_IMAGES;
    const size_t most = SUM_BYTES / (plane * sizeof(double)), fit = most < 1 ? 1 : most;
    const uint32_t step = fit < n->c ? (uint32_t)fit : n->c;
    const uint32_t groups = fit < n->c ? 1 : (uint32_t)(fit / n->c);
    for (struct share s = {.g = x->begin}; s.g < x->end; s.g = s.end) {
        s.end = x->end - s.g < groups ? x->end : s.g + groups;
        for (s.c0 = 0; s.c0 < n->c; s.c0 += step) {
            s.c = n->c - s.c0 < step ? n->c - s.c0 : step;
            add_share(x, node, &s);
        }
    }
}

static void forward_concat(struct assay_exec *x, uint32_t node)
{
    double *out = exec_chunk(x, node);
    for (uint32_t g = x->begin; g < x->end; g++) {
        for (uint32_t k = 0; k < x->plan->graph->node[node].n_in; k++) {
            const uint32_t in = input_of(x, node, k);
            const size_t size = pixels_of(x, in) * ASSAY_IMAGES;
            memcpy(out, exec_value(x, in, g), size * sizeof *out);
            out += size;
        }
    }
}

static void forward_pool(struct assay_exec *x, uint32_t node)
{
    const uint32_t src = input_of(x, node, 0);
    const struct assay_node *n = &x->plan->graph->node[node], *in = &x->plan->graph->node[src];
    const struct assay_pool p = {.c = planes_of(x, node),
                                 .h = in->h,
                                 .w = in->w,
                                 .oh = n->h,
                                 .ow = n->w,
                                 .kernel = n->kernel,
                                 .stride = n->stride,
                                 .pad = n->pad,
                                 .inv = AT(x, double, x->plan->slot[node].inv)};
    real *arg = x->plan->slot[node].xhat ? exec_saved_xhat(x, node, x->begin) : NULL;
    if (n->op == ASSAY_OP_AVG_POOL)
        x->plan->kern->pool_f64(&p, exec_chunk(x, src), exec_chunk(x, node));
    else if (x->held)
        exec_held_max_pool(x, node);
    else
        x->plan->kern->maxpool_f64(&p, exec_chunk(x, src), exec_chunk(x, node), arg);
}

static void forward_gap(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *in = &x->plan->graph->node[input_of(x, node, 0)];
    const uint32_t hw = in->h * in->w, planes = planes_of(x, node);
    const double *from = exec_chunk(x, input_of(x, node, 0));
    double *out = exec_chunk(x, node);
    memset(out, 0, exec_chunk_size(x, node) * sizeof *out);
    for (uint32_t c = 0; c < planes; c++, out += ASSAY_IMAGES) {
        for (uint32_t i = 0; i < hw * ASSAY_IMAGES; i++) out[i % ASSAY_IMAGES] += *from++;
        for (uint32_t i = 0; i < ASSAY_IMAGES; i++) out[i] /= hw;
    }
}

// Into the padded value alone when only convolutions read it.
static void forward_relu(struct assay_exec *x, uint32_t node)
{
    const struct slot *s = &x->plan->slot[node];
    const struct assay_planes p = into_padded(x, node, s->plain ? 0 : s->pad);
    if (x->held)
        exec_held_relu(x, node);
    else
        x->plan->kern->relu_f64(&p, exec_chunk(x, input_of(x, node, 0)),
                                s->plain ? exec_chunk(x, node) : conv_input(x, node, 0));
}

static void run_node(struct assay_exec *x, uint32_t i, const double *input)
{
    switch ((enum assay_op)x->plan->graph->node[i].op) {
    case ASSAY_OP_INPUT:
        load_input(x, input);
        break;
    case ASSAY_OP_ZERO:
        memset(exec_chunk(x, i), 0, exec_chunk_size(x, i) * sizeof(double));
        break;
    case ASSAY_OP_CONV:
    case ASSAY_OP_LINEAR:
        forward_conv(x, i);
        if (x->plan->graph->node[i].bias) add_bias(x, i);
        break;
    case ASSAY_OP_BN:
        forward_bn(x, i);
        break;
    case ASSAY_OP_RELU:
        forward_relu(x, i);
        break;
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        forward_pool(x, i);
        break;
    case ASSAY_OP_ADD:
        forward_add(x, i);
        break;
    case ASSAY_OP_CONCAT:
        forward_concat(x, i);
        break;
    case ASSAY_OP_GAP:
        forward_gap(x, i);
        break;
    default:
        exec_operation(x->plan->graph->node[i].op)->forward(x, i);
    }
}

// ---- what else is made of a value, while it is in cache -----------------------------------------
static void pad_value(struct assay_exec *x, uint32_t node)
{
    const struct slot *s = &x->plan->slot[node];
    const struct assay_planes p = into_padded(x, node, s->pad);
    if (s->plain && s->pad > 0)
        x->plan->kern->pad_f64(&p, exec_chunk(x, node), conv_input(x, node, 0));
}

static void save_activation(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    const uint32_t pad = s->plain ? 0 : s->pad;
    struct assay_planes p = into_padded(x, node, s->halo);
    p.src_c = exec_act_plane(n, pad), p.src_y = exec_act_row(n, pad);
    x->plan->kern->save(&p, s->plain ? exec_chunk(x, node) : conv_input(x, node, 0),
                        exec_saved_act(x, node, x->begin) + s->halo * (p.dst_y + ASSAY_IMAGES));
}

// Group by group, whatever the chunk: its bits do not depend on that.
static void measure(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    double *mean = AT(x, double, x->plan->slot[node].moments);
    for (uint32_t g = x->begin; g < x->end; g++) {
        x->plan->kern->moments_f64(n->c, n->h * n->w, exec_value(x, node, g), valid(x, g),
                                   (double)g * ASSAY_IMAGES * n->h * n->w, mean, mean + n->c);
    }
}

static void take_logits(struct assay_exec *x, uint32_t node)
{
    const uint32_t c = x->plan->graph->node[node].c;
    double *logits = AT(x, double, x->plan->logits);
    for (uint32_t n = x->begin * ASSAY_IMAGES; n < x->end * ASSAY_IMAGES && n < x->plan->n; n++) {
        const double *v = exec_value(x, node, n / ASSAY_IMAGES) + n % ASSAY_IMAGES;
        for (uint32_t k = 0; k < c; k++) logits[n * c + k] = v[k * ASSAY_IMAGES];
    }
}

// ---- the pass -----------------------------------------------------------------------------------
// The mean and 1 / standard deviation (biased variance) that a BN takes.
static void set_statistics(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const enum assay_norm norm = x->plan->slot[node].norm;
    const double *moments = AT(x, double, x->plan->slot[input_of(x, node, 0)].moments);
    const double count = (double)x->plan->batch * n->h * n->w;
    for (uint32_t c = 0; c < n->c; c++) {
        const bool batch = norm == ASSAY_NORM_BATCH;
        const double variance = batch ? moments[n->c + c] / count : 1;
        AT(x, double, u->mean)[c] = batch ? moments[c] : 0;
        AT(x, double, u->rstd)[c] = norm == ASSAY_NORM_NONE ? 1 : 1 / sqrt(variance + n->eps);
    }
}

static void run_chunk(struct assay_exec *x, uint32_t node, const double *input)
{
    const struct slot *s = &x->plan->slot[node];
    run_node(x, node, input);
    pad_value(x, node);
    if (s->act) save_activation(x, node);
    if (s->measured) measure(x, node);
    exec_keep(x, node);
    if (node + 1 == x->plan->graph->n_node) take_logits(x, node);
}

// The nodes [first, last) of the sequence.
static void run_level(struct assay_exec *x, uint32_t first, uint32_t last, const double *input)
{
    const struct assay_plan *plan = x->plan;
    for (uint32_t k = first; k < last; k++)
        if (plan->graph->node[plan->sequence[k]].op == ASSAY_OP_BN)
            set_statistics(x, plan->sequence[k]);
    for (x->begin = 0; x->begin < plan->groups; x->begin = x->end) {
        const uint32_t left = plan->groups - x->begin;
        x->end = x->begin + (left < plan->chunk ? left : plan->chunk);
        for (uint32_t k = first; k < last; k++) run_chunk(x, plan->sequence[k], input);
    }
    exec_share_moments(x, first, last);
    for (uint32_t k = first; x->taps && x->taps->value && k < last; k++)
        exec_show_value(x, plan->sequence[k]);
}

void exec_forward_pass(struct assay_exec *x, const double *theta, const double *input)
{
    const struct assay_plan *plan = x->plan;
    exec_pack(x, theta);
    for (uint32_t first = 0, last; first < plan->graph->n_node; first = last) {
        const uint32_t level = plan->slot[plan->sequence[first]].level;
        for (last = first; last < plan->graph->n_node; last++) {
            if (plan->slot[plan->sequence[last]].level != level) break;
        }
        run_level(x, first, last, input);
    }
    x->sums_ready = false;
}
