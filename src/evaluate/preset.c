// SPDX-License-Identifier: Apache-2.0
#include "assay/evaluate.h"

// clang-format off
// Eight kernels of 16 images cost what one of 72 costs with all other metrics beside it, and rank better: Spearman of
// the rank sum with accuracy 0.84 against 0.81 (300 architectures of NAS-Bench-201, CIFAR-10; results/README.md).
#define DEFAULT_ROWS                                \
    {"ntk", "batch", "16", NULL},                   \
    {"ntk", "init", "kaiming-fan-out", NULL},       \
    {"ntk", "outputs", "sum", NULL},                \
    {"regions", "batch", "1000", NULL},             \
    {"regions", "batches", "3", NULL},              \
    {"regions", "init", "kaiming-fan-in", NULL},    \
    {"run", "redraw", "true", NULL},                \
    {"run", "repeats", "8", NULL}
static const struct assay_config_value values_default[] = {
    DEFAULT_ROWS,
    {NULL, NULL, NULL, NULL},
};

// The release compares the initialiser's name with one it never has, so that PyTorch's default
// initialisation stands, drawn once.
static const struct assay_config_value values_tenas_code[] = {
    {"data", "augment", "true", NULL},
    {"data", "normalise", "true", NULL},
    {"data", "split", "train", NULL},
    {"network", "channels", "3", "nas-bench-201"},
    {"network", "cells", "1", "nas-bench-201"},
    {"network", "channels", "1", "darts"},
    {"network", "cells", "2", "darts"},
    {"network", "macro", "tenas", NULL},
    {"network", "stem", "1", NULL},
    {"network", "image", "32", NULL},
    {"ntk", "batch", "72", "nas-bench-201"},
    {"ntk", "batch", "14", "darts"},
    {"ntk", "init", "pytorch", NULL},
    {"ntk", "outputs", "sum", NULL},
    {"regions", "batch", "1000", NULL},
    {"regions", "batches", "3", NULL},
    {"regions", "init", "pytorch", NULL},
    {"run", "redraw", "false", NULL},
    {"run", "repeats", "3", NULL},
    {NULL, NULL, NULL, NULL},
};

static const struct assay_config_value values_tenas_paper[] = {
    {"data", "augment", "true", NULL},
    {"data", "normalise", "true", NULL},
    {"data", "split", "train", NULL},
    {"network", "channels", "3", "nas-bench-201"},
    {"network", "cells", "1", "nas-bench-201"},
    {"network", "channels", "1", "darts"},
    {"network", "cells", "2", "darts"},
    {"network", "macro", "tenas", NULL},
    {"network", "stem", "1", NULL},
    {"network", "image", "32", NULL},
    {"ntk", "batch", "32", NULL},
    {"ntk", "init", "kaiming-fan-out", NULL},
    {"ntk", "outputs", "sum", NULL},
    {"regions", "batch", "1000", NULL},
    {"regions", "batches", "5", NULL},
    {"regions", "init", "kaiming-fan-in", NULL},
    {"run", "redraw", "true", NULL},
    {"run", "repeats", "3", NULL},
    {NULL, NULL, NULL, NULL},
};

// NASLib's predictors, as NAS-Bench-Suite-Zero runs them: one mini-batch of training images, what is
// not initialised by the proxy itself as PyTorch does; its Zen-score draws N(0,1).
static const struct assay_config_value values_suite_zero[] = {
    {"data", "augment", "true", NULL},
    {"data", "normalise", "true", NULL},
    {"data", "split", "train", NULL},
    {"network", "channels", "16", "nas-bench-201"},
    {"network", "cells", "5", "nas-bench-201"},
    {"ntk", "batch", "32", NULL},
    {"ntk", "init", "pytorch", NULL},
    {"nasi", "batch", "32", NULL},
    {"nasi", "labels", "true", NULL},
    {"proxies", "batch", "32", NULL},
    {"proxies", "init", "pytorch", NULL},
    {"proxies", "input", "images", NULL},
    {"proxies", "labels", "true", NULL},
    {"synflow", "init", "pytorch", NULL},
    {"zen", "batch", "32", NULL},
    {"zen", "init", "normal", NULL},
    {"run", "repeats", "1", NULL},
    {NULL, NULL, NULL, NULL},
};

// The release initialises the networks of its own metrics, NASWOT, SynFlow and the norm of the
// gradient; that of the NTK stays as PyTorch draws it, and Zen-score draws N(0,1).
static const struct assay_config_value values_az_nas[] = {
    {"network", "channels", "16", "nas-bench-201"},
    {"network", "cells", "5", "nas-bench-201"},
    {"ntk", "batch", "64", NULL},
    {"ntk", "init", "pytorch", NULL},
    {"proxies", "batch", "64", NULL},
    {"proxies", "init", "kaiming-fan-in", NULL},
    {"proxies", "input", "noise", NULL},
    {"proxies", "labels", "random", NULL},
    {"synflow", "init", "kaiming-fan-in", NULL},
    {"zen", "batch", "64", NULL},
    {"zen", "init", "normal", NULL},
    {"az", "batch", "64", NULL},
    {"az", "init", "kaiming-fan-in", NULL},
    {"az", "input", "noise", NULL},
    {"vkdnw", "batch", "64", NULL},
    {"vkdnw", "init", "kaiming-fan-in", NULL},
    {"vkdnw", "input", "noise", NULL},
    {"run", "repeats", "1", NULL},
    {NULL, NULL, NULL, NULL},
};

// As default, for the columns of the score `assay`: at equal cost, four mini-batches of 16 images
// under Kaiming's weights rank better than one of 64 (results/zero-cost.md).
static const struct assay_config_value values_assay[] = {
    DEFAULT_ROWS,
    {"proxies", "batch", "16", NULL},
    {"proxies", "init", "kaiming-fan-in", NULL},
    {"proxies", "input", "images", NULL},
    {"vkdnw", "batch", "16", NULL},
    {"vkdnw", "init", "kaiming-fan-in", NULL},
    {"vkdnw", "input", "noise", NULL},
    {NULL, NULL, NULL, NULL},
};

static const struct assay_config_value values_custom[] = {{NULL, NULL, NULL, NULL}};

const struct assay_preset assay_presets[] = {
    {"default", "what ranked best at equal cost: 8 repeats with new Kaiming weights each; batch 16,\n"
                "3 x 1000 region samples", values_default},
    {"tenas-code", "TE-NAS as its released code behaves: PyTorch's initialisation, drawn once; repeats\n"
                   "differ only in the mini-batch", values_tenas_code},
    {"tenas-paper", "TE-NAS as its paper says (arXiv 2102.11535): Kaiming weights redrawn every repeat,\n"
                    "batch 32, 5000 region samples", values_tenas_paper},
    {"suite-zero", "NAS-Bench-Suite-Zero (arXiv 2210.03230): the benchmark's own size (nas-bench-201),\n"
                   "PyTorch's initialisation, batch 32, labels of the images", values_suite_zero},
    {"az-nas", "AZ-NAS's released code (arXiv 2403.19232): that size, Kaiming weights (fan_in), noise in\n"
               "place of images, batch 64, random labels", values_az_nas},
    {"assay", "what the score assay was chosen by: default, and batch 16 under Kaiming weights (fan_in)\n"
              "for the other columns, too", values_assay},
    {"custom", "values of your own, over the defaults; a configuration that overrides a value\n"
     "of its preset is named so",
     values_custom},
    {NULL, NULL, NULL},
};
// clang-format on
