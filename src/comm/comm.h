// SPDX-License-Identifier: Apache-2.0
// The inside of comm: the communicator and the messages still on their way.
#ifndef SRC_COMM_COMM_H
#define SRC_COMM_COMM_H

#include "assay/comm.h"

#include <mpi.h>

struct letter {
    struct letter *next;
    MPI_Request request;
    char bytes[];
};

struct assay_comm {
    MPI_Comm mpi;
    int rank, size;
    char host[MPI_MAX_PROCESSOR_NAME];
    struct letter *sent;
    char folder[512]; // Open MPI's files, of a program without a launcher; "": its own choice
};

// ASSAY_ERR_MPI with MPI's own words for rc, or 0 when rc is success.
int comm_check(int rc, const char *what, struct assay_err *err);
// Refuses a single rank whose launcher meant more.
int comm_check_singleton(struct assay_err *err);
// Cancels or completes the letters still on their way.
void comm_drop_letters(struct assay_comm *comm);

#endif
