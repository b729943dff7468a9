// SPDX-License-Identifier: Apache-2.0
// The forward pass in float64, node by node over the whole batch.
#include <math.h>
#include <string.h>

#include "exec/run.h"

static const double *valid(const struct assay_exec *x, uint32_t group)
{
    return AT(x, double, group + 1 == x->plan->groups ? x->plan->valid_last : x->plan->valid);
}

// (n,c,h,w) to (group,c,h,w,image); lanes past the batch are zero.
static void load_input(struct assay_exec *x, const double *input)
{
    const size_t pixels = assay_exec_pixels(&x->plan->graph->node[0]);
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        double *out = assay_exec_value(x, 0, g);
        for (uint32_t i = 0; i < ASSAY_IMAGES; i++) {
            const uint32_t n = g * ASSAY_IMAGES + i;
            for (size_t p = 0; p < pixels; p++)
                out[p * ASSAY_IMAGES + i] = n < x->plan->n ? input[n * pixels + p] : 0;
        }
    }
}

static void forward_conv(struct assay_exec *x, uint32_t node)
{
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const ptrdiff_t row = (ptrdiff_t)(u->w + 2 * u->pad) * ASSAY_IMAGES,
                    plane = row * (ptrdiff_t)(u->h + 2 * u->pad);
    const uint32_t ci = u->ci / u->groups, co = u->co / u->groups;
    const ptrdiff_t src_plane = (ptrdiff_t)u->h * u->w * ASSAY_IMAGES,
                    out_plane = (ptrdiff_t)u->oh * u->ow * ASSAY_IMAGES;
    struct assay_conv p = {.co = co,
                           .h = u->oh,
                           .w = u->ow,
                           .ci = ci,
                           .taps = assay_exec_taps(u),
                           .off = AT(x, int32_t, u->taps_off),
                           .in_c = plane,
                           .in_y = row * u->stride,
                           .in_x = (ptrdiff_t)u->stride * ASSAY_IMAGES,
                           .out_c = out_plane,
                           .out_y = (ptrdiff_t)u->ow * ASSAY_IMAGES};
    const struct assay_planes pad = {.c = u->ci,
                                     .h = u->h,
                                     .w = u->w,
                                     .src_c = src_plane,
                                     .src_y = (ptrdiff_t)u->w * ASSAY_IMAGES,
                                     .dst_c = plane,
                                     .dst_y = row};
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const double *in = assay_exec_value(x, u->src, g);
        double *out = assay_exec_value(x, node, g);
        if (u->pad > 0) {
            double *padded = AT(x, double, u->pad64);
            x->plan->kern->pad_f64(&pad, in, padded + u->pad * (row + ASSAY_IMAGES));
            in = padded;
        }
        for (uint32_t k = 0; k < u->groups; k++) {
            p.in = in + k * ci * plane;
            p.weight = AT(x, double, u->weight64) + (size_t)k * co * u->q;
            x->plan->kern->conv_f64(&p, out + k * co * out_plane);
        }
    }
}

// Lanes past the batch stay zero: sums over a batch take all lanes.
static void forward_linear(struct assay_exec *x, uint32_t node)
{
    forward_conv(x, node);
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const double *bias = AT(x, double, u->bias64);
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        double *out = assay_exec_value(x, node, g);
        for (uint32_t i = 0; i < u->co * ASSAY_IMAGES; i++)
            out[i] += bias[i / ASSAY_IMAGES] * valid(x, g)[i % ASSAY_IMAGES];
    }
}

// Batch statistics in two passes, biased variance.
static void batch_statistics(struct assay_exec *x, uint32_t node, double *mean, double *rstd)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const uint32_t hw = n->h * n->w;
    const double count = (double)x->plan->n * hw;
    double *sq = AT(x, double, x->plan->bn_sq);
    memset(mean, 0, n->c * sizeof *mean);
    memset(sq, 0, n->c * sizeof *sq);
    for (uint32_t g = 0; g < x->plan->groups; g++)
        x->plan->kern->sum_f64(n->c, hw, assay_exec_value(x, node, g), mean);
    for (uint32_t c = 0; c < n->c; c++) mean[c] /= count;
    for (uint32_t g = 0; g < x->plan->groups; g++)
        x->plan->kern->var_f64(n->c, hw, assay_exec_value(x, node, g), mean, valid(x, g), sq);
    for (uint32_t c = 0; c < n->c; c++) rstd[c] = 1 / sqrt(sq[c] / count + ASSAY_BN_EPS);
}

// Of one that does not read the batch.
static void fixed_statistics(const struct assay_exec *x, uint32_t node, double *mean, double *rstd)
{
    const bool none = x->plan->slot[node].norm == ASSAY_NORM_NONE;
    for (uint32_t c = 0; c < x->plan->graph->node[node].c; c++) {
        mean[c] = 0;
        rstd[c] = none ? 1 : 1 / sqrt(1 + ASSAY_BN_EPS);
    }
}

static void forward_bn(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct unit *u = &x->plan->unit[x->plan->slot[node].unit];
    const size_t pixels = assay_exec_pixels(n);
    const uint32_t src = x->plan->graph->in[n->in];
    double *mean = AT(x, double, u->mean), *rstd = AT(x, double, u->rstd);
    const double *theta = AT(x, double, x->plan->theta), *gamma = AT(x, double, x->plan->ones),
                 *beta = AT(x, double, x->plan->zeros);
    const enum assay_norm norm = x->plan->slot[node].norm;
    if (u->p_gamma != NONE && norm != ASSAY_NORM_NONE)
        gamma = theta + x->plan->graph->param[u->p_gamma].offset;
    if (u->p_beta != NONE && norm != ASSAY_NORM_NONE)
        beta = theta + x->plan->graph->param[u->p_beta].offset;
    if (norm == ASSAY_NORM_BATCH)
        batch_statistics(x, src, mean, rstd);
    else
        fixed_statistics(x, node, mean, rstd);
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        double *y = assay_exec_value(x, node, g);
        real *xhat = x->plan->slot[node].xhat ? assay_exec_xhat(x, node, g) : NULL;
        if (y != assay_exec_value(x, src, g))
            memcpy(y, assay_exec_value(x, src, g), pixels * ASSAY_IMAGES * sizeof *y);
        x->plan->kern->norm_f64(n->c, n->h * n->w, y, mean, rstd, gamma, beta, valid(x, g), xhat);
    }
}

static void forward_add(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const size_t pixels = assay_exec_pixels(n) * ASSAY_IMAGES;
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        for (uint32_t i = 0; i < n->n_in; i++) {
            x->plan->kern->axpy_f64(pixels, x->plan->graph->coef[n->in + i],
                                    assay_exec_value(x, x->plan->graph->in[n->in + i], g),
                                    assay_exec_value(x, node, g), i > 0);
        }
    }
}

static void forward_concat(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        double *out = assay_exec_value(x, node, g);
        for (uint32_t i = 0; i < n->n_in; i++) {
            const uint32_t in = x->plan->graph->in[n->in + i];
            const size_t size = assay_exec_pixels(&x->plan->graph->node[in]) * ASSAY_IMAGES;
            memcpy(out, assay_exec_value(x, in, g), size * sizeof *out);
            out += size;
        }
    }
}

static void forward_pool(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const struct assay_pool p = {.c = n->c,
                                 .h = in->h,
                                 .w = in->w,
                                 .oh = n->h,
                                 .ow = n->w,
                                 .kernel = n->kernel,
                                 .stride = n->stride,
                                 .pad = n->pad,
                                 .inv = AT(x, double, x->plan->slot[node].inv)};
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const double *src = assay_exec_value(x, x->plan->graph->in[n->in], g);
        real *arg = x->plan->slot[node].xhat ? assay_exec_xhat(x, node, g) : NULL;
        if (n->op == ASSAY_OP_AVG_POOL)
            x->plan->kern->pool_f64(&p, src, assay_exec_value(x, node, g));
        else
            x->plan->kern->maxpool_f64(&p, src, assay_exec_value(x, node, g), arg);
    }
}

static void forward_gap(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const uint32_t hw = in->h * in->w;
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const double *src = assay_exec_value(x, x->plan->graph->in[n->in], g);
        double *out = assay_exec_value(x, node, g);
        memset(out, 0, n->c * ASSAY_IMAGES * sizeof *out);
        for (uint32_t c = 0; c < n->c; c++, out += ASSAY_IMAGES) {
            for (uint32_t i = 0; i < hw * ASSAY_IMAGES; i++) out[i % ASSAY_IMAGES] += *src++;
            for (uint32_t i = 0; i < ASSAY_IMAGES; i++) out[i] /= hw;
        }
    }
}

static void forward_relu(struct assay_exec *x, uint32_t node)
{
    const size_t size = assay_exec_pixels(&x->plan->graph->node[node]) * ASSAY_IMAGES;
    const uint32_t src = x->plan->graph->in[x->plan->graph->node[node].in];
    for (uint32_t g = 0; g < x->plan->groups; g++)
        x->plan->kern->relu_f64(size, assay_exec_value(x, src, g), assay_exec_value(x, node, g));
}

// Drops the first `pad` rows and columns.
static void forward_slice(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const ptrdiff_t row = (ptrdiff_t)in->w * ASSAY_IMAGES;
    const struct assay_planes p = {.c = n->c,
                                   .h = n->h,
                                   .w = n->w,
                                   .src_c = row * in->h,
                                   .src_y = row,
                                   .dst_c = (ptrdiff_t)n->h * n->w * ASSAY_IMAGES,
                                   .dst_y = (ptrdiff_t)n->w * ASSAY_IMAGES};
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        const double *src =
            assay_exec_value(x, x->plan->graph->in[n->in], g) + n->pad * (row + ASSAY_IMAGES);
        x->plan->kern->pad_f64(&p, src, assay_exec_value(x, node, g));
    }
}

static void save_activation(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const uint32_t halo = x->plan->slot[node].halo;
    const ptrdiff_t row = assay_exec_act_row(n, halo);
    const struct assay_planes p = {.c = n->c,
                                   .h = n->h,
                                   .w = n->w,
                                   .src_c = (ptrdiff_t)n->h * n->w * ASSAY_IMAGES,
                                   .src_y = (ptrdiff_t)n->w * ASSAY_IMAGES,
                                   .dst_c = assay_exec_act_plane(n, halo),
                                   .dst_y = row};
    for (uint32_t g = 0; g < x->plan->groups; g++) {
        x->plan->kern->save(&p, assay_exec_value(x, node, g),
                            assay_exec_act(x, node, g) + halo * (row + ASSAY_IMAGES));
    }
}

static void run_node(struct assay_exec *x, uint32_t i, const double *input)
{
    switch ((enum assay_op)x->plan->graph->node[i].op) {
    case ASSAY_OP_INPUT:
        load_input(x, input);
        break;
    case ASSAY_OP_ZERO:
        memset(assay_exec_value(x, i, 0), 0,
               x->plan->groups * assay_exec_pixels(&x->plan->graph->node[i]) * ASSAY_IMAGES *
                   sizeof(double));
        break;
    case ASSAY_OP_CONV:
        forward_conv(x, i);
        break;
    case ASSAY_OP_LINEAR:
        forward_linear(x, i);
        break;
    case ASSAY_OP_BN:
        forward_bn(x, i);
        break;
    case ASSAY_OP_RELU:
        if (x->held)
            assay_exec_held_relu(x, i);
        else
            forward_relu(x, i);
        break;
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        if (x->held && x->plan->graph->node[i].op == ASSAY_OP_MAX_POOL)
            assay_exec_held_max_pool(x, i);
        else
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
    case ASSAY_OP_SLICE:
        forward_slice(x, i);
        break;
    case ASSAY_OP_COUNT:
        ASSAY_ASSERT(!"an operation");
    }
}

void assay_exec_forward_pass(struct assay_exec *x, const double *theta, const double *input)
{
    assay_exec_pack(x, theta);
    for (uint32_t i = 0; i < x->plan->graph->n_node; i++) {
        run_node(x, i, input);
        if (x->plan->slot[i].act) save_activation(x, i);
        assay_exec_keep(x, i);
        if (x->taps && x->taps->value && x->plan->slot[i].tap & ASSAY_TAP_VALUE)
            assay_exec_show_value(x, i);
    }
    const struct assay_node *out = &x->plan->graph->node[x->plan->graph->n_node - 1];
    double *logits = AT(x, double, x->plan->logits);
    for (uint32_t n = 0; n < x->plan->n; n++) {
        const double *v =
            assay_exec_value(x, x->plan->graph->n_node - 1, n / ASSAY_IMAGES) + n % ASSAY_IMAGES;
        for (uint32_t k = 0; k < out->c; k++) logits[n * out->c + k] = v[k * ASSAY_IMAGES];
    }
    x->sums_ready = false;
}
