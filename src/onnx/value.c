// SPDX-License-Identifier: Apache-2.0
// Values by name, and what nodes say of themselves.
#include "import.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int onnx_refuse(const struct import *im, const char *fmt, ...)
{
    char text[sizeof im->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return assay_err_set(im->err, ASSAY_ERR_INPUT, "node '%.*s' (%.*s): %s",
                         ASSAY_ONNX_TEXT(im->at->name), ASSAY_ONNX_TEXT(im->at->op), text);
}

void onnx_warn(const struct import *im, const char *text)
{
    char *to = im->net->warnings;
    const size_t used = strlen(to);
    if (strstr(to, text)) return;
    snprintf(to + used, sizeof im->net->warnings - used, "%s%s", used ? "\n" : "", text);
}

struct value *onnx_in(const struct import *im, uint32_t k)
{
    if (k >= im->at->in.n) return NULL;
    const uint32_t v = im->in[im->at->in.first + k];
    return v == UINT32_MAX ? NULL : &im->value[v];
}

struct value *onnx_define(const struct import *im, enum value_kind kind, uint32_t ndim,
                          const int64_t *dim)
{
    struct value *v = &im->value[im->in[im->at->out.first]];
    v->kind = (uint8_t)kind;
    v->ndim = ndim;
    if (ndim) memcpy(v->dim, dim, ndim * sizeof *dim);
    return v;
}

void onnx_alias(const struct import *im, const struct value *v)
{
    struct value *out = &im->value[im->in[im->at->out.first]];
    const struct value before = *out;
    *out = *v;
    out->name = before.name;
    out->needed = before.needed;
    out->last = before.last;
    out->readers = before.readers;
    out->used = false;
}

uint64_t onnx_size(const struct value *v)
{
    uint64_t size = 1;
    for (uint32_t d = 0; d < v->ndim; d++)
        if (__builtin_mul_overflow(size, (uint64_t)v->dim[d], &size)) return UINT64_MAX;
    return size;
}

double onnx_number(const struct import *im, const struct value *v, uint64_t i)
{
    return im->number[v->first + (v->same ? 0 : i)];
}

bool onnx_all(const struct import *im, const struct value *v, double number)
{
    if (v->kind != VALUE_CONSTANT || !onnx_size(v)) return false;
    for (uint64_t i = 0; i < (v->same ? 1 : onnx_size(v)); i++)
        if (onnx_number(im, v, i) != number) return false;
    return true;
}

double onnx_decimal(double number)
{
    // sqrt 2 and its inverse, of GELU; 1/6, of hard sigmoids; a third.
    static const double known[] = {1.41421356237309504880, 0.70710678118654752440, 1.0 / 6,
                                   1.0 / 3};
    char text[32];
    if (!isfinite(number) || (double)(float)number != number) return number;
    for (size_t i = 0; i < ASSAY_LEN(known); i++)
        if ((double)(float)known[i] == fabs(number)) return copysign(known[i], number);
    for (int digits = 1; digits < 10; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if ((double)strtof(text, NULL) == number) break;
    }
    return strtod(text, NULL);
}

int64_t onnx_whole(double number)
{
    return number > -0x1p62 && number < 0x1p62 ? (int64_t)number : INT64_MIN / 2;
}

// Many numbers are kept if they are all the same.
static bool all_same(const double *number, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++)
        if (memcmp(&number[i], number, sizeof *number) != 0) return false;
    return n > 0;
}

int onnx_keep(struct import *im, struct value *v, const double *number, uint64_t n)
{
    v->kind = n <= FOLDED_MAX ? VALUE_CONSTANT : VALUE_LARGE;
    v->same = false;
    if (n > FOLDED_MAX && all_same(number, n)) {
        v->kind = VALUE_CONSTANT;
        v->same = true;
    }
    v->first = im->n_number;
    if (v->kind == VALUE_LARGE) return ASSAY_OK;
    if (im->n_number + FOLDED_MAX > im->cap_number) {
        const uint32_t cap = 2 * im->cap_number + 16 * FOLDED_MAX;
        double *grown = realloc(im->number, cap * sizeof *grown);
        if (!grown) return assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory");
        im->number = grown;
        im->cap_number = cap;
    }
    const uint32_t kept = v->same ? 1 : (uint32_t)n;
    if (kept) memcpy(im->number + im->n_number, number, kept * sizeof *number);
    im->n_number += kept;
    return ASSAY_OK;
}

int onnx_load(struct import *im, struct value *v, const struct assay_onnx_tensor *t)
{
    if (t->external)
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "'%.*s' is in another file, which is not opened; export with "
                             "external_data=False",
                             ASSAY_ONNX_TEXT(v->name));
    double *number = malloc((t->size + 1) * sizeof *number);
    if (!number) return assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory for a tensor");
    assay_onnx_values(t, t->size, NULL, number);
    v->ndim = t->ndim;
    for (uint32_t d = 0; d < t->ndim; d++) v->dim[d] = (int64_t)t->dim[d];
    v->real = t->type == ASSAY_ONNX_FLOAT || t->type == ASSAY_ONNX_DOUBLE;
    const int status = onnx_keep(im, v, number, t->size);
    free(number);
    return status;
}

// ---- attributes ---------------------------------------------------------------------------------
#define F (1u << ASSAY_ONNX_F)
#define I (1u << ASSAY_ONNX_I)
#define S (1u << ASSAY_ONNX_S)
#define T (1u << ASSAY_ONNX_T)
#define L (1u << ASSAY_ONNX_INTS)

// What is read of nodes, and of which kinds it may be.
static const struct {
    const char *name;
    uint32_t kinds;
} known[] = {
    {"allowzero", I},
    {"alpha", F},
    {"approximate", S},
    {"auto_pad", S},
    {"axes", L},
    {"axis", I},
    {"beta", F},
    {"ceil_mode", I},
    {"dilations", L},
    {"end", I},
    {"ends", L},
    {"epsilon", F},
    {"group", I},
    {"keepdims", I},
    {"kernel_shape", L},
    {"max", F},
    {"min", F},
    {"mode", S},
    {"pads", L},
    {"perm", L},
    {"shape", L},
    {"spatial", I},
    {"split", L},
    {"start", I},
    {"starts", L},
    {"steps", L},
    {"strides", L},
    {"to", I},
    {"transA", I},
    {"transB", I},
    {"value", F | T},
    {"value_int", I},
    {"value_float", F},
    {"value_ints", L},
    {"count_include_pad", I},
    {"value_floats", 1u << ASSAY_ONNX_FLOATS},
};
#undef F
#undef I
#undef S
#undef T
#undef L

int onnx_check_attributes(const struct import *im)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < im->at->attr.n; i++) {
        const struct assay_onnx_attr *a = &im->m->attr[im->at->attr.first + i];
        size_t k = 0;
        while (k < ASSAY_LEN(known) && !assay_onnx_is(a->name, known[k].name)) k++;
        if (k == ASSAY_LEN(known)) continue;
        if (seen >> k & 1 || !(known[k].kinds >> a->kind & 1))
            return onnx_refuse(im, "attribute '%s' is %s", known[k].name,
                               seen >> k & 1 ? "there twice, expected once"
                                             : "of another type than the operator's");
        seen |= UINT64_C(1) << k;
    }
    return ASSAY_OK;
}

int64_t onnx_integer(const struct import *im, const char *name, int64_t absent)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, name);
    return a && a->kind == ASSAY_ONNX_I ? a->i : absent;
}

double onnx_real(const struct import *im, const char *name, double absent)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, name);
    return a && a->kind == ASSAY_ONNX_F ? onnx_decimal((double)a->f) : absent;
}

int onnx_integers(const struct import *im, const char *name, uint32_t n, int64_t absent,
                  int64_t *out)
{
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, name);
    for (uint32_t i = 0; i < n; i++) out[i] = absent;
    if (!a) return ASSAY_OK;
    if (a->kind != ASSAY_ONNX_INTS || a->ints.n != n)
        return onnx_refuse(im, "%s is not a list of %u, expected that of a network of images", name,
                           n);
    memcpy(out, im->m->integer + a->ints.first, n * sizeof *out);
    return ASSAY_OK;
}

int onnx_list(const struct import *im, uint32_t k, const char *name, uint32_t most, int64_t *out,
              uint32_t *n)
{
    const struct value *v = onnx_in(im, k);
    const struct assay_onnx_attr *a = assay_onnx_attr(im->m, im->at, name);
    *n = 0;
    if (!v && (!a || a->kind != ASSAY_ONNX_INTS)) return ASSAY_OK;
    if (v && (v->kind != VALUE_CONSTANT || v->real))
        return onnx_refuse(im,
                           "%s depends on the image, or is too long; export with a fixed size "
                           "of the image",
                           name);
    const uint64_t size = v ? onnx_size(v) : a->ints.n;
    if (size > most) return onnx_refuse(im, "%s has more than %u elements", name, most);
    *n = (uint32_t)size;
    for (uint32_t i = 0; i < *n; i++) {
        const double number = v ? onnx_number(im, v, i) : 0.0;
        out[i] = !v                  ? im->m->integer[a->ints.first + i]
                 : number >= 0x1p62  ? INT64_MAX
                 : number <= -0x1p62 ? INT64_MIN
                                     : (int64_t)number;
    }
    return ASSAY_OK;
}
