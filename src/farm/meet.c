// SPDX-License-Identifier: Apache-2.0
// Every rank shows that it is the same program doing the same: before anything else the command and
// the settings, which steer what the ranks do together, and before the first task what is only
// known then. All of it is collective.
#include "farm/meet.h"

#include "assay/farm.h"

#include <stdlib.h>
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

int assay_farm_meet(struct assay_comm *comm, const char *words, struct assay_err *err)
{
    struct command mine = {0}, first;

    ASSAY_TRY(assay_comm_agree(comm, assay_program_hash(&mine.build, err), err));
    snprintf(mine.words, sizeof mine.words, "%s", words);
    snprintf(mine.host, sizeof mine.host, "%s", assay_comm_host(comm));
    first = mine;
    ASSAY_TRY(assay_comm_share(comm, 0, &first, sizeof first, err));
    return assay_comm_agree(comm, compare_commands(&mine, &first, assay_comm_rank(comm), err), err);
}

// ---- the settings -------------------------------------------------------------------------------
// Gives every rank the text of rank 0, malloc'd.
static int share_text(struct assay_comm *comm, const char *mine, char **first,
                      struct assay_err *err)
{
    uint64_t bytes = mine ? strlen(mine) + 1 : 0;
    int status = mine ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");

    ASSAY_TRY(assay_comm_agree(comm, status, err));
    ASSAY_TRY(assay_comm_share(comm, 0, &bytes, sizeof bytes, err));
    *first = malloc(bytes);
    if (!*first) status = assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    if (assay_comm_rank(comm) == 0) memcpy(*first, mine, bytes);
    return assay_comm_share(comm, 0, *first, bytes, err);
}

static int length(const char *text)
{
    return (int)strcspn(text, "\n");
}

// The place behind the " = " of a line, or the line's end.
static const char *value_of(const char *line)
{
    const char *at = strstr(line, " = ");

    return at && at < line + length(line) ? at + 3 : line + length(line);
}

static int compare_settings(const char *mine, const char *first, const struct assay_comm *comm,
                            struct assay_err *err)
{
    enum { MOST = 200 };
    while (*mine && length(mine) == length(first) && !strncmp(mine, first, (size_t)length(mine))) {
        mine += length(mine) + (mine[length(mine)] == '\n');
        first += length(first) + (first[length(first)] == '\n');
    }
    if (!*mine && !*first) return 0;
    const char *here = value_of(mine), *there = value_of(first);
    return assay_err_set(err, ASSAY_ERR_MPI,
                         "rank %d on %s resolved another configuration than rank 0: %.*s%.*s, not "
                         "%.*s; does every node see the same configuration file?",
                         assay_comm_rank(comm), assay_comm_host(comm), (int)(here - mine), mine,
                         length(here) < MOST ? length(here) : MOST, here,
                         length(there) < MOST ? length(there) : MOST, there);
}

int assay_farm_meet_settings(struct assay_comm *comm, const char *lines, struct assay_err *err)
{
    char *first = NULL;

    int status = share_text(comm, lines, &first, err);
    if (status >= 0)
        status = assay_comm_agree(comm, compare_settings(lines, first, comm, err), err);
    free(first);
    return status;
}

// ---- what is known once a job is open -----------------------------------------------------------
struct opened {
    uint64_t identity;
    char host[128];
};

static int compare_identities(const struct opened *mine, const struct opened *first, int rank,
                              struct assay_err *err)
{
    if (mine->identity == first->identity) return 0;
    return assay_err_set(err, ASSAY_ERR_MPI,
                         "rank %d on %s has other data, or computes otherwise, than rank 0 on %s: "
                         "does every node see the same files?",
                         rank, mine->host, first->host);
}

int farm_meet_identity(struct assay_comm *comm, const char *identity, struct assay_err *err)
{
    struct opened mine = {.identity = assay_hash64(identity, strlen(identity), 0)};

    snprintf(mine.host, sizeof mine.host, "%s", assay_comm_host(comm));
    struct opened first = mine;
    ASSAY_TRY(assay_comm_share(comm, 0, &first, sizeof first, err));
    const int status = compare_identities(&mine, &first, assay_comm_rank(comm), err);
    return assay_comm_agree(comm, status, err);
}
