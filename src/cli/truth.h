// SPDX-License-Identifier: Apache-2.0
// The measured accuracies of a comma-separated table, by architecture.
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
    size_t line; // of the file
};
struct truth {
    struct truth_options options; // borrowed
    struct truth_row *row;        // (n) ascending by index
    size_t n;                     // architectures with an accuracy, at least one
    size_t n_left_out;            // rows without one
    size_t first_left_out;        // line of the first of them
};
// Reads the two columns of the file; all others are ignored (an `index` is the publisher's own). An
// architecture that does not parse or has two accuracies, an accuracy that is neither a finite
// number nor missing, and a table without accuracies are errors naming file and line.
int truth_read(struct truth *truth, const struct truth_options *options,
               const struct assay_space *space, struct assay_err *err);
void truth_free(struct truth *truth);
// The accuracy of an architecture; NaN when the table has none.
double truth_of(const struct truth *truth, uint64_t index);
// Prints "accuracy.csv: 3 of 8 rows have no test_accuracy and are left out, the first on line 2" as
// a line after the prefix; nothing when all have one.
void truth_print_left_out(const struct truth *truth, const char *prefix, FILE *stream);

#endif
