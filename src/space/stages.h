// SPDX-License-Identifier: Apache-2.0
// Networks of stages: a stem, stages of cells, a head, as NAS-Bench-201 and its relatives have
// them.
#ifndef ASSAY_SRC_SPACE_STAGES_H
#define ASSAY_SRC_SPACE_STAGES_H

#include "assay/space.h"

struct space_stage {
    uint32_t reduced; // channels of a residual block of stride 2 before the cells; 0: there is none
    uint32_t c;       // channels of the cells' outputs
    uint32_t cells;
    uint32_t stride; // of the first cell; 0 counts as 1
};

struct space_stages {
    uint32_t stem_c; // channels of the stem
    // Appends the stem. NULL: it is one 3x3 convolution and BN, modules stem.0 and stem.1.
    uint32_t (*stem)(struct assay_graph *g, uint32_t x, uint32_t c, bool affine);
    const struct space_stage *stage; // (n)
    uint32_t n;
    // Appends a cell of stride `stride` with c channels at its output. Cells and the residual
    // blocks between them are numbered together, from 0, as modules cells.NUMBER.
    uint32_t (*cell)(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                     uint32_t stride, uint32_t number);
    const void *self; // of the cells
    // Appends what stands between the cells and the average of a plain network. NULL: nothing does.
    uint32_t (*widen)(struct assay_graph *g, uint32_t x, uint32_t stem_c);
    bool plain;             // no BN and ReLU between the last cell and the average
    const char *classifier; // module of a plain network's; NULL: "classifier"
    bool affine;            // BNs have gamma and beta
    uint32_t patch; // the thin network has all stages, on a patch of that size; 0: a single cell
};

// Appends the network of that size to an empty graph and finishes it. The thin one is a single cell
// of one channel in place of stem and stages, unless s->patch says otherwise.
int space_stages_build(const struct space_stages *s, const struct assay_net *net,
                       struct assay_graph *g, struct assay_err *err);

#endif
