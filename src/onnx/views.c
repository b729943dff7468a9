// SPDX-License-Identifier: Apache-2.0
// Operations that compute nothing: shapes, parts, what is the identity here.
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

static int take_pad(struct import *im)
{
    int64_t pad[2 * ASSAY_ONNX_DIMS];
    uint32_t n;
    ASSAY_TRY(onnx_list(im, 1, "pads", ASSAY_LEN(pad), pad, &n));
    for (uint32_t i = 0; i < n; i++)
        if (pad[i])
            return onnx_refuse(im, "padding by itself is not read so far; give it to the "
                                   "convolution or pool (padding=)");
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
    ASSAY_TRY(onnx_map_in(im, 0, 0, &x, NULL));
    ASSAY_TRY(onnx_list(im, 1, "shape", ASSAY_ONNX_DIMS, dim, &n));
    for (uint32_t d = 0; d < n; d++) {
        if (dim[d] == 0 && !allow && d < x->ndim) dim[d] = x->dim[d];
        if (dim[d] == -1 && open == UINT32_MAX)
            open = d;
        else if (dim[d] < 1 || __builtin_mul_overflow(known, dim[d], &known))
            return onnx_refuse(im, "size %lld of dimension %u cannot be", (long long)dim[d], d);
    }
    if (open < n) dim[open] = (int64_t)(onnx_size(x) / (uint64_t)known);
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
        return onnx_refuse(im, "only axes 2 and 3 together are read");
    const int64_t dim[4] = {x->dim[0], x->dim[1], 1, 1};
    return put_view(im, x, 4, dim);
}

// A weight as a linear layer has it: the transpose is no parameter of its own.
static int take_transpose(struct import *im)
{
    const struct value *x = onnx_in(im, 0);
    int64_t perm[2];
    if (!x || x->kind != VALUE_PARAM || x->ndim != 2)
        return onnx_refuse(im, "only the weight of a linear layer is transposed, expected that");
    ASSAY_TRY(onnx_integers(im, "perm", 2, -1, perm));
    if (perm[0] == 0) return take_same(im);
    onnx_alias(im, x);
    struct value *out = &im->value[im->in[im->at->out.first]];
    out->dim[0] = x->dim[1];
    out->dim[1] = x->dim[0];
    out->transposed = !x->transposed;
    return ASSAY_OK;
}

// ---- parts --------------------------------------------------------------------------------------
static int take_concat(struct import *im)
{
    const uint32_t n = im->at->in.n;
    const int64_t axis = onnx_integer(im, "axis", 1);
    const struct value *x;
    uint32_t *node = calloc(n + 1, sizeof *node);
    int status = node ? ASSAY_OK : assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint32_t k = 0; k < n && status >= 0; k++) status = onnx_map_in(im, k, 4, &x, &node[k]);
    if (status >= 0 && ((axis != 1 && axis != -3) || !n))
        status = onnx_refuse(im, "axis is %lld, expected 1, the channels", (long long)axis);
    if (status >= 0) status = onnx_put(im, assay_graph_concat(im->g, n, node), false);
    free(node);
    return status;
}

// One axis: the first channels, or what is behind the first rows or columns.
static int slice_axis(struct import *im, struct value *v, int64_t axis, int64_t start, int64_t end)
{
    const int64_t d = axis < 0 ? axis + 4 : axis, size = d > 0 && d < 4 ? v->dim[d] : 0;
    start += start < 0 ? size : 0;
    end = end < 0 ? end + size : end > size ? size : end;
    if (size && start == 0 && end == size) return ASSAY_OK;
    if (d == 1 && start == 0 && end > 0) {
        uint32_t node;
        ASSAY_TRY(onnx_map(im, v, &node));
        v->node = assay_graph_truncate(im->g, node, (uint32_t)end);
        v->drop[0] = v->drop[1] = 0;
        v->dim[1] = end;
        return ASSAY_OK;
    }
    if (d >= 2 && size && start > 0 && start < size && end == size &&
        v->drop[d - 2] + start <= UINT8_MAX) {
        v->drop[d - 2] += (uint32_t)start;
        v->dim[d] -= start;
        return ASSAY_OK;
    }
    return onnx_refuse(im,
                       "elements %lld to %lld of axis %lld; of channels only the first, of rows "
                       "and columns only what is behind the first are read so far",
                       (long long)start, (long long)end, (long long)d);
}

static int take_slice(struct import *im)
{
    const struct value *x;
    int64_t start[4], end[4], axis[4] = {0, 1, 2, 3}, step[4] = {1, 1, 1, 1};
    uint32_t n, n_end, n_axis, n_step;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, NULL));
    ASSAY_TRY(onnx_list(im, 1, "starts", 4, start, &n));
    ASSAY_TRY(onnx_list(im, 2, "ends", 4, end, &n_end));
    ASSAY_TRY(onnx_list(im, 3, "axes", 4, axis, &n_axis));
    ASSAY_TRY(onnx_list(im, 4, "steps", 4, step, &n_step));
    if (n_end != n || (n_axis && n_axis != n) || (n_step && n_step != n))
        return onnx_refuse(im, "starts, ends, axes and steps are of different lengths");
    onnx_alias(im, x);
    struct value *out = &im->value[im->in[im->at->out.first]];
    for (uint32_t i = 0; i < n; i++) {
        if (step[i] != 1) return onnx_refuse(im, "a step of %lld is not read", (long long)step[i]);
        ASSAY_TRY(slice_axis(im, out, axis[i], start[i], end[i]));
    }
    return ASSAY_OK;
}

const struct onnx_rule onnx_views[] = {
    {"Identity", take_same},
    {"Dropout", take_dropout},
    {"Cast", take_cast},
    {"CastLike", take_map_same},
    {"Pad", take_pad},
    {"Flatten", take_flatten},
    {"Reshape", take_reshape},
    {"Squeeze", take_squeeze},
    {"Unsqueeze", take_unsqueeze},
    {"Transpose", take_transpose},
    {"Concat", take_concat},
    {"Slice", take_slice},
    {"Softmax", take_softmax},
    {"LogSoftmax", take_softmax},
    {NULL, NULL},
};
