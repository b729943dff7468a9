// SPDX-License-Identifier: Apache-2.0
// How TE-NAS's searches went: kappa and regions of the supernet of each round (its Figure 5).
#include "html.h"
#include "plot.h"
#include "runs.h"

#include <math.h>

struct pruning {
    struct report *r;
    struct runs runs;
    struct assay_values round, kappa, regions; // no values of the latter two: others decided
    char **mask;
};

static double mean(const struct assay_values *v, uint64_t row)
{
    double sum = 0;
    for (uint64_t i = 0; i < v->width; i++) sum += v->value[row * v->width + i];
    return sum / (double)v->width;
}

static int read_rounds(struct pruning *p)
{
    ASSAY_TRY(runs_read(&p->runs, p->r, "rounds"));
    if (!p->runs.n) return ASSAY_OK;
    ASSAY_TRY(runs_numbers(&p->runs, p->r, "round", 1, &p->round));
    ASSAY_TRY(assay_parts_numbers(p->r->in->parts, "rounds/kappa", &p->kappa, p->r->err));
    ASSAY_TRY(assay_parts_numbers(p->r->in->parts, "rounds/regions", &p->regions, p->r->err));
    if (p->kappa.n) ASSAY_TRY(runs_numbers(&p->runs, p->r, "kappa", 0, &p->kappa));
    if (p->regions.n) ASSAY_TRY(runs_numbers(&p->runs, p->r, "regions", 0, &p->regions));
    return runs_texts(&p->runs, p->r, "mask", &p->mask);
}

// ---- the plot -----------------------------------------------------------------------------------
static bool is_shown(const struct pruning *p, uint64_t i)
{
    return plot_holds_log(mean(&p->kappa, i)) && plot_holds(mean(&p->regions, i));
}

static uint64_t write_line(const struct pruning *p, FILE *script, uint32_t run)
{
    uint64_t n = 0;
    fprintf(script, "$L%u << EOD\n", run);
    for (uint64_t i = 0; i < p->runs.n; i++) {
        if (p->runs.of[i] != run || !is_shown(p, i)) continue;
        fprintf(script, "%.6g %.6g %.0f\n", mean(&p->kappa, i), mean(&p->regions, i),
                p->round.value[i]);
        n++;
    }
    fputs("NaN NaN NaN\nEOD\n", script);
    return n;
}

// The numbers of rounds stand beside the points of the first search.
static void write_plot(const struct pruning *p, FILE *script, uint32_t lines)
{
    fputs("plot ", script);
    for (uint32_t run = 0; run < lines; run++) {
        fprintf(script, "$L%u using 1:2 ", run);
        plot_line(script, run);
        fprintf(script, " title 'seed %.0f', ", p->runs.run[run].seed);
    }
    fputs("$L0 using 1:2:(sprintf('%.0f', $3)) with labels offset 1,0.6 font ',10' notitle\n",
          script);
}

static void caption(const struct pruning *p, uint32_t lines)
{
    fputs("<figcaption>κ (smaller is better) against linear regions (larger is better) of the "
          "supernet before each round of pruning, means of ",
          p->r->html);
    fprintf(p->r->html, "%.0f repeats; n = ", (double)p->kappa.width);
    html_count(p->r->html, p->runs.n);
    fprintf(p->r->html, " rounds of %u search%s%s. As TE-NAS (arXiv 2102.11535), Figure 5.",
            p->runs.n_run, p->runs.n_run == 1 ? "" : "es",
            lines < p->runs.n_run ? ", the first six of which are shown" : "");
    fputs("</figcaption></figure>\n", p->r->html);
}

// Where no round has a kappa there is no figure.
static int draw(struct pruning *p, uint32_t lines)
{
    struct plot plot;
    uint64_t n = 0;
    ASSAY_TRY(plot_begin(&plot, 440, 340, p->r->err));
    for (uint32_t run = 0; run < lines; run++) n += write_line(p, plot.script, run);
    if (!n) return plot_drop(&plot), ASSAY_OK;
    fputs(
        "set logscale x\nset format x '%g'\nset offsets graph 0.03, graph 0.08, graph 0.06, graph "
        "0.06\nset xlabel 'kappa (smaller is better)'\n"
        "set ylabel 'regions (larger is better)'\nset key below\n",
        plot.script);
    write_plot(p, plot.script, lines);
    fputs("<figure class=\"whole\">", p->r->html);
    ASSAY_TRY(plot_end(&plot, p->r->html, p->r->plots++, p->r->err));
    caption(p, lines);
    return ASSAY_OK;
}

// ---- the rounds ---------------------------------------------------------------------------------
static void print_mean(FILE *out, const struct assay_values *v, uint64_t row)
{
    if (!v->n) return;
    fputs("</td><td>", out);
    html_number(out, mean(v, row), NULL);
}

static void print_rows(const struct pruning *p, uint32_t run)
{
    FILE *out = p->r->html;
    for (uint64_t i = 0; i < p->runs.n; i++) {
        if (p->runs.of[i] != run) continue;
        fprintf(out, "<tr><td>%.0f</td><td>%.0f", p->runs.run[run].seed, p->round.value[i]);
        print_mean(out, &p->kappa, i);
        print_mean(out, &p->regions, i);
        fputs("</td><td><code>", out);
        html_text(out, p->mask[i]);
        fputs("</code></td></tr>\n", out);
    }
}

static void print_table(const struct pruning *p)
{
    fprintf(p->r->html,
            "<details><summary>The supernets of the rounds</summary><div class=\"wide\"><table>"
            "<thead><tr><th>seed</th><th>round</th>%s%s<th>operations alive on each edge</th></tr>"
            "</thead><tbody>\n",
            p->kappa.n ? "<th>kappa</th>" : "", p->regions.n ? "<th>regions</th>" : "");
    for (uint32_t run = 0; run < p->runs.n_run; run++) print_rows(p, run);
    fputs("</tbody></table></div></details>\n", p->r->html);
}

static int print_pruning(struct pruning *p)
{
    const uint32_t lines = p->runs.n_run < PLOT_LINES ? p->runs.n_run : PLOT_LINES;
    html_section(p->r->html, "pruning", "How the supernet was pruned");
    if (p->kappa.n && p->regions.n) ASSAY_TRY(draw(p, lines));
    print_table(p);
    html_section_end(p->r->html);
    return ASSAY_OK;
}

int report_pruning(struct report *r)
{
    struct pruning p = {.r = r};
    int status = read_rounds(&p);
    if (status >= 0 && p.runs.n) status = print_pruning(&p);
    runs_free(&p.runs);
    return status;
}
