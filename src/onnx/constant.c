// SPDX-License-Identifier: Apache-2.0
// What a file computes from constants and shapes: exporters write sizes that the model's code took
// from its tensors, and zeros for biases that are not there, as chains of nodes.
#include "fold.h"

#include <string.h>

uint64_t onnx_folded_size(const struct folded *c)
{
    struct value v = {.ndim = c->ndim};
    memcpy(v.dim, c->dim, sizeof c->dim);
    return onnx_size(&v);
}

void onnx_fold_load(const struct import *im, uint32_t k, struct folded *c)
{
    const struct value *v = onnx_in(im, k);
    const uint64_t size = onnx_size(v);
    *c = (struct folded){.real = v->real, .ndim = v->ndim, .n = v->same && size ? 1 : size};
    memcpy(c->dim, v->dim, sizeof c->dim);
    for (uint64_t i = 0; i < c->n; i++) c->at[i] = onnx_number(im, v, i);
}

int onnx_fold_store(struct import *im, const struct folded *c)
{
    struct value *v = onnx_define(im, VALUE_CONSTANT, c->ndim, c->dim);
    v->real = c->real;
    ASSAY_TRY(onnx_keep(im, v, c->at, onnx_folded_size(c) ? c->n : 0));
    v->same = c->n == 1;
    return 1;
}

// A list of integers; a scalar for n = 1 and ndim = 0.
static int store_list(struct import *im, struct folded *c, uint32_t ndim)
{
    c->ndim = ndim;
    c->dim[0] = (int64_t)c->n;
    return onnx_fold_store(im, c);
}

// ---- where numbers come from --------------------------------------------------------------------
static int fold_constant(struct import *im)
{
    static const char *const kind[] = {"value", "value_int", "value_ints", "value_float",
                                       "value_floats"};
    const struct assay_onnx_attr *a = NULL;
    struct folded c = {0};
    for (size_t i = 0; i < ASSAY_LEN(kind) && !a; i++) a = assay_onnx_attr(im->m, im->at, kind[i]);
    if (a && a->kind == ASSAY_ONNX_T) {
        struct value *v = onnx_define(im, VALUE_CONSTANT, 0, NULL);
        ASSAY_TRY(onnx_load(im, v, &im->m->tensor[a->tensor]));
        return 1;
    }
    if (!a || a->ints.n > FOLDED_MAX || a->floats.n > FOLDED_MAX) return 0;
    c.real = a->kind == ASSAY_ONNX_F || a->kind == ASSAY_ONNX_FLOATS;
    c.n = 1;
    c.at[0] = c.real ? (double)a->f : (double)a->i;
    if (a->kind == ASSAY_ONNX_INTS || a->kind == ASSAY_ONNX_FLOATS) {
        c.n = c.real ? a->floats.n : a->ints.n;
        for (uint64_t i = 0; i < c.n; i++)
            c.at[i] = c.real ? (double)im->m->real[a->floats.first + i]
                             : (double)im->m->integer[a->ints.first + i];
        return store_list(im, &c, 1);
    }
    return store_list(im, &c, 0);
}

static int64_t within(int64_t i, int64_t n)
{
    i = i < 0 ? i + n : i;
    return i < 0 ? 0 : i > n ? n : i;
}

static int fold_shape(struct import *im)
{
    const struct value *v = onnx_in(im, 0);
    struct folded c = {0};
    if (!v || v->kind >= VALUE_PRODUCT) return 0;
    const int64_t start = within(onnx_integer(im, "start", 0), v->ndim),
                  end = within(onnx_integer(im, "end", v->ndim), v->ndim);
    for (int64_t d = start; d < end; d++) c.at[c.n++] = (double)v->dim[d];
    return store_list(im, &c, 1);
}

static int fold_fill(struct import *im)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, "value");
    struct folded shape, c = {.n = 1};
    onnx_fold_load(im, 0, &shape);
    if (shape.n > ASSAY_ONNX_DIMS) return 0;
    if (a && a->kind == ASSAY_ONNX_T) {
        const struct assay_onnx_tensor *t = &im->m->tensor[a->tensor];
        if (t->size != 1 || t->external) return 0;
        assay_onnx_values(t, 1, NULL, c.at);
        c.real = t->type == ASSAY_ONNX_FLOAT || t->type == ASSAY_ONNX_DOUBLE;
    } else {
        c.real = true;
    }
    c.ndim = (uint32_t)shape.n;
    for (uint32_t d = 0; d < c.ndim; d++)
        if ((c.dim[d] = onnx_whole(shape.at[shape.n == 1 ? 0 : d])) < 0) return 0;
    return onnx_fold_store(im, &c);
}

// ---- shapes of constants ------------------------------------------------------------------------
static int fold_reshape(struct import *im)
{
    struct folded c, shape;
    onnx_fold_load(im, 0, &c);
    onnx_fold_load(im, 1, &shape);
    const uint64_t size = onnx_folded_size(&c);
    uint64_t known = 1;
    int64_t *open = NULL;
    if (shape.n > ASSAY_ONNX_DIMS) return 0;
    for (uint32_t d = 0; d < shape.n; d++) {
        const int64_t dim = onnx_whole(shape.at[d]);
        c.dim[d] = dim;
        if (dim == -1)
            open = &c.dim[d];
        else if (dim <= 0 || __builtin_mul_overflow(known, (uint64_t)dim, &known))
            return 0;
    }
    c.ndim = (uint32_t)shape.n;
    if (open) *open = (int64_t)(size / known);
    return onnx_folded_size(&c) == size ? onnx_fold_store(im, &c) : 0;
}

// Numbers in a list of one dimension or none: what they are put into does not move them.
static int fold_squeeze(struct import *im)
{
    struct folded c;
    onnx_fold_load(im, 0, &c);
    if (c.n != onnx_folded_size(&c) || c.ndim > 1 || (c.n != 1 && c.ndim == 1)) return 0;
    return store_list(im, &c, 0);
}

static int fold_unsqueeze(struct import *im)
{
    struct folded c;
    onnx_fold_load(im, 0, &c);
    return c.ndim == 0 ? store_list(im, &c, 1) : 0;
}

static int fold_expand(struct import *im)
{
    struct folded c, shape;
    onnx_fold_load(im, 0, &c);
    onnx_fold_load(im, 1, &shape);
    if (c.n != 1 || shape.n > ASSAY_ONNX_DIMS || (onnx_folded_size(&c) != 1 && c.ndim > shape.n))
        return 0;
    const uint32_t before = c.ndim;
    int64_t old[ASSAY_ONNX_DIMS];
    memcpy(old, c.dim, sizeof old);
    if (before > shape.n) return 0;
    c.ndim = (uint32_t)shape.n;
    for (uint32_t d = 0; d < c.ndim; d++) {
        const int64_t own = d + before < c.ndim ? 1 : old[d + before - c.ndim];
        const int64_t dim = onnx_whole(shape.at[d]);
        if (dim < 0 || (own != 1 && dim != 1 && own != dim)) return 0;
        c.dim[d] = dim > own ? dim : own;
    }
    return onnx_fold_store(im, &c);
}

// ---- parts of lists -----------------------------------------------------------------------------
// Of what stands along the first dimension.
static uint64_t row_of(const struct folded *c)
{
    return c->ndim && c->dim[0] ? c->n / (uint64_t)c->dim[0] : 0;
}

static bool put_row(struct folded *out, const struct folded *c, int64_t i)
{
    const uint64_t row = row_of(c);
    if (i < 0 || i >= c->dim[0] || out->n + row > FOLDED_MAX) return false;
    memcpy(out->at + out->n, c->at + (uint64_t)i * row, row * sizeof *c->at);
    out->n += row;
    return true;
}

// Whether each of its numbers stands there; one that stands for all is written out.
static bool is_listed(struct folded *c)
{
    const uint64_t size = onnx_folded_size(c);
    if (c->n == 1 && size <= FOLDED_MAX)
        for (; c->n < size; c->n++) c->at[c->n] = c->at[0];
    return c->ndim > 0 && c->n == size;
}

static int fold_gather(struct import *im)
{
    struct folded c, index;
    onnx_fold_load(im, 0, &c);
    onnx_fold_load(im, 1, &index);
    struct folded out = {.real = c.real};
    if (onnx_integer(im, "axis", 0) != 0 || c.ndim != 1 || !is_listed(&c) || index.ndim > 1)
        return 0;
    for (uint64_t i = 0; i < index.n; i++)
        if (!put_row(&out, &c, onnx_whole(index.at[i]) + (index.at[i] < 0 ? c.dim[0] : 0)))
            return 0;
    return store_list(im, &out, index.ndim);
}

static int fold_slice(struct import *im)
{
    struct folded c;
    int64_t start, end, axis = 0, step = 1;
    uint32_t n, n_end, n_axis, n_step;
    onnx_fold_load(im, 0, &c);
    ASSAY_TRY(onnx_list(im, 1, "starts", 1, &start, &n));
    ASSAY_TRY(onnx_list(im, 2, "ends", 1, &end, &n_end));
    ASSAY_TRY(onnx_list(im, 3, "axes", 1, &axis, &n_axis));
    ASSAY_TRY(onnx_list(im, 4, "steps", 1, &step, &n_step));
    if (n != 1 || n_end != 1 || axis != 0 || (step != 1 && step != -1) || !is_listed(&c)) return 0;
    struct folded out = {.real = c.real, .ndim = c.ndim};
    memcpy(out.dim, c.dim, sizeof out.dim);
    const int64_t rows = c.dim[0];
    int64_t i = within(start, rows), stop = within(end, rows), count = 0;
    if (step < 0) {
        i = i < rows ? i : rows - 1;
        stop = end < -rows ? -1 : stop;
    }
    for (; step > 0 ? i < stop : i > stop; i += step, count++)
        if (!put_row(&out, &c, i)) return 0;
    out.dim[0] = count;
    return onnx_fold_store(im, &out);
}

static int fold_concat(struct import *im)
{
    struct folded out, c;
    if (onnx_integer(im, "axis", 0) != 0) return 0;
    onnx_fold_load(im, 0, &out);
    if (out.ndim != 1 || !is_listed(&out)) return 0;
    for (uint32_t k = 1; k < im->at->in.n; k++) {
        onnx_fold_load(im, k, &c);
        if (c.ndim != 1 || !is_listed(&c)) return 0;
        for (int64_t i = 0; i < c.dim[0]; i++)
            if (!put_row(&out, &c, i)) return 0;
    }
    return store_list(im, &out, 1);
}

static int fold_transpose(struct import *im)
{
    struct folded c;
    int64_t perm[2] = {1, 0};
    onnx_fold_load(im, 0, &c);
    if (c.ndim != 2 || !is_listed(&c)) return 0;
    ASSAY_TRY(onnx_integers(im, "perm", 2, 0, perm));
    if (perm[0] == perm[1]) perm[0] = 1, perm[1] = 0; // the default
    if (perm[0] != 1 || perm[1] != 0) return 0;
    struct folded out = {.real = c.real, .ndim = 2, .dim = {c.dim[1], c.dim[0]}, .n = c.n};
    for (int64_t i = 0; i < c.dim[1]; i++)
        for (int64_t k = 0; k < c.dim[0]; k++) out.at[i * c.dim[0] + k] = c.at[k * c.dim[1] + i];
    return onnx_fold_store(im, &out);
}

// ---- all of it ----------------------------------------------------------------------------------
static int fold_same(struct import *im)
{
    onnx_alias(im, onnx_in(im, 0));
    return 1;
}

// Inputs that must be constants, at least: the first `n`; n = UINT32_MAX: all.
static const struct {
    const char *op;
    uint32_t n;
    int (*fold)(struct import *im);
} rules[] = {
    {"Constant", 0, fold_constant},    {"Shape", 0, fold_shape},
    {"ConstantOfShape", 1, fold_fill}, {"Reshape", 2, fold_reshape},
    {"Squeeze", 1, fold_squeeze},      {"Unsqueeze", 1, fold_unsqueeze},
    {"Expand", 2, fold_expand},        {"Gather", 2, fold_gather},
    {"Slice", 1, fold_slice},          {"Concat", UINT32_MAX, fold_concat},
    {"Transpose", 1, fold_transpose},  {"Identity", 1, fold_same},
    {"Cast", 1, onnx_fold_cast},       {"CastLike", 1, onnx_fold_cast},
    {"Add", 2, onnx_fold_arithmetic},  {"Sub", 2, onnx_fold_arithmetic},
    {"Mul", 2, onnx_fold_arithmetic},  {"Div", 2, onnx_fold_arithmetic},
    {"Neg", 1, onnx_fold_neg},         {"Ceil", 1, onnx_fold_rounded},
    {"Floor", 1, onnx_fold_rounded},   {"Max", 1, onnx_fold_clip},
    {"Min", 1, onnx_fold_clip},        {"Clip", 1, onnx_fold_clip},
};

static bool are_constant(const struct import *im, uint32_t n)
{
    const uint32_t most = n == UINT32_MAX ? im->at->in.n : n;
    if (n == UINT32_MAX && !most) return false;
    for (uint32_t k = 0; k < most; k++) {
        const struct value *v = onnx_in(im, k);
        if (!v || v->kind != VALUE_CONSTANT) return false;
        if (!v->same && onnx_size(v) > FOLDED_MAX) return false;
    }
    return true;
}

bool onnx_can_fold(const struct import *im)
{
    for (size_t i = 0; i < ASSAY_LEN(rules); i++)
        if (assay_onnx_is(im->at->op, rules[i].op)) return true;
    return false;
}

int onnx_fold(struct import *im)
{
    for (size_t i = 0; i < ASSAY_LEN(rules); i++)
        if (assay_onnx_is(im->at->op, rules[i].op))
            return are_constant(im, rules[i].n) ? rules[i].fold(im) : 0;
    return 0;
}
