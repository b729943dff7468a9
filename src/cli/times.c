// SPDX-License-Identifier: Apache-2.0
#include "times.h"

#include "assay/score.h"

#include <math.h>
#include <string.h>

int times_open(struct times *t, const struct assay_config *config, const struct assay_space *space,
               struct assay_err *err)
{
    *t = (struct times){.costs = NULL};
    return assay_costs_open(&t->costs, config, space, err);
}

void times_close(struct times *t)
{
    assay_costs_close(t->costs);
}

// The metric whose column this is; -1: none of those that are measured.
static int metric_of(const struct times *t, const char *column)
{
    const struct assay_metric *m;
    for (uint32_t i = 0; (m = assay_costs_metric(t->costs, i)); i++)
        for (uint32_t k = 0; k < m->n_column; k++)
            if (strcmp(m->column[k].name, column) == 0) return (int)i;
    return -1;
}

void times_mark(const struct times *t, const char *column, bool metric[ASSAY_METRICS_MAX])
{
    const struct assay_score *score = assay_score_find(column);
    struct assay_score_formula formula;
    const int own = metric_of(t, column);
    if (own >= 0) metric[own] = true;
    if (!score || assay_score_parse(&formula, column, score->formula, NULL) < 0) return;
    for (uint32_t i = 0; i < formula.n_term; i++) {
        const int of = metric_of(t, formula.term[i].column);
        if (of >= 0) metric[of] = true;
    }
}

int times_row(struct times *t, uint64_t class, struct assay_err *err)
{
    return assay_costs_parts(t->costs, class, t->part, err);
}

double times_of(const struct times *t, const bool metric[ASSAY_METRICS_MAX], double seconds)
{
    double part = 0;
    for (int i = 0; i < ASSAY_METRICS_MAX; i++) part += metric[i] ? t->part[i] : 0;
    return part > 0 ? fmin(part, 1) * seconds : 0;
}
