// SPDX-License-Identifier: Apache-2.0
// What the metrics of one (candidate, repeat) share.
#ifndef ASSAY_SRC_METRIC_MEMO_H
#define ASSAY_SRC_METRIC_MEMO_H

#include "assay/metric.h"

// The forward pass the executor holds.
enum pass { PASS_NONE, PASS_IMAGES, PASS_NASI, PASS_THIN };

struct assay_memo {
    enum pass pass;
    double *jac; // scratch: rows of jac_ld
    size_t jac_ld;
    double *copy, *work;           // a matrix that may be destroyed, and pla's scratch
    struct assay_kernel kernel[2]; // by enum assay_bn; gram is NULL until computed
    double *eigenvalue[2];         // room for its eigenvalues
    uint64_t *signs;               // NULL until computed
    size_t words;
};

// Allocates the memo on first use.
int assay_memo_get(struct assay_subject *s, struct assay_memo **memo, struct assay_err *err);
// Binds the executor to a network, for a batch of n.
int assay_memo_bind(struct assay_subject *s, const struct assay_graph *g, uint32_t n, bool backward,
                    struct assay_err *err);
// Makes `pass` (IMAGES or NASI) the executor's forward pass.
int assay_memo_forward(struct assay_subject *s, enum pass pass, struct assay_err *err);
// The Jacobian buffer: as many rows of jac_ld >= n_theta as a rank of the team has at most.
int assay_memo_jacobian(struct assay_subject *s, struct assay_err *err);
size_t assay_memo_jacobian_ld(const struct assay_subject *s);
size_t assay_memo_jacobian_bytes(const struct assay_subject *s);
// Cotangents of the logits (*count, classes) whose rows are wanted of each image.
int assay_memo_cotangents(struct assay_subject *s, enum assay_outputs outputs, double **cot,
                          uint32_t *count, struct assay_err *err);
size_t assay_memo_cotangent_bytes(const struct assay_subject *s, enum assay_outputs outputs);
// memo->copy, with the kernel's values, and memo->work.
int assay_memo_copy(struct assay_subject *s, const struct assay_kernel *kernel,
                    struct assay_err *err);
// Arena bytes: of one kernel, and of copy and scratch, which all share.
size_t assay_kernel_scratch(const struct assay_subject *s);
size_t assay_kernel_shared_scratch(const struct assay_subject *s);
// Arena memory of the subject, or ERR_MEMORY.
int assay_memo_alloc(struct assay_subject *s, size_t bytes, void **out, struct assay_err *err);

// kappa, ln kappa, lambda_max, lambda_min, trace, numerical rank, spectral entropy; a verdict with
// its reason.
#define KERNEL_COLUMNS 7
int assay_kernel_summary(const struct assay_kernel *kernel, double out[KERNEL_COLUMNS],
                         char *reason);
// Puts a reason and returns DEGENERATE.
int assay_metric_degenerate(char *reason, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Sum of squares of n values, in a fixed order.
double assay_metric_sumsq(size_t n, const double *v);
// "repeats=1 seed=0 weights=...": what every protocol text ends with.
void assay_metric_describe_run(const struct assay_protocol *p, char *text, size_t cap);
// The size of a network: "C=3 N=1", and what stands around the cells where that is not the rule.
#define ASSAY_METRIC_SIZE 96 // bytes that suffice
void assay_metric_describe_size(uint64_t channels, uint64_t cells, int macro, uint64_t stem,
                                char text[ASSAY_METRIC_SIZE]);
// The protocol of a quantity of the kernel; bn: "batch", "frozen".
void assay_metric_describe_kernel(const struct assay_protocol *p, const char *bn, char *text,
                                  size_t cap);
// The protocol of a quantity of the NTK network; what: "bn=batch outputs=sum parameters=weights".
void assay_metric_describe_net(const struct assay_protocol *p, uint64_t batch, const char *what,
                               char *text, size_t cap);
const char *assay_metric_init_name(int init);

extern const struct assay_metric assay_metric_ntk, assay_metric_ntk_frozen, assay_metric_ntk_trace,
    assay_metric_ntk_ridge, assay_metric_nasi, assay_metric_regions, assay_metric_cost,
    assay_metric_null;

#endif
