// SPDX-License-Identifier: Apache-2.0
// The input batches of every repeat: drawn once, the same for every candidate.
#ifndef ASSAY_SRC_EVALUATE_INPUTS_H
#define ASSAY_SRC_EVALUATE_INPUTS_H

#include "assay/evaluate.h"

struct inputs {
    const struct assay_demand *demand; // borrowed
    struct assay_given *given;         // (repeats, demand->n_input)
    struct assay_arena arena;          // holds all of it
};

// Draws what the demand's metrics want. An error, before anything is allocated, when the batches
// take more than run.memory; beside: bytes that are taken meanwhile.
int inputs_draw(struct inputs *in, const struct assay_config *config,
                const struct assay_demand *demand, const struct assay_data *data, uint64_t beside,
                struct assay_err *err);
// Draws other batches of the same sizes.
int inputs_redraw(struct inputs *in, const struct assay_protocol *p, const struct assay_draw *draw,
                  const struct assay_data *data, struct assay_err *err);
static inline const struct assay_given *inputs_of(const struct inputs *in, uint64_t repeat)
{
    return in->given + repeat * in->demand->n_input;
}
void inputs_finish(struct inputs *in);
// Draws labels, uniform over the classes; keyed by (seed, number) alone.
void inputs_random_labels(const struct assay_protocol *p, uint64_t seed, uint64_t number,
                          uint32_t n, uint32_t *label);

// The perturbed batch: x (n) and ASSAY_PERTURBATION times noise (n).
void inputs_perturb(uint64_t n, const double *x, const double *noise, double *out);

#endif
