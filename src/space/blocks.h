// SPDX-License-Identifier: Apache-2.0
// The blocks that networks are made of. Each appends nodes to the graph g behind node x and returns
// the last of them. affine: BNs have gamma and beta.
#ifndef ASSAY_SRC_SPACE_BLOCKS_H
#define ASSAY_SRC_SPACE_BLOCKS_H

#include "assay/space.h"

// Whose keys a network's size is, for error texts.
const char *space_section(const struct assay_net *net);
// The image, or the thin network's patch.
uint32_t space_input(struct assay_graph *g, const struct assay_net *net);

// ReLU, convolution without bias (padded so that stride 1 keeps the size), BN: modules PREFIX.op.1
// and PREFIX.op.2.
uint32_t space_relu_conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                            uint32_t stride, bool affine, const char *prefix);
// The same under another name: modules SEQUENCE.1 and SEQUENCE.2.
uint32_t space_relu_conv_bn_of(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                               uint32_t stride, bool affine, const char *sequence);
// Of DARTS: ReLU, depthwise convolution (padded so that stride 1 keeps the size), 1x1 convolution,
// BN: modules PREFIX.op.1, op.2 and op.3.
uint32_t space_separable(struct assay_graph *g, uint32_t x, uint32_t kernel, uint32_t stride,
                         uint32_t dilation, bool affine, const char *prefix);
// Factorised reduction to c channels of half the size: ReLU, two 1x1 convolutions of stride 2, the
// second on the map shifted by one pixel, side by side, BN: modules PREFIX.convs.0, convs.1 and bn.
uint32_t space_reduce(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                      const char *prefix);
// A network's first 3x3 convolution, and BN: modules PREFIX.0 and PREFIX.1.
uint32_t space_conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                       const char *prefix);
// Stride-2 residual block of ResNet as NAS-Bench-201 has it: modules PREFIX.conv_a, conv_b,
// downsample.1.
uint32_t space_residual(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                        const char *prefix);
// Global average pool and linear classifier, module classifier; of 0 classes the pool alone.
uint32_t space_classify(struct assay_graph *g, uint32_t x, uint32_t classes);
// The same, a module of that name.
uint32_t space_classify_by(struct assay_graph *g, uint32_t x, uint32_t classes, const char *name);
// As space_classify with BN and ReLU before the pool: modules lastact.0 and classifier.
uint32_t space_head(struct assay_graph *g, uint32_t x, uint32_t classes, bool affine);

// The weighted terms of a node of a supernet, at most all operations of all edges into it.
#define SPACE_TERMS 40
struct space_sum {
    uint32_t n, x[SPACE_TERMS];
    double weight[SPACE_TERMS];
};
void space_sum_add(struct space_sum *sum, uint32_t x, double weight);
// Appends the sum; without terms it is a tensor of zeros (c,size,size).
uint32_t space_sum_end(struct assay_graph *g, const struct space_sum *sum, uint32_t c,
                       uint32_t size);

// Appends the next mix of a one-shot network.
uint32_t space_mix(struct assay_graph *g, const struct assay_oneshot *shot, uint32_t n,
                   const uint32_t *x);

#endif
