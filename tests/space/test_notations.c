// SPDX-License-Identifier: Apache-2.0
// Architectures as other programs print them, in whatever file or log they stand.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "genotypes.h"
#include "space/darts.h"

#include <string.h>

#define UNUSED __attribute__((unused))

static struct assay_space nb201, darts;
static struct assay_rng rng;

static int open_spaces(UNUSED void **state)
{
    struct assay_err err = {0};
    assay_rng_init(&rng, 5, 0, "test", "notations");
    assert_int_equal(assay_space_open(&nb201, "nas-bench-201", &err), ASSAY_OK);
    assert_int_equal(assay_space_open(&darts, "darts", &err), ASSAY_OK);
    return 0;
}

static int close_spaces(UNUSED void **state)
{
    assay_space_close(&nb201);
    assay_space_close(&darts);
    return 0;
}

static uint64_t parse(const struct assay_space *space, const char *text)
{
    struct assay_err err = {0};
    uint64_t index = UINT64_MAX;
    if (assay_space_parse(space, text, &index, &err) < 0) fail_msg("%s: %s", text, err.text);
    return index;
}

struct wrong {
    const char *text, *message;
};

static void assert_refused(const struct assay_space *space, const struct wrong *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct assay_err err = {0};
        uint64_t index = 77;
        assert_int_equal(assay_space_parse(space, wrong[i].text, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(index, 77);
    }
}

static void replace(char *text, const char *from, const char *to)
{
    for (char *at = text; (at = strstr(at, from)); at += strlen(to)) {
        memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
        memcpy(at, to, strlen(to));
    }
}

// ---- nas-bench-201 ----------------------------------------------------------------------------
// The same architecture as other programs print it, and in their files and logs.
static void cells_of_nas_bench_201(UNUSED void **state)
{
#define CELL                                                                                       \
    "|nor_conv_1x1~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    static const char *const same[] = {
        "Structure(4 nodes with " CELL ")",
        "<<<--->>> The 000-100-th epoch : CellStructure( 4 nodes  with " CELL " )",
        "'" CELL "',",
        "\"" CELL "\"",
        "b'" CELL "'",
        "u'" CELL "'",
        "arch: " CELL,
        "best_arch = '" CELL "'  ",
        "\"arch_str\": \"" CELL "\",",
        " \n" CELL " # the best",
        "(3, 4, 0, 4, 2, 1)", // NASLib: skip, none, 3x3, 1x1, pool; 0-1, 0-2, 0-3, 1-2, 1-3, 2-3
        "[3, 4, 0, 4, 2, 1]",
        "op_indices: (np.int64(3), np.int64(4), np.int64(0), np.int64(4), np.int64(2), "
        "np.int64(1))",
        "array([3, 4, 0, 4, 2, 1])",
        "{\"0_1\": \"conv_1x1\", \"0_2\": \"avg_pool_3x3\", \"1_2\": \"avg_pool_3x3\", \"0_3\": "
        "\"skip_connect\", \"1_3\": \"conv_3x3\", \"2_3\": \"none\"}",
        "[(('nor_conv_1x1', 0),), (('avg_pool_3x3', 0), ('avg_pool_3x3', 1)), (('skip_connect', "
        "0), "
        "('nor_conv_3x3', 1), ('none', 2))]",
        "genotype: [[('nor_conv_1x1', 0)], [('avg_pool_3x3', 1), ('avg_pool_3x3', 0)], [('none', "
        "2), "
        "('nor_conv_3x3', 1), ('skip_connect', 0)]]",
    };
    for (size_t i = 0; i < ASSAY_LEN(same); i++)
        assert_int_equal(parse(&nb201, same[i]), parse(&nb201, CELL));
#undef CELL
}

static void wrong_cells_are_refused(UNUSED void **state)
{
    static const struct wrong wrong[] = {
        {"Structure(5 nodes with ", "found '5' at character 11, expected Structure(4 nodes with"},
        {"Structure(4 nodes with |none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
         "expected ')' after the edges"},
        {"'|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "at character 1, expected '|' before"},
        {"(0, 1, 2, 3, 4, 5)",
         "found '5' at character 17, expected six numbers from 0 to 4, as NASLib"},
        {"(0, 1, 2, 3, 4)", "found '(' at character 1, expected six numbers, three nodes, or"},
        {"['none', 'none', 'none', 'none', 'none', 'none']", "names alone do not say their edges"},
        {"[[('none', 0)], [('none', 0), ('none', 0)], []]",
         "found '0' at character 40, expected only"},
        {"[[('none', 0)], [('none', 0), ('none', 2)], []]",
         "found '2' at character 40, expected a node"},
        {"[[('none', 0)], [('none', 0)], []]",
         "found '[' at character 17, expected 1, 2 and 3 pairs"},
        {"[[('none', 0, 1)], [], []]", "found '(' at character 3, expected a pair of operation"},
        {"{'0_1': 'none', '1_0': 'none'}",
         "found '1_0' at character 18, expected each of the keys"},
        {"{'0_1': 'none', '0_1': 'none'}",
         "found '0_1' at character 18, expected each of the keys"},
        {"{'0_1': 'nor_conv_1x1'}",
         "found 'nor_conv_1x1' at character 10, expected one of none, skip"},
        {"{'0_1': 'none'}", "found '{' at character 1, expected six edges"},
    };
    assert_refused(&nb201, wrong, ASSAY_LEN(wrong));
}

// ---- darts ------------------------------------------------------------------------------------
// What stands around a genotype in files and logs.
static void genotypes_are_read_where_they_stand(UNUSED void **state)
{
    static const char *const around[][2] = {
        {"DARTS_V2 = ", ""},
        {"DARTS_V2: Genotype = ", "  # 97.24"},
        {"2019-03-14 10:17:34,201 genotype = ", "\n"},
        {"genotypes.", ""},
        {"NET = cnn.genotypes.", ","},
        {"\"", "\""},
        {"b\"", "\" ,"},
        {"'best': \"", "\","},
        {"# from the paper\n\t", ";"},
    };
    for (size_t i = 0; i < ASSAY_LEN(around); i++) {
        char text[2 * ASSAY_ARCH_MAX];
        snprintf(text, sizeof text, "%s%s%s", around[i][0], DARTS_V2, around[i][1]);
        assert_true(parse(&darts, text) == parse(&darts, DARTS_V2));
    }
}

// Three notations of a genotype: NASLib's, JSON, and NAS-Bench-301's.
enum { NASLIB, JSON, CONFIG, FORMS };

static int print_edge(const struct darts_genotype *g, int c, int e, int form, char *out)
{
    static const char *const cell[] = {"normal", "reduce"};
    static const int naslib[] = {-1, 2, 3, 4, 5, 6, 1, 0}; // of the numbers in darts.h
    const int i = e / 2, op = g->op[c][i][e % 2], from = g->state[c][i][e % 2];
    if (form == NASLIB) return sprintf(out, "(np.int64(%d), %d), ", from, naslib[op]);
    if (form == JSON)
        return sprintf(out, "%s[\"%s\", %d]%s", e % 2 ? "" : "[", darts_op_name[op], from,
                       e == 7  ? "]]"
                       : e % 2 ? "], "
                               : ", ");
    int n = sprintf(out, "'NetworkSelectorDatasetInfo:darts:edge_%s_%d': '%s', ", cell[c],
                    i * (i + 3) / 2 + from, darts_op_name[op]);
    if (e % 2 && i > 0)
        n += sprintf(out + n, "'NetworkSelectorDatasetInfo:darts:inputs_node_%s_%d': '%d_%d', ",
                     cell[c], i + 2, g->state[c][i][0], from);
    return n;
}

static void print_as(uint64_t index, int form, char *out)
{
    static const char *const open[] = {"(", "{", "Configuration(values={"};
    static const char *const cell[][2] = {{"(", "("}, {"\"normal\": [", "\"reduce\": ["}, {"", ""}};
    static const char *const done[][2] = {
        {"), ", ")"}, {", ", ", \"reduce_concat\": [2, 3, 4, 5]"}, {"", ""}};
    static const char *const close[] = {")", "}", "})"};
    struct darts_genotype g;
    darts_decode(index, &g);
    out += sprintf(out, "%s", open[form]);
    for (int c = 0; c < 2; c++) {
        out += sprintf(out, "%s", cell[form][c]);
        for (int e = 0; e < 8; e++) out += print_edge(&g, c, e, form, out);
        out += sprintf(out, "%s", done[form][c]);
    }
    sprintf(out, "%s", close[form]);
}

static void genotypes_in_other_notations(UNUSED void **state)
{
    char text[ASSAY_ARCH_TEXT_MAX];
    for (int i = 0; i < 300; i++) {
        const uint64_t index = assay_rng_below(&rng, assay_space_size(&darts));
        print_as(index, i % FORMS, text);
        assert_true(parse(&darts, text) == index);
    }
}

// A configuration whose inputs are not those of its edges, or that has a key too many.
static void inconsistent_configurations_are_refused(UNUSED void **state)
{
    static const char *const change[][3] = {
        {"inputs_node_normal_3': '", "inputs_node_normal_3': '9",
         "the states of this node's edges"},
        {"inputs_node_normal_3", "inputs_node_normal_7", "only keys of edges and inputs"},
        {"edge_reduce_0", "edge_reduce_2", "two edges into each node"},
    };
    for (size_t i = 0; i < ASSAY_LEN(change); i++) {
        char text[ASSAY_ARCH_TEXT_MAX];
        struct assay_err err = {0};
        uint64_t index;
        print_as(parse(&darts, DARTS_V2), CONFIG, text);
        replace(text, change[i][0], change[i][1]);
        assert_int_equal(assay_space_parse(&darts, text, &index, &err), ASSAY_ERR_INPUT);
        assert_non_null(strstr(err.text, change[i][2]));
    }
}

// NASLib's numbers, by hand.
static void naslib_numbers_are_in_its_order(UNUSED void **state)
{
    assert_true(
        parse(&darts, "(((0, 2), (1, 3), (0, 4), (2, 2), (1, 1), (3, 2), (0, 5), (4, 3)), ((0, 0), "
                      "(1, 6), (2, 1), (0, 0), (1, 0), (2, 1), (2, 6), (4, 2)))") ==
        parse(&darts, "Genotype([('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), "
                      "('skip_connect', 2), ('avg_pool_3x3', 1), ('skip_connect', 3), "
                      "('dil_conv_3x3', 0), ('sep_conv_3x3', 4)], range(2, 6), "
                      "[('max_pool_3x3', 0), ('dil_conv_5x5', 1), ('avg_pool_3x3', 2), "
                      "('max_pool_3x3', 0), ('max_pool_3x3', 1), ('avg_pool_3x3', 2), "
                      "('dil_conv_5x5', 2), ('skip_connect', 4)], list(range(2, 6)))"));
}

static void values_are_computed(UNUSED void **state)
{
    static const char *const change[][2] = {
        {"[2, 3, 4, 5]", "(2, 3, 4, 5)"},
        {"[2, 3, 4, 5]", "list(range(2, 6))"},
        {"[2, 3, 4, 5]", "[2, 3] + [4] + [5]"},
        {"[2, 3, 4, 5]", "tuple([2, 3, (4), 5])"},
        {"[2, 3, 4, 5]", "np.array([2, 3, 4, 5])"},
        {"Genotype(", "dict("},
        {"reduce_concat=[2, 3, 4, 5])",
         "reduce_concat=[2, 3, 4, 5], connectN=None, connects=None)"},
        {"normal_concat=[2, 3, 4, 5], ", ""},
        {"=[('", "=[] + [] + [('"},
        {"0), ('sep_conv_3x3', 1), ", "0)] + [('sep_conv_3x3', 1), "},
        {"'sep", "u'sep"},
        {", normal_concat", ", # the normal cell's\n normal_concat"},
    };
    for (size_t i = 0; i < ASSAY_LEN(change); i++) {
        char text[2 * ASSAY_ARCH_MAX] = DARTS_V2;
        replace(text, change[i][0], change[i][1]);
        assert_true(strcmp(text, DARTS_V2) != 0);
        assert_true(parse(&darts, text) == parse(&darts, DARTS_V2));
    }
}

static void wrong_genotypes_are_refused(UNUSED void **state)
{
    static const struct wrong wrong[] = {
        {"Genotype(normal=[[('sep_conv_3x3', 0)], [('sep_conv_3x3', 0)]], reduce=[])",
         "found '[' at character 18, expected two pairs"},
        {"Genotype(norml=[], reduce=[])", "found 'norml' at character 10, expected each of normal"},
        {"Genotype(normal=[], normal=[])", "found 'normal' at character 21, expected each of"},
        {"Genotype([], [], [], [], None, 1)", "found '1' at character 32, expected None"},
        {"Genotype([], [], [], [], None, None, None)",
         "found 'None' at character 38, expected each"},
        {"Genotype(normal=[] + 3)", "found '3' at character 22, expected a list behind '+'"},
        {"Genotype(normal=3 + [])", "found '+' at character 19, expected '+' between lists only"},
        {"Genotype(normal=range(1, 2000000))",
         "found 'range' at character 17, expected range(FIRST"},
        {"dict(normal=1, 2)", "found '2' at character 16, expected a keyword in dict()"},
        {"{normal: 1}", "found 'normal' at character 2, expected a key in quotes"},
        {"{'normal' 1}", "found '1' at character 11, expected ':' after a key"},
        {"\n\nGenotype(normal=\n [('none', 0)], reduce=[])",
         "found 'none' at character 5 of its line 4"},
        {"[[[[[[[[[[[[[[[[[[", "expected fewer brackets inside each other"},
        {"Structure(4)", "found 'Structure' at character 1, expected Genotype("},
        {"((0, 1), (1, 2))",
         "found '(' at character 2, expected 8 pairs of state and operation, as"},
        {"{'NetworkSelectorDatasetInfo:darts:edge_normal_0': 'skip_connect'}",
         "found '{' at character 1, expected two edges into each node in it"},
    };
    assert_refused(&darts, wrong, ASSAY_LEN(wrong));
}

static void texts_of_other_spaces(UNUSED void **state)
{
    struct assay_space null;
    struct assay_err err = {0};
    assert_int_equal(assay_space_open(&null, "null", &err), ASSAY_OK);
    assert_int_equal(parse(&null, "arch: 'conv_3x3',"), 2);
    assert_int_equal(parse(&null, " net = conv_7x7 # large"), 4);
    assay_space_close(&null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_of_nas_bench_201),
        cmocka_unit_test(wrong_cells_are_refused),
        cmocka_unit_test(genotypes_are_read_where_they_stand),
        cmocka_unit_test(genotypes_in_other_notations),
        cmocka_unit_test(inconsistent_configurations_are_refused),
        cmocka_unit_test(naslib_numbers_are_in_its_order),
        cmocka_unit_test(values_are_computed),
        cmocka_unit_test(wrong_genotypes_are_refused),
        cmocka_unit_test(texts_of_other_spaces),
    };
    return cmocka_run_group_tests(tests, open_spaces, close_spaces);
}
