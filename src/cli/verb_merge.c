// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <limits.h>

static int run(const struct cli_args *args, struct assay_err *err)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_INFO, .rank = -1};
    const char *dir = cli_value(args, "output");
    int code = ASSAY_EXIT_ERROR;
    if (!dir || !*dir)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "merge: -o DIR is missing or empty: where the whole sweep goes");
    ASSAY_TRY(assay_sweep_merge(cli_vocabulary(), args->position, args->n_position, dir,
                                cli_flag(args, "partial"), &log, &code, err));
    return code;
}

static const struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "DIR",
     .help = "run directory of the whole sweep; may hold a part already"},
    {.name = "partial",
     .help = "merge what there is when something is missing (exit code 75);\n"
             "`assay sweep` in DIR, without --shard, does the rest"},
    {.name = NULL},
};

const struct cli_verb cli_verb_merge = {
    .name = "merge",
    .synopsis = "DIR... -o DIR",
    .help = "join the shards of a sweep into one run directory",
    .about =
        "The shards are directories of `assay sweep CONFIG -o DIR --shard I/N`, of one CONFIG and\n"
        "one N. Their tables become those of a sweep that was never divided. Equal results of a\n"
        "candidate in two directories are fine, different ones are refused.\n",
    .examples = "assay merge runs/part1 runs/part2 runs/part3 -o runs/nb201\n"
                "assay merge runs/part* -o runs/sofar --partial\n",
    .option = options,
    .min_position = 1,
    .max_position = UINT_MAX,
    .run = run,
};
