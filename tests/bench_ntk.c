// SPDX-License-Identifier: Apache-2.0
// Benchmark: one batch-coupled NTK end to end (forward, backward, Gram, eigenvalues), as a ratio
// time x FMA peak / FLOPs in which both are measured in this process, alternating. Thread CPU time,
// medians.
//
// Usage: bench_ntk [--json] [--rung NAME] [--runs R] [--channels C] [--cells N] [--batch B]
// [CODE...]
//
// CODE: the six edges 0-1 0-2 1-2 0-3 1-3 2-3; 0 none, 1 skip, 2 conv1x1, 3 conv3x3, 4 avgpool.
#include <stdlib.h>
#include <string.h>

#include "assay/exec.h"
#include "assay/la.h"
#include "assay/space.h"

struct options {
    bool json;
    const char *rung;
    uint32_t runs;
    struct assay_net net;
    uint32_t batch;
};

struct figure {
    double seconds, forward, backward, algebra, peak, flops;
};

static void stop_on(int status, const struct assay_err *err)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_ntk: %s\n", err->text);
    exit(1);
}

static void *allocate(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSAY_ASSERT(p);
    memset(p, 0, bytes);
    return p;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, uint32_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

static uint64_t index_of(const char *code)
{
    uint64_t index = 0;
    for (const char *c = code; *c; c++) index = index * 5 + (uint64_t)(*c - '0');
    return index;
}

struct bench {
    struct assay_exec *exec;
    uint32_t n;
    uint64_t p;
    double *theta, *input, *jac, *gram, *values, *work, *ones;
};

static void one_ntk(struct bench *b, double *forward, double *backward, double *algebra)
{
    struct assay_err err;
    const double t0 = assay_clock_thread();
    assay_exec_forward(b->exec, b->theta, b->input);
    const double t1 = assay_clock_thread();
    assay_exec_jacobian(b->exec, ASSAY_BN_BATCH, b->ones, 1, 0, b->n, b->p, b->jac, b->p);
    const double t2 = assay_clock_thread();
    assay_la_gram(b->n, b->p, b->jac, b->p, b->gram);
    stop_on(assay_la_eigenvalues(b->n, b->gram, b->values, b->work, &err), &err);
    const double t3 = assay_clock_thread();
    *forward = t1 - t0, *backward = t2 - t1, *algebra = t3 - t2;
}

static void fill_bench(struct bench *b, const struct options *o, const struct assay_graph *g)
{
    const struct assay_node *in = &g->node[0];
    const size_t pixels = (size_t)in->c * in->h * in->w;
    struct assay_rng rng;
    assay_rng_init(&rng, 1, 0, "bench", "images");
    b->n = o->batch, b->p = g->n_weight;
    b->theta = allocate(g->n_theta * sizeof(double));
    b->input = allocate(b->n * pixels * sizeof(double));
    b->jac = allocate(b->n * b->p * sizeof(double));
    b->gram = allocate((size_t)b->n * b->n * sizeof(double));
    b->values = allocate(b->n * sizeof(double));
    b->work = allocate(assay_la_eigenvalues_work(b->n) * sizeof(double));
    b->ones = allocate(o->net.classes * sizeof(double));
    for (uint32_t i = 0; i < o->net.classes; i++) b->ones[i] = 1;
    for (size_t i = 0; i < b->n * pixels; i++) b->input[i] = assay_rng_normal(&rng);
    assay_init_params(g, ASSAY_INIT_KAIMING_FAN_OUT, 1, 0, b->theta);
}

static void free_bench(struct bench *b)
{
    assay_exec_destroy(b->exec);
    free(b->theta), free(b->input), free(b->jac), free(b->gram);
    free(b->values), free(b->work), free(b->ones);
}

static struct figure measure(const struct assay_space *space, const char *code,
                             const struct options *o)
{
    struct assay_err err;
    struct assay_graph literal, g;
    const struct assay_kern *kern = NULL;
    struct bench b = {0};
    assay_graph_init(&literal);
    assay_graph_init(&g);
    stop_on(assay_kern_select(&kern, o->rung, &err), &err);
    stop_on(assay_space_build(space, index_of(code), &o->net, &literal, &err), &err);
    stop_on(assay_graph_fold(&literal, true, &g, NULL, &err), &err);
    stop_on(assay_exec_create(&b.exec, kern, &err), &err);
    stop_on(assay_exec_bind(b.exec, &g, o->batch, true, 0, &err), &err);
    fill_bench(&b, o, &g);
    double *t = allocate(5 * o->runs * sizeof *t);
    for (uint32_t i = 0; i < o->runs; i++) {
        double *f = t + o->runs, *w = f + o->runs, *a = w + o->runs, *p = a + o->runs;
        one_ntk(&b, &f[i], &w[i], &a[i]);
        t[i] = f[i] + w[i] + a[i];
        p[i] = assay_kern_peak(kern, 0.03);
    }
    const struct figure r = {.seconds = median(t, o->runs),
                             .forward = median(t + o->runs, o->runs),
                             .backward = median(t + 2 * o->runs, o->runs),
                             .algebra = median(t + 3 * o->runs, o->runs),
                             .peak = median(t + 4 * o->runs, o->runs),
                             .flops = assay_exec_flops(b.exec, o->batch)};
    free(t);
    free_bench(&b);
    assay_graph_free(&literal);
    assay_graph_free(&g);
    return r;
}

static void print_figure(const struct options *o, const char *code, const struct figure *f)
{
    const double ratio = f->seconds * f->peak / f->flops;
    const char *format = o->json ? "{\"cell\": \"%s\", \"seconds\": %.5f, \"forward\": %.5f, "
                                   "\"backward\": %.5f, \"algebra\": %.5f, "
                                   "\"gflop\": %.3f, \"peak_gflops\": %.1f, \"ratio\": %.3f}\n"
                                 : "%-8s %9.4f %9.4f %9.4f %9.4f %9.2f %9.1f %7.2f\n";
    printf(format, code, f->seconds, f->forward, f->backward, f->algebra, f->flops / 1e9,
           f->peak / 1e9, ratio);
    fflush(stdout);
}

static const char *take(int argc, char **argv, int *i)
{
    ASSAY_ASSERT(*i + 1 < argc);
    return argv[++*i];
}

int main(int argc, char **argv)
{
    static const char *const standard[] = {"333333", "444333", "214312", "222222"};
    struct options o = {.rung = "auto",
                        .runs = 9,
                        .batch = 72,
                        .net = {.channels = 3, .cells = 1, .classes = 10, .image = 32}};
    struct assay_space space;
    struct assay_err err;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o.json = true;
        else if (strcmp(argv[i], "--rung") == 0)
            o.rung = take(argc, argv, &i);
        else if (strcmp(argv[i], "--runs") == 0)
            o.runs = (uint32_t)atoi(take(argc, argv, &i));
        else if (strcmp(argv[i], "--channels") == 0)
            o.net.channels = (uint32_t)atoi(take(argc, argv, &i));
        else if (strcmp(argv[i], "--cells") == 0)
            o.net.cells = (uint32_t)atoi(take(argc, argv, &i));
        else if (strcmp(argv[i], "--batch") == 0)
            o.batch = (uint32_t)atoi(take(argc, argv, &i));
        else
            stop_on(assay_err_set(&err, ASSAY_ERR_USAGE, "unknown option %s", argv[i]), &err);
    }
    assay_la_single_thread();
    stop_on(assay_space_open(&space, "nas-bench-201", &err), &err);
    if (!o.json)
        printf("%-8s %9s %9s %9s %9s %9s %9s %7s\n", "cell", "seconds", "forward", "backward",
               "algebra", "GFLOP", "peak", "ratio");
    const uint32_t n = i < argc ? (uint32_t)(argc - i) : ASSAY_LEN(standard);
    for (uint32_t k = 0; k < n; k++) {
        const char *code = i < argc ? argv[i + (int)k] : standard[k];
        const struct figure f = measure(&space, code, &o);
        print_figure(&o, code, &f);
    }
    assay_space_close(&space);
    return 0;
}
