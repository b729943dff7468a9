// SPDX-License-Identifier: Apache-2.0
#include "evaluator.h"

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

static void only_what_reads_data_names_them(void **state)
{
    (void)state;
    static const char *const noise[] = {"run.metrics=grad_norm,az,synflow", "proxies.input=noise",
                                        "run.repeats=1", NULL},
                             *const images[] = {"run.metrics=grad_norm", "run.repeats=1", NULL};
    struct bench *b = open_bench(noise);
    for (uint32_t c = 0; c < b->schema->n_column; c++)
        assert_null(strstr(b->schema->protocol[c], "data="));
    assert_non_null(strstr(b->schema->protocol[0], "input=noise"));
    close_bench(b);
    b = open_bench(images);
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

// Of images without labels.
static bool is_measured(const struct assay_metric *metric)
{
    return metric->measure && strcmp(metric->name, "ntk_ridge") != 0;
}

static const char random_alignment[] = "kta.labels=random"; // the images have no others

// A metric measured alone gives what it gives in company.
static void metrics_do_not_disturb_each_other(void **state)
{
    (void)state;
    char list[ASSAY_TEXT_MAX] = "run.metrics=null";
    for (size_t m = 0; assay_metrics[m]; m++) {
        const size_t used = strlen(list);
        if (is_measured(assay_metrics[m]))
            snprintf(list + used, sizeof list - used, ",%s", assay_metrics[m]->name);
    }
    const char *const together[] = {list, random_alignment, NULL};
    struct bench *all = open_bench(together);
    evaluate(all, MIXED);
    for (size_t m = 0; assay_metrics[m]; m++) {
        if (!is_measured(assay_metrics[m])) continue;
        char setting[64];
        snprintf(setting, sizeof setting, "run.metrics=%s", assay_metrics[m]->name);
        const char *const extra[] = {setting, random_alignment, NULL};
        struct bench *alone = open_bench(extra);
        evaluate(alone, MIXED);
        for (uint32_t c = 0; c < alone->schema->n_column; c++) {
            const char *name = alone->schema->column[c].name;
            for (uint32_t r = 0; r < 3; r++) {
                const double a = at(alone, r, name), b = at(all, r, name);
                assert_true(a == b || (isnan(a) && isnan(b)));
            }
        }
        close_bench(alone);
    }
    close_bench(all);
}

static double cost_of(const char *metrics)
{
    const char *const extra[] = {metrics, NULL};
    struct bench *b = open_bench(extra);
    struct assay_err err = {0};
    uint64_t index;
    assert_int_equal(assay_space_parse(&b->space, MIXED, &index, &err), ASSAY_OK);
    const double cost = assay_evaluator_cost(b->e, index);
    close_bench(b);
    return cost;
}

// Whether or not they count what does not reach the output.
static void metrics_of_one_loss_share_its_pass(void **state)
{
    (void)state;
    const double one = cost_of("run.metrics=mgm");
    assert_true(cost_of("run.metrics=snip,fisher,mgm,wrcor") == one);
    assert_true(cost_of("run.metrics=mgm,zico") > one);
}

// The representative of a class has nothing in place of what does not reach the output: its numbers
// are those of the others to the bit, where what does has the same names and so the same weights.
static void what_does_not_reach_the_output_adds_nothing(void **state)
{
    (void)state;
    static const char *const metrics[] = {
        "run.metrics=grad_norm,snip,plain,fisher,jacov,epe_nas,hnas", "run.repeats=1", NULL};
    struct bench *b = open_bench(metrics);
    evaluate(b, "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|");
    double *none = keep(b);
    evaluate(b, "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|");
    assert_memory_equal(none, b->record.value, b->n_value * sizeof *none);
    free(none);
    close_bench(b);
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

// TE-NAS's release draws thin weights anew where those of the network stay.
static void thin_weights_have_draws_of_their_own(void **state)
{
    (void)state;
    static const char *const once[] = {"run.redraw=false", "run.metrics=ntk,regions",
                                       "regions.batch=400", "regions.batches=1", NULL};
    struct assay_draw draw = {.seed = 3, .weights = 2, .batches = 1};
    struct assay_err err;
    struct bench *b = open_bench(once);
    double value[3][2];
    for (int i = 0; i < 3; i++) {
        draw.thin = i == 1;
        assert_int_equal(assay_evaluator_draw(b->e, &draw, b->data, &err), ASSAY_OK);
        evaluate(b, MIXED);
        value[i][0] = at(b, 0, "kappa"), value[i][1] = at(b, 0, "regions");
    }
    assert_true(value[0][0] == value[1][0] && value[0][1] != value[1][1]);
    assert_memory_equal(value[0], value[2], sizeof value[0]);
    close_bench(b);
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
    double out[10];
    assay_graph_init(&scratch);
    assert_int_equal(assay_columns_create(&counted, &b->config, true, &err), ASSAY_OK);
    assert_int_equal(counted.n_column, ASSAY_LEN(out));
    assert_string_equal(counted.column[0].name, "params");
    assert_non_null(strstr(counted.protocol[0], "C=16 N=5"));
    const struct assay_net net = assay_config_cost_net(&b->config);
    assert_int_equal(assay_space_build(&b->space, 0, &net, &scratch, &err), ASSAY_OK);
    assay_columns_count(&counted, &scratch, out);
    assert_true(out[0] == 73306);
    assert_string_equal(counted.column[6].name, "params_live");
    assert_true(out[6] == 73306); // architecture 0 is disconnected: what stands outside of cells
    assay_columns_free(&counted);
    assay_graph_free(&scratch);
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
        cmocka_unit_test(only_what_reads_data_names_them),
        cmocka_unit_test(no_number_depends_on_what_came_before),
        cmocka_unit_test(a_repeat_stands_alone),
        cmocka_unit_test(metrics_do_not_disturb_each_other),
        cmocka_unit_test(metrics_of_one_loss_share_its_pass),
        cmocka_unit_test(what_does_not_reach_the_output_adds_nothing),
        cmocka_unit_test(without_redraw_only_the_batch_changes),
        cmocka_unit_test(thin_weights_have_draws_of_their_own),
        cmocka_unit_test(the_seed_and_the_labels_decide),
        cmocka_unit_test(a_dead_network_has_no_numbers),
        cmocka_unit_test(the_cost_grows_with_the_network),
        cmocka_unit_test(counted_columns_are_per_architecture),
        cmocka_unit_test(what_cannot_be_evaluated_is_refused),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
