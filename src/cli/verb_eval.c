// SPDX-License-Identifier: Apache-2.0
#include "eval.h"
#include "foreign.h"
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

// ---- what the command line says -----------------------------------------------------------------
static const char *const foreign_only[] = {"bn",   "regions-batch", "network",
                                           "dump", "labels",        "noise"};

// Adds what a network says of itself: its images and outputs. Where it is evaluated with weights of
// its own, the batch has a size, and the space of the configuration is any: nothing is built of it.
static int add_network(struct cli_settings *settings, const struct cli_onnx *o, bool drawn,
                       struct assay_err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", o->graph.node[o->graph.n_node - 1].c);
    ASSAY_TRY(cli_settings_add(settings, "network", "classes", text, o->file, err));
    snprintf(text, sizeof text, "%u", o->graph.node[0].h);
    return drawn ? cli_settings_add(settings, "network", "image", text, o->file, err) : ASSAY_OK;
}

// --channels and its like are short for --set network.channels and stand over it. o: the network of
// a file, whose values stand below all others, or NULL.
static int resolve(struct assay_config *config, const struct cli_args *args, const char *space,
                   const struct cli_onnx *o, struct assay_err *err)
{
    struct cli_settings settings = {0};
    const char *file = cli_value(args, "config");
    int status = o ? add_network(&settings, o, strcmp(space, "onnx") == 0, err) : ASSAY_OK;
    if (status >= 0 && file) status = cli_settings_read(&settings, file, args, err);
    if (status >= 0) status = cli_settings_set(&settings, args, err);
    if (status >= 0) status = cli_settings_short(&settings, args, err);
    if (status >= 0) status = cli_settings_add(&settings, "space", "name", space, "SPACE", err);
    if (status >= 0)
        status = assay_config_resolve(config, cli_vocabulary(), settings.item, settings.n, err);
    cli_settings_free(&settings);
    return status;
}

// ---- foreign weights ----------------------------------------------------------------------------
static void print_foreign(const struct assay_foreign *f, const struct assay_foreign_case *c,
                          const struct eval_subject *s)
{
    eval_print_subject(s, 24);
    printf("%-24s %s%s%s\n", "status", assay_verdict_name((enum assay_verdict)f->verdict),
           f->reason[0] ? ": " : "", f->reason);
    printf("%-24s %s\n", "network", c->thin ? "thin" : "net");
    if (!c->thin) printf("%-24s %s\n", "bn", c->bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    for (uint32_t i = 0; i < f->n_scalar; i++) {
        printf("%-24s %.17g%s%s\n", f->scalar[i].name, f->scalar[i].value,
               f->scalar[i].reason[0] ? "  " : "", f->scalar[i].reason);
    }
}

static void json_foreign(const struct assay_foreign *f, const struct assay_foreign_case *c,
                         const struct eval_subject *s)
{
    struct json j = {.out = stdout};
    json_begin(&j, '{');
    eval_json_subject(s, &j);
    eval_json_verdict(f->verdict, f->reason, &j);
    json_key(&j, "network");
    json_text(&j, c->thin ? "thin" : "net");
    if (!c->thin) json_key(&j, "bn");
    if (!c->thin) json_text(&j, c->bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    json_key(&j, "columns");
    json_begin(&j, '{');
    for (uint32_t i = 0; i < f->n_scalar; i++) {
        json_key(&j, f->scalar[i].name);
        json_begin(&j, '{');
        json_key(&j, "value");
        json_number(&j, f->scalar[i].value);
        json_key(&j, "reason");
        json_text(&j, f->scalar[i].reason);
        json_end(&j, '}');
    }
    json_end(&j, '}');
    json_end(&j, '}');
    json_line(&j);
}

static int eval_foreign(const struct cli_args *args, struct assay_foreign_case *c,
                        const struct eval_subject *s, enum cli_format format, struct assay_err *err)
{
    int thin = 0;
    c->weights = c->own ? s->file : cli_value(args, "weights");
    c->batch = cli_value(args, "batch");
    c->labels = cli_value(args, "labels");
    c->noise = cli_value(args, "noise");
    if (cli_value(args, "metrics")) c->metrics = assay_config_protocol(c->config)->metrics;
    c->region_batch = 1000;
    ASSAY_TRY(cli_choice(args, "bn", &c->bn, err));
    ASSAY_TRY(cli_choice(args, "network", &thin, err));
    if (thin && (s->file || !s->space->kind->patch))
        return assay_err_set(err, ASSAY_ERR_USAGE, "--network thin: %s has no thin networks",
                             s->file ? "onnx" : s->space->kind->name);
    ASSAY_TRY(cli_u64(args, "regions-batch", 1, 1000000, &c->region_batch, err));
    c->thin = thin;
    struct assay_foreign f = {0};
    int status = assay_foreign_evaluate(&f, c, err);
    const char *dump = cli_value(args, "dump");
    if (status >= 0 && dump) status = foreign_dump(&f, c, dump, err);
    if (status >= 0) (format == CLI_JSON ? json_foreign : print_foreign)(&f, c, s);
    assay_foreign_finish(&f);
    return status;
}

// ---- the verb -----------------------------------------------------------------------------------
// Weights and their batch come together, and some options mean nothing without them.
static int check_combination(const struct cli_args *args, struct assay_err *err)
{
    const bool weights = cli_value(args, "weights"), batch = cli_value(args, "batch");
    ASSAY_TRY(cli_check_supernet(args, err));
    ASSAY_TRY(cli_check_order(args, err));
    if (weights != batch) {
        return assay_err_set(err, ASSAY_ERR_USAGE, "--%s needs --%s as well",
                             weights ? "weights" : "batch", weights ? "batch" : "weights");
    }
    for (size_t i = 0; !weights && i < ASSAY_LEN(foreign_only); i++) {
        if (cli_value(args, foreign_only[i])) {
            return assay_err_set(err, ASSAY_ERR_USAGE, "--%s needs --weights and --batch",
                                 foreign_only[i]);
        }
    }
    if (cli_value(args, "labels") && !cli_value(args, "metrics")) {
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--labels needs --metrics: what is shown without reads none");
    }
    if (cli_value(args, "noise") && !cli_value(args, "metrics")) {
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--noise needs --metrics: what is shown without reads none");
    }
    if (weights && cli_value(args, "image")) {
        return assay_err_set(err, ASSAY_ERR_USAGE, "--image: the batch of --batch has a size");
    }
    return ASSAY_OK;
}

static enum cli_format format_of(int json)
{
    return json ? CLI_JSON : CLI_TEXT;
}

// A network from elsewhere, with its own weights or those of another file.
static int eval_network(struct cli_onnx *o, const struct cli_args *args,
                        const struct assay_config *config, struct assay_err *err)
{
    const bool own = strcmp(cli_value(args, "weights"), "file") == 0;
    const struct eval_subject s = {.file = o->file};
    struct assay_arrays weights = {0};
    struct assay_foreign_case c = {
        .config = config, .network = &o->graph, .name = o->file, .own = own ? &weights : NULL};
    int json = 0;
    int status = cli_choice(args, "format", &json, err);
    if (status >= 0 && own) status = cli_onnx_weights(o, &weights, err);
    if (status >= 0) status = eval_foreign(args, &c, &s, format_of(json), err);
    assay_arrays_free(&weights);
    return status;
}

// The same with weights drawn as the protocol says: a space of this one network.
static int eval_drawn(struct cli_onnx *o, const struct cli_args *args,
                      const struct assay_config *config, struct assay_err *err)
{
    struct assay_collection c = {0};
    struct assay_space space = {0};
    const struct eval_subject s = {.space = &space};
    int json = 0;
    int status = cli_choice(args, "format", &json, err);
    if (status >= 0) status = assay_collection_add(&c, o->file, o->file, NULL, err);
    if (status >= 0) status = assay_space_open_given(&space, c.block, c.n, err);
    if (status >= 0) {
        status = eval_configured(config, &s, format_of(json), err);
        assay_space_close(&space);
    }
    assay_collection_free(&c);
    return status;
}

static int eval_onnx(const struct cli_args *args, struct assay_config *config,
                     struct assay_err *err)
{
    struct cli_onnx o;
    const bool drawn = !cli_value(args, "weights");
    int status = cli_onnx_open(&o, args, err);
    if (status >= 0) status = resolve(config, args, drawn ? "onnx" : "null", &o, err);
    if (status >= 0) status = (drawn ? eval_drawn : eval_network)(&o, args, config, err);
    cli_onnx_close(&o);
    return status;
}

static int eval_in(const struct cli_args *args, const struct assay_config *config,
                   const struct assay_space *space, struct assay_err *err)
{
    struct eval_subject s = {.space = space};
    const char *mask = cli_value(args, "supernet");
    struct cli_architecture arch = {0};
    int json = 0;
    ASSAY_TRY(cli_choice(args, "format", &json, err));
    const enum cli_format format = format_of(json);
    s.is_supernet = mask;
    const int parsed = mask ? assay_space_parse_supernet(space, mask, &s.mask, err)
                            : cli_architecture(&arch, args, space, args->position[1], err);
    ASSAY_TRY(mask ? cli_usage(parsed, err) : parsed);
    s.index = arch.index;
    if (!cli_value(args, "weights")) return eval_configured(config, &s, format, err);
    struct assay_foreign_case c = {
        .config = config, .space = space, .index = s.index, .mask = mask ? &s.mask : NULL};
    return eval_foreign(args, &c, &s, format, err);
}

// Checks the space's name while a wrong one is the command line's fault.
static int check_name(const char *name, struct assay_err *err)
{
    struct assay_space unknown;
    if (assay_space_find(name)) return ASSAY_OK;
    return cli_usage(assay_space_open(&unknown, name, err), err);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    ASSAY_TRY(check_combination(args, err));
    struct assay_space space;
    struct assay_config *config = malloc(sizeof *config);
    if (!config) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    if (cli_is_onnx(args)) {
        const int done = eval_onnx(args, config, err);
        free(config);
        return done;
    }
    int status = check_name(args->position[0], err);
    if (status >= 0) status = resolve(config, args, args->position[0], NULL, err);
    if (status >= 0) status = assay_config_open_space(config, &space, err);
    if (status >= 0) {
        status = eval_in(args, config, &space, err);
        assay_space_close(&space);
    }
    free(config);
    return status;
}

static const struct cli_option options[] = {
    {.name = "config", .letter = 'c', .value = "FILE", .help = "configuration (INI)"},
    CLI_OPTION_SET,
    CLI_OPTION_SUPERNET,
    CLI_OPTIONS_ORDER,
    {.name = "channels", .value = "C", .help = "short for --set network.channels=C"},
    {.name = "cells", .value = "N", .help = "short for --set network.cells=N"},
    {.name = "classes", .value = "K", .help = "short for --set network.classes=K"},
    {.name = "image", .value = "S", .help = "short for --set network.image=S"},
    {.name = "memory", .value = "MIB", .help = "short for --set run.memory=MIB"},
    {.name = "metrics",
     .value = "LIST|all",
     .help = "short for --set run.metrics=LIST, or every metric there is; with\n"
             "--weights the columns to show, each with a value or why it has none"},
    {.name = "weights",
     .value = "FILE.h5:/GROUP",
     .help = "weights from elsewhere, one data set per parameter, named as in\n"
             "the reference network's state_dict; needs --batch; file: those of the\n"
             "ONNX file (assay eval onnx FILE.onnx)"},
    {.name = "batch", .value = "FILE.h5:/SET", .help = "their input, (n,c,h,w), as it is"},
    {.name = "labels",
     .value = "FILE.h5:/SET",
     .help = "the batch's labels, (n) integers from 0; with --metrics"},
    {.name = "noise",
     .value = "FILE.h5:/SET",
     .help = "noise as large as the batch, which Zen perturbs it with; with --metrics"},
    {.name = "bn",
     .value = "batch|frozen",
     .help = "BN differentiated through the batch's statistics (batch),\n"
             "or with them held constant (frozen); with --weights"},
    {.name = "network",
     .value = "net|thin",
     .help = "the whole network, or the thin one for regions; with --weights"},
    {.name = "regions-batch",
     .value = "B",
     .help = "inputs per BN batch of the thin network (1000); with --weights"},
    {.name = "dump",
     .value = "FILE.h5",
     .help = "write logits, gram, eigenvalues (thin: patterns) as data sets and\n"
             "every scalar as an attribute; with --weights"},
    CLI_OPTION_JSON,
    {0},
};

const struct cli_verb cli_verb_eval = {
    .name = "eval",
    .synopsis = "SPACE ARCH|--supernet MASK",
    .help = "evaluate one architecture, given as text or index, or a supernet",
    .about = "Prints every column of the configured metrics: mean over the repeats, each repeat's\n"
             "value, unit and protocol. Equal to what a sweep with the same configuration stores.\n"
             "With --weights and --batch it evaluates weights exported from another program.\n"
             "The space onnx has no architectures but files: a network of one (assay eval onnx\n"
             "FILE.onnx) gets weights as the protocol says, or its own with --weights file.\n",
    .examples = "assay eval nas-bench-201 1462 -c configs/nb201-tenas.ini\n"
                "assay eval nas-bench-201 "
                "'|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|'\n"
                "assay eval nas-bench-201 1462 --channels 3 --cells 1 --weights g.h5:/weights \\\n"
                "    --batch g.h5:/batch/x --bn frozen --dump out.h5\n"
                "assay eval nas-bench-201 1462 --channels 3 --cells 1 --weights g.h5:/weights \\\n"
                "    --batch g.h5:/batch/x --labels g.h5:/batch/y --metrics all --dump out.h5\n"
                "assay eval darts --supernet full --set ntk.batch=14\n"
                "assay eval onnx net.onnx --metrics ntk,naswot,cost\n"
                "assay eval onnx net.onnx --weights file --batch g.h5:/batch/x\n",
    .option = options,
    .min_position = 1,
    .max_position = 2,
    .run = run,
};
