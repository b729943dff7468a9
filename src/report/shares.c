// SPDX-License-Identifier: Apache-2.0
// Which operations the best architectures by each column are made of (TE-NAS, Figure 4).
#include "cell.h"
#include "html.h"
#include "plot.h"
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPS_MOST = 16, BARS_MOST = 16 };

struct shares {
    struct report *r;
    const char *op[OPS_MOST]; // static names, in the order in which they were met
    uint32_t n_op;
    uint8_t (*count)[OPS_MOST]; // (n_row) of each architecture
    bool *known;                // (n_row) it could be drawn
    uint64_t n_known;
};

// ---- counting -----------------------------------------------------------------------------------
static void count_op(struct shares *s, uint64_t row, const char *op)
{
    uint32_t i = 0;
    while (i < s->n_op && strcmp(s->op[i], op)) i++;
    if (i == OPS_MOST) return;
    if (i == s->n_op) s->op[s->n_op++] = op;
    s->count[row][i]++;
}

static void count_row(struct shares *s, uint64_t row)
{
    const struct assay_table *t = s->r->table;
    struct assay_drawing drawing;
    if (!cell_find(s->r->in->space, t->index[row], t->arch[row], &drawing)) return;
    s->known[row] = true;
    s->n_known++;
    for (uint32_t c = 0; c < drawing.n_cell; c++) {
        const struct assay_drawing_cell *cell = &drawing.cell[c];
        for (uint32_t i = 0; i < cell->n_edge; i++)
            if (cell->edge[i].op) count_op(s, row, cell->edge[i].op);
        for (uint32_t i = 0; i < cell->n_node; i++)
            if (cell->node[i]) count_op(s, row, cell->node[i]);
    }
}

// Shares of the operations among the first n rows of an order; NULL: of all ok rows.
static uint64_t sum(const struct shares *s, const uint64_t *order, uint64_t n,
                    double share[OPS_MOST])
{
    const struct assay_table *t = s->r->table;
    double all = 0;
    uint64_t rows = 0;
    memset(share, 0, OPS_MOST * sizeof *share);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t row = order ? order[i] : i;
        if (!s->known[row] || t->status[row] != ASSAY_VERDICT_OK) continue;
        rows++;
        for (uint32_t k = 0; k < s->n_op; k++) share[k] += s->count[row][k];
    }
    for (uint32_t k = 0; k < s->n_op; k++) all += share[k];
    for (uint32_t k = 0; k < s->n_op && all > 0; k++) share[k] /= all;
    return rows;
}

// ---- what is shown ------------------------------------------------------------------------------
// Takes the next line: all ok rows, then the best by each column; the name is NULL behind the last.
static const char *next_line(const struct shares *s, uint32_t *at, double share[OPS_MOST],
                             uint64_t *n)
{
    const struct assay_table *t = s->r->table;
    if ((*at)++ == 0) {
        *n = sum(s, NULL, t->n_row, share);
        return "all";
    }
    for (; *at <= s->r->in->n_column + 1; (*at)++) {
        const int ranking = report_ranking(t, t->name[s->r->in->column[*at - 2]]);
        if (ranking < 0) continue;
        *n = sum(s, t->order[ranking], report_best(s->r, ranking), share);
        return t->ranking[ranking];
    }
    return NULL;
}

static void print_table(const struct shares *s)
{
    FILE *out = s->r->html;
    double share[OPS_MOST];
    const char *name;
    uint64_t n;
    fputs("<div class=\"wide\"><table><thead><tr><th>best by</th><th>n</th>", out);
    for (uint32_t k = 0; k < s->n_op; k++) fprintf(out, "<th>%s</th>", s->op[k]);
    fputs("</tr></thead><tbody>\n", out);
    for (uint32_t at = 0; (name = next_line(s, &at, share, &n));) {
        fputs("<tr><td>", out);
        html_text(out, name);
        fputs("</td><td>", out);
        html_count(out, n);
        for (uint32_t k = 0; k < s->n_op; k++) fprintf(out, "</td><td>%.1f %%", 100 * share[k]);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static uint32_t write_bars(const struct shares *s, FILE *script)
{
    double share[OPS_MOST];
    const char *name;
    uint64_t n;
    uint32_t bars = 0;
    fputs("$S << EOD\n", script);
    for (uint32_t at = 0; bars < BARS_MOST && (name = next_line(s, &at, share, &n)); bars++) {
        plot_data_word(script, name);
        for (uint32_t k = 0; k < s->n_op; k++) fprintf(script, " %.4f", 100 * share[k]);
        fputc('\n', script);
    }
    fputs("EOD\n", script);
    return bars;
}

// Stacks of patterns, which do without colours.
static int draw(const struct shares *s, uint32_t *bars)
{
    static const uint8_t pattern[] = {0, 3, 1, 2, 5, 4, 6, 7};
    struct plot p;
    ASSAY_TRY(plot_begin(&p, 440, 400, s->r->err));
    *bars = write_bars(s, p.script);
    fputs("set style data histograms\nset style histogram rowstacked\nset boxwidth 0.7\n"
          "set yrange [0:100]\nset ylabel 'share of operations, %'\nset xtics rotate by 90 right\n"
          "set key below\nplot ",
          p.script);
    for (uint32_t k = 0; k < s->n_op; k++) {
        fprintf(p.script, "%s$S using %u%s %s %u lc rgb '#000000' title ", k ? ", " : "", k + 2,
                k ? "" : ":xtic(1)", "fs pattern", pattern[k % ASSAY_LEN(pattern)]);
        plot_word(p.script, s->op[k]);
    }
    fputc('\n', p.script);
    return plot_end(&p, s->r->html, s->r->plots++, s->r->err);
}

static int print_shares(struct shares *s)
{
    uint32_t bars;
    for (uint64_t row = 0; row < s->r->table->n_row; row++)
        if (s->r->table->status[row] == ASSAY_VERDICT_OK) count_row(s, row);
    if (!s->n_known || s->n_op < 2) return ASSAY_OK;
    html_section(s->r->html, "operations", "Operations of the best 10 %");
    fputs("<figure class=\"whole\">", s->r->html);
    ASSAY_TRY(draw(s, &bars));
    fputs("<figcaption>Share of each operation among the best 10 % of the ok architectures by "
          "each column in its own direction, and among all ",
          s->r->html);
    html_count(s->r->html, s->n_known);
    fputs(" of them; as TE-NAS (arXiv 2102.11535), Figure 4.", s->r->html);
    if (bars == BARS_MOST) fputs(" The table has all columns.", s->r->html);
    fputs("</figcaption></figure>\n", s->r->html);
    print_table(s);
    html_section_end(s->r->html);
    return ASSAY_OK;
}

int report_shares(struct report *r)
{
    struct shares s = {.r = r};
    if (!r->in->space) return ASSAY_OK;
    s.count = calloc(r->table->n_row + 1, sizeof *s.count);
    s.known = calloc(r->table->n_row + 1, sizeof *s.known);
    const int status = s.count && s.known
                           ? print_shares(&s)
                           : assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    free(s.count);
    free(s.known);
    return status;
}
