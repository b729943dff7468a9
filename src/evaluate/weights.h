// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_EVALUATE_WEIGHTS_H
#define ASSAY_SRC_EVALUATE_WEIGHTS_H

#include "assay/evaluate.h"

// Writes a shape as "(6,3,3,3)".
void weights_shape_text(uint32_t ndim, const uint64_t *shape, char *text, size_t cap);
// Checks the array of every parameter of the literal network, and that there are no others. A
// prefix that all names have is taken off. where: for errors.
int weights_check(struct assay_arrays *arrays, const char *where, const struct assay_graph *literal,
                  struct assay_err *err);
// Fills theta (g->n_theta) of that network, or of what was folded of it.
void weights_fill(const struct assay_arrays *arrays, const struct assay_graph *g, double *theta);

// Read the images of the case, (n,c,h,w) and finite, into f->batch, and then its labels into
// f->label.
int given_read_batch(struct assay_foreign *f, const struct assay_foreign_case *c,
                     struct assay_err *err);
int given_read_labels(struct assay_foreign *f, const struct assay_foreign_case *c,
                      struct assay_err *err);

// The numbers of the demand's inputs, once both were read.
int given_inputs(struct assay_foreign *f, struct assay_err *err);

#endif
