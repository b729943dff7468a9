// SPDX-License-Identifier: Apache-2.0
// When results are published while a job runs, and what is done for it between messages.
#ifndef ASSAY_SRC_FARM_CHECKPOINT_H
#define ASSAY_SRC_FARM_CHECKPOINT_H

#include "assay/farm.h"

struct farm_checkpoint {
    const struct assay_job *job; // borrowed
    double least;                // seconds between publications, 0: only at the end
    double published;            // when the last one ended
    double spent;                // seconds it took; before there is one, by the job's own guess
    uint64_t n_done;             // of the ledger then
    bool filled;                 // nothing is left to do for it but what records bring
};
void farm_checkpoint_open(struct farm_checkpoint *cp, const struct assay_job *job, double least);
// Does a little of what publishing needs, so that less of it is left for the end. Returns 1 while
// there is more to do.
int farm_checkpoint_fill(struct farm_checkpoint *cp, struct assay_err *err);
bool farm_checkpoint_due(const struct farm_checkpoint *cp, uint64_t n_done);
// pause: as the job's publish has it; a status of 1 ends the writing, and no publication counts.
int farm_checkpoint_publish(struct farm_checkpoint *cp, uint64_t n_done,
                            const struct assay_pause *pause, struct assay_err *err);

#endif
