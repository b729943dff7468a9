// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <string.h>

extern const struct cli_verb cli_verb_sweep, cli_verb_plan, cli_verb_search, cli_verb_status,
    cli_verb_rank, cli_verb_correlate, cli_verb_report, cli_verb_export, cli_verb_eval,
    cli_verb_show, cli_verb_list, cli_verb_pack, cli_verb_merge, cli_verb_join;

// clang-format off
const struct cli_verb *const cli_verbs[] = {
    &cli_verb_sweep,
    &cli_verb_plan,
    &cli_verb_search,
    &cli_verb_status,
    &cli_verb_rank,
    &cli_verb_correlate,
    &cli_verb_report,
    &cli_verb_export,
    &cli_verb_eval,
    &cli_verb_show,
    &cli_verb_list,
    &cli_verb_pack,
    &cli_verb_merge,
    &cli_verb_join,
    NULL,
};
// clang-format on

int cli_verb_find(const struct cli_verb **out, const char *name, struct assay_err *err)
{
    const char *best = NULL;
    unsigned distance = assay_word_near(name) + 1;
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        const unsigned d = assay_word_distance(name, (*verb)->name);
        *out = *verb;
        if (d == 0) return ASSAY_OK;
        if (d >= distance) continue;
        best = (*verb)->name;
        distance = d;
    }
    return assay_err_set(err, ASSAY_ERR_USAGE,
                         "unknown verb '%.100s'%s%s%s (`assay help` lists them)", name,
                         best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
}

void cli_help(FILE *out)
{
    fputs("assay judges neural networks before training them.\n\nusage: assay VERB ...\n\n", out);
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++)
        fprintf(out, "  %-10s %s\n", (*verb)->name, (*verb)->help);
    fputs("\n  assay help VERB     tells a verb's options, with examples\n"
          "  assay --version     tells how this program was built\n\n",
          out);
    cli_fold(out,
             "exit codes: 0 complete, 1 error, 2 wrong command line, 3 complete with failed "
             "candidates,\n75 stopped early, the same command resumes",
             0, "");
}

static void print_option(FILE *out, const struct cli_option *o)
{
    enum { COLUMN = 26 };
    char left[96], blank[COLUMN + 1], letter[8] = "";
    snprintf(blank, sizeof blank, "%*s", COLUMN, "");
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
    if (strlen(left) + 2 > COLUMN)
        fprintf(out, "%s\n%s", left, blank);
    else
        fprintf(out, "%-*s", COLUMN, left);
    cli_fold(out, o->help, COLUMN, blank);
}

void cli_verb_help(const struct cli_verb *verb, FILE *out)
{
    fprintf(out, "usage: assay %s %s\n\n%s\n", verb->name, verb->synopsis, verb->help);
    if (verb->about) {
        fputc('\n', out);
        cli_fold(out, verb->about, 0, "");
    }
    fputs("\noptions:\n", out);
    for (const struct cli_option *o = verb->option; o && o->name; o++) print_option(out, o);
    print_option(out, &(struct cli_option){.name = "help", .letter = 'h', .help = "this text"});
    fputs("\nexamples:\n", out);
    for (const char *at = verb->examples; *at;) {
        const size_t n = strcspn(at, "\n");
        fprintf(out, "  %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}
