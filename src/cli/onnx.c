// SPDX-License-Identifier: Apache-2.0
#include "onnx.h"
#include "json_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool cli_is_onnx(const struct cli_args *args)
{
    return strcmp(args->position[0], "onnx") == 0;
}

static void warn(char *warnings)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_WARN, .rank = -1};
    for (char *line; (line = strsep(&warnings, "\n")) && *line;)
        assay_log_line(&log, ASSAY_LOG_WARN, "%s", line);
}

int cli_onnx_open(struct cli_onnx *o, const struct cli_args *args, struct assay_err *err)
{
    char warnings[sizeof o->net.warnings];
    *o = (struct cli_onnx){.file = args->position[1]};
    assay_graph_init(&o->graph);
    if (cli_value(args, "supernet") || cli_value(args, "order"))
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--%s: files of space onnx have no supernets and no order",
                             cli_value(args, "order") ? "order" : "supernet");
    ASSAY_TRY(assay_onnx_read(&o->model, o->file, err));
    const int status = assay_onnx_import(&o->model, &o->graph, &o->net, err);
    if (status < 0) {
        assay_err_prefix(err, "%s", o->file);
        return status;
    }
    memcpy(warnings, o->net.warnings, sizeof warnings);
    warn(warnings);
    return ASSAY_OK;
}

void cli_onnx_close(struct cli_onnx *o)
{
    assay_onnx_free(&o->model);
    assay_onnx_net_free(&o->net);
    assay_graph_free(&o->graph);
}

// ---- weights ------------------------------------------------------------------------------------
static int take_array(const struct cli_onnx *o, uint32_t i, struct assay_array *array,
                      struct assay_err *err)
{
    const struct assay_param *p = &o->graph.param[i];
    const char *name = assay_graph_param_name(&o->graph, i);
    array->ndim = p->ndim;
    array->size = p->size;
    for (uint32_t d = 0; d < p->ndim; d++) array->shape[d] = p->shape[d];
    if (strlen(name) >= sizeof array->name)
        return assay_err_set(err, ASSAY_ERR_INPUT, "the name of '%s' is longer than %zu bytes",
                             name, sizeof array->name - 1);
    strcpy(array->name, name);
    array->value = malloc(p->size * sizeof *array->value);
    if (!array->value) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for weights");
    return assay_onnx_param(&o->model, &o->graph, &o->net, i, array->value, err);
}

int cli_onnx_weights(const struct cli_onnx *o, struct assay_arrays *arrays, struct assay_err *err)
{
    int status = ASSAY_OK;
    arrays->item = calloc(o->graph.n_param + 1, sizeof *arrays->item);
    if (!arrays->item) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for weights");
    for (; arrays->n < o->graph.n_param && status >= 0; arrays->n++)
        status = take_array(o, (uint32_t)arrays->n, &arrays->item[arrays->n], err);
    if (status < 0) assay_err_prefix(err, "%s", o->file);
    return status;
}

// ---- show ---------------------------------------------------------------------------------------
static void print_show(const struct cli_onnx *o, const struct assay_cost *cost)
{
    const struct assay_node *in = &o->graph.node[0], *out = &o->graph.node[o->graph.n_node - 1];
    printf("space       onnx\n");
    assay_print_line(stdout, "file        %s", o->file);
    printf("image       (%u,%u,%u)\nclasses     %u\n", in->c, in->h, in->w, out->c);
    printf("%.6f M parameters, %.6f MFLOPs, %" PRIu64 " layers, %" PRIu64 " ReLU units\n",
           1e-6 * (double)cost->params, 1e-6 * (double)cost->flops, cost->layers, cost->relus);
    printf("\nThe network as it was understood%s:\n",
           out->live ? "" : " (dead: its output does not depend on the image)");
    assay_graph_print(&o->graph, stdout);
}

static void json_show(const struct cli_onnx *o, const struct assay_cost *cost)
{
    const struct assay_node *in = &o->graph.node[0], *out = &o->graph.node[o->graph.n_node - 1];
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"channels", in->c},    {"height", in->h},        {"width", in->w},
                  {"classes", out->c},    {"params", cost->params}, {"macs", cost->macs},
                  {"flops", cost->flops}, {"layers", cost->layers}, {"relus", cost->relus}};
    struct json j = {.out = stdout};
    json_begin(&j, '{');
    json_key(&j, "space");
    json_text(&j, "onnx");
    json_key(&j, "file");
    json_text(&j, o->file);
    for (size_t i = 0; i < ASSAY_LEN(counts); i++) {
        json_key(&j, counts[i].key);
        json_count(&j, counts[i].value);
    }
    json_key(&j, "dead");
    json_bool(&j, !out->live);
    json_end(&j, '}');
    json_line(&j);
}

int cli_onnx_show(const struct cli_args *args, struct assay_err *err)
{
    struct cli_onnx o;
    int json = 0;
    ASSAY_TRY(cli_choice(args, "format", &json, err));
    const int status = cli_onnx_open(&o, args, err);
    if (status >= 0) {
        const struct assay_cost cost = assay_graph_cost(&o.graph);
        (json ? json_show : print_show)(&o, &cost);
    }
    cli_onnx_close(&o);
    return status;
}
