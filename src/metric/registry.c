// SPDX-License-Identifier: Apache-2.0
#include "memo.h"

#include <ctype.h>
#include <string.h>

const struct assay_metric *const assay_metrics[] = {
    &assay_metric_ntk,       &assay_metric_ntk_frozen, &assay_metric_ntk_trace,
    &assay_metric_ntk_ridge, &assay_metric_nasi,       &assay_metric_regions,
    &assay_metric_cost,      &assay_metric_null,       NULL,
};

const char *assay_metric_init_name(int init)
{
    static const char *const name[] = {"pytorch", "kaiming-fan-out", "kaiming-fan-in"};
    ASSAY_ASSERT(init >= 0 && (size_t)init < ASSAY_LEN(name));
    return name[init];
}

void assay_metric_describe_run(const struct assay_protocol *p, char *text, size_t cap)
{
    snprintf(text, cap, "repeats=%llu seed=%llu weights=%s", (unsigned long long)p->repeats,
             (unsigned long long)p->seed,
             p->redraw ? "redrawn each repeat" : "the same in every repeat");
}

void assay_metric_describe_size(uint64_t channels, uint64_t cells, int macro, uint64_t stem,
                                char text[ASSAY_METRIC_SIZE])
{
    enum { IMAGENET = 2 }; // enum assay_macro
    static const char *const name[] = {"tenas", "cifar"};
    const int n = snprintf(text, ASSAY_METRIC_SIZE, "C=%llu N=%llu", (unsigned long long)channels,
                           (unsigned long long)cells);
    const size_t rest = ASSAY_METRIC_SIZE - (size_t)n;
    if (macro == IMAGENET)
        snprintf(text + n, rest, " macro=imagenet");
    else if (macro || stem > 1)
        snprintf(text + n, rest, " macro=%s stem=%llu", name[macro], (unsigned long long)stem);
}

void assay_metric_describe_net(const struct assay_protocol *p, uint64_t batch, const char *what,
                               char *text, size_t cap)
{
    char size[ASSAY_METRIC_SIZE];
    assay_metric_describe_size(p->channels, p->cells, p->macro, p->stem, size);
    const int n = snprintf(text, cap,
                           "batch=%llu %s init=%s precision=float64, float32 backward "
                           "%s classes=%llu image=%llu ",
                           (unsigned long long)batch, what, assay_metric_init_name(p->ntk_init),
                           size, (unsigned long long)p->classes, (unsigned long long)p->image);
    if (n >= 0 && (size_t)n < cap) assay_metric_describe_run(p, text + n, cap - (size_t)n);
}

void assay_metric_describe_kernel(const struct assay_protocol *p, const char *bn, char *text,
                                  size_t cap)
{
    char what[64];
    snprintf(what, sizeof what, "bn=%s outputs=%s parameters=weights", bn,
             p->ntk_outputs == ASSAY_OUTPUTS_ALL ? "all" : "sum");
    assay_metric_describe_net(p, p->ntk_batch, what, text, cap);
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
    for (const char *at = list;; at++) {
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
        if (wanted[i]) chosen[(*n)++] = assay_metrics[i];
    }
    return ASSAY_OK;
}
