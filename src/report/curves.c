// SPDX-License-Identifier: Apache-2.0
// What one gets who trains the first k by a column: the regret of the best of them, and how many of
// the truly best k are among them.
#include "html.h"
#include "plot.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct curves {
    struct report *r;
    uint64_t n;   // ranked architectures with an accuracy
    double *best; // (n) the accuracies, best first
    double *by;   // (n) the same, in the order of a ranking
    uint32_t column[PLOT_LINES], n_column;
};

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

// The numbers 1, 2, 3, 5, 7, 10, ..., about ten of each decade, up to n, which is the last.
static uint64_t next_k(uint64_t k, uint64_t n)
{
    const uint64_t next = k < 8 ? k + 1 : k + k / 4;
    return k < n && next > n ? n : next;
}

// ---- lines --------------------------------------------------------------------------------------
// The accuracies in the order of a ranking, those of candidates that are not ok last; n is how many
// there are, whatever the ranking.
static void order_by(struct curves *c, uint32_t ranking)
{
    const struct assay_table *t = c->r->table;
    c->n = 0;
    for (uint64_t place = 0; place < t->n_row; place++) {
        const double accuracy = c->r->target[t->order[ranking][place]];
        if (isfinite(accuracy)) c->by[c->n++] = accuracy;
    }
}

// One row a k: k, regret, share of the best k. Ties at the edge of the best k count as among them.
static void write_line(struct curves *c, FILE *script, uint32_t line, uint32_t ranking)
{
    double top = -INFINITY;
    uint64_t at = 0;
    order_by(c, ranking);
    fprintf(script, "$L%u << EOD\n", line);
    for (uint64_t k = 1; k <= c->n; k = next_k(k, c->n)) {
        uint64_t hits = 0;
        for (; at < k; at++) top = fmax(top, c->by[at]);
        for (uint64_t i = 0; i < k; i++) hits += c->by[i] >= c->best[k - 1];
        fprintf(script, "%" PRIu64 " %.6g %.6g\n", k, c->best[0] - top, (double)hits / (double)k);
    }
    fputs("EOD\n", script);
}

// What random choice gives: the expected best of k of n without replacement, which is the i-th best
// with probability C(n - i, k - 1) / C(n, k), and k / n of the best k.
static void write_chance(const struct curves *c, FILE *script)
{
    const double n = (double)c->n;
    fputs("$R << EOD\n", script);
    for (uint64_t k = 1; k <= c->n; k = next_k(k, c->n)) {
        double p = (double)k / n, sum = 0;
        for (uint64_t i = 1; i <= c->n - k + 1 && p > 1e-12; i++) {
            sum += p * c->best[i - 1];
            p *= (n - (double)i - (double)k + 1) / (n - (double)i);
        }
        fprintf(script, "%" PRIu64 " %.6g %.6g\n", k, c->best[0] - sum, (double)k / n);
    }
    fputs("EOD\n", script);
}

// ---- plots --------------------------------------------------------------------------------------
static void write_plot(const struct curves *c, FILE *script, int value)
{
    fputs("plot $R using 1:(", script);
    fprintf(script, "$%d) with lines lw 3 lc rgb '#bbbbbb' title 'random choice'", value);
    for (uint32_t i = 0; i < c->n_column; i++) {
        fprintf(script, ", $L%u using 1:($%d) ", i, value);
        plot_line(script, i);
        fputs(" pi 4 title ", script);
        plot_word(script, c->r->table->name[c->r->in->column[c->column[i]]]);
    }
    fputc('\n', script);
}

static int draw(struct curves *c, int value)
{
    struct plot p;
    ASSAY_TRY(plot_begin(&p, 440, 340, c->r->err));
    for (uint32_t i = 0; i < c->n_column; i++) {
        const struct assay_table *t = c->r->table;
        const int ranking = report_ranking(t, t->name[c->r->in->column[c->column[i]]]);
        write_line(c, p.script, i, (uint32_t)ranking);
    }
    write_chance(c, p.script);
    fprintf(p.script,
            "set logscale x\nset xrange [0.9:%" PRIu64 "]\nset format x '%%g'\nset xlabel "
            "'k, architectures trained'\nset key below\nset yrange [0:*]\nset ylabel '%s'\n",
            c->n + c->n / 10, value == 2 ? "regret of the best of them" : "share of the best k");
    write_plot(c, p.script, value);
    fputs("<figure>", c->r->html);
    return plot_end(&p, c->r->html, c->r->plots++, c->r->err);
}

static void caption(const struct curves *c, const char *text)
{
    fprintf(c->r->html, "<figcaption>%s; ", text);
    html_text(c->r->html, c->r->target_name);
    fputs(", n = ", c->r->html);
    html_count(c->r->html, c->n);
    fputs(". Each column is followed in its own direction, candidates that are not ok come last."
          "</figcaption></figure>\n",
          c->r->html);
}

// ---- the numbers --------------------------------------------------------------------------------
static void print_row(struct curves *c, uint32_t i)
{
    static const uint64_t ks[] = {1, 10, 100, 1000};
    const struct assay_table *t = c->r->table;
    const int ranking = report_ranking(t, t->name[c->r->in->column[i]]);
    if (ranking < 0) return;
    order_by(c, (uint32_t)ranking);
    fputs("<tr><td>", c->r->html);
    html_text(c->r->html, t->name[c->r->in->column[i]]);
    for (size_t j = 0; j < ASSAY_LEN(ks); j++) {
        const double best = assay_stats_top_best((uint32_t)c->n, c->by, (uint32_t)ks[j]);
        if (ks[j] <= c->n)
            fprintf(c->r->html, "</td><td>%.2f (%.2f)", best, c->best[0] - best);
        else
            fputs("</td><td>–", c->r->html);
    }
    fputs("</td></tr>\n", c->r->html);
}

static void print_table(struct curves *c)
{
    fputs("<div class=\"wide\"><table><thead><tr><th>column</th><th>best of 1 (regret)</th>"
          "<th>of 10</th><th>of 100</th><th>of 1,000</th></tr></thead><tbody>\n",
          c->r->html);
    for (uint32_t i = 0; i < c->r->in->n_column; i++) print_row(c, i);
    fputs("</tbody></table></div>\n", c->r->html);
}

// ---- all of it ----------------------------------------------------------------------------------
// The columns that agree best, in the order in which they are shown.
static void choose_columns(struct curves *c)
{
    const struct report *r = c->r;
    for (uint32_t i = 0; i < r->in->n_column; i++) {
        const double tau = fabs(r->fact[i].rank.tau.value);
        uint32_t better = 0;
        if (isnan(tau) || report_ranking(r->table, r->table->name[r->in->column[i]]) < 0) continue;
        for (uint32_t j = 0; j < r->in->n_column; j++) {
            const double other = fabs(r->fact[j].rank.tau.value);
            better += other > tau || (other == tau && j < i);
        }
        if (better < PLOT_LINES) c->column[c->n_column++] = i;
    }
}

static int print_curves(struct curves *c)
{
    order_by(c, 0);
    memcpy(c->best, c->by, c->n * sizeof *c->best);
    qsort(c->best, c->n, sizeof *c->best, descending);
    choose_columns(c);
    if (c->n < 2 || !c->n_column) return ASSAY_OK;
    html_section(c->r->html, "top-k", "What the top of each ranking is worth");
    if (c->n_column < c->r->in->n_column)
        fprintf(c->r->html, "<p>The plots show the %u columns of the largest |τ|.</p>\n",
                c->n_column);
    fputs("<div class=\"plots large\">\n", c->r->html);
    ASSAY_TRY(draw(c, 2));
    caption(c, "Regret: the best accuracy there is, less the best among the first k");
    ASSAY_TRY(draw(c, 3));
    caption(c, "Share of the truly best k that are among the first k");
    fputs("</div>\n", c->r->html);
    print_table(c);
    html_section_end(c->r->html);
    return ASSAY_OK;
}

int report_curves(struct report *r)
{
    struct curves c = {.r = r};
    if (!r->in->truth || !r->table->n_ranking) return ASSAY_OK;
    c.best = malloc((r->table->n_row + 1) * sizeof *c.best);
    c.by = malloc((r->table->n_row + 1) * sizeof *c.by);
    const int status = c.best && c.by ? print_curves(&c)
                                      : assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    free(c.best);
    free(c.by);
    return status;
}
