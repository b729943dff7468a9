// SPDX-License-Identifier: Apache-2.0
// How many ranks evaluate a candidate together, where the configuration leaves it open.
#include "run.h"

#include <stdlib.h>

static uint64_t *team_of(struct assay_config *config)
{
    return &((struct assay_evaluation *)assay_config_edit(config, &assay_evaluation_options))->team;
}

int sweep_team_fit(struct sweep_outline *o, int ranks, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(&o->config);
    const uint64_t limit = told->memory << 20;

    *team_of(&o->config) = 1;
    o->most.limit = 0;
    ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->candidates, err));
    // What is not divided by a team must fit in any case.
    while (limit && sweep_memory_peak(&o->most) > limit && sweep_memory_fixed(&o->most) < limit &&
           told->team < (uint64_t)ranks) {
        const uint64_t next = told->team + told->team / 64 + 1;
        *team_of(&o->config) = next < (uint64_t)ranks ? next : (uint64_t)ranks;
        ASSAY_TRY(assay_evaluator_memory(o->evaluator, o->most.candidate, 0, &o->most.need, err));
        if (sweep_memory_peak(&o->most) <= limit)
            ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->candidates, err));
    }
    return limit && sweep_memory_peak(&o->most) > limit ? sweep_outline_divide(o, err) : 0;
}

static bool find_stored(struct assay_config *config, const char *dir)
{
    char *identity = NULL;
    void *list = NULL;
    size_t n = 0;
    struct assay_config stored;

    if (assay_journal_peek(dir, &identity, &list, &n, NULL) < 0) return false;
    const bool read = assay_config_parse(&stored, config->vocabulary, identity, NULL) >= 0;
    if (read) *team_of(config) = assay_config_evaluation(&stored)->team;
    free(identity);
    free(list);
    return read;
}

int sweep_team_take(struct sweep_outline *o, const char *dir, int ranks, struct assay_err *err)
{
    if (find_stored(&o->config, dir)) return sweep_outline_divide(o, err);
    ASSAY_TRY(sweep_team_fit(o, ranks, err));
    const uint64_t items = o->candidates.n_task * assay_config_protocol(&o->config)->repeats;
    const uint64_t idle = items ? (uint64_t)ranks / items : 1;
    if (idle <= assay_config_evaluation(&o->config)->team) return 0;
    *team_of(&o->config) = idle;
    return sweep_outline_divide(o, err);
}

int sweep_team_ranks(const struct assay_config *config, int ranks)
{
    enum { AUTO, YES, NO };
    return ranks - (assay_config_run(config)->coordinator_works == NO && ranks > 1);
}

// Called on rank 0. Where the run in dir says which team it has, images are not opened.
static int choose(struct assay_config *config, const char *dir, int ranks, int sharing,
                  struct assay_err *err)
{
    struct sweep_outline o;

    if (find_stored(config, dir)) return 0;
    int status = sweep_outline_open(&o, config, sharing, err);
    if (status >= 0) status = sweep_team_take(&o, dir, ranks, err);
    *team_of(config) = assay_config_evaluation(&o.config)->team;
    sweep_outline_close(&o);
    return status;
}

int sweep_team_choose(struct assay_config *config, const char *dir, struct assay_comm *comm,
                      struct assay_err *err)
{
    const int ranks = sweep_team_ranks(config, assay_comm_size(comm));
    int sharing, status = 0;

    if (assay_config_evaluation(config)->team) return 0;
    ASSAY_TRY(assay_comm_sharing(comm, &sharing, err));
    if (assay_comm_rank(comm) == 0) status = choose(config, dir, ranks, sharing, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    return assay_comm_share(comm, 0, team_of(config), sizeof *team_of(config), err);
}
