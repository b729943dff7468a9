// SPDX-License-Identifier: Apache-2.0
// Writes protocol buffers: messages of fields, as ONNX files are made of.
#ifndef ASSAY_TESTS_ONNX_MESSAGE_H
#define ASSAY_TESTS_ONNX_MESSAGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct message {
    uint8_t at[4096];
    size_t n;
};

static inline void put_varint(struct message *m, uint64_t value)
{
    for (; value > 127; value >>= 7) m->at[m->n++] = (uint8_t)(value | 128);
    m->at[m->n++] = (uint8_t)value;
}

static inline void put_number(struct message *m, uint32_t field, uint64_t value)
{
    put_varint(m, field << 3);
    put_varint(m, value);
}

static inline void put_bytes(struct message *m, uint32_t field, const void *bytes, size_t n)
{
    put_varint(m, field << 3 | 2);
    put_varint(m, n);
    if (n) memcpy(m->at + m->n, bytes, n);
    m->n += n;
}

static inline void put_float(struct message *m, uint32_t field, float value)
{
    put_varint(m, field << 3 | 5);
    memcpy(m->at + m->n, &value, sizeof value);
    m->n += sizeof value;
}

static inline void put_text(struct message *m, uint32_t field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

static inline void put_message(struct message *m, uint32_t field, const struct message *inner)
{
    put_bytes(m, field, inner->at, inner->n);
}

// A copy that assay_onnx_parse takes.
static inline uint8_t *take_message(const struct message *m, size_t n)
{
    uint8_t *bytes = malloc(n + 1);
    return bytes ? memcpy(bytes, m->at, n) : NULL;
}

#endif
