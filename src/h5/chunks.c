// SPDX-License-Identifier: Apache-2.0
#include "assay/h5.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FILTERS_MOST = 32, FLETCHER32 = 4 }; // FLETCHER32: bytes of a checksum

// How a data set's chunks are stored.
struct chunks {
    hid_t set;
    int ndim, n_filter;
    hsize_t dim[H5S_MAX_RANK], size[H5S_MAX_RANK]; // of the data set, and of a chunk
    H5Z_filter_t filter[FILTERS_MOST];             // in the order of writing
    uint64_t bytes;                                // of a chunk
    unsigned char *packed;                         // grows to the largest chunk stored
    uint64_t room;
};

// ---- one chunk ----------------------------------------------------------------------------------
// Whether n bytes unpack to exactly `bytes`.
static bool unpacks_to(unsigned char *packed, size_t n, uint64_t bytes)
{
    unsigned char scratch[1 << 16];
    z_stream z = {.next_in = packed, .avail_in = (uInt)n};
    uint64_t got = 0;
    int status = inflateInit(&z);
    if (status != Z_OK) return false;
    while (status == Z_OK && got <= bytes) {
        z.next_out = scratch;
        z.avail_out = sizeof scratch;
        status = inflate(&z, Z_SYNC_FLUSH);
        got += sizeof scratch - z.avail_out;
    }
    inflateEnd(&z);
    return status == Z_STREAM_END && got == bytes;
}

// Undoes the filters that were not left out (mask), as far as they change the size. Where shuffle
// came after deflate the bytes cannot be unpacked here; nobody writes that order.
static const char *packed_fault(const struct chunks *c, unsigned mask, uint64_t n)
{
    bool moved = false;
    for (int i = c->n_filter; i-- > 0;) {
        const H5Z_filter_t filter = mask >> i & 1 ? H5Z_FILTER_NONE : c->filter[i];
        if (filter == H5Z_FILTER_SHUFFLE) {
            moved = true;
        } else if (filter == H5Z_FILTER_FLETCHER32) {
            if (n < FLETCHER32) return "has a chunk that was cut short";
            n -= FLETCHER32;
        } else if (filter == H5Z_FILTER_DEFLATE) {
            if (moved) return "is packed by filters in an unknown order";
            if (!unpacks_to(c->packed, n, c->bytes)) return "has a chunk of another size";
            n = c->bytes;
            moved = true;
        } else if (filter >= H5Z_FILTER_RESERVED) {
            return NULL;
        } else if (filter != H5Z_FILTER_NONE) {
            return "is packed by a filter that cannot be checked, expected deflate (gzip)";
        }
    }
    return n == c->bytes ? NULL : "has a chunk of another size";
}

static const char *reserve(struct chunks *c, uint64_t n)
{
    hsize_t file_bytes = 0;
    const hid_t file = H5Iget_file_id(c->set);
    const bool known = H5Fget_filesize(file, &file_bytes) >= 0;
    H5Fclose(file);
    if (!known || n > file_bytes || n > UINT32_MAX) return "has a chunk larger than the file";
    if (n <= c->room) return NULL;
    unsigned char *more = realloc(c->packed, n);
    if (!more) return "has chunks that memory cannot hold";
    c->packed = more;
    c->room = n;
    return NULL;
}

static const char *chunk_fault(struct chunks *c, const hsize_t *at)
{
    unsigned mask = 0;
    uint32_t read_mask = 0;
    haddr_t address;
    hsize_t n = 0;
    if (H5Dget_chunk_info_by_coord(c->set, at, &mask, &address, &n) < 0 || address == HADDR_UNDEF)
        return "has a chunk that cannot be found";
    const char *fault = reserve(c, n);
    if (!fault && c->n_filter && H5Dread_chunk(c->set, H5P_DEFAULT, at, &read_mask, c->packed) < 0)
        fault = "has a chunk that cannot be read";
    return fault ? fault : packed_fault(c, mask, n);
}

// ---- all of them --------------------------------------------------------------------------------
// Goes to the next chunk in row-major order; false behind the last.
static bool advance(const struct chunks *c, hsize_t *at)
{
    for (int i = c->ndim; i-- > 0;) {
        if (c->size[i] < c->dim[i] - at[i]) {
            at[i] += c->size[i];
            return true;
        }
        at[i] = 0;
    }
    return false;
}

static bool describe(struct chunks *c, hid_t plist)
{
    const hid_t space = H5Dget_space(c->set), type = H5Dget_type(c->set);
    c->ndim = H5Sget_simple_extent_dims(space, c->dim, NULL);
    c->n_filter = H5Pget_nfilters(plist);
    bool good = c->ndim > 0 && H5Pget_chunk(plist, H5S_MAX_RANK, c->size) == c->ndim &&
                c->n_filter >= 0 && c->n_filter <= FILTERS_MOST;
    c->bytes = H5Tget_size(type);
    for (int i = 0; i < c->ndim && good; i++)
        good = c->size[i] && !__builtin_mul_overflow(c->bytes, c->size[i], &c->bytes);
    for (int i = 0; i < c->n_filter && good; i++) {
        unsigned flags;
        size_t n = 0;
        c->filter[i] = H5Pget_filter2(plist, (unsigned)i, &flags, &n, NULL, 0, NULL, NULL);
        good = c->filter[i] >= 0;
    }
    H5Tclose(type);
    H5Sclose(space);
    return good;
}

const char *assay_h5_chunks_fault(hid_t set)
{
    struct chunks c = {.set = set};
    hsize_t at[H5S_MAX_RANK] = {0};
    const hid_t plist = H5Dget_create_plist(set);
    const bool chunked = H5Pget_layout(plist) == H5D_CHUNKED;
    const char *fault = chunked && !describe(&c, plist) ? "has chunks of an unknown kind" : NULL;
    H5Pclose(plist);
    bool more = chunked && !fault;
    for (int i = 0; i < c.ndim; i++) more = more && c.dim[i];
    for (; more && !fault; more = advance(&c, at)) fault = chunk_fault(&c, at);
    free(c.packed);
    return fault;
}
