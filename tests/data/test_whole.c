// SPDX-License-Identifier: Apache-2.0
// Values that an HDF5 file names but does not hold are an error, for images, labels, weights and
// batches alike: HDF5 itself reads fill values in their place.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>

#include "assay/data.h"
#include "scratch.h"

enum { N = 5, SIDE = 8, EACH = 3 * SIDE * SIDE, SIZE = N * EACH };

static const hsize_t shape[4] = {N, 3, SIDE, SIDE}, one[4] = {1, 3, SIDE, SIDE};
static double x[SIZE];

static int setup(void **state)
{
    for (int i = 0; i < SIZE; i++) x[i] = i / (double)SIZE;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return scratch_open(state);
}

// ---- files -------------------------------------------------------------------------------------

static hid_t create(void **state, const char *name, bool latest)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (latest) H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(scratch_path(state, name), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    assert_true(file >= 0);
    H5Pclose(access);
    return file;
}

// An empty data set of doubles; takes the property list.
static hid_t make(hid_t file, const char *name, int ndim, const hsize_t *dim, const hsize_t *most,
                  hid_t plist)
{
    const hid_t space = H5Screate_simple(ndim, dim, most);
    const hid_t set =
        H5Dcreate2(file, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Sclose(space);
    H5Pclose(plist);
    return set;
}

static hid_t plain(void)
{
    return H5Pcreate(H5P_DATASET_CREATE);
}

static hid_t chunked(const hsize_t *chunk)
{
    const hid_t plist = plain();
    H5Pset_chunk(plist, 4, chunk);
    return plist;
}

// Writes n images from the first on; closes the data set.
static void fill(hid_t set, hsize_t first, hsize_t n)
{
    const hsize_t start[4] = {first}, count[4] = {n, 3, SIDE, SIDE};
    const hid_t to = H5Dget_space(set), from = H5Screate_simple(4, count, NULL);
    if (n) {
        H5Sselect_hyperslab(to, H5S_SELECT_SET, start, NULL, count, NULL);
        assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, from, to, H5P_DEFAULT, x + first * EACH) >= 0);
    }
    H5Sclose(to);
    H5Sclose(from);
    H5Dclose(set);
}

static void put_labels(hid_t file, bool written)
{
    static const int32_t label[N] = {0, 1, 2, 3, 4};
    const hsize_t n = N;
    const hid_t space = H5Screate_simple(1, &n, NULL);
    const hid_t set =
        H5Dcreate2(file, "labels", H5T_NATIVE_INT32, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (written) H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, label);
    H5Sclose(space);
    H5Dclose(set);
}

// ---- both ways to read them --------------------------------------------------------------------

static int read_images(const char *where, struct assay_err *err)
{
    struct assay_data *data = NULL;
    struct assay_data_spec spec = {
        .source = "hdf5", .split = "train", .image = SIDE, .classes = 10};
    snprintf(spec.path, sizeof spec.path, "%s", where);
    const int status = assay_data_open(&data, &spec, err);
    assert_true((data != NULL) == (status >= 0));
    assay_data_close(data);
    return status;
}

static void is_refused(void **state, const char *name, const char *part)
{
    struct assay_arrays arrays;
    struct assay_err err = {0};
    char where[ASSAY_TEXT_MAX];
    snprintf(where, sizeof where, "%s:%s", scratch_path(state, "x.h5"), name);
    assert_int_equal(read_images(where, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, where);
    ASSERT_CONTAINS(err.text, part);
    err = (struct assay_err){0};
    assert_int_equal(assay_arrays_read(&arrays, where, &err), ASSAY_ERR_INPUT);
    assert_int_equal(arrays.n, 0);
    ASSERT_CONTAINS(err.text, where);
    ASSERT_CONTAINS(err.text, part);
}

static void is_read(void **state, const char *name, const double *expected)
{
    struct assay_arrays arrays;
    struct assay_err err = {0};
    char where[ASSAY_TEXT_MAX];
    snprintf(where, sizeof where, "%s:%s", scratch_path(state, "x.h5"), name);
    if (read_images(where, &err) < 0) fail_msg("%s", err.text);
    if (assay_arrays_read(&arrays, where, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(arrays.item[0].size, SIZE);
    assert_memory_equal(arrays.item[0].value, expected, sizeof x);
    assay_arrays_free(&arrays);
}

// ---- contiguous --------------------------------------------------------------------------------

static void what_was_never_written_is_refused(void **state)
{
    const hid_t file = create(state, "x.h5", false);
    H5Gclose(H5Gcreate2(file, "weights", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(make(file, "x", 4, shape, NULL, plain()));
    fill(make(file, "weights/a", 4, shape, NULL, plain()), 0, N);
    H5Dclose(make(file, "weights/b", 4, shape, NULL, plain()));
    H5Fclose(file);
    is_refused(state, "/x", "/x: created, but its values were never written");
    struct assay_arrays arrays;
    struct assay_err err = {0};
    char where[ASSAY_TEXT_MAX];
    snprintf(where, sizeof where, "%s:/weights", scratch_path(state, "x.h5"));
    assert_int_equal(assay_arrays_read(&arrays, where, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "/weights/b: created, but its values were never written");
}

static void unwritten_labels_are_refused(void **state)
{
    char where[ASSAY_TEXT_MAX];
    for (int written = 0; written < 2; written++) {
        struct assay_err err = {0};
        const hid_t file = create(state, "x.h5", false);
        fill(make(file, "x", 4, shape, NULL, plain()), 0, N);
        put_labels(file, written);
        H5Fclose(file);
        snprintf(where, sizeof where, "%s:/x", scratch_path(state, "x.h5"));
        assert_int_equal(read_images(where, &err), written ? ASSAY_OK : ASSAY_ERR_INPUT);
        if (!written) ASSERT_CONTAINS(err.text, "its labels /labels: created, but its values");
    }
}

// Zeros that are there are numbers like others, whether a program wrote them or HDF5 did.
static void stored_zeros_are_values(void **state)
{
    static const double zero[SIZE];
    const hid_t file = create(state, "x.h5", false);
    hid_t plist = plain(), set;
    H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
    H5Dclose(make(file, "early", 4, shape, NULL, plist));
    plist = plain();
    H5Pset_layout(plist, H5D_COMPACT);
    H5Dclose(make(file, "compact", 4, shape, NULL, plist));
    for (int deflated = 0; deflated < 3; deflated++) {
        plist = deflated ? chunked(one) : plain();
        if (deflated > 1) H5Pset_deflate(plist, 4);
        set = make(file, (const char *[]){"plain", "chunked", "deflated"}[deflated], 4, shape, NULL,
                   plist);
        H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zero);
        H5Dclose(set);
    }
    H5Fclose(file);
    for (int i = 0; i < 5; i++)
        is_read(state, (const char *[]){"/early", "/compact", "/plain", "/chunked", "/deflated"}[i],
                zero);
}

// ---- chunked -----------------------------------------------------------------------------------

// HDF5 has five kinds of chunk index, which the format's version and the largest shape choose.
static void every_chunk_must_be_written(void **state)
{
    static const hsize_t unlimited[4] = {H5S_UNLIMITED, 3, SIDE, SIDE},
                         wide[4] = {H5S_UNLIMITED, H5S_UNLIMITED, SIDE, SIDE},
                         two[4] = {2, 3, SIDE, SIDE}, all[4] = {N, 3, SIDE, SIDE};
    const hsize_t *const most[] = {NULL, unlimited, wide}, *const chunk[] = {one, two, all};
    const char *const lacks[] = {"1 of its 5 chunks", "1 of its 3 chunks", "1 of its 1 chunks"};
    for (int t = 0; t < 2 * 3 * 3; t++) {
        const int c = t % 3, first = (const int[]){3, 2, N}[c];
        const hid_t file = create(state, "x.h5", t / 9);
        fill(make(file, "whole", 4, shape, most[t / 3 % 3], chunked(chunk[c])), 0, N);
        fill(make(file, "half", 4, shape, most[t / 3 % 3], chunked(chunk[c])), 0,
             (hsize_t)(first % N));
        const hid_t half = H5Dopen2(file, "half", H5P_DEFAULT);
        fill(half, 4, c < 2);
        H5Fclose(file);
        is_read(state, "/whole", x);
        is_refused(state, "/half", lacks[c]);
    }
}

// ---- external files ----------------------------------------------------------------------------

static void make_external(hid_t file, const char *set, const char *name, off_t at)
{
    const hid_t plist = plain();
    H5Pset_external(plist, name, at, sizeof x / 2);
    H5Pset_external(plist, name, at + (off_t)sizeof x / 2, H5F_UNLIMITED);
    H5Dclose(make(file, set, 4, shape, NULL, plist));
}

static void external_files_must_be_there(void **state)
{
    char bytes[16 + sizeof x];
    memcpy(bytes + 16, x, sizeof x);
    const hid_t file = create(state, "x.h5", false);
    make_external(file, "x", scratch_path(state, "x.raw"), 16);
    make_external(file, "beside", "x.raw", 16);
    H5Fclose(file);
    is_refused(state, "/x", "x.raw': No such file");
    scratch_write(scratch_path(state, "x.raw"), bytes, sizeof bytes - 1);
    is_refused(state, "/x", "of 7695 bytes; expected at least 7696");
    scratch_write(scratch_path(state, "x.raw"), bytes, sizeof bytes);
    is_read(state, "/x", x);
    is_refused(state, "/beside", "'x.raw': No such file");
}

// ---- virtual data sets -------------------------------------------------------------------------

// Adds images first..first+n-1 from those of the same numbers in a source.
static void map(hid_t plist, hsize_t first, hsize_t n, const char *file, const char *set)
{
    const hsize_t start[4] = {first}, count[4] = {n, 3, SIDE, SIDE};
    const hid_t space = H5Screate_simple(4, shape, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    assert_true(H5Pset_virtual(plist, space, file, set, space) >= 0);
    H5Sclose(space);
}

static void sources_of_virtual_sets_must_be_there(void **state)
{
    hid_t file = create(state, "x.h5", true), plist = plain();
    map(plist, 0, 3, scratch_path(state, "a.h5"), "a");
    map(plist, 2, 3, "b.h5", "b"); // beside it; they overlap
    H5Dclose(make(file, "x", 4, shape, NULL, plist));
    H5Fclose(file);
    is_refused(state, "/x", "a.h5:a: no such HDF5 file");
    file = create(state, "a.h5", false);
    fill(make(file, "a", 4, shape, NULL, chunked(one)), 0, 4);
    H5Fclose(file);
    is_refused(state, "/x", "a.h5:a: 1 of its 5 chunks were never written");
    file = create(state, "a.h5", false);
    fill(make(file, "a", 4, shape, NULL, chunked(one)), 0, N);
    H5Fclose(file);
    is_refused(state, "/x", "its source b.h5:b: no such HDF5 file");
    file = create(state, "b.h5", false);
    H5Fclose(file);
    is_refused(state, "/x", "its source b.h5:b: no such data set");
    file = create(state, "b.h5", false);
    fill(make(file, "b", 4, one, NULL, plain()), 0, 1);
    H5Fclose(file);
    is_refused(state, "/x", "b.h5:b: shape (1,3,8,8), which is not what");
    file = create(state, "b.h5", false);
    fill(make(file, "b", 4, shape, NULL, plain()), 0, N);
    H5Fclose(file);
    is_read(state, "/x", x);
}

static void virtual_sets_must_be_covered(void **state)
{
    static const hsize_t most[4] = {H5S_UNLIMITED, 3, SIDE, SIDE};
    const hid_t file = create(state, "x.h5", true), space = H5Screate_simple(4, shape, most);
    fill(make(file, "s", 4, shape, NULL, plain()), 0, N);
    hid_t plist = plain();
    map(plist, 0, 2, ".", "s");
    map(plist, 3, 2, ".", "s");
    H5Dclose(make(file, "gap", 4, shape, NULL, plist));
    plist = plain();
    H5Pset_virtual(plist, space, ".", "s", space); // the whole of it
    H5Dclose(make(file, "all", 4, shape, NULL, plist));
    plist = plain();
    H5Sselect_hyperslab(space, H5S_SELECT_SET, (const hsize_t[4]){0}, shape,
                        (const hsize_t[4]){H5S_UNLIMITED, 1, 1, 1}, one);
    H5Pset_virtual(plist, space, ".", "s", space);
    H5Dclose(make(file, "endless", 4, shape, most, plist));
    plist = plain();
    map(plist, 0, N, ".", "itself");
    H5Dclose(make(file, "itself", 4, shape, NULL, plist));
    H5Sclose(space);
    H5Fclose(file);
    is_refused(state, "/gap", "whose sources have 768 of its 960 values");
    is_read(state, "/all", x);
    is_refused(state, "/endless", "sources cannot be checked");
    is_refused(state, "/itself", "more than 8 virtual data sets in each other");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_written_is_refused), TEST(unwritten_labels_are_refused),
        TEST(stored_zeros_are_values),           TEST(every_chunk_must_be_written),
        TEST(external_files_must_be_there),      TEST(sources_of_virtual_sets_must_be_there),
        TEST(virtual_sets_must_be_covered),
    };
    return cmocka_run_group_tests_name("whole", tests, NULL, NULL);
}
