// SPDX-License-Identifier: Apache-2.0
// What proxies share: the mini-batch, and the layers they sum over.
#include "proxies.h"

static const struct assay_opt rows[] = {
    {"proxies", "batch", "images in the mini-batch of metrics that have no section of their own",
     ASSAY_OPT_U64, offsetof(struct proxies_options, batch), .min = 2, .max = 65536, .def = "64",
     .with = "batch"},
    {"proxies", "labels", "labels that their loss is of; random: uniform over the classes",
     ASSAY_OPT_ENUM, offsetof(struct proxies_options, labels), .choices = "true|random",
     .def = "random", .with = "labels"},
    {"proxies", "init", "initialisation of their network", ASSAY_OPT_ENUM,
     offsetof(struct proxies_options, init), .choices = ASSAY_INIT_NAMES, .def = "pytorch",
     .with = "init"},
    {"proxies", "input", "what their network reads: images of the data, or noise, all N(0,1)",
     ASSAY_OPT_ENUM, offsetof(struct proxies_options, input), .choices = "images|noise",
     .def = "images", .with = "input"},
    {.name = NULL},
};
const struct assay_options proxies_options = {rows, sizeof(struct proxies_options)};

struct assay_pass proxies_pass(const struct proxies_options *o)
{
    return (struct assay_pass){.network = ASSAY_NET_LITERAL,
                               .init = (enum assay_init)o->init,
                               .input = {.kind = o->input ? ASSAY_INPUT_NOISE : ASSAY_INPUT_IMAGES,
                                         .stream = "proxies",
                                         .key = "proxies.batch",
                                         .n = o->batch},
                               .labels = ASSAY_LABELS_NONE};
}

struct assay_pass loss_pass(const struct proxies_options *o)
{
    struct assay_pass pass = proxies_pass(o);
    pass.pull = ASSAY_PULL_LOSS;
    pass.labels = (enum assay_labels)o->labels;
    pass.label_key = "proxies.labels";
    pass.single = true;
    return pass;
}

struct assay_pass precise_loss_pass(const struct proxies_options *o)
{
    struct assay_pass pass = loss_pass(o);
    pass.network = ASSAY_NET;
    pass.precise = true;
    return pass;
}

uint32_t loss_passes(const struct assay_use *use, const struct assay_protocol *p,
                     struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = loss_pass(use->option[0]);
    return 1;
}

uint32_t proxies_passes(const struct assay_use *use, const struct assay_protocol *p,
                        struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = proxies_pass(use->option[0]);
    return 1;
}

uint32_t first_image_passes(const struct assay_use *use, const struct assay_protocol *p,
                            struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    const uint32_t n = proxies_passes(use, p, pass);
    pass[0].take = 1;
    return n;
}

uint32_t relu_units(const struct assay_graph *g, uint32_t relu)
{
    uint32_t units = 0;
    if (g->node[relu].returned > g->node[relu].modules) return 0; // it ends one instead
    for (uint32_t i = relu; i < g->n_node; i++) {
        const struct assay_node *bn = &g->node[i];
        if (bn->op != ASSAY_OP_BN) continue;
        const struct assay_node *conv = &g->node[g->in[bn->in]];
        units += conv->op == ASSAY_OP_CONV && g->in[conv->in] == relu;
    }
    return units;
}

bool relu_in_place(const struct assay_graph *g, uint32_t relu)
{
    for (uint32_t i = relu + 1; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_CONV && g->in[g->node[i].in] == relu) return false;
    }
    return true;
}

uint32_t relu_shown(const struct assay_graph *g, uint32_t relu)
{
    return relu_in_place(g, relu) ? relu : g->in[g->node[relu].in];
}

uint32_t relu_shown_by(const struct assay_graph *g, uint32_t node)
{
    uint32_t i = node;
    for (; i < g->n_node; i++) {
        const bool at =
            g->node[i].op == ASSAY_OP_RELU && (i == node || g->in[g->node[i].in] == node);
        if (at && relu_shown(g, i) == node) break;
    }
    return i;
}

// Sums and extremes go by LANES of the numbers, since each alone would wait for the one before.
#define LANES 16
struct extent {
    double least, most, sum;
};

static struct extent extent_of(size_t n, const double *v)
{
    struct extent e = {.least = v[0], .most = v[0]};
    double least[LANES], most[LANES], sum[LANES] = {0};
    size_t k = 0;
    for (uint32_t l = 0; l < LANES; l++) least[l] = most[l] = v[0];
    for (; k + LANES <= n; k += LANES) {
        for (uint32_t l = 0; l < LANES; l++) {
            least[l] = v[k + l] < least[l] ? v[k + l] : least[l];
            most[l] = v[k + l] > most[l] ? v[k + l] : most[l];
            sum[l] += v[k + l];
        }
    }
    for (uint32_t l = 0; k < n; k++, l++) {
        least[l] = v[k] < least[l] ? v[k] : least[l];
        most[l] = v[k] > most[l] ? v[k] : most[l];
        sum[l] += v[k];
    }
    for (uint32_t l = 0; l < LANES; l++) {
        e.least = least[l] < e.least ? least[l] : e.least;
        e.most = most[l] > e.most ? most[l] : e.most;
        e.sum += sum[l];
    }
    return e;
}

bool standardise(size_t n, double *v)
{
    const struct extent e = extent_of(n, v);
    const double mean = e.least == e.most ? v[0] : e.sum / (double)n; // exactly, of equal ones
    for (size_t k = 0; k < n; k++) v[k] -= mean;
    const double length = sqrt(metric_sumsq(n, v));
    for (size_t k = 0; k < n && length > 0; k++) v[k] /= length;
    return length > 0;
}

int loss_verdict(const char *name, double value, uint32_t classes, char *reason)
{
    if (classes == 1) // softmax of one logit is 1
        return metric_degenerate(reason, "one class: the loss is 0 whatever the network");
    if (isfinite(value)) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "%s is %g", name, value);
}
