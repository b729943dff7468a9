// SPDX-License-Identifier: Apache-2.0
#include "html.h"
#include "plot.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int report_ranking(const struct assay_table *t, const char *name)
{
    for (uint64_t i = 0; i < t->n_ranking; i++)
        if (strcmp(t->ranking[i], name) == 0) return (int)i;
    return -1;
}

// Knuth's algorithm S.
uint64_t report_sample(const struct report *r, const char *role, uint64_t most, uint64_t *row,
                       uint64_t *n_ok)
{
    const struct assay_table *t = r->table;
    struct assay_rng rng;
    uint64_t n = 0;
    *n_ok = 0;
    for (uint64_t i = 0; i < t->n_row; i++) *n_ok += t->status[i] == ASSAY_VERDICT_OK;
    const uint64_t wanted = *n_ok < most ? *n_ok : most;
    assay_rng_init(&rng, r->in->seed, 0, role, "");
    for (uint64_t i = 0, left = *n_ok; left; i++) {
        if (t->status[i] != ASSAY_VERDICT_OK) continue;
        if (assay_rng_below(&rng, left--) < wanted - n) row[n++] = i;
    }
    return n;
}

uint64_t report_best(const struct report *r, int ranking)
{
    const struct assay_table *t = r->table;
    uint64_t ok = 0;
    if (ranking < 0) return 0;
    while (ok < t->n_row && t->status[t->order[ranking][ok]] == ASSAY_VERDICT_OK) ok++;
    return (ok + 9) / 10;
}

const char *report_direction(int direction)
{
    return direction > 0 ? " (larger is better)" : direction < 0 ? " (smaller is better)" : "";
}

void report_protocol(const struct report *r, int column)
{
    fputs("<span class=\"protocol\">", r->html);
    html_text(r->html, r->table->protocol[column]);
    fputs("</span>", r->html);
}

static int write_search(struct report *r)
{
    ASSAY_TRY(report_found(r));
    ASSAY_TRY(report_pruning(r));
    ASSAY_TRY(report_steps(r));
    ASSAY_TRY(report_choices(r));
    return report_evaluated(r);
}

static int write_sections(struct report *r)
{
    ASSAY_TRY(report_about(r));
    if (!r->table) return write_search(r);
    ASSAY_TRY(report_top(r));
    ASSAY_TRY(report_agree(r));
    ASSAY_TRY(report_curves(r));
    ASSAY_TRY(report_matrix(r));
    ASSAY_TRY(report_cost(r));
    ASSAY_TRY(report_shares(r));
    return report_spectra(r);
}

static int write_document(struct report *r)
{
    char title[512];
    snprintf(title, sizeof title, "%s of %s", r->table ? "Sweep" : "Search",
             r->in->space ? r->in->space->kind->name : "an unknown space");
    html_begin(r->html, title);
    fputs("<p>", r->html);
    html_text(r->html, assay_parts_file(r->in->parts));
    fputs(", reported by assay " ASSAY_VERSION "</p>\n", r->html);
    ASSAY_TRY(write_sections(r));
    html_end(r->html);
    return ASSAY_OK;
}

static int save(const char *file, const char *text, struct assay_err *err)
{
    const char *slash = strrchr(file, '/');
    char *dir = strndup(file, slash ? (size_t)(slash - file) + (slash == file) : 0);
    if (!dir) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const int status = assay_file_replace(dir, slash ? slash + 1 : file, text, strlen(text), err);
    free(dir);
    return status;
}

// ---- what is computed once ----------------------------------------------------------------------
static void find_target(struct report *r)
{
    static const char *const size[] = {"params", "flops"};
    r->target = r->in->truth;
    r->target_name = r->in->target;
    for (size_t i = 0; i < ASSAY_LEN(size) && !r->target; i++) {
        for (uint32_t c = 0; c < r->table->n_column && !r->target; c++) {
            if (strcmp(r->table->name[c], size[i])) continue;
            r->target = r->table->value[c];
            r->target_name = size[i];
        }
    }
}

static int prepare(struct report *r)
{
    if (!r->table) return ASSAY_OK;
    find_target(r);
    r->fact = calloc(r->in->n_column + 1, sizeof *r->fact);
    r->x = malloc((r->table->n_row + 1) * sizeof *r->x);
    r->y = malloc((r->table->n_row + 1) * sizeof *r->y);
    if (r->fact && r->x && r->y) return report_measure(r);
    return assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
}

static int write_page(struct report *r, const char *file)
{
    char *text = NULL;
    size_t n = 0;
    r->html = open_memstream(&text, &n);
    if (!r->html) return assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    int status = write_document(r);
    char *whole = assay_text_close(r->html, &text);
    if (status >= 0)
        status = whole ? save(file, whole, r->err)
                       : assay_err_set(r->err, ASSAY_ERR_MEMORY, "no memory for the report");
    free(whole);
    return status;
}

int assay_report_write(const struct assay_report *report, const char *file, struct assay_err *err)
{
    struct report r = {.in = report, .table = report->table, .err = err};
    ASSAY_TRY(plot_check(err));
    int status = prepare(&r);
    if (status >= 0) status = write_page(&r, file);
    free(r.fact);
    free(r.x);
    free(r.y);
    return status;
}
