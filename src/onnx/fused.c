// SPDX-License-Identifier: Apache-2.0
// BN that exporters fold into convolutions, which makes another network of it: by what it is known.
#define _GNU_SOURCE // memmem
#include "import.h"

#include <stdlib.h>
#include <string.h>

static const char call[] =
    "torch.onnx.export(model, (x,), file, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, "
    "opset_version=17), or with dynamo=True, optimize=False";

static int refuse_fused(const struct import *im, const char *how, struct assay_onnx_text what)
{
    return assay_err_set(im->err, ASSAY_ERR_INPUT,
                         "BatchNormalization was folded into convolutions (%s '%.*s'), which is "
                         "another network; export with %s",
                         how, ASSAY_ONNX_TEXT(what), call);
}

// The part of a name before its last dot; empty where there is none.
static struct assay_onnx_text scope_of(struct assay_onnx_text name)
{
    const char *dot = name.n ? memrchr(name.at, '.', name.n) : NULL;
    return (struct assay_onnx_text){name.at, dot ? (uint32_t)(dot - name.at) : 0};
}

// The next target of a kind that a signature lists, from *at on; false: there is none.
static bool next_target(struct assay_onnx_text all, const char *kind, const char **at,
                        struct assay_onnx_text *target)
{
    const char *end = all.at + all.n;
    if (!*at || !(*at = memmem(*at, (size_t)(end - *at), kind, strlen(kind)))) return false;
    *at += strlen(kind);
    const char *quote = memchr(*at, '\'', (size_t)(end - *at));
    if (!quote || quote == *at) return false;
    *target = (struct assay_onnx_text){*at, (uint32_t)(quote - *at)};
    *at = quote;
    return true;
}

static bool ends_with(struct assay_onnx_text name, const char *word)
{
    const size_t n = strlen(word);
    return name.n > n && memcmp(name.at + name.n - n, word, n) == 0;
}

// The BNs of the model: their running means are no parameters, but are listed, too.
struct norms {
    struct assay_onnx_text *name; // (n) sorted
    size_t n;
};

static int compare_texts(const void *a, const void *b)
{
    const struct assay_onnx_text *x = a, *y = b;
    const int order = memcmp(x->at, y->at, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static int list_norms(const struct import *im, struct norms *norms)
{
    const struct assay_onnx_text all = im->m->signature;
    const char *at = all.at;
    struct assay_onnx_text name;
    for (size_t cap = 0; next_target(all, "BUFFER target='", &at, &name);) {
        if (!ends_with(name, ".running_mean")) continue;
        if (norms->n == cap) {
            cap = 2 * cap + 64;
            struct assay_onnx_text *grown = realloc(norms->name, cap * sizeof *grown);
            if (!grown) return assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory");
            norms->name = grown;
        }
        norms->name[norms->n++] = scope_of(name);
    }
    if (norms->n) qsort(norms->name, norms->n, sizeof *norms->name, compare_texts);
    return ASSAY_OK;
}

// Whether the BN whose weight is missing was folded into what stands before it. Exporters leave out
// what a model does not use: of a head that is not used the other layers are missing, too.
static bool is_folded(const struct import *im, const struct norms *norms,
                      struct assay_onnx_text weight, struct assay_onnx_text before)
{
    if (!ends_with(weight, ".weight")) return false;
    const struct assay_onnx_text module = scope_of(weight), around = scope_of(module);
    if (!before.n || *onnx_slot(im, before) == UINT32_MAX || before.n <= around.n) return false;
    const bool within =
        !around.n || (memcmp(before.at, around.at, around.n) == 0 && before.at[around.n] == '.');
    return within && norms->n &&
           bsearch(&module, norms->name, norms->n, sizeof module, compare_texts);
}

// A BN that the exporter says the model has and the file has not, behind a layer that it has.
static int check_signature(const struct import *im, const struct norms *norms)
{
    const char *at = im->m->signature.at;
    struct assay_onnx_text before = {0}, name;
    for (; next_target(im->m->signature, "PARAMETER target='", &at, &name); before = name)
        if (*onnx_slot(im, name) == UINT32_MAX && is_folded(im, norms, name, before))
            return refuse_fused(im, "the file lacks the model's parameter", name);
    return ASSAY_OK;
}

int onnx_check_fused(const struct import *im)
{
    static const char renamed[] = "onnx::Conv_";
    for (uint32_t i = 0; i < im->m->n_node; i++)
        if (im->m->node[i].fused_bn)
            return refuse_fused(im, "the exporter says so of node", im->m->node[i].name);
    for (uint32_t i = 0; i < im->m->n_initializer; i++) {
        const struct assay_onnx_text name = im->m->initializer[i].name;
        if (name.n > strlen(renamed) && memcmp(name.at, renamed, strlen(renamed)) == 0)
            return refuse_fused(im, "a weight is called", name);
    }
    struct norms norms = {0};
    int status = list_norms(im, &norms);
    if (status >= 0) status = check_signature(im, &norms);
    free(norms.name);
    return status;
}
