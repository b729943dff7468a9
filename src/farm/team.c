// SPDX-License-Identifier: Apache-2.0
#include "assay/farm.h"

#define WORKING_RANKS 8 // up to which rank 0 works when nothing is configured

// Rank 0 of many ranks only coordinates. With teams it works, because it would leave one team
// incomplete otherwise, and tasks are long, so that messages are few.
static bool rank_0_works(const struct assay_farm_spec *spec, int ranks)
{
    const bool few = ranks <= WORKING_RANKS || spec->team > 1;

    return ranks == 1 || spec->rank_0 == ASSAY_RANK_0_WORKS ||
           (spec->rank_0 == ASSAY_RANK_0_AUTO && few);
}

struct assay_teams assay_teams_make(const struct assay_farm_spec *spec, int ranks)
{
    struct assay_teams t = {.size = spec->team, .ranks = ranks, .works = rank_0_works(spec, ranks)};

    ASSAY_ASSERT(t.size > 0);
    t.workers = t.works ? ranks / t.size : 1 + (ranks - 1) / t.size;
    return t;
}

int assay_teams_worker(const struct assay_teams *t, int rank)
{
    if (!t->works && rank == 0) return 0;
    const int worker = t->works ? rank / t->size : 1 + (rank - 1) / t->size;
    return worker < t->workers ? worker : -1;
}

int assay_teams_leader(const struct assay_teams *t, int worker)
{
    return t->works || worker == 0 ? worker * t->size : 1 + (worker - 1) * t->size;
}

int assay_teams_evaluating(const struct assay_teams *t)
{
    return t->workers - !t->works;
}

int assay_teams_check(const struct assay_teams *t, struct assay_err *err)
{
    if (assay_teams_evaluating(t) > 0 || t->size == 1) return 0;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "run.team = %d: this job has %d rank%s that evaluate%s, expected at least "
                         "as many",
                         t->size, t->ranks - !t->works, t->ranks - !t->works == 1 ? "" : "s",
                         t->ranks - !t->works == 1 ? "s" : "");
}
