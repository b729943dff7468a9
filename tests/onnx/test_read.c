// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/onnx.h"
#include "message.h"

#include <stdio.h>

// What is wrong with the file, or nothing.
struct fault {
    const char *op, *domain;
    uint64_t dim[3];
    uint32_t ndim, type, values; // of the initialiser
    uint64_t opset;
    bool function, subgraph, twice, external;
};
static const struct fault sound = {.op = "Conv",
                                   .domain = "",
                                   .dim = {2, 3},
                                   .ndim = 2,
                                   .type = ASSAY_ONNX_FLOAT,
                                   .values = 6,
                                   .opset = 17};

// 0, 1/4, 1/2, ...
static void put_tensor(struct message *graph, const struct fault *f)
{
    struct message t = {0};
    float value[16];
    for (uint32_t d = 0; d < f->ndim; d++) put_number(&t, 1, f->dim[d]);
    put_number(&t, 2, f->type);
    for (uint32_t i = 0; i < f->values; i++) value[i] = 0.25f * (float)i;
    put_text(&t, 8, "w");
    put_bytes(&t, 9, value, f->values * sizeof *value);
    if (f->twice) put_bytes(&t, 4, value, sizeof *value);
    if (f->external) put_number(&t, 14, 1);
    put_message(graph, 5, &t);
}

// Padding packed and strides one by one: both ways of writing repeated numbers.
static void put_node(struct message *graph, const struct fault *f)
{
    static const uint8_t pads[] = {1,    2,    3,    0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 1};
    struct message n = {0}, a = {0}, b = {0};
    put_text(&n, 1, "x");
    put_text(&n, 1, "w");
    put_text(&n, 2, "y");
    put_text(&n, 3, "first");
    put_text(&n, 4, f->op);
    put_text(&a, 1, "pads");
    put_bytes(&a, 8, pads, sizeof pads);
    put_message(&n, 5, &a);
    put_text(&b, 1, "strides");
    put_number(&b, 8, 2);
    put_number(&b, 8, 5);
    if (f->subgraph) put_bytes(&b, 6, "", 0);
    put_message(&n, 5, &b);
    put_text(&n, 7, f->domain);
    put_message(graph, 1, &n);
}

// Four dimensions, the first of them symbolic.
static void put_input(struct message *graph)
{
    struct message dim[2] = {0}, shape = {0}, tensor = {0}, type = {0}, value = {0};
    put_text(&dim[0], 2, "batch");
    put_number(&dim[1], 1, 32);
    put_message(&shape, 1, &dim[0]);
    for (int i = 0; i < 3; i++) put_message(&shape, 1, &dim[1]);
    put_number(&tensor, 1, ASSAY_ONNX_FLOAT);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, "x");
    put_message(&value, 2, &type);
    put_message(graph, 11, &value);
}

static void put_model(struct message *m, const struct fault *f)
{
    struct message graph = {0}, opset = {0}, output = {0};
    *m = (struct message){0};
    put_node(&graph, f);
    put_tensor(&graph, f);
    put_input(&graph);
    put_text(&output, 1, "y");
    put_message(&graph, 12, &output);
    put_number(&opset, 2, f->opset);
    put_number(m, 1, 8);
    put_message(m, 7, &graph);
    if (f->function) put_bytes(m, 25, "", 0);
    put_message(m, 8, &opset);
}

static void test_sound_file(void **state)
{
    struct assay_onnx o = {0};
    struct assay_err err = {0};
    struct message m;
    double value[6];
    (void)state;
    put_model(&m, &sound);
    if (assay_onnx_parse(&o, "f", take_message(&m, m.n), m.n, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(o.opset, 17);
    assert_int_equal(o.n_node, 1);
    assert_true(assay_onnx_is(o.node[0].op, "Conv"));
    assert_int_equal(o.node[0].in.n, 2);
    assert_true(assay_onnx_is(o.name[o.node[0].in.first + 1], "w"));
    assert_true(assay_onnx_is(o.name[o.node[0].out.first], "y"));
    const struct assay_onnx_attr *pads = assay_onnx_attr(&o, &o.node[0], "pads"),
                                 *strides = assay_onnx_attr(&o, &o.node[0], "strides");
    assert_int_equal(pads->ints.n, 4);
    assert_int_equal(o.integer[pads->ints.first + 2], 3);
    assert_int_equal(o.integer[pads->ints.first + 3], -1);
    assert_int_equal(strides->ints.n, 2);
    assert_int_equal(o.integer[strides->ints.first + 1], 5);
    assert_null(assay_onnx_attr(&o, &o.node[0], "dilations"));
    assert_int_equal(o.initializer[0].size, 6);
    assay_onnx_values(&o.initializer[0], 6, NULL, value);
    assert_true(value[5] == 1.25);
    assert_int_equal(o.input[0].ndim, 4);
    assert_int_equal(o.input[0].dim[0], 0);
    assert_int_equal(o.input[0].dim[3], 32);
    assay_onnx_free(&o);
}

// Nothing of a file that is cut off is taken for a smaller network.
static void test_truncated(void **state)
{
    struct message m;
    (void)state;
    put_model(&m, &sound);
    for (size_t n = 0; n < m.n; n++) {
        struct assay_onnx o = {0};
        struct assay_err err = {0};
        if (assay_onnx_parse(&o, "f", take_message(&m, n), n, &err) != ASSAY_ERR_INPUT)
            fail_msg("%zu bytes of %zu are read", n, m.n);
        assert_memory_equal(err.text, "f: ", 3);
        assert_null(o.node);
    }
}

static void expect(const struct fault *f, const char *text)
{
    struct assay_onnx o = {0};
    struct assay_err err = {0};
    struct message m;
    put_model(&m, f);
    assert_int_equal(assay_onnx_parse(&o, "f", take_message(&m, m.n), m.n, &err), ASSAY_ERR_INPUT);
    if (!strstr(err.text, text)) fail_msg("\"%s\" does not tell \"%s\"", err.text, text);
}

static void test_faults(void **state)
{
    struct fault f;
    (void)state;
#define EXPECT(text, ...)                                                                          \
    f = sound;                                                                                     \
    __VA_ARGS__;                                                                                   \
    expect(&f, text)
    EXPECT("'w': dimension 0 is 4611686018427387904", f.dim[0] = UINT64_C(1) << 62);
    EXPECT("'w': dimension 1 is -3", f.dim[1] = (uint64_t)-3);
    EXPECT("more than 2^48", f.dim[0] = f.dim[1] = UINT64_C(1) << 31);
    EXPECT("has 24 bytes of values, its shape asks for 28", f.dim[0] = 7, f.dim[1] = 1);
    EXPECT("has 0 bytes of values", f.values = 0);
    EXPECT("has its values twice", f.twice = true);
    EXPECT("type 10 (float16)", f.type = 10);
    EXPECT("operator 'Conv' of domain 'mine'", f.domain = "mine");
    EXPECT("operator set 99, expected 7 to 25", f.opset = 99);
    EXPECT("functions", f.function = true);
    EXPECT("node 'first' (Conv): attribute 'strides' is a graph", f.subgraph = true);
    EXPECT("no operator set", f.opset = 0);
#undef EXPECT
}

// Values that are in another file are not missed here.
static void test_external(void **state)
{
    struct fault f = sound;
    struct assay_onnx o = {0};
    struct assay_err err = {0};
    struct message m;
    (void)state;
    f.external = true;
    f.values = 0;
    put_model(&m, &f);
    if (assay_onnx_parse(&o, "f", take_message(&m, m.n), m.n, &err) < 0) fail_msg("%s", err.text);
    assert_true(o.initializer[0].external);
    assay_onnx_free(&o);
}

// Each way of storing values, and each type.
static void test_values(void **state)
{
    static const uint8_t packed[] = {7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    static const struct {
        uint32_t type, field;
    } how[] = {{ASSAY_ONNX_INT64, 7}, {ASSAY_ONNX_INT32, 5}, {ASSAY_ONNX_BOOL, 5}};
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(how); i++) {
        struct assay_onnx o = {0};
        struct assay_err err = {0};
        struct message t = {0}, graph = {0}, opset = {0}, m = {0};
        int64_t integer[2];
        double real[2];
        put_number(&t, 1, 2);
        put_number(&t, 2, how[i].type);
        put_bytes(&t, how[i].field, packed, sizeof packed);
        put_message(&graph, 5, &t);
        put_number(&opset, 2, 17);
        put_message(&m, 7, &graph);
        put_message(&m, 8, &opset);
        if (assay_onnx_parse(&o, "f", take_message(&m, m.n), m.n, &err) < 0)
            fail_msg("%s", err.text);
        const bool truth = how[i].type == ASSAY_ONNX_BOOL;
        assay_onnx_values(&o.initializer[0], 2, integer, real);
        assert_int_equal(integer[0], truth ? 1 : 7);
        assert_int_equal(integer[1], truth ? 1 : -1);
        assert_true(real[1] == (truth ? 1.0 : -1.0));
        assay_onnx_free(&o);
    }
}

static void test_no_file(void **state)
{
    struct assay_onnx o = {0};
    struct assay_err err = {0};
    (void)state;
    assert_true(assay_onnx_read(&o, "/nowhere/net.onnx", &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/net.onnx"));
    assert_int_equal(assay_onnx_read(&o, "/tmp", &err), ASSAY_ERR_INPUT);
    assert_int_equal(assay_onnx_read(&o, "/dev/null", &err), ASSAY_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_file), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_faults),     cmocka_unit_test(test_external),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
