// SPDX-License-Identifier: Apache-2.0
// One block of memory holds all images of a source, for whoever attaches to it.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>

#include "assay/data.h"
#include "scratch.h"

enum { SIDE = 8, PIXELS = 3 * SIDE * SIDE, IMAGES = 12 };

static struct assay_data_spec spec_of(const char *source, const char *file)
{
    struct assay_data_spec spec = {.split = "train", .image = SIDE, .classes = 10};
    snprintf(spec.source, sizeof spec.source, "%s", source);
    snprintf(spec.path, sizeof spec.path, "%s:/x", file);
    return spec;
}

static void put(hid_t file, const char *name, int ndim, const hsize_t *dim, const void *value)
{
    const hid_t space = H5Screate_simple(ndim, dim, NULL);
    const hid_t set =
        H5Dcreate2(file, name, H5T_NATIVE_UCHAR, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void write_images(void **state)
{
    static unsigned char pixel[IMAGES * PIXELS], label[IMAGES];
    for (unsigned i = 0; i < sizeof pixel; i++) pixel[i] = (unsigned char)(i * 7 % 251);
    for (unsigned i = 0; i < IMAGES; i++) label[i] = (unsigned char)(i % 5);
    const hid_t file =
        H5Fcreate(scratch_path(state, "x.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put(file, "x", 4, (const hsize_t[]){IMAGES, 3, SIDE, SIDE}, pixel);
    put(file, "labels", 1, (const hsize_t[]){IMAGES}, label);
    H5Fclose(file);
}

struct room {
    _Alignas(64) unsigned char bytes[1 << 17];
    size_t asked;
    int times;
    bool none;
};

static int take_room(void *self, size_t bytes, void **block, struct assay_err *err)
{
    struct room *room = self;
    room->times++;
    room->asked = bytes;
    if (room->none) return assay_err_set(err, ASSAY_ERR_MEMORY, "the room is taken");
    assert_true(bytes <= sizeof room->bytes);
    *block = room->bytes;
    return ASSAY_OK;
}

static void others_see_the_same_images(void **state)
{
    static struct room room;
    static double mine[IMAGES][PIXELS], theirs[IMAGES][PIXELS];
    const struct assay_data_memory memory = {&room, take_room};
    uint32_t label[2][IMAGES];
    struct assay_err err = {0};
    struct assay_data *data = NULL, *other = NULL;
    write_images(state);
    const struct assay_data_spec spec = spec_of("hdf5", scratch_path(state, "x.h5"));
    assert_int_equal(assay_data_open_in(&data, &spec, &memory, &err), ASSAY_OK);
    assert_int_equal(room.times, 1);
    assert_int_equal(room.asked, assay_data_bytes(data));
    // Nothing but the images, their labels and a few bytes more.
    assert_in_range(room.asked, IMAGES * (PIXELS + 4), IMAGES * (PIXELS + 4) + 128);

    assert_int_equal(assay_data_attach(&other, &spec, room.bytes, &err), ASSAY_OK);
    assert_int_equal(assay_data_count(other), IMAGES);
    assert_int_equal(assay_data_bytes(other), assay_data_bytes(data));
    assert_true(assay_data_labelled(other));
    const struct assay_hash a = assay_data_digest(data), b = assay_data_digest(other);
    assert_memory_equal(&a, &b, sizeof a);
    assay_data_close(data); // the room stays
    assert_int_equal(assay_data_open(&data, &spec, &err), ASSAY_OK);
    const struct assay_hash c = assay_data_digest(data);
    assert_memory_equal(&a, &c, sizeof a);
    assert_int_equal(assay_data_batch(data, 1, 0, "x", IMAGES, mine[0], label[0], NULL), ASSAY_OK);
    assert_int_equal(assay_data_batch(other, 1, 0, "x", IMAGES, theirs[0], label[1], NULL),
                     ASSAY_OK);
    assert_memory_equal(mine, theirs, sizeof mine);
    assert_memory_equal(label[0], label[1], sizeof label[0]);
    assay_data_close(data);
    assay_data_close(other);
}

static void no_room_is_an_error(void **state)
{
    static struct room room = {.none = true};
    const struct assay_data_memory memory = {&room, take_room};
    struct assay_err err = {0};
    struct assay_data *data = NULL;
    write_images(state);
    const struct assay_data_spec spec = spec_of("hdf5", scratch_path(state, "x.h5"));
    assert_int_equal(assay_data_open_in(&data, &spec, &memory, &err), ASSAY_ERR_MEMORY);
    assert_null(data);
    ASSERT_CONTAINS(err.text, "the room is taken");
    const struct assay_data_spec noise = spec_of("gaussian", "x.h5");
    assert_int_equal(assay_data_open_in(&data, &noise, &memory, &err), ASSAY_OK);
    assert_int_equal(room.times, 1); // generated images need none
    assert_int_equal(assay_data_bytes(data), 0);
    assay_data_close(data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(others_see_the_same_images),
        TEST(no_room_is_an_error),
    };
    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
