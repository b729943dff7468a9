// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

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
