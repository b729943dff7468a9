// SPDX-License-Identifier: Apache-2.0
// Networks that users bring in ONNX files (struct assay_collection).
#include "blocks.h"
#include "collection.h"
#include "text.h"

#include "assay/onnx.h"

#include <stdlib.h>
#include <string.h>

extern const struct assay_space_kind assay_space_onnx;

// In space->state, of a space that was opened with a collection.
struct given {
    const struct collection_network **network; // (n)
    uint64_t n;
    const struct collection_network **by_name, **by_base; // (n) sorted
    struct assay_collection own; // what they are part of, unless it is borrowed
};

static uint64_t number_of(const struct given *given, const struct collection_network *network)
{
    const struct collection_network **list = given->network;
    uint64_t low = 0, high = given->n; // they stand in the block in their order
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        if (list[middle] <= network)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int compare_base(const char *a, const char *b)
{
    size_t n_a, n_b;
    a = collection_base(a, &n_a);
    b = collection_base(b, &n_b);
    const int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int by_name(const void *a, const void *b)
{
    const struct collection_network *const *x = a, *const *y = b;
    return strcmp(collection_name(*x), collection_name(*y));
}

static int by_base(const void *a, const void *b)
{
    const struct collection_network *const *x = a, *const *y = b;
    return compare_base(collection_name(*x), collection_name(*y));
}

static const struct collection_network **sorted(const struct given *given,
                                                int (*compare)(const void *, const void *))
{
    const struct collection_network **list = malloc((given->n + 1) * sizeof *list);
    if (!list) return NULL;
    memcpy(list, given->network, given->n * sizeof *list);
    qsort(list, given->n, sizeof *list, compare);
    return list;
}

static void close_given(struct assay_space *space)
{
    struct given *given = space->state;
    if (!given) return;
    free(given->network);
    free(given->by_name);
    free(given->by_base);
    assay_collection_free(&given->own);
    free(given);
    space->state = NULL;
}

static int open_given(struct assay_space *space, const void *block, size_t bytes,
                      struct assay_err *err)
{
    struct given *given = space->state = calloc(1, sizeof *given);
    if (!given) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a list of networks");
    ASSAY_TRY(collection_index(block, bytes, &given->network, &given->n, err));
    given->by_name = sorted(given, by_name);
    given->by_base = sorted(given, by_base);
    if (given->by_name && given->by_base) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a list of networks");
}

int assay_space_open_given(struct assay_space *space, const void *block, size_t bytes,
                           struct assay_err *err)
{
    ASSAY_TRY(assay_space_open_kind(space, &assay_space_onnx, NULL, err));
    const int status = open_given(space, block, bytes, err);
    if (status < 0) assay_space_close(space);
    return status;
}

int assay_space_open_names(struct assay_space *space, char *const *name, uint64_t n,
                           struct assay_err *err)
{
    struct assay_collection c = {0};
    int status = ASSAY_OK;
    *space = (struct assay_space){0};
    for (uint64_t i = 0; status >= 0 && i < n; i++) status = collection_add_name(&c, name[i], err);
    if (status >= 0 && n) status = assay_space_open_given(space, c.block, c.n, err);
    if (status >= 0 && n) {
        ((struct given *)space->state)->own = c;
        return ASSAY_OK;
    }
    assay_collection_free(&c);
    return status < 0 ? status : assay_space_open_kind(space, &assay_space_onnx, NULL, err);
}

static uint64_t size(const struct assay_space *space)
{
    const struct given *given = space->state;
    return given ? given->n : 0;
}

static uint64_t canonical(const struct assay_space *space, uint64_t index)
{
    const struct given *given = space->state;
    return given->network[index]->like;
}

// ---- networks -----------------------------------------------------------------------------------
// Weights are drawn by the name of their parameter. Here it is its number, so that equal networks
// have equal weights, whatever their authors called them.
static void number_params(struct assay_graph *g)
{
    for (uint32_t i = 0; i < g->n_param; i++) {
        char name[16];
        const int n = snprintf(name, sizeof name, "%u", i);
        assay_graph_rename(g, i, name, (size_t)n);
    }
}

static int check_size(const struct assay_graph *g, const struct assay_net *net,
                      struct assay_err *err)
{
    const struct assay_shape in = assay_graph_shape(g, 0),
                             out = assay_graph_shape(g, g->n_node - 1);
    if (in.h != net->image || in.w != net->image)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "it takes images of %ux%u, expected %ux%u (network.image)", in.h, in.w,
                             net->image, net->image);
    if (out.c == net->classes) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "it has %u outputs, expected %u (network.classes)",
                         out.c, net->classes);
}

static int import(const struct collection_network *n, struct assay_graph *g, struct assay_err *err)
{
    struct assay_onnx m = {0};
    struct assay_onnx_net net = {0};
    uint8_t *copy = malloc(n->n_file + 1);
    if (!copy) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a network");
    memcpy(copy, collection_file(n), n->n_file);
    int status = assay_onnx_parse(&m, collection_name(n), copy, n->n_file, err);
    if (status >= 0) status = assay_onnx_import(&m, g, &net, err);
    assay_onnx_net_free(&net);
    assay_onnx_free(&m);
    return status;
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    const struct given *given = space->state;
    const struct collection_network *n = given->network[index];
    if (*collection_why(n)) return assay_err_set(err, ASSAY_ERR_INPUT, "%s", collection_why(n));
    ASSAY_TRY(import(n, g, err));
    number_params(g);
    return check_size(g, net, err);
}

// ---- names --------------------------------------------------------------------------------------
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    const struct given *given = space->state;
    const char *name = collection_name(given->network[index]);
    if (strlen(name) >= cap) return ASSAY_ERR_INPUT;
    strcpy(text, name);
    return ASSAY_OK;
}

static int compare_key_base(const void *key, const void *network)
{
    const struct collection_network *const *n = network;
    return compare_base(key, collection_name(*n));
}

static int compare_key_name(const void *key, const void *network)
{
    const struct collection_network *const *n = network;
    return strcmp(key, collection_name(*n));
}

static bool is_base(const struct given *given, const struct collection_network **at, long step,
                    const char *name)
{
    at += step;
    return at >= given->by_base && at < given->by_base + given->n &&
           compare_base(name, collection_name(*at)) == 0;
}

// A network is called by its path in the list, or by its file's name, with or without ".onnx",
// where no other is called so.
static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    const struct given *given = space->state;
    const struct collection_network **at = NULL;
    if (given) at = bsearch(t->at, given->by_name, given->n, sizeof *at, compare_key_name);
    if (given && !at) {
        at = bsearch(t->at, given->by_base, given->n, sizeof *at, compare_key_base);
        if (at && (is_base(given, at, -1, t->at) || is_base(given, at, 1, t->at)))
            return assay_err_set(t->err, ASSAY_ERR_INPUT,
                                 "'%.200s' is the name of more than one file, expected a path such "
                                 "as '%.200s'",
                                 t->at, collection_name(*at));
    }
    if (!at)
        return assay_err_set(t->err, ASSAY_ERR_INPUT,
                             "'%.200s' is none of the %llu networks, expected a path of the list, "
                             "or a file's name",
                             t->at, given ? (unsigned long long)given->n : 0);
    *index = number_of(given, *at);
    return ASSAY_OK;
}

const struct assay_space_kind assay_space_onnx = {
    .name = "onnx",
    .help = "networks of your own in ONNX files, which --archs names: a list, one path a line, or "
            "a directory",
    .search = {.classes = 10, .image = 32, .stem = 1},
    .full = {.classes = 10, .image = 32, .stem = 1},
    .given = true,
    .close = close_given,
    .size = size,
    .build = build,
    .begins = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-+~@%",
    .format = format,
    .parse = parse,
    .canonical = canonical,
};
