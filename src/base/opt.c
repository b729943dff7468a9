// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// One value on its way into a field.
struct setting {
    const struct assay_opt *opt;
    const char *name, *value, *origin; // name: the row's own, or of NAMED the user's
    struct assay_err *err;
};

static size_t text_size(const struct assay_opt *opt)
{
    return opt->max > 0 ? (size_t)opt->max : ASSAY_TEXT_MAX;
}

static int refuse(const struct setting *s, const char *expected)
{
    return assay_err_set(s->err, ASSAY_ERR_CONFIG, "%s: %s.%s = '%.200s': expected %s", s->origin,
                         s->opt->section, s->name, s->value, expected);
}

// Says what was expected: "a number of 32 or more", "a whole number from 1 to 64".
static int refuse_number(const struct setting *s, const char *kind)
{
    char expected[128];
    const double lo = s->opt->min, hi = s->opt->max;
    if (hi < 1e15)
        snprintf(expected, sizeof expected, "%s from %.15g to %.15g", kind, lo, hi);
    else
        snprintf(expected, sizeof expected, "%s of %.15g or more", kind, lo);
    return refuse(s, expected);
}

static int set_u64(const struct setting *s, uint64_t *field)
{
    static const char kind[] = "a whole number";
    const size_t n = strlen(s->value);
    if (n == 0 || strspn(s->value, "0123456789") != n) return refuse_number(s, kind);
    errno = 0;
    const uint64_t x = strtoull(s->value, NULL, 10);
    if (errno || (double)x < s->opt->min || (double)x > s->opt->max) return refuse_number(s, kind);
    *field = x;
    return ASSAY_OK;
}

static int set_f64(const struct setting *s, double *field)
{
    static const char kind[] = "a number";
    char *end;
    const double x = strtod(s->value, &end);
    if (end == s->value || *end) return refuse_number(s, kind);
    if (!isfinite(x) || x < s->opt->min || x > s->opt->max) return refuse_number(s, kind);
    *field = x;
    return ASSAY_OK;
}

static int set_bool(const struct setting *s, bool *field)
{
    static const char *const word[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (unsigned i = 0; i < ASSAY_LEN(word); i++) {
        if (strcmp(s->value, word[i]) == 0) {
            *field = i & 1;
            return ASSAY_OK;
        }
    }
    return refuse(s, "true or false");
}

// The number of value among "first|second|third", or -1.
static int choice_index(const char *choices, const char *value)
{
    const size_t n = strlen(value);
    const char *at = choices;
    for (int i = 0;; i++) {
        const size_t len = strcspn(at, "|");
        if (len == n && memcmp(at, value, n) == 0) return i;
        if (!at[len]) return -1;
        at += len + 1;
    }
}

static int refuse_choice(const struct setting *s)
{
    char expected[512];
    snprintf(expected, sizeof expected, "one of %s", s->opt->choices);
    return refuse(s, expected);
}

static int set_enum(const struct setting *s, int *field)
{
    const int i = choice_index(s->opt->choices, s->value);
    if (i < 0) return refuse_choice(s);
    *field = i;
    return ASSAY_OK;
}

// Whether an INI line can carry the text; others are not accepted, so that a formatted object reads
// back the same.
static bool text_is_plain(const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 127) return false;
        if (c == ';' && (i == 0 || text[i - 1] == ' ')) return false;
    }
    return n == 0 || (text[0] != ' ' && text[n - 1] != ' ');
}

#define PLAIN "text without control characters, ' ;' or blanks at its ends"

static int set_text(const struct setting *s, char *field)
{
    const size_t n = strlen(s->value), size = text_size(s->opt);
    if (s->opt->choices && choice_index(s->opt->choices, s->value) < 0) return refuse_choice(s);
    if (n >= size) {
        char expected[64];
        snprintf(expected, sizeof expected, "at most %zu bytes, not %zu", size - 1, n);
        return refuse(s, expected);
    }
    if (!text_is_plain(s->value)) return refuse(s, PLAIN);
    memcpy(field, s->value, n + 1);
    return ASSAY_OK;
}

// ---- keys that the user names -------------------------------------------------------------------
#define NAMED_LINE (ASSAY_NAME_MAX + ASSAY_TEXT_MAX + sizeof " = \n")

bool assay_opts_named(const char **at, char name[ASSAY_NAME_MAX], char value[ASSAY_TEXT_MAX])
{
    const char *line = *at, *from = strstr(line, " = "), *end = strchr(line, '\n');
    if (!from || !end) return false;
    snprintf(name, ASSAY_NAME_MAX, "%.*s", (int)(from - line), line);
    from += strlen(" = ");
    snprintf(value, ASSAY_TEXT_MAX, "%.*s", (int)(end - from), from);
    *at = end + 1;
    return true;
}

static bool is_name(const char *text)
{
    static const char digits[] = "0123456789";
    static const char known[] = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const size_t n = strlen(text);
    return n && n < ASSAY_NAME_MAX && strspn(text, known) == n && !strchr(digits, text[0]);
}

// Puts a line behind the n bytes of the text, where there is room for it; returns how many there
// are then.
static size_t put_line(char *text, size_t cap, size_t n, const char *name, const char *value)
{
    return *value ? n + (size_t)snprintf(text + n, cap - n, "%s = %s\n", name, value) : n;
}

static int check_named(const struct setting *s)
{
    if (!is_name(s->name))
        return assay_err_set(s->err, ASSAY_ERR_CONFIG,
                             "%s: %s.%.100s: expected a name of letters, digits and underscores, "
                             "at most %d, no digit first",
                             s->origin, s->opt->section, s->name, ASSAY_NAME_MAX - 1);
    if (!text_is_plain(s->value)) return refuse(s, PLAIN);
    return strlen(s->value) < ASSAY_TEXT_MAX ? ASSAY_OK : refuse(s, "a shorter text");
}

static int set_named(const struct setting *s, char *field)
{
    char text[ASSAY_TEXT_MAX + NAMED_LINE], name[ASSAY_NAME_MAX], value[ASSAY_TEXT_MAX];
    size_t n = 0;
    bool placed = false;
    ASSAY_TRY(check_named(s));
    text[0] = '\0';
    for (const char *at = field; assay_opts_named(&at, name, value);) {
        const bool same = strcmp(name, s->name) == 0;
        n = put_line(text, sizeof text, n, name, same ? s->value : value);
        placed |= same;
    }
    if (!placed) n = put_line(text, sizeof text, n, s->name, s->value);
    if (n >= ASSAY_TEXT_MAX) {
        char expected[96];
        snprintf(expected, sizeof expected, "at most %d bytes in all lines of [%s], not %zu",
                 ASSAY_TEXT_MAX - 1, s->opt->section, n);
        return refuse(s, expected);
    }
    memcpy(field, text, n);
    field[n] = '\0';
    return ASSAY_OK;
}

// ---- any key ------------------------------------------------------------------------------------

static int set_field(const struct setting *s, void *object)
{
    void *field = (char *)object + s->opt->offset;
    switch (s->opt->type) {
    case ASSAY_OPT_U64:
        return set_u64(s, field);
    case ASSAY_OPT_F64:
        return set_f64(s, field);
    case ASSAY_OPT_BOOL:
        return set_bool(s, field);
    case ASSAY_OPT_ENUM:
        return set_enum(s, field);
    case ASSAY_OPT_TEXT:
        return set_text(s, field);
    case ASSAY_OPT_NAMED:
        return set_named(s, field);
    }
    assay_bug(__FILE__, __LINE__, "option type");
}

const struct assay_opt *assay_opts_find(const struct assay_opt *table, const char *section,
                                        const char *name)
{
    for (const struct assay_opt *opt = table; opt->name; opt++) {
        const bool any = opt->type == ASSAY_OPT_NAMED;
        if (strcmp(opt->section, section) == 0 && (any || strcmp(opt->name, name) == 0)) return opt;
    }
    return NULL;
}

static int refuse_key(const struct assay_opt *table, const char *section, const char *name,
                      const char *origin, struct assay_err *err)
{
    char given[256], known[256];
    snprintf(given, sizeof given, "%.100s.%.100s", section, name);
    const struct assay_opt *best = NULL;
    unsigned distance = assay_word_near(given) + 1;
    for (const struct assay_opt *opt = table; opt->name; opt++) {
        snprintf(known, sizeof known, "%s.%s", opt->section, opt->name);
        const unsigned d = assay_word_distance(given, known);
        if (d >= distance) continue;
        best = opt;
        distance = d;
    }
    if (!best)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%s: unknown key %s (`assay list options` shows all)", origin, given);
    return assay_err_set(err, ASSAY_ERR_CONFIG, "%s: unknown key %s; did you mean %s.%s?", origin,
                         given, best->section, best->name);
}

int assay_opts_set(const struct assay_opt *table, void *object, const char *section,
                   const char *name, const char *value, const char *origin, struct assay_err *err)
{
    const struct assay_opt *opt = assay_opts_find(table, section, name);
    if (!opt) return refuse_key(table, section, name, origin, err);
    const struct setting s = {
        .opt = opt, .name = name, .value = value, .origin = origin, .err = err};
    return set_field(&s, object);
}

void assay_opts_defaults(const struct assay_opt *table, void *object)
{
    for (const struct assay_opt *opt = table; opt->name; opt++) {
        struct assay_err err = {0};
        const struct setting s = {
            .opt = opt, .name = opt->name, .value = opt->def, .origin = "default", .err = &err};
        if (opt->type == ASSAY_OPT_NAMED) *((char *)object + opt->offset) = '\0';
        if (set_field(&s, object) < 0) assay_bug(__FILE__, __LINE__, err.text);
    }
}

// Prints %.15g where that reads back the same, and otherwise all 17 digits.
static void format_f64(double x, char *text, size_t cap)
{
    snprintf(text, cap, "%.15g", x);
    if (strtod(text, NULL) != x) snprintf(text, cap, "%.17g", x);
}

static void format_choice(const char *choices, int i, char *text, size_t cap)
{
    for (; i > 0; i--) choices += strcspn(choices, "|") + 1;
    snprintf(text, cap, "%.*s", (int)strcspn(choices, "|"), choices);
}

void assay_opts_value(const struct assay_opt *opt, const void *object, char *text, size_t cap)
{
    const void *field = (const char *)object + opt->offset;
    switch (opt->type) {
    case ASSAY_OPT_U64:
        snprintf(text, cap, "%" PRIu64, *(const uint64_t *)field);
        break;
    case ASSAY_OPT_F64:
        format_f64(*(const double *)field, text, cap);
        break;
    case ASSAY_OPT_BOOL:
        snprintf(text, cap, "%s", *(const bool *)field ? "true" : "false");
        break;
    case ASSAY_OPT_ENUM:
        format_choice(opt->choices, *(const int *)field, text, cap);
        break;
    case ASSAY_OPT_TEXT:
    case ASSAY_OPT_NAMED:
        snprintf(text, cap, "%s", (const char *)field);
        break;
    }
}

// Puts the text behind the n bytes that are there, as far as it fits; returns how many there would
// be.
static size_t append(char *text, size_t cap, size_t n, const char *more)
{
    return n + (size_t)snprintf(n < cap ? text + n : NULL, n < cap ? cap - n : 0, "%s", more);
}

size_t assay_opts_format(const struct assay_opt *table, const void *object, char *text, size_t cap)
{
    size_t n = 0;
    const char *section = "";
    for (const struct assay_opt *opt = table; opt->name; opt++) {
        char value[ASSAY_TEXT_MAX], line[NAMED_LINE];
        const bool named = opt->type == ASSAY_OPT_NAMED;
        assay_opts_value(opt, object, value, sizeof value);
        if (named && !*value) continue;
        if (strcmp(section, opt->section) != 0) {
            snprintf(line, sizeof line, "%s[%s]\n", n ? "\n" : "", opt->section);
            n = append(text, cap, n, line);
            section = opt->section;
        }
        snprintf(line, sizeof line, "%s = %s\n", opt->name, value);
        n = append(text, cap, n, named ? value : line);
    }
    return n;
}
