// SPDX-License-Identifier: Apache-2.0
#include "proxies.h"

#include <ctype.h>
#include <string.h>

// A line a metric, in the order of their columns.
// clang-format off
#define METRICS(X) \
    X(ntk) \
    X(ntk_frozen) \
    X(ntk_trace) \
    X(ntk_ridge) \
    X(ntk_spectrum) \
    X(ntk_residuals) \
    X(ntk_frozen_residuals) \
    X(kta) \
    X(nasi) \
    X(regions) \
    X(cost) \
    X(grad_norm) \
    X(snip) \
    X(plain) \
    X(grasp) \
    X(fisher) \
    X(naswot) \
    X(naswot_hnas) \
    X(kinks) \
    X(swap) \
    X(near) \
    X(meco) \
    X(meco_batch) \
    X(meco_opt) \
    X(dextr) \
    X(jacov) \
    X(epe_nas) \
    X(hnas) \
    X(zico) \
    X(gradsign) \
    X(gradsign_coupled) \
    X(l2_norm) \
    X(synflow) \
    X(zen) \
    X(az) \
    X(vkdnw) \
    X(epsinas) \
    X(mgm) \
    X(wrcor) \
    X(null)
// clang-format on

#define DECLARE(name) extern const struct assay_metric assay_metric_##name;
#define LIST(name)    &assay_metric_##name,
METRICS(DECLARE)
const struct assay_metric *const assay_metrics[] = {METRICS(LIST) NULL};

static void add_table(const struct assay_options **table, uint32_t *n,
                      const struct assay_options *next)
{
    uint32_t k = 0;
    while (k < *n && table[k] != next) k++;
    if (k == *n) table[(*n)++] = next;
}

uint32_t assay_metric_options(const struct assay_options *table[ASSAY_METRIC_OPTIONS_MAX])
{
    uint32_t n = 0;
    for (size_t i = 0; assay_metrics[i]; i++) {
        for (const struct assay_options *const *t = assay_metrics[i]->options; *t; t++)
            add_table(table, &n, *t);
    }
    add_table(table, &n, &proxies_options);
    return n;
}

static int unknown_metric(const char *name, size_t length, struct assay_err *err)
{
    char known[512] = "";
    for (size_t i = 0; assay_metrics[i]; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", assay_metrics[i]->name);
    }
    return assay_err_set(err, ASSAY_ERR_CONFIG, "unknown metric '%.*s', expected some of %s",
                         (int)length, name, known);
}

// Marks the metric called name[0..length).
static int mark(const char *name, size_t length, bool *wanted, struct assay_err *err)
{
    for (size_t i = 0; assay_metrics[i]; i++) {
        if (strlen(assay_metrics[i]->name) == length &&
            memcmp(assay_metrics[i]->name, name, length) == 0) {
            wanted[i] = true;
            return ASSAY_OK;
        }
    }
    return unknown_metric(name, length, err);
}

int assay_metrics_parse(const char *list, const struct assay_metric *chosen[ASSAY_METRICS_MAX],
                        uint32_t *n, struct assay_err *err)
{
    _Static_assert(ASSAY_LEN(assay_metrics) <= ASSAY_METRICS_MAX, "raise ASSAY_METRICS_MAX");
    bool wanted[ASSAY_METRICS_MAX] = {false};
    const bool all = strcmp(list, "all") == 0;
    for (const char *at = list; !all; at++) {
        while (isspace((unsigned char)*at)) at++;
        const char *const name = at;
        at += strcspn(at, ",");
        size_t length = (size_t)(at - name);
        while (length && isspace((unsigned char)name[length - 1])) length--;
        ASSAY_TRY(mark(name, length, wanted, err));
        if (!*at) break;
    }
    *n = 0;
    for (size_t i = 0; assay_metrics[i]; i++) {
        if (wanted[i] || (all && strcmp(assay_metrics[i]->name, "null") != 0))
            chosen[(*n)++] = assay_metrics[i];
    }
    return ASSAY_OK;
}
