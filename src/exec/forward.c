// SPDX-License-Identifier: Apache-2.0
// The forward pass in float64: level by level, and in each chunk by chunk of a few groups.
#include <math.h>
#include <string.h>

#include "exec/run.h"

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

// ---- operations, of one group -------------------------------------------------------------------
// (n,c,h,w) to (group,c,h,w,image); lanes past the batch are zero.
static void load_input(struct assay_exec *x, uint32_t g, const double *input)
{
    const size_t pixels = pixels_of(x, 0);
    double *out = exec_value(x, 0, g);
    for (uint32_t i = 0; i < ASSAY_IMAGES; i++) {
        const uint32_t n = g * ASSAY_IMAGES + i;
        for (size_t p = 0; p < pixels; p++)
            out[p * ASSAY_IMAGES + i] = n < x->plan->n ? input[n * pixels + p] : 0;
    }
}

// From a value as it is to one with `pad` around it.
static struct assay_planes into_padded(const struct assay_node *n, uint32_t pad)
{
    return (struct assay_planes){.c = n->c,
                                 .h = n->h,
                                 .w = n->w,
                                 .halo = pad,
                                 .src_c = exec_act_plane(n, 0),
                                 .src_y = exec_act_row(n, 0),
                                 .dst_c = exec_act_plane(n, pad),
                                 .dst_y = exec_act_row(n, pad)};
}

// What convolutions read of a node: its first pixel, of `pad` around it.
static double *conv_input(const struct assay_exec *x, uint32_t node, uint32_t g, uint32_t pad)
{
    const struct slot *s = &x->plan->slot[node];
    if (s->pad == 0) return exec_value(x, node, g);
    return exec_padded(x, node, g) +
           (s->pad - pad) * (exec_act_row(&x->plan->graph->node[node], s->pad) + ASSAY_IMAGES);
}

static void forward_conv(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const uint32_t pad = x->plan->slot[u->src].pad, ci = u->ci / u->groups, co = u->co / u->groups;
    const double *from = conv_input(x, u->src, g, u->pad);
    double *out = exec_value(x, node, g);
    struct assay_conv p = {.co = co,
                           .h = u->oh,
                           .w = u->ow,
                           .ci = ci,
                           .taps = exec_taps(u),
                           .off = AT(x, int32_t, u->taps_off),
                           .in_c = exec_act_plane(in, pad),
                           .in_y = exec_act_row(in, pad) * u->stride,
                           .in_x = (ptrdiff_t)u->stride * ASSAY_IMAGES,
                           .out_c = (ptrdiff_t)u->oh * u->ow * ASSAY_IMAGES,
                           .out_y = (ptrdiff_t)u->ow * ASSAY_IMAGES};
    for (uint32_t k = 0; k < u->groups; k++) {
        p.in = from + k * ci * p.in_c;
        p.weight = AT(x, double, u->weight64) + (size_t)k * co * u->q;
        x->plan->kern->conv_f64(&p, out + k * co * p.out_c);
    }
}

// Lanes past the batch stay zero: sums over a batch take all lanes.
static void forward_linear(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const double *bias = AT(x, double, u->bias64);
    double *out = exec_value(x, node, g);
    forward_conv(x, node, g);
    for (uint32_t i = 0; i < u->co * ASSAY_IMAGES; i++)
        out[i] += bias[i / ASSAY_IMAGES] * valid(x, g)[i % ASSAY_IMAGES];
}

// `c` channels of a BN from c0 on, times scale: added to y or stored.
static void normalize(struct assay_exec *x, uint32_t node, uint32_t g, uint32_t c0, uint32_t c,
                      double scale, double *y, bool accumulate)
{
    const struct assay_plan *plan = x->plan;
    const struct assay_node *n = &plan->graph->node[node];
    const struct unit *u = &plan->unit[plan->slot[node].unit];
    const size_t hw = (size_t)n->h * n->w, at = c0 * hw * ASSAY_IMAGES;
    const double *theta = AT(x, double, plan->theta);
    const bool affine = n->affine && plan->slot[node].norm != ASSAY_NORM_NONE;
    const double *gamma =
        affine ? theta + plan->graph->param[u->p_gamma].offset : AT(x, double, plan->ones);
    const double *beta =
        affine ? theta + plan->graph->param[u->p_beta].offset : AT(x, double, plan->zeros);
    const struct assay_bn_forward p = {.mean = AT(x, double, u->mean) + c0,
                                       .rstd = AT(x, double, u->rstd) + c0,
                                       .gamma = gamma + c0,
                                       .beta = beta + c0,
                                       .valid = valid(x, g),
                                       .scale = scale};
    plan->kern->norm_f64(c, (uint32_t)hw, exec_value(x, input_of(x, node, 0), g) + at, &p, y,
                         accumulate, plan->slot[node].xhat ? exec_xhat(x, node, g) + at : NULL);
}

static void forward_bn(struct assay_exec *x, uint32_t node, uint32_t g)
{
    if (!x->plan->slot[node].plain) return; // made in a sum
    normalize(x, node, g, 0, x->plan->graph->node[node].c, 1, exec_value(x, node, g), false);
}

// A few channels of all inputs, then the next.
static void forward_add(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const size_t plane = (size_t)n->h * n->w * ASSAY_IMAGES;
    const size_t fit = SUM_BYTES / (plane * sizeof(double));
    const uint32_t step = fit < 1 ? 1 : fit < n->c ? (uint32_t)fit : n->c;
    double *out = exec_value(x, node, g);
    for (uint32_t c0 = 0; c0 < n->c; c0 += step) {
        const uint32_t c = n->c - c0 < step ? n->c - c0 : step;
        for (uint32_t k = 0; k < n->n_in; k++) {
            const uint32_t in = input_of(x, node, k);
            const double coef = x->plan->graph->coef[n->in + k];
            double *to = out + c0 * plane;
            if (x->plan->slot[in].plain)
                x->plan->kern->axpy_f64(c * plane, coef, exec_value(x, in, g) + c0 * plane, to,
                                        k > 0);
            else
                normalize(x, in, g, c0, c, coef, to, k > 0);
        }
    }
}

static void forward_concat(struct assay_exec *x, uint32_t node, uint32_t g)
{
    double *out = exec_value(x, node, g);
    for (uint32_t k = 0; k < x->plan->graph->node[node].n_in; k++) {
        const uint32_t in = input_of(x, node, k);
        const size_t size = pixels_of(x, in) * ASSAY_IMAGES;
        memcpy(out, exec_value(x, in, g), size * sizeof *out);
        out += size;
    }
}

static void forward_pool(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const uint32_t src = input_of(x, node, 0);
    const struct assay_node *n = &x->plan->graph->node[node], *in = &x->plan->graph->node[src];
    const struct assay_pool p = {.c = n->c,
                                 .h = in->h,
                                 .w = in->w,
                                 .oh = n->h,
                                 .ow = n->w,
                                 .kernel = n->kernel,
                                 .stride = n->stride,
                                 .pad = n->pad,
                                 .inv = AT(x, double, x->plan->slot[node].inv)};
    real *arg = x->plan->slot[node].xhat ? exec_xhat(x, node, g) : NULL;
    if (n->op == ASSAY_OP_AVG_POOL)
        x->plan->kern->pool_f64(&p, exec_value(x, src, g), exec_value(x, node, g));
    else if (x->held)
        exec_held_max_pool(x, node, g);
    else
        x->plan->kern->maxpool_f64(&p, exec_value(x, src, g), exec_value(x, node, g), arg);
}

static void forward_gap(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const uint32_t src = input_of(x, node, 0);
    const struct assay_node *n = &x->plan->graph->node[node], *in = &x->plan->graph->node[src];
    const uint32_t hw = in->h * in->w;
    const double *from = exec_value(x, src, g);
    double *out = exec_value(x, node, g);
    memset(out, 0, n->c * ASSAY_IMAGES * sizeof *out);
    for (uint32_t c = 0; c < n->c; c++, out += ASSAY_IMAGES) {
        for (uint32_t i = 0; i < hw * ASSAY_IMAGES; i++) out[i % ASSAY_IMAGES] += *from++;
        for (uint32_t i = 0; i < ASSAY_IMAGES; i++) out[i] /= hw;
    }
}

// Into the padded value alone when only convolutions read it.
static void forward_relu(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct slot *s = &x->plan->slot[node];
    const uint32_t pad = s->plain ? 0 : s->pad;
    const struct assay_planes p = into_padded(&x->plan->graph->node[node], pad);
    if (x->held)
        exec_held_relu(x, node, g);
    else
        x->plan->kern->relu_f64(&p, exec_value(x, input_of(x, node, 0), g),
                                s->plain ? exec_value(x, node, g) : conv_input(x, node, g, 0));
}

// Drops the first `pad` rows and columns.
static void forward_slice(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const uint32_t src = input_of(x, node, 0);
    const struct assay_node *n = &x->plan->graph->node[node], *in = &x->plan->graph->node[src];
    struct assay_planes p = into_padded(n, 0);
    p.src_c = exec_act_plane(in, 0), p.src_y = exec_act_row(in, 0);
    x->plan->kern->pad_f64(&p, exec_value(x, src, g) + n->pad * (p.src_y + ASSAY_IMAGES),
                           exec_value(x, node, g));
}

static void run_node(struct assay_exec *x, uint32_t i, uint32_t g, const double *input)
{
    switch ((enum assay_op)x->plan->graph->node[i].op) {
    case ASSAY_OP_INPUT:
        load_input(x, g, input);
        break;
    case ASSAY_OP_ZERO:
        memset(exec_value(x, i, g), 0, pixels_of(x, i) * ASSAY_IMAGES * sizeof(double));
        break;
    case ASSAY_OP_CONV:
        forward_conv(x, i, g);
        break;
    case ASSAY_OP_LINEAR:
        forward_linear(x, i, g);
        break;
    case ASSAY_OP_BN:
        forward_bn(x, i, g);
        break;
    case ASSAY_OP_RELU:
        forward_relu(x, i, g);
        break;
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        forward_pool(x, i, g);
        break;
    case ASSAY_OP_ADD:
        forward_add(x, i, g);
        break;
    case ASSAY_OP_CONCAT:
        forward_concat(x, i, g);
        break;
    case ASSAY_OP_GAP:
        forward_gap(x, i, g);
        break;
    case ASSAY_OP_SLICE:
        forward_slice(x, i, g);
        break;
    case ASSAY_OP_COUNT:
        ASSAY_ASSERT(!"an operation");
    }
}

// ---- what else is made of a value, while it is in cache -----------------------------------------
static void pad_value(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct slot *s = &x->plan->slot[node];
    const struct assay_planes p = into_padded(&x->plan->graph->node[node], s->pad);
    if (s->plain && s->pad > 0)
        x->plan->kern->pad_f64(&p, exec_value(x, node, g), conv_input(x, node, g, 0));
}

static void save_activation(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    const uint32_t pad = s->plain ? 0 : s->pad;
    struct assay_planes p = into_padded(n, s->halo);
    p.src_c = exec_act_plane(n, pad), p.src_y = exec_act_row(n, pad);
    x->plan->kern->save(&p, s->plain ? exec_value(x, node, g) : conv_input(x, node, g, 0),
                        exec_act(x, node, g) + s->halo * (p.dst_y + ASSAY_IMAGES));
}

static void measure(struct assay_exec *x, uint32_t node, uint32_t g)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    double *mean = AT(x, double, x->plan->slot[node].moments);
    x->plan->kern->moments_f64(n->c, n->h * n->w, exec_value(x, node, g), valid(x, g),
                               (double)g * ASSAY_IMAGES * n->h * n->w, mean, mean + n->c);
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
    const double count = (double)x->plan->n * n->h * n->w;
    for (uint32_t c = 0; c < n->c; c++) {
        const bool batch = norm == ASSAY_NORM_BATCH;
        const double variance = batch ? moments[n->c + c] / count : 1;
        AT(x, double, u->mean)[c] = batch ? moments[c] : 0;
        AT(x, double, u->rstd)[c] = norm == ASSAY_NORM_NONE ? 1 : 1 / sqrt(variance + ASSAY_BN_EPS);
    }
}

static void run_chunk(struct assay_exec *x, uint32_t node, const double *input)
{
    const struct slot *s = &x->plan->slot[node];
    for (uint32_t g = x->begin; g < x->end; g++) {
        run_node(x, node, g, input);
        pad_value(x, node, g);
        if (s->act) save_activation(x, node, g);
        if (s->measured) measure(x, node, g);
    }
    exec_keep(x, node);
    if (node + 1 == x->plan->graph->n_node) take_logits(x, node);
}

// The nodes [first, last) of the sequence.
static void run_level(struct assay_exec *x, uint32_t first, uint32_t last, const double *input)
{
    const struct assay_plan *plan = x->plan;
    for (uint32_t k = first; k < last; k++) {
        if (plan->graph->node[plan->sequence[k]].op == ASSAY_OP_BN)
            set_statistics(x, plan->sequence[k]);
    }
    for (x->begin = 0; x->begin < plan->groups; x->begin = x->end) {
        const uint32_t left = plan->groups - x->begin;
        x->end = x->begin + (left < plan->chunk ? left : plan->chunk);
        for (uint32_t k = first; k < last; k++) run_chunk(x, plan->sequence[k], input);
    }
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
