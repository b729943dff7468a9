// SPDX-License-Identifier: Apache-2.0
// Memory is predicted, limited, and not allocated again.
#include "evaluator.h"

static void what_does_not_fit_is_a_failed_candidate(void **state)
{
    (void)state;
    static const char *const tight[] = {"run.memory=6", "network.image=32", "ntk.batch=40", NULL};
    struct bench *b = open_bench(tight);
    const size_t before = aligned_now;
    evaluate(b, ALL_CONV);
    assert_int_equal(b->record.verdict, ASSAY_VERDICT_FAILED);
    assert_non_null(strstr(b->record.reason, "memory: needs "));
    assert_non_null(strstr(b->record.reason, "over the limit of 6 MiB (run.memory)"));
    assert_true(aligned_now - before < 1 << 20); // only plans
    for (size_t i = 0; i < b->n_value; i++) assert_true(isnan(b->record.value[i]));
    evaluate(b, DEAD);
    assert_int_equal(b->record.verdict, ASSAY_VERDICT_DEAD);
    close_bench(b);
    static const char *const none[] = {"run.memory=1", "ntk.batch=4000", NULL};
    struct bench refused;
    struct assay_err err = {0};
    assert_int_equal(try_open(&refused, none, &err), ASSAY_ERR_MEMORY);
    assert_non_null(strstr(err.text, "batches"));
    assay_data_close(refused.data);
    assay_space_close(&refused.space);
}

static uint64_t predict(struct bench *b, const char *arch)
{
    struct assay_memory memory;
    struct assay_err err = {0};
    uint64_t index;
    assert_int_equal(assay_space_parse(&b->space, arch, &index, &err), ASSAY_OK);
    assert_int_equal(assay_evaluator_memory(b->e, index, 0, &memory, &err), ASSAY_OK);
    assert_int_equal(memory.total, memory.exec + memory.scratch + memory.inputs + memory.graphs);
    return memory.total;
}

// For every set of metrics: arenas never take more than predicted, and not much less.
static void what_is_predicted_is_allocated(void **state)
{
    (void)state;
    static const char *const sets[] = {METRICS, "ntk",   "regions",
                                       "nasi",  "grasp", "ntk_trace,regions"};
    for (size_t i = 0; i < ASSAY_LEN(sets); i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "run.metrics=%s", sets[i]);
        const char *const extra[] = {
            setting,         "network.image=32", "network.channels=4", "ntk.batch=24",
            "nasi.batch=20", "run.repeats=2",    "regions.batch=1000", NULL};
        const size_t before = aligned_most = aligned_now;
        struct bench *b = open_bench(extra);
        const uint64_t bytes = predict(b, ALL_CONV);
        evaluate(b, ALL_CONV);
        assert_int_equal(b->record.verdict, ASSAY_VERDICT_OK);
        const size_t taken = aligned_most - before;
        if (taken > bytes || (double)taken < 0.9 * (double)bytes)
            fail_msg("%s: %zu bytes, predicted %zu", sets[i], taken, (size_t)bytes);
        close_bench(b);
        assert_int_equal(aligned_now, before);
    }
}

// What one candidate leaves behind never brings the next above the limit.
static void the_limit_holds_over_many_candidates(void **state)
{
    (void)state;
    static const char *const archs[] = {MIXED, ALL_CONV, POOLS, DEAD, ALL_CONV, MIXED, POOLS};
    static const char *const free_of_limit[] = {"network.image=32", "network.channels=4", NULL};
    struct bench *b = open_bench(free_of_limit);
    const uint64_t most = predict(b, ALL_CONV), limit = (most >> 20) + 1;
    assert_true(predict(b, POOLS) < most && predict(b, MIXED) < most && most > 4 << 20);
    close_bench(b);
    char setting[64];
    snprintf(setting, sizeof setting, "run.memory=%llu", (unsigned long long)limit);
    const char *const limited[] = {"network.image=32", "network.channels=4", setting, NULL};
    const size_t before = aligned_most = aligned_now;
    b = open_bench(limited);
    for (size_t i = 0; i < ASSAY_LEN(archs); i++) {
        evaluate(b, archs[i]);
        assert_true(b->record.verdict != ASSAY_VERDICT_FAILED);
    }
    assert_true(aligned_most - before <= limit << 20);
    close_bench(b);
}

// The program counts always, images until batches are drawn, or as long as they are kept.
static void what_a_rank_holds_counts(void **state)
{
    (void)state;
    static const char *const limited[] = {"run.memory=64", "network.image=32", NULL};
    struct bench *b = open_bench(limited);
    const uint64_t mib = 1 << 20, need = predict(b, ALL_CONV), left = 64 * mib - need;
    assert_true(need > 4 * mib && need < 32 * mib);
    const struct {
        struct assay_held held;
        int created, verdict;
    } cases[] = {
        {{.program = left}, ASSAY_OK, ASSAY_VERDICT_OK},
        {{.program = left + 1}, ASSAY_OK, ASSAY_VERDICT_FAILED},
        {{.program = left / 2, .images = left / 2 + 2}, ASSAY_OK, ASSAY_VERDICT_OK},
        {{.program = left / 2, .images = left / 2 + 2, .keeps = true},
         ASSAY_OK,
         ASSAY_VERDICT_FAILED},
        {{.images = 64 * mib}, ASSAY_ERR_MEMORY, 0},
        {{.images = 63 * mib, .drawing = mib}, ASSAY_ERR_MEMORY, 0},
    };
    struct assay_evaluator *first = b->e;
    for (size_t i = 0; i < ASSAY_LEN(cases); i++) {
        struct assay_err err = {0};
        b->e = NULL;
        assert_int_equal(assay_evaluator_create(&b->e, &b->config, &b->space, b->data, NULL,
                                                &cases[i].held, &err),
                         cases[i].created);
        if (!b->e) continue;
        evaluate(b, ALL_CONV);
        assert_int_equal(b->record.verdict, cases[i].verdict);
        assay_evaluator_destroy(b->e);
    }
    b->e = first;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_a_failed_candidate),
        cmocka_unit_test(what_is_predicted_is_allocated),
        cmocka_unit_test(the_limit_holds_over_many_candidates),
        cmocka_unit_test(what_a_rank_holds_counts),
        cmocka_unit_test(the_steady_state_allocates_nothing),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
