// SPDX-License-Identifier: Apache-2.0
// The steps of NASI's searches, and what they decided on.
#include "html.h"
#include "plot.h"
#include "runs.h"

#include <math.h>
#include <string.h>

enum { PLOTS_MOST = 12 };

struct steps {
    struct report *r;
    struct runs runs;
    struct assay_values step, trace, nu, over;
};

static int read_steps(struct steps *s)
{
    ASSAY_TRY(runs_read(&s->runs, s->r, "steps"));
    if (!s->runs.n) return ASSAY_OK;
    ASSAY_TRY(runs_numbers(&s->runs, s->r, "step", 1, &s->step));
    ASSAY_TRY(runs_numbers(&s->runs, s->r, "nasi_trace", 1, &s->trace));
    ASSAY_TRY(runs_numbers(&s->runs, s->r, "nu", 1, &s->nu));
    return runs_numbers(&s->runs, s->r, "over", 1, &s->over);
}

// ---- plots --------------------------------------------------------------------------------------
// One row a step: step, T, nu. Returns how many steps have a T.
static uint64_t write_steps(const struct steps *s, FILE *script, uint32_t run, uint64_t *over)
{
    uint64_t n = 0;
    fputs("$T << EOD\n", script);
    for (uint64_t i = 0; i < s->runs.n; i++) {
        const double t = s->trace.value[i], nu = s->nu.value[i];
        if (s->runs.of[i] != run || !plot_holds_log(t) || !plot_holds(s->step.value[i])) continue;
        fprintf(script, "%.0f %.6g ", s->step.value[i], t);
        fprintf(script, plot_holds_log(nu) ? "%.6g\n" : "NaN\n", nu);
        *over += s->over.value[i] != 0;
        n++;
    }
    fputs("NaN NaN NaN\nEOD\n", script);
    return n;
}

static int draw(struct steps *s, uint32_t run)
{
    struct plot p;
    char name[128];
    uint64_t over = 0;
    ASSAY_TRY(plot_begin(&p, 400, 280, s->r->err));
    const uint64_t n = write_steps(s, p.script, run, &over);
    if (n < 2) return plot_drop(&p), ASSAY_OK;
    fputs("set logscale y\nset format y '%g'\nset xlabel 'step'\nset ylabel 'T'\nset key below\n"
          "plot $T using 1:2 with points pt 6 ps 0.5 lc rgb '#000000' title 'T of the sample', "
          "$T using 1:3 with lines lw 2 dt 2 lc rgb '#000000' title 'bound nu'\n",
          p.script);
    fputs("<figure>", s->r->html);
    ASSAY_TRY(plot_end(&p, s->r->html, s->r->plots++, s->r->err));
    runs_name(&s->runs, run, name, sizeof name);
    fputs("<figcaption><b>", s->r->html);
    html_text(s->r->html, name);
    fputs("</b>: trace norm T of the samples (larger is better, up to ν), n = ", s->r->html);
    html_count(s->r->html, n);
    fputs(" steps, T above ν in ", s->r->html);
    html_count(s->r->html, over);
    fputs(" of them.</figcaption></figure>\n", s->r->html);
    return ASSAY_OK;
}

static int print_steps(struct steps *s)
{
    html_section(s->r->html, "steps", "NASI's steps");
    fputs("<div class=\"plots\">\n", s->r->html);
    for (uint32_t run = 0; run < s->runs.n_run && run < PLOTS_MOST; run++) ASSAY_TRY(draw(s, run));
    fputs("</div>\n", s->r->html);
    if (s->runs.n_run > PLOTS_MOST)
        fprintf(s->r->html, "<p>%u of %u searches are shown.</p>\n", PLOTS_MOST, s->runs.n_run);
    html_section_end(s->r->html);
    return ASSAY_OK;
}

int report_steps(struct report *r)
{
    struct steps s = {.r = r};
    int status = read_steps(&s);
    if (status >= 0 && s.runs.n) status = print_steps(&s);
    runs_free(&s.runs);
    return status;
}

// ---- decisions ----------------------------------------------------------------------------------
struct choices {
    struct runs runs;
    char **name;
    struct assay_values choice, delta, taken;
};

static int read_choices(struct choices *c, struct report *r)
{
    ASSAY_TRY(runs_read(&c->runs, r, "choices"));
    if (!c->runs.n) return ASSAY_OK;
    ASSAY_TRY(runs_texts(&c->runs, r, "name", &c->name));
    ASSAY_TRY(runs_numbers(&c->runs, r, "choice", 1, &c->choice));
    ASSAY_TRY(runs_numbers(&c->runs, r, "delta", 1, &c->delta));
    return runs_numbers(&c->runs, r, "taken", 1, &c->taken);
}

// The options of a choice stand behind one another, the one taken in bold.
static void print_run(FILE *out, const struct choices *c, uint32_t run)
{
    char name[128];
    double last = NAN;
    runs_name(&c->runs, run, name, sizeof name);
    fputs("<details><summary>", out);
    html_text(out, name);
    fputs("</summary><p>", out);
    for (uint64_t i = 0; i < c->runs.n; i++) {
        const bool taken = c->taken.value[i] != 0;
        if (c->runs.of[i] != run) continue;
        if (!isnan(last)) fputs(c->choice.value[i] != last ? "<br>\n" : "; ", out);
        last = c->choice.value[i];
        if (taken) fputs("<b>", out);
        html_text(out, c->name[i]);
        fprintf(out, " %+.3g", c->delta.value[i]);
        if (taken) fputs("</b>", out);
    }
    fputs("</p></details>\n", out);
}

int report_choices(struct report *r)
{
    struct choices c = {.name = NULL};
    const int status = read_choices(&c, r);
    if (status >= 0 && c.runs.n) {
        html_section(r->html, "choices", "NASI's decisions");
        fputs("<p>Δα of every option after the step that decides; bold: taken.</p>\n", r->html);
        for (uint32_t run = 0; run < c.runs.n_run; run++) print_run(r->html, &c, run);
        html_section_end(r->html);
    }
    runs_free(&c.runs);
    return status;
}
