// SPDX-License-Identifier: Apache-2.0
#include "method.h"

#include <stdlib.h>
#include <string.h>

int search_ask(struct search_round *round, struct search_task task)
{
    if (round->n_task == round->cap_task) {
        const size_t cap = round->cap_task ? 2 * round->cap_task : 64;
        struct search_task *more = realloc(round->task, cap * sizeof *more);
        if (!more) return assay_err_set(round->err, ASSAY_ERR_MEMORY, "no memory for tasks");
        round->task = more;
        round->cap_task = cap;
    }
    task.number =
        assay_hash64((const char *)&task + sizeof task.number, sizeof task - sizeof task.number, 0);
    round->task[round->n_task] = task;
    return (int)round->n_task++;
}

uint32_t search_column(const struct assay_schema *schema, const char *name)
{
    uint32_t i = 0;
    while (i < schema->n_column && strcmp(schema->column[i].name, name) != 0) i++;
    return i;
}

void search_set_metrics(struct assay_config *config, const char *metrics)
{
    struct assay_protocol *p = assay_config_edit(config, &assay_protocol_options);
    snprintf(p->metrics, sizeof p->metrics, "%s", metrics);
}

uint64_t search_set_samples(struct assay_config *config, uint64_t samples)
{
    struct assay_search_spec *s = assay_config_edit(config, &assay_search_options);
    return s->samples = samples;
}

double search_mean(const struct assay_schema *schema, const struct assay_record *record,
                   uint32_t column)
{
    double sum = 0;
    for (uint32_t r = 0; r < schema->repeats; r++)
        sum += record->value[(size_t)r * schema->n_column + column];
    return sum / schema->repeats;
}

unsigned search_count_alive(const struct assay_supernet_kind *kind,
                            const struct assay_supernet *mask)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < kind->cells * kind->edges; i++)
        n += assay_supernet_alive(mask, i / kind->edges, i % kind->edges);
    return n;
}

static void print_pruned(FILE *out, const struct assay_supernet_kind *k, const uint16_t *before,
                         const uint16_t *after)
{
    bool first = true;
    for (uint32_t e = 0; e < k->edges; e++) {
        const unsigned gone = before[e] & ~(unsigned)after[e];
        if (!gone) continue;
        fprintf(out, "%s %u<-%u", first ? "" : ",", k->to[e], k->from[e]);
        for (uint32_t op = 0; op < k->ops; op++)
            if (gone & 1u << op) fprintf(out, " %s", k->op_name[op]);
        first = false;
    }
}

char *search_pruned_text(const struct assay_supernet_kind *kind,
                         const struct assay_supernet *before, const struct assay_supernet *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    for (uint32_t cell = 0; cell < kind->cells; cell++) {
        if (kind->cells > 1) fprintf(out, "%s%s:", cell ? "; " : " ", kind->cell_name[cell]);
        print_pruned(out, kind, before->alive[cell], after->alive[cell]);
    }
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

int search_need_supernet(const struct assay_space *space, struct assay_err *err)
{
    const struct assay_oneshot_kind *shot = space->kind->oneshot;
    if (space->kind->supernet) return 0;
    if (shot && shot->singular)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search space %s has no supernets, and kappa of its one-shot network "
                             "is infinite: %s",
                             space->kind->name, shot->singular);
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search space %s has no supernets: it cannot be searched",
                         space->kind->name);
}
