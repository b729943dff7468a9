// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"
#include "foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool put_array(hid_t file, const char *name, hid_t type, size_t rows, size_t columns,
                      const void *value)
{
    const hsize_t shape[2] = {rows, columns};
    const hid_t space = H5Screate_simple(columns ? 2 : 1, shape, NULL);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const bool good = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    if (set >= 0) H5Dclose(set);
    if (space >= 0) H5Sclose(space);
    return good;
}

static bool put_attribute(hid_t file, const char *name, hid_t type, const void *value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attr = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const bool good = attr >= 0 && H5Awrite(attr, type, value) >= 0;
    if (attr >= 0) H5Aclose(attr);
    if (space >= 0) H5Sclose(space);
    return good;
}

// The text has variable length, so that h5py gives a str.
static bool put_text(hid_t file, const char *name, const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    const bool good = type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 &&
                      H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
                      put_attribute(file, name, type, &text);
    if (type >= 0) H5Tclose(type);
    return good;
}

// Beside a scalar that is not finite stands why it is not.
static bool put_scalar(hid_t file, const struct assay_foreign_scalar *s)
{
    char name[128];
    snprintf(name, sizeof name, "%s_reason", s->name);
    return put_attribute(file, s->name, H5T_NATIVE_DOUBLE, &s->value) &&
           (!*s->reason || put_text(file, name, s->reason));
}

static bool put_results(hid_t file, const struct assay_foreign *f,
                        const struct assay_foreign_case *c)
{
    bool good = true;
    if (f->logits) {
        good = put_array(file, "logits", H5T_NATIVE_DOUBLE, f->n, f->classes, f->logits);
    }
    if (good && f->gram) {
        good = put_array(file, "gram", H5T_NATIVE_DOUBLE, f->n_row, f->n_row, f->gram) &&
               put_array(file, "eigenvalues", H5T_NATIVE_DOUBLE, f->n_row, 0, f->eigenvalue);
    }
    if (good && f->gram && c->bn == ASSAY_BN_FROZEN) {
        good = H5Lcreate_hard(file, "gram", file, "frozen_gram", H5P_DEFAULT, H5P_DEFAULT) >= 0;
    }
    if (good && f->patterns) {
        good = put_array(file, "patterns", H5T_NATIVE_UINT8, f->n, f->pattern_bytes, f->patterns);
    }
    for (uint32_t i = 0; good && i < f->n_scalar; i++) {
        good = put_scalar(file, &f->scalar[i]);
    }
    char arch[ASSAY_ARCH_MAX] = "";
    if (c->network)
        snprintf(arch, sizeof arch, "%s", c->name);
    else if (c->mask)
        assay_space_format_supernet(c->space, c->mask, arch, sizeof arch);
    else
        assay_space_format(c->space, c->index, arch, sizeof arch);
    return good && put_text(file, "space", c->network ? "onnx" : c->space->kind->name) &&
           put_text(file, c->mask ? "supernet" : "arch", arch) &&
           put_text(file, "network", c->thin ? "thin" : "net") &&
           put_text(file, "bn", c->bn == ASSAY_BN_BATCH ? "batch" : "frozen") &&
           put_text(file, "status", assay_verdict_name((enum assay_verdict)f->verdict)) &&
           put_text(file, "reason", f->reason);
}

static int sync_file(const char *name)
{
    const int fd = open(name, O_RDONLY);
    if (fd < 0) return -1;
    const int bad = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return bad;
}

static int io_error(const char *file, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_IO, "%s: cannot write it: %s", file,
                         errno ? strerror(errno) : "HDF5 failed");
}

// Writes the temporary file; it exists afterwards only on success.
static int write_temporary(const struct assay_foreign *f, const struct assay_foreign_case *c,
                           const char *file, const char *temporary, struct assay_err *err)
{
    errno = 0;
    assay_guard_begin("HDF5");
    const hid_t out = H5Fcreate(temporary, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    const bool put = out >= 0 && put_results(out, f, c), good = out >= 0 && H5Fclose(out) >= 0;
    assay_guard_end();
    if (out < 0) return io_error(file, err);
    if (put && good && sync_file(temporary) == 0) return ASSAY_OK;
    const int status = io_error(file, err);
    unlink(temporary);
    return status;
}

// Whether `where` ("file.h5:/path") lies in the file that is about to be replaced.
static bool is_input(const char *where, const struct stat *target)
{
    char file[2 * ASSAY_TEXT_MAX];
    struct stat input;
    const char *colon = strrchr(where, ':');
    snprintf(file, sizeof file, "%.*s", colon ? (int)(colon - where) : (int)strlen(where), where);
    return stat(file, &input) == 0 && input.st_dev == target->st_dev &&
           input.st_ino == target->st_ino;
}

int foreign_dump(const struct assay_foreign *f, const struct assay_foreign_case *c,
                 const char *file, struct assay_err *err)
{
    struct stat target;
    if (stat(file, &target) == 0 && (is_input(c->weights, &target) || is_input(c->batch, &target) ||
                                     (c->labels && is_input(c->labels, &target)))) {
        return assay_err_set(err, ASSAY_ERR_IO,
                             "%s: holds the weights, the batch or its labels, and would be "
                             "replaced by --dump; name another file",
                             file);
    }
    const size_t cap = strlen(file) + 32;
    char *temporary = malloc(cap);
    if (!temporary) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    int status = assay_file_unique(temporary, cap, file, err);
    if (status >= 0) status = write_temporary(f, c, file, temporary, err);
    if (status >= 0 && rename(temporary, file) != 0) {
        status = io_error(file, err);
        unlink(temporary);
    }
    free(temporary);
    return status;
}
