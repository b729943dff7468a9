// SPDX-License-Identifier: Apache-2.0
// exec: plan a graph into memory; run it forward; pull cotangents back.
//
// One executor serves one rank and is bound to one graph after another; its memory is kept between
// them. The forward pass is float64 (one ReLU sign flip moves the NTK by 1e-3); the backward pass
// runs in the element type of its kernel table, several cotangents x several images per vector.
#ifndef ASSAY_EXEC_H
#define ASSAY_EXEC_H

#include "assay/graph.h"
#include "assay/kern.h"

struct assay_exec;

// How BN is differentiated. BATCH: by the batch's own mean and variance, every output depends on
// every image (TE-NAS). FROZEN: batch statistics held constant, samples decouple. They are
// different kernels.
enum assay_bn { ASSAY_BN_BATCH, ASSAY_BN_FROZEN };

// kern is borrowed.
int assay_exec_create(struct assay_exec **out, const struct assay_kern *kern,
                      struct assay_err *err);
void assay_exec_destroy(struct assay_exec *x);

// Plans folded graph g (borrowed until the next bind) for batches of n images. backward = false
// leaves out everything only gradients need. An error if the plan needs more than memory_limit
// bytes (0: no limit); no buffers are allocated then.
int assay_exec_bind(struct assay_exec *x, const struct assay_graph *g, uint32_t n, bool backward,
                    uint64_t memory_limit, struct assay_err *err);
// The bytes that would need: plans the same without buffers, and leaves the executor unbound.
int assay_exec_predict(struct assay_exec *x, const struct assay_graph *g, uint32_t n, bool backward,
                       uint64_t *bytes, struct assay_err *err);
// Bytes the bound plan takes from the system; and multiply-add FLOPs (2 per multiply-add) of the
// convolutions and linear layers in one coupled NTK pass over `rows` cotangents.
uint64_t assay_exec_bytes(const struct assay_exec *x);
double assay_exec_flops(const struct assay_exec *x, uint64_t rows);

// theta: g->n_theta parameters at their offsets; input: (n,c,h,w). Both are copied.
void assay_exec_forward(struct assay_exec *x, const double *theta, const double *input);
// (n, classes), valid until the next forward.
const double *assay_exec_logits(const struct assay_exec *x);

// Sign patterns of the last forward: one bit per ReLU unit (input > 0), assay_exec_sign_words()
// 64-bit words per image, unused bits zero; out is (n, words).
size_t assay_exec_sign_words(const struct assay_exec *x);
void assay_exec_signs(const struct assay_exec *x, uint64_t *out);

// Rows of the Jacobian of s_{n,t} = sum_k cot[t,k] logit_k(x_n): row n*t_count + t, rows [first,
// first + count), to jac (count, ld), the first `columns` entries of the flat parameter vector
// (g->n_weight or g->n_theta).
void assay_exec_jacobian(struct assay_exec *x, enum assay_bn bn, const double *cot,
                         uint32_t t_count, uint64_t first, uint64_t count, uint64_t columns,
                         double *jac, size_t ld);
// The rows that one pass with frozen BN gives: `cots` cotangents of each of `images` images, of
// which the first is a multiple of `images`. Fewer of them cost as much.
void assay_exec_tile(const struct assay_exec *x, uint32_t *images, uint32_t *cots);
// Gradient (n_theta) of a scalar whose derivative with respect to the logits is cot (n, classes).
void assay_exec_gradient(struct assay_exec *x, enum assay_bn bn, const double *cot, double *grad);

// ---- mixes ------------------------------------------------------------------------------------
// In a graph with mixes (assay_graph_mix) an input of coefficient 0 is evaluated like any other,
// and nothing is pulled back into it: backward costs what the chosen inputs cost, and one scalar
// product for every input of a mix.

// The gradient with batch BN of a scalar as above, and its derivatives with respect to the
// coefficients of mixes: coef (g->n_in), laid out as g->coef, is 0 where no mix is.
void assay_exec_mix_gradient(struct assay_exec *x, const double *cot, double *grad, double *coef);
// The forward pass on the piece of the last assay_exec_forward, to which input must be the same:
// ReLUs pass what they passed and max-pools take the pixel they took, whatever theta makes of them.
// A piece is smooth in theta, so that a finite difference on it is the derivative that automatic
// differentiation finds, which ignores that theta decides the piece. Only with mixes and backward.
void assay_exec_forward_held(struct assay_exec *x, const double *theta, const double *input);

// ---- initialisation ---------------------------------------------------------------------------
// PYTORCH: Conv and Linear uniform +-1/sqrt(fan_in), bias too. KAIMING_*: normal with std
// sqrt(2/fan); linear weights alike, biases 0. BN gamma 1, beta 0 in all. fan_out of a depthwise
// convolution is C*k*k, as in PyTorch.
enum assay_init { ASSAY_INIT_PYTORCH, ASSAY_INIT_KAIMING_FAN_OUT, ASSAY_INIT_KAIMING_FAN_IN };
// Every parameter is drawn from its own stream (seed, repeat, "weights", parameter name).
void assay_init_params(const struct assay_graph *g, enum assay_init init, uint64_t seed,
                       uint64_t repeat, double *theta);

#endif
