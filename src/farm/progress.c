// SPDX-License-Identifier: Apache-2.0
#include "farm/progress.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define BAR_SECONDS        0.2
#define FIRST_LINE_SECONDS 5.0   // then twice as long from line to line
#define MOST_LINE_SECONDS  300.0 // and at most so long

enum { BAR_STEP = 5, BAR_MOST = 30, WORDS_MAX = 160 };

void farm_progress_open(struct farm_progress *p, const struct assay_log *log,
                        const struct farm_count *count, double now)
{
    const bool goes_on = p->interval > 0;
    const bool bar =
        log && log->stream && log->level >= ASSAY_LOG_INFO && assay_terminal_columns(log->stream);

    *p = (struct farm_progress){.log = log,
                                .bar = bar,
                                .start = now,
                                .shown = goes_on ? p->shown : now,
                                .interval = bar       ? BAR_SECONDS
                                            : goes_on ? p->interval
                                                      : FIRST_LINE_SECONDS,
                                .cost_start = count->cost_done,
                                .done_start = count->done};
}

// "1:02:03"; the time left is judged by the cost of what is left, since the most expensive
// candidates come first.
static void format_eta(char *text, size_t cap, const struct farm_progress *p,
                       const struct farm_count *count, double elapsed)
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

static void format_words(char *words, const struct farm_progress *p, const struct farm_count *count,
                         double now)
{
    const double elapsed = now - p->start;
    char eta[32];

    format_eta(eta, sizeof eta, p, count, elapsed);
    snprintf(words, WORDS_MAX,
             "%" PRIu64 " of %" PRIu64 " done (%.1f %%), %s left, %" PRIu64 " failed, %.3g/s",
             count->done, count->total,
             count->total ? 100.0 * (double)count->done / (double)count->total : 100.0, eta,
             count->failed, elapsed > 0 ? (double)(count->done - p->done_start) / elapsed : 0.0);
}

// Drops whole phrases from the end until the words fit; the first phrase is cut if it must be.
static size_t fit_words(char *words, size_t room)
{
    for (char *comma; strlen(words) > room && (comma = strrchr(words, ','));) *comma = '\0';
    if (strlen(words) > room) words[room] = '\0';
    return strlen(words);
}

// The terminal's last column stays free, because some terminals go to the next line when it is
// written.
static void draw_bar(const struct farm_progress *p, const struct farm_count *count, char *words)
{
    char bar[BAR_MOST + 1];
    const unsigned columns = assay_terminal_columns(p->log->stream);
    const size_t room = columns ? columns - 1 : 0, n = fit_words(words, room);
    size_t width = n + sizeof "[] " <= room ? room - n - strlen("[] ") : 0;

    if (width > BAR_MOST) width = BAR_MOST;
    width -= width % BAR_STEP; // words differ a little in length from time to time
    fputc('\r', p->log->stream);
    if (width) {
        const size_t full = count->total ? (size_t)(width * count->done / count->total) : width;
        memset(bar, '.', width);
        memset(bar, '#', full);
        fprintf(p->log->stream, "[%.*s] ", (int)width, bar);
    }
    fprintf(p->log->stream, "%s\033[K", words);
    fflush(p->log->stream);
}

void farm_progress_show(struct farm_progress *p, const struct farm_count *count, double now)
{
    char words[WORDS_MAX];

    if (now - p->shown < p->interval) return;
    p->shown = now;
    format_words(words, p, count, now);
    if (p->bar) {
        draw_bar(p, count, words);
    } else {
        assay_log_line(p->log, ASSAY_LOG_INFO, "%s", words);
        p->interval = fmin(2 * p->interval, MOST_LINE_SECONDS);
    }
    p->drawn = p->bar;
}

void farm_progress_break(struct farm_progress *p)
{
    if (p->drawn) fputs("\r\033[K", p->log->stream);
    p->drawn = false;
}
