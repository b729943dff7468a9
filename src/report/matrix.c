// SPDX-License-Identifier: Apache-2.0
// The rank correlations between all columns shown.
#include "html.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

// Pairs of columns times rows that are correlated at most, which takes seconds.
#define WORK_MOST 2e7

struct matrix {
    struct report *r;
    uint32_t n;               // columns, the target among them where it is no column
    const double **value;     // (n)
    const char **name;        // (n)
    uint64_t *row, n_row, ok; // those that take part, and all that are ok
    double *rho;              // (n, n)
};

static int correlate(struct matrix *m, uint32_t i, uint32_t j)
{
    struct report *r = m->r;
    struct assay_stats_correlation c;
    uint32_t n = 0;
    for (uint64_t k = 0; k < m->n_row; k++) {
        r->x[n] = m->value[i][m->row[k]];
        r->y[n] = m->value[j][m->row[k]];
        n += isfinite(r->x[n]) && isfinite(r->y[n]);
    }
    const int status = assay_stats_correlate(n, r->x, r->y, NULL, 0, 0, &c);
    if (status < 0) return assay_err_set(r->err, status, "out of memory");
    m->rho[i * m->n + j] = m->rho[j * m->n + i] = c.rho.value;
    return ASSAY_OK;
}

// ---- printing -----------------------------------------------------------------------------------
// The darker, the stronger; the number tells the sign.
static void print_value(FILE *out, double rho)
{
    if (isnan(rho)) {
        fputs("<td>–</td>", out);
        return;
    }
    const int grey = 255 - (int)(110 * rho * rho);
    fprintf(out, "<td style=\"background:#%02x%02x%02x\">%+.2f</td>", grey, grey, grey, rho);
}

static void print_table(const struct matrix *m)
{
    FILE *out = m->r->html;
    fputs("<div class=\"wide\"><table class=\"matrix\"><thead><tr><td></td>", out);
    for (uint32_t j = 0; j < m->n; j++) {
        fputs("<th>", out);
        html_text(out, m->name[j]);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (uint32_t i = 0; i < m->n; i++) {
        fputs("<tr><th>", out);
        html_text(out, m->name[i]);
        fputs("</th>", out);
        for (uint32_t j = 0; j < m->n; j++) print_value(out, m->rho[i * m->n + j]);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static int print_matrix(struct matrix *m)
{
    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t j = 0; j <= i; j++) ASSAY_TRY(correlate(m, i, j));
    html_section(m->r->html, "matrix", "Columns against each other");
    fputs("<p>Spearman's ρ of the raw columns over ", m->r->html);
    html_count(m->r->html, m->n_row);
    if (m->n_row < m->ok) fputs(" random ones of the ", m->r->html), html_count(m->r->html, m->ok);
    fputs(" ok candidates; the darker, the stronger.</p>\n", m->r->html);
    print_table(m);
    html_section_end(m->r->html);
    return ASSAY_OK;
}

static void gather(struct matrix *m)
{
    const struct report *r = m->r;
    if (r->in->truth) {
        m->value[m->n] = r->target;
        m->name[m->n++] = r->target_name;
    }
    for (uint32_t i = 0; i < r->in->n_column; i++) {
        m->value[m->n] = r->table->value[r->in->column[i]];
        m->name[m->n++] = r->table->name[r->in->column[i]];
    }
}

int report_matrix(struct report *r)
{
    const size_t most = r->in->n_column + 1u;
    struct matrix m = {.r = r};
    if (r->in->n_column < 2) return ASSAY_OK;
    m.value = malloc(most * sizeof *m.value);
    m.name = malloc(most * sizeof *m.name);
    m.row = malloc((r->table->n_row + 1) * sizeof *m.row);
    m.rho = calloc(most * most, sizeof *m.rho);
    int status = ASSAY_ERR_MEMORY;
    if (m.value && m.name && m.row && m.rho) {
        gather(&m);
        const double rows = WORK_MOST / (m.n * (m.n + 1.0) / 2);
        m.n_row = report_sample(r, "matrix", (uint64_t)rows, m.row, &m.ok);
        status = print_matrix(&m);
    } else {
        assay_err_set(r->err, status, "out of memory");
    }
    free(m.value);
    free(m.name);
    free(m.row);
    free(m.rho);
    return status;
}
