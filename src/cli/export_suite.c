// SPDX-License-Identifier: Apache-2.0
#include "export.h"
#include "json_write.h"
#include "times.h"

#include <math.h>
#include <stdlib.h>

// What tells how the seconds of a row divide among columns.
struct division {
    struct times times;
    bool (*takes)[ASSAY_METRICS_MAX]; // (n_field) the metrics whose passes a column takes
    bool known;                       // by the configuration of the run
};

static int open_division(struct division *d, const struct export *e,
                         const struct assay_config *config, const struct assay_space *space,
                         struct assay_err *err)
{
    ASSAY_TRY(times_open(&d->times, config, space, err));
    d->takes = calloc((size_t)e->n_field + 1, sizeof *d->takes);
    if (!d->takes) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    for (int i = 0; i < e->n_field; i++)
        if (e->field[i].what == RESULTS_VALUE)
            times_mark(&d->times, e->table->name[e->field[i].column], d->takes[i]);
    d->known = true;
    return ASSAY_OK;
}

static double time_of(const struct export *e, const struct division *d, int field, uint64_t row)
{
    if (!d->known || !e->table->seconds) return NAN;
    return times_of(&d->times, d->takes[field], e->table->seconds[row]);
}

static int put_row(const struct export *e, struct division *d, struct json *j, uint64_t row,
                   struct assay_err *err)
{
    const struct assay_table *table = e->table;
    if (d->known) ASSAY_TRY(times_row(&d->times, table->class_index[row], err));
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
        json_number(j, time_of(e, d, i, row));
        json_end(j, '}');
    }
    json_end(j, '}');
    return ASSAY_OK;
}

static int put_rows(const struct export *e, struct division *d, struct assay_err *err)
{
    struct json j = {.out = e->out};
    int status = ASSAY_OK;
    json_begin(&j, '{');
    for (uint64_t row = 0; status >= 0 && row < e->table->n_row; row++) {
        if (row) fputs(",\n", e->out);
        j.comma = false;
        status = put_row(e, d, &j, row, err);
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
    struct division d = {.known = false};
    ASSAY_TRY(export_open_space(e, &space, &config, err));
    int status = check_classes(e, &space, err);
    if (status >= 0 && config) status = open_division(&d, e, config, &space, err);
    if (status >= 0) status = put_rows(e, &d, err);
    times_close(&d.times);
    free(d.takes);
    assay_space_close(&space);
    free(config);
    return status;
}
