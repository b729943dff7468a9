// SPDX-License-Identifier: Apache-2.0
// Linear layers, sums of maps and multiples of them.
#include "import.h"

#include <math.h>
#include <string.h>

// ---- linear layers ------------------------------------------------------------------------------
// c outputs of a map (n,c_in), whose weight is stored (c,c_in) or, if rows, the other way around.
// bias: NULL where there is none.
static int put_linear(struct import *im, uint32_t node, int64_t c_in, struct value *weight,
                      bool rows, struct value *bias)
{
    const bool across = rows != weight->transposed;
    const int64_t c = weight->dim[rows ? 1 : 0], seen = weight->dim[rows ? 0 : 1];
    if (seen != c_in || c < 1 || c > INT32_MAX)
        return onnx_refuse(im, "weight '%.*s' is (%lld,%lld), for %lld features",
                           ASSAY_ONNX_TEXT(weight->name), (long long)weight->dim[0],
                           (long long)weight->dim[1], (long long)c_in);
    if (bias) ASSAY_TRY(onnx_expect(im, bias, "bias", c));
    weight->transposed = across;
    const struct assay_node n = {
        .op = ASSAY_OP_LINEAR, .bias = bias != NULL, .c = (uint32_t)c, .n_in = 1};
    node = assay_graph_append(im->g, n, &node, NULL, "");
    ASSAY_TRY(onnx_own(im, weight));
    if (bias) ASSAY_TRY(onnx_own(im, bias));
    return onnx_put(im, node, true);
}

static int take_gemm(struct import *im)
{
    const struct value *x;
    struct value *weight, *bias = NULL;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 2, &x, &node));
    if (onnx_real(im, "alpha", 1.0) != 1.0 || onnx_real(im, "beta", 1.0) != 1.0 ||
        onnx_integer(im, "transA", 0))
        return onnx_refuse(im, "alpha, beta or transA are others than a linear layer's");
    ASSAY_TRY(onnx_param(im, 1, 2, "weight", &weight));
    if (onnx_in(im, 2)) ASSAY_TRY(onnx_param(im, 2, 1, "bias", &bias));
    return put_linear(im, node, x->dim[1], weight, !onnx_integer(im, "transB", 0), bias);
}

// Whether a sum with a parameter, its bias, reads the node's output.
static bool has_bias(const struct import *im)
{
    const uint32_t out = im->in[im->at->out.first];
    for (const struct assay_onnx_node *n = im->at + 1; n < im->m->node + im->m->n_node; n++) {
        if (!assay_onnx_is(n->op, "Add") || n->in.n != 2) continue;
        for (uint32_t k = 0; k < 2; k++) {
            const uint32_t other = im->in[n->in.first + 1 - k];
            if (im->in[n->in.first + k] != out || other == UINT32_MAX) continue;
            const struct value *v = &im->value[other];
            if (v->kind == VALUE_PARAM && v->ndim == 1) return true;
        }
    }
    return false;
}

// Waits for the sum with its bias, if it has one, which makes it a linear layer.
static int take_matmul(struct import *im)
{
    const struct value *x;
    struct value *weight;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, 0, 2, &x, &node));
    ASSAY_TRY(onnx_param(im, 1, 2, "weight", &weight));
    if (!has_bias(im)) return put_linear(im, node, x->dim[1], weight, true, NULL);
    const int64_t dim[2] = {x->dim[0], x->dim[1]};
    struct value *out = onnx_define(im, VALUE_PRODUCT, 2, dim);
    out->node = node;
    out->param = (uint32_t)(weight - im->value);
    return ASSAY_OK;
}

// ---- sums ---------------------------------------------------------------------------------------
static int put_sum(struct import *im, double second)
{
    const struct value *a, *b;
    const double coef[2] = {1.0, second};
    uint32_t node[2];
    ASSAY_TRY(onnx_map_in(im, 0, 0, &a, &node[0]));
    ASSAY_TRY(onnx_map_in(im, 1, 0, &b, &node[1]));
    if (a->ndim != b->ndim || memcmp(a->dim, b->dim, a->ndim * sizeof *a->dim) != 0)
        return onnx_refuse(im, "it adds maps of other shapes, expected the same");
    return onnx_put(im, assay_graph_add(im->g, 2, node, coef), a->ndim == 2);
}

static bool is_number(const struct value *v)
{
    return v && v->kind == VALUE_CONSTANT && onnx_size(v) == 1;
}

static int take_add(struct import *im)
{
    struct value *a = onnx_in(im, 0), *b = onnx_in(im, 1);
    if (!a || !b) return onnx_refuse(im, "an input is missing");
    const uint32_t at = a->kind == VALUE_PRODUCT || b->kind == VALUE_CONSTANT ? 0 : 1;
    struct value *first = at ? b : a, *other = at ? a : b;
    if (first->kind == VALUE_PRODUCT) {
        struct value *bias;
        if (first->used)
            return onnx_refuse(im,
                               "the product '%.*s' has another bias, too: shared parameters "
                               "are not read",
                               ASSAY_ONNX_TEXT(first->name));
        first->used = true;
        ASSAY_TRY(onnx_param(im, 1 - at, 1, "bias", &bias));
        return put_linear(im, first->node, first->dim[1], &im->value[first->param], true, bias);
    }
    if (first->kind == VALUE_MAP && onnx_all(im, other, 0.0) && onnx_size(other) == 1) {
        onnx_alias(im, first);
        return ASSAY_OK;
    }
    if (is_number(other))
        return onnx_put_act(im, at, ASSAY_ACT_AFFINE, 1, onnx_decimal(onnx_number(im, other, 0)));
    if (a->kind != VALUE_MAP || b->kind != VALUE_MAP)
        return onnx_refuse(im, "it adds a parameter or a list, which is not read");
    return put_sum(im, 1.0);
}

static int take_sub(struct import *im)
{
    const struct value *a = onnx_in(im, 0), *b = onnx_in(im, 1);
    if (is_number(b))
        return onnx_put_act(im, 0, ASSAY_ACT_AFFINE, 1, -onnx_decimal(onnx_number(im, b, 0)));
    if (is_number(a))
        return onnx_put_act(im, 1, ASSAY_ACT_AFFINE, -1, onnx_decimal(onnx_number(im, a, 0)));
    return put_sum(im, -1.0);
}

// A map times or by a number, the other input.
static int scale(struct import *im, uint32_t k, double (*coefficient)(double))
{
    const struct value *x, *v = onnx_in(im, 1 - k);
    uint32_t node;
    if (!v || v->kind != VALUE_CONSTANT || onnx_size(v) != 1)
        return onnx_refuse(im, "%s is not read, only a map times or by a number",
                           v && v->kind == VALUE_MAP ? "a map by a map"
                                                     : "a map times or by a parameter or a list");
    ASSAY_TRY(onnx_map_in(im, k, 0, &x, &node));
    const double coef = coefficient(onnx_decimal(onnx_number(im, v, 0)));
    if (!isfinite(coef)) return onnx_refuse(im, "the number is not finite");
    return onnx_put(im, assay_graph_add(im->g, 1, &node, &coef), x->ndim == 2);
}

static double itself(double number)
{
    return number;
}

static double inverse(double number)
{
    return 1.0 / number;
}

static int take_mul(struct import *im)
{
    const struct value *a = onnx_in(im, 0), *b = onnx_in(im, 1);
    if (a && b && a->kind == VALUE_MAP && b->kind == VALUE_MAP) return onnx_put_product(im);
    return scale(im, a && a->kind == VALUE_CONSTANT ? 1 : 0, itself);
}

static int take_div(struct import *im)
{
    return scale(im, 0, inverse);
}

const struct onnx_rule onnx_sums[] = {
    {"Gemm", take_gemm}, {"MatMul", take_matmul}, {"Add", take_add}, {"Sub", take_sub},
    {"Mul", take_mul},   {"Div", take_div},       {NULL, NULL},
};
