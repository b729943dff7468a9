// SPDX-License-Identifier: Apache-2.0
// What the files of room space share: the members of the registry and the blocks networks are made
// of.
#ifndef ASSAY_SPACE_INSIDE_H
#define ASSAY_SPACE_INSIDE_H

#include "assay/space.h"

extern const struct assay_space_kind assay_space_nb201, assay_space_null;

// Refuses sizes no network can have; image_multiple: what the image size must be divisible by.
int assay_space_check_net(const struct assay_net *net, uint32_t image_multiple,
                          struct assay_err *err);

// ReLU, convolution without bias (padded so that stride 1 keeps the size), BN: modules PREFIX.op.1
// and PREFIX.op.2.
uint32_t assay_space_relu_conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                                  uint32_t stride, const char *prefix);
// Stride-2 residual block of ResNet as NAS-Bench-201 has it: modules PREFIX.conv_a, conv_b,
// downsample.1.
uint32_t assay_space_residual(struct assay_graph *g, uint32_t x, uint32_t c, const char *prefix);
// BN, ReLU, global average pool, linear classifier: modules lastact.0 and classifier.
uint32_t assay_space_head(struct assay_graph *g, uint32_t x, uint32_t classes);

#endif
