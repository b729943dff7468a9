// SPDX-License-Identifier: Apache-2.0
// HELLO: before the first task every rank shows that it is the same program doing the same run.
#include "run.h"

#include "assay/la.h"

#include <string.h>

struct hello {
    uint64_t build, identity;
    char blas[256], host[128];
};

static struct hello make_hello(const struct assay_comm *comm, const char *identity)
{
    struct hello hello = {.build = sweep_build_id(),
                          .identity = assay_hash64(identity, strlen(identity), 0)};

    snprintf(hello.blas, sizeof hello.blas, "%s", assay_la_name());
    snprintf(hello.host, sizeof hello.host, "%s", assay_comm_host(comm));
    return hello;
}

static int compare(const struct hello *mine, const struct hello *other, int rank,
                   const struct assay_log *log, struct assay_err *err)
{
    if (mine->build != other->build)
        return assay_err_set(
            err, ASSAY_ERR_MPI,
            "rank %d on %s runs another build of assay than rank 0 on %s: start the "
            "same program file on every node",
            rank, other->host, mine->host);
    if (mine->identity != other->identity)
        return assay_err_set(err, ASSAY_ERR_MPI,
                             "rank %d on %s resolved another configuration than rank 0 on %s: does "
                             "every node see the same configuration file?",
                             rank, other->host, mine->host);
    if (strcmp(mine->blas, other->blas) != 0)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "rank %d on %s uses BLAS '%s', rank 0 '%s': last digits may depend on the "
                       "rank; OPENBLAS_CORETYPE makes them alike",
                       rank, other->host, other->blas, mine->blas);
    return 0;
}

static int collect(struct assay_comm *comm, const struct hello *mine, const struct assay_log *log,
                   struct assay_err *err)
{
    int status = 0;

    for (int seen = 1; seen < assay_comm_size(comm);) {
        struct assay_mail mail;
        struct hello other;
        const int found = assay_comm_poll(comm, 1.0, &mail, err);
        if (found < 0) return found;
        if (!found) continue;
        ASSAY_ASSERT(mail.tag == ASSAY_TAG_HELLO);
        if (mail.n != sizeof other)
            return assay_err_set(err, ASSAY_ERR_MPI,
                                 "rank %d runs another version of assay than rank 0", mail.from);
        ASSAY_TRY(assay_comm_take(comm, &mail, &other, err));
        if (!status) status = compare(mine, &other, mail.from, log, err);
        seen++;
    }
    return status;
}

int sweep_hello(struct assay_comm *comm, const char *identity, const struct assay_log *log,
                struct assay_err *err)
{
    const struct hello hello = make_hello(comm, identity);

    if (assay_comm_rank(comm) == 0) return collect(comm, &hello, log, err);
    return assay_comm_post(comm, 0, ASSAY_TAG_HELLO, &hello, sizeof hello, err);
}
