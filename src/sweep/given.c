// SPDX-License-Identifier: Apache-2.0
// Networks that users bring: rank 0 reads the files, every host gets one copy of what it has read,
// and the journal keeps it, so that nobody else, then or later, needs the files.
#include "run.h"

#include <stdlib.h>
#include <string.h>

static bool is_given(const struct assay_config *config)
{
    const struct assay_space_kind *kind = assay_space_find(assay_config_evaluation(config)->space);

    return kind && kind->given;
}

// ---- reading ------------------------------------------------------------------------------------
static int read_list(struct sweep_given *g, const struct assay_config *config,
                     const struct assay_log *log, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);

    if (!*given->archs)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "space.name = %s: --archs (candidates.archs) is missing: a list of "
                             "ONNX files, one path a line, or a directory",
                             assay_config_evaluation(config)->space);
    ASSAY_TRY(assay_collection_read(&g->collection, given->archs, log, err));
    g->block = g->collection.block;
    g->n = g->collection.n;
    return 0;
}

// ---- sharing ------------------------------------------------------------------------------------
// One rank of each host gets rank 0's block into the memory that all of the host see.
static int hand_on(struct sweep_given *g, struct assay_comm *comm, struct assay_err *err)
{
    void *block = assay_shared_block(g->shared);
    struct assay_comm *first;

    if (g->collection.block) memcpy(block, g->collection.block, g->n);
    ASSAY_TRY(assay_comm_split(comm, assay_comm_rank(g->host) == 0 ? 0 : -1, &first, err));
    const int status = first ? assay_comm_share(first, 0, block, g->n, err) : 0;
    assay_comm_free(first);
    ASSAY_TRY(status);
    ASSAY_TRY(assay_shared_publish(g->shared, err));
    assay_collection_free(&g->collection);
    g->block = block;
    return 0;
}

static int share(struct sweep_given *g, struct assay_comm *comm, struct assay_err *err)
{
    uint64_t bytes = g->n;

    ASSAY_TRY(assay_comm_share(comm, 0, &bytes, sizeof bytes, err));
    g->n = bytes;
    ASSAY_TRY(assay_comm_split_host(comm, &g->host, err));
    const int status = assay_shared_create(&g->shared, g->host, g->n, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    return hand_on(g, comm, err);
}

int sweep_given_open(struct sweep_given *g, const struct assay_config *config,
                     struct assay_comm *comm, const struct assay_log *log, struct assay_err *err)
{
    int status = 0;

    *g = (struct sweep_given){.n = 0};
    if (!is_given(config)) return 0;
    if (!comm || assay_comm_rank(comm) == 0) status = read_list(g, config, log, err);
    if (!comm) return status;
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    return assay_comm_size(comm) > 1 ? share(g, comm, err) : 0;
}

void sweep_given_close(struct sweep_given *g)
{
    assay_collection_free(&g->collection);
    assay_shared_free(g->shared);
    assay_comm_free(g->host);
    *g = (struct sweep_given){.n = 0};
}

int sweep_given_space(const struct assay_config *config, const void *block, size_t n,
                      struct assay_space *space, struct assay_err *err)
{
    return is_given(config) ? assay_space_open_given(space, block, n, err)
                            : assay_config_open_space(config, space, err);
}

// ---- in a journal -------------------------------------------------------------------------------
// Where networks are given, the length of the list, the list and the block, all multiples of 8
// bytes, of which spans and collections are.
void *sweep_list_pack(const struct sweep_candidates *candidates, const struct sweep_given *g,
                      size_t *n)
{
    size_t n_list;
    void *list = sweep_candidates_pack(candidates, &n_list);
    const uint64_t length = n_list;

    *n = n_list;
    if (!list || !g->block) return list;
    *n = sizeof length + n_list + g->n;
    char *all = malloc(*n);
    if (all) {
        memcpy(all, &length, sizeof length);
        memcpy(all + sizeof length, list, n_list);
        memcpy(all + sizeof length + n_list, g->block, g->n);
    }
    free(list);
    return all;
}

int sweep_list_split(struct sweep_list *list, const struct assay_config *config, const void *bytes,
                     size_t n, struct assay_err *err)
{
    uint64_t length;

    *list = (struct sweep_list){.spans = bytes, .n_spans = n};
    if (!is_given(config)) return 0;
    if (n >= sizeof length) memcpy(&length, bytes, sizeof length);
    if (n < sizeof length || length > n - sizeof length || length % 8)
        return assay_err_set(err, ASSAY_ERR_INPUT, "the candidate list has no networks");
    list->spans = (const char *)bytes + sizeof length;
    list->n_spans = length;
    list->block = (const char *)bytes + sizeof length + length;
    list->n_block = n - sizeof length - length;
    return 0;
}

int sweep_given_check(const struct sweep_given *g, const struct assay_config *config,
                      const char *identity, const char *dir, struct assay_err *err)
{
    char *theirs = NULL;
    void *bytes = NULL;
    size_t n;
    struct sweep_list list;

    if (!g->block || assay_journal_peek(dir, &theirs, &bytes, &n, NULL) < 0) return 0;
    int status = 0;
    // Of another configuration the journal's opening tells.
    if (strcmp(theirs, identity) == 0 && sweep_list_split(&list, config, bytes, n, NULL) >= 0)
        status = assay_collection_compare(g->block, g->n, list.block, list.n_block, err);
    free(theirs);
    free(bytes);
    if (status >= 0) return 0;
    assay_err_prefix(err, "%s", dir);
    return status;
}
