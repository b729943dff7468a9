// SPDX-License-Identifier: Apache-2.0
// Benchmark: what columns cost when passes are shared. The unit is one forward and one backward
// pass of the executor, planned for one gradient as these columns' pass is, over the same literal
// network, batch and rung, in turn in the same process:
// thread CPU time, medians. A missed target is marked and changes no exit code: machines are
// shared.
//
// Usage: bench_fused [--json] [PREFIX...]: only the figures whose names begin so
#include "bench_report.h"

#include "vocabulary.h"

#define COUNTS   "cost,l2_norm,"
#define FORWARD  "naswot,swap,near,meco_batch,"
#define BACKWARD "grad_norm,snip,plain,fisher,mgm,wrcor" // mgm is NASI's T on this mini-batch
#define LISTS    COUNTS FORWARD BACKWARD
enum { CASES = 6, RUNS_MOST = 9, SETTINGS_MOST = 16 };

// ---- evaluations --------------------------------------------------------------------------------
struct side {
    struct assay_config config;
    struct assay_data *data;
    struct assay_evaluator *evaluator;
    struct assay_columns counted;
    struct assay_record record;
    double *count;
};

static void open_side(struct side *s, const struct assay_space *space, const char *const *common,
                      const char *metrics)
{
    struct assay_setting setting[SETTINGS_MOST] = {{{0}, {0}, {0}, {0}}};
    struct assay_err err;
    size_t n = 0;
    for (; common[n]; n++)
        ASSAY_ASSERT(sscanf(common[n], "%63[^.].%63[^=]=%1023s", setting[n].section,
                            setting[n].name, setting[n].value) == 3);
    strcpy(setting[n].section, "run"), strcpy(setting[n].name, "metrics");
    snprintf(setting[n].value, sizeof setting[n].value, "%s", metrics);
    stop_on(assay_config_resolve(&s->config, vocabulary(), setting, n + 1, &err), &err);
    stop_on(assay_data_open(&s->data, assay_config_data(&s->config), &err), &err);
    stop_on(assay_evaluator_create(&s->evaluator, &s->config, space, s->data, NULL, NULL, &err),
            &err);
    stop_on(assay_columns_create(&s->counted, &s->config, true, &err), &err);
    const struct assay_schema *schema = assay_evaluator_schema(s->evaluator);
    s->record.value = allocate((size_t)schema->repeats * schema->n_column * sizeof(double));
    s->record.spectrum =
        allocate(((size_t)schema->repeats * schema->spectrum_len + 1) * sizeof(double));
    s->count = allocate((s->counted.n_column + 1) * sizeof(double));
}

static void close_side(struct side *s)
{
    assay_evaluator_destroy(s->evaluator);
    assay_columns_free(&s->counted);
    assay_data_close(s->data);
    free(s->record.value), free(s->record.spectrum), free(s->count);
}

// Seconds of all columns of an architecture, the counted ones included.
static double time_side(struct side *s, const struct assay_space *space, uint64_t index)
{
    const struct assay_net net = assay_config_cost_net(&s->config);
    struct assay_graph literal;
    struct assay_err err;
    assay_graph_init(&literal);
    stop_on(assay_evaluate(s->evaluator, index, &s->record, &err), &err);
    ASSAY_ASSERT(s->record.verdict != ASSAY_VERDICT_FAILED);
    const double start = assay_clock_thread();
    stop_on(assay_space_build(space, index, &net, &literal, &err), &err);
    assay_columns_count(&s->counted, &literal, s->count);
    const double counting = assay_clock_thread() - start;
    assay_graph_free(&literal);
    return s->record.seconds + (s->counted.n_column ? counting : 0);
}

// ---- the unit -----------------------------------------------------------------------------------
struct unit {
    struct assay_graph literal;
    struct bench b;
    double *cot, *gradient;
};

static void open_unit(struct unit *u, const struct report *r, uint64_t index,
                      const struct assay_net *net, uint32_t batch)
{
    struct assay_err err;
    assay_graph_init(&u->literal);
    stop_on(assay_space_build(&r->nb201, index, net, &u->literal, &err), &err);
    const struct assay_want want = {.backward = true, .single = true};
    open_bench_for(&u->b, r->kern, &u->literal, batch, 1, &want);
    u->cot = normals("cotangent", (size_t)batch * net->classes);
    u->gradient = allocate(u->literal.n_theta * sizeof(double));
}

static void close_unit(struct unit *u)
{
    close_bench(&u->b);
    free(u->cot), free(u->gradient);
    assay_graph_free(&u->literal);
}

static double time_unit(struct unit *u)
{
    const double start = assay_clock_thread();
    assay_exec_forward(u->b.exec, u->b.theta, u->b.input);
    assay_exec_gradient(u->b.exec, ASSAY_BN_BATCH, u->cot, u->gradient);
    return assay_clock_thread() - start;
}

// ---- at the benchmark's size --------------------------------------------------------------------
static const struct assay_net full = {.channels = 16, .cells = 5, .classes = 10, .image = 32};
// Everything reads the same mini-batch under the same weights, as Suite-Zero's protocol has it.
static const char *const suite[] = {"protocol.name=suite-zero",
                                    "data.source=gaussian",
                                    "proxies.labels=random",
                                    "nasi.labels=random",
                                    "kta.labels=random",
                                    "ntk.batch=32",
                                    "nasi.batch=32",
                                    "swap.batch=32",
                                    "swap.init=pytorch",
                                    "az.batch=32",
                                    "az.init=pytorch",
                                    "az.input=images",
                                    "vkdnw.batch=32",
                                    "zen.batch=32",
                                    NULL};

// The case of index i: all convolutions of 3x3, then random architectures that are not dead.
static uint64_t pick(const struct report *r, struct assay_rng *rng, uint32_t i)
{
    struct assay_graph g;
    uint64_t index = index_of("333333");
    for (bool dead = i > 0; dead;) {
        index = assay_rng_below(rng, assay_space_size(&r->nb201));
        build_cell(&r->nb201, index, &full, &g);
        dead = assay_graph_is_dead(&g);
        assay_graph_free(&g);
    }
    return index;
}

static void list_rows(struct report *r)
{
    enum { RUNS = 5, BATCH = 32 };
    static const char *const name = "lists of 333333", *const others = "lists of random ones";
    struct side lists;
    struct assay_rng rng;
    double ratio[CASES], seconds[CASES];
    if (!wanted(r, name) && !wanted(r, others)) return;
    const uint32_t cases = wanted(r, others) ? CASES : 1;
    uint32_t columns;
    assay_rng_init(&rng, 1, 0, "bench", "fused");
    open_side(&lists, &r->nb201, suite, LISTS);
    columns = assay_evaluator_schema(lists.evaluator)->n_column + lists.counted.n_column;
    for (uint32_t i = 0; i < cases; i++) {
        const uint64_t index = pick(r, &rng, i);
        double each[RUNS], times[RUNS];
        struct unit u;
        open_unit(&u, r, index, &full, BATCH);
        time_unit(&u), time_side(&lists, &r->nb201, index);
        for (uint32_t k = 0; k < RUNS; k++) {
            const double unit = time_unit(&u);
            times[k] = time_side(&lists, &r->nb201, index);
            each[k] = times[k] / unit;
        }
        ratio[i] = median(each, RUNS), seconds[i] = median(times, RUNS);
        close_unit(&u);
    }
    close_side(&lists);
    print_row(r, name, ratio[0], AT_MOST, 2.5,
              SAY("units, batch %d, C=16 N=5, %u columns: %.2f s", BATCH, columns, seconds[0]));
    if (cases > 1) {
        double most = 0;
        for (uint32_t i = 1; i < CASES; i++) most = ratio[i] > most ? ratio[i] : most;
        print_row(r, others, median(ratio + 1, CASES - 1), AT_MOST, 2.5,
                  SAY("median of %d; at most %.2f", CASES - 1, most));
    }
}

// A text as an element of a comma-separated list.
static bool is_listed(const char *name)
{
    return strstr("," LISTS ",", SAY(",%s,", name)) != NULL;
}

// Metrics that take many passes are timed once.
static uint32_t runs_of(const char *metric)
{
    const bool many = strncmp(metric, "ntk", 3) == 0 || strcmp(metric, "kta") == 0 ||
                      strcmp(metric, "gradsign") == 0;
    return many ? 1 : 3;
}

// What a metric of the lists takes by itself, in units.
static void alone_row(struct report *r, const char *metric, struct unit *u, uint64_t index)
{
    enum { RUNS = 3 };
    const char *name = SAY("%s alone", metric);
    struct side own;
    double each[RUNS];
    if (!wanted(r, name)) return;
    open_side(&own, &r->nb201, suite, metric);
    time_side(&own, &r->nb201, index); // memory is touched
    for (uint32_t k = 0; k < RUNS; k++) {
        const double unit = time_unit(u);
        each[k] = time_side(&own, &r->nb201, index) / unit;
    }
    close_side(&own);
    print_row(r, name, median(each, RUNS), NO_GOAL, 0, "units, 333333, of the lists");
}

// What a metric adds to the lists, and what it takes by itself.
static void added_row(struct report *r, const char *metric, struct side *lists, struct unit *u,
                      uint64_t index)
{
    enum { RUNS = 3 };
    const uint32_t runs = runs_of(metric);
    const char *name = SAY("added by %s", metric);
    char both[ASSAY_TEXT_MAX];
    double each[RUNS], alone[RUNS];
    struct side more, own;
    if (!wanted(r, name)) return;
    snprintf(both, sizeof both, "%s,%s", LISTS, metric);
    open_side(&more, &r->nb201, suite, both);
    open_side(&own, &r->nb201, suite, metric);
    if (runs > 1) time_side(&more, &r->nb201, index), time_side(&own, &r->nb201, index);
    for (uint32_t k = 0; k < runs; k++) {
        const double unit = time_unit(u), without = time_side(lists, &r->nb201, index),
                     with = time_side(&more, &r->nb201, index);
        alone[k] = time_side(&own, &r->nb201, index) / unit;
        each[k] = (with - without) / unit;
    }
    close_side(&more), close_side(&own);
    print_row(r, name, median(each, runs), NO_GOAL, 0,
              SAY("units, 333333; with passes of its own %.2f", median(alone, runs)));
}

// All metrics that are measured, but the one that needs labels of images, which noise has not.
static void metric_rows(struct report *r)
{
    const uint64_t index = index_of("333333");
    struct side lists;
    struct unit u;
    open_side(&lists, &r->nb201, suite, LISTS);
    open_unit(&u, r, index, &full, 32);
    for (const struct assay_metric *const *m = assay_metrics; *m; m++) {
        const char *name = (*m)->name;
        const bool lacks = strcmp(name, "null") == 0 || strcmp(name, "ntk_ridge") == 0;
        if (lacks || !(*m)->measure) continue;
        if (is_listed(name))
            alone_row(r, name, &u, index);
        else
            added_row(r, name, &lists, &u, index);
    }
    close_unit(&u);
    close_side(&lists);
}

// ---- what shares the pass of kappa --------------------------------------------------------------
static void kappa_row(struct report *r, const char *code)
{
    enum { RUNS = RUNS_MOST };
    static const char *const tenas[] = {"protocol.name=tenas-code",
                                        "data.source=gaussian",
                                        "run.repeats=1",
                                        "nasi.batch=0",
                                        "kta.labels=random",
                                        NULL};
    const char *name = SAY("kappa's pass, %s", code);
    const uint64_t index = index_of(code);
    struct side kappa, all;
    double share[RUNS], seconds[RUNS];
    if (!wanted(r, name)) return;
    open_side(&kappa, &r->nb201, tenas, "ntk");
    open_side(&all, &r->nb201, tenas, "ntk,ntk_spectrum,kta,nasi");
    time_side(&kappa, &r->nb201, index), time_side(&all, &r->nb201, index);
    for (uint32_t k = 0; k < RUNS; k++) {
        seconds[k] = time_side(&kappa, &r->nb201, index);
        share[k] = time_side(&all, &r->nb201, index) / seconds[k] - 1;
    }
    close_side(&kappa), close_side(&all);
    print_row(r, name, median(share, RUNS), AT_MOST, 0.15,
              SAY("of kappa alone, %.3f s: ntk_spectrum, kta and nasi added; C=3 N=1 batch 72",
                  median(seconds, RUNS)));
}

int main(int argc, char **argv)
{
    struct report r = {.json = argc > 1 && strcmp(argv[1], "--json") == 0};
    struct assay_err err;
    r.n_prefix = argc - 1 - r.json, r.prefix = argv + 1 + r.json;
    stop_on(assay_la_start(&err), &err);
    stop_on(assay_kern_select(&r.kern, "auto", ASSAY_SINGLE, &err), &err);
    stop_on(assay_space_open(&r.nb201, "nas-bench-201", &err), &err);
    if (r.json)
        printf("{\"rung\": \"%s\", \"figures\": [", assay_kern_name(r.kern));
    else
        printf("rung %s\n%-34s %10s %10s\n", assay_kern_name(r.kern), "figure", "target",
               "reached");
    list_rows(&r);
    metric_rows(&r);
    kappa_row(&r, "333333");
    kappa_row(&r, "214312");
    if (r.json) printf("\n]}\n");
    if (!r.json) printf("%u figures, %u missed\n", r.rows, r.missed);
    assay_space_close(&r.nb201);
    return 0;
}
