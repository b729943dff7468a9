// SPDX-License-Identifier: Apache-2.0
// The steps of forward and backward passes, in the files that are compiled once for each element
// type: their names carry it.
#ifndef ASSAY_SRC_EXEC_RUN_H
#define ASSAY_SRC_EXEC_RUN_H

#include "exec/exec.h"
#include "kern/real.h"

#define assay_exec_backward      OF_REAL(assay_exec_backward)
#define assay_exec_batch_sums    OF_REAL(assay_exec_batch_sums)
#define assay_exec_bn_backward   OF_REAL(assay_exec_bn_backward)
#define assay_exec_clear_probes  OF_REAL(assay_exec_clear_probes)
#define assay_exec_fill          OF_REAL(assay_exec_fill)
#define assay_exec_finish_level  OF_REAL(assay_exec_finish_level)
#define assay_exec_finish_probes OF_REAL(assay_exec_finish_probes)
#define assay_exec_forward_pass  OF_REAL(assay_exec_forward_pass)
#define assay_exec_held_max_pool OF_REAL(assay_exec_held_max_pool)
#define assay_exec_held_relu     OF_REAL(assay_exec_held_relu)
#define assay_exec_keep          OF_REAL(assay_exec_keep)
#define assay_exec_outer         OF_REAL(assay_exec_outer)
#define assay_exec_own_product   OF_REAL(assay_exec_own_product)
#define assay_exec_pack          OF_REAL(assay_exec_pack)
#define assay_exec_pass_backward OF_REAL(assay_exec_pass_backward)
#define assay_exec_passes        OF_REAL(assay_exec_passes)
#define assay_exec_read          OF_REAL(assay_exec_read)
#define assay_exec_replace       OF_REAL(assay_exec_replace)
#define assay_exec_run_probes    OF_REAL(assay_exec_run_probes)
#define assay_exec_show_convs    OF_REAL(assay_exec_show_convs)
#define assay_exec_show_layers   OF_REAL(assay_exec_show_layers)
#define assay_exec_show_tensor   OF_REAL(assay_exec_show_tensor)
#define assay_exec_show_value    OF_REAL(assay_exec_show_value)

// k0 of a group: lanes past the batch get nothing in the last one.
static inline const real *assay_exec_k0(const struct assay_exec *x, const struct unit *u,
                                        uint32_t group)
{
    return AT(x, real, group + 1 == x->plan->groups ? u->k0_last : u->k0);
}
static inline real *assay_exec_act(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    return AT(x, real, s->act) + group * assay_exec_act_plane(n, s->halo) * (ptrdiff_t)n->c;
}

static inline real *assay_exec_xhat(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const size_t pixels = assay_exec_pixels(&x->plan->graph->node[node]);
    return AT(x, real, x->plan->slot[node].xhat) + group * pixels * ASSAY_IMAGES;
}

// Of a group of the chunk.
static inline double *assay_exec_value(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct slot *s = &x->plan->slot[node];
    return AT(x, double, s->value) + (s->whole ? group : group - x->begin) *
                                         assay_exec_pixels(&x->plan->graph->node[node]) *
                                         ASSAY_IMAGES;
}
static inline double *assay_exec_padded(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    return AT(x, double, s->padded) +
           (group - x->begin) * assay_exec_act_plane(n, s->pad) * (ptrdiff_t)n->c;
}
// One group of a gradient.
static inline real *assay_exec_gradient_at(const struct assay_exec *x, const struct tensor *t,
                                           uint32_t group)
{
    return AT(x, real, t->at) + (t->whole ? group * t->group : 0);
}
static inline const real *assay_exec_ref(const struct assay_exec *x, const struct ref *r,
                                         uint32_t group)
{
    const struct tensor *t = &x->plan->tensor[r->tensor];
    return assay_exec_gradient_at(x, t, group) + (size_t)r->c_off * t->hw * x->plan->kern->lanes;
}

// Constant contents after allocation: offset tables, valid lanes, pooling weights.
void assay_exec_fill(struct assay_exec *x);
void assay_exec_forward_pass(struct assay_exec *x, const double *theta, const double *input);
// Packs the parameters for the kernels.
void assay_exec_pack(struct assay_exec *x, const double *theta);
// Cotangent-independent sums K1, K2 of the fused units, after the forward pass.
void assay_exec_batch_sums(struct assay_exec *x);
// Returns the product of one unit's columns alone, in the room of the one it belongs to.
struct product assay_exec_own_product(const struct assay_exec *x, uint32_t unit);
// raw of one product and group: acc += dy (x) a, dy (co, oh, ow, lanes).
void assay_exec_outer(const struct assay_exec *x, const struct product *p, const real *dy,
                      uint32_t group);

// Rows [y0, y1) and channels [c0, c0 + c) of a unit's BN backward: k1 dy + k0 + k2 xhat; without BN
// scale * dy. dst: (c, ., w + 2 halo) from row y0 on, `plane` elements a channel.
struct patch {
    uint32_t c0, c, y0, y1;
    real *dst;
    ptrdiff_t plane;
    uint32_t halo;
};
void assay_exec_bn_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                            bool frozen, const struct patch *d);
// The jobs of one pass; `last`: nothing is added to the tensor afterwards, S is summed and it is
// read.
void assay_exec_pass_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                              bool frozen, bool accumulate, bool last);
// Rows [y0, y1) and channels [c0, c1) of one group of a tensor.
struct span {
    uint32_t group, c0, c1, y0, y1;
};
// Weight gradients that need a span while it is in cache. Spans come in the order of their
// channels, when all earlier ones are made: a channel group of a product waits for its last
// channel. ahead: fetched meanwhile, or NULL.
void assay_exec_read(const struct assay_exec *x, const struct tensor *t, const struct span *s,
                     struct assay_ahead *ahead);

// What one backward pass computes: `rows` results, each row's gradient to out[row] (NULL: dropped),
// first `columns`.
struct pass {
    bool frozen;
    uint32_t first_group, n_group;
    uint64_t columns;
    bool firsts;        // the first number of every parameter instead
    double *const *out; // cots entries (batch BN), lanes entries (frozen)
    double *coef;       // batch BN: derivatives with respect to coefficients of mixes, or NULL
    bool show;          // tapped gradients are shown
};
// Cotangents of the logits must be in x->cotangent (groups, classes, lanes).
void assay_exec_backward(struct assay_exec *x, const struct pass *pass);
// Ends a level: BN constants and rows of the Jacobian from the sums.
void assay_exec_finish_level(struct assay_exec *x, const struct pass *pass, uint32_t level);

// ---- taps -------------------------------------------------------------------------------------
// Shows a node's values, if they are tapped, to who looks on.
void assay_exec_show_value(struct assay_exec *x, uint32_t node);
// Shows the gradients of convolutions with a BN behind them, and what convolutions pull back,
// before the tensors of a level are made. All other gradients are shown when their tensor is made.
void assay_exec_show_convs(const struct assay_exec *x, const struct pass *pass, uint32_t level);
// Shows, too, and puts what is given in its place.
void assay_exec_replace(const struct assay_exec *x, const struct tensor *t, uint32_t group);
void assay_exec_show_tensor(const struct assay_exec *x, const struct tensor *t, uint32_t group);
// Shows the gradients of the parameters of the level before, image by image, at the one time when
// neither that level nor this one has anything in the room of their sums.
void assay_exec_show_layers(const struct assay_exec *x, const struct pass *pass, uint32_t level);

// ---- mixes ------------------------------------------------------------------------------------
// What the backward pass and held forward passes need of a node's value; of the chunk.
void assay_exec_keep(struct assay_exec *x, uint32_t node);
void assay_exec_held_relu(struct assay_exec *x, uint32_t node, uint32_t group);
void assay_exec_held_max_pool(struct assay_exec *x, uint32_t node, uint32_t group);
// Scalar products of the probes of a tensor: to zero; of one group; to the derivatives.
void assay_exec_clear_probes(const struct assay_exec *x, const struct tensor *t);
void assay_exec_run_probes(const struct assay_exec *x, const struct tensor *t, uint32_t group,
                           bool flush);
void assay_exec_finish_probes(const struct assay_exec *x, const struct tensor *t, double *coef);

#endif
