// SPDX-License-Identifier: Apache-2.0
// A graph of an ONNX file, piece by piece, in a message of its own.
#ifndef ASSAY_TESTS_ONNX_PIECES_H
#define ASSAY_TESTS_ONNX_PIECES_H

#include <stdarg.h>
#include <stdio.h>

#include "assay/onnx.h"
#include "message.h"

static struct message graph;

// A node: "OP in,in -> out", a missing input is empty.
static inline struct message node_of(const char *text)
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

static inline void node(const char *text)
{
    const struct message n = node_of(text);
    put_message(&graph, 1, &n);
}

// The same with an attribute: count 0: one integer.
static inline void node_with(const char *text, const char *name, int count, ...)
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

static inline void node_real(const char *text, const char *name, float value)
{
    struct message n = node_of(text), a = {0};
    put_text(&a, 1, name);
    put_float(&a, 2, value);
    put_message(&n, 5, &a);
    put_message(&graph, 1, &n);
}

// A pool of kernel and stride `size` with ceil_mode.
static inline void node_with_two(const char *text, uint64_t size)
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

static inline void tensor(const char *name, uint32_t ndim, const uint64_t *dim, float value)
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

static inline void put_number_of(const char *name, float value)
{
    struct message n = {0}, a = {0}, t = {0};
    put_text(&n, 2, name);
    put_text(&n, 4, "Constant");
    put_text(&a, 1, "value");
    put_number(&t, 2, ASSAY_ONNX_FLOAT);
    put_bytes(&t, 9, &value, sizeof value);
    put_message(&a, 5, &t);
    put_message(&n, 5, &a);
    put_message(&graph, 1, &n);
}

static inline void integers(const char *name, uint64_t n, const int64_t *value)
{
    struct message t = {0};
    put_number(&t, 1, n);
    put_number(&t, 2, ASSAY_ONNX_INT64);
    put_text(&t, 8, name);
    put_bytes(&t, 9, value, n * sizeof *value);
    put_message(&graph, 5, &t);
}

static inline void put_value(uint32_t field, const char *name, const uint64_t *dim)
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

#endif
