// SPDX-License-Identifier: Apache-2.0
// Scores of a sweep: those that papers have named, and those of the configuration.
#include "run.h"

#include <string.h>

// ---- the configuration --------------------------------------------------------------------------
static int parse(struct assay_score_formula *formula, const char *name, const char *text,
                 struct assay_err *err)
{
    char where[sizeof formula->where];

    snprintf(where, sizeof where, "score.%s", name);
    return assay_score_parse(formula, where, text, err);
}

static bool is_column(const char *name)
{
    name = assay_alias_column(name);
    for (const struct assay_metric *const *m = assay_metrics; *m; m++)
        for (uint32_t i = 0; i < (*m)->n_column; i++)
            if (strcmp((*m)->column[i].name, name) == 0) return true;
    return false;
}

static int check_name(const char *name, struct assay_err *err)
{
    const bool known = assay_score_find(name);

    if (!known && !is_column(name) && !assay_results_reserve(name)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG, "score.%s: expected a new name: %s", name,
                         known ? "`assay list scores` has one of this name"
                               : "results have another column of this name");
}

int sweep_scores_check(const struct assay_config *config, struct assay_err *err)
{
    char name[ASSAY_NAME_MAX], text[ASSAY_TEXT_MAX];

    for (const char *at = assay_config_score(config)->lines; assay_opts_named(&at, name, text);) {
        struct assay_score_formula formula;
        ASSAY_TRY(check_name(name, err));
        ASSAY_TRY(parse(&formula, name, text, err));
    }
    return ASSAY_OK;
}

static uint32_t count_configured(const struct assay_config *config)
{
    char name[ASSAY_NAME_MAX], text[ASSAY_TEXT_MAX];
    uint32_t n = 0;

    for (const char *at = assay_config_score(config)->lines; assay_opts_named(&at, name, text);)
        n++;
    return n;
}

// ---- of given columns ---------------------------------------------------------------------------
struct maker {
    struct assay_score_column *column; // those that exist so far, scores included
    uint32_t n_column;
    struct assay_score *score;
    uint32_t n_score;
    struct assay_arena *arena;
    struct assay_err *err;
};

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for scores");
}

static void add_columns(struct maker *m, const struct assay_column *column, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        m->column[m->n_column++] =
            (struct assay_score_column){.name = column[i].name, .direction = column[i].direction};
}

static void add_score(struct maker *m, const struct assay_score *score, int direction)
{
    const struct assay_column column = {.name = score->name, .direction = direction};

    m->score[m->n_score++] = *score;
    add_columns(m, &column, 1);
}

// Adds the scores that papers have named, where there are columns for them.
static void add_known(struct maker *m)
{
    for (const struct assay_score *s = assay_scores; s->name; s++) {
        struct assay_score_formula formula;
        uint32_t index[ASSAY_SCORE_TERMS];
        if (parse(&formula, s->name, s->formula, NULL) >= 0 &&
            assay_score_bind(&formula, m->column, m->n_column, index, NULL) >= 0)
            add_score(m, s, formula.direction);
    }
}

static const char *keep(struct maker *m, const char *text)
{
    char *copy = assay_arena_alloc(m->arena, strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

static int add_configured(struct maker *m, const char *name, const char *text)
{
    struct assay_score_formula formula;
    uint32_t index[ASSAY_SCORE_TERMS];

    ASSAY_TRY(parse(&formula, name, text, m->err));
    ASSAY_TRY(assay_score_bind(&formula, m->column, m->n_column, index, m->err));
    const struct assay_score score = {.name = keep(m, name),
                                      .formula = keep(m, text),
                                      .unit = assay_score_unit(&formula),
                                      .source = "[score] of the configuration: a sum of weighted "
                                                "ranks among these rows",
                                      .protocol = keep(m, text)};
    if (!score.name || !score.formula || !score.protocol) return no_memory(m->err);
    add_score(m, &score, formula.direction);
    return ASSAY_OK;
}

int sweep_scores_make(struct sweep_scores *scores, const struct assay_config *config,
                      const struct assay_schema *schema, const struct assay_columns *counted,
                      struct assay_arena *arena, struct assay_err *err)
{
    char name[ASSAY_NAME_MAX], text[ASSAY_TEXT_MAX];
    uint32_t n = count_configured(config);
    struct maker m = {.arena = arena, .err = err};

    for (const struct assay_score *s = assay_scores; s->name; s++) n++;
    m.score = assay_arena_alloc(arena, n * sizeof *m.score);
    n += schema->n_column + counted->n_column;
    m.column = assay_arena_alloc(arena, n * sizeof *m.column);
    if (!m.score || !m.column) return no_memory(err);
    add_columns(&m, schema->column, schema->n_column);
    add_columns(&m, counted->column, counted->n_column);
    add_known(&m);
    for (const char *at = assay_config_score(config)->lines; assay_opts_named(&at, name, text);)
        ASSAY_TRY(add_configured(&m, name, text));
    *scores = (struct sweep_scores){.item = m.score, .n = m.n_score};
    return ASSAY_OK;
}

int sweep_scores_fit(const struct assay_config *config, const struct assay_schema *schema,
                     const struct assay_columns *counted, uint32_t *n, struct assay_err *err)
{
    struct assay_arena arena = {0};
    struct sweep_scores made = {.n = 0};

    const int status = sweep_scores_make(&made, config, schema, counted, &arena, err);
    *n = made.n;
    assay_arena_finish(&arena);
    return status;
}
