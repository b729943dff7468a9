// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_EVALUATE_WEIGHTS_H
#define ASSAY_SRC_EVALUATE_WEIGHTS_H

#include "assay/evaluate.h"

// "(6,3,3,3)"
void weights_shape_text(uint32_t ndim, const uint64_t *shape, char *text, size_t cap);
// Checks the array of every parameter of the literal network, and that there are no others, then
// fills theta (graph->n_theta) of the graph that is executed. source: (graph->n_param) the literal
// parameters of its own. A prefix that all names have is taken off.
int weights_load(struct assay_arrays *arrays, const char *where, const struct assay_graph *literal,
                 const struct assay_graph *graph, const uint32_t *source, double *theta,
                 struct assay_err *err);

#endif
