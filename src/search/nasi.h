// SPDX-License-Identifier: Apache-2.0
// What NASI's methods and their evaluator agree on.
#ifndef ASSAY_SRC_SEARCH_NASI_H
#define ASSAY_SRC_SEARCH_NASI_H

#include "method.h"
#include "nasi_math.h"

// A task is a step, whose number is the task's index. The record has T, the trace norm of the
// step's mini-batch and sample, and with NASI_DERIVATIVE also dT/dalpha.
enum nasi_what { NASI_TRACE, NASI_DERIVATIVE };
extern const struct search_evaluator search_evaluator_nasi;

// Read T and dT/dalpha from a record of that evaluator.
double nasi_record_trace(const struct assay_record *record);
void nasi_record_dalpha(const struct assay_oneshot_kind *kind, const struct assay_record *record,
                        struct nasi_alpha *dalpha);

#endif
