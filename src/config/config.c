// SPDX-License-Identifier: Apache-2.0
#include "assay/config.h"

#include <string.h>

// ---- access -----------------------------------------------------------------------------------
static size_t place_of(const struct assay_vocabulary *v, const struct assay_options *table)
{
    size_t i = 0;
    while (i < v->n_table && v->table[i] != table) i++;
    ASSAY_ASSERT(i < v->n_table);
    return v->at[i];
}

const void *assay_config_get(const struct assay_config *config, const struct assay_options *table)
{
    return config->block + place_of(config->vocabulary, table);
}

void *assay_config_edit(struct assay_config *config, const struct assay_options *table)
{
    return config->block + place_of(config->vocabulary, table);
}

// ---- lists of values --------------------------------------------------------------------------
static bool counts(const struct assay_config_value *v, const char *where)
{
    return !v->where || strcmp(v->where, where) == 0;
}

int assay_config_apply(struct assay_config *config, const struct assay_config_value *value,
                       const char *where, const char *origin, struct assay_err *err)
{
    for (const struct assay_config_value *v = value; v->section; v++) {
        if (!counts(v, where)) continue;
        ASSAY_TRY(assay_opts_set(config->vocabulary->key, config->block, v->section, v->name,
                                 v->value, origin, err));
    }
    return ASSAY_OK;
}

bool assay_config_has(const struct assay_config *config, const struct assay_config_value *value,
                      const char *where, const char *but)
{
    for (const struct assay_config_value *v = value; v->section; v++) {
        if (strcmp(v->name, but) == 0 || !counts(v, where)) continue;
        char text[ASSAY_TEXT_MAX];
        assay_opts_value(assay_opts_find(config->vocabulary->key, v->section, v->name),
                         config->block, text, sizeof text);
        if (strcmp(text, v->value) != 0) return false;
    }
    return true;
}

// ---- resolve ----------------------------------------------------------------------------------
static int apply(struct assay_config *c, const struct assay_setting *s, struct assay_err *err)
{
    return assay_opts_set(c->vocabulary->key, c->block, s->section, s->name, s->value, s->origin,
                          err);
}

// Applies every setting of the source's key, of which the last one stands.
static int apply_source(struct assay_config *c, const struct assay_config_source *source,
                        const struct assay_setting *setting, size_t n, struct assay_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(setting[i].section, source->section) == 0 &&
            strcmp(setting[i].name, source->name) == 0)
            ASSAY_TRY(apply(c, &setting[i], err));
    }
    return ASSAY_OK;
}

int assay_config_resolve(struct assay_config *config, const struct assay_vocabulary *vocabulary,
                         const struct assay_setting *setting, size_t n, struct assay_err *err)
{
    const struct assay_vocabulary *v = vocabulary;
    struct assay_config c = {.vocabulary = v};
    assay_opts_defaults(v->key, c.block);
    for (size_t i = 0; i < v->n_source; i++)
        ASSAY_TRY(apply_source(&c, v->source[i], setting, n, err));
    for (size_t i = 0; i < v->n_source; i++) ASSAY_TRY(v->source[i]->bring(&c, err));
    for (size_t i = 0; i < n; i++) ASSAY_TRY(apply(&c, &setting[i], err));
    for (size_t i = 0; i < v->n_check; i++) ASSAY_TRY(v->check[i](&c, err));
    *config = c;
    return ASSAY_OK;
}
