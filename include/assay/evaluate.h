// SPDX-License-Identifier: Apache-2.0
// evaluate: one candidate -> one record.
#ifndef ASSAY_EVALUATE_H
#define ASSAY_EVALUATE_H

#include "assay/comm.h"
#include "assay/config.h"
#include "assay/data.h"
#include "assay/metric.h"
#include "assay/space.h"
#include "assay/store.h"

// ---- options ------------------------------------------------------------------------------------
// What an evaluation is told besides the protocol ([network], [ntk], ..., [run]) and the data.
struct assay_evaluation {
    char space[ASSAY_TEXT_MAX]; // [space]
    bool members;               // [run] evaluate every member of a class, not one for all
    uint64_t memory;            // [run] MiB per rank, 0: no limit
    uint64_t team;              // [run] ranks that evaluate a candidate together, 0: not chosen yet
    char cpu[ASSAY_TEXT_MAX];   // [run] kernel rung
};
extern const struct assay_options assay_protocol_options;   // struct assay_protocol
extern const struct assay_options assay_evaluation_options; // struct assay_evaluation
// Adds these tables and the data's, the presets, the sizes of spaces, and what spans their keys:
// the list of metrics is put into registry order, and the data get the network's image size and
// classes.
void assay_evaluate_vocabulary(struct assay_vocabulary *v);
static inline const struct assay_protocol *assay_config_protocol(const struct assay_config *config)
{
    return assay_config_get(config, &assay_protocol_options);
}
static inline const struct assay_ntk_options *assay_config_ntk(const struct assay_config *config)
{
    return assay_config_get(config, &assay_ntk_options);
}
static inline const struct assay_nasi_options *assay_config_nasi(const struct assay_config *config)
{
    return assay_config_get(config, &assay_nasi_options);
}
static inline const struct assay_data_spec *assay_config_data(const struct assay_config *config)
{
    return assay_config_get(config, &assay_data_options);
}
static inline const struct assay_evaluation *
assay_config_evaluation(const struct assay_config *config)
{
    return assay_config_get(config, &assay_evaluation_options);
}

// A named protocol: values of keys, not a code path. "custom" has none; a resolved configuration
// that overrides a value of its preset, repeats excepted, is named so.
struct assay_preset {
    const char *name, *help;
    const struct assay_config_value *value; // ends with a NULL section
};
extern const struct assay_preset assay_presets[]; // ends with a NULL name; indexed by protocol.name

// Opens a space with the options that config has for it.
int assay_config_open_kind(const struct assay_config *config, const struct assay_space_kind *kind,
                           struct assay_space *space, struct assay_err *err);
// Opens the space that config names.
int assay_config_open_space(const struct assay_config *config, struct assay_space *space,
                            struct assay_err *err);
// The kernels of run.cpu and run.precision.
int assay_config_kern(const struct assay_config *config, const struct assay_kern **out,
                      struct assay_err *err);
// The networks that are evaluated, and the one whose cost is counted.
struct assay_net assay_config_net(const struct assay_config *config, bool thin);
struct assay_net assay_config_cost_net(const struct assay_config *config);

// ---- columns ------------------------------------------------------------------------------------
// What the configured metrics fill, in registry order: either the columns measured per candidate
// class and repeat, or those counted per architecture (cost).
struct assay_columns {
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    uint32_t n_metric, n_column;
    struct assay_column *column; // owned; the texts inside are static
    const char **protocol;       // owned
    uint32_t spectrum;           // eigenvalues of a record
};
// Copies what it needs of config. An unknown metric is an error that lists the known ones.
int assay_columns_create(struct assay_columns *columns, const struct assay_config *config,
                         bool counted, struct assay_err *err);
void assay_columns_free(struct assay_columns *columns);
// A metric with the options that config has for it; borrows config.
struct assay_use assay_config_use(const struct assay_config *config,
                                  const struct assay_metric *metric);
// What the configured metrics that are measured want. The caller frees it; it borrows config.
int assay_config_demand(const struct assay_config *config, struct assay_demand *demand,
                        struct assay_err *err);
// Whether every architecture is evaluated, not one for all that are the same network: as
// configured, or because a metric counts what does not reach the output.
bool assay_config_members(const struct assay_config *config);
// Counts the columns (n_column values) of a network that was built at assay_config_cost_net's size.
void assay_columns_count(const struct assay_columns *columns, const struct assay_graph *literal,
                         double *out);

// ---- images -------------------------------------------------------------------------------------
// The images of a run: one copy for all ranks of a host, one of which has read and checked it.
struct assay_images;
// Opens the source that config names. Collective over comm, which is borrowed; an error on any rank
// is an error on all. Without comm this process has the images for itself, and counts them as one
// of `sharing` ranks would. What is over run.memory is an error before the first image is read.
int assay_images_open(struct assay_images **out, const struct assay_config *config,
                      struct assay_comm *comm, int sharing, struct assay_err *err);
// Opens a stand-in for files that are not there, for this process alone; see assay_data_stand_in.
int assay_images_stand_in(struct assay_images **out, const struct assay_config *config, int sharing,
                          struct assay_err *err);
const struct assay_data *assay_images_data(const struct assay_images *images);
// What a rank has in memory beside an evaluator, in bytes. It is the most that any rank of the run
// has, so that all judge alike what fits into run.memory.
struct assay_held {
    uint64_t program; // the process without all that follows: code, libraries, MPI's buffers
    uint64_t images;  // its share of its host's copy
    uint64_t drawing; // what drawing batches from them takes meanwhile
    bool keeps;       // images stay while candidates are evaluated; else only batches do
};
// What the images take. The program's part is measured when they are opened, before the first is
// read.
struct assay_held assay_images_held(const struct assay_images *images, bool keeps);
// The sum while batches are drawn, and the sum while candidates are evaluated.
uint64_t assay_held_drawing(const struct assay_held *held);
uint64_t assay_held_evaluating(const struct assay_held *held);
// Collective over the ranks that opened them; NULL on all of them is fine.
void assay_images_close(struct assay_images *images);

// ---- one candidate ------------------------------------------------------------------------------
// Owns the executor, graphs, weights and the batches of every repeat; borrows config and space.
struct assay_evaluator;
// Makes an evaluator and draws all batches. An error if the data do not fit the network (channels,
// size, labels), have not as many images as a batch (ntk.batch, nasi.batch) or as many different
// patches as regions asks for, or have no labels where those of the images are asked for
// (nasi.labels = true, ntk_ridge); or if the batches do not fit the memory limit. data is not
// needed afterwards. pla: the grid of the ranks that evaluate together, borrowed, or NULL for one
// alone. Evaluations are collective over it, with the same arguments; the first rank's records
// count. held: what counts against run.memory beside the evaluator, NULL: nothing.
int assay_evaluator_create(struct assay_evaluator **out, const struct assay_config *config,
                           const struct assay_space *space, const struct assay_data *data,
                           const struct assay_pla *pla, const struct assay_held *held,
                           struct assay_err *err);
void assay_evaluator_destroy(struct assay_evaluator *e);
// What the repeats of an evaluation are drawn from: batches of repeat r from number batches + r,
// weights from weights + r, or with run.redraw = false from weights; those of the thin network from
// thin numbers further on. An evaluator begins with run.seed, 0, 0, 0.
struct assay_draw {
    uint64_t seed, weights, batches, thin;
};
// Draws anew, unless this was drawn last. data: as at creation.
int assay_evaluator_draw(struct assay_evaluator *e, const struct assay_draw *draw,
                         const struct assay_data *data, struct assay_err *err);
// Draws NASI's mini-batch `number` of a seed: n images (n,c,image,image) and their labels, true or
// random as the protocol says. Keyed by (seed, number) alone.
int assay_draw_nasi_batch(const struct assay_config *config, const struct assay_data *data,
                          uint64_t seed, uint64_t number, uint32_t n, double *x, uint32_t *label,
                          struct assay_err *err);
// An error, which names what is asked for, unless the data have the images and the labels that such
// a mini-batch is made of.
int assay_check_nasi_batch(const struct assay_config *config, const struct assay_data *data,
                           struct assay_err *err);
// The measured columns; borrowed from the evaluator.
const struct assay_schema *assay_evaluator_schema(const struct assay_evaluator *e);
// Fills record (index, verdict, seconds, reason, value, spectrum; arrays given by the caller); its
// rank is left alone. A candidate's failure, also one to fit into run.memory, is its verdict; a
// negative status means the system failed.
int assay_evaluate(struct assay_evaluator *e, uint64_t index, struct assay_record *record,
                   struct assay_err *err);
// The same, but of one repeat only; the values of the others are NaN.
int assay_evaluate_repeat(struct assay_evaluator *e, uint64_t index, uint32_t repeat,
                          struct assay_record *record, struct assay_err *err);
// The same for a supernet, which has no index: the record's is UINT64_MAX.
int assay_evaluate_supernet(struct assay_evaluator *e, const struct assay_supernet *mask,
                            struct assay_record *record, struct assay_err *err);
// Bytes one rank of run.team takes from the system for a candidate, known before any of it is
// allocated: executor and scratch (weights, Jacobian, kernel, buffers of libraries) of one repeat,
// batches of all repeats, graphs.
struct assay_memory {
    uint64_t exec, scratch, inputs, graphs, total;
    uint32_t blocks; // of parameters in which the Jacobian of a large kernel is made
};
// room: the total is to fit into so many bytes, with as few blocks as that takes, each of which
// costs another backward pass; 0: there is one block.
int assay_evaluator_memory(struct assay_evaluator *e, uint64_t index, uint64_t room,
                           struct assay_memory *memory, struct assay_err *err);
// What a candidate costs, in any unit, to schedule by.
double assay_evaluator_cost(struct assay_evaluator *e, uint64_t index);

// How that cost divides among the configured metrics; it needs no images and draws nothing. The
// configuration and the space are borrowed.
struct assay_costs;
int assay_costs_open(struct assay_costs **out, const struct assay_config *config,
                     const struct assay_space *space, struct assay_err *err);
// The i-th of the metrics that are measured; NULL behind the last, of ASSAY_METRICS_MAX at most.
const struct assay_metric *assay_costs_metric(const struct assay_costs *c, uint32_t i);
// part[i]: what the passes that metric i asks for cost, of 1 for all passes together. What metrics
// share counts for each of them. Where no pass is made, all of it is every metric's.
int assay_costs_parts(struct assay_costs *c, uint64_t index, double *part, struct assay_err *err);
void assay_costs_close(struct assay_costs *c);

// ---- weights from elsewhere ---------------------------------------------------------------------
// One architecture or supernet with weights and inputs from HDF5 files: how a reference checks the
// program.
struct assay_foreign_case {
    const struct assay_config *config; // network size, protocol, kernel rung and memory limit
    const struct assay_space *space;
    uint64_t index;
    const struct assay_supernet *mask; // the supernet in place of architecture `index`, or NULL
    struct assay_graph *network;       // a literal network in place of both, or NULL; it is taken
    const char *name;                  // of that network
    struct assay_arrays *own;          // its own weights, or NULL; they are taken, and `weights` is
                                       // what they are called in errors
    const char *weights, *batch;       // "file.h5:/group", "file.h5:/dataset"
    const char *labels;                // "file.h5:/dataset" of the batch's labels, which stand for
                                       // random ones, too; or NULL
    const char *noise;   // "file.h5:/dataset" as large as the batch, which perturbs it
                         // (ASSAY_PERTURBATION); or NULL
    const char *metrics; // a list; NULL: kernel, traces and gradient of the sum of logits, or
                         // regions of the thin network
    int bn;              // enum assay_bn: whose kernel is shown, and which of both without metrics
    bool thin;           // the weights are the thin network's
    uint64_t region_batch; // patches per BN batch of the thin network
};
struct assay_foreign_scalar {
    const char *name;                 // name of its column
    double value;                     // NaN: undefined
    char reason[ASSAY_METRIC_REASON]; // why the value is not finite
};
struct assay_foreign {
    struct assay_protocol protocol;
    struct assay_arrays weights, batch, labels, noise;
    struct assay_graph literal, merged, folded;

    struct assay_exec *exec;
    struct assay_plans *plans;
    struct assay_arena arena;
    uint32_t *label; // (n) labels of the batch, or random ones
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    const char *lacks[ASSAY_METRICS_MAX]; // why a metric cannot be measured, or NULL
    uint32_t n_metric;
    struct assay_demand demand;
    const double *theta[ASSAY_DEMAND_PASSES];
    struct assay_given given[ASSAY_DEMAND_PASSES]; // by the demand's inputs

    // Results, borrowed from the arena.
    int verdict;
    char reason[ASSAY_REASON_MAX];
    struct assay_foreign_scalar *scalar;
    uint32_t n_scalar, n, n_row, classes;
    const double *logits;     // (n,classes), NULL of the thin network
    const double *gram;       // (n_row,n_row), NULL where no metric has this kernel
    const double *eigenvalue; // (n_row) ascending, likewise
    const uint8_t *patterns;  // (n,pattern_bytes) packed sign bits, NULL of the whole network
    size_t pattern_bytes;
};
// Evaluates the case into a zeroed struct, which the caller finishes also after an error. Errors
// name the file, the array, and what was expected. A metric that lacks an input is undefined, with
// the reason; `cost` counts the network that is given.
int assay_foreign_evaluate(struct assay_foreign *f, const struct assay_foreign_case *c,
                           struct assay_err *err);
void assay_foreign_finish(struct assay_foreign *f);

// ---- what determines the numbers ----------------------------------------------------------------
// The arithmetic: a number that every change raises which makes any number of any result differ in
// any bit, on any kernel rung: a change of kernels, passes, reductions, folding, metrics or draws.
// A change that only adds columns, options or speed does not raise it. It is part of a run's
// identity, so that no journal ever mixes two; tests/evaluate/test_arithmetic.c notices most
// changes. Beside it stands a fingerprint, a hash of numbers computed at the start, because
// compilers round differently too.
#define ASSAY_ARITHMETIC 5
// The fingerprint: a hash of numbers that these kernels compute, as this program was compiled.
int assay_arithmetic_fingerprint(uint64_t *hash, const struct assay_kern *kern,
                                 struct assay_err *err);
#define ASSAY_ARITHMETIC_TEXT 384 // bytes of such a text
// The lines of an identity that tell the arithmetic on this kernel rung: the rung, its precision if
// double, ASSAY_ARITHMETIC, the fingerprint.
int assay_arithmetic_text(char text[ASSAY_ARITHMETIC_TEXT], const char *rung,
                          enum assay_precision precision, struct assay_err *err);
// Refuses an identity of another arithmetic, or of none: ERR_STATE, naming both. dir: whose it is.
int assay_arithmetic_check(const char *identity, const char *dir, struct assay_err *err);
// The journal's identity: the settings (assay_config_identity), the columns, the kernel rung, the
// arithmetic and the data (assay_data_identity); malloc'd, NULL when out of memory.
char *assay_identity_text(const char *settings, const struct assay_schema *schema, const char *rung,
                          enum assay_precision precision, const char *data);
// Writes the digest of the images, and in words how many there are of which data set.
#define ASSAY_DATA_IDENTITY (ASSAY_DATA_WORDS + 40)
void assay_data_identity(const struct assay_data *data, char text[ASSAY_DATA_IDENTITY]);

#endif
