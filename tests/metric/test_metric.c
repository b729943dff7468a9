// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

// ---- regions ------------------------------------------------------------------------------------
static uint64_t count_by_pairs(uint64_t n, size_t words, const uint64_t *row)
{
    uint64_t distinct = 0;
    for (uint64_t i = 0; i < n; i++) {
        bool seen = false;
        for (uint64_t j = 0; j < i && !seen; j++) {
            seen = memcmp(row + i * words, row + j * words, words * sizeof *row) == 0;
        }
        distinct += !seen;
    }
    return distinct;
}

static void distinct_rows_are_counted_exactly(void **state)
{
    (void)state;
    enum { ROWS = 700, WORDS = 3 };
    uint64_t *row = calloc(ROWS * WORDS, sizeof *row);
    uint32_t *slot = malloc(assay_distinct_slots(ROWS) * sizeof *slot);
    struct assay_rng rng;
    assert_non_null(row);
    assert_non_null(slot);
    assay_rng_init(&rng, 3, 0, "test_metric", "rows");
    for (size_t words = 1; words <= WORDS; words++) {
        for (uint64_t range = 1; range < 5000; range *= 7) {
            for (size_t i = 0; i < ROWS * words; i++) {
                row[i] = i % words == words - 1 ? assay_rng_below(&rng, range) << 40 : 0;
            }
            for (uint64_t n = 0; n <= ROWS; n += 350) {
                assert_int_equal(assay_distinct_rows(n, words, row, slot),
                                 count_by_pairs(n, words, row));
            }
        }
    }
    assert_int_equal(assay_distinct_rows(ROWS, 0, row, slot), 1); // no ReLU at all
    free(row);
    free(slot);
}

static void regions_are_the_distinct_sign_patterns(void **state)
{
    struct fixture *f = *state;
    const uint64_t *signs;
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    size_t words;
    restart(f);
    assert_int_equal(measure(f, "regions", out, reason), ASSAY_VERDICT_OK);
    signs = assay_regions_patterns(&f->subject, use_of(f, "regions"), &words);
    assert_true(words >= 1);
    assert_int_equal((uint64_t)out[0], count_by_pairs(PATCHES, words, signs));
    assert_true(out[0] > PATCHES / 10.0);
    assert_true(out[1] == PATCHES && out[2] == out[0] / PATCHES);
}

// Each batch has its own BN statistics, whatever stands beside it; the last one is short here.
static const uint64_t *patterns(struct fixture *f, size_t *words)
{
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    restart(f);
    assert_int_equal(measure(f, "regions", out, reason), ASSAY_VERDICT_OK);
    return assay_regions_patterns(&f->subject, use_of(f, "regions"), words);
}

static void a_bn_batch_does_not_see_the_others(void **state)
{
    struct fixture *f = *state;
    size_t words;
    const uint64_t *signs = patterns(f, &words);
    uint64_t *whole = malloc(PATCHES * words * sizeof *whole);
    assert_non_null(whole);
    memcpy(whole, signs, PATCHES * words * sizeof *whole);
    for (uint32_t first = 0; first < PATCHES; first += 100) {
        f->n_patch = first == 200 ? 50 : 100;
        choose_one(f, "regions");
        f->given[0].x = f->patches + first * 9;
        signs = patterns(f, &words);
        assert_memory_equal(signs, whole + first * words, f->n_patch * words * 8);
    }
    free(whole);
}

static void regions_of_the_network_are_images_that_differ(void **state)
{
    struct fixture *f = *state;
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    restart(f);
    assert_int_equal(measure(f, "naswot", out, reason), ASSAY_VERDICT_OK);
    assert_true(out[7] == N);
    memcpy(f->images + PIXELS, f->images, PIXELS * sizeof *f->images);
    memcpy(f->images + 4 * PIXELS, f->images, PIXELS * sizeof *f->images);
    restart(f);
    assert_int_equal(measure(f, "naswot", out, reason), ASSAY_VERDICT_DEGENERATE);
    assert_true(out[7] == N - 2);
}

// ---- correlations of gradients at the input -----------------------------------------------------
// The second half repeats the first: a class of two equal images has the correlation 1 four times.
static void epe_nas_looks_inside_classes(void **state)
{
    struct fixture *f = *state;
    const double one = log(1 + 1e-5);
    double out[16];
    char reason[ASSAY_METRIC_REASON];
    memcpy(f->images + N / 2 * PIXELS, f->images, N / 2 * PIXELS * sizeof *f->images);
    for (uint32_t i = 0; i < N; i++) f->label[i] = i % (N / 2);
    choose_one(f, "epe_nas");
    assert_int_equal(measure(f, "epe_nas", out, reason), ASSAY_VERDICT_OK);
    assert_close(out[0], N / 2 * 4 * one, 1e-6);
    assert_true(out[1] < 1e-9);
    for (uint32_t i = 0; i < N; i++) f->label[i] = i;
    restart(f);
    assert_int_equal(measure(f, "epe_nas", out, reason), ASSAY_VERDICT_DEGENERATE);
    assert_non_null(strstr(reason, "two images"));
    assert_close(out[0], N * one, 1e-6);
    f->label[1] = 0; // two images that differ: s_c = 2 one + 2 ln(|r| + 1e-5), beside N - 2 of one
    restart(f);
    assert_int_equal(measure(f, "epe_nas", out, reason), ASSAY_VERDICT_OK);
    assert_true(out[0] > (N + 2) * one && out[1] == 0);
}

// ---- images' parts of a gradient ----------------------------------------------------------------
// Of equal images each has the same part, an N-th of the whole.
static void hnas_is_of_equal_parts(void **state)
{
    struct fixture *f = *state;
    const double *gradient;
    double out[16], squares = 0;
    char reason[ASSAY_METRIC_REASON];
    struct assay_err err = {0};
    for (size_t i = 1; i < N; i++)
        memcpy(f->images + i * PIXELS, f->images, PIXELS * sizeof *f->images);
    memset(f->label, 0, sizeof f->label);
    choose_one(f, "hnas");
    assert_int_equal(measure(f, "hnas", out, reason), ASSAY_VERDICT_DEGENERATE);
    assert_int_equal(assay_subject_gradient(&f->subject, use_of(f, "hnas"), 0, &gradient, &err),
                     ASSAY_OK);
    for (uint32_t i = 0; i < f->net.n_param; i++) {
        const struct assay_param *p = &f->net.param[i];
        if (p->role == ASSAY_BN_GAMMA || p->role == ASSAY_BN_BETA) continue;
        for (uint64_t k = 0; k < p->size; k++) squares += pow(gradient[p->offset + k], 2);
    }
    assert_close(out[0], sqrt(squares) / N, 1e-6);
    assert_true(out[1] == INFINITY);
}

// ---- failures -----------------------------------------------------------------------------------
static void nan_weights_never_give_a_number(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"ntk", "ntk_frozen", "ntk_trace", "nasi"};
    const double kept = f->theta_net[0];
    f->theta_net[0] = NAN;
    for (size_t i = 0; i < ASSAY_LEN(names); i++) {
        double out[16];
        char reason[ASSAY_METRIC_REASON] = "";
        restart(f);
        const int verdict = measure(f, names[i], out, reason);
        assert_true(verdict != ASSAY_VERDICT_OK);
        assert_true(strlen(reason) > 0);
        if (verdict > 0) assert_false(isfinite(out[0]));
    }
    f->theta_net[0] = kept;
}

static void a_memory_limit_fails_with_its_numbers(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"ntk", "ntk_trace", "nasi", "regions"};
    f->subject.memory_limit = 4096;
    for (size_t i = 0; i < ASSAY_LEN(names); i++) {
        double out[16];
        char reason[ASSAY_METRIC_REASON] = "";
        restart(f);
        assert_int_equal(measure(f, names[i], out, reason), ASSAY_ERR_MEMORY);
        assert_non_null(strstr(reason, "limit"));
    }
    f->subject.memory_limit = 0;
}

// How many of the metrics fail for want of memory within a limit of the executor; no other failure.
static uint32_t starved(struct fixture *f, uint64_t limit)
{
    uint32_t failed = 0;
    restart(f);
    f->subject.memory_limit = limit;
    for (uint32_t i = 0; i < f->demand.n_use; i++) {
        struct assay_err err = {0};
        double out[16], spectrum[N];
        char reason[ASSAY_METRIC_REASON];
        const int verdict =
            assay_subject_measure(&f->subject, &f->demand.use[i], out, spectrum, reason, &err);
        assert_true(verdict >= 0 || verdict == ASSAY_ERR_MEMORY);
        failed += verdict < 0;
    }
    f->subject.memory_limit = 0;
    return failed;
}

// What is predicted is what the arena hands out and what the executor and the plans take, to the
// byte; and all plans are made by then.
static void assert_need(struct fixture *f, const struct assay_metric *const *metric, uint32_t n)
{
    struct assay_err err = {0};
    struct assay_need need;
    choose(f, metric, n, false);
    assay_plans_clear(f->plans);
    assert_int_equal(assay_subject_need(&f->subject, &need, &err), ASSAY_OK);
    const uint32_t made = assay_plans_made(f->plans);
    assert_int_equal(starved(f, need.exec), 0);
    assert_int_equal(assay_plans_made(f->plans), made);
    if (need.exec == 0) return;
    assert_int_equal(need.scratch, f->arena.used);
    assert_true(starved(f, need.exec - 1) > 0);
}

// One for each shape, whoever asks, and however often.
static void three_plans_serve_all(void **state)
{
    struct fixture *f = *state;
    const struct assay_metric *metric[ASSAY_METRICS_MAX];
    struct assay_err err = {0};
    uint32_t n;
    set(f, "ntk", "batch", "10");
    set(f, "nasi", "batch", "9");
    set(f, "regions", "batch", "50");
    assert_int_equal(
        assay_metrics_parse("ntk,ntk_frozen,ntk_trace,ntk_ridge,nasi,regions", metric, &n, &err),
        ASSAY_OK);
    choose(f, metric, n, true);
    assay_plans_clear(f->plans);
    for (int repeat = 0; repeat < 3; repeat++) {
        assert_int_equal(starved(f, 0), 0);
        assert_int_equal(assay_plans_made(f->plans), 3);
    }
}

static void memory_is_predicted(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 0;
    for (; assay_metrics[n]; n++) assert_need(f, assay_metrics + n, 1);
    for (uint32_t i = 1; i <= n; i++) assert_need(f, assay_metrics, i);
    assert_need(f, assay_metrics + 1, n - 1);
}

// ---- plug-ins -----------------------------------------------------------------------------------
static void the_order_of_metrics_decides_nothing(void **state)
{
    struct fixture *f = *state;
    double forward[ASSAY_METRICS_MAX][16] = {0}, backward[ASSAY_METRICS_MAX][16] = {0};
    char reason[ASSAY_METRIC_REASON];
    size_t n = 0;
    restart(f);
    for (; assay_metrics[n]; n++) {
        if (assay_metrics[n]->measure) measure(f, assay_metrics[n]->name, forward[n], reason);
    }
    assert_true(n >= 7);
    restart(f);
    for (size_t i = n; i-- > 0;) {
        if (assay_metrics[i]->measure) measure(f, assay_metrics[i]->name, backward[i], reason);
    }
    assert_memory_equal(forward, backward, sizeof forward);
}

static void every_plug_in_is_complete(void **state)
{
    struct fixture *f = *state;
    const struct assay_protocol p = {.metrics = "ntk"};
    const char *seen[ASSAY_METRICS_MAX * 16];
    size_t n_seen = 0;
    bool null = false;
    for (size_t i = 0; assay_metrics[i]; i++) {
        const struct assay_metric *m = assay_metrics[i];
        char text[512] = "";
        null |= strcmp(m->name, "null") == 0;
        assert_ptr_equal(find(m->name), m);
        assert_true(strlen(m->help) > 0 && m->n_column > 0 && m->n_column <= 16);
        assert_true((m->count != NULL) != (m->measure != NULL));
        struct assay_use use = {.metric = m};
        for (size_t t = 0; m->options[t]; t++) use.option[t] = options_of(f, m->options[t]);
        assay_metric_describe(&use, &p, text, sizeof text);
        assert_true(strlen(text) > 0 && strlen(text) < sizeof text - 1);
        for (uint32_t c = 0; c < m->n_column; c++) {
            const struct assay_column *column = &m->column[c];
            assert_true(strlen(column->name) > 0 && strlen(column->unit) > 0);
            assert_true(strlen(column->source) > 0);
            assert_true(column->direction >= -1 && column->direction <= 1);
            for (size_t s = 0; s < n_seen; s++) assert_string_not_equal(seen[s], column->name);
            seen[n_seen++] = column->name;
        }
    }
    assert_true(null);
}

static void a_list_of_metrics_is_a_set(void **state)
{
    (void)state;
    const struct assay_metric *a[ASSAY_METRICS_MAX], *b[ASSAY_METRICS_MAX];
    struct assay_err err = {0};
    uint32_t n, m;
    assert_int_equal(assay_metrics_parse("regions, ntk ,cost", a, &n, &err), ASSAY_OK);
    assert_int_equal(assay_metrics_parse("cost,ntk,regions,ntk", b, &m, &err), ASSAY_OK);
    assert_int_equal(n, 3);
    assert_int_equal(m, 3);
    assert_memory_equal(a, b, n * sizeof *a);
    static const char *const bad[] = {"", "ntk,", ",ntk", "ntk regions", "ntkk", "nt", "ntk,,cost"};
    for (size_t i = 0; i < ASSAY_LEN(bad); i++) {
        assert_int_equal(assay_metrics_parse(bad[i], a, &n, &err), ASSAY_ERR_CONFIG);
        assert_non_null(strstr(err.text, "ntk_frozen"));
    }
}

static void cost_counts_the_literal_network(void **state)
{
    struct fixture *f = *state;
    const struct assay_net net = {.channels = 16, .cells = 5, .classes = 10, .image = 32};
    static const struct {
        const char *arch;
        double params;
    } published[] = {
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73306},
        {"|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|"
         "nor_conv_3x3~2|",
         1531546},
    };
    for (size_t i = 0; i < ASSAY_LEN(published); i++) {
        struct assay_err err = {0};
        uint64_t index;
        double out[16];
        assert_int_equal(assay_space_parse(&f->space, published[i].arch, &index, &err), ASSAY_OK);
        assert_int_equal(assay_space_build(&f->space, index, &net, &f->literal, &err), ASSAY_OK);
        find("cost")->count(&f->literal, out);
        assert_true(out[0] == published[i].params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_rows_are_counted_exactly),
        LAW(regions_are_the_distinct_sign_patterns),
        LAW(a_bn_batch_does_not_see_the_others),
        LAW(nan_weights_never_give_a_number),
        LAW(a_memory_limit_fails_with_its_numbers),
        LAW(memory_is_predicted),
        LAW(three_plans_serve_all),
        LAW(the_order_of_metrics_decides_nothing),
        LAW(every_plug_in_is_complete),
        cmocka_unit_test(a_list_of_metrics_is_a_set),
        LAW(regions_of_the_network_are_images_that_differ),
        LAW(epe_nas_looks_inside_classes),
        LAW(hnas_is_of_equal_parts),
        LAW(cost_counts_the_literal_network),
    };
    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
