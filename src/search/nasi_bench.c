// SPDX-License-Identifier: Apache-2.0
// Evaluates a step of NASI's search (arXiv 2109.00817): samples of the choices, and a mini-batch,
// through the one-shot network, whose weights are drawn once for each seed.
#include "nasi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const struct search_context *c;
    const struct assay_oneshot_kind *kind;
    struct assay_net net;
    uint32_t n_image, n_sample, n_mix; // n_sample: one, or one per cell
    struct nasi_sample *sample;        // (n_sample)
    uint8_t *option;                   // (n_mix)
    struct assay_graph literal, graph; // of the last step
    struct assay_exec *exec;
    struct assay_plans *plans; // of graph, one
    uint64_t seed, all;        // of theta; parameters of the one-shot network
    bool drawn;                // theta is that network's
    double *theta, *images, *scratch, *dw;
    uint32_t *label;
    struct assay_schema schema;
    struct assay_column *column; // T, then the options of all choices
    const char **protocol;       // (n_column)
    char *text;                  // of the columns
    char of_columns[ASSAY_TEXT_MAX];
};

// search.channels, cells and stem, or the space's own.
static struct assay_net one_shot_net(const struct assay_config *config,
                                     const struct assay_space *space)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    const struct assay_search_spec *s = assay_config_search(config);
    struct assay_net net = space->kind->oneshot->net;
    if (s->channels) net.channels = (uint32_t)s->channels;
    if (s->cells) net.cells = (uint32_t)s->cells;
    if (s->stem) net.stem = (uint32_t)s->stem;
    net.classes = (uint32_t)p->classes;
    net.image = (uint32_t)p->image;
    return net;
}

double nasi_record_trace(const struct assay_record *record)
{
    return record->value[0];
}

void nasi_record_dalpha(const struct assay_oneshot_kind *kind, const struct assay_record *record,
                        struct nasi_alpha *dalpha)
{
    const double *at = record->value + 1;
    memset(dalpha, 0, sizeof *dalpha);
    for (uint32_t c = 0; c < kind->choices; at += kind->options[c++])
        memcpy(dalpha->of[c], at, kind->options[c] * sizeof *at);
}

static void close_bench(void *state)
{
    struct bench *b = state;
    if (!b) return;
    assay_exec_destroy(b->exec);
    assay_plans_destroy(b->plans);
    assay_graph_free(&b->literal);
    assay_graph_free(&b->graph);
    free(b->sample);
    free(b->option);
    free(b->theta);
    free(b->label);
    free(b->column);
    free(b->protocol);
    free(b->text);
    free(b);
}

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for a one-shot network");
}

// ---- columns ------------------------------------------------------------------------------------
#define COLUMN_TEXT 24 // bytes of a name

static void describe(struct bench *b)
{
    const struct assay_search_spec *s = assay_config_search(b->c->config);

    snprintf(b->of_columns, sizeof b->of_columns,
             "batch=%u init=%s bn=batch affine=%s outputs=cross-entropy parameters=all labels=%s "
             "C=%u N=%u stem=%u samples=%s",
             b->n_image, assay_init_name((enum assay_init)assay_config_ntk(b->c->config)->init),
             s->affine ? "yes" : "no",
             assay_config_nasi(b->c->config)->labels == ASSAY_LABELS_TRUE ? "true" : "random",
             b->net.channels, b->net.cells, b->net.stem, s->per_cell ? "per cell" : "per step");
}

static int make_columns(struct bench *b, struct assay_err *err)
{
    static const char source[] = "NASI (arXiv 2109.00817), section 4";
    uint32_t n = 1, at = 0;
    for (uint32_t c = 0; c < b->kind->choices; c++) n += b->kind->options[c];
    b->column = malloc(n * sizeof *b->column);
    b->protocol = malloc(n * sizeof *b->protocol);
    b->text = malloc((size_t)n * COLUMN_TEXT);
    if (!b->column || !b->protocol || !b->text) return no_memory(err);
    b->column[at++] = (struct assay_column){"nasi_trace", "1", source, 1};
    for (uint32_t c = 0; c < b->kind->choices; c++) {
        for (uint32_t i = 0; i < b->kind->options[c]; i++, at++) {
            char *name = b->text + (size_t)at * COLUMN_TEXT;
            snprintf(name, COLUMN_TEXT, "dalpha_%u_%u", c, i);
            b->column[at] = (struct assay_column){name, "1", source, 0};
        }
    }
    describe(b);
    for (uint32_t i = 0; i < n; i++) b->protocol[i] = b->of_columns;
    b->schema = (struct assay_schema){
        .column = b->column, .protocol = b->protocol, .n_column = n, .repeats = 1};
    return 0;
}

// ---- a step -------------------------------------------------------------------------------------
// Leaves the options taken alone: what derivatives do not ask for need not be evaluated.
static void take_options(struct bench *b)
{
    uint32_t mix = 0;
    for (uint32_t i = 0; i < b->literal.n_node; i++) {
        struct assay_node *n = &b->literal.node[i];
        if (!n->mix) continue;
        n->in += b->option[mix++];
        n->n_in = 1;
        n->mix = 0;
    }
}

static int build(struct bench *b, const struct search_task *task, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(b->c->config);
    const struct assay_oneshot shot = {.option = b->option, .affine = s->affine};
    for (uint32_t i = 0; i < b->n_sample; i++)
        nasi_draw(b->kind, s->none, task->draw.seed, task->index, i, &b->sample[i]);
    for (uint32_t m = 0; m < b->n_mix; m++) {
        const uint32_t cell = b->n_sample > 1 ? m / b->kind->per_cell : 0;
        b->option[m] = b->sample[cell].option[b->kind->choice(b->c->space, &b->net, m)];
    }
    assay_plans_clear(b->plans);
    ASSAY_TRY(assay_space_build_oneshot(b->c->space, &shot, &b->net, &b->literal, err));
    if (task->what == NASI_TRACE) take_options(b);
    return assay_graph_fold(&b->literal, false, &b->graph, NULL, err);
}

// Bytes held beside the executor, of the bench's own.
static uint64_t held_bytes(const struct bench *b)
{
    const uint64_t pixels = UINT64_C(3) * b->net.image * b->net.image;
    return (b->all + nasi_scratch(&b->graph, b->n_image) + b->graph.n_in + b->n_image * pixels) *
               sizeof(double) +
           b->n_image * sizeof(uint32_t);
}

// The parameters of all one-shot networks are the same, single options have some of them.
static int make_room(struct bench *b, struct assay_err *err)
{
    const struct assay_graph *g = &b->graph;
    const size_t scratch = nasi_scratch(g, b->n_image);
    b->all = g->n_theta;
    b->theta = malloc(held_bytes(b));
    b->label = malloc(b->n_image * sizeof *b->label);
    if (!b->theta || !b->label) return no_memory(err);
    b->scratch = b->theta + g->n_theta;
    b->dw = b->scratch + scratch;
    b->images = b->dw + g->n_in;
    return 0;
}

// Of the one-shot network, before any of it is allocated; steps differ little.
static int check_memory(struct bench *b, struct assay_err *err)
{
    const uint64_t limit = assay_config_evaluation(b->c->config)->memory << 20;
    const struct assay_held *held = &b->c->held;
    const struct assay_plan *plan;
    if (!limit) return 0;
    b->all = b->graph.n_theta;
    ASSAY_TRY(assay_plans_get(b->plans, &b->graph, b->n_image, &assay_want_gradients, &plan, err));
    const uint64_t exec = assay_plan_size(plan) + assay_plan_bytes(plan);
    const uint64_t own = held_bytes(b), all = assay_held_evaluating(held) + own + exec;
    if (all <= limit) return 0;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "a rank needs %.1f MiB for the one-shot network (executor %.1f, weights "
                         "and a batch %.1f) beside %.1f for the program and its part of the "
                         "images, over the limit of %llu MiB (run.memory); a smaller nasi.batch, "
                         "search.channels or search.cells needs less",
                         (double)all / 0x1p20, (double)exec / 0x1p20, (double)own / 0x1p20,
                         (double)assay_held_evaluating(held) / 0x1p20,
                         (unsigned long long)(limit >> 20));
}

static void draw_weights(struct bench *b, uint64_t seed)
{
    const enum assay_init init = (enum assay_init)assay_config_ntk(b->c->config)->init;
    if (b->graph.n_theta == b->all && b->drawn && b->seed == seed) return;
    assay_init_params(&b->graph, init, seed, 0, b->theta);
    b->drawn = b->graph.n_theta == b->all;
    b->seed = seed;
}

static int bind(struct bench *b, struct assay_err *err)
{
    const uint64_t limit = assay_config_evaluation(b->c->config)->memory << 20;
    const struct assay_plan *plan;
    ASSAY_TRY(assay_plans_get(b->plans, &b->graph, b->n_image, &assay_want_gradients, &plan, err));
    const uint64_t held =
        held_bytes(b) + assay_held_evaluating(&b->c->held) + assay_plan_size(plan);
    if (limit && held >= limit)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "the program, images and weights need %.1f MiB, over the limit of "
                             "%llu MiB (run.memory)",
                             (double)held / 0x1p20, (unsigned long long)(limit >> 20));
    return assay_exec_bind(b->exec, plan, limit ? limit - held : 0, err);
}

static void fail(struct assay_record *record, enum assay_verdict verdict, const char *reason)
{
    record->verdict = verdict;
    snprintf(record->reason, sizeof record->reason, "%.*s", ASSAY_REASON_MAX - 1, reason);
}

static void compute(struct bench *b, const struct search_task *task, struct assay_record *record)
{
    const struct nasi_batch batch = {.n = b->n_image, .images = b->images, .label = b->label};
    struct nasi_alpha dalpha;
    double *at = record->value + 1, trace;
    nasi_trace(b->exec, &b->graph, b->theta, &batch, b->scratch, &trace,
               task->what == NASI_DERIVATIVE ? b->dw : NULL);
    record->value[0] = trace;
    if (!isfinite(trace)) fail(record, ASSAY_VERDICT_DEGENERATE, "the trace norm is not finite");
    if (task->what != NASI_DERIVATIVE) return;
    nasi_pull_choices(b->c->space, &b->net, &b->graph, b->sample, b->n_sample > 1, b->dw, &dalpha);
    for (uint32_t c = 0; c < b->kind->choices; at += b->kind->options[c++])
        memcpy(at, dalpha.of[c], b->kind->options[c] * sizeof *at);
    if (isfinite(trace) && !isfinite(nasi_norm(&dalpha)))
        fail(record, ASSAY_VERDICT_DEGENERATE, "the derivative is not finite");
}

static int evaluate(void *state, const struct search_task *task, struct assay_record *record,
                    struct assay_err *err)
{
    struct bench *b = state;
    struct assay_err failure;
    const double start = assay_clock_thread();
    const uint64_t seed = task->draw.seed;
    record->index = task->index;
    record->verdict = ASSAY_VERDICT_OK;
    memset(record->reason, 0, sizeof record->reason);
    for (uint32_t i = 0; i < b->schema.n_column; i++) record->value[i] = NAN;
    ASSAY_TRY(build(b, task, err));
    draw_weights(b, seed);
    ASSAY_TRY(assay_draw_nasi_batch(b->c->config, b->c->data, seed, task->index, b->n_image,
                                    b->images, b->label, err));
    if (bind(b, &failure) < 0)
        fail(record, ASSAY_VERDICT_FAILED, failure.text);
    else
        compute(b, task, record);
    record->seconds = assay_clock_thread() - start;
    return 0;
}

// ---- the bench ----------------------------------------------------------------------------------
static int open_network(struct bench *b, struct assay_err *err)
{
    const struct assay_config *config = b->c->config;
    const struct assay_kern *kern;
    const uint32_t cells = b->kind->cells(b->c->space, &b->net);
    b->n_image = (uint32_t)assay_nasi_batch(assay_config_nasi(config), assay_config_ntk(config));
    b->n_sample = assay_config_search(config)->per_cell ? cells : 1;
    b->n_mix = cells * b->kind->per_cell;
    b->sample = malloc(b->n_sample * sizeof *b->sample);
    b->option = malloc(b->n_mix);
    if (!b->sample || !b->option) return no_memory(err);
    ASSAY_TRY(assay_kern_select(&kern, assay_config_evaluation(config)->cpu, err));
    ASSAY_TRY(assay_exec_create(&b->exec, err));
    ASSAY_TRY(assay_plans_create(&b->plans, kern, err));
    ASSAY_TRY(build(b, &(struct search_task){.what = NASI_DERIVATIVE}, err));
    ASSAY_TRY(check_memory(b, err));
    return make_room(b, err);
}

static int open_bench(void **state, const struct search_context *c, struct assay_err *err)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return no_memory(err);
    *state = b;
    b->c = c;
    b->kind = c->space->kind->oneshot;
    b->net = one_shot_net(c->config, c->space);
    assay_graph_init(&b->literal);
    assay_graph_init(&b->graph);
    ASSAY_TRY(assay_check_nasi_batch(c->config, c->data, err));
    ASSAY_TRY(open_network(b, err));
    return make_columns(b, err);
}

static const struct assay_schema *schema(const void *state)
{
    return &((const struct bench *)state)->schema;
}

static double flops(struct bench *b, uint64_t step, enum nasi_what what)
{
    const struct search_task task = {.index = step, .what = what};
    return build(b, &task, NULL) < 0 ? 1 : 1 + (double)assay_graph_cost(&b->graph).flops;
}

// FLOPs of one image, in forward passes: a backward pass is two of the options taken, and a
// derivative takes three times both.
static double cost(void *state, const struct search_task *task)
{
    struct bench *b = state;
    const double taken = flops(b, task->index, NASI_TRACE);
    if (task->what == NASI_TRACE) return 3 * taken;
    return 3 * (flops(b, task->index, NASI_DERIVATIVE) + 2 * taken);
}

const struct search_bench search_bench_nasi = {
    .open = open_bench,
    .schema = schema,
    .evaluate = evaluate,
    .cost = cost,
    .close = close_bench,
};
