// SPDX-License-Identifier: Apache-2.0
// Fisher pruning's saliency of channels: of the activation a of a layer before its BN, the square
// of sum a dL/da over positions.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"fisher", "1",
     "zero-cost-nas (arXiv 2101.08134): sum over layers of fan_in x sum over channels of "
     "mean over images of (sum a dL/da)^2 / 2",
     1},
    {"fisher_channel", "1", "Fisher pruning (arXiv 1801.05787): the same without fan_in", 1},
};

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_param; i++) {
        if (is_layer_weight(&g->param[i]))
            tapped[g->param[i].node] |= ASSAY_TAP_GRADIENT | ASSAY_TAP_KEPT;
    }
}

// The sums of the columns, in float64.
static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    (void)s;
    (void)use;
    return ASSAY_LEN(columns) * sizeof(double);
}

static void gradient(const struct assay_look *look, const struct assay_block *b, const double *da,
                     const double *a)
{
    const struct assay_param *p = &look->graph->param[look->graph->node[b->node].param];
    const double n = assay_subject_images(look->subject, look->use, look->pass);
    double *sum = look->state;
    if (!look->graph->node[b->node].n_param || !is_layer_weight(p) || !a) return;
    const double fan_in = (double)(p->size / look->graph->node[b->node].c);
    for (uint32_t c = 0; c < b->c; c++) {
        double dot[ASSAY_BLOCK_MAX] = {0};
        for (uint32_t k = 0; k < b->pixels; k++, a += b->stride, da += b->stride)
            for (uint32_t i = 0; i < b->stride; i++) dot[i] += a[i] * da[i];
        for (uint32_t i = 0; i < b->count; i++) {
            sum[0] += fan_in * dot[i] * dot[i] / (2 * n);
            sum[1] += dot[i] * dot[i] / (2 * n);
        }
    }
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    const double *sum = assay_subject_state(s, use);
    out[0] = sum[0], out[1] = sum[1];
    return loss_verdict("fisher", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_fisher = {
    .name = "fisher",
    .help = "Fisher saliency of the channels of all layers",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .passes = loss_passes,
    .tap = tap,
    .state = state,
    .gradient = gradient,
    .measure = measure,
};
