// SPDX-License-Identifier: Apache-2.0
// What is published while workers are served: no record that the journal has not had.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "sweep/run.h"
#include "vocabulary.h"

// Records that came while rows were filled are done, at places behind the journal's end.
static void a_record_on_its_way_waits(void **state)
{
    const struct assay_setting sample = {"candidates", "sample", "30", ""};
    const struct assay_column column = {.name = "null", .unit = "1", .source = ""};
    const struct assay_schema schema = {
        .column = &column, .n_column = 1, .repeats = 1, .spectrum_len = 1};
    struct assay_config config;
    struct assay_space space;
    struct sweep_candidates candidates;
    struct assay_journal *journal;
    struct sweep_publisher p;
    struct assay_err err = {0};
    uint64_t n;
    assert_int_equal(assay_config_resolve(&config, vocabulary(), &sample, 1, &err), 0);
    assert_int_equal(assay_space_open(&space, "nas-bench-201", &err), 0);
    assert_int_equal(sweep_candidates_make(&candidates, &config, &space, &err), 0);
    assert_int_equal(
        assay_journal_open(&journal, *state, &schema, "identity", "", 0, NULL, &n, &err), 0);
    struct assay_record *record = calloc(candidates.n_task, sizeof *record);
    bool *done = calloc(candidates.n_task, sizeof *done);
    uint64_t *place = calloc(candidates.n_task, sizeof *place);
    for (uint64_t i = 0; i < candidates.n_task; i++) done[i] = true, place[i] = i;
    const struct sweep_records records = {record, done, place, journal};
    assert_int_equal(
        sweep_publisher_open(&p, *state, &config, &space, &candidates, &schema, "", NULL, &err), 0);
    assert_int_equal(sweep_publish(&p, &records, NULL, &err), 0);
    for (uint64_t i = 0; i < candidates.n_row; i++) assert_null(p.row[i].record);
    sweep_publisher_close(&p);
    free(place);
    free(done);
    free(record);
    assay_journal_close(journal);
    sweep_candidates_free(&candidates);
    assay_space_close(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_on_its_way_waits, scratch_open, scratch_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
