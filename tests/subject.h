// SPDX-License-Identifier: Apache-2.0
// A small network, its thin twin and random inputs, for the laws of the metrics.
#ifndef ASSAY_TESTS_SUBJECT_H
#define ASSAY_TESTS_SUBJECT_H

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
    double *theta_net, *theta_thin, *images, *patches;
    uint32_t label[N];
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
    *theta = malloc(folded->n_theta * sizeof **theta);
    assert_non_null(*theta);
    assay_init_params(folded, ASSAY_INIT_KAIMING_FAN_OUT, 5, 0, *theta);
}

// Forgets what was measured.
static inline void restart(struct fixture *f)
{
    assay_arena_reset(&f->arena);
    f->subject.memo = NULL;
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct assay_err err = {0};
    const struct assay_kern *kern;
    uint64_t index;
    assert_non_null(f);
    assert_int_equal(assay_la_start(&err), ASSAY_OK);
    assert_int_equal(assay_kern_select(&kern, "auto", &err), ASSAY_OK);
    assert_int_equal(assay_exec_create(&f->exec, &err), ASSAY_OK);
    assert_int_equal(assay_plans_create(&f->plans, kern, &err), ASSAY_OK);
    assert_int_equal(assay_space_open(&f->space, "nas-bench-201", &err), ASSAY_OK);
    assert_int_equal(assay_space_parse(&f->space, ARCH, &index, &err), ASSAY_OK);
    assay_graph_init(&f->literal);
    f->protocol = (struct assay_protocol){.classes = CLASSES,
                                          .region_batch = 100,
                                          .repeats = 1,
                                          .ridge_train = 0.5,
                                          .ridge_lambda = 1e-3};
    build(f, index, false, &f->net, &f->theta_net);
    build(f, index, true, &f->thin, &f->theta_thin);
    f->images = normals("images", N * PIXELS);
    f->patches = normals("patches", PATCHES * 9);
    for (uint32_t i = 0; i < N; i++) f->label[i] = i % CLASSES;
    f->subject = (struct assay_subject){.protocol = &f->protocol,
                                        .net = &f->net,
                                        .thin = &f->thin,
                                        .exec = f->exec,
                                        .plans = f->plans,
                                        .theta_net = f->theta_net,
                                        .theta_thin = f->theta_thin,
                                        .n_image = N,
                                        .n_nasi = N,
                                        .n_patch = PATCHES,
                                        .images = f->images,
                                        .nasi_images = f->images,
                                        .image_label = f->label,
                                        .nasi_label = f->label,
                                        .patches = f->patches,
                                        .arena = &f->arena,
                                        .team = 1};
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    assay_exec_destroy(f->exec);
    assay_plans_destroy(f->plans);
    assay_space_close(&f->space);
    assay_graph_free(&f->literal);
    assay_graph_free(&f->net);
    assay_graph_free(&f->thin);
    assay_arena_finish(&f->arena);
    free(f->theta_net);
    free(f->theta_thin);
    free(f->images);
    free(f->patches);
    free(f);
    return 0;
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

// out: up to 16 values.
static inline int measure(struct fixture *f, const char *name, double *out, char *reason)
{
    double spectrum[N * CLASSES];
    struct assay_err err = {0};
    const int verdict = find(name)->measure(&f->subject, out, spectrum, reason, &err);
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

static inline void copy_gram(struct fixture *f, enum assay_bn bn, double *gram)
{
    const struct assay_kernel *kernel;
    struct assay_err err = {0};
    assert_int_equal(assay_subject_kernel(&f->subject, bn, &kernel, &err), ASSAY_OK);
    memcpy(gram, kernel->gram, N * N * sizeof *gram);
}

static inline void assert_close(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fmax(fabs(a), fabs(b)))) fail_msg("%.17g and %.17g", a, b);
}

static inline void bind(struct fixture *f)
{
    struct assay_err err = {0};
    const struct assay_plan *plan;
    restart(f);
    assert_int_equal(assay_plans_get(f->plans, &f->net, N, &assay_want_gradients, &plan, &err),
                     ASSAY_OK);
    assert_int_equal(assay_exec_bind(f->exec, plan, 0, &err), ASSAY_OK);
    assay_exec_forward(f->exec, f->theta_net, f->images);
}

#define LAW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
