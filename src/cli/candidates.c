// SPDX-License-Identifier: Apache-2.0
// The configuration of a sweep: a file, --set, and the options that choose candidates.
#include "cli.h"

#include <string.h>

static bool is_of(const struct assay_setting *s, const char *name)
{
    return strcmp(s->section, "candidates") == 0 && strcmp(s->name, name) == 0;
}

static bool has(const struct cli_settings *settings, size_t first, const char *name)
{
    for (size_t i = first; i < settings->n; i++)
        if (is_of(&settings->item[i], name)) return true;
    return false;
}

// Removes the setting from the first n, which are the file's; returns how many of them are left.
static size_t drop(struct cli_settings *settings, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_of(&settings->item[i], name)) continue;
        memmove(&settings->item[i], &settings->item[i + 1],
                (--settings->n - i) * sizeof *settings->item);
        return n - 1; // a file gives each key once
    }
    return n;
}

// Candidates are chosen in one way: a range, a sample (of a range), or a list. Another way on the
// command line stands in place of the file's. The first n_file settings are the file's.
static void choose_way(struct cli_settings *settings, size_t n_file)
{
    const bool list = has(settings, n_file, "archs"), sample = has(settings, n_file, "sample");
    const bool range = has(settings, n_file, "first") || has(settings, n_file, "count");
    if (list || range) n_file = drop(settings, n_file, "sample");
    if (sample || range) n_file = drop(settings, n_file, "archs");
    if (!list) return;
    n_file = drop(settings, n_file, "first");
    drop(settings, n_file, "count");
}

// Appends the table to count by. Only in sweeps are these options settings.
static int gather_order(struct cli_settings *settings, const struct cli_args *args,
                        struct assay_err *err)
{
    static const char *const options[] = {"order", "key"};
    for (size_t i = 0; i < ASSAY_LEN(options); i++) {
        const char *value = cli_value(args, options[i]);
        if (value)
            ASSAY_TRY(cli_settings_add(settings, "candidates", options[i], value,
                                       i ? "--key" : "--order", err));
    }
    return ASSAY_OK;
}

static int gather(struct cli_settings *settings, const struct cli_args *args, struct assay_err *err)
{
    ASSAY_TRY(cli_settings_read(settings, args->position[0], args, err));
    const size_t n_file = settings->n;
    ASSAY_TRY(cli_settings_set(settings, args, err));
    ASSAY_TRY(cli_settings_short(settings, args, err));
    ASSAY_TRY(gather_order(settings, args, err));
    choose_way(settings, n_file);
    return ASSAY_OK;
}

int cli_sweep_config(struct assay_config *config, const struct cli_args *args,
                     struct assay_err *err)
{
    struct cli_settings settings = {0};
    int status = gather(&settings, args, err);
    if (status >= 0)
        status = assay_config_resolve(config, cli_vocabulary(), settings.item, settings.n, err);
    cli_settings_free(&settings);
    ASSAY_TRY(status);
    const struct assay_candidates *given = assay_config_candidates(config);
    if (cli_flag(args, "seed") && given->sample == 0)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "%s: --seed is the seed of --sample, which is not given (weights "
                             "and batches: --set run.seed=S)",
                             args->verb->name);
    if (cli_flag(args, "key") && !*given->order && !*given->archs)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "%s: --key is a column of a table of --order or --archs, which is "
                             "missing",
                             args->verb->name);
    return ASSAY_OK;
}
