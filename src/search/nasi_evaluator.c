// SPDX-License-Identifier: Apache-2.0
// Evaluates a step of NASI's search (arXiv 2109.00817): samples of the choices, and a mini-batch,
// through the one-shot network, whose weights are drawn once for each seed.
#include "nasi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct context {
    const struct search_context *c;
    const struct assay_oneshot_kind *kind;
    struct assay_net net;
    uint32_t n_image, n_sample, n_mix; // n_sample: one, or one per cell
    struct nasi_sample *sample;        // (n_sample)
    double *weight;                    // (n_mix, ASSAY_ONESHOT_OPTIONS) coefficients
    struct assay_graph literal, graph; // of the last step
    struct assay_exec *exec;
    struct assay_plans *plans; // one plan, of graph
    uint64_t seed, all;        // seed: of theta; all: parameters of the one-shot network
    bool drawn;                // theta is that network's
    double *theta, *images, *scratch, *dw;
    uint32_t *label;
    struct assay_schema schema;
    struct assay_column *column; // (n_column) T, then the options of all choices
    const char **protocol;       // (n_column)
    char *text;                  // of the columns
    char of_columns[ASSAY_TEXT_MAX];
};

// The one-shot network: search.channels, cells and stem, or else the space's own sizes.
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

static void close_context(void *state)
{
    struct context *x = state;
    if (!x) return;
    assay_exec_destroy(x->exec);
    assay_plans_destroy(x->plans);
    assay_graph_free(&x->literal);
    assay_graph_free(&x->graph);
    free(x->sample);
    free(x->weight);
    free(x->theta);
    free(x->label);
    free(x->column);
    free(x->protocol);
    free(x->text);
    free(x);
}

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for a one-shot network");
}

// ---- columns ------------------------------------------------------------------------------------
#define COLUMN_TEXT 24 // bytes of a name

static void describe(struct context *x)
{
    const struct assay_search_spec *s = assay_config_search(x->c->config);

    snprintf(x->of_columns, sizeof x->of_columns,
             "batch=%u init=%s bn=batch affine=%s outputs=cross-entropy parameters=all labels=%s "
             "C=%u N=%u stem=%u samples=%s",
             x->n_image, assay_init_name((enum assay_init)assay_config_ntk(x->c->config)->init),
             s->affine ? "yes" : "no",
             assay_config_nasi(x->c->config)->labels == ASSAY_LABELS_TRUE ? "true" : "random",
             x->net.channels, x->net.cells, x->net.stem, s->per_cell ? "per cell" : "per step");
}

static int make_columns(struct context *x, struct assay_err *err)
{
    static const char source[] = "NASI (arXiv 2109.00817), section 4";
    uint32_t n = 1, at = 0;
    for (uint32_t c = 0; c < x->kind->choices; c++) n += x->kind->options[c];
    x->column = malloc(n * sizeof *x->column);
    x->protocol = malloc(n * sizeof *x->protocol);
    x->text = malloc((size_t)n * COLUMN_TEXT);
    if (!x->column || !x->protocol || !x->text) return no_memory(err);
    x->column[at++] = (struct assay_column){"nasi_trace", "1", source, 1};
    for (uint32_t c = 0; c < x->kind->choices; c++) {
        for (uint32_t i = 0; i < x->kind->options[c]; i++, at++) {
            char *name = x->text + (size_t)at * COLUMN_TEXT;
            snprintf(name, COLUMN_TEXT, "dalpha_%u_%u", c, i);
            x->column[at] = (struct assay_column){name, "1", source, 0};
        }
    }
    describe(x);
    for (uint32_t i = 0; i < n; i++) x->protocol[i] = x->of_columns;
    x->schema = (struct assay_schema){
        .column = x->column, .protocol = x->protocol, .n_column = n, .repeats = 1};
    return 0;
}

// ---- a step -------------------------------------------------------------------------------------
static uint32_t choice_of(const struct context *x, uint32_t mix)
{
    return x->kind->choice(x->c->space, &x->net, mix);
}

static const struct nasi_sample *sample_of(const struct context *x, uint32_t mix)
{
    return &x->sample[x->n_sample > 1 ? mix / x->kind->per_cell : 0];
}

// Removes all options but those taken, or blended: where no derivatives are wanted, the others need
// not be evaluated.
static void take_options(struct context *x)
{
    uint32_t mix = 0;
    for (uint32_t i = 0; i < x->literal.n_node; i++) {
        struct assay_node *n = &x->literal.node[i];
        if (!n->mix) continue;
        const uint32_t choice = choice_of(x, mix);
        if (!nasi_blends(x->kind, choice)) {
            n->in += sample_of(x, mix)->option[choice];
            n->n_in = 1;
        }
        n->mix = 0;
        mix++;
    }
}

static int build(struct context *x, const struct search_task *task, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(x->c->config);
    const struct assay_oneshot shot = {.weight = x->weight, .affine = s->affine};
    for (uint32_t i = 0; i < x->n_sample; i++)
        nasi_draw(x->kind, s->none, task->draw.seed, task->index, i, &x->sample[i]);
    for (uint32_t m = 0; m < x->n_mix; m++)
        nasi_weigh(x->kind, sample_of(x, m), choice_of(x, m),
                   x->weight + (size_t)m * ASSAY_ONESHOT_OPTIONS);
    assay_plans_clear(x->plans);
    ASSAY_TRY(assay_space_build_oneshot(x->c->space, &shot, &x->net, &x->literal, err));
    if (task->what == NASI_TRACE) take_options(x);
    return assay_graph_fold(&x->literal, false, &x->graph, NULL, err);
}

// Bytes that the evaluator holds beside the executor.
static uint64_t held_bytes(const struct context *x)
{
    const uint64_t pixels = UINT64_C(3) * x->net.image * x->net.image;
    return (x->all + nasi_scratch(&x->graph, x->n_image) + x->graph.n_in + x->n_image * pixels) *
               sizeof(double) +
           x->n_image * sizeof(uint32_t);
}

// Makes room for the one-shot network, whose parameters are the same in every step; networks of the
// options taken have some of them.
static int make_room(struct context *x, struct assay_err *err)
{
    const struct assay_graph *g = &x->graph;
    const size_t scratch = nasi_scratch(g, x->n_image);
    x->all = g->n_theta;
    x->theta = malloc(held_bytes(x));
    x->label = malloc(x->n_image * sizeof *x->label);
    if (!x->theta || !x->label) return no_memory(err);
    x->scratch = x->theta + g->n_theta;
    x->dw = x->scratch + scratch;
    x->images = x->dw + g->n_in;
    return 0;
}

// Checks the memory of a one-shot network before any of it is allocated; that of other steps
// differs little.
static int check_memory(struct context *x, struct assay_err *err)
{
    const uint64_t limit = assay_config_evaluation(x->c->config)->memory << 20;
    const struct assay_held *held = &x->c->held;
    const struct assay_plan *plan;
    if (!limit) return 0;
    x->all = x->graph.n_theta;
    ASSAY_TRY(assay_plans_get(x->plans, &x->graph, x->n_image, &assay_want_gradients, &plan, err));
    const uint64_t exec = assay_plan_size(plan) + assay_plan_bytes(plan);
    const uint64_t own = held_bytes(x), all = assay_held_evaluating(held) + own + exec;
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

static void draw_weights(struct context *x, uint64_t seed)
{
    const enum assay_init init = (enum assay_init)assay_config_ntk(x->c->config)->init;
    if (x->graph.n_theta == x->all && x->drawn && x->seed == seed) return;
    assay_init_params(&x->graph, init, seed, 0, x->theta);
    x->drawn = x->graph.n_theta == x->all;
    x->seed = seed;
}

static int bind(struct context *x, struct assay_err *err)
{
    const uint64_t limit = assay_config_evaluation(x->c->config)->memory << 20;
    const struct assay_plan *plan;
    ASSAY_TRY(assay_plans_get(x->plans, &x->graph, x->n_image, &assay_want_gradients, &plan, err));
    const uint64_t held =
        held_bytes(x) + assay_held_evaluating(&x->c->held) + assay_plan_size(plan);
    if (limit && held >= limit)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "the program, images and weights need %.1f MiB, over the limit of "
                             "%llu MiB (run.memory)",
                             (double)held / 0x1p20, (unsigned long long)(limit >> 20));
    return assay_exec_bind(x->exec, plan, limit ? limit - held : 0, err);
}

static void fail(struct assay_record *record, enum assay_verdict verdict, const char *reason)
{
    record->verdict = verdict;
    snprintf(record->reason, sizeof record->reason, "%.*s", ASSAY_REASON_MAX - 1, reason);
}

static void compute(struct context *x, const struct search_task *task, struct assay_record *record)
{
    const struct nasi_batch batch = {.n = x->n_image, .images = x->images, .label = x->label};
    struct nasi_alpha dalpha;
    double *at = record->value + 1, trace;
    nasi_trace(x->exec, &x->graph, x->theta, &batch, x->scratch, &trace,
               task->what == NASI_DERIVATIVE ? x->dw : NULL);
    record->value[0] = trace;
    if (!isfinite(trace)) fail(record, ASSAY_VERDICT_DEGENERATE, "the trace norm is not finite");
    if (task->what != NASI_DERIVATIVE) return;
    nasi_pull_choices(x->c->space, &x->net, &x->graph, x->sample, x->n_sample > 1, x->dw, &dalpha);
    for (uint32_t c = 0; c < x->kind->choices; at += x->kind->options[c++])
        memcpy(at, dalpha.of[c], x->kind->options[c] * sizeof *at);
    if (isfinite(trace) && !isfinite(nasi_norm(&dalpha)))
        fail(record, ASSAY_VERDICT_DEGENERATE, "the derivative is not finite");
}

static int evaluate(void *state, const struct search_task *task, struct assay_record *record,
                    struct assay_err *err)
{
    struct context *x = state;
    struct assay_err failure;
    const double start = assay_clock_thread();
    const uint64_t seed = task->draw.seed;
    record->index = task->index;
    record->verdict = ASSAY_VERDICT_OK;
    memset(record->reason, 0, sizeof record->reason);
    for (uint32_t i = 0; i < x->schema.n_column; i++) record->value[i] = NAN;
    ASSAY_TRY(build(x, task, err));
    draw_weights(x, seed);
    ASSAY_TRY(assay_draw_nasi_batch(x->c->config, x->c->data, seed, task->index, x->n_image,
                                    x->images, x->label, err));
    if (bind(x, &failure) < 0)
        fail(record, ASSAY_VERDICT_FAILED, failure.text);
    else
        compute(x, task, record);
    record->seconds = assay_clock_thread() - start;
    return 0;
}

// ---- the evaluator -----------------------------------------------------------------------------
static int open_network(struct context *x, struct assay_err *err)
{
    const struct assay_config *config = x->c->config;
    const struct assay_kern *kern;
    const uint32_t cells = x->kind->cells(x->c->space, &x->net);
    x->n_image = (uint32_t)assay_nasi_batch(assay_config_nasi(config), assay_config_ntk(config));
    x->n_sample = assay_config_search(config)->per_cell ? cells : 1;
    x->n_mix = cells * x->kind->per_cell;
    x->sample = malloc(x->n_sample * sizeof *x->sample);
    x->weight = malloc((size_t)x->n_mix * ASSAY_ONESHOT_OPTIONS * sizeof *x->weight);
    if (!x->sample || !x->weight) return no_memory(err);
    ASSAY_TRY(assay_config_kern(config, &kern, err));
    ASSAY_TRY(assay_exec_create(&x->exec, err));
    ASSAY_TRY(assay_plans_create(&x->plans, kern, err));
    ASSAY_TRY(build(x, &(struct search_task){.what = NASI_DERIVATIVE}, err));
    ASSAY_TRY(check_memory(x, err));
    return make_room(x, err);
}

static int open_context(void **state, const struct search_context *c, struct assay_err *err)
{
    struct context *x = calloc(1, sizeof *x);
    if (!x) return no_memory(err);
    *state = x;
    x->c = c;
    x->kind = c->space->kind->oneshot;
    x->net = one_shot_net(c->config, c->space);
    assay_graph_init(&x->literal);
    assay_graph_init(&x->graph);
    ASSAY_TRY(assay_check_nasi_batch(c->config, c->data, err));
    ASSAY_TRY(open_network(x, err));
    return make_columns(x, err);
}

static const struct assay_schema *schema(const void *state)
{
    return &((const struct context *)state)->schema;
}

static double flops(struct context *x, uint64_t step, enum nasi_what what)
{
    const struct search_task task = {.index = step, .what = what};
    return build(x, &task, NULL) < 0 ? 1 : 1 + (double)assay_graph_cost(&x->graph).flops;
}

// The cost is the FLOPs of one image. A backward pass costs two forward passes of the options
// taken, and a derivative takes three times a forward and a backward pass.
static double cost(void *state, const struct search_task *task)
{
    struct context *x = state;
    const double taken = flops(x, task->index, NASI_TRACE);
    if (task->what == NASI_TRACE) return 3 * taken;
    return 3 * (flops(x, task->index, NASI_DERIVATIVE) + 2 * taken);
}

const struct search_evaluator search_evaluator_nasi = {
    .open = open_context,
    .schema = schema,
    .evaluate = evaluate,
    .cost = cost,
    .close = close_context,
};
