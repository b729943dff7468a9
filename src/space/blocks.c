// SPDX-License-Identifier: Apache-2.0
#include "blocks.h"

#define NAME_BYTES 128

static const char *module(const struct assay_graph *g, char name[NAME_BYTES], const char *prefix,
                          const char *suffix)
{
    const int len = assay_graph_name(g, name, NAME_BYTES, "%s.%s", prefix, suffix);
    ASSAY_ASSERT(len < NAME_BYTES);
    return name;
}

uint32_t space_relu_conv_bn_of(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                               uint32_t stride, bool affine, const char *sequence)
{
    char name[NAME_BYTES];
    x = assay_graph_relu(g, x);
    x = assay_graph_conv(g, x, c, kernel, stride, kernel / 2, 1, 1, module(g, name, sequence, "1"));
    x = assay_graph_bn(g, x, affine, module(g, name, sequence, "2"));
    assay_graph_returned(g, x, 2); // the sequence, and what it is in
    return x;
}

uint32_t space_relu_conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                            uint32_t stride, bool affine, const char *prefix)
{
    char name[NAME_BYTES];
    return space_relu_conv_bn_of(g, x, c, kernel, stride, affine, module(g, name, prefix, "op"));
}

uint32_t space_conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                       const char *prefix)
{
    char name[NAME_BYTES];
    x = assay_graph_conv(g, x, c, 3, 1, 1, 1, 1, module(g, name, prefix, "0"));
    return assay_graph_bn(g, x, affine, module(g, name, prefix, "1"));
}

uint32_t space_residual(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                        const char *prefix)
{
    char name[NAME_BYTES];
    uint32_t sum[2];
    sum[1] = space_relu_conv_bn(g, x, c, 3, 2, affine, module(g, name, prefix, "conv_a"));
    sum[1] = space_relu_conv_bn(g, sum[1], c, 3, 1, affine, module(g, name, prefix, "conv_b"));
    sum[0] = assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 2, 2, 0);
    sum[0] = assay_graph_conv(g, sum[0], c, 1, 1, 0, 1, 1, module(g, name, prefix, "downsample.1"));
    assay_graph_returned(g, sum[0], 1); // PREFIX.downsample
    return assay_graph_add(g, 2, sum, NULL);
}

uint32_t space_input(struct assay_graph *g, const struct assay_net *net)
{
    return net->thin ? assay_graph_input(g, 1, 3, 3)
                     : assay_graph_input(g, 3, net->image, net->image);
}

uint32_t space_classify_by(struct assay_graph *g, uint32_t x, uint32_t classes, const char *name)
{
    x = assay_graph_gap(g, x);
    if (!classes) return x;
    x = assay_graph_linear(g, x, classes, name);
    assay_graph_returned(g, x, 1); // the network
    return x;
}

uint32_t space_classify(struct assay_graph *g, uint32_t x, uint32_t classes)
{
    return space_classify_by(g, x, classes, "classifier");
}

uint32_t space_head(struct assay_graph *g, uint32_t x, uint32_t classes, bool affine)
{
    x = assay_graph_relu(g, assay_graph_bn(g, x, affine, "lastact.0"));
    assay_graph_returned(g, x, 1); // lastact
    return space_classify(g, x, classes);
}

uint32_t space_separable(struct assay_graph *g, uint32_t x, uint32_t kernel, uint32_t stride,
                         uint32_t dilation, bool affine, const char *prefix)
{
    char name[NAME_BYTES];
    const uint32_t c = assay_graph_shape(g, x).c;
    x = assay_graph_relu(g, x);
    x = assay_graph_conv(g, x, c, kernel, stride, kernel / 2 * dilation, dilation, c,
                         module(g, name, prefix, "op.1"));
    x = assay_graph_conv(g, x, c, 1, 1, 0, 1, 1, module(g, name, prefix, "op.2"));
    x = assay_graph_bn(g, x, affine, module(g, name, prefix, "op.3"));
    assay_graph_returned(g, x, 2); // PREFIX.op, PREFIX
    return x;
}

// The convolution of the shifted map. TE-NAS appends a row and a column of zeros to the map, which
// only matters at an odd size: there it is the convolution of the map with zeros around, less its
// first row and column.
static uint32_t shifted(struct assay_graph *g, uint32_t x, uint32_t c, const char *name)
{
    if (assay_graph_shape(g, x).h % 2 == 0)
        return assay_graph_conv(g, assay_graph_slice(g, x, 1), c, 1, 2, 0, 1, 1, name);
    return assay_graph_slice(g, assay_graph_conv(g, x, c, 1, 2, 1, 1, 1, name), 1);
}

uint32_t space_reduce(struct assay_graph *g, uint32_t x, uint32_t c, bool affine,
                      const char *prefix)
{
    char name[NAME_BYTES];
    uint32_t half[2];
    x = assay_graph_relu(g, x);
    half[0] = assay_graph_conv(g, x, c / 2, 1, 2, 0, 1, 1, module(g, name, prefix, "convs.0"));
    half[1] = shifted(g, x, c - c / 2, module(g, name, prefix, "convs.1"));
    x = assay_graph_concat(g, 2, half);
    x = assay_graph_bn(g, x, affine, module(g, name, prefix, "bn"));
    assay_graph_returned(g, x, 1); // PREFIX
    return x;
}

void space_sum_add(struct space_sum *sum, uint32_t x, double weight)
{
    ASSAY_ASSERT(sum->n < SPACE_TERMS);
    sum->x[sum->n] = x;
    sum->weight[sum->n++] = weight;
}

uint32_t space_sum_end(struct assay_graph *g, const struct space_sum *sum, uint32_t c,
                       uint32_t size)
{
    if (sum->n == 0) return assay_graph_zero(g, c, size, size);
    return assay_graph_add(g, sum->n, sum->x, sum->weight);
}

uint32_t space_mix(struct assay_graph *g, const struct assay_oneshot *shot, uint32_t n,
                   const uint32_t *x)
{
    uint32_t mix = 0;
    if (g->failed) return 0; // the graph has fewer mixes than were appended
    for (uint32_t i = 0; i < g->n_node; i++) mix += g->node[i].mix;
    ASSAY_ASSERT(n <= ASSAY_ONESHOT_OPTIONS);
    return assay_graph_mix(g, n, x, shot->weight + (size_t)mix * ASSAY_ONESHOT_OPTIONS);
}
