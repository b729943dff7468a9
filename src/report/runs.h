// SPDX-License-Identifier: Apache-2.0
// The rows of a group of search.h5, told apart by the search that they belong to.
#ifndef ASSAY_SRC_REPORT_RUNS_H
#define ASSAY_SRC_REPORT_RUNS_H

#include "report.h"

enum { RUNS_MOST = 64 }; // searches that are told apart; rows of others are left out

struct runs {
    const char *group;
    uint64_t n;  // rows
    uint8_t *of; // (n) the search of each row; RUNS_MOST: of one more
    uint32_t n_run;
    struct run {
        const char *method; // NULL: the group has no methods
        double seed;
        uint64_t n; // its rows
    } run[RUNS_MOST];
};

// Reads whose the rows of a group are; n is 0 where there is no such group.
int runs_read(struct runs *runs, struct report *r, const char *group);
void runs_free(struct runs *runs);
// Reads a data set of numbers of the group, of `width` numbers a row; 0: any. An error where its
// rows are not as many.
int runs_numbers(const struct runs *runs, struct report *r, const char *name, uint64_t width,
                 struct assay_values *values);
int runs_texts(const struct runs *runs, struct report *r, const char *name, char ***texts);
// Writes "nasi, seed 3".
void runs_name(const struct runs *runs, uint32_t run, char *text, size_t cap);

#endif
