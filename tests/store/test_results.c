// SPDX-License-Identifier: Apache-2.0
// results.h5: round trip, rankings, identical files for equal results, failures that change
// nothing.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

#include "results.h"

static const uint64_t by_kappa[ROWS] = {5, 1, 3, 0, 7, 2, 4, 6, 8};
static const uint64_t kappa_rank[ROWS] = {4, 2, 6, 2, 6, 1, 6, 5, 6};
static const uint64_t by_regions[ROWS] = {7, 4, 3, 0, 1, 2, 5, 6, 8};
static const uint64_t regions_rank[ROWS] = {4, 4, 6, 3, 2, 6, 6, 1, 6};
// Sums: row 0: 8, 1: 6, 3: 5, 7: 6; rows 1 and 7 tie, kappa's rank decides.
static const uint64_t by_tenas[ROWS] = {3, 1, 7, 0, 2, 4, 5, 6, 8};
static const uint64_t tenas_rank[ROWS] = {4, 2, 5, 1, 5, 5, 5, 3, 5};

static unsigned column_of(const struct assay_table *read, const char *name)
{
    for (unsigned c = 0; c < read->n_column; c++)
        if (strcmp(read->name[c], name) == 0) return c;
    fail_msg("no column %s", name);
    return 0;
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

// ---- what is written is read -------------------------------------------------------------------

static void table_comes_back(void **state)
{
    static const char *const names[] = {"kappa", "regions", "numerical_rank", "params", "tenas"};
    static const int directions[] = {-1, 1, 0, 1, -1};
    struct fixture f;
    fill(&f);
    struct assay_table *read = write_and_read(state, &f);
    assert_int_equal(read->n_row, ROWS);
    assert_int_equal(read->n_column, 5);
    for (unsigned c = 0; c < 5; c++) {
        assert_string_equal(read->name[c], names[c]);
        assert_int_equal(read->direction[c], directions[c]);
        assert_int_equal(read->error[c] != NULL, c < COLUMNS);
    }
    assert_string_equal(read->unit[3], "M");
    assert_string_equal(read->protocol[1], "3 x 1000");
    assert_string_equal(read->source[0], "TE-NAS, Eq. 4");
    for (int i = 0; i < ROWS; i++) {
        const bool done = table[i].status != UNFINISHED;
        assert_int_equal(read->index[i], 2 * i + 1);
        assert_string_equal(read->arch[i], f.row[i].arch);
        assert_int_equal(read->status[i], table[i].status);
        assert_true(same(read->value[0][i], done ? table[i].kappa : NAN));
        assert_true(same(read->value[1][i], done ? table[i].regions : NAN));
        assert_true(read->value[3][i] == f.params[i]);
        // Two values at distance 1: standard deviation sqrt(1/2), over sqrt(2).
        assert_true(same(read->error[0][i], done && isfinite(table[i].kappa) ? 0.5 : NAN));
    }
    assay_table_free(read);
}

static void one_repeat_has_no_error(void **state)
{
    struct fixture f;
    fill(&f);
    struct assay_schema once = schema;
    once.repeats = 1;
    once.spectrum_len = 0;
    f.results.schema = &once;
    struct assay_table *read = write_and_read(state, &f);
    for (int i = 0; i < ROWS; i++) assert_true(isnan(read->error[0][i]));
    assert_true(read->value[0][0] == table[0].kappa - 0.5);
    assay_table_free(read);
}

static void read_set(void **state, const char *path, hid_t type, void *value)
{
    const hid_t file = H5Fopen(scratch_path(state, "results.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    if (set < 0) fail_msg("no data set %s", path);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Fclose(file);
}

static void repeats_spectrum_and_run_are_whole(void **state)
{
    struct fixture f;
    double repeats[ROWS][REPEATS], spectrum[ROWS][REPEATS][EIGENVALUES], seconds[ROWS];
    fill(&f);
    f.value[1][0][1] = -NAN; // one bit pattern in the file
    assay_table_free(write_and_read(state, &f));
    read_set(state, "/repeats/regions", H5T_NATIVE_DOUBLE, repeats);
    read_set(state, "/spectrum", H5T_NATIVE_DOUBLE, spectrum);
    read_set(state, "/run/seconds", H5T_NATIVE_DOUBLE, seconds);
    assert_false(signbit(repeats[1][0]));
    for (int i = 0; i < ROWS; i++) {
        const bool done = table[i].status != UNFINISHED;
        assert_true(same(seconds[i], done ? i : NAN));
        for (int r = 0; r < REPEATS; r++) {
            assert_true(same(repeats[i][r], done ? f.value[i][r][1] : NAN));
            for (int k = 0; k < EIGENVALUES; k++)
                assert_true(same(spectrum[i][r][k], done ? f.spectrum[i][r][k] : NAN));
        }
    }
}

static void no_rows_are_a_table_too(void **state)
{
    struct fixture f;
    fill(&f);
    f.results.n_row = 0;
    struct assay_table *read = write_and_read(state, &f);
    assert_int_equal(read->n_row, 0);
    assert_int_equal(read->n_column, 5);
    assay_table_free(read);
}

// ---- rankings ----------------------------------------------------------------------------------

static void assert_ranking(void **state, const char *name, const uint64_t *order,
                           const uint64_t *rank)
{
    uint64_t got[ROWS];
    char path[64];
    snprintf(path, sizeof path, "/rankings/%s", name);
    read_set(state, path, H5T_NATIVE_UINT64, got);
    assert_memory_equal(got, order, sizeof got);
    snprintf(path, sizeof path, "/ranks/%s", name);
    read_set(state, path, H5T_NATIVE_UINT64, got);
    assert_memory_equal(got, rank, sizeof got);
}

static void rankings_know_ties_and_put_invalid_last(void **state)
{
    struct fixture f;
    fill(&f);
    struct assay_table *read = write_and_read(state, &f);
    assert_ranking(state, "kappa", by_kappa, kappa_rank);
    assert_ranking(state, "regions", by_regions, regions_rank);
    assert_ranking(state, "tenas", by_tenas, tenas_rank);
    assert_int_equal(read->n_ranking,
                     4); // kappa, regions, params, tenas: not the one without direction
    assert_string_equal(read->ranking[3], "tenas");
    assert_memory_equal(read->order[3], by_tenas, sizeof by_tenas);
    const double *sum = read->value[column_of(read, "tenas")];
    for (int i = 0; i < ROWS; i++) {
        const bool valid =
            table[i].status == OK && isfinite(table[i].kappa) && isfinite(table[i].regions);
        assert_true(same(sum[i], valid ? (double)(kappa_rank[i] + regions_rank[i]) : NAN));
    }
    assay_table_free(read);
}

static void a_score_needs_its_columns(void **state)
{
    struct fixture f;
    struct assay_err err = {0};
    fill(&f);
    struct assay_schema one = schema;
    one.n_column = 1;
    f.results.schema = &one;
    assert_int_equal(assay_results_write(*state, &f.results, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "results.h5: tenas = 'kappa + regions': position 9: unknown "
                                     "column 'regions'; there are: kappa, params"));
    f.results.n_score = 0;
    struct assay_table *read = write_and_read(state, &f);
    assert_int_equal(read->n_column, 2); // kappa, params
    assert_int_equal(read->n_ranking, 2);
    assay_table_free(read);
}

// Also of scores that stand before it.
static void scores_are_columns_like_others(void **state)
{
    static const struct assay_score score[] = {
        {"tenas", "kappa + regions", "rank sum", "s", "p"},
        {"cheap", "3*tenas - params", "rank sum", "ours", "3*tenas - params"},
        {"ln", "lnrank(params)", "sum of ln(rank/M)", "ours", "lnrank(params)"},
    };
    struct fixture f;
    fill(&f);
    f.results.score = score;
    f.results.n_score = 3;
    struct assay_table *read = write_and_read(state, &f);
    const unsigned tenas = column_of(read, "tenas"), cheap = column_of(read, "cheap");
    assert_int_equal(cheap, tenas + 1);
    assert_int_equal(read->direction[cheap], -1);
    assert_int_equal(read->direction[cheap + 1], +1);
    assert_string_equal(read->unit[cheap + 1], "sum of ln(rank/M)");
    assert_string_equal(read->protocol[cheap], "3*tenas - params");
    uint64_t params_rank[ROWS];
    read_set(state, "/ranks/params", H5T_NATIVE_UINT64, params_rank);
    for (int i = 0; i < ROWS; i++) {
        const bool valid = tenas_rank[i] < 5;
        const double sum = 3.0 * (double)tenas_rank[i] - (double)params_rank[i];
        assert_true(same(read->value[cheap][i], valid ? sum : NAN));
    }
    assay_table_free(read);
}

// ---- the file ----------------------------------------------------------------------------------

static void equal_results_are_equal_files(void **state)
{
    struct fixture f;
    size_t n[3];
    unsigned char *bytes[3];
    fill(&f);
    for (int i = 0; i < 3; i++) {
        if (i == 2) { // another run: other times, the same results
            for (int k = 0; k < ROWS; k++) f.record[k].seconds += 1 + k;
            usleep(1100000);
        }
        assay_table_free(write_and_read(state, &f));
        bytes[i] = scratch_read(scratch_path(state, "results.h5"), &n[i]);
        assert_int_equal(n[i], n[0]);
    }
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    size_t different = 0;
    for (size_t k = 0; k < n[0]; k++) different += bytes[0][k] != bytes[2][k];
    assert_in_range(different, 1, ROWS * sizeof(double));
    for (int i = 0; i < 3; i++) free(bytes[i]);
}

// 3 are ".", ".." and results.h5: no temporary file stays.
static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

static void failed_write_leaves_the_former_file(void **state)
{
    struct fixture f;
    struct assay_err err = {0};
    struct rlimit old, low;
    size_t n, n_after;
    fill(&f);
    assay_table_free(write_and_read(state, &f));
    unsigned char *before = scratch_read(scratch_path(state, "results.h5"), &n);
    f.value[0][0][0] = 77;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){.rlim_cur = n / 2, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    const int status = assay_results_write(*state, &f.results, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, ASSAY_ERR_IO);
    ASSERT_CONTAINS(err.text, "cannot write ");
    ASSERT_CONTAINS(err.text, "results.h5");
    unsigned char *after = scratch_read(scratch_path(state, "results.h5"), &n_after);
    assert_int_equal(n, n_after);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    assert_int_equal(entries(*state), 3);
    assert_int_equal(assay_results_write("/nonexistent", &f.results, &err), ASSAY_ERR_IO);
}

static int give_spectrum(void *self, uint64_t row, double *spectrum, struct assay_err *err)
{
    const struct fixture *f = self;
    if (row == 4 && f->attr[1].text[0] == '!')
        return assay_err_set(err, ASSAY_ERR_INPUT, "no such spectrum");
    memcpy(spectrum, f->spectrum[row], sizeof f->spectrum[row]);
    return 0;
}

// Spectra that are not in the records are read, one at a time.
static void spectra_may_stay_elsewhere(void **state)
{
    struct fixture f;
    struct assay_err err = {0};
    size_t n, m;
    fill(&f);
    assay_table_free(write_and_read(state, &f));
    unsigned char *before = scratch_read(scratch_path(state, "results.h5"), &n);
    for (int i = 0; i < ROWS; i++) f.record[i].spectrum = NULL;
    f.results.spectrum = give_spectrum;
    f.results.self = &f;
    assay_table_free(write_and_read(state, &f));
    unsigned char *after = scratch_read(scratch_path(state, "results.h5"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    f.attr[1].text = "!";
    assert_int_equal(assay_results_write(*state, &f.results, &err), ASSAY_ERR_INPUT);
    assert_string_equal(err.text, "no such spectrum");
    free(before);
    free(after);
}

struct pauses {
    int n, end; // so many were made; the one that ends it
};

static int pause_at(void *self, struct assay_err *err)
{
    struct pauses *p = self;
    (void)err;
    return ++p->n == p->end ? 7 : 0;
}

// Wherever a pause ends the writing, the former file stays and nothing else does.
static void a_pause_may_end_the_writing(void **state)
{
    struct fixture f;
    struct assay_err err = {0};
    size_t n, m;
    int status = 7;
    fill(&f);
    assay_table_free(write_and_read(state, &f));
    unsigned char *before = scratch_read(scratch_path(state, "results.h5"), &n);
    f.value[0][0][0] = 77;
    for (int end = 1; status == 7; end++) {
        struct pauses p = {.end = end};
        f.results.pause = &(struct assay_pause){.call = pause_at, .self = &p};
        status = assay_results_write(*state, &f.results, &err);
        assert_int_equal(p.n, status ? end : end - 1);
        unsigned char *after = scratch_read(scratch_path(state, "results.h5"), &m);
        assert_true((n == m && memcmp(before, after, n) == 0) == (status == 7));
        free(after);
        if (!status) assert_true(end > 20);
    }
    assert_int_equal(status, 0);
    assert_int_equal(entries(*state), 3);
    free(before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(table_comes_back),
        TEST(one_repeat_has_no_error),
        TEST(repeats_spectrum_and_run_are_whole),
        TEST(no_rows_are_a_table_too),
        TEST(rankings_know_ties_and_put_invalid_last),
        TEST(a_score_needs_its_columns),
        TEST(scores_are_columns_like_others),
        TEST(equal_results_are_equal_files),
        TEST(failed_write_leaves_the_former_file),
        TEST(spectra_may_stay_elsewhere),
        TEST(a_pause_may_end_the_writing),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
