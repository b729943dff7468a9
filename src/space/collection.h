// SPDX-License-Identifier: Apache-2.0
// The block of bytes that a collection is: a head, and a network after the other.
#ifndef ASSAY_SRC_SPACE_COLLECTION_H
#define ASSAY_SRC_SPACE_COLLECTION_H

#include "assay/space.h"

#define COLLECTION_MAGIC UINT64_C(0x74656e7961737361) // "assaynet"
#define COLLECTION_MOST  (UINT64_C(1) << 30) // bytes: of one message, and of a journal's head

struct collection_head {
    uint64_t magic, n;
};

// Behind it stand the name, why there is no network (empty: there is one), both with their zero
// bytes, and the file without weights.
struct collection_network {
    uint64_t bytes; // of all this, a multiple of 8
    struct assay_hash digest;
    uint64_t like; // the first whose network is the same, or itself
    uint32_t n_name, n_why;
    uint64_t n_file;
};

static inline const char *collection_name(const struct collection_network *n)
{
    return (const char *)(n + 1);
}
static inline const char *collection_why(const struct collection_network *n)
{
    return collection_name(n) + n->n_name;
}
static inline const uint8_t *collection_file(const struct collection_network *n)
{
    return (const uint8_t *)collection_why(n) + n->n_why;
}
// The networks of a block: *network, malloc'd. An error unless it is one; *n: how many it has.
int collection_index(const void *block, size_t bytes, const struct collection_network ***network,
                     uint64_t *n, struct assay_err *err);
// Adds a name without a file.
int collection_add_name(struct assay_collection *c, const char *name, struct assay_err *err);
// The part of a name that is the file's own, without ".onnx"; *n: its length.
const char *collection_base(const char *name, size_t *n);

#endif
