// SPDX-License-Identifier: Apache-2.0
// How columns agree with what is measured: the table of correlations, and a plot of each column.
#include "axis.h"
#include "html.h"
#include "plot.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOOTSTRAP_MOST = 50000 }; // points

// ---- correlations -------------------------------------------------------------------------------
// Bounds of the intervals where a bootstrap would take minutes: the variance of tau is at most
// 2 (1 - tau^2) / n, that of rho at most 3 (1 - rho^2) / n (Kendall and Gibbons, Rank Correlation
// Methods, 1990, ch. 4).
static void bound(struct assay_stats_estimate *e, double factor, uint32_t n)
{
    const double half = 1.96 * sqrt(factor * fmax(0, 1 - e->value * e->value) / n);
    e->lo = fmax(-1, e->value - half);
    e->hi = fmin(1, e->value + half);
}

// The ok rows that have both; returns how many.
static uint32_t gather(struct report *r, const double *value)
{
    const struct assay_table *t = r->table;
    uint32_t n = 0;
    for (uint64_t row = 0; row < t->n_row; row++) {
        if (t->status[row] != ASSAY_VERDICT_OK || !isfinite(value[row]) ||
            !isfinite(r->target[row]))
            continue;
        r->x[n] = value[row];
        r->y[n++] = r->target[row];
    }
    return n;
}

static int measure(struct report *r, uint32_t i)
{
    struct report_fact *f = &r->fact[i];
    const bool large = (f->n = gather(r, r->table->value[r->in->column[i]])) > BOOTSTRAP_MOST;
    const uint32_t resamples = large ? 0 : (uint32_t)r->in->resamples;
    const int status =
        assay_stats_correlate(f->n, r->x, r->y, NULL, resamples, r->in->seed, &f->rank);
    if (status < 0) return assay_err_set(r->err, status, "out of memory");
    if (!large || !r->in->resamples) return ASSAY_OK;
    f->bounds = true;
    bound(&f->rank.tau, 2, f->n);
    bound(&f->rank.rho, 3, f->n);
    return ASSAY_OK;
}

int report_measure(struct report *r)
{
    for (uint32_t i = 0; i < r->in->n_column && r->target; i++) ASSAY_TRY(measure(r, i));
    return ASSAY_OK;
}

// ---- the table ----------------------------------------------------------------------------------
static void print_estimate(FILE *out, const struct assay_stats_estimate *e)
{
    if (isnan(e->value)) {
        fputs("–", out);
        return;
    }
    fprintf(out, "%+.3f", e->value);
    if (!isnan(e->lo)) fprintf(out, " [%+.3f, %+.3f]", e->lo, e->hi);
}

static void print_row(const struct report *r, uint32_t i)
{
    const struct report_fact *f = &r->fact[i];
    const int direction = r->table->direction[r->in->column[i]];
    fputs("<tr><td>", r->html);
    html_text(r->html, r->table->name[r->in->column[i]]);
    fprintf(r->html, "</td><td>%s</td><td>",
            direction > 0   ? "larger"
            : direction < 0 ? "smaller"
                            : "–");
    html_count(r->html, f->n);
    fputs("</td><td>", r->html);
    print_estimate(r->html, &f->rank.tau);
    fputs("</td><td>", r->html);
    print_estimate(r->html, &f->rank.rho);
    fputs("</td></tr>\n", r->html);
}

static void print_note(const struct report *r)
{
    bool bounds = false, drawn = false;
    for (uint32_t i = 0; i < r->in->n_column; i++)
        (r->fact[i].bounds ? (bounds = true) : (drawn = true));
    fputs("<p>Rank correlations over ok candidates; signs are those of the raw column.", r->html);
    if (!r->in->resamples) drawn = false;
    if (drawn)
        fprintf(r->html,
                " Intervals (95 %%): percentiles of %" PRIu64 " bootstrap resamples, seed "
                "%" PRIu64 ".",
                r->in->resamples, r->in->seed);
    if (bounds)
        fprintf(r->html,
                " Intervals of more than %d points are bounds of the normal "
                "approximation.",
                BOOTSTRAP_MOST);
    fputs("</p>\n", r->html);
}

static void print_table(const struct report *r)
{
    fputs("<div class=\"wide\"><table><thead><tr><th>column</th><th>better</th><th>n</th>"
          "<th>Kendall τ-b [95 %]</th><th>Spearman ρ [95 %]</th></tr></thead><tbody>\n",
          r->html);
    for (uint32_t i = 0; i < r->in->n_column; i++) print_row(r, i);
    fputs("</tbody></table></div>\n", r->html);
}

// ---- plots --------------------------------------------------------------------------------------
static int write_script(struct report *r, struct plot *p, uint32_t i, struct axis_points *points)
{
    struct axis axis[2];
    const uint32_t n = gather(r, r->table->value[r->in->column[i]]);
    ASSAY_TRY(axis_fit(&axis[0], n, r->x, r->err));
    ASSAY_TRY(axis_fit(&axis[1], n, r->y, r->err));
    ASSAY_TRY(axis_write(p->script, axis, n, r->x, r->y, points, r->err));
    axis_set(p->script, &axis[0], "x");
    axis_set(p->script, &axis[1], "y");
    fputs("set palette defined (0 '#cccccc', 1 '#000000')\nunset colorbox\nset xlabel ", p->script);
    plot_word(p->script, r->table->name[r->in->column[i]]);
    fputs("\nset ylabel ", p->script);
    plot_word(p->script, r->target_name);
    fputs("\nplot ", p->script);
    axis_plot(p->script, points);
    fputc('\n', p->script);
    return ASSAY_OK;
}

static void print_caption(const struct report *r, uint32_t i, const struct axis_points *points)
{
    const struct report_fact *f = &r->fact[i];
    const int c = r->in->column[i];
    fputs("<figcaption><b>", r->html);
    html_text(r->html, r->table->name[c]);
    fprintf(r->html, "</b>%s against ", report_direction(r->table->direction[c]));
    html_text(r->html, r->target_name);
    fputs(": τ-b ", r->html);
    print_estimate(r->html, &f->rank.tau);
    fputs(", ρ ", r->html);
    print_estimate(r->html, &f->rank.rho);
    fputs(", n = ", r->html);
    html_count(r->html, f->n);
    if (points->binned)
        fputs("; the darker, the more architectures, up to ", r->html),
            html_count(r->html, points->most);
    if (points->outside)
        fputs("; ", r->html), html_count(r->html, points->outside),
            fputs(" lie outside of the axes", r->html);
    fputs(". ", r->html);
    report_protocol(r, c);
    fputs("</figcaption></figure>\n", r->html);
}

static int draw_column(struct report *r, uint32_t i)
{
    struct plot p;
    struct axis_points points;
    if (r->fact[i].n < 2) return ASSAY_OK;
    ASSAY_TRY(plot_begin(&p, 400, 290, r->err));
    const int status = write_script(r, &p, i, &points);
    if (status < 0) return plot_drop(&p), status;
    fputs("<figure>", r->html);
    ASSAY_TRY(plot_end(&p, r->html, r->plots++, r->err));
    print_caption(r, i, &points);
    return ASSAY_OK;
}

int report_agree(struct report *r)
{
    if (!r->target) return ASSAY_OK;
    html_section(r->html, "agree", r->in->truth ? "Against accuracy" : "Against size");
    if (!r->in->truth) fputs("<p>No accuracies were given (--truth FILE.csv).</p>\n", r->html);
    print_note(r);
    print_table(r);
    fputs("<div class=\"plots\">\n", r->html);
    for (uint32_t i = 0; i < r->in->n_column; i++)
        if (r->table->value[r->in->column[i]] != r->target) ASSAY_TRY(draw_column(r, i));
    fputs("</div>\n", r->html);
    html_section_end(r->html);
    return ASSAY_OK;
}
