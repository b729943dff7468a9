// SPDX-License-Identifier: Apache-2.0
// Values as Python and JSON write them: numbers, texts, names, lists and tuples, dictionaries,
// calls.
#ifndef ASSAY_SRC_SPACE_LITERAL_H
#define ASSAY_SRC_SPACE_LITERAL_H

#include "text.h"

enum literal_kind {
    LITERAL_NUMBER, // a natural one, or one with a sign
    LITERAL_TEXT,   // in quotes
    LITERAL_NAME,
    LITERAL_LIST, // or tuple
    LITERAL_DICT,
    LITERAL_CALL
};

// A value, whose words are a piece of the text that it was read from.
struct literal {
    enum literal_kind kind;
    const char *at;  // where it stands; of a text: behind the quote; of a name: its last part
    size_t length;   // of a text, name, or call's name
    const char *key; // of a dictionary's member, or a call's keyword; NULL: it has none
    size_t key_length;
    uint32_t number, n;           // number: -1 is UINT32_MAX, and so on; n: members
    struct literal *first, *last; // members
    struct literal *next;         // member of the same value
};

#define LITERALS_MAX 512
struct literals {
    uint32_t n;
    struct literal item[LITERALS_MAX];
};

// Whether a text begins as a list, a dictionary or a call does: "word(" or "module.word(".
bool literal_begins(const struct space_text *t);
// Reads one value and all of the text. What Python would compute is computed: lists are joined by
// '+', range(2, 6) is a list, and list(x), tuple(x), array(x), int64(x) and str_(x) are x, under
// any module's name; dict(a=1) is a dictionary. pool keeps the value.
int literal_read(struct space_text *t, struct literals *pool, const struct literal **value);
// The same of values with commas between, as of a call: `value` is the list of them, of which those
// that follow "NAME =" have a key.
int literal_read_list(struct space_text *t, struct literals *pool, const struct literal **value);
// Whether a value's text, name or call's name is this word; whether its key is.
bool literal_is(const struct literal *value, const char *word);
bool literal_has_key(const struct literal *value, const char *key);
// Fail as space_text_fail, at this value or its key.
int literal_fail(struct space_text *t, const struct literal *value, const char *expected);
int literal_fail_key(struct space_text *t, const struct literal *value, const char *expected);
// The number of a text among names [first, n); fails with `expected` at anything else.
int literal_choice(struct space_text *t, const struct literal *value, const char *const *name,
                   uint32_t first, uint32_t n, const char *expected, uint32_t *number);
// A number below `end`; fails with `expected` at anything else.
int literal_number(struct space_text *t, const struct literal *value, uint32_t end,
                   const char *expected, uint8_t *number);

#endif
