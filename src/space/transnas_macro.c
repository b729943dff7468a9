// SPDX-License-Identifier: Apache-2.0
// The macro-level space of TransNAS-Bench-101: 4 to 6 layers of residual blocks, of which 1 to 3
// double the channels and 1 to 4 halve the map.
#include "blocks.h"
#include "draw.h"
#include "literal.h"
#include "transnas.h"

#include <ctype.h>
#include <stdlib.h>

#define LEAST  4 // layers
#define SIZE   3256
#define FORM   "64-LAYERS-basic, where LAYERS are 4 to 6 digits from 1 to 4"
#define NUMBER "4 to 6 numbers from 1 to 4"
#define RULE   "1 to 3 layers that double (2 or 4) and 1 to 4 that halve (3 or 4)"

// ---- codes --------------------------------------------------------------------------------------
// The layers, less 1, are the digits to base 4 behind a leading 1; so that codes ascend with the
// number of layers, then layer by layer. The state has them all.
struct codes {
    uint16_t code[SIZE];
};

static uint32_t decode(uint32_t code, uint8_t layer[TRANSNAS_LAYERS])
{
    uint32_t n = 0;
    while (code >> 2 * (n + 1)) n++;
    for (uint32_t i = n; i-- > 0; code /= 4) layer[i] = (uint8_t)(1 + code % 4);
    return n;
}

static uint32_t encode(const uint8_t *layer, uint32_t n)
{
    uint32_t code = 1;
    for (uint32_t i = 0; i < n; i++) code = 4 * code + layer[i] - 1;
    return code;
}

static bool is_right(const uint8_t *layer, uint32_t n)
{
    uint32_t doubles = 0, halves = 0;
    for (uint32_t i = 0; i < n; i++) {
        doubles += layer[i] % 2 == 0;
        halves += layer[i] > 2;
    }
    return doubles >= 1 && doubles <= 3 && halves >= 1 && halves <= 4;
}

static int open_codes(struct assay_space *space, struct assay_err *err)
{
    struct codes *codes = malloc(sizeof *codes);
    uint8_t layer[TRANSNAS_LAYERS];
    uint32_t n = 0;
    if (!codes)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for %d architectures", SIZE);
    for (uint32_t lead = 1u << 2 * LEAST; lead <= 1u << 2 * TRANSNAS_LAYERS; lead *= 4)
        for (uint32_t code = lead; code < 2 * lead; code++)
            if (is_right(layer, decode(code, layer))) codes->code[n++] = (uint16_t)code;
    ASSAY_ASSERT(n == SIZE);
    space->state = codes;
    return ASSAY_OK;
}

static void close_codes(struct assay_space *space)
{
    free(space->state);
}

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return SIZE;
}

static uint32_t layers_of(const struct assay_space *space, uint64_t index,
                          uint8_t layer[TRANSNAS_LAYERS])
{
    return decode(((const struct codes *)space->state)->code[index], layer);
}

// ---- networks -----------------------------------------------------------------------------------
static uint32_t shortcut(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t stride,
                         const char *prefix)
{
    char name[64];
    if (stride == 1 && assay_graph_shape(g, x).c == c) return x;
    assay_graph_name(g, name, sizeof name, "%s.downsample.0", prefix);
    x = assay_graph_conv(g, x, c, 1, stride, 0, 1, 1, name);
    assay_graph_name(g, name, sizeof name, "%s.downsample.1", prefix);
    x = assay_graph_bn(g, x, true, name);
    assay_graph_returned(g, x, 1); // PREFIX.downsample
    return x;
}

// A residual block of two convolutions.
static uint32_t block(const uint8_t *op, struct assay_graph *g, uint32_t x, uint32_t c,
                      uint32_t stride, const char *prefix)
{
    char name[64];
    uint32_t sum[2] = {shortcut(g, x, c, stride, prefix)};
    (void)op;
    assay_graph_name(g, name, sizeof name, "%s.conv_a.ops", prefix);
    sum[1] = space_relu_conv_bn_of(g, x, c, 3, stride, true, name);
    assay_graph_name(g, name, sizeof name, "%s.conv_b.ops", prefix);
    sum[1] = space_relu_conv_bn_of(g, sum[1], c, 3, 1, true, name);
    return assay_graph_add(g, 2, sum, NULL);
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    uint8_t layer[TRANSNAS_LAYERS];
    const struct transnas t = {.layer = layer, .n = layers_of(space, index, layer), .cell = block};
    return transnas_build(&t, net, g, err);
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    static const char *const name[] = {"", "plain", "double", "halve", "both"};
    uint8_t layer[TRANSNAS_LAYERS];
    const uint32_t n = layers_of(space, index, layer);
    draw_chain(drawing, name, layer, n);
}

// ---- "64-1234-basic" ----------------------------------------------------------------------------
static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    uint8_t layer[TRANSNAS_LAYERS];
    char digits[TRANSNAS_LAYERS + 1] = "";
    const uint32_t n = layers_of(space, index, layer);
    for (uint32_t i = 0; i < n; i++) digits[i] = (char)('0' + layer[i]);
    const int len = snprintf(text, cap, "64-%s-basic", digits);
    return len >= 0 && (size_t)len < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

static int parse_word(struct space_text *t, const char *word)
{
    for (; *word; word++, t->at++)
        if (*t->at != *word) return space_text_fail(t, FORM);
    return ASSAY_OK;
}

static int parse_text(struct space_text *t, uint8_t layer[TRANSNAS_LAYERS], uint32_t *n)
{
    ASSAY_TRY(parse_word(t, "64-"));
    for (; *n < TRANSNAS_LAYERS && *t->at >= '1' && *t->at <= '4'; t->at++)
        layer[(*n)++] = (uint8_t)(*t->at - '0');
    return *n < LEAST ? space_text_fail(t, FORM) : parse_word(t, "-basic");
}

// NASLib's op_indices, which are the layers, and zeros to make six of them.
static int parse_numbers(struct space_text *t, uint8_t layer[TRANSNAS_LAYERS], uint32_t *n)
{
    struct literals pool;
    const struct literal *list;
    ASSAY_TRY(literal_read(t, &pool, &list));
    if (list->kind != LITERAL_LIST || list->n < LEAST || list->n > TRANSNAS_LAYERS)
        return literal_fail(t, list, NUMBER ", or " FORM);
    uint32_t read = 0;
    for (const struct literal *m = list->first; m; m = m->next, read++) {
        uint8_t number;
        ASSAY_TRY(literal_number(t, m, 5, NUMBER, &number));
        if (number && *n < read) return literal_fail(t, m, "zeros behind a zero");
        if (number) layer[(*n)++] = number;
    }
    return *n < LEAST ? literal_fail(t, list, NUMBER) : ASSAY_OK;
}

static int compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static int parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    uint8_t layer[TRANSNAS_LAYERS];
    const struct codes *codes = space->state;
    uint32_t n = 0;
    t->what = "TransNAS-Bench-101 macro network";
    const struct space_text begin = *t;
    ASSAY_TRY(*t->at && !isdigit((unsigned char)*t->at) ? parse_numbers(t, layer, &n)
                                                        : parse_text(t, layer, &n));
    space_text_skip_blank(t);
    if (*t->at) return space_text_fail(t, "nothing after the layers");
    const uint16_t code = (uint16_t)encode(layer, n);
    const uint16_t *at = bsearch(&code, codes->code, SIZE, sizeof code, compare);
    if (!at) return space_text_fail(&begin, RULE);
    *index = (uint64_t)(at - codes->code);
    return ASSAY_OK;
}

const struct assay_space_kind assay_space_transnas_macro = {
    .name = "transnas-macro",
    .help = "TransNAS-Bench-101's layers: 4 to 6 of them, which double channels, halve maps, both "
            "or neither",
    .source = "Duan et al., CVPR 2021",
    TRANSNAS_NETWORKS,
    .open = open_codes,
    .close = close_codes,
    .size = size,
    .build = build,
    .begins = "0123456789",
    .draw = draw,
    .format = format,
    .parse = parse,
};
