// SPDX-License-Identifier: Apache-2.0
// The configuration of a sweep: a file, --set, and the options that choose candidates.
#include "cli.h"

// Options that stand for a configuration key.
static const struct {
    const char *option, *section, *key;
} short_for[] = {
    {"first", "candidates", "first"},   {"count", "candidates", "count"},
    {"sample", "candidates", "sample"}, {"seed", "candidates", "seed"},
    {"archs", "candidates", "archs"},   {"shard", "candidates", "shard"},
    {"metrics", "run", "metrics"},      {"members", "run", "members"},
    {"memory", "run", "memory"},
};

static int gather_options(struct cli_settings *settings, const struct cli_args *args,
                          struct assay_err *err)
{
    for (unsigned i = 0; i < ASSAY_LEN(short_for); i++) {
        if (!cli_flag(args, short_for[i].option)) continue;
        const char *value = cli_value(args, short_for[i].option);
        char origin[64];
        snprintf(origin, sizeof origin, "--%s", short_for[i].option);
        ASSAY_TRY(cli_settings_add(settings, short_for[i].section, short_for[i].key,
                                   value ? value : "true", origin, err));
    }
    return ASSAY_OK;
}

static int gather(struct cli_settings *settings, const struct cli_args *args, struct assay_err *err)
{
    ASSAY_TRY(cli_settings_read(settings, args->position[0], err));
    ASSAY_TRY(cli_settings_set(settings, args, err));
    return gather_options(settings, args, err);
}

int cli_sweep_config(struct assay_config *config, const struct cli_args *args,
                     struct assay_err *err)
{
    struct cli_settings settings = {0};
    int status = gather(&settings, args, err);
    if (status >= 0) status = assay_config_resolve(config, settings.item, settings.n, err);
    cli_settings_free(&settings);
    ASSAY_TRY(status);
    if (cli_flag(args, "seed") && config->sample == 0)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "%s: --seed is the seed of --sample, which is not given (weights "
                             "and batches: --set run.seed=S)",
                             args->verb->name);
    return ASSAY_OK;
}
