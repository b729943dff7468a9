// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What is left of the command line, and where errors go.
struct words {
    int argc;
    char **argv;
    struct assay_err *err;
};

static int refuse_unknown(const struct cli_verb *verb, const char *word, size_t n,
                          struct assay_err *err)
{
    char given[128];
    snprintf(given, sizeof given, "%.*s", (int)(n < 100 ? n : 100), word);
    const char *best = NULL;
    unsigned distance = assay_word_near(given) + 1;
    for (const struct cli_option *o = verb->option; o && o->name; o++) {
        const unsigned d = assay_word_distance(given, o->name);
        if (d >= distance) continue;
        best = o->name;
        distance = d;
    }
    return assay_err_set(err, ASSAY_ERR_USAGE, "%s: unknown option --%s%s%s%s (`assay help %s`)",
                         verb->name, given, best ? "; did you mean --" : "", best ? best : "",
                         best ? "?" : "", verb->name);
}

static int add_given(struct cli_args *args, const struct cli_option *option, const char *value,
                     struct assay_err *err)
{
    for (size_t i = 0; i < args->n_given && !option->repeat; i++) {
        if (args->given[i].option == option)
            return assay_err_set(err, ASSAY_ERR_USAGE, "%s: --%s is given twice", args->verb->name,
                                 option->name);
    }
    args->given[args->n_given++] = (struct cli_given){.option = option, .value = value};
    return ASSAY_OK;
}

// Takes the value of an option, which is attached to it or is the next word.
static int take_value(struct words *w, const struct cli_args *args, const struct cli_option *option,
                      const char *attached, const char **value)
{
    if (!option->value && attached)
        return assay_err_set(w->err, ASSAY_ERR_USAGE, "%s: --%s takes no value, but has '%.100s'",
                             args->verb->name, option->name, attached);
    *value = attached;
    if (!option->value || attached) return ASSAY_OK;
    if (w->argc == 0)
        return assay_err_set(w->err, ASSAY_ERR_USAGE, "%s: --%s needs a value: --%s %s",
                             args->verb->name, option->name, option->name, option->value);
    *value = *w->argv++;
    w->argc--;
    return ASSAY_OK;
}

// Reads a long option; word: "name" or "name=value".
static int take_long(struct words *w, struct cli_args *args, const char *word)
{
    const size_t n = strcspn(word, "=");
    const char *value = word[n] ? word + n + 1 : NULL;
    for (const struct cli_option *o = args->verb->option; o && o->name; o++) {
        if (strlen(o->name) != n || memcmp(o->name, word, n) != 0) continue;
        ASSAY_TRY(take_value(w, args, o, value, &value));
        return add_given(args, o, value, w->err);
    }
    return refuse_unknown(args->verb, word, n, w->err);
}

// Reads a short option; word: "o" or "ovalue".
static int take_short(struct words *w, struct cli_args *args, const char *word)
{
    const char *value = word[1] ? word + 1 : NULL;
    for (const struct cli_option *o = args->verb->option; o && o->name; o++) {
        if (!o->letter || o->letter != word[0]) continue;
        ASSAY_TRY(take_value(w, args, o, value, &value));
        return add_given(args, o, value, w->err);
    }
    return assay_err_set(w->err, ASSAY_ERR_USAGE, "%s: unknown option -%c (`assay help %s`)",
                         args->verb->name, word[0], args->verb->name);
}

static int take_words(struct words *w, struct cli_args *args)
{
    bool options = true;
    while (w->argc > 0) {
        const char *word = *w->argv++;
        w->argc--;
        if (!options || word[0] != '-' || !word[1])
            args->position[args->n_position++] = word;
        else if (strcmp(word, "--") == 0)
            options = false;
        else if (word[1] == '-')
            ASSAY_TRY(take_long(w, args, word + 2));
        else
            ASSAY_TRY(take_short(w, args, word + 1));
    }
    return ASSAY_OK;
}

static int check_count(const struct cli_args *args, struct assay_err *err)
{
    const struct cli_verb *verb = args->verb;
    if (args->n_position < verb->min_position)
        return assay_err_set(err, ASSAY_ERR_USAGE, "%s: too few words: assay %s %s", verb->name,
                             verb->name, verb->synopsis);
    if (args->n_position > verb->max_position)
        return assay_err_set(err, ASSAY_ERR_USAGE, "%s: '%.200s' is one word too many: assay %s %s",
                             verb->name, args->position[verb->max_position], verb->name,
                             verb->synopsis);
    return ASSAY_OK;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

int cli_args_parse(struct cli_args *args, const struct cli_verb *verb, int argc, char **argv,
                   struct assay_err *err)
{
    *args = (struct cli_args){.verb = verb, .help = asks_help(argc, argv)};
    if (args->help) return ASSAY_OK;
    args->position = calloc((size_t)argc + 1, sizeof *args->position);
    args->given = calloc((size_t)argc + 1, sizeof *args->given);
    if (!args->position || !args->given)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d words", argc);
    struct words w = {.argc = argc, .argv = argv, .err = err};
    ASSAY_TRY(take_words(&w, args));
    return check_count(args, err);
}

void cli_args_free(struct cli_args *args)
{
    free(args->position);
    free(args->given);
    *args = (struct cli_args){0};
}

static const struct cli_given *find_given(const struct cli_args *args, const char *name)
{
    for (size_t i = args->n_given; i-- > 0;) {
        if (strcmp(args->given[i].option->name, name) == 0) return &args->given[i];
    }
    return NULL;
}

bool cli_flag(const struct cli_args *args, const char *name)
{
    return find_given(args, name);
}

const char *cli_value(const struct cli_args *args, const char *name)
{
    const struct cli_given *given = find_given(args, name);
    return given ? given->value : NULL;
}

int cli_parse_u64(const char *word, const char *what, uint64_t min, uint64_t max, uint64_t *out,
                  struct assay_err *err)
{
    const size_t n = strlen(word);
    errno = 0;
    const bool digits = n > 0 && strspn(word, "0123456789") == n;
    const uint64_t x = digits ? strtoull(word, NULL, 10) : 0;
    if (!digits || errno || x < min || x > max)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "%s '%.100s': expected a whole number from %" PRIu64 " to %" PRIu64,
                             what, word, min, max);
    *out = x;
    return ASSAY_OK;
}

int cli_u64(const struct cli_args *args, const char *name, uint64_t min, uint64_t max,
            uint64_t *out, struct assay_err *err)
{
    const char *value = cli_value(args, name);
    if (!value) return ASSAY_OK;
    char what[64];
    snprintf(what, sizeof what, "--%s", name);
    return cli_parse_u64(value, what, min, max, out, err);
}

// Writes "text, csv or json" for the choices "text|csv|json".
static void list_choices(char *text, size_t cap, const char *choices)
{
    size_t used = 0;
    *text = '\0';
    for (const char *at = choices; *at && used < cap;) {
        const size_t n = strcspn(at, "|");
        const char *before = at == choices ? "" : at[n] ? ", " : " or ";
        used += (size_t)snprintf(text + used, cap - used, "%s%.*s", before, (int)n, at);
        at += n + (at[n] == '|');
    }
}

int cli_choice(const struct cli_args *args, const char *name, int *out, struct assay_err *err)
{
    const struct cli_given *given = find_given(args, name);
    char expected[128];
    if (!given) return ASSAY_OK;
    const char *at = given->option->value;
    for (int i = 0;; i++) {
        const size_t n = strcspn(at, "|");
        if (strlen(given->value) == n && memcmp(given->value, at, n) == 0) {
            *out = i;
            return ASSAY_OK;
        }
        if (!at[n]) break;
        at += n + 1;
    }
    list_choices(expected, sizeof expected, given->option->value);
    return assay_err_set(err, ASSAY_ERR_USAGE, "--%s: '%.60s', expected %s", name, given->value,
                         expected);
}

int cli_format(const struct cli_args *args, enum cli_format *format, struct assay_err *err)
{
    const bool csv = cli_flag(args, "csv");
    int choice = csv ? CLI_CSV : CLI_TEXT;
    ASSAY_TRY(cli_choice(args, "format", &choice, err));
    *format = (enum cli_format)choice;
    if (!csv || *format == CLI_CSV) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_USAGE, "--csv is short for --format csv, not %s",
                         cli_value(args, "format"));
}

int cli_check_supernet(const struct cli_args *args, struct assay_err *err)
{
    const struct cli_verb *verb = args->verb;
    const bool supernet = cli_value(args, "supernet");
    if (supernet != (args->n_position == 2)) return ASSAY_OK;
    if (!supernet)
        return assay_err_set(err, ASSAY_ERR_USAGE, "%s: too few words: assay %s %s", verb->name,
                             verb->name, verb->synopsis);
    return assay_err_set(err, ASSAY_ERR_USAGE,
                         "%s: '%.200s' is one word too many beside --supernet: assay %s %s",
                         verb->name, args->position[1], verb->name, verb->synopsis);
}
