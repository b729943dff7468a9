// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include "assay/search.h"

#include <inttypes.h>
#include <string.h>

// Prints size, different networks, help, source and an architecture in the space's notation; of a
// space whose networks are given there is only the help.
static void print_space(const struct assay_space *space)
{
    const struct assay_space_kind *kind = space->kind;
    const uint64_t size = assay_space_size(space);
    uint64_t networks = 0;
    char text[1024 + ASSAY_ARCH_MAX], arch[ASSAY_ARCH_MAX] = "";
    char different[48] = ", all different networks";
    printf("%-20s ", kind->name);
    if (kind->given) {
        cli_fold(stdout, kind->help, 21, "                     ");
        return;
    }
    for (uint64_t i = 0; kind->canonical && i < size && size < CLI_WALKED_MAX; i++)
        networks += assay_space_canonical(space, i) == i;
    if (kind->canonical) different[0] = '\0';
    if (networks)
        snprintf(different, sizeof different, ", %" PRIu64 " different networks", networks);
    assay_space_format(space, size - 1, arch, sizeof arch);
    snprintf(text, sizeof text, "%" PRIu64 " architectures%s: %s%s%s\nsuch as %s", size, different,
             kind->help, kind->source ? "; " : "", kind->source ? kind->source : "", arch);
    cli_fold(stdout, text, 21, "                     ");
}

static int list_spaces(struct assay_err *err)
{
    for (const struct assay_space_kind *const *kind = assay_space_kinds; *kind; kind++) {
        struct assay_space space;
        ASSAY_TRY(assay_space_open(&space, (*kind)->name, err));
        print_space(&space);
        assay_space_close(&space);
    }
    return ASSAY_OK;
}

// Returns the other name of a column, or NULL.
static const char *also_of(const char *column)
{
    for (const struct assay_alias *a = assay_aliases; a->name; a++)
        if (strcmp(a->column, column) == 0) return a->name;
    return NULL;
}

static int list_metrics(struct assay_err *err)
{
    enum { INDENT = 50 };
    static const char *const better[] = {"smaller is better", "", "larger is better"};
    char text[512], blank[INDENT + 1];
    snprintf(blank, sizeof blank, "%*s", INDENT, "");
    (void)err;
    for (const struct assay_metric *const *metric = assay_metrics; *metric; metric++) {
        snprintf(text, sizeof text, "%s: %s", (*metric)->name, (*metric)->help);
        cli_fold(stdout, text, 4, "    ");
        for (uint32_t i = 0; i < (*metric)->n_column; i++) {
            const struct assay_column *c = &(*metric)->column[i];
            printf("  %-21s  %-17s  %-4s  ", c->name, better[1 + c->direction], c->unit);
            snprintf(text, sizeof text, "%s%s%s", c->source,
                     also_of(c->name) ? "; also called " : "",
                     also_of(c->name) ? also_of(c->name) : "");
            cli_fold(stdout, text, INDENT, blank);
        }
    }
    return ASSAY_OK;
}

static int list_scores(struct assay_err *err)
{
    (void)err;
    for (const struct assay_score *s = assay_scores; s->name; s++) {
        printf("%-11s %s\n            ", s->name, s->formula);
        cli_fold(stdout, s->source, 12, "            ");
    }
    return ASSAY_OK;
}

static int list_protocols(struct assay_err *err)
{
    (void)err;
    for (const struct assay_preset *preset = assay_presets; preset->name; preset++) {
        printf("%s\n  ", preset->name);
        cli_fold(stdout, preset->help, 2, "  ");
        for (const struct assay_config_value *v = preset->value; v->section; v++)
            printf("    %s.%s = %s%s%s\n", v->section, v->name, v->value, v->where ? "  with " : "",
                   v->where ? v->where : "");
    }
    return ASSAY_OK;
}

static int list_methods(struct assay_err *err)
{
    const char *name, *help;
    (void)err;
    for (unsigned i = 0; assay_search_method(i, &name, &help); i++) {
        printf("%-11s ", name);
        cli_fold(stdout, help, 12, "            ");
    }
    return ASSAY_OK;
}

static int list_sources(struct assay_err *err)
{
    (void)err;
    for (size_t i = 0; assay_data_sources[i]; i++) {
        printf("%-9s ", assay_data_sources[i]->name);
        cli_fold(stdout, assay_data_sources[i]->help, 10, "          ");
    }
    return ASSAY_OK;
}

static int list_kernels(struct assay_err *err)
{
    const struct assay_kern *best = NULL;
    ASSAY_TRY(assay_kern_select(&best, "auto", ASSAY_SINGLE, err));
    for (unsigned i = 0; assay_kern_rung(ASSAY_SINGLE, i); i++) {
        const struct assay_kern *kern = assay_kern_rung(ASSAY_SINGLE, i);
        printf("%-10s %s\n", assay_kern_name(kern),
               kern == best                ? "chosen by auto"
               : assay_kern_runnable(kern) ? "available"
                                           : "not on this CPU");
    }
    return ASSAY_OK;
}

// Prints what a value may be: "a whole number from 2 to 64", "true or false", "one of a|b".
static void print_domain(const struct assay_opt *opt)
{
    const char *const kind = opt->type == ASSAY_OPT_U64 ? "a whole number" : "a number";
    if (opt->type == ASSAY_OPT_BOOL)
        printf("true or false");
    else if (opt->choices)
        printf("one of %s", opt->choices);
    else if (opt->type == ASSAY_OPT_TEXT)
        printf("text");
    else if (opt->type == ASSAY_OPT_NAMED)
        printf("text; any number of such keys");
    else if (opt->max < 1e15)
        printf("%s from %.15g to %.15g", kind, opt->min, opt->max);
    else
        printf("%s of %.15g or more", kind, opt->min);
}

// Lists options as a configuration file that sets every key to its default.
static int list_options(struct assay_err *err)
{
    const char *section = "";
    (void)err;
    for (const struct assay_opt *opt = cli_vocabulary()->key; opt->name; opt++) {
        if (strcmp(section, opt->section) != 0)
            printf("%s[%s]\n", *section ? "\n" : "", opt->section);
        section = opt->section;
        printf("# ");
        cli_fold(stdout, opt->help, 2, "# ");
        printf("# (");
        print_domain(opt);
        printf(")\n%s = %s\n", opt->name, opt->def);
    }
    return ASSAY_OK;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    static const struct {
        const char *name;
        int (*list)(struct assay_err *err);
    } topic[] = {{"spaces", list_spaces},   {"metrics", list_metrics},
                 {"scores", list_scores},   {"protocols", list_protocols},
                 {"methods", list_methods}, {"kernels", list_kernels},
                 {"sources", list_sources}, {"options", list_options}};
    for (unsigned i = 0; i < ASSAY_LEN(topic); i++) {
        if (strcmp(args->position[0], topic[i].name) == 0) return topic[i].list(err);
    }
    return assay_err_set(err, ASSAY_ERR_USAGE,
                         "list '%.100s': expected spaces, metrics, scores, protocols, methods, "
                         "kernels, sources or options",
                         args->position[0]);
}

const struct cli_verb cli_verb_list = {
    .name = "list",
    .synopsis = "TOPIC",
    .help = "list what there is to choose from",
    .about = "Topics are spaces, metrics, scores, protocols, methods, kernels, sources and\n"
             "options.\n",
    .examples =
        "assay list metrics\n"
        "assay list options               # every configuration key: meaning, range, default\n"
        "assay list options > mine.ini    # a configuration to start from\n",
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
