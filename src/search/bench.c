// SPDX-License-Identifier: Apache-2.0
// Evaluates architectures and supernets by the configured metrics.
#include "method.h"

#include <stdlib.h>

struct bench {
    const struct search_context *c;
    struct assay_evaluator *evaluator;
    struct assay_graph graph; // of cost
};

static void close_bench(void *state)
{
    struct bench *b = state;
    if (!b) return;
    assay_evaluator_destroy(b->evaluator);
    assay_graph_free(&b->graph);
    free(b);
}

static int open_bench(void **state, const struct search_context *c, struct assay_err *err)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for an evaluator");
    *state = b;
    b->c = c;
    assay_graph_init(&b->graph);
    return assay_evaluator_create(&b->evaluator, c->config, c->space, c->data, NULL, &c->held, err);
}

static const struct assay_schema *schema(const void *state)
{
    return assay_evaluator_schema(((const struct bench *)state)->evaluator);
}

static int evaluate(void *state, const struct search_task *task, struct assay_record *record,
                    struct assay_err *err)
{
    struct bench *b = state;
    ASSAY_TRY(assay_evaluator_draw(b->evaluator, &task->draw, b->c->data, err));
    if (task->index != UINT64_MAX) return assay_evaluate(b->evaluator, task->index, record, err);
    return assay_evaluate_supernet(b->evaluator, &task->mask, record, err);
}

// FLOPs of one image: all tasks of a run have the same batches.
static double cost(void *state, const struct search_task *task)
{
    struct bench *b = state;
    const struct search_context *c = b->c;
    const struct assay_net net = assay_config_net(c->config, false);
    const int status =
        task->index != UINT64_MAX
            ? assay_space_build(c->space, task->index, &net, &b->graph, NULL)
            : assay_space_build_supernet(c->space, &task->mask, &net, &b->graph, NULL);
    return status < 0 ? 1 : 1 + (double)assay_graph_cost(&b->graph).flops;
}

const struct search_bench search_bench_evaluator = {
    .open = open_bench,
    .schema = schema,
    .evaluate = evaluate,
    .cost = cost,
    .close = close_bench,
};
