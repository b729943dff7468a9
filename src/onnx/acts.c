// SPDX-License-Identifier: Apache-2.0
// Activations, and products of maps, one of which may be a gate.
#include "import.h"

#include <math.h>
#include <string.h>

int onnx_put_act(struct import *im, uint32_t k, enum assay_act act, double a, double b)
{
    const struct value *x;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, k, 0, &x, &node));
    const struct assay_node n = {
        .op = ASSAY_OP_ACT, .act = (uint8_t)act, .a = a, .b = b, .n_in = 1};
    return onnx_put(im, assay_graph_append(im->g, n, &node, NULL, NULL), x->ndim == 2);
}

static int put_relu(struct import *im, uint32_t k)
{
    const struct value *x;
    uint32_t node;
    ASSAY_TRY(onnx_map_in(im, k, 0, &x, &node));
    return onnx_put(im, assay_graph_relu(im->g, node), x->ndim == 2);
}

static int take_relu(struct import *im)
{
    return put_relu(im, 0);
}

// A bound of a Clip: input k, or an attribute up to operator set 10.
static double bound(const struct import *im, uint32_t k, const char *name, double absent)
{
    const struct value *v = onnx_in(im, k);
    if (im->m->opset < 11) return onnx_real(im, name, absent);
    if (!v) return absent;
    return v->kind == VALUE_CONSTANT && onnx_size(v) == 1 ? onnx_decimal(onnx_number(im, v, 0))
                                                          : NAN;
}

static int put_clip(struct import *im, uint32_t k, double lo, double hi)
{
    const double most = (double)3.4e38f;
    if (lo <= -most) lo = -INFINITY;
    if (hi >= most) hi = INFINITY;
    if (lo == 0.0 && hi == INFINITY) return put_relu(im, k);
    if (!(lo < hi)) return onnx_refuse(im, "it cuts to %g to %g, expected an interval", lo, hi);
    return onnx_put_act(im, k, ASSAY_ACT_CLIP, lo, hi);
}

static int take_clip(struct import *im)
{
    return put_clip(im, 0, bound(im, 1, "min", -INFINITY), bound(im, 2, "max", INFINITY));
}

// The input of two that is a number; *k: the other. NULL: it is none.
static const struct value *number_beside(const struct import *im, uint32_t *k)
{
    for (*k = 0; *k < 2 && im->at->in.n == 2; ++*k) {
        const struct value *v = onnx_in(im, 1 - *k);
        if (v && v->kind == VALUE_CONSTANT && onnx_size(v) == 1) return v;
    }
    return NULL;
}

static int take_extreme(struct import *im)
{
    uint32_t k;
    const struct value *v = number_beside(im, &k);
    if (!v)
        return onnx_refuse(im, "a maximum or minimum of maps is not read, only of a map and a "
                               "number");
    const double end = onnx_decimal(onnx_number(im, v, 0));
    return assay_onnx_is(im->at->op, "Max") ? put_clip(im, k, end, INFINITY)
                                            : put_clip(im, k, -INFINITY, end);
}

static int take_leaky_relu(struct import *im)
{
    return onnx_put_act(im, 0, ASSAY_ACT_LEAKY_RELU, onnx_real(im, "alpha", 0.01), 0);
}

static int take_elu(struct import *im)
{
    return onnx_put_act(im, 0, ASSAY_ACT_ELU, onnx_real(im, "alpha", 1.0), 0);
}

static int take_hardsigmoid(struct import *im)
{
    const double alpha = onnx_real(im, "alpha", 0.2), beta = onnx_real(im, "beta", 0.5);
    const bool sixth = fabs(alpha - 1.0 / 6) < 1e-7; // as whoever wrote a float of it meant it
    if (!(alpha > 0)) return onnx_refuse(im, "alpha is %g, expected more than 0", alpha);
    return onnx_put_act(im, 0, ASSAY_ACT_HARDSIGMOID, sixth ? 1.0 / 6 : alpha, beta);
}

static int take_gelu(struct import *im)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, "approximate");
    if (a && !assay_onnx_is(a->s, "none"))
        return onnx_refuse(im,
                           "approximate is '%.*s', which is not read; build it with "
                           "approximate='none'",
                           ASSAY_ONNX_TEXT(a->s));
    return onnx_put_act(im, 0, ASSAY_ACT_GELU, 0, 0);
}

// Those without numbers.
static int take_plain(struct import *im)
{
    static const struct {
        const char *op;
        enum assay_act act;
    } plain[] = {{"HardSwish", ASSAY_ACT_HARDSWISH}, {"Sigmoid", ASSAY_ACT_SIGMOID},
                 {"Tanh", ASSAY_ACT_TANH},           {"Softplus", ASSAY_ACT_SOFTPLUS},
                 {"Mish", ASSAY_ACT_MISH},           {"Erf", ASSAY_ACT_ERF}};
    for (size_t i = 0; i < ASSAY_LEN(plain); i++)
        if (assay_onnx_is(im->at->op, plain[i].op)) return onnx_put_act(im, 0, plain[i].act, 0, 0);
    return onnx_refuse(im, "an activation that is not read");
}

// ---- products -----------------------------------------------------------------------------------
// Makes the sigmoid of x, which stands last and is only read here, the SiLU of x.
static bool make_silu(struct import *im, uint32_t k, const uint32_t node[2])
{
    struct assay_graph *g = im->g;
    const uint32_t s = node[1 - k], value = im->in[im->at->in.first + 1 - k];
    if (g->failed || s + 1 != g->n_node || g->node[s].op != ASSAY_OP_ACT ||
        g->node[s].act != ASSAY_ACT_SIGMOID || g->in[g->node[s].in] != node[k] ||
        im->value[value].readers != 1)
        return false;
    g->node[s].act = ASSAY_ACT_SILU;
    return true;
}

static bool spreads(const struct value *gate, const struct value *x)
{
    bool fits = gate->ndim == x->ndim;
    for (uint32_t d = 0; d < x->ndim && fits; d++)
        fits = gate->dim[d] == x->dim[d] || (d > 0 && gate->dim[d] == 1);
    return fits;
}

int onnx_put_product(struct import *im)
{
    const struct value *x[2];
    uint32_t node[2];
    for (uint32_t k = 0; k < 2; k++) ASSAY_TRY(onnx_map_in(im, k, 0, &x[k], &node[k]));
    const bool flat = x[0]->ndim == 2;
    for (uint32_t k = 0; k < 2; k++)
        if (make_silu(im, k, node)) return onnx_put(im, node[1 - k], flat);
    const uint32_t k = spreads(x[1], x[0]) ? 0 : 1; // the one with all sides
    if (!spreads(x[1 - k], x[k]))
        return onnx_refuse(im, "it multiplies maps of shapes of which neither holds the other");
    const uint32_t two[2] = {node[k], node[1 - k]};
    const struct assay_node n = {.op = ASSAY_OP_MUL, .n_in = 2};
    return onnx_put(im, assay_graph_append(im->g, n, two, NULL, NULL), flat);
}

const struct onnx_rule onnx_acts[] = {
    {"Relu", take_relu},
    {"Clip", take_clip},
    {"Max", take_extreme},
    {"Min", take_extreme},
    {"LeakyRelu", take_leaky_relu},
    {"Elu", take_elu},
    {"HardSigmoid", take_hardsigmoid},
    {"HardSwish", take_plain},
    {"Sigmoid", take_plain},
    {"Tanh", take_plain},
    {"Softplus", take_plain},
    {"Mish", take_plain},
    {"Erf", take_plain},
    {"Gelu", take_gelu},
    {NULL, NULL},
};
