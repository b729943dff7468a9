// SPDX-License-Identifier: Apache-2.0
#include "export.h"
#include "json_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// What tells how the seconds of a row divide among columns.
struct times {
    struct assay_costs *costs;        // NULL: nothing does
    bool (*takes)[ASSAY_METRICS_MAX]; // (n_field) the metrics whose passes a column takes
    double part[ASSAY_METRICS_MAX];   // of the row
};

// The metric whose column this is; -1: none of those that are measured.
static int metric_of(const struct times *t, const char *column)
{
    const struct assay_metric *m;
    for (uint32_t i = 0; (m = assay_costs_metric(t->costs, i)); i++)
        for (uint32_t k = 0; k < m->n_column; k++)
            if (strcmp(m->column[k].name, column) == 0) return (int)i;
    return -1;
}

// A score takes the passes of all its terms.
static void mark(const struct times *t, const char *column, bool *metric)
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

static int open_times(struct times *t, const struct export *e, const struct assay_config *config,
                      const struct assay_space *space, struct assay_err *err)
{
    ASSAY_TRY(assay_costs_open(&t->costs, config, space, err));
    t->takes = calloc((size_t)e->n_field + 1, sizeof *t->takes);
    if (!t->takes) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    for (int i = 0; i < e->n_field; i++)
        if (e->field[i].what == RESULTS_VALUE)
            mark(t, e->table->name[e->field[i].column], t->takes[i]);
    return ASSAY_OK;
}

static double time_of(const struct export *e, const struct times *t, int field, uint64_t row)
{
    double part = 0;
    if (!t->costs || !e->table->seconds) return NAN;
    for (int i = 0; i < ASSAY_METRICS_MAX; i++) part += t->takes[field][i] ? t->part[i] : 0;
    return part > 0 ? fmin(part, 1) * e->table->seconds[row] : 0;
}

static int put_row(const struct export *e, struct times *t, struct json *j, uint64_t row,
                   struct assay_err *err)
{
    const struct assay_table *table = e->table;
    if (t->costs) ASSAY_TRY(assay_costs_parts(t->costs, table->class_index[row], t->part, err));
    json_key(j, table->arch[row]);
    json_begin(j, '{');
    for (int i = 0; i < e->n_field; i++) {
        if (e->field[i].what != RESULTS_VALUE) continue;
        const int column = e->field[i].column;
        json_key(j, table->name[column]);
        json_begin(j, '{');
        json_key(j, "score");
        json_number(j, table->value[column][row]);
        json_key(j, "time");
        json_number(j, time_of(e, t, i, row));
        json_end(j, '}');
    }
    json_end(j, '}');
    return ASSAY_OK;
}

static int put_rows(const struct export *e, struct times *t, struct assay_err *err)
{
    struct json j = {.out = e->out};
    int status = ASSAY_OK;
    json_begin(&j, '{');
    for (uint64_t row = 0; status >= 0 && row < e->table->n_row; row++) {
        if (row) fputs(",\n", e->out);
        j.comma = false;
        status = put_row(e, t, &j, row, err);
    }
    json_end(&j, '}');
    json_line(&j);
    return status;
}

static int check_classes(const struct export *e, const struct assay_space *space,
                         struct assay_err *err)
{
    const uint64_t size = assay_space_size(space);
    for (uint64_t row = 0; row < e->table->n_row; row++)
        if (e->table->class_index[row] >= size)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: class holds what is no architecture of %s", e->file,
                                 space->kind->name);
    return ASSAY_OK;
}

int export_suite(const struct export *e, struct assay_err *err)
{
    struct assay_space space;
    struct assay_config *config;
    struct times t = {.costs = NULL};
    ASSAY_TRY(export_open_space(e, &space, &config, err));
    int status = check_classes(e, &space, err);
    if (status >= 0 && config) status = open_times(&t, e, config, &space, err);
    if (status >= 0) status = put_rows(e, &t, err);
    assay_costs_close(t.costs);
    free(t.takes);
    assay_space_close(&space);
    free(config);
    return status;
}
