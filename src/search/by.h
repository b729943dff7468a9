// SPDX-License-Identifier: Apache-2.0
// What search.by and search.finish name: the column that decides, or the sum of ranks that does.
#ifndef ASSAY_SRC_SEARCH_BY_H
#define ASSAY_SRC_SEARCH_BY_H

#include "assay/score.h"
#include "assay/search.h"

struct search_by {
    bool sum;                           // a formula decides; otherwise the one column does
    struct assay_score_formula formula; // of a sum
    const struct assay_column *column[ASSAY_SCORE_TERMS]; // distinct, in the formula's order
    const struct assay_metric *metric[ASSAY_SCORE_TERMS]; // whose columns they are
    uint32_t n_column;
    int direction;
};
// Reads the value `given` of such a key ("search.by"): a score that papers have named, one of
// [score], a metric's column, or a formula of such columns. ERR_CONFIG for anything else.
int search_by_read(struct search_by *by, const struct assay_config *config, const char *key,
                   const char *given, struct assay_err *err);
// Which of its columns a term of its formula is of; several terms may be of one.
uint32_t search_by_column(const struct search_by *by, const struct assay_score_term *term);
// The metrics that fill the columns of one or two of them (more: or NULL), as run.metrics lists
// them.
void search_by_metrics(const struct search_by *by, const struct search_by *more,
                       char list[ASSAY_TEXT_MAX]);

#endif
