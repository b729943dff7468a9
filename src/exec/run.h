// SPDX-License-Identifier: Apache-2.0
// The steps of forward and backward passes, in the files that are compiled once for each element
// type: their names carry it.
#ifndef ASSAY_SRC_EXEC_RUN_H
#define ASSAY_SRC_EXEC_RUN_H

#include "exec/exec.h"
#include "kern/real.h"

#define exec_add_products  OF_REAL(exec_add_products)
#define exec_backward      OF_REAL(exec_backward)
#define exec_batch_sums    OF_REAL(exec_batch_sums)
#define exec_bn_backward   OF_REAL(exec_bn_backward)
#define exec_clear_probes  OF_REAL(exec_clear_probes)
#define exec_fill          OF_REAL(exec_fill)
#define exec_finish_level  OF_REAL(exec_finish_level)
#define exec_finish_probes OF_REAL(exec_finish_probes)
#define exec_forward_pass  OF_REAL(exec_forward_pass)
#define exec_held_max_pool OF_REAL(exec_held_max_pool)
#define exec_held_relu     OF_REAL(exec_held_relu)
#define exec_keep          OF_REAL(exec_keep)
#define exec_outer         OF_REAL(exec_outer)
#define exec_own_product   OF_REAL(exec_own_product)
#define exec_pack          OF_REAL(exec_pack)
#define exec_pack_saved    OF_REAL(exec_pack_saved)
#define exec_pass_backward OF_REAL(exec_pass_backward)
#define exec_passes        OF_REAL(exec_passes)
#define exec_read          OF_REAL(exec_read)
#define exec_replace       OF_REAL(exec_replace)
#define exec_run_probes    OF_REAL(exec_run_probes)
#define exec_show_convs    OF_REAL(exec_show_convs)
#define exec_show_layers   OF_REAL(exec_show_layers)
#define exec_show_products OF_REAL(exec_show_products)
#define exec_show_pulled   OF_REAL(exec_show_pulled)
#define exec_show_tensor   OF_REAL(exec_show_tensor)
#define exec_show_value    OF_REAL(exec_show_value)

// Images of a group of the backward pass.
static inline uint32_t exec_images(const struct assay_exec *x)
{
    return x->plan->back->images;
}
// k0 of a group: lanes past the batch get nothing in the last one.
static inline const real *exec_k0(const struct assay_exec *x, const struct unit *u, uint32_t group)
{
    return AT(x, real, group + 1 == x->plan->back_groups ? u->k0_last : u->k0);
}
static inline real *exec_act(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    return AT(x, real, s->act) + group * exec_back_plane(x->plan, n, s->halo) * (ptrdiff_t)n->c;
}

static inline real *exec_xhat(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const size_t pixels = exec_pixels(&x->plan->graph->node[node]);
    return AT(x, real, x->plan->slot[node].xhat) + group * pixels * exec_images(x);
}
// The same as the forward pass saves them, of its groups.
static inline real *exec_saved_act(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    return AT(x, real, s->act + x->plan->packing) +
           group * exec_act_plane(n, s->halo) * (ptrdiff_t)n->c;
}
static inline real *exec_saved_xhat(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const size_t pixels = exec_pixels(&x->plan->graph->node[node]);
    return AT(x, real, x->plan->slot[node].xhat + x->plan->packing) + group * pixels * ASSAY_IMAGES;
}

// Of a group of the chunk.
static inline double *exec_value(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct slot *s = &x->plan->slot[node];
    return AT(x, double, s->value) + (s->whole ? group : group - x->begin) *
                                         exec_pixels(&x->plan->graph->node[node]) * ASSAY_IMAGES;
}
// Of the first group of the chunk; the others follow it.
static inline double *exec_chunk(const struct assay_exec *x, uint32_t node)
{
    return exec_value(x, node, x->begin);
}
// Its numbers.
static inline size_t exec_chunk_size(const struct assay_exec *x, uint32_t node)
{
    return (x->end - x->begin) * exec_pixels(&x->plan->graph->node[node]) * ASSAY_IMAGES;
}
static inline double *exec_padded(const struct assay_exec *x, uint32_t node, uint32_t group)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    const struct slot *s = &x->plan->slot[node];
    return AT(x, double, s->padded) +
           (group - x->begin) * exec_act_plane(n, s->pad) * (ptrdiff_t)n->c;
}
// One group of a gradient.
static inline real *exec_gradient_at(const struct assay_exec *x, const struct tensor *t,
                                     uint32_t group)
{
    return AT(x, real, t->at) + (t->whole ? group * t->group : 0);
}
static inline const real *exec_ref(const struct assay_exec *x, const struct ref *r, uint32_t group)
{
    const struct tensor *t = &x->plan->tensor[r->tensor];
    return exec_gradient_at(x, t, group) + (size_t)r->c_off * t->hw * x->plan->kern->lanes;
}

// What the convolution of a unit pulls back by itself, one group.
static inline real *exec_apart(const struct assay_exec *x, const struct unit *u, uint32_t group)
{
    return AT(x, real, u->apart) + group * (size_t)u->ci * u->h * u->w * x->plan->back->lanes;
}

// Constant contents after allocation: offset tables, valid lanes, pooling weights.
void exec_fill(struct assay_exec *x);
void exec_forward_pass(struct assay_exec *x, const double *theta, const double *input);
// Packs the parameters for the kernels.
void exec_pack(struct assay_exec *x, const double *theta);
// Gives what the forward pass saved the layout of the backward pass.
void exec_pack_saved(struct assay_exec *x);
// Cotangent-independent sums K1, K2 of the fused units, after the forward pass.
void exec_batch_sums(struct assay_exec *x);
// Returns the product of one unit's columns alone, in the room of the one it belongs to.
struct product exec_own_product(const struct assay_exec *x, uint32_t unit);
// raw of one product and group: acc += dy (x) a, dy (co, oh, ow, lanes).
void exec_outer(const struct assay_exec *x, const struct product *p, const real *dy,
                uint32_t group);

// Rows [y0, y1) and channels [c0, c0 + c) of a unit's BN backward: k1 dy + k0 + k2 xhat; without BN
// scale * dy. dst: (c, ., w + 2 halo) from row y0 on, `plane` elements a channel.
struct patch {
    uint32_t c0, c, y0, y1;
    real *dst;
    ptrdiff_t plane;
    uint32_t halo;
};
void exec_bn_backward(const struct assay_exec *x, const struct job *j, uint32_t group, bool frozen,
                      const struct patch *d);
// The jobs of one pass; `last`: nothing is added to the tensor afterwards, S is summed and it is
// read.
struct pass;
void exec_pass_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                        const struct pass *pass, bool accumulate, bool last);
// Rows [y0, y1) and channels [c0, c1) of one group of a tensor.
struct span {
    uint32_t group, c0, c1, y0, y1;
};
// Weight gradients that need a span while it is in cache. Spans come in the order of their
// channels, when all earlier ones are made: a channel group of a product waits for its last
// channel. ahead: fetched meanwhile, or NULL.
void exec_read(const struct assay_exec *x, const struct tensor *t, const struct span *s,
               struct assay_ahead *ahead);

// What one backward pass computes: `rows` results, each row's gradient to out[row] (NULL: dropped).
struct pass {
    bool frozen;
    uint32_t first_group, n_group;
    uint64_t columns;   // entries of a row, from x->from on
    bool firsts;        // the first number of every parameter instead
    double *const *out; // cots entries (batch BN), lanes entries (frozen)
    double *coef;       // batch BN: derivatives with respect to coefficients of mixes, or NULL
    bool show;          // tapped gradients are shown
};
// Cotangents of the logits must be in x->cotangent (groups, classes, lanes).
void exec_backward(struct assay_exec *x, const struct pass *pass);
// Ends a level: BN constants and rows of the Jacobian from the sums.
void exec_finish_level(struct assay_exec *x, const struct pass *pass, uint32_t level);

// ---- taps -------------------------------------------------------------------------------------
// Shows a node's values, if they are tapped, to who looks on.
void exec_show_value(struct assay_exec *x, uint32_t node);
// Shows the gradients of convolutions with a BN behind them, before the tensors of a level are
// made, and what convolutions pulled back, when they all are. All other gradients are shown when
// their tensor is made.
void exec_show_convs(const struct assay_exec *x, const struct pass *pass, uint32_t level);
void exec_show_pulled(const struct assay_exec *x, const struct pass *pass, uint32_t level);
// Vectors of all groups, `group` elements apart.
struct vectors {
    real *at;
    size_t group, n;
};
// Adds them to the products of their images, which are begun with the first ones; shows these.
void exec_add_products(const struct assay_exec *x, const struct vectors *v, bool first);
void exec_show_products(const struct assay_exec *x, const struct tapped *tapped, size_t units);
// Shows, too, and puts what is given in its place.
void exec_replace(const struct assay_exec *x, const struct tensor *t, uint32_t group);
void exec_show_tensor(const struct assay_exec *x, const struct tensor *t, uint32_t group);
// Shows the gradients of the parameters of the level before, image by image, at the one time when
// neither that level nor this one has anything in the room of their sums.
void exec_show_layers(const struct assay_exec *x, const struct pass *pass, uint32_t level);

// ---- mixes ------------------------------------------------------------------------------------
// What the backward pass and held forward passes need of a node's value, and those passes; of the
// chunk.
void exec_keep(struct assay_exec *x, uint32_t node);
void exec_held_relu(struct assay_exec *x, uint32_t node);
void exec_held_max_pool(struct assay_exec *x, uint32_t node);
// Scalar products of the probes of a tensor: to zero; of one group; to the derivatives.
void exec_clear_probes(const struct assay_exec *x, const struct tensor *t);
void exec_run_probes(const struct assay_exec *x, const struct tensor *t, uint32_t group,
                     bool flush);
void exec_finish_probes(const struct assay_exec *x, const struct tensor *t, double *coef);

#endif
