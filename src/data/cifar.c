// SPDX-License-Identifier: Apache-2.0
// CIFAR-10 and CIFAR-100 in the official binary layout: label bytes, then 3072 bytes of R, G and B
// planes (32 x 32) per image.
#include "cifar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIXELS = CHANNELS * CIFAR_SIDE * CIFAR_SIDE };

// One of the files, while it is open.
struct batch_file {
    char name[2 * ASSAY_TEXT_MAX];
    FILE *stream;
    uint64_t n; // records
};

static int check_size(const char *file, uint64_t bytes, const struct cifar_layout *layout,
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
                       const struct cifar_layout *layout, const char *file, struct assay_err *err)
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

static int open_stream(struct batch_file *file, int fd, const struct cifar_layout *layout,
                       struct assay_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", file->name, strerror(errno));
    ASSAY_TRY(check_size(file->name, (uint64_t)st.st_size, layout, err));
    file->n = (uint64_t)st.st_size / (layout->label_bytes + PIXELS);
    file->stream = fdopen(fd, "rb");
    if (file->stream) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", file->name, strerror(errno));
}

static int open_file(const struct assay_data *data, const struct cifar_layout *layout,
                     const char *name, struct batch_file *file, struct assay_err *err)
{
    int fd;
    snprintf(file->name, sizeof file->name, "%s/%s", data->spec.path, name);
    ASSAY_TRY(assay_file_open(&fd, file->name, file->name, true, "a file of images", err));
    const int status = open_stream(file, fd, layout, err);
    if (status < 0) close(fd);
    return status;
}

static int read_records(struct assay_data *data, const struct batch_file *file,
                        const struct cifar_layout *layout, struct assay_err *err)
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

static int read_file(struct assay_data *data, const struct cifar_layout *layout, const char *name,
                     struct assay_err *err)
{
    struct batch_file file;
    ASSAY_TRY(open_file(data, layout, name, &file, err));
    const int status = read_records(data, &file, layout, err);
    fclose(file.stream);
    return status;
}

// ---- which files there are ----------------------------------------------------------------------
static bool is_test(const struct assay_data_spec *spec)
{
    return strcmp(spec->split, "test") == 0;
}

static const char *const *names_of(const struct assay_data_spec *spec,
                                   const struct cifar_layout *layout)
{
    return is_test(spec) ? layout->test : layout->train;
}

uint64_t cifar_whole(const struct assay_data_spec *spec, const struct cifar_layout *layout)
{
    size_t n = 0;
    while (names_of(spec, layout)[n]) n++;
    return n * layout->images[is_test(spec)];
}

// Whether a file is there. A link to a file that is gone is an error, and not the same as no file.
static int find_file(const struct assay_data *data, const char *name, bool *there,
                     struct assay_err *err)
{
    char path[2 * ASSAY_TEXT_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", data->spec.path, name);
    *there = stat(path, &st) == 0;
    const int why = *there ? 0 : errno;
    const bool link = !*there && lstat(path, &st) == 0;
    if (*there || (why == ENOENT && !link)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s%s", path,
                         link ? "a link that leads nowhere: " : "", strerror(why));
}

// Counts the files: the first of them may be there alone, but none may be missing in between.
static int find_files(const struct assay_data *data, const struct cifar_layout *layout, size_t *n,
                      struct assay_err *err)
{
    const char *const *name = names_of(&data->spec, layout);
    *n = 0;
    for (size_t i = 0; name[i]; i++) {
        bool there;
        ASSAY_TRY(find_file(data, name[i], &there, err));
        if (there && *n < i)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: %s is missing, though %s is there; expected all files of %s, "
                                 "or the first of them",
                                 data->spec.path, name[*n], name[i], layout->name);
        if (there) *n = i + 1;
    }
    if (*n > 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no %s in it; expected %s's %s (binary version)",
                         data->spec.path, name[0], layout->name, layout->directory);
}

// Adds a file to the list of those that are not whole.
static void warn_short(struct assay_data *data, const struct cifar_layout *layout, const char *name,
                       uint64_t n)
{
    const uint64_t whole = layout->images[is_test(&data->spec)];
    char *text = data->warning;
    const size_t at = strlen(text), cap = sizeof data->warning - at;
    const char *comma = at ? ", " : "";
    if (n == 0)
        snprintf(text + at, cap, "%s%s is missing", comma, name);
    else if (n < whole)
        snprintf(text + at, cap, "%s%s has %llu of %llu", comma, name, (unsigned long long)n,
                 (unsigned long long)whole);
}

// Measures all files together, so that there is room for them before the first is read. What is
// missing counts only if the files that are there do not hold all images.
static int count_records(struct assay_data *data, const struct cifar_layout *layout, size_t n_file,
                         uint64_t *n, struct assay_err *err)
{
    const char *const *name = names_of(&data->spec, layout);
    *n = 0;
    for (size_t i = 0; name[i]; i++) {
        struct batch_file file = {.n = 0};
        if (i < n_file) {
            ASSAY_TRY(open_file(data, layout, name[i], &file, err));
            fclose(file.stream);
        }
        warn_short(data, layout, name[i], file.n);
        *n += file.n;
    }
    if (*n >= cifar_whole(&data->spec, layout)) data->warning[0] = '\0';
    return ASSAY_OK;
}

// Makes a sentence of the list, for the warning.
static void finish_warning(struct assay_data *data)
{
    char list[sizeof data->warning], images[ASSAY_DATA_WORDS];
    if (!*data->warning) return;
    strcpy(list, data->warning);
    assay_data_describe(data, images, sizeof images);
    snprintf(data->warning, sizeof data->warning, "%s: %.400s", images, list);
}

// ---- all of it ----------------------------------------------------------------------------------
int cifar_check(const struct assay_data_spec *spec, const struct cifar_layout *layout,
                struct assay_err *err)
{
    if (spec->image == CIFAR_SIDE) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "network.image = %u: %s's images are %d x %d",
                         spec->image, layout->name, CIFAR_SIDE, CIFAR_SIDE);
}

static int check_directory(const struct assay_data_spec *spec, const struct cifar_layout *layout,
                           struct assay_err *err)
{
    struct stat st;
    if (stat(spec->path, &st) == 0 && S_ISDIR(st.st_mode)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "data.path = '%s': no directory; expected %s's %s (the binary version)",
                         spec->path, layout->name, layout->directory);
}

int cifar_load(struct assay_data *data, const struct cifar_layout *layout, struct assay_err *err)
{
    size_t n_file;
    uint64_t n;
    ASSAY_TRY(check_directory(&data->spec, layout, err));
    data->element = ELEMENT_U8;
    data->classes = layout->limit[layout->label_bytes - 1];
    ASSAY_TRY(find_files(data, layout, &n_file, err));
    ASSAY_TRY(count_records(data, layout, n_file, &n, err));
    ASSAY_TRY(data_reserve(data, n, err));
    data->label = data->label_room;
    for (size_t i = 0; i < n_file; i++)
        ASSAY_TRY(read_file(data, layout, names_of(&data->spec, layout)[i], err));
    finish_warning(data);
    return ASSAY_OK;
}
