// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <ctype.h>
#include <string.h>

bool space_text_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

size_t space_text_word(const struct space_text *t)
{
    size_t len = 0;
    while (space_text_is_word(t->at[len])) len++;
    return len;
}

void space_text_skip_blank(struct space_text *t)
{
    for (;; t->at += strcspn(t->at, "\r\n")) {
        while (isspace((unsigned char)*t->at)) t->at++;
        if (*t->at != '#') return;
    }
}

// Says where: "at character 3", or "at character 3 of its line 2" where the text has several.
static void say_where(const struct space_text *t, char *where, size_t cap)
{
    const char *begin = t->text;
    size_t line = 1;
    for (const char *c = t->text; c < t->at; c++) {
        if (*c != '\n') continue;
        begin = c + 1;
        line++;
    }
    const int n = snprintf(where, cap, "at character %td", t->at - begin + 1);
    if (line > 1) snprintf(where + n, cap - (size_t)n, " of its line %zu", line);
}

int space_text_fail(const struct space_text *t, const char *expected)
{
    char found[64] = "the end";
    const size_t len = isalnum((unsigned char)*t->at) ? space_text_word(t) : 1;
    size_t n = 0;
    if (*t->at) found[n++] = '\'';
    for (size_t i = 0; *t->at && i < len && n + 8 < sizeof found; i++) {
        const unsigned char c = (unsigned char)t->at[i];
        n += (size_t)snprintf(found + n, sizeof found - n, isprint(c) ? "%c" : "\\x%02x", c);
    }
    if (*t->at) snprintf(found + n, sizeof found - n, "'");
    char where[80];
    say_where(t, where, sizeof where);
    return assay_err_set(t->err, ASSAY_ERR_INPUT, "%s: found %s %s, expected %s", t->what, found,
                         where, expected);
}

int space_text_expect(struct space_text *t, char c, const char *expected)
{
    space_text_skip_blank(t);
    if (*t->at != c) return space_text_fail(t, expected);
    t->at++;
    space_text_skip_blank(t);
    return ASSAY_OK;
}

int space_text_name(struct space_text *t, const char *const *name, uint32_t first, uint32_t n,
                    const char *expected, uint32_t *number)
{
    const size_t len = space_text_word(t);
    for (uint32_t i = first; i < n; i++) {
        if (strlen(name[i]) != len || memcmp(t->at, name[i], len) != 0) continue;
        t->at += len;
        *number = i;
        return ASSAY_OK;
    }
    return space_text_fail(t, expected);
}

// ---- what stands around a value -----------------------------------------------------------------
static char *skip_blank(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return text;
}

static void trim_end(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    text[n] = 0;
}

// Whether a value may begin at character i.
static bool is_begin(const char *text, size_t i, const char *begins)
{
    if (strchr("([{'\"|", text[i])) return true;
    return begins && strchr(begins, text[i]) && (i == 0 || !space_text_is_word(text[i - 1]));
}

// The place behind "'key':", or behind the last '=' or ':' that stands before the first character
// of a value.
static char *skip_label(char *text, const char *begins)
{
    const char *quoted = *text && strchr("'\"", *text) ? strchr(text + 1, *text) : NULL;
    char *behind = quoted ? skip_blank(text + (quoted - text) + 1) : NULL;
    if (behind && *behind && strchr(":=", *behind)) return skip_blank(behind + 1);
    char *value = text;
    for (size_t i = 0; text[i] && !is_begin(text, i, begins); i++)
        if (strchr(":=", text[i])) value = text + i + 1;
    return skip_blank(value);
}

char *space_text_unwrap(char *text, const char *begins)
{
    text = skip_blank(text);
    trim_end(text);
    size_t n = strlen(text);
    if (n > 1 && strchr(",;", text[n - 1])) text[n - 1] = 0;
    trim_end(text);
    text = skip_label(text, begins);
    char *inner = text + (*text && strchr("bBuU", *text) && text[1] && strchr("'\"", text[1]));
    n = strlen(inner);
    if (n < 2 || !strchr("'\"", *inner) || strchr(inner + 1, *inner) != inner + n - 1) return text;
    inner[n - 1] = 0;
    trim_end(inner);
    return skip_blank(inner + 1);
}
