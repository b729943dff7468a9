// SPDX-License-Identifier: Apache-2.0
// onnx: networks that other programs wrote as ONNX files.
//
// A file is foreign: it is read without recursion, memory is taken for what it contains, never for
// what it claims, and no other file that it names is opened. Fields and numbers are those of
// onnx.proto (Apache-2.0), whose numbering is frozen.
#ifndef ASSAY_ONNX_H
#define ASSAY_ONNX_H

#include "assay/graph.h"

#define ASSAY_ONNX_DIMS     8
#define ASSAY_ONNX_OPSET_LO 7
#define ASSAY_ONNX_OPSET_HI 25

// A part of the file: no zero bytes inside, none at the end.
struct assay_onnx_text {
    const char *at;
    uint32_t n;
};
#define ASSAY_ONNX_TEXT(t) (int)(t).n, (t).at ? (t).at : "" // what "%.*s" prints
bool assay_onnx_is(struct assay_onnx_text text, const char *word);

struct assay_onnx_range {
    uint32_t first, n;
};

enum assay_onnx_type {
    ASSAY_ONNX_FLOAT = 1,
    ASSAY_ONNX_INT32 = 6,
    ASSAY_ONNX_INT64 = 7,
    ASSAY_ONNX_BOOL = 9,
    ASSAY_ONNX_DOUBLE = 11
};

// Has as many values as its shape says, unless they are outside of the file.
struct assay_onnx_tensor {
    struct assay_onnx_text name;
    enum assay_onnx_type type;
    bool external; // its values are in another file, which is not opened
    uint32_t ndim;
    uint64_t dim[ASSAY_ONNX_DIMS], size;
    const uint8_t *raw; // the values, little endian; NULL: in fields of the message
    const uint8_t *message, *message_end;
};

enum assay_onnx_kind {
    ASSAY_ONNX_NONE, // of another kind, which is not kept
    ASSAY_ONNX_F,
    ASSAY_ONNX_I,
    ASSAY_ONNX_S,
    ASSAY_ONNX_T,
    ASSAY_ONNX_FLOATS,
    ASSAY_ONNX_INTS
};
struct assay_onnx_attr {
    struct assay_onnx_text name, s;
    enum assay_onnx_kind kind;
    float f;
    int64_t i;
    uint32_t tensor;                // m->tensor
    struct assay_onnx_range floats; // m->real
    struct assay_onnx_range ints;   // m->integer
};

struct assay_onnx_node {
    struct assay_onnx_text op, name;
    bool fused_bn;                   // the exporter says that it folded a BN into this node
    struct assay_onnx_range in, out; // m->name; an empty name is an absent input
    struct assay_onnx_range attr;    // m->attr
};

// An input or output of the graph. dim: 0 where it is symbolic or not told.
struct assay_onnx_value {
    struct assay_onnx_text name;
    uint32_t type, ndim; // ndim 0: no shape is told
    uint64_t dim[ASSAY_ONNX_DIMS];
};

#define ASSAY_ONNX_LISTS(X)                                                                        \
    X(node, struct assay_onnx_node)                                                                \
    X(name, struct assay_onnx_text)                                                                \
    X(attr, struct assay_onnx_attr)                                                                \
    X(tensor, struct assay_onnx_tensor)                                                            \
    X(initializer, struct assay_onnx_tensor)                                                       \
    X(input, struct assay_onnx_value)                                                              \
    X(output, struct assay_onnx_value)                                                             \
    X(real, float)                                                                                 \
    X(integer, int64_t)

// The graph as it stands in the file, in its order. Owns its lists and the file's bytes.
struct assay_onnx {
#define ASSAY_ONNX_FIELD(list, type)                                                               \
    type *list;                                                                                    \
    uint32_t n_##list, cap_##list;
    ASSAY_ONNX_LISTS(ASSAY_ONNX_FIELD)
#undef ASSAY_ONNX_FIELD
    struct assay_onnx_text signature; // what PyTorch's exporter says that inputs are, or empty
    uint64_t opset;                   // of the operations of ONNX itself
    uint8_t *bytes;
    size_t n_bytes;
};

// Reads a regular file of less than 2 GiB into a zeroed struct. Errors (ERR_INPUT) name the file
// and what in it: not protobuf, cut off, a tensor whose values do not fit its shape, a type, an
// operator set, a nested graph, a function or a domain that is not read. The struct is empty then.
int assay_onnx_read(struct assay_onnx *m, const char *file, struct assay_err *err);
// The same of bytes, which it takes (malloc'd), also on error. who: for errors.
int assay_onnx_parse(struct assay_onnx *m, const char *who, uint8_t *bytes, size_t n,
                     struct assay_err *err);
void assay_onnx_free(struct assay_onnx *m);
// The same model without the values of its weights, as an exporter writes it that is told to leave
// them out: an initialiser of floating point that has more than 64 values becomes an input. What
// names sources and stands in metadata is left out, too. *bytes: malloc'd.
int assay_onnx_strip(const struct assay_onnx *m, uint8_t **bytes, size_t *n, struct assay_err *err);

// Copies the first n values (at most t->size) of a tensor that is not external, as integers or as
// floating point; floating point is cut to integers, what is out of range to the nearest.
void assay_onnx_values(const struct assay_onnx_tensor *t, uint64_t n, int64_t *integer,
                       double *real);
// The attribute of a node, or NULL.
const struct assay_onnx_attr *assay_onnx_attr(const struct assay_onnx *m,
                                              const struct assay_onnx_node *n, const char *name);

// ---- the network --------------------------------------------------------------------------------
struct assay_onnx_origin {
    uint32_t tensor; // m->initializer, UINT32_MAX: the file has no values
    bool transposed; // it is stored (c_in, c)
};
// Zeroed before, freed by assay_onnx_net_free.
struct assay_onnx_net {
    struct assay_onnx_origin *origin; // (g->n_param) where each parameter's values are
    uint32_t n_origin, cap_origin;
    char warnings[1024]; // lines on what was taken in another way than the file has it, or empty
};
// Makes the literal network in g, which is reset first. Parameters have the names of the file, an
// initialiser that an Identity hands on is one of its own by each name. A BN is evaluated by its
// batch whatever its training_mode says, dropout is the identity. What cannot be expressed is
// refused (ERR_INPUT) by node and operator, with what to do: nothing is ever taken for something
// else. The batch that a file was made with may stand in its shapes; it is none of the network's.
int assay_onnx_import(const struct assay_onnx *m, struct assay_graph *g, struct assay_onnx_net *net,
                      struct assay_err *err);
// Copies the file's values of parameter i of the graph, in the shape that it has there. ERR_INPUT:
// the file has none.
int assay_onnx_param(const struct assay_onnx *m, const struct assay_graph *g,
                     const struct assay_onnx_net *net, uint32_t i, double *value,
                     struct assay_err *err);
void assay_onnx_net_free(struct assay_onnx_net *net);

#endif
