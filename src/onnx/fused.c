// SPDX-License-Identifier: Apache-2.0
// BN that exporters fold into convolutions, which makes another network of it: by what it is known.
#define _GNU_SOURCE // memmem
#include "import.h"

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

// Whether the model has a BN of this name: its running mean is no parameter, but is listed, too.
static bool is_norm(const struct import *im, struct assay_onnx_text module)
{
    const struct assay_onnx_text all = im->m->signature;
    char entry[1024];
    const int n =
        snprintf(entry, sizeof entry, "BUFFER target='%.*s.running_mean'", ASSAY_ONNX_TEXT(module));
    return n < (int)sizeof entry && memmem(all.at, all.n, entry, (size_t)n);
}

// Whether the BN whose weight is missing was folded into what stands before it. Exporters leave out
// what a model does not use: of a head that is not used the other layers are missing, too.
static bool is_folded(const struct import *im, struct assay_onnx_text weight,
                      struct assay_onnx_text before)
{
    static const char word[] = ".weight";
    const size_t n = strlen(word);
    if (weight.n <= n || memcmp(weight.at + weight.n - n, word, n) != 0) return false;
    const struct assay_onnx_text module = scope_of(weight), around = scope_of(module);
    if (!before.n || *onnx_slot(im, before) == UINT32_MAX || before.n <= around.n) return false;
    const bool within =
        !around.n || (memcmp(before.at, around.at, around.n) == 0 && before.at[around.n] == '.');
    return within && is_norm(im, module);
}

// A BN that the exporter says the model has and the file has not, behind a layer that it has.
static int check_signature(const struct import *im)
{
    static const char word[] = "PARAMETER target='";
    const char *at = im->m->signature.at, *end = at ? at + im->m->signature.n : NULL;
    struct assay_onnx_text before = {0};
    while (at && (at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
        at += strlen(word);
        const char *quote = memchr(at, '\'', (size_t)(end - at));
        if (!quote || quote == at) return ASSAY_OK;
        const struct assay_onnx_text name = {at, (uint32_t)(quote - at)};
        if (*onnx_slot(im, name) == UINT32_MAX && is_folded(im, name, before))
            return refuse_fused(im, "the file lacks the model's parameter", name);
        before = name;
        at = quote;
    }
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
    return check_signature(im);
}
