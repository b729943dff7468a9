// SPDX-License-Identifier: Apache-2.0
// What the proxies of one mini-batch share, private to metric. The loss is the mean cross-entropy
// of the mini-batch, BN in training mode; W is the weights of all convolutions and linear layers,
// without biases and BN.
#ifndef ASSAY_SRC_METRIC_PROXIES_H
#define ASSAY_SRC_METRIC_PROXIES_H

#include "subject.h"

#include <math.h>

// What NASLib, and with it NAS-Bench-Suite-Zero, writes for NaN and infinities.
#define NASLIB_FAILURE (-1e8)

// [proxies]
struct proxies_options {
    uint64_t batch;
    int labels, init, input; // enum assay_labels, enum assay_init; 0: images, 1: noise
};
extern const struct assay_options proxies_options;

// Rows of a table of the same struct, of a metric with a section and a mini-batch of its own: noise
// under Kaiming's weights unless told otherwise, as AZ-NAS and VKDNW have it.
#define NOISE_ROWS(section, of)                                                                    \
    {section,                                                                                      \
     "batch",                                                                                      \
     "images of " of,                                                                              \
     ASSAY_OPT_U64,                                                                                \
     offsetof(struct proxies_options, batch),                                                      \
     .min = 1,                                                                                     \
     .max = 65536,                                                                                 \
     .def = "64",                                                                                  \
     .with = "batch"},                                                                             \
        {section,                                                                                  \
         "init",                                                                                   \
         "initialisation of the network of " of,                                                   \
         ASSAY_OPT_ENUM,                                                                           \
         offsetof(struct proxies_options, init),                                                   \
         .choices = ASSAY_INIT_NAMES,                                                              \
         .def = "kaiming-fan-in",                                                                  \
         .with = "init"},                                                                          \
    {                                                                                              \
        section, "input",                                                                          \
            "what the network of " of " reads: images of the data, or noise, all N(0,1)",          \
            ASSAY_OPT_ENUM, offsetof(struct proxies_options, input),                               \
            .choices = "images|noise", .def = "noise", .with = "input"                             \
    }

// The images, forward alone; with the loss pulled back. The passes of a mini-batch are of the
// literal network, whatever reads them: metrics that count what does not reach the output, and
// those to which it adds exactly 0, share one, and no number depends on which of them are asked
// for. The network that represents a class has next to nothing that does not reach its output.
struct assay_pass proxies_pass(const struct proxies_options *o);
struct assay_pass loss_pass(const struct proxies_options *o);
// The same with gradients in float64, which no metric reads that counts what does not reach the
// output: of the folded network.
struct assay_pass precise_loss_pass(const struct proxies_options *o);
// As a metric's `passes`, of one that has [proxies] as its first options: that of the loss.
uint32_t loss_passes(const struct assay_use *use, const struct assay_protocol *p,
                     struct assay_pass pass[ASSAY_METRIC_PASSES]);
// Likewise the images, forward alone.
uint32_t proxies_passes(const struct assay_use *use, const struct assay_protocol *p,
                        struct assay_pass pass[ASSAY_METRIC_PASSES]);
// The same of the first image alone.
uint32_t first_image_passes(const struct assay_use *use, const struct assay_protocol *p,
                            struct assay_pass pass[ASSAY_METRIC_PASSES]);
// How many units of ReLU, convolution and BN begin with a ReLU. Releases that look for modules
// whose type is called "ReLU..." find such a unit, `ReLUConvBN`, beside its ReLU. A ReLU that ends
// a unit, as in NAS-Bench-101's `ConvBnRelu`, begins none.
uint32_t relu_units(const struct assay_graph *g, uint32_t relu);
// Whether no convolution reads a ReLU. In the released networks it works in place then, and who
// asks for its input is shown its output.
bool relu_in_place(const struct assay_graph *g, uint32_t relu);
// Gives the node that stands for a ReLU's input, which is the ReLU itself where it works in place;
// and the ReLU that a node stands for, or g->n_node.
uint32_t relu_shown(const struct assay_graph *g, uint32_t relu);
uint32_t relu_shown_by(const struct assay_graph *g, uint32_t node);
// Takes the mean off n numbers and scales them to length 1, so that products are Pearson
// correlations. Constant numbers have none: they become 0, and false is returned.
bool standardise(size_t n, double *v);
// The verdict on a sum over a gradient of the loss: degenerate where it is not finite, or where
// there is one class, whose loss is 0.
int loss_verdict(const char *name, double value, uint32_t classes, char *reason);

// ---- gradients at the input ---------------------------------------------------------------------
// A metric whose first pass is this one, and whose taps and state are these, gets the gradients of
// the sum of the logits at the images (images, numbers of an image).
struct assay_pass input_gradients_pass(const struct proxies_options *o);
void input_gradients_tap(const struct assay_graph *g, uint8_t *tapped);
size_t input_gradients_state(const struct assay_subject *s, const struct assay_use *use);
void input_gradients(const struct assay_look *look, const struct assay_block *b, const double *dx,
                     const double *kept);
// Makes the pass, and r (images, images), Pearson's correlations of the gradients. They are NaN,
// and *varies is false, where a gradient is constant. The state is used up.
int input_correlations(struct assay_subject *s, const struct assay_use *use, double *r,
                       bool *varies, struct assay_err *err);

#endif
