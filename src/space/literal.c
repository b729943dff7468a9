// SPDX-License-Identifier: Apache-2.0
#include "literal.h"

#include <string.h>

enum { DEPTH_MAX = 16, DIGITS_MAX = 9, RANGE_MAX = 64 };

struct reader {
    struct space_text *t;
    struct literals *pool;
    unsigned depth;
};

static int read_value(struct reader *r, struct literal **value);

static int new_literal(struct reader *r, enum literal_kind kind, struct literal **value)
{
    struct literals *pool = r->pool;
    if (pool->n == LITERALS_MAX) return space_text_fail(r->t, "fewer values");
    *value = &pool->item[pool->n++];
    **value = (struct literal){.kind = kind, .at = r->t->at};
    return ASSAY_OK;
}

static void append(struct literal *list, struct literal *member)
{
    *(list->last ? &list->last->next : &list->first) = member;
    list->last = member;
    list->n++;
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"';
}

// ---- words --------------------------------------------------------------------------------------
static int read_text(struct reader *r, struct literal **value)
{
    struct space_text *t = r->t;
    const char quote = *t->at++;
    ASSAY_TRY(new_literal(r, LITERAL_TEXT, value));
    while (*t->at && !strchr("\\\n", *t->at) && *t->at != quote) t->at++;
    if (*t->at != quote) return space_text_fail(t, "the closing quote");
    (*value)->length = (size_t)(t->at++ - (*value)->at);
    return ASSAY_OK;
}

static int read_number(struct reader *r, struct literal **value)
{
    struct space_text *t = r->t;
    ASSAY_TRY(new_literal(r, LITERAL_NUMBER, value));
    const bool negative = *t->at == '-';
    t->at += negative;
    const size_t n = space_text_word(t);
    if (strspn(t->at, "0123456789") < n || n == 0 || n > DIGITS_MAX)
        return space_text_fail(t, "a number");
    for (size_t i = 0; i < n; i++)
        (*value)->number = 10 * (*value)->number + (uint32_t)(*t->at++ - '0');
    if (negative) (*value)->number = -(*value)->number;
    return ASSAY_OK;
}

// ---- members ------------------------------------------------------------------------------------
// "key = value" of a call, or "'key': value" of a dictionary; `key` may be missing in a call.
static int read_key(struct reader *r, char sign, struct literal *key)
{
    struct space_text *t = r->t;
    const struct space_text start = *t;
    struct literal *text;
    *key = (struct literal){0};
    if (sign == ':') {
        if (!is_quote(*t->at)) return space_text_fail(t, "a key in quotes");
        ASSAY_TRY(read_text(r, &text));
        *key = *text;
        return space_text_expect(t, ':', "':' after a key");
    }
    *key = (struct literal){.at = t->at, .length = space_text_word(t)};
    t->at += key->length;
    space_text_skip_blank(t);
    if (key->length && *t->at == '=') return space_text_expect(t, '=', "'='");
    *t = start;
    *key = (struct literal){0};
    return ASSAY_OK;
}

// Reads members up to the closing bracket, or the end where that is 0. sign: what follows a key, 0:
// members have no keys. *comma: a comma stands behind the last.
static int read_until(struct reader *r, struct literal *list, char close, char sign, bool *comma)
{
    struct space_text *t = r->t;
    const char bracket[] = {'\'', ',', '\'', ' ', 'o', 'r', ' ', '\'', close, '\'', 0};
    *comma = true;
    space_text_skip_blank(t);
    while (*t->at != close) {
        struct literal key = {0}, *member;
        if (!*comma) return space_text_fail(t, close ? bracket : "',' or the end");
        if (sign) ASSAY_TRY(read_key(r, sign, &key));
        ASSAY_TRY(read_value(r, &member));
        member->key = key.at;
        member->key_length = key.length;
        append(list, member);
        *comma = *t->at == ',';
        t->at += *comma;
        space_text_skip_blank(t);
    }
    return ASSAY_OK;
}

// The same between brackets, at the first of which the text is; it stops behind the second.
static int read_members(struct reader *r, struct literal *list, char close, char sign, bool *comma)
{
    r->t->at++;
    ASSAY_TRY(read_until(r, list, close, sign, comma));
    r->t->at++;
    return ASSAY_OK;
}

// Reads what stands in round brackets: (x) is x, and (x,) is a tuple.
static int read_list(struct reader *r, struct literal **value)
{
    const bool tuple = *r->t->at == '(';
    bool comma;
    ASSAY_TRY(new_literal(r, LITERAL_LIST, value));
    ASSAY_TRY(read_members(r, *value, tuple ? ')' : ']', 0, &comma));
    if (tuple && (*value)->n == 1 && !comma) *value = (*value)->last;
    return ASSAY_OK;
}

static int read_dict(struct reader *r, struct literal **value)
{
    bool comma;
    ASSAY_TRY(new_literal(r, LITERAL_DICT, value));
    return read_members(r, *value, '}', ':', &comma);
}

// ---- calls --------------------------------------------------------------------------------------
static int read_range(struct reader *r, struct literal *call)
{
    const struct literal *a = call->first, *b = a ? a->next : NULL;
    const uint32_t from = b ? a->number : 0, to = b ? b->number : a ? a->number : 0;
    const bool right = (call->n == 1 || call->n == 2) && a->kind == LITERAL_NUMBER &&
                       (!b || b->kind == LITERAL_NUMBER) && to - from <= RANGE_MAX && from <= to;
    if (!right) return literal_fail(r->t, call, "range(FIRST, END)");
    call->kind = LITERAL_LIST;
    call->first = call->last = NULL;
    call->n = 0;
    for (uint32_t i = from; i < to; i++) {
        struct literal *number = NULL;
        ASSAY_TRY(new_literal(r, LITERAL_NUMBER, &number));
        number->at = call->at;
        number->number = i;
        append(call, number);
    }
    return ASSAY_OK;
}

static int make_dict(struct reader *r, struct literal *call)
{
    for (const struct literal *m = call->first; m; m = m->next)
        if (!m->key) return literal_fail(r->t, m, "a keyword in dict()");
    call->kind = LITERAL_DICT;
    return ASSAY_OK;
}

static int compute(struct reader *r, struct literal **value)
{
    static const char *const same[] = {"list", "tuple", "array", "int64", "str_"};
    struct literal *call = *value;
    if (literal_is(call, "range")) return read_range(r, call);
    if (literal_is(call, "dict")) return make_dict(r, call);
    for (size_t i = 0; i < ASSAY_LEN(same); i++)
        if (literal_is(call, same[i]) && call->n == 1 && !call->first->key) *value = call->last;
    return ASSAY_OK;
}

// Reads a name, with those of its modules before it, or the call of one.
static int read_name(struct reader *r, struct literal **value)
{
    struct space_text *t = r->t;
    bool comma;
    ASSAY_TRY(new_literal(r, LITERAL_NAME, value));
    for (;; t->at++) {
        (*value)->at = t->at;
        (*value)->length = space_text_word(t);
        if (!(*value)->length) return space_text_fail(t, "a name");
        t->at += (*value)->length;
        if (*t->at != '.') break;
    }
    space_text_skip_blank(t);
    if (*t->at != '(') return ASSAY_OK;
    (*value)->kind = LITERAL_CALL;
    ASSAY_TRY(read_members(r, *value, ')', '=', &comma));
    return compute(r, value);
}

// ---- values -------------------------------------------------------------------------------------
static int read_term(struct reader *r, struct literal **value)
{
    struct space_text *t = r->t;
    if (*t->at && strchr("([", *t->at)) return read_list(r, value);
    if (*t->at == '{') return read_dict(r, value);
    if (*t->at && strchr("bBuU", *t->at) && is_quote(t->at[1])) t->at++;
    if (is_quote(*t->at)) return read_text(r, value);
    if ((*t->at >= '0' && *t->at <= '9') || *t->at == '-') return read_number(r, value);
    return space_text_word(t) ? read_name(r, value) : space_text_fail(t, "a value");
}

static int read_sum(struct reader *r, struct literal **value)
{
    ASSAY_TRY(read_term(r, value));
    for (space_text_skip_blank(r->t); *r->t->at == '+'; space_text_skip_blank(r->t)) {
        struct literal *more;
        if ((*value)->kind != LITERAL_LIST) return space_text_fail(r->t, "'+' between lists only");
        ASSAY_TRY(space_text_expect(r->t, '+', "'+'"));
        ASSAY_TRY(read_term(r, &more));
        if (more->kind != LITERAL_LIST) return literal_fail(r->t, more, "a list behind '+'");
        for (struct literal *m = more->first, *next; m; m = next) {
            next = m->next;
            append(*value, m);
        }
    }
    return ASSAY_OK;
}

static int read_value(struct reader *r, struct literal **value)
{
    if (r->depth == DEPTH_MAX) return space_text_fail(r->t, "fewer brackets inside each other");
    r->depth++;
    ASSAY_TRY(read_sum(r, value));
    r->depth--;
    return ASSAY_OK;
}

int literal_read(struct space_text *t, struct literals *pool, const struct literal **value)
{
    struct reader r = {.t = t, .pool = pool};
    struct literal *read;
    pool->n = 0;
    space_text_skip_blank(t);
    ASSAY_TRY(read_value(&r, &read));
    *value = read;
    return *t->at ? space_text_fail(t, "nothing after the architecture") : ASSAY_OK;
}

int literal_read_list(struct space_text *t, struct literals *pool, const struct literal **value)
{
    struct reader r = {.t = t, .pool = pool};
    struct literal *list;
    bool comma;
    pool->n = 0;
    ASSAY_TRY(new_literal(&r, LITERAL_LIST, &list));
    *value = list;
    return read_until(&r, list, '\0', '=', &comma);
}

// ---- looking at them ----------------------------------------------------------------------------
static bool equal(const char *at, size_t length, const char *word)
{
    return at && strlen(word) == length && memcmp(at, word, length) == 0;
}

bool literal_begins(const struct space_text *t)
{
    size_t n = 0;
    while (space_text_is_word(t->at[n]) || (n > 0 && t->at[n] == '.')) n++;
    return n > 0 ? t->at[n] == '(' : *t->at && strchr("([{", *t->at);
}

bool literal_is(const struct literal *value, const char *word)
{
    const bool has =
        value->kind == LITERAL_TEXT || value->kind == LITERAL_NAME || value->kind == LITERAL_CALL;
    return has && equal(value->at, value->length, word);
}

bool literal_has_key(const struct literal *value, const char *key)
{
    return equal(value->key, value->key_length, key);
}

int literal_fail(struct space_text *t, const struct literal *value, const char *expected)
{
    t->at = value->at;
    return space_text_fail(t, expected);
}

int literal_fail_key(struct space_text *t, const struct literal *value, const char *expected)
{
    t->at = value->key;
    return space_text_fail(t, expected);
}

int literal_choice(struct space_text *t, const struct literal *value, const char *const *name,
                   uint32_t first, uint32_t n, const char *expected, uint32_t *number)
{
    for (*number = first; *number < n; ++*number)
        if (value->kind == LITERAL_TEXT && literal_is(value, name[*number])) return ASSAY_OK;
    return literal_fail(t, value, expected);
}

int literal_number(struct space_text *t, const struct literal *value, uint32_t end,
                   const char *expected, uint8_t *number)
{
    if (value->kind != LITERAL_NUMBER || value->number >= end)
        return literal_fail(t, value, expected);
    *number = (uint8_t)value->number;
    return ASSAY_OK;
}
