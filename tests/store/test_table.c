// SPDX-License-Identifier: Apache-2.0
// Reading results.h5 back: other files, damaged files, files left by a killed job.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "results.h"

static void wrong_files_are_named(void **state)
{
    struct assay_table *read = NULL;
    struct assay_err err = {0};
    const char *path = scratch_path(state, "x.h5");
    assert_int_equal(assay_table_read(&read, path, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "x.h5: No such file");
    scratch_write(path, "index,arch\n", 11);
    assert_int_equal(assay_table_read(&read, path, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "not an HDF5 file");
    H5Fclose(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    assert_int_equal(assay_table_read(&read, path, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "not a results.h5 of assay");
    assert_int_equal(assay_table_read(&read, *state, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "not a regular file");
    assert_null(read);
}

static void no_truncated_file_is_accepted(void **state)
{
    struct fixture f;
    size_t n;
    fill(&f);
    assay_table_free(write_and_read(state, &f));
    const char *path = scratch_path(state, "results.h5");
    unsigned char *bytes = scratch_read(path, &n);
    for (size_t cut = 0; cut < n; cut += 199) {
        struct assay_table *read = NULL;
        struct assay_err err = {0};
        scratch_write(path, bytes, cut);
        assert_int_equal(assay_table_read(&read, path, &err), ASSAY_ERR_INPUT);
        ASSERT_CONTAINS(err.text, "results.h5: ");
    }
    free(bytes);
}

static bool same_table(const struct assay_table *a, const struct assay_table *b)
{
    bool same = a->n_row == b->n_row && a->n_column == b->n_column && a->n_ranking == b->n_ranking;
    for (unsigned i = 0; same && i < ROWS; i++)
        same = a->index[i] == b->index[i] && a->status[i] == b->status[i] &&
               strcmp(a->arch[i], b->arch[i]) == 0;
    for (unsigned c = 0; same && c < a->n_column; c++)
        same = strcmp(a->name[c], b->name[c]) == 0 && a->direction[c] == b->direction[c] &&
               memcmp(a->value[c], b->value[c], ROWS * sizeof(double)) == 0 &&
               !a->error[c] == !b->error[c];
    for (unsigned k = 0; same && k < a->n_ranking; k++)
        same = memcmp(a->order[k], b->order[k], ROWS * sizeof **a->order) == 0;
    return same;
}

enum outcome { CRASHED, SAME, REFUSED, DIFFERENT };

// Reads in a process of its own: HDF5 loses memory when it refuses a damaged file. The outcome
// comes back in shared memory, because Valgrind changes the exit status of a process that leaks.
static enum outcome read_apart(const char *path, const struct assay_table *whole,
                               enum outcome *shared)
{
    *shared = CRASHED;
    const pid_t child = fork();
    if (child == 0) {
        struct assay_table *read;
        if (assay_table_read(&read, path, NULL) < 0)
            *shared = REFUSED;
        else
            *shared = same_table(whole, read) ? SAME : DIFFERENT;
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    return *shared;
}

// A damaged file is an error, or the damage is where the table is not: checksums tell.
static void no_flipped_bit_changes_the_table(void **state)
{
    struct fixture f;
    size_t n;
    int refused = 0;
    enum outcome *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    fill(&f);
    struct assay_table *whole = write_and_read(state, &f);
    const char *path = scratch_path(state, "results.h5");
    unsigned char *bytes = scratch_read(path, &n);
    for (size_t at = 0; at < n; at += 31) {
        bytes[at] ^= (unsigned char)(1 << at % 8);
        scratch_write(path, bytes, n);
        bytes[at] ^= (unsigned char)(1 << at % 8);
        const enum outcome outcome = read_apart(path, whole, shared);
        assert_in_range(outcome, SAME, REFUSED);
        refused += outcome == REFUSED;
    }
    assert_true(refused > 100);
    munmap(shared, sizeof *shared);
    assay_table_free(whole);
    free(bytes);
}

// SIGKILL at any moment of a checkpoint leaves the former file or the new one.
static void kills_leave_a_file_that_opens(void **state)
{
    struct fixture f;
    fill(&f);
    assay_table_free(write_and_read(state, &f));
    for (int round = 0; round < 40; round++) {
        const pid_t child = fork();
        if (child == 0) {
            for (;; f.value[0][0][0] += 1)
                if (assay_results_write(*state, &f.results, NULL) < 0) _exit(1);
        }
        usleep((useconds_t)(10000 + round * 1777 % 20000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct assay_table *read = NULL;
        struct assay_err err = {0};
        if (assay_table_read(&read, scratch_path(state, "results.h5"), &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(read->n_row, ROWS);
        assert_true(read->value[0][1] == table[1].kappa);
        assay_table_free(read);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(wrong_files_are_named),
        TEST(no_truncated_file_is_accepted),
        TEST(no_flipped_bit_changes_the_table),
        TEST(kills_leave_a_file_that_opens),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
