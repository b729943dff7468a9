// SPDX-License-Identifier: Apache-2.0
// What the files of room graph share.
#ifndef ASSAY_SRC_GRAPH_INSIDE_H
#define ASSAY_SRC_GRAPH_INSIDE_H

#include "assay/graph.h"

// Larger channel counts, heights and widths are refused, so that products fit 64 bits.
#define ASSAY_GRAPH_DIM_MAX (1u << 20)

// Grows an array to at least `need` elements of `size` bytes. On failure the old array is returned
// and g->failed set; *cap tells what is there.
void *graph_grow(struct assay_graph *g, void *array, uint32_t *cap, uint64_t need, size_t size);
// Makes room for that many more nodes, inputs, parameters and bytes of text; false if out of
// memory.
bool graph_reserve(struct assay_graph *g, uint64_t node, uint64_t in, uint64_t param,
                   uint64_t text);
// Makes room for n features in all.
bool graph_reserve_features(struct assay_graph *g, uint64_t n);

// Sets n->c, h, w from the attributes and the inputs g->in[n->in...], by PyTorch's rules; an error
// says which rule is broken or which dimension is out of range.
int graph_infer(const struct assay_graph *g, struct assay_node *n, struct assay_err *err);
// How many parameters such a node has.
uint32_t graph_param_count(const struct assay_node *n);
// Sets role, ndim, shape and size of the k-th parameter of a node with valid inputs.
void graph_param_shape(const struct assay_graph *g, const struct assay_node *n, uint32_t k,
                       struct assay_param *p);
// A weight, or else a bias or BN beta.
bool graph_is_weight(const struct assay_param *p);
// Sets the parameters' offsets: weights come first, then biases and BN betas, each in order of
// appearance.
void graph_layout(struct assay_graph *g);

#endif
