// SPDX-License-Identifier: Apache-2.0
#include "h5disk.h"

#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BACK (UINT64_C(8) << 20) // bytes that are brought to disk together

struct opened {
    H5FD_t base; // HDF5's own part, which stands first
    struct h5disk *disk;
    haddr_t allocated;
};

static struct opened *of(H5FD_t *file)
{
    return (struct opened *)file;
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    struct h5disk *const *disk = H5Pget_driver_info(access);
    struct opened *o = calloc(1, sizeof *o);
    (void)name, (void)flags, (void)most;
    if (!disk || !o) {
        free(o);
        return NULL;
    }
    o->disk = *disk;
    return &o->base;
}

static herr_t close_file(H5FD_t *file)
{
    free(file);
    return 0;
}

static herr_t query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t allocated(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct opened *)file)->allocated;
}

static herr_t allocate(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    of(file)->allocated = end;
    return 0;
}

static haddr_t written(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct opened *)file)->disk->bytes;
}

// Behind the end of the file there are zeros, as HDF5 expects.
static herr_t read_file(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                        void *bytes)
{
    const struct h5disk *disk = of(file)->disk;
    const uint64_t there = at < disk->bytes ? disk->bytes - at : 0;
    const size_t whole = there < n ? (size_t)there : n;
    (void)type, (void)transfer;
    memset((char *)bytes + whole, 0, n - whole);
    return file_read_at(disk->fd, bytes, whole, at) ? 0 : -1;
}

static herr_t write_file(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                         const void *bytes)
{
    struct h5disk *disk = of(file)->disk;
    (void)type, (void)transfer;
    if (!disk->why && !file_write_at(disk->fd, bytes, n, at)) disk->why = errno ? errno : ENOSPC;
    if (at + n > disk->bytes) disk->bytes = at + n;
    if (disk->bytes - disk->begun >= WRITE_BACK) {
        file_write_back(disk->fd, disk->begun, disk->bytes - disk->begun);
        disk->begun = disk->bytes;
    }
    return 0;
}

static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)400, // of those that need no registration with its authors
#endif
    .name = "assay",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(struct h5disk *),
    .open = open_file,
    .close = close_file,
    .query = query,
    .get_eoa = allocated,
    .set_eoa = allocate,
    .get_eof = written,
    .read = read_file,
    .write = write_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t h5disk_use(hid_t access, struct h5disk *disk)
{
    const hid_t id = H5FDregister(&driver);
    if (id >= 0 && H5Pset_driver(access, id, &disk) >= 0) return id;
    if (id >= 0) H5FDunregister(id);
    return -1;
}
