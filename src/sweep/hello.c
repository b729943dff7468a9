// SPDX-License-Identifier: Apache-2.0
// Every rank shows that it is the same program doing the same: before anything else the command and
// the configuration, which steer what the ranks do together, and before the first task what is only
// known then. All of it is collective, and takes no memory that one of them could lack.
#include "run.h"

#include "assay/la.h"

#include <string.h>

// ---- the command ------------------------------------------------------------------------------
struct command {
    uint64_t build;
    char words[128], host[128];
};

static int compare_commands(const struct command *mine, const struct command *first, int rank,
                            struct assay_err *err)
{
    if (mine->build != first->build)
        return assay_err_set(
            err, ASSAY_ERR_MPI,
            "rank %d on %s runs another build of assay than rank 0 on %s: start the "
            "same program file on every node",
            rank, mine->host, first->host);
    if (strcmp(mine->words, first->words) != 0)
        return assay_err_set(err, ASSAY_ERR_MPI,
                             "rank %d on %s runs `assay %s`, rank 0 on %s `assay %s`: expected the "
                             "same command on every rank",
                             rank, mine->host, mine->words, first->host, first->words);
    return 0;
}

int assay_meet(struct assay_comm *comm, const char *words, struct assay_err *err)
{
    struct command mine = {0}, first;

    ASSAY_TRY(assay_comm_agree(comm, sweep_build_id(&mine.build, err), err));
    snprintf(mine.words, sizeof mine.words, "%s", words);
    snprintf(mine.host, sizeof mine.host, "%s", assay_comm_host(comm));
    first = mine;
    ASSAY_TRY(assay_comm_share(comm, 0, &first, sizeof first, err));
    return assay_comm_agree(comm, compare_commands(&mine, &first, assay_comm_rank(comm), err), err);
}

// ---- the configuration ------------------------------------------------------------------------
static int compare_configs(const struct assay_config *mine, const struct assay_config *first,
                           const struct assay_comm *comm, struct assay_err *err)
{
    for (const struct assay_opt *opt = mine->vocabulary->key; opt->name; opt++) {
        char here[ASSAY_TEXT_MAX], there[ASSAY_TEXT_MAX];
        assay_opts_value(opt, mine->block, here, sizeof here);
        assay_opts_value(opt, first->block, there, sizeof there);
        if (opt->role == ASSAY_OPT_LOCAL || strcmp(here, there) == 0) continue;
        return assay_err_set(err, ASSAY_ERR_MPI,
                             "rank %d on %s resolved another configuration than rank 0: %s.%s = "
                             "%.200s, not %.200s; does every node see the same configuration file?",
                             assay_comm_rank(comm), assay_comm_host(comm), opt->section, opt->name,
                             here, there);
    }
    return 0;
}

int assay_config_meet(struct assay_comm *comm, const struct assay_config *config,
                      struct assay_err *err)
{
    struct assay_config first = *config;

    ASSAY_TRY(assay_comm_share(comm, 0, first.block, sizeof first.block, err));
    return assay_comm_agree(comm, compare_configs(config, &first, comm, err), err);
}

// ---- what is known once data and kernels are open -----------------------------------------------
struct hello {
    uint64_t identity;
    char blas[256], host[128];
};

static int check_identity(const struct hello *mine, const struct hello *first, int rank,
                          struct assay_err *err)
{
    if (mine->identity == first->identity) return 0;
    return assay_err_set(err, ASSAY_ERR_MPI,
                         "rank %d on %s has other data, or computes otherwise, than rank 0 on %s: "
                         "does every node see the same files?",
                         rank, mine->host, first->host);
}

// One rank is enough to tell.
static int compare_blas(struct assay_comm *comm, const struct hello *mine,
                        const struct hello *first, const struct assay_log *log,
                        struct assay_err *err)
{
    const bool same = strcmp(mine->blas, first->blas) == 0;
    const int other = assay_comm_min(comm, same ? assay_comm_size(comm) : assay_comm_rank(comm));
    struct hello its = *mine;

    if (other == assay_comm_size(comm)) return 0;
    ASSAY_TRY(assay_comm_share(comm, other, &its, sizeof its, err));
    assay_log_line(log, ASSAY_LOG_WARN,
                   "rank %d on %s uses BLAS '%s', rank 0 '%s': last digits may depend on the "
                   "rank; OPENBLAS_CORETYPE makes them alike",
                   other, its.host, its.blas, first->blas);
    return 0;
}

int sweep_hello(struct assay_comm *comm, const char *identity, const struct assay_log *log,
                struct assay_err *err)
{
    struct hello mine = {.identity = assay_hash64(identity, strlen(identity), 0)};

    snprintf(mine.blas, sizeof mine.blas, "%s", assay_la_name());
    snprintf(mine.host, sizeof mine.host, "%s", assay_comm_host(comm));
    struct hello first = mine;
    ASSAY_TRY(assay_comm_share(comm, 0, &first, sizeof first, err));
    const int status = check_identity(&mine, &first, assay_comm_rank(comm), err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    return compare_blas(comm, &mine, &first, log, err);
}
