// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

static int run(const struct cli_args *args, struct assay_err *err)
{
    enum { RANKS_MOST = 1000000, SECONDS_MOST = 86400 };
    struct assay_config config;
    uint64_t ranks = 0, seconds = 10;
    ASSAY_TRY(cli_u64(args, "ntasks", 1, RANKS_MOST, &ranks, err));
    ASSAY_TRY(cli_u64(args, "seconds", 0, SECONDS_MOST, &seconds, err));
    ASSAY_TRY(cli_sweep_config(&config, args, err));
    const struct assay_forecast spec = {
        .ranks = (int)ranks, .seconds = (double)seconds, .replay = cli_value(args, "replay")};
    if (assay_comm_rank(args->comm) > 0) return ASSAY_EXIT_COMPLETE;
    ASSAY_TRY(assay_sweep_forecast(&config, &spec, stdout, err));
    return ASSAY_EXIT_COMPLETE;
}

static const struct cli_option options[] = {
    {.name = "ntasks",
     .value = "N",
     .help = "simulate N ranks; without it 1, 2, 4, ... and suggest one"},
    {.name = "seconds", .value = "S", .help = "CPU time spent on measuring (10)"},
    {.name = "replay",
     .value = "DIR",
     .help = "times from the journal of a sweep of the same space in place\n"
             "of measuring"},
    CLI_OPTIONS_CANDIDATES,
    CLI_OPTION_SET,
    {.name = NULL},
};

const struct cli_verb cli_verb_plan = {
    .name = "plan",
    .synopsis = "CONFIG [options]",
    .help = "say what a sweep will take: time, ranks, memory, disk",
    .about = "Evaluates a few candidates, spread over all costs, and simulates the sweep: the code "
             "that\n"
             "hands out tasks runs in virtual time. Times are of this machine's cores, each rank "
             "having\n"
             "one of its own.\n",
    .examples = "assay plan configs/nb201-tenas.ini\n"
                "assay plan configs/nb201-tenas.ini --set run.repeats=3 --ntasks 4096\n"
                "assay plan configs/nb201-tenas.ini --replay runs/nb201\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .parallel = true, // MPI is a part of what a rank has in memory
    .alone = true,
    .run = run,
};
