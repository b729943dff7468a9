// SPDX-License-Identifier: Apache-2.0
#include "inside.h"
#include "text.h"

#include <string.h>

const struct assay_space_kind *const assay_space_kinds[] = {
    &assay_space_nb201,
    &assay_space_darts,
    &assay_space_null,
    NULL,
};

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

const struct assay_space_kind *assay_space_find(const char *name)
{
    for (int i = 0; assay_space_kinds[i]; i++) {
        if (strcmp(assay_space_kinds[i]->name, name) == 0) return assay_space_kinds[i];
    }
    return NULL;
}

int assay_space_open(struct assay_space *space, const char *name, struct assay_err *err)
{
    *space = (struct assay_space){0};
    const struct assay_space_kind *kind = assay_space_find(name);
    if (!kind) return unknown_name(name, err);
    if (kind->open) ASSAY_TRY(kind->open(&space->state, err));
    space->kind = kind;
    return ASSAY_OK;
}

void assay_space_close(struct assay_space *space)
{
    if (space->kind && space->kind->close) space->kind->close(space->state);
    *space = (struct assay_space){0};
}

uint64_t assay_space_size(const struct assay_space *space)
{
    return space->kind->size();
}

static int check_index(const struct assay_space *space, uint64_t index, struct assay_err *err)
{
    const uint64_t size = assay_space_size(space);
    if (index < size) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "architecture index %llu of %s, expected 0 to %llu",
                         (unsigned long long)index, space->kind->name,
                         (unsigned long long)(size - 1));
}

int assay_space_build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                      struct assay_graph *g, struct assay_err *err)
{
    assay_graph_reset(g);
    ASSAY_TRY(check_index(space, index, err));
    return space->kind->build(index, net, g, err);
}

int assay_space_format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    ASSAY_TRY(check_index(space, index, NULL));
    return space->kind->format(index, text, cap);
}

int assay_space_parse(const struct assay_space *space, const char *text, uint64_t *index,
                      struct assay_err *err)
{
    char copy[ASSAY_ARCH_TEXT_MAX];
    const size_t len = strnlen(text, sizeof copy);
    if (len == sizeof copy) {
        const int n = (int)strcspn(text, "\r\n");
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "architecture of %zu or more characters, expected fewer: '%.*s...'",
                             sizeof copy, n < 40 ? n : 40, text);
    }
    memcpy(copy, text, len + 1);
    struct space_text t = {.what = "architecture", .text = copy, .err = err};
    t.at = space_text_unwrap(copy);
    space_text_skip_blank(&t);
    return space->kind->parse(&t, index);
}

uint64_t assay_space_canonical(const struct assay_space *space, uint64_t index)
{
    ASSAY_ASSERT(index < assay_space_size(space));
    return space->kind->canonical(space->state, index);
}

static int check_range(const char *name, uint32_t value, uint32_t min, uint32_t max,
                       struct assay_err *err)
{
    if (value >= min && value <= max) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "network.%s is %u, expected %u to %u", name, value,
                         min, max);
}

int assay_space_check_net(const struct assay_net *net, uint32_t image_multiple,
                          struct assay_err *err)
{
    ASSAY_TRY(check_range("classes", net->classes, 1, 100000, err));
    if (net->thin) return ASSAY_OK;
    ASSAY_TRY(check_range("channels", net->channels, 1, 4096, err));
    ASSAY_TRY(check_range("cells", net->cells, 1, 256, err));
    ASSAY_TRY(check_range("image", net->image, image_multiple, 4096, err));
    if (net->image % image_multiple != 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "network.image is %u, expected a multiple of %u", net->image,
                             image_multiple);
    return ASSAY_OK;
}
