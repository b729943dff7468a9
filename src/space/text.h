// SPDX-License-Identifier: Apache-2.0
// Reading a text character by character, with errors that say what was found where.
#ifndef ASSAY_SRC_SPACE_TEXT_H
#define ASSAY_SRC_SPACE_TEXT_H

#include "assay/base.h"

struct space_text {
    const char *what;      // opens the error text ("NAS-Bench-201 architecture")
    const char *text, *at; // the whole, and what is not read yet
    struct assay_err *err;
    bool other; // it is another encoding of the architecture read than the one that is built
};

bool space_text_is_word(char c); // letters, digits and _
// Length of the word at the position, 0 when there is none.
size_t space_text_word(const struct space_text *t);
// Skips white space, and what stands behind a '#'.
void space_text_skip_blank(struct space_text *t);
// Fails with "WHAT: found X at character N, expected ...", where X is the word at the position,
// made printable. Where the text has several lines, it also says in which of them.
int space_text_fail(const struct space_text *t, const char *expected);
// Reads the character c, and white space around it.
int space_text_expect(struct space_text *t, char c, const char *expected);
// Reads one of the names [first, n) and gives its number; fails with `expected`.
int space_text_name(struct space_text *t, const char *const *name, uint32_t first, uint32_t n,
                    const char *expected, uint32_t *number);

// Takes off, in place, what programs and logs put around a value: white space; "NAME =", "arch:" or
// "'arch':" before it; quotes; a comma or semicolon behind it. Returns where the value begins. A
// bracket, a quote and a bar are no part of a name before it, nor is a word that begins with one of
// the characters `begins` (NULL: none).
char *space_text_unwrap(char *text, const char *begins);

#endif
