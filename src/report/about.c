// SPDX-License-Identifier: Apache-2.0
#include "html.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// ---- the configuration --------------------------------------------------------------------------
// Finds "name = value" in a section of an INI text; the value's length is *n.
static const char *find_key(const char *text, const char *section, const char *name, size_t *n)
{
    bool inside = false;
    const size_t length = strlen(name), wide = strlen(section);
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (*at == '[') inside = strncmp(at + 1, section, wide) == 0 && at[1 + wide] == ']';
        if (!inside || strncmp(at, name, length) || strncmp(at + length, " = ", 3)) continue;
        *n = strcspn(at + length + 3, "\n");
        return at + length + 3;
    }
    return NULL;
}

static void add_key(const struct report *r, const char *config, const char *section,
                    const char *name, const char *shown)
{
    size_t n = 0;
    const char *value = config ? find_key(config, section, name, &n) : NULL;
    char *copy = value && n ? strndup(value, n) : NULL;
    if (!copy) return;
    html_fact(r->html, shown);
    html_text(r->html, copy);
    html_fact_end(r->html);
    free(copy);
}

// The keys that say most; all of them follow at the end of the section.
static void add_protocol(const struct report *r, const char *config)
{
    static const struct {
        const char *section, *name, *shown;
    } key[] = {{"protocol", "name", "Protocol"},  {"run", "metrics", "Metrics"},
               {"search", "method", "Methods"},   {"search", "seeds", "Seeds"},
               {"run", "seed", "Seed"},           {"run", "repeats", "Repeats"},
               {"data", "source", "Images"},      {"ntk", "batch", "Batch of the NTK"},
               {"ntk", "init", "Initialisation"}, {"network", "channels", "Channels"},
               {"network", "cells", "Cells"}};
    for (size_t i = 0; i < ASSAY_LEN(key); i++)
        add_key(r, config, key[i].section, key[i].name, key[i].shown);
}

// ---- what became of the candidates --------------------------------------------------------------
static const char *status_name(int status)
{
    return status < 0 ? "unfinished" : assay_verdict_name((enum assay_verdict)status);
}

static void add_counts(const struct report *r)
{
    const struct assay_table *t = r->table;
    uint64_t count[ASSAY_VERDICT_FAILED + 2] = {0};
    for (uint64_t i = 0; i < t->n_row; i++) count[t->status[i] + 1]++;
    html_fact(r->html, "Candidates");
    html_count(r->html, t->n_row);
    for (int s = 0; s <= ASSAY_VERDICT_FAILED + 1; s++) {
        const int status = s <= ASSAY_VERDICT_FAILED ? s : -1;
        if (!count[status + 1] && status != ASSAY_VERDICT_OK) continue;
        fputs(s ? ", " : ": ", r->html);
        html_count(r->html, count[status + 1]);
        fprintf(r->html, " %s", status_name(status));
    }
    html_fact_end(r->html);
}

struct reason {
    int status;
    const char *text;
    uint64_t n;
};

static int by_reason(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    const int order = (x->status > y->status) - (x->status < y->status);
    return order ? order : strcmp(x->text, y->text);
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : by_reason(a, b);
}

// Puts equal ones together; returns how many are left.
static uint64_t merge(struct reason *reason, uint64_t n)
{
    uint64_t kept = 0;
    qsort(reason, n, sizeof *reason, by_reason);
    for (uint64_t i = 0; i < n; i++) {
        if (kept && by_reason(&reason[i], &reason[kept - 1]) == 0)
            reason[kept - 1].n++;
        else
            reason[kept++] = reason[i];
    }
    qsort(reason, kept, sizeof *reason, by_count);
    return kept;
}

static void print_reasons(const struct report *r, const struct reason *reason, uint64_t n)
{
    enum { MOST = 12 };
    for (uint64_t i = 0; i < n && i < MOST; i++) {
        if (i) fputs("<br>", r->html);
        html_count(r->html, reason[i].n);
        fprintf(r->html, " %s", status_name(reason[i].status));
        if (*reason[i].text) fputs(": ", r->html), html_text(r->html, reason[i].text);
    }
    if (n > MOST) fprintf(r->html, "<br>and %" PRIu64 " other reasons", n - MOST);
}

static int add_reasons(const struct report *r)
{
    const struct assay_table *t = r->table;
    uint64_t n = 0;
    struct reason *reason = malloc((t->n_row + 1) * sizeof *reason);
    if (!reason) return assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < t->n_row; i++)
        if (t->status[i] > ASSAY_VERDICT_OK)
            reason[n++] = (struct reason){t->status[i], t->reason[i], 1};
    n = merge(reason, n);
    if (n) {
        html_fact(r->html, "Not ok");
        print_reasons(r, reason, n);
        html_fact_end(r->html);
    }
    free(reason);
    return ASSAY_OK;
}

// ---- time ---------------------------------------------------------------------------------------
struct class
{
    uint64_t class;
    double seconds;
};

static int by_class(const void *a, const void *b)
{
    const struct class *x = a, *y = b;
    return (x->class > y->class) - (x->class < y->class);
}

// Rows of one class were evaluated once.
static void print_time(const struct report *r, struct class *c, uint64_t n)
{
    double sum = 0;
    uint64_t networks = 0;
    qsort(c, n, sizeof *c, by_class);
    for (uint64_t i = 0; i < n; i++) {
        if ((i && c[i].class == c[i - 1].class) || !isfinite(c[i].seconds)) continue;
        sum += c[i].seconds;
        networks++;
    }
    if (!networks) return;
    html_fact(r->html, "CPU time");
    html_seconds(r->html, sum);
    fputs(" for ", r->html);
    html_count(r->html, networks);
    fputs(" different networks, ", r->html);
    html_seconds(r->html, sum / (double)networks);
    fputs(" each", r->html);
    html_fact_end(r->html);
}

static int add_time(const struct report *r)
{
    const struct assay_table *t = r->table;
    if (!t->seconds) return ASSAY_OK;
    struct class *c = malloc((t->n_row + 1) * sizeof *c);
    if (!c) return assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < t->n_row; i++) c[i] = (struct class){t->class_index[i], t->seconds[i]};
    print_time(r, c, t->n_row);
    free(c);
    return ASSAY_OK;
}

static void print_date(FILE *out, double seconds)
{
    const time_t when = seconds < 1e11 ? (time_t)seconds : 0; // a file may say anything
    struct tm tm;
    char text[32];
    if (seconds < 1e11 && gmtime_r(&when, &tm) &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm))
        fputs(text, out);
}

static const char *end_of(const struct assay_holder *job)
{
    if (job->ended > 0 && job->exit_code == 0) return "complete";
    if (job->ended > 0) return job->exit_code == 3 ? "complete with failed candidates" : "stopped";
    return job->lock == ASSAY_LOCK_HELD ? "still running" : "its end was not recorded";
}

static void add_job(const struct report *r)
{
    const struct assay_holder *job = r->in->job;
    if (!job || !(job->begun > 0)) return;
    html_fact(r->html, "Last job");
    fputs("begun ", r->html);
    print_date(r->html, job->begun);
    if (job->ended > job->begun)
        fputs(", took ", r->html), html_seconds(r->html, job->ended - job->begun);
    if (job->ranks) fprintf(r->html, ", %d rank%s", job->ranks, job->ranks == 1 ? "" : "s");
    if (*job->hosts) fputs(" on ", r->html), html_text(r->html, job->hosts);
    fprintf(r->html, "; %s", end_of(job));
    html_fact_end(r->html);
}

// ---- all of it ----------------------------------------------------------------------------------
static int add_attr(const struct report *r, const char *group, const char *name, const char *shown)
{
    const char *text;
    ASSAY_TRY(assay_parts_attr(r->in->parts, group, name, &text, r->err));
    if (!text) return ASSAY_OK;
    html_fact(r->html, shown);
    html_text(r->html, text);
    html_fact_end(r->html);
    return ASSAY_OK;
}

static int add_details(const struct report *r, const char *name, const char *summary)
{
    const char *text;
    ASSAY_TRY(assay_parts_attr(r->in->parts, "/", name, &text, r->err));
    if (!text) return ASSAY_OK;
    fprintf(r->html, "<details><summary>%s</summary><pre>", summary);
    html_text(r->html, text);
    fputs("</pre></details>\n", r->html);
    return ASSAY_OK;
}

static void add_space(const struct report *r)
{
    if (!r->in->space) return;
    const struct assay_space_kind *kind = r->in->space->kind;
    html_fact(r->html, "Space");
    html_text(r->html, kind->name);
    fputs(": ", r->html);
    html_text(r->html, kind->help);
    if (kind->source) fputs("; ", r->html), html_text(r->html, kind->source);
    html_fact_end(r->html);
}

static void add_truth(const struct report *r)
{
    uint64_t n = 0;
    if (!r->in->truth) return;
    for (uint64_t i = 0; i < r->in->n_truth; i++) n += !isnan(r->in->truth[i]);
    html_fact(r->html, "Accuracies");
    html_text(r->html, r->in->target);
    fputs(" of ", r->html);
    html_text(r->html, r->in->truth_file);
    fputs(", known of ", r->html);
    html_count(r->html, n);
    fputs(r->table ? " candidates" : " of the architectures found", r->html);
    html_fact_end(r->html);
}

int report_about(struct report *r)
{
    const char *config;
    ASSAY_TRY(assay_parts_attr(r->in->parts, "/", "config", &config, r->err));
    html_section(r->html, "run", "What was run");
    fputs("<dl>\n", r->html);
    add_space(r);
    add_protocol(r, config);
    if (r->table) {
        add_counts(r);
        ASSAY_TRY(add_reasons(r));
        ASSAY_TRY(add_time(r));
    }
    add_truth(r);
    add_job(r);
    ASSAY_TRY(add_attr(r, "/run", "host", "Host"));
    ASSAY_TRY(add_attr(r, "/run", "ranks", "Ranks"));
    ASSAY_TRY(add_attr(r, "/run", "command", "Command"));
    fputs("</dl>\n", r->html);
    ASSAY_TRY(add_details(r, "config", "The whole configuration"));
    ASSAY_TRY(add_details(r, "build", "The program and its libraries"));
    html_section_end(r->html);
    return ASSAY_OK;
}
