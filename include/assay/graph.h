// SPDX-License-Identifier: Apache-2.0
// graph: a network as plain data: build, fold, validate, hash, count, print.
//
// A graph is an array of nodes in topological order: an input always has a smaller index than its
// user. Node 0 is the input image; the last node is the output (logits). Builders append the
// literal network, module by module, dead modules and zero tensors included, so that foreign
// weights find every parameter; assay_graph_fold() then makes the smaller graph that is executed.
// There is no batch size and no number type here.
#ifndef ASSAY_GRAPH_H
#define ASSAY_GRAPH_H

#include "assay/base.h"

#define ASSAY_BN_EPS 1e-5

enum assay_op {
    ASSAY_OP_INPUT,
    ASSAY_OP_ZERO,     // a tensor of zeros (`none`)
    ASSAY_OP_CONV,     // weight (c, c_in/groups, rows, columns), bias (c) if it has one
    ASSAY_OP_BN,       // train mode, biased variance; with affine: gamma (c), beta (c)
    ASSAY_OP_RELU,     // derivative at 0 is 0
    ASSAY_OP_AVG_POOL, // padding is not counted (count_include_pad = False)
    ASSAY_OP_MAX_POOL, // pads with -inf; ties go to the first maximum in row-major order
    ASSAY_OP_ADD,      // sum of coef[i] * input[i]
    ASSAY_OP_CONCAT,   // along channels
    ASSAY_OP_SLICE,    // c channels from `first` on, without their first `pad` rows and columns
    ASSAY_OP_GAP,      // global average pool to (c,1,1)
    ASSAY_OP_LINEAR,   // weight (c, c_in), bias (c) if it has one; output (c,1,1)
    ASSAY_OP_FLATTEN,  // (c,h,w) as (c h w,1,1), rows of a channel after one another
    ASSAY_OP_ACT,      // an activation that is no ReLU, of enum assay_act
    ASSAY_OP_MUL,      // input 0 times input 1, whose sides are as many or 1 (a gate)
    ASSAY_OP_SHUFFLE,  // of `groups` groups of channels the first of each, then the second of
                       // each...
    ASSAY_OP_PAD,      // rows and columns of number `a` around it, or fewer of its own; see pads
    ASSAY_OP_UPSAMPLE, // each pixel `stride` times along both sides (nearest)
    ASSAY_OP_COUNT
};

// Activations by number by number, with their numbers a and b. Derivatives where pieces meet are as
// in PyTorch.
enum assay_act {
    ASSAY_ACT_CLIP,        // to [a, b]: ReLU6; derivative at both ends 0
    ASSAY_ACT_LEAKY_RELU,  // a x below 0; derivative at 0 is a
    ASSAY_ACT_HARDSIGMOID, // a x + b cut to [0, 1], a > 0; derivative at both ends 0
    ASSAY_ACT_HARDSWISH,   // x times hardsigmoid of 1/6 and 1/2; derivatives at -3 and 3: 0, 1
    ASSAY_ACT_ELU,         // a (exp(x) - 1) below 0
    ASSAY_ACT_SIGMOID,
    ASSAY_ACT_SILU, // x sigmoid(x)
    ASSAY_ACT_TANH,
    ASSAY_ACT_SOFTPLUS, // ln(1 + exp(x))
    ASSAY_ACT_MISH,     // x tanh(softplus(x))
    ASSAY_ACT_GELU,     // x (1 + erf(x / sqrt 2)) / 2
    ASSAY_ACT_ERF,
    ASSAY_ACT_AFFINE, // a x + b
    ASSAY_ACT_COUNT
};

struct assay_node {
    uint8_t op; // enum assay_op
    uint8_t kernel, stride, pad, dilation;
    uint8_t kernel_w;        // conv: columns of the kernel, 0: as many as rows
    uint8_t affine;          // BN: has gamma and beta
    uint8_t bias;            // conv, linear: has one
    uint8_t ceil;            // pools: a last window may reach over the end of what it reads
    uint8_t mix;             // add: its coefficients are variables, see assay_graph_mix
    uint8_t live;            // the output depends on the input by way of it; set by finish
    uint32_t groups;         // conv, shuffle
    uint32_t first;          // slice
    int16_t pads[4];         // pad: at the top, left, bottom, right; negative: so many are left out
    uint8_t act;             // enum assay_act
    double eps;              // BN
    double a, b;             // of an activation; a: what a pad is filled with, -inf too
    uint32_t in, n_in;       // inputs: g->in[in .. in + n_in), coefficients g->coef[same]
    uint32_t c, h, w;        // output shape
    uint32_t modules;        // of the reference network that it stands for
    uint32_t returned;       // by modules of it, containers too
    uint32_t feature;        // the feature it is computed for, n_feature: the head
    uint32_t param, n_param; // parameters: g->param[param .. param + n_param)
};

enum assay_role {
    ASSAY_CONV_WEIGHT,
    ASSAY_BN_GAMMA,
    ASSAY_LINEAR_WEIGHT,
    ASSAY_BN_BETA,
    ASSAY_LINEAR_BIAS,
    ASSAY_CONV_BIAS
};

struct assay_param {
    uint8_t role; // enum assay_role
    uint32_t node;
    uint32_t ndim, shape[4];
    uint64_t size;
    uint64_t offset; // in the flat parameter vector; set by assay_graph_finish
    uint32_t name;   // offset into g->text: the PyTorch name, e.g. "cells.3.layers.1.op.1.weight"
};

// The outputs of the stem and of every cell and reduction block, in order: what AZ-NAS (arXiv
// 2403.19232) calls features. A reduction block is one that the macro network, not the
// architecture, puts between cells.
enum assay_feature_of { ASSAY_FEATURE_STEM, ASSAY_FEATURE_CELL, ASSAY_FEATURE_REDUCTION };
struct assay_feature {
    uint32_t node; // UINT32_MAX in a folded graph that does not read it
    uint8_t of;    // enum assay_feature_of
};

// Owns its arrays; assay_graph_reset keeps their capacity, so rebuilding allocates nothing.
struct assay_graph {
    struct assay_node *node;
    uint32_t *in;
    double *coef;
    struct assay_param *param;
    struct assay_feature *feature;
    char *text;
    uint32_t n_node, n_in, n_param, n_feature, n_text;
    uint32_t cap_node, cap_in, cap_param, cap_feature, cap_text;
    // After finish: NTK parameters (names containing "weight") have offsets [0, n_weight), biases
    // and BN betas [n_weight, n_theta).
    uint64_t n_weight, n_theta;
    bool unnamed; // set by its owner: parameters get no names, which counting does not need
    bool failed;  // an append ran out of memory: all that follow do nothing, and finish reports it
    uint32_t *scratch, cap_scratch; // private to assay_graph_fold
};

void assay_graph_init(struct assay_graph *g);
void assay_graph_reset(struct assay_graph *g);
void assay_graph_free(struct assay_graph *g);

// Builders append one node and return its index. `name` is the PyTorch module name ("stem.0");
// parameter names append ".weight" / ".bias". Output shapes follow PyTorch's rules; one that does
// not work out is reported by assay_graph_finish. assay_graph_relu returns the
// existing node when x already has one, which then stands for one module more. Until then who
// builds reads the graph by assay_graph_shape alone: an append that failed has made no node.
uint32_t assay_graph_input(struct assay_graph *g, uint32_t c, uint32_t h, uint32_t w);
uint32_t assay_graph_zero(struct assay_graph *g, uint32_t c, uint32_t h, uint32_t w);
uint32_t assay_graph_conv(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                          uint32_t stride, uint32_t pad, uint32_t dilation, uint32_t groups,
                          const char *name);
uint32_t assay_graph_bn(struct assay_graph *g, uint32_t x, bool affine, const char *name);
uint32_t assay_graph_relu(struct assay_graph *g, uint32_t x);
uint32_t assay_graph_pool(struct assay_graph *g, enum assay_op op, uint32_t x, uint32_t kernel,
                          uint32_t stride, uint32_t pad);
// coef may be NULL (all 1).
uint32_t assay_graph_add(struct assay_graph *g, uint32_t n, const uint32_t *x, const double *coef);
// An add whose coefficients are variables: the executor gives derivatives with respect to them, so
// that no fold drops, sorts or merges its inputs, not even those of coefficient 0 or equal ones.
uint32_t assay_graph_mix(struct assay_graph *g, uint32_t n, const uint32_t *x, const double *coef);
uint32_t assay_graph_concat(struct assay_graph *g, uint32_t n, const uint32_t *x);
// Without the first `drop` rows and columns, or of the channels the first c alone: both are slices.
uint32_t assay_graph_slice(struct assay_graph *g, uint32_t x, uint32_t drop);
uint32_t assay_graph_truncate(struct assay_graph *g, uint32_t x, uint32_t c);
uint32_t assay_graph_gap(struct assay_graph *g, uint32_t x);
uint32_t assay_graph_linear(struct assay_graph *g, uint32_t x, uint32_t c, const char *name);
// Any other: appends node n, of which operation, attributes and n_in are given (of what a
// convolution or linear layer makes c, too). coef as above; name may be NULL without parameters.
uint32_t assay_graph_append(struct assay_graph *g, struct assay_node n, const uint32_t *x,
                            const double *coef, const char *name);

// ---- activations --------------------------------------------------------------------------------
// y = f(x) of n numbers, by a node of an activation, and its slope f'(x) (or NULL). piece: for each
// number the smooth piece of f it lies on, 0 to 2. Those of x are put there; or, held, f is taken
// on the piece that is told, wherever x lies. NULL: not told, nor held.
void assay_act_apply(const struct assay_node *act, size_t n, const double *x, bool held,
                     uint8_t *piece, double *y, double *slope);
// Where f's derivative jumps: at the k-th of these from piece k - 1 to piece k, the first x of
// which is beyond it (at it, of the second one).
uint32_t assay_act_kinks(const struct assay_node *act);
const char *assay_act_name(enum assay_act act);

// Prints the name of a module, as snprintf does; the empty text where the graph keeps no names.
int assay_graph_name(const struct assay_graph *g, char *name, size_t cap, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Gives a parameter a name that is no module's: n bytes.
void assay_graph_rename(struct assay_graph *g, uint32_t param, const char *name, size_t n);
// So many modules more of the reference network return node x: containers whose last module does,
// or identities.
void assay_graph_returned(struct assay_graph *g, uint32_t x, uint32_t modules);
// Node x is the next feature, which a module returns: what was appended since the one before it is
// computed for it.
void assay_graph_feature(struct assay_graph *g, enum assay_feature_of of, uint32_t x);

static inline uint32_t assay_graph_kernel_w(const struct assay_node *n)
{
    return n->kernel_w ? n->kernel_w : n->kernel;
}
// The channel of its input that channel c of a slice or shuffle is.
static inline uint32_t assay_graph_channel(const struct assay_node *n, uint32_t c)
{
    return n->op == ASSAY_OP_SHUFFLE ? c % n->groups * (n->c / n->groups) + c / n->groups
                                     : n->first + c;
}
// The shape (c,h,w) of a node's output; (1,1,1) once an append has failed.
struct assay_shape {
    uint32_t c, h, w;
};
struct assay_shape assay_graph_shape(const struct assay_graph *g, uint32_t x);

// Ends the literal network: lays out parameter offsets (weights first, in order of appearance),
// validates, and tells live nodes from dead ones: a live one lies on a path from the input to the
// output that goes through no term of an add with coefficient 0. The last node appended is the
// output. A graph that ran out of memory is empty then.
int assay_graph_finish(struct assay_graph *g, struct assay_err *err);
// Checks order, arity, shapes, attributes and parameters; the error names the node.
int assay_graph_validate(const struct assay_graph *g, struct assay_err *err);

// Makes in `out` the graph that is executed: nodes that do not reach the output are dropped, equal
// nodes without parameters merged, one-input adds of coefficient 1 removed. The inputs of an add
// are sorted, zeros dropped, the coefficients of equal ones summed (mixes are left as they are);
// convolutions, pools and relus of zero are zero. BNs of zero are zero too with `at_init` (all BN
// betas are zero); otherwise they stay, on a zero node, because their output is beta. Input 0
// always remains. Parameter names are kept; offsets are laid out anew. source_param (out's n_param
// entries, at most g's; may be NULL) gives each parameter's index in g. Features are kept, as many
// as g has. out is reset first and must
// not be g.
int assay_graph_fold(const struct assay_graph *g, bool at_init, struct assay_graph *out,
                     uint32_t *source_param, struct assay_err *err);
// Makes in `out` what computes all of a literal network: equal nodes without parameters merged,
// sums as a fold has them, zeros of zeros. Every convolution, BN and ReLU stays, whether or not it
// reaches the output, and nodes stand for the modules of all that were merged. What reaches the
// output is computed as after a fold at_init of the same network, to the bit, where nothing else
// does.
int assay_graph_merge(const struct assay_graph *g, struct assay_graph *out, struct assay_err *err);
// True when the output does not depend on the input (after an at_init fold).
bool assay_graph_is_dead(const struct assay_graph *folded);

const char *assay_graph_param_name(const struct assay_graph *g, uint32_t param);
const char *assay_op_name(enum assay_op op);
struct assay_hash
assay_graph_hash(const struct assay_graph *g); // structure, attributes and coefficients, not names

struct assay_cost {
    uint64_t params;    // all trainable parameters
    uint64_t tensors;   // that they are in: a weight, a bias, gamma and beta are one each
    uint64_t flops;     // multiply-adds of convolutions and linear layers (bias included), one
                        // image, as NAS-Bench-201 counts
    uint64_t macs;      // the same without the bias
    uint64_t layers;    // convolutions and linear layers
    uint64_t relus;     // ReLU units of one image
    double log_weights; // sum over the layers of ln(number of weights)
    double work;        // relative time of a pass: flops, and what memory costs beside them
};
struct assay_cost assay_graph_cost(const struct assay_graph *g);
// Of live nodes alone; where there are none, of those outside of cells.
struct assay_cost assay_graph_live_cost(const struct assay_graph *g);
// One line per node.
void assay_graph_print(const struct assay_graph *g, FILE *stream);

#endif
