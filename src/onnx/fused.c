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

// A parameter that the exporter says the model has and the file has not.
static int check_signature(const struct import *im)
{
    static const char word[] = "PARAMETER target='";
    const char *at = im->m->signature.at, *end = at ? at + im->m->signature.n : NULL;
    while (at && (at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
        at += strlen(word);
        const char *quote = memchr(at, '\'', (size_t)(end - at));
        if (!quote || quote == at) return ASSAY_OK;
        const struct assay_onnx_text name = {at, (uint32_t)(quote - at)};
        if (*onnx_slot(im, name) == UINT32_MAX)
            return refuse_fused(im, "the file lacks the model's parameter", name);
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
