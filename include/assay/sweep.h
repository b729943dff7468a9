// SPDX-License-Identifier: Apache-2.0
// sweep: one candidate -> one record; coordinator, workers, resume, stop.
#ifndef ASSAY_SWEEP_H
#define ASSAY_SWEEP_H

#include "assay/comm.h"
#include "assay/config.h"
#include "assay/data.h"
#include "assay/metric.h"
#include "assay/space.h"
#include "assay/store.h"

// ---- options ------------------------------------------------------------------------------------
// What an evaluation is told beside the protocol ([network], [ntk], ..., [run]) and the data.
struct assay_evaluation {
    char space[ASSAY_TEXT_MAX]; // [space]
    bool members;               // [run] evaluate every member of a class, not one for all
    uint64_t memory;            // [run] MiB per rank, 0: no limit
    uint64_t team;              // [run] ranks that evaluate a candidate together, 0: not chosen yet
    char cpu[ASSAY_TEXT_MAX];   // [run] kernel rung
};
extern const struct assay_options assay_protocol_options;   // struct assay_protocol
extern const struct assay_options assay_evaluation_options; // struct assay_evaluation
// Adds these and the data's, the presets, the sizes of spaces, and what spans their keys: the list
// of metrics is put into registry order, and the data get the network's image size and classes.
void assay_evaluate_vocabulary(struct assay_vocabulary *v);
static inline const struct assay_protocol *assay_config_protocol(const struct assay_config *config)
{
    return assay_config_get(config, &assay_protocol_options);
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

// The networks that are evaluated, and the one whose cost is counted.
struct assay_net assay_config_net(const struct assay_config *config, bool thin);
struct assay_net assay_config_cost_net(const struct assay_config *config);

// [candidates] Which architectures of the space a sweep evaluates.
struct assay_candidates {
    char archs[ASSAY_TEXT_MAX]; // file with one architecture or number per line
    char order[ASSAY_TEXT_MAX], key[ASSAY_TEXT_MAX]; // table that numbers them, its column
    uint64_t first, count, sample, seed;             // count 0: to the end; sample 0: all
    char shard[48]; // "I/N": part I of N of these candidates; "": all of them
};
// [run] How the farm does its work.
struct assay_run_spec {
    double checkpoint;     // seconds between results.h5 checkpoints
    double time_limit;     // seconds until a clean stop, 0: Slurm's end time or none
    int coordinator_works; // does rank 0 evaluate too: auto (up to 8 ranks), yes, no
};
extern const struct assay_options assay_candidates_options; // struct assay_candidates
extern const struct assay_options assay_run_options;        // struct assay_run_spec
// Adds these to what assay_evaluate_vocabulary adds.
void assay_sweep_vocabulary(struct assay_vocabulary *v);
static inline const struct assay_candidates *
assay_config_candidates(const struct assay_config *config)
{
    return assay_config_get(config, &assay_candidates_options);
}
static inline const struct assay_run_spec *assay_config_run(const struct assay_config *config)
{
    return assay_config_get(config, &assay_run_options);
}

// ---- columns ------------------------------------------------------------------------------------
// What the configured metrics fill, in registry order: either the columns measured per candidate
// class and repeat, or those counted per architecture (cost).
struct assay_columns {
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    uint32_t n_metric, n_column;
    struct assay_column *column; // owned; the texts inside are static
    const char **protocol;       // owned
    bool spectrum;               // one of the metrics fills a spectrum
};
// Copies what it needs of config. An unknown metric is an error that lists the known ones.
int assay_columns_create(struct assay_columns *columns, const struct assay_config *config,
                         bool counted, struct assay_err *err);
void assay_columns_free(struct assay_columns *columns);
// The counted columns' n_column values of a network built at assay_config_cost_net's size.
void assay_columns_count(const struct assay_columns *columns, const struct assay_graph *literal,
                         double *out);

// ---- images -------------------------------------------------------------------------------------
// The data set of a run: one copy for all ranks of a host, one of which has read and checked it.
struct assay_images;
// The source that config names. Collective over comm, which is borrowed; an error on any rank is an
// error on all. Without comm this process has them for itself, and counts them as one of `sharing`
// ranks would. What is over run.memory is an error before the first image is read.
int assay_images_open(struct assay_images **out, const struct assay_config *config,
                      struct assay_comm *comm, int sharing, struct assay_err *err);
// Without files, and for this process alone: see assay_data_stand_in.
int assay_images_stand_in(struct assay_images **out, const struct assay_config *config, int sharing,
                          struct assay_err *err);
const struct assay_data *assay_images_data(const struct assay_images *images);
// What a rank has in memory beside an evaluator, in bytes. Of a run the most that any of its ranks
// has, so that all judge alike what fits into run.memory.
struct assay_held {
    uint64_t program; // the process without all that follows: code, libraries, MPI's buffers
    uint64_t images;  // its share of its host's copy
    uint64_t drawing; // what drawing batches from them takes meanwhile
    bool keeps;       // images stay while candidates are evaluated; else only batches do
};
// The program's part is measured while images are opened, before the first is read.
struct assay_held assay_images_held(const struct assay_images *images, bool keeps);
// While batches are drawn, and while candidates are evaluated.
uint64_t assay_held_drawing(const struct assay_held *held);
uint64_t assay_held_evaluating(const struct assay_held *held);
// Collective over the same ranks; NULL on all of them is fine.
void assay_images_close(struct assay_images *images);

// ---- one candidate ------------------------------------------------------------------------------
// Owns the executor, graphs, weights and the batches of every repeat; borrows config and space.
struct assay_evaluator;
// Draws all batches. An error if the data do not fit the network (channels, size, labels), have not
// as many images as a batch (ntk.batch, nasi.batch) or as many different patches as regions asks
// for, or have no labels where those of the images are asked for (nasi.labels = true, ntk_ridge);
// or if the batches do not fit the memory limit. data is not needed afterwards. pla: the grid of
// the ranks that evaluate together, borrowed, or NULL for one alone. Evaluations are collective
// over it, with the same arguments; the first rank's records count. held: what counts against
// run.memory beside the evaluator, NULL: nothing.
int assay_evaluator_create(struct assay_evaluator **out, const struct assay_config *config,
                           const struct assay_space *space, const struct assay_data *data,
                           const struct assay_pla *pla, const struct assay_held *held,
                           struct assay_err *err);
void assay_evaluator_destroy(struct assay_evaluator *e);
// What the repeats of an evaluation are drawn from: batches of repeat r from number batches + r,
// weights from weights + r, or with run.redraw = false from weights. At creation: run.seed, 0, 0.
struct assay_draw {
    uint64_t seed, weights, batches;
};
// Draws anew, unless that is what was drawn last. data: as at creation.
int assay_evaluator_draw(struct assay_evaluator *e, const struct assay_draw *draw,
                         const struct assay_data *data, struct assay_err *err);
// NASI's mini-batch `number` of a seed: n images (n,c,image,image) and their labels, true or random
// as the protocol says. Keyed by (seed, number) alone.
int assay_draw_nasi_batch(const struct assay_protocol *p, const struct assay_data *data,
                          uint64_t seed, uint64_t number, uint32_t n, double *x, uint32_t *label,
                          struct assay_err *err);
// Whether the data have the images, and the labels, that such a mini-batch is made of; an error
// that names what is asked for otherwise.
int assay_check_nasi_batch(const struct assay_protocol *p, const struct assay_data *data,
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
};
int assay_evaluator_memory(struct assay_evaluator *e, uint64_t index, struct assay_memory *memory,
                           struct assay_err *err);
// Relative cost of a candidate for scheduling (any unit).
double assay_evaluator_cost(struct assay_evaluator *e, uint64_t index);

// ---- the run ------------------------------------------------------------------------------------
enum assay_exit {
    ASSAY_EXIT_COMPLETE = 0,
    ASSAY_EXIT_ERROR = 1,
    ASSAY_EXIT_USAGE = 2,
    ASSAY_EXIT_FAILED_CANDIDATES = 3,
    ASSAY_EXIT_STOPPED = 75
};
// What a job computes on all ranks: rounds of independent tasks, each of which gives one record. A
// task is task_bytes bytes that every rank understands; the first 8 are its number (u64), which is
// the index of its record in the journal.
struct assay_round {
    const void *task; // (n, task_bytes), numbers ascending and distinct; the job's own
    uint64_t n;
    // What is known; borrowed from the farm until the next round is asked for.
    const struct assay_record *record; // (n)
    const bool *done;                  // (n)
};
struct assay_job {
    void *self;         // the first argument of every function
    const char *result; // name of the file that publish writes
    size_t task_bytes;
    bool rounds; // more than one: the journal also holds other rounds' records
    // On every rank. open: config holds the kernel rung that all ranks have and outlives the job.
    // pla: of the team it evaluates with, or NULL. identity: all that determines the numbers
    // (assay_identity_text). evaluate: as assay_evaluate; the record's index is then set to the
    // task's number.
    int (*open)(void *self, const struct assay_config *config, const struct assay_pla *pla,
                struct assay_err *err);
    const struct assay_schema *(*schema)(const void *self);
    const char *(*identity)(const void *self);
    int (*evaluate)(void *self, const void *task, struct assay_record *record,
                    struct assay_err *err);
    // NULL, or evaluates one repeat of a task; all repeats make the same record as evaluate.
    int (*evaluate_repeat)(void *self, const void *task, uint32_t repeat,
                           struct assay_record *record, struct assay_err *err);
    // On rank 0. prepare: before the directory is touched; *extra: a malloc'd block for the
    // journal's header. start: the journal is open. round: 1 and the next round, whose record and
    // done the farm sets, or 0 when all is done; each is asked for once. cost: for scheduling, in
    // any unit. publish: writes the result from what is known now.
    int (*prepare)(void *self, void **extra, size_t *n_extra, struct assay_err *err);
    int (*start)(void *self, const char *dir, struct assay_comm *comm, const struct assay_log *log,
                 struct assay_err *err);
    int (*round)(void *self, struct assay_round **round, struct assay_err *err);
    double (*cost)(void *self, const void *task);
    int (*publish)(void *self, struct assay_err *err);
};
// Collective, the first of a process: ERR_MPI on all ranks unless all run the same build of the
// program for the same words ("sweep"), the error naming the difference.
int assay_meet(struct assay_comm *comm, const char *words, struct assay_err *err);
// Collective, before anything that a configuration steers: ERR_MPI on all ranks unless all have the
// same, but for the places of files and the kernel rung; the error names the key.
int assay_config_meet(struct assay_comm *comm, const struct assay_config *config,
                      struct assay_err *err);
// Collective. Does the job in dir, or resumes it: what DIR/journal holds is not computed again.
// Rank 0 hands out tasks, alone writes files, and evaluates too while it is alone or the ranks are
// few (run.coordinator_works). With run.team, teams evaluate instead of ranks; what is left of the
// ranks waits. Where ranks are many for the tasks, repeats are handed out one by
// one. SIGTERM, SIGINT and SIGUSR1 on any rank, run.time_limit and SLURM_JOB_END_TIME (less a
// margin) stop it cleanly; the handlers stay. A system error on any rank ends the run with an error
// on all, with what is finished safe in the journal. *exit_code is the same on all ranks. log is
// used on rank 0 only.
int assay_farm_run(const struct assay_job *job, const struct assay_config *config, const char *dir,
                   struct assay_comm *comm, const struct assay_log *log, int *exit_code,
                   struct assay_err *err);
// The arithmetic: a number that every change raises which makes any number of any result differ in
// any bit, on any kernel rung: a change of kernels, passes, reductions, folding, metrics or draws.
// Not one that only adds columns, options or speed. It is part of a run's identity, so that no
// journal ever mixes two; tests/test_arithmetic.c notices most changes. Beside it stands a
// fingerprint, a hash of numbers computed at the start, because compilers round differently too.
#define ASSAY_ARITHMETIC 1
// The journal's identity: these settings
// (assay_config_identity), the columns, the kernel rung, the
// arithmetic and the data (assay_data_identity); malloc'd, NULL when out of memory.
char *assay_identity_text(const char *settings, const struct assay_schema *schema, const char *rung,
                          const char *data);
// The digest of the images, and in words how many of which there are.
#define ASSAY_DATA_IDENTITY (ASSAY_DATA_WORDS + 40)
void assay_data_identity(const struct assay_data *data, char text[ASSAY_DATA_IDENTITY]);
// Attributes of a result file: what determines the numbers, and, with comm, what may differ between
// equal runs. The texts are the arena's.
#define ASSAY_RUN_ATTRS 8
int assay_run_attrs(struct assay_attr attr[ASSAY_RUN_ATTRS], size_t *n, struct assay_arena *arena,
                    const struct assay_config *config, const char *identity,
                    const struct assay_comm *comm, struct assay_err *err);

// assay_farm_run of the candidates that config names. With run.memory the largest must fit: an
// error before dir is touched.
int assay_sweep_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                    const struct assay_log *log, int *exit_code, struct assay_err *err);
// Collective. Prints, on rank 0, what a run of these ranks would do: tasks, memory, the team it
// would choose, state of dir, columns, settings; changes nothing. Errors are those that would end
// the run at its start (data, architectures, memory).
int assay_sweep_dry_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                        FILE *out, struct assay_err *err);
// Prints what a sweep will take: tasks, memory, disk, CPU time, and for numbers of ranks the wall
// time of a simulated run with its efficiency and what limits it. Writes no file.
struct assay_forecast {
    int ranks;          // 0: powers of two
    double seconds;     // CPU time spent on measuring candidates
    const char *replay; // directory of a sweep whose recorded times are taken instead, or NULL
};
int assay_sweep_forecast(const struct assay_config *config, const struct assay_forecast *spec,
                         FILE *out, struct assay_err *err);
// Rewrites DIR/results.h5 from DIR/journal alone, without data or architecture file; the run may be
// unfinished or even still running.
int assay_sweep_pack(const struct assay_vocabulary *vocabulary, const char *dir,
                     const struct assay_log *log, struct assay_err *err);
// Joins what shards of one sweep have done into the run directory dir, whose results.h5 is that of
// an unsharded sweep; dir may hold a part of it already. ERR_STATE and nothing written: directories
// of other configurations (the lines that differ are shown), of other divisions, or whose records
// of a candidate differ in a bit (a failed one gives way). What is missing is named, and is
// ERR_STATE too unless partial. *exit_code: COMPLETE, FAILED_CANDIDATES, or STOPPED: a sweep in
// dir, not sharded, would go on from there.
int assay_sweep_merge(const struct assay_vocabulary *vocabulary, const char *const *from, size_t n,
                      const char *dir, bool partial, const struct assay_log *log, int *exit_code,
                      struct assay_err *err);
// The build as "name: value", one a line: what --version prints and results.h5 records. Returns the
// length it needs (snprintf's rule), 0 when HDF5 finds no memory to tell its version.
size_t assay_build_describe(char *text, size_t cap);

#endif
