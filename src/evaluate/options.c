// SPDX-License-Identifier: Apache-2.0
// What an evaluation is told, and the networks that follow from it.
#include "assay/evaluate.h"

#define MACROS             "tenas|cifar|imagenet"
#define PROTOCOL(member)   .offset = offsetof(struct assay_protocol, member)
#define EVALUATION(member) .offset = offsetof(struct assay_evaluation, member)

// clang-format off
static const struct assay_opt protocol_rows[] = {
    {"protocol", "name", "preset whose values stand before all others (`assay list protocols`)",
     ASSAY_KEY_CHOICE("default|tenas-code|tenas-paper|suite-zero|az-nas|assay|custom"), PROTOCOL(name), .def = "default"},

    {"network", "channels", "channels C of the first stage (darts: 1); 0 where architectures have their own",
     ASSAY_KEY_U64(0, 1024), PROTOCOL(channels), .def = "3"},
    {"network", "cells", "cells N per stage (darts: all cells, 2); 0 where architectures have their own",
     ASSAY_KEY_U64(0, 64), PROTOCOL(cells), .def = "1"},
    {"network", "classes", "outputs of the classifier",
     ASSAY_KEY_U64(1, 100000), PROTOCOL(classes), .def = "10"},
    {"network", "image", "height and width of the input, a multiple of 4",
     ASSAY_KEY_U64(4, 1024), PROTOCOL(image), .def = "32"},
    {"network", "macro", "darts: what stands around the cells; cifar, imagenet: as DARTS trains them",
     ASSAY_KEY_CHOICE(MACROS), PROTOCOL(macro), .def = "tenas"},
    {"network", "stem", "darts: channels of the stem in units of C (not of imagenet's)",
     ASSAY_KEY_U64(1, 16), PROTOCOL(stem), .def = "1"},

    {"run", "metrics", "comma-separated metrics (`assay list metrics`)",
     ASSAY_KEY_TEXT, PROTOCOL(metrics), .def = "ntk,nasi,regions,cost"},
    {"run", "seed", "seed of weights, batches and patches",
     ASSAY_KEY_ANY_U64, PROTOCOL(seed), .def = "0", .job = "sweep"},
    {"run", "repeats", "repeats with a new batch (and new weights, see redraw)",
     ASSAY_KEY_U64(1, 10000), PROTOCOL(repeats), .def = "8"},
    {"run", "redraw", "new weights in every repeat",
     ASSAY_KEY_BOOL, PROTOCOL(redraw), .def = "true"},
    {"run", "precision", "of gradients: single (float32, summed in float64) or double (float64), at half the speed",
     ASSAY_KEY_CHOICE(ASSAY_PRECISION_NAMES), PROTOCOL(precision), .def = "single", .with = "precision"},
    {.name = NULL},
};

static const struct assay_opt evaluation_rows[] = {
    {"space", "name", "search space (`assay list spaces`)",
     ASSAY_KEY_TEXT, EVALUATION(space), .def = "nas-bench-201"},

    {"run", "members", "evaluate every architecture, not one for all that are the same network",
     ASSAY_KEY_BOOL, EVALUATION(members), .def = "false"},
    {"run", "memory", "MiB one rank may take, with the program and its part of the images; 0: no limit",
     ASSAY_KEY_U64(0, 0x1p40), EVALUATION(memory), .def = "0", .role = ASSAY_OPT_CIRCUMSTANCE},
    {"run", "team", "ranks that evaluate one candidate together; 0: as many as run.memory and idle ranks call for",
     ASSAY_KEY_U64(0, 65536), EVALUATION(team), .def = "1"},
    {"run", "cpu", "kernel rung, `auto` for the fastest this CPU has (`assay list kernels`)",
     ASSAY_KEY_TEXT, EVALUATION(cpu), .def = "auto", .role = ASSAY_OPT_LOCAL},
    {.name = NULL},
};
// clang-format on
const struct assay_options assay_protocol_options = {protocol_rows, sizeof(struct assay_protocol)};
const struct assay_options assay_evaluation_options = {evaluation_rows,
                                                       sizeof(struct assay_evaluation)};

// ---- spaces -----------------------------------------------------------------------------------
int assay_config_open_kind(const struct assay_config *config, const struct assay_space_kind *kind,
                           struct assay_space *space, struct assay_err *err)
{
    const void *options = kind->options ? assay_config_get(config, kind->options) : NULL;
    return assay_space_open_kind(space, kind, options, err);
}

int assay_config_open_space(const struct assay_config *config, struct assay_space *space,
                            struct assay_err *err)
{
    const char *name = assay_config_evaluation(config)->space;
    const struct assay_space_kind *kind = assay_space_find(name);
    return kind ? assay_config_open_kind(config, kind, space, err)
                : assay_space_open(space, name, err);
}

// ---- kernels ----------------------------------------------------------------------------------
int assay_config_kern(const struct assay_config *config, const struct assay_kern **out,
                      struct assay_err *err)
{
    return assay_kern_select(out, assay_config_evaluation(config)->cpu,
                             (enum assay_precision)assay_config_protocol(config)->precision, err);
}

// ---- networks ---------------------------------------------------------------------------------

struct assay_net assay_config_net(const struct assay_config *config, bool thin)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    return (struct assay_net){.channels = (uint32_t)p->channels,
                              .cells = (uint32_t)p->cells,
                              .classes = (uint32_t)p->classes,
                              .image = (uint32_t)p->image,
                              .thin = thin,
                              .macro = (enum assay_macro)p->macro,
                              .stem = (uint32_t)p->stem};
}

struct assay_net assay_config_cost_net(const struct assay_config *config)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    const struct assay_cost_options *o = assay_config_get(config, &assay_cost_options);
    return (struct assay_net){.channels = (uint32_t)o->channels,
                              .cells = (uint32_t)o->cells,
                              .classes = (uint32_t)p->classes,
                              .image = (uint32_t)(o->image ? o->image : p->image),
                              .macro = (enum assay_macro)o->macro,
                              .stem = (uint32_t)o->stem,
                              .section = "cost"};
}
