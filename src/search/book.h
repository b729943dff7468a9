// SPDX-License-Identifier: Apache-2.0
// What happened in a search, as growing tables for search.h5.
#ifndef ASSAY_SEARCH_BOOK_H
#define ASSAY_SEARCH_BOOK_H

#include "assay/store.h"

struct search_series;
struct search_book {
    struct search_series *series;
    size_t n, cap;
    bool failed; // out of memory; search_book_write reports it
};

// Appends to the series "table/column", which begins with its first value; help is kept from then.
// Every column of a table must get as many values as the others.
void search_book_int(struct search_book *b, const char *name, int64_t value, const char *help);
void search_book_number(struct search_book *b, const char *name, double value, const char *help);
void search_book_text(struct search_book *b, const char *name, const char *value, const char *help);
// A row of n numbers, always as many.
void search_book_numbers(struct search_book *b, const char *name, const double *value, size_t n,
                         const char *help);
int search_book_write(const struct search_book *b, const char *dir, const char *file,
                      const struct assay_attr *attr, size_t n_attr, struct assay_err *err);
// A zeroed struct is an empty book.
void search_book_free(struct search_book *b);

#endif
