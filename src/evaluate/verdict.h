// SPDX-License-Identifier: Apache-2.0
// What becomes of a record whose metrics say that something is wrong.
#ifndef ASSAY_SRC_EVALUATE_VERDICT_H
#define ASSAY_SRC_EVALUATE_VERDICT_H

#include "assay/evaluate.h"

// The worst verdict of all metrics and repeats stands, with its first reason.
void verdict_note(struct assay_record *record, int verdict, const char *who, const char *reason);
// A NaN or infinity never passes as a number: the candidate is degenerate then, unless the metric
// says that no candidate has that column by these options.
void verdict_check(struct assay_record *record, const struct assay_metric *metric,
                   const double *out);
void verdict_fill_nan(size_t n, double *v);

#endif
