// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "data/source.h"
#include "scratch.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, IMAGES = 12 };

static struct assay_data_spec spec_of(const char *source, const char *path)
{
    struct assay_data_spec spec = {.split = "train", .image = SIDE, .classes = 10};
    snprintf(spec.source, sizeof spec.source, "%s", source);
    snprintf(spec.path, sizeof spec.path, "%s", path);
    return spec;
}

static struct assay_data *open_ok(const struct assay_data_spec *spec)
{
    struct assay_err err = {0};
    struct assay_data *data = NULL;
    if (assay_data_open(&data, spec, &err) < 0) fail_msg("%s", err.text);
    return data;
}

static void open_fails(const struct assay_data_spec *spec, int code, const char *part)
{
    struct assay_err err = {0};
    struct assay_data *data = NULL;
    assert_int_equal(assay_data_open(&data, spec, &err), code);
    assert_null(data);
    ASSERT_CONTAINS(err.text, part);
}

// Different for every image, channel and place.
static unsigned char byte_of(unsigned image, unsigned c, unsigned row, unsigned column)
{
    return (unsigned char)((image * 97 + c * 50 + row * 13 + column * (2 * c + 1)) % 251 + 1);
}

static size_t make_records(unsigned char *to, unsigned first, unsigned n, size_t label_bytes)
{
    unsigned char *at = to;
    for (unsigned i = first; i < first + n; i++) {
        if (label_bytes == 2) *at++ = (unsigned char)(i % 20);
        *at++ = (unsigned char)(i % 10);
        for (unsigned c = 0; c < 3; c++)
            for (unsigned k = 0; k < SIDE * SIDE; k++) *at++ = byte_of(i, c, k / SIDE, k % SIDE);
    }
    return (size_t)(at - to);
}

// Images 0..IMAGES-1 spread over the first two of the five files.
static void write_cifar10(void **state)
{
    static unsigned char bytes[IMAGES * (PIXELS + 1)];
    size_t n = make_records(bytes, 0, 5, 1);
    scratch_write(scratch_path(state, "data_batch_1.bin"), bytes, n);
    n = make_records(bytes, 5, IMAGES - 5, 1);
    scratch_write(scratch_path(state, "data_batch_2.bin"), bytes, n);
}

// ---- what is delivered -------------------------------------------------------------------------

static double raw(unsigned image, unsigned c, int row, int column)
{
    if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) return 0;
    return byte_of(image, c, (unsigned)row, (unsigned)column) / 255.0;
}

// Does x hold this image, shifted and flipped?
static bool holds(const double *x, unsigned image, int down, int right, bool flip)
{
    for (unsigned c = 0; c < 3; c++)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++)
                if (*x++ != raw(image, c, i + down, (flip ? SIDE - 1 - j : j) + right))
                    return false;
    return true;
}

static void batch_holds_every_image_once(void **state)
{
    static double x[IMAGES][PIXELS];
    uint32_t label[IMAGES];
    int seen[IMAGES] = {0};
    write_cifar10(state);
    const struct assay_data_spec spec = spec_of("cifar10", *state);
    struct assay_data *data = open_ok(&spec);
    assert_int_equal(assay_data_count(data), IMAGES);
    assert_int_equal(assay_data_batch(data, 1, 0, "ntk", IMAGES, x[0], label, NULL), ASSAY_OK);
    for (int k = 0; k < IMAGES; k++) {
        unsigned i = 0;
        while (i < IMAGES && !holds(x[k], i, 0, 0, false)) i++;
        assert_in_range(i, 0, IMAGES - 1);
        assert_int_equal(label[k], i % 10);
        seen[i]++;
    }
    for (int i = 0; i < IMAGES; i++) assert_int_equal(seen[i], 1);
    assay_data_close(data);
}

static void a_batch_has_no_image_twice(void **state)
{
    static double x[(IMAGES + 1) * PIXELS];
    struct assay_err err = {0};
    write_cifar10(state);
    const struct assay_data_spec spec = spec_of("cifar10", *state);
    struct assay_data *data = open_ok(&spec);
    assert_int_equal(assay_data_batch(data, 1, 0, "ntk", IMAGES + 1, x, NULL, &err),
                     ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "12 images, and a batch of 13 different ones is asked for");
    assay_data_close(data);
}

// Every image has the value of its number, so that a patch tells which it is of.
static void patches_are_of_all_images_evenly(void **state)
{
    enum { N = 2 * IMAGES + 5 };
    static unsigned char bytes[IMAGES][PIXELS + 1];
    double x[N][9];
    int seen[IMAGES] = {0};
    for (int i = 0; i < IMAGES; i++) memset(bytes[i] + 1, i, PIXELS);
    scratch_write(scratch_path(state, "data_batch_1.bin"), bytes, sizeof bytes);
    const struct assay_data_spec spec = spec_of("cifar10", *state);
    struct assay_data *data = open_ok(&spec);
    assert_int_equal(assay_data_crops(data, 3), IMAGES * 3 * 30 * 30);
    assert_int_equal(assay_data_patches(data, 1, 0, "regions", 3, N, x[0], NULL), ASSAY_OK);
    for (int k = 0; k < N; k++) {
        seen[lround(255 * x[k][8])]++;
        if (k == 2 * IMAGES - 1)
            for (int i = 0; i < IMAGES; i++) assert_int_equal(seen[i], 2);
    }
    for (int i = 0; i < IMAGES; i++) assert_in_range(seen[i], 2, 3);
    assay_data_close(data);
}

static void augmentation_shifts_and_flips(void **state)
{
    enum { EACH = 10, N = 40 * EACH };
    double *x = malloc(sizeof(double) * N * PIXELS);
    int shift[2][9] = {{0}}, flips = 0;
    write_cifar10(state);
    struct assay_data_spec spec = spec_of("cifar10", *state);
    spec.augment = true;
    struct assay_data *data = open_ok(&spec);
    for (int k = 0; k < N; k += EACH)
        assert_int_equal(
            assay_data_batch(data, 1, (uint64_t)k, "ntk", EACH, x + (size_t)k * PIXELS, NULL, NULL),
            ASSAY_OK);
    for (int k = 0; k < N; k++) {
        int found = 0;
        for (int t = 0; t < IMAGES * 9 * 9 * 2; t++) {
            const int down = t / 2 % 9, right = t / 18 % 9;
            if (!holds(x + (size_t)k * PIXELS, (unsigned)(t / 162), down - 4, right - 4, t % 2))
                continue;
            found++;
            flips += t % 2;
            shift[0][down]++;
            shift[1][right]++;
        }
        assert_int_equal(found, 1);
    }
    assert_in_range(flips, N / 2 - 60, N / 2 + 60);
    for (int s = 0; s < 18; s++) assert_in_range(shift[s / 9][s % 9], N / 9 - 30, N / 9 + 30);
    assay_data_close(data);
    free(x);
}

static void padding_is_black_before_normalisation(void **state)
{
    static const double mean[3] = {125.3, 123.0, 113.9}, std[3] = {63.0, 62.1, 66.7};
    static double plain[IMAGES * PIXELS], x[IMAGES * PIXELS];
    write_cifar10(state);
    struct assay_data_spec spec = spec_of("cifar10", *state);
    spec.augment = true;
    struct assay_data *a = open_ok(&spec);
    spec.normalise = true;
    struct assay_data *b = open_ok(&spec);
    assert_int_equal(assay_data_batch(a, 3, 0, "ntk", IMAGES, plain, NULL, NULL), ASSAY_OK);
    assert_int_equal(assay_data_batch(b, 3, 0, "ntk", IMAGES, x, NULL, NULL), ASSAY_OK);
    int black = 0;
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        const int c = i / (SIDE * SIDE) % 3;
        const double expected = (255 * plain[i] - mean[c]) / std[c];
        black += plain[i] == 0;
        assert_true(fabs(x[i] - expected) < 1e-12);
    }
    assert_true(black > 0);
    assay_data_close(a);
    assay_data_close(b);
}

static void batches_are_keyed_and_independent_of_order(void **state)
{
    static double a[8 * PIXELS], b[8 * PIXELS], other[8 * PIXELS];
    uint32_t la[8], lb[8];
    write_cifar10(state);
    for (int cifar = 0; cifar < 2; cifar++) {
        struct assay_data_spec spec = spec_of(cifar ? "cifar10" : "gaussian", *state);
        spec.augment = spec.normalise = true;
        struct assay_data *data = open_ok(&spec);
        assay_data_batch(data, 7, 2, "ntk", 8, a, la, NULL);
        assay_data_batch(data, 7, 2, "nasi", 8, other, NULL, NULL);
        assert_memory_not_equal(a, other, sizeof a);
        assay_data_batch(data, 7, 3, "ntk", 8, other, NULL, NULL);
        assert_memory_not_equal(a, other, sizeof a);
        assay_data_batch(data, 8, 2, "ntk", 8, other, NULL, NULL);
        assert_memory_not_equal(a, other, sizeof a);
        assay_data_patches(data, 7, 2, "ntk", 3, 8, other, NULL);
        assay_data_batch(data, 7, 2, "ntk", 8, b, lb, NULL);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(la, lb, sizeof la);
        assay_data_batch(data, 7, 2, "ntk", 3, other, lb, NULL); // the first of the same images
        assert_memory_equal(a, other, 3 * PIXELS * sizeof *a);
        assert_memory_equal(la, lb, 3 * sizeof *la);
        assay_data_close(data);
    }
}

static void patches_are_crops_of_one_channel(void **state)
{
    enum { N = 300 };
    static double x[N][9];
    int channel[3] = {0}, edge = 0;
    write_cifar10(state);
    struct assay_data_spec spec = spec_of("cifar10", *state);
    spec.augment = true; // patches never are
    struct assay_data *data = open_ok(&spec);
    assert_int_equal(assay_data_patches(data, 1, 0, "regions", 3, N, x[0], NULL), ASSAY_OK);
    for (int k = 0; k < N; k++) {
        int found = -1;
        for (int t = 0; t < IMAGES * 3 * 30 * 30 && found < 0; t++) {
            const int row = t / 30 % 30, column = t % 30;
            int same = 0;
            while (same < 9 && x[k][same] == raw((unsigned)(t / 2700), (unsigned)(t / 900 % 3),
                                                 row + same / 3, column + same % 3))
                same++;
            if (same == 9) found = t;
        }
        assert_true(found >= 0);
        channel[found / 900 % 3]++;
        edge += found % 30 == 29 || found / 30 % 30 == 29;
    }
    for (int c = 0; c < 3; c++) assert_in_range(channel[c], 60, 140);
    assert_true(edge > 0);
    assay_data_close(data);
}

static void noise_has_the_moments_of_a_normal(UNUSED void **state)
{
    enum { N = 100, SIZE = N * 3 * 24 * 24 };
    double *x = malloc(sizeof(double) * SIZE);
    uint32_t label[N], seen = 0;
    struct assay_data_spec spec = spec_of("gaussian", "");
    spec.image = 24;
    spec.augment = spec.normalise = true; // of no effect
    struct assay_data *data = open_ok(&spec);
    assert_int_equal(assay_data_count(data), 0);
    assert_int_equal(assay_data_channels(data), 3);
    for (int patches = 0; patches < 2; patches++) {
        double moment[5] = {0};
        if (patches)
            assay_data_patches(data, 1, 0, "regions", 3, SIZE / 9, x, NULL);
        else
            assay_data_batch(data, 1, 0, "ntk", N, x, label, NULL);
        for (int i = 0; i < SIZE; i++)
            for (int m = 1; m <= 4; m++) moment[m] += pow(x[i], m) / SIZE;
        for (int m = 1; m <= 4; m++) // 5 standard errors: Var x^m = E x^2m - (E x^m)^2
            assert_true(fabs(moment[m] - (double[]){1, 0, 1, 0, 3}[m]) <
                        5 * sqrt((double[]){0, 1, 2, 15, 96}[m] / SIZE));
    }
    for (int i = 0; i < N; i++) {
        assert_in_range(label[i], 0, 9);
        seen |= 1u << label[i];
    }
    assert_int_equal(seen, 1023);
    assay_data_close(data);
    free(x);
}

static void digest_tells_changed_data(void **state)
{
    write_cifar10(state);
    const struct assay_data_spec spec = spec_of("cifar10", *state);
    struct assay_hash digest[3];
    for (int i = 0; i < 3; i++) {
        if (i == 2) { // one pixel, in the last file
            const char *path = scratch_path(state, "data_batch_2.bin");
            size_t n = 0;
            unsigned char *bytes = scratch_read(path, &n);
            bytes[n - 1] ^= 1;
            scratch_write(path, bytes, n);
            free(bytes);
        }
        struct assay_data *data = open_ok(&spec);
        digest[i] = assay_data_digest(data);
        assay_data_close(data);
    }
    assert_true(assay_hash_equal(digest[0], digest[1]));
    assert_false(assay_hash_equal(digest[0], digest[2]));
}

static void cifar100_takes_the_fine_label(void **state)
{
    static unsigned char bytes[15 * (PIXELS + 2)];
    static double x[15 * PIXELS];
    uint32_t label[15];
    const size_t n = make_records(bytes, 0, 15, 2);
    scratch_write(scratch_path(state, "test.bin"), bytes, n);
    struct assay_data_spec spec = spec_of("cifar100", *state);
    open_fails(&spec, ASSAY_ERR_INPUT, "no train.bin");
    strcpy(spec.split, "test");
    struct assay_data *data = open_ok(&spec);
    struct assay_err err = {0};
    assert_int_equal(assay_data_batch(data, 1, 0, "nasi", 15, x, label, &err), ASSAY_ERR_INPUT);
    ASSERT_CONTAINS(err.text, "100 classes, the network only 10");
    assert_int_equal(assay_data_batch(data, 1, 0, "ntk", 15, x, NULL, &err), ASSAY_OK);
    assay_data_close(data);
    spec.classes = 100;
    data = open_ok(&spec);
    assert_int_equal(assay_data_batch(data, 1, 0, "nasi", 15, x, label, &err), ASSAY_OK);
    for (unsigned k = 0; k < 15; k++) {
        bool right = false;
        for (unsigned i = label[k]; i < 15; i += 10)
            right |= holds(x + (size_t)k * PIXELS, i, 0, 0, false);
        assert_true(right);
    }
    assay_data_close(data);
    bytes[3 * (PIXELS + 2)] = 20; // coarse label
    scratch_write(scratch_path(state, "test.bin"), bytes, n);
    open_fails(&spec, ASSAY_ERR_INPUT, "label 20 in image 3 (byte 9222); expected 0 to 19");
}

// ---- wrong input -------------------------------------------------------------------------------

static void wrong_settings_are_named(void **state)
{
    write_cifar10(state);
    struct assay_data_spec spec = spec_of("cifar10", *state);
    spec.image = 16;
    open_fails(&spec, ASSAY_ERR_CONFIG, "network.image = 16: CIFAR-10's images are 32 x 32");
    spec = spec_of("cifar10", "/nonexistent/cifar");
    open_fails(&spec, ASSAY_ERR_INPUT, "'/nonexistent/cifar': no such directory");
    spec = spec_of("cifar10", "");
    open_fails(&spec, ASSAY_ERR_CONFIG, "data.path is empty");
    strcpy(spec.split, "valid");
    open_fails(&spec, ASSAY_ERR_CONFIG, "'valid': expected train or test");
    spec = spec_of("cifar", *state);
    open_fails(&spec, ASSAY_ERR_CONFIG,
               "unknown source 'cifar', expected one of: gaussian, cifar10, cifar100, hdf5");
}

// ---- the real thing ----------------------------------------------------------------------------

static void real_cifar10(UNUSED void **state)
{
    static const uint32_t first[10] = {6, 9, 9, 4, 1, 1, 2, 7, 8, 3};
    static const double mean[3] = {.4916, .4818, .4447};
    if (!reference_data()) {
        print_message("ASSAY_TEST_DATA is not set: no real images to read\n");
        skip();
    }
    struct assay_data_spec spec = spec_of("cifar10", "");
    snprintf(spec.path, sizeof spec.path, "%s/data/cifar-10-batches-bin", reference_data());
    struct assay_data *data = open_ok(&spec);
    assert_true(assay_data_count(data) >= 4000);
    assert_memory_equal(data->label, first, sizeof first);
    double sum[3] = {0};
    const unsigned char *pixel = data->pixel;
    for (int i = 0; i < 4000 * PIXELS; i++) sum[i / (SIDE * SIDE) % 3] += pixel[i];
    for (int c = 0; c < 3; c++)
        assert_true(fabs(sum[c] / (255.0 * 4000 * SIDE * SIDE) - mean[c]) < 6e-5);
    assay_data_close(data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(batch_holds_every_image_once),
        TEST(a_batch_has_no_image_twice),
        TEST(patches_are_of_all_images_evenly),
        TEST(augmentation_shifts_and_flips),
        TEST(padding_is_black_before_normalisation),
        TEST(batches_are_keyed_and_independent_of_order),
        TEST(patches_are_crops_of_one_channel),
        TEST(noise_has_the_moments_of_a_normal),
        TEST(digest_tells_changed_data),
        TEST(cifar100_takes_the_fine_label),
        TEST(wrong_settings_are_named),
        TEST(real_cifar10),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
