// SPDX-License-Identifier: Apache-2.0
#include "import.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

// ---- maps ---------------------------------------------------------------------------------------
int onnx_map(const struct import *im, const struct value *v, uint32_t *node)
{
    *node = v->node;
    const int64_t cut[4] = {-(int64_t)v->drop[0], -(int64_t)v->drop[1], 0, 0};
    if (v->drop[0] != v->drop[1] || v->drop[0] > UINT8_MAX)
        *node = onnx_pad(im, v->node, cut, 0);
    else if (v->drop[0])
        *node = assay_graph_slice(im->g, v->node, v->drop[0]);
    return ASSAY_OK;
}

int onnx_map_in(const struct import *im, uint32_t k, uint32_t ndim, const struct value **v,
                uint32_t *node)
{
    static const char *const what[] = {[VALUE_ABSENT] = "nothing",
                                       [VALUE_MAP] = "a map",
                                       [VALUE_CONSTANT] = "constant",
                                       [VALUE_LARGE] = "constant",
                                       [VALUE_PARAM] = "a parameter",
                                       [VALUE_PRODUCT] = "a linear layer without its bias",
                                       [VALUE_GROUPED] = "a map in groups of channels",
                                       [VALUE_SEQUENCE] = "a list of maps"};
    const struct value *x = onnx_in(im, k);
    if (!x || x->kind != VALUE_MAP)
        return onnx_refuse(im, "input %u ('%.*s') is %s, expected what depends on the image", k,
                           ASSAY_ONNX_TEXT(x ? x->name : (struct assay_onnx_text){0}),
                           what[x ? x->kind : VALUE_ABSENT]);
    if (ndim && x->ndim != ndim)
        return onnx_refuse(im, "input %u ('%.*s') has %u dimensions, expected %u", k,
                           ASSAY_ONNX_TEXT(x->name), x->ndim, ndim);
    *v = x;
    return node ? onnx_map(im, x, node) : ASSAY_OK;
}

int onnx_put(struct import *im, uint32_t node, bool flat)
{
    return onnx_put_at(im, 0, node, flat);
}

int onnx_put_at(struct import *im, uint32_t k, uint32_t node, bool flat)
{
    const struct assay_shape s = assay_graph_shape(im->g, node);
    const int64_t dim[4] = {im->batch, s.c, s.h, s.w};
    if (im->g->failed || !s.c) {
        struct assay_err why = {0};
        const int status = assay_graph_finish(im->g, &why);
        return status == ASSAY_ERR_MEMORY ? assay_err_set(im->err, status, "%s", why.text)
                                          : onnx_refuse(im, "its shape is none: %s", why.text);
    }
    struct value *v = &im->value[im->in[im->at->out.first + k]];
    v->kind = VALUE_MAP;
    v->ndim = flat ? 2 : 4;
    v->node = node;
    memcpy(v->dim, dim, v->ndim * sizeof *dim);
    return ASSAY_OK;
}

// ---- names --------------------------------------------------------------------------------------
uint32_t *onnx_slot(const struct import *im, struct assay_onnx_text name)
{
    uint64_t i = assay_hash64(name.at, name.n, 0);
    for (;; i++) {
        uint32_t *slot = &im->slot[i & (im->n_slot - 1)];
        if (*slot == NONE) return slot;
        const struct assay_onnx_text other = im->value[*slot].name;
        if (other.n == name.n && memcmp(other.at, name.at, name.n) == 0) return slot;
    }
}

// Makes a value of this name; *v: its number. An error where there is one.
static int make_value(struct import *im, struct assay_onnx_text name, uint32_t *v)
{
    if (!name.n)
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "an input or initialiser has no name, expected one");
    uint32_t *slot = onnx_slot(im, name);
    if (*slot != NONE)
        return assay_err_set(im->err, ASSAY_ERR_INPUT, "'%.*s' is defined twice, expected once",
                             ASSAY_ONNX_TEXT(name));
    *slot = *v = im->n_value++;
    im->value[*v] = (struct value){.name = name, .owner = *v, .tensor = NONE};
    return ASSAY_OK;
}

static int make_initializer(struct import *im, uint32_t i)
{
    const struct assay_onnx_tensor *t = &im->m->initializer[i];
    uint32_t v = 0;
    if (t->external)
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "'%.*s' has its values in another file (external data), which is not "
                             "opened; export with external_data=False, or without weights "
                             "(export_params=False)",
                             ASSAY_ONNX_TEXT(t->name));
    ASSAY_TRY(make_value(im, t->name, &v));
    struct value *value = &im->value[v];
    if (t->type != ASSAY_ONNX_FLOAT && t->type != ASSAY_ONNX_DOUBLE) return onnx_load(im, value, t);
    value->kind = VALUE_PARAM;
    value->tensor = i;
    value->ndim = t->ndim;
    for (uint32_t d = 0; d < t->ndim; d++) value->dim[d] = (int64_t)t->dim[d];
    return ASSAY_OK;
}

static int make_input(struct import *im, const struct assay_onnx_value *in)
{
    uint32_t v = 0;
    if (*onnx_slot(im, in->name) != NONE) return ASSAY_OK; // an initialiser, as files once had it
    ASSAY_TRY(make_value(im, in->name, &v));
    struct value *value = &im->value[v];
    value->kind = VALUE_PARAM;
    value->ndim = in->ndim;
    for (uint32_t d = 0; d < in->ndim; d++) value->dim[d] = (int64_t)in->dim[d];
    return ASSAY_OK;
}

static int make_outputs(struct import *im, const struct assay_onnx_node *n)
{
    for (uint32_t i = n->out.first; i < n->out.first + n->out.n; i++) {
        im->in[i] = NONE;
        if (im->m->name[i].n) ASSAY_TRY(make_value(im, im->m->name[i], &im->in[i]));
    }
    return ASSAY_OK;
}

static int link_inputs(struct import *im, const struct assay_onnx_node *n)
{
    for (uint32_t i = n->in.first; i < n->in.first + n->in.n; i++) {
        const struct assay_onnx_text name = im->m->name[i];
        im->in[i] = name.n ? *onnx_slot(im, name) : NONE;
        if (name.n && im->in[i] == NONE)
            return onnx_refuse(im, "nothing defines its input '%.*s'", ASSAY_ONNX_TEXT(name));
        if (name.n) im->value[im->in[i]].readers++;
    }
    return ASSAY_OK;
}

static int make_values(struct import *im)
{
    const struct assay_onnx *m = im->m;
    const size_t most = (size_t)m->n_initializer + m->n_input + m->n_name + 1;
    for (im->n_slot = 64; im->n_slot < 2 * most;) im->n_slot *= 2;
    im->value = calloc(most, sizeof *im->value);
    im->in = calloc(m->n_name + 1, sizeof *im->in);
    im->slot = malloc(im->n_slot * sizeof *im->slot);
    if (!im->value || !im->in || !im->slot)
        return assay_err_set(im->err, ASSAY_ERR_MEMORY, "out of memory for its graph");
    memset(im->slot, 0xff, im->n_slot * sizeof *im->slot);
    for (uint32_t i = 0; i < m->n_initializer; i++) ASSAY_TRY(make_initializer(im, i));
    for (uint32_t i = 0; i < m->n_input; i++) ASSAY_TRY(make_input(im, &m->input[i]));
    for (uint32_t i = 0; i < m->n_node; i++) ASSAY_TRY(make_outputs(im, &m->node[i]));
    for (uint32_t i = 0; i < m->n_node; i++) {
        im->at = &m->node[i];
        ASSAY_TRY(link_inputs(im, im->at));
    }
    return ASSAY_OK;
}

// ---- what is needed -----------------------------------------------------------------------------
// Of a BN the running statistics are not.
static uint32_t inputs_of(const struct assay_onnx_node *n)
{
    return assay_onnx_is(n->op, "BatchNormalization") && n->in.n > 3 ? 3 : n->in.n;
}

static bool is_needed(const struct import *im, const struct assay_onnx_node *n)
{
    for (uint32_t i = n->out.first; i < n->out.first + n->out.n; i++)
        if (im->in[i] != NONE && im->value[im->in[i]].needed) return true;
    return false;
}

static int mark(struct import *im)
{
    const struct assay_onnx *m = im->m;
    const struct assay_onnx_text first = m->n_output ? m->output[0].name : m->signature,
                                 last_one = m->n_output ? m->output[m->n_output - 1].name : first;
    if (m->n_output != 1)
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "%u outputs ('%.*s' to '%.*s'), expected one, the logits; export the "
                             "model in eval mode, without auxiliary heads",
                             m->n_output, ASSAY_ONNX_TEXT(first), ASSAY_ONNX_TEXT(last_one));
    const uint32_t last = *onnx_slot(im, m->output[0].name);
    if (last == NONE)
        return assay_err_set(im->err, ASSAY_ERR_INPUT, "nothing defines the output '%.*s'",
                             ASSAY_ONNX_TEXT(m->output[0].name));
    im->value[last].needed = im->value[last].last = true;
    for (uint32_t i = m->n_node; i-- > 0;) {
        const struct assay_onnx_node *n = &m->node[i];
        for (uint32_t k = 0; is_needed(im, n) && k < inputs_of(n); k++)
            if (im->in[n->in.first + k] != NONE) im->value[im->in[n->in.first + k]].needed = true;
    }
    return ASSAY_OK;
}

// ---- the image ----------------------------------------------------------------------------------
// Inputs that layers take as their weights are parameters, of a file without their values.
static void mark_weights(struct import *im)
{
    static const char *const layer[] = {"Conv", "BatchNormalization", "Gemm", "MatMul"};
    for (uint32_t i = 0; i < im->m->n_node; i++) {
        const struct assay_onnx_node *n = &im->m->node[i];
        bool is_layer = false;
        for (size_t k = 0; k < ASSAY_LEN(layer); k++) is_layer |= assay_onnx_is(n->op, layer[k]);
        for (uint32_t k = 1; is_layer && k < n->in.n; k++)
            if (im->in[n->in.first + k] != NONE) im->value[im->in[n->in.first + k]].weight = true;
    }
}

static int check_image(const struct import *im, const struct assay_onnx_value *in)
{
    bool sized = in->ndim == 4;
    for (uint32_t d = 1; d < 4; d++) sized = sized && in->dim[d] > 0 && in->dim[d] <= INT32_MAX;
    if (!sized || (in->type != ASSAY_ONNX_FLOAT && in->type != ASSAY_ONNX_DOUBLE))
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "input '%.*s' has %u dimensions or type %u, expected images (n,c,h,w) "
                             "of float32, of which only the batch may vary",
                             ASSAY_ONNX_TEXT(in->name), in->ndim, in->type);
    return ASSAY_OK;
}

static int take_image(struct import *im)
{
    const struct assay_onnx *m = im->m;
    mark_weights(im);
    for (uint32_t i = 0; i < m->n_input; i++) {
        const struct assay_onnx_value *in = &m->input[i];
        struct value *v = &im->value[*onnx_slot(im, in->name)];
        if (v->weight || v->tensor != NONE || v->kind != VALUE_PARAM) continue;
        ASSAY_TRY(check_image(im, in));
        im->batch = in->dim[0] ? (int64_t)in->dim[0] : 2;
        v->kind = VALUE_MAP;
        v->dim[0] = im->batch;
        v->node = assay_graph_input(im->g, (uint32_t)in->dim[1], (uint32_t)in->dim[2],
                                    (uint32_t)in->dim[3]);
        return ASSAY_OK;
    }
    return assay_err_set(im->err, ASSAY_ERR_INPUT, "no input that is an image");
}

// ---- nodes --------------------------------------------------------------------------------------
static const struct onnx_rule *find_rule(const struct import *im)
{
    const struct onnx_rule *const tables[] = {onnx_layers, onnx_acts, onnx_sums, onnx_parts,
                                              onnx_views};
    for (size_t t = 0; t < ASSAY_LEN(tables); t++)
        for (const struct onnx_rule *r = tables[t]; r->op; r++)
            if (assay_onnx_is(im->at->op, r->op)) return r;
    return NULL;
}

static int refuse_operator(const struct import *im)
{
    static const char *const random[] = {"RandomUniform",    "RandomUniformLike", "RandomNormal",
                                         "RandomNormalLike", "Bernoulli",         "Multinomial"};
    for (size_t i = 0; i < ASSAY_LEN(random); i++)
        if (assay_onnx_is(im->at->op, random[i]))
            return onnx_refuse(im, "it draws random numbers; call model.eval() before the export");
    return onnx_refuse(im, "an operator that is not read; a network is read of convolutions, "
                           "BatchNormalization, activations, pools, linear layers, sums, products, "
                           "concatenations, parts, and what exporters write around them");
}

// What a node reads must stand before it, and only its first output may be read.
static int check_order(const struct import *im)
{
    const struct assay_onnx_node *n = im->at;
    for (uint32_t k = 0; k < inputs_of(n); k++) {
        const struct value *v = onnx_in(im, k);
        if (v && v->kind == VALUE_ABSENT)
            return onnx_refuse(im, "its input '%.*s' is not computed before it",
                               ASSAY_ONNX_TEXT(v->name));
    }
    for (uint32_t i = 0; i < n->out.n; i++) {
        const uint32_t v = im->in[n->out.first + i];
        const bool many = assay_onnx_is(n->op, "Split");
        if (!many && (i ? v != NONE && im->value[v].needed : v == NONE))
            return onnx_refuse(im, "only its first output is read, expected no use of others");
    }
    return ASSAY_OK;
}

static int take_node(struct import *im)
{
    ASSAY_TRY(check_order(im));
    ASSAY_TRY(onnx_check_attributes(im));
    const int folded = onnx_fold(im);
    if (folded) return folded < 0 ? folded : ASSAY_OK;
    const struct onnx_rule *rule = find_rule(im);
    if (rule) return rule->take(im);
    return onnx_refuse(im, "it is only computed of a few constants and of shapes; export with a "
                           "fixed size of the image");
}

// Operators that are never read are told before what is wrong with those that are.
static int check_operators(struct import *im)
{
    for (uint32_t i = 0; i < im->m->n_node; i++) {
        im->at = &im->m->node[i];
        if (is_needed(im, im->at) && !find_rule(im) && !onnx_can_fold(im))
            return refuse_operator(im);
    }
    return ASSAY_OK;
}

static int take_nodes(struct import *im)
{
    bool norms = false, convolutions = false;
    for (uint32_t i = 0; i < im->m->n_node; i++) {
        im->at = &im->m->node[i];
        if (!is_needed(im, im->at)) continue;
        ASSAY_TRY(take_node(im));
        norms |= assay_onnx_is(im->at->op, "BatchNormalization");
        convolutions |= assay_onnx_is(im->at->op, "Conv");
    }
    if (convolutions && !norms)
        onnx_warn(im, "there is no BatchNormalization; if the model has some, the exporter folded "
                      "it");
    return ASSAY_OK;
}

static int take_output(struct import *im)
{
    const struct value *v = &im->value[*onnx_slot(im, im->m->output[0].name)];
    uint32_t node;
    const bool flat = v->kind == VALUE_MAP &&
                      (v->ndim == 2 || (v->ndim == 4 && v->dim[2] == 1 && v->dim[3] == 1));
    if (!flat)
        return assay_err_set(im->err, ASSAY_ERR_INPUT,
                             "output '%.*s' is no list of logits (n,classes) computed from the "
                             "image by what is read",
                             ASSAY_ONNX_TEXT(v->name));
    ASSAY_TRY(onnx_map(im, v, &node));
    // The output is the last node, which one that stands for two may not be.
    if (node + 1 != im->g->n_node) assay_graph_add(im->g, 1, &node, NULL);
    ASSAY_TRY(assay_graph_finish(im->g, im->err));
    ASSAY_TRY(assay_graph_validate(im->g, im->err));
    if (im->g->n_param) return ASSAY_OK;
    return assay_err_set(im->err, ASSAY_ERR_INPUT,
                         "it has no parameters, expected a network that can be trained");
}

static int import(struct import *im)
{
    ASSAY_TRY(make_values(im));
    ASSAY_TRY(onnx_check_fused(im));
    ASSAY_TRY(mark(im));
    ASSAY_TRY(check_operators(im));
    ASSAY_TRY(take_image(im));
    ASSAY_TRY(take_nodes(im));
    return take_output(im);
}

int assay_onnx_import(const struct assay_onnx *m, struct assay_graph *g, struct assay_onnx_net *net,
                      struct assay_err *err)
{
    struct assay_err own;
    struct import im = {.m = m, .g = g, .net = net, .err = err ? err : &own};
    assay_graph_reset(g);
    const int status = import(&im);
    free(im.value);
    free(im.in);
    free(im.slot);
    free(im.number);
    return status;
}
