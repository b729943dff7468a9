// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/onnx.h"
#include "message.h"

#include <stdio.h>

static struct message graph;

// ---- a file, piece by piece ---------------------------------------------------------------------
// A node: "OP in,in -> out", a missing input is empty.
static struct message node_of(const char *text)
{
    struct message n = {0};
    char op[32], in[128], out[64];
    if (sscanf(text, "%31s %127s -> %63s", op, in, out) != 3) fail_msg("no node: %s", text);
    for (char *rest = in, *one; (one = strsep(&rest, ","));)
        put_text(&n, 1, strcmp(one, "-") == 0 ? "" : one);
    put_text(&n, 2, out);
    put_text(&n, 3, out);
    put_text(&n, 4, op);
    return n;
}

static void node(const char *text)
{
    const struct message n = node_of(text);
    put_message(&graph, 1, &n);
}

// The same with an attribute: count 0: one integer.
static void node_with(const char *text, const char *name, int count, ...)
{
    struct message n = node_of(text), a = {0};
    va_list args;
    put_text(&a, 1, name);
    va_start(args, count);
    for (int i = 0; i < (count ? count : 1); i++)
        put_number(&a, count ? 8 : 3, (uint64_t)va_arg(args, int));
    va_end(args);
    put_message(&n, 5, &a);
    put_message(&graph, 1, &n);
}

static void node_real(const char *text, const char *name, float value)
{
    struct message n = node_of(text), a = {0};
    put_text(&a, 1, name);
    put_float(&a, 2, value);
    put_message(&n, 5, &a);
    put_message(&graph, 1, &n);
}

// A pool of kernel and stride `size` with ceil_mode.
static void node_with_two(const char *text, uint64_t size)
{
    static const char *const name[] = {"kernel_shape", "strides", "ceil_mode"};
    struct message n = node_of(text);
    for (int i = 0; i < 3; i++) {
        struct message a = {0};
        put_text(&a, 1, name[i]);
        for (int k = 0; i < 2 && k < 2; k++) put_number(&a, 8, size);
        if (i == 2) put_number(&a, 3, 1);
        put_message(&n, 5, &a);
    }
    put_message(&graph, 1, &n);
}

static void tensor(const char *name, uint32_t ndim, const uint64_t *dim, float value)
{
    static float values[256];
    struct message t = {0};
    uint64_t size = 1;
    for (uint32_t d = 0; d < ndim; d++) {
        put_number(&t, 1, dim[d]);
        size *= dim[d];
    }
    for (uint64_t i = 0; i < size; i++) values[i] = value;
    put_number(&t, 2, ASSAY_ONNX_FLOAT);
    put_text(&t, 8, name);
    put_bytes(&t, 9, values, size * sizeof *values);
    put_message(&graph, 5, &t);
}

static void integers(const char *name, uint64_t n, const int64_t *value)
{
    struct message t = {0};
    put_number(&t, 1, n);
    put_number(&t, 2, ASSAY_ONNX_INT64);
    put_text(&t, 8, name);
    put_bytes(&t, 9, value, n * sizeof *value);
    put_message(&graph, 5, &t);
}

static void put_value(uint32_t field, const char *name, const uint64_t *dim)
{
    struct message shape = {0}, t = {0}, type = {0}, v = {0};
    for (int d = 0; d < 4; d++) {
        struct message one = {0};
        put_number(&one, 1, dim[d]);
        put_message(&shape, 1, &one);
    }
    put_number(&t, 1, ASSAY_ONNX_FLOAT);
    put_message(&t, 2, &shape);
    put_message(&type, 1, &t);
    put_text(&v, 1, name);
    put_message(&v, 2, &type);
    put_message(&graph, field, &v);
}

// Weights of all tests, and an image 3x8x8 in a batch of 2.
static void begin(void)
{
    static const char *const vector[] = {"g", "s", "m", "v"};
    graph = (struct message){0};
    put_value(11, "x", (uint64_t[]){2, 3, 8, 8});
    tensor("c.weight", 4, (uint64_t[]){4, 3, 1, 1}, 0.5f);
    for (size_t i = 0; i < ASSAY_LEN(vector); i++) tensor(vector[i], 1, (uint64_t[]){4}, 1.0f);
    tensor("f.weight", 2, (uint64_t[]){5, 4}, 0.5f);
    tensor("f.bias", 1, (uint64_t[]){5}, 0.5f);
}

static void head(const char *from)
{
    char text[64];
    snprintf(text, sizeof text, "GlobalAveragePool %s -> pool", from);
    node(text);
    node("Flatten pool -> flat");
    node_with("Gemm flat,f.weight,f.bias -> y", "transB", 0, 1);
}

static int end(struct assay_graph *g, struct assay_onnx_net *net, struct assay_err *err)
{
    struct message m = {0}, opset = {0};
    struct assay_onnx o = {0};
    put_value(12, "y", (uint64_t[]){2, 5, 1, 1});
    put_number(&opset, 2, 17);
    put_message(&m, 7, &graph);
    put_message(&m, 8, &opset);
    assay_graph_init(g);
    int status = assay_onnx_parse(&o, "f", take_message(&m, m.n), m.n, err);
    if (status >= 0) status = assay_onnx_import(&o, g, net, err);
    assay_onnx_free(&o);
    return status;
}

// ---- what is read -------------------------------------------------------------------------------
static struct assay_graph g;
static struct assay_onnx_net net;

static void read_net(void)
{
    struct assay_err err = {0};
    if (end(&g, &net, &err) < 0) fail_msg("%s", err.text);
}

static void close_net(void)
{
    assay_graph_free(&g);
    assay_onnx_net_free(&net);
}

static void expect_ops(uint32_t n, const enum assay_op *op)
{
    assert_int_equal(g.n_node, n);
    for (uint32_t i = 0; i < n; i++) assert_int_equal(g.node[i].op, op[i]);
}

static void test_layers(void **state)
{
    static const char *const name[] = {"c.weight", "g", "s", "f.weight", "f.bias"};
    (void)state;
    begin();
    node_with("Conv x,c.weight -> conv", "strides", 2, 2, 2);
    node("BatchNormalization conv,g,s,m,v -> bn");
    node("Relu bn -> relu");
    head("relu");
    read_net();
    expect_ops(6, (enum assay_op[]){ASSAY_OP_INPUT, ASSAY_OP_CONV, ASSAY_OP_BN, ASSAY_OP_RELU,
                                    ASSAY_OP_GAP, ASSAY_OP_LINEAR});
    assert_int_equal(g.node[1].h, 4);
    assert_int_equal(g.n_param, 5);
    for (uint32_t i = 0; i < 5; i++) assert_string_equal(assay_graph_param_name(&g, i), name[i]);
    assert_int_equal(net.n_origin, 5);
    assert_int_equal(net.origin[3].tensor, 5);
    assert_false(net.origin[3].transposed);
    assert_string_equal(net.warnings, "");
    close_net();
}

// Equal initialisers that were stored once are parameters of their own, by each name.
static void test_merged(void **state)
{
    (void)state;
    begin();
    node("Identity g -> b.weight");
    node("Conv x,c.weight -> conv");
    node("BatchNormalization conv,g,s,m,v -> one");
    node("Identity s -> b.bias");
    node("BatchNormalization one,b.weight,b.bias,m,v -> two");
    head("two");
    read_net();
    assert_int_equal(g.n_param, 7);
    assert_string_equal(assay_graph_param_name(&g, 3), "b.weight");
    assert_string_equal(assay_graph_param_name(&g, 4), "b.bias");
    assert_int_equal(net.origin[3].tensor, net.origin[1].tensor);
    close_net();
}

// Shapes that were computed, with the batch of the file, and a bias of zeros that was.
static void test_computed(void **state)
{
    (void)state;
    begin();
    integers("one", 1, (int64_t[]){1});
    integers("zero", 1, (int64_t[]){0});
    integers("rest", 1, (int64_t[]){-1});
    node_with("Shape c.weight -> c", "end", 0, 1);
    node_with("ConstantOfShape one -> z", "none", 0, 0);
    node("Expand z,c -> zeros");
    node("Conv x,c.weight,zeros -> conv");
    node("GlobalAveragePool conv -> pool");
    node("Shape pool -> shape");
    node("Gather shape,zero -> batch");
    node_with("Concat batch,rest -> size", "axis", 0, 0);
    node("Reshape pool,size -> flat");
    node_with("Transpose f.weight -> t", "perm", 2, 1, 0);
    node("MatMul flat,t -> product");
    node("Add product,f.bias -> y");
    read_net();
    expect_ops(4, (enum assay_op[]){ASSAY_OP_INPUT, ASSAY_OP_CONV, ASSAY_OP_GAP, ASSAY_OP_LINEAR});
    assert_string_equal(assay_graph_param_name(&g, 1), "f.weight");
    assert_false(net.origin[1].transposed);
    assert_non_null(strstr(net.warnings, "no BatchNormalization"));
    close_net();
}

// Rows and columns that are left out one after the other, and a sum of the same twice.
static void test_parts(void **state)
{
    (void)state;
    begin();
    integers("one", 1, (int64_t[]){1});
    integers("two", 1, (int64_t[]){2});
    integers("three", 1, (int64_t[]){3});
    integers("end", 1, (int64_t[]){INT64_MAX});
    node("Conv x,c.weight -> conv");
    node("Slice conv,one,end,two -> rows");
    node("Slice rows,one,end,three -> both");
    node("Add both,both -> sum");
    head("sum");
    read_net();
    assert_int_equal(g.node[2].op, ASSAY_OP_SLICE);
    assert_int_equal(g.node[2].pad, 1);
    assert_int_equal(g.node[2].h, 7);
    close_net();
}

// Biases, or none; a map that is flattened; a window over the end; a BN with an epsilon of its own.
static void test_variants(void **state)
{
    (void)state;
    begin();
    tensor("w", 2, (uint64_t[]){5, 16}, 0.5f);
    node_with("Conv x,c.weight,s -> conv", "strides", 2, 2, 2);
    node_real("BatchNormalization conv,g,m,v,v -> bn", "epsilon", 1e-3f);
    node_with("MaxPool bn -> odd", "kernel_shape", 2, 2, 2);
    node_with_two("MaxPool odd -> pool", 2);
    node("Flatten pool -> flat");
    node_with("Gemm flat,w -> y", "transB", 0, 1);
    read_net();
    expect_ops(7, (enum assay_op[]){ASSAY_OP_INPUT, ASSAY_OP_CONV, ASSAY_OP_BN, ASSAY_OP_MAX_POOL,
                                    ASSAY_OP_MAX_POOL, ASSAY_OP_FLATTEN, ASSAY_OP_LINEAR});
    assert_int_equal(g.node[1].n_param, 2);
    assert_string_equal(assay_graph_param_name(&g, 1), "s");
    assert_true(g.node[2].eps == 1e-3);
    assert_int_equal(g.node[3].h, 3);
    assert_int_equal(g.node[4].h, 2);
    assert_int_equal(g.node[6].n_param, 1);
    close_net();
}

// A product that no bias follows is a layer of its own.
static void test_matmul(void **state)
{
    (void)state;
    begin();
    tensor("w", 2, (uint64_t[]){4, 5}, 0.5f);
    node("Conv x,c.weight -> conv");
    node("GlobalAveragePool conv -> pool");
    node("Flatten pool -> flat");
    node("MatMul flat,w -> y");
    read_net();
    assert_int_equal(g.node[3].op, ASSAY_OP_LINEAR);
    assert_int_equal(g.node[3].n_param, 1);
    assert_true(net.origin[1].transposed);
    close_net();
}

// ---- what is refused ----------------------------------------------------------------------------
static void expect_refusal(const char *text)
{
    struct assay_err err = {0};
    assert_int_equal(end(&g, &net, &err), ASSAY_ERR_INPUT);
    if (!strstr(err.text, text)) fail_msg("\"%s\" does not tell \"%s\"", err.text, text);
    close_net();
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *node, *text;
    } bad[] = {
        {"Conv x,c.weight,f.bias -> a",
         "node 'a' (Conv): its bias 'f.bias' has 5 values, expected 4"},
        {"Conv x,f.weight -> a", "'f.weight' has 2 dimensions, expected 4"},
        {"Conv c.weight,c.weight -> a", "input 0 ('c.weight') is a parameter"},
        {"Conv x,m -> a", "'m' has 1 dimensions"},
        {"Conv x,nowhere -> a", "nothing defines its input 'nowhere'"},
        {"Conv y,c.weight -> a", "its input 'y' is not computed before it"},
        {"Conv x,c.weight -> x", "'x' is defined twice"},
        {"BatchNormalization c.weight,g,s,m,v -> a", "weight standardisation"},
        {"BatchNormalization x,g,s,m,v -> a", "scale 'g' has 4 values, expected 3"},
        {"HardSwish x -> a", "node 'a' (HardSwish): an operator that is not read"},
        {"RandomUniformLike x -> a", "model.eval()"},
        {"Mul x,x -> a", "a gate"},
        {"Mul x,g -> a", "a product with a parameter"},
        {"Add x,g -> a", "adds a constant or a parameter"},
        {"Softmax x -> a", "has 4 dimensions, expected 2"},
        {"Transpose x -> a", "only the weight of a linear layer"},
    };
    for (size_t i = 0; i < ASSAY_LEN(bad); i++) {
        begin();
        node(bad[i].node);
        head("a");
        expect_refusal(bad[i].text);
    }
    begin();
    node_with("Conv x,c.weight -> a", "pads", 4, 0, 1, 0, 1);
    head("a");
    expect_refusal("only what is the same on all sides");
    begin();
    node_with("MaxPool x,- -> a", "kernel_shape", 2, 300, 300);
    head("a");
    expect_refusal("kernel 300");
    begin();
    node_with("MaxPool x -> a", "kernel_shape", 2, 9, 9);
    head("a");
    expect_refusal("does not fit");
    begin();
    node("Conv x,c.weight -> a");
    node("Conv x,c.weight -> b");
    node("Add a,b -> c");
    head("c");
    expect_refusal("weight 'c.weight' is another node's, too");
    begin();
    tensor("onnx::Conv_7", 1, (uint64_t[]){1}, 0.0f);
    head("x");
    expect_refusal("folded into convolutions (a weight is called 'onnx::Conv_7')");
    begin();
    tensor("", 0, NULL, 0.0f);
    tensor("", 0, NULL, 0.0f);
    head("x");
    expect_refusal("an input or initialiser has no name");
    begin();
    node_with("Gemm -,f.weight,f.bias -> a", "transB", 0, 1);
    head("a");
    expect_refusal("input 0 ('') is nothing");
    begin();
    put_value(12, "x", (uint64_t[]){2, 3, 8, 8});
    head("x");
    expect_refusal("2 outputs ('x' to 'y')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),   cmocka_unit_test(test_merged),
        cmocka_unit_test(test_computed), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_variants), cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
