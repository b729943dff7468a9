// SPDX-License-Identifier: Apache-2.0
// A small network, its thin twin and random inputs, for the laws of the metrics.
#ifndef ASSAY_TESTS_METRIC_FIXTURE_H
#define ASSAY_TESTS_METRIC_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/la.h"
#include "assay/metric.h"
#include "assay/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10, CLASSES = 4, IMAGE = 8, PIXELS = 3 * IMAGE * IMAGE, PATCHES = 250 };

// One of every operation of NAS-Bench-201.
static const char ARCH[] = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|"
                           "none~1|nor_conv_3x3~2|";

struct fixture {
    struct assay_protocol protocol;
    struct assay_space space;
    struct assay_graph literal, net, thin;
    struct assay_exec *exec;
    struct assay_plans *plans;
    struct assay_arena arena;
    double *theta_net, *theta_thin, *theta_literal, *images, *patches;
    uint32_t label[N];
    uint32_t n_image, n_patch;
    void *option[ASSAY_METRIC_OPTIONS_MAX]; // by the tables of assay_metric_options
    struct assay_demand demand;
    const double *theta[ASSAY_DEMAND_PASSES];
    struct assay_given given[ASSAY_DEMAND_PASSES];
    struct assay_subject subject;
};

static inline double *normals(const char *name, size_t n)
{
    struct assay_rng rng;
    double *v = malloc(n * sizeof *v);
    assert_non_null(v);
    assay_rng_init(&rng, 11, 0, "test_metric", name);
    for (size_t i = 0; i < n; i++) v[i] = assay_rng_normal(&rng);
    return v;
}

static inline double *draw_theta(const struct assay_graph *g)
{
    double *theta = malloc(g->n_theta * sizeof *theta);
    assert_non_null(theta);
    assay_init_params(g, ASSAY_INIT_KAIMING_FAN_OUT, 5, 0, theta);
    return theta;
}

static inline void build(struct fixture *f, uint64_t index, bool thin, struct assay_graph *folded,
                         double **theta)
{
    const struct assay_net net = {.channels = 3,
                                  .cells = 1,
                                  .classes = (uint32_t)f->protocol.classes,
                                  .image = IMAGE,
                                  .thin = thin};
    struct assay_err err = {0};
    assay_plans_clear(f->plans); // of the graph that was there
    assay_graph_init(folded);
    assert_int_equal(assay_space_build(&f->space, index, &net, &f->literal, &err), ASSAY_OK);
    assert_int_equal(assay_graph_fold(&f->literal, true, folded, NULL, &err), ASSAY_OK);
    *theta = draw_theta(folded);
}

// Forgets what was measured.
static inline void restart(struct fixture *f)
{
    assay_arena_reset(&f->arena);
    f->subject.memo = NULL;
}

// ---- options ------------------------------------------------------------------------------------
static inline void *options_of(struct fixture *f, const struct assay_options *table)
{
    const struct assay_options *all[ASSAY_METRIC_OPTIONS_MAX];
    const uint32_t n = assay_metric_options(all);
    for (uint32_t i = 0; i < n; i++) {
        if (all[i] == table) return f->option[i];
    }
    return NULL;
}

static inline void open_options(struct fixture *f)
{
    const struct assay_options *table[ASSAY_METRIC_OPTIONS_MAX];
    const uint32_t n = assay_metric_options(table);
    for (uint32_t i = 0; i < n; i++) {
        f->option[i] = calloc(1, table[i]->size);
        assert_non_null(f->option[i]);
        assay_opts_defaults(table[i]->opt, f->option[i]);
    }
    ((struct assay_nasi_options *)options_of(f, &assay_nasi_options))->labels = ASSAY_LABELS_TRUE;
    ((struct assay_regions_options *)options_of(f, &assay_regions_options))->batch = 100;
}

// "ridge", "lambda", "1e12"
static inline void set(struct fixture *f, const char *section, const char *name, const char *value)
{
    const struct assay_options *table[ASSAY_METRIC_OPTIONS_MAX];
    const uint32_t n = assay_metric_options(table);
    struct assay_err err = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (!assay_opts_find(table[i]->opt, section, name)) continue;
        assert_int_equal(
            assay_opts_set(table[i]->opt, f->option[i], section, name, value, "test", &err),
            ASSAY_OK);
        return;
    }
    fail_msg("no option %s.%s", section, name);
}

// ---- what is measured ---------------------------------------------------------------------------
// Metrics over the fixture's images and patches, or with `own` over as many as options say.
static inline void choose(struct fixture *f, const struct assay_metric *const *metric, uint32_t n,
                          bool own)
{
    struct assay_use use[ASSAY_METRICS_MAX] = {0};
    const struct assay_given_counts counts = {f->n_image, f->n_patch};
    struct assay_err err = {0};
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!metric[i]->measure) continue;
        use[k].metric = metric[i];
        for (size_t t = 0; metric[i]->options[t]; t++)
            use[k].option[t] = options_of(f, metric[i]->options[t]);
        k++;
    }
    assay_demand_free(&f->demand);
    assert_int_equal(
        assay_demand_make(&f->demand, &f->protocol, use, k, own ? NULL : &counts, &err), ASSAY_OK);
    assert_int_equal(assay_demand_taps(&f->demand, f->subject.graph, &err), ASSAY_OK);
    for (uint32_t i = 0; i < f->demand.n_weights; i++) {
        const double *of[ASSAY_NETWORKS] = {f->theta_net, f->theta_thin, f->theta_literal};
        f->theta[i] = of[f->demand.weights[i].network];
    }
    for (uint32_t i = 0; i < f->demand.n_input; i++) {
        const bool patches = f->demand.input[i].input.kind == ASSAY_INPUT_PATCHES;
        f->given[i] = (struct assay_given){.x = patches ? f->patches : f->images,
                                           .label = {f->label, f->label}};
    }
    restart(f);
}

static inline const struct assay_metric *find(const char *name)
{
    const struct assay_metric *chosen[ASSAY_METRICS_MAX];
    struct assay_err err = {0};
    uint32_t n;
    assert_int_equal(assay_metrics_parse(name, chosen, &n, &err), ASSAY_OK);
    assert_int_equal(n, 1);
    return chosen[0];
}

static inline void choose_all(struct fixture *f)
{
    uint32_t n = 0;
    while (assay_metrics[n]) n++;
    choose(f, assay_metrics, n, false);
}

static inline void choose_one(struct fixture *f, const char *name)
{
    const struct assay_metric *metric = find(name);
    choose(f, &metric, 1, false);
}

static inline const struct assay_use *use_of(const struct fixture *f, const char *name)
{
    for (uint32_t i = 0; i < f->demand.n_use; i++) {
        if (strcmp(f->demand.use[i].metric->name, name) == 0) return &f->demand.use[i];
    }
    fail_msg("%s is not measured", name);
    return NULL;
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct assay_err err = {0};
    const struct assay_kern *kern;
    uint64_t index;
    assert_non_null(f);
    assert_int_equal(assay_la_start(&err), ASSAY_OK);
    assert_int_equal(assay_kern_select(&kern, "auto", ASSAY_SINGLE, &err), ASSAY_OK);
    assert_int_equal(assay_exec_create(&f->exec, &err), ASSAY_OK);
    assert_int_equal(assay_plans_create(&f->plans, kern, &err), ASSAY_OK);
    assert_int_equal(assay_space_open(&f->space, "nas-bench-201", &err), ASSAY_OK);
    assert_int_equal(assay_space_parse(&f->space, ARCH, &index, &err), ASSAY_OK);
    assay_graph_init(&f->literal);
    f->protocol = (struct assay_protocol){.classes = CLASSES, .repeats = 1, .patch = 3};
    build(f, index, true, &f->thin, &f->theta_thin);
    build(f, index, false, &f->net, &f->theta_net);
    f->theta_literal = draw_theta(&f->literal);
    f->images = normals("images", N * PIXELS);
    f->patches = normals("patches", PATCHES * 9);
    f->n_image = N;
    f->n_patch = PATCHES;
    for (uint32_t i = 0; i < N; i++) f->label[i] = i % CLASSES;
    open_options(f);
    f->subject = (struct assay_subject){.protocol = &f->protocol,
                                        .demand = &f->demand,
                                        .graph = {&f->net, &f->thin, &f->literal},
                                        .exec = f->exec,
                                        .plans = f->plans,
                                        .theta = f->theta,
                                        .given = f->given,
                                        .arena = &f->arena,
                                        .team = 1};
    choose_all(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    assay_demand_free(&f->demand);
    assay_exec_destroy(f->exec);
    assay_plans_destroy(f->plans);
    assay_space_close(&f->space);
    assay_graph_free(&f->literal);
    assay_graph_free(&f->net);
    assay_graph_free(&f->thin);
    assay_arena_finish(&f->arena);
    for (size_t i = 0; i < ASSAY_LEN(f->option); i++) free(f->option[i]);
    free(f->theta_net);
    free(f->theta_thin);
    free(f->theta_literal);
    free(f->images);
    free(f->patches);
    free(f);
    return 0;
}

// out: up to 16 values.
static inline int measure(struct fixture *f, const char *name, double *out, char *reason)
{
    double spectrum[N * CLASSES];
    struct assay_err err = {0};
    const int verdict =
        assay_subject_measure(&f->subject, use_of(f, name), out, spectrum, reason, &err);
    if (verdict < 0) snprintf(reason, ASSAY_METRIC_REASON, "%.100s", err.text);
    return verdict;
}

static inline double value(struct fixture *f, const char *name)
{
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    assert_int_equal(measure(f, name, out, reason), ASSAY_VERDICT_OK);
    return out[0];
}

static inline const struct assay_kernel *kernel_of(struct fixture *f, enum assay_bn bn)
{
    const struct assay_kernel *kernel;
    struct assay_err err = {0};
    const struct assay_use *use = use_of(f, bn == ASSAY_BN_BATCH ? "ntk" : "ntk_frozen");
    assert_int_equal(assay_subject_kernel(&f->subject, use, 0, &kernel, &err), ASSAY_OK);
    return kernel;
}

static inline void copy_gram(struct fixture *f, enum assay_bn bn, double *gram)
{
    memcpy(gram, kernel_of(f, bn)->gram, N * N * sizeof *gram);
}

static inline void assert_close(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fmax(fabs(a), fabs(b)))) fail_msg("%.17g and %.17g", a, b);
}

// With gradients in float64 where `precise`.
static inline void bind_as(struct fixture *f, bool precise)
{
    const struct assay_want want = {.backward = true, .precise = precise};
    struct assay_err err = {0};
    const struct assay_plan *plan;
    restart(f);
    assert_int_equal(assay_plans_get(f->plans, &f->net, N, &want, &plan, &err), ASSAY_OK);
    assert_int_equal(assay_exec_bind(f->exec, plan, 0, &err), ASSAY_OK);
    assay_exec_forward(f->exec, f->theta_net, f->images);
}

static inline void bind(struct fixture *f)
{
    bind_as(f, false);
}

#define LAW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
