// SPDX-License-Identifier: Apache-2.0
// HDF5 files as a source of images, weights and batches.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <math.h>

#include "data/source.h"
#include "scratch.h"

enum { N = 5, SIDE = 8, SIZE = N * 3 * SIDE * SIDE };

static void put(hid_t group, const char *name, hid_t type, int ndim, const hsize_t *dim,
                const void *value)
{
    const hid_t space = ndim ? H5Screate_simple(ndim, dim, NULL) : H5Screate(H5S_SCALAR);
    const hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    if (value) assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static hid_t create(void **state)
{
    const hid_t file =
        H5Fcreate(scratch_path(state, "x.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static const hsize_t shape[4] = {N, 3, SIDE, SIDE};

// ---- images ------------------------------------------------------------------------------------

static int open_images(void **state, const char *set, struct assay_data **data,
                       struct assay_err *err)
{
    struct assay_data_spec spec = {
        .source = "hdf5", .split = "train", .image = SIDE, .classes = 10};
    snprintf(spec.path, sizeof spec.path, "%s:%s", scratch_path(state, "x.h5"), set);
    *data = NULL;
    return assay_data_open(data, &spec, err);
}

static void images_fail(void **state, const char *set, const char *part)
{
    struct assay_data *data;
    struct assay_err err = {0};
    assert_int_equal(open_images(state, set, &data, &err), ASSAY_ERR_INPUT);
    assert_null(data);
    ASSERT_CONTAINS(err.text, "x.h5");
    ASSERT_CONTAINS(err.text, part);
}

static void images_of_every_type(void **state)
{
    static unsigned char u8[SIZE];
    static float f32[SIZE];
    static double f64[SIZE], x[SIZE];
    const int16_t label[N] = {4, 0, 9, 1, 7};
    for (int i = 0; i < SIZE; i++) {
        u8[i] = (unsigned char)(i % 253);
        f64[i] = u8[i] / 255.0;
        f32[i] = (float)f64[i];
    }
    const hid_t file = create(state);
    const hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put(group, "u8", H5T_NATIVE_UCHAR, 4, shape, u8);
    put(group, "f32", H5T_IEEE_F32BE, 4, shape, NULL);
    put(group, "f64", H5T_NATIVE_DOUBLE, 4, shape, f64);
    put(group, "labels", H5T_NATIVE_INT16, 1, shape, label);
    const hid_t set = H5Dopen2(group, "f32", H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, f32) >= 0);
    H5Dclose(set);
    H5Gclose(group);
    H5Fclose(file);
    for (int t = 0; t < 3; t++) {
        struct assay_data *data;
        struct assay_err err = {0};
        uint32_t drawn[N];
        if (open_images(state, (const char *[]){"/g/u8", "/g/f32", "/g/f64"}[t], &data, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(assay_data_count(data), N);
        assert_int_equal(assay_data_batch(data, 1, 0, "ntk", N, x, drawn, &err), ASSAY_OK);
        for (int k = 0; k < N; k++) {
            int i = 0; // the image of this label
            while (label[i] != (int)drawn[k]) i++;
            for (int v = 0; v < SIZE / N; v++)
                assert_true(fabs(x[k * (SIZE / N) + v] - f64[i * (SIZE / N) + v]) <
                            (t == 1 ? 1e-7 : 1e-15));
        }
        assay_data_close(data);
    }
}

static void wrong_images_are_named(void **state)
{
    static double x[SIZE];
    static int32_t ints[SIZE];
    const hsize_t other[4] = {N, 1, SIDE, SIDE};
    const int32_t label[N] = {0, 1, -2, 3, 4};
    const hid_t file = create(state);
    put(file, "ok", H5T_NATIVE_DOUBLE, 4, shape, x);
    put(file, "grey", H5T_NATIVE_DOUBLE, 4, other, x);
    put(file, "flat", H5T_NATIVE_DOUBLE, 1, shape, x);
    put(file, "ints", H5T_NATIVE_INT32, 4, shape, ints);
    put(file, "labels", H5T_NATIVE_INT32, 1, shape, label);
    x[3 * SIZE / N] = NAN;
    put(file, "nan", H5T_NATIVE_DOUBLE, 4, shape, x);
    const hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    x[3 * SIZE / N] = 0;
    put(group, "x", H5T_NATIVE_DOUBLE, 4, shape, x);
    put(group, "labels", H5T_NATIVE_INT32, 1, (const hsize_t[]){N - 1}, label);
    H5Gclose(group);
    H5Fclose(file);
    images_fail(state, "/missing", "/missing: no such data set");
    images_fail(state, "/grey", "shape (5,1,8,8); expected (n,3,8,8), as network.image is 8");
    images_fail(state, "/flat", "shape (5); expected (n,3,8,8)");
    images_fail(state, "/ints",
                "32-bit signed integers; expected floating point or unsigned 8-bit");
    images_fail(state, "/nan", "image 3 holds nan");
    images_fail(state, "/ok", "label 2 is -2");
    images_fail(state, "/g/x", "shape (4); expected 5 integers");
}

static void wrong_files_are_named(void **state)
{
    static double x[SIZE];
    const char *path = scratch_path(state, "x.h5");
    images_fail(state, "/x", "no such file");
    scratch_write(path, "no HDF5", 7);
    images_fail(state, "/x", "not an HDF5 file (7 bytes");
    const hid_t file = create(state);
    put(file, "x", H5T_NATIVE_DOUBLE, 4, shape, x);
    H5Fclose(file);
    path = scratch_path(state, "x.h5");
    assert_int_equal(truncate(path, 4000), 0);
    images_fail(state, "/x", "truncated");
    struct assay_data *data;
    struct assay_err err = {0};
    const struct assay_data_spec spec = {
        .source = "hdf5", .path = "x.h5", .split = "train", .image = 8, .classes = 10};
    assert_int_equal(assay_data_open(&data, &spec, &err), ASSAY_ERR_CONFIG);
    ASSERT_CONTAINS(err.text, "'x.h5': expected file.h5:/path");
}

// ---- weights and batches -----------------------------------------------------------------------

static int read_arrays(void **state, const char *path, struct assay_arrays *arrays,
                       struct assay_err *err)
{
    char where[ASSAY_TEXT_MAX];
    snprintf(where, sizeof where, "%s:%s", scratch_path(state, "x.h5"), path);
    return assay_arrays_read(arrays, where, err);
}

static void arrays_fail(void **state, const char *path, const char *part)
{
    struct assay_arrays arrays;
    struct assay_err err = {0};
    assert_int_equal(read_arrays(state, path, &arrays, &err), ASSAY_ERR_INPUT);
    assert_int_equal(arrays.n, 0);
    ASSERT_CONTAINS(err.text, "x.h5");
    ASSERT_CONTAINS(err.text, part);
}

static void arrays_round_trip(void **state)
{
    const double x[6] = {1, -2, 3.5, 1e300, -0.0, 6};
    const float y[6] = {0.5f, 1, 2, 3, 4, 5};
    const int64_t scalar = 42;
    struct assay_arrays arrays;
    struct assay_err err = {0};
    const hid_t file = create(state);
    const hid_t group = H5Gcreate2(file, "weights", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put(group, "cells.0.edges.1<-0.3.op.1.weight", H5T_NATIVE_DOUBLE, 2, (const hsize_t[]){2, 3},
        x);
    put(group, "a.bias", H5T_NATIVE_FLOAT, 1, (const hsize_t[]){6}, y);
    put(group, "num_batches_tracked", H5T_NATIVE_INT64, 0, NULL, &scalar);
    H5Gclose(group);
    H5Fclose(file);
    if (read_arrays(state, "/weights", &arrays, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(arrays.n, 3);
    assert_string_equal(arrays.item[0].name, "a.bias"); // in order of names
    assert_string_equal(arrays.item[1].name, "cells.0.edges.1<-0.3.op.1.weight");
    assert_int_equal(arrays.item[1].ndim, 2);
    assert_int_equal(arrays.item[1].shape[0], 2);
    assert_int_equal(arrays.item[1].shape[1], 3);
    assert_memory_equal(arrays.item[1].value, x, sizeof x);
    for (int i = 0; i < 6; i++) assert_true(arrays.item[0].value[i] == y[i]);
    assert_int_equal(arrays.item[2].ndim, 0);
    assert_int_equal(arrays.item[2].size, 1);
    assert_true(arrays.item[2].value[0] == 42);
    assay_arrays_free(&arrays);
    assert_int_equal(read_arrays(state, "/weights/a.bias", &arrays, &err), ASSAY_OK);
    assert_int_equal(arrays.n, 1);
    assert_string_equal(arrays.item[0].name, "a.bias");
    assert_int_equal(arrays.item[0].size, 6);
    assay_arrays_free(&arrays);
}

static void wrong_arrays_are_named(void **state)
{
    const double x[6] = {0};
    const hid_t file = create(state), text = H5Tcopy(H5T_C_S1);
    const char *const groups[] = {"nested", "nested/inner", "none", "text", "empty", "dangling"};
    for (int i = 0; i < 6; i++)
        H5Gclose(H5Gcreate2(file, groups[i], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    put(file, "nested/a", H5T_NATIVE_DOUBLE, 1, (const hsize_t[]){6}, x);
    put(file, "text/a", text, 1, (const hsize_t[]){6}, "abcdef");
    put(file, "empty/a", H5T_NATIVE_DOUBLE, 2, (const hsize_t[]){6, 0}, NULL);
    put(file, "nine", H5T_NATIVE_DOUBLE, 9, (const hsize_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, x);
    H5Lcreate_soft("/gone", file, "dangling/a", H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(text);
    H5Fclose(file);
    arrays_fail(state, "/missing", "/missing: no such data set or group");
    arrays_fail(state, "/nested", "/nested/inner: not a data set");
    arrays_fail(state, "/none", "/none: the group holds no data sets");
    arrays_fail(state, "/text", "/text/a: text; expected integers or floating point");
    arrays_fail(state, "/empty", "/empty/a: the data set is empty");
    arrays_fail(state, "/nine", "9 dimensions; expected at most 8");
    arrays_fail(state, "/dangling", "/dangling/a: the link leads nowhere");
    struct assay_arrays arrays;
    struct assay_err err = {0};
    assert_int_equal(assay_arrays_read(&arrays, "/no/file.h5:/x", &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "/no/file.h5: No such file");
    assert_int_equal(assay_arrays_read(&arrays, "plain", &err), ASSAY_ERR_CONFIG);
}

// Cut anywhere, a file is an error or still holds the very values, never something else.
static void no_truncation_is_accepted(void **state)
{
    double x[400];
    for (int i = 0; i < 400; i++) x[i] = i;
    const hid_t file = create(state);
    put(file, "x", H5T_NATIVE_DOUBLE, 1, (const hsize_t[]){400}, x);
    H5Fclose(file);
    size_t n = 0;
    int refused = 0;
    unsigned char *bytes = scratch_read(scratch_path(state, "x.h5"), &n);
    for (size_t cut = 0; cut < n; cut += 61) {
        struct assay_arrays arrays;
        struct assay_err err = {0};
        scratch_write(scratch_path(state, "x.h5"), bytes, cut);
        refused += read_arrays(state, "/x", &arrays, &err) == ASSAY_ERR_INPUT;
        assay_arrays_free(&arrays);
    }
    assert_int_equal(refused, (n + 60) / 61);
    free(bytes);
}

static void golden_weights(UNUSED void **state)
{
    if (!reference_data()) {
        print_message("ASSAY_TEST_DATA is not set: no reference weights to read\n");
        skip();
    }
    char where[ASSAY_TEXT_MAX];
    struct assay_arrays arrays;
    struct assay_err err = {0};
    snprintf(where, sizeof where, "%s/golden/nb201_03_resnet_b8.h5:/weights", reference_data());
    if (assay_arrays_read(&arrays, where, &err) < 0) fail_msg("%s", err.text);
    bool stem = false;
    for (size_t i = 0; i < arrays.n; i++) stem |= !strcmp(arrays.item[i].name, "stem.0.weight");
    assert_true(stem);
    assay_arrays_free(&arrays);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(images_of_every_type),      TEST(wrong_images_are_named), TEST(wrong_files_are_named),
        TEST(arrays_round_trip),         TEST(wrong_arrays_are_named), TEST(golden_weights),
        TEST(no_truncation_is_accepted),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests_name("arrays", tests, NULL, NULL);
}
