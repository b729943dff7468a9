// SPDX-License-Identifier: Apache-2.0
// Evaluates architectures and supernets by the configured metrics.
#include "method.h"

#include <stdlib.h>

struct context {
    const struct search_context *c;
    struct assay_evaluator *evaluator;
    struct assay_graph graph; // scratch of cost
};

static void close_context(void *state)
{
    struct context *x = state;
    if (!x) return;
    assay_evaluator_destroy(x->evaluator);
    assay_graph_free(&x->graph);
    free(x);
}

static int open_context(void **state, const struct search_context *c, struct assay_err *err)
{
    struct context *x = calloc(1, sizeof *x);
    if (!x) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for an evaluator");
    *state = x;
    x->c = c;
    assay_graph_init(&x->graph);
    return assay_evaluator_create(&x->evaluator, c->config, c->space, c->data, c->pla, &c->held,
                                  err);
}

static const struct assay_schema *schema(const void *state)
{
    return assay_evaluator_schema(((const struct context *)state)->evaluator);
}

static int evaluate(void *state, const struct search_task *task, struct assay_record *record,
                    struct assay_err *err)
{
    struct context *x = state;
    const struct assay_draw draw = {.seed = task->draw.seed,
                                    .weights = task->draw.weights,
                                    .batches = task->draw.batches,
                                    .thin = task->what};
    const int drawn = assay_evaluator_draw(x->evaluator, &draw, x->c->data, err);
    ASSAY_TRY(assay_pla_agree(x->c->pla, drawn, err));
    if (task->index != UINT64_MAX) return assay_evaluate(x->evaluator, task->index, record, err);
    return assay_evaluate_supernet(x->evaluator, &task->mask, record, err);
}

// The cost is the FLOPs of one image, since all tasks of a run have the same batches.
static double cost(void *state, const struct search_task *task)
{
    struct context *x = state;
    const struct search_context *c = x->c;
    const struct assay_net net = assay_config_net(c->config, false);
    const int status =
        task->index != UINT64_MAX
            ? assay_space_build(c->space, task->index, &net, &x->graph, NULL)
            : assay_space_build_supernet(c->space, &task->mask, &net, &x->graph, NULL);
    return status < 0 ? 1 : 1 + (double)assay_graph_cost(&x->graph).flops;
}

const struct search_evaluator search_evaluator_metrics = {
    .open = open_context,
    .schema = schema,
    .evaluate = evaluate,
    .cost = cost,
    .close = close_context,
};
