// SPDX-License-Identifier: Apache-2.0
// What verbs ask of a results file: its columns, its rankings, a list of columns.
#ifndef ASSAY_SRC_CLI_RESULTS_H
#define ASSAY_SRC_CLI_RESULTS_H

#include "assay/space.h"
#include "assay/store.h"

#include "text_table.h"

// The file of that name, or in a run directory of that name results.h5, or search.h5 where
// it holds a search and that is wanted.
int results_path(char *path, size_t cap, const char *name, bool searches, struct assay_err *err);
// Reads the file, or results.h5 of the run directory of that name.
int results_read(struct assay_table **out, const char *name, struct assay_err *err);
// Opens the space of a table with default options; files that name none are of nas-bench-201. Where
// networks are given, they are those of the rows.
int results_open_space(struct assay_space *space, const struct assay_table *table,
                       struct assay_err *err);
// A space with options may number its architectures by them, and a file tells the numbers alone:
// what its rows are called says which number they have here, where all options are the defaults, or
// where networks are given.
int results_renumber(struct assay_table *table, const struct assay_space *space, const char *file,
                     struct assay_err *err);
// Position of the name in the table's columns or rankings, or -1.
int results_column(const struct assay_table *t, const char *name);
int results_ranking(const struct assay_table *t, const char *name);
// The same, but an unknown name is an error that lists those there are.
int results_find_ranking(const struct assay_table *t, const char *name, struct assay_err *err);

// Writes to list (n_column entries) the columns named in the comma-separated words (not NULL), or
// all of them for "all". Returns how many.
int results_columns(const struct assay_table *t, const char *words, int *list,
                    struct assay_err *err);
// Tells columns that are counts, which need no evaluation that may go wrong.
bool results_is_count(const char *name);
// What a column's release writes of a candidate of which it is undefined; NaN: no number.
double results_released(const char *name);
// What may be shown of a row: a column of the table, or what stands beside them.
enum results_what {
    RESULTS_VALUE,
    RESULTS_STDERR,
    RESULTS_CLASS,
    RESULTS_STATUS_CODE,
    RESULTS_REASON,
    RESULTS_SECONDS
};
struct results_field {
    enum results_what what;
    int column; // of a value and of its standard error
};
// Chooses the fields named in the comma-separated words, or all of them for "all"; *list is
// malloc'd. Returns how many.
int results_fields(const struct assay_table *t, const char *words, struct results_field **list,
                   struct assay_err *err);
void results_field_name(const struct assay_table *t, const struct results_field *f,
                        char name[ASSAY_TEXT_MAX]);
// Adds the field of a row to a table of texts.
void results_add_field(struct text_table *text, const struct assay_table *t,
                       const struct results_field *f, uint64_t row, int digits);
// Counts the rows of each status: counts[verdict], and in counts[ASSAY_VERDICT_FAILED + 1] those
// not finished.
void results_count(const struct assay_table *t, uint64_t counts[ASSAY_VERDICT_FAILED + 2]);
const char *results_status_name(int32_t status);
// Prints "15625 candidates: 15284 ok, 341 dead".
void results_print_counts(const struct assay_table *t, FILE *stream);

#endif
