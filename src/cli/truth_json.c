// SPDX-License-Identifier: Apache-2.0
// Tables of accuracies or scores in JSON, parsed by json-c: it is on every distribution, and takes
// the NaN that Python's json writes.
#include "truth.h"

#include <json-c/json.h>

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The values of a file: one, or the lines of JSON Lines.
struct document {
    const char *file;
    struct json_object **value;
    size_t n, cap;
};

static void free_document(struct document *d)
{
    for (size_t i = 0; i < d->n; i++) json_object_put(d->value[i]);
    free(d->value);
}

static int add_value(struct document *d, struct json_object *value, struct assay_err *err)
{
    if (d->n == d->cap) {
        const size_t cap = d->cap ? 2 * d->cap : 16;
        struct json_object **more = realloc(d->value, cap * sizeof *more);
        if (!more) {
            json_object_put(value);
            return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", d->file);
        }
        d->value = more;
        d->cap = cap;
    }
    d->value[d->n++] = value;
    return ASSAY_OK;
}

static int refuse_syntax(const struct document *d, const char *text, const char *at,
                         const char *what, struct assay_err *err)
{
    size_t line = 1;
    for (; text < at; text++) line += *text == '\n';
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s:%zu: no JSON: %s", d->file, line, what);
}

static int parse_values(struct document *d, struct json_tokener *parser, const char *text,
                        struct assay_err *err)
{
    static const char blank[] = " \t\r\n";
    const char *const last = text + strlen(text);
    ASSAY_ASSERT(last - text <= INT_MAX); // more is no text file
    for (const char *at = text + strspn(text, blank); *at; at += strspn(at, blank)) {
        json_tokener_reset(parser);
        struct json_object *value = json_tokener_parse_ex(parser, at, (int)(last - at));
        const enum json_tokener_error error = json_tokener_get_error(parser);
        const char *end = at + json_tokener_get_parse_end(parser);
        if (error == json_tokener_continue)
            return refuse_syntax(d, text, end, "the text ends inside a value", err);
        if (error != json_tokener_success)
            return refuse_syntax(d, text, end, json_tokener_error_desc(error), err);
        if (end == at) return refuse_syntax(d, text, at, "expected a value", err);
        ASSAY_TRY(add_value(d, value, err));
        at = end;
    }
    return ASSAY_OK;
}

static int parse(struct document *d, const char *text, struct assay_err *err)
{
    enum { DEPTH = 16 };
    struct json_tokener *parser = json_tokener_new_ex(DEPTH);
    if (!parser) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", d->file);
    json_tokener_set_flags(parser, JSON_TOKENER_VALIDATE_UTF8);
    const int status = parse_values(d, parser, text, err);
    json_tokener_free(parser);
    return status;
}

// ---- values -------------------------------------------------------------------------------------
static bool is_object(struct json_object *value)
{
    return json_object_is_type(value, json_type_object);
}

static bool is_score(struct json_object *value)
{
    return is_object(value) && json_object_object_get_ex(value, "score", NULL);
}

// The number that a value is; NaN where it stands for none.
static bool read_value(struct json_object *value, double *number)
{
    struct json_object *score;
    if (is_object(value) && json_object_object_get_ex(value, "score", &score)) value = score;
    *number = NAN;
    switch (json_object_get_type(value)) {
    case json_type_null:
        return true;
    case json_type_int:
    case json_type_double:
        *number = json_object_get_double(value);
        return !isinf(*number);
    case json_type_string:
        return truth_is_missing(json_object_get_string(value)) ||
               truth_read_number(json_object_get_string(value), number);
    default:
        return false;
    }
}

static void list_names(struct json_object *object, char *text, size_t cap)
{
    size_t used = 0;
    *text = '\0';
    if (!is_object(object)) return;
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        if (used < cap)
            used += (size_t)snprintf(text + used, cap - used, "%s%s", used ? ", " : "", name);
    }
}

// ---- entries ------------------------------------------------------------------------------------
struct reader {
    struct truth *truth;
    const struct assay_space *space;
    const char *target; // without a data set
    size_t n;           // entries seen
    bool found;         // one of them has the target
    struct assay_err *err;
};

static int enter(struct reader *r, const char *arch, struct json_object *entry)
{
    struct json_object *value = NULL;
    double number;
    r->n++;
    if (!is_object(entry))
        return assay_err_set(r->err, ASSAY_ERR_INPUT, "%s: entry %zu is no object",
                             r->truth->options.file, r->n);
    r->found |= json_object_object_get_ex(entry, r->target, &value);
    if (!read_value(value, &number))
        return assay_err_set(r->err, ASSAY_ERR_INPUT,
                             "%s: entry %zu: %.100s is %.60s, expected a finite number such as "
                             "93.25, or null",
                             r->truth->options.file, r->n, r->target,
                             json_object_to_json_string(value));
    return truth_enter(r->truth, r->space, arch, number, r->n, r->err);
}

static int reserve(struct reader *r, size_t n)
{
    r->truth->row = calloc(n + 1, sizeof *r->truth->row);
    return r->truth->row
               ? ASSAY_OK
               : assay_err_set(r->err, ASSAY_ERR_MEMORY, "no memory for %zu accuracies", n);
}

static int no_target(const struct reader *r, struct json_object *first)
{
    char names[512];
    list_names(first, names, sizeof names);
    return assay_err_set(r->err, ASSAY_ERR_INPUT,
                         "%s: no entry has '%.100s' (--target names another); the first has: %s",
                         r->truth->options.file, r->target, names);
}

// {arch: {...}, ...}
static int read_by_arch(struct reader *r, struct json_object *table)
{
    struct json_object *first = NULL;
    ASSAY_TRY(reserve(r, (size_t)json_object_object_length(table)));
    json_object_object_foreach(table, arch, entry)
    {
        if (!first) first = entry;
        ASSAY_TRY(enter(r, arch, entry));
    }
    return r->found ? ASSAY_OK : no_target(r, first);
}

// [{"arch": ..., ...}, ...], or the same as JSON Lines
static int read_listed(struct reader *r, struct json_object *const *list, size_t n)
{
    ASSAY_TRY(reserve(r, n));
    for (size_t i = 0; i < n; i++) {
        struct json_object *arch = NULL;
        const char *key = r->truth->options.key;
        if (!is_object(list[i]) || !json_object_object_get_ex(list[i], key, &arch) || !arch)
            return assay_err_set(r->err, ASSAY_ERR_INPUT,
                                 "%s: entry %zu has no '%.100s' (--key names another)",
                                 r->truth->options.file, i + 1, key);
        ASSAY_TRY(enter(r, json_object_get_string(arch), list[i]));
    }
    return r->found ? ASSAY_OK : no_target(r, n ? list[0] : NULL);
}

static struct json_object *first_member(struct json_object *object)
{
    json_object_object_foreach(object, name, value)
    {
        (void)name;
        return value;
    }
    return NULL;
}

// Whether a table has a level of data sets above its architectures: what stands two levels down is
// neither a number nor a score then.
static bool has_data_sets(struct json_object *table)
{
    struct json_object *entry = first_member(table);
    struct json_object *inside = is_object(entry) ? first_member(entry) : NULL;
    return is_object(inside) && !is_score(inside);
}

static int read_data_set(struct reader *r, struct json_object *sets)
{
    char names[512], name[ASSAY_TEXT_MAX];
    struct json_object *set = NULL;
    const char *slash = strchr(r->target, '/');
    if (slash) {
        snprintf(name, sizeof name, "%.*s", (int)(slash - r->target), r->target);
        if (json_object_object_get_ex(sets, name, &set)) r->target = slash + 1;
    } else if (json_object_object_length(sets) == 1) {
        set = first_member(sets);
    }
    if (is_object(set)) return read_by_arch(r, set);
    list_names(sets, names, sizeof names);
    return assay_err_set(
        r->err, ASSAY_ERR_INPUT,
        "%s: '%.100s' names none of its data sets; expected --target DATA SET/NAME "
        "with one of: %s",
        r->truth->options.file, r->target, names);
}

static int read_document(struct reader *r, const struct document *d)
{
    struct json_object *value = d->value[0];
    if (d->n == 1 && json_object_is_type(value, json_type_array)) {
        const struct array_list *list = json_object_get_array(value);
        return read_listed(r, (struct json_object *const *)list->array, list->length);
    }
    if (d->n > 1 || (is_object(value) && !is_object(first_member(value))))
        return read_listed(r, d->value, d->n);
    return has_data_sets(value) ? read_data_set(r, value) : read_by_arch(r, value);
}

int truth_read_json(struct truth *truth, const char *text, const struct assay_space *space,
                    struct assay_err *err)
{
    struct document d = {.file = truth->options.file};
    struct reader r = {.truth = truth, .space = space, .target = truth->options.target, .err = err};
    int status = parse(&d, text, err);
    if (status >= 0) status = read_document(&r, &d);
    free_document(&d);
    return status;
}
