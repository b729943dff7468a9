// SPDX-License-Identifier: Apache-2.0
// What a result file tells of its run.
#include "run.h"

#include <stdlib.h>
#include <string.h>

struct attrs {
    struct assay_attr *attr;
    size_t n;
    struct assay_arena *arena;
    struct assay_err *err;
};

// Adds an attribute; takes text (malloc'd). run: it is a circumstance, which may differ between
// runs with equal results.
static int add(struct attrs *a, const char *name, char *text, bool run)
{
    const size_t n = text ? strlen(text) + 1 : 0;
    char *copy = n ? assay_arena_alloc(a->arena, n) : NULL;

    if (copy) memcpy(copy, text, n);
    free(text);
    ASSAY_ASSERT(a->n < ASSAY_RUN_ATTRS);
    if (!copy) return assay_err_set(a->err, ASSAY_ERR_MEMORY, "no memory for the run's attributes");
    a->attr[a->n++] = (struct assay_attr){.name = name, .text = copy, .run = run};
    return 0;
}

static char *build_text(void)
{
    const size_t n = assay_build_describe(NULL, 0);
    char *text = n ? malloc(n + 1) : NULL;

    if (text) assay_build_describe(text, n + 1);
    return text;
}

// Adds the settings that do not determine the numbers as circumstances; the others stand at the
// root.
static int add_circumstances(struct attrs *a, const struct assay_config *config,
                             const struct assay_comm *comm)
{
    char ranks[16];
    char *command = sweep_command_text();

    snprintf(ranks, sizeof ranks, "%d", assay_comm_size(comm));
    if (command) ASSAY_TRY(add(a, "command", command, true));
    ASSAY_TRY(add(a, "config", assay_config_text(config), true));
    ASSAY_TRY(add(a, "ranks", strdup(ranks), true));
    return add(a, "host", strdup(assay_comm_host(comm)), true);
}

int assay_run_attrs(struct assay_attr attr[ASSAY_RUN_ATTRS], size_t *n, struct assay_arena *arena,
                    const struct assay_config *config, const char *identity,
                    const struct assay_comm *comm, struct assay_err *err)
{
    struct attrs a = {.attr = attr, .arena = arena, .err = err};
    char arithmetic[16];

    if (comm) ASSAY_TRY(add_circumstances(&a, config, comm));
    ASSAY_TRY(add(&a, "config", strdup(identity), false));
    snprintf(arithmetic, sizeof arithmetic, "%d", ASSAY_ARITHMETIC);
    ASSAY_TRY(add(&a, "arithmetic", strdup(arithmetic), false));
    ASSAY_TRY(add(&a, "build", build_text(), false));
    ASSAY_TRY(add(&a, "space", strdup(assay_config_evaluation(config)->space), false));
    *n = a.n;
    return 0;
}
