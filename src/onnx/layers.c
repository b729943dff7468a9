// SPDX-License-Identifier: Apache-2.0
// Convolutions, norms and pools.
#include "import.h"

#include <math.h>
#include <string.h>

// ---- convolutions -------------------------------------------------------------------------------
struct window {
    int64_t kernel[2], stride[2], pad[4], dilation[2];
};

static bool is_between(int64_t value, int64_t lo)
{
    return value >= lo && value <= UINT8_MAX;
}

// auto_pad: as many outputs as strides fit into the input, what is odd at the end or at the start.
static void same_padding(const struct value *x, bool upper, struct window *w)
{
    for (int d = 0; d < 2; d++) {
        const int64_t size = x->dim[2 + d], stride = w->stride[d],
                      reach = (w->kernel[d] - 1) * w->dilation[d] + 1,
                      all = ((size + stride - 1) / stride - 1) * stride + reach - size,
                      pad = all > 0 ? all : 0;
        w->pad[d] = upper ? pad / 2 : pad - pad / 2;
        w->pad[2 + d] = pad - w->pad[d];
    }
}

static int take_padding(const struct import *im, const struct value *x, struct window *w)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, "auto_pad");
    ASSAY_TRY(onnx_integers(im, "pads", 4, 0, w->pad));
    if (!a || assay_onnx_is(a->s, "NOTSET")) return ASSAY_OK;
    memset(w->pad, 0, sizeof w->pad);
    if (assay_onnx_is(a->s, "VALID")) return ASSAY_OK;
    const bool upper = assay_onnx_is(a->s, "SAME_UPPER");
    if (!upper && !assay_onnx_is(a->s, "SAME_LOWER"))
        return onnx_refuse(im,
                           "auto_pad is '%.*s', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                           ASSAY_ONNX_TEXT(a->s));
    same_padding(x, upper, w);
    return ASSAY_OK;
}

// Reads what slides over maps, with the same stride and dilation along both sides.
static int take_window(const struct import *im, const struct value *x, const int64_t kernel[2],
                       struct window *w)
{
    bool sized = true;
    ASSAY_TRY(onnx_integers(im, "kernel_shape", 2, 0, w->kernel));
    if (!w->kernel[0] && !w->kernel[1]) memcpy(w->kernel, kernel, sizeof w->kernel);
    ASSAY_TRY(onnx_integers(im, "strides", 2, 1, w->stride));
    ASSAY_TRY(onnx_integers(im, "dilations", 2, 1, w->dilation));
    for (int d = 0; d < 2; d++)
        sized &= is_between(w->kernel[d], 1) && is_between(w->stride[d], 1) &&
                 is_between(w->dilation[d], 1);
    if (sized) ASSAY_TRY(take_padding(im, x, w));
    for (int i = 0; i < 4; i++) sized = sized && is_between(w->pad[i], 0);
    if (!sized || w->stride[0] != w->stride[1] || w->dilation[0] != w->dilation[1])
        return onnx_refuse(im,
                           "kernel %lldx%lld, strides %lld, %lld, dilations %lld, %lld, expected 1 "
                           "to 255, strides and dilations the same along both sides, pads from 0",
                           (long long)w->kernel[0], (long long)w->kernel[1],
                           (long long)w->stride[0], (long long)w->stride[1],
                           (long long)w->dilation[0], (long long)w->dilation[1]);
    return ASSAY_OK;
}

static int check_square(const struct import *im, const struct window *w)
{
    if (w->kernel[0] == w->kernel[1]) return ASSAY_OK;
    return onnx_refuse(im, "a pool of %lldx%lld; only square ones are read",
                       (long long)w->kernel[0], (long long)w->kernel[1]);
}

static bool is_even(const struct window *w)
{
    return w->pad[0] == w->pad[1] && w->pad[0] == w->pad[2] && w->pad[0] == w->pad[3];
}

// Pads that differ are made in front, filled with `fill`; the window itself has none then.
static uint32_t pad_in_front(const struct import *im, uint32_t node, struct window *w, double fill)
{
    node = onnx_pad(im, node, w->pad, fill);
    memset(w->pad, 0, sizeof w->pad);
    return node;
}

// *bias: NULL where there is none. One of zeros is none: the dynamo exporter computes one for each
// convolution without.
static int take_bias(struct import *im, int64_t c, struct value **bias)
{
    const struct value *v = onnx_in(im, 2);
    *bias = NULL;
    if (!v || (onnx_all(im, v, 0.0) && onnx_size(v) == (uint64_t)c)) return ASSAY_OK;
    ASSAY_TRY(onnx_param(im, 2, 1, "bias", bias));
    return onnx_expect(im, *bias, "bias", c);
}

static int take_conv(struct import *im)
{
    const struct value *x;
    struct value *weight, *bias;
    struct window w;
    uint32_t node;
    const int64_t groups = onnx_integer(im, "group", 1);
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    ASSAY_TRY(onnx_param(im, 1, 4, "weight", &weight));
    ASSAY_TRY(take_window(im, x, weight->dim + 2, &w));
    const int64_t *dim = weight->dim;
    if (weight->transposed || groups < 1 || groups > x->dim[1] || dim[0] < 1 ||
        dim[0] > INT32_MAX || dim[1] * groups != x->dim[1] || dim[2] != w.kernel[0] ||
        dim[3] != w.kernel[1])
        return onnx_refuse(im,
                           "weight '%.*s' is (%lld,%lld,%lld,%lld), with groups %lld over %lld "
                           "channels and a kernel %lldx%lld",
                           ASSAY_ONNX_TEXT(weight->name), (long long)dim[0], (long long)dim[1],
                           (long long)dim[2], (long long)dim[3], (long long)groups,
                           (long long)x->dim[1], (long long)w.kernel[0], (long long)w.kernel[1]);
    ASSAY_TRY(take_bias(im, dim[0], &bias));
    if (!is_even(&w)) node = pad_in_front(im, node, &w, 0);
    const struct assay_node n = {.op = ASSAY_OP_CONV,
                                 .kernel = (uint8_t)w.kernel[0],
                                 .kernel_w =
                                     (uint8_t)(w.kernel[1] == w.kernel[0] ? 0 : w.kernel[1]),
                                 .stride = (uint8_t)w.stride[0],
                                 .pad = (uint8_t)w.pad[0],
                                 .dilation = (uint8_t)w.dilation[0],
                                 .groups = (uint32_t)groups,
                                 .bias = bias != NULL,
                                 .c = (uint32_t)dim[0],
                                 .n_in = 1};
    node = assay_graph_append(im->g, n, &node, NULL, "");
    ASSAY_TRY(onnx_own(im, weight));
    if (bias) ASSAY_TRY(onnx_own(im, bias));
    return onnx_put(im, node, false);
}

// ---- norms --------------------------------------------------------------------------------------
// Running statistics (inputs 3 and 4) and training_mode are ignored: BN is by the batch.
static int take_bn(struct import *im)
{
    const struct value *x, *scale = onnx_in(im, 1), *shift = onnx_in(im, 2);
    struct value *gamma, *beta;
    uint32_t node;
    const double eps = onnx_real(im, "epsilon", ASSAY_BN_EPS);
    if (onnx_in(im, 0) && onnx_in(im, 0)->kind == VALUE_PARAM)
        return onnx_refuse(im, "it norms a weight: weight standardisation is not read");
    ASSAY_TRY(onnx_map_in(im, 0, 0, &x, &node));
    if (!(eps > 0)) return onnx_refuse(im, "epsilon is %g, expected more than 0", eps);
    if (onnx_integer(im, "spatial", 1) != 1)
        return onnx_refuse(im, "spatial is 0, expected statistics of a channel");
    const int64_t c = x->dim[1];
    const bool flat = x->ndim == 2;
    const bool affine = !(scale && shift && onnx_all(im, scale, 1.0) && onnx_all(im, shift, 0.0) &&
                          onnx_size(scale) == (uint64_t)c && onnx_size(shift) == (uint64_t)c);
    const struct assay_node n = {.op = ASSAY_OP_BN, .affine = affine, .eps = eps, .n_in = 1};
    if (!affine) return onnx_put(im, assay_graph_append(im->g, n, &node, NULL, ""), flat);
    ASSAY_TRY(onnx_param(im, 1, 1, "scale", &gamma));
    ASSAY_TRY(onnx_param(im, 2, 1, "shift", &beta));
    ASSAY_TRY(onnx_expect(im, gamma, "scale", c));
    ASSAY_TRY(onnx_expect(im, beta, "shift", c));
    node = assay_graph_append(im->g, n, &node, NULL, "");
    ASSAY_TRY(onnx_own(im, gamma));
    ASSAY_TRY(onnx_own(im, beta));
    return onnx_put(im, node, flat);
}

// ---- pools --------------------------------------------------------------------------------------
static int take_pool_window(struct import *im, const struct value *x, struct window *w)
{
    const int64_t none[2] = {0};
    ASSAY_TRY(take_window(im, x, none, w));
    if (w->dilation[0] != 1) return onnx_refuse(im, "a dilated pool is not read");
    for (int i = 0; i < 4; i++)
        if (w->pad[i] > w->kernel[i % 2] / 2)
            return onnx_refuse(im, "pad %lld, expected at most half of the kernel %lld",
                               (long long)w->pad[i], (long long)w->kernel[i % 2]);
    return ASSAY_OK;
}

// ceil_mode has no window that begins behind the map, in what pads its end. Pads that are made in
// front are part of the map, so that their end is cut to what the windows before reach.
static void cut_end(const struct import *im, const struct value *x, struct window *w)
{
    for (int d = 0; d < 2 && onnx_integer(im, "ceil_mode", 0); d++) {
        const int64_t begin = w->pad[d], end = begin + x->dim[2 + d],
                      room = end + w->pad[2 + d] - w->kernel[d];
        if (room < 0) continue;
        const int64_t left = room % w->stride[d];
        if (left && room - left + w->stride[d] >= end) w->pad[2 + d] -= left;
    }
}

static int put_pool(struct import *im, enum assay_op op, uint32_t node, const struct window *w)
{
    const struct assay_node n = {.op = (uint8_t)op,
                                 .kernel = (uint8_t)w->kernel[0],
                                 .stride = (uint8_t)w->stride[0],
                                 .pad = (uint8_t)w->pad[0],
                                 .dilation = 1,
                                 .ceil = onnx_integer(im, "ceil_mode", 0) != 0,
                                 .n_in = 1};
    ASSAY_TRY(check_square(im, w));
    return onnx_put(im, assay_graph_append(im->g, n, &node, NULL, NULL), false);
}

static int take_max_pool(struct import *im)
{
    const struct value *x;
    struct window w;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    ASSAY_TRY(take_pool_window(im, x, &w));
    if (!is_even(&w)) {
        cut_end(im, x, &w);
        node = pad_in_front(im, node, &w, -INFINITY);
    }
    return put_pool(im, ASSAY_OP_MAX_POOL, node, &w);
}

// Padding that is counted is zeros in front: then it is what lies under a window, at the end, too.
static int take_avg_pool(struct import *im)
{
    const struct value *x;
    struct window w;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    ASSAY_TRY(take_pool_window(im, x, &w));
    const bool padded = w.pad[0] || w.pad[1] || w.pad[2] || w.pad[3];
    if (!padded && w.kernel[0] == x->dim[2] && w.kernel[1] == x->dim[3])
        return onnx_put(im, assay_graph_gap(im->g, node), false);
    if (padded && onnx_integer(im, "count_include_pad", 0)) {
        cut_end(im, x, &w);
        node = pad_in_front(im, node, &w, 0);
    } else if (!is_even(&w)) {
        return onnx_refuse(im,
                           "pads %lld, %lld, %lld, %lld that are not counted, expected the same "
                           "on all sides",
                           (long long)w.pad[0], (long long)w.pad[1], (long long)w.pad[2],
                           (long long)w.pad[3]);
    }
    return put_pool(im, ASSAY_OP_AVG_POOL, node, &w);
}

static int take_gap(struct import *im)
{
    const struct value *x;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    return onnx_put(im, assay_graph_gap(im->g, node), false);
}

static int take_mean(struct import *im)
{
    const struct value *x;
    int64_t axis[ASSAY_ONNX_DIMS] = {0};
    uint32_t node, n, seen = 0;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    ASSAY_TRY(onnx_list(im, 1, "axes", ASSAY_ONNX_DIMS, axis, &n));
    for (uint32_t i = 0; i < n; i++) {
        const int64_t d = axis[i] < 0 ? axis[i] + 4 : axis[i];
        seen |= d >= 0 && d < 4 ? 1u << d : 16;
    }
    if (n != 2 || seen != (1u << 2 | 1u << 3))
        return onnx_refuse(im, "a mean over other dimensions than height and width together is not "
                               "read; write x.mean((2, 3))");
    return onnx_put(im, assay_graph_gap(im->g, node), !onnx_integer(im, "keepdims", 1));
}

const struct onnx_rule onnx_layers[] = {
    {"Conv", take_conv},
    {"BatchNormalization", take_bn},
    {"MaxPool", take_max_pool},
    {"AveragePool", take_avg_pool},
    {"GlobalAveragePool", take_gap},
    {"ReduceMean", take_mean},
    {NULL, NULL},
};
