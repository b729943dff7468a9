// SPDX-License-Identifier: Apache-2.0
// A configuration as text, and the way back.
#include "assay/config.h"

#include <stdlib.h>
#include <string.h>

// ---- writing ----------------------------------------------------------------------------------
static char *format(const struct assay_opt *key, const struct assay_config *config)
{
    const size_t n = assay_opts_format(key, config->block, NULL, 0) + 1;
    char *text = malloc(n);
    if (text) assay_opts_format(key, config->block, text, n);
    return text;
}

char *assay_config_text(const struct assay_config *config)
{
    return format(config->vocabulary->key, config);
}

static bool has_default(const struct assay_config *config, const struct assay_opt *opt)
{
    char value[ASSAY_TEXT_MAX];
    assay_opts_value(opt, config->block, value, sizeof value);
    return strcmp(value, opt->def) == 0;
}

static bool is_mentioned(const struct assay_config *config, const struct assay_opt *opt,
                         const char *job)
{
    if (opt->role != ASSAY_OPT_NUMBERS) return false;
    if (opt->job && strcmp(opt->job, job) != 0) return false;
    if (!opt->with) return true;
    const struct assay_opt *with =
        assay_opts_find(config->vocabulary->key, opt->section, opt->with);
    ASSAY_ASSERT(with);
    return !has_default(config, with);
}

char *assay_config_identity(const struct assay_config *config, const char *job)
{
    const struct assay_vocabulary *v = config->vocabulary;
    struct assay_opt *key = calloc(v->n_key + 1, sizeof *key);
    size_t n = 0;
    if (!key) return NULL;
    for (size_t i = 0; i < v->n_key; i++)
        if (is_mentioned(config, &v->key[i], job)) key[n++] = v->key[i];
    char *text = format(key, config);
    free(key);
    return text;
}

// ---- reading ----------------------------------------------------------------------------------
// Reads one line of the form that assay_opts_format writes; a section's name stays in *section.
static int parse_line(char *line, char section[64], struct assay_setting *setting, bool *is_setting,
                      struct assay_err *err)
{
    char *value = strstr(line, " =");

    *is_setting = false;
    if (!*line || *line == '#') return 0;
    if (sscanf(line, "[%63[^]]]", section) == 1) return 0;
    if (!value || (size_t)(value - line) >= sizeof setting->name ||
        strlen(value) >= sizeof setting->value)
        return assay_err_set(err, ASSAY_ERR_INPUT, "'%.100s' is no line of a configuration", line);
    *value = '\0';
    value += 2 + (value[2] == ' ');
    strcpy(setting->section, section);
    strcpy(setting->name, line);
    strcpy(setting->value, value);
    strcpy(setting->origin, "stored configuration");
    *is_setting = true;
    return 0;
}

static int parse(struct assay_setting *setting, size_t *n, char *text, struct assay_err *err)
{
    char section[64] = "", *rest = text;

    *n = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        bool is_setting;
        ASSAY_TRY(parse_line(line, section, &setting[*n], &is_setting, err));
        *n += is_setting;
    }
    return 0;
}

int assay_config_parse(struct assay_config *config, const struct assay_vocabulary *vocabulary,
                       const char *text, struct assay_err *err)
{
    size_t n = 1;

    for (const char *at = text; *at; at++) n += *at == '\n';
    struct assay_setting *setting = malloc(n * sizeof *setting);
    char *copy = strdup(text);
    int status = setting && copy ? parse(setting, &n, copy, err)
                                 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for settings");
    if (!status) status = assay_config_resolve(config, vocabulary, setting, n, err);
    free(copy);
    free(setting);
    return status;
}
