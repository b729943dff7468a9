// SPDX-License-Identifier: Apache-2.0
// The measured accuracies of a table, or another program's scores, by architecture.
#ifndef ASSAY_SRC_CLI_TRUTH_H
#define ASSAY_SRC_CLI_TRUTH_H

#include "assay/space.h"

#include "cli.h"

// What CLI_OPTIONS_TRUTH say.
struct truth_options {
    const char *file;         // NULL: not given
    const char *target, *key; // columns of the accuracies and of the architectures
};
// ERR_USAGE for --target and --key without --truth.
int truth_options(struct truth_options *options, const struct cli_args *args,
                  struct assay_err *err);

struct truth_row {
    uint64_t index; // of the architecture
    double value;
    size_t line; // of the file; of JSON: which entry, from 1
};
struct truth {
    bool json;                    // places are entries, not lines
    struct truth_options options; // borrowed
    struct truth_row *row;        // (n) ascending by index
    size_t n;                     // architectures with an accuracy, at least one
    size_t n_left_out;            // rows without one
    size_t first_left_out;        // line of the first of them
};
// Reads the two columns of a comma-separated file; all others are ignored (an `index` is the
// publisher's own). An architecture that does not parse or has two accuracies, an accuracy that is
// neither a finite number nor missing, and a table without accuracies are errors naming file and
// line.
int truth_read(struct truth *truth, const struct truth_options *options,
               const struct assay_space *space, struct assay_err *err);
// Files of JSON, which begin with a brace or a bracket, are read where the build has a library for
// them. They are {arch: {column: number}}, numbers also as {"score": number}, under names of data
// sets when target is DATA SET/COLUMN, as NAS-Bench-Suite-Zero has them; or objects with key and
// target, as a list or one after another (JSON Lines).
void truth_free(struct truth *truth);
// The accuracy of an architecture; NaN when the table has none.
double truth_of(const struct truth *truth, uint64_t index);
// Prints "accuracy.csv: 3 of 8 rows have no test_accuracy and are left out, the first on line 2" as
// a line after the prefix; nothing when all have one.
void truth_print_left_out(const struct truth *truth, const char *prefix, FILE *stream);

// ---- for readers of a format --------------------------------------------------------------------
// Enters what stands at a line or entry; value is NaN where it has none. row has room for all.
int truth_enter(struct truth *truth, const struct assay_space *space, const char *arch,
                double value, size_t line, struct assay_err *err);
// Reads a text as JSON; errors name the file and the entry.
int truth_read_json(struct truth *truth, const char *text, const struct assay_space *space,
                    struct assay_err *err);
// Whether a word stands for what was not measured; and decimal notation of a finite number.
bool truth_is_missing(const char *word);
bool truth_read_number(const char *word, double *value);

#endif
