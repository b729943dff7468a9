// SPDX-License-Identifier: Apache-2.0
// The numbers of NASI's search (arXiv 2109.00817, section 4 and appendix A): one step's estimate of
// the trace norm with its derivative, and the architecture that many steps decide on. Nothing here
// knows of tasks or files.
#ifndef ASSAY_SRC_SEARCH_NASI_MATH_H
#define ASSAY_SRC_SEARCH_NASI_MATH_H

#include "assay/exec.h"
#include "assay/space.h"

// One entry for every option of every choice, unused ones 0.
struct nasi_alpha {
    double of[ASSAY_ONESHOT_CHOICES][ASSAY_ONESHOT_OPTIONS];
};

// Straight-through Gumbel-softmax at temperature 1: what is taken, and the probabilities through
// which derivatives pass.
struct nasi_sample {
    uint8_t option[ASSAY_ONESHOT_CHOICES]; // as kind->index takes them
    struct nasi_alpha soft;
};

// Takes the option with the largest score in every choice, the first of equal ones. Two choices
// that must differ take the pair of different options with the largest sum, and blended ones as
// many options as an architecture has.
void nasi_choose(const struct assay_oneshot_kind *kind, const struct nasi_alpha *score,
                 uint8_t *option);
// Whether such a decision, or sample, takes this option of a choice.
bool nasi_takes(const struct assay_oneshot_kind *kind, const uint8_t *option, uint32_t choice,
                uint32_t i);
// How many options an architecture has of a choice that is blended; 0: it is not.
uint32_t nasi_blends(const struct assay_oneshot_kind *kind, uint32_t choice);
// Draws the sample of a step around alpha = 0, with or without `none`, for one cell where cells
// have samples of their own. The noise is drawn by (seed, step, cell, choice).
void nasi_draw(const struct assay_oneshot_kind *kind, bool none, uint64_t seed, uint64_t step,
               uint32_t cell, struct nasi_sample *out);
// The coefficients of a mix that makes this choice.
void nasi_weigh(const struct assay_oneshot_kind *kind, const struct nasi_sample *sample,
                uint32_t choice, double weight[ASSAY_ONESHOT_OPTIONS]);
// dalpha += J^T dw, J the softmax's Jacobian where its value is `soft`.
void nasi_pull_softmax(uint32_t options, const double *soft, const double *dw, double *dalpha);

// ---- one step -----------------------------------------------------------------------------------
struct nasi_batch {
    uint32_t n;
    const double *images;  // (n,c,h,w)
    const uint32_t *label; // (n)
};

// How many doubles of scratch nasi_trace wants for a folded graph and n images.
size_t nasi_scratch(const struct assay_graph *g, uint32_t n);
// Computes T of a one-shot network g that is bound for a backward pass of n images: *trace =
// ||grad||^2, grad being the mean gradient of the cross-entropy with respect to all parameters.
// Also computes its derivatives with respect to the coefficients of mixes, dw (g->n_in), laid out
// as g->coef. They are 2 d/de dL/dw(theta + e grad) at e = 0, a central difference between two
// gradients on the network's linear piece at theta, so that it has the limit of automatic
// differentiation. No layer moves by more than NASI_STEP of its norm. The largest error over the
// largest derivative, against differences of the loss in float64, is 1e-4 in the mean of random
// networks of 2 channels, at most 1e-3 (tests/search/test_nasi.c); it falls with the step's square
// until float32's rounding takes over, near 1e-4.
#define NASI_STEP 2e-4
// With dw NULL it computes the trace alone, and g need have no mixes.
void nasi_trace(struct assay_exec *exec, const struct assay_graph *g, const double *theta,
                const struct nasi_batch *batch, double *scratch, double *trace, double *dw);
// The same with a relative step other than NASI_STEP.
void nasi_trace_step(struct assay_exec *exec, const struct assay_graph *g, const double *theta,
                     const struct nasi_batch *batch, double step, double *scratch, double *trace,
                     double *dw);
// Makes dT/dalpha of the choices, from the derivatives of the coefficients. sample: one, or one per
// cell.
void nasi_pull_choices(const struct assay_space *space, const struct assay_net *net,
                       const struct assay_graph *g, const struct nasi_sample *sample, bool per_cell,
                       const double *dw, struct nasi_alpha *dalpha);

// ---- all steps ----------------------------------------------------------------------------------
// R = T - mu max(0, T - nu). With `adaptive`, nu of step t (from 1) is (nu + sum of T before) / t.
struct nasi_penalty {
    double mu, nu;
    bool adaptive;
    bool own_norm; // each step is divided by its own norm, not by the largest so far
};
// The quantile of n values, which it sorts: between two of them it is linear.
double nasi_quantile(double *value, size_t n, double quantile);
// What nasi_add keeps; it is called once for every step, in their order.
struct nasi_sum {
    struct nasi_alpha delta; // sum of G_t / max(|G_1|, ..., |G_t|); its scale decides nothing
    double largest, traces;
    double nu, norm; // of the last step: its bound and |G|
    uint64_t steps;
    uint64_t over; // steps whose T is above nu
};
// The Euclidean norm.
double nasi_norm(const struct nasi_alpha *a);
void nasi_add(const struct assay_oneshot_kind *kind, const struct nasi_penalty *penalty,
              double trace, const struct nasi_alpha *dalpha, struct nasi_sum *sum);
// The architecture decided on, with or without `none`, with xi = 1 and alpha = 0 before.
uint64_t nasi_decide(const struct assay_space *space, bool none, const struct nasi_sum *sum,
                     uint8_t *option);

#endif
