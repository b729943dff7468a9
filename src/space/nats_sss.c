// SPDX-License-Identifier: Apache-2.0
// The size search space of NATS-Bench (Dong et al., TPAMI 2021): the best cell of NAS-Bench-201 on
// CIFAR-100 three times, with residual blocks of stride 2 between, and five widths to choose.
#include "draw.h"
#include "nb201.h"
#include "stages.h"
#include "text.h"

#define WIDTHS  5
#define CHOICES 8 // a width is 8, 16, ..., 64
#define STEP    8
#define PATCH   4 // the branches of a residual block differ in size on smaller ones

static const char *const width_name[CHOICES] = {"8", "16", "24", "32", "40", "48", "56", "64"};

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return 32768; // CHOICES to the power of WIDTHS
}

// The benchmark's own index: the first width is the highest digit.
static void decode(uint64_t index, uint32_t width[WIDTHS])
{
    for (int i = WIDTHS; i-- > 0; index /= CHOICES)
        width[i] = STEP * (1 + (uint32_t)(index % CHOICES));
}

static uint32_t cell(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                     uint32_t stride, uint32_t number)
{
    static const uint8_t op[NB201_EDGES] = {NB201_CONV_3X3, NB201_CONV_3X3, NB201_CONV_3X3,
                                            NB201_SKIP,     NB201_CONV_3X3, NB201_CONV_3X3};
    (void)self;
    ASSAY_ASSERT(stride == 1);
    return nb201_cell(g, op, x, c, number);
}

// The residual blocks give the second and the fourth width, the cells behind them the next.
static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    uint32_t width[WIDTHS];
    (void)space;
    decode(index, width);
    for (int i = 0; i < WIDTHS && net->thin; i++) width[i] /= STEP;
    const struct space_stage stage[] = {
        {.c = width[0], .cells = 1},
        {.reduced = width[1], .c = width[2], .cells = 1},
        {.reduced = width[3], .c = width[4], .cells = 1},
    };
    const struct space_stages stages = {.stem_c = width[0],
                                        .stage = stage,
                                        .n = ASSAY_LEN(stage),
                                        .cell = cell,
                                        .affine = true,
                                        .patch = PATCH};
    return space_stages_build(&stages, net, g, err);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    uint32_t width[WIDTHS];
    uint8_t number[WIDTHS];
    (void)space;
    decode(index, width);
    for (uint32_t i = 0; i < WIDTHS; i++) number[i] = (uint8_t)(width[i] / STEP - 1);
    draw_chain(drawing, width_name, number, WIDTHS);
}

// ---- "8:16:24:32:64" ----------------------------------------------------------------------------
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    uint32_t w[WIDTHS];
    (void)space;
    decode(index, w);
    const int len = snprintf(text, cap, "%u:%u:%u:%u:%u", w[0], w[1], w[2], w[3], w[4]);
    return len >= 0 && (size_t)len < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    uint64_t read = 0;
    (void)space;
    t->what = "NATS-Bench size";
    for (int i = 0; i < WIDTHS; i++) {
        uint32_t number;
        if (i > 0) ASSAY_TRY(space_text_expect(t, ':', "':' between five widths"));
        ASSAY_TRY(
            space_text_name(t, width_name, 0, CHOICES, "a multiple of 8 from 8 to 64", &number));
        read = CHOICES * read + number;
    }
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after the fifth width");
    *index = read;
    return ASSAY_OK;
}

// All architectures are different networks. With one channel everywhere all would be the same,
// since the widths are the architecture: the thin network has an eighth of each, and as many
// regions as patches, nearly always.
const struct assay_space_kind assay_space_nats_sss = {
    .name = "nats-sss",
    .help = "NATS-Bench's size search space: five widths around one cell",
    .source = "Dong et al., TPAMI 2021",
    .search = {.classes = 10, .image = 32, .stem = 1},
    .full = {.classes = 10, .image = 32, .stem = 1},
    .image_multiple = 4,
    .patch = PATCH,
    .saturated = true,
    .size = size,
    .build = build,
    .begins = "0123456789",
    .draw = draw,
    .format = format,
    .parse = parse,
};
