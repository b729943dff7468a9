// SPDX-License-Identifier: Apache-2.0
// A file without its weights: what an exporter writes with export_params=False.
#include "inside.h"

#include <stdlib.h>
#include <string.h>

// Values that a file fixes may be computed with (a bound, a size); tensors of more are weights.
#define KEPT_MAX 64
// Bytes that an input takes beside its name: keys, lengths, type and dimensions.
#define INPUT_MOST (64 + 12 * ASSAY_ONNX_DIMS)
#define LENGTH     5 // bytes of a length, which is written when what it measures is there

enum { NODE_DOC = 6, NODE_METADATA = 9 };

struct out {
    uint8_t *at;
    size_t n, cap;
};

static void put_bytes(struct out *o, const void *bytes, size_t n)
{
    ASSAY_ASSERT(n <= o->cap - o->n);
    if (n) memcpy(o->at + o->n, bytes, n);
    o->n += n;
}

static void put_varint(struct out *o, uint64_t value)
{
    uint8_t byte[10];
    size_t n = 0;
    for (; value > 127; value >>= 7) byte[n++] = (uint8_t)(value & 127) | 128;
    byte[n++] = (uint8_t)value;
    put_bytes(o, byte, n);
}

// Begins a message inside another, which put_end ends.
static size_t put_begin(struct out *o, uint32_t number)
{
    static const uint8_t length[LENGTH];
    put_varint(o, number << 3 | WIRE_BYTES);
    put_bytes(o, length, sizeof length);
    return o->n;
}

static void put_end(struct out *o, size_t begin)
{
    const size_t n = o->n - begin;
    for (int i = 0; i < LENGTH; i++)
        o->at[begin - LENGTH + (size_t)i] =
            (uint8_t)((n >> 7 * i & 127) | (i < LENGTH - 1 ? 128 : 0));
}

static void put_number(struct out *o, uint32_t number, uint64_t value)
{
    put_varint(o, number << 3 | WIRE_VARINT);
    put_varint(o, value);
}

// ---- what is kept -------------------------------------------------------------------------------
static bool is_weight(const struct assay_onnx_tensor *t)
{
    return (t->type == ASSAY_ONNX_FLOAT || t->type == ASSAY_ONNX_DOUBLE) && t->size > KEPT_MAX;
}

// Documentation and metadata hold where in the user's sources a node was written.
static void put_node(struct out *o, struct wire w)
{
    struct wire_field f;
    const size_t begin = put_begin(o, 1);
    for (const uint8_t *from = w.at; wire_next(&w, &f) > 0; from = w.at)
        if (f.number != NODE_DOC && f.number != NODE_METADATA)
            put_bytes(o, from, (size_t)(w.at - from));
    put_end(o, begin);
}

static void put_input(struct out *o, const struct assay_onnx_tensor *t)
{
    const size_t input = put_begin(o, 11);
    put_varint(o, 1 << 3 | WIRE_BYTES);
    put_varint(o, t->name.n);
    put_bytes(o, t->name.at, t->name.n);
    const size_t type = put_begin(o, 2), tensor = put_begin(o, 1);
    put_number(o, 1, t->type);
    const size_t shape = put_begin(o, 2);
    for (uint32_t d = 0; d < t->ndim; d++) {
        const size_t dim = put_begin(o, 1);
        put_number(o, 1, t->dim[d]);
        put_end(o, dim);
    }
    put_end(o, shape);
    put_end(o, tensor);
    put_end(o, type);
    put_end(o, input);
}

// Nodes, small initialisers, inputs and outputs; behind them, as inputs, the weights.
static void put_graph(struct out *o, const struct assay_onnx *m, struct wire w)
{
    struct wire_field f;
    uint32_t initializer = 0;
    const size_t begin = put_begin(o, 7);
    for (const uint8_t *from = w.at; wire_next(&w, &f) > 0; from = w.at) {
        const bool keep = f.number == 11 || f.number == 12 ||
                          (f.number == 5 && !is_weight(&m->initializer[initializer++]));
        if (f.number == 1) put_node(o, f.bytes);
        if (keep) put_bytes(o, from, (size_t)(w.at - from));
    }
    for (uint32_t i = 0; i < m->n_initializer; i++)
        if (is_weight(&m->initializer[i])) put_input(o, &m->initializer[i]);
    put_end(o, begin);
}

static struct out make_room(const struct assay_onnx *m)
{
    struct out o = {.cap = m->n_bytes + 64};
    for (uint32_t i = 0; i < m->n_initializer; i++)
        if (is_weight(&m->initializer[i])) {
            const struct assay_onnx_tensor *t = &m->initializer[i];
            o.cap += INPUT_MOST + t->name.n;
            // The values go; what holds them does not come.
            if (t->message) o.cap -= (size_t)(t->message_end - t->message);
        }
    o.cap += (size_t)m->n_node * LENGTH;
    o.at = malloc(o.cap);
    return o;
}

int assay_onnx_strip(const struct assay_onnx *m, uint8_t **bytes, size_t *n, struct assay_err *err)
{
    struct out o = make_room(m);
    struct wire w = {m->bytes, m->bytes + m->n_bytes};
    struct wire_field f;
    if (!o.at)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for a network's %zu bytes",
                             o.cap);
    const size_t opset = put_begin(&o, 8);
    put_number(&o, 2, m->opset);
    put_end(&o, opset);
    while (wire_next(&w, &f) > 0)
        if (f.number == 7) put_graph(&o, m, f.bytes);
    *bytes = o.at;
    *n = o.n;
    return ASSAY_OK;
}
