// SPDX-License-Identifier: Apache-2.0
// The inside of a sweep: its tasks, what they take, and what is published of them.
#ifndef ASSAY_SRC_SWEEP_RUN_H
#define ASSAY_SRC_SWEEP_RUN_H

#include "assay/sweep.h"

#include "assay/kern.h"

// ---- what is to be done -------------------------------------------------------------------------
// The candidates of a sweep. Each is a row of its results; a task is what is evaluated for one or
// more rows: the representative of their class, or the row itself when members are evaluated.
struct sweep_candidates {
    uint64_t n_row, n_task;
    uint64_t *index;   // (n_row) candidates, ascending, distinct
    uint64_t *task_of; // (n_row) row -> task
    uint64_t *task;    // (n_task) candidate evaluated, ascending
    uint64_t other;    // lines of candidates.archs that are other encodings (assay_space_read)
};
// No run finishes more candidates than this; a space as large as DARTS's can only be sampled.
enum { SWEEP_CANDIDATES_MAX = 100000000 };
// Makes the list of the candidates that the configuration names.
int sweep_candidates_make(struct sweep_candidates *candidates, const struct assay_config *config,
                          const struct assay_space *space, struct assay_err *err);
// Says that some were given in other encodings; false: none was.
bool sweep_candidates_warning(const struct sweep_candidates *candidates, char *text, size_t cap);
// Makes the list from a packed one, such as a journal's, which is checked.
int sweep_candidates_unpack(struct sweep_candidates *candidates, const void *bytes, size_t n,
                            bool members, const struct assay_space *space, struct assay_err *err);
// Part i of n of the candidates, 1 <= i <= n; n = 0: all of them.
struct sweep_shard {
    uint64_t i, n;
};
// Reads "I/N", or "" for all.
int sweep_shard_parse(struct sweep_shard *shard, const char *text, struct assay_err *err);
// Keeps one part. The tasks are dealt out, so that no task is in two parts, all parts together hold
// all, and the numbers of tasks in them differ by one at most.
void sweep_candidates_shard(struct sweep_candidates *candidates, struct sweep_shard shard);
// Which of n parts, counted from 1, holds this task.
uint64_t sweep_shard_of(uint64_t task, uint64_t n);
// Takes the line of the shard out of an identity: what remains is the same for every part.
void sweep_shard_strip(char *identity);
// The candidate list as runs of (first, length), malloc'd; NULL when out of memory.
void *sweep_candidates_pack(const struct sweep_candidates *candidates, size_t *n);
// Which task evaluates this candidate, or n_task.
uint64_t sweep_candidates_find(const struct sweep_candidates *candidates, uint64_t candidate);
void sweep_candidates_free(struct sweep_candidates *candidates);
// The tasks as the farm knows them.
struct assay_tasks sweep_candidates_tasks(const struct sweep_candidates *candidates);
// Makes the list from candidates in any order, each of which it then has once. Takes index
// (malloc'd), also on error.
int sweep_candidates_fill(struct sweep_candidates *candidates, uint64_t *index, uint64_t n,
                          bool members, const struct assay_space *space, struct assay_err *err);

// ---- networks that are given --------------------------------------------------------------------
// The collection of a space whose networks are given; in other spaces there is none.
struct sweep_given {
    const void *block; // (n) NULL: none
    size_t n;
    struct assay_collection collection; // holds it, or
    struct assay_comm *host;            // the ranks of this one's host share it
    struct assay_shared *shared;
};
// Collective over comm; NULL: this process alone. Rank 0 reads the files, and says on log what is
// wrong with them; the other ranks get what it has read. To be closed also after an error, which is
// collective, too.
int sweep_given_open(struct sweep_given *g, const struct assay_config *config,
                     struct assay_comm *comm, const struct assay_log *log, struct assay_err *err);
void sweep_given_close(struct sweep_given *g);
// Opens the space that the configuration names; where its networks are given, with this block,
// which is borrowed.
int sweep_given_space(const struct assay_config *config, const void *block, size_t n,
                      struct assay_space *space, struct assay_err *err);
// Refuses a DIR/journal of the same configuration but other files, naming the first that differs.
int sweep_given_check(const struct sweep_given *g, const struct assay_config *config,
                      const char *identity, const char *dir, struct assay_err *err);
// What a journal holds of the candidates, malloc'd; NULL when out of memory.
void *sweep_list_pack(const struct sweep_candidates *candidates, const struct sweep_given *g,
                      size_t *n);
// The parts of that: borrowed.
struct sweep_list {
    const void *spans, *block; // for sweep_candidates_unpack and sweep_given_space
    size_t n_spans, n_block;
};
int sweep_list_split(struct sweep_list *list, const struct assay_config *config, const void *bytes,
                     size_t n, struct assay_err *err);

// ---- whether it fits ----------------------------------------------------------------------------
// Bytes of results.h5, and of all that rank 0 has in memory of records while the file is written.
// n_extra: columns that are counted.
double sweep_results_bytes(const struct sweep_candidates *candidates,
                           const struct assay_schema *schema, uint32_t n_extra);
uint64_t sweep_records_bytes(const struct sweep_candidates *candidates,
                             const struct assay_schema *schema, uint32_t n_extra,
                             const struct assay_space *space);

// About how many seconds it takes to write results.h5, when all its rows are filled.
double sweep_publish_seconds(const struct sweep_candidates *candidates,
                             const struct assay_schema *schema, uint32_t n_extra);

// What a rank needs, and the task that needs the most. Every task is weighed, since no cheaper
// order is exact.
struct sweep_memory {
    uint64_t candidate;
    struct assay_memory need;
    struct assay_held held;
    uint64_t records; // on rank 0
    bool works;       // rank 0 evaluates too
    uint64_t limit;   // bytes of a rank for which Jacobians are divided, 0: they are whole
};
// Sets candidate and need; the caller sets the rest.
int sweep_memory_most(struct sweep_memory *most, struct assay_evaluator *e,
                      const struct sweep_candidates *candidates, struct assay_err *err);
// The most bytes that any rank has at any time; and of them those that a team does not divide, as
// it does the candidate's scratch and may do what the executor takes.
uint64_t sweep_memory_peak(const struct sweep_memory *most);
uint64_t sweep_memory_fixed(const struct sweep_memory *most);
// ERR_MEMORY, with the numbers and what would help, when that is over run.memory.
int sweep_memory_check(const struct sweep_memory *most, const struct assay_config *config,
                       const struct assay_space *space, struct assay_err *err);
// ERR_MEMORY unless there is memory for n candidates of that many bytes at all: a file may name any
// number.
int sweep_memory_room(uint64_t n, double bytes, struct assay_err *err);

// ---- before it is run ---------------------------------------------------------------------------
// What a run would be. Opening it opens all that a run opens at its start, so that the errors of a
// run's start show; only run.memory is not checked. It is to be closed also after an error, and
// must not be moved meanwhile.
struct sweep_outline {
    struct assay_config config;
    struct sweep_given given;
    struct assay_space space;
    struct sweep_candidates candidates;
    struct assay_evaluator *evaluator;
    char data[ASSAY_DATA_IDENTITY];
    char warning[ASSAY_DATA_WARNING]; // of the images
    bool absent;                      // they are not there, and others stand in for them
    double opening;                   // seconds that a rank takes before its first candidate
    uint64_t images;                  // bytes of a host's copy
    int sharing;                      // ranks of a host, the fewest on any
    uint32_t n_extra;                 // columns counted and scores configured
    struct sweep_memory most;
};
int sweep_outline_open(struct sweep_outline *o, const struct assay_config *config, int sharing,
                       struct assay_err *err);
// Reckons with another number of ranks on a host; the evaluator still counts those it was opened
// with.
void sweep_outline_share(struct sweep_outline *o, int ranks);
// Weighs candidates by what they take where Jacobians are divided as far as run.memory asks for.
int sweep_outline_divide(struct sweep_outline *o, struct assay_err *err);
// Bytes that all ranks of a host have together.
uint64_t sweep_outline_host(const struct sweep_outline *o);
// Tells the forward passes that a repeat makes of a candidate, a line each.
int sweep_passes(const struct assay_config *config, void (*say)(void *self, const char *line),
                 void *self, struct assay_err *err);
// Prints candidates, passes and memory.
int sweep_outline_print(const struct sweep_outline *o, FILE *out, struct assay_err *err);
void sweep_outline_close(struct sweep_outline *o);

// ---- what candidates cost -----------------------------------------------------------------------
// Collective: every rank weighs a part of rank 0's tasks. *cost (n_task, malloc'd) is rank 0's;
// NULL where it is alone, or elsewhere.
int sweep_weigh(double **cost, const struct sweep_candidates *candidates, struct assay_evaluator *e,
                struct assay_comm *comm, struct assay_err *err);

// ---- scores -------------------------------------------------------------------------------------
// ERR_CONFIG unless each score of [score] has a formula, and a name that results can take.
int sweep_scores_check(const struct assay_config *config, struct assay_err *err);
struct sweep_scores {
    const struct assay_score *item; // (n) in an order in which later ones may name earlier ones
    uint32_t n;
};
// Makes the scores of assay_scores that have all their columns, then those of [score]; all memory
// is the arena's. ERR_CONFIG: a formula of [score] names a column that is neither measured nor
// counted.
int sweep_scores_make(struct sweep_scores *scores, const struct assay_config *config,
                      const struct assay_schema *schema, const struct assay_columns *counted,
                      struct assay_arena *arena, struct assay_err *err);
// Has the errors of sweep_scores_make, and tells only how many there would be.
int sweep_scores_fit(const struct assay_config *config, const struct assay_schema *schema,
                     const struct assay_columns *counted, uint32_t *n, struct assay_err *err);

// ---- what is published --------------------------------------------------------------------------
struct sweep_publisher {
    // All of these are borrowed.
    const char *dir;
    const struct assay_config *config;
    const struct assay_space *space;
    const struct sweep_candidates *candidates;
    const struct assay_schema *schema;

    struct assay_columns counted;
    struct sweep_scores scores;
    struct assay_row *row; // the first n_filled are filled, but for their records
    uint64_t n_filled;
    struct assay_graph graph; // of the row being filled
    struct assay_attr attr[ASSAY_RUN_ATTRS];
    size_t n_attr;
    struct assay_arena arena; // rows, texts and counted values
};
// The ranks of comm are named as circumstances of the run; it may be NULL.
int sweep_publisher_open(struct sweep_publisher *p, const char *dir,
                         const struct assay_config *config, const struct assay_space *space,
                         const struct sweep_candidates *candidates,
                         const struct assay_schema *schema, const char *identity,
                         const struct assay_comm *comm, struct assay_err *err);
// Fills rows, for about so many seconds, with what is known without records: architecture texts,
// and the columns counted on every literal network. Returns 1 while there are more, otherwise 0.
int sweep_publisher_fill(struct sweep_publisher *p, double seconds, struct assay_err *err);
// What is known of the candidates' tasks, all borrowed.
struct sweep_records {
    const struct assay_record *record; // (n_task), of those done
    const bool *done;
    const uint64_t *place; // in the journal, which has the spectra
    struct assay_journal *journal;
};
struct sweep_records sweep_records_of(const struct assay_ledger *ledger,
                                      struct assay_journal *journal);
// Fills what rows are left, and writes DIR/results.h5. pause: as assay_job's publish has it.
int sweep_publish(struct sweep_publisher *p, const struct sweep_records *records,
                  const struct assay_pause *pause, struct assay_err *err);
void sweep_publisher_close(struct sweep_publisher *p);

// ---- what a directory holds ---------------------------------------------------------------------
// What DIR/journal says; the right to write there is not needed.
struct sweep_archive {
    struct assay_config config;
    struct assay_space space;
    struct assay_columns columns;
    struct assay_schema schema;
    struct sweep_candidates candidates; // of its shard, or of all
    struct assay_journal *journal;
    struct assay_ledger ledger;
    char *identity;
    void *list; // packed, of all shards
    size_t n_list;
};
// Reads identity and candidates into a zeroed archive, which the caller closes also on error.
// whole: as if the sweep were not sharded.
int sweep_archive_open(struct sweep_archive *a, const struct assay_vocabulary *vocabulary,
                       const char *dir, bool whole, struct assay_err *err);
// Reads the records.
int sweep_archive_load(struct sweep_archive *a, const char *dir, struct assay_err *err);
void sweep_archive_close(struct sweep_archive *a);

// ---- what the run is ----------------------------------------------------------------------------
// A sweep's identity, malloc'd; NULL when out of memory.
char *sweep_identity_text(const struct assay_config *config, const struct assay_schema *schema,
                          const char *rung, const char *data);
// malloc'd command line of this process, words separated by blanks; NULL when it is not known.
char *sweep_command_text(void);
// The commit that was built, "-dirty" if files differed from it; "unknown" outside a repository.
extern const char sweep_commit[];

// ---- teams --------------------------------------------------------------------------------------
// Sets the outline's run.team to the smallest number of ranks, from 64 on to within a 64th, up to
// those given, with which the largest candidate fits into run.memory with whole Jacobians; where
// there is none, they are divided.
int sweep_team_fit(struct sweep_outline *o, int ranks, struct assay_err *err);
// Sets it to what the run in dir has. Where there is none, fits it to the given number of ranks
// that evaluate, with a team large enough that no rank is without a task.
int sweep_team_take(struct sweep_outline *o, const char *dir, int ranks, struct assay_err *err);
// How many of the ranks may evaluate.
int sweep_team_ranks(const struct assay_config *config, int ranks);
// Collective. Chooses run.team where it is 0, as sweep_team_take does.
int sweep_team_choose(struct assay_config *config, const char *dir, struct assay_comm *comm,
                      struct assay_err *err);

// ---- what it will take --------------------------------------------------------------------------
struct sweep_calibration {
    double *cost, *seconds; // (n_task) as assay_evaluator_cost has it; CPU seconds
    double total, longest;  // of seconds
    uint64_t n_measured;
    double spent;    // seconds on measuring
    double weighing; // seconds that all costs took
};
// Evaluates at least a few tasks, for about the given CPU seconds, or takes the times that the
// sweep in dir (NULL: none) has recorded; the times of the others are estimated by their cost. To
// be freed also after an error.
int sweep_calibrate(struct sweep_calibration *c, struct sweep_outline *o, double seconds,
                    const char *dir, struct assay_err *err);
void sweep_calibration_free(struct sweep_calibration *c);

#endif
