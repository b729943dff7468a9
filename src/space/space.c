// SPDX-License-Identifier: Apache-2.0
#include "blocks.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static int unknown_name(const char *name, struct assay_err *err)
{
    char known[256] = "";
    for (int i = 0; assay_space_kinds[i]; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                 assay_space_kinds[i]->name);
    }
    return assay_err_set(err, ASSAY_ERR_CONFIG, "unknown search space '%.64s', expected one of: %s",
                         name, known);
}

static int copy_options(struct assay_space *space, const void *options, struct assay_err *err)
{
    const struct assay_options *table = space->kind->options;
    if (!table) return ASSAY_OK;
    space->options = calloc(1, table->size);
    if (!space->options)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for the options of %s",
                             space->kind->name);
    if (options)
        memcpy(space->options, options, table->size);
    else
        assay_opts_defaults(table->opt, space->options);
    return ASSAY_OK;
}

int assay_space_open_kind(struct assay_space *space, const struct assay_space_kind *kind,
                          const void *options, struct assay_err *err)
{
    *space = (struct assay_space){.kind = kind};
    int status = copy_options(space, options, err);
    if (status >= 0 && kind->open) status = kind->open(space, err);
    if (status >= 0) return ASSAY_OK;
    free(space->options);
    *space = (struct assay_space){0};
    return status;
}

int assay_space_open(struct assay_space *space, const char *name, struct assay_err *err)
{
    *space = (struct assay_space){0};
    const struct assay_space_kind *kind = assay_space_find(name);
    if (!kind) return unknown_name(name, err);
    return assay_space_open_kind(space, kind, NULL, err);
}

void assay_space_close(struct assay_space *space)
{
    if (space->kind && space->kind->close) space->kind->close(space);
    free(space->options);
    *space = (struct assay_space){0};
}

uint64_t assay_space_size(const struct assay_space *space)
{
    return space->kind->size(space);
}

static int check_index(const struct assay_space *space, uint64_t index, struct assay_err *err)
{
    const uint64_t size = assay_space_size(space);
    if (index < size) return ASSAY_OK;
    if (!size)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "%s: no networks were given",
                             space->kind->name);
    return assay_err_set(err, ASSAY_ERR_CONFIG, "architecture index %llu of %s, expected 0 to %llu",
                         (unsigned long long)index, space->kind->name,
                         (unsigned long long)(size - 1));
}

int assay_space_build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                      struct assay_graph *g, struct assay_err *err)
{
    assay_graph_reset(g);
    ASSAY_TRY(check_index(space, index, err));
    ASSAY_TRY(assay_space_check(space, net, err));
    return space->kind->build(space, index, net, g, err);
}

int assay_space_build_oneshot(const struct assay_space *space, const struct assay_oneshot *shot,
                              const struct assay_net *net, struct assay_graph *g,
                              struct assay_err *err)
{
    assay_graph_reset(g);
    ASSAY_TRY(assay_space_check(space, net, err));
    return space->kind->oneshot->build(space, shot, net, g, err);
}

int assay_space_format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    ASSAY_TRY(check_index(space, index, NULL));
    return space->kind->format(space, index, text, cap);
}

bool assay_space_is_index(const struct assay_space *space, const char *word)
{
    const size_t n = strlen(word);
    return n > 0 && n != space->kind->digits && strspn(word, "0123456789") == n;
}

int assay_space_hash(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    if (!space->kind->hash) return ASSAY_ERR_INPUT;
    ASSAY_TRY(check_index(space, index, NULL));
    return space->kind->hash(space, index, text, cap);
}

int assay_space_read(const struct assay_space *space, const char *text, uint64_t *index,
                     bool *other, struct assay_err *err)
{
    char copy[ASSAY_ARCH_TEXT_MAX];
    *other = false;
    const size_t len = strnlen(text, sizeof copy);
    if (len == sizeof copy) {
        const int n = (int)strcspn(text, "\r\n");
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "architecture of %zu or more characters, expected fewer: '%.*s...'",
                             sizeof copy, n < 40 ? n : 40, text);
    }
    memcpy(copy, text, len + 1);
    struct space_text t = {.what = "architecture", .text = copy, .err = err};
    t.at = space_text_unwrap(copy, space->kind->begins);
    space_text_skip_blank(&t);
    const int status = space->kind->parse(space, &t, index);
    *other = t.other;
    return status;
}

int assay_space_parse(const struct assay_space *space, const char *text, uint64_t *index,
                      struct assay_err *err)
{
    bool other;
    return assay_space_read(space, text, index, &other, err);
}

uint64_t assay_space_canonical(const struct assay_space *space, uint64_t index)
{
    ASSAY_ASSERT(index < assay_space_size(space));
    return space->kind->canonical ? space->kind->canonical(space, index) : index;
}
