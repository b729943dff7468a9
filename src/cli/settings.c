// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <stdlib.h>
#include <string.h>

void cli_settings_free(struct cli_settings *settings)
{
    free(settings->item);
    *settings = (struct cli_settings){0};
}

static int settings_grow(struct cli_settings *settings, struct assay_err *err)
{
    if (settings->n < settings->cap) return ASSAY_OK;
    const size_t cap = settings->cap ? 2 * settings->cap : 32;
    struct assay_setting *item = realloc(settings->item, cap * sizeof *item);
    if (!item) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %zu settings", cap);
    settings->item = item;
    settings->cap = cap;
    return ASSAY_OK;
}

static int copy_word(char *to, size_t size, const char *what, const char *from, const char *origin,
                     struct assay_err *err)
{
    if (strlen(from) >= size)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "%s: %s '%.40s...' has %zu bytes, at most %zu",
                             origin, what, from, strlen(from), size - 1);
    strcpy(to, from);
    return ASSAY_OK;
}

int cli_settings_add(struct cli_settings *settings, const char *section, const char *name,
                     const char *value, const char *origin, struct assay_err *err)
{
    ASSAY_TRY(settings_grow(settings, err));
    struct assay_setting *s = &settings->item[settings->n];
    snprintf(s->origin, sizeof s->origin, "%s", origin);
    ASSAY_TRY(copy_word(s->section, sizeof s->section, "section", section, origin, err));
    ASSAY_TRY(copy_word(s->name, sizeof s->name, "key", name, origin, err));
    ASSAY_TRY(copy_word(s->value, sizeof s->value, "value", value, origin, err));
    settings->n++;
    return ASSAY_OK;
}

// ---- INI files --------------------------------------------------------------------------------
struct ini_file {
    const char *name;
    size_t line;
    char section[64];
    struct cli_settings *settings;
    size_t first; // this file's first setting
    struct assay_err *err;
};

static int ini_fail(const struct ini_file *f, const char *what)
{
    return assay_err_set(f->err, ASSAY_ERR_CONFIG, "%s:%zu: %s", f->name, f->line, what);
}

// Takes off the white space around a text.
static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t", text[n - 1])) n--;
    text[n] = 0;
    return text;
}

// Takes off a comment, which begins with a ';' behind white space.
static void cut_comment(char *text)
{
    for (char *at = text; (at = strchr(at, ';')); at++) {
        if (at == text || !strchr(" \t", at[-1])) continue;
        *at = 0;
        return;
    }
}

// A key given twice in one file is a slip whose first value would be lost silently.
static int take_pair(struct ini_file *f, const char *name, const char *value)
{
    char origin[256];
    snprintf(origin, sizeof origin, "%.200s:%zu", f->name, f->line);
    if (!*f->section) return ini_fail(f, "a key stands before the first [section]");
    for (size_t i = f->first; i < f->settings->n; i++) {
        const struct assay_setting *old = &f->settings->item[i];
        if (strcmp(old->section, f->section) == 0 && strcmp(old->name, name) == 0)
            return assay_err_set(f->err, ASSAY_ERR_CONFIG, "%s: %s.%s is given twice, first at %s",
                                 origin, f->section, name, old->origin);
    }
    return cli_settings_add(f->settings, f->section, name, value, origin, f->err);
}

static int take_section(struct ini_file *f, char *name)
{
    const size_t n = strcspn(name, "]");
    if (!name[n] || name[n + 1]) return ini_fail(f, "expected [section]");
    name[n] = 0;
    if (n == 0 || n >= sizeof f->section)
        return ini_fail(f, n ? "no section has so long a name" : "a section without a name");
    strcpy(f->section, name);
    return ASSAY_OK;
}

// Elsewhere an indented line continues the value above; here no value has several lines.
static int take_line(struct ini_file *f, char *text)
{
    const bool indented = strspn(text, " \t") > 0;
    cut_comment(text);
    text = trim(text);
    if (!*text || strchr(";#", *text)) return ASSAY_OK;
    if (indented) return ini_fail(f, "a key or section must start at the beginning of its line");
    if (*text == '[') return take_section(f, text + 1);
    char *value = text + strcspn(text, "=:");
    if (!*value || value == text)
        return ini_fail(f, "expected [section], key = value, or a comment");
    *value++ = 0;
    return take_pair(f, trim(text), trim(value));
}

static int read_file(struct cli_settings *settings, const char *file, struct assay_err *err)
{
    struct ini_file f = {.name = file, .settings = settings, .first = settings->n, .err = err};
    char *text, *line;
    int status = ASSAY_OK;
    ASSAY_TRY(assay_text_read(&text, file, file, "a configuration file", err));
    for (char *rest = text; status >= 0 && (line = assay_text_line(&rest)) != NULL;) {
        f.line++;
        status = take_line(&f, line);
    }
    free(text);
    return status;
}

int cli_settings_read(struct cli_settings *settings, const char *file, const struct cli_args *args,
                      struct assay_err *err)
{
    char path[CLI_PATH_MAX];
    if (!cli_config_installed(file, path, sizeof path)) {
        const int status = read_file(settings, file, err);
        return status == ASSAY_ERR_IO ? cli_config_missing(file, status, err) : status;
    }
    const bool first = !args->comm || assay_comm_rank(args->comm) == 0;
    if (first && !cli_flag(args, "quiet")) assay_print_line(stderr, "assay: reading %s", path);
    return read_file(settings, path, err);
}

// ---- --set ------------------------------------------------------------------------------------
// Adds a setting from the text "section.key=value".
static int add_set(struct cli_settings *settings, const char *text, struct assay_err *err)
{
    const size_t n_section = strcspn(text, ".="), n = strcspn(text, "=");
    if (n_section == 0 || text[n_section] != '.' || n == n_section + 1 || text[n] != '=')
        return assay_err_set(err, ASSAY_ERR_USAGE, "--set '%.200s': expected SECTION.KEY=VALUE",
                             text);
    char section[64], name[64];
    if (n_section >= sizeof section || n - n_section > sizeof name)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "--set '%.200s': no key is that long", text);
    snprintf(section, sizeof section, "%.*s", (int)n_section, text);
    snprintf(name, sizeof name, "%.*s", (int)(n - n_section - 1), text + n_section + 1);
    return cli_settings_add(settings, section, name, text + n + 1, "--set", err);
}

int cli_settings_set(struct cli_settings *settings, const struct cli_args *args,
                     struct assay_err *err)
{
    for (size_t i = 0; i < args->n_given; i++) {
        if (strcmp(args->given[i].option->name, "set") == 0)
            ASSAY_TRY(add_set(settings, args->given[i].value, err));
    }
    return ASSAY_OK;
}

// ---- options that are short for a key ---------------------------------------------------------
static const struct {
    const char *option, *section, *key;
} short_for[] = {
    {"first", "candidates", "first"},   {"count", "candidates", "count"},
    {"sample", "candidates", "sample"}, {"seed", "candidates", "seed"},
    {"archs", "candidates", "archs"},   {"shard", "candidates", "shard"},
    {"metrics", "run", "metrics"},      {"members", "run", "members"},
    {"memory", "run", "memory"},        {"channels", "network", "channels"},
    {"cells", "network", "cells"},      {"classes", "network", "classes"},
    {"image", "network", "image"},
};

int cli_settings_short(struct cli_settings *settings, const struct cli_args *args,
                       struct assay_err *err)
{
    for (size_t i = 0; i < ASSAY_LEN(short_for); i++) {
        if (!cli_flag(args, short_for[i].option)) continue;
        const char *value = cli_value(args, short_for[i].option);
        char origin[32];
        snprintf(origin, sizeof origin, "--%s", short_for[i].option);
        ASSAY_TRY(cli_settings_add(settings, short_for[i].section, short_for[i].key,
                                   value ? value : "true", origin, err));
    }
    return ASSAY_OK;
}

// ---- whose fault an error is ------------------------------------------------------------------
// Whether "section.key" is a word of the text.
static bool names(const char *text, const char *section, const char *key)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    char word[160];
    const int n = snprintf(word, sizeof word, "%s.%s", section, key);
    for (const char *at = text; (at = strstr(at, word)); at += n)
        if (!at[n] || !strchr(letters, at[n])) return true;
    return false;
}

static int gather_words(struct cli_settings *settings, const struct cli_args *args)
{
    struct assay_err ignored;
    ASSAY_TRY(cli_settings_set(settings, args, &ignored));
    return cli_settings_short(settings, args, &ignored);
}

// Whether the error is about the file: a value in it may be wrong though the command line stands
// over it.
static bool is_of_file(const struct cli_args *args, const char *text)
{
    const char *config = cli_value(args, "config");
    const char *file = config || args->n_position == 0 ? config : args->position[0];
    char path[CLI_PATH_MAX];
    if (file && cli_config_installed(file, path, sizeof path)) file = path;
    const size_t n = file ? strlen(file) : 0;
    return n && strncmp(text, file, n) == 0 && text[n] == ':';
}

int cli_blame(const struct cli_args *args, int status, struct assay_err *err)
{
    struct cli_settings settings = {0};
    if (status != ASSAY_ERR_CONFIG || is_of_file(args, err->text)) return status;
    const bool whole = gather_words(&settings, args) >= 0;
    bool named = !whole; // otherwise a word is no setting at all
    for (size_t i = 0; i < settings.n; i++)
        named |= names(err->text, settings.item[i].section, settings.item[i].name);
    cli_settings_free(&settings);
    return named ? cli_usage(status, err) : status;
}

int cli_usage(int status, struct assay_err *err)
{
    const bool wrong = status == ASSAY_ERR_CONFIG || status == ASSAY_ERR_INPUT;
    return wrong ? assay_err_set(err, ASSAY_ERR_USAGE, "%s", err->text) : status;
}

static int config_gather(struct cli_settings *settings, const char *file,
                         const struct cli_args *args, struct assay_err *err)
{
    if (file) ASSAY_TRY(cli_settings_read(settings, file, args, err));
    return cli_settings_set(settings, args, err);
}

int cli_config(struct assay_config *config, const char *file, const struct cli_args *args,
               struct assay_err *err)
{
    struct cli_settings settings = {0};
    int status = config_gather(&settings, file, args, err);
    if (status >= 0)
        status = assay_config_resolve(config, cli_vocabulary(), settings.item, settings.n, err);
    cli_settings_free(&settings);
    return status;
}
