// SPDX-License-Identifier: Apache-2.0
// The size of a network, as far as spaces agree on what it must be.
#include "assay/space.h"

static int check_range(const char *name, uint32_t value, uint32_t min, uint32_t max,
                       struct assay_err *err)
{
    if (value >= min && value <= max) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "network.%s is %u, expected %u to %u", name, value,
                         min, max);
}

// own: of the descriptor; 0: the space's architectures say it themselves.
static int check_size(const struct assay_space *space, const char *name, uint32_t value,
                      uint32_t own, uint32_t max, struct assay_err *err)
{
    if (own) return check_range(name, value, 1, max, err);
    if (value == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "network.%s is %u, expected 0: every architecture of %s has its own", name,
                         value, space->kind->name);
}

static int check_macro(const struct assay_space *space, const struct assay_net *net,
                       struct assay_err *err)
{
    const unsigned macros = space->kind->macros;
    if (macros ? macros & 1u << net->macro : net->macro == ASSAY_MACRO_TENAS && net->stem <= 1)
        return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "network.macro and network.stem: %s has one macro network, expected tenas "
                         "and 1",
                         space->kind->name);
}

int assay_space_check(const struct assay_space *space, const struct assay_net *net,
                      struct assay_err *err)
{
    const struct assay_space_kind *kind = space->kind;
    const uint32_t multiple = kind->image_multiple;
    ASSAY_TRY(check_range("classes", net->classes, 1, 100000, err));
    ASSAY_TRY(check_macro(space, net, err));
    if (net->thin && kind->thin) return ASSAY_OK;
    if (net->thin)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "%s has no thin networks", kind->name);
    ASSAY_TRY(check_size(space, "channels", net->channels, kind->search.channels, 4096, err));
    ASSAY_TRY(check_size(space, "cells", net->cells, kind->search.cells, 256, err));
    ASSAY_TRY(check_range("image", net->image, multiple, 4096, err));
    if (net->image % multiple == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "network.image is %u, expected a multiple of %u",
                         net->image, multiple);
}
