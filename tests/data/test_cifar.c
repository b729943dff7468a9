// SPDX-License-Identifier: Apache-2.0
// Files of CIFAR that are damaged or not there: an error, or a warning that says what is missing.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/data.h"
#include "scratch.h"

enum { RECORD = 1 + 3 * 32 * 32 };

// n images, all zero: as a hole, which takes no room on the disk.
static void put_images(void **state, const char *name, unsigned n)
{
    scratch_write(scratch_path(state, name), "", 0);
    assert_int_equal(truncate(scratch_path(state, name), (off_t)n * RECORD), 0);
}

static struct assay_data_spec spec_of(void **state, const char *split)
{
    struct assay_data_spec spec = {.source = "cifar10", .image = 32, .classes = 10};
    snprintf(spec.path, sizeof spec.path, "%s", (const char *)*state);
    snprintf(spec.split, sizeof spec.split, "%s", split);
    return spec;
}

static void is_refused(void **state, const char *part)
{
    struct assay_err err = {0};
    struct assay_data *data = NULL;
    const struct assay_data_spec spec = spec_of(state, "train");
    assert_int_equal(assay_data_open(&data, &spec, &err), ASSAY_ERR_INPUT);
    assert_null(data);
    ASSERT_CONTAINS(err.text, (const char *)*state);
    ASSERT_CONTAINS(err.text, part);
}

static void is_read(void **state, const char *split, unsigned n, const char *words,
                    const char *warning)
{
    struct assay_err err = {0};
    struct assay_data *data = NULL;
    char text[ASSAY_DATA_WORDS];
    const struct assay_data_spec spec = spec_of(state, split);
    if (assay_data_open(&data, &spec, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(assay_data_count(data), n);
    assay_data_describe(data, text, sizeof text);
    assert_string_equal(text, words);
    assert_string_equal(assay_data_warning(data), warning);
    assay_data_close(data);
}

static void wrong_files_are_named(void **state)
{
    static unsigned char bytes[3 * RECORD + 1];
    const char *file = scratch_path(state, "data_batch_1.bin");
    is_refused(state, "no data_batch_1.bin in it");
    for (size_t wrong = 0; wrong < 3; wrong++) { // a byte too few, a byte too many, empty
        scratch_write(file, bytes, (size_t[]){sizeof bytes - 2, sizeof bytes, 0}[wrong]);
        is_refused(state, "data_batch_1.bin: ");
        is_refused(state, "whole records of 3073 bytes");
    }
    bytes[2 * RECORD] = 10;
    scratch_write(file, bytes, 3 * RECORD);
    is_refused(state, "data_batch_1.bin: label 10 in image 2 (byte 6146)");
    remove(file);
    assert_int_equal(mkdir(file, 0777), 0);
    is_refused(state, "data_batch_1.bin: not a regular file");
}

static void holes_are_refused(void **state)
{
    static const char *const hole[] = {"data_batch_3.bin is missing, though data_batch_4.bin is",
                                       "data_batch_2.bin is missing, though data_batch_4.bin is",
                                       "data_batch_1.bin is missing, though data_batch_4.bin is"};
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        if (i != 3) put_images(state, name, 2);
    }
    is_refused(state, hole[0]);
    remove(scratch_path(state, "data_batch_2.bin"));
    is_refused(state, hole[1]);
    remove(scratch_path(state, "data_batch_1.bin"));
    is_refused(state, hole[2]);
}

static void links_that_lead_nowhere_are_refused(void **state)
{
    put_images(state, "data_batch_1.bin", 3);
    assert_int_equal(symlink("/nonexistent/b", scratch_path(state, "data_batch_2.bin")), 0);
    is_refused(state, "data_batch_2.bin: a link that leads nowhere: No such file");
    remove(scratch_path(state, "data_batch_2.bin"));
    assert_int_equal(symlink("data_batch_2.bin", scratch_path(state, "data_batch_2.bin")), 0);
    is_refused(state, "data_batch_2.bin: a link that leads nowhere: Too many levels");
    remove(scratch_path(state, "data_batch_2.bin"));
    put_images(state, "elsewhere", 4);
    assert_int_equal(symlink("elsewhere", scratch_path(state, "data_batch_2.bin")), 0);
    is_read(state, "train", 7, "7 of CIFAR-10's 50000 training images",
            "7 of CIFAR-10's 50000 training images: data_batch_1.bin has 3 of 10000, "
            "data_batch_2.bin has 4 of 10000, data_batch_3.bin is missing, data_batch_4.bin is "
            "missing, data_batch_5.bin is missing");
}

static void whole_splits_need_no_warning(void **state)
{
    put_images(state, "test_batch.bin", 9999);
    is_read(state, "test", 9999, "9999 of CIFAR-10's 10000 test images",
            "9999 of CIFAR-10's 10000 test images: test_batch.bin has 9999 of 10000");
    put_images(state, "test_batch.bin", 10000);
    is_read(state, "test", 10000, "10000 images", "");
    put_images(state, "data_batch_1.bin", 50000); // all in one file
    is_read(state, "train", 50000, "50000 images", "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(wrong_files_are_named),
        TEST(holes_are_refused),
        TEST(links_that_lead_nowhere_are_refused),
        TEST(whole_splits_need_no_warning),
    };
    return cmocka_run_group_tests_name("cifar", tests, NULL, NULL);
}
