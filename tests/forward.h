// SPDX-License-Identifier: Apache-2.0
// The shortest forward pass that can be checked by reading, for tests of graphs: every tensor is
// (n,c,h,w), float64.
//
// With `held`, the values of another pass of the same graph, it keeps to the piece of that pass:
// ReLUs pass what they passed, max-pools take the pixel they took, and with `frozen` BNs normalise
// by the statistics they had. A piece is smooth in the parameters, so that differences on it are
// derivatives.
#ifndef ASSAY_TESTS_FORWARD_H
#define ASSAY_TESTS_FORWARD_H

#include "act.h"
#include "assay/exec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tensor {
    uint32_t n, c, h, w;
    double *v;
};

static inline double *tensor_at(const struct tensor *t, uint32_t n, uint32_t c, uint32_t y,
                                uint32_t x)
{
    return &t->v[(((size_t)n * t->c + c) * t->h + y) * t->w + x];
}

// Visits the window of output pixel (oy,ox): its taps inside the input, (ky,kx) and (y,x).
struct tap {
    uint32_t ky, kx, y, x;
};

static inline uint32_t window_taps(const struct assay_node *node, const struct tensor *in,
                                   uint32_t oy, uint32_t ox, struct tap *tap)
{
    uint32_t n = 0;
    for (uint32_t ky = 0; ky < node->kernel; ky++) {
        for (uint32_t kx = 0; kx < assay_graph_kernel_w(node); kx++) {
            const int64_t y = (int64_t)oy * node->stride - node->pad + ky * node->dilation;
            const int64_t x = (int64_t)ox * node->stride - node->pad + kx * node->dilation;
            if (y < 0 || y >= in->h || x < 0 || x >= in->w) continue;
            tap[n++] = (struct tap){ky, kx, (uint32_t)y, (uint32_t)x};
        }
    }
    return n;
}

static inline double conv_at(const struct assay_node *node, const struct tensor *in,
                             const double *weight, uint32_t n, uint32_t c, const struct tap *tap,
                             uint32_t n_tap)
{
    const uint32_t group_in = in->c / node->groups, group_out = node->c / node->groups,
                   columns = assay_graph_kernel_w(node);
    double sum = 0;
    for (uint32_t i = 0; i < group_in; i++) {
        const double *w = weight + ((size_t)c * group_in + i) * node->kernel * columns;
        for (uint32_t t = 0; t < n_tap; t++)
            sum += w[tap[t].ky * columns + tap[t].kx] *
                   *tensor_at(in, n, c / group_out * group_in + i, tap[t].y, tap[t].x);
    }
    return sum;
}

// piece: the tensor that says which pixel is the largest.
static inline double pool_at(const struct assay_node *node, const struct tensor *in,
                             const struct tensor *piece, uint32_t n, uint32_t c,
                             const struct tap *tap, uint32_t n_tap)
{
    double sum = 0, taken = 0, max = -INFINITY;
    for (uint32_t t = 0; t < n_tap; t++) {
        const double v = *tensor_at(in, n, c, tap[t].y, tap[t].x);
        const double rank = *tensor_at(piece, n, c, tap[t].y, tap[t].x);
        sum += v;
        if (rank > max) max = rank, taken = v;
    }
    return node->op == ASSAY_OP_MAX_POOL ? taken : sum / n_tap;
}

static inline void forward_window(const struct assay_node *node, const struct tensor *in,
                                  const struct tensor *piece, const double *weight,
                                  const double *bias, struct tensor *out)
{
    struct tap tap[64];
    for (uint32_t y = 0; y < out->h; y++) {
        for (uint32_t x = 0; x < out->w; x++) {
            const uint32_t n_tap = window_taps(node, in, y, x, tap);
            for (uint32_t n = 0; n < out->n; n++) {
                for (uint32_t c = 0; c < out->c; c++)
                    *tensor_at(out, n, c, y, x) =
                        node->op == ASSAY_OP_CONV
                            ? conv_at(node, in, weight, n, c, tap, n_tap) + (bias ? bias[c] : 0.0)
                            : pool_at(node, in, piece, n, c, tap, n_tap);
            }
        }
    }
}

// Mean and biased variance of channel c.
static inline void batch_moments(const struct tensor *in, uint32_t c, double *mean, double *var)
{
    const size_t image = (size_t)in->h * in->w;
    const double count = (double)image * in->n;
    *mean = *var = 0;
    for (uint32_t n = 0; n < in->n; n++)
        for (size_t i = 0; i < image; i++) *mean += tensor_at(in, n, c, 0, 0)[i] / count;
    for (uint32_t n = 0; n < in->n; n++)
        for (size_t i = 0; i < image; i++)
            *var += pow(tensor_at(in, n, c, 0, 0)[i] - *mean, 2) / count;
}

// piece: the tensor whose statistics count.
static inline void forward_bn(const struct tensor *in, const struct tensor *piece,
                              enum assay_norm norm, double eps, const double *gamma,
                              const double *beta, struct tensor *out)
{
    const size_t image = (size_t)in->h * in->w;
    for (uint32_t c = 0; c < in->c; c++) {
        double mean = 0, var = norm == ASSAY_NORM_NONE ? 1 - eps : 1;
        if (norm == ASSAY_NORM_BATCH) batch_moments(piece, c, &mean, &var);
        const double scale = (gamma ? gamma[c] : 1.0) / sqrt(var + eps);
        for (uint32_t n = 0; n < in->n; n++)
            for (size_t i = 0; i < image; i++)
                tensor_at(out, n, c, 0, 0)[i] =
                    (tensor_at(in, n, c, 0, 0)[i] - mean) * scale + (beta ? beta[c] : 0.0);
    }
}

static inline void forward_reduce(const struct assay_node *node, const struct tensor *in,
                                  const double *weight, const double *bias, struct tensor *out)
{
    const size_t image = (size_t)in->h * in->w;
    for (uint32_t n = 0; n < in->n; n++) {
        for (uint32_t c = 0; c < out->c; c++) {
            double sum = bias ? bias[c] : 0.0;
            if (node->op == ASSAY_OP_LINEAR) {
                for (uint32_t i = 0; i < in->c; i++)
                    sum += weight[c * in->c + i] * *tensor_at(in, n, i, 0, 0);
            } else {
                for (size_t i = 0; i < image; i++)
                    sum += tensor_at(in, n, c, 0, 0)[i] / (double)image;
            }
            *tensor_at(out, n, c, 0, 0) = sum;
        }
    }
}

// concat: channel `first + c` of the output is channel c of the input.
static inline void forward_copy(const struct tensor *in, uint32_t first, struct tensor *out)
{
    for (uint32_t n = 0; n < out->n; n++)
        memcpy(tensor_at(out, n, first, 0, 0), tensor_at(in, n, 0, 0, 0),
               (size_t)in->c * in->h * in->w * sizeof *in->v);
}

// slice, shuffle, pad: where a number of the output comes from, or what it is.
static inline void forward_move(const struct assay_node *node, const struct tensor *in,
                                struct tensor *out)
{
    const uint32_t g = node->groups ? node->groups : 1;
    for (uint32_t n = 0; n < out->n; n++) {
        for (uint32_t i = 0; i < out->c * out->h * out->w; i++) {
            const uint32_t of_c = i / (out->h * out->w);
            uint32_t c = of_c;
            int64_t y = i / out->w % out->h, x = i % out->w;
            if (node->op == ASSAY_OP_SLICE) c += node->first, y += node->pad, x += node->pad;
            if (node->op == ASSAY_OP_UPSAMPLE) y /= node->stride, x /= node->stride;
            if (node->op == ASSAY_OP_PAD) y -= node->pads[0], x -= node->pads[1];
            // (g, c / g) turned to (c / g, g)
            for (uint32_t k = 0; k < in->c && node->op == ASSAY_OP_SHUFFLE; k++)
                if (k % (in->c / g) * g + k / (in->c / g) == of_c) c = k;
            const bool there = y >= 0 && x >= 0 && y < in->h && x < in->w;
            out->v[(size_t)n * out->c * out->h * out->w + i] =
                there ? *tensor_at(in, n, c, (uint32_t)y, (uint32_t)x) : node->a;
        }
    }
}

static inline void forward_mul(const struct tensor *in, const struct tensor *gate,
                               struct tensor *out)
{
    for (uint32_t n = 0; n < out->n; n++)
        for (uint32_t c = 0; c < out->c; c++)
            for (uint32_t y = 0; y < out->h; y++)
                for (uint32_t x = 0; x < out->w; x++)
                    *tensor_at(out, n, c, y, x) =
                        *tensor_at(in, n, c, y, x) *
                        *tensor_at(gate, n, c % gate->c, y % gate->h, x % gate->w);
}

struct pass {
    uint32_t n; // images
    const double *theta, *input;
    const struct tensor *held; // values of another pass, or NULL
    bool frozen;
    const uint32_t *norm;    // enum assay_norm of BNs without and with affine; NULL: BATCH
    const struct bump *bump; // or NULL
};

// Added to the value of a node: h times a way of as many numbers.
struct bump {
    uint32_t node;
    double h;
    const double *way;
};

static inline void forward_node(const struct assay_graph *g, uint32_t i, const struct pass *pass,
                                struct tensor *value)
{
    const struct assay_node *node = &g->node[i];
    struct tensor *out = &value[i];
    const struct tensor *in = node->n_in ? &value[g->in[node->in]] : NULL;
    const struct tensor *piece = pass->held && in ? &pass->held[g->in[node->in]] : in;
    const size_t size = (size_t)out->n * out->c * out->h * out->w;
    const double *theta = pass->theta;
    const double *weight = node->n_param ? theta + g->param[node->param].offset : NULL;
    const double *bias = node->n_param > 1 ? theta + g->param[node->param + 1].offset : NULL;
    uint32_t first = 0;
    enum assay_norm norm;

    switch (node->op) {
    case ASSAY_OP_INPUT:
        memcpy(out->v, pass->input, size * sizeof *out->v);
        break;
    case ASSAY_OP_CONV:
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        forward_window(node, in, piece, weight, bias, out);
        break;
    case ASSAY_OP_BN:
        norm = pass->norm ? (enum assay_norm)pass->norm[node->affine] : ASSAY_NORM_BATCH;
        if (norm == ASSAY_NORM_NONE) weight = bias = NULL;
        forward_bn(in, pass->frozen ? piece : in, norm, node->eps, weight, bias, out);
        break;
    case ASSAY_OP_RELU:
        for (size_t k = 0; k < size; k++) out->v[k] = piece->v[k] > 0 ? in->v[k] : 0.0;
        break;
    case ASSAY_OP_ADD:
        for (uint32_t t = 0; t < node->n_in; t++)
            for (size_t k = 0; k < size; k++)
                out->v[k] += g->coef[node->in + t] * value[g->in[node->in + t]].v[k];
        break;
    case ASSAY_OP_CONCAT:
        for (uint32_t t = 0; t < node->n_in; t++) {
            forward_copy(&value[g->in[node->in + t]], first, out);
            first += value[g->in[node->in + t]].c;
        }
        break;
    case ASSAY_OP_ACT:
        for (size_t k = 0; k < size; k++) out->v[k] = act_at(node, piece->v[k], in->v[k]);
        break;
    case ASSAY_OP_MUL:
        forward_mul(in, &value[g->in[node->in + 1]], out);
        break;
    case ASSAY_OP_FLATTEN:
        memcpy(out->v, in->v, size * sizeof *out->v);
        break;
    case ASSAY_OP_SLICE:
    case ASSAY_OP_SHUFFLE:
    case ASSAY_OP_PAD:
    case ASSAY_OP_UPSAMPLE:
        forward_move(node, in, out);
        break;
    case ASSAY_OP_GAP:
    case ASSAY_OP_LINEAR:
        forward_reduce(node, in, weight, bias, out);
        break;
    }
}

static inline void free_values(const struct assay_graph *g, struct tensor *value)
{
    for (uint32_t i = 0; i < g->n_node; i++) free(value[i].v);
    free(value);
}

// The values of all nodes; free_values frees them.
static inline struct tensor *forward_values(const struct assay_graph *g, const struct pass *pass)
{
    struct tensor *value = calloc(g->n_node, sizeof *value);
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *node = &g->node[i];
        value[i] = (struct tensor){pass->n, node->c, node->h, node->w, NULL};
        value[i].v = calloc((size_t)pass->n * node->c * node->h * node->w, sizeof(double));
        forward_node(g, i, pass, value);
        const size_t size = (size_t)pass->n * node->c * node->h * node->w;
        for (size_t k = 0; pass->bump && pass->bump->node == i && k < size; k++)
            value[i].v[k] += pass->bump->h * pass->bump->way[k];
    }
    return value;
}

// Returns the output node's tensor of n images; the caller frees it.
static inline double *forward(const struct assay_graph *g, uint32_t n, const double *theta,
                              const double *input)
{
    struct tensor *value =
        forward_values(g, &(struct pass){.n = n, .theta = theta, .input = input});
    double *out = value[g->n_node - 1].v;
    value[g->n_node - 1].v = NULL;
    free_values(g, value);
    return out;
}

#endif
