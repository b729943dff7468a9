// SPDX-License-Identifier: Apache-2.0
// Activations: each is one function that gives value and slope on one of its pieces.
#include "inside.h"

#include <math.h>

#define INV_SQRT_2   0.70710678118654752440
#define INV_SQRT_PI  0.56418958354775628695
#define INV_SQRT_2PI 0.39894228040143267794

struct at {
    double y, slope;
};

// The piece of two ends: below or at lo, between them, at hi or above.
static inline uint8_t piece_between(double x, double lo, double hi)
{
    return (uint8_t)((x > lo) + (x >= hi));
}

static inline double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static inline uint8_t clip_piece(const struct assay_node *n, double x)
{
    return piece_between(x, n->a, n->b);
}
static inline struct at clip(const struct assay_node *n, uint8_t piece, double x)
{
    return piece == 1 ? (struct at){x, 1} : (struct at){piece ? n->b : n->a, 0};
}

static inline uint8_t leaky_relu_piece(const struct assay_node *n, double x)
{
    (void)n;
    return x > 0;
}
static inline struct at leaky_relu(const struct assay_node *n, uint8_t piece, double x)
{
    return piece ? (struct at){x, 1} : (struct at){n->a * x, n->a};
}

static inline uint8_t hardsigmoid_piece(const struct assay_node *n, double x)
{
    return piece_between(x, -n->b / n->a, (1 - n->b) / n->a);
}
// PyTorch's slope is a float's sixth in float64, too.
static inline struct at hardsigmoid(const struct assay_node *n, uint8_t piece, double x)
{
    const double slope = n->a == 1.0 / 6 ? (double)(1.0F / 6) : n->a;
    return piece == 1 ? (struct at){n->a * x + n->b, slope} : (struct at){piece ? 1 : 0, 0};
}

static inline uint8_t hardswish_piece(const struct assay_node *n, double x)
{
    (void)n;
    return piece_between(x, -3, 3);
}
static inline struct at hardswish(const struct assay_node *n, uint8_t piece, double x)
{
    (void)n;
    if (piece == 1) return (struct at){x * (x + 3) / 6, x / 3 + 0.5};
    return piece ? (struct at){x, 1} : (struct at){0, 0};
}

static inline uint8_t elu_piece(const struct assay_node *n, double x)
{
    (void)n;
    return x > 0;
}
static inline struct at elu(const struct assay_node *n, uint8_t piece, double x)
{
    return piece ? (struct at){x, 1} : (struct at){n->a * expm1(x), n->a * exp(x)};
}

#define SMOOTH(name)                                                                               \
    static inline uint8_t name##_piece(const struct assay_node *n, double x)                       \
    {                                                                                              \
        (void)n, (void)x;                                                                          \
        return 0;                                                                                  \
    }                                                                                              \
    static inline struct at name##_at(double x);                                                   \
    static inline struct at name(const struct assay_node *n, uint8_t piece, double x)              \
    {                                                                                              \
        (void)n, (void)piece;                                                                      \
        return name##_at(x);                                                                       \
    }                                                                                              \
    static inline struct at name##_at(double x)

SMOOTH(logistic)
{
    const double s = sigmoid(x);
    return (struct at){s, s * (1 - s)};
}

SMOOTH(silu)
{
    const double s = sigmoid(x);
    return (struct at){x * s, s * (1 + x * (1 - s))};
}

SMOOTH(tanh_of)
{
    const double t = tanh(x);
    return (struct at){t, 1 - t * t};
}

SMOOTH(softplus)
{
    return (struct at){fmax(x, 0) + log1p(exp(-fabs(x))), sigmoid(x)};
}

SMOOTH(mish)
{
    const double t = tanh(softplus_at(x).y);
    return (struct at){x * t, t + x * (1 - t * t) * sigmoid(x)};
}

SMOOTH(gelu)
{
    const double below = 0.5 * erfc(-x * INV_SQRT_2);
    return (struct at){x * below, below + x * INV_SQRT_2PI * exp(-0.5 * x * x)};
}

SMOOTH(error)
{
    return (struct at){erf(x), 2 * INV_SQRT_PI * exp(-x * x)};
}

static inline uint8_t affine_piece(const struct assay_node *n, double x)
{
    (void)n, (void)x;
    return 0;
}
static inline struct at affine(const struct assay_node *n, uint8_t piece, double x)
{
    (void)piece;
    return (struct at){n->a * x + n->b, n->a};
}

#define ACTS(X)                                                                                    \
    X(CLIP, clip, "clip")                                                                          \
    X(LEAKY_RELU, leaky_relu, "leaky_relu")                                                        \
    X(HARDSIGMOID, hardsigmoid, "hardsigmoid")                                                     \
    X(HARDSWISH, hardswish, "hardswish")                                                           \
    X(ELU, elu, "elu")                                                                             \
    X(SIGMOID, logistic, "sigmoid")                                                                \
    X(SILU, silu, "silu")                                                                          \
    X(TANH, tanh_of, "tanh")                                                                       \
    X(SOFTPLUS, softplus, "softplus")                                                              \
    X(MISH, mish, "mish")                                                                          \
    X(GELU, gelu, "gelu")                                                                          \
    X(ERF, error, "erf")                                                                           \
    X(AFFINE, affine, "affine")

#define APPLY(op, f, name)                                                                         \
    case ASSAY_ACT_##op:                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            const uint8_t p = held ? piece[i] : f##_piece(act, x[i]);                              \
            const struct at at = f(act, p, x[i]);                                                  \
            if (piece) piece[i] = p;                                                               \
            y[i] = at.y;                                                                           \
            if (slope) slope[i] = at.slope;                                                        \
        }                                                                                          \
        break;
void assay_act_apply(const struct assay_node *act, size_t n, const double *x, bool held,
                     uint8_t *piece, double *y, double *slope)
{
    switch (act->act) {
        ACTS(APPLY)
    default:
        ASSAY_ASSERT(!"an activation");
    }
}

uint32_t assay_act_kinks(const struct assay_node *act)
{
    switch (act->act) {
    case ASSAY_ACT_CLIP:
    case ASSAY_ACT_HARDSIGMOID:
    case ASSAY_ACT_HARDSWISH:
        return 2;
    case ASSAY_ACT_LEAKY_RELU:
    case ASSAY_ACT_ELU:
        return act->a != 1;
    default:
        return 0;
    }
}

const char *assay_act_name(enum assay_act act)
{
#define NAME(op, f, name) [ASSAY_ACT_##op] = name,
    static const char *const names[ASSAY_ACT_COUNT] = {ACTS(NAME)};
    return (unsigned)act < ASSAY_ACT_COUNT ? names[act] : "unknown";
}
