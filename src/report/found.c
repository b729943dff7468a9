// SPDX-License-Identifier: Apache-2.0
// What searches found.
#include "cell.h"
#include "html.h"
#include "runs.h"

#include <math.h>

struct found {
    struct runs runs;
    char **arch;
    struct assay_values index, rounds, evaluations, seconds;
};

static int read_found(struct found *f, struct report *r)
{
    ASSAY_TRY(runs_read(&f->runs, r, "found"));
    if (!f->runs.n) return ASSAY_OK;
    ASSAY_TRY(runs_texts(&f->runs, r, "arch", &f->arch));
    ASSAY_TRY(runs_numbers(&f->runs, r, "index", 1, &f->index));
    ASSAY_TRY(runs_numbers(&f->runs, r, "rounds", 1, &f->rounds));
    ASSAY_TRY(runs_numbers(&f->runs, r, "evaluations", 1, &f->evaluations));
    return assay_parts_numbers(r->in->parts, "run/cpu_seconds", &f->seconds, r->err);
}

static void print_fact(FILE *out, const char *name, double value)
{
    html_fact(out, name);
    html_number(out, value, NULL);
    html_fact_end(out);
}

static void print_found(const struct report *r, const struct found *f, uint64_t i)
{
    char name[128];
    struct assay_drawing drawing;
    const double index = f->index.value[i];
    if (f->runs.of[i] == RUNS_MOST) return;
    runs_name(&f->runs, f->runs.of[i], name, sizeof name);
    fputs("<div class=\"card\"><b>", r->html);
    html_text(r->html, name);
    fputs("</b> <code>", r->html);
    html_text(r->html, f->arch[i]);
    fputs("</code>\n", r->html);
    const uint64_t number = index >= 0 && index < 0x1p63 ? (uint64_t)index : UINT64_MAX;
    if (r->in->space && cell_find(r->in->space, number, f->arch[i], &drawing))
        cell_print(r->html, &drawing);
    fputs("<dl class=\"values\">", r->html);
    if (r->in->truth && !isnan(r->in->truth[i]))
        print_fact(r->html, r->in->target, r->in->truth[i]);
    print_fact(r->html, "rounds", f->rounds.value[i]);
    print_fact(r->html, "evaluations", f->evaluations.value[i]);
    if (f->seconds.n == f->runs.n && f->seconds.width == 1) {
        html_fact(r->html, "CPU time");
        html_seconds(r->html, f->seconds.value[i]);
        html_fact_end(r->html);
    }
    fputs("</dl></div>\n", r->html);
}

int report_found(struct report *r)
{
    struct found f = {.arch = NULL};
    const int status = read_found(&f, r);
    if (status >= 0) {
        html_section(r->html, "found", "What was found");
        if (!f.runs.n) fputs("<p>No search is finished yet.</p>\n", r->html);
        fputs("<div class=\"cards\">\n", r->html);
        for (uint64_t i = 0; i < f.runs.n; i++) print_found(r, &f, i);
        fputs("</div>\n", r->html);
        html_section_end(r->html);
    }
    runs_free(&f.runs);
    return status;
}
