// SPDX-License-Identifier: Apache-2.0
// What the benchmarks share: buffers, medians, and one batch-coupled NTK in its parts, timed in
// thread CPU seconds.
#ifndef ASSAY_TESTS_BENCH_H
#define ASSAY_TESTS_BENCH_H

#include "assay/exec.h"
#include "assay/la.h"
#include "assay/space.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static inline void stop_on(int status, const struct assay_err *err)
{
    if (status >= 0) return;
    fprintf(stderr, "benchmark: %s\n", err->text);
    exit(1);
}

// Zeroed and touched.
static inline void *allocate(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSAY_ASSERT(p);
    memset(p, 0, bytes);
    return p;
}

static inline int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double median(double *v, uint32_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

static inline double *normals(const char *name, size_t n)
{
    struct assay_rng rng;
    double *v = allocate(n * sizeof *v);
    assay_rng_init(&rng, 1, 0, "bench", name);
    for (size_t i = 0; i < n; i++) v[i] = assay_rng_normal(&rng);
    return v;
}

// A short text in the caller's own block.
__attribute__((format(printf, 3, 4))) static inline const char *say(char *text, size_t cap,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, cap, format, args);
    va_end(args);
    return text;
}
#define SAY(...) say((char[96]){0}, 96, __VA_ARGS__)

// ---- networks ---------------------------------------------------------------------------------
// CODE: the six edges 0-1 0-2 1-2 0-3 1-3 2-3; 0 none, 1 skip, 2 conv1x1, 3 conv3x3, 4 avgpool.
static inline uint64_t index_of(const char *code)
{
    uint64_t index = 0;
    for (const char *c = code; *c; c++) index = index * 5 + (uint64_t)(*c - '0');
    return index;
}

// Folds `literal` and frees it.
static inline void fold(struct assay_graph *literal, struct assay_graph *g)
{
    struct assay_err err;
    assay_graph_init(g);
    stop_on(assay_graph_fold(literal, true, g, NULL, &err), &err);
    assay_graph_free(literal);
}

static inline void build_cell(const struct assay_space *space, uint64_t index,
                              const struct assay_net *net, struct assay_graph *g)
{
    struct assay_err err;
    struct assay_graph literal;
    assay_graph_init(&literal);
    stop_on(assay_space_build(space, index, net, &literal, &err), &err);
    fold(&literal, g);
}

// ---- one NTK ----------------------------------------------------------------------------------
struct bench {
    const struct assay_kern *kern;
    struct assay_exec *exec;
    struct assay_plan *plan;
    uint32_t n, rows; // images, rows of the Jacobian that are computed
    uint64_t p;
    double *theta, *input, *jac, *gram, *values, *work, *ones;
};

static inline void open_bench_for(struct bench *b, const struct assay_kern *kern,
                                  const struct assay_graph *g, uint32_t n, uint32_t rows,
                                  const struct assay_want *want)
{
    struct assay_err err;
    const struct assay_node *in = &g->node[0];
    const uint32_t classes = g->node[g->n_node - 1].c;
    *b = (struct bench){.kern = kern, .n = n, .rows = rows, .p = g->n_weight};
    stop_on(assay_exec_create(&b->exec, &err), &err);
    stop_on(assay_plan_make(&b->plan, kern, g, n, want, &err), &err);
    stop_on(assay_exec_bind(b->exec, b->plan, 0, &err), &err);
    b->theta = allocate(g->n_theta * sizeof(double));
    b->input = normals("images", (size_t)n * in->c * in->h * in->w);
    b->jac = allocate(rows * b->p * sizeof(double));
    b->gram = allocate((size_t)n * n * sizeof(double));
    b->values = allocate(n * sizeof(double));
    b->work = allocate(assay_la_eigenvalues_work(n) * sizeof(double));
    b->ones = allocate(classes * sizeof(double));
    for (uint32_t i = 0; i < classes; i++) b->ones[i] = 1;
    assay_init_params(g, ASSAY_INIT_KAIMING_FAN_OUT, 1, 0, b->theta);
}

static inline void open_bench(struct bench *b, const struct assay_kern *kern,
                              const struct assay_graph *g, uint32_t n, uint32_t rows)
{
    open_bench_for(b, kern, g, n, rows, &assay_want_gradients);
}

static inline void close_bench(struct bench *b)
{
    assay_exec_destroy(b->exec);
    assay_plan_free(b->plan);
    free(b->theta), free(b->input), free(b->jac), free(b->gram);
    free(b->values), free(b->work), free(b->ones);
}

static inline double time_forward(struct bench *b)
{
    const double start = assay_clock_thread();
    assay_exec_forward(b->exec, b->theta, b->input);
    return assay_clock_thread() - start;
}

static inline double time_rows(struct bench *b)
{
    const double start = assay_clock_thread();
    assay_exec_jacobian(b->exec, ASSAY_BN_BATCH, b->ones, 1, 0, b->rows, b->p, b->jac, b->p);
    return assay_clock_thread() - start;
}

// Gram matrix and eigenvalues; all rows are there.
static inline double time_algebra(struct bench *b)
{
    struct assay_err err;
    const double start = assay_clock_thread();
    assay_la_gram(b->n, b->p, b->jac, b->p, b->gram);
    stop_on(assay_la_eigenvalues(b->n, b->gram, b->values, b->work, &err), &err);
    return assay_clock_thread() - start;
}

// Medians over runs; the peak is measured after each run.
struct figure {
    double seconds, forward, backward, algebra, peak, flops;
};

#define MAX_RUNS 64
static inline struct figure measure_ntk(const struct assay_kern *kern, const struct assay_graph *g,
                                        uint32_t batch, uint32_t runs)
{
    double t[5][MAX_RUNS];
    struct bench b;
    ASSAY_ASSERT(runs > 0 && runs <= MAX_RUNS);
    open_bench(&b, kern, g, batch, batch);
    for (uint32_t i = 0; i < runs; i++) {
        t[1][i] = time_forward(&b);
        t[2][i] = time_rows(&b);
        t[3][i] = time_algebra(&b);
        t[0][i] = t[1][i] + t[2][i] + t[3][i];
        t[4][i] = assay_kern_peak(kern, 0.03);
    }
    const struct figure f = {.seconds = median(t[0], runs),
                             .forward = median(t[1], runs),
                             .backward = median(t[2], runs),
                             .algebra = median(t[3], runs),
                             .peak = median(t[4], runs),
                             .flops = assay_plan_flops(b.plan, batch)};
    close_bench(&b);
    return f;
}

static inline double ratio_of(const struct figure *f)
{
    return f->seconds * f->peak / f->flops;
}

#endif
