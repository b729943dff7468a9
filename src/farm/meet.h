// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_FARM_MEET_H
#define ASSAY_SRC_FARM_MEET_H

#include "assay/comm.h"

// Collective: ERR_MPI on all ranks unless all have the same identity.
int farm_meet_identity(struct assay_comm *comm, const char *identity, struct assay_err *err);

#endif
