// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- every allocation of the program is counted (linked with --wrap)
// ------------------------------
static uint64_t allocations;
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
    allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations++;
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    allocations++;
    return __real_aligned_alloc(align, n);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
    allocations++;
    return __real_posix_memalign(p, align, n);
}

// ---- one evaluator with its record
// ----------------------------------------------------------------
#define ALL_CONV                                                                                   \
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|"             \
    "nor_conv_3x3~2|"
#define MIXED   "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
#define DEAD    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"
#define METRICS "ntk,ntk_frozen,ntk_trace,nasi,regions,cost,null"

struct bench {
    struct assay_config config;
    struct assay_space space;
    struct assay_data *data;
    struct assay_evaluator *e;
    const struct assay_schema *schema;
    struct assay_record record;
    size_t n_value, n_spectrum;
};

static const struct assay_setting base[] = {
    {"network", "image", "8", "test"},   {"ntk", "batch", "9", "test"},
    {"nasi", "batch", "5", "test"},      {"regions", "batch", "40", "test"},
    {"regions", "batches", "2", "test"}, {"run", "repeats", "3", "test"},
    {"run", "metrics", METRICS, "test"},
};

// settings: "section.name=value" pairs on top of base, ends with NULL.
static int try_open(struct bench *b, const char *const *extra, struct assay_err *err)
{
    struct assay_setting all[32];
    size_t n = ASSAY_LEN(base);
    memcpy(all, base, sizeof base);
    for (; *extra; extra++) {
        struct assay_setting *s = &all[n++];
        *s = (struct assay_setting){.origin = "test"};
        assert_int_equal(sscanf(*extra, "%63[^.].%63[^=]=%1023s", s->section, s->name, s->value),
                         3);
    }
    *b = (struct bench){0};
    ASSAY_TRY(assay_config_resolve(&b->config, all, n, err));
    ASSAY_TRY(assay_space_open(&b->space, b->config.space, err));
    ASSAY_TRY(assay_data_open(&b->data, &b->config.data, err));
    return assay_evaluator_create(&b->e, &b->config, &b->space, b->data, err);
}

static struct bench *open_bench(const char *const *extra)
{
    static const char *const none[] = {NULL};
    struct bench *b = malloc(sizeof *b);
    struct assay_err err = {0};
    assert_non_null(b);
    if (try_open(b, extra ? extra : none, &err) < 0) fail_msg("%s", err.text);
    b->schema = assay_evaluator_schema(b->e);
    b->n_value = (size_t)b->schema->repeats * b->schema->n_column;
    b->n_spectrum = (size_t)b->schema->repeats * b->schema->spectrum_len;
    b->record.value = malloc((b->n_value + 1) * sizeof(double));
    b->record.spectrum = malloc((b->n_spectrum + 1) * sizeof(double));
    return b;
}

static void close_bench(struct bench *b)
{
    assay_evaluator_destroy(b->e);
    assay_data_close(b->data);
    assay_space_close(&b->space);
    free(b->record.value);
    free(b->record.spectrum);
    free(b);
}

static void evaluate(struct bench *b, const char *arch)
{
    struct assay_err err = {0};
    uint64_t index;
    assert_int_equal(assay_space_parse(&b->space, arch, &index, &err), ASSAY_OK);
    if (assay_evaluate(b->e, index, &b->record, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(b->record.index, index);
}

static double *keep(const struct bench *b)
{
    double *copy = malloc((b->n_value + 1) * sizeof *copy);
    assert_non_null(copy);
    return memcpy(copy, b->record.value, b->n_value * sizeof *copy);
}

static uint32_t column(const struct bench *b, const char *name)
{
    uint32_t c = 0;
    while (c < b->schema->n_column && strcmp(b->schema->column[c].name, name) != 0) c++;
    assert_true(c < b->schema->n_column);
    return c;
}

static double at(const struct bench *b, uint32_t repeat, const char *name)
{
    return b->record.value[(size_t)repeat * b->schema->n_column + column(b, name)];
}

// ---- laws
// -----------------------------------------------------------------------------------------
static void all_numbers_are_there(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    assert_int_equal(b->schema->n_column, 7 + 7 + 1 + 1 + 3 + 1); // cost is counted elsewhere
    assert_int_equal(b->schema->spectrum_len, 9);
    evaluate(b, ALL_CONV);
    assert_int_equal(b->record.verdict, ASSAY_VERDICT_OK);
    assert_string_equal(b->record.reason, "");
    for (size_t i = 0; i < b->n_value; i++) assert_true(isfinite(b->record.value[i]));
    for (uint32_t r = 0; r < 3; r++) {
        const double *spectrum = b->record.spectrum + (size_t)r * 9;
        for (size_t i = 1; i < 9; i++) assert_true(spectrum[i - 1] <= spectrum[i]);
        assert_true(spectrum[0] == at(b, r, "lambda_min") && spectrum[8] == at(b, r, "lambda_max"));
    }
    assert_true(at(b, 0, "kappa") != at(b, 1, "kappa") && at(b, 1, "kappa") != at(b, 2, "kappa"));
    for (uint32_t c = 0; c < b->schema->n_column; c++) {
        assert_true(strlen(b->schema->protocol[c]) > 0);
    }
    assert_non_null(strstr(b->schema->protocol[0], "data=gaussian"));
    close_bench(b);
}

static void no_number_depends_on_what_came_before(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    evaluate(b, MIXED);
    double *first = keep(b);
    evaluate(b, ALL_CONV);
    evaluate(b, DEAD);
    evaluate(b, MIXED);
    assert_memory_equal(first, b->record.value, b->n_value * sizeof *first);
    close_bench(b);
    b = open_bench(NULL);
    evaluate(b, DEAD);
    evaluate(b, MIXED);
    assert_memory_equal(first, b->record.value, b->n_value * sizeof *first);
    free(first);
    close_bench(b);
}

static void a_repeat_stands_alone(void **state)
{
    (void)state;
    static const char *const one[] = {"run.repeats=1", NULL};
    struct bench *many = open_bench(NULL), *few = open_bench(one);
    evaluate(many, MIXED);
    evaluate(few, MIXED);
    assert_int_equal(few->n_value, few->schema->n_column);
    assert_memory_equal(few->record.value, many->record.value, few->n_value * sizeof(double));
    close_bench(many);
    close_bench(few);
}

// A metric measured alone gives what it gives in company.
static void metrics_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct bench *all = open_bench(NULL);
    evaluate(all, MIXED);
    for (size_t m = 0; assay_metrics[m]; m++) {
        if (!assay_metrics[m]->measure) continue;
        char setting[64];
        snprintf(setting, sizeof setting, "run.metrics=%s", assay_metrics[m]->name);
        const char *const extra[] = {setting, NULL};
        struct bench *alone = open_bench(extra);
        evaluate(alone, MIXED);
        for (uint32_t c = 0; c < alone->schema->n_column; c++) {
            const char *name = alone->schema->column[c].name;
            for (uint32_t r = 0; r < 3; r++) assert_true(at(alone, r, name) == at(all, r, name));
        }
        close_bench(alone);
    }
    close_bench(all);
}

static void without_redraw_only_the_batch_changes(void **state)
{
    (void)state;
    static const char *const kept[] = {"run.redraw=false", NULL};
    struct bench *drawn = open_bench(NULL), *same = open_bench(kept);
    evaluate(drawn, MIXED);
    evaluate(same, MIXED);
    assert_true(at(same, 0, "kappa") == at(drawn, 0, "kappa"));
    assert_true(at(same, 1, "kappa") != at(drawn, 1, "kappa"));
    assert_true(at(same, 1, "kappa") != at(same, 0, "kappa"));
    close_bench(drawn);
    close_bench(same);
}

static void the_seed_and_the_labels_decide(void **state)
{
    (void)state;
    static const char *const seeded[] = {"run.seed=1", NULL};
    static const char *const none[] = {"nasi.labels=none", NULL};
    static const char *const shared[] = {"nasi.batch=0", "nasi.labels=none", NULL};
    struct bench *a = open_bench(NULL), *b = open_bench(seeded), *c = open_bench(none);
    struct bench *d = open_bench(shared);
    evaluate(a, MIXED);
    evaluate(b, MIXED);
    evaluate(c, MIXED);
    evaluate(d, MIXED);
    assert_true(at(a, 0, "kappa") != at(b, 0, "kappa"));
    assert_true(at(a, 0, "regions") > 1);
    assert_true(at(a, 0, "nasi_trace") != at(c, 0, "nasi_trace"));
    assert_true(at(a, 0, "kappa") == at(c, 0, "kappa"));
    assert_true(at(d, 0, "kappa") == at(c, 0, "kappa"));
    assert_true(at(d, 0, "nasi_trace") != at(c, 0, "nasi_trace"));
    close_bench(a);
    close_bench(b);
    close_bench(c);
    close_bench(d);
}

static void a_dead_network_has_no_numbers(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    evaluate(b, DEAD);
    assert_int_equal(b->record.verdict, ASSAY_VERDICT_DEAD);
    assert_true(strlen(b->record.reason) > 0);
    for (uint32_t r = 0; r < 3; r++) {
        for (uint32_t c = 0; c < b->schema->n_column; c++) {
            const char *name = b->schema->column[c].name;
            assert_true(strcmp(name, "null") == 0 ? at(b, r, name) == 0.0 : isnan(at(b, r, name)));
        }
    }
    for (size_t i = 0; i < b->n_spectrum; i++) assert_true(isnan(b->record.spectrum[i]));
    close_bench(b);
}

static void what_does_not_fit_is_a_failed_candidate(void **state)
{
    (void)state;
    static const char *const tight[] = {"run.memory=1", "network.image=32", "ntk.batch=40", NULL};
    struct bench *b = open_bench(tight);
    evaluate(b, ALL_CONV);
    assert_int_equal(b->record.verdict, ASSAY_VERDICT_FAILED);
    assert_non_null(strstr(b->record.reason, "limit"));
    assert_true(isnan(at(b, 0, "kappa")));
    assert_true(at(b, 0, "regions") > 1); // fits: measured all the same
    close_bench(b);
}

static void the_cost_grows_with_the_network(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    struct assay_err err = {0};
    static const char *const archs[] = {DEAD, MIXED, ALL_CONV};
    double last = 0.0;
    for (size_t i = 0; i < ASSAY_LEN(archs); i++) {
        uint64_t index;
        assert_int_equal(assay_space_parse(&b->space, archs[i], &index, &err), ASSAY_OK);
        const double cost = assay_evaluator_cost(b->e, index);
        assert_true(cost > last);
        last = cost;
    }
    close_bench(b);
}

static void counted_columns_are_per_architecture(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    struct assay_columns counted;
    struct assay_graph scratch;
    struct assay_err err = {0};
    double out[3];
    assay_graph_init(&scratch);
    assert_int_equal(assay_columns_create(&counted, &b->config, true, &err), ASSAY_OK);
    assert_int_equal(counted.n_column, 3);
    assert_string_equal(counted.column[0].name, "params");
    assert_non_null(strstr(counted.protocol[0], "C=16 N=5"));
    assert_int_equal(assay_columns_count(&counted, &b->config, &b->space, 0, &scratch, out, &err),
                     ASSAY_OK);
    assert_true(out[0] == 73306);
    assay_columns_free(&counted);
    assay_graph_free(&scratch);
    close_bench(b);
}

static void the_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct bench *b = open_bench(NULL);
    static const char *const archs[] = {ALL_CONV, DEAD, MIXED};
    const uint64_t before = allocations;
    for (size_t i = 0; i < 6; i++) evaluate(b, archs[i % 3]);
    assert_true(allocations > before); // the counter works
    const uint64_t warm = allocations;
    for (size_t i = 0; i < 9; i++) evaluate(b, archs[i % 3]);
    assert_int_equal(allocations, warm);
    close_bench(b);
}

static void what_cannot_be_evaluated_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"run.metrics=ntk,nonsense", "nonsense"},
        {"run.cpu=abacus", "abacus"},
        {"network.image=10", "image"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        const char *const extra[] = {wrong[i][0], NULL};
        struct bench b;
        struct assay_err err = {0};
        assert_true(try_open(&b, extra, &err) < 0);
        assert_non_null(strstr(err.text, wrong[i][1]));
        assert_null(b.e);
        if (b.data) assay_data_close(b.data);
        if (b.space.kind) assay_space_close(&b.space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_numbers_are_there),
        cmocka_unit_test(no_number_depends_on_what_came_before),
        cmocka_unit_test(a_repeat_stands_alone),
        cmocka_unit_test(metrics_do_not_disturb_each_other),
        cmocka_unit_test(without_redraw_only_the_batch_changes),
        cmocka_unit_test(the_seed_and_the_labels_decide),
        cmocka_unit_test(a_dead_network_has_no_numbers),
        cmocka_unit_test(what_does_not_fit_is_a_failed_candidate),
        cmocka_unit_test(the_cost_grows_with_the_network),
        cmocka_unit_test(counted_columns_are_per_architecture),
        cmocka_unit_test(the_steady_state_allocates_nothing),
        cmocka_unit_test(what_cannot_be_evaluated_is_refused),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
