// SPDX-License-Identifier: Apache-2.0
// From records to results.h5.
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_SECONDS 0.005 // between pauses

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the table of results");
}

static char *keep(struct sweep_publisher *p, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = assay_arena_alloc(&p->arena, n);

    return copy ? memcpy(copy, text, n) : NULL;
}

// ---- rows ---------------------------------------------------------------------------------------
static int fill_row(struct sweep_publisher *p, uint64_t i, struct assay_err *err)
{
    const struct sweep_candidates *candidates = p->candidates;
    struct assay_row *row = &p->row[i];
    char arch[ASSAY_ARCH_MAX];

    ASSAY_TRY(assay_space_format(p->space, candidates->index[i], arch, sizeof arch));
    double *extra = assay_arena_zalloc(&p->arena, (p->counted.n_column + 1) * sizeof *extra);
    *row = (struct assay_row){.index = candidates->index[i],
                              .class_index = candidates->task[candidates->task_of[i]],
                              .arch = keep(p, arch),
                              .extra = extra};
    if (!row->arch || !extra) return no_memory(err);
    if (!p->counted.n_metric) return ASSAY_OK;
    const struct assay_net net = assay_config_cost_net(p->config);
    const int status = assay_space_build(p->space, row->index, &net, &p->graph, err);
    const bool none = status == ASSAY_ERR_INPUT && p->space->kind->given;
    for (uint32_t k = 0; none && k < p->counted.n_column; k++) extra[k] = NAN;
    if (status >= 0) assay_columns_count(&p->counted, &p->graph, extra);
    return none ? ASSAY_OK : status;
}

int sweep_publisher_fill(struct sweep_publisher *p, double seconds, struct assay_err *err)
{
    enum { ROWS = 64 }; // filled before it looks at the clock
    const double end = assay_clock_wall() + seconds;
    const uint64_t n = p->candidates->n_row;

    while (p->n_filled < n) {
        for (int i = 0; i < ROWS && p->n_filled < n; i++)
            ASSAY_TRY(fill_row(p, p->n_filled++, err));
        if (assay_clock_wall() >= end) break;
    }
    return p->n_filled < n;
}

static int open_columns(struct sweep_publisher *p, struct assay_err *err)
{
    ASSAY_TRY(assay_columns_create(&p->counted, p->config, true, err));
    ASSAY_TRY(sweep_scores_make(&p->scores, p->config, p->schema, &p->counted, &p->arena, err));
    p->row = assay_arena_alloc(&p->arena, (p->candidates->n_row + 1) * sizeof *p->row);
    return p->row ? ASSAY_OK : no_memory(err);
}

int sweep_publisher_open(struct sweep_publisher *p, const char *dir,
                         const struct assay_config *config, const struct assay_space *space,
                         const struct sweep_candidates *candidates,
                         const struct assay_schema *schema, const char *identity,
                         const struct assay_comm *comm, struct assay_err *err)
{
    *p = (struct sweep_publisher){
        .dir = dir, .config = config, .space = space, .candidates = candidates, .schema = schema};
    assay_graph_init(&p->graph);
    p->graph.unnamed = true;
    int status = assay_run_attrs(p->attr, &p->n_attr, &p->arena, config, identity, comm, err);
    if (status >= 0) status = open_columns(p, err);
    if (status < 0) sweep_publisher_close(p);
    return status;
}

struct sweep_records sweep_records_of(const struct assay_ledger *ledger,
                                      struct assay_journal *journal)
{
    return (struct sweep_records){
        .record = ledger->record, .done = ledger->done, .place = ledger->place, .journal = journal};
}

// ---- writing ------------------------------------------------------------------------------------
static int fill_rest(struct sweep_publisher *p, const struct assay_pause *pause,
                     struct assay_err *err)
{
    int more;

    while ((more = sweep_publisher_fill(p, PAUSE_SECONDS, err)) > 0) {
        const int ended = pause ? pause->call(pause->self, err) : 0;
        if (ended) return ended;
    }
    return more;
}

// Where spectra are read.
struct reader {
    const struct sweep_publisher *publisher;
    const struct sweep_records *records;
    void *packed; // a record
};

static int read_spectrum(void *self, uint64_t row, double *spectrum, struct assay_err *err)
{
    const struct reader *r = self;
    const struct sweep_publisher *p = r->publisher;
    const uint64_t place = r->records->place[p->candidates->task_of[row]];

    ASSAY_TRY(assay_journal_read(r->records->journal, place, r->packed, err));
    assay_record_spectrum(p->schema, r->packed, spectrum);
    return ASSAY_OK;
}

static int write(const struct sweep_publisher *p, const struct sweep_records *records,
                 const struct assay_pause *pause, struct assay_err *err)
{
    struct reader reader = {.publisher = p, .records = records};

    reader.packed = malloc(assay_record_bytes(p->schema));
    if (!reader.packed) return no_memory(err);
    const int status =
        assay_results_write(p->dir,
                            &(struct assay_results){.schema = p->schema,
                                                    .extra_column = p->counted.column,
                                                    .extra_protocol = p->counted.protocol,
                                                    .n_extra = p->counted.n_column,
                                                    .score = p->scores.item,
                                                    .n_score = p->scores.n,
                                                    .row = p->row,
                                                    .n_row = p->candidates->n_row,
                                                    .attr = p->attr,
                                                    .n_attr = p->n_attr,
                                                    .spectrum = read_spectrum,
                                                    .self = &reader,
                                                    .pause = pause},
                            err);
    free(reader.packed);
    return status;
}

int sweep_publish(struct sweep_publisher *p, const struct sweep_records *records,
                  const struct assay_pause *pause, struct assay_err *err)
{
    const struct sweep_candidates *candidates = p->candidates;
    const uint64_t held = assay_journal_records(records->journal);
    const int filled = fill_rest(p, pause, err);

    if (filled) return filled;
    // What pauses have brought is not in the journal yet, or not safe there: another time.
    for (uint64_t i = 0; i < candidates->n_row; i++) {
        const uint64_t task = candidates->task_of[i];
        const bool safe = records->done[task] && records->place[task] < held;
        p->row[i].record = safe ? &records->record[task] : NULL;
    }
    return write(p, records, pause, err);
}

void sweep_publisher_close(struct sweep_publisher *p)
{
    assay_columns_free(&p->counted);
    assay_graph_free(&p->graph);
    assay_arena_finish(&p->arena);
    *p = (struct sweep_publisher){0};
}
