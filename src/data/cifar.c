// SPDX-License-Identifier: Apache-2.0
// CIFAR-10 and CIFAR-100 in the official binary layout: label bytes, then 3072 bytes of R, G and B
// planes (32 x 32) per image.
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 32, PIXELS = CHANNELS * SIDE * SIDE };

struct layout {
    const char *name, *directory;
    const char *const train[6], *const test[2]; // NULL-terminated
    size_t label_bytes;                         // the last of them is the class
    unsigned limit[2];                          // every label byte is below its own
};

static const struct layout cifar10 = {
    .name = "CIFAR-10",
    .directory = "cifar-10-batches-bin",
    .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
              "data_batch_5.bin"},
    .test = {"test_batch.bin"},
    .label_bytes = 1,
    .limit = {10},
};
static const struct layout cifar100 = {
    .name = "CIFAR-100",
    .directory = "cifar-100-binary",
    .train = {"train.bin"},
    .test = {"test.bin"},
    .label_bytes = 2,
    .limit = {20, 100}, // coarse, fine
};

static int check_size(const char *file, uint64_t bytes, const struct layout *layout,
                      struct assay_err *err)
{
    const uint64_t record = layout->label_bytes + PIXELS;
    if (bytes > 0 && bytes % record == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: %llu bytes, truncated or not %s's binary version; expected one or "
                         "more whole records of %llu bytes",
                         file, (unsigned long long)bytes, layout->name, (unsigned long long)record);
}

// Makes room for n more images.
static int grow(struct assay_data *data, uint64_t n, struct assay_err *err)
{
    const uint64_t count = data->count + n;
    void *pixel = realloc(data->pixel, count * PIXELS);
    if (pixel) data->pixel = pixel;
    uint32_t *label = realloc(data->label, count * sizeof *label);
    if (label) data->label = label;
    if (pixel && label) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for %llu images", data->spec.path,
                         (unsigned long long)count);
}

static int take_record(struct assay_data *data, const unsigned char *record, uint64_t at,
                       const struct layout *layout, const char *file, struct assay_err *err)
{
    for (size_t i = 0; i < layout->label_bytes; i++) {
        if (record[i] >= layout->limit[i])
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: label %u in image %llu (byte %llu); expected 0 to %u: not "
                                 "%s's binary version, or damaged",
                                 file, record[i], (unsigned long long)at,
                                 (unsigned long long)(at * (layout->label_bytes + PIXELS) + i),
                                 layout->limit[i] - 1, layout->name);
    }
    memcpy((unsigned char *)data->pixel + data->count * PIXELS, record + layout->label_bytes,
           PIXELS);
    data->label[data->count++] = record[layout->label_bytes - 1];
    return ASSAY_OK;
}

static int read_records(struct assay_data *data, FILE *stream, const struct layout *layout,
                        const char *file, struct assay_err *err)
{
    struct stat st;
    if (fstat(fileno(stream), &st) != 0 || !S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a regular file", file);
    ASSAY_TRY(check_size(file, (uint64_t)st.st_size, layout, err));
    const size_t record = layout->label_bytes + PIXELS;
    const uint64_t n = (uint64_t)st.st_size / record;
    unsigned char bytes[2 + PIXELS];
    ASSAY_TRY(grow(data, n, err));
    for (uint64_t i = 0; i < n; i++) {
        if (fread(bytes, record, 1, stream) != 1)
            return assay_err_set(err, ASSAY_ERR_IO, "%s: cannot read image %llu of %llu: %s", file,
                                 (unsigned long long)i, (unsigned long long)n,
                                 ferror(stream) ? strerror(errno) : "the file became shorter");
        ASSAY_TRY(take_record(data, bytes, i, layout, file, err));
    }
    return ASSAY_OK;
}

// A file that does not exist adds nothing.
static int read_file(struct assay_data *data, const struct layout *layout, const char *name,
                     struct assay_err *err)
{
    char file[2 * ASSAY_TEXT_MAX];
    snprintf(file, sizeof file, "%s/%s", data->spec.path, name);
    FILE *stream = fopen(file, "rb");
    if (!stream && errno == ENOENT) return ASSAY_OK;
    if (!stream) return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s", file, strerror(errno));
    const int status = read_records(data, stream, layout, file, err);
    fclose(stream);
    return status;
}

static int check_directory(const struct assay_data *data, const struct layout *layout,
                           struct assay_err *err)
{
    struct stat st;
    if (data->spec.image != SIDE)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "image size %u: %s images are %d x %d",
                             data->spec.image, layout->name, SIDE, SIDE);
    if (stat(data->spec.path, &st) == 0 && S_ISDIR(st.st_mode)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "data path '%s': no such directory; expected %s's %s (the binary version)",
                         data->spec.path, layout->name, layout->directory);
}

int assay_data_load_cifar(struct assay_data *data, struct assay_err *err)
{
    const struct layout *layout = data->spec.source == ASSAY_SOURCE_CIFAR10 ? &cifar10 : &cifar100;
    const char *const *name = strcmp(data->spec.split, "test") ? layout->train : layout->test;
    ASSAY_TRY(check_directory(data, layout, err));
    data->element = ELEMENT_U8;
    data->classes = layout->limit[layout->label_bytes - 1];
    for (size_t i = 0; name[i]; i++) ASSAY_TRY(read_file(data, layout, name[i], err));
    if (data->count > 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no %s in it; expected %s's %s (binary version)",
                         data->spec.path, name[0], layout->name, layout->directory);
}
