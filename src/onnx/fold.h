// SPDX-License-Identifier: Apache-2.0
// Constants at work. What folds a node returns 1, 0 where it cannot, or a status.
#ifndef ASSAY_SRC_ONNX_FOLD_H
#define ASSAY_SRC_ONNX_FOLD_H

#include "import.h"

// A constant at work. Numbers beyond `n` are those before, where n is 1 and the shape asks for
// more.
struct folded {
    double at[FOLDED_MAX];
    uint64_t n;
    bool real;
    uint32_t ndim;
    int64_t dim[ASSAY_ONNX_DIMS];
};

// Numbers that its shape asks for.
uint64_t onnx_folded_size(const struct folded *c);
// Reads input k of the node at work, which is a constant of at most FOLDED_MAX numbers.
void onnx_fold_load(const struct import *im, uint32_t k, struct folded *c);
// Makes it the node's output.
int onnx_fold_store(struct import *im, const struct folded *c);

int onnx_fold_cast(struct import *im);
int onnx_fold_arithmetic(struct import *im);
int onnx_fold_neg(struct import *im);
// Ceil and Floor.
int onnx_fold_rounded(struct import *im);
// Max, Min and Clip with a number for each bound.
int onnx_fold_clip(struct import *im);

#endif
