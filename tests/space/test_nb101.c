// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "space/nb101.h"

#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

static struct assay_space nb101;
static struct assay_graph graph;
static struct assay_rng rng;

static int set_up(UNUSED void **state)
{
    assay_graph_init(&graph);
    assay_rng_init(&rng, 1, 0, "test", "nb101");
    return assay_space_open(&nb101, "nas-bench-101", NULL);
}

static int tear_down(UNUSED void **state)
{
    assay_graph_free(&graph);
    assay_space_close(&nb101);
    return 0;
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)assay_rng_below(&rng, n);
}

static uint64_t read_text(const char *text, bool *other)
{
    struct assay_err err;
    uint64_t index = UINT64_MAX;
    if (assay_space_read(&nb101, text, &index, other, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

static struct assay_cost cost_of(uint64_t index, const struct assay_net *net)
{
    struct assay_err err;
    if (assay_space_build(&nb101, index, net, &graph, &err) < 0) fail_msg("%s", err.text);
    return assay_graph_cost(&graph);
}

// As its authors and others published them: parameters, multiply-adds, place among all hashes.
static void published_cells(UNUSED void **state)
{
    static const struct {
        const char *hash, *arch;
        uint64_t params, macs, index; // macs 0: not published
    } row[] = {
        {"043721b9c7fe8c5fad811d47d83132ec", "01;00/", 882570, 137761792, 6992},
        {"03d84046b0ce567b2b59e85903aa2f5f", "0111;0001;0001;0000/00", 6406538, 951456768, 6374},
        {"08677281806ea9c8ea2451ce3093e9c3", "0110;0001;0001;0000/22", 882570, 137761792, 13966},
        {"000191735c964ed3522167de6c847cfe",
         "0100000;0010001;0001100;0000001;0000010;0000001;0000000/10202", 2479416, 365763712, 8},
        {"0001a2f6c8977346ccd12fa0c435bf42",
         "0111000;0000001;0001000;0000101;0000010;0000001;0000000/00122", 3078206, 459439680, 10},
        {"000575f925c12bfc102e17972f90cd5d",
         "0100110;0010000;0001001;0000001;0000010;0000001;0000000/20212", 2037265, 306574016, 38},
        {"00075485c669599b2d5a2dddea398ccc",
         "0100000;0010000;0001111;0000001;0000010;0000001;0000000/10022", 2495553, 369884992, 52},
        {"00005c142e6f48ac74fdcf73e3439874",
         "0100110;0010000;0001001;0000010;0000010;0000001;0000000/02001", 8555530, 1261835264, 0},
        {"0000cb5372fad9d62c470df699ac6d52",
         "0100010;0010010;0001000;0000101;0000010;0000001;0000000/02121", 3729162, 552997888, 2},
        {"01da1025a8b3a7c0b848adccef93c5a5",
         "0100000;0010101;0001001;0000001;0000010;0000001;0000000/22222", 227274, 37098496, 3044},
        {"09e5b236ae80149608488c9c5fd7b312",
         "0110101;0010000;0001000;0000100;0000010;0000001;0000000/00000", 49979274, 7335187456,
         16438},
        {"02e5a0247bbdcf2860b7e96f74961594",
         "0110011;0000010;0001000;0000100;0000010;0000001;0000000/10200", 32426634, 0, 4789},
    };
    for (size_t i = 0; i < ASSAY_LEN(row); i++) {
        char text[ASSAY_ARCH_MAX], hash[NB101_HEX + 1];
        bool other;
        assert_int_equal(read_text(row[i].arch, &other), row[i].index);
        assert_false(other);
        assert_int_equal(read_text(row[i].hash, &other), row[i].index);
        assert_false(other);
        assert_int_equal(assay_space_format(&nb101, row[i].index, text, sizeof text), ASSAY_OK);
        assert_string_equal(text, row[i].arch);
        assert_int_equal(assay_space_hash(&nb101, row[i].index, hash, sizeof hash), ASSAY_OK);
        assert_string_equal(hash, row[i].hash);
        const struct assay_cost cost = cost_of(row[i].index, &nb101.kind->full);
        assert_true(cost.params == row[i].params);
        assert_true(!row[i].macs || cost.macs == row[i].macs);
    }
}

// The tables that were made when the program was built, of all cells.
static void tables(UNUSED void **state)
{
    uint8_t *seen = calloc(NB101_SIZE, 1);
    uint32_t last = 0;
    for (uint32_t i = 0; i < NB101_SIZE; i++) {
        struct nb101_cell cell;
        const uint32_t number = nb101_by_code[i], code = nb101_code[number];
        assert_true(code > last && number < NB101_SIZE && !seen[number]);
        assert_true(i == 0 || nb101_prefix[i] >= nb101_prefix[i - 1]);
        seen[number] = 1;
        last = code;
        nb101_decode(code, &cell);
        assert_true(nb101_encode(&cell) == code);
        assert_true(i % 20 || nb101_first(&cell) == code);
    }
    free(seen);
}

static void round_trips(UNUSED void **state)
{
    for (int i = 0; i < 1000; i++) {
        char text[ASSAY_ARCH_MAX], hash[NB101_HEX + 1], prefix[9];
        bool other;
        const uint64_t index = below(NB101_SIZE);
        assert_int_equal(assay_space_format(&nb101, index, text, sizeof text), ASSAY_OK);
        assert_int_equal(read_text(text, &other), index);
        assert_false(other);
        assert_int_equal(assay_space_hash(&nb101, index, hash, sizeof hash), ASSAY_OK);
        assert_int_equal(read_text(hash, &other), index);
        snprintf(prefix, sizeof prefix, "%08x", nb101_prefix[index]);
        assert_memory_equal(hash, prefix, 8);
        assert_int_equal(assay_space_canonical(&nb101, index), index);
    }
}

// ---- other encodings ----------------------------------------------------------------------------
// Writes the cell with its vertices in another order, and between them some that are on no path.
static void scramble(const struct nb101_cell *cell, struct nb101_cell *out)
{
    uint32_t at[NB101_VERTICES] = {0}, placed = 1;
    *out = (struct nb101_cell){.n = 1};
    while (placed != (1u << cell->n) - 1) {
        const uint32_t v = 1 + below(cell->n - 1);
        const bool ready = !(placed & 1u << v) && !(cell->from[v] & ~placed);
        if (v == cell->n - 1 && placed != (1u << v) - 1) continue;
        if (!ready && (out->n > 8 || below(4) > 0)) continue;
        for (uint32_t u = 0; ready && u < v; u++)
            if (cell->from[v] & 1u << u) out->from[out->n] |= (uint16_t)(1u << at[u]);
        if (!ready) out->from[out->n] = (uint16_t)below(1u << out->n); // it leads nowhere
        out->op[out->n] = ready ? cell->op[v] : (uint8_t)below(NB101_OPS);
        if (ready) at[v] = out->n, placed |= 1u << v;
        out->n++;
    }
}

static void write(const struct nb101_cell *cell, char *text)
{
    for (uint32_t u = 0; u < cell->n; u++) {
        for (uint32_t v = 0; v < cell->n; v++) *text++ = cell->from[v] >> u & 1 ? '1' : '0';
        *text++ = u + 1 < cell->n ? ';' : '/';
    }
    for (uint32_t v = 1; v + 1 < cell->n; v++) *text++ = (char)('0' + cell->op[v]);
    *text = 0;
}

// Whichever encoding is read, the one that the benchmark has first is built; others are told.
static void isomorphic_cells(UNUSED void **state)
{
    int others = 0;
    for (int i = 0; i < 2000; i++) {
        struct nb101_cell cell, written, pruned;
        char text[512];
        bool other;
        const uint32_t index = below(NB101_SIZE);
        nb101_decode(nb101_code[index], &cell);
        scramble(&cell, &written);
        write(&written, text);
        assert_int_equal(read_text(text, &other), index);
        pruned = written;
        assert_true(nb101_prune(&pruned));
        assert_int_equal(pruned.n, cell.n);
        assert_int_equal(other, nb101_encode(&pruned) != nb101_code[index]);
        others += other;
    }
    assert_in_range(others, 500, 1900);
}

// ---- parameters ---------------------------------------------------------------------------------
static uint64_t layer(uint64_t kernel, uint64_t from, uint64_t to)
{
    return kernel * kernel * from * to + 2 * to;
}

static uint64_t module_params(const struct nb101_cell *cell, uint64_t in, uint64_t out)
{
    const uint32_t last = cell->n - 1;
    uint64_t width[NB101_VERTICES] = {0}, sum = 0, before = 0, m = 0;
    for (uint32_t v = 1; v < last; v++) m += cell->from[last] >> v & 1;
    for (uint32_t v = 1; v < last; v++)
        if (cell->from[last] >> v & 1) width[v] = out / m + (before++ < out % m);
    width[last] = out;
    for (uint32_t v = last; v > 0; v--) {
        static const uint64_t kernel[NB101_OPS] = {3, 1, 0};
        if (v < last && cell->op[v] != NB101_MAX_POOL)
            sum += layer(kernel[cell->op[v]], width[v], width[v]);
        if (cell->from[v] & 1) sum += layer(1, in, width[v]);
        for (uint32_t u = 1; u < v && v < last; u++)
            if (cell->from[v] >> u & 1 && !(cell->from[last] >> u & 1) && width[u] < width[v])
                width[u] = width[v];
    }
    return sum;
}

static uint64_t params(const struct nb101_cell *cell, uint64_t c, uint64_t n)
{
    uint64_t sum = layer(3, 3, c) + 10 * (4 * c + 1), in = c;
    for (int stack = 0; stack < 3; stack++) {
        sum += module_params(cell, in, c << stack) +
               (n - 1) * module_params(cell, c << stack, c << stack);
        in = c << stack;
    }
    return sum;
}

static void parameters(UNUSED void **state)
{
    struct nb101_cell cell;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < NB101_SIZE; i++) {
        nb101_decode(nb101_code[i], &cell);
        sum += params(&cell, 128, 3);
    }
    assert_true(sum == 3583758170075);
    for (int i = 0; i < 500; i++) {
        const uint32_t index = below(NB101_SIZE);
        struct assay_net net = nb101.kind->full;
        net.channels = 4 + below(140);
        net.cells = 1 + below(3);
        nb101_decode(nb101_code[index], &cell);
        assert_true(cost_of(index, &net).params == params(&cell, net.channels, net.cells));
    }
}

// ---- networks -----------------------------------------------------------------------------------
static void channels_are_shared(UNUSED void **state)
{
    struct assay_net net = nb101.kind->search;
    struct assay_err err;
    bool other;
    const uint64_t wide = read_text("011110;000001;000001;000001;000001;000000/0102", &other);
    net.channels = 4;
    assert_int_equal(assay_space_build(&nb101, wide, &net, &graph, &err), ASSAY_OK);
    net.channels = 3;
    assert_int_equal(assay_space_build(&nb101, wide, &net, &graph, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "network.channels is 3, expected at least 4"));
    net.section = "cost";
    assert_int_equal(assay_space_build(&nb101, wide, &net, &graph, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "cost.channels is 3, expected at least 4"));
    net.thin = true;
    assert_int_equal(assay_space_build(&nb101, wide, &net, &graph, &err), ASSAY_OK);
    for (uint32_t i = 0; i < graph.n_node; i++)
        assert_true(graph.node[i].op != ASSAY_OP_CONV || graph.node[i].c == 1);
}

// ---- texts --------------------------------------------------------------------------------------
#define ROWS                                                                                       \
    "[[0,1,1,1,0,1,0],[0,0,0,0,0,0,1],[0,0,0,0,0,0,1],[0,0,0,0,1,0,0],[0,0,0,0,0,0,1],"            \
    "[0,0,0,0,0,0,1],[0,0,0,0,0,0,0]]"
#define NAMES                                                                                      \
    "['input','conv1x1-bn-relu','conv3x3-bn-relu','conv3x3-bn-relu','conv3x3-bn-relu',"            \
    "'maxpool3x3','output']"
#define NUMBERS                                                                                    \
    "(0,1,1,1,0,1,0, 0,0,0,0,0,0,1, 0,0,0,0,0,0,1, 0,0,0,0,1,0,0, 0,0,0,0,0,0,1,"                  \
    "0,0,0,0,0,0,1, 0,0,0,0,0,0,0, 0,3,4,4,4,2,1)"
#define DIGITS "0111010000000100000010000100000000100000010000000"

// The cell of nasbench's own example, which is not the first of its kind.
static void notations(UNUSED void **state)
{
    static const char *const same[] = {
        "0111010;0000001;0000001;0000100;0000001;0000001;0000000/10002",
        " 0111010;0000001;0000001;0000100;0000001;0000001;0000000/10002\n",
        "matrix=" ROWS ",\n  ops=" NAMES,
        "ops=" NAMES ", matrix=" ROWS,
        "api.ModelSpec(matrix=" ROWS ", ops=" NAMES ")",
        "cell = ModelSpec(np.array(" ROWS ", dtype=np.int8), " NAMES ")",
        "ModelSpec(" ROWS ", [INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT])",
        "{'module_hash': 'none', 'module_adjacency': array(" ROWS "), 'module_operations': " NAMES
        ", 'trainable_parameters': 2694282}",
        "(" ROWS ", " NAMES ")",
        "[" ROWS ", [-1, 1, 0, 0, 0, 2, -2]]",
        "[\"28cfc7874f6d200472e1a9dcd8650aa0\", 108, \"" DIGITS "\", \"input,conv1x1-bn-relu,"
        "conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output\", \"CgYIAA==\"]",
        NUMBERS,
    };
    bool other;
    const uint64_t index = read_text("28cfc7874f6d200472e1a9dcd8650aa0", &other);
    assert_false(other);
    for (size_t i = 0; i < ASSAY_LEN(same); i++) {
        assert_int_equal(read_text(same[i], &other), index);
        assert_true(other);
    }
}

#define PADDED "matrix=[[0,1,0,1],[0,0,0,1],[0,0,0,0],[0,0,0,0]], ops="
// Matrices are made equally large by empty vertices behind the output, or before it.
static void padded_cells(UNUSED void **state)
{
    static const char *const same[] = {
        "011;001;000/0",
        "[[[0,1,1,0],[0,0,1,0],[0,0,0,0],[0,0,0,0]], [-1,0,-2,0]]",
        "[[[0,1,1,0],[0,0,1,0],[0,0,0,0],[0,0,0,0]], [-1,0,-2]]",
        PADDED "['input','conv3x3-bn-relu','maxpool3x3','output']",
        PADDED "['conv3x3-bn-relu','null']",
        "(0,1,0,1, 0,0,0,1, 0,0,0,0, 0,0,0,0, 0,4,0,1)",
    };
    for (size_t i = 0; i < ASSAY_LEN(same); i++) {
        struct nb101_cell cell;
        bool other;
        nb101_decode(nb101_code[read_text(same[i], &other)], &cell);
        assert_false(other);
        assert_int_equal(cell.n, 3);
        assert_int_equal(cell.from[1], 1);
        assert_int_equal(cell.from[2], 3);
        assert_int_equal(cell.op[1], NB101_CONV_3X3);
    }
}

static void wrong_texts(UNUSED void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "found the end at character 1, expected a matrix of 2 to 16 rows"},
        {"0", "expected a matrix of 2 to 16 rows"},
        {"01;00", "found the end at character 6, expected '/' between matrix and operations"},
        {"01;00/0", "found '0' at character 7, expected nothing after the operations"},
        {"01;10/", "found '10' at character 4, expected 0, as edges lead to later vertices"},
        {"011;00;000/0", "found ';' at character 7, expected 3 rows of 3 digits 0 or 1"},
        {"011;001;000/3", "found '3' at character 13, expected an operation"},
        {"010;000;000/0", "no path leads from its input to its output"},
        {"01111111;00000001;00000001;00000001;00000001;00000001;00000001;00000000/000000",
         "8 vertices and 13 edges are on paths from its input to its output, expected at most 7"},
        {"0111111;0000001;0000001;0000001;0000001;0000001;0000000/00000",
         "7 vertices and 11 edges"},
        {"28cfc7874f6d200472e1a9dcd8650aa1", "expected the hash of a cell"},
        {"28cfc7874f6d200472e1a9dcd8650aa0 x", "found 'x' at character 34, expected nothing"},
        {"matrix=[[0,1],[0,0]]", "found '[' at character 9, expected a matrix and operations"},
        {"matrix=[[0,2],[0,0]], ops=['input','output']",
         "found '2' at character 12, expected 0 or 1"},
        {"matrix=[[0,1],[0]], ops=['input','output']", "expected as many numbers in each row"},
        {"matrix=[[0,1],[0,0]], ops=['input','conv','output']", "found 'conv'"},
        {"matrix=[[0,1],[0,0]], ops=['input','input']", "expected input, an operation for each"},
        {"matrix=[[0,1],[0,0]], ops=['input','output','output']", "as many operations as vertices"},
        {"matrix=[[0,1,0],[0,0,1],[0,0,0]], ops=['input','output']",
         "found '[' at character 39, expected no edge to a vertex behind the output"},
        {"matrix=[[0,1,0],[0,0,1],[0,0,0]], ops=['input','output','null']",
         "expected no edge to a vertex behind the output"},
        {"matrix=[[0,1,0],[0,0,1],[0,0,0]], ops=['input','null','output']",
         "a vertex on a path has no operation"},
        {"matrix=[[0,1,0],[0,0,1],[0,0,0]], ops=['input','input','output']",
         "a vertex on a path has no operation"},
        {"matrix=[[0,1],[0,0]], ops=[-1,3]",
         "found '3' at character 31, expected a number from -2 to 2"},
        {"(0,1,0,0,0)", "expected a matrix and operations, or n (n + 1) numbers"},
        {"(0,1,0,0,0,5)", "found '5' at character 12, expected an operation from 0 to 4"},
        {"['28cfc7874f6d200472e1a9dcd8650aa0', 108, '0100', 'input,output']",
         "expected the hash of the cell behind it"},
        {"['28cfc7874f6d200472e1a9dcd8650aa0', 108, '01000', 'input,output']",
         "expected the digits of a square matrix, row by row"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_err err;
        uint64_t index = 77;
        assert_int_equal(assay_space_parse(&nb101, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_cells), cmocka_unit_test(tables),
        cmocka_unit_test(round_trips),     cmocka_unit_test(isomorphic_cells),
        cmocka_unit_test(parameters),      cmocka_unit_test(channels_are_shared),
        cmocka_unit_test(notations),       cmocka_unit_test(padded_cells),
        cmocka_unit_test(wrong_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
