// SPDX-License-Identifier: Apache-2.0
// What columns cost, and how they agree with what is measured.
#include "html.h"
#include "plot.h"
#include "report.h"

#include <math.h>

static bool is_drawn(const struct report *r, uint32_t i)
{
    return plot_holds_log(r->in->seconds[i]) && !isnan(r->fact[i].rank.tau.value);
}

static double tau_of(const struct report *r, uint32_t i)
{
    return fabs(r->fact[i].rank.tau.value);
}

// Whether the numbers of two columns would lie on each other.
static bool is_near(const struct report *r, uint32_t i, uint32_t j)
{
    return fabs(log(r->in->seconds[i] / r->in->seconds[j])) < 0.15 &&
           fabs(tau_of(r, i) - tau_of(r, j)) < 0.02;
}

// A column's point, and the numbers of all columns near it, which the first of them has.
static void write_point(const struct report *r, FILE *script, uint32_t i)
{
    const char *before = "";
    fprintf(script, "%.6g %.6g \"", r->in->seconds[i], tau_of(r, i));
    for (uint32_t j = 0; j < r->in->n_column; j++) {
        if (!is_drawn(r, j) || !is_near(r, i, j)) continue;
        if (j < i) break;
        fprintf(script, "%s%u", before, j + 1);
        before = ", ";
    }
    fputs("\"\n", script);
}

static int draw(struct report *r)
{
    struct plot p;
    ASSAY_TRY(plot_begin(&p, 440, 320, r->err));
    fputs("$D << EOD\n", p.script);
    for (uint32_t i = 0; i < r->in->n_column; i++)
        if (is_drawn(r, i)) write_point(r, p.script, i);
    fputs("EOD\nset logscale x\nset format x '%g'\nset offsets graph 0.08, graph 0.15, graph 0.08, "
          "graph 0.05\nset yrange [0:*]\nset xlabel 'CPU time of an architecture, s'\n"
          "set ylabel '|Kendall tau|'\n"
          "plot $D using 1:2 with points pt 6 ps 0.6 lc rgb '#000000' notitle, "
          "$D using 1:2:3 with labels left offset 0.7,0 font ',11' notitle\n",
          p.script);
    return plot_end(&p, r->html, r->plots++, r->err);
}

static void print_row(const struct report *r, uint32_t i)
{
    fprintf(r->html, "<tr><td>%u</td><td>", i + 1);
    html_text(r->html, r->table->name[r->in->column[i]]);
    fputs("</td><td>", r->html);
    if (r->in->seconds[i] > 0)
        html_seconds(r->html, r->in->seconds[i]);
    else
        fputs("none", r->html);
    fputs("</td><td>", r->html);
    html_number(r->html, tau_of(r, i), NULL);
    fputs("</td></tr>\n", r->html);
}

int report_cost(struct report *r)
{
    uint32_t drawn = 0;
    for (uint32_t i = 0; i < r->in->n_column && r->in->seconds && r->target; i++)
        drawn += is_drawn(r, i);
    if (drawn < 2) return ASSAY_OK;
    html_section(r->html, "cost", "Cost against correlation");
    fputs("<div class=\"plots large\"><figure>", r->html);
    ASSAY_TRY(draw(r));
    fputs("<figcaption>|τ-b| with ", r->html);
    html_text(r->html, r->target_name);
    fprintf(r->html,
            " (larger is better) against the CPU time of an architecture (smaller is "
            "better), n = %u columns, numbered as in the table. A column takes the part that the "
            "passes of its metric cost by the program's estimate; a pass that columns share "
            "counts for each of them.</figcaption></figure>\n",
            drawn);
    fputs("<div class=\"wide\"><table><thead><tr><th></th><th>column</th><th>CPU time</th>"
          "<th>|τ-b|</th></tr></thead><tbody>\n",
          r->html);
    for (uint32_t i = 0; i < r->in->n_column; i++) print_row(r, i);
    fputs("</tbody></table></div></div>\n", r->html);
    html_section_end(r->html);
    return ASSAY_OK;
}
