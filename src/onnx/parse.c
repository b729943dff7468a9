// SPDX-License-Identifier: Apache-2.0
// The messages of a model, from the outside in. Field numbers are those of onnx.proto.
#define _GNU_SOURCE // memmem
#include "inside.h"

#include <string.h>

// ---- attributes ---------------------------------------------------------------------------------
static int take_ints(const struct parse *p, struct assay_onnx_attr *a, struct wire_field *f)
{
    uint64_t value;
    int64_t *to;
    int more;
    if (!a->ints.n) a->ints.first = p->m->n_integer;
    while ((more = wire_number(f, WIRE_VARINT, &value)) > 0) {
        ONNX_APPEND(p, integer, to);
        *to = (int64_t)value;
        a->ints.n++;
    }
    return more < 0 ? onnx_damaged(p, "an attribute's integers") : ASSAY_OK;
}

static int take_floats(const struct parse *p, struct assay_onnx_attr *a, struct wire_field *f)
{
    uint64_t value;
    float *to;
    int more;
    if (!a->floats.n) a->floats.first = p->m->n_real;
    while ((more = wire_number(f, WIRE_FIXED32, &value)) > 0) {
        ONNX_APPEND(p, real, to);
        memcpy(to, &(uint32_t){(uint32_t)value}, sizeof *to);
        a->floats.n++;
    }
    return more < 0 ? onnx_damaged(p, "an attribute's numbers") : ASSAY_OK;
}

static int take_tensor(const struct parse *p, struct assay_onnx_attr *a, const struct wire_field *f)
{
    struct assay_onnx_tensor *t;
    if (f->type != WIRE_BYTES) return onnx_damaged(p, "an attribute's tensor");
    a->tensor = p->m->n_tensor;
    ONNX_APPEND(p, tensor, t);
    return onnx_tensor(p, f->bytes, t);
}

// The kind of a value that is not there, which some writers leave out where it is 0 or empty.
static enum assay_onnx_kind kind_of_type(uint64_t type)
{
    static const enum assay_onnx_kind kind[] = {[1] = ASSAY_ONNX_F,
                                                [2] = ASSAY_ONNX_I,
                                                [3] = ASSAY_ONNX_S,
                                                [6] = ASSAY_ONNX_FLOATS,
                                                [7] = ASSAY_ONNX_INTS};
    return type < ASSAY_LEN(kind) ? kind[type] : ASSAY_ONNX_NONE;
}

// A value, whose kind follows from its field.
static int take_attr_field(const struct parse *p, struct assay_onnx_attr *a, struct wire_field *f)
{
    static const enum assay_onnx_kind kind[] = {
        [2] = ASSAY_ONNX_F, [3] = ASSAY_ONNX_I,      [4] = ASSAY_ONNX_S,
        [5] = ASSAY_ONNX_T, [7] = ASSAY_ONNX_FLOATS, [8] = ASSAY_ONNX_INTS};
    if (f->number == 6 || f->number == 11)
        return onnx_bad(p,
                        "attribute '%.*s' is a graph: control flow (If, Loop, Scan) is not read; "
                        "export by tracing, with what decides a constant",
                        ASSAY_ONNX_TEXT(a->name));
    if (f->number < ASSAY_LEN(kind) && kind[f->number]) a->kind = kind[f->number];
    switch (f->number) {
    case 1:
        return onnx_text(p, f, &a->name);
    case 2:
        if (f->type != WIRE_FIXED32) return onnx_damaged(p, "an attribute's number");
        memcpy(&a->f, &(uint32_t){(uint32_t)f->value}, sizeof a->f);
        return ASSAY_OK;
    case 3:
        a->i = (int64_t)f->value;
        return f->type == WIRE_VARINT ? ASSAY_OK : onnx_damaged(p, "an attribute's integer");
    case 4:
        return onnx_text(p, f, &a->s);
    case 5:
        return take_tensor(p, a, f);
    case 7:
        return take_floats(p, a, f);
    case 8:
        return take_ints(p, a, f);
    case 20:
        if (!a->kind) a->kind = kind_of_type(f->value);
        return ASSAY_OK;
    default:
        return ASSAY_OK;
    }
}

static int take_attr(const struct parse *p, const struct wire_field *from)
{
    struct wire w = from->bytes;
    struct wire_field f;
    struct assay_onnx_attr *a;
    int more;
    ONNX_APPEND(p, attr, a);
    while ((more = wire_next(&w, &f)) > 0) ASSAY_TRY(take_attr_field(p, a, &f));
    return more < 0 ? onnx_damaged(p, "an attribute") : ASSAY_OK;
}

// ---- nodes --------------------------------------------------------------------------------------
static bool contains(struct wire text, const char *word)
{
    return memmem(text.at, (size_t)(text.end - text.at), word, strlen(word));
}

// An entry of metadata: value becomes the text behind key.
static int take_entry(const struct parse *p, struct wire w, const char *key, struct wire *value)
{
    struct wire_field f;
    struct wire seen = {0}, text = {0};
    int more;
    while ((more = wire_next(&w, &f)) > 0) {
        if (f.type == WIRE_BYTES && f.number == 1) seen = f.bytes;
        if (f.type == WIRE_BYTES && f.number == 2) text = f.bytes;
    }
    if (more < 0) return onnx_damaged(p, "metadata");
    if (seen.at && text.at && contains(seen, key)) *value = text;
    return ASSAY_OK;
}

static int take_rule(const struct parse *p, struct assay_onnx_node *n, const struct wire_field *f)
{
    struct wire rule = {0};
    ASSAY_TRY(take_entry(p, f->bytes, "pkg.onnxscript.rewriter.rule_name", &rule));
    n->fused_bn |= rule.at && contains(rule, "FuseBatchNorm");
    return ASSAY_OK;
}

// Inputs, outputs and attributes may stand in any order: one kind at a time is appended.
static int take_list(const struct parse *p, struct wire w, uint64_t number,
                     struct assay_onnx_range *range)
{
    struct wire_field f;
    struct assay_onnx_text *name;
    range->first = number == 5 ? p->m->n_attr : p->m->n_name;
    while (wire_next(&w, &f) > 0) {
        if (f.number != number) continue;
        if (f.type != WIRE_BYTES) return onnx_damaged(p, "a node");
        if (number == 5) {
            ASSAY_TRY(take_attr(p, &f));
        } else {
            ONNX_APPEND(p, name, name);
            ASSAY_TRY(onnx_text(p, &f, name));
        }
        range->n++;
    }
    return ASSAY_OK;
}

static int refuse_domain(const struct parse *p, const struct assay_onnx_node *n,
                         struct assay_onnx_text domain)
{
    if (!domain.n || assay_onnx_is(domain, "ai.onnx")) return ASSAY_OK;
    return onnx_bad(p,
                    "node '%.*s': operator '%.*s' of domain '%.*s', expected ONNX's own operators; "
                    "export without custom operators",
                    ASSAY_ONNX_TEXT(n->name), ASSAY_ONNX_TEXT(n->op), ASSAY_ONNX_TEXT(domain));
}

static int take_node(const struct parse *p, struct wire w)
{
    const struct wire whole = w;
    struct wire_field f;
    struct assay_onnx_node *n;
    struct assay_onnx_text domain = {0};
    int more;
    ONNX_APPEND(p, node, n);
    while ((more = wire_next(&w, &f)) > 0) {
        if (f.number == 3) ASSAY_TRY(onnx_text(p, &f, &n->name));
        if (f.number == 4) ASSAY_TRY(onnx_text(p, &f, &n->op));
        if (f.number == 7) ASSAY_TRY(onnx_text(p, &f, &domain));
        if (f.number == 9 && f.type == WIRE_BYTES) ASSAY_TRY(take_rule(p, n, &f));
    }
    if (more < 0) return onnx_damaged(p, "a node");
    ASSAY_TRY(refuse_domain(p, n, domain));
    ASSAY_TRY(take_list(p, whole, 1, &n->in));
    ASSAY_TRY(take_list(p, whole, 2, &n->out));
    const int status = take_list(p, whole, 5, &n->attr);
    if (status == ASSAY_ERR_INPUT)
        assay_err_prefix(p->err, "node '%.*s' (%.*s)", ASSAY_ONNX_TEXT(n->name),
                         ASSAY_ONNX_TEXT(n->op));
    return status;
}

// ---- inputs and outputs -------------------------------------------------------------------------
// Takes the message in field `number` of w; empty where there is none.
static int take_inner(const struct parse *p, struct wire w, uint64_t number, struct wire *inner)
{
    struct wire_field f;
    int more;
    *inner = (struct wire){0};
    while ((more = wire_next(&w, &f)) > 0)
        if (f.number == number && f.type == WIRE_BYTES) *inner = f.bytes;
    return more < 0 ? onnx_damaged(p, "the type of an input or output") : ASSAY_OK;
}

// A dimension without a number is symbolic.
static int take_dim(const struct parse *p, struct wire w, struct assay_onnx_value *v)
{
    struct wire_field f;
    int more;
    if (v->ndim == ASSAY_ONNX_DIMS)
        return onnx_bad(p, "'%.*s' has more than %d dimensions", ASSAY_ONNX_TEXT(v->name),
                        ASSAY_ONNX_DIMS);
    while ((more = wire_next(&w, &f)) > 0)
        if (f.number == 1 && f.type == WIRE_VARINT) v->dim[v->ndim] = f.value;
    if (v->dim[v->ndim] > UINT64_C(1) << 31)
        return onnx_bad(p, "'%.*s': dimension %u is %lld, expected 0 to 2^31",
                        ASSAY_ONNX_TEXT(v->name), v->ndim, (long long)v->dim[v->ndim]);
    v->ndim++;
    return more < 0 ? onnx_damaged(p, "a shape") : ASSAY_OK;
}

static int take_type(const struct parse *p, struct wire type, struct assay_onnx_value *v)
{
    struct wire tensor, shape;
    struct wire_field f;
    int more;
    ASSAY_TRY(take_inner(p, type, 1, &tensor));
    ASSAY_TRY(take_inner(p, tensor, 2, &shape));
    while (wire_next(&tensor, &f) > 0)
        if (f.number == 1) v->type = (uint32_t)f.value;
    while ((more = wire_next(&shape, &f)) > 0)
        if (f.number == 1 && f.type == WIRE_BYTES) ASSAY_TRY(take_dim(p, f.bytes, v));
    return more < 0 ? onnx_damaged(p, "a shape") : ASSAY_OK;
}

static int take_value(const struct parse *p, struct wire w, struct assay_onnx_value *v)
{
    struct wire_field f;
    struct wire type = {0};
    int more;
    while ((more = wire_next(&w, &f)) > 0) {
        if (f.number == 1) ASSAY_TRY(onnx_text(p, &f, &v->name));
        if (f.number == 2 && f.type == WIRE_BYTES) type = f.bytes;
    }
    return more < 0 ? onnx_damaged(p, "an input or output") : take_type(p, type, v);
}

// ---- the graph ----------------------------------------------------------------------------------
static int take_signature(const struct parse *p, struct wire w)
{
    struct wire text = {0};
    ASSAY_TRY(take_entry(p, w, "graph_signature", &text));
    if (text.at)
        p->m->signature =
            (struct assay_onnx_text){(const char *)text.at, (uint32_t)(text.end - text.at)};
    return ASSAY_OK;
}

static int take_graph_field(const struct parse *p, const struct wire_field *f)
{
    struct assay_onnx_tensor *t;
    struct assay_onnx_value *v;
    if (f->type != WIRE_BYTES) return onnx_damaged(p, "the graph");
    switch (f->number) {
    case 1:
        return take_node(p, f->bytes);
    case 5:
        ONNX_APPEND(p, initializer, t);
        return onnx_tensor(p, f->bytes, t);
    case 11:
        ONNX_APPEND(p, input, v);
        return take_value(p, f->bytes, v);
    case 12:
        ONNX_APPEND(p, output, v);
        return take_value(p, f->bytes, v);
    case 15:
        return onnx_bad(p, "sparse initialisers are not read, expected dense ones");
    case 16:
        return take_signature(p, f->bytes);
    default:
        return ASSAY_OK;
    }
}

static int take_graph(const struct parse *p, struct wire w)
{
    struct wire_field f;
    int more;
    while ((more = wire_next(&w, &f)) > 0) ASSAY_TRY(take_graph_field(p, &f));
    return more < 0 ? onnx_damaged(p, "the graph") : ASSAY_OK;
}

// ---- the model ----------------------------------------------------------------------------------
static int take_opset(const struct parse *p, struct wire w)
{
    struct wire_field f;
    struct assay_onnx_text domain = {0};
    uint64_t version = 0;
    int more;
    while ((more = wire_next(&w, &f)) > 0) {
        if (f.number == 1) ASSAY_TRY(onnx_text(p, &f, &domain));
        if (f.number == 2) version = f.value;
    }
    if (more < 0) return onnx_damaged(p, "an operator set");
    if (!domain.n || assay_onnx_is(domain, "ai.onnx")) p->m->opset = version;
    return ASSAY_OK;
}

int onnx_model(const struct parse *p, struct wire w)
{
    struct wire_field f;
    struct wire graph = {0};
    int more;
    while ((more = wire_next(&w, &f)) > 0) {
        const bool inner = f.number == 7 || f.number == 8;
        if (f.number == 25)
            return onnx_bad(p, "functions of the model's own are not read; export without them "
                               "(export_modules_as_functions=False)");
        if (inner && (f.type != WIRE_BYTES || (f.number == 7 && graph.at)))
            return onnx_damaged(p, "the model");
        if (f.number == 7) graph = f.bytes;
        if (f.number == 8) ASSAY_TRY(take_opset(p, f.bytes));
    }
    if (more < 0) return onnx_damaged(p, "the model");
    if (!graph.at || !p->m->opset)
        return onnx_bad(p,
                        "no ONNX model: it has no %s, expected a file that torch.onnx.export "
                        "wrote, whole",
                        graph.at ? "operator set" : "graph");
    if (p->m->opset < ASSAY_ONNX_OPSET_LO || p->m->opset > ASSAY_ONNX_OPSET_HI)
        return onnx_bad(p, "operator set %llu, expected %d to %d; export with opset_version=17",
                        (unsigned long long)p->m->opset, ASSAY_ONNX_OPSET_LO, ASSAY_ONNX_OPSET_HI);
    return take_graph(p, graph);
}
