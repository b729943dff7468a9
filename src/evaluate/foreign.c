// SPDX-License-Identifier: Apache-2.0
// Metrics of weights and inputs that another program exported.
#include "inputs.h"
#include "weights.h"

#include "assay/la.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// ---- network and batch --------------------------------------------------------------------------
static int build(struct assay_foreign *f, const struct assay_foreign_case *c, struct assay_err *err)
{
    const struct assay_array *x = &f->batch.item[0];
    struct assay_net net = assay_config_net(c->config, c->thin);
    net.image = (uint32_t)x->shape[2];
    ASSAY_TRY(c->mask ? assay_space_build_supernet(c->space, c->mask, &net, &f->literal, err)
                      : assay_space_build(c->space, c->index, &net, &f->literal, err));
    const struct assay_node *input = &f->literal.node[0];
    if (x->shape[1] != input->c || x->shape[2] != input->h || x->shape[3] != input->w) {
        char seen[192];
        weights_shape_text(x->ndim, x->shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected (n,%u,%u,%u)", c->batch,
                             seen, input->c, input->h, input->w);
    }
    uint32_t *source = assay_arena_alloc(&f->arena, (f->literal.n_param + 1) * sizeof *source);
    if (!source) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the network");
    // Regions count every ReLU that the reference executes, also those that do not reach the
    // output.
    f->graph = c->thin ? &f->literal : &f->folded;
    for (uint32_t i = 0; i < f->literal.n_param; i++) source[i] = i;
    if (!c->thin) ASSAY_TRY(assay_graph_fold(&f->literal, false, &f->folded, source, err));
    f->theta = assay_arena_alloc(&f->arena, (f->graph->n_theta + 1) * sizeof *f->theta);
    if (!f->theta) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the weights");
    return weights_load(&f->weights, c->weights, &f->literal, f->graph, source, f->theta, err);
}

static int read_batch(struct assay_foreign *f, const struct assay_foreign_case *c,
                      struct assay_err *err)
{
    ASSAY_TRY(assay_arrays_read(&f->batch, c->batch, err));
    if (f->batch.n != 1) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %zu data sets, expected one", c->batch,
                             f->batch.n);
    }
    const struct assay_array *x = &f->batch.item[0];
    char seen[192];
    weights_shape_text(x->ndim, x->shape, seen, sizeof seen);
    if (x->ndim != 4) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected (n,c,h,w)", c->batch,
                             seen);
    }
    if (x->shape[0] < 1 || x->shape[0] > 1000000 || x->shape[2] > 1024 || x->shape[3] > 1024) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: shape %s, expected 1 to 1000000 images of at most 1024x1024",
                             c->batch, seen);
    }
    if (x->integer) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s, expected floating point: the values that the network reads",
                             c->batch, x->type);
    }
    for (uint64_t i = 0; i < x->size; i++) {
        if (isfinite(x->value[i])) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: value %g at %" PRIu64 ", expected finite numbers", c->batch,
                             x->value[i], i);
    }
    return ASSAY_OK;
}

// Labels of the images, or none.
static int read_labels(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_err *err)
{
    const uint64_t n = f->n, classes = f->protocol.classes;
    char seen[192];
    f->label = assay_arena_zalloc(&f->arena, (n + 1) * sizeof *f->label);
    if (!f->label) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for labels");
    if (!c->labels) return ASSAY_OK;
    ASSAY_TRY(assay_arrays_read(&f->labels, c->labels, err));
    const struct assay_array *y = f->labels.item;
    weights_shape_text(y->ndim, y->shape, seen, sizeof seen);
    if (f->labels.n != 1 || y->ndim != 1 || y->size != n || !y->integer)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s of shape %s, expected %" PRIu64
                             " integers, a label for each image of --batch",
                             c->labels, y->type, seen, n);
    for (uint64_t i = 0; i < n; i++) {
        if (!(y->value[i] >= 0 && y->value[i] < (double)classes))
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: label %g at %" PRIu64 ", expected labels from 0 to %" PRIu64
                                 " (network.classes - 1)",
                                 c->labels, y->value[i], i, classes - 1);
        f->label[i] = (uint32_t)y->value[i];
    }
    return ASSAY_OK;
}

// ---- results ------------------------------------------------------------------------------------
// Why a metric cannot be measured of what is given, or NULL.
static const char *what_lacks(const struct assay_metric *m, const struct assay_foreign *f,
                              const struct assay_foreign_case *c)
{
    const bool of_thin = m->needs & (ASSAY_NEEDS_THIN | ASSAY_NEEDS_PATCHES),
               own_labels = f->protocol.nasi_labels == ASSAY_LABELS_TRUE;
    if (of_thin && !c->thin) return "it is of the thin network (--network thin)";
    if (m->needs && !of_thin && c->thin) return "it is of the whole network (--network net)";
    if (c->labels) return NULL;
    if (m->needs & ASSAY_NEEDS_LABELS) return "it needs the labels of the batch (--labels)";
    if (m->needs & ASSAY_NEEDS_NASI && own_labels)
        return "nasi.labels = true needs the labels of the batch (--labels)";
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

// Runs one metric. What is undefined has a reason; so has what failed, where metrics were chosen.
static int measure(struct assay_foreign *f, struct assay_subject *s,
                   const struct assay_metric *metric, const char *lacks, bool chosen,
                   struct assay_err *err)
{
    char reason[ASSAY_METRIC_REASON] = "";
    struct assay_err failure = {0};
    double *out = assay_arena_alloc(&f->arena, metric->n_column * sizeof *out);
    double *spectrum = assay_arena_alloc(&f->arena, assay_subject_rows(s) * sizeof *spectrum);
    int verdict = ASSAY_VERDICT_OK;
    if (!out || !spectrum)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the spectrum");
    for (uint32_t i = 0; i < metric->n_column; i++) out[i] = NAN;
    if (lacks)
        snprintf(reason, sizeof reason, "%s", lacks);
    else if (metric->count)
        metric->count(&f->literal, out);
    else
        verdict = metric->measure(s, out, spectrum, reason, &failure);
    const bool system = verdict == ASSAY_ERR_MPI || verdict == ASSAY_ERR_MEMORY;
    if (system || (verdict < 0 && !chosen)) return assay_err_set(err, verdict, "%s", failure.text);
    if (verdict < 0) {
        for (uint32_t i = 0; i < metric->n_column; i++) out[i] = NAN;
        snprintf(reason, sizeof reason, "%.100s", failure.text);
        verdict = ASSAY_VERDICT_FAILED;
    }
    judge(f, verdict, reason);
    add_columns(f, metric, out, reason);
    return ASSAY_OK;
}

// Refuses what does not fit before it is allocated; weights and batch are there.
static int check_memory(const struct assay_foreign *f, const struct assay_subject *s,
                        const struct assay_foreign_case *c, struct assay_err *err)
{
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    const uint64_t mib = assay_config_evaluation(c->config)->memory;
    struct assay_need need;
    uint32_t n = 0;
    const uint64_t held = assay_resident();
    if (!mib) return ASSAY_OK;
    for (uint32_t i = 0; i < f->n_metric; i++)
        if (!what_lacks(f->metric[i], f, c)) metric[n++] = f->metric[i];
    ASSAY_TRY(assay_subject_need(s, metric, n, &need, err));
    const uint64_t more = need.exec + need.scratch + need.buffers;
    if (held + more <= mib << 20) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%s: a batch of %u needs %.1f MiB beside %.1f for the program and what "
                         "it read, over the limit of %" PRIu64
                         " MiB (run.memory, --memory); fewer images need less",
                         c->batch, s->n_image, (double)more / 0x1p20, (double)held / 0x1p20, mib);
}

static bool has_scalar(const struct assay_foreign *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_scalar; i++)
        if (strcmp(f->scalar[i].name, name) == 0) return true;
    return false;
}

// Where there is one kernel only, its columns are known by their plain names as well.
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

// Little-endian bits of the sign words, as many bytes as the network's ReLU units need.
static int take_patterns(struct assay_foreign *f, struct assay_subject *s, struct assay_err *err)
{
    const uint64_t *signs;
    size_t words;
    ASSAY_TRY(assay_subject_signs(s, &signs, &words, err));
    f->pattern_bytes = (assay_graph_cost(f->graph).relus + 7) / 8;
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

// Of the whole network: logits, and the kernel where a metric has it.
static int take_kernel(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_subject *s, struct assay_err *err)
{
    const unsigned kind = c->bn == ASSAY_BN_FROZEN ? ASSAY_NEEDS_FROZEN_KERNEL : ASSAY_NEEDS_KERNEL;
    const struct assay_kernel *kernel;
    const double *logits;
    unsigned needs = 0;
    for (uint32_t i = 0; i < f->n_metric; i++)
        if (!what_lacks(f->metric[i], f, c)) needs |= f->metric[i]->needs;
    if (needs & kind) {
        ASSAY_TRY(assay_subject_kernel(s, (enum assay_bn)c->bn, &kernel, err));
        f->gram = kernel->gram;
        f->eigenvalue = kernel->eigenvalue;
        f->n_row = kernel->n;
    }
    ASSAY_TRY(assay_subject_logits(s, &logits, err));
    f->classes = f->graph->node[f->graph->n_node - 1].c;
    const size_t bytes = (size_t)f->n * f->classes * sizeof *logits;
    double *copy = assay_arena_alloc(&f->arena, bytes);
    if (!copy) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the logits");
    f->logits = memcpy(copy, logits, bytes);
    return ASSAY_OK;
}

// The half of a factorised reduction that reads the shifted map, or the map padded in its place.
static bool is_shifted(const struct assay_node *n)
{
    return n->op == ASSAY_OP_SLICE || (n->op == ASSAY_OP_CONV && n->kernel == 1 && n->pad == 1);
}

// ReLU modules of the reference network: each user of a ReLU node there has a module of its own,
// but the halves of a factorised reduction share theirs.
static double relu_units(const struct assay_graph *g)
{
    double units = 0.0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *user = &g->node[i];
        for (uint32_t k = 0; k < user->n_in && !is_shifted(user); k++) {
            const struct assay_node *in = &g->node[g->in[user->in + k]];
            if (in->op == ASSAY_OP_RELU) units += (double)in->c * in->h * in->w;
        }
    }
    return units;
}

static void add_scalar(struct assay_foreign *f, const char *name, double value)
{
    f->scalar[f->n_scalar++] = (struct assay_foreign_scalar){.name = name, .value = value};
}

// What is checked where no metrics are chosen: kernel, traces, or regions, none of which needs
// labels.
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
    f->protocol.region_batch = c->region_batch;
    if (!c->metrics && !c->thin && f->protocol.nasi_labels == ASSAY_LABELS_TRUE)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "nasi.labels = true: --batch has none, expected random or none");
    if (!c->metrics) f->protocol.nasi_labels = ASSAY_LABELS_NONE;
    ASSAY_TRY(assay_metrics_parse(c->metrics ? c->metrics : usual_metrics(c), f->metric,
                                  &f->n_metric, err));
    for (uint32_t i = 0; i < f->n_metric; i++) most += 2 * f->metric[i]->n_column;
    f->scalar = assay_arena_zalloc(&f->arena, most * sizeof *f->scalar);
    return f->scalar ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for results");
}

static int draw_nasi_labels(struct assay_foreign *f, struct assay_err *err)
{
    const size_t bytes = ((size_t)f->n + 1) * sizeof *f->nasi_label;
    f->nasi_label = assay_arena_alloc(&f->arena, bytes);
    if (!f->nasi_label) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for labels");
    memcpy(f->nasi_label, f->label, bytes);
    return inputs_choose_labels(&f->protocol, f->protocol.seed, 0, f->n, f->nasi_label, err);
}

static int measure_all(struct assay_foreign *f, const struct assay_foreign_case *c,
                       struct assay_err *err)
{
    const double *x = f->batch.item[0].value;
    struct assay_subject s = {.protocol = &f->protocol,
                              .net = f->graph,
                              .thin = f->graph,
                              .exec = f->exec,
                              .plans = f->plans,
                              .theta_net = f->theta,
                              .theta_thin = f->theta,
                              .n_image = f->n,
                              .n_nasi = f->n,
                              .n_patch = f->n,
                              .images = x,
                              .image_label = f->label,
                              .nasi_images = x,
                              .nasi_label = f->nasi_label,
                              .patches = x,
                              .arena = &f->arena,
                              .team = 1};
    ASSAY_TRY(check_memory(f, &s, c, err));
    for (uint32_t i = 0; i < f->n_metric; i++)
        ASSAY_TRY(measure(f, &s, f->metric[i], what_lacks(f->metric[i], f, c), c->metrics, err));
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
    assay_graph_init(&f->folded);
    ASSAY_TRY(choose_metrics(f, c, err));
    ASSAY_TRY(assay_la_start(err));
    ASSAY_TRY(read_batch(f, c, err));
    f->n = (uint32_t)f->batch.item[0].shape[0];
    ASSAY_TRY(read_labels(f, c, err));
    ASSAY_TRY(draw_nasi_labels(f, err));
    ASSAY_TRY(assay_arrays_read(&f->weights, c->weights, err));
    ASSAY_TRY(build(f, c, err));
    ASSAY_TRY(assay_kern_select(&kern, assay_config_evaluation(c->config)->cpu, err));
    ASSAY_TRY(assay_exec_create(&f->exec, err));
    ASSAY_TRY(assay_plans_create(&f->plans, kern, err));
    return measure_all(f, c, err);
}

void assay_foreign_finish(struct assay_foreign *f)
{
    assay_exec_destroy(f->exec);
    assay_plans_destroy(f->plans);
    assay_arrays_free(&f->weights);
    assay_arrays_free(&f->batch);
    assay_arrays_free(&f->labels);
    assay_graph_free(&f->literal);
    assay_graph_free(&f->folded);
    assay_arena_finish(&f->arena);
}
