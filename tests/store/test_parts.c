// SPDX-License-Identifier: Apache-2.0
// Reading the parts of a result file that a table has not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results.h"

static struct assay_parts *open_parts(const char *path)
{
    struct assay_parts *parts;
    struct assay_err err;
    if (assay_parts_open(&parts, path, &err) < 0) fail_msg("%s", err.text);
    return parts;
}

static const char *written(void **state, struct fixture *f)
{
    fill(f);
    assay_table_free(write_and_read(state, f));
    return scratch_path(state, "results.h5");
}

static void parts_are_what_was_written(void **state)
{
    struct fixture f;
    struct assay_parts *parts = open_parts(written(state, &f));
    struct assay_values values;
    struct assay_err err;
    const uint64_t chosen[2] = {1, 7};
    const char *text;
    char **arch;
    uint64_t n;
    assert_false(assay_parts_is_search(parts));
    assert_int_equal(assay_parts_numbers(parts, "spectrum", &values, &err), ASSAY_OK);
    assert_int_equal(values.n, ROWS);
    assert_int_equal(values.width, REPEATS * EIGENVALUES);
    const double *whole = values.value;
    assert_int_equal(assay_parts_rows(parts, "spectrum", ROWS, chosen, 2, &values, &err), ASSAY_OK);
    assert_int_equal(values.n, 2);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(values.value + i * REPEATS * EIGENVALUES, f.spectrum[chosen[i]],
                            sizeof f.spectrum[0]);
    assert_memory_equal(whole + 7 * REPEATS * EIGENVALUES, f.spectrum[7], sizeof f.spectrum[0]);
    assert_int_equal(assay_parts_texts(parts, "table/arch", &arch, &n, &err), ASSAY_OK);
    assert_int_equal(n, ROWS);
    assert_string_equal(arch[8], "|last~0|");
    assert_int_equal(assay_parts_attr(parts, "/", f.attr[0].name, &text, &err), ASSAY_OK);
    assert_string_equal(text, f.attr[0].text);
    assay_parts_close(parts);
}

static void what_is_not_there_is_no_error(void **state)
{
    struct fixture f;
    struct assay_parts *parts = open_parts(written(state, &f));
    struct assay_values values;
    struct assay_err err;
    const char *text = "";
    char **texts;
    uint64_t n;
    assert_int_equal(assay_parts_numbers(parts, "rounds/kappa", &values, &err), ASSAY_OK);
    assert_int_equal(values.n, 0);
    assert_int_equal(assay_parts_texts(parts, "table/none", &texts, &n, &err), ASSAY_OK);
    assert_int_equal(n, 0);
    assert_int_equal(assay_parts_attr(parts, "/run", "none", &text, &err), ASSAY_OK);
    assert_null(text);
    assert_int_equal(assay_parts_attr(parts, "/none", "host", &text, &err), ASSAY_OK);
    assert_null(text);
    assay_parts_close(parts);
}

static void wrong_parts_are_named(void **state)
{
    struct fixture f;
    const char *path = written(state, &f);
    struct assay_parts *parts = open_parts(path);
    struct assay_values values;
    struct assay_err err;
    const uint64_t first = 0;
    char **texts;
    uint64_t n;
    assert_int_equal(assay_parts_rows(parts, "spectrum", ROWS + 1, &first, 1, &values, &err),
                     ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "spectrum has another length than the table");
    assert_int_equal(assay_parts_numbers(parts, "table/arch", &values, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "results.h5: table/arch holds no numbers");
    assert_int_equal(assay_parts_texts(parts, "table/kappa", &texts, &n, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "table/kappa holds no texts");
    assay_parts_close(parts);
}

// Links lead anywhere, a data set that was never filled reads as zeros.
static void forged_parts_are_refused(void **state)
{
    const char *path = scratch_path(state, "forged.h5");
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t scalar = H5Screate(H5S_SCALAR);
    const hid_t attr =
        H5Acreate2(file, "assay_series", H5T_NATIVE_INT, scalar, H5P_DEFAULT, H5P_DEFAULT);
    const int one = 1;
    const hsize_t dim[4] = {1000, 2, 2, 2};
    assert_true(H5Awrite(attr, H5T_NATIVE_INT, &one) >= 0);
    const hid_t group = H5Gcreate2(file, "rounds", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/rounds", group, "linked", H5P_DEFAULT, H5P_DEFAULT);
    for (int n = 1; n <= 4; n += 3) {
        const hid_t space = H5Screate_simple(n, dim, NULL);
        H5Dclose(H5Dcreate2(group, n == 1 ? "empty" : "deep", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT,
                            H5P_DEFAULT, H5P_DEFAULT));
        H5Sclose(space);
    }
    H5Gclose(group), H5Aclose(attr), H5Sclose(scalar), H5Fclose(file);
    struct assay_parts *parts = open_parts(path);
    struct assay_values values;
    struct assay_err err;
    assert_true(assay_parts_is_search(parts));
    assert_int_equal(assay_parts_numbers(parts, "rounds/linked", &values, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "rounds/linked is a link");
    assert_int_equal(assay_parts_numbers(parts, "rounds/empty", &values, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "never filled");
    assert_int_equal(assay_parts_numbers(parts, "rounds/deep", &values, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "one to three dimensions");
    assay_parts_close(parts);
}

// Reads what a report does; false: something is wrong without a text that names the file.
static bool explains_all(const char *path)
{
    static const char *const set[] = {"spectrum", "run/seconds", "table/kappa", "repeats/kappa"};
    const uint64_t chosen[2] = {0, ROWS - 1};
    struct assay_parts *parts;
    struct assay_values values;
    struct assay_err err;
    const char *text;
    char **texts;
    uint64_t n;
    bool good = true;
#define TRY(call)                                                                                  \
    do {                                                                                           \
        err = (struct assay_err){0};                                                               \
        if ((call) < 0) good &= strstr(err.text, "results.h5: ") != NULL;                          \
    } while (0)
    err = (struct assay_err){0};
    if (assay_parts_open(&parts, path, &err) < 0) return strstr(err.text, "results.h5: ");
    for (size_t i = 0; i < ASSAY_LEN(set); i++)
        TRY(assay_parts_numbers(parts, set[i], &values, &err));
    TRY(assay_parts_rows(parts, "spectrum", ROWS, chosen, 2, &values, &err));
    TRY(assay_parts_texts(parts, "table/reason", &texts, &n, &err));
    TRY(assay_parts_attr(parts, "/", "config", &text, &err));
    assay_parts_close(parts);
    return good;
}

// In a process of its own, which the guard ends where HDF5 crashes. Its answer comes back in a
// pipe, because Valgrind changes the exit status of a process that leaks.
static void damage_is_named(void **state)
{
    struct fixture f;
    const char *path = written(state, &f);
    size_t n;
    unsigned char *bytes = scratch_read(path, &n);
    for (size_t at = 0; at < n; at += 101) {
        int answer[2], status;
        char good = 1;
        bytes[at] ^= (unsigned char)(1u << at % 8);
        scratch_write(path, bytes, at % 3 ? n : at);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        assert_int_equal(pipe(answer), 0);
        const pid_t child = fork();
        if (child == 0) {
            good = explains_all(path);
            _exit(write(answer[1], &good, 1) != 1);
        }
        close(answer[1]);
        const bool answered = read(answer[0], &good, 1) == 1;
        close(answer[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(good && (answered || WIFEXITED(status)));
    }
    free(bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(parts_are_what_was_written),
        TEST(what_is_not_there_is_no_error),
        TEST(wrong_parts_are_named),
        TEST(forged_parts_are_refused),
        TEST(damage_is_named),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
