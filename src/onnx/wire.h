// SPDX-License-Identifier: Apache-2.0
// Protocol buffers as bytes: fields of a message, one after the other.
#ifndef ASSAY_SRC_ONNX_WIRE_H
#define ASSAY_SRC_ONNX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is left of a message.
struct wire {
    const uint8_t *at, *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
struct wire_field {
    uint64_t number;
    enum wire_type type;
    uint64_t value;    // of a number
    struct wire bytes; // of bytes
};

// Takes the next field: 1; 0: there is none; -1: what is there is none, or reaches over the end.
// Groups, which nobody writes any more, are none.
int wire_next(struct wire *w, struct wire_field *f);
// Takes the next of a repeated field's numbers, which stand alone or packed, each of this type:
// *f is the field, and is left with what remains. As above.
int wire_number(struct wire_field *f, enum wire_type type, uint64_t *value);

#endif
