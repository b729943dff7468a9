// SPDX-License-Identifier: Apache-2.0
// Benchmark: one batch-coupled NTK end to end (forward, backward, Gram, eigenvalues), as a ratio
// time x FMA peak / FLOPs in which both are measured in this process, alternating. Thread CPU time,
// medians.
//
// Usage: bench_ntk [--json] [--rung NAME] [--runs R] [--channels C] [--cells N] [--batch B]
// [CODE...]
//
// CODE: the six edges 0-1 0-2 1-2 0-3 1-3 2-3; 0 none, 1 skip, 2 conv1x1, 3 conv3x3, 4 avgpool.
#include "bench.h"

struct options {
    bool json;
    const char *rung;
    uint32_t runs;
    struct assay_net net;
    uint32_t batch;
};

static struct figure measure(const struct assay_space *space, const char *code,
                             const struct options *o)
{
    struct assay_err err;
    struct assay_graph g;
    const struct assay_kern *kern = NULL;
    stop_on(assay_kern_select(&kern, o->rung, ASSAY_SINGLE, &err), &err);
    build_cell(space, index_of(code), &o->net, &g);
    const struct figure f = measure_ntk(kern, &g, o->batch, o->runs);
    assay_graph_free(&g);
    return f;
}

static void print_figure(const struct options *o, const char *code, const struct figure *f)
{
    const char *format = o->json ? "{\"cell\": \"%s\", \"seconds\": %.5f, \"forward\": %.5f, "
                                   "\"backward\": %.5f, \"algebra\": %.5f, "
                                   "\"gflop\": %.3f, \"peak_gflops\": %.1f, \"ratio\": %.3f}\n"
                                 : "%-8s %9.4f %9.4f %9.4f %9.4f %9.2f %9.1f %7.2f\n";
    printf(format, code, f->seconds, f->forward, f->backward, f->algebra, f->flops / 1e9,
           f->peak / 1e9, ratio_of(f));
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
    stop_on(assay_la_start(&err), &err);
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
