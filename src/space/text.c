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
    while (isspace((unsigned char)*t->at)) t->at++;
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
    return assay_err_set(t->err, ASSAY_ERR_INPUT, "%s: found %s at character %td, expected %s",
                         t->what, found, t->at - t->text + 1, expected);
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
