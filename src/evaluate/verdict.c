// SPDX-License-Identifier: Apache-2.0
#include "verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(ASSAY_METRIC_REASON <= ASSAY_REASON_MAX, "a metric's reason fits into a record");

void verdict_note(struct assay_record *record, int verdict, const char *who, const char *reason)
{
    if (verdict <= record->verdict) return;
    record->verdict = verdict;
    memset(record->reason, 0, sizeof record->reason);
    const int room = (int)(sizeof record->reason - strlen(who) - 3); // ": " and the terminator
    snprintf(record->reason, sizeof record->reason, "%s: %.*s", who, room, reason);
}

void verdict_check(struct assay_record *record, const struct assay_metric *metric,
                   const double *out)
{
    for (uint32_t i = 0; i < metric->n_column; i++) {
        if (isfinite(out[i])) continue;
        char reason[ASSAY_METRIC_REASON];
        snprintf(reason, sizeof reason, "%s is %g", metric->column[i].name, out[i]);
        verdict_note(record, ASSAY_VERDICT_DEGENERATE, metric->name, reason);
    }
}

void verdict_fill_nan(size_t n, double *v)
{
    for (size_t i = 0; i < n; i++) v[i] = NAN;
}
