// SPDX-License-Identifier: Apache-2.0
// Parameters: which nodes may have them, and where their values are.
#include "import.h"

#include <stdlib.h>
#include <string.h>

int onnx_param(struct import *im, uint32_t k, uint32_t n, const char *what, struct value **out)
{
    struct value *v = onnx_in(im, k);
    if (!v || v->kind != VALUE_PARAM)
        return onnx_refuse(im, "its %s is %s, expected a parameter of the file", what,
                           !v                     ? "missing"
                           : v->kind == VALUE_MAP ? "computed from the image"
                                                  : "computed or a constant");
    if (v->ndim != n)
        return onnx_refuse(im, "its %s '%.*s' has %u dimensions, expected %u", what,
                           ASSAY_ONNX_TEXT(v->name), v->ndim, n);
    struct value *owner = &im->value[v->owner];
    if (owner->used)
        return onnx_refuse(im,
                           "its %s '%.*s' is another node's, too: shared parameters are not read",
                           what, ASSAY_ONNX_TEXT(owner->name));
    owner->used = true;
    *out = v;
    return ASSAY_OK;
}

int onnx_expect(const struct import *im, const struct value *v, const char *what, int64_t n)
{
    if (v->dim[0] == n) return ASSAY_OK;
    return onnx_refuse(im, "its %s '%.*s' has %lld values, expected %lld", what,
                       ASSAY_ONNX_TEXT(v->name), (long long)v->dim[0], (long long)n);
}

int onnx_own(struct import *im, const struct value *v)
{
    struct assay_onnx_net *net = im->net;
    const struct assay_onnx_text name = im->value[v->owner].name;
    if (net->n_origin == net->cap_origin) {
        const uint32_t cap = 2 * net->cap_origin + 64;
        struct assay_onnx_origin *grown = realloc(net->origin, cap * sizeof *grown);
        if (!grown) return assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory");
        net->origin = grown;
        net->cap_origin = cap;
    }
    assay_graph_rename(im->g, net->n_origin, name.at, name.n);
    net->origin[net->n_origin++] =
        (struct assay_onnx_origin){.tensor = v->tensor, .transposed = v->transposed};
    return ASSAY_OK;
}

// Values (c_in,c) as (c,c_in).
static int transpose(const struct assay_param *p, double *value, struct assay_err *err)
{
    double *copy = malloc(p->size * sizeof *copy);
    if (!copy) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for a weight");
    memcpy(copy, value, p->size * sizeof *copy);
    for (uint64_t i = 0; i < p->shape[1]; i++)
        for (uint64_t k = 0; k < p->shape[0]; k++)
            value[k * p->shape[1] + i] = copy[i * p->shape[0] + k];
    free(copy);
    return ASSAY_OK;
}

int assay_onnx_param(const struct assay_onnx *m, const struct assay_graph *g,
                     const struct assay_onnx_net *net, uint32_t i, double *value,
                     struct assay_err *err)
{
    const struct assay_param *p = &g->param[i];
    ASSAY_ASSERT(i < net->n_origin);
    const struct assay_onnx_origin *o = &net->origin[i];
    if (o->tensor == UINT32_MAX)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "it has no values of '%s'; export with weights (export_params=True)",
                             assay_graph_param_name(g, i));
    ASSAY_ASSERT(m->initializer[o->tensor].size == p->size);
    assay_onnx_values(&m->initializer[o->tensor], p->size, NULL, value);
    return o->transposed ? transpose(p, value, err) : ASSAY_OK;
}

void assay_onnx_net_free(struct assay_onnx_net *net)
{
    free(net->origin);
    *net = (struct assay_onnx_net){0};
}
