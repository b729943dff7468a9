// SPDX-License-Identifier: Apache-2.0
// From the text of a formula to its terms. Nothing nests, so that no text makes the stack deep.
#include "assay/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char DIGITS[] = "0123456789";
static const char LETTERS[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct parser {
    struct assay_score_formula *f;
    const char *at; // what is next in f->text
    struct assay_err *err;
};

// ---- words ------------------------------------------------------------------------------------
static int fail(const struct parser *p, const char *at, const char *expected)
{
    char found[8] = "the end";
    if (*at) snprintf(found, sizeof found, "'%c'", *at);
    return assay_err_set(p->err, ASSAY_ERR_CONFIG,
                         "%s = '%.200s': position %zu: expected %s, not %s", p->f->where,
                         p->f->text, (size_t)(at - p->f->text) + 1, expected, found);
}

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t");
}

// Takes the character, with the blanks before it, if it comes next.
static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (*p->at != c) return false;
    p->at++;
    return true;
}

// Bytes of the name that begins here; 0: none does.
static size_t name_length(const char *at)
{
    size_t n = strspn(at, LETTERS);
    while (n && strchr(DIGITS, at[n]) && at[n])
        n += strspn(at + n, DIGITS) + strspn(at + n, LETTERS);
    return n;
}

static int take_name(struct parser *p, struct assay_score_term *term)
{
    skip_blanks(p);
    const size_t n = name_length(p->at);
    if (!n) return fail(p, p->at, "a column");
    if (n >= sizeof term->column) return fail(p, p->at, "a column's name of at most 63 letters");
    term->at = (uint32_t)(p->at - p->f->text) + 1;
    memcpy(term->column, p->at, n);
    term->column[n] = '\0';
    const char *column = assay_alias_column(term->column);
    if (column != term->column) snprintf(term->column, sizeof term->column, "%s", column);
    p->at += n;
    return ASSAY_OK;
}

// Reads "2", "0.5", ".5" or "1e-3", and no other of the words that strtod knows.
static int take_weight(struct parser *p, double *weight)
{
    const char *const from = p->at;
    char *end;
    *weight = strtod(from, &end);
    if (from[0] == '0' && (from[1] == 'x' || from[1] == 'X'))
        return fail(p, from + 1, "a decimal number");
    if (end == from) return fail(p, from, "a number");
    if (!isfinite(*weight) || *weight > ASSAY_SCORE_WEIGHT)
        return fail(p, from, "a weight of at most 1e6");
    p->at = end;
    return take(p, '*') ? ASSAY_OK : fail(p, p->at, "'*' behind a weight");
}

// ---- terms ------------------------------------------------------------------------------------
static int take_column(struct parser *p, struct assay_score_term *term)
{
    const char *const from = p->at;
    ASSAY_TRY(take_name(p, term));
    if (!take(p, '(')) return ASSAY_OK;
    if (strcmp(term->column, "lnrank") != 0)
        return fail(p, from + strspn(from, " \t"), "a column or lnrank(a column)");
    term->lnrank = true;
    ASSAY_TRY(take_name(p, term));
    return take(p, ')') ? ASSAY_OK : fail(p, p->at, "')' behind the column of lnrank");
}

// Sums of ranks are better when they are small, those of lnrank when they are large.
static int check_kind(struct parser *p, const struct assay_score_term *term)
{
    const int direction = term->lnrank ? 1 : -1;
    if (!p->f->direction) p->f->direction = direction;
    if (p->f->direction == direction) return ASSAY_OK;
    return fail(p, p->f->text + term->at - 1,
                direction > 0 ? "a column, as before (ranks and lnrank do not add up)"
                              : "lnrank(a column), as before (ranks and lnrank do not add up)");
}

static int take_term(struct parser *p, double sign)
{
    if (p->f->n_term == ASSAY_SCORE_TERMS) return fail(p, p->at, "at most 32 terms");
    struct assay_score_term *term = &p->f->term[p->f->n_term++];
    *term = (struct assay_score_term){.weight = 1};
    skip_blanks(p);
    if (*p->at && strchr("0123456789.", *p->at)) ASSAY_TRY(take_weight(p, &term->weight));
    term->weight *= sign;
    ASSAY_TRY(take_column(p, term));
    return check_kind(p, term);
}

// Takes "vote(", or nothing.
static bool begin_vote(struct parser *p)
{
    static const char word[] = "vote";
    const char *const from = p->at;
    skip_blanks(p);
    if (strncmp(p->at, word, strlen(word)) == 0) {
        p->at += strlen(word);
        if (take(p, '(')) return true;
    }
    p->at = from;
    return false;
}

static int take_vote(struct parser *p)
{
    p->f->vote = true;
    p->f->direction = 1;
    do {
        if (p->f->n_term == ASSAY_SCORE_TERMS) return fail(p, p->at, "at most 32 terms");
        struct assay_score_term *term = &p->f->term[p->f->n_term++];
        *term = (struct assay_score_term){.weight = 1};
        ASSAY_TRY(take_name(p, term));
    } while (take(p, ','));
    if (!take(p, ')')) return fail(p, p->at, "',' or ')' behind a column of vote");
    skip_blanks(p);
    return *p->at ? fail(p, p->at, "the end behind vote(...)") : ASSAY_OK;
}

static int take_sum(struct parser *p)
{
    bool minus = take(p, '-');
    if (!minus) take(p, '+');
    for (;;) {
        ASSAY_TRY(take_term(p, minus ? -1 : 1));
        minus = take(p, '-');
        if (!minus && !take(p, '+')) break;
    }
    return *p->at ? fail(p, p->at, "'+', '-' or the end") : ASSAY_OK;
}

int assay_score_parse(struct assay_score_formula *f, const char *where, const char *text,
                      struct assay_err *err)
{
    *f = (struct assay_score_formula){0};
    struct parser p = {.f = f, .at = f->text, .err = err};
    snprintf(f->where, sizeof f->where, "%s", where);
    if (strlen(text) >= sizeof f->text)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%s = '%.60s...': a formula of %zu bytes, expected at most %zu",
                             f->where, text, strlen(text), sizeof f->text - 1);
    strcpy(f->text, text);
    return begin_vote(&p) ? take_vote(&p) : take_sum(&p);
}

// ---- columns ----------------------------------------------------------------------------------
static int unknown(const struct assay_score_formula *f, const struct assay_score_term *term,
                   const struct assay_score_column *column, uint32_t n, struct assay_err *err)
{
    char known[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < n && used < sizeof known; i++)
        if (column[i].direction)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                     column[i].name);
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s = '%.200s': position %u: unknown column '%s'; there are: %s", f->where,
                         f->text, (unsigned)term->at, term->column, *known ? known : "none");
}

int assay_score_bind(const struct assay_score_formula *f, const struct assay_score_column *column,
                     uint32_t n, uint32_t index[ASSAY_SCORE_TERMS], struct assay_err *err)
{
    for (uint32_t t = 0; t < f->n_term; t++) {
        const struct assay_score_term *term = &f->term[t];
        uint32_t i = 0;
        while (i < n && strcmp(column[i].name, term->column) != 0) i++;
        if (i == n) return unknown(f, term, column, n, err);
        if (!column[i].direction)
            return assay_err_set(err, ASSAY_ERR_CONFIG,
                                 "%s = '%.200s': position %u: column '%s' ranks nothing: neither "
                                 "smaller nor larger values of it are better",
                                 f->where, f->text, (unsigned)term->at, term->column);
        index[t] = i;
    }
    return ASSAY_OK;
}
