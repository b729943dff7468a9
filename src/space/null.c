// SPDX-License-Identifier: Apache-2.0
// A handful of trivial networks, input - convolution - global average pool - linear: the cheapest
// work a sweep can be given. The first has no convolution but zeros, and is dead.
#include "blocks.h"
#include "draw.h"
#include "text.h"

static const char *const arch[] = {"none", "conv_1x1", "conv_3x3", "conv_5x5", "conv_7x7"};

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return ASSAY_LEN(arch);
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    (void)space;
    const uint32_t c = net->thin ? 1 : net->channels;
    const uint32_t kernel = 2 * (uint32_t)index - 1;
    uint32_t x = space_input(g, net);
    const uint32_t image = assay_graph_shape(g, x).h;
    x = index == 0 ? assay_graph_zero(g, c, image, image)
                   : assay_graph_conv(g, x, c, kernel, 1, kernel / 2, 1, 1, "conv");
    space_classify(g, x, net->classes);
    return assay_graph_finish(g, err);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    const uint8_t only = (uint8_t)index;
    (void)space;
    draw_chain(drawing, arch, &only, 1);
}

static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    (void)space;
    const int len = snprintf(text, cap, "%s", arch[index]);
    return len >= 0 && (size_t)len < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    (void)space;
    static const char expected[] = "none, conv_1x1, conv_3x3, conv_5x5 or conv_7x7";
    uint32_t number;
    ASSAY_TRY(space_text_name(t, arch, 0, ASSAY_LEN(arch), expected, &number));
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after the architecture");
    *index = number;
    return ASSAY_OK;
}

const struct assay_space_kind assay_space_null = {
    .name = "null",
    .help = "trivial networks (none, or one convolution of size 1, 3, 5, 7): measures what the "
            "program itself costs",
    .search = {.channels = 3, .cells = 1, .classes = 10, .image = 32, .stem = 1},
    .full = {.channels = 16, .cells = 5, .classes = 10, .image = 32, .stem = 1},
    .patch = 3,
    .size = size,
    .build = build,
    .draw = draw,
    .format = format,
    .parse = parse,
};
