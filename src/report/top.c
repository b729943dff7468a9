// SPDX-License-Identifier: Apache-2.0
#include "cell.h"
#include "html.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>

static void print_values(const struct report *r, uint64_t row)
{
    const struct assay_table *t = r->table;
    fputs("<dl class=\"values\">", r->html);
    if (r->in->truth && !isnan(r->in->truth[row])) {
        html_fact(r->html, r->in->target);
        html_number(r->html, r->in->truth[row], NULL);
        html_fact_end(r->html);
    }
    for (uint32_t i = 0; i < r->in->n_column; i++) {
        const int c = r->in->column[i];
        html_fact(r->html, t->name[c]);
        html_number(r->html, t->value[c][row], t->unit[c]);
        if (t->error[c] && isfinite(t->error[c][row]) && t->error[c][row] > 0)
            fputs(" ± ", r->html), html_number(r->html, t->error[c][row], NULL);
        html_fact_end(r->html);
    }
    fputs("</dl>", r->html);
}

static void print_drawing(const struct report *r, uint64_t row)
{
    const struct assay_table *t = r->table;
    struct assay_drawing drawing;
    if (r->in->space && cell_find(r->in->space, t->index[row], t->arch[row], &drawing))
        cell_print(r->html, &drawing);
}

static void print_card(const struct report *r, uint64_t place, uint64_t row)
{
    fprintf(r->html, "<div class=\"card\"><b>%" PRIu64 "</b> <code>", place);
    html_text(r->html, r->table->arch[row]);
    fprintf(r->html, "</code> (index %" PRIu64 ")\n", r->table->index[row]);
    print_drawing(r, row);
    print_values(r, row);
    fputs("</div>\n", r->html);
}

int report_top(struct report *r)
{
    const struct assay_table *t = r->table;
    if (r->in->by < 0 || !r->in->top) return ASSAY_OK;
    const uint64_t *order = t->order[r->in->by];
    html_section(r->html, "top", "Top architectures");
    fputs("<p>The best by <b>", r->html);
    html_text(r->html, t->ranking[r->in->by]);
    fputs("</b>; the same network at initialisation stands there once for each of its "
          "architectures. Solid lines are convolutions and the like, dashed ones skips, dotted "
          "ones pooling; what is none has no line.</p>\n<div class=\"cards\">\n",
          r->html);
    for (uint64_t place = 0; place < t->n_row && place < r->in->top; place++)
        if (t->status[order[place]] == ASSAY_VERDICT_OK) print_card(r, place + 1, order[place]);
    fputs("</div>\n", r->html);
    html_section_end(r->html);
    return ASSAY_OK;
}
