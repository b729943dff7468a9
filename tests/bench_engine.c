// SPDX-License-Identifier: Apache-2.0
// Benchmark: the engine's figures as one table, each beside its target. "ratio" is time x FMA peak
// / FLOPs, "of peak" its inverse for a part of the work; peaks are measured in this process between
// the runs. Thread CPU time, medians. A missed target is marked and changes no exit code: machines
// are shared.
//
// Usage: bench_engine [--json] [PREFIX...]: only the figures whose names begin so
#include "bench_layer.h"
#include "bench_report.h"

#include "vocabulary.h"
#include "assay/kern.h"

static const struct assay_net small = {.channels = 3, .cells = 1, .classes = 10, .image = 32};
static const struct assay_net large = {.channels = 16, .cells = 5, .classes = 10, .image = 32};

// ---- NTKs of TE-NAS's size --------------------------------------------------------------------
static void cell_rows(struct report *r)
{
    static const struct {
        const char *code;
        double ratio;
        const char *also;
    } cell[] = {{"333333", 1.6, ", stretch 1.45"},
                {"444333", 2.0, ""},
                {"214312", 2.4, ""},
                {"222222", 3.0, ""}};
    for (size_t i = 0; i < ASSAY_LEN(cell); i++) {
        const char *name = SAY("ntk ratio %s", cell[i].code);
        struct assay_graph g;
        if (!wanted(r, name)) continue;
        build_cell(&r->nb201, index_of(cell[i].code), &small, &g);
        const struct figure f = measure_ntk(r->kern, &g, 72, 5);
        print_row(r, name, ratio_of(&f), AT_MOST, cell[i].ratio,
                  SAY("%.3f s, %.1f GFLOP, peak %.0f GFLOP/s%s", f.seconds, f.flops / 1e9,
                      f.peak / 1e9, cell[i].also));
        assay_graph_free(&g);
    }
}

static void random_rows(struct report *r)
{
    enum { CELLS = 100 };
    double seconds = 0, ratio = 0;
    uint32_t n = 0;
    struct assay_rng rng;
    if (!wanted(r, "ntk ratio random")) return;
    assay_rng_init(&rng, 1, 0, "bench", "architectures");
    while (n < CELLS) {
        struct assay_graph g;
        build_cell(&r->nb201, assay_rng_below(&rng, assay_space_size(&r->nb201)), &small, &g);
        if (!assay_graph_is_dead(&g)) {
            const struct figure f = measure_ntk(r->kern, &g, 72, 1);
            seconds += f.seconds, ratio += ratio_of(&f);
            n++;
        }
        assay_graph_free(&g);
    }
    print_row(r, "ntk seconds random", seconds / n, NO_GOAL, 0, "mean of 100, one NTK each");
    print_row(r, "ntk ratio random", ratio / n, NO_GOAL, 0, "mean of the same 100");
}

static void supernet_graph(const struct assay_space *space, const struct assay_net *net,
                           struct assay_graph *g)
{
    struct assay_err err;
    struct assay_supernet mask;
    struct assay_graph literal;
    assay_graph_init(&literal);
    assay_space_full_supernet(space, false, &mask);
    stop_on(assay_space_build_supernet(space, &mask, net, &literal, &err), &err);
    fold(&literal, g);
}

static void supernet_rows(struct report *r)
{
    static const uint32_t batch[] = {14, 24};
    struct assay_graph g;
    if (wanted(r, "ntk ratio supernet")) {
        supernet_graph(&r->nb201, &small, &g);
        const struct figure f = measure_ntk(r->kern, &g, 72, 3);
        print_row(
            r, "ntk ratio supernet", ratio_of(&f), AT_MOST, 1.8,
            SAY("nas-bench-201, all but none alive; %.3f s, %.1f GFLOP", f.seconds, f.flops / 1e9));
        assay_graph_free(&g);
    }
    supernet_graph(&r->darts, &r->darts.kind->search, &g);
    for (size_t i = 0; i < ASSAY_LEN(batch); i++) {
        const char *name = SAY("darts supernet seconds, batch %u", batch[i]);
        if (!wanted(r, name)) continue;
        const struct figure f = measure_ntk(r->kern, &g, batch[i], 7);
        // The goal is 30 times PyTorch's speed: bench_pytorch.py measures both in turn.
        print_row(r, name, f.seconds, NO_GOAL, 0,
                  SAY("C = 1, first round; %.2f GFLOP, ratio %.1f", f.flops / 1e9, ratio_of(&f)));
    }
    assay_graph_free(&g);
}

// ---- shares of the peak -----------------------------------------------------------------------
static void large_row(struct report *r)
{
    enum { ROWS = 8, RUNS = 3, BATCH = 64 };
    struct assay_graph g;
    struct bench b;
    double share[RUNS], seconds = 0;
    if (!wanted(r, "ntk of peak C=16 N=5")) return;
    build_cell(&r->nb201, index_of("333333"), &large, &g);
    open_bench(&b, r->kern, &g, BATCH, ROWS);
    const double flops = assay_plan_flops(b.plan, ROWS) - assay_plan_flops(b.plan, 0);
    time_forward(&b);
    b.rows = 1;
    time_rows(&b); // the sums that all rows share
    b.rows = ROWS;
    for (uint32_t i = 0; i < RUNS; i++) {
        seconds = time_rows(&b);
        share[i] = flops / seconds / assay_kern_peak(r->kern, 0.1);
    }
    print_row(r, "ntk of peak C=16 N=5", median(share, RUNS), AT_LEAST, 0.65,
              SAY("333333, %d of %d rows: %.1f GFLOP, %.2f s", ROWS, BATCH, flops / 1e9, seconds));
    close_bench(&b);
    assay_graph_free(&g);
}

// A pass forward, in double, whose peak is half of float's.
static void forward_row(struct report *r, const char *name, const struct assay_net *net,
                        uint32_t batch, const struct assay_want *want, double target)
{
    enum { RUNS = 7 };
    struct assay_graph g;
    struct bench b;
    double share[RUNS], seconds[RUNS], flops;
    if (!wanted(r, name)) return;
    build_cell(&r->nb201, index_of("333333"), net, &g);
    open_bench_for(&b, r->kern, &g, batch, 1, want);
    flops = assay_plan_flops(b.plan, 0);
    time_forward(&b);
    for (uint32_t i = 0; i < RUNS; i++) {
        seconds[i] = time_forward(&b);
        share[i] = 2 * flops / seconds[i] / assay_kern_peak(r->kern, 0.02);
    }
    print_row(r, name, median(share, RUNS), target > 0 ? AT_LEAST : NO_GOAL, target,
              SAY("333333, batch %u: %.2f GFLOP, %.4f s, %.0f MB", batch, flops / 1e9,
                  median(seconds, RUNS), (double)assay_plan_bytes(b.plan) / 1e6));
    close_bench(&b);
    assay_graph_free(&g);
}

static void forward_rows(struct report *r)
{
    forward_row(r, "forward of peak C=16 N=5", &large, 64, &assay_want_logits, 0.55);
    forward_row(r, "forward of peak C=16 N=5, saved", &large, 64, &assay_want_gradients, 0);
    forward_row(r, "forward of peak C=3 N=1", &small, 72, &assay_want_logits, 0);
    forward_row(r, "forward of peak C=3 N=1, saved", &small, 72, &assay_want_gradients, 0);
}

static void rung_rows(struct report *r)
{
    struct assay_graph g;
    build_cell(&r->nb201, index_of("333333"), &small, &g);
    for (unsigned i = 0; assay_kern_rung(ASSAY_SINGLE, i); i++) {
        const struct assay_kern *kern = assay_kern_rung(ASSAY_SINGLE, i);
        const char *name = SAY("ntk of peak 333333, %s", assay_kern_name(kern));
        if (!assay_kern_runnable(kern) || !wanted(r, name)) continue;
        const struct figure f = measure_ntk(kern, &g, 72, 3);
        print_row(r, name, 1 / ratio_of(&f), AT_LEAST, 0.55,
                  SAY("%.3f s, own peak %.0f GFLOP/s", f.seconds, f.peak / 1e9));
    }
    assay_graph_free(&g);
}

// ---- precision --------------------------------------------------------------------------------
// Thread CPU time of forward and `rows` rows in double, of that in single precision, in turn.
static void precision_row(struct report *r, const char *name, const char *code,
                          const struct assay_net *net, uint32_t batch, uint32_t rows)
{
    enum { RUNS = 5 };
    double seconds[2][RUNS], ratio[RUNS];
    const struct assay_kern *kern;
    struct assay_err err;
    struct assay_graph g;
    struct bench b[2];
    if (!wanted(r, name)) return;
    build_cell(&r->nb201, index_of(code), net, &g);
    for (int p = ASSAY_SINGLE; p <= ASSAY_DOUBLE; p++) {
        stop_on(assay_kern_select(&kern, "auto", (enum assay_precision)p, &err), &err);
        open_bench(&b[p], kern, &g, batch, rows);
    }
    for (uint32_t i = 0; i < RUNS; i++) {
        for (int p = ASSAY_SINGLE; p <= ASSAY_DOUBLE; p++)
            seconds[p][i] = time_forward(&b[p]) + time_rows(&b[p]);
        ratio[i] = seconds[ASSAY_DOUBLE][i] / seconds[ASSAY_SINGLE][i];
    }
    print_row(r, name, median(ratio, RUNS), NO_GOAL, 0,
              SAY("%s, batch %u, %u rows: %.3f s, in single %.3f s", code, batch, rows,
                  median(seconds[ASSAY_DOUBLE], RUNS), median(seconds[ASSAY_SINGLE], RUNS)));
    close_bench(&b[ASSAY_SINGLE]), close_bench(&b[ASSAY_DOUBLE]);
    assay_graph_free(&g);
}

static void precision_rows(struct report *r)
{
    precision_row(r, "double over single C=3 N=1", "333333", &small, 72, 72);
    precision_row(r, "double over single C=3 N=1, typical", "214312", &small, 72, 72);
    precision_row(r, "double over single C=16 N=5", "333333", &large, 16, 8);
}

// ---- layers of DARTS's evaluation network -----------------------------------------------------
static void layer_rows(struct report *r)
{
    static const struct layer layer[] = {
        {"depthwise 3x3 36@32", 36, 32, 3, 1, true}, {"depthwise 3x3 36@16", 36, 16, 3, 1, true},
        {"depthwise 5x5 36@32", 36, 32, 5, 1, true}, {"depthwise 5x5 36@16", 36, 16, 5, 1, true},
        {"dilated 3x3 36@32", 36, 32, 3, 2, true},   {"dilated 5x5 36@32", 36, 32, 5, 2, true},
        {"pointwise 36-36@32", 36, 32, 1, 1, false}, {"pointwise 36-36@16", 36, 16, 1, 1, false},
        {"pointwise 72-72@16", 72, 16, 1, 1, false},
    };
    for (size_t i = 0; i < ASSAY_LEN(layer); i++) {
        const struct layer *l = &layer[i];
        const char *name = SAY("layer %s %s", l->name, l->depthwise ? "of limit" : "of peak");
        if (!wanted(r, name)) continue;
        const struct marginal m = measure_layer(r->kern, l);
        const double peak = m.flops / m.seconds / m.peak, copy = m.bytes / m.seconds / m.copy;
        // No faster than a copy of the same bytes, nor than its FLOPs at the peak.
        if (l->depthwise)
            print_row(r, name, copy > peak ? copy : peak, NO_GOAL, 0,
                      SAY("%.0f %% of the copy rate of %.1f GB/s, %.0f %% of the FMA peak; %.2f ms",
                          100 * copy, m.copy / 1e9, 100 * peak, 1e3 * m.seconds));
        else
            print_row(r, name, peak, AT_LEAST, 0.6,
                      SAY("with ReLU and BN backward; %.2f ms", 1e3 * m.seconds));
    }
}

// ---- linear regions ---------------------------------------------------------------------------
static void region_row(struct report *r, const char *code, const char *what)
{
    enum { PATCHES = 3000, RUNS = 15 };
    const char *name = SAY("regions ms, %s", what);
    const struct assay_regions_options o = {.batch = 1000, .batches = 3};
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    const struct assay_net thin = {.channels = 1, .cells = 1, .classes = 10, .thin = true};
    double out[3], ms[RUNS];
    char reason[ASSAY_METRIC_REASON];
    struct assay_err err;
    struct assay_arena arena = {0};
    struct assay_demand demand;
    struct assay_plans *plans;
    struct assay_graph g;
    struct bench b;
    uint32_t n;
    if (!wanted(r, name)) return;
    stop_on(assay_metrics_parse("regions", metric, &n, &err), &err);
    build_cell(&r->nb201, index_of(code), &thin, &g);
    open_bench(&b, r->kern, &g, 1, 1); // for its executor and parameters
    double *patches = normals("patches", PATCHES * 9);
    const struct assay_use use = {.metric = metric[0], .option = {&o}};
    stop_on(assay_demand_make(&demand, NULL, &use, 1, NULL, &err), &err);
    stop_on(assay_demand_taps(&demand, (const struct assay_graph *[]){NULL, &g, NULL}, &err), &err);
    stop_on(assay_plans_create(&plans, r->kern, &err), &err);
    for (int i = -1; i < RUNS; i++, assay_arena_reset(&arena)) {
        struct assay_subject s = {.demand = &demand,
                                  .graph = {NULL, &g},
                                  .exec = b.exec,
                                  .plans = plans,
                                  .theta = (const double *const *)&b.theta,
                                  .given = &(struct assay_given){.x = patches},
                                  .arena = &arena};
        const double start = assay_clock_thread();
        stop_on(assay_subject_measure(&s, &demand.use[0], out, NULL, reason, &err), &err);
        if (i >= 0) ms[i] = 1e3 * (assay_clock_thread() - start);
    }
    print_row(r, name, median(ms, RUNS), AT_MOST, 3,
              SAY("%s: %d patches, %.0f regions, counted exactly", code, PATCHES, out[0]));
    assay_arena_finish(&arena);
    assay_plans_destroy(plans);
    free(patches);
    close_bench(&b);
    assay_graph_free(&g);
}

// ---- memory -----------------------------------------------------------------------------------
// Largest prediction over the whole space.
static void memory_row(struct report *r, const char *name, const char *const *set, size_t n,
                       double target)
{
    struct assay_setting setting[8] = {{{0}, {0}, {0}, {0}}};
    struct assay_config config;
    struct assay_data *data;
    struct assay_evaluator *e;
    struct assay_memory m, most = {0};
    struct assay_err err;
    if (!wanted(r, name)) return;
    for (size_t i = 0; i < n; i++) {
        struct assay_setting *s = &setting[i];
        ASSAY_ASSERT(sscanf(set[i], "%63[^.].%63[^=]=%127s", s->section, s->name, s->value) == 3);
    }
    stop_on(assay_config_resolve(&config, vocabulary(), setting, n, &err), &err);
    stop_on(assay_data_open(&data, assay_config_data(&config), &err), &err);
    stop_on(assay_evaluator_create(&e, &config, &r->nb201, data, NULL, NULL, &err), &err);
    for (uint64_t i = 0; i < assay_space_size(&r->nb201); i++) {
        stop_on(assay_evaluator_memory(e, i, 0, &m, &err), &err);
        if (m.total > most.total) most = m;
    }
    print_row(r, name, (double)most.total / 1e6, AT_MOST, target,
              SAY("largest of the space; executor %.0f, scratch %.0f", (double)most.exec / 1e6,
                  (double)most.scratch / 1e6));
    assay_evaluator_destroy(e);
    assay_data_close(data);
}

static void memory_rows(struct report *r)
{
    static const char *const tenas[] = {"protocol.name=tenas-code"};
    static const char *const full[] = {"protocol.name=tenas-code", "network.channels=16",
                                       "network.cells=5", "ntk.batch=64"};
    memory_row(r, "memory MB, C=3 N=1 batch 72", tenas, ASSAY_LEN(tenas), 150);
    memory_row(r, "memory MB, C=16 N=5 batch 64", full, ASSAY_LEN(full), 1500);
}

int main(int argc, char **argv)
{
    struct report r = {.json = argc > 1 && strcmp(argv[1], "--json") == 0};
    struct assay_err err;
    r.n_prefix = argc - 1 - r.json, r.prefix = argv + 1 + r.json;
    stop_on(assay_la_start(&err), &err);
    stop_on(assay_kern_select(&r.kern, "auto", ASSAY_SINGLE, &err), &err);
    stop_on(assay_space_open(&r.nb201, "nas-bench-201", &err), &err);
    stop_on(assay_space_open(&r.darts, "darts", &err), &err);
    if (r.json)
        printf("{\"rung\": \"%s\", \"figures\": [", assay_kern_name(r.kern));
    else
        printf("rung %s\n%-34s %10s %10s\n", assay_kern_name(r.kern), "figure", "target",
               "reached");
    cell_rows(&r);
    random_rows(&r);
    supernet_rows(&r);
    large_row(&r);
    forward_rows(&r);
    rung_rows(&r);
    precision_rows(&r);
    layer_rows(&r);
    region_row(&r, "214312", "typical cell");
    region_row(&r, "333333", "worst cell");
    memory_rows(&r);
    if (r.json) printf("\n]}\n");
    if (!r.json) printf("%u figures, %u missed\n", r.rows, r.missed);
    assay_space_close(&r.darts);
    assay_space_close(&r.nb201);
    return 0;
}
