// SPDX-License-Identifier: Apache-2.0
// What an evaluation's keys bring, and must be together.
#include "assay/evaluate.h"

#include <inttypes.h>
#include <string.h>

static bool fits(const struct assay_config *config, const struct assay_metric *metric, bool thin)
{
    struct assay_pass pass[ASSAY_METRIC_PASSES];
    const struct assay_use use = assay_config_use(config, metric);
    const uint32_t n =
        metric->passes ? metric->passes(&use, assay_config_protocol(config), pass) : 0;
    bool wanted = false;
    for (uint32_t i = 0; i < n; i++) wanted |= pass[i].network == ASSAY_NET_THIN;
    return thin || !wanted;
}

// Writes those metrics of the list that the space has networks for (thin: thin ones too), in
// registry order, so that equal sets of metrics are equal configurations. *other: the last of the
// other metrics, NULL: there is none.
static int order_metrics(const struct assay_config *config, char *list, bool thin,
                         const struct assay_metric **other, struct assay_err *err)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    uint32_t n = 0;
    *other = NULL;
    if (assay_metrics_parse(list, chosen, &n, err) < 0) return assay_err_prefix(err, "run.metrics");
    size_t at = 0;
    for (uint32_t i = 0; i < n && at < ASSAY_TEXT_MAX; i++) {
        if (fits(config, chosen[i], thin))
            at += (size_t)snprintf(list + at, ASSAY_TEXT_MAX - at, "%s%s", at ? "," : "",
                                   chosen[i]->name);
        else
            *other = chosen[i];
    }
    return ASSAY_OK;
}

static int check_metrics(const struct assay_config *config, char *list,
                         const struct assay_space_kind *kind, struct assay_err *err)
{
    const struct assay_metric *other;
    const bool all = strcmp(list, "all") == 0; // that there can be
    ASSAY_TRY(order_metrics(config, list, kind->patch > 0, &other, err));
    if (!other || all) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "run.metrics: %s needs a thin network, and %s has none", other->name,
                         kind->name);
}

static bool wants_true_labels(const struct assay_config *config)
{
    struct assay_demand demand;
    bool wanted = false;
    if (assay_config_demand(config, &demand, NULL) < 0) return true;
    for (uint32_t i = 0; i < demand.n_input; i++)
        wanted |= demand.input[i].label[ASSAY_LABELS_TRUE];
    assay_demand_free(&demand);
    return wanted;
}

// A network of one output is meant so, since no data set has one class. Of other networks that have
// fewer outputs than the data have classes, the number was forgotten.
static int check_data(const struct assay_config *config, struct assay_err *err)
{
    const struct assay_data_source *source =
        assay_data_source(assay_config_data(config)->source, err);
    const uint64_t classes = assay_config_protocol(config)->classes;
    if (!source) return assay_err_prefix(err, "data.source");
    if (classes == 1 && !wants_true_labels(config)) return ASSAY_OK;
    if (classes >= source->classes) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "network.classes = %" PRIu64 ": data.source = %s has %u classes", classes,
                         source->name, source->classes);
}

// A kernel is limited because LAPACK and ScaLAPACK count in 32 bits.
static int check_kernel(const struct assay_config *config, struct assay_err *err)
{
    enum { ROWS_MOST = 200000 };
    const struct assay_ntk_options *o = assay_config_get(config, &assay_ntk_options);
    const uint64_t classes = assay_config_protocol(config)->classes,
                   rows = o->batch * (o->outputs == ASSAY_OUTPUTS_ALL ? classes : 1);
    if (rows <= ROWS_MOST) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "ntk.batch = %" PRIu64
                         " with ntk.outputs = all and network.classes = %" PRIu64
                         ": a kernel of %" PRIu64 " rows, expected at most %d",
                         o->batch, classes, rows, ROWS_MOST);
}

// Checks the networks that are evaluated, and the one whose cost is counted.
static int check_nets(const struct assay_config *config, const struct assay_space *space,
                      struct assay_err *err)
{
    const struct assay_net net = assay_config_net(config, false),
                           cost = assay_config_cost_net(config);
    ASSAY_TRY(assay_space_check(space, &net, err));
    return assay_space_check(space, &cost, err);
}

static int check_space(const struct assay_config *config, struct assay_err *err)
{
    struct assay_space space;
    if (assay_config_open_space(config, &space, err) < 0)
        return assay_err_prefix(err, "space.name");
    const int status = check_nets(config, &space, err);
    assay_space_close(&space);
    return status;
}

static unsigned preset_index(const char *name)
{
    unsigned i = 0;
    while (strcmp(assay_presets[i].name, name) != 0) i++;
    return i;
}

// Names the protocol `custom` unless all values are those of its preset; only the number of repeats
// is free.
static void name_honestly(const struct assay_config *config, struct assay_protocol *p)
{
    if (!assay_config_has(config, assay_presets[p->name].value,
                          assay_config_evaluation(config)->space, "repeats"))
        p->name = (int)preset_index("custom");
}

static int check(struct assay_config *config, struct assay_err *err)
{
    struct assay_protocol *p = assay_config_edit(config, &assay_protocol_options);
    struct assay_data_spec *data = assay_config_edit(config, &assay_data_options);
    data->image = (uint32_t)p->image;
    data->classes = (uint32_t)p->classes;
    const struct assay_space_kind *kind = assay_space_find(assay_config_evaluation(config)->space);
    if (p->image % 4 && !(kind && kind->given))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "network.image = %" PRIu64
                             ": expected a multiple of 4 (two stages of stride 2)",
                             p->image);
    ASSAY_TRY(check_space(config, err));
    ASSAY_TRY(check_metrics(config, p->metrics, kind, err));
    ASSAY_TRY(check_kernel(config, err));
    ASSAY_TRY(check_data(config, err));
    name_honestly(config, p);
    return ASSAY_OK;
}

// ---- what a space and a preset bring ------------------------------------------------------------
static int bring_space(struct assay_config *config, struct assay_err *err)
{
    const struct assay_space_kind *kind = assay_space_find(assay_config_evaluation(config)->space);
    struct assay_protocol *p = assay_config_edit(config, &assay_protocol_options);
    struct assay_cost_options *cost = assay_config_edit(config, &assay_cost_options);
    if (!kind) return ASSAY_OK; // check reports it later
    p->channels = kind->search.channels;
    p->cells = kind->search.cells;
    p->macro = (int)kind->search.macro;
    p->stem = kind->search.stem;
    cost->channels = kind->full.channels;
    cost->cells = kind->full.cells;
    cost->macro = (int)kind->full.macro;
    cost->stem = kind->full.stem;
    p->patch = kind->patch;
    const struct assay_metric *other; // default metrics that are not for this space are left out
    return order_metrics(config, p->metrics, kind->patch && !kind->saturated, &other, err);
}

static int bring_preset(struct assay_config *config, struct assay_err *err)
{
    const struct assay_preset *preset = &assay_presets[assay_config_protocol(config)->name];
    return assay_config_apply(config, preset->value, assay_config_evaluation(config)->space,
                              preset->name, err);
}

void assay_evaluate_vocabulary(struct assay_vocabulary *v)
{
    static const struct assay_config_source space = {"space", "name", bring_space},
                                            preset = {"protocol", "name", bring_preset};
    assay_vocabulary_add(v, &assay_protocol_options);
    assay_vocabulary_add(v, &assay_evaluation_options);
    assay_vocabulary_add(v, &assay_data_options);
    for (size_t i = 0; assay_space_kinds[i]; i++)
        assay_vocabulary_add(v, assay_space_kinds[i]->options);
    const struct assay_options *metric[ASSAY_METRIC_OPTIONS_MAX];
    const uint32_t n = assay_metric_options(metric);
    for (uint32_t i = 0; i < n; i++) assay_vocabulary_add(v, metric[i]);
    assay_vocabulary_add_source(v, &space);
    assay_vocabulary_add_source(v, &preset);
    assay_vocabulary_add_check(v, check);
}
