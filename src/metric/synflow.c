// SPDX-License-Identifier: Apache-2.0
// SynFlow: how much of the output of a network of absolute weights, fed with ones, passes through
// each weight. Released codes differ in what they do with BN, and are columns of their own.
#include "proxies.h"

enum { NO_BN, REDUCTION_BN, ALL_BN, VARIANTS };

static const struct assay_column columns[] = {
    {"synflow", "1",
     "SynFlow (arXiv 2006.05467) without BN, as AZ-NAS, VKDNW, NASLib: sum of |w dR/dw|, R the sum "
     "of the logits of one image of ones, all parameters absolute",
     1},
    {"synflow_resbn", "1",
     "the same as zero-cost-nas computes it on NAS-Bench-201: BN stays in reduction blocks", 1},
    {"synflow_bn", "1", "the same where every BN stays", 1},
    {"logsynflow_log", "nat", "NASLib's: ln of synflow, 0 of 0", 1},
    {"logsynflow_freerea", "1", "FreeREA (arXiv 2206.01207): sum of |w ln(1 + dR/dw)|", 1},
};

// [synflow]
struct options {
    int init; // enum assay_init
};
static const struct assay_opt rows[] = {
    {"synflow", "init", "initialisation of the network of synflow", ASSAY_OPT_ENUM,
     offsetof(struct options, init), .choices = ASSAY_INIT_NAMES, .def = "pytorch", .with = "init"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    static const enum assay_norms norms[VARIANTS] = {ASSAY_NORMS_NONE, ASSAY_NORMS_REDUCTIONS,
                                                     ASSAY_NORMS_BATCH};
    const struct options *o = use->option[0];
    (void)p;
    for (int i = 0; i < VARIANTS; i++) {
        pass[i] = (struct assay_pass){
            .init = (enum assay_init)o->init,
            .weighting = ASSAY_WEIGHTS_ABSOLUTE,
            .norms = norms[i],
            .input = {.kind = ASSAY_INPUT_ONES, .stream = "ones", .key = "synflow", .n = 1},
            .pull = ASSAY_PULL_LOGITS,
            .precise = true, // float32 ends at 3e38
            .labels = ASSAY_LABELS_NONE};
    }
    return VARIANTS;
}

struct sums {
    double flow, log_flow; // sum of |w g|, of |w ln(1 + g)|
};

static int sum_layers(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                      struct sums *sums, struct assay_err *err)
{
    const struct assay_graph *g = assay_subject_graph(s, use, pass);
    const double *w = assay_subject_theta(s, use, pass), *gradient;
    ASSAY_TRY(assay_subject_gradient(s, use, pass, &gradient, err));
    *sums = (struct sums){0};
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        if (!is_layer_weight(p)) continue;
        for (uint64_t k = p->offset; k < p->offset + p->size; k++) {
            sums->flow += fabs(w[k] * gradient[k]);
            sums->log_flow += fabs(w[k] * log1p(gradient[k]));
        }
    }
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    struct sums sums[VARIANTS];
    bool finite = true;
    for (uint32_t i = 0; i < VARIANTS; i++) {
        ASSAY_TRY(sum_layers(s, use, i, &sums[i], err));
        out[i] = sums[i].flow;
        finite &= isfinite(out[i]);
    }
    out[VARIANTS] = sums[NO_BN].flow == 0 ? 0 : log(sums[NO_BN].flow);
    out[VARIANTS + 1] = sums[NO_BN].log_flow;
    return finite ? ASSAY_VERDICT_OK : metric_degenerate(reason, "synflow is %g", sums[NO_BN].flow);
}

const struct assay_metric assay_metric_synflow = {
    .name = "synflow",
    .help = "flow of ones through a network of absolute weights",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&options},
    .passes = passes,
    .measure = measure,
};
