// SPDX-License-Identifier: Apache-2.0
// Metrics of weights and inputs that another program exported.
#include "inputs.h"
#include "weights.h"

#include "assay/la.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// ---- network and batch --------------------------------------------------------------------------
static int build_literal(struct assay_foreign *f, const struct assay_foreign_case *c,
                         struct assay_err *err)
{
    struct assay_net net = assay_config_net(c->config, c->thin);
    net.image = (uint32_t)f->batch.item[0].shape[2];
    if (c->network) {
        f->literal = *c->network;
        assay_graph_init(c->network);
        return ASSAY_OK;
    }
    return c->mask ? assay_space_build_supernet(c->space, c->mask, &net, &f->literal, err)
                   : assay_space_build(c->space, c->index, &net, &f->literal, err);
}

static int build(struct assay_foreign *f, const struct assay_foreign_case *c, struct assay_err *err)
{
    const struct assay_array *x = &f->batch.item[0];
    ASSAY_TRY(build_literal(f, c, err));
    const struct assay_node *input = &f->literal.node[0];
    if (x->shape[1] != input->c || x->shape[2] != input->h || x->shape[3] != input->w) {
        char seen[192];
        weights_shape_text(x->ndim, x->shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected (n,%u,%u,%u)", c->batch,
                             seen, input->c, input->h, input->w);
    }
    // Regions count every ReLU that the reference executes, also those that do not reach the
    // output.
    if (!c->thin) {
        ASSAY_TRY(assay_graph_fold(&f->literal, false, &f->folded, NULL, err));
        ASSAY_TRY(assay_graph_merge(&f->literal, &f->merged, err));
    }
    return weights_check(&f->weights, c->weights, &f->literal, err);
}

static int take_weights(struct assay_foreign *f, const struct assay_foreign_case *c,
                        struct assay_err *err)
{
    if (!c->own) return assay_arrays_read(&f->weights, c->weights, err);
    f->weights = *c->own;
    *c->own = (struct assay_arrays){0};
    return ASSAY_OK;
}

// ---- results ------------------------------------------------------------------------------------
// Why a metric cannot be measured from what is given, or NULL.
static const char *what_lacks(const struct assay_use *use, const struct assay_foreign *f,
                              const struct assay_foreign_case *c)
{
    struct assay_pass pass[ASSAY_METRIC_PASSES];
    const uint32_t n = use->metric->passes ? use->metric->passes(use, &f->protocol, pass) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const bool of_thin = pass[i].network == ASSAY_NET_THIN;
        if (of_thin && !c->thin) return "it is of the thin network (--network thin)";
        if (!of_thin && c->thin) return "it is of the whole network (--network net)";
        if (pass[i].labels == ASSAY_LABELS_TRUE && !c->labels)
            return "it needs the labels of the batch (--labels)";
        if (pass[i].input.kind == ASSAY_INPUT_PERTURBED && !c->noise)
            return "it needs noise that perturbs the batch (--noise)";
        if (f->n < pass[i].parts) return "it needs more images";
    }
    return NULL;
}

static void judge(struct assay_foreign *f, int verdict, const char *reason)
{
    if (verdict <= f->verdict) return;
    f->verdict = verdict;
    snprintf(f->reason, sizeof f->reason, "%s", reason);
}

static void add_columns(struct assay_foreign *f, const struct assay_metric *metric,
                        const double *value, const char *reason)
{
    for (uint32_t i = 0; i < metric->n_column; i++) {
        struct assay_foreign_scalar *s = &f->scalar[f->n_scalar++];
        *s = (struct assay_foreign_scalar){.name = metric->column[i].name, .value = value[i]};
        if (!isfinite(value[i]))
            snprintf(s->reason, sizeof s->reason, "%s", *reason ? reason : "it is not finite");
    }
}

// The metric as the demand knows it, or NULL.
static const struct assay_use *use_of(const struct assay_foreign *f,
                                      const struct assay_metric *metric)
{
    for (uint32_t i = 0; i < f->demand.n_use; i++)
        if (f->demand.use[i].metric == metric) return &f->demand.use[i];
    return NULL;
}

// Counts are told apart by what is live: without a path from the input to the output nothing is.
static int count(const struct assay_foreign *f, const struct assay_metric *metric, double *out,
                 char *reason, size_t cap)
{
    metric->count(&f->literal, out);
    if (f->literal.node[f->literal.n_node - 1].live) return ASSAY_VERDICT_OK;
    snprintf(reason, cap, "the output does not depend on the input");
    return ASSAY_VERDICT_DEAD;
}

// Runs metric i. A column that is undefined gets a reason; so does a metric that failed, where
// metrics were chosen.
static int measure(struct assay_foreign *f, struct assay_subject *s, uint32_t i, bool chosen,
                   struct assay_err *err)
{
    const struct assay_metric *metric = f->metric[i];
    const size_t rows = (size_t)f->n * f->protocol.classes;
    char reason[ASSAY_METRIC_REASON] = "";
    struct assay_err failure = {0};
    double *out = assay_arena_alloc(&f->arena, metric->n_column * sizeof *out);
    double *spectrum = assay_arena_alloc(&f->arena, rows * sizeof *spectrum);
    int verdict = ASSAY_VERDICT_OK;
    if (!out || !spectrum)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the spectrum");
    for (uint32_t k = 0; k < metric->n_column; k++) out[k] = NAN;
    if (f->lacks[i])
        snprintf(reason, sizeof reason, "%s", f->lacks[i]);
    else if (metric->count)
        verdict = count(f, metric, out, reason, sizeof reason);
    else
        verdict = assay_subject_measure(s, use_of(f, metric), out, spectrum, reason, &failure);
    const bool system = verdict == ASSAY_ERR_MPI || verdict == ASSAY_ERR_MEMORY;
    if (system || (verdict < 0 && !chosen)) return assay_err_set(err, verdict, "%s", failure.text);
    if (verdict < 0) {
        for (uint32_t k = 0; k < metric->n_column; k++) out[k] = NAN;
        snprintf(reason, sizeof reason, "%.100s", failure.text);
        verdict = ASSAY_VERDICT_FAILED;
    }
    judge(f, verdict, reason);
    add_columns(f, metric, out, reason);
    return ASSAY_OK;
}

// Refuses what does not fit before it is allocated. Weights and batch are in memory already.
static int check_memory(const struct assay_foreign *f, const struct assay_subject *s,
                        const struct assay_foreign_case *c, struct assay_err *err)
{
    const uint64_t mib = assay_config_evaluation(c->config)->memory, held = assay_resident();
    struct assay_need need;
    if (!mib) return ASSAY_OK;
    ASSAY_TRY(assay_subject_need(s, &need, err));
    const uint64_t twice = need.late < need.exec ? need.late : need.exec,
                   more = need.exec + need.scratch + need.buffers - twice;
    if (held + more <= mib << 20) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%s: a batch of %u needs %.1f MiB beside %.1f for the program and what "
                         "it read, over the limit of %" PRIu64
                         " MiB (run.memory, --memory); fewer images need less",
                         c->batch, f->n, (double)more / 0x1p20, (double)held / 0x1p20, mib);
}

static bool has_scalar(const struct assay_foreign *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_scalar; i++)
        if (strcmp(f->scalar[i].name, name) == 0) return true;
    return false;
}

// Gives the columns of a frozen kernel their plain names as well, where it is the only kernel.
static void add_plain_names(struct assay_foreign *f)
{
    static const char prefix[] = "frozen_";
    const size_t n = strlen(prefix);
    for (uint32_t i = 0, end = f->n_scalar; i < end; i++) {
        const char *name = f->scalar[i].name;
        if (strncmp(name, prefix, n) != 0 || has_scalar(f, name + n)) continue;
        f->scalar[f->n_scalar] = f->scalar[i];
        f->scalar[f->n_scalar++].name = name + n;
    }
}

// Takes the little-endian bits of the sign words, as many bytes as the network's ReLU units need.
static int take_patterns(struct assay_foreign *f, struct assay_subject *s, struct assay_err *err)
{
    const struct assay_use *use = NULL;
    size_t words;
    for (uint32_t i = 0; i < f->demand.n_use; i++)
        if (f->demand.use[i].metric->options[0] == &assay_regions_options) use = &f->demand.use[i];
    if (!use) return ASSAY_OK;
    const uint64_t *signs = assay_regions_patterns(s, use, &words);
    f->pattern_bytes = (assay_graph_cost(&f->literal).relus + 7) / 8;
    uint8_t *packed = assay_arena_alloc(&f->arena, f->n * f->pattern_bytes + 1);
    if (!packed) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the patterns");
    for (size_t i = 0; i < f->n; i++) {
        for (size_t b = 0; b < f->pattern_bytes; b++) {
            const uint64_t word = b / 8 < words ? signs[i * words + b / 8] : 0;
            packed[i * f->pattern_bytes + b] = (uint8_t)(word >> 8 * (b % 8));
        }
    }
    f->patterns = packed;
    return ASSAY_OK;
}

// The metric whose first pass runs the whole network on all images in one batch. kernel: one whose
// pass is a kernel with the BN that is shown.
static const struct assay_use *whole_pass(const struct assay_foreign *f, enum assay_bn bn,
                                          bool kernel)
{
    for (uint32_t i = 0; i < f->demand.n_use; i++) {
        const struct assay_use *use = &f->demand.use[i];
        const struct assay_pass *p = use->n_pass ? &f->demand.pass[use->pass[0]].pass : NULL;
        if (!p || p->pull == ASSAY_PULL_WEIGHTS || p->network == ASSAY_NET_THIN || p->parts > 1 ||
            p->batch || p->take || p->norms || p->weighting || p->input.kind != ASSAY_INPUT_IMAGES)
            continue;
        if (!kernel || (p->pull == ASSAY_PULL_KERNEL && p->bn == bn)) return use;
    }
    return NULL;
}

static int take_logits(struct assay_foreign *f, struct assay_subject *s,
                       const struct assay_use *use, struct assay_err *err)
{
    const double *logits;
    ASSAY_TRY(assay_subject_logits(s, use, 0, &logits, err));
    f->classes = assay_subject_classes(s);
    const size_t bytes = (size_t)f->n * f->classes * sizeof *logits;
    double *copy = assay_arena_alloc(&f->arena, bytes);
    if (!copy) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the logits");
    f->logits = memcpy(copy, logits, bytes);
    return ASSAY_OK;
}

// Takes the logits of the whole network, and its kernel where a metric has it.
static int take_kernel(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_subject *s, struct assay_err *err)
{
    const enum assay_bn bn = (enum assay_bn)c->bn;
    const struct assay_use *use = whole_pass(f, bn, true), *any = whole_pass(f, bn, false);
    const struct assay_kernel *kernel;
    if (use) {
        ASSAY_TRY(assay_subject_kernel(s, use, 0, &kernel, err));
        f->gram = kernel->gram;
        f->eigenvalue = kernel->eigenvalue;
        f->n_row = kernel->n;
    }
    return any ? take_logits(f, s, any, err) : ASSAY_OK;
}

// The units of all ReLU modules of the reference network.
static double relu_units(const struct assay_graph *g)
{
    double units = 0.0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (n->op == ASSAY_OP_RELU) units += (double)n->modules * n->c * n->h * n->w;
    }
    return units;
}

static void add_scalar(struct assay_foreign *f, const char *name, double value)
{
    f->scalar[f->n_scalar++] = (struct assay_foreign_scalar){.name = name, .value = value};
}

// The metrics where none are chosen: kernel and traces, or regions; none of them needs labels.
static const char *usual_metrics(const struct assay_foreign_case *c)
{
    if (c->thin) return "regions";
    return c->bn == ASSAY_BN_FROZEN ? "ntk_frozen,ntk_trace,nasi" : "ntk,ntk_trace,nasi";
}

static int choose_metrics(struct assay_foreign *f, const struct assay_foreign_case *c,
                          struct assay_err *err)
{
    uint32_t most = 2; // ntk_parameters, relu_units
    f->protocol = *assay_config_protocol(c->config);
    if (!c->metrics && !c->thin && assay_config_nasi(c->config)->labels == ASSAY_LABELS_TRUE)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "nasi.labels = true: the images of --batch have none, expected random "
                             "or none");
    ASSAY_TRY(assay_metrics_parse(c->metrics ? c->metrics : usual_metrics(c), f->metric,
                                  &f->n_metric, err));
    for (uint32_t i = 0; i < f->n_metric; i++) most += 2 * f->metric[i]->n_column;
    f->scalar = assay_arena_zalloc(&f->arena, most * sizeof *f->scalar);
    return f->scalar ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for results");
}

// Adapts a metric's options to the case: NASI reads no labels where no metrics are chosen, and
// regions take the batches of --regions-batch.
static int adapt_options(struct assay_foreign *f, const struct assay_foreign_case *c,
                         struct assay_use *use, struct assay_err *err)
{
    for (size_t i = 0; use->metric->options[i]; i++) {
        const struct assay_options *table = use->metric->options[i];
        void *own = assay_arena_alloc(&f->arena, table->size);
        if (!own) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for options");
        use->option[i] = memcpy(own, use->option[i], table->size);
        if (table == &assay_nasi_options && !c->metrics)
            ((struct assay_nasi_options *)own)->labels = ASSAY_LABELS_NONE;
        if (table == &assay_regions_options)
            ((struct assay_regions_options *)own)->batch = c->region_batch;
    }
    return ASSAY_OK;
}

static int make_demand(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_err *err)
{
    const struct assay_given_counts counts = {f->n, f->n};
    struct assay_use use[ASSAY_METRICS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n_metric; i++) {
        use[n] = assay_config_use(c->config, f->metric[i]);
        ASSAY_TRY(adapt_options(f, c, &use[n], err));
        f->lacks[i] = what_lacks(&use[n], f, c);
        n += f->metric[i]->measure && !f->lacks[i];
    }
    return assay_demand_make(&f->demand, &f->protocol, use, n, &counts, err);
}

static int fill_weights(struct assay_foreign *f, const struct assay_subject *s,
                        struct assay_err *err)
{
    for (uint32_t i = 0; i < f->demand.n_weights; i++) {
        const struct assay_graph *g = s->graph[f->demand.weights[i].network];
        double *theta = assay_arena_alloc(&f->arena, (g->n_theta + 1) * sizeof *theta);
        if (!theta) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the weights");
        weights_fill(&f->weights, g, theta);
        assay_weights_make(&f->demand.weights[i], g, theta);
        f->theta[i] = theta;
    }
    return ASSAY_OK;
}

static int measure_all(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_err *err)
{
    struct assay_subject s = {.protocol = &f->protocol,
                              .demand = &f->demand,
                              .graph = {c->thin ? &f->literal : &f->folded, &f->literal,
                                        c->thin ? &f->literal : &f->merged},
                              .exec = f->exec,
                              .plans = f->plans,
                              .theta = f->theta,
                              .given = f->given,
                              .arena = &f->arena,
                              .team = 1};
    ASSAY_TRY(make_demand(f, c, err));
    ASSAY_TRY(assay_demand_taps(&f->demand, s.graph, err));
    ASSAY_TRY(fill_weights(f, &s, err));
    ASSAY_TRY(given_inputs(f, err));
    ASSAY_TRY(check_memory(f, &s, c, err));
    for (uint32_t i = 0; i < f->n_metric; i++) ASSAY_TRY(measure(f, &s, i, c->metrics, err));
    if (!c->metrics && !c->thin) // without labels NASI's trace is another quantity
        f->scalar[f->n_scalar - 1].name = "sum_logit_batchmean_sq";
    ASSAY_TRY(c->thin ? take_patterns(f, &s, err) : take_kernel(f, c, &s, err));
    if (c->bn == ASSAY_BN_FROZEN && !c->thin) add_plain_names(f);
    add_scalar(f, "ntk_parameters", (double)f->literal.n_weight);
    add_scalar(f, "relu_units", relu_units(&f->literal));
    return ASSAY_OK;
}

int assay_foreign_evaluate(struct assay_foreign *f, const struct assay_foreign_case *c,
                           struct assay_err *err)
{
    const struct assay_kern *kern;
    assay_graph_init(&f->literal);
    assay_graph_init(&f->merged);
    assay_graph_init(&f->folded);
    ASSAY_TRY(choose_metrics(f, c, err));
    ASSAY_TRY(assay_la_start(err));
    ASSAY_TRY(given_read_batch(f, c, err));
    f->n = (uint32_t)f->batch.item[0].shape[0];
    ASSAY_TRY(given_read_labels(f, c, err));
    ASSAY_TRY(take_weights(f, c, err));
    ASSAY_TRY(build(f, c, err));
    ASSAY_TRY(assay_config_kern(c->config, &kern, err));
    ASSAY_TRY(assay_exec_create(&f->exec, err));
    ASSAY_TRY(assay_plans_create(&f->plans, kern, err));
    return measure_all(f, c, err);
}

void assay_foreign_finish(struct assay_foreign *f)
{
    assay_demand_free(&f->demand);
    assay_exec_destroy(f->exec);
    assay_plans_destroy(f->plans);
    assay_arrays_free(&f->weights);
    assay_arrays_free(&f->batch);
    assay_arrays_free(&f->labels);
    assay_arrays_free(&f->noise);
    assay_graph_free(&f->literal);
    assay_graph_free(&f->merged);
    assay_graph_free(&f->folded);
    assay_arena_finish(&f->arena);
}
