// SPDX-License-Identifier: Apache-2.0
// The journal: what was appended comes back, whatever happens to the process or the file.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "journal.h"

// A journal of n records, closed; returns the bytes of the file.
static unsigned char *make_journal(void **state, unsigned n, size_t *bytes)
{
    struct assay_journal *journal = open_ok(*state, 0);
    assert_int_equal(append(journal, 0, n, NULL), ASSAY_OK);
    assert_int_equal(assay_journal_sync(journal, NULL), ASSAY_OK);
    assay_journal_close(journal);
    return scratch_read(scratch_path(state, "journal"), bytes);
}

// ---- what goes in comes out --------------------------------------------------------------------

static void records_pack_and_unpack(UNUSED void **state)
{
    unsigned char bytes[RECORD], again[RECORD];
    double value[VALUES], spectrum[EIGENVALUES];
    struct assay_record record = {.value = value, .spectrum = spectrum};
    assert_int_equal(assay_record_bytes(&schema), RECORD);
    make_record(6, bytes);
    assay_record_unpack(&schema, bytes, &record);
    assert_int_equal(record.index, 18);
    assert_int_equal(record.verdict, ASSAY_VERDICT_DEAD);
    assert_int_equal(record.rank, 5);
    assert_true(record.seconds == 1.5 && isnan(value[1]) && spectrum[11] == 66);
    assert_string_equal(record.reason, "reason 6");
    assay_record_pack(&schema, &record, again);
    assert_memory_equal(bytes, again, RECORD);
    memset(record.reason, 'x', sizeof record.reason); // not terminated
    assay_record_pack(&schema, &record, again);
    assay_record_unpack(&schema, again, &record);
    assert_int_equal(strlen(record.reason), ASSAY_REASON_MAX - 1);
}

static void appended_records_come_back(void **state)
{
    const char *dir = scratch_path(state, "new/run/dir"); // created with its parents
    struct assay_journal *journal = open_ok(dir, 0);
    assert_int_equal(append(journal, 0, 1, NULL), ASSAY_OK);
    assert_int_equal(append(journal, 1, 7, NULL), ASSAY_OK);
    assert_int_equal(append(journal, 8, 0, NULL), ASSAY_OK);
    assert_records(journal, 8);
    assay_journal_close(journal);
    journal = open_ok(dir, 8);
    assert_int_equal(append(journal, 8, 5000, NULL), ASSAY_OK);
    assay_journal_close(journal);
    journal = open_ok(dir, 5008);
    assert_records(journal, 5008);
    assay_journal_close(journal);
}

static void readers_do_not_lock_or_change(void **state)
{
    struct assay_journal *writer = open_ok(*state, 0), *reader;
    struct assay_err err = {0};
    uint64_t n;
    assert_int_equal(append(writer, 0, 3, NULL), ASSAY_OK);
    assert_int_equal(assay_journal_open_read(&reader, *state, &schema, &n, &err), ASSAY_OK);
    assert_int_equal(n, 3);
    assert_int_equal(append(writer, 3, 1, NULL), ASSAY_OK);
    assert_records(reader, 3);
    assay_journal_close(reader);
    assay_journal_close(writer);
    char *text;
    void *extra;
    size_t n_extra;
    assert_int_equal(assay_journal_peek(*state, &text, &extra, &n_extra, &err), ASSAY_OK);
    assert_string_equal(text, identity);
    assert_int_equal(n_extra, 5);
    assert_memory_equal(extra, "extra", 5);
    free(text);
    free(extra);
    assert_int_equal(assay_journal_peek("/nonexistent", &text, &extra, &n_extra, &err),
                     ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "cannot open /nonexistent/journal");
}

// A record with the right checksum may still hold what no run writes.
static void forged_records_are_refused(void **state)
{
    struct assay_journal *journal = open_ok(*state, 0);
    unsigned char record[RECORD], got[RECORD];
    struct assay_err err = {0};
    for (int i = 0; i < 4; i++) {
        static const int32_t verdict[] = {4, -1, INT32_MAX, 0};
        make_record(7, record);
        memcpy(record + 8, &verdict[i], sizeof verdict[i]);
        if (i == 3) memset(record + 24, 'x', ASSAY_REASON_MAX);
        assert_int_equal(assay_journal_append(journal, record, 1, NULL), ASSAY_OK);
        assert_int_equal(assay_journal_read(journal, (uint64_t)i, got, &err), ASSAY_ERR_INPUT);
        ASSERT_CONTAINS(err.text, "/journal: record ");
        ASSERT_CONTAINS(err.text, i < 3 ? "on candidate 21: expected 0 to 3"
                                        : "the reason of candidate 21 has no end");
    }
    assay_journal_close(journal);
}

static void pipe_in_place_of_a_journal_is_refused(void **state)
{
    assert_int_equal(mkfifo(scratch_path(state, "journal"), 0666), 0);
    open_fails(*state, identity, ASSAY_ERR_INPUT, "journal: not a regular file");
    char *text;
    void *extra;
    size_t n;
    struct assay_err err = {0};
    assert_int_equal(assay_journal_peek(*state, &text, &extra, &n, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "journal: not a regular file");
}

// ---- crashes and damage ------------------------------------------------------------------------

static void torn_tail_is_cut_at_every_byte(void **state)
{
    size_t size;
    unsigned char *bytes = make_journal(state, 3, &size);
    char *text = NULL;
    size_t n_text;
    for (size_t cut = size - FRAME; cut < size; cut++) {
        FILE *stream = open_memstream(&text, &n_text);
        const struct assay_log log = {.stream = stream, .level = ASSAY_LOG_WARN, .rank = -1};
        struct assay_journal *journal;
        struct assay_err err = {0};
        uint64_t n;
        scratch_write(scratch_path(state, "journal"), bytes, cut);
        assert_int_equal(assay_journal_open_read(&journal, *state, &schema, &n, &err), ASSAY_OK);
        assert_int_equal(n, 2);
        assay_journal_close(journal);
        assert_int_equal(try_open(&journal, *state, identity, &log, &n, &err), ASSAY_OK);
        assert_int_equal(n, 2);
        fclose(stream);
        assert_int_equal(strstr(text, "torn by a crash") != NULL, cut > size - FRAME);
        free(text);
        assert_int_equal(append(journal, 2, 1, NULL), ASSAY_OK);
        assert_records(journal, 3);
        assay_journal_close(journal);
        size_t n_again;
        unsigned char *again = scratch_read(scratch_path(state, "journal"), &n_again);
        assert_int_equal(n_again, size);
        assert_memory_equal(bytes, again, size); // as if nothing had happened
        free(again);
    }
    free(bytes);
}

// A power cut may leave zeros where data should be.
static void zeroed_tail_is_cut(void **state)
{
    size_t size;
    unsigned char *bytes = make_journal(state, 6, &size);
    for (size_t zeros = 1; zeros < 5 * FRAME; zeros += 97) {
        memset(bytes + size - zeros, 0, zeros);
        scratch_write(scratch_path(state, "journal"), bytes, size);
        struct assay_journal *journal = open_ok(*state, 6 - (zeros + FRAME - 1) / FRAME);
        assay_journal_close(journal);
    }
    free(bytes);
}

// One bit, anywhere: the header or a record in the middle is an error that leaves the file alone;
// the last record is cut off. Never is anything wrong accepted.
static void no_flipped_bit_is_accepted(void **state)
{
    size_t size;
    unsigned char *bytes = make_journal(state, 4, &size);
    const size_t header = size - 4 * FRAME, last = size - FRAME;
    const char *path = scratch_path(state, "journal");
    for (size_t at = 0; at < size; at++) {
        struct assay_journal *journal;
        struct assay_err err = {0};
        uint64_t n;
        bytes[at] ^= (unsigned char)(1 << at % 8);
        scratch_write(path, bytes, size);
        const int status = try_open(&journal, *state, identity, NULL, &n, &err);
        if (at >= last) {
            assert_int_equal(status, ASSAY_OK);
            assert_int_equal(n, 3);
            assert_records(journal, 3);
            assay_journal_close(journal);
        } else {
            char part[64];
            const size_t record = (at - header) / FRAME;
            snprintf(part, sizeof part, "record %zu (byte %zu) is damaged", record,
                     header + record * FRAME);
            assert_int_equal(status, ASSAY_ERR_INPUT);
            ASSERT_CONTAINS(err.text, at < header ? path : part);
            size_t n_again = 0;
            unsigned char *again = scratch_read(path, &n_again);
            assert_int_equal(n_again, size);
            assert_memory_equal(again, bytes, size);
            free(again);
        }
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    free(bytes);
}

static void no_truncated_header_is_accepted(void **state)
{
    size_t size;
    unsigned char *bytes = make_journal(state, 1, &size);
    for (size_t cut = 0; cut < size - FRAME; cut++) {
        scratch_write(scratch_path(state, "journal"), bytes, cut);
        open_fails(*state, identity, ASSAY_ERR_INPUT, "journal: ");
    }
    free(bytes);
}

static void exchanged_records_are_damage(void **state)
{
    size_t size;
    unsigned char *bytes = make_journal(state, 3, &size), one[FRAME];
    unsigned char *first = bytes + size - 3 * FRAME;
    memcpy(one, first, FRAME);
    memcpy(first, first + FRAME, FRAME);
    memcpy(first + FRAME, one, FRAME);
    scratch_write(scratch_path(state, "journal"), bytes, size);
    open_fails(*state, identity, ASSAY_ERR_INPUT, "record 0 (byte");
    free(bytes);
}

// SIGKILL between any two system calls leaves a journal that opens, with a prefix of the records.
static void kills_lose_nothing_finished(void **state)
{
    uint64_t held = 0;
    for (int round = 0; round < 40; round++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        const pid_t child = fork();
        if (child == 0) {
            struct assay_journal *journal;
            uint64_t n;
            if (try_open(&journal, *state, identity, NULL, &n, NULL) < 0) _exit(1);
            for (;; n += 3) {
                if (append(journal, n, 3, NULL) < 0) _exit(2);
                const uint64_t now = n + 3;
                if (write(told[1], &now, sizeof now) < 0) _exit(3);
            }
        }
        close(told[1]);
        // Every other round lets the child append once, however slow the machine.
        if (round % 2) assert_int_equal(read(told[0], &held, sizeof held), sizeof held);
        usleep((useconds_t)(round * 131 % 4000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        for (uint64_t n; read(told[0], &n, sizeof n) == sizeof n;) held = n;
        close(told[0]);
        struct assay_journal *journal;
        struct assay_err err = {0};
        uint64_t n;
        if (try_open(&journal, *state, identity, NULL, &n, &err) < 0) fail_msg("%s", err.text);
        assert_true(n >= held);
        assert_records(journal, n);
        held = n;
        assay_journal_close(journal);
    }
    assert_true(held > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(records_pack_and_unpack),
        TEST(appended_records_come_back),
        TEST(readers_do_not_lock_or_change),
        TEST(forged_records_are_refused),
        TEST(pipe_in_place_of_a_journal_is_refused),
        TEST(torn_tail_is_cut_at_every_byte),
        TEST(zeroed_tail_is_cut),
        TEST(no_flipped_bit_is_accepted),
        TEST(no_truncated_header_is_accepted),
        TEST(exchanged_records_are_damage),
        TEST(kills_lose_nothing_finished),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
