// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

static bool take_varint(struct wire *w, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        const uint8_t byte = *w->at++;
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

static bool take_fixed(struct wire *w, unsigned bytes, uint64_t *value)
{
    if ((size_t)(w->end - w->at) < bytes) return false;
    *value = 0;
    for (unsigned i = 0; i < bytes; i++) *value |= (uint64_t)w->at[i] << 8 * i;
    w->at += bytes;
    return true;
}

static bool take_bytes(struct wire *w, struct wire *bytes)
{
    uint64_t n;
    if (!take_varint(w, &n) || n > (uint64_t)(w->end - w->at)) return false;
    *bytes = (struct wire){w->at, w->at + n};
    w->at += n;
    return true;
}

static bool take_value(struct wire *w, enum wire_type type, uint64_t *value)
{
    switch (type) {
    case WIRE_VARINT:
        return take_varint(w, value);
    case WIRE_FIXED64:
        return take_fixed(w, 8, value);
    case WIRE_FIXED32:
        return take_fixed(w, 4, value);
    case WIRE_BYTES:
        break;
    }
    return false;
}

int wire_next(struct wire *w, struct wire_field *f)
{
    uint64_t key;
    if (w->at == w->end) return 0;
    if (!take_varint(w, &key) || key >> 3 == 0 || key >> 3 >= 1u << 29) return -1;
    *f = (struct wire_field){.number = key >> 3, .type = (enum wire_type)(key & 7)};
    const bool taken =
        f->type == WIRE_BYTES ? take_bytes(w, &f->bytes) : take_value(w, f->type, &f->value);
    return taken ? 1 : -1;
}

int wire_number(struct wire_field *f, enum wire_type type, uint64_t *value)
{
    if (f->type == WIRE_BYTES) {
        if (f->bytes.at == f->bytes.end) return 0;
        return take_value(&f->bytes, type, value) ? 1 : -1;
    }
    if (f->type != type) return -1;
    // A number that stands alone leaves packed ones of which there are none.
    *value = f->value;
    f->type = WIRE_BYTES;
    f->bytes = (struct wire){0};
    return 1;
}
