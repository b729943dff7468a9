// SPDX-License-Identifier: Apache-2.0
// What costs nothing to compute and beats most proxies: size of the literal network.
#include "memo.h"

static const struct assay_column columns[] = {
    {"params", "1", "NAS-Bench-201 (arXiv 2001.00326), trainable parameters", 1},
    {"flops", "1", "NAS-Bench-201 (arXiv 2001.00326), multiply-adds of one image", 1},
    {"layers", "1", "trainable layers: convolutions and linear layers", 1},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    char size[ASSAY_METRIC_SIZE];
    assay_metric_describe_size(p->cost_channels, p->cost_cells, p->cost_macro, p->cost_stem, size);
    snprintf(text, cap, "literal network, %s classes=%llu image=%llu", size,
             (unsigned long long)p->classes,
             (unsigned long long)(p->cost_image ? p->cost_image : p->image));
}

static void count(const struct assay_graph *literal, double *out)
{
    const struct assay_cost cost = assay_graph_cost(literal);
    out[0] = (double)cost.params;
    out[1] = (double)cost.flops;
    out[2] = (double)cost.layers;
}

const struct assay_metric assay_metric_cost = {
    .name = "cost",
    .help = "parameters, FLOPs and trainable layers of the benchmark-size network",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .describe = describe,
    .count = count,
};
