// SPDX-License-Identifier: Apache-2.0
#include "nb101.h"

#include "blocks.h"
#include "draw.h"

static uint64_t size(const struct assay_space *space)
{
    (void)space;
    return NB101_SIZE;
}

// ---- a cell -------------------------------------------------------------------------------------
// A convolution of stride 1 that keeps the size, BN, ReLU: modules PREFIX.0, PREFIX.1 and PREFIX.2.
static uint32_t conv_bn_relu(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                             const char *prefix)
{
    char name[96];
    assay_graph_name(g, name, sizeof name, "%s.0", prefix);
    x = assay_graph_conv(g, x, c, kernel, 1, kernel / 2, 1, 1, name);
    assay_graph_name(g, name, sizeof name, "%s.1", prefix);
    x = assay_graph_relu(g, assay_graph_bn(g, x, true, name));
    assay_graph_returned(g, x, 1); // PREFIX
    return x;
}

struct module {
    const struct nb101_cell *cell;
    uint32_t number;            // of the network's layers
    uint32_t input;             // node
    uint32_t c[NB101_VERTICES]; // channels of each vertex
    uint32_t node[NB101_VERTICES];
};

static bool is_parent(const struct nb101_cell *cell, uint32_t from, uint32_t to)
{
    return cell->from[to] >> from & 1;
}

// How many vertices between input and output lead to the output.
static uint32_t output_parents(const struct nb101_cell *cell)
{
    return (uint32_t)__builtin_popcount(cell->from[cell->n - 1] & ~1u);
}

// The output's channels are divided among its parents, the first of which have one more where that
// does not come out even; every other vertex has as many as the widest of its children.
static void set_channels(struct module *m, uint32_t c)
{
    const struct nb101_cell *cell = m->cell;
    const uint32_t last = cell->n - 1, parents = output_parents(cell);
    uint32_t more = parents ? c % parents : 0;
    m->c[last] = c;
    for (uint32_t v = 1; v < last; v++) {
        m->c[v] = is_parent(cell, v, last) ? c / parents + (more > 0) : 0;
        more -= m->c[v] && more;
    }
    for (uint32_t to = last; to-- > 2;)
        for (uint32_t v = 1; v < to; v++)
            if (is_parent(cell, v, to) && !is_parent(cell, v, last) && m->c[to] > m->c[v])
                m->c[v] = m->c[to];
}

// The cell's input as vertex v takes it.
static uint32_t project(struct assay_graph *g, const struct module *m, uint32_t v)
{
    char name[64];
    assay_graph_name(g, name, sizeof name, "layers.%u.input_op.%u.conv_bn_relu", m->number, v);
    const uint32_t x = conv_bn_relu(g, m->input, m->c[v], 1, name);
    assay_graph_returned(g, x, 1); // input_op
    return x;
}

static uint32_t operate(struct assay_graph *g, const struct module *m, uint32_t v, uint32_t x)
{
    static const char *const kind[] = {[NB101_CONV_3X3] = "conv3x3", [NB101_CONV_1X1] = "conv1x1"};
    char name[64];
    const uint8_t op = m->cell->op[v];
    if (op == NB101_MAX_POOL) {
        x = assay_graph_pool(g, ASSAY_OP_MAX_POOL, x, 3, 1, 1);
        assay_graph_returned(g, x, 1); // vertex_op
        return x;
    }
    assay_graph_name(g, name, sizeof name, "layers.%u.vertex_op.%u.%s.conv_bn_relu", m->number, v,
                     kind[op]);
    x = conv_bn_relu(g, x, m->c[v], op == NB101_CONV_3X3 ? 3 : 1, name);
    assay_graph_returned(g, x, 2); // conv3x3, vertex_op
    return x;
}

// Sums what enters a vertex, of which wider vertices give only the first channels.
static uint32_t add_vertex(struct assay_graph *g, const struct module *m, uint32_t v)
{
    uint32_t term[NB101_VERTICES], n = 0;
    for (uint32_t u = 1; u < v; u++) {
        if (!is_parent(m->cell, u, v)) continue;
        const bool wider = m->c[u] > m->c[v];
        term[n++] = wider ? assay_graph_truncate(g, m->node[u], m->c[v]) : m->node[u];
    }
    if (is_parent(m->cell, 0, v)) term[n++] = project(g, m, v);
    return operate(g, m, v, n == 1 ? term[0] : assay_graph_add(g, n, term, NULL));
}

// What enters the output stands side by side; the cell's input is added to it.
static uint32_t add_output(struct assay_graph *g, const struct module *m)
{
    const uint32_t last = m->cell->n - 1;
    uint32_t part[NB101_VERTICES], n = 0, sum[2];
    for (uint32_t u = 1; u < last; u++)
        if (is_parent(m->cell, u, last)) part[n++] = m->node[u];
    if (n > 0) sum[0] = n == 1 ? part[0] : assay_graph_concat(g, n, part);
    if (!is_parent(m->cell, 0, last)) return sum[0];
    sum[n > 0] = project(g, m, last);
    return n > 0 ? assay_graph_add(g, 2, sum, NULL) : sum[0];
}

static uint32_t add_module(struct assay_graph *g, const struct nb101_cell *cell, uint32_t x,
                           uint32_t c, uint32_t number)
{
    struct module m = {.cell = cell, .number = number, .input = x};
    set_channels(&m, c);
    for (uint32_t v = 1; v + 1 < cell->n; v++) m.node[v] = add_vertex(g, &m, v);
    return add_output(g, &m);
}

// ---- a network ----------------------------------------------------------------------------------
// Three stacks of N modules, of C, 2 C and 4 C channels, behind a 3x3 convolution; between them the
// map is halved.
static uint32_t add_stacks(struct assay_graph *g, const struct nb101_cell *cell,
                           const struct assay_net *net, uint32_t x)
{
    uint32_t number = 0;
    x = conv_bn_relu(g, x, net->channels, 3, "layers.0.conv_bn_relu");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, x);
    for (uint32_t stack = 0; stack < 3; stack++) {
        if (stack > 0) {
            x = assay_graph_pool(g, ASSAY_OP_MAX_POOL, x, 2, 2, 0);
            number++;
        }
        for (uint32_t i = 0; i < net->cells; i++) {
            x = add_module(g, cell, x, net->channels << stack, ++number);
            assay_graph_feature(g, ASSAY_FEATURE_CELL, x);
        }
    }
    return x;
}

// Every vertex needs a channel.
static int check_channels(const struct nb101_cell *cell, const struct assay_net *net,
                          struct assay_err *err)
{
    char arch[ASSAY_ARCH_MAX];
    const uint32_t parents = output_parents(cell);
    if (net->thin || net->channels >= parents) return ASSAY_OK;
    nb101_write(cell, arch, sizeof arch);
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s.channels is %u, expected at least %u: so many vertices share "
                         "them in %s",
                         space_section(net), net->channels, parents, arch);
}

// The thin network is one module in which every vertex has one channel, and nothing but the average
// behind it.
int nb101_build(uint64_t index, const struct assay_net *net, struct assay_graph *g,
                struct assay_err *err)
{
    struct nb101_cell cell;
    nb101_decode(nb101_code[index], &cell);
    ASSAY_TRY(check_channels(&cell, net, err));
    const uint32_t x = space_input(g, net), parents = output_parents(&cell);
    if (net->thin)
        assay_graph_gap(g, add_module(g, &cell, x, parents ? parents : 1, 1));
    else
        space_classify(g, add_stacks(g, &cell, net, x), net->classes);
    return assay_graph_finish(g, err);
}

static int build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err)
{
    (void)space;
    return nb101_build(index, net, g, err);
}

void nb101_draw(const struct nb101_cell *cell, struct assay_drawing *drawing)
{
    static const char *const name[NB101_OPS] = {"conv3x3", "conv1x1", "maxpool3x3"};
    struct assay_drawing_cell *drawn = draw_cell(drawing, NULL, cell->n);
    for (uint32_t v = 0; v < cell->n; v++) {
        if (v > 0 && v + 1 < cell->n) drawn->node[v] = name[cell->op[v]];
        for (uint32_t u = 0; u < v; u++)
            if (is_parent(cell, u, v)) draw_edge(drawn, u, v, NULL);
    }
}

static void draw(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing)
{
    struct nb101_cell cell;
    (void)space;
    nb101_decode(nb101_code[index], &cell);
    nb101_draw(&cell, drawing);
}

// ---- "0111;0001;0001;0000/00" -------------------------------------------------------------------
int nb101_write(const struct nb101_cell *cell, char *text, size_t cap)
{
    size_t n = 0;
    if (cap < (cell->n + 2) * (cell->n + 1)) return ASSAY_ERR_INPUT;
    for (uint32_t u = 0; u < cell->n; u++) {
        for (uint32_t v = 0; v < cell->n; v++) text[n++] = is_parent(cell, u, v) ? '1' : '0';
        text[n++] = u + 1 < cell->n ? ';' : '/';
    }
    for (uint32_t v = 1; v + 1 < cell->n; v++) text[n++] = (char)('0' + cell->op[v]);
    text[n] = '\0';
    return ASSAY_OK;
}

static int format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    struct nb101_cell cell;
    (void)space;
    nb101_decode(nb101_code[index], &cell);
    return nb101_write(&cell, text, cap);
}

static int hash(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    (void)space;
    if (cap <= NB101_HEX) return ASSAY_ERR_INPUT;
    nb101_name(index, text);
    return ASSAY_OK;
}

// All cells are different networks, as every edge from the input and every vertex has weights of
// its own.
const struct assay_space_kind assay_space_nb101 = {
    .name = "nas-bench-101",
    .help = "NAS-Bench-101: 423624 cells of at most 7 vertices and 9 edges, 3 operations",
    .source = "Ying et al., ICML 2019",
    .search = {.channels = 8, .cells = 1, .classes = 10, .image = 32, .stem = 1},
    .full = {.channels = 128, .cells = 3, .classes = 10, .image = 32, .stem = 1},
    .image_multiple = 4,
    .patch = 3,
    .digits = 32,
    .size = size,
    .build = build,
    .draw = draw,
    .format = format,
    .parse = nb101_parse,
    .hash = hash,
};
