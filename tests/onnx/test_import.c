// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/onnx.h"
#include "pieces.h"

#include <stdio.h>

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

// x sigmoid(x) is one activation; a gate of (n,c,1,1) on either side; a number that is added.
static void test_products(void **state)
{
    (void)state;
    begin();
    put_number_of("three", 3.0f);
    node("Conv x,c.weight -> conv");
    node("Sigmoid conv -> s1");
    node("Mul conv,s1 -> silu");
    node("GlobalAveragePool silu -> mean");
    node("Add three,mean -> more");
    node_real("HardSigmoid more -> gate", "alpha", 0.16666667f);
    node("Mul gate,silu -> gated");
    head("gated");
    read_net();
    expect_ops(9, (enum assay_op[]){ASSAY_OP_INPUT, ASSAY_OP_CONV, ASSAY_OP_ACT, ASSAY_OP_GAP,
                                    ASSAY_OP_ACT, ASSAY_OP_ACT, ASSAY_OP_MUL, ASSAY_OP_GAP,
                                    ASSAY_OP_LINEAR});
    assert_int_equal(g.node[2].act, ASSAY_ACT_SILU);
    assert_int_equal(g.node[4].act, ASSAY_ACT_AFFINE);
    assert_true(g.node[4].b == 3);
    assert_true(g.node[5].a == 1.0 / 6);
    assert_int_equal(g.in[g.node[6].in], 2);
    assert_int_equal(g.node[6].h, 8);
    close_net();
}

// Bounds of clips are decimals, as whoever wrote them meant them.
static void test_clip(void **state)
{
    (void)state;
    begin();
    put_number_of("low", -0.3f);
    put_number_of("high", 0.7f);
    node("Conv x,c.weight -> conv");
    node("Clip conv,low,high -> clip");
    head("clip");
    read_net();
    assert_true(g.node[2].a == -0.3 && g.node[2].b == 0.7);
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

// Channels in groups that are turned, parts of them, and rows and columns around a map.
static void test_channels(void **state)
{
    (void)state;
    begin();
    integers("five", 5, (int64_t[]){2, 2, 2, 8, 8});
    integers("four", 4, (int64_t[]){-1, 4, 8, 8});
    integers("parts", 2, (int64_t[]){1, 3});
    integers("one", 1, (int64_t[]){1});
    integers("pads", 8, (int64_t[]){0, 0, 0, 1, 0, 0, 2, -1});
    node("Conv x,c.weight -> conv");
    node("Reshape conv,five -> groups");
    node_with("Transpose groups -> turned", "perm", 5, 0, 2, 1, 3, 4);
    node("Reshape turned,four -> shuffled");
    node_with("SplitToSequence shuffled,parts -> list", "axis", 0, 1);
    node("SequenceAt list,one -> part");
    node("Pad part,pads -> padded");
    tensor("w", 2, (uint64_t[]){5, 3}, 0.5f);
    node("GlobalAveragePool padded -> pool");
    node("Flatten pool -> flat");
    node_with("Gemm flat,w -> y", "transB", 0, 1);
    read_net();
    expect_ops(7, (enum assay_op[]){ASSAY_OP_INPUT, ASSAY_OP_CONV, ASSAY_OP_SHUFFLE, ASSAY_OP_SLICE,
                                    ASSAY_OP_PAD, ASSAY_OP_GAP, ASSAY_OP_LINEAR});
    assert_int_equal(g.node[2].groups, 2);
    assert_int_equal(assay_graph_channel(&g.node[2], 1), 2);
    assert_int_equal(g.node[3].first, 1);
    assert_int_equal(g.node[3].c, 3);
    assert_memory_equal(g.node[4].pads, ((int16_t[]){0, 1, 2, -1}), 4 * sizeof(int16_t));
    assert_int_equal(g.node[4].h, 10);
    close_net();
}

// A kernel of other columns than rows, whose padding differs, too, and is in front of it.
static void test_flat_kernel(void **state)
{
    (void)state;
    begin();
    tensor("w", 4, (uint64_t[]){4, 3, 1, 3}, 0.5f);
    node_with("Conv x,w -> conv", "pads", 4, 0, 1, 0, 1);
    head("conv");
    read_net();
    assert_int_equal(g.node[1].op, ASSAY_OP_PAD);
    assert_int_equal(g.node[2].op, ASSAY_OP_CONV);
    assert_int_equal(g.node[2].kernel, 1);
    assert_int_equal(g.node[2].kernel_w, 3);
    assert_int_equal(g.node[2].w, 8);
    assert_int_equal(g.param[0].shape[3], 3);
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
        {"Selu x -> a", "node 'a' (Selu): an operator that is not read"},
        {"RandomUniformLike x -> a", "model.eval()"},
        {"Mul x,g -> a", "times or by a parameter"},
        {"Div x,x -> a", "a map by a map"},
        {"Add x,g -> a", "adds a parameter"},
        {"Max x,x -> a", "a maximum or minimum of maps"},
        {"Softmax x -> a", "has 4 dimensions, expected 2"},
        {"Transpose x -> a", "only the weight of a linear layer"},
        {"SequenceAt x,g -> a", "no list of parts"},
        {"Resize x -> a", "only the nearest pixel"},
    };
    for (size_t i = 0; i < ASSAY_LEN(bad); i++) {
        begin();
        node(bad[i].node);
        head("a");
        expect_refusal(bad[i].text);
    }
    begin();
    node_with("Conv x,c.weight -> a", "strides", 2, 1, 2);
    head("a");
    expect_refusal("the same along both sides");
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
        cmocka_unit_test(test_layers),      cmocka_unit_test(test_merged),
        cmocka_unit_test(test_computed),    cmocka_unit_test(test_parts),
        cmocka_unit_test(test_variants),    cmocka_unit_test(test_products),
        cmocka_unit_test(test_flat_kernel), cmocka_unit_test(test_channels),
        cmocka_unit_test(test_matmul),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
