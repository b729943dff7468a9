// SPDX-License-Identifier: Apache-2.0
#include "farm/checkpoint.h"

#include <math.h>

#define FILL_SECONDS   0.005
#define PUBLISH_FACTOR 4.0 // times its own duration: how long a checkpoint waits at least

void farm_checkpoint_open(struct farm_checkpoint *cp, const struct assay_job *job, double least)
{
    *cp = (struct farm_checkpoint){.job = job,
                                   .least = least,
                                   .published = assay_clock_wall(),
                                   .spent = job->publishing ? job->publishing(job->self) : 0};
}

int farm_checkpoint_fill(struct farm_checkpoint *cp, struct assay_err *err)
{
    if (cp->filled || !cp->job->fill) return 0;
    const int more = cp->job->fill(cp->job->self, FILL_SECONDS, err);
    cp->filled = !more;
    return more;
}

bool farm_checkpoint_due(const struct farm_checkpoint *cp, uint64_t n_done)
{
    const double since = assay_clock_wall() - cp->published;

    return cp->least > 0 && since >= fmax(cp->least, PUBLISH_FACTOR * cp->spent) &&
           n_done != cp->n_done;
}

int farm_checkpoint_publish(struct farm_checkpoint *cp, uint64_t n_done,
                            const struct assay_pause *pause, struct assay_err *err)
{
    const double start = assay_clock_wall();
    const int status = cp->job->publish(cp->job->self, pause, err);

    if (status) return status < 0 ? status : 0;
    cp->published = assay_clock_wall();
    cp->spent = cp->published - start;
    cp->n_done = n_done;
    return 0;
}
