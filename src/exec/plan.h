// SPDX-License-Identifier: Apache-2.0
// What a plan holds, private to exec: what is computed of a graph, in which order, and where. It
// has no buffer: places are offsets into the memory that an executor gives it. Where no type is
// named, a buffer holds elements of the kernel table's type.
//
// Only BN couples the images of a batch, so everything between two BNs runs group by group, and
// what one step makes is in cache when the next one reads it.
//
// Forward: a node has a level = number of BNs between it and the input. A few groups, a chunk, pass
// through all nodes of a level, then the next ones. A BN belongs to the level after its input's, at
// the end of which the batch's moments are known: they are summed while the input is in cache.
// Values that nobody reads at a later level are stored of one chunk only, and what convolutions
// read is stored padded.
//
// Backward: the plan gives every stored gradient (`tensor`) a level = number of BNs between it and
// the output; a sweep over all groups computes the tensors of one level, and the weight gradients
// that need them while they are in cache. Adds and concats copy nothing: the gradient of their
// inputs is a reference into theirs. Many gradients are made in the place of one that is read for
// the last time. With `raw` = sum dy (x) a and S = sum dy, the BN sums need no pass of their own:
// sum dy*xhat = (<w,raw> - mean*S)/sigma, and the weight gradient is raw less multiples of sums K1
// and K2 that all cotangents share. Where there is one, a sum of dy*xhat is cheaper than K2, and
// the weight gradient is sum dz (x) a, dz the gradient in front of the BN.
#ifndef ASSAY_SRC_EXEC_PLAN_H
#define ASSAY_SRC_EXEC_PLAN_H

#include "assay/exec.h"
#include "assay/kern.h"

#define NONE            UINT32_MAX
#define MAX_STRIDE      16
#define MAX_KERNEL      11
#define MAX_TAPS        (MAX_KERNEL * MAX_KERNEL)
#define MAX_PARTS       16 // convolutions of one pass
#define MAX_ADDENDS     8
#define ASSAY_MAX_LANES 16
#define TAP_GRADIENTS   (ASSAY_TAP_GRADIENT | ASSAY_TAP_REPLACED) // what shows a gradient

// The gradient of a node: scale * channels [c_off, c_off + c) of a tensor.
struct ref {
    uint32_t tensor, c_off;
    double scale; // an element
};

struct tensor {
    uint32_t node, c, hw, level, last_level;
    uint32_t position;           // in the order of the sweep
    bool whole;                  // holds all groups, else one
    bool replaced;               // somebody else gives it once it is there
    bool in_place;               // is made in the place of a gradient that its first pass reads
    size_t at;                   // byte offset of group 0
    size_t group;                // elements per group
    bool needs_sum;              // some BN or bias wants S
    size_t acc, sum;             // S: accumulators (c, lanes); totals (lanes, c) double
    uint32_t first_job, n_job;   // jobs that write it
    uint32_t first_unit, n_unit; // plan->reader: units whose weight gradients read it
    uint32_t first_product, n_product; // what reads it, and late ones of its jobs
    uint32_t first_probe, n_probe;
};

// Weight gradients that read one gradient: acc[o][k] += sum of dy[o] * (column k of the inputs).
struct column {
    uint32_t src;
    ptrdiff_t at; // elements from the activation of src
};
struct product {
    uint32_t unit;         // one of them: all have its gradient and strides
    bool late;             // of a late unit, alone
    uint32_t q;            // columns, of one channel group
    uint32_t run;          // so many in sequence lie at equal distances
    uint32_t windows;      // so many times nine, the first of all, are 3x3 windows of stride 1
    struct column *column; // (q)
    size_t off;            // ptrdiff_t (q): of each column from the first one's activation
    size_t acc, sum;       // raw: (co, q, lanes); double (lanes, co * q)
    size_t lift;           // what windows add to it: (co, windows, 16, lanes)
};

// An input of a mix. The derivative with respect to its coefficient is <gradient of the mix, value
// of the input>.
struct probe {
    uint32_t edge, node; // g->coef[edge] belongs to g->in[edge] = node
    struct ref g;        // gradient of the mix
    size_t acc, sum;     // (c, lanes); double (lanes, c)
};

// One contribution to the gradient of a tensor. Those of convolutions that differ in nothing but
// their kernels, and what is added as it is, are made together, in one pass over the tensor.
struct job {
    uint8_t op;     // enum assay_op of the user
    uint32_t user;  // node
    uint32_t input; // which of its inputs
    uint32_t unit;  // CONV, LINEAR, BN
    uint32_t mask;  // relu node between the tensor and a convolution, or NONE
    struct ref from;
    uint32_t tensor;        // target
    uint32_t n_conv, n_add; // from this one on, made together with it; 0, 0: by itself
};

struct parity {
    uint32_t taps, h, w, ry, rx;
    size_t off;    // int32 (taps)
    size_t weight; // packed
};

// A trainable layer: convolution or linear layer, with the BN behind it when they are fused; or a
// BN alone.
struct unit {
    uint32_t conv, bn;                                                // nodes or NONE
    uint32_t src;                                                     // input node
    struct ref g;                                                     // gradient of its output
    uint32_t ci, co, groups, kernel, kernel_w, stride, pad, dilation; // of the convolution
    uint32_t h, w, oh, ow;
    bool live, wants_dx;
    bool late; // its weight gradient reads dz, when that is pulled back, not the BN's gradient
    // forward
    size_t taps_off, weight64, bias64; // int32 (taps); packed weights; linear bias
    // backward
    uint32_t n_parity, halo;
    struct parity *parity;  // (stride, stride)
    size_t apart;           // what it pulls back by itself: (groups, ci, h, w, lanes); 0: not kept
    size_t dz;              // padded scratch (co / groups, exec_dz_plane)
    bool direct;            // pointwise: dz is made where it is used, and never stored
    bool lifted;            // 3x3: one of corr's lifted parts
    uint32_t strip;         // rows of one stride parity of dx that are made at once
    uint32_t turn;          // units of one turn, and shape, share their scratch
    uint32_t q;             // (ci / groups) * taps
    uint32_t product, *col; // its raw: columns (q) of a product; NONE without a convolution
    size_t xdot_acc, xdot_sum;  // BN alone, and late: sum dy*xhat
    size_t k0, k0_last, k1, k2; // BN backward: (co, lanes), (co, lanes), (co), (co, lanes)
    size_t mean, rstd;          // double (co)
    size_t a_sum, xa_sum;       // K1 (ci/groups * taps per group), K2 (co, q): sums over the batch
    uint32_t p_weight, p_gamma, p_beta, p_bias; // parameter indices or NONE
};

// A node is tapped for its gradient, for that of its parameters, or for what it pulls back.
struct tapped {
    uint32_t node, level; // of the sweep that shows it
    uint32_t unit; // whose convolution it is when the gradient is the BN's behind it, else NONE
    bool layer;    // of the unit's parameters, which are shown before the level
    bool pulled;   // what the unit's convolution alone pulls back
    bool gradient, products; // else: what is shown of the gradient
};

// What a node keeps.
struct slot {
    uint8_t tap;     // enum assay_tap
    uint8_t norm;    // enum assay_norm
    uint32_t unit;   // the unit it belongs to, or NONE
    bool live;       // the output depends on it through coefficients that are not 0
    bool trained;    // depends on parameters
    bool needs_grad; // only of live nodes
    bool fused; // conv whose only user is a BN; relu whose users are all convolutions: no gradient
                // of its own
    struct ref g;
    uint32_t halo; // of the saved activation
    size_t act;    // (groups, c, h + 2 halo, w + 2 halo, images), 0: not saved
    // (groups, c, h, w, images); of a max-pool the winning taps, of an activation its slope
    size_t xhat;
    bool kept;      // a probe or a tap wants its value
    bool behind_bn; // is kept as the xhat of the BN that reads it
    size_t keep;    // (groups, c, h, w, images); of a BN without affine its xhat
    size_t gate;    // relu, of a piece: byte (groups, c, h, w), bit i: passed in image i; of an
                    // activation the piece: byte (groups, c, h, w, images)
    size_t inv;     // pooling: double (oh, ow)
    // forward
    uint32_t level, position; // of the pass; in plan->sequence
    bool whole;               // is read at a later level, or shown: holds all groups, else a chunk
    bool plain;               // its value is stored as it is; else only padded, or in a sum
    uint32_t value_of;        // node whose buffer the value lives in (BN in place), usually itself
    size_t value;             // double (groups or chunk, c, h, w, images)
    uint32_t pad;             // the largest of the convolutions that read it; they read
    size_t padded;            // double (chunk, c, h + 2 pad, w + 2 pad, images), unless it is 0
    bool measured;            // a BN reads it: its moments are wanted
    size_t moments;           // double (2, c): mean, sum of squares about it, so far
};

struct assay_plan {
    const struct assay_kern *kern, *back; // back: of the backward pass
    const struct assay_graph *graph;
    uint32_t n, groups, back_groups; // back_groups: of back->images images
    uint32_t batch;                  // images normalised together, of which n are here
    uint32_t chunk;                  // groups that pass through a level together
    bool backward, precise, held, single, part, mixes;
    struct assay_arena meta; // holds the arrays below
    size_t bytes;            // of all buffers
    struct slot *slot;
    uint32_t *edge_first, *edge; // CSR: the edges (indices into graph->in) that read a node
    uint32_t *user;              // (graph->n_in) the node that an edge leads into
    struct unit *unit;
    struct tensor *tensor;
    struct job *job;
    struct product *product;
    struct probe *probe; // grouped by the tensor they read
    uint32_t *reader;    // units grouped by the tensor they read
    uint32_t *order;     // tensors by level, then descending node
    struct tapped *tapped;
    uint32_t *sequence; // of the forward pass: nodes by level
    uint32_t n_unit, n_tensor, n_job, n_product, n_probe, n_tapped, n_level;
    size_t logits, theta, valid, valid_last, zeros, ones, scratch, spread, cotangent, own_off;
    size_t aside, aside_group; // a gradient in front of a BN; elements of a group
    size_t products;           // double (images, images + 1): sums of products, sums
    size_t product_acc;        // (groups, 2, lanes), (images, lanes): first numbers, sums; products
    size_t packing;            // bytes by which what is saved is moved when it is packed
    size_t shared;             // of a part: double, what a level sums over all parts
    size_t shown;     // of a tapped gradient, one group as double: itself, then the value kept
    size_t lane_rows; // frozen gradient: double (images, n_theta)
    size_t moved;     // held: double (2 n_theta + n classes): theta, gradient, cotangents there
    size_t zero_begin, zero_end; // buffers whose halos must be zero
};

static inline size_t exec_align(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
// Elements of one group of a node's tensor, per lane-set.
static inline size_t exec_pixels(const struct assay_node *n)
{
    return (size_t)n->c * n->h * n->w;
}
static inline size_t exec_lift_bytes(const struct assay_plan *plan, const struct product *p)
{
    return (size_t)plan->unit[p->unit].co * p->windows * 16 * plan->kern->lanes * plan->kern->size;
}
// Whether forward passes can keep to the piece of another.
static inline bool exec_has_pieces(const struct assay_plan *plan)
{
    return plan->held || plan->mixes;
}
// Channels of those nodes [first, last) of the sequence whose moments are wanted.
static inline size_t exec_measured(const struct assay_plan *plan, uint32_t first, uint32_t last)
{
    size_t c = 0;
    for (uint32_t k = first; k < last; k++) {
        const uint32_t node = plan->sequence[k];
        if (plan->slot[node].measured) c += plan->graph->node[node].c;
    }
    return c;
}
// Whether images go through a unit's BN one by one: nothing is pulled back through its statistics.
static inline bool exec_is_fixed(const struct assay_plan *plan, const struct unit *u)
{
    return u->bn != NONE && plan->slot[u->bn].norm != ASSAY_NORM_BATCH;
}
// Whether sum dy*xhat of its BN is a sum of its own.
static inline bool exec_sums_xdot(const struct unit *u)
{
    return u->conv == NONE || u->late;
}
static inline uint32_t exec_taps(const struct unit *u)
{
    return u->kernel * u->kernel_w;
}
// Vectors of a channel of a unit's padded scratch: (strip + 2 halo, ow + 2 halo), and a few more
// lest channels lie a multiple of eight apart: the tiles of all channels would compete for a few
// lines of the first-level cache.
static inline size_t exec_dz_plane(const struct unit *u)
{
    return (size_t)(u->strip + 2 * u->halo) * (u->ow + 2 * u->halo) | 4;
}
// Of all of it.
static inline size_t exec_dz(const struct unit *u)
{
    return (u->co / u->groups) * exec_dz_plane(u);
}
static inline bool exec_same_dz(const struct unit *u, const struct unit *v)
{
    return u->co / u->groups == v->co / v->groups && u->strip == v->strip && u->halo == v->halo &&
           u->oh == v->oh && u->ow == v->ow;
}
// Elements of the packed weights of a stride parity, of one channel group.
static inline size_t exec_packed(const struct unit *u, const struct parity *p)
{
    return (size_t)(u->ci / u->groups) * (u->co / u->groups) *
           (u->lifted ? ASSAY_LIFTED_TAPS : p->taps);
}
// Strides of a saved activation, or a padded value, in elements.
static inline ptrdiff_t exec_act_row(const struct assay_node *n, uint32_t halo)
{
    return (ptrdiff_t)(n->w + 2 * halo) * ASSAY_IMAGES;
}
static inline ptrdiff_t exec_act_plane(const struct assay_node *n, uint32_t halo)
{
    return exec_act_row(n, halo) * (ptrdiff_t)(n->h + 2 * halo);
}
// The same as the backward pass reads it.
static inline ptrdiff_t exec_back_row(const struct assay_plan *plan, const struct assay_node *n,
                                      uint32_t halo)
{
    return (ptrdiff_t)(n->w + 2 * halo) * plan->back->images;
}
static inline ptrdiff_t exec_back_plane(const struct assay_plan *plan, const struct assay_node *n,
                                        uint32_t halo)
{
    return exec_back_row(plan, n, halo) * (ptrdiff_t)(n->h + 2 * halo);
}
// Whether saved activations change their layout between the passes.
static inline bool exec_is_packed(const struct assay_plan *plan)
{
    return plan->back->images != ASSAY_IMAGES;
}

// The steps of making a plan, in order; each allocates its arrays from plan->meta and returns a
// negative status on failure.
int plan_users(struct assay_plan *plan, const struct assay_want *want, struct assay_err *err);
int plan_units(struct assay_plan *plan, struct assay_err *err);
int plan_tensors(struct assay_plan *plan, struct assay_err *err);
int plan_products(struct assay_plan *plan, struct assay_err *err);
int plan_probes(struct assay_plan *plan, struct assay_err *err);
int plan_tapped(struct assay_plan *plan, struct assay_err *err);
int plan_schedule(struct assay_plan *plan, struct assay_err *err);
// Offsets of every buffer; plan->bytes is then known.
int plan_layout(struct assay_plan *plan, struct assay_err *err);
// Those of values and gradients, which come last.
int plan_region(struct assay_plan *plan, struct assay_err *err);
// Sorts the jobs of every tensor and says which are made together; halos must be known.
void plan_join(struct assay_plan *plan);

#endif
