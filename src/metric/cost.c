// SPDX-License-Identifier: Apache-2.0
// What costs nothing to compute and beats most proxies: size of the literal network.
#include "subject.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"params", "1", "NAS-Bench-201 (arXiv 2001.00326), trainable parameters", 1},
    {"flops", "1", "NAS-Bench-201 (arXiv 2001.00326), multiply-adds of one image", 1},
    {"layers", "1", "trainable layers: convolutions and linear layers", 1},
    {"macs", "1", "multiply-adds of one image without the classifier's bias", 1},
    {"vkdnw_dim", "1", "VKDNW (arXiv 2502.04975), parameter tensors: gamma and beta count one each",
     1},
    {"log_weights", "nat", "sum over layers of ln(number of weights)", 1},
    {"params_live", "1", "as params, of what lies between the input and the output", 1},
    {"macs_live", "1", "as macs, of what lies between the input and the output", 1},
    {"layers_live", "1", "as layers, of what lies between the input and the output", 1},
    {"log_weights_live", "nat", "as log_weights, of what lies between the input and the output", 1},
};

static const struct assay_opt rows[] = {
    {"cost", "channels", "channels C at which parameters, FLOPs and layers are counted (darts: 36)",
     ASSAY_OPT_U64, offsetof(struct assay_cost_options, channels), .max = 1024, .def = "16"},
    {"cost", "cells", "cells N per stage at which they are counted (darts: all cells, 20)",
     ASSAY_OPT_U64, offsetof(struct assay_cost_options, cells), .max = 64, .def = "5"},
    {"cost", "image", "image size at which they are counted; 0: network.image", ASSAY_OPT_U64,
     offsetof(struct assay_cost_options, image), .max = 1024, .def = "0"},
    {"cost", "macro", "network.macro at which they are counted (darts: cifar)", ASSAY_OPT_ENUM,
     offsetof(struct assay_cost_options, macro), .choices = "tenas|cifar|imagenet", .def = "tenas"},
    {"cost", "stem", "network.stem at which they are counted (darts: 3)", ASSAY_OPT_U64,
     offsetof(struct assay_cost_options, stem), .min = 1, .max = 16, .def = "1"},
    {.name = NULL},
};
const struct assay_options assay_cost_options = {rows, sizeof(struct assay_cost_options)};

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct assay_cost_options *o = use->option[0];
    char size[ASSAY_METRIC_SIZE];
    metric_describe_size(o->channels, o->cells, o->macro, o->stem, size);
    snprintf(text, cap, "literal network, %s classes=%llu image=%llu", size,
             (unsigned long long)p->classes, (unsigned long long)(o->image ? o->image : p->image));
}

static void count(const struct assay_graph *literal, double *out)
{
    const struct assay_cost cost = assay_graph_cost(literal), live = assay_graph_live_cost(literal);
    const double values[] = {(double)cost.params, (double)cost.flops,   (double)cost.layers,
                             (double)cost.macs,   (double)cost.tensors, cost.log_weights,
                             (double)live.params, (double)live.macs,    (double)live.layers,
                             live.log_weights};
    _Static_assert(ASSAY_LEN(values) == ASSAY_LEN(columns), "a value a column");
    memcpy(out, values, sizeof values);
}

const struct assay_metric assay_metric_cost = {
    .name = "cost",
    .help = "parameters, FLOPs and layers of the benchmark-size network, all and live",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_cost_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .describe = describe,
    .count = count,
};
