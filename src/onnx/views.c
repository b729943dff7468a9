// SPDX-License-Identifier: Apache-2.0
// Operations that compute nothing: shapes, and what is the identity here.
#include "import.h"

#include <stdlib.h>
#include <string.h>

// ---- the identity -------------------------------------------------------------------------------
static int take_same(struct import *im)
{
    const struct value *x = onnx_in(im, 0);
    if (!x) return onnx_refuse(im, "its input is missing");
    onnx_alias(im, x);
    // By each name a parameter is one of its own: exporters store equal ones once.
    if (x->kind == VALUE_PARAM)
        im->value[im->in[im->at->out.first]].owner = im->in[im->at->out.first];
    return ASSAY_OK;
}

static int take_map_same(struct import *im)
{
    const struct value *x;
    ASSAY_TRY(onnx_map_in(im, 0, 0, &x, NULL));
    onnx_alias(im, x);
    return ASSAY_OK;
}

static int take_dropout(struct import *im)
{
    const struct value *mode = onnx_in(im, 2);
    if (mode && !onnx_all(im, mode, 0.0))
        onnx_warn(im, "dropout is taken as the identity; model.eval() before the export leaves it "
                      "out");
    return take_map_same(im);
}

static int take_softmax(struct import *im)
{
    const struct value *x;
    ASSAY_TRY(onnx_map_in(im, 0, 2, &x, NULL));
    const int64_t axis = onnx_integer(im, "axis", im->m->opset < 13 ? 1 : -1);
    if (axis != 1 && axis != -1) return onnx_refuse(im, "its axis is the batch, expected classes");
    if (!im->value[im->in[im->at->out.first]].last)
        return onnx_refuse(im, "a softmax is only read as the last node, where it is left out");
    onnx_warn(im, "the softmax at the end is left out: metrics are of logits");
    onnx_alias(im, x);
    return ASSAY_OK;
}

static int take_cast(struct import *im)
{
    const int64_t to = onnx_integer(im, "to", ASSAY_ONNX_FLOAT);
    if (to != ASSAY_ONNX_FLOAT && to != ASSAY_ONNX_DOUBLE)
        return onnx_refuse(im, "it casts a map to type %lld, expected float32 or float64",
                           (long long)to);
    return take_map_same(im);
}

// ---- shapes -------------------------------------------------------------------------------------
// The output as a map of another shape, which only may leave out or add sides of 1.
static int put_view(struct import *im, const struct value *x, uint32_t ndim, const int64_t *dim)
{
    const bool same = ndim == x->ndim && memcmp(dim, x->dim, ndim * sizeof *dim) == 0;
    const int64_t hw = x->ndim == 4 ? x->dim[2] * x->dim[3] : 1;
    if (same) return take_map_same(im);
    const bool sides = ndim == 2 || (ndim == 4 && dim[2] == 1 && dim[3] == 1);
    if (!sides || dim[0] != x->dim[0] || dim[1] != x->dim[1] * hw)
        return onnx_refuse(im,
                           "it makes another shape of (%lld,%lld,%lld,%lld), only lists of "
                           "features (n,c h w) are read",
                           (long long)x->dim[0], (long long)x->dim[1],
                           x->ndim == 4 ? (long long)x->dim[2] : 1,
                           x->ndim == 4 ? (long long)x->dim[3] : 1);
    if (hw != 1) {
        uint32_t node;
        ASSAY_TRY(onnx_map(im, x, &node));
        const struct assay_node n = {.op = ASSAY_OP_FLATTEN, .n_in = 1};
        return onnx_put(im, assay_graph_append(im->g, n, &node, NULL, NULL), ndim == 2);
    }
    struct value *out = onnx_define(im, VALUE_MAP, ndim, dim);
    out->node = x->node;
    memcpy(out->drop, x->drop, sizeof out->drop);
    return ASSAY_OK;
}

// Channels as (groups, channels of each), and back: in between they may be turned, a shuffle.
static bool is_grouped(const struct value *x, uint32_t ndim, const int64_t *dim)
{
    return x->kind == VALUE_MAP && x->ndim == 4 && ndim == 5 && dim[0] == x->dim[0] &&
           dim[1] * dim[2] == x->dim[1] && dim[3] == x->dim[2] && dim[4] == x->dim[3];
}

static int group_channels(struct import *im, const struct value *x, const int64_t *dim)
{
    uint32_t node;
    ASSAY_TRY(onnx_map(im, x, &node));
    struct value *out = onnx_define(im, VALUE_GROUPED, 5, dim);
    out->node = node;
    out->turned = false;
    return ASSAY_OK;
}

static int merge_channels(struct import *im, const struct value *x, uint32_t ndim,
                          const int64_t *dim)
{
    if (ndim != 4 || dim[0] != x->dim[0] || dim[1] != x->dim[1] * x->dim[2] ||
        dim[2] != x->dim[3] || dim[3] != x->dim[4])
        return onnx_refuse(im, "channels that were split into groups take another shape than a "
                               "map's");
    // What was turned had as many groups as it now has channels of each.
    const struct assay_node n = {.op = ASSAY_OP_SHUFFLE, .groups = (uint32_t)x->dim[2], .n_in = 1};
    return onnx_put(im, x->turned ? assay_graph_append(im->g, n, &x->node, NULL, NULL) : x->node,
                    false);
}

static int take_flatten(struct import *im)
{
    const struct value *x;
    ASSAY_TRY(onnx_map_in(im, 0, 0, &x, NULL));
    const int64_t axis = onnx_integer(im, "axis", 1);
    if (axis != 1 && axis != 1 - (int64_t)x->ndim)
        return onnx_refuse(im, "axis is %lld, expected 1", (long long)axis);
    const int64_t dim[2] = {x->dim[0], (int64_t)(onnx_size(x) / (uint64_t)x->dim[0])};
    return put_view(im, x, 2, dim);
}

// The batch may stand as the number that the file was made with, as 0 or as -1.
static int take_reshape(struct import *im)
{
    const struct value *x;
    int64_t dim[ASSAY_ONNX_DIMS], known = 1;
    const int64_t allow = onnx_integer(im, "allowzero", 0);
    uint32_t n, open = UINT32_MAX;
    x = onnx_in(im, 0);
    if (!x || x->kind != VALUE_GROUPED) ASSAY_TRY(onnx_map_in(im, 0, 0, &x, NULL));
    ASSAY_TRY(onnx_list(im, 1, "shape", ASSAY_ONNX_DIMS, dim, &n));
    for (uint32_t d = 0; d < n; d++) {
        if (dim[d] == 0 && !allow && d < x->ndim) dim[d] = x->dim[d];
        if (dim[d] == -1 && open == UINT32_MAX)
            open = d;
        else if (dim[d] < 1 || __builtin_mul_overflow(known, dim[d], &known))
            return onnx_refuse(im, "size %lld of dimension %u cannot be", (long long)dim[d], d);
    }
    if (open < n) dim[open] = (int64_t)(onnx_size(x) / (uint64_t)known);
    if (is_grouped(x, n, dim)) return group_channels(im, x, dim);
    if (x->kind == VALUE_GROUPED) return merge_channels(im, x, n, dim);
    return put_view(im, x, n, dim);
}

static int take_squeeze(struct import *im)
{
    const struct value *x;
    int64_t axis[ASSAY_ONNX_DIMS] = {0}, dim[ASSAY_ONNX_DIMS];
    uint32_t n, kept = 0, out = 0;
    ASSAY_TRY(onnx_map_in(im, 0, 0, &x, NULL));
    ASSAY_TRY(onnx_list(im, 1, "axes", ASSAY_ONNX_DIMS, axis, &n));
    for (uint32_t i = 0; i < n; i++) {
        const int64_t d = axis[i] < 0 ? axis[i] + x->ndim : axis[i];
        if (d < 0 || d >= x->ndim || x->dim[d] != 1)
            return onnx_refuse(im, "axis %lld cannot be left out", (long long)axis[i]);
        out |= 1u << d;
    }
    for (uint32_t d = 0; d < x->ndim; d++)
        if (n ? !(out & 1u << d) : x->dim[d] != 1) dim[kept++] = x->dim[d];
    return put_view(im, x, kept, dim);
}

static int take_unsqueeze(struct import *im)
{
    const struct value *x;
    int64_t axis[2] = {0};
    uint32_t n;
    ASSAY_TRY(onnx_map_in(im, 0, 2, &x, NULL));
    ASSAY_TRY(onnx_list(im, 1, "axes", 2, axis, &n));
    for (uint32_t i = 0; i < n; i++) axis[i] += axis[i] < 0 ? 4 : 0;
    if (n != 2 || axis[0] + axis[1] != 5 || llabs(axis[0] - axis[1]) != 1)
        return onnx_refuse(im, "only axes 2 and 3 together are read; write y.view(n, c, 1, 1)");
    const int64_t dim[4] = {x->dim[0], x->dim[1], 1, 1};
    return put_view(im, x, 4, dim);
}

static int turn_groups(struct import *im, const struct value *x)
{
    int64_t perm[5];
    ASSAY_TRY(onnx_integers(im, "perm", 5, -1, perm));
    if (perm[0] != 0 || perm[1] != 2 || perm[2] != 1 || perm[3] != 3 || perm[4] != 4 || x->turned)
        return onnx_refuse(im, "of channels in groups only a shuffle is read, perm 0, 2, 1, 3, 4");
    onnx_alias(im, x);
    struct value *out = &im->value[im->in[im->at->out.first]];
    out->dim[1] = x->dim[2];
    out->dim[2] = x->dim[1];
    out->turned = true;
    return ASSAY_OK;
}

// A weight as a linear layer has it: the transpose is no parameter of its own.
static int take_transpose(struct import *im)
{
    const struct value *x = onnx_in(im, 0);
    int64_t perm[2];
    if (x && x->kind == VALUE_GROUPED) return turn_groups(im, x);
    if (!x || x->kind != VALUE_PARAM || x->ndim != 2)
        return onnx_refuse(
            im, "only the weight of a linear layer and channels in groups are transposed, expected "
                "that");
    ASSAY_TRY(onnx_integers(im, "perm", 2, -1, perm));
    if (perm[0] == 0) return take_same(im);
    onnx_alias(im, x);
    struct value *out = &im->value[im->in[im->at->out.first]];
    out->dim[0] = x->dim[1];
    out->dim[1] = x->dim[0];
    out->transposed = !x->transposed;
    return ASSAY_OK;
}

const struct onnx_rule onnx_views[] = {
    {"Identity", take_same},     {"Dropout", take_dropout},     {"Cast", take_cast},
    {"CastLike", take_map_same}, {"Flatten", take_flatten},     {"Reshape", take_reshape},
    {"Squeeze", take_squeeze},   {"Unsqueeze", take_unsqueeze}, {"Transpose", take_transpose},
    {"Softmax", take_softmax},   {"LogSoftmax", take_softmax},  {NULL, NULL},
};
