// SPDX-License-Identifier: Apache-2.0
// Laws of the candidates (which tasks there are) and of the queue (how they are handed out). What
// needs ranks is in mpi/.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "farm/queue.h"
#include "sweep/run.h"
#include "vocabulary.h"

static int open_space(void **state)
{
    static struct assay_space space;
    struct assay_err err = {0};

    assert_int_equal(assay_space_open(&space, "nas-bench-201", &err), 0);
    *state = &space;
    return 0;
}

static int close_space(void **state)
{
    assay_space_close(*state);
    return 0;
}

static struct assay_config resolve(const char *const (*word)[2], size_t n)
{
    struct assay_setting setting[8] = {0};
    struct assay_config config;
    struct assay_err err = {0};

    for (size_t i = 0; i < n; i++) {
        strcpy(setting[i].section, "candidates");
        strcpy(setting[i].name, word[i][0]);
        strcpy(setting[i].value, word[i][1]);
    }
    assert_int_equal(assay_config_resolve(&config, vocabulary(), setting, n, &err), 0);
    return config;
}

static struct sweep_candidates make(const struct assay_config *config,
                                    const struct assay_space *space)
{
    struct sweep_candidates candidates;
    struct assay_err err = {0};

    assert_int_equal(sweep_candidates_make(&candidates, config, space, &err), 0);
    return candidates;
}

static void check_candidates(const struct sweep_candidates *candidates,
                             const struct assay_space *space, bool members)
{
    for (uint64_t i = 0; i < candidates->n_row; i++) {
        const uint64_t candidate = candidates->index[i];
        if (i) assert_true(candidates->index[i - 1] < candidate);
        assert_true(candidates->task_of[i] < candidates->n_task);
        assert_int_equal(candidates->task[candidates->task_of[i]],
                         members ? candidate : assay_space_canonical(space, candidate));
        assert_int_equal(
            sweep_candidates_find(candidates, candidates->task[candidates->task_of[i]]),
            candidates->task_of[i]);
    }
    for (uint64_t i = 1; i < candidates->n_task; i++)
        assert_true(candidates->task[i - 1] < candidates->task[i]);
}

static void test_whole_space(void **state)
{
    struct assay_config config = resolve(NULL, 0);
    struct sweep_candidates candidates = make(&config, *state);

    assert_int_equal(candidates.n_row, 15625);
    assert_int_equal(candidates.n_task, 5044);
    check_candidates(&candidates, *state, false);
    sweep_candidates_free(&candidates);
    ((struct assay_evaluation *)assay_config_edit(&config, &assay_evaluation_options))->members =
        true;
    candidates = make(&config, *state);
    assert_int_equal(candidates.n_task, 15625);
    check_candidates(&candidates, *state, true);
    sweep_candidates_free(&candidates);
}

// A list survives its packed form, whatever runs and gaps it has.
static void test_pack(void **state)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        char size[16], text[16];
        snprintf(size, sizeof size, "%u", 1 + seed * seed * 38);
        snprintf(text, sizeof text, "%u", seed);
        const char *const word[][2] = {{"sample", size}, {"seed", text}};
        const struct assay_config config = resolve(word, 2);
        struct sweep_candidates candidates = make(&config, *state), again;
        struct assay_err err = {0};
        size_t n;
        assert_int_equal(candidates.n_row, 1 + seed * seed * 38);
        check_candidates(&candidates, *state, false);
        void *list = sweep_candidates_pack(&candidates, &n);
        assert_int_equal(sweep_candidates_unpack(&again, list, n, false, *state, &err), 0);
        assert_int_equal(again.n_row, candidates.n_row);
        assert_int_equal(again.n_task, candidates.n_task);
        assert_memory_equal(again.index, candidates.index,
                            candidates.n_row * sizeof *candidates.index);
        sweep_candidates_free(&again);
        assert_true(sweep_candidates_unpack(&again, list, n - 1, false, *state, &err) < 0);
        ((uint64_t *)list)[0] = 15625;
        assert_true(sweep_candidates_unpack(&again, list, n, false, *state, &err) < 0);
        sweep_candidates_free(&candidates);
        free(list);
    }
}

// A journal may say anything: lengths whose sum wraps, lists that are no list of distinct
// candidates.
static void test_forged_lists(void **state)
{
    enum { MOST = SWEEP_CANDIDATES_MAX };
    static const uint64_t forged[][4] = {{5, 2, 3, 1},         {5, 2, 5, 2}, {5, 2, 6, 2},
                                         {5, 2, 7, 1},         {5, 0, 7, 1}, {0, MOST, MOST + 1, 1},
                                         {5, UINT64_MAX, 9, 1}};
    uint64_t wrapping[18][2];
    struct sweep_candidates candidates;
    struct assay_space space;
    struct assay_err err = {0};
    (void)state;
    assert_int_equal(assay_space_open(&space, "darts", &err), 0);
    const uint64_t size = assay_space_size(&space);
    for (unsigned i = 0; i < 18; i++) {
        wrapping[i][0] = 0;
        wrapping[i][1] = i < 17 ? size : 6 - 17 * size; // 6 in all
    }
    assert_true(wrapping[17][1] < size);
    assert_int_equal(
        sweep_candidates_unpack(&candidates, wrapping, sizeof wrapping, true, &space, &err),
        ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "candidate list does not fit its search space"));
    for (unsigned i = 0; i < ASSAY_LEN(forged); i++)
        assert_int_equal(
            sweep_candidates_unpack(&candidates, forged[i], sizeof forged[i], true, &space, &err),
            ASSAY_ERR_INPUT);
    static const uint64_t good[] = {3, 1, 5, 2};
    assert_int_equal(sweep_candidates_unpack(&candidates, good, sizeof good, true, &space, &err),
                     0);
    assert_int_equal(candidates.n_row, 3);
    sweep_candidates_free(&candidates);
    assay_space_close(&space);
}

// Every candidate of a range is drawn about equally often.
static void test_sample_is_uniform(void **state)
{
    unsigned count[50] = {0};
    for (unsigned seed = 0; seed < 500; seed++) {
        char text[16];
        snprintf(text, sizeof text, "%u", seed);
        const char *const word[][2] = {
            {"first", "100"}, {"count", "50"}, {"sample", "10"}, {"seed", text}};
        const struct assay_config config = resolve(word, 4);
        struct sweep_candidates candidates = make(&config, *state);
        assert_int_equal(candidates.n_row, 10);
        for (unsigned i = 0; i < 10; i++) count[candidates.index[i] - 100]++;
        sweep_candidates_free(&candidates);
    }
    for (unsigned i = 0; i < 50; i++) // 100 expected, standard deviation 9
        assert_in_range(count[i], 100 - 45, 100 + 45);
}

// ---- queue --------------------------------------------------------------------------------------
enum { N = 1000 };

static struct farm_queue make_queue(void)
{
    struct farm_queue q = {
        .task = malloc(N * sizeof(uint64_t)), .cost = malloc(N * sizeof(double)), .n = N};

    for (unsigned i = 0; i < N; i++) {
        q.task[i] = i;
        q.cost[i] = 1 + (N - i) % 2000; // dearest first
        q.cost_queued += q.cost[i];
    }
    q.cost_left = q.cost_queued;
    return q;
}

// Until a rate is known one task at a time; then chunks of the wanted length that end in single
// tasks, none of more than half an evaluator's share.
static void test_chunks(void **state)
{
    struct farm_queue q = make_queue();
    const int evaluators = 3;
    uint64_t chunks = 0, last = 0;

    (void)state;
    assert_int_equal(farm_queue_chunk(&q, 1, 0, evaluators, 4096), 1);
    farm_queue_finished(&q, farm_queue_take(&q), 0.01);
    assert_true(farm_queue_chunk(&q, 1, 0, evaluators, 7) == 7);
    while (q.next < q.n) {
        const double queued = q.cost_queued;
        last = farm_queue_chunk(&q, 0.3, 0, evaluators, 4096);
        assert_in_range(last, 1, q.n - q.next);
        for (uint64_t i = 0; i < last; i++) farm_queue_take(&q);
        const double sum = queued - q.cost_queued;
        if (last > 1) assert_true(sum <= queued / (2 * evaluators) + 1e-6);
        if (last > 1) assert_true(sum <= 0.3 * q.cost[0] / 0.01 + 1e-6);
        chunks++;
    }
    assert_int_equal(last, 1);
    assert_in_range(chunks, 20, 200);
    assert_int_equal(farm_queue_chunk(&q, 1, 0, evaluators, 4096), 0);
    assert_true(fabs(q.cost_queued) < 1e-6);
    farm_queue_free(&q);
}

// ---- repeats ------------------------------------------------------------------------------------
enum { REPEATS = 3, COLUMNS = 2, SPECTRUM = 4 };

// A record of a candidate, of all repeats or of one, as an evaluator makes it.
static void fill_record(struct assay_record *record, unsigned first, unsigned end)
{
    static const int32_t verdict[REPEATS] = {ASSAY_VERDICT_OK, ASSAY_VERDICT_DEGENERATE,
                                             ASSAY_VERDICT_DEGENERATE};
    double *value = record->value, *spectrum = record->spectrum;

    *record = (struct assay_record){.index = 70, .value = value, .spectrum = spectrum};
    for (unsigned i = 0; i < REPEATS * COLUMNS; i++) value[i] = NAN;
    for (unsigned i = 0; i < REPEATS * SPECTRUM; i++) spectrum[i] = NAN;
    for (unsigned r = first; r < end; r++) {
        for (unsigned i = 0; i < COLUMNS; i++) value[r * COLUMNS + i] = 10 * r + i;
        for (unsigned i = 0; i < SPECTRUM; i++) spectrum[r * SPECTRUM + i] = 100 * r + i;
        record->seconds += r + 1;
        if (verdict[r] <= record->verdict) continue;
        record->verdict = verdict[r];
        snprintf(record->reason, sizeof record->reason, "in repeat %u", r);
    }
}

// Repeats in any order make, byte for byte, the record of one evaluation.
static void test_repeats_make_a_record(void **state)
{
    static const unsigned order[][REPEATS] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    const struct assay_column column[COLUMNS] = {{.name = "a"}, {.name = "b"}};
    const struct assay_schema schema = {
        .column = column, .n_column = COLUMNS, .repeats = REPEATS, .spectrum_len = SPECTRUM};
    const uint64_t number[] = {3, 70, 71};
    const struct assay_tasks tasks = {.at = (const char *)number, .n = 3, .bytes = sizeof *number};
    double value[REPEATS * COLUMNS], spectrum[REPEATS * SPECTRUM];
    struct assay_record record = {.value = value, .spectrum = spectrum};
    char whole[1024], packed[1024];
    struct assay_err err = {0};
    uint64_t task = 0;

    (void)state;
    assert_true(assay_record_bytes(&schema) <= sizeof whole);
    fill_record(&record, 0, REPEATS);
    assay_record_pack(&schema, &record, whole);
    for (unsigned i = 0; i < ASSAY_LEN(order); i++) {
        struct assay_ledger ledger;
        assert_int_equal(assay_ledger_open(&ledger, &schema, tasks, &err), 0);
        for (unsigned k = 0; k < REPEATS; k++) {
            const unsigned repeat = order[i][k];
            assert_false(ledger.done[1]);
            fill_record(&record, repeat, repeat + 1);
            assay_record_pack(&schema, &record, packed);
            assert_int_equal(assay_ledger_enter_repeat(&ledger, packed, repeat, 5, &task, &err),
                             k + 1 == REPEATS);
            assert_int_equal(task, 1);
        }
        assert_true(ledger.done[1] && ledger.n_done == 1 && ledger.n_failed == 0);
        assert_true(ledger.place[1] == 5 && !ledger.record[1].spectrum);
        assert_memory_equal(packed, whole, assay_record_bytes(&schema));
        assay_ledger_free(&ledger);
    }
}

// Whole tasks while each evaluator has many, and when there is nobody to share with.
static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(assay_farm_cut(5044, 3, 4095), 3);
    assert_int_equal(assay_farm_cut(5044, 3, 63), 1);
    assert_int_equal(assay_farm_cut(5, 3, 1), 1);
    assert_int_equal(assay_farm_cut(5, 1, 9), 1);
}

// ---- calibration --------------------------------------------------------------------------------
// Every task is given a time; those that were measured keep theirs; the sum is what they add up to.
static void test_calibration(void **state)
{
    const char *const word[][2] = {{"sample", "40"}};
    struct assay_config config = resolve(word, 1);
    struct sweep_outline outline;
    struct sweep_calibration times;
    struct assay_err err = {0};
    double sum = 0;

    (void)state;
    strcpy(((struct assay_protocol *)assay_config_edit(&config, &assay_protocol_options))->metrics,
           "null");
    assert_int_equal(sweep_outline_open(&outline, &config, 1, &err), 0);
    assert_int_equal(sweep_calibrate(&times, &outline, 0, NULL, &err), 0);
    assert_int_equal(times.n_measured, 8);
    for (uint64_t i = 0; i < outline.candidates.n_task; i++) {
        assert_true(times.seconds[i] >= 0 && times.seconds[i] <= times.longest);
        sum += times.seconds[i];
    }
    assert_true(fabs(sum - times.total) < 1e-12);
    sweep_calibration_free(&times);
    sweep_outline_close(&outline);
}

// ---- publishing ---------------------------------------------------------------------------------
// Rows are counted a few at a time, none before the first time is given, each as alone.
static void test_rows_are_filled_in_parts(void **state)
{
    const char *const word[][2] = {{"sample", "300"}};
    const struct assay_config config = resolve(word, 1);
    const struct assay_column column = {.name = "null", .unit = "1", .source = ""};
    const struct assay_schema schema = {.column = &column, .n_column = 1, .repeats = 1};
    struct sweep_candidates candidates = make(&config, *state);
    struct sweep_publisher p;
    struct assay_err err = {0};
    int parts = 1;

    assert_int_equal(
        sweep_publisher_open(&p, "", &config, *state, &candidates, &schema, "", NULL, &err), 0);
    assert_int_equal(p.n_filled, 0);
    while (sweep_publisher_fill(&p, 0, &err)) parts++;
    assert_true(parts > 2);
    for (uint64_t i = 0; i < candidates.n_row; i++) {
        const struct assay_net net = assay_config_cost_net(&config);
        struct assay_graph g;
        double want[16];
        assert_int_equal(p.row[i].index, candidates.index[i]);
        assay_graph_init(&g);
        assert_int_equal(assay_space_build(*state, candidates.index[i], &net, &g, &err), 0);
        assay_columns_count(&p.counted, &g, want);
        assert_memory_equal(p.row[i].extra, want, p.counted.n_column * sizeof *want);
        assay_graph_free(&g);
    }
    sweep_publisher_close(&p);
    sweep_candidates_free(&candidates);
}

// ---- identity -----------------------------------------------------------------------------------
static void test_identity_round_trip(void **state)
{
    const char *const word[][2] = {{"first", "3"}, {"count", "70"}};
    const struct assay_config config = resolve(word, 2);
    const struct assay_column column = {.name = "null", .unit = "1", .source = ""};
    const struct assay_schema schema = {.column = &column, .n_column = 1, .repeats = 1};
    struct assay_config again;
    struct assay_err err = {0};

    (void)state;
    char *text = sweep_identity_text(&config, &schema, "baseline", "7");
    assert_non_null(strstr(text, "# columns: null\n"));
    assert_int_equal(assay_config_parse(&again, vocabulary(), text, &err), 0);
    char *other = sweep_identity_text(&again, &schema, "baseline", "7");
    assert_string_equal(text, other);
    free(other);
    other = sweep_identity_text(&config, &schema, "baseline", "8");
    assert_string_not_equal(text, other);
    free(other);
    free(text);
    assert_true(assay_config_parse(&again, vocabulary(), "[run]\nno setting\n", &err) < 0);
    assert_true(assay_config_parse(&again, vocabulary(), "[run]\nunknown = 1\n", &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_space),  cmocka_unit_test(test_pack),
        cmocka_unit_test(test_forged_lists), cmocka_unit_test(test_sample_is_uniform),
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_identity_round_trip),
        cmocka_unit_test(test_calibration),  cmocka_unit_test(test_repeats_make_a_record),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_rows_are_filled_in_parts),
    };
    return cmocka_run_group_tests(tests, open_space, close_space);
}
