// SPDX-License-Identifier: Apache-2.0
// Forged HDF5 files of weights and of images.
#include "assay/data.h"
#include "forge.h"

static void *image;
static size_t n_image;

static void put(hid_t file, const char *name, hid_t type, int ndim, const hsize_t *dim)
{
    static double value[1000];
    const hid_t space = H5Screate_simple(ndim, dim, NULL);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t memory = H5Tget_class(type) == H5T_INTEGER ? H5T_NATIVE_INT : H5T_NATIVE_DOUBLE;
    if (H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) < 0) abort();
    H5Dclose(set);
    H5Sclose(space);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    (void)argc, (void)argv;
    H5Pset_fapl_core(access, 1 << 16, 0);
    const hid_t file = H5Fcreate("right.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Gclose(H5Gcreate2(file, "w", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    put(file, "w/stem.0.weight", H5T_IEEE_F32LE, 4, (hsize_t[]){3, 3, 3, 3});
    put(file, "w/classifier.bias", H5T_IEEE_F64LE, 1, (hsize_t[]){10});
    put(file, "x", H5T_IEEE_F32LE, 4, (hsize_t[]){4, 3, 4, 4});
    put(file, "labels", H5T_STD_I64LE, 1, (hsize_t[]){4});
    H5Fflush(file, H5F_SCOPE_GLOBAL);
    n_image = (size_t)H5Fget_file_image(file, NULL, 0);
    image = malloc(n_image);
    if (!image || H5Fget_file_image(file, image, n_image) < 0) abort();
    H5Fclose(file);
    H5Pclose(access);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return 0;
}

// All of them are there, as far as the address sanitizer knows.
static void touch(const double *value, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) *(volatile const double *)&value[i];
}

static void try_arrays(const char *where)
{
    struct assay_err err = {0};
    struct assay_arrays arrays;
    const int status = assay_arrays_read(&arrays, where, &err);
    if (status < 0) must_explain(status, &err);
    for (size_t i = 0; status >= 0 && i < arrays.n; i++)
        touch(arrays.item[i].value, arrays.item[i].size);
    assay_arrays_free(&arrays);
}

static void try_images(const char *where)
{
    struct assay_err err = {0};
    struct assay_data *data;
    double x[2 * 3 * 4 * 4];
    uint32_t label[2];
    struct assay_data_spec spec = {.source = "hdf5", .split = "train", .image = 4, .classes = 10};
    snprintf(spec.path, sizeof spec.path, "%s", where);
    int status = assay_data_open(&data, &spec, &err);
    if (status >= 0) {
        status = assay_data_batch(data, 0, 0, "batch", 2, x, label, &err);
        assay_data_close(data);
    }
    if (status < 0) must_explain(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"/w", "/w/stem.0.weight", "/w/classifier.bias", "/w/new",
                                        "/x", "/labels"};
    static const char *const attrs[] = {"note"};
    struct input in = {bytes, n};
    char where[64];
    const char *file =
        forge(&in, image, n_image, names, ASSAY_LEN(names), attrs, ASSAY_LEN(attrs), 4);
    snprintf(where, sizeof where, "%s:/w", file);
    try_arrays(where);
    snprintf(where, sizeof where, "%s:/x", file);
    try_arrays(where);
    try_images(where);
    return 0;
}
