// SPDX-License-Identifier: Apache-2.0
// The header of a journal: magic, version, byte order, sizes, identity text, extra block, checksum.
#ifndef ASSAY_SRC_STORE_HEADER_H
#define ASSAY_SRC_STORE_HEADER_H

#include "assay/base.h"

struct header {
    uint64_t record_bytes; // packed record, without its checksum
    char *identity;        // malloc'd, NUL-terminated
    void *extra;           // malloc'd
    size_t n_extra;
    uint64_t bytes;    // of the header in the file; the first record follows
    uint64_t checksum; // seeds the checksums of the records
};

// Creates DIR/journal with this header and no records, atomically.
int header_create(const char *dir, uint64_t record_bytes, const char *identity, const void *extra,
                  size_t n_extra, struct assay_err *err);
// Reads and checks the header of an open journal; path names it in errors.
int header_read(struct header *header, int fd, const char *path, struct assay_err *err);
void header_free(struct header *header);

#endif
