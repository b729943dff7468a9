// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <math.h>

static const struct assay_node *input(const struct assay_graph *g, const struct assay_node *n,
                                      uint32_t i)
{
    return &g->node[g->in[n->in + i]];
}

static int set_shape(struct assay_node *n, uint64_t c, uint64_t h, uint64_t w)
{
    n->c = (uint32_t)c;
    n->h = (uint32_t)h;
    n->w = (uint32_t)w;
    return ASSAY_OK;
}

static int check_dims(const struct assay_node *n, struct assay_err *err)
{
    const uint32_t dim[3] = {n->c, n->h, n->w};
    for (int i = 0; i < 3; i++) {
        if (dim[i] < 1 || dim[i] > ASSAY_GRAPH_DIM_MAX)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "shape (%u,%u,%u), expected 1 to %u in each dimension", n->c, n->h,
                                 n->w, ASSAY_GRAPH_DIM_MAX);
    }
    return ASSAY_OK;
}

// The output's size along one axis, as PyTorch's Conv2d and pools compute it: a window that reaches
// over the end begins inside of what is there, or of the pad in front.
static int window(const struct assay_node *n, uint32_t kernel, uint32_t size, uint32_t *out,
                  struct assay_err *err)
{
    const int64_t reach = (int64_t)n->dilation * (kernel - 1) + 1;
    const int64_t slack = (int64_t)size + 2 * n->pad - reach;
    if (slack < 0 && (!n->ceil || slack <= -(int64_t)n->stride))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "a window of %lld does not fit into %u padded by %u on both sides",
                             (long long)reach, size, n->pad);
    const int64_t more = slack < 0 ? 0 : slack / n->stride + 1, start = more * n->stride;
    const bool longer = n->ceil && slack % n->stride && start < (int64_t)size + n->pad;
    *out = (uint32_t)(more + longer);
    return ASSAY_OK;
}

static int infer_window(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    uint32_t h = 0, w = 0;
    if (!n->kernel || !n->stride || !n->dilation)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "kernel %u, stride %u, dilation %u, expected at least 1 each",
                             n->kernel, n->stride, n->dilation);
    ASSAY_TRY(window(n, n->kernel, x->h, &h, err));
    ASSAY_TRY(window(n, assay_graph_kernel_w(n), x->w, &w, err));
    return set_shape(n, n->op == ASSAY_OP_CONV ? n->c : x->c, h, w);
}

static int infer_conv(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const uint32_t c_in = input(g, n, 0)->c;
    if (!n->groups || c_in % n->groups || n->c % n->groups)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "groups %u, expected a divisor of the %u input and %u output channels",
                             n->groups, c_in, n->c);
    return infer_window(g, n, err);
}

static int infer_pool(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    if (n->kernel_w)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "a pool of other columns than rows");
    if (n->pad > n->kernel / 2)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "padding %u, expected at most half of the kernel %u", n->pad,
                             n->kernel);
    return infer_window(g, n, err);
}

static int infer_add(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct assay_node *y = input(g, n, i);
        if (y->c != x->c || y->h != x->h || y->w != x->w)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "input %u has shape (%u,%u,%u), expected (%u,%u,%u) as input 0", i,
                                 y->c, y->h, y->w, x->c, x->h, x->w);
        if (!isfinite(g->coef[n->in + i]))
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "coefficient %u is %g, expected a finite number", i,
                                 g->coef[n->in + i]);
    }
    return set_shape(n, x->c, x->h, x->w);
}

static int infer_concat(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    uint64_t c = 0;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct assay_node *y = input(g, n, i);
        if (y->h != x->h || y->w != x->w)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "input %u is %u x %u, expected %u x %u as input 0", i, y->h, y->w,
                                 x->h, x->w);
        c += y->c;
    }
    return set_shape(n, c <= ASSAY_GRAPH_DIM_MAX ? c : 0, x->h, x->w);
}

static int infer_slice(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    if (n->pad >= x->h || n->pad >= x->w)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "drops %u rows and columns of %u x %u", n->pad,
                             x->h, x->w);
    if ((uint64_t)n->first + n->c > x->c)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "keeps %u channels from %u on of %u", n->c,
                             n->first, x->c);
    return set_shape(n, n->c, x->h - n->pad, x->w - n->pad);
}

static int infer_flatten(const struct assay_graph *g, struct assay_node *n)
{
    const struct assay_node *x = input(g, n, 0);
    const uint64_t size = (uint64_t)x->c * x->h * x->w;
    return set_shape(n, size <= ASSAY_GRAPH_DIM_MAX ? size : 0, 1, 1);
}

static int infer_bn(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    if (!(n->eps > 0) || !isfinite(n->eps))
        return assay_err_set(err, ASSAY_ERR_CONFIG, "epsilon %g, expected more than 0", n->eps);
    return set_shape(n, x->c, x->h, x->w);
}

static int infer_shuffle(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    if (!n->groups || x->c % n->groups)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "groups %u, expected a divisor of %u channels",
                             n->groups, x->c);
    return set_shape(n, x->c, x->h, x->w);
}

static int infer_pad(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    const int64_t h = (int64_t)x->h + n->pads[0] + n->pads[2],
                  w = (int64_t)x->w + n->pads[1] + n->pads[3];
    bool sound = h > 0 && w > 0 && n->a < INFINITY;
    // Something of what it reads is left.
    for (int i = 0; i < 4; i++) sound &= n->pads[i] + (int64_t)(i % 2 ? x->w : x->h) > 0;
    if (!sound)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "pads %d, %d, %d, %d of %u x %u by %g",
                             n->pads[0], n->pads[1], n->pads[2], n->pads[3], x->h, x->w, n->a);
    return set_shape(n, x->c, (uint64_t)h, (uint64_t)w);
}

static int infer_upsample(const struct assay_graph *g, struct assay_node *n)
{
    const struct assay_node *x = input(g, n, 0);
    return set_shape(n, x->c, (uint64_t)x->h * n->stride, (uint64_t)x->w * n->stride);
}

static int infer_act(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    const bool clip = n->act == ASSAY_ACT_CLIP, steep = n->act == ASSAY_ACT_HARDSIGMOID;
    const bool ends = !isnan(n->a) && !isnan(n->b) && n->a < n->b;
    if (n->act >= ASSAY_ACT_COUNT || (clip && !ends) || (!clip && !isfinite(n->a + n->b)) ||
        (steep && !(n->a > 0)))
        return assay_err_set(err, ASSAY_ERR_CONFIG, "activation %u (%s) of %g and %g", n->act,
                             assay_act_name((enum assay_act)n->act), n->a, n->b);
    return set_shape(n, x->c, x->h, x->w);
}

static int infer_mul(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0), *y = input(g, n, 1);
    if ((y->c != x->c && y->c != 1) || (y->h != x->h && y->h != 1) || (y->w != x->w && y->w != 1))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "input 1 is (%u,%u,%u), expected (%u,%u,%u) as input 0, or 1", y->c,
                             y->h, y->w, x->c, x->h, x->w);
    return set_shape(n, x->c, x->h, x->w);
}

static int infer_linear(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    const struct assay_node *x = input(g, n, 0);
    if (x->h != 1 || x->w != 1)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "input is (%u,%u,%u), expected (c,1,1)", x->c,
                             x->h, x->w);
    return set_shape(n, n->c, 1, 1);
}

static int infer_raw(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    switch ((enum assay_op)n->op) {
    case ASSAY_OP_INPUT:
    case ASSAY_OP_ZERO:
        return ASSAY_OK;
    case ASSAY_OP_CONV:
        return infer_conv(g, n, err);
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        return infer_pool(g, n, err);
    case ASSAY_OP_BN:
        return infer_bn(g, n, err);
    case ASSAY_OP_RELU:
        return set_shape(n, input(g, n, 0)->c, input(g, n, 0)->h, input(g, n, 0)->w);
    case ASSAY_OP_ADD:
        return infer_add(g, n, err);
    case ASSAY_OP_CONCAT:
        return infer_concat(g, n, err);
    case ASSAY_OP_SLICE:
        return infer_slice(g, n, err);
    case ASSAY_OP_GAP:
        return set_shape(n, input(g, n, 0)->c, 1, 1);
    case ASSAY_OP_LINEAR:
        return infer_linear(g, n, err);
    case ASSAY_OP_FLATTEN:
        return infer_flatten(g, n);
    case ASSAY_OP_ACT:
        return infer_act(g, n, err);
    case ASSAY_OP_MUL:
        return infer_mul(g, n, err);
    case ASSAY_OP_SHUFFLE:
        return infer_shuffle(g, n, err);
    case ASSAY_OP_PAD:
        return infer_pad(g, n, err);
    case ASSAY_OP_UPSAMPLE:
        return infer_upsample(g, n);
    case ASSAY_OP_COUNT:
        break;
    }
    return assay_err_set(err, ASSAY_ERR_CONFIG, "unknown operation %u", n->op);
}

static int check_arity(const struct assay_node *n, struct assay_err *err)
{
    const bool none = n->op == ASSAY_OP_INPUT || n->op == ASSAY_OP_ZERO;
    const bool many = n->op == ASSAY_OP_ADD || n->op == ASSAY_OP_CONCAT;
    const uint32_t want = none ? 0 : n->op == ASSAY_OP_MUL ? 2 : 1;
    if (many ? n->n_in >= 1 : n->n_in == want) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "%u inputs, expected %s%u", n->n_in,
                         many ? "at least " : "", want);
}

int graph_infer(const struct assay_graph *g, struct assay_node *n, struct assay_err *err)
{
    int status = check_arity(n, err);
    if (status == ASSAY_OK) status = infer_raw(g, n, err);
    if (status == ASSAY_OK) return check_dims(n, err);
    set_shape(n, 0, 0, 0);
    return status;
}

uint32_t graph_param_count(const struct assay_node *n)
{
    switch (n->op) {
    case ASSAY_OP_CONV:
    case ASSAY_OP_LINEAR:
        return n->bias ? 2 : 1;
    case ASSAY_OP_BN:
        return n->affine ? 2 : 0;
    default:
        return 0;
    }
}

void graph_param_shape(const struct assay_graph *g, const struct assay_node *n, uint32_t k,
                       struct assay_param *p)
{
    const uint32_t c_in = input(g, n, 0)->c;
    p->ndim = 1;
    p->shape[0] = n->c;
    p->shape[1] = p->shape[2] = p->shape[3] = 1;
    if (n->op == ASSAY_OP_CONV && k == 0) {
        p->role = ASSAY_CONV_WEIGHT;
        p->ndim = 4;
        p->shape[1] = c_in / n->groups;
        p->shape[2] = n->kernel;
        p->shape[3] = assay_graph_kernel_w(n);
    } else if (n->op == ASSAY_OP_BN) {
        p->role = k == 0 ? ASSAY_BN_GAMMA : ASSAY_BN_BETA;
    } else if (k == 0) {
        p->role = ASSAY_LINEAR_WEIGHT;
        p->ndim = 2;
        p->shape[1] = c_in;
    } else {
        p->role = n->op == ASSAY_OP_CONV ? ASSAY_CONV_BIAS : ASSAY_LINEAR_BIAS;
    }
    p->size = (uint64_t)p->shape[0] * p->shape[1] * p->shape[2] * p->shape[3];
}
