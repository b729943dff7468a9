// SPDX-License-Identifier: Apache-2.0
#include "assay/evaluate.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_MAX 512

// Says what the images are: " data=cifar10 train augmented normalised".
static void describe_data(const struct assay_data_spec *spec, char *text, size_t cap)
{
    const bool generated = assay_data_source(spec->source, NULL)->generated;
    snprintf(text, cap, " data=%s%s%s%s%s", spec->source, generated ? "" : " ",
             generated ? "" : spec->split, spec->augment && !generated ? " augmented" : "",
             spec->normalise && !generated ? " normalised" : "");
}

struct assay_use assay_config_use(const struct assay_config *config,
                                  const struct assay_metric *metric)
{
    struct assay_use use = {.metric = metric};
    for (size_t i = 0; metric->options[i]; i++)
        use.option[i] = assay_config_get(config, metric->options[i]);
    return use;
}

static bool reads_images(const struct assay_use *use, const struct assay_config *config)
{
    struct assay_pass pass[ASSAY_METRIC_PASSES];
    const struct assay_protocol *p = assay_config_protocol(config);
    const uint32_t n = use->metric->passes ? use->metric->passes(use, p, pass) : 0;
    bool reads = false;
    for (uint32_t i = 0; i < n; i++)
        reads |= pass[i].pull != ASSAY_PULL_WEIGHTS && (pass[i].input.kind == ASSAY_INPUT_IMAGES ||
                                                        pass[i].input.kind == ASSAY_INPUT_PATCHES);
    return reads;
}

static char *protocol_text(const struct assay_use *use, const struct assay_config *config)
{
    char text[PROTOCOL_MAX];
    assay_metric_describe(use, assay_config_protocol(config), text, sizeof text);
    if (reads_images(use, config)) {
        const size_t used = strlen(text);
        describe_data(assay_config_data(config), text + used, sizeof text - used);
    }
    return strdup(text);
}

// Appends the metric's columns; each owns its protocol text.
static int append(struct assay_columns *columns, const struct assay_metric *metric,
                  const struct assay_config *config, struct assay_err *err)
{
    const struct assay_use use = assay_config_use(config, metric);
    columns->metric[columns->n_metric++] = metric;
    for (uint32_t i = 0; i < metric->n_column; i++) {
        const uint32_t at = columns->n_column;
        columns->column[at] = metric->column[i];
        columns->protocol[at] = protocol_text(&use, config);
        if (!columns->protocol[at]) {
            return assay_err_set(err, ASSAY_ERR_MEMORY, "columns: no memory left");
        }
        columns->n_column++;
    }
    return ASSAY_OK;
}

// How many eigenvalues a record has.
static uint32_t spectrum_of(const struct assay_metric *metric, const struct assay_config *config)
{
    struct assay_pass pass[ASSAY_METRIC_PASSES];
    const struct assay_protocol *p = assay_config_protocol(config);
    const struct assay_use use = assay_config_use(config, metric);
    if (!metric->spectrum) return 0;
    metric->passes(&use, p, pass);
    if (pass[0].pull != ASSAY_PULL_KERNEL) return 0;
    return (uint32_t)assay_kernel_rows(&pass[0], pass[0].input.n, p->classes);
}

static int fill(struct assay_columns *columns, const struct assay_config *config, bool counted,
                struct assay_err *err)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    uint32_t n, total = 0;
    ASSAY_TRY(assay_metrics_parse(assay_config_protocol(config)->metrics, chosen, &n, err));
    for (uint32_t i = 0; i < n; i++) total += chosen[i]->n_column;
    columns->column = calloc(total, sizeof *columns->column);
    columns->protocol = calloc(total, sizeof *columns->protocol);
    if (!columns->column || !columns->protocol) {
        return assay_err_set(err, ASSAY_ERR_MEMORY, "columns: no memory left");
    }
    for (uint32_t i = 0; i < n; i++) {
        if ((chosen[i]->count != NULL) != counted) continue;
        ASSAY_TRY(append(columns, chosen[i], config, err));
        columns->spectrum += spectrum_of(chosen[i], config);
    }
    return ASSAY_OK;
}

int assay_config_demand(const struct assay_config *config, struct assay_demand *demand,
                        struct assay_err *err)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    struct assay_use use[ASSAY_METRICS_MAX];
    uint32_t n, n_use = 0;
    ASSAY_TRY(assay_metrics_parse(assay_config_protocol(config)->metrics, chosen, &n, err));
    for (uint32_t i = 0; i < n; i++) {
        if (chosen[i]->measure) use[n_use++] = assay_config_use(config, chosen[i]);
    }
    return assay_demand_make(demand, assay_config_protocol(config), use, n_use, NULL, err);
}

bool assay_config_members(const struct assay_config *config)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    const struct assay_space_kind *space = assay_space_find(assay_config_evaluation(config)->space);
    const bool same = space && space->same_literal;
    bool members = assay_config_evaluation(config)->members;
    uint32_t n = 0;
    if (assay_metrics_parse(assay_config_protocol(config)->metrics, chosen, &n, NULL) < 0) n = 0;
    for (uint32_t i = 0; i < n; i++)
        members |= chosen[i]->measure && chosen[i]->scope == ASSAY_SCOPE_LITERAL && !same;
    return members;
}

int assay_columns_create(struct assay_columns *columns, const struct assay_config *config,
                         bool counted, struct assay_err *err)
{
    struct assay_columns made = {0};
    const int status = fill(&made, config, counted, err);
    if (status < 0) {
        assay_columns_free(&made);
        return status;
    }
    *columns = made;
    return ASSAY_OK;
}

void assay_columns_free(struct assay_columns *columns)
{
    for (uint32_t i = 0; i < columns->n_column; i++) free((char *)columns->protocol[i]);
    free(columns->column);
    free(columns->protocol);
    *columns = (struct assay_columns){0};
}

void assay_columns_count(const struct assay_columns *columns, const struct assay_graph *literal,
                         double *out)
{
    for (uint32_t i = 0; i < columns->n_metric; i++) {
        columns->metric[i]->count(literal, out);
        out += columns->metric[i]->n_column;
    }
}
