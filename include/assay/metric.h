// SPDX-License-Identifier: Apache-2.0
// metric: metric plug-ins: declare the passes they want, look at them while they are hot, fill
// named columns.
//
// A metric is one file with one descriptor. It says by data what it needs (options of its own,
// passes of which network over which input, nodes it taps), so that equal passes are made once
// whoever asks for them, and what they take is known before any of it is allocated.
#ifndef ASSAY_METRIC_H
#define ASSAY_METRIC_H

#include "assay/exec.h"
#include "assay/graph.h"
#include "assay/pla.h"

enum assay_outputs { ASSAY_OUTPUTS_SUM, ASSAY_OUTPUTS_ALL };
enum assay_labels { ASSAY_LABELS_TRUE, ASSAY_LABELS_RANDOM, ASSAY_LABELS_NONE };

// What decides the numbers of all metrics; each has options of its own beside these.
struct assay_protocol {
    int name;                                 // index into assay_presets (evaluate)
    uint64_t channels, cells, classes, image; // [network]
    int macro;                                // enum assay_macro (space)
    uint64_t stem;                            // channels of the stem in units of C
    uint64_t patch;                           // height and width of thin networks' input
    uint64_t seed, repeats;                   // [run]
    bool redraw;                              // new weights every repeat (else only a new batch)
    int precision;                            // enum assay_precision (kern) of gradients
    char metrics[ASSAY_TEXT_MAX];             // [run] comma-separated names
};

// ---- passes -------------------------------------------------------------------------------------
// NET: the folded network of [network]. THIN: TE-NAS's, one channel, for patches. LITERAL: as NET,
// with all that does not reach the output.
enum assay_network { ASSAY_NET, ASSAY_NET_THIN, ASSAY_NET_LITERAL, ASSAY_NETWORKS };
// What is wanted of a pass. NONE: values alone. WEIGHTS: the pass is not made, its weights are
// read; it has no input. The others are pulled back through it. LOGITS: the sum of the logits, its
// mean over the images that are normalised together. LOSS: their mean cross-entropy. TARGET: the
// sum over the images of the logit of their label. ROWS: whatever rows of the Jacobian the metric
// asks for. KERNEL: all rows, for the kernel Theta = J J^T. EXTREMES: all rows, for the ends of its
// spectrum alone. BLOCKS: what the metric puts in the place of gradients (replace), nothing of the
// outputs. FIRSTS: rows of the Jacobian of the first number of every parameter, with frozen BN.
enum assay_pull {
    ASSAY_PULL_NONE,
    ASSAY_PULL_LOGITS,
    ASSAY_PULL_LOSS,
    ASSAY_PULL_TARGET,
    ASSAY_PULL_ROWS,
    ASSAY_PULL_KERNEL,
    ASSAY_PULL_BLOCKS,
    ASSAY_PULL_FIRSTS,
    ASSAY_PULL_WEIGHTS,
    ASSAY_PULL_EXTREMES
};
// IMAGES: of the data. PATCHES (1,3,3) of them. NOISE: every value N(0,1), in the shape of an
// image. PERTURBED: NOISE of the same stream, and 0.01 times as much of another draw (Zen). ONES:
// all 1.
enum assay_input_kind {
    ASSAY_INPUT_IMAGES,
    ASSAY_INPUT_PATCHES,
    ASSAY_INPUT_NOISE,
    ASSAY_INPUT_PERTURBED,
    ASSAY_INPUT_ONES
};
#define ASSAY_PERTURBATION 0.01

// How weights come about. DRAWN: by the pass's initialisation. ABSOLUTE: all parameters of these by
// their absolute values. CONSTANT: weights and BN gammas are pass->constant, biases and betas 0.
enum assay_weighting { ASSAY_WEIGHTS_DRAWN, ASSAY_WEIGHTS_ABSOLUTE, ASSAY_WEIGHTS_CONSTANT };

// What the BNs of a network do (enum assay_norm), all alike but for REDUCTIONS, which knows the
// blocks that a graph's features tell apart.
enum assay_norms {
    ASSAY_NORMS_BATCH,
    ASSAY_NORMS_RUNNING,
    ASSAY_NORMS_NONE,
    ASSAY_NORMS_REDUCTIONS // BATCH in reduction blocks, elsewhere NONE
};

// n samples. Inputs of equal kind, stream and n are the same numbers; key is the option that says
// n, for messages.
struct assay_input {
    enum assay_input_kind kind;
    const char *stream, *key;
    uint64_t n;
};

// A forward pass of one network, with weights of one initialisation, and what is pulled back. The
// input is cut into `parts` equal ones, of which it takes one, and that into batches that are
// normalised together. Two metrics that declare equal passes share them.
struct assay_pass {
    enum assay_network network;
    enum assay_init init;
    enum assay_weighting weighting;
    double constant; // of CONSTANT
    enum assay_norms norms;
    struct assay_input input;
    uint32_t part, parts; // parts = 0: all of it
    uint64_t take;        // so many of the first images of that; 0: all
    uint64_t batch;       // images normalised together, the last batch may be short; 0: all
    enum assay_pull pull;
    bool curvature;             // of what is pulled back, second derivatives, too
    bool precise;               // what is pulled back is float64 whatever run.precision says
    bool single;                // no rows of the Jacobian are, and no BN is FROZEN
    enum assay_bn bn;           // of what is pulled back
    enum assay_labels labels;   // that the metric reads, or that the loss is of
    const char *label_key;      // the option that says so, for messages; NULL: nothing else will do
    enum assay_outputs outputs; // of ROWS and KERNEL: a row an image, or a logit
};

// ---- a configured metric ------------------------------------------------------------------------
#define ASSAY_METRICS_MAX   64
#define ASSAY_METRIC_TABLES 3
#define ASSAY_METRIC_PASSES 4
#define ASSAY_METRIC_REASON 120 // bytes of a reason, terminator included
#define ASSAY_DEMAND_PASSES (ASSAY_METRICS_MAX * ASSAY_METRIC_PASSES)

struct assay_metric;
// A metric with the values of its options (borrowed), and which of a demand's passes are its own.
struct assay_use {
    const struct assay_metric *metric;
    const void *option[ASSAY_METRIC_TABLES]; // what the rows of metric->options[i] filled
    uint32_t n_pass, pass[ASSAY_METRIC_PASSES];
    uint32_t index; // among the demand's
};

// What some metrics want together: every weight vector, input, forward pass and pull-back once.
struct assay_weights {
    enum assay_network network;
    enum assay_init init;
    enum assay_weighting weighting;
    double constant;
};
struct assay_wanted_input {
    struct assay_input input;
    bool label[2];                  // by enum assay_labels: true ones, random ones
    bool judged;                    // its network's outputs stand for the data's classes
    const char *reader, *label_key; // of the first metric that reads true labels, or NULL
};
struct assay_forward {
    uint32_t weights, input, part, parts;
    uint64_t take, batch;
    enum assay_norms norms;
    bool precise, single, backward, curvature, tapped;
    // (nodes of the network), owned: enum assay_tap, which counts where one is `tapped`, and enum
    // assay_norm.
    uint8_t *tap, *norm;
    size_t cap;
};
struct assay_wanted_pass {
    struct assay_pass pass;
    uint32_t weights, forward; // forward: UINT32_MAX of WEIGHTS
};
struct assay_demand {
    struct assay_use use[ASSAY_METRICS_MAX];
    struct assay_weights weights[ASSAY_DEMAND_PASSES];
    struct assay_wanted_input input[ASSAY_DEMAND_PASSES];
    struct assay_forward forward[ASSAY_DEMAND_PASSES];
    struct assay_wanted_pass pass[ASSAY_DEMAND_PASSES];
    uint32_t n_use, n_weights, n_input, n_forward, n_pass;
    bool network[ASSAY_NETWORKS]; // that some metric needs
};
// Inputs from elsewhere: as many of each kind as there are, instead of what options say.
struct assay_given_counts {
    uint64_t images, patches;
};
// uses: metric and options of n of them, in registry order. given may be NULL.
int assay_demand_make(struct assay_demand *demand, const struct assay_protocol *p,
                      const struct assay_use *use, uint32_t n,
                      const struct assay_given_counts *given, struct assay_err *err);
// Which nodes are tapped, and what BNs do, of networks that were just built (NULL where no metric
// needs one). Allocates only for graphs larger than any before.
int assay_demand_taps(struct assay_demand *demand,
                      const struct assay_graph *const graph[ASSAY_NETWORKS], struct assay_err *err);
void assay_demand_free(struct assay_demand *demand);
// Says in one line what one of the demand's forward passes is, and what is looked at in it or
// pulled back through it by which metrics: "network, 16 images of ntk.batch, init pytorch | kernel
// of 16 rows in float32: ntk".
#define ASSAY_PASS_TEXT 1024
void assay_demand_describe(const struct assay_demand *demand, const struct assay_protocol *p,
                           uint32_t forward, char *text, size_t cap);

// ---- one candidate, one repeat ------------------------------------------------------------------
// The numbers of one of the demand's inputs.
struct assay_given {
    const double *x;          // (n,c,h,w)
    const uint32_t *label[2]; // (n), by enum assay_labels; NULL where nobody reads them
};
// Everything is borrowed. On a team every rank has the same subject but for its grid, and measures
// the metrics that are collective at the same time; kernels are then made of images that are dealt
// out to the ranks. What metrics share is computed once, on first use.
struct assay_subject {
    const struct assay_protocol *protocol;
    const struct assay_demand *demand;
    const struct assay_graph *graph[ASSAY_NETWORKS]; // NULL where no metric needs it
    struct assay_exec *exec;
    struct assay_plans *plans;       // of these networks, and of no others
    const double *const *theta;      // by the demand's weights
    const struct assay_given *given; // by the demand's inputs
    uint64_t memory_limit;           // bytes of the executor and of plans, 0: none
    const struct assay_pla *pla;     // the team's grid; NULL: alone
    int team;                        // ranks in the team, at least 1
    uint32_t blocks;           // of parameters, in which the Jacobian of a kernel is made; 0 is 1
    struct assay_arena *arena; // scratch of this repeat
    struct assay_memo *memo;   // private; NULL at the start of every (candidate, repeat)
};
// Of one of a metric's own passes, 0 to use->n_pass - 1: its network, its images.
const struct assay_graph *assay_subject_graph(const struct assay_subject *s,
                                              const struct assay_use *use, uint32_t pass);
uint32_t assay_subject_images(const struct assay_subject *s, const struct assay_use *use,
                              uint32_t pass);
// The parameters of a weighting, of those that it is made of.
void assay_weights_make(const struct assay_weights *w, const struct assay_graph *g, double *theta);
// Outputs of the networks.
uint32_t assay_subject_classes(const struct assay_subject *s);
// The parameters of a pass's network (n_theta), and its labels (images): those it declared.
const double *assay_subject_theta(const struct assay_subject *s, const struct assay_use *use,
                                  uint32_t pass);
const uint32_t *assay_subject_labels(const struct assay_subject *s, const struct assay_use *use,
                                     uint32_t pass);

// What the taps of a metric filled in this repeat, or NULL without any; after a run.
void *assay_subject_state(const struct assay_subject *s, const struct assay_use *use);

// Makes the pass, unless it was made before: all who tap it are shown it, batch by batch.
int assay_subject_run(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                      struct assay_err *err);
// Of passes in one batch: (images, classes), valid until the next call on this subject.
int assay_subject_logits(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                         const double **logits, struct assay_err *err);
// The gradient (n_theta) of LOGITS and LOSS passes in one batch; lives in the subject's arena.
int assay_subject_gradient(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                           const double **gradient, struct assay_err *err);
// Of such a pass with `curvature`: the product (n_theta) of the Hessian of what is pulled back and
// a direction (n_theta), as assay_exec_curvature finds it.
int assay_subject_curvature(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                            const double *way, double *product, struct assay_err *err);

// The kernel over a KERNEL pass's images, NTK parameters only, of the sum of the logits (n =
// images) or of all of them (n = images x classes, row i x classes + k for logit k of image i).
struct assay_kernel {
    uint32_t n;
    enum assay_precision precision; // of the Jacobian
    double *gram;                   // (n,n), on a team the rank's part (pla)
    double *eigenvalue;             // (n) ascending; NULL until asked for
    double trace;
};
// Rows of the kernel of such a pass over so many images.
uint64_t assay_kernel_rows(const struct assay_pass *pass, uint64_t images, uint64_t classes);
// Collective over the team. Errors: the executor over its memory limit, and, of eigenvalues, a
// kernel that is not finite. *out lives in the subject's arena. gram: without eigenvalues.
int assay_subject_gram(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                       const struct assay_kernel **out, struct assay_err *err);
int assay_subject_kernel(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                         const struct assay_kernel **out, struct assay_err *err);
// Of an EXTREMES pass, likewise.
int assay_subject_extremes(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                           const struct assay_pla_extremes **out, struct assay_err *err);

// Derivative of the mean cross-entropy of n images with respect to their logits (n, classes):
// cot[i,k] = (softmax(logit[i])_k - [k = label[i]]) / n.
void assay_cross_entropy_cotangent(uint32_t n, uint32_t classes, const double *logit,
                                   const uint32_t *label, double *cot);
// The sign patterns (images, *words) that the metric `regions` counted; after its measure.
const uint64_t *assay_regions_patterns(const struct assay_subject *s, const struct assay_use *use,
                                       size_t *words);
// How many of the n rows of `words` words are distinct; slot: scratch of assay_distinct_slots(n)
// entries.
uint64_t assay_distinct_rows(uint64_t n, size_t words, const uint64_t *row, uint32_t *slot);
size_t assay_distinct_slots(uint64_t n);

// ---- plug-ins -----------------------------------------------------------------------------------
// Which candidates are evaluated. CLASS: equal for all architectures that are one network once what
// does not reach the output is dropped, of which one is evaluated. LITERAL: what is dropped counts,
// every one is evaluated, and subjects have graph[ASSAY_NET_LITERAL]; whose weights and values a
// pass reads is said by its network. Of an architecture whose output does not depend on its input
// only metrics without passes are measured.
enum assay_scope { ASSAY_SCOPE_CLASS, ASSAY_SCOPE_LITERAL };

// Whom a tap is called for.
struct assay_look {
    const struct assay_subject *subject;
    const struct assay_use *use;
    uint32_t pass; // of its own
    const struct assay_graph *graph;
    void *state; // of the metric in this repeat
};

struct assay_metric {
    const char *name, *help;
    const struct assay_column *column;
    uint32_t n_column;
    double released; // what its release writes for NaN, of its first n_released columns
    uint32_t n_released;
    // Tables of options, the metric's own section first; others it shares. NULL ends them.
    const struct assay_options *options[ASSAY_METRIC_TABLES + 1];
    enum assay_scope scope;
    bool spectrum;   // a spectrum of as many eigenvalues as its pass 0, if a KERNEL, has rows
    bool collective; // measured on every rank of a team; otherwise on its first alone
    // Fills in the passes it wants and returns how many. NULL: none.
    uint32_t (*passes)(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES]);
    // The columns' protocol as a text; NULL: what the first pass is.
    void (*describe)(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap);

    // Taps, all optional. tap: ORs enum assay_tap into those nodes of a network that are looked at;
    // gradients are those of LOGITS, LOSS and TARGET passes. state: bytes the taps fill, zero at
    // the start of a repeat. value, gradient, products: as struct assay_taps, with images counted
    // in the pass, and of nodes that others tap, too. batch: the gradient (n_theta) of a batch of a
    // LOGITS or LOSS pass, images [first, first + count).
    void (*tap)(const struct assay_graph *g, uint8_t *tap);
    size_t (*state)(const struct assay_subject *s, const struct assay_use *use);
    void (*value)(const struct assay_look *look, const struct assay_block *b, const double *value);
    void (*gradient)(const struct assay_look *look, const struct assay_block *b,
                     const double *gradient, const double *kept);
    void (*products)(const struct assay_look *look, const struct assay_products *products);
    // replace: as struct assay_taps, of a BLOCKS pass.
    void (*replace)(const struct assay_look *look, const struct assay_block *b, double *gradient);
    // layer: as struct assay_taps, with images counted in the pass.
    void (*layer)(const struct assay_look *look, uint32_t param, uint32_t first, uint32_t count,
                  const double *row);
    void (*batch)(const struct assay_look *look, uint32_t first, uint32_t count,
                  const double *gradient);

    // Bytes it takes from the subject's arena beside what its passes and state imply, the sum of
    // its blocks; NULL: none.
    size_t (*scratch)(const struct assay_subject *s, const struct assay_use *use);
    // Exactly one of the next two is set. count: per-architecture quantities of the literal network
    // (cost), measured for every member of a class, without weights.
    void (*count)(const struct assay_graph *literal, double *out);
    // Fills n_column values (NaN where undefined) and, when `spectrum`, all eigenvalues ascending.
    // It must run every pass it declared, but those of WEIGHTS: what they take is counted. Returns
    // an enum assay_verdict (>= 0), with a reason unless OK, or a negative status, whose text is
    // the reason of a failed candidate; `out` is then undefined. OK with a reason: some columns are
    // undefined by these options, whatever the candidate, which is none the worse for it.
    int (*measure)(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err);
};
extern const struct assay_metric *const assay_metrics[]; // ends with NULL; contains the null metric

// Tables of options of all metrics, each once, in registry order; returns how many.
#define ASSAY_METRIC_OPTIONS_MAX (ASSAY_METRICS_MAX * ASSAY_METRIC_TABLES)
uint32_t assay_metric_options(const struct assay_options *table[ASSAY_METRIC_OPTIONS_MAX]);

// The metrics of a comma-separated list (white space ignored), or "all" but null, in registry
// order, so that the order of the list decides nothing. An unknown name is an error that lists the
// known ones.
int assay_metrics_parse(const char *list, const struct assay_metric *chosen[ASSAY_METRICS_MAX],
                        uint32_t *n, struct assay_err *err);
void assay_metric_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                           size_t cap);

// What one repeat of a subject's metrics takes from the system, known before any of it is
// allocated: bytes of the executor and of the plans, which are made, of the subject's arena,
// weights not counted, and of buffers of the libraries of linear algebra. No parameter or input is
// read.
struct assay_need {
    uint64_t exec, scratch, buffers;
    uint64_t late; // of the scratch, not touched before the executor has given its memory back
    bool divides;  // more blocks of the Jacobian would need less
};
int assay_subject_need(const struct assay_subject *s, struct assay_need *need,
                       struct assay_err *err);
// Measures one of the demand's metrics.
int assay_subject_measure(struct assay_subject *s, const struct assay_use *use, double *out,
                          double *spectrum, char *reason, struct assay_err *err);

// ---- options that others read -------------------------------------------------------------------
// [ntk], of all metrics of the kernel.
struct assay_ntk_options {
    uint64_t batch;  // images in the kernel
    int init;        // enum assay_init
    int outputs;     // enum assay_outputs: a row an image, or a logit
    int eigenvalues; // all, the ends alone, or both, which must agree: ASSAY_EIGENVALUES_...
};
enum { ASSAY_EIGENVALUES_ALL, ASSAY_EIGENVALUES_EXTREME, ASSAY_EIGENVALUES_CHECKED };
// [nasi]
struct assay_nasi_options {
    uint64_t batch; // images in the mini-batch; 0: the kernel's own batch
    int labels;     // enum assay_labels
};
static inline uint64_t assay_nasi_batch(const struct assay_nasi_options *nasi,
                                        const struct assay_ntk_options *ntk)
{
    return nasi->batch ? nasi->batch : ntk->batch;
}
// [regions]
struct assay_regions_options {
    uint64_t batch, batches; // samples per BN batch, number of batches
    int init;                // enum assay_init
};
// [cost] The network whose parameters, FLOPs and layers are counted; image 0: that of [network].
struct assay_cost_options {
    uint64_t channels, cells, image, stem;
    int macro;
};
extern const struct assay_options assay_ntk_options, assay_nasi_options, assay_regions_options,
    assay_cost_options;

#endif
