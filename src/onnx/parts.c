// SPDX-License-Identifier: Apache-2.0
// Parts of maps, and maps with more around them.
#include "import.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// ---- slices -------------------------------------------------------------------------------------
static uint32_t put_channels(const struct import *im, uint32_t node, int64_t first, int64_t n)
{
    const struct assay_node part = {
        .op = ASSAY_OP_SLICE, .first = (uint32_t)first, .c = (uint32_t)n, .n_in = 1};
    return assay_graph_append(im->g, part, &node, NULL, NULL);
}

// Channels, or what is between two rows or columns. Those in front wait: a slice of the others may
// follow.
static int slice_axis(struct import *im, struct value *v, int64_t axis, int64_t start, int64_t end)
{
    const int64_t d = axis < 0 ? axis + 4 : axis, size = d > 0 && d < 4 ? v->dim[d] : 0;
    start += start < 0 ? size : 0;
    end = end < 0 ? end + size : end > size ? size : end;
    if (size && start == 0 && end == size) return ASSAY_OK;
    if (!size || start < 0 || start >= end || start > INT16_MAX || size - end > INT16_MAX)
        return onnx_refuse(im, "elements %lld to %lld of axis %lld are no part of (%lld,%lld,%lld)",
                           (long long)start, (long long)end, (long long)d, (long long)v->dim[1],
                           (long long)v->dim[2], (long long)v->dim[3]);
    v->dim[d] = end - start;
    if (d >= 2 && end == size) {
        v->drop[d - 2] += (uint32_t)start;
        return ASSAY_OK;
    }
    uint32_t node;
    ASSAY_TRY(onnx_map(im, v, &node));
    v->drop[0] = v->drop[1] = 0;
    if (d == 1) {
        v->node = put_channels(im, node, start, end - start);
        return ASSAY_OK;
    }
    struct assay_node cut = {.op = ASSAY_OP_PAD, .n_in = 1};
    cut.pads[d - 2] = (int16_t)-start;
    cut.pads[d] = (int16_t)(end - size);
    v->node = assay_graph_append(im->g, cut, &node, NULL, NULL);
    return ASSAY_OK;
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

// ---- splits -------------------------------------------------------------------------------------
#define PARTS_MAX 256

// How many channels each part has: told one by one, or one number for all but the last, or told by
// how many parts there are.
static int part_sizes(struct import *im, int64_t c, int64_t parts, int64_t *size, uint32_t *n)
{
    ASSAY_TRY(onnx_list(im, 1, "split", PARTS_MAX, size, n));
    const bool one = *n == 1 && (parts != 1 || size[0] != c);
    const int64_t each = *n ? size[0] : parts > 0 ? (c + parts - 1) / parts : 0;
    int64_t left = c;
    if ((one || *n == 0) && (each < 1 || c / each >= PARTS_MAX))
        return onnx_refuse(im, "it splits %lld channels into parts of %lld", (long long)c,
                           (long long)each);
    if (one || *n == 0)
        for (*n = 0; left > 0; left -= size[(*n)++]) size[*n] = left < each ? left : each;
    left = c;
    for (uint32_t i = 0; i < *n; i++) left = size[i] < 1 || size[i] > left ? -1 : left - size[i];
    return left == 0 ? ASSAY_OK
                     : onnx_refuse(im, "its parts are not the %lld channels", (long long)c);
}

static int take_split(struct import *im)
{
    const struct value *x;
    int64_t size[PARTS_MAX], first = 0;
    uint32_t node, n;
    const int64_t axis = onnx_integer(im, "axis", 0);
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    if (axis != 1 && axis != -3)
        return onnx_refuse(im, "axis is %lld, expected 1, the channels", (long long)axis);
    ASSAY_TRY(part_sizes(im, x->dim[1], im->at->out.n, size, &n));
    if (n != im->at->out.n) return onnx_refuse(im, "%u outputs, of %u parts", im->at->out.n, n);
    for (uint32_t i = 0; i < n; first += size[i++]) {
        const uint32_t out = im->in[im->at->out.first + i];
        if (out == UINT32_MAX || !im->value[out].needed) continue;
        ASSAY_TRY(onnx_put_at(im, i, put_channels(im, node, first, size[i]), false));
    }
    return ASSAY_OK;
}

// A list of parts, of which others take one each.
static int take_sequence(struct import *im)
{
    const struct value *x;
    uint32_t node;
    const int64_t axis = onnx_integer(im, "axis", 0);
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    if ((axis != 1 && axis != -3) || !onnx_in(im, 1))
        return onnx_refuse(im, "only parts of the channels, whose sizes are told, are read");
    struct value *out = onnx_define(im, VALUE_SEQUENCE, 4, x->dim);
    out->node = node;
    out->param = (uint32_t)(onnx_in(im, 1) - im->value);
    return ASSAY_OK;
}

static int take_sequence_at(struct import *im)
{
    const struct value *list = onnx_in(im, 0);
    int64_t size[PARTS_MAX], at, first = 0;
    uint32_t n, one;
    if (!list || list->kind != VALUE_SEQUENCE)
        return onnx_refuse(im, "its input is no list of parts");
    ASSAY_TRY(onnx_list(im, 1, "position", 1, &at, &one));
    const struct value *told = &im->value[list->param];
    const int64_t c = list->dim[1];
    if (told->kind != VALUE_CONSTANT || onnx_size(told) > PARTS_MAX || one != 1)
        return onnx_refuse(im, "the sizes of the parts are no constants");
    const uint64_t sizes = onnx_size(told);
    for (n = 0; n < sizes; n++) size[n] = onnx_whole(onnx_number(im, told, n));
    if (told->ndim == 0) {
        const int64_t each = size[0];
        if (each < 1 || c / each >= PARTS_MAX)
            return onnx_refuse(im, "parts of %lld", (long long)each);
        for (n = 0; first < c; first += size[n++]) size[n] = c - first < each ? c - first : each;
        first = 0;
    }
    at += at < 0 ? n : 0;
    int64_t left = c;
    for (uint32_t i = 0; i < n; i++) {
        left = size[i] < 1 || size[i] > left ? -1 : left - size[i];
        if (i < at) first += size[i];
    }
    if (left != 0 || at < 0 || at >= n)
        return onnx_refuse(im, "part %lld is none of %u of %lld channels", (long long)at, n,
                           (long long)c);
    return onnx_put(im, put_channels(im, list->node, first, size[at]), false);
}

// ---- pads ---------------------------------------------------------------------------------------
uint32_t onnx_pad(const struct import *im, uint32_t node, const int64_t pad[4], double fill)
{
    struct assay_node n = {.op = ASSAY_OP_PAD, .a = fill, .n_in = 1};
    for (int i = 0; i < 4; i++) n.pads[i] = (int16_t)pad[i];
    return pad[0] || pad[1] || pad[2] || pad[3] ? assay_graph_append(im->g, n, &node, NULL, NULL)
                                                : node;
}

// Numbers that are lower than any, as who writes a max-pool fills with.
static bool is_lowest(double fill)
{
    return fill <= -3.0e38;
}

static bool only_max_pools(const struct import *im)
{
    const uint32_t out = im->in[im->at->out.first];
    for (const struct assay_onnx_node *n = im->at + 1; n < im->m->node + im->m->n_node; n++)
        for (uint32_t k = 0; k < n->in.n; k++)
            if (im->in[n->in.first + k] == out && !assay_onnx_is(n->op, "MaxPool")) return false;
    return true;
}

// What the pads are filled with: a number, absent: 0.
static int take_fill(struct import *im, double *fill)
{
    const struct value *v = onnx_in(im, 2);
    const struct assay_onnx_attr *mode = assay_onnx_attr(im->m, im->at, "mode");
    *fill = onnx_real(im, "value", 0.0);
    if (mode && !assay_onnx_is(mode->s, "constant"))
        return onnx_refuse(im, "mode is '%.*s', expected 'constant'", ASSAY_ONNX_TEXT(mode->s));
    if (v && (v->kind != VALUE_CONSTANT || onnx_size(v) != 1))
        return onnx_refuse(im, "it pads with what is no number");
    if (v) *fill = onnx_decimal(onnx_number(im, v, 0));
    if (is_lowest(*fill) && !only_max_pools(im))
        return onnx_refuse(im, "it pads with -inf, which only max-pools may read");
    if (is_lowest(*fill)) *fill = -INFINITY;
    return isfinite(*fill) || *fill < 0 ? ASSAY_OK : onnx_refuse(im, "it pads with %g", *fill);
}

static int take_pad(struct import *im)
{
    const struct value *x;
    int64_t pad[2 * ASSAY_ONNX_DIMS], axis[4] = {0, 1, 2, 3}, side[2][4] = {{0}};
    uint32_t n, n_axis, node;
    double fill;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    ASSAY_TRY(onnx_list(im, 1, "pads", ASSAY_LEN(pad), pad, &n));
    ASSAY_TRY(onnx_list(im, 3, "axes", 4, axis, &n_axis));
    ASSAY_TRY(take_fill(im, &fill));
    if (n != 2 * (n_axis ? n_axis : 4)) return onnx_refuse(im, "%u pads, expected 8", n);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t d = axis[i % (n / 2)] + (axis[i % (n / 2)] < 0 ? 4 : 0);
        if (d < 0 || d > 3 || (pad[i] && d < 2) || pad[i] > INT16_MAX || pad[i] < -INT16_MAX)
            return onnx_refuse(im, "a pad of %lld along axis %lld, expected rows and columns",
                               (long long)pad[i], (long long)d);
        side[i >= n / 2][d] = pad[i];
    }
    const int64_t four[4] = {side[0][2], side[0][3], side[1][2], side[1][3]};
    return onnx_put(im, onnx_pad(im, node, four, fill), false);
}

// ---- sizes --------------------------------------------------------------------------------------
// By how much both sides grow: sizes, or scales, which opset 10 has first.
static double growth(const struct import *im, const struct value *x)
{
    const struct value *sizes = onnx_in(im, 3), *scales = onnx_in(im, im->m->opset < 11 ? 1 : 2);
    double by[2] = {0, 1};
    for (uint32_t d = 0; d < 2; d++) {
        if (sizes && sizes->kind == VALUE_CONSTANT && onnx_size(sizes) == 4)
            by[d] = onnx_number(im, sizes, 2 + d) / (double)x->dim[2 + d];
        else if (scales && scales->kind == VALUE_CONSTANT && onnx_size(scales) == 4)
            by[d] = onnx_number(im, scales, 2 + d);
    }
    return by[0] == by[1] ? by[0] : 0;
}

static bool is_word(const struct import *im, const char *name, const char *word)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, name);
    return a && assay_onnx_is(a->s, word);
}

static int take_resize(struct import *im)
{
    const struct value *x;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 4, &x, &node));
    const double by = growth(im, x);
    const bool plain =
        is_word(im, "mode", "nearest") &&
        (im->m->opset < 11 || (is_word(im, "coordinate_transformation_mode", "asymmetric") &&
                               is_word(im, "nearest_mode", "floor")));
    if (!plain || !(by >= 1 && by <= 64) || by != trunc(by))
        return onnx_refuse(im,
                           "only the nearest pixel, a whole number of times along both sides, is "
                           "read: Upsample(scale_factor=2, mode='nearest')");
    const struct assay_node n = {.op = ASSAY_OP_UPSAMPLE, .stride = (uint8_t)by, .n_in = 1};
    return onnx_put(im, assay_graph_append(im->g, n, &node, NULL, NULL), false);
}

const struct onnx_rule onnx_parts[] = {
    {"Concat", take_concat},
    {"Slice", take_slice},
    {"Split", take_split},
    {"SplitToSequence", take_sequence},
    {"SequenceAt", take_sequence_at},
    {"Pad", take_pad},
    {"Resize", take_resize},
    {NULL, NULL},
};
