// SPDX-License-Identifier: Apache-2.0
// What the jobs of this program have in common as clients of the farm: that all ranks have the same
// configuration, compute by the same kernels, and what the farm is told of both.
#include "run.h"

#include "assay/la.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// ---- the configuration --------------------------------------------------------------------------
// Prints a line for each key, also for keys that users name.
static void print_setting(FILE *out, const struct assay_opt *opt, const struct assay_config *config)
{
    char value[ASSAY_TEXT_MAX], name[ASSAY_NAME_MAX], text[ASSAY_TEXT_MAX];
    assay_opts_value(opt, config->block, value, sizeof value);
    if (opt->type != ASSAY_OPT_NAMED) fprintf(out, "%s.%s = %s\n", opt->section, opt->name, value);
    const char *at = opt->type == ASSAY_OPT_NAMED ? value : "";
    while (assay_opts_named(&at, name, text))
        fprintf(out, "%s.%s = %s\n", opt->section, name, text);
}

// The settings that all ranks must share, as lines. Those that are left out may differ: where
// images lie, from node to node, and the kernels, since all ranks take the best that each has.
static char *shared_settings(const struct assay_config *config)
{
    char *lines = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&lines, &bytes);

    if (!out) return NULL;
    for (const struct assay_opt *opt = config->vocabulary->key; opt->name; opt++) {
        if (opt->role != ASSAY_OPT_LOCAL) print_setting(out, opt, config);
    }
    const bool bad = ferror(out);
    if (fclose(out) == 0 && !bad) return lines;
    free(lines);
    return NULL;
}

int assay_config_meet(struct assay_comm *comm, const struct assay_config *config,
                      struct assay_err *err)
{
    char *lines = shared_settings(config);
    const int status = assay_farm_meet_settings(comm, lines, err);

    free(lines);
    return status;
}

// ---- kernels and libraries ----------------------------------------------------------------------
static int agree_on_rung(struct assay_config *config, struct assay_comm *comm,
                         struct assay_err *err)
{
    struct assay_evaluation *told = assay_config_edit(config, &assay_evaluation_options);
    const enum assay_precision precision =
        (enum assay_precision)assay_config_protocol(config)->precision;
    const struct assay_kern *kern = NULL;
    int rung = 0;
    int status = assay_la_start(err);

    if (status >= 0) status = assay_config_kern(config, &kern, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    while (assay_kern_rung(precision, (unsigned)rung) != kern) rung++;
    kern = assay_kern_rung(precision, (unsigned)assay_comm_min(comm, rung));
    snprintf(told->cpu, sizeof told->cpu, "%s", assay_kern_name(kern));
    return 0;
}

int assay_engine_agree(struct assay_engine *engine, struct assay_config *config,
                       struct assay_comm *comm, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    char memory[64] = "no memory limit";

    ASSAY_TRY(agree_on_rung(config, comm, err));
    const int threads = assay_la_threads();
    if (told->memory) snprintf(memory, sizeof memory, "%" PRIu64 " MiB a rank", told->memory);
    snprintf(engine->kernels, sizeof engine->kernels, "%.200s kernels, %s", told->cpu, memory);
    snprintf(engine->library, sizeof engine->library, "%d BLAS thread%s a rank: %s", threads,
             threads == 1 ? "" : "s", assay_la_name());
    return 0;
}

struct library {
    char blas[256], host[128];
};

// Warns of one rank whose BLAS is another than rank 0's; one is enough.
static int compare_blas(struct assay_comm *comm, const struct assay_log *log, struct assay_err *err)
{
    struct library mine = {.blas = ""};

    snprintf(mine.blas, sizeof mine.blas, "%s", assay_la_name());
    snprintf(mine.host, sizeof mine.host, "%s", assay_comm_host(comm));
    struct library first = mine, its = mine;
    ASSAY_TRY(assay_comm_share(comm, 0, &first, sizeof first, err));
    const bool same = strcmp(mine.blas, first.blas) == 0;
    const int other = assay_comm_min(comm, same ? assay_comm_size(comm) : assay_comm_rank(comm));
    if (other == assay_comm_size(comm)) return 0;
    ASSAY_TRY(assay_comm_share(comm, other, &its, sizeof its, err));
    assay_log_line(log, ASSAY_LOG_WARN,
                   "rank %d on %s uses BLAS '%s', rank 0 '%s': last digits may depend on the "
                   "rank; OPENBLAS_CORETYPE makes them alike",
                   other, its.host, its.blas, first.blas);
    return 0;
}

// It warns of BLAS threads because two of them in a rank cost more than they bring.
int assay_engine_compare(struct assay_comm *comm, const struct assay_log *log,
                         struct assay_err *err)
{
    const int threads = assay_la_threads();

    if (threads > 1)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "this BLAS runs %d threads in every rank: set OMP_NUM_THREADS=1", threads);
    const char *hidden = assay_la_hidden();
    if (hidden)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "OPENBLAS_CORETYPE makes BLAS use its kernels for %s, slower ones than this "
                       "CPU could run",
                       hidden);
    return compare_blas(comm, log, err);
}

// ---- what the farm is told ----------------------------------------------------------------------
struct assay_farm_spec assay_config_farm(const struct assay_config *config,
                                         const struct assay_engine *engine)
{
    const struct assay_run_spec *run = assay_config_run(config);

    return (struct assay_farm_spec){.team = (int)assay_config_evaluation(config)->team,
                                    .rank_0 = (enum assay_rank_0)run->coordinator_works,
                                    .checkpoint = run->checkpoint,
                                    .time_limit = run->time_limit,
                                    .engine = engine ? engine->kernels : "",
                                    .library = engine ? engine->library : ""};
}

// ---- its directory ------------------------------------------------------------------------------
// A journal that is not there, or cannot be read, is no error here: its opening judges it.
int assay_identity_check(const char *identity, const char *dir, struct assay_err *err)
{
    char *theirs = NULL;
    void *extra = NULL;
    size_t n_extra;

    if (assay_journal_peek(dir, &theirs, &extra, &n_extra, NULL) < 0) return 0;
    const bool same = strcmp(theirs, identity) == 0;
    const int status = same ? 0 : assay_arithmetic_check(theirs, dir, err);
    free(theirs);
    free(extra);
    return status;
}
