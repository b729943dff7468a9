// SPDX-License-Identifier: Apache-2.0
// What the metrics of one (candidate, repeat) share, private to metric.
#ifndef ASSAY_SRC_METRIC_SUBJECT_H
#define ASSAY_SRC_METRIC_SUBJECT_H

#include "assay/metric.h"

// What a pass left behind.
struct done_pass {
    bool made;        // who taps it was shown it
    double *gradient; // (n_theta) of the last batch; NULL without LOGITS or LOSS
    double *cot;      // (batch, classes)
};

struct memo_ends {
    bool made;
    struct assay_pla_extremes found;
};

// What summed over the team in the midst of a pass, and how it went.
struct memo_team {
    const struct assay_pla *pla;
    int status;
    struct assay_err err;
};

struct assay_memo {
    uint32_t held;                   // the forward pass the executor holds, or UINT32_MAX
    bool shown[ASSAY_DEMAND_PASSES]; // forward passes that were shown to who taps values
    struct done_pass pass[ASSAY_DEMAND_PASSES];
    void *state[ASSAY_METRICS_MAX]; // of the metrics; NULL: none
    void *jac;                      // scratch: rows, float32 or float64
    double *copy, *work;            // a matrix that may be destroyed, and pla's scratch
    struct assay_kernel kernel[2];  // by enum assay_bn; gram is NULL until computed
    double *eigenvalue[2];          // room for its eigenvalues
    struct memo_ends ends[2];       // by enum assay_bn
    bool part;                      // the held pass is of the rank's part of the images
    struct assay_parts parts;       // of the executor, whose sums fail into `team`
    struct memo_team team;
};

static inline const struct assay_wanted_pass *
wanted_pass(const struct assay_subject *s, const struct assay_use *use, uint32_t pass)
{
    return &s->demand->pass[use->pass[pass]];
}
static inline const struct assay_forward *wanted_forward(const struct assay_subject *s,
                                                         const struct assay_wanted_pass *pass)
{
    return &s->demand->forward[pass->forward];
}
static inline uint32_t outputs_of(const struct assay_graph *g)
{
    return g->node[g->n_node - 1].c;
}
const struct assay_graph *forward_graph(const struct assay_subject *s,
                                        const struct assay_forward *f);
// All images of a forward pass; those of its largest batch.
uint32_t forward_images(const struct assay_subject *s, const struct assay_forward *f);
uint32_t forward_batch(const struct assay_subject *s, const struct assay_forward *f);
// Their pixels, from image `first` of the pass on.
const double *forward_input(const struct assay_subject *s, const struct assay_forward *f,
                            uint32_t first);
static inline bool has_gradient(const struct assay_pass *pass)
{
    return pass->pull == ASSAY_PULL_LOGITS || pass->pull == ASSAY_PULL_LOSS ||
           pass->pull == ASSAY_PULL_TARGET || pass->pull == ASSAY_PULL_BLOCKS;
}

// Allocates the memo and the states of all metrics on first use.
int memo_get(struct assay_subject *s, struct assay_memo **memo, struct assay_err *err);
// Bytes of the memo, and of all states.
size_t memo_bytes(const struct assay_subject *s);
// Makes a forward pass in one batch the executor's.
int memo_hold(struct assay_subject *s, uint32_t forward, struct assay_err *err);
// Whether the ranks of the team have a part of a pass's images each, and which images the rank has.
static inline bool in_parts(const struct assay_subject *s, const struct assay_pass *pass)
{
    return s->team > 1 && (pass->pull == ASSAY_PULL_KERNEL || pass->pull == ASSAY_PULL_EXTREMES);
}
struct assay_run_of_rows part_images(const struct assay_subject *s, const struct assay_forward *f);
// Gives the executor a plan.
int memo_bind(struct assay_subject *s, const struct assay_plan *plan, struct assay_err *err);
// Of the plan of the rank's part.
int memo_part_plan(const struct assay_subject *s, const struct assay_forward *f,
                   const struct assay_plan **plan, struct assay_err *err);
// The same for a pass that may be in parts, in two steps, so that a rank that lacks memory keeps
// nobody waiting. The first returns 1 where the executor holds the pass, 0 where it was made ready;
// where that is what any rank has, all take the second.
int memo_bind_rows(struct assay_subject *s, const struct assay_wanted_pass *pass,
                   struct assay_err *err);
int memo_forward_rows(struct assay_subject *s, const struct assay_wanted_pass *pass,
                      struct assay_err *err);
// The executor gives its memory back, and holds no pass.
void memo_release(struct assay_subject *s);
// Gives the derivative of what is pulled back with respect to the logits (n, classes) of n images
// that are normalised together, zero where that is BLOCKS. Only LOSS and TARGET read the labels.
void pull_cotangent(enum assay_pull pull, uint32_t n, uint32_t classes, const double *logit,
                    const uint32_t *label, double *cot);
// Arena bytes of a pass's gradient and cotangents.
size_t memo_gradient_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Of the plan of `n` images of a forward pass.
int memo_plan(const struct assay_subject *s, const struct assay_forward *f, uint32_t n,
              const struct assay_plan **plan, struct assay_err *err);

// The buffer of the rank's rows, of all parameters or of a block of them; a row of n_theta has its
// successor memo_row_ld numbers behind it.
int memo_jacobian(struct assay_subject *s, struct assay_err *err);
size_t memo_jacobian_bytes(const struct assay_subject *s);
size_t memo_row_ld(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Bytes of memo->work that making it takes.
size_t jacobian_work(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Whether a large Jacobian of a float32 backward pass is kept in float32, too.
bool jacobian_is_single(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Rows of an image, which stay on one rank.
uint32_t jacobian_unit(const struct assay_subject *s, const struct assay_wanted_pass *pass);
uint32_t jacobian_blocks(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Whether more of them would be smaller.
bool jacobian_divides(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Makes the rank's rows of block `block` of parameters, by cotangents (unit, classes). Collective.
int jacobian_make(struct assay_subject *s, const struct assay_wanted_pass *pass, const double *cot,
                  uint32_t block, struct assay_la_rows *jac, struct assay_err *err);
// memo->copy, with the kernel's values, and memo->work.
int memo_copy(struct assay_subject *s, const struct assay_kernel *kernel, struct assay_err *err);
// Rows of the kernel of a ROWS, KERNEL or EXTREMES pass.
uint32_t memo_rows(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Whether a pass pulls back all rows, for a kernel or for the ends of its spectrum.
static inline bool has_kernel(const struct assay_pass *pass)
{
    return pass->pull == ASSAY_PULL_KERNEL || pass->pull == ASSAY_PULL_EXTREMES;
}
// Arena bytes: of one kernel, and of copy and scratch, which all share.
size_t kernel_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass);
size_t kernel_shared_scratch(const struct assay_subject *s);
// Bytes of them that are not touched before the executor has given its memory back.
size_t kernel_late_scratch(const struct assay_subject *s, const struct assay_wanted_pass *pass);
// Arena memory of the subject, or ERR_MEMORY.
int memo_alloc(struct assay_subject *s, size_t bytes, void **out, struct assay_err *err);

// kappa, ln kappa, lambda_max, lambda_min, trace, numerical rank, spectral entropy; a verdict with
// its reason.
#define KERNEL_COLUMNS 7
int kernel_summary(const struct assay_kernel *kernel, double out[KERNEL_COLUMNS], char *reason);
// The same of the passes of `use`, whose option 0 is [ntk], as ntk.eigenvalues has it; spectrum:
// NULL, or all eigenvalues, where all are computed.
int kernel_measure(struct assay_subject *s, const struct assay_use *use, double out[KERNEL_COLUMNS],
                   double *spectrum, char *reason, struct assay_err *err);
// How far the nearest eigenvalues are from what stands for the largest and the smallest, at most;
// spectrum is not read.
int kernel_residuals(struct assay_subject *s, const struct assay_use *use, double out[2],
                     double *spectrum, char *reason, struct assay_err *err);
// Eigenvalues up to this are zero.
double kernel_zero(const struct assay_kernel *kernel);
// What rounding may leave of 0 in a kernel of n rows of a Jacobian of that precision, in units of
// its largest eigenvalue.
double kernel_rounding(uint32_t n, enum assay_precision precision);
// A pass over all rows of the kernel of [ntk].
struct assay_pass ntk_pass(const struct assay_ntk_options *o, enum assay_pull pull,
                           enum assay_bn bn);
// Those that ntk.eigenvalues takes, KERNEL before EXTREMES; returns how many.
uint32_t ntk_passes(const struct assay_ntk_options *o, enum assay_bn bn,
                    struct assay_pass pass[ASSAY_METRIC_PASSES]);
// The callbacks of metrics of either kernel, whose option 0 is [ntk].
uint32_t ntk_batch_passes(const struct assay_use *use, const struct assay_protocol *p,
                          struct assay_pass pass[ASSAY_METRIC_PASSES]);
uint32_t ntk_frozen_passes(const struct assay_use *use, const struct assay_protocol *p,
                           struct assay_pass pass[ASSAY_METRIC_PASSES]);
void ntk_batch_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                        size_t cap);
void ntk_frozen_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                         size_t cap);
// Whether a parameter is the weight of a convolution or a linear layer.
static inline bool is_layer_weight(const struct assay_param *p)
{
    return p->role == ASSAY_CONV_WEIGHT || p->role == ASSAY_LINEAR_WEIGHT;
}
// Puts a reason and returns DEGENERATE.
int metric_degenerate(char *reason, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Of a network without a ReLU, DEGENERATE with n NaNs, else OK.
int metric_need_relu(const struct assay_graph *g, size_t n, double *out, char *reason);
// Sum of squares of n values, in a fixed order.
double metric_sumsq(size_t n, const double *v);

// ---- descriptions -------------------------------------------------------------------------------
// "repeats=1 seed=0 weights=...": what every protocol text ends with.
void metric_describe_run(const struct assay_protocol *p, char *text, size_t cap);
// The size of a network: "C=3 N=1", and what stands around the cells where that is not the rule.
#define ASSAY_METRIC_SIZE 96 // bytes that suffice
void metric_describe_size(uint64_t channels, uint64_t cells, int macro, uint64_t stem,
                          char text[ASSAY_METRIC_SIZE]);
// The protocol of a quantity of the kernel; bn: "batch", "frozen".
void metric_describe_kernel(const struct assay_ntk_options *o, const struct assay_protocol *p,
                            const char *bn, char *text, size_t cap);
// The protocol of a quantity of the network; what: "bn=batch outputs=sum parameters=weights".
void metric_describe_net(const struct assay_protocol *p, uint64_t batch, const char *what, int init,
                         char *text, size_t cap);

#endif
