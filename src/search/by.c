// SPDX-License-Identifier: Apache-2.0
#include "by.h"

#include <stdlib.h>
#include <string.h>

// ---- columns of metrics -------------------------------------------------------------------------
static const struct assay_metric *metric_of(const char *column, const struct assay_column **which)
{
    for (const struct assay_metric *const *m = assay_metrics; *m; m++) {
        for (uint32_t i = 0; i < (*m)->n_column; i++) {
            *which = &(*m)->column[i];
            if (strcmp((*which)->name, column) == 0) return *m;
        }
    }
    return NULL;
}

// Adds a column to those of the formula, once.
static void add_column(struct search_by *by, const char *name)
{
    const struct assay_column *column;
    const struct assay_metric *metric = metric_of(name, &column);
    ASSAY_ASSERT(metric);
    for (uint32_t i = 0; i < by->n_column; i++)
        if (by->column[i] == column) return;
    by->column[by->n_column] = column;
    by->metric[by->n_column++] = metric;
}

// An error unless all columns of the formula are some metric's, and have a direction.
static int check_columns(const struct assay_score_formula *f, struct assay_err *err)
{
    uint32_t n = 0, index[ASSAY_SCORE_TERMS];
    for (const struct assay_metric *const *m = assay_metrics; *m; m++) n += (*m)->n_column;
    struct assay_score_column *all = calloc(n, sizeof *all);
    if (!all) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for columns");
    n = 0;
    for (const struct assay_metric *const *m = assay_metrics; *m; m++)
        for (uint32_t i = 0; i < (*m)->n_column; i++)
            all[n++] = (struct assay_score_column){.name = (*m)->column[i].name,
                                                   .direction = (*m)->column[i].direction};
    const int status = assay_score_bind(f, all, n, index, err);
    free(all);
    return status;
}

// ---- what decides -------------------------------------------------------------------------------
static int read_sum(struct search_by *by, const char *where, const char *text,
                    struct assay_err *err)
{
    ASSAY_TRY(assay_score_parse(&by->formula, where, text, err));
    ASSAY_TRY(check_columns(&by->formula, err));
    by->sum = true;
    by->direction = by->formula.direction;
    for (uint32_t t = 0; t < by->formula.n_term; t++) add_column(by, by->formula.term[t].column);
    return ASSAY_OK;
}

static int read_column(struct search_by *by, const char *key, const char *name,
                       struct assay_err *err)
{
    const struct assay_column *column;
    name = assay_alias_column(name);
    if (!metric_of(name, &column) || !column->direction)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%s = %.100s: expected a score (`assay list scores`, [score]), "
                             "a column that is better when smaller or larger (`assay list "
                             "metrics`), or a formula of such columns",
                             key, name);
    add_column(by, name);
    by->direction = column->direction;
    return ASSAY_OK;
}

static bool is_word(const char *text)
{
    static const char letters[] = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return strspn(text, letters) == strlen(text);
}

int search_by_read(struct search_by *by, const struct assay_config *config, const char *key,
                   const char *given, struct assay_err *err)
{
    char name[ASSAY_NAME_MAX], text[ASSAY_TEXT_MAX], where[ASSAY_NAME_MAX + 8];
    const struct assay_score *known = assay_score_find(given);
    *by = (struct search_by){0};
    if (known) return read_sum(by, key, known->formula, err);
    for (const char *at = assay_config_score(config)->lines; assay_opts_named(&at, name, text);) {
        if (strcmp(name, given) != 0) continue;
        snprintf(where, sizeof where, "score.%s", name);
        return read_sum(by, where, text, err);
    }
    if (is_word(given)) return read_column(by, key, given, err);
    return read_sum(by, key, given, err);
}

uint32_t search_by_column(const struct search_by *by, const struct assay_score_term *term)
{
    uint32_t i = 0;
    while (strcmp(by->column[i]->name, term->column) != 0) i++;
    return i;
}

static bool needs(const struct search_by *by, const struct assay_metric *metric)
{
    for (uint32_t i = 0; i < by->n_column; i++)
        if (by->metric[i] == metric) return true;
    return false;
}

void search_by_metrics(const struct search_by *by, const struct search_by *more,
                       char list[ASSAY_TEXT_MAX])
{
    size_t n = 0;
    *list = '\0';
    for (const struct assay_metric *const *m = assay_metrics; *m && n < ASSAY_TEXT_MAX; m++)
        if (needs(by, *m) || (more && needs(more, *m)))
            n += (size_t)snprintf(list + n, ASSAY_TEXT_MAX - n, "%s%s", n ? "," : "", (*m)->name);
}
