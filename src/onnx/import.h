// SPDX-License-Identifier: Apache-2.0
// A graph of ONNX on its way into a graph of this program. Nodes are taken in their order, each
// value becomes known by its name once.
#ifndef ASSAY_SRC_ONNX_IMPORT_H
#define ASSAY_SRC_ONNX_IMPORT_H

#include "assay/onnx.h"

#define FOLDED_MAX 64 // values of a constant that is computed with

enum value_kind {
    VALUE_ABSENT,   // nothing has defined it yet
    VALUE_MAP,      // depends on the image
    VALUE_CONSTANT, // numbers that the file fixes, computed or not
    VALUE_LARGE,    // the same, of more numbers than are computed with
    VALUE_PARAM,    // a trainable parameter
    VALUE_PRODUCT,  // a map times a weight, which waits for its bias
    VALUE_GROUPED,  // a map whose channels are (groups, channels of each)
    VALUE_SEQUENCE  // parts of a map's channels
};

struct value {
    struct assay_onnx_text name;
    uint8_t kind;     // enum value_kind
    bool needed;      // the output is computed from it
    bool weight;      // some node takes it as its weight
    bool last;        // it is the output
    uint32_t readers; // inputs of nodes that it is
    uint32_t ndim;
    int64_t dim[ASSAY_ONNX_DIMS]; // as in ONNX, the batch first
    // Of a map.
    uint32_t node;    // in the graph; of a product: the map
    uint32_t drop[2]; // rows and columns in front that a slice has left out
    // Of a constant: numbers from `first`, one that stands for all if `same`.
    bool real, same;
    uint32_t first;
    // Of a parameter.
    uint32_t tensor; // m->initializer, UINT32_MAX: the file has no values
    uint32_t owner;  // the value that is the parameter itself: another may be its transpose
    bool transposed, used;
    uint32_t param; // of a product: the value that is its weight; of a sequence: the sizes
    bool turned;    // of a grouped map: (channels of each, groups)
};

struct import {
    const struct assay_onnx *m;
    struct assay_graph *g;
    struct assay_onnx_net *net;
    struct assay_err *err;
    const struct assay_onnx_node *at; // the node that is being read
    int64_t batch;
    struct value *value;
    uint32_t n_value;
    uint32_t *in;           // (m->n_name) value of each input and output, UINT32_MAX: absent
    uint32_t *slot, n_slot; // values by the hash of their names
    double *number;         // of constants
    uint32_t n_number, cap_number;
};

// Sets an error that names the node, and returns its code.
int onnx_refuse(const struct import *im, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Adds a line to the warnings, once.
void onnx_warn(const struct import *im, const char *text);

// ---- values -------------------------------------------------------------------------------------
// Where the value of a name is, or would be: UINT32_MAX there.
uint32_t *onnx_slot(const struct import *im, struct assay_onnx_text name);
// The value of input k of the node, or NULL where it has none.
struct value *onnx_in(const struct import *im, uint32_t k);
// Its first output, with this kind and shape.
struct value *onnx_define(const struct import *im, enum value_kind kind, uint32_t ndim,
                          const int64_t *dim);
// Its first output as another name of a value.
void onnx_alias(const struct import *im, const struct value *v);
uint64_t onnx_size(const struct value *v);
// Number i of a constant.
double onnx_number(const struct import *im, const struct value *v, uint64_t i);
bool onnx_all(const struct import *im, const struct value *v, double number);
// A float as whoever wrote it meant it: the shortest decimal that reads as the same, or a root or
// fraction that activations have.
double onnx_decimal(double number);
// A number as a dimension or index; far out of range where it is none.
int64_t onnx_whole(double number);
// Makes v, whose shape is set, a constant of n numbers.
int onnx_keep(struct import *im, struct value *v, const double *number, uint64_t n);
// The same of a tensor's shape and values.
int onnx_load(struct import *im, struct value *v, const struct assay_onnx_tensor *t);

// An error if BN was folded into convolutions, as far as the file tells.
int onnx_check_fused(const struct import *im);

// ---- attributes ---------------------------------------------------------------------------------
// An error if an attribute that is read has another type than it has in ONNX, or is there twice: it
// would be taken for one that is absent.
int onnx_check_attributes(const struct import *im);
int64_t onnx_integer(const struct import *im, const char *name, int64_t absent);
double onnx_real(const struct import *im, const char *name, double absent);
// An attribute of n integers, all of them `absent` without it; an error for another number of them.
int onnx_integers(const struct import *im, const char *name, uint32_t n, int64_t absent,
                  int64_t *out);
// Integers that are input k, or in other operator sets an attribute: at most `most`, *n of them;
// *n = 0: neither is there.
int onnx_list(const struct import *im, uint32_t k, const char *name, uint32_t most, int64_t *out,
              uint32_t *n);

// ---- parameters ---------------------------------------------------------------------------------
// Input k, which must be a parameter of n dimensions that no other node has. what: its part in the
// node.
int onnx_param(struct import *im, uint32_t k, uint32_t n, const char *what, struct value **out);
// An error unless it has n values.
int onnx_expect(const struct import *im, const struct value *v, const char *what, int64_t n);
// The next parameter of the graph is this one.
int onnx_own(struct import *im, const struct value *v);

// ---- operations ---------------------------------------------------------------------------------
// Computes a node whose inputs are all constants (or, of Shape, have a shape): 1; 0: it is none.
int onnx_fold(struct import *im);
// Whether it could be: its operator is one of those that are computed.
bool onnx_can_fold(const struct import *im);
// What an operation does to maps.
struct onnx_rule {
    const char *op;
    int (*take)(struct import *im);
};
extern const struct onnx_rule onnx_acts[], onnx_layers[], onnx_parts[], onnx_sums[],
    onnx_views[]; // end with a NULL op

// The node of a map in the graph.
int onnx_map(const struct import *im, const struct value *v, uint32_t *node);
// Input k, which must be a map; of that many dimensions, 0: any.
int onnx_map_in(const struct import *im, uint32_t k, uint32_t ndim, const struct value **v,
                uint32_t *node);
// Defines the first output as the graph's node: (n,c,h,w), or (n,c) as flat.
int onnx_put(struct import *im, uint32_t node, bool flat);
// Likewise output k.
int onnx_put_at(struct import *im, uint32_t k, uint32_t node, bool flat);
// A map with rows and columns of `fill` at its top, left, bottom, right.
uint32_t onnx_pad(const struct import *im, uint32_t node, const int64_t pad[4], double fill);
// Likewise as an activation of input k, and as the product of both inputs.
int onnx_put_act(struct import *im, uint32_t k, enum assay_act act, double a, double b);
int onnx_put_product(struct import *im);

#endif
