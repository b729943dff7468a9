// SPDX-License-Identifier: Apache-2.0
// NAS-Bench-Macro (Su et al., CVPR 2021): 8 layers in stages of 2, 3 and 3, each the identity or
// one of two inverted residual blocks of MobileNetV2. Parameters have the names of the benchmark's
// network.
#include "blocks.h"
#include "draw.h"
#include "stages.h"
#include "text.h"

#define LAYERS  8
#define CHOICES 3
#define SIZE    6561 // CHOICES to the power of LAYERS
#define STAGES  3
#define HEAD    40 // channels of the last convolution in units of C

static const uint8_t stage_layers[STAGES] = {2, 3, 3};

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return SIZE;
}

static void decode(uint64_t index, uint8_t layer[LAYERS])
{
    for (int i = LAYERS; i-- > 0; index /= CHOICES) layer[i] = (uint8_t)(index % CHOICES);
}

static uint64_t encode(const uint8_t layer[LAYERS])
{
    uint64_t index = 0;
    for (int i = 0; i < LAYERS; i++) index = CHOICES * index + layer[i];
    return index;
}

// Behind the first layer of a stage the identity does nothing, wherever it stands: identities come
// first in the smallest index.
static uint64_t canonical(const struct assay_space *space, uint64_t index)
{
    uint8_t layer[LAYERS];
    (void)space;
    decode(index, layer);
    for (uint32_t s = 0, first = 0; s < STAGES; first += stage_layers[s++]) {
        uint32_t end = first + stage_layers[s];
        for (uint32_t i = end; i-- > first + 1;)
            if (layer[i]) layer[--end] = layer[i];
        while (end > first + 1) layer[--end] = 0;
    }
    return encode(layer);
}

// ---- networks -----------------------------------------------------------------------------------
static uint32_t conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                        uint32_t stride, uint32_t groups, const char *sequence, uint32_t number)
{
    char name[48];
    assay_graph_name(g, name, sizeof name, "%s.%u", sequence, number);
    x = assay_graph_conv(g, x, c, kernel, stride, kernel / 2, 1, groups, name);
    assay_graph_name(g, name, sizeof name, "%s.%u", sequence, number + 1);
    return assay_graph_bn(g, x, true, name);
}

static uint32_t identity(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t stride,
                         uint32_t number)
{
    char sequence[32];
    if (stride == 1) return x;
    assay_graph_name(g, sequence, sizeof sequence, "features.%u.downsample", number);
    x = conv_bn(g, x, c, 1, stride, 1, sequence, 0);
    assay_graph_returned(g, x, 1); // the sequence
    return x;
}

// Inverted residual: 1x1 convolution to `expand` times the channels, depthwise convolution, 1x1
// convolution.
static uint32_t inverted(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t stride,
                         uint32_t kernel, uint32_t expand, uint32_t number)
{
    const uint32_t from = assay_graph_shape(g, x).c, wide = expand * from;
    uint32_t sum[2] = {x};
    char sequence[32];
    assay_graph_name(g, sequence, sizeof sequence, "features.%u.conv", number);
    x = assay_graph_relu(g, conv_bn(g, x, wide, 1, 1, 1, sequence, 0));
    x = assay_graph_relu(g, conv_bn(g, x, wide, kernel, stride, wide, sequence, 3));
    x = conv_bn(g, x, c, 1, 1, 1, sequence, 6);
    assay_graph_returned(g, x, 1); // the sequence
    sum[1] = x;
    return stride == 1 && from == c ? assay_graph_add(g, 2, sum, NULL) : x;
}

static uint32_t layer_of(const void *self, struct assay_graph *g, uint32_t x, uint32_t c,
                         uint32_t stride, uint32_t number)
{
    const uint8_t *layer = self;
    x = layer[number] == 0   ? identity(g, x, c, stride, number)
        : layer[number] == 1 ? inverted(g, x, c, stride, 3, 3, number)
                             : inverted(g, x, c, stride, 5, 6, number);
    if (number + 1 == LAYERS) assay_graph_returned(g, x, 1); // features
    return x;
}

static uint32_t stem(struct assay_graph *g, uint32_t x, uint32_t c, bool affine)
{
    return assay_graph_relu(g, space_conv_bn(g, x, c, affine, "stem"));
}

static uint32_t widen(struct assay_graph *g, uint32_t x, uint32_t stem_c)
{
    return assay_graph_relu(g, conv_bn(g, x, HEAD * stem_c, 1, 1, 1, "out", 0));
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    uint8_t layer[LAYERS];
    struct space_stage stage[STAGES];
    (void)space;
    decode(index, layer);
    for (uint32_t s = 0; s < STAGES; s++)
        stage[s] = (struct space_stage){
            .c = net->channels << (s + 1), .cells = stage_layers[s], .stride = 2};
    const struct space_stages stages = {.stem_c = net->channels,
                                        .stem = stem,
                                        .stage = stage,
                                        .n = STAGES,
                                        .cell = layer_of,
                                        .self = layer,
                                        .plain = true,
                                        .widen = widen,
                                        .affine = true};
    return space_stages_build(&stages, net, g, err);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    static const char *const name[CHOICES] = {"identity", "MB3 3x3", "MB6 5x5"};
    uint8_t layer[LAYERS];
    (void)space;
    decode(index, layer);
    draw_chain(drawing, name, layer, LAYERS);
}

// ---- "22212202" ---------------------------------------------------------------------------------
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    uint8_t layer[LAYERS];
    (void)space;
    if (cap <= LAYERS) return ASSAY_ERR_INPUT;
    decode(index, layer);
    for (int i = 0; i < LAYERS; i++) text[i] = (char)('0' + layer[i]);
    text[LAYERS] = '\0';
    return ASSAY_OK;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    uint8_t layer[LAYERS];
    (void)space;
    t->what = "NAS-Bench-Macro architecture";
    for (int i = 0; i < LAYERS; i++, t->at++) {
        if (*t->at < '0' || *t->at >= '0' + CHOICES)
            return space_text_fail(t, "eight digits from 0 to 2");
        layer[i] = (uint8_t)(*t->at - '0');
    }
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after eight digits");
    *index = encode(layer);
    return ASSAY_OK;
}

const struct assay_space_kind assay_space_nb_macro = {
    .name = "nas-bench-macro",
    .help = "NAS-Bench-Macro: 8 layers, each the identity or one of two inverted residual blocks",
    .source = "Su et al., CVPR 2021",
    .search = {.channels = 8, .classes = 10, .image = 32, .stem = 1},
    .full = {.channels = 32, .classes = 10, .image = 32, .stem = 1},
    .size = size,
    .build = build,
    .begins = "0123456789",
    .digits = LAYERS,
    .draw = draw,
    .format = format,
    .parse = parse,
    .canonical = canonical,
    .same_literal = true,
};
