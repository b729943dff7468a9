// SPDX-License-Identifier: Apache-2.0
// A table of texts, printed aligned for a reader, or comma-separated or as JSON for a program.
#ifndef ASSAY_SRC_CLI_TEXT_TABLE_H
#define ASSAY_SRC_CLI_TEXT_TABLE_H

#include "cli.h"

struct text_cell {
    char *text;
    bool number; // JSON writes it without quotes
};
struct text_table {
    struct text_cell *cell; // row after row, the header first
    size_t n, cap, n_column;
    size_t n_key; // first columns that stand in every part of a divided table
    size_t soft;  // a column of words that may be cut; 0: none
    bool failed;  // out of memory
    bool goes_on; // its header was printed before
};

// A zeroed struct is an empty table.
void text_table_free(struct text_table *t);
// Forgets all rows but the header, which CSV then prints no more.
void text_table_rewind(struct text_table *t);
// Appends one cell; a row is full after n_column cells.
void text_table_add(struct text_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Appends a number with that many significant digits, a whole number with all of its digits; NaN is
// an empty cell, and null in JSON.
void text_table_add_number(struct text_table *t, double value, int digits);
void text_table_add_count(struct text_table *t, uint64_t value);
// Numbers are aligned right, words left. Empty cells of an aligned table are printed "-". On a
// terminal that is narrower the soft column's words are cut ("..."), and when that is not enough
// the table is divided into parts, one below the other; no number is ever cut. Elsewhere everything
// is printed in full. JSON has an object a row, each on a line of its own, whose keys are the
// header.
int text_table_print(const struct text_table *t, enum cli_format format, FILE *stream,
                     struct assay_err *err);

#endif
