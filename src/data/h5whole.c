// SPDX-License-Identifier: Apache-2.0
// Whether all values of a data set are stored anywhere. Values that are not, because they were
// never written or because their file is gone, HDF5 reads as fill values, mostly zeros, without an
// error.
#include "h5.h"

#include "assay/h5.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILL "; HDF5 would read fill values in their place"

enum { NESTED_MOST = 8, NAME_MOST = 4 * ASSAY_TEXT_MAX };

// A data set in question: how it was created, its name for errors, and through how many virtual
// ones it was reached.
struct subject {
    hid_t set, plist;
    const char *who;
    struct h5_shape shape;
    unsigned depth;
};

static int check(hid_t set, const char *who, unsigned depth, struct assay_err *err);

// ---- contiguous and chunked ---------------------------------------------------------------------
// A forged file asks for more than it holds; no compression that HDF5 has by itself gets further.
static int check_size(const struct subject *s, uint64_t values, struct assay_err *err)
{
    enum { DEFLATE_MOST = 2048, SMALL = 1 << 26 };
    uint64_t bytes;
    hsize_t file_bytes = 0;
    const hid_t type = H5Dget_type(s->set), file = H5Iget_file_id(s->set);
    const bool fits = !__builtin_mul_overflow(values, H5Tget_size(type), &bytes) &&
                      H5Fget_filesize(file, &file_bytes) >= 0 &&
                      (bytes <= SMALL || bytes / DEFLATE_MOST <= file_bytes);
    H5Fclose(file);
    H5Tclose(type);
    if (fits) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: larger than its file of %llu bytes can hold; it is damaged", s->who,
                         (unsigned long long)file_bytes);
}

static int check_contiguous(const struct subject *s, struct assay_err *err)
{
    H5D_space_status_t status;
    if (H5Dget_space_status(s->set, &status) >= 0 && status == H5D_SPACE_STATUS_ALLOCATED)
        return check_size(s, s->shape.size, err);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: created, but its values were never written" FILL, s->who);
}

static int check_chunks(const struct subject *s, struct assay_err *err)
{
    hsize_t chunk[H5S_MAX_RANK], stored = 0;
    uint64_t total = 1, values = 1; // of a chunk, which HDF5 unpacks whole
    const hid_t space = H5Dget_space(s->set);
    bool good = H5Pget_chunk(s->plist, H5S_MAX_RANK, chunk) == (int)s->shape.ndim &&
                H5Dget_num_chunks(s->set, space, &stored) >= 0;
    H5Sclose(space);
    for (unsigned i = 0; i < s->shape.ndim && good; i++) {
        good = chunk[i] > 0 && !__builtin_mul_overflow(values, chunk[i], &values);
        if (good) total *= s->shape.dim[i] / chunk[i] + (s->shape.dim[i] % chunk[i] > 0);
    }
    if (!good)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: its chunks cannot be counted", s->who);
    if (stored >= total) {
        ASSAY_TRY(check_size(s, values > s->shape.size ? values : s->shape.size, err));
        const char *fault = assay_h5_chunks_fault(s->set);
        if (!fault) return ASSAY_OK;
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s %s: damaged", s->who, fault);
    }
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: %llu of its %llu chunks were never written" FILL, s->who,
                         (unsigned long long)(total - stored), (unsigned long long)total);
}

// ---- names of other files -----------------------------------------------------------------------
// The directory of the file that holds the data set, with a slash, or "".
static void directory_of(hid_t set, char *text, size_t cap)
{
    text[0] = 0;
    const ssize_t n = H5Fget_name(set, text, cap);
    char *slash = n > 0 && (size_t)n < cap ? strrchr(text, '/') : NULL;
    if (slash)
        slash[1] = 0;
    else
        text[0] = 0;
}

// ---- external files -----------------------------------------------------------------------------
// Finds an external file as HDF5 does: in the working directory, or where HDF5_EXTFILE_PREFIX says,
// in which ${ORIGIN} is the directory of the data set's file.
static void external_path(hid_t set, const char *name, char *text, size_t cap)
{
    static const char origin[] = "${ORIGIN}";
    const char *prefix = getenv("HDF5_EXTFILE_PREFIX");
    char directory[NAME_MOST] = "";
    if (name[0] == '/' || !prefix || !*prefix || !strcmp(prefix, ".")) {
        snprintf(text, cap, "%s", name);
        return;
    }
    if (!strncmp(prefix, origin, sizeof origin - 1)) {
        directory_of(set, directory, sizeof directory);
        if (!*directory) strcpy(directory, "./");
        prefix += sizeof origin - 1;
    }
    snprintf(text, cap, "%s%s/%s", directory, prefix, name);
}

// A file that is too short is an error, since HDF5 takes what lies beyond its end for zeros.
static int check_segment(const struct subject *s, unsigned i, uint64_t *left, struct assay_err *err)
{
    char name[ASSAY_TEXT_MAX], path[2 * NAME_MOST];
    off_t offset;
    hsize_t size;
    struct stat st;
    if (H5Pget_external(s->plist, i, sizeof name, name, &offset, &size) < 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: the name of its external file %u is unreadable", s->who, i);
    name[sizeof name - 1] = 0;
    external_path(s->set, name, path, sizeof path);
    if (stat(path, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: its values are in the external file '%s': %s", s->who, path,
                             strerror(errno));
    const uint64_t here = size < *left ? size : *left;
    uint64_t end;
    *left -= here;
    if (offset < 0 || __builtin_add_overflow((uint64_t)offset, here, &end)) end = UINT64_MAX;
    if (!S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: its values are in the external file '%s': not a regular file",
                             s->who, path);
    if ((uint64_t)st.st_size >= end) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: its values are in the external file '%s', of %llu bytes; expected at "
                         "least %llu",
                         s->who, path, (unsigned long long)st.st_size, (unsigned long long)end);
}

static int check_external(const struct subject *s, struct assay_err *err)
{
    const hid_t type = H5Dget_type(s->set);
    const int n = H5Pget_external_count(s->plist);
    uint64_t left = s->shape.size * H5Tget_size(type);
    H5Tclose(type);
    for (int i = 0; i < n && left > 0; i++) ASSAY_TRY(check_segment(s, (unsigned)i, &left, err));
    if (left == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: its external files lack %llu bytes of it",
                         s->who, (unsigned long long)left);
}

// ---- virtual data sets --------------------------------------------------------------------------
// One mapping: a selection of the virtual data set, and of the source it comes from.
struct mapping {
    hid_t space, source;
    char file[ASSAY_TEXT_MAX], path[ASSAY_TEXT_MAX];
};

static hid_t try_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return H5I_INVALID_HID;
    return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

// Opens the file of a source, beside that of the virtual set or in the working directory: HDF5
// looks there, too, and in this order.
static hid_t open_source_file(hid_t set, const char *name)
{
    char path[2 * NAME_MOST];
    if (!strcmp(name, ".")) return H5Iget_file_id(set);
    if (name[0] == '/') return try_file(name);
    directory_of(set, path, NAME_MOST);
    strncat(path, name, NAME_MOST - 1);
    const hid_t file = try_file(path);
    return file < 0 ? try_file(name) : file;
}

// Versions of HDF5 differ in what they make of the variable: the file that was checked might not be
// the one that is read.
static bool is_elsewhere(const char *name)
{
    const char *prefix = getenv("HDF5_VDS_PREFIX");
    return prefix && *prefix && name[0] != '/' && strcmp(name, ".") != 0;
}

static bool is_unlimited(hid_t space, unsigned ndim)
{
    hsize_t start[H5S_MAX_RANK], stride[H5S_MAX_RANK], count[H5S_MAX_RANK], block[H5S_MAX_RANK];
    if (H5Sget_select_type(space) != H5S_SEL_HYPERSLABS || H5Sis_regular_hyperslab(space) <= 0)
        return false;
    if (H5Sget_regular_hyperslab(space, start, stride, count, block) < 0) return true;
    for (unsigned i = 0; i < ndim; i++)
        if (count[i] == H5S_UNLIMITED || block[i] == H5S_UNLIMITED) return true;
    return false;
}

// Whether the selection lies within a data set of these dimensions.
static bool is_within(hid_t space, const struct h5_shape *shape)
{
    hsize_t low[H5S_MAX_RANK], high[H5S_MAX_RANK];
    if (H5Sget_simple_extent_ndims(space) != (int)shape->ndim) return false;
    if (H5Sget_select_bounds(space, low, high) < 0) return false;
    for (unsigned i = 0; i < shape->ndim; i++)
        if (high[i] >= shape->dim[i]) return false;
    return true;
}

static int check_source_set(const struct subject *s, const struct mapping *m, hid_t set,
                            const char *who, struct assay_err *err)
{
    struct h5_shape shape;
    ASSAY_TRY(h5_shape(&shape, set, who, err));
    // Where all is selected the extent of the source may not be known.
    const bool all = H5Sget_select_type(m->source) == H5S_SEL_ALL;
    const uint64_t taken = all ? shape.size : (uint64_t)H5Sget_select_npoints(m->source);
    if ((!all && !is_within(m->source, &shape)) ||
        taken != (uint64_t)H5Sget_select_npoints(m->space)) {
        char seen[256];
        h5_shape_text(&shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: shape %s, which is not what the virtual data set expects", who,
                             seen);
    }
    return check(set, who, s->depth + 1, err);
}

static int check_source(const struct subject *s, const struct mapping *m, struct assay_err *err)
{
    char who[NAME_MOST];
    snprintf(who, sizeof who, "%.1000s, its source %s:%s", s->who, m->file, m->path);
    if (is_elsewhere(m->file))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: HDF5_VDS_PREFIX is set, so that it may be another file than that "
                             "beside the virtual data set; expected it unset, or absolute names",
                             who);
    const hid_t file = open_source_file(s->set, m->file);
    if (file < 0) return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no such HDF5 file" FILL, who);
    const hid_t set = H5Dopen2(file, m->path, H5P_DEFAULT);
    const int status =
        set < 0 ? assay_err_set(err, ASSAY_ERR_INPUT, "%s: no such data set in the file" FILL, who)
                : check_source_set(s, m, set, who, err);
    if (set >= 0) H5Dclose(set);
    H5Fclose(file);
    return status;
}

// Adds a selection to what others cover; a negative *covered covers nothing yet.
static bool cover(hid_t *covered, hid_t space)
{
    if (*covered >= 0 && H5Sget_select_type(*covered) == H5S_SEL_ALL) return true;
    const bool alone = *covered < 0 || H5Sget_select_type(space) == H5S_SEL_ALL;
    const hid_t both = alone ? H5Scopy(space) : H5Scombine_select(*covered, H5S_SELECT_OR, space);
    if (*covered >= 0) H5Sclose(*covered);
    *covered = both;
    return both >= 0;
}

static int check_mapping(const struct subject *s, const struct mapping *m, hid_t *covered,
                         struct assay_err *err)
{
    if (m->space < 0 || m->source < 0 || !is_within(m->space, &s->shape) ||
        is_unlimited(m->space, s->shape.ndim) || strchr(m->file, '%') || strchr(m->path, '%') ||
        !cover(covered, m->space))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: a virtual data set of a kind whose sources cannot be checked; "
                             "expected plain ones, each with a fixed part: copy it into a data set "
                             "of its own",
                             s->who);
    return check_source(s, m, err);
}

static int check_mapping_at(const struct subject *s, size_t i, hid_t *covered,
                            struct assay_err *err)
{
    struct mapping m = {.space = H5Pget_virtual_vspace(s->plist, i),
                        .source = H5Pget_virtual_srcspace(s->plist, i)};
    const ssize_t file = H5Pget_virtual_filename(s->plist, i, m.file, sizeof m.file),
                  path = H5Pget_virtual_dsetname(s->plist, i, m.path, sizeof m.path);
    const bool good =
        file > 0 && path > 0 && (size_t)file < sizeof m.file && (size_t)path < sizeof m.path;
    const int status =
        good ? check_mapping(s, &m, covered, err)
             : assay_err_set(err, ASSAY_ERR_INPUT, "%s: the name of its source %zu is unreadable",
                             s->who, i);
    if (m.space >= 0) H5Sclose(m.space);
    if (m.source >= 0) H5Sclose(m.source);
    return status;
}

static int check_covered(const struct subject *s, hid_t covered, struct assay_err *err)
{
    const hssize_t n = covered < 0 ? 0 : H5Sget_select_npoints(covered);
    if (n >= 0 && (uint64_t)n == s->shape.size) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: a virtual data set whose sources have %lld of its %llu values" FILL,
                         s->who, (long long)n, (unsigned long long)s->shape.size);
}

static int check_virtual(const struct subject *s, struct assay_err *err)
{
    size_t n = 0;
    hid_t covered = H5I_INVALID_HID;
    if (s->depth == NESTED_MOST)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: more than %d virtual data sets in each other", s->who,
                             NESTED_MOST);
    int status =
        H5Pget_virtual_count(s->plist, &n) < 0
            ? assay_err_set(err, ASSAY_ERR_INPUT, "%s: its sources cannot be counted", s->who)
            : ASSAY_OK;
    for (size_t i = 0; i < n && status >= 0; i++) status = check_mapping_at(s, i, &covered, err);
    if (status >= 0) status = check_covered(s, covered, err);
    if (covered >= 0) H5Sclose(covered);
    return status;
}

// ---- all of them --------------------------------------------------------------------------------
static int check_layout(const struct subject *s, struct assay_err *err)
{
    switch (H5Pget_layout(s->plist)) {
    case H5D_COMPACT:
        return ASSAY_OK; // the values are in the object's header
    case H5D_CONTIGUOUS:
        return H5Pget_external_count(s->plist) > 0 ? check_external(s, err)
                                                   : check_contiguous(s, err);
    case H5D_CHUNKED:
        return check_chunks(s, err);
    case H5D_VIRTUAL:
        return check_virtual(s, err);
    default:
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: stored in a way unknown to this program",
                             s->who);
    }
}

static int check(hid_t set, const char *who, unsigned depth, struct assay_err *err)
{
    struct subject s = {.set = set, .who = who, .depth = depth};
    ASSAY_TRY(h5_shape(&s.shape, set, who, err));
    s.plist = H5Dget_create_plist(set);
    if (s.plist < 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: unreadable or damaged data set", who);
    const int status = check_layout(&s, err);
    H5Pclose(s.plist);
    return status;
}

int h5_whole(hid_t set, const char *who, struct assay_err *err)
{
    return check(set, who, 0, err);
}
