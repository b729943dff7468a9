// SPDX-License-Identifier: Apache-2.0
// A journal to test with: a small schema, records that depend on their number, and their check.
// Included after cmocka.
#ifndef ASSAY_TESTS_STORE_JOURNAL_H
#define ASSAY_TESTS_STORE_JOURNAL_H

#include <math.h>

#include "assay/store.h"
#include "scratch.h"

static const struct assay_column columns[] = {{.name = "kappa", .direction = -1},
                                              {.name = "trace", .direction = 1}};
static const struct assay_schema schema = {
    .column = columns, .n_column = 2, .repeats = 3, .spectrum_len = 4};
enum { VALUES = 3 * 2, EIGENVALUES = 3 * 4, RECORD = 144 + 8 * (VALUES + EIGENVALUES) };
enum { FRAME = RECORD + 8 };

static const char identity[] = "[ntk]\nbatch = 72\n[run]\nseed = 1\nrepeats = 3\n";

// A record whose every field depends on i.
static inline void make_record(uint64_t i, unsigned char *bytes)
{
    double value[VALUES], spectrum[EIGENVALUES];
    for (int k = 0; k < VALUES; k++) value[k] = k == 1 ? NAN : 1.0 / (double)(i + 1) + k;
    for (int k = 0; k < EIGENVALUES; k++) spectrum[k] = (double)i * k;
    struct assay_record record = {.index = i * 3,
                                  .verdict = (int32_t)(i % 4),
                                  .rank = 5,
                                  .seconds = 0.25 * (double)i,
                                  .value = value,
                                  .spectrum = spectrum};
    snprintf(record.reason, sizeof record.reason, "reason %d", (int)i);
    assay_record_pack(&schema, &record, bytes);
}

static inline int try_open(struct assay_journal **journal, const char *dir, const char *text,
                           const struct assay_log *log, uint64_t *n, struct assay_err *err)
{
    *journal = NULL;
    *n = 0;
    return assay_journal_open(journal, dir, &schema, text, "extra", 5, log, n, err);
}

static inline struct assay_journal *open_ok(const char *dir, uint64_t expected)
{
    struct assay_journal *journal;
    struct assay_err err = {0};
    uint64_t n;
    if (try_open(&journal, dir, identity, NULL, &n, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(n, expected);
    return journal;
}

static inline void open_fails(const char *dir, const char *text, int code, const char *part)
{
    struct assay_journal *journal;
    struct assay_err err = {0};
    uint64_t n;
    assert_int_equal(try_open(&journal, dir, text, NULL, &n, &err), code);
    assert_null(journal);
    ASSERT_CONTAINS(err.text, part);
}

static inline int append(struct assay_journal *journal, uint64_t first, unsigned n,
                         struct assay_err *err)
{
    unsigned char *bytes = malloc((size_t)n * RECORD);
    for (unsigned i = 0; i < n; i++) make_record(first + i, bytes + (size_t)i * RECORD);
    const int status = assay_journal_append(journal, bytes, n, err);
    free(bytes);
    return status;
}

static inline void assert_records(struct assay_journal *journal, uint64_t n)
{
    unsigned char got[RECORD], expected[RECORD];
    struct assay_err err = {0};
    for (uint64_t i = 0; i < n; i++) {
        make_record(i, expected);
        if (assay_journal_read(journal, i, got, &err) < 0) fail_msg("%s", err.text);
        assert_memory_equal(got, expected, RECORD);
    }
}

#endif
