// SPDX-License-Identifier: Apache-2.0
// What a file computes from constants, number by number.
#include "fold.h"

#include <math.h>
#include <string.h>

static bool is_whole_type(int64_t type)
{
    return type == ASSAY_ONNX_INT32 || type == ASSAY_ONNX_INT64 || type == ASSAY_ONNX_BOOL;
}

int onnx_fold_cast(struct import *im)
{
    struct folded c;
    const struct value *like = onnx_in(im, 1);
    const int64_t to = onnx_integer(im, "to", ASSAY_ONNX_FLOAT);
    const bool real = to == ASSAY_ONNX_FLOAT || to == ASSAY_ONNX_DOUBLE;
    if (!like && !real && !is_whole_type(to)) return 0;
    onnx_fold_load(im, 0, &c);
    c.real = like ? like->kind != VALUE_CONSTANT || like->real : real;
    for (uint64_t i = 0; i < c.n && !c.real; i++) {
        if (!isfinite(c.at[i])) return 0;
        c.at[i] = !like && to == ASSAY_ONNX_BOOL ? c.at[i] != 0.0 : trunc(c.at[i]);
    }
    return onnx_fold_store(im, &c);
}

static double apply(const struct import *im, double a, double b, bool real)
{
    const struct assay_onnx_text op = im->at->op;
    if (assay_onnx_is(op, "Add")) return a + b;
    if (assay_onnx_is(op, "Sub")) return a - b;
    if (assay_onnx_is(op, "Mul")) return a * b;
    return real ? a / b : b == 0.0 ? NAN : trunc(a / b);
}

static bool same_shape(const struct folded *a, const struct folded *b)
{
    return a->ndim == b->ndim && memcmp(a->dim, b->dim, a->ndim * sizeof *a->dim) == 0;
}

int onnx_fold_arithmetic(struct import *im)
{
    struct folded a, b;
    onnx_fold_load(im, 0, &a);
    onnx_fold_load(im, 1, &b);
    struct folded *wide = a.n >= b.n && a.ndim >= b.ndim ? &a : &b;
    const struct folded *other = wide == &a ? &b : &a;
    if (other->n != wide->n && (other->n != 1 || onnx_folded_size(other) != 1)) return 0;
    if (onnx_folded_size(other) != 1 && !same_shape(other, wide)) return 0;
    const struct folded left = a, right = b;
    for (uint64_t i = 0; i < wide->n; i++)
        wide->at[i] =
            apply(im, left.at[left.n == 1 ? 0 : i], right.at[right.n == 1 ? 0 : i], left.real);
    for (uint64_t i = 0; i < wide->n; i++)
        if (!isfinite(wide->at[i])) return 0;
    return onnx_fold_store(im, wide);
}

int onnx_fold_neg(struct import *im)
{
    struct folded c;
    onnx_fold_load(im, 0, &c);
    for (uint64_t i = 0; i < c.n; i++) c.at[i] = -c.at[i];
    return onnx_fold_store(im, &c);
}

int onnx_fold_rounded(struct import *im)
{
    struct folded c;
    onnx_fold_load(im, 0, &c);
    for (uint64_t i = 0; i < c.n; i++)
        c.at[i] = assay_onnx_is(im->at->op, "Ceil") ? ceil(c.at[i]) : floor(c.at[i]);
    return onnx_fold_store(im, &c);
}

int onnx_fold_clip(struct import *im)
{
    const bool clip = assay_onnx_is(im->at->op, "Clip"), max = assay_onnx_is(im->at->op, "Max");
    struct folded c, bound;
    onnx_fold_load(im, 0, &c);
    for (uint32_t k = 1; k < im->at->in.n; k++) {
        const struct value *v = onnx_in(im, k);
        if (!v) continue;
        if (v->kind != VALUE_CONSTANT || onnx_size(v) != 1) return 0;
        onnx_fold_load(im, k, &bound);
        for (uint64_t i = 0; i < c.n; i++)
            c.at[i] =
                (clip ? k == 1 : max) ? fmax(c.at[i], bound.at[0]) : fmin(c.at[i], bound.at[0]);
    }
    return clip && im->m->opset < 11 ? 0 : onnx_fold_store(im, &c);
}
