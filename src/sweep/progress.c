// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BAR_SECONDS  0.2
#define LINE_SECONDS 60.0

void sweep_progress_open(struct sweep_progress *p, const struct assay_log *log,
                         const struct sweep_count *count)
{
    const double now = assay_clock_wall();

    *p = (struct sweep_progress){.log = log,
                                 .start = now,
                                 .shown = now,
                                 .cost_start = count->cost_done,
                                 .done_start = count->done};
    p->bar = log && log->stream && log->level >= ASSAY_LOG_INFO && isatty(fileno(log->stream));
}

// "1:02:03"; candidates left are judged by their cost, the dear ones come first.
static void format_eta(char *text, size_t cap, const struct sweep_progress *p,
                       const struct sweep_count *count, double elapsed)
{
    const double spent = count->cost_done - p->cost_start;
    const double left = spent > 0 ? elapsed * count->cost_left / spent : -1;

    if (left < 0 || left > 1e7) {
        snprintf(text, cap, "?");
        return;
    }
    const long s = (long)(left + 0.5);
    if (s >= 3600)
        snprintf(text, cap, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, cap, "%ld:%02ld", s / 60, s % 60);
}

static void draw_bar(const struct sweep_progress *p, const struct sweep_count *count,
                     const char *words)
{
    char bar[] = "..............................";
    const uint64_t width = sizeof bar - 1;
    const uint64_t full = count->total ? width * count->done / count->total : width;

    memset(bar, '#', (size_t)full);
    fprintf(p->log->stream, "\r[%s] %s\033[K", bar, words);
    fflush(p->log->stream);
}

void sweep_progress_show(struct sweep_progress *p, const struct sweep_count *count)
{
    const double now = assay_clock_wall(), elapsed = now - p->start;
    char eta[32], words[160];

    if (now - p->shown < (p->bar ? BAR_SECONDS : LINE_SECONDS)) return;
    p->shown = now;
    format_eta(eta, sizeof eta, p, count, elapsed);
    snprintf(words, sizeof words,
             "%" PRIu64 " of %" PRIu64 " done (%.1f %%), %.3g/s, %s left, %" PRIu64 " failed",
             count->done, count->total,
             count->total ? 100.0 * (double)count->done / (double)count->total : 100.0,
             elapsed > 0 ? (double)(count->done - p->done_start) / elapsed : 0.0, eta,
             count->failed);
    if (p->bar)
        draw_bar(p, count, words);
    else
        assay_log_line(p->log, ASSAY_LOG_INFO, "%s", words);
    p->drawn = p->bar;
}

void sweep_progress_break(struct sweep_progress *p)
{
    if (p->drawn) fputc('\n', p->log->stream);
    p->drawn = false;
}
