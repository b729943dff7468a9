// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

static int configure(struct assay_config *config, const struct cli_args *args,
                     struct assay_err *err)
{
    if (!cli_value(args, "output") || !*cli_value(args, "output"))
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "sweep: -o DIR is missing or empty: where results go");
    return cli_sweep_config(config, args, err);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_config config;
    ASSAY_TRY(assay_comm_agree(args->comm, configure(&config, args, err), err));
    const char *dir = cli_value(args, "output");
    const int rank = assay_comm_rank(args->comm);
    int code = ASSAY_EXIT_COMPLETE;
    if (cli_flag(args, "dry-run")) {
        ASSAY_TRY(assay_sweep_dry_run(&config, dir, args->comm, stdout, err));
        return code;
    }
    const struct assay_log log = {
        .stream = stderr,
        .level = cli_flag(args, "quiet") ? ASSAY_LOG_WARN : ASSAY_LOG_INFO,
        .rank = rank == 0 ? -1 : rank,
    };
    ASSAY_TRY(assay_sweep_run(&config, dir, args->comm, &log, &code, err));
    return code;
}

static const struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "DIR",
     .help = "run directory: journal, results.h5, config.ini; the same\n"
             "command with the same directory resumes"},
    CLI_OPTIONS_CANDIDATES,
    CLI_OPTION_SET,
    {.name = "dry-run", .help = "say what would run, and stop"},
    {.name = "quiet", .letter = 'q', .help = "print only warnings and errors"},
    {.name = NULL},
};

const struct cli_verb cli_verb_sweep = {
    .name = "sweep",
    .synopsis = "CONFIG -o DIR [options]",
    .help = "evaluate the candidates of a search space on all ranks",
    .about =
        "CONFIG is an INI file, or the name of one that was installed (nb201-tenas);\n"
        "`assay list options` shows its keys. Options stand over the file,\n"
        "the file over the preset named by protocol.name, the preset over the defaults.\n"
        "Run it under mpirun or srun, or alone. A run that was stopped or killed is resumed by\n"
        "the same command; SIGTERM, SIGINT, SIGUSR1 and Slurm's end time stop it cleanly (75).\n",
    .examples =
        "mpirun -n 4 assay sweep configs/nb201-tenas.ini -o runs/nb201\n"
        "srun assay sweep configs/nb201-tenas.ini -o runs/nb201\n"
        "assay sweep configs/nb201-quickstart.ini -o runs/try --first 100 --count 50\n"
        "assay sweep configs/nb201-tenas.ini -o runs/s --sample 1000 --seed 7 --set run.repeats=3\n"
        "assay sweep configs/nb201-tenas.ini -o runs/nb201 --dry-run\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .parallel = true,
    .run = run,
};
