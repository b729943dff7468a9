// SPDX-License-Identifier: Apache-2.0
// A worker: every rank but 0 that leads a team or is left over.
#ifndef ASSAY_SRC_FARM_WORKER_H
#define ASSAY_SRC_FARM_WORKER_H

#include "assay/farm.h"

struct farm_worker;
int farm_worker_open(struct farm_worker **out, struct assay_comm *comm, struct assay_comm *team,
                     const struct assay_job *job, struct assay_err *err);
// Works until rank 0 ends it. A system error during an evaluation is sent to rank 0 and is not the
// status here, which tells of messages only.
int farm_worker_run(struct farm_worker *w);
void farm_worker_close(struct farm_worker *w);

#endif
