// SPDX-License-Identifier: Apache-2.0
// Numbers of a type, or in a range, that cannot be meant.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <math.h>

#include "assay/data.h"
#include "scratch.h"

enum { N = 6, SIDE = 4, EACH = 3 * SIDE * SIDE, SIZE = N * EACH, CLASSES = 5 };

static const hsize_t shape[4] = {N, 3, SIDE, SIDE}, count[1] = {N};

static int setup(void **state)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return scratch_open(state);
}

// Replaces a data set by one whose values are stored as `type` and given as `memory`.
static void put(void **state, const char *name, hid_t type, hid_t memory, const void *value)
{
    const char *path = scratch_path(state, "x.h5");
    const bool labels = !strcmp(name, "labels");
    const hid_t file = access(path, F_OK) ? H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT)
                                          : H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(labels ? 1 : 4, labels ? count : shape, NULL);
    if (H5Lexists(file, name, H5P_DEFAULT) > 0) H5Ldelete(file, name, H5P_DEFAULT);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
}

static int open_images(void **state, bool normalise, struct assay_data **data,
                       struct assay_err *err)
{
    struct assay_data_spec spec = {.source = "hdf5",
                                   .split = "train",
                                   .image = SIDE,
                                   .classes = CLASSES,
                                   .normalise = normalise};
    snprintf(spec.path, sizeof spec.path, "%s:/x", scratch_path(state, "x.h5"));
    *data = NULL;
    return assay_data_open(data, &spec, err);
}

static void images_fail(void **state, bool normalise, const char *part)
{
    struct assay_data *data;
    struct assay_err err = {0};
    assert_int_equal(open_images(state, normalise, &data, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "x.h5:/x");
    ASSERT_CONTAINS(err.text, part);
}

// The images are read; with a warning, unless it is "".
static struct assay_data *images_work(void **state, bool normalise, const char *warning)
{
    struct assay_data *data;
    struct assay_err err = {0};
    if (open_images(state, normalise, &data, &err) < 0) fail_msg("%s", err.text);
    if (!*warning) assert_string_equal(assay_data_warning(data), "");
    ASSERT_CONTAINS(assay_data_warning(data), warning);
    return data;
}

// ---- types -------------------------------------------------------------------------------------

// Types that are no numbers, and what an error calls them; closed by the caller.
static hid_t strange_type(int i, const char **words)
{
    static const char *const what[] = {"enumerated values, such as booleans", "compound values",
                                       "text", "arrays in each element", "opaque values"};
    const hsize_t two = 2;
    const int8_t no = 0, yes = 1;
    hid_t type = H5I_INVALID_HID;
    *words = what[i];
    if (i == 0) {
        type = H5Tenum_create(H5T_NATIVE_INT8);
        H5Tenum_insert(type, "FALSE", &no);
        H5Tenum_insert(type, "TRUE", &yes);
    } else if (i == 1) {
        type = H5Tcreate(H5T_COMPOUND, 2 * sizeof(double));
        H5Tinsert(type, "r", 0, H5T_NATIVE_DOUBLE);
        H5Tinsert(type, "i", sizeof(double), H5T_NATIVE_DOUBLE);
    } else if (i == 2) {
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, 3);
    } else if (i == 3) {
        type = H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &two);
    } else {
        type = H5Tcreate(H5T_OPAQUE, 5);
    }
    return type;
}

static void no_numbers_are_named(void **state)
{
    static const double zero[2 * SIZE];
    char where[ASSAY_TEXT_MAX];
    for (int i = 0; i < 5; i++) {
        const char *words;
        struct assay_arrays arrays;
        struct assay_err err = {0};
        const hid_t type = strange_type(i, &words);
        put(state, "x", type, type, zero);
        images_fail(state, false, words);
        snprintf(where, sizeof where, "%s:/x", scratch_path(state, "x.h5"));
        assert_int_equal(assay_arrays_read(&arrays, where, &err), ASSAY_ERR_INPUT);
        ASSERT_CONTAINS(err.text, words);
        put(state, "x", H5T_NATIVE_DOUBLE, H5T_NATIVE_DOUBLE, zero);
        put(state, "labels", type, type, zero);
        images_fail(state, false, "its labels /labels: ");
        images_fail(state, false, words);
        H5Tclose(type);
    }
}

static void integers_and_wide_floats_are_no_images(void **state)
{
    static const double zero[SIZE];
    static const char *const words[] = {"8-bit signed integers", "16-bit unsigned integers",
                                        "64-bit signed integers", "80-bit floating point",
                                        "4-bit unsigned integers"};
    const hid_t nibble = H5Tcopy(H5T_NATIVE_UINT8), wide = H5Tcopy(H5T_NATIVE_LDOUBLE);
    H5Tset_precision(nibble, 4);
    const hid_t type[] = {H5T_NATIVE_INT8, H5T_NATIVE_UINT16, H5T_NATIVE_INT64, wide, nibble};
    for (int i = 0; i < 5; i++) {
        const bool other = i == 3 && H5Tget_precision(wide) != 80; // of another machine
        put(state, "x", type[i], H5T_NATIVE_DOUBLE, zero);
        images_fail(state, false, other ? "-bit floating point; expected" : words[i]);
    }
    H5Tclose(nibble);
    H5Tclose(wide);
}

// Half floats are exact.
static void half_floats_are_read_as_they_are(void **state)
{
    double value[SIZE];
    char where[ASSAY_TEXT_MAX];
    struct assay_arrays arrays;
    struct assay_err err = {0};
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    for (int i = 0; i < SIZE; i++) value[i] = (i - 7) / 1024.0;
    put(state, "x", half, H5T_NATIVE_DOUBLE, value);
    H5Tclose(half);
    assay_data_close(images_work(state, true, ""));
    snprintf(where, sizeof where, "%s:/x", scratch_path(state, "x.h5"));
    if (assay_arrays_read(&arrays, where, &err) < 0) fail_msg("%s", err.text);
    assert_memory_equal(arrays.item[0].value, value, sizeof value);
    assert_false(arrays.item[0].integer);
    assert_string_equal(arrays.item[0].type, "16-bit floating point");
    assay_arrays_free(&arrays);
}

// ---- ranges ------------------------------------------------------------------------------------

static void normalisation_is_of_values_from_0_to_1(void **state)
{
    static const struct {
        double least, most;
        const char *says; // "": nothing
        bool fails;
    } of[] = {{0, 1, "", false},
              {-0.05, 1.05, "", false},
              {-2.5, 2.75, "values from -2.5 to 2.75, and data.normalise = true", false},
              {0, 1.5, "values from 0 to 1.5,", false},
              {0, 255, "values from 0 to 255, and data.normalise = true", true},
              {-100, 0, "values from -100 to 0, and data.normalise = true", true}};
    const hid_t type[] = {H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE};
    for (size_t t = 0; t < 2 * ASSAY_LEN(of); t++) {
        double value[SIZE] = {of[t / 2].least, of[t / 2].most};
        put(state, "x", type[t % 2], H5T_NATIVE_DOUBLE, value);
        assay_data_close(images_work(state, false, ""));
        if (of[t / 2].fails)
            images_fail(state, true, of[t / 2].says);
        else
            assay_data_close(images_work(state, true, of[t / 2].says));
        value[SIZE - 1] = t % 2 ? INFINITY : NAN;
        put(state, "x", type[t % 2], H5T_NATIVE_DOUBLE, value);
        images_fail(state, t % 3, t % 2 ? "image 5 holds inf" : "image 5 holds nan");
    }
    const unsigned char bytes[SIZE] = {0, 255};
    put(state, "x", H5T_NATIVE_UCHAR, H5T_NATIVE_UCHAR, bytes);
    assay_data_close(images_work(state, true, ""));
}

// Labels first..first+n-1, as often as there are images.
static void put_labels(void **state, int first, int n)
{
    int label[N];
    for (int i = 0; i < N; i++) label[i] = first + i % n;
    put(state, "labels", H5T_NATIVE_INT16, H5T_NATIVE_INT, label);
}

static void draw_fails(struct assay_data *data, const char *part)
{
    double x[SIZE];
    uint32_t label[N];
    struct assay_err err = {0};
    assert_int_equal(assay_data_batch(data, 1, 0, "ntk", N, x, NULL, &err), ASSAY_OK);
    assert_int_equal(assay_data_batch(data, 1, 0, "ntk", N, x, label, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, part);
    assay_data_close(data);
}

static void labels_start_at_0(void **state)
{
    static const double zero[SIZE];
    put(state, "x", H5T_NATIVE_DOUBLE, H5T_NATIVE_DOUBLE, zero);
    put_labels(state, 0, CLASSES);
    assay_data_close(images_work(state, true, ""));
    put_labels(state, 2, 3); // some are missing: a part of a data set
    assay_data_close(images_work(state, true, ""));
    put_labels(state, 1, 3);
    assay_data_close(images_work(state, true, "labels from 1 to 3, and none is 0"));
    put_labels(state, 1, CLASSES);
    draw_fails(images_work(state, true, "labels from 1 to 5, and none is 0"),
               "its labels start at 1 (1 to 5); expected 0 to 4");
    put_labels(state, 0, CLASSES + 1);
    draw_fails(images_work(state, true, ""), "its labels have 6 classes, the network only 5");
    put_labels(state, -1, 3);
    images_fail(state, true, "label 0 is -1; expected a class number from 0");
    put(state, "labels", H5T_NATIVE_DOUBLE, H5T_NATIVE_DOUBLE, zero);
    images_fail(state, true, "its labels /labels: 64-bit floating point; expected integers from 0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(no_numbers_are_named),
        TEST(integers_and_wide_floats_are_no_images),
        TEST(half_floats_are_read_as_they_are),
        TEST(normalisation_is_of_values_from_0_to_1),
        TEST(labels_start_at_0),
    };
    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
