// SPDX-License-Identifier: Apache-2.0
// The input batches of every repeat: drawn once, the same for every candidate.
#ifndef ASSAY_SRC_EVALUATE_INPUTS_H
#define ASSAY_SRC_EVALUATE_INPUTS_H

#include "assay/evaluate.h"

struct repeat_inputs {
    double *images, *nasi_images; // (n,c,image,image)
    uint32_t *image_label;        // true; filled where they are asked for
    uint32_t *nasi_label;         // true or random per protocol
    double *patches;              // (n,1,3,3)
};

struct inputs {
    uint32_t n_image, n_nasi, n_patch; // 0 where no metric needs them
    bool labels;                       // of the images
    struct repeat_inputs *repeat;      // (repeats)
    struct assay_arena arena;          // holds all of it
};

// needs: enum assay_needs of all metrics. An error, before anything is allocated, when the batches
// take more than run.memory; beside: bytes that are taken meanwhile.
int inputs_draw(struct inputs *in, const struct assay_config *config, unsigned needs,
                const struct assay_data *data, uint64_t beside, struct assay_err *err);
// Draws other batches of the same sizes.
int inputs_redraw(struct inputs *in, const struct assay_protocol *p, const struct assay_draw *draw,
                  const struct assay_data *data, struct assay_err *err);
// Makes the labels (n) of NASI's mini-batch what the protocol says: draws uniform ones, or checks
// the true ones that are there.
int inputs_choose_labels(const struct assay_protocol *p, uint64_t seed, uint64_t number, uint32_t n,
                         uint32_t *label, struct assay_err *err);
void inputs_finish(struct inputs *in);

#endif
