// SPDX-License-Identifier: Apache-2.0
// GradSign of gradients that BN couples, since each image is normalised with the batch. GradSign's
// releases compute something else: their images are alone.
#include "proxies.h"

#include <string.h>

// Many gradients are nearly 0.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = precise_loss_pass(use->option[0]);
    pass[0].single = false;
    return 1;
}

static const struct assay_column columns[] = {
    {"gradsign_coupled_sum", "1",
     "sum over all weights of |sum of sign(g_n)|, g_n of image n's loss in the batch; no release",
     1},
};

// One pass makes the gradients of so many images.
static uint32_t rows_of(const struct assay_subject *s)
{
    uint32_t images, rows;
    assay_plans_tile(s->plans, &images, &rows);
    return rows;
}

// The scratch holds the sum of signs (n_weight) and the gradients of one pass (rows, n_weight).
static size_t work_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return (rows_of(s) + 1) * assay_subject_graph(s, use, 0)->n_weight * sizeof(double);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(work_bytes(s, use));
}

static void add_signs(uint64_t n, const double *gradient, double *sum)
{
    for (uint64_t i = 0; i < n; i++) sum[i] += (gradient[i] > 0) - (gradient[i] < 0);
}

// Row by row, the cotangents of the mean loss are those of the images' own but for a factor.
static void sum_signs(struct assay_subject *s, const struct assay_use *use, double *rows,
                      double *sum)
{
    const uint32_t n = assay_subject_images(s, use, 0), most = rows_of(s);
    const uint64_t p = assay_subject_graph(s, use, 0)->n_weight;
    const double *cot = s->memo->pass[use->pass[0]].cot;
    memset(sum, 0, p * sizeof *sum);
    for (uint32_t first = 0; first < n; first += most) {
        const uint32_t count = n - first < most ? n - first : most;
        assay_exec_image_gradients(s->exec, cot, first, count, p, rows, p);
        for (uint32_t i = 0; i < count; i++) add_signs(p, rows + i * p, sum);
    }
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    void *block;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_hold(s, wanted_pass(s, use, 0)->forward, err));
    ASSAY_TRY(memo_alloc(s, work_bytes(s, use), &block, err));
    double *sum = block;
    sum_signs(s, use, sum + g->n_weight, sum);
    out[0] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        for (uint64_t k = 0; k < p->size && is_layer_weight(p); k++)
            out[0] += fabs(sum[p->offset + k]);
    }
    return loss_verdict("gradsign_coupled_sum", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_gradsign_coupled = {
    .name = "gradsign_coupled",
    .help = "agreement of the images of a batch on the signs of their losses' gradients",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .passes = passes,
    .scratch = scratch,
    .measure = measure,
};
