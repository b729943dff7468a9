// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <string.h>

enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};

// How the values of a type are stored.
struct storage {
    uint32_t type, bytes; // bytes of one in raw data
    uint32_t field;       // or in this field
    enum wire_type wire;
};
static const struct storage storages[] = {
    {ASSAY_ONNX_FLOAT, 4, TENSOR_FLOATS, WIRE_FIXED32},
    {ASSAY_ONNX_INT32, 4, TENSOR_INT32S, WIRE_VARINT},
    {ASSAY_ONNX_INT64, 8, TENSOR_INT64S, WIRE_VARINT},
    {ASSAY_ONNX_BOOL, 1, TENSOR_INT32S, WIRE_VARINT},
    {ASSAY_ONNX_DOUBLE, 8, TENSOR_DOUBLES, WIRE_FIXED64},
};

static const struct storage *storage_of(uint64_t type)
{
    for (size_t i = 0; i < ASSAY_LEN(storages); i++)
        if (storages[i].type == type) return &storages[i];
    return NULL;
}

static int take_dims(const struct parse *p, struct assay_onnx_tensor *t, struct wire_field *f)
{
    uint64_t dim;
    int more;
    while ((more = wire_number(f, WIRE_VARINT, &dim)) > 0) {
        if (t->ndim == ASSAY_ONNX_DIMS)
            return onnx_bad(p, "tensor '%.*s' has more than %d dimensions",
                            ASSAY_ONNX_TEXT(t->name), ASSAY_ONNX_DIMS);
        t->dim[t->ndim++] = dim;
    }
    return more < 0 ? onnx_damaged(p, "a tensor's shape") : ASSAY_OK;
}

// The number of values that the shape asks for.
static int take_size(const struct parse *p, struct assay_onnx_tensor *t)
{
    t->size = 1;
    for (uint32_t d = 0; d < t->ndim; d++) {
        const int64_t dim = (int64_t)t->dim[d];
        if (dim < 0 || dim > INT64_C(1) << 31)
            return onnx_bad(p, "tensor '%.*s': dimension %u is %lld, expected 0 to 2^31",
                            ASSAY_ONNX_TEXT(t->name), d, (long long)dim);
        if (__builtin_mul_overflow(t->size, (uint64_t)dim, &t->size) || t->size > UINT64_C(1) << 48)
            return onnx_bad(p, "tensor '%.*s' has more than 2^48 values", ASSAY_ONNX_TEXT(t->name));
    }
    return ASSAY_OK;
}

// The fields that say what a tensor is.
static int take_header(const struct parse *p, struct assay_onnx_tensor *t, uint64_t *type,
                       struct wire_field *f)
{
    switch (f->number) {
    case TENSOR_DIMS:
        return take_dims(p, t, f);
    case TENSOR_TYPE:
        *type = f->value;
        return ASSAY_OK;
    case TENSOR_NAME:
        return onnx_text(p, f, &t->name);
    case TENSOR_EXTERNAL:
        t->external = true;
        return ASSAY_OK;
    case TENSOR_LOCATION:
        t->external |= f->value != 0;
        return ASSAY_OK;
    default:
        return ASSAY_OK;
    }
}

static int refuse_type(const struct parse *p, const struct assay_onnx_tensor *t, uint64_t type)
{
    const char *name = type == 10 ? " (float16)" : type == 16 ? " (bfloat16)" : "";
    return onnx_bad(p,
                    "tensor '%.*s' is of type %llu%s, expected float32, float64, int32, int64 or "
                    "bool; export the model in float32 (model.float())",
                    ASSAY_ONNX_TEXT(t->name), (unsigned long long)type, name);
}

static int check_count(const struct parse *p, const struct assay_onnx_tensor *t, uint64_t values)
{
    if (values == t->size) return ASSAY_OK;
    return onnx_bad(p, "tensor '%.*s' has %llu values, its shape asks for %llu",
                    ASSAY_ONNX_TEXT(t->name), (unsigned long long)values,
                    (unsigned long long)t->size);
}

static int take_raw(const struct parse *p, struct assay_onnx_tensor *t, const struct storage *s,
                    const struct wire_field *f)
{
    const uint64_t n = (uint64_t)(f->bytes.end - f->bytes.at);
    if (f->type != WIRE_BYTES) return onnx_damaged(p, "a tensor's values");
    if (t->raw || n != t->size * s->bytes)
        return onnx_bad(p, "tensor '%.*s' has %llu bytes of values, its shape asks for %llu",
                        ASSAY_ONNX_TEXT(t->name), (unsigned long long)n,
                        (unsigned long long)(t->size * s->bytes));
    t->raw = f->bytes.at;
    return ASSAY_OK;
}

// The values, once the shape is known: fields come in any order.
static int take_values(const struct parse *p, struct assay_onnx_tensor *t, const struct storage *s)
{
    struct wire w = {t->message, t->message_end};
    struct wire_field f;
    uint64_t values = 0, value;
    while (wire_next(&w, &f) > 0) {
        if (f.number == TENSOR_RAW) ASSAY_TRY(take_raw(p, t, s, &f));
        if (f.number != s->field) continue;
        int more;
        while ((more = wire_number(&f, s->wire, &value)) > 0) values++;
        if (more < 0) return onnx_damaged(p, "a tensor's values");
    }
    if (t->raw && values)
        return onnx_bad(p, "tensor '%.*s' has its values twice", ASSAY_ONNX_TEXT(t->name));
    return t->raw ? ASSAY_OK : check_count(p, t, values);
}

int onnx_tensor(const struct parse *p, struct wire w, struct assay_onnx_tensor *t)
{
    struct wire_field f;
    uint64_t type = 0;
    int more;
    t->message = w.at;
    t->message_end = w.end;
    while ((more = wire_next(&w, &f)) > 0) ASSAY_TRY(take_header(p, t, &type, &f));
    if (more < 0) return onnx_damaged(p, "a tensor");
    ASSAY_TRY(take_size(p, t));
    const struct storage *s = storage_of(type);
    if (!s) return refuse_type(p, t, type);
    t->type = s->type;
    return t->external ? ASSAY_OK : take_values(p, t, s);
}

// ---- values -------------------------------------------------------------------------------------
static int64_t to_integer(double real)
{
    if (!(real > -0x1p63)) return INT64_MIN; // not a number, too
    return real < 0x1p63 ? (int64_t)real : INT64_MAX;
}

static void put(enum assay_onnx_type type, uint64_t bits, int64_t *integer, double *real)
{
    const uint32_t low = (uint32_t)bits;
    float f;
    double d;
    int64_t i = type == ASSAY_ONNX_INT64 ? (int64_t)bits : (int32_t)low;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    const bool is_real = type == ASSAY_ONNX_FLOAT || type == ASSAY_ONNX_DOUBLE;
    if (type == ASSAY_ONNX_FLOAT) d = (double)f;
    if (type == ASSAY_ONNX_BOOL) i = low != 0;
    if (integer) *integer = is_real ? to_integer(d) : i;
    if (real) *real = is_real ? d : (double)i;
}

void assay_onnx_values(const struct assay_onnx_tensor *t, uint64_t n, int64_t *integer,
                       double *real)
{
    const struct storage *s = storage_of(t->type);
    struct wire w = {t->message, t->message_end};
    struct wire_field f;
    ASSAY_ASSERT(n <= t->size && !t->external);
    for (uint64_t i = 0; t->raw && i < n; i++) {
        uint64_t bits = 0;
        for (unsigned b = 0; b < s->bytes; b++) bits |= (uint64_t)t->raw[i * s->bytes + b] << 8 * b;
        put(t->type, bits, integer ? integer + i : NULL, real ? real + i : NULL);
    }
    for (uint64_t i = 0, bits; !t->raw && i < n && wire_next(&w, &f) > 0;) {
        if (f.number != s->field) continue;
        for (; i < n && wire_number(&f, s->wire, &bits) > 0; i++)
            put(t->type, bits, integer ? integer + i : NULL, real ? real + i : NULL);
    }
}
