// SPDX-License-Identifier: Apache-2.0
// Reading collections, which may come from a journal that anybody wrote.
#include "collection.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int bad_block(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "its networks are no collection, or a damaged one, or another version "
                         "of this program made it");
}

static bool is_text(const char *text, uint32_t n)
{
    return n && text[n - 1] == '\0' && strlen(text) + 1 == n;
}

// Whether what stands in `left` bytes is network i, of which those before are known.
static bool is_network(const struct collection_network *n, uint64_t left,
                       const struct collection_network *const *known, uint64_t i)
{
    if (left < sizeof *n || n->bytes > left || n->bytes < sizeof *n || n->bytes % 8) return false;
    const uint64_t room = n->bytes - sizeof *n;
    if (n->n_name > ASSAY_ARCH_MAX || n->n_why > ASSAY_ARCH_MAX || n->n_file > room) return false;
    const uint64_t used = (uint64_t)n->n_name + n->n_why + n->n_file;
    if (used > room || room - used >= 8) return false;
    if (!is_text(collection_name(n), n->n_name) || !is_text(collection_why(n), n->n_why))
        return false;
    return n->like == i || (n->like < i && known[n->like]->like == n->like);
}

int collection_index(const void *block, size_t bytes, const struct collection_network ***network,
                     uint64_t *n, struct assay_err *err)
{
    const struct collection_head *head = block;
    *network = NULL;
    if (bytes < sizeof *head || head->magic != COLLECTION_MAGIC ||
        head->n > bytes / sizeof **network)
        return bad_block(err);
    const struct collection_network **list = malloc((head->n + 1) * sizeof *list);
    if (!list)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %" PRIu64 " networks", head->n);
    const char *at = (const char *)(head + 1);
    uint64_t left = bytes - sizeof *head;
    for (uint64_t i = 0; i < head->n; i++) {
        list[i] = (const struct collection_network *)at;
        if (!is_network(list[i], left, list, i)) {
            free(list);
            return bad_block(err);
        }
        left -= list[i]->bytes;
        at += list[i]->bytes;
    }
    *network = list;
    *n = head->n;
    return ASSAY_OK;
}

const char *collection_base(const char *name, size_t *n)
{
    const char *slash = strrchr(name, '/');
    if (slash) name = slash + 1;
    *n = strlen(name);
    if (*n > 5 && strcmp(name + *n - 5, ".onnx") == 0) *n -= 5;
    return name;
}

// ---- comparing ----------------------------------------------------------------------------------
static bool same_network(const struct collection_network *a, const struct collection_network *b)
{
    return assay_hash_equal(a->digest, b->digest) &&
           strcmp(collection_name(a), collection_name(b)) == 0;
}

static int refuse_other(const struct collection_network *const *now, uint64_t n_now,
                        const struct collection_network *const *then, uint64_t n_then,
                        struct assay_err *err)
{
    uint64_t i = 0;
    while (i < n_now && i < n_then && same_network(now[i], then[i])) i++;
    if (i == n_now && i == n_then) return ASSAY_OK;
    if (i == n_now || i == n_then || strcmp(collection_name(now[i]), collection_name(then[i])) != 0)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "the list had %" PRIu64 " networks when the run began and has %" PRIu64
                             " now; they differ from number %" PRIu64
                             " on ('%.200s', now '%.200s')",
                             n_then, n_now, i, i < n_then ? collection_name(then[i]) : "",
                             i < n_now ? collection_name(now[i]) : "");
    const struct assay_hash was = then[i]->digest, is = now[i]->digest;
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "'%.200s' is not the file that it was when the run began (its digest was "
                         "%016" PRIx64 "%016" PRIx64 ", is %016" PRIx64 "%016" PRIx64
                         "); restore it, or use another directory",
                         collection_name(now[i]), was.hi, was.lo, is.hi, is.lo);
}

int assay_collection_compare(const void *now, size_t n_now, const void *then, size_t n_then,
                             struct assay_err *err)
{
    const struct collection_network **a, **b = NULL;
    uint64_t n_a, n_b;
    ASSAY_TRY(collection_index(now, n_now, &a, &n_a, err));
    int status = collection_index(then, n_then, &b, &n_b, err);
    if (status >= 0) status = refuse_other(a, n_a, b, n_b, err);
    free(a);
    free(b);
    return status;
}
