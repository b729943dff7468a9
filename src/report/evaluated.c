// SPDX-License-Identifier: Apache-2.0
// What random search and evolution evaluated, in order.
#include "axis.h"
#include "html.h"
#include "plot.h"
#include "runs.h"

#include <math.h>
#include <stdlib.h>

enum { PLOTS_MOST = 12 };

struct evaluated {
    struct report *r;
    struct runs runs;
    struct assay_values value;
    double *x, *y; // (n) scratch: the number of an evaluation in its search, and its value
};

static uint64_t gather(struct evaluated *e, uint32_t run)
{
    uint64_t n = 0, number = 0;
    for (uint64_t i = 0; i < e->runs.n; i++) {
        if (e->runs.of[i] != run) continue;
        e->x[n] = (double)++number;
        e->y[n] = e->value.value[i];
        n += isfinite(e->y[n]);
    }
    return n;
}

static int write_script(struct evaluated *e, struct plot *p, uint64_t n)
{
    struct axis axis[2];
    struct axis_points points;
    ASSAY_TRY(axis_fit(&axis[0], n, e->x, e->r->err));
    ASSAY_TRY(axis_fit(&axis[1], n, e->y, e->r->err));
    axis[0].log = false;
    ASSAY_TRY(axis_write(p->script, axis, n, e->x, e->y, &points, e->r->err));
    axis_set(p->script, &axis[0], "x");
    axis_set(p->script, &axis[1], "y");
    fputs("set palette defined (0 '#cccccc', 1 '#000000')\nunset colorbox\n"
          "set xlabel 'evaluation'\nset ylabel 'value'\nplot ",
          p->script);
    axis_plot(p->script, &points);
    fputc('\n', p->script);
    return ASSAY_OK;
}

static int draw(struct evaluated *e, uint32_t run)
{
    struct plot p;
    char name[128];
    const uint64_t n = gather(e, run);
    if (n < 2) return ASSAY_OK;
    ASSAY_TRY(plot_begin(&p, 400, 270, e->r->err));
    const int status = write_script(e, &p, n);
    if (status < 0) return plot_drop(&p), status;
    fputs("<figure>", e->r->html);
    ASSAY_TRY(plot_end(&p, e->r->html, e->r->plots++, e->r->err));
    runs_name(&e->runs, run, name, sizeof name);
    fputs("<figcaption><b>", e->r->html);
    html_text(e->r->html, name);
    fputs("</b>: values of the column that decides (of tenas: rank sums among all evaluated), in "
          "the order of evaluation, n = ",
          e->r->html);
    html_count(e->r->html, n);
    fputs(".</figcaption></figure>\n", e->r->html);
    return ASSAY_OK;
}

static int print(struct evaluated *e)
{
    ASSAY_TRY(runs_read(&e->runs, e->r, "architectures"));
    if (!e->runs.n) return ASSAY_OK;
    ASSAY_TRY(runs_numbers(&e->runs, e->r, "value", 1, &e->value));
    e->x = malloc((e->runs.n + 1) * sizeof *e->x);
    e->y = malloc((e->runs.n + 1) * sizeof *e->y);
    if (!e->x || !e->y) return assay_err_set(e->r->err, ASSAY_ERR_MEMORY, "out of memory");
    html_section(e->r->html, "evaluated", "Architectures evaluated");
    fputs("<div class=\"plots\">\n", e->r->html);
    for (uint32_t run = 0; run < e->runs.n_run && run < PLOTS_MOST; run++) ASSAY_TRY(draw(e, run));
    fputs("</div>\n", e->r->html);
    if (e->runs.n_run > PLOTS_MOST)
        fprintf(e->r->html, "<p>%u of %u searches are shown.</p>\n", PLOTS_MOST, e->runs.n_run);
    html_section_end(e->r->html);
    return ASSAY_OK;
}

int report_evaluated(struct report *r)
{
    struct evaluated e = {.r = r};
    const int status = print(&e);
    runs_free(&e.runs);
    free(e.x);
    free(e.y);
    return status;
}
