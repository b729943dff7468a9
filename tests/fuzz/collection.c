// SPDX-License-Identifier: Apache-2.0
// Collections of networks, such as a journal's.
#include "assay/space.h"
#include "fuzz.h"

static void try_network(const struct assay_space *space, uint64_t i)
{
    struct assay_err err = {0};
    struct assay_graph g;
    char name[ASSAY_ARCH_MAX];
    uint64_t found;
    assay_graph_init(&g);
    const int status = assay_space_build(space, i, &space->kind->search, &g, &err);
    if (status < 0) must_explain(status, &err);
    if (status >= 0) must(assay_graph_validate(&g, &err) >= 0, "no graph", &err);
    assay_graph_free(&g);
    must(assay_space_canonical(space, i) <= i, "no representative", NULL);
    must(assay_space_format(space, i, name, sizeof name) >= 0, "no name", NULL);
    const int parsed = assay_space_parse(space, name, &found, &err);
    if (parsed < 0) must_explain(parsed, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct assay_err err = {0};
    struct assay_space space;
    uint8_t *block = malloc(n + 1);
    if (!block) abort();
    if (n) memcpy(block, bytes, n);
    const int status = assay_space_open_given(&space, block, n, &err);
    if (status < 0) must_explain(status, &err);
    for (uint64_t i = 0; status >= 0 && i < assay_space_size(&space); i++) try_network(&space, i);
    if (status >= 0) {
        must(assay_collection_compare(block, n, block, n, &err) >= 0, "other than itself", &err);
        assay_space_close(&space);
    }
    free(block);
    return 0;
}
