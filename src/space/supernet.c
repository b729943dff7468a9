// SPDX-License-Identifier: Apache-2.0
// Masks of live operations: as text, as architectures, and checked before a network is built.
#include "assay/space.h"
#include "text.h"

#include <string.h>

static const struct assay_supernet_kind *shape(const struct assay_space *space)
{
    ASSAY_ASSERT(space->kind->supernet);
    return space->kind->supernet;
}

uint32_t assay_supernet_alive(const struct assay_supernet *mask, uint32_t cell, uint32_t edge)
{
    return (uint32_t)__builtin_popcount(mask->alive[cell][edge]);
}

bool assay_supernet_is_discrete(const struct assay_supernet *mask)
{
    for (uint32_t c = 0; c < ASSAY_SUPERNET_CELLS; c++) {
        for (uint32_t e = 0; e < ASSAY_SUPERNET_EDGES; e++) {
            if (assay_supernet_alive(mask, c, e) > 1) return false;
        }
    }
    return true;
}

void assay_space_full_supernet(const struct assay_space *space, bool none,
                               struct assay_supernet *mask)
{
    const struct assay_supernet_kind *k = shape(space);
    const uint16_t all = (uint16_t)((1u << k->ops) - 1u);
    memset(mask, 0, sizeof *mask);
    for (uint32_t c = 0; c < k->cells; c++) {
        for (uint32_t e = 0; e < k->edges; e++)
            mask->alive[c][e] = none ? all : (uint16_t)(all & ~1u);
    }
}

// ---- networks -----------------------------------------------------------------------------------
static int has_supernets(const struct assay_space *space, struct assay_err *err)
{
    if (space->kind->supernet) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "search space %s has no supernets",
                         space->kind->name);
}

static int check_mask(const struct assay_space *space, const struct assay_supernet *mask,
                      struct assay_err *err)
{
    const struct assay_supernet_kind *k = shape(space);
    for (uint32_t c = 0; c < ASSAY_SUPERNET_CELLS; c++) {
        for (uint32_t e = 0; e < ASSAY_SUPERNET_EDGES; e++) {
            const uint32_t known = c < k->cells && e < k->edges ? (1u << k->ops) - 1u : 0;
            if ((mask->alive[c][e] & ~known) == 0) continue;
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "supernet of %s: operations %#x on edge %u of cell type %u, "
                                 "expected none but %#x",
                                 space->kind->name, mask->alive[c][e], e, c, known);
        }
    }
    return ASSAY_OK;
}

int assay_space_build_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                               const struct assay_net *net, struct assay_graph *g,
                               struct assay_err *err)
{
    assay_graph_reset(g);
    ASSAY_TRY(has_supernets(space, err));
    ASSAY_TRY(check_mask(space, mask, err));
    ASSAY_TRY(assay_space_check(space, net, err));
    return shape(space)->build(space, mask, net, g, err);
}

// ---- architectures ------------------------------------------------------------------------------
static int not_one(const struct assay_space *space, uint32_t cell, uint32_t edge, const char *what,
                   struct assay_err *err)
{
    const struct assay_supernet_kind *k = shape(space);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "supernet of %s is no architecture: %s on edge %u<-%u of the %s cell",
                         space->kind->name, what, k->to[edge], k->from[edge], k->cell_name[cell]);
}

// Checks one cell type: what its edges carry, and how many enter each node.
static int check_discrete(const struct assay_space *space, const struct assay_supernet *mask,
                          uint32_t cell, struct assay_err *err)
{
    const struct assay_supernet_kind *k = shape(space);
    uint32_t kept = 0;
    for (uint32_t e = 0; e < k->edges; e++) {
        const uint32_t alive = assay_supernet_alive(mask, cell, e);
        const bool last = e + 1 == k->edges || k->to[e + 1] != k->to[e];
        if (alive > 1) return not_one(space, cell, e, "more than one operation", err);
        if (alive == 0 && !k->keep) return not_one(space, cell, e, "no operation", err);
        if (k->keep && mask->alive[cell][e] == 1) return not_one(space, cell, e, "only none", err);
        kept += alive;
        if (!last) continue;
        if (k->keep && kept != k->keep)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "supernet of %s is no architecture: %u edges enter node %u of the "
                                 "%s cell, expected %u",
                                 space->kind->name, kept, k->to[e], k->cell_name[cell], k->keep);
        kept = 0;
    }
    return ASSAY_OK;
}

int assay_space_supernet_index(const struct assay_space *space, const struct assay_supernet *mask,
                               uint64_t *index, struct assay_err *err)
{
    ASSAY_TRY(check_mask(space, mask, err));
    for (uint32_t c = 0; c < shape(space)->cells; c++)
        ASSAY_TRY(check_discrete(space, mask, c, err));
    *index = shape(space)->index(space, mask);
    return ASSAY_OK;
}

void assay_space_index_supernet(const struct assay_space *space, uint64_t index,
                                struct assay_supernet *mask)
{
    ASSAY_ASSERT(index < assay_space_size(space));
    memset(mask, 0, sizeof *mask);
    shape(space)->mask(space, index, mask);
}

// ---- text ---------------------------------------------------------------------------------------
static int parse_edge(struct space_text *t, uint32_t ops, uint16_t *alive)
{
    char expected[96];
    snprintf(expected, sizeof expected,
             "'-' or the numbers (0 to %u, each once) of an edge's live operations", ops - 1);
    *alive = 0;
    if (*t->at == '-') {
        t->at++;
        return ASSAY_OK;
    }
    do {
        const unsigned op = (unsigned)*t->at - '0';
        if (op >= ops || *alive & 1u << op) return space_text_fail(t, expected);
        *alive |= (uint16_t)(1u << op);
        t->at++;
    } while (space_text_is_word(*t->at));
    return ASSAY_OK;
}

static int parse_mask(struct space_text *t, const struct assay_supernet_kind *k,
                      struct assay_supernet *mask)
{
    for (uint32_t c = 0; c < k->cells; c++) {
        if (c > 0) ASSAY_TRY(space_text_expect(t, '/', "'/' between the cell types"));
        for (uint32_t e = 0; e < k->edges; e++) {
            if (e > 0) ASSAY_TRY(space_text_expect(t, ',', "',' between the edges"));
            ASSAY_TRY(parse_edge(t, k->ops, &mask->alive[c][e]));
        }
    }
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after the last edge");
    return ASSAY_OK;
}

static bool is_whole_word(const char *text, const char *word)
{
    static const char blank[] = " \t\r\n\v\f";
    const size_t n = strlen(word);
    text += strspn(text, blank);
    return strncmp(text, word, n) == 0 && text[n + strspn(text + n, blank)] == '\0';
}

int assay_space_parse_supernet(const struct assay_space *space, const char *text,
                               struct assay_supernet *mask, struct assay_err *err)
{
    char what[64];
    struct assay_supernet parsed = {{{0}}};
    struct space_text t = {.what = what, .text = text, .at = text, .err = err};
    ASSAY_TRY(has_supernets(space, err));
    if (is_whole_word(text, "full") || is_whole_word(text, "full+none")) {
        assay_space_full_supernet(space, strchr(text, '+') != NULL, mask);
        return ASSAY_OK;
    }
    snprintf(what, sizeof what, "supernet of %s", space->kind->name);
    space_text_skip_blank(&t);
    ASSAY_TRY(parse_mask(&t, shape(space), &parsed));
    *mask = parsed;
    return ASSAY_OK;
}

int assay_space_format_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                                char *text, size_t cap)
{
    const struct assay_supernet_kind *k = shape(space);
    size_t n = 0;
    ASSAY_TRY(check_mask(space, mask, NULL));
    for (uint32_t i = 0; i < k->cells * k->edges; i++) {
        const uint32_t alive = mask->alive[i / k->edges][i % k->edges];
        char edge[ASSAY_SUPERNET_EDGES + 4];
        size_t len = 0;
        if (i > 0) edge[len++] = i % k->edges ? ',' : '/';
        for (uint32_t op = 0; op < k->ops; op++) {
            if (alive & 1u << op) edge[len++] = (char)('0' + op);
        }
        if (!alive) edge[len++] = '-';
        if (n + len >= cap) return ASSAY_ERR_INPUT;
        memcpy(text + n, edge, len);
        n += len;
    }
    if (cap) text[n] = '\0';
    return ASSAY_OK;
}
