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

// One of them, open; NULL and 0 when it does not exist.
struct batch_file {
    char name[2 * ASSAY_TEXT_MAX];
    FILE *stream;
    uint64_t n; // records
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

// A file that does not exist adds nothing.
static int open_file(const struct assay_data *data, const struct layout *layout, const char *name,
                     struct batch_file *file, struct assay_err *err)
{
    struct stat st;
    snprintf(file->name, sizeof file->name, "%s/%s", data->spec.path, name);
    file->n = 0;
    file->stream = fopen(file->name, "rb");
    if (!file->stream && errno == ENOENT) return ASSAY_OK;
    if (!file->stream)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s", file->name, strerror(errno));
    int status = ASSAY_OK;
    if (fstat(fileno(file->stream), &st) != 0 || !S_ISREG(st.st_mode))
        status = assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a regular file", file->name);
    else
        status = check_size(file->name, (uint64_t)st.st_size, layout, err);
    if (status < 0)
        fclose(file->stream);
    else
        file->n = (uint64_t)st.st_size / (layout->label_bytes + PIXELS);
    return status;
}

static int read_records(struct assay_data *data, const struct batch_file *file,
                        const struct layout *layout, struct assay_err *err)
{
    const size_t record = layout->label_bytes + PIXELS;
    unsigned char bytes[2 + PIXELS];
    if (file->n > data->room - data->count)
        return assay_err_set(err, ASSAY_ERR_IO, "%s: became longer while it was read", file->name);
    for (uint64_t i = 0; i < file->n; i++) {
        if (fread(bytes, record, 1, file->stream) != 1)
            return assay_err_set(err, ASSAY_ERR_IO, "%s: cannot read image %llu of %llu: %s",
                                 file->name, (unsigned long long)i, (unsigned long long)file->n,
                                 ferror(file->stream) ? strerror(errno)
                                                      : "the file became shorter");
        ASSAY_TRY(take_record(data, bytes, i, layout, file->name, err));
    }
    return ASSAY_OK;
}

static int read_file(struct assay_data *data, const struct layout *layout, const char *name,
                     struct assay_err *err)
{
    struct batch_file file;
    ASSAY_TRY(open_file(data, layout, name, &file, err));
    if (!file.stream) return ASSAY_OK;
    const int status = read_records(data, &file, layout, err);
    fclose(file.stream);
    return status;
}

// All files together, so that there is room for them before the first is read.
static int count_records(const struct assay_data *data, const struct layout *layout,
                         const char *const *name, uint64_t *n, struct assay_err *err)
{
    *n = 0;
    for (size_t i = 0; name[i]; i++) {
        struct batch_file file;
        ASSAY_TRY(open_file(data, layout, name[i], &file, err));
        if (file.stream) fclose(file.stream);
        *n += file.n;
    }
    return ASSAY_OK;
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
    uint64_t n;
    ASSAY_TRY(check_directory(data, layout, err));
    data->element = ELEMENT_U8;
    data->classes = layout->limit[layout->label_bytes - 1];
    ASSAY_TRY(count_records(data, layout, name, &n, err));
    if (n == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: no %s in it; expected %s's %s (binary version)", data->spec.path,
                             name[0], layout->name, layout->directory);
    ASSAY_TRY(assay_data_reserve(data, n, err));
    data->label = data->label_room;
    for (size_t i = 0; name[i]; i++) ASSAY_TRY(read_file(data, layout, name[i], err));
    return ASSAY_OK;
}
