// SPDX-License-Identifier: Apache-2.0
// Nine rows to write and read: ties, a dead row with the best values, a degenerate one, an
// unfinished one, values that are not finite. Included after cmocka.
#ifndef ASSAY_TESTS_STORE_RESULTS_H
#define ASSAY_TESTS_STORE_RESULTS_H

#include <math.h>

#include "assay/store.h"
#include "scratch.h"

enum { ROWS = 9, REPEATS = 2, COLUMNS = 3, EIGENVALUES = 2 };
enum { OK = ASSAY_VERDICT_OK, DEGENERATE = ASSAY_VERDICT_DEGENERATE, DEAD = ASSAY_VERDICT_DEAD };
enum { UNFINISHED = -1 };

static const struct assay_column columns[COLUMNS] = {
    {.name = "kappa", .unit = "1", .source = "TE-NAS, Eq. 4", .direction = -1},
    {.name = "regions", .unit = "count", .source = "TE-NAS, Eq. 6", .direction = 1},
    {.name = "numerical_rank", .unit = "count", .source = NULL, .direction = 0}};
static const char *const protocol[COLUMNS] = {"batch 72", "3 x 1000", "batch 72"};
static const struct assay_schema schema = {.column = columns,
                                           .protocol = protocol,
                                           .n_column = COLUMNS,
                                           .repeats = REPEATS,
                                           .spectrum_len = EIGENVALUES};
static const struct assay_column cost[1] = {{.name = "params", .unit = "M", .direction = 1}};
static const char *const cost_protocol[1] = {"C 16, N 5"};

static const struct {
    int status;
    double kappa, regions;
} table[ROWS] = {
    {OK, 5, 10},
    {OK, 3, 10},
    {DEAD, 1, 99},
    {OK, 3, 20},
    {OK, NAN, 30},
    {OK, -2, INFINITY},
    {DEGENERATE, INFINITY, 15},
    {OK, 9, 40},
    {UNFINISHED, 0, 0},
};
struct fixture {
    double value[ROWS][REPEATS][COLUMNS], spectrum[ROWS][REPEATS][EIGENVALUES], params[ROWS];
    struct assay_record record[ROWS];
    struct assay_row row[ROWS];
    struct assay_attr attr[2];
    struct assay_results results;
};

static inline void fill(struct fixture *f)
{
    static const char *const arch[ROWS] = {"|a~0|", "|bb~0|", "c", "d",       "e",
                                           "f",     "g",      "h", "|last~0|"};
    for (int i = 0; i < ROWS; i++) {
        for (int r = 0; r < REPEATS; r++) {
            const double half = r ? 0.5 : -0.5; // the mean is the table's value
            f->value[i][r][0] = table[i].kappa + half;
            f->value[i][r][1] = table[i].regions;
            f->value[i][r][2] = i + r;
            for (int k = 0; k < EIGENVALUES; k++) f->spectrum[i][r][k] = 100 * i + 10 * r + k;
        }
        f->params[i] = 0.1 * (i % 3);
        f->record[i] = (struct assay_record){.index = (uint64_t)(2 * i),
                                             .verdict = table[i].status,
                                             .rank = i % 2,
                                             .seconds = i,
                                             .value = f->value[i][0],
                                             .spectrum = f->spectrum[i][0]};
        if (table[i].status == DEAD) strcpy(f->record[i].reason, "cut off");
        f->row[i] =
            (struct assay_row){.index = (uint64_t)(2 * i + 1),
                               .class_index = (uint64_t)(2 * i),
                               .arch = arch[i],
                               .record = table[i].status == UNFINISHED ? NULL : &f->record[i],
                               .extra = &f->params[i]};
    }
    f->attr[0] = (struct assay_attr){.name = "config", .text = "[run]\nseed = 1\n"};
    f->attr[1] = (struct assay_attr){.name = "host", .text = "here", .run = true};
    f->results = (struct assay_results){.schema = &schema,
                                        .extra_column = cost,
                                        .extra_protocol = cost_protocol,
                                        .n_extra = 1,
                                        .score = assay_scores,
                                        .n_score = 1,
                                        .row = f->row,
                                        .n_row = ROWS,
                                        .attr = f->attr,
                                        .n_attr = 2};
}

static inline struct assay_table *write_and_read(void **state, const struct fixture *f)
{
    struct assay_err err = {0};
    struct assay_table *read = NULL;
    if (assay_results_write(*state, &f->results, &err) < 0) fail_msg("%s", err.text);
    if (assay_table_read(&read, scratch_path(state, "results.h5"), &err) < 0)
        fail_msg("%s", err.text);
    return read;
}

#endif
