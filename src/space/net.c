// SPDX-License-Identifier: Apache-2.0
// The size of a network, as far as spaces agree on what it must be.
#include "blocks.h"

struct check {
    const struct assay_space_kind *kind;
    const char *section;
    struct assay_err *err;
};

static int check_range(const struct check *c, const char *name, uint32_t value, uint32_t min,
                       uint32_t max)
{
    if (value >= min && value <= max) return ASSAY_OK;
    return assay_err_set(c->err, ASSAY_ERR_CONFIG, "%s.%s is %u, expected %u to %u", c->section,
                         name, value, min, max);
}

// own: the descriptor's number, 0 where the space's architectures bring their own.
static int check_size(const struct check *c, const char *name, uint32_t value, uint32_t own,
                      uint32_t max)
{
    if (own) return check_range(c, name, value, 1, max);
    if (value == 0) return ASSAY_OK;
    return assay_err_set(c->err, ASSAY_ERR_CONFIG,
                         "%s.%s is %u, expected 0: every architecture of %s has its own",
                         c->section, name, value, c->kind->name);
}

static int check_macro(const struct check *c, const struct assay_net *net)
{
    const unsigned macros = c->kind->macros;
    if (macros ? macros & 1u << net->macro : net->macro == ASSAY_MACRO_TENAS && net->stem <= 1)
        return ASSAY_OK;
    return assay_err_set(c->err, ASSAY_ERR_CONFIG,
                         "%s.macro and %s.stem: %s has one macro network, expected tenas and 1",
                         c->section, c->section, c->kind->name);
}

static int check_image(const struct check *c, uint32_t image)
{
    const uint32_t multiple = c->kind->image_multiple ? c->kind->image_multiple : 1;
    ASSAY_TRY(check_range(c, "image", image, multiple, 4096));
    if (image % multiple == 0) return ASSAY_OK;
    return assay_err_set(c->err, ASSAY_ERR_CONFIG, "%s.image is %u, expected a multiple of %u",
                         c->section, image, multiple);
}

const char *space_section(const struct assay_net *net)
{
    return net->section ? net->section : "network";
}

int assay_space_check(const struct assay_space *space, const struct assay_net *net,
                      struct assay_err *err)
{
    const struct assay_space_kind *kind = space->kind;
    const struct check c = {.kind = kind, .section = space_section(net), .err = err};
    ASSAY_TRY(check_range(&c, "classes", net->classes, 1, 100000));
    ASSAY_TRY(check_macro(&c, net));
    if (net->thin && kind->patch) return ASSAY_OK;
    if (net->thin)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "%s has no thin networks", kind->name);
    ASSAY_TRY(check_size(&c, "channels", net->channels, kind->search.channels, 4096));
    ASSAY_TRY(check_size(&c, "cells", net->cells, kind->search.cells, 256));
    return check_image(&c, net->image);
}
