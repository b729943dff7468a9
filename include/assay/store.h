// SPDX-License-Identifier: Apache-2.0
// store: the journal of results, and the HDF5 file made from it.
//
// The journal is the truth: checksummed fixed-size records, appended with one write(2) per batch.
// results.h5 is the published form, written whole to a temporary file, fsynced and renamed.
#ifndef ASSAY_STORE_H
#define ASSAY_STORE_H

#include "assay/base.h"
#include "assay/score.h"

// What a run stores per candidate: `repeats` values of every column, and a spectrum of spectrum_len
// eigenvalues per repeat.
struct assay_schema {
    const struct assay_column *column;
    const char *const *protocol; // one text per column: batch, init, bn, outputs, precision, data
    uint32_t n_column, repeats, spectrum_len;
};

#define ASSAY_REASON_MAX 120
struct assay_record {
    uint64_t index;  // candidate (a class representative unless members are evaluated)
    int32_t verdict; // enum assay_verdict
    int32_t rank;    // MPI rank that computed it
    double seconds;  // thread CPU time
    char reason[ASSAY_REASON_MAX]; // of FAILED and DEGENERATE, zero-padded
    double *value;                 // (repeats, n_column), NaN where undefined; borrowed
    double *spectrum; // (repeats, spectrum_len) ascending, NaN where undefined; borrowed, or NULL
                      // where it is left in the journal
};
// Bytes of a packed record, in the journal and in messages.
size_t assay_record_bytes(const struct assay_schema *schema);
void assay_record_pack(const struct assay_schema *schema, const struct assay_record *record,
                       void *bytes);
// value and spectrum of *record point into caller's arrays of the schema's sizes; without one for
// the spectrum it is left out.
void assay_record_unpack(const struct assay_schema *schema, const void *bytes,
                         struct assay_record *record);
// Reads a packed record of any schema, but for its value and spectrum, which are NULL then.
void assay_record_head(const void *bytes, struct assay_record *record);
// Single parts of a packed record.
uint64_t assay_record_index(const void *bytes);
void assay_record_spectrum(const struct assay_schema *schema, const void *bytes, double *spectrum);
// ERR_INPUT unless a packed record's verdict exists, its seconds are a time, and its reason is a
// text that ends: a file may say anything.
int assay_record_check(const void *bytes, struct assay_err *err);

// ---- journal -----------------------------------------------------------------------------------
struct assay_journal;

// Opens DIR/journal for appending, creating directory and file when missing, and locks the run
// directory against a second job (ERR_STATE, naming the holder's host and process; where the file
// system has no locks, a warning). Temporary files left by a killed job are removed. `identity` is
// a text (the resolved configuration that determines results, schema included); a journal with
// another identity is ERR_STATE and the error text shows the differing lines ("- old", "+ new"). A
// torn tail is cut off (and logged); damage before the tail is ERR_INPUT and changes nothing.
// `extra` is an opaque block kept in the header (the candidate list); when the journal exists its
// own block must be equal. *n_record: records held; an index may occur more than once (a task in
// flight at a kill), the first one counts.
int assay_journal_open(struct assay_journal **out, const char *dir,
                       const struct assay_schema *schema, const char *identity, const void *extra,
                       size_t n_extra, const struct assay_log *log, uint64_t *n_record,
                       struct assay_err *err);
// Opens DIR/journal to read it, also while a job is writing it. Takes no lock, asks for no identity
// and changes nothing; a torn tail is left alone. An error where records are not of the schema's
// size; with schema NULL they may be of any, and assay_record_head reads what they begin with.
int assay_journal_open_read(struct assay_journal **out, const char *dir,
                            const struct assay_schema *schema, uint64_t *n_record,
                            struct assay_err *err);
// Appends n packed records (assay_record_pack) with one write(2). On a full disk none of them is
// kept, the file is cut back to the records before them, ERR_IO. (SIGXFSZ must be ignored for a
// file size limit to end here.)
int assay_journal_append(struct assay_journal *journal, const void *records, size_t n,
                         struct assay_err *err);
int assay_journal_sync(struct assay_journal *journal, struct assay_err *err);
// Copies packed record i (0 <= i < number held), which has been checked, to bytes.
int assay_journal_read(struct assay_journal *journal, uint64_t i, void *bytes,
                       struct assay_err *err);
size_t assay_journal_record_bytes(const struct assay_journal *journal);
uint64_t assay_journal_records(const struct assay_journal *journal); // held
const char *assay_journal_path(const struct assay_journal *journal);
void assay_journal_close(struct assay_journal *journal);
// Reads the identity and extra block of DIR/journal without opening it for writing (for `pack`);
// both malloc'd.
int assay_journal_peek(const char *dir, char **identity, void **extra, size_t *n_extra,
                       struct assay_err *err);

// Counts the records that were appended since it was opened to be read, too.
int assay_journal_refresh(struct assay_journal *journal, uint64_t *n_record, struct assay_err *err);
// The directory's lock, which the journal holds, tells who has it: begun TIME, records N at the
// start, ranks N, hosts "a (2), b (2)"; and how it ended. Times are seconds since the epoch.
// Failing is no error, since this is for the curious alone.
void assay_journal_begin(struct assay_journal *journal, int ranks, const char *hosts);
void assay_journal_end(struct assay_journal *journal, int exit_code);

enum assay_lock { ASSAY_LOCK_UNKNOWN, ASSAY_LOCK_FREE, ASSAY_LOCK_HELD };
enum { ASSAY_HOLDER_HOST = 256, ASSAY_HOLDER_HOSTS = 1024 };
// Who has, or had last, a run directory.
struct assay_holder {
    enum assay_lock lock; // as this host sees it; unknown where there are no locks, or no lock
    char host[ASSAY_HOLDER_HOST];
    long pid;            // 0: it does not say
    double begun, ended; // 0: it does not say
    int exit_code;       // where it ended
    uint64_t records;    // in the journal when it began
    int ranks;           // 0: it does not say
    char hosts[ASSAY_HOLDER_HOSTS];
};
// Reads DIR/lock, whose absence is no error. It takes a shared lock for a moment.
int assay_holder_read(struct assay_holder *holder, const char *dir, struct assay_err *err);

// The lines in which two identities differ, "- old" and "+ new", under the INI section they stand
// in; each on a new line.
void assay_diff_lines(const char *old, const char *new, char *text, size_t cap);

// ---- files of a run directory ----------------------------------------------------------------
// Replaces DIR/NAME: it holds either what it held before or these n bytes, whatever happens
// meanwhile.
int assay_file_replace(const char *dir, const char *name, const void *bytes, size_t n,
                       struct assay_err *err);
// The name of a temporary file beside FILE, FILE.tmp-NUMBER, that nobody can foretell. It is to be
// created with O_EXCL (H5F_ACC_EXCL), so that a link somebody left there is never followed.
// ERR_IO where FILE exists and is no regular file: root could replace a device by one.
int assay_file_unique(char *path, size_t cap, const char *file, struct assay_err *err);

// ---- results.h5 --------------------------------------------------------------------------------
// One row per candidate, by ascending index. `record` is the record of the row's class; NULL while
// it is not finished.
struct assay_row {
    uint64_t index, class_index;
    char const *arch; // canonical text
    const struct assay_record *record;
    const double
        *extra; // values of the extra columns (cost: literal, per architecture), never NULL
    const double *extra_error; // of those that have standard errors
};
struct assay_attr {
    const char *name, *text; // root attributes: config, build, versions, space...
    bool run; // an attribute of /run: it may differ between equal runs (host, ranks, command)
};
// What takes long calls this now and then, every few milliseconds; a status other than 0 ends it,
// and is returned.
struct assay_pause {
    int (*call)(void *self, struct assay_err *err);
    void *self;
};
// Bytes of a data set of /repeats or /spectrum above which it is not compressed, because the end of
// a run would wait for that.
#define ASSAY_RESULTS_PACKED_MOST (UINT64_C(16) << 20)
struct assay_results {
    const struct assay_schema *schema;
    const struct assay_column *extra_column; // per-architecture columns stored beside the schema's
    const char *const *extra_protocol;
    const bool *extra_error; // which of them have standard errors; NULL: none
    uint32_t n_extra;
    const struct assay_score *score; // of columns that stand before it
    uint32_t n_score;
    const struct assay_row *row;
    uint64_t n_row;
    const struct assay_attr *attr;
    size_t n_attr;
    // Reads the spectrum (repeats, spectrum_len) of a row that has a record. NULL: the records
    // have theirs.
    int (*spectrum)(void *self, uint64_t row, double *spectrum, struct assay_err *err);
    void *self;
    const struct assay_pause *pause; // or NULL
};
// Writes DIR/results.h5 atomically (temporary file, fsync, rename, fsync of the directory); a
// failure leaves the former one as it was. Layout:
//   /table/<column>      equal-length 1-D, in this order: index, arch, class, status (text),
//                        status_code, reason, then <column> (mean over repeats) and <column>_stderr
//                        of every column, the extra columns, and the scores
//   /columns/<what>      name, unit, direction, source, protocol of each column of /table
//   /repeats/<column>    (row, repeat)      /spectrum (row, repeat, spectrum_len)
//   /rankings/<column>   rows from best to worst by the column's direction (0: none), and
//   /ranks/<column>      1 + the number of better rows, for each row. Ties share a rank. Rows that
//                        are not OK or not finished, or whose value is not finite, rank last.
//   /index, /repeat, /eigenvalue   scales of the dimensions; the first is /table/index, too
//   /run                 all that may differ between equal runs: seconds and rank of each row, and
//                        the attributes marked run. Everything else is identical for equal results.
// Data sets have checksums and are compressed, but for large ones of /repeats and /spectrum, whose
// numbers hardly become shorter. Each data set of a column carries name, units, direction, source
// and protocol as attributes; the others carry help. ERR_CONFIG where a score's formula is no
// formula, or names a column that is not there.
int assay_results_write(const char *dir, const struct assay_results *results,
                        struct assay_err *err);
// Whether no column may have this name, because /table has another data set of it.
bool assay_results_reserve(const char *name);

// ---- other result files -------------------------------------------------------------------------
enum assay_series_type {
    ASSAY_SERIES_INT,     // int64_t
    ASSAY_SERIES_NUMBER,  // double
    ASSAY_SERIES_NUMBERS, // (n, width) double
    ASSAY_SERIES_TEXT     // each ends with its zero byte
};
// A data set of n rows, all borrowed.
struct assay_series {
    const char *name, *help; // name: "group/name"; the series of a group stand together
    enum assay_series_type type;
    uint64_t n, width;
    const void *value;
};
// Writes DIR/FILE as atomically as assay_results_write: the series as data sets in their groups,
// and a group /run, which always exists and carries the attributes marked run.
int assay_series_write(const char *dir, const char *file, const struct assay_series *series,
                       size_t n, const struct assay_attr *attr, size_t n_attr,
                       struct assay_err *err);

// ---- reading results back ----------------------------------------------------------------------
struct assay_table {
    uint64_t n_row;
    uint32_t n_column;
    char **name; // numeric columns in file order, without the standard errors
    int *direction;
    char **unit, **source, **protocol;
    double **value; // value[column][row], NaN where undefined
    double **error; // standard error over repeats, NULL for a column that has none
    char **arch;
    char *space;     // NULL: the file records none
    char *config;    // the identity of its run, likewise
    uint64_t *index; // ascending, distinct
    uint64_t *class_index;
    int32_t *status; // enum assay_verdict, or -1: not finished
    char **reason;   // why a row is not ok
    double *seconds; // thread CPU time of a row's evaluation, NaN: unfinished; NULL: not recorded
    uint64_t n_ranking; // named orders of /rankings
    char **ranking;
    uint64_t **order; // order[ranking][position] = row
};
// Reads a results.h5; every defect of the file is an error naming it and the part that is wrong.
int assay_table_read(struct assay_table **out, const char *file, struct assay_err *err);
void assay_table_free(struct assay_table *table);

// ---- the parts of a result file, one by one ----------------------------------------------------
// A results.h5, or the search.h5 of a search, opened to read what a table has not: what a file may
// lack is no error. All that is read lasts until it is closed. Every defect of a part is an error
// naming file and part.
struct assay_parts;
int assay_parts_open(struct assay_parts **out, const char *file, struct assay_err *err);
void assay_parts_close(struct assay_parts *parts);
bool assay_parts_is_search(const struct assay_parts *parts);
const char *assay_parts_file(const struct assay_parts *parts);
// A text attribute of the group ("/", "/run"); *text is NULL where there is none.
int assay_parts_attr(struct assay_parts *parts, const char *group, const char *name,
                     const char **text, struct assay_err *err);
// A data set ("spectrum", "rounds/kappa") of numbers: n rows of `width`, the product of its other
// dimensions; n is 0 where there is none.
struct assay_values {
    uint64_t n, width;
    uint64_t last; // its last dimension; 1 where it has no other than n
    double *value; // (n, width)
};
int assay_parts_numbers(struct assay_parts *parts, const char *name, struct assay_values *part,
                        struct assay_err *err);
// The rows `chosen` (n_chosen) of a data set that has n_row of them.
int assay_parts_rows(struct assay_parts *parts, const char *name, uint64_t n_row,
                     const uint64_t *chosen, uint64_t n_chosen, struct assay_values *part,
                     struct assay_err *err);
// A data set of *n texts.
int assay_parts_texts(struct assay_parts *parts, const char *name, char ***text, uint64_t *n,
                      struct assay_err *err);

#endif
