// SPDX-License-Identifier: Apache-2.0
// The space of DARTS (Liu, Simonyan and Yang, ICLR 2019): a normal and a reduction cell with two
// inputs and four nodes; node i (0 to 3) has edges from states 0 to i + 1, which are the two inputs
// and the nodes before it.
#ifndef ASSAY_SRC_SPACE_DARTS_H
#define ASSAY_SRC_SPACE_DARTS_H

#include "assay/space.h"

#define DARTS_CELLS 2
#define DARTS_NODES 4

// What the descriptors of its spaces say of the networks' sizes.
#define DARTS_NETWORKS                                                                             \
    .search = {.channels = 1, .cells = 2, .classes = 10, .image = 32, .stem = 1},                  \
    .full = {.channels = 36,                                                                       \
             .cells = 20,                                                                          \
             .classes = 10,                                                                        \
             .image = 32,                                                                          \
             .macro = ASSAY_MACRO_CIFAR,                                                           \
             .stem = 3},                                                                           \
    .image_multiple = 4,                                                                           \
    .macros = 1u << ASSAY_MACRO_TENAS | 1u << ASSAY_MACRO_CIFAR | 1u << ASSAY_MACRO_IMAGENET,      \
    .patch = 3

#define DARTS_EDGES 14
#define DARTS_OPS   8

enum {
    DARTS_NONE,
    DARTS_SKIP,
    DARTS_SEP_3X3,
    DARTS_SEP_5X5,
    DARTS_DIL_3X3,
    DARTS_DIL_5X5,
    DARTS_AVG_POOL,
    DARTS_MAX_POOL
};
enum { DARTS_NORMAL, DARTS_REDUCE };

extern const char *const darts_op_name[DARTS_OPS], *const darts_cell_name[DARTS_CELLS];

// Two edges enter each node of an architecture, in order of their states.
struct darts_genotype {
    uint8_t op[DARTS_CELLS][DARTS_NODES][2], state[DARTS_CELLS][DARTS_NODES][2];
    bool tolerant; // where it is read: it may have `none`, and two edges from one state
};

// Number of architectures: at node i, pairs of i + 2 states times 7 operations on either edge; the
// normal cell is the higher digit.
uint64_t darts_size(const struct assay_space *space);
void darts_decode(uint64_t index, struct darts_genotype *genotype);
uint64_t darts_encode(const struct darts_genotype *genotype);
// Convert discrete masks, as struct assay_supernet_kind asks.
uint64_t darts_index(const struct assay_space *space, const struct assay_supernet *mask);
void darts_mask(const struct assay_space *space, uint64_t index, struct assay_supernet *mask);

// Builds the network of an architecture, tolerant or not.
int darts_build(const struct darts_genotype *genotype, const struct assay_net *net,
                struct assay_graph *g, struct assay_err *err);
// Appends an operation as a module of that name.
uint32_t darts_operation(struct assay_graph *g, uint32_t op, uint32_t x, uint32_t stride,
                         bool affine, const char *name);
extern const struct assay_oneshot_kind darts_oneshot;

// "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], reduce=...)". Read also
// as a dictionary, with pairs in lists of two, any order of the members or none of their names, and
// in NASLib's and NAS-Bench-301's own notations.
int darts_format(const struct assay_space *space, uint64_t index, char *text, size_t cap);
int darts_parse(const struct assay_space *space, struct space_text *t, uint64_t *index);
int darts_format_genotype(const struct darts_genotype *genotype, char *text, size_t cap);
int darts_parse_genotype(struct space_text *t, struct darts_genotype *genotype);

#endif
