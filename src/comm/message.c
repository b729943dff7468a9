// SPDX-License-Identifier: Apache-2.0
#include "comm/message.h"

#include "comm/handle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Frees messages that have left. It tests a few, and the next ones the next time: a rank 0 that has
// one on its way to each of many workers would test all of them for every other.
static int reap(struct assay_comm *comm, struct assay_err *err)
{
    enum { TESTED = 8 };
    struct comm_message **at = comm->tested ? comm->tested : &comm->sent;

    for (int i = 0; i < TESTED && *at; i++) {
        struct comm_message *message = *at;
        int gone = 0;
        ASSAY_TRY(
            comm_check(MPI_Test(&message->request, &gone, MPI_STATUS_IGNORE), "sending", err));
        if (gone) {
            *at = message->next;
            free(message);
        } else {
            at = &message->next;
        }
    }
    comm->tested = *at ? at : NULL;
    return 0;
}

int assay_comm_post(struct assay_comm *comm, int to, enum assay_tag tag, const void *bytes,
                    size_t n, struct assay_err *err)
{
    ASSAY_ASSERT(n <= INT_MAX);
    ASSAY_TRY(reap(comm, err));
    struct comm_message *message = malloc(sizeof *message + n);
    if (!message)
        return assay_err_set(err, ASSAY_ERR_MPI, "no memory for a message of %zu bytes", n);
    if (n) memcpy(message->bytes, bytes, n);
    const int status = comm_check(
        MPI_Isend(message->bytes, (int)n, MPI_BYTE, to, (int)tag, comm->mpi, &message->request),
        "MPI_Isend", err);
    if (status) {
        free(message);
        return status;
    }
    message->next = comm->sent;
    comm->sent = message;
    return 0;
}

static int look(struct assay_comm *comm, struct assay_mail *mail, struct assay_err *err)
{
    MPI_Status found;
    int flag = 0, n = 0;

    ASSAY_TRY(comm_check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm->mpi, &flag, &found),
                         "MPI_Iprobe", err));
    if (!flag) return 0;
    MPI_Get_count(&found, MPI_BYTE, &n);
    *mail = (struct assay_mail){
        .from = found.MPI_SOURCE, .tag = (enum assay_tag)found.MPI_TAG, .n = (size_t)n};
    return 1;
}

int assay_comm_poll(struct assay_comm *comm, double seconds, struct assay_mail *mail,
                    struct assay_err *err)
{
    const double end = seconds > 0 ? assay_clock_wall() + seconds : 0;
    long nap = 10000; // ns; it naps rather than spins, since the core may be another rank's

    ASSAY_TRY(reap(comm, err));
    for (;;) {
        const int found = look(comm, mail, err);
        if (found || seconds <= 0 || assay_clock_wall() >= end) return found;
        if (nanosleep(&(struct timespec){.tv_nsec = nap}, NULL)) return 0;
        nap = nap < 500000 ? 2 * nap : 1000000;
        ASSAY_TRY(reap(comm, err));
    }
}

int assay_comm_take(struct assay_comm *comm, const struct assay_mail *mail, void *bytes,
                    struct assay_err *err)
{
    return comm_check(MPI_Recv(bytes, (int)mail->n, MPI_BYTE, mail->from, (int)mail->tag, comm->mpi,
                               MPI_STATUS_IGNORE),
                      "MPI_Recv", err);
}

void comm_finish_messages(struct assay_comm *comm)
{
    comm->tested = NULL;
    while (comm->sent) {
        struct comm_message *message = comm->sent;
        comm->sent = message->next;
        MPI_Wait(&message->request, MPI_STATUS_IGNORE);
        free(message);
    }
}
