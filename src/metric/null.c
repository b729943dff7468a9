// SPDX-License-Identifier: Apache-2.0
// The null metric: costs nothing, so that a sweep of it measures the coordinator.
#include "subject.h"

static const struct assay_column columns[] = {
    {"null", "1", "always 0", 0},
};

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    (void)use;
    (void)p;
    snprintf(text, cap, "none");
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)s;
    (void)use;
    (void)spectrum;
    (void)reason;
    (void)err;
    out[0] = 0.0;
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_null = {
    .name = "null",
    .help = "nothing, at no cost: measures the coordinator",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .describe = describe,
    .measure = measure,
};
