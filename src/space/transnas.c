// SPDX-License-Identifier: Apache-2.0
#include "transnas.h"

#include "blocks.h"
#include "stages.h"

static uint32_t stem(struct assay_graph *g, uint32_t x, uint32_t c, bool affine)
{
    x = assay_graph_conv(g, x, c / 2, 3, 2, 1, 1, 1, "stem.0");
    x = assay_graph_bn(g, x, affine, "stem.1");
    return space_relu_conv_bn_of(g, x, c, 3, 2, affine, "stem.2.ops");
}

struct cells {
    const struct transnas *t;
    uint32_t n; // of a layer
};

static uint32_t cell(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                     uint32_t stride, uint32_t number)
{
    const struct cells *cells = self;
    const uint32_t layer = number / cells->n, i = number % cells->n;
    char prefix[32];
    assay_graph_name(g, prefix, sizeof prefix, "layer%u.%u", layer, i);
    x = cells->t->cell(cells->t->op, g, x, c, stride, prefix);
    assay_graph_returned(g, x, i + 1 == cells->n); // the layer
    return x;
}

// The stem begins with half the channels.
static int check_net(const struct assay_net *net, struct assay_err *err)
{
    if (net->thin || net->channels % 2 == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s.channels is %u, expected an even number: the stem begins with "
                         "half of them",
                         space_section(net), net->channels);
}

int transnas_build(const struct transnas *t, const struct assay_net *net, struct assay_graph *g,
                   struct assay_err *err)
{
    struct space_stage stage[TRANSNAS_LAYERS];
    const struct cells cells = {.t = t, .n = net->thin ? 1 : net->cells};
    uint32_t c = net->channels;
    ASSAY_ASSERT(t->n <= TRANSNAS_LAYERS);
    ASSAY_TRY(check_net(net, err));
    for (uint32_t i = 0; i < t->n; i++) {
        c *= t->layer[i] % 2 == 0 ? 2 : 1;
        stage[i] =
            (struct space_stage){.c = c, .cells = cells.n, .stride = t->layer[i] > 2 ? 2 : 1};
    }
    const struct space_stages stages = {.stem_c = net->channels,
                                        .stem = stem,
                                        .stage = stage,
                                        .n = t->n,
                                        .cell = cell,
                                        .self = &cells,
                                        .plain = true,
                                        .classifier = "head",
                                        .affine = true};
    return space_stages_build(&stages, net, g, err);
}
