// SPDX-License-Identifier: Apache-2.0
// From the ledger to results.h5.
#include "run.h"

#include <stdlib.h>
#include <string.h>

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

// ---- attributes of the file ---------------------------------------------------------------------
// run: a circumstance, which may differ between runs with equal results. Takes text (malloc'd).
static int add_attr(struct sweep_publisher *p, const char *name, char *text, bool run,
                    struct assay_err *err)
{
    const char *copy = text ? keep(p, text) : NULL;

    free(text);
    ASSAY_ASSERT(p->n_attr < ASSAY_LEN(p->attr));
    if (!copy) return no_memory(err);
    p->attr[p->n_attr++] = (struct assay_attr){.name = name, .text = copy, .run = run};
    return 0;
}

static char *build_text(void)
{
    const size_t n = assay_build_describe(NULL, 0) + 1;
    char *text = malloc(n);

    if (text) assay_build_describe(text, n);
    return text;
}

// What determines the numbers stands at the root, all other settings are circumstances.
static int add_circumstances(struct sweep_publisher *p, const struct assay_config *config,
                             const struct assay_comm *comm, struct assay_err *err)
{
    char ranks[16];
    char *command = sweep_command_text();

    snprintf(ranks, sizeof ranks, "%d", assay_comm_size(comm));
    if (command) ASSAY_TRY(add_attr(p, "command", command, true, err));
    ASSAY_TRY(add_attr(p, "config", sweep_config_text(config), true, err));
    ASSAY_TRY(add_attr(p, "ranks", strdup(ranks), true, err));
    return add_attr(p, "host", strdup(assay_comm_host(comm)), true, err);
}

// ---- rows ---------------------------------------------------------------------------------------
static int fill_row(struct sweep_publisher *p, uint64_t i, const struct assay_config *config,
                    const struct assay_space *space, struct assay_graph *scratch,
                    struct assay_err *err)
{
    const struct sweep_plan *plan = p->ledger->plan;
    struct assay_row *row = &p->row[i];
    char arch[ASSAY_ARCH_MAX];

    ASSAY_TRY(assay_space_format(space, plan->index[i], arch, sizeof arch));
    double *extra = assay_arena_zalloc(&p->arena, (p->counted.n_column + 1) * sizeof *extra);
    *row = (struct assay_row){.index = plan->index[i],
                              .class_index = plan->task[plan->task_of[i]],
                              .arch = keep(p, arch),
                              .extra = extra};
    if (!row->arch || !extra) return no_memory(err);
    if (!p->counted.n_metric) return ASSAY_OK;
    const struct assay_net net = assay_config_cost_net(config);
    ASSAY_TRY(assay_space_build(space, row->index, &net, scratch, err));
    assay_columns_count(&p->counted, scratch, extra);
    return ASSAY_OK;
}

static int fill(struct sweep_publisher *p, const struct assay_config *config,
                const struct assay_space *space, const char *identity, struct assay_err *err)
{
    const uint64_t n = p->ledger->plan->n_row;
    struct assay_graph scratch;
    int status = 0;

    ASSAY_TRY(add_attr(p, "config", strdup(identity), false, err));
    ASSAY_TRY(add_attr(p, "build", build_text(), false, err));
    ASSAY_TRY(add_attr(p, "space", strdup(config->space), false, err));
    ASSAY_TRY(assay_columns_create(&p->counted, config, true, err));
    p->row = assay_arena_alloc(&p->arena, (n + 1) * sizeof *p->row);
    if (!p->row) return no_memory(err);
    assay_graph_init(&scratch);
    for (uint64_t i = 0; status >= 0 && i < n; i++)
        status = fill_row(p, i, config, space, &scratch, err);
    assay_graph_free(&scratch);
    return status;
}

int sweep_publisher_open(struct sweep_publisher *p, const char *dir,
                         const struct assay_config *config, const struct assay_space *space,
                         const struct sweep_ledger *ledger, const char *identity,
                         const struct assay_comm *comm, struct assay_err *err)
{
    *p = (struct sweep_publisher){.dir = dir, .ledger = ledger};
    int status = comm ? add_circumstances(p, config, comm, err) : 0;
    if (status >= 0) status = fill(p, config, space, identity, err);
    if (status < 0) sweep_publisher_close(p);
    return status;
}

int sweep_publish(struct sweep_publisher *p, struct assay_err *err)
{
    const struct sweep_ledger *ledger = p->ledger;
    const struct sweep_plan *plan = ledger->plan;
    const double start = assay_clock_wall();

    for (uint64_t i = 0; i < plan->n_row; i++) {
        const uint64_t task = plan->task_of[i];
        p->row[i].record = ledger->done[task] ? &ledger->record[task] : NULL;
    }
    ASSAY_TRY(assay_results_write(p->dir,
                                  &(struct assay_results){.schema = ledger->schema,
                                                          .extra_column = p->counted.column,
                                                          .extra_protocol = p->counted.protocol,
                                                          .n_extra = p->counted.n_column,
                                                          .row = p->row,
                                                          .n_row = plan->n_row,
                                                          .attr = p->attr,
                                                          .n_attr = p->n_attr},
                                  err));
    p->seconds = assay_clock_wall() - start;
    return 0;
}

void sweep_publisher_close(struct sweep_publisher *p)
{
    assay_columns_free(&p->counted);
    assay_arena_finish(&p->arena);
    *p = (struct sweep_publisher){0};
}
