// SPDX-License-Identifier: Apache-2.0
// What happened in a search, as growing tables for search.h5.
#ifndef ASSAY_SRC_SEARCH_HISTORY_H
#define ASSAY_SRC_SEARCH_HISTORY_H

#include "assay/store.h"

#define SEARCH_SERIES_NAME 96 // bytes of the longest name
struct search_series;
struct search_history {
    struct search_series *series;
    size_t n, cap;
    bool failed; // out of memory; search_history_write reports it
};

// Appends to the series "table/column", which begins to exist with its first value; help is that of
// the first call. Every column of a table must get as many values as the others.
void search_history_int(struct search_history *h, const char *name, int64_t value,
                        const char *help);
void search_history_number(struct search_history *h, const char *name, double value,
                           const char *help);
void search_history_text(struct search_history *h, const char *name, const char *value,
                         const char *help);
// Appends a row of n numbers, the same n in every row of a series.
void search_history_numbers(struct search_history *h, const char *name, const double *value,
                            size_t n, const char *help);
int search_history_write(const struct search_history *h, const char *dir, const char *file,
                         const struct assay_attr *attr, size_t n_attr, struct assay_err *err);
// A zeroed struct is an empty history.
void search_history_free(struct search_history *h);

#endif
