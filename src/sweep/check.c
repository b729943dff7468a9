// SPDX-License-Identifier: Apache-2.0
// What a configuration must be as a whole, beside what each key says.
#include "run.h"

#include <inttypes.h>
#include <string.h>

// Rewrites the list in registry order, so that equal sets of metrics are equal configurations.
static int check_metrics(char *list, struct assay_err *err)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    uint32_t n = 0;
    if (assay_metrics_parse(list, chosen, &n, err) < 0) return assay_err_prefix(err, "run.metrics");
    size_t at = 0;
    for (uint32_t i = 0; i < n && at < ASSAY_TEXT_MAX; i++)
        at +=
            (size_t)snprintf(list + at, ASSAY_TEXT_MAX - at, "%s%s", i ? "," : "", chosen[i]->name);
    return ASSAY_OK;
}

static bool wants_true_labels(const struct assay_protocol *p)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    unsigned needs = 0;
    uint32_t n = 0;
    if (assay_metrics_parse(p->metrics, chosen, &n, NULL) < 0) return true;
    for (uint32_t i = 0; i < n; i++) needs |= chosen[i]->needs;
    return needs & ASSAY_NEEDS_LABELS ||
           (needs & ASSAY_NEEDS_NASI && p->nasi_labels == ASSAY_LABELS_TRUE);
}

// One output is meant, and no data set has one class; with fewer outputs than classes otherwise
// their number was forgotten.
static int check_data(const struct assay_config *c, struct assay_err *err)
{
    static const struct {
        const char *name;
        uint64_t classes;
    } need[] = {{"gaussian", 1}, {"cifar10", 10}, {"cifar100", 100}, {"hdf5", 1}};
    const int source = c->data.source;
    if (c->protocol.classes == 1 && !wants_true_labels(&c->protocol)) return ASSAY_OK;
    if (c->protocol.classes < need[source].classes)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "network.classes = %" PRIu64 ": data.source = %s has %" PRIu64
                             " classes",
                             c->protocol.classes, need[source].name, need[source].classes);
    return ASSAY_OK;
}

// LAPACK and ScaLAPACK count in 32 bits.
static int check_kernel(const struct assay_protocol *p, struct assay_err *err)
{
    enum { ROWS_MOST = 200000 };
    const uint64_t rows = p->ntk_batch * (p->ntk_outputs == ASSAY_OUTPUTS_ALL ? p->classes : 1);
    if (rows <= ROWS_MOST) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "ntk.batch = %" PRIu64
                         " with ntk.outputs = all and network.classes = %" PRIu64
                         ": a kernel of %" PRIu64 " rows, expected at most %d",
                         p->ntk_batch, p->classes, rows, ROWS_MOST);
}

static int check_space(const char *name, struct assay_err *err)
{
    struct assay_space space;
    if (assay_space_open(&space, name, err) < 0) return assay_err_prefix(err, "space.name");
    assay_space_close(&space);
    return ASSAY_OK;
}

static int check_candidates(const struct assay_config *c, struct assay_err *err)
{
    if (!*c->archs || !(c->first || c->count || c->sample)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "candidates.archs = %.200s excludes candidates.first, count and sample",
                         c->archs);
}

int sweep_config_check(struct assay_config *c, struct assay_err *err)
{
    ASSAY_TRY(check_space(c->space, err));
    if (c->protocol.image % 4)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "network.image = %" PRIu64
                             ": expected a multiple of 4 (two stages of stride 2)",
                             c->protocol.image);
    struct sweep_shard shard;
    ASSAY_TRY(check_candidates(c, err));
    ASSAY_TRY(sweep_shard_parse(&shard, c->shard, err));
    ASSAY_TRY(check_metrics(c->protocol.metrics, err));
    ASSAY_TRY(check_kernel(&c->protocol, err));
    return check_data(c, err);
}
