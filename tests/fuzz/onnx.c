// SPDX-License-Identifier: Apache-2.0
// Networks in ONNX files.
#include "assay/onnx.h"
#include "fuzz.h"

// All of it is there, as far as the address sanitizer knows.
static void touch(const struct assay_onnx_tensor *t)
{
    double value[8];
    if (!t->external) assay_onnx_values(t, t->size < 8 ? t->size : 8, NULL, value);
}

static void touch_params(const struct assay_onnx *m, const struct assay_graph *g,
                         const struct assay_onnx_net *net)
{
    struct assay_err err = {0};
    double value[4096];
    for (uint32_t i = 0; i < g->n_param; i++) {
        if (g->param[i].size > ASSAY_LEN(value)) continue;
        const int status = assay_onnx_param(m, g, net, i, value, &err);
        if (status < 0) must_explain(status, &err);
    }
}

// What is made is a graph by all rules, with an origin for every parameter.
static void import(const struct assay_onnx *m)
{
    struct assay_err err = {0};
    struct assay_graph g;
    struct assay_onnx_net net = {0};
    assay_graph_init(&g);
    const int status = assay_onnx_import(m, &g, &net, &err);
    if (status < 0) must_explain(status, &err);
    if (status >= 0) must(assay_graph_validate(&g, &err) >= 0, "no graph", &err);
    if (status >= 0) must(net.n_origin == g.n_param, "parameters without an origin", NULL);
    if (status >= 0) touch_params(m, &g, &net);
    assay_onnx_net_free(&net);
    assay_graph_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct assay_err err = {0};
    struct assay_onnx m = {0};
    uint8_t *copy = malloc(n + 1);
    if (!copy) abort();
    if (n) memcpy(copy, bytes, n);
    const int status = assay_onnx_parse(&m, "f", copy, n, &err);
    if (status < 0) must_explain(status, &err);
    for (uint32_t i = 0; i < m.n_initializer; i++) touch(&m.initializer[i]);
    for (uint32_t i = 0; i < m.n_tensor; i++) touch(&m.tensor[i]);
    if (status >= 0) import(&m);
    assay_onnx_free(&m);
    return 0;
}
