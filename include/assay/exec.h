// SPDX-License-Identifier: Apache-2.0
// exec: plan a graph; give the plan memory; run it forward; pull cotangents back; let others look.
//
// A plan says what is computed of one graph and batch size, in which order, and where it lies; it
// is never changed, holds no buffer, and knows what it will take before anything is allocated. One
// executor serves one rank and is bound to one plan after another; its memory is kept between them.
// The forward pass is float64 (one ReLU sign flip moves the NTK by 1e-3); the backward pass runs in
// the element type of its kernel table, several cotangents x several images per vector.
#ifndef ASSAY_EXEC_H
#define ASSAY_EXEC_H

#include "assay/graph.h"
#include "assay/kern.h"

// How BN is differentiated. BATCH: by the batch's own mean and variance, every output depends on
// every image (TE-NAS). FROZEN: batch statistics held constant, samples decouple. They are
// different kernels.
enum assay_bn { ASSAY_BN_BATCH, ASSAY_BN_FROZEN };
// What a BN does in the forward pass. BATCH: normalises by the batch's mean and variance. RUNNING:
// as in evaluation mode by statistics that were never updated, mean 0 and variance 1. NONE: passes
// its input on; gamma and beta are not read, and their gradients are 0. Only BATCH couples images.
enum assay_norm { ASSAY_NORM_BATCH, ASSAY_NORM_RUNNING, ASSAY_NORM_NONE };

// ---- plans --------------------------------------------------------------------------------------
struct assay_plan;

// What is wanted of a node beside the logits: its value, shown when it is made; its gradient; its
// value kept until then; its gradient, and another in its place; of a layer, the gradient of its
// parameters, image by image; of a convolution, what it alone adds to the gradient of what it
// reads; of one in front of a BN, products of its gradient's images. All but the first only with
// backward.
enum assay_tap {
    ASSAY_TAP_VALUE = 1,
    ASSAY_TAP_GRADIENT = 2,
    ASSAY_TAP_KEPT = 4,
    ASSAY_TAP_REPLACED = 8,
    ASSAY_TAP_LAYER = 16,
    ASSAY_TAP_PULLED = 32,
    ASSAY_TAP_PRODUCTS = 64
};
// What is wanted of a plan.
struct assay_want {
    bool backward;  // gradients of weights; without it everything only they need is left out
    bool precise;   // gradients in float64, whatever the kernels' precision
    bool held;      // with backward: assay_exec_forward_held and assay_exec_curvature
    bool single;    // with backward: no rows of the Jacobian, nor gradients by FROZEN
    uint32_t batch; // images that are normalised together, of which the plan's are a part; 0: these
                    // are all
    const uint8_t *tap;  // (g->n_node) enum assay_tap; NULL: none
    const uint8_t *norm; // (g->n_node) enum assay_norm of the BNs among them; NULL: BATCH
};
extern const struct assay_want assay_want_logits, assay_want_gradients; // no taps, all by BATCH

// Of folded graph g for batches of n images, or a part of n images, which may be none. kern and g
// are borrowed while the plan lives. Taps change no bit of any other number, but for the gradient
// of a ReLU that only convolutions read: what reaches it is then summed before it is masked.
int assay_plan_make(struct assay_plan **out, const struct assay_kern *kern,
                    const struct assay_graph *g, uint32_t n, const struct assay_want *want,
                    struct assay_err *err);
void assay_plan_free(struct assay_plan *plan);
// Bytes of the plan itself, and those that an executor bound to it takes from the system.
uint64_t assay_plan_size(const struct assay_plan *plan);
uint64_t assay_plan_bytes(const struct assay_plan *plan);
// Multiply-add FLOPs (2 per multiply-add) of the convolutions and linear layers in one coupled NTK
// pass over `rows` cotangents.
double assay_plan_flops(const struct assay_plan *plan, uint64_t rows);

// The plans of a candidate: each is made once, whoever asks for it, and all metrics and repeats
// share it.
struct assay_plans;
int assay_plans_create(struct assay_plans **out, const struct assay_kern *kern,
                       struct assay_err *err);
void assay_plans_destroy(struct assay_plans *plans);
// As assay_plan_make, of a graph that stays what it is until the next clear. *out is the set's.
int assay_plans_get(struct assay_plans *plans, const struct assay_graph *g, uint32_t n,
                    const struct assay_want *want, const struct assay_plan **out,
                    struct assay_err *err);
// Drops all plans, for another candidate; their memory is kept for its own.
void assay_plans_clear(struct assay_plans *plans);
// Bytes of the plans themselves; how many were made since the last clear.
uint64_t assay_plans_size(const struct assay_plans *plans);
uint32_t assay_plans_made(const struct assay_plans *plans);
// The rows that one pass with frozen BN by any of the plans gives: `cots` cotangents of each of
// `images` images, of which the first is a multiple of `images`. Fewer of them cost as much.
void assay_plans_tile(const struct assay_plans *plans, uint32_t *images, uint32_t *cots);

// ---- the executor -------------------------------------------------------------------------------
struct assay_exec;

int assay_exec_create(struct assay_exec **out, struct assay_err *err);
void assay_exec_destroy(struct assay_exec *x);

// Gives a plan (borrowed until the next bind) memory. An error if it needs more than memory_limit
// bytes (0: no limit); no buffers are allocated then.
int assay_exec_bind(struct assay_exec *x, const struct assay_plan *plan, uint64_t memory_limit,
                    struct assay_err *err);

// theta: g->n_theta parameters at their offsets; input: (n,c,h,w). Both are copied.
// Gives its memory back, until it is bound again.
void assay_exec_release(struct assay_exec *x);
void assay_exec_forward(struct assay_exec *x, const double *theta, const double *input);
// The biased variance of channel c of a BN's input, once its value was shown, until the next
// forward pass. Only of BNs by the batch.
double assay_exec_variance(const struct assay_exec *x, uint32_t bn, uint32_t c);

// (n, classes), valid until the next forward.
const double *assay_exec_logits(const struct assay_exec *x);

// Rows of the Jacobian of s_{n,t} = sum_k cot[t,k] logit_k(x_n): row n*t_count + t, rows [first,
// first + count), to jac (count, ld), the first `columns` entries of the flat parameter vector
// (g->n_weight or g->n_theta).
void assay_exec_jacobian(struct assay_exec *x, enum assay_bn bn, const double *cot,
                         uint32_t t_count, uint64_t first, uint64_t count, uint64_t columns,
                         double *jac, size_t ld);
// The same of entries [from, from + columns).
void assay_exec_jacobian_columns(struct assay_exec *x, enum assay_bn bn, const double *cot,
                                 uint32_t t_count, uint64_t first, uint64_t count, uint64_t from,
                                 uint64_t columns, double *jac, size_t ld);
// So many rows at a time, from a multiple of it on, cost no more than all of them together.
uint32_t assay_exec_block(uint32_t t_count);
// The same with frozen BN, of the first number of every parameter alone: g->n_param columns.
void assay_exec_jacobian_firsts(struct assay_exec *x, const double *cot, uint32_t t_count,
                                uint64_t first, uint64_t count, double *jac, size_t ld);
// Likewise with batch BN of images [first, first + count), each with a cotangent of its own, cot
// (n, classes): of s_n = sum_k cot[n,k] logit_k(x_n).
void assay_exec_image_gradients(struct assay_exec *x, const double *cot, uint32_t first,
                                uint32_t count, uint64_t columns, double *jac, size_t ld);
// Gradient (n_theta) of a scalar whose derivative with respect to the logits is cot (n, classes).
void assay_exec_gradient(struct assay_exec *x, enum assay_bn bn, const double *cot, double *grad);

// ---- parts of a batch --------------------------------------------------------------------------
// The images that are normalised together may be dealt out to several executors, each with a plan
// of its part (assay_want.batch), that make the same passes at the same time. Moments are then
// summed over all parts, and so is what batch BN pulls back.
struct assay_parts {
    void *self;
    uint32_t at; // the part's first image
    // Puts the sums over all parts, the same in each, in the place of n values.
    void (*sum)(void *self, size_t n, double *value);
};
// Until the executor is bound again; borrowed. Only jacobian may follow a forward pass of a part: a
// row of FROZEN is of the part's own images, counted from its first one; a row of BATCH is of any
// image of the batch, and what the part gives is its addend to that row.
void assay_exec_set_parts(struct assay_exec *x, const struct assay_parts *parts);

// ---- mixes ------------------------------------------------------------------------------------
// In a graph with mixes (assay_graph_mix) an input of coefficient 0 is evaluated like any other,
// and nothing is pulled back into it: backward costs what the chosen inputs cost, and one scalar
// product for every input of a mix.

// The gradient with batch BN of a scalar as above, and its derivatives with respect to the
// coefficients of mixes: coef (g->n_in), laid out as g->coef, is 0 where no mix is.
void assay_exec_mix_gradient(struct assay_exec *x, const double *cot, double *grad, double *coef);

// ---- second derivatives -------------------------------------------------------------------------
// The forward pass on the piece of the last assay_exec_forward, to which input must be the same:
// ReLUs pass what they passed and max-pools take the pixel they took, whatever theta makes of them.
// A piece is smooth in theta, so that a finite difference on it is the derivative that automatic
// differentiation finds, which ignores that theta decides the piece. Only of plans with backward
// that are held or have mixes.
void assay_exec_forward_held(struct assay_exec *x, const double *theta, const double *input);

#define ASSAY_CURVATURE_STEP 3e-6

// A scalar of the logits (n, classes): puts its derivative with respect to them (n, classes).
struct assay_scalar {
    void *self; // the first argument
    void (*cotangent)(void *self, const double *logits, double *cot);
};
// The product (n_theta) of the scalar's Hessian in theta, with batch BN, and the direction `way`
// (n_theta), on the piece of the last assay_exec_forward, which was of this theta and input. It is
// the central difference of the gradients of two forward and backward passes, where the layer that
// moves most moves by ASSAY_CURVATURE_STEP of its norm: right to 1e-8 of the product's norm. Taps
// are shown nothing, and afterwards the executor holds a pass at another theta. Only of held plans
// whose gradients are float64.
void assay_exec_curvature(struct assay_exec *x, const double *theta, const double *input,
                          const struct assay_scalar *scalar, const double *way, double *product);

// ---- taps ---------------------------------------------------------------------------------------
#define ASSAY_BLOCK_MAX 16 // images of a block
// A few images of one node, which lies in cache: number p of image first + i is at [p * stride +
// i].
struct assay_block {
    uint32_t node, first, count; // images [first, first + count) of the batch
    uint32_t c, pixels;          // numbers of an image: c channels of `pixels`
    uint32_t channel;            // the first of those channels
    uint32_t stride;
};
// How the images of a gradient of `units` numbers compare, all less their image's first one: the
// sums of the products of images i and j <= i at [i * ld + j], and of the numbers of image i.
struct assay_products {
    uint32_t node; // the convolution
    bool pulled;   // of what it pulls back
    size_t units, ld;
    const double *product, *sum;
};
// Who looks on. Blocks of a node come in the order of its images. Values come node by node, a node
// after those it reads; gradients of nodes may come in turn. A block has all channels of its node,
// but for gradients of convolutions in front of a BN, and what convolutions pull back: they come
// node by node, and a few channels after the other, all images of these in sequence. What a block
// points to is valid during the call only.
struct assay_taps {
    void *self; // the first argument
    // Of the nodes planned with ASSAY_TAP_VALUE, in a forward pass, or NULL.
    void (*value)(void *self, const struct assay_block *b, const double *value);
    // Of the nodes planned with ASSAY_TAP_GRADIENT that the output depends on, in
    // assay_exec_gradient: the derivative of its scalar with respect to the node's value, and the
    // value where it is kept, else NULL. Or NULL.
    void (*gradient)(void *self, const struct assay_block *b, const double *gradient,
                     const double *kept);
    // Of the nodes planned with ASSAY_TAP_REPLACED that the output depends on, in
    // assay_exec_gradient, after it was shown: gives the gradient that is pulled back from the node
    // on in its place, whose numbers are zero at first. Or NULL: it stays.
    void (*replace)(void *self, const struct assay_block *b, double *gradient);
    // Is called in assay_exec_gradient for every parameter, a weight or a bias, of the convolutions
    // and linear layers planned with ASSAY_TAP_LAYER, or NULL. Row i of row (count, size of the
    // parameter) is what image first + i adds to the parameter's gradient by way of its own
    // activations. All images of one parameter come in sequence.
    void (*layer)(void *self, uint32_t param, uint32_t first, uint32_t count, const double *row);
    // Is called in assay_exec_gradient for the convolutions planned with ASSAY_TAP_PULLED, or NULL.
    // The gradient is the derivative with respect to what the convolution reads, as far as it acts
    // through it, or to the input of the ReLU that it reads. The block's node is the convolution,
    // its shape that of what it reads.
    void (*pulled)(void *self, const struct assay_block *b, const double *gradient);
    // Is called with batch BN in assay_exec_gradient for the convolutions in front of a BN planned
    // with ASSAY_TAP_PRODUCTS, of their gradient, and for those planned with ASSAY_TAP_PULLED, of
    // what they pull back; or NULL.
    void (*products)(void *self, const struct assay_products *p);
};
// From now on, until the next bind; NULL: nobody. Borrowed.
void assay_exec_set_taps(struct assay_exec *x, const struct assay_taps *taps);

// A tap of its own, of planned values of ReLUs: sign patterns, one bit per ReLU unit (input > 0) of
// an image, node by node, channel, row, column; unused bits of the last word are zero.
struct assay_signs {
    const struct assay_graph *graph;
    uint64_t *row; // (n, words)
    size_t words, bit;
    uint32_t node;
    bool kinks;
};
// Wants the values of all ReLUs.
void assay_tap_relus(const struct assay_graph *g, uint8_t *tap);
// 64-bit words per image.
size_t assay_sign_words(const struct assay_graph *g);
// Of the next forward passes of g, which overwrite the rows of the images they show; the rows are
// zero at first.
struct assay_taps assay_signs_tap(struct assay_signs *signs, const struct assay_graph *g,
                                  uint64_t *row);
// The same of all kinks: beside ReLUs those of activations (assay_act_kinks), a bit for each of
// theirs, one kink of all units after the other, for which the inputs of activations are wanted.
void assay_tap_kinks(const struct assay_graph *g, uint8_t *tap);
size_t assay_kink_words(const struct assay_graph *g);
struct assay_taps assay_kinks_tap(struct assay_signs *signs, const struct assay_graph *g,
                                  uint64_t *row);

// ---- initialisation ---------------------------------------------------------------------------
// NORMAL: N(0,1), biases 0. PYTORCH: Conv and Linear uniform +-1/sqrt(fan_in), bias too. KAIMING_*:
// normal with std sqrt(2/fan); linear weights alike, biases 0. BN gamma 1, beta 0 in all. fan_out
// of a depthwise convolution is C*k*k, as in PyTorch.
enum assay_init {
    ASSAY_INIT_PYTORCH,
    ASSAY_INIT_KAIMING_FAN_OUT,
    ASSAY_INIT_KAIMING_FAN_IN,
    ASSAY_INIT_NORMAL
};
#define ASSAY_INIT_NAMES "pytorch|kaiming-fan-out|kaiming-fan-in|normal" // as an option's choices
const char *assay_init_name(enum assay_init init);
// Every parameter is drawn from its own stream (seed, repeat, "weights", parameter name).
void assay_init_params(const struct assay_graph *g, enum assay_init init, uint64_t seed,
                       uint64_t repeat, double *theta);

#endif
