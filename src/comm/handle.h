// SPDX-License-Identifier: Apache-2.0
// What a communicator is inside: MPI's own, and the messages still on their way.
#ifndef ASSAY_SRC_COMM_HANDLE_H
#define ASSAY_SRC_COMM_HANDLE_H

#include "assay/comm.h"

#include <mpi.h>

struct comm_message {
    struct comm_message *next;
    MPI_Request request;
    char bytes[];
};

struct assay_comm {
    MPI_Comm mpi;
    int rank, size;
    char host[MPI_MAX_PROCESSOR_NAME];
    struct comm_message *sent;
    struct comm_message **tested; // the link at which testing goes on; NULL: at the first
    char folder[512]; // directory of Open MPI's files without a launcher; "": Open MPI's own choice
};

// ASSAY_ERR_MPI with MPI's own words for rc, or 0 when rc is success.
int comm_check(int rc, const char *what, struct assay_err *err);

#endif
