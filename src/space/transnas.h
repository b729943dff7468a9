// SPDX-License-Identifier: Apache-2.0
// Networks of TransNAS-Bench-101 (Duan et al., CVPR 2021): a stem of two convolutions of stride 2,
// layers of cells, average and classifier. The first cell of a layer may double the channels and
// halve the map. Parameters have the names of the benchmark's MacroNet.
#ifndef ASSAY_SRC_SPACE_TRANSNAS_H
#define ASSAY_SRC_SPACE_TRANSNAS_H

#include "assay/space.h"

#define TRANSNAS_LAYERS 6 // at most

// What both spaces say of the networks' sizes.
#define TRANSNAS_NETWORKS                                                                          \
    .search = {.channels = 8, .cells = 1, .classes = 10, .image = 32, .stem = 1},                  \
    .full = {.channels = 64, .cells = 2, .classes = 75, .image = 256, .stem = 1}

struct transnas {
    const uint8_t *layer; // (n) 1: nothing, 2: doubles channels, 3: halves the map, 4: both
    uint32_t n;
    // Appends a cell with c channels at its output, as modules PREFIX. Only its first edges and
    // blocks have the stride.
    uint32_t (*cell)(const uint8_t *op, struct assay_graph *g, uint32_t x, uint32_t c,
                     uint32_t stride, const char *prefix);
    const uint8_t *op; // of all cells; NULL: they have none to choose
};

// A thin network is one cell.
int transnas_build(const struct transnas *t, const struct assay_net *net, struct assay_graph *g,
                   struct assay_err *err);

#endif
