// SPDX-License-Identifier: Apache-2.0
#include "foreign.h"

#include "assay/la.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

// ---- weights ------------------------------------------------------------------------------------
// "(6,3,3,3)"
static void shape_text(uint32_t ndim, const uint64_t *shape, char *text, size_t cap)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t d = 0; d < ndim && used < cap; d++) {
        used += (size_t)snprintf(text + used, cap - used, "%s%" PRIu64, d ? "," : "(", shape[d]);
    }
    if (used < cap) snprintf(text + used, cap - used, "%s", ndim ? ")" : "a scalar");
}

static const struct assay_array *find_array(const struct assay_arrays *arrays, const char *name)
{
    for (size_t i = 0; i < arrays->n; i++) {
        if (strcmp(arrays->item[i].name, name) == 0) return &arrays->item[i];
    }
    return NULL;
}

// Finds the array of a literal parameter and checks its shape.
static int match(const struct assay_arrays *arrays, const struct assay_graph *g, uint32_t param,
                 const char *where, const struct assay_array **out, struct assay_err *err)
{
    const struct assay_param *p = &g->param[param];
    const char *name = assay_graph_param_name(g, param);
    uint64_t shape[4] = {0};
    char expected[96], seen[192];
    for (uint32_t d = 0; d < p->ndim; d++) shape[d] = p->shape[d];
    shape_text(p->ndim, shape, expected, sizeof expected);
    const struct assay_array *array = find_array(arrays, name);
    if (!array) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no weight '%s', expected one of shape %s",
                             where, name, expected);
    }
    if (array->ndim != p->ndim || memcmp(array->shape, shape, p->ndim * sizeof *shape) != 0) {
        shape_text(array->ndim, array->shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: weight '%s' has shape %s, expected %s",
                             where, name, seen, expected);
    }
    if (array->integer) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s' is of %s, expected floating point", where, name,
                             array->type);
    }
    for (uint64_t i = 0; i < array->size; i++) {
        if (isfinite(array->value[i])) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s' has the value %g, expected finite numbers", where,
                             name, array->value[i]);
    }
    *out = array;
    return ASSAY_OK;
}

// The first array whose name is this parameter's behind a prefix ("module."), or NULL.
static const struct assay_array *find_prefixed(const struct assay_arrays *arrays, const char *param)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const char *name = arrays->item[i].name;
        const size_t n = strlen(name), tail = strlen(param);
        if (n > tail && name[n - tail - 1] == '.' && strcmp(name + n - tail, param) == 0)
            return &arrays->item[i];
    }
    return NULL;
}

// Wrappers of a network (DataParallel, torch.compile) put their own name before those of all its
// weights; it is taken off.
static int strip_prefix(struct assay_arrays *arrays, const struct assay_graph *g, const char *where,
                        struct assay_err *err)
{
    char prefix[sizeof arrays->item->name];
    const char *param = NULL;
    const struct assay_array *seen = NULL;
    for (uint32_t i = 0; i < g->n_param && !seen; i++) {
        param = assay_graph_param_name(g, i);
        if (find_array(arrays, param)) return ASSAY_OK;
        seen = find_prefixed(arrays, param);
    }
    if (!seen) return ASSAY_OK;
    const size_t n = strlen(seen->name) - strlen(param);
    snprintf(prefix, sizeof prefix, "%.*s", (int)n, seen->name);
    for (size_t i = 0; i < arrays->n; i++) {
        if (strncmp(arrays->item[i].name, prefix, n) == 0) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s%s' where '%s' is expected; '%s' could be taken off if "
                             "every name began with it, but '%s' does not",
                             where, prefix, param, param, prefix, arrays->item[i].name);
    }
    for (size_t i = 0; i < arrays->n; i++) {
        char *name = arrays->item[i].name;
        memmove(name, name + n, strlen(name + n) + 1);
    }
    return ASSAY_OK;
}

// Running statistics of a state_dict take no part in train mode.
static bool is_buffer(const struct assay_graph *g, const char *name)
{
    static const char *const suffix[] = {".running_mean", ".running_var", ".num_batches_tracked"};
    const size_t length = strlen(name);
    for (size_t s = 0; s < ASSAY_LEN(suffix); s++) {
        const size_t tail = strlen(suffix[s]);
        if (length <= tail || strcmp(name + length - tail, suffix[s]) != 0) continue;
        for (uint32_t i = 0; i < g->n_param; i++) {
            const char *param = assay_graph_param_name(g, i);
            if (g->param[i].role == ASSAY_BN_GAMMA && strlen(param) == length - tail + 7 &&
                memcmp(param, name, length - tail) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int refuse_extra(const struct assay_arrays *arrays, const struct assay_graph *g,
                        const char *where, struct assay_err *err)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const char *name = arrays->item[i].name;
        bool known = is_buffer(g, name);
        for (uint32_t p = 0; p < g->n_param && !known; p++) {
            known = strcmp(assay_graph_param_name(g, p), name) == 0;
        }
        if (!known) {
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: weight '%s' is not a parameter of this network", where, name);
        }
    }
    return ASSAY_OK;
}

// Checks every literal parameter, then fills the executed network's theta.
static int load_weights(struct foreign *f, const char *where, const uint32_t *source,
                        struct assay_err *err)
{
    const struct assay_array *array;
    ASSAY_TRY(strip_prefix(&f->weights, &f->literal, where, err));
    for (uint32_t i = 0; i < f->literal.n_param; i++) {
        ASSAY_TRY(match(&f->weights, &f->literal, i, where, &array, err));
    }
    ASSAY_TRY(refuse_extra(&f->weights, &f->literal, where, err));
    f->theta = assay_arena_alloc(&f->arena, (f->graph->n_theta + 1) * sizeof *f->theta);
    if (!f->theta) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the weights");
    for (uint32_t i = 0; i < f->graph->n_param; i++) {
        const struct assay_param *p = &f->graph->param[i];
        ASSAY_TRY(match(&f->weights, &f->literal, source[i], where, &array, err));
        memcpy(f->theta + p->offset, array->value, p->size * sizeof *f->theta);
    }
    return ASSAY_OK;
}

// ---- network and batch --------------------------------------------------------------------------
static int build(struct foreign *f, const struct foreign_case *c, struct assay_err *err)
{
    const struct assay_array *x = &f->batch.item[0];
    struct assay_net net = assay_config_net(c->config, c->thin);
    net.image = (uint32_t)x->shape[2];
    ASSAY_TRY(c->mask ? assay_space_build_supernet(c->space, c->mask, &net, &f->literal, err)
                      : assay_space_build(c->space, c->index, &net, &f->literal, err));
    const struct assay_node *input = &f->literal.node[0];
    if (x->shape[1] != input->c || x->shape[2] != input->h || x->shape[3] != input->w) {
        char seen[192];
        shape_text(x->ndim, x->shape, seen, sizeof seen);
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
    return load_weights(f, c->weights, source, err);
}

static int read_batch(struct foreign *f, const struct foreign_case *c, struct assay_err *err)
{
    ASSAY_TRY(assay_arrays_read(&f->batch, c->batch, err));
    if (f->batch.n != 1) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %zu data sets, expected one", c->batch,
                             f->batch.n);
    }
    const struct assay_array *x = &f->batch.item[0];
    char seen[192];
    shape_text(x->ndim, x->shape, seen, sizeof seen);
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

// ---- results ------------------------------------------------------------------------------------
static void add_scalar(struct foreign *f, const char *name, double value)
{
    ASSAY_ASSERT(f->n_scalar < FOREIGN_SCALARS);
    f->scalar[f->n_scalar++] = (struct foreign_scalar){name, value};
}

static const struct assay_metric *find_metric(const char *name)
{
    const struct assay_metric *const *m = assay_metrics;
    while (*m && strcmp((*m)->name, name) != 0) m++;
    ASSAY_ASSERT(*m);
    return *m;
}

// Runs one metric; `plain` > 0 repeats its columns without so many leading characters.
static int measure(struct foreign *f, struct assay_subject *s, const char *name, size_t plain,
                   struct assay_err *err)
{
    const struct assay_metric *metric = find_metric(name);
    char reason[ASSAY_METRIC_REASON] = "";
    double out[16];
    ASSAY_ASSERT(metric->n_column <= ASSAY_LEN(out));
    double *spectrum = assay_arena_alloc(&f->arena, f->n * sizeof *spectrum);
    if (!spectrum) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the spectrum");
    const int verdict = metric->measure(s, out, spectrum, reason, err);
    ASSAY_TRY(verdict);
    if (verdict > f->verdict) {
        f->verdict = verdict;
        snprintf(f->reason, sizeof f->reason, "%s", reason);
    }
    for (uint32_t i = 0; i < metric->n_column; i++) {
        add_scalar(f, metric->column[i].name, out[i]);
        if (plain) add_scalar(f, metric->column[i].name + plain, out[i]);
    }
    return ASSAY_OK;
}

// Refuses what does not fit before it is allocated; weights and batch are there.
static int check_memory(const struct assay_subject *s, const struct foreign_case *c,
                        struct assay_err *err)
{
    const struct assay_metric *const net[] = {
        find_metric(c->bn == ASSAY_BN_FROZEN ? "ntk_frozen" : "ntk"), find_metric("ntk_trace"),
        find_metric("nasi")};
    const struct assay_metric *const thin[] = {find_metric("regions")};
    const uint64_t mib = assay_config_evaluation(c->config)->memory;
    struct assay_need need;
    const uint64_t held = assay_resident();
    if (!mib) return ASSAY_OK;
    ASSAY_TRY(assay_subject_need(s, c->thin ? thin : net, c->thin ? 1 : 3, &need, err));
    const uint64_t more = need.exec + need.scratch + need.buffers;
    if (held + more <= mib << 20) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%s: a batch of %u needs %.1f MiB beside %.1f for the program and what "
                         "it read, over the limit of %" PRIu64
                         " MiB (run.memory, --memory); fewer images need less",
                         c->batch, s->n_image, (double)more / 0x1p20, (double)held / 0x1p20, mib);
}

static int measure_net(struct foreign *f, const struct foreign_case *c, struct assay_subject *s,
                       struct assay_err *err)
{
    const bool frozen = c->bn == ASSAY_BN_FROZEN;
    const struct assay_kernel *kernel;
    const double *logits;
    ASSAY_TRY(measure(f, s, frozen ? "ntk_frozen" : "ntk", frozen ? strlen("frozen_") : 0, err));
    ASSAY_TRY(measure(f, s, "ntk_trace", 0, err));
    ASSAY_TRY(measure(f, s, "nasi", 0, err));
    f->scalar[f->n_scalar - 1].name = "sum_logit_batchmean_sq"; // NASI's trace without labels
    ASSAY_TRY(assay_subject_kernel(s, (enum assay_bn)c->bn, &kernel, err));
    ASSAY_TRY(assay_subject_logits(s, &logits, err));
    f->gram = kernel->gram;
    f->eigenvalue = kernel->eigenvalue;
    f->classes = f->graph->node[f->graph->n_node - 1].c;
    const size_t bytes = (size_t)f->n * f->classes * sizeof *logits;
    double *copy = assay_arena_alloc(&f->arena, bytes);
    if (!copy) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the logits");
    f->logits = memcpy(copy, logits, bytes);
    return ASSAY_OK;
}

// Little-endian bits of the sign words, as many bytes as the network's ReLU units need.
static int measure_thin(struct foreign *f, struct assay_subject *s, struct assay_err *err)
{
    const uint64_t *signs;
    size_t words;
    ASSAY_TRY(measure(f, s, "regions", 0, err));
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

static int measure_all(struct foreign *f, const struct foreign_case *c, struct assay_err *err)
{
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
                              .images = f->batch.item[0].value,
                              .nasi_images = f->batch.item[0].value,
                              .patches = f->batch.item[0].value,
                              .arena = &f->arena,
                              .team = 1};
    ASSAY_TRY(check_memory(&s, c, err));
    ASSAY_TRY(c->thin ? measure_thin(f, &s, err) : measure_net(f, c, &s, err));
    add_scalar(f, "ntk_parameters", (double)f->literal.n_weight);
    add_scalar(f, "relu_units", relu_units(&f->literal));
    return ASSAY_OK;
}

int foreign_evaluate(struct foreign *f, const struct foreign_case *c, struct assay_err *err)
{
    const struct assay_kern *kern;
    assay_graph_init(&f->literal);
    assay_graph_init(&f->folded);
    f->protocol = *assay_config_protocol(c->config);
    if (!c->thin && f->protocol.nasi_labels == ASSAY_LABELS_TRUE) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "nasi.labels = true: --batch has none, expected random or none");
    }
    f->protocol.nasi_labels = ASSAY_LABELS_NONE;
    f->protocol.region_batch = c->region_batch;
    ASSAY_TRY(assay_la_start(err));
    ASSAY_TRY(read_batch(f, c, err));
    f->n = (uint32_t)f->batch.item[0].shape[0];
    ASSAY_TRY(assay_arrays_read(&f->weights, c->weights, err));
    ASSAY_TRY(build(f, c, err));
    ASSAY_TRY(assay_kern_select(&kern, assay_config_evaluation(c->config)->cpu, err));
    ASSAY_TRY(assay_exec_create(&f->exec, err));
    ASSAY_TRY(assay_plans_create(&f->plans, kern, err));
    return measure_all(f, c, err);
}

void foreign_finish(struct foreign *f)
{
    assay_exec_destroy(f->exec);
    assay_plans_destroy(f->plans);
    assay_arrays_free(&f->weights);
    assay_arrays_free(&f->batch);
    assay_graph_free(&f->literal);
    assay_graph_free(&f->folded);
    assay_arena_finish(&f->arena);
}
