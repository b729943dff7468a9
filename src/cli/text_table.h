// SPDX-License-Identifier: Apache-2.0
// A table of texts, printed aligned for a reader or comma-separated for a program.
#ifndef ASSAY_SRC_CLI_TEXT_TABLE_H
#define ASSAY_SRC_CLI_TEXT_TABLE_H

#include "assay/base.h"

struct text_table {
    char **cell; // row after row, the header first
    size_t n, cap, n_column;
    size_t n_key; // first columns that stand in every part of a divided table
    size_t soft;  // a column of words that may be cut; 0: none
    bool failed;  // out of memory
};

// A zeroed struct is an empty table.
void text_table_free(struct text_table *t);
// Appends one cell; a row is full after n_column cells.
void text_table_add(struct text_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Appends a number with that many significant digits, a whole number with all of its digits; NaN is
// an empty cell.
void text_table_add_number(struct text_table *t, double value, int digits);
// Numbers are aligned right, words left. Empty cells of an aligned table are printed "-". On a
// terminal that is narrower the soft column's words are cut ("..."), and when that is not enough
// the table is divided into parts, one below the other; no number is ever cut. Elsewhere everything
// is printed in full.
int text_table_print(const struct text_table *t, bool csv, FILE *stream, struct assay_err *err);

#endif
