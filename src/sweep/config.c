// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <inttypes.h>
#include <string.h>

#define INITS         "pytorch|kaiming-fan-out|kaiming-fan-in"
#define MACROS        "tenas|cifar|imagenet"
#define FIELD(member) .offset = offsetof(struct assay_config, member)
#define U64(lo, hi)   .type = ASSAY_OPT_U64, .min = (lo), .max = (hi)
#define ANY_U64       U64(0, 0x1p64)
#define SECONDS       .type = ASSAY_OPT_F64, .min = 0, .max = 0x1p53
#define F64(hi)       .type = ASSAY_OPT_F64, .min = 0, .max = (hi)
#define CHOICE(list)  .type = ASSAY_OPT_ENUM, .choices = (list)
#define BOOL          .type = ASSAY_OPT_BOOL
#define TEXT          .type = ASSAY_OPT_TEXT

// clang-format off
const struct assay_opt assay_config_opts[] = {
    {"protocol", "name", "preset whose values stand before all others (`assay list protocols`)",
     CHOICE("default|tenas-code|tenas-paper|custom"), FIELD(protocol.name), .def = "default"},

    {"space", "name", "search space (`assay list spaces`)",
     TEXT, FIELD(space), .def = "nas-bench-201"},

    {"candidates", "first", "index of the first candidate",
     ANY_U64, FIELD(first), .def = "0"},
    {"candidates", "count", "number of candidates from there on; 0: to the end of the space",
     ANY_U64, FIELD(count), .def = "0"},
    {"candidates", "sample", "evaluate a random sample of so many of them; 0: all",
     ANY_U64, FIELD(sample), .def = "0"},
    {"candidates", "seed", "seed of the sample",
     ANY_U64, FIELD(sample_seed), .def = "0"},
    {"candidates", "archs", "file with one architecture or index per line, in place of first and count",
     TEXT, FIELD(archs), .def = ""},
    {"candidates", "order", "table with columns index and arch: candidates are its own, and indices count as it does",
     TEXT, FIELD(order), .def = ""},
    {"candidates", "key", "that table's column of architectures",
     TEXT, FIELD(key), .def = "arch"},
    {"candidates", "shard", "I/N: only part I of N of them, for `assay merge`; empty: all",
     TEXT, FIELD(shard), .def = "", .max = sizeof(((struct assay_config *)NULL)->shard)},

    {"network", "channels", "channels C of the first stage (darts: 1)",
     U64(1, 1024), FIELD(protocol.channels), .def = "3"},
    {"network", "cells", "cells N per stage (darts: all cells, 2)",
     U64(1, 64), FIELD(protocol.cells), .def = "1"},
    {"network", "classes", "outputs of the classifier",
     U64(1, 100000), FIELD(protocol.classes), .def = "10"},
    {"network", "image", "height and width of the input, a multiple of 4",
     U64(4, 1024), FIELD(protocol.image), .def = "32"},
    {"network", "macro", "darts: what stands around the cells; cifar, imagenet: as DARTS trains them",
     CHOICE(MACROS), FIELD(protocol.macro), .def = "tenas"},
    {"network", "stem", "darts: channels of the stem in units of C (not of imagenet's)",
     U64(1, 16), FIELD(protocol.stem), .def = "1"},

    {"data", "source", "where input images come from; gaussian: generated N(0,1), needs nothing",
     CHOICE("gaussian|cifar10|cifar100|hdf5"), FIELD(data.source), .def = "gaussian"},
    {"data", "path", "cifar10, cifar100: directory of the official binary files; hdf5: file.h5:/dataset",
     TEXT, FIELD(data.path), .def = ""},
    {"data", "split", "which part of the CIFAR files",
     TEXT, FIELD(data.split), .def = "train", .choices = "train|test",
     .max = sizeof(((struct assay_config *)NULL)->data.split)},
    {"data", "augment", "random crop (padding 4) and horizontal flip of images",
     BOOL, FIELD(data.augment), .def = "true"},
    {"data", "normalise", "subtract CIFAR's mean and divide by its standard deviation, per channel",
     BOOL, FIELD(data.normalise), .def = "true"},

    {"ntk", "batch", "images N in the neural tangent kernel",
     U64(2, 65536), FIELD(protocol.ntk_batch), .def = "16"},
    {"ntk", "init", "initialisation of the network of ntk and nasi",
     CHOICE(INITS), FIELD(protocol.ntk_init), .def = "kaiming-fan-out"},

    {"ntk", "outputs", "rows of the kernel: sum: one an image, of the sum of its logits (TE-NAS); all: one a logit",
     CHOICE("sum|all"), FIELD(protocol.ntk_outputs), .def = "sum"},

    {"ridge", "train", "ntk_ridge: part of the kernel's images that it learns from; the others are predicted",
     .type = ASSAY_OPT_F64, .min = 0.01, .max = 0.99, FIELD(protocol.ridge_train), .def = "0.5"},
    {"ridge", "lambda", "ntk_ridge: added to the kernel's diagonal, in units of its mean",
     F64(1e6), FIELD(protocol.ridge_lambda), .def = "0.001"},

    {"nasi", "batch", "images b in the mini-batch of NASI's trace norm; 0: the kernel's own batch",
     U64(0, 65536), FIELD(protocol.nasi_batch), .def = "64"},
    {"nasi", "labels", "labels of that mini-batch; random: uniform over the classes",
     CHOICE("true|random|none"), FIELD(protocol.nasi_labels), .def = "random"},

    {"regions", "batch", "input patches per batch, normalised together",
     U64(2, 1000000), FIELD(protocol.region_batch), .def = "1000"},
    {"regions", "batches", "number of such batches; their patterns are counted together",
     U64(1, 100000), FIELD(protocol.region_batches), .def = "3"},
    {"regions", "init", "initialisation of the thin network",
     CHOICE(INITS), FIELD(protocol.region_init), .def = "kaiming-fan-in"},

    {"cost", "channels", "channels C at which parameters, FLOPs and layers are counted (darts: 36)",
     U64(1, 1024), FIELD(protocol.cost_channels), .def = "16"},
    {"cost", "cells", "cells N per stage at which they are counted (darts: all cells, 20)",
     U64(1, 64), FIELD(protocol.cost_cells), .def = "5"},
    {"cost", "image", "image size at which they are counted; 0: network.image",
     U64(0, 1024), FIELD(protocol.cost_image), .def = "0"},
    {"cost", "macro", "network.macro at which they are counted (darts: cifar)",
     CHOICE(MACROS), FIELD(protocol.cost_macro), .def = "tenas"},
    {"cost", "stem", "network.stem at which they are counted (darts: 3)",
     U64(1, 16), FIELD(protocol.cost_stem), .def = "1"},

    {"run", "metrics", "comma-separated metrics (`assay list metrics`)",
     TEXT, FIELD(protocol.metrics), .def = "ntk,nasi,regions,cost"},
    {"run", "seed", "seed of weights, batches and patches",
     ANY_U64, FIELD(protocol.seed), .def = "0"},
    {"run", "repeats", "repeats with a new batch (and new weights, see redraw)",
     U64(1, 10000), FIELD(protocol.repeats), .def = "8"},
    {"run", "redraw", "new weights in every repeat",
     BOOL, FIELD(protocol.redraw), .def = "true"},
    {"run", "members", "evaluate every architecture, not one for all that are the same network",
     BOOL, FIELD(members), .def = "false"},
    {"run", "memory", "MiB one rank may take, with the program and its part of the images; 0: no limit",
     U64(0, 0x1p40), FIELD(memory), .def = "0"},
    {"run", "team", "ranks that evaluate one candidate together; 0: as many as run.memory and idle ranks call for",
     U64(0, 65536), FIELD(team), .def = "1"},
    {"run", "cpu", "kernel rung, `auto` for the fastest this CPU has (`assay list kernels`)",
     TEXT, FIELD(cpu), .def = "auto"},
    {"run", "checkpoint", "seconds between checkpoints of results.h5; 0: only at the end",
     SECONDS, FIELD(checkpoint), .def = "300"},
    {"run", "time_limit", "seconds until a clean stop; 0: at Slurm's end time, or none",
     SECONDS, FIELD(time_limit), .def = "0"},
    {"run", "coordinator_works", "rank 0 evaluates too; auto: when there are at most 8 ranks, or teams",
     CHOICE("auto|yes|no"), FIELD(coordinator_works), .def = "auto"},

    {"search", "method", "search methods with commas between, side by side (`assay list methods`)",
     TEXT, FIELD(search.method), .def = "tenas"},
    {"search", "seeds", "one search for each of these seeds, in place of run.seed: 0-3, or 1, 5, 8-9",
     TEXT, FIELD(search.seeds), .def = "0"},
    {"search", "prune", "tenas: operations pruned from every edge in a round; 0: 1 (darts: 3, its ImageNet: 2)",
     U64(0, 16), FIELD(search.prune), .def = "0"},
    {"search", "common", "tenas: all candidates of a round share weights and batches; false: new ones for each",
     BOOL, FIELD(search.common), .def = "true"},
    {"search", "by", "random, evolution: column that decides, or tenas: rank sum of kappa and regions",
     TEXT, FIELD(search.by), .def = "tenas"},
    {"search", "samples", "random, evolution: architectures evaluated; 0: as many as cost a TE-NAS search's FLOPs (nasi-random: NASI's)",
     U64(0, 100000), FIELD(search.samples), .def = "0"},
    {"search", "population", "evolution: architectures alive",
     U64(2, 100000), FIELD(search.population), .def = "32"},
    {"search", "tournament", "evolution: of so many, drawn from the living, the best is a parent",
     U64(1, 100000), FIELD(search.tournament), .def = "8"},
    {"search", "children", "evolution: born and evaluated together; as many of the oldest die",
     U64(1, 100000), FIELD(search.children), .def = "8"},
    {"search", "steps", "nasi: steps T, each with a mini-batch (nasi.batch) and a sample of its own",
     U64(1, 100000), FIELD(search.steps), .def = "100"},
    {"search", "mu", "nasi: the objective is T - mu max(0, T - nu), T the trace norm",
     F64(0x1p53), FIELD(search.mu), .def = "2"},
    {"search", "nu", "nasi, nasi-random: that bound",
     F64(0x1p1000), FIELD(search.nu), .def = "100"},
    {"search", "nu_adaptive", "nasi-ada: the bound of step 1; of step t it is (this + the T of all steps before) / t",
     F64(0x1p1000), FIELD(search.nu_adaptive), .def = "500"},
    {"search", "norm", "nasi: a step's derivative is divided by the largest norm so far, or by its own",
     CHOICE("largest|own"), FIELD(search.norm), .def = "largest"},
    {"search", "none", "nasi: `none` is one of the operations, where the space has it",
     BOOL, FIELD(search.none), .def = "true"},
    {"search", "per_cell", "nasi: every cell has samples of its own; false: all cells of a type have the same",
     BOOL, FIELD(search.per_cell), .def = "false"},
    {"search", "affine", "nasi: BNs of the one-shot network have scales and shifts",
     BOOL, FIELD(search.affine), .def = "false"},
    {"search", "channels", "nasi: channels C of the one-shot network; 0: 16",
     U64(0, 1024), FIELD(search.channels), .def = "0"},
    {"search", "cells", "nasi: cells N per stage of the one-shot network; 0: 5 (darts: all cells, 9)",
     U64(0, 64), FIELD(search.cells), .def = "0"},
    {"search", "stem", "nasi, darts: channels of the one-shot network's stem in units of C; 0: 3",
     U64(0, 16), FIELD(search.stem), .def = "0"},
    {.name = NULL},
};
// clang-format on

// ---- resolve ----------------------------------------------------------------------------------

static int apply(struct assay_config *c, const struct assay_setting *s, struct assay_err *err)
{
    return assay_opts_set(assay_config_opts, c, s->section, s->name, s->value, s->origin, err);
}

// Applies every setting of SECTION.name, which others depend on.
static int apply_name(struct assay_config *c, const char *section,
                      const struct assay_setting *setting, size_t n, struct assay_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(setting[i].section, section) == 0 && strcmp(setting[i].name, "name") == 0)
            ASSAY_TRY(apply(c, &setting[i], err));
    }
    return ASSAY_OK;
}

// The space's own sizes.
static void apply_space(struct assay_config *c)
{
    const struct assay_space_kind *kind = assay_space_find(c->space);
    struct assay_protocol *p = &c->protocol;
    if (!kind) return;
    p->channels = kind->search.channels;
    p->cells = kind->search.cells;
    p->macro = (int)kind->search.macro;
    p->stem = kind->search.stem;
    p->cost_channels = kind->full.channels;
    p->cost_cells = kind->full.cells;
    p->cost_macro = (int)kind->full.macro;
    p->cost_stem = kind->full.stem;
}

static bool applies(const struct assay_preset_value *v, const struct assay_config *c)
{
    return !v->space || strcmp(v->space, c->space) == 0;
}

static int apply_preset(struct assay_config *c, struct assay_err *err)
{
    const struct assay_preset *preset = &assay_presets[c->protocol.name];
    for (const struct assay_preset_value *v = preset->value; v->section; v++) {
        if (!applies(v, c)) continue;
        ASSAY_TRY(
            assay_opts_set(assay_config_opts, c, v->section, v->name, v->value, preset->name, err));
    }
    return ASSAY_OK;
}

static unsigned preset_index(const char *name)
{
    unsigned i = 0;
    while (strcmp(assay_presets[i].name, name) != 0) i++;
    return i;
}

// A protocol's name stands for all its values or is not used; only how often it is repeated is
// free.
static void name_honestly(struct assay_config *c)
{
    const struct assay_preset *preset = &assay_presets[c->protocol.name];
    for (const struct assay_preset_value *v = preset->value; v->section; v++) {
        if (strcmp(v->name, "repeats") == 0 || !applies(v, c)) continue;
        char value[ASSAY_TEXT_MAX];
        assay_opts_value(assay_opts_find(assay_config_opts, v->section, v->name), c, value,
                         sizeof value);
        if (strcmp(value, v->value) != 0) c->protocol.name = (int)preset_index("custom");
    }
}

int assay_config_resolve(struct assay_config *config, const struct assay_setting *setting, size_t n,
                         struct assay_err *err)
{
    struct assay_config c = {0};
    assay_opts_defaults(assay_config_opts, &c);
    ASSAY_TRY(apply_name(&c, "space", setting, n, err));
    ASSAY_TRY(apply_name(&c, "protocol", setting, n, err));
    apply_space(&c);
    ASSAY_TRY(apply_preset(&c, err));
    for (size_t i = 0; i < n; i++) ASSAY_TRY(apply(&c, &setting[i], err));
    c.data.image = (uint32_t)c.protocol.image;
    c.data.classes = (uint32_t)c.protocol.classes;
    ASSAY_TRY(sweep_config_check(&c, err));
    name_honestly(&c);
    *config = c;
    return ASSAY_OK;
}

// ---- networks ---------------------------------------------------------------------------------

struct assay_net assay_config_net(const struct assay_config *config, bool thin)
{
    const struct assay_protocol *p = &config->protocol;
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
    const struct assay_protocol *p = &config->protocol;
    return (struct assay_net){.channels = (uint32_t)p->cost_channels,
                              .cells = (uint32_t)p->cost_cells,
                              .classes = (uint32_t)p->classes,
                              .image = (uint32_t)(p->cost_image ? p->cost_image : p->image),
                              .macro = (enum assay_macro)p->cost_macro,
                              .stem = (uint32_t)p->cost_stem};
}

// ---- identity ---------------------------------------------------------------------------------

static bool is_order(const struct assay_opt *opt)
{
    return strcmp(opt->section, "candidates") == 0 &&
           (strcmp(opt->name, "order") == 0 || strcmp(opt->name, "key") == 0);
}

static bool determines_numbers(const struct assay_config *config, const struct assay_opt *opt,
                               bool search)
{
    if (strcmp(opt->section, search ? "candidates" : "search") == 0) return false;
    if (search && strcmp(opt->section, "run") == 0 && strcmp(opt->name, "seed") == 0) return false;
    if (strcmp(opt->name, "shard") == 0 && !*config->shard) return false;
    if (is_order(opt) && !*config->order) return false;
    static const char *const how[] = {"memory", "cpu", "checkpoint", "time_limit",
                                      "coordinator_works"};
    if (strcmp(opt->section, "data") == 0 && strcmp(opt->name, "path") == 0) return false;
    if (strcmp(opt->section, "run") != 0) return true;
    for (unsigned i = 0; i < ASSAY_LEN(how); i++) {
        if (strcmp(opt->name, how[i]) == 0) return false;
    }
    return true;
}

size_t assay_config_identity(const struct assay_config *config, bool search, char *text, size_t cap)
{
    struct assay_opt table[ASSAY_LEN(assay_config_opts)];
    unsigned n = 0;
    for (const struct assay_opt *opt = assay_config_opts; opt->name; opt++) {
        if (determines_numbers(config, opt, search)) table[n++] = *opt;
    }
    table[n] = (struct assay_opt){0};
    return assay_opts_format(table, config, text, cap);
}
