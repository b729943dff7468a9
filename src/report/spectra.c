// SPDX-License-Identifier: Apache-2.0
// The spectra of the kernels as a fan: how each eigenvalue is spread over the architectures.
#include "html.h"
#include "plot.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MOST = 2000, BANDS = 5 };
static const double quantile[BANDS] = {0.05, 0.25, 0.5, 0.75, 0.95};

struct spectra {
    struct report *r;
    struct assay_values v; // (n, repeats * last)
    uint64_t *row;         // (n) of the table, ascending
    bool *best;            // (n) among the best 10 % of the table
    uint64_t n, n_best, n_ok;
    double *sorted; // (n * repeats) scratch
};

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// ---- which rows ---------------------------------------------------------------------------------
static int compare_row(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Marks the rows that are among the best 10 % of the ok ones.
static void mark_best(struct spectra *s)
{
    const uint64_t best = report_best(s->r, s->r->in->by);
    const uint64_t *order = s->r->in->by < 0 ? NULL : s->r->table->order[s->r->in->by];
    for (uint64_t place = 0; place < best; place++) {
        const uint64_t *at = bsearch(&order[place], s->row, s->n, sizeof *s->row, compare_row);
        if (!at) continue;
        s->best[at - s->row] = true;
        s->n_best++;
    }
}

// ---- the plot -----------------------------------------------------------------------------------
// Sorts the positive eigenvalues number i from the largest; returns how many.
static uint64_t gather(struct spectra *s, uint64_t i, bool best)
{
    const uint64_t last = s->v.last;
    uint64_t n = 0;
    for (uint64_t k = 0; k < s->n; k++) {
        if (best && !s->best[k]) continue;
        for (uint64_t j = last - 1 - i; j < s->v.width; j += last) {
            const double x = s->v.value[k * s->v.width + j];
            if (plot_holds_log(x)) s->sorted[n++] = x;
        }
    }
    qsort(s->sorted, n, sizeof *s->sorted, by_double);
    return n;
}

// Whether nothing positive is there, which a logarithmic axis has no place for.
static bool is_empty(struct spectra *s)
{
    for (uint64_t i = 0; i < s->v.last; i++)
        if (gather(s, i, false)) return false;
    return true;
}

static void write_row(struct spectra *s, FILE *script, uint64_t i)
{
    uint64_t n = gather(s, i, false);
    if (!n) return;
    fprintf(script, "%" PRIu64, i + 1);
    for (int q = 0; q < BANDS; q++)
        fprintf(script, " %.6g", s->sorted[(uint64_t)(quantile[q] * (double)(n - 1) + 0.5)]);
    n = gather(s, i, true);
    fprintf(script, " %.6g\n", n ? s->sorted[(n - 1) / 2] : NAN);
}

static int draw(struct spectra *s)
{
    struct plot p;
    ASSAY_TRY(plot_begin(&p, 440, 320, s->r->err));
    fputs("$F << EOD\n", p.script);
    for (uint64_t i = 0; i < s->v.last; i++) write_row(s, p.script, i);
    fputs("NaN NaN NaN NaN NaN NaN NaN\nEOD\n", p.script);
    fprintf(p.script,
            "set logscale y\nset format y '10^{%%T}'\nset xlabel 'eigenvalue, from the largest'\n"
            "set ylabel 'eigenvalue of the NTK'\nset xrange [1:%" PRIu64 "]\nset key top right\n"
            "set termoption enhanced\n"
            "plot $F using 1:2:6 with filledcurves fs solid noborder lc rgb '#dddddd' title "
            "'5 to 95 %%', $F using 1:3:5 with filledcurves fs solid noborder lc rgb '#aaaaaa' "
            "title '25 to 75 %%', $F using 1:4 with lines lw 2 lc rgb '#000000' title 'median'",
            s->v.last < 2 ? 2 : s->v.last);
    if (s->n_best)
        fputs(", $F using 1:7 with lines lw 2 dt 2 lc rgb '#000000' title 'median of the best "
              "10 %'",
              p.script);
    fputs("\n", p.script);
    return plot_end(&p, s->r->html, s->r->plots++, s->r->err);
}

static void caption(const struct spectra *s)
{
    FILE *out = s->r->html;
    fputs("<figcaption>Eigenvalues of the kernels of ", out);
    html_count(out, s->n);
    fputs(s->n < s->n_ok ? " random ok architectures, " : " ok architectures, ", out);
    fprintf(out, "%" PRIu64 " eigenvalues and %" PRIu64 " %s each, positive ones only", s->v.last,
            s->v.width / s->v.last, s->v.width == s->v.last ? "repeat" : "repeats");
    if (s->n_best) {
        fputs("; dashed: those among the best 10 % by ", out);
        html_text(out, s->r->table->ranking[s->r->in->by]);
        fprintf(out, ", n = %" PRIu64, s->n_best);
    }
    fputs(". ", out);
    for (uint32_t c = 0; c < s->r->table->n_column; c++)
        if (strcmp(s->r->table->name[c], "kappa") == 0) report_protocol(s->r, (int)c);
    fputs("</figcaption></figure>\n", out);
}

static int print_spectra(struct spectra *s)
{
    s->n = report_sample(s->r, "spectra", ROWS_MOST, s->row, &s->n_ok);
    ASSAY_TRY(assay_parts_rows(s->r->in->parts, "spectrum", s->r->table->n_row, s->row, s->n, &s->v,
                               s->r->err));
    if (!s->v.n || !s->v.last || s->v.width % s->v.last) return ASSAY_OK;
    s->sorted = malloc((s->n * (s->v.width / s->v.last) + 1) * sizeof *s->sorted);
    if (!s->sorted) return assay_err_set(s->r->err, ASSAY_ERR_MEMORY, "out of memory");
    if (is_empty(s)) return ASSAY_OK;
    mark_best(s);
    html_section(s->r->html, "spectra", "Spectra");
    fputs("<figure class=\"whole\">", s->r->html);
    ASSAY_TRY(draw(s));
    caption(s);
    html_section_end(s->r->html);
    return ASSAY_OK;
}

int report_spectra(struct report *r)
{
    struct spectra s = {.r = r};
    s.row = malloc(ROWS_MOST * sizeof *s.row);
    s.best = calloc(ROWS_MOST, sizeof *s.best);
    const int status = s.row && s.best ? print_spectra(&s)
                                       : assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    free(s.row);
    free(s.best);
    free(s.sorted);
    return status;
}
