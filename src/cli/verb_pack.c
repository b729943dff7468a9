// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

static int run(const struct cli_args *args, struct assay_err *err)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_INFO, .rank = -1};
    ASSAY_TRY(assay_sweep_pack(cli_vocabulary(), args->position[0], &log, err));
    return ASSAY_EXIT_COMPLETE;
}

const struct cli_verb cli_verb_pack = {
    .name = "pack",
    .synopsis = "DIR",
    .help = "write DIR/results.h5 from DIR/journal, finished or not",
    .about =
        "The journal holds every finished candidate, also of a run that was killed or that is\n"
        "still running. A sweep packs by itself at every checkpoint and at its end.\n",
    .examples = "assay pack runs/nb201\n",
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
