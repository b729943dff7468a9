// SPDX-License-Identifier: Apache-2.0
// metric: metric plug-ins: read what exec computed, fill named columns.
#ifndef ASSAY_METRIC_H
#define ASSAY_METRIC_H

#include "assay/exec.h"
#include "assay/graph.h"
#include "assay/pla.h"

enum assay_outputs { ASSAY_OUTPUTS_SUM, ASSAY_OUTPUTS_ALL };
enum assay_labels { ASSAY_LABELS_TRUE, ASSAY_LABELS_RANDOM, ASSAY_LABELS_NONE };

// Everything that decides what a number means. A preset ("protocol.name") is a set of these values,
// not a code path.
struct assay_protocol {
    int name;                                 // index into assay_presets (sweep)
    uint64_t channels, cells, classes, image; // [network]
    int macro;                                // enum assay_macro (space)
    uint64_t stem;                            // channels of the stem in units of C
    uint64_t ntk_batch;                       // [ntk] images in the kernel
    int ntk_init;                             // enum assay_init
    int ntk_outputs;                          // enum assay_outputs: a row an image, or a logit
    double ridge_train, ridge_lambda; // [ridge] part of the images it learns from; regularisation
    uint64_t nasi_batch;              // [nasi] images in the mini-batch; 0: the kernel's own batch
    int nasi_labels;                  // enum assay_labels
    uint64_t region_batch, region_batches; // [regions] samples per BN batch, number of batches
    int region_init;                       // enum assay_init
    uint64_t seed, repeats;                // [run]
    bool redraw;                           // new weights every repeat (else only a new batch)
    // [cost] network whose parameters, FLOPs and layers are counted; image 0: that of [network]
    uint64_t cost_channels, cost_cells, cost_image, cost_stem;
    int cost_macro;
    char metrics[ASSAY_TEXT_MAX]; // [run] comma-separated names
};

// ---- one candidate, one repeat ------------------------------------------------------------------
// Everything is borrowed. On a team every rank has the same subject but for its grid, and measures
// the metrics that are collective at the same time. What metrics share (forward pass, kernel) is
// computed once, on first use.
struct assay_subject {
    const struct assay_protocol *protocol;
    const struct assay_graph *net, *thin; // folded; thin may be NULL if no metric needs it
    struct assay_exec *exec;
    struct assay_plans *plans; // of these networks, and of no others
    const double *theta_net, *theta_thin;
    uint32_t n_image, n_nasi, n_patch;
    const double *images;        // (n_image,c,h,w)
    const uint32_t *image_label; // (n_image), only where a metric needs labels
    const double *nasi_images;   // (n_nasi,c,h,w); may be `images` itself
    const uint32_t *nasi_label;  // (n_nasi), already true or random per protocol
    const double *patches; // (n_patch,c,h,w): BN batches of region_batch, the last may be short
    uint64_t memory_limit; // bytes of the executor and of plans, 0: none
    const struct assay_pla *pla; // the team's grid; NULL: alone
    int team;                    // ranks in the team, at least 1
    struct assay_arena *arena;   // scratch of this repeat
    struct assay_memo *memo;     // private; NULL at the start of every (candidate, repeat)
};

// The kernel over `images`, NTK parameters only, of the sum of the logits (n = n_image) or of all
// of them (n = n_image x classes, row i x classes + k for logit k of image i).
struct assay_kernel {
    uint32_t n;
    double *gram;       // (n,n), on a team the rank's part (pla)
    double *eigenvalue; // (n) ascending; NULL until asked for
    double trace;
};
// Rows of the kernel.
uint32_t assay_subject_rows(const struct assay_subject *s);
// Collective over the team. Errors: the executor over its memory limit, and, of eigenvalues, a
// kernel that is not finite. *out lives in the subject's arena. gram: without eigenvalues.
int assay_subject_gram(struct assay_subject *s, enum assay_bn bn, const struct assay_kernel **out,
                       struct assay_err *err);
int assay_subject_kernel(struct assay_subject *s, enum assay_bn bn, const struct assay_kernel **out,
                         struct assay_err *err);
// (n_image, classes), valid until the next call on this subject.
int assay_subject_logits(struct assay_subject *s, const double **logits, struct assay_err *err);
// Sign patterns (n_patch, *words) of the thin network, in the subject's arena. BN statistics are
// those of each batch of region_batch consecutive patches.
int assay_subject_signs(struct assay_subject *s, const uint64_t **signs, size_t *words,
                        struct assay_err *err);
// How many of the n rows of `words` words are distinct; slot: scratch of assay_distinct_slots(n)
// entries.
uint64_t assay_distinct_rows(uint64_t n, size_t words, const uint64_t *row, uint32_t *slot);
size_t assay_distinct_slots(uint64_t n);

// Derivative of the mean cross-entropy of n images with respect to their logits (n, classes):
// cot[i,k] = (softmax(logit[i])_k - [k = label[i]]) / n.
void assay_cross_entropy_cotangent(uint32_t n, uint32_t classes, const double *logit,
                                   const uint32_t *label, double *cot);

// ---- plug-ins -----------------------------------------------------------------------------------
enum assay_needs {
    ASSAY_NEEDS_IMAGES = 1,
    ASSAY_NEEDS_NASI = 2,
    ASSAY_NEEDS_PATCHES = 4,
    ASSAY_NEEDS_THIN = 8,
    ASSAY_NEEDS_NET = 16,
    ASSAY_NEEDS_JACOBIAN = 32,       // the shared buffer: a rank's rows of the kernel's Jacobian
    ASSAY_NEEDS_KERNEL = 64,         // batch BN
    ASSAY_NEEDS_FROZEN_KERNEL = 128, // frozen BN
    ASSAY_NEEDS_LABELS = 256         // of the images
};

#define ASSAY_METRIC_REASON 120 // bytes of a reason, terminator included

struct assay_metric {
    const char *name, *help;
    const struct assay_column *column;
    uint32_t n_column;
    unsigned needs;  // enum assay_needs
    bool spectrum;   // fills a spectrum of as many eigenvalues as the kernel has rows
    bool collective; // measured on every rank of a team; otherwise on its first alone
    // The columns' protocol as a text.
    void (*describe)(const struct assay_protocol *p, char *text, size_t cap);
    // Bytes it takes from the subject's arena beside what `needs` implies, the sum of its blocks;
    // NULL: none.
    size_t (*scratch)(const struct assay_subject *s);
    // Exactly one of the next two is set. count: per-architecture quantities of the literal network
    // (cost), measured for every member of a class, without weights.
    void (*count)(const struct assay_graph *literal, double *out);
    // Fills n_column values (NaN where undefined) and, when `spectrum`, all eigenvalues
    // ascending. Returns an enum assay_verdict (>= 0), with a reason unless OK, or a negative
    // status, whose text is the reason of a failed candidate; `out` is then undefined.
    int (*measure)(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err);
};
extern const struct assay_metric *const assay_metrics[]; // ends with NULL; contains the null metric

#define ASSAY_METRICS_MAX 32
// The metrics of a comma-separated list (white space ignored) in registry order, so that the order
// of the list decides nothing. An unknown name is an error that lists the known ones.
int assay_metrics_parse(const char *list, const struct assay_metric *chosen[ASSAY_METRICS_MAX],
                        uint32_t *n, struct assay_err *err);

// What one repeat of these metrics takes from the system, known before any of it is allocated:
// bytes of the executor and of the plans, which are made, of the subject's arena, weights not
// counted, and of buffers of the libraries of linear algebra. No parameter or input is read.
struct assay_need {
    uint64_t exec, scratch, buffers;
};
int assay_subject_need(const struct assay_subject *s, const struct assay_metric *const *metric,
                       uint32_t n_metric, struct assay_need *need, struct assay_err *err);

#endif
