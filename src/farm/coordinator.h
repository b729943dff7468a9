// SPDX-License-Identifier: Apache-2.0
// Rank 0: hands out tasks, and takes records into journal and ledger.
#ifndef ASSAY_SRC_FARM_COORDINATOR_H
#define ASSAY_SRC_FARM_COORDINATOR_H

#include "assay/farm.h"

// What rank 0 works with; all of it is borrowed.
struct farm {
    struct assay_comm *comm, *team; // team: rank 0's, or NULL
    const struct assay_farm_spec *spec;
    const struct assay_log *log;
    const struct assay_job *job;
    struct assay_journal *journal;
};
enum farm_end { FARM_COMPLETE, FARM_STOPPED };
struct farm_coordinator;
int farm_coordinator_open(struct farm_coordinator **out, const struct farm *farm,
                          struct assay_err *err);
// Has every unfinished task of the ledger computed and journalled. Returns an enum farm_end, or an
// error.
int farm_coordinator_round(struct farm_coordinator *c, struct assay_ledger *ledger);
// Ends all workers, after the last round or after one that did not complete; the ledger of that
// round takes the records that were still on their way. An error that came before is given as
// status, and returned; otherwise returns 0 or an error.
int farm_coordinator_end(struct farm_coordinator *c, int status);
// Why it stopped early ("signal 15 (Terminated)"), for the log.
const char *farm_coordinator_why(const struct farm_coordinator *c);
void farm_coordinator_close(struct farm_coordinator *c);

#endif
