// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "json_write.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- what the state means -----------------------------------------------------------------------
enum phase { STARTING, RUNNING, COMPLETE, STOPPED, FAILED, DEAD, IDLE };

static enum phase phase_of(const struct assay_run_state *s)
{
    const struct assay_holder *h = &s->holder;
    if (h->lock == ASSAY_LOCK_HELD) return s->journal ? RUNNING : STARTING;
    if (h->ended && h->exit_code == ASSAY_EXIT_STOPPED) return STOPPED;
    if (h->ended && h->exit_code == ASSAY_EXIT_ERROR) return FAILED;
    if (h->ended || (s->n_task && s->n_done >= s->n_task)) return COMPLETE;
    return h->begun && h->lock == ASSAY_LOCK_FREE ? DEAD : IDLE;
}

static const char *phase_name(enum phase phase)
{
    static const char *const name[] = {
        [STARTING] = "starting", [RUNNING] = "running", [COMPLETE] = "complete",
        [STOPPED] = "stopped",   [FAILED] = "failed",   [DEAD] = "dead",
        [IDLE] = "unfinished"};
    return name[phase];
}

static const char *phase_help(enum phase phase)
{
    static const char *const help[] = {
        [STARTING] = "its journal is still to be made",
        [RUNNING] = "its process has the lock",
        [COMPLETE] = "",
        [STOPPED] = "by a signal or a limit; the same command resumes",
        [FAILED] = "it ended with an error; the same command resumes",
        [DEAD] = "its process has gone without a word; the same command resumes",
        [IDLE] = "nothing tells how it ended; the same command resumes"};
    return help[phase];
}

// Seconds that this run has written records for; 0: it is not known.
static double worked(const struct assay_run_state *s, double now)
{
    const struct assay_holder *h = &s->holder;
    const double until = h->lock == ASSAY_LOCK_HELD ? now : h->ended ? h->ended : s->written;
    return h->begun && until > h->begun ? until - h->begun : 0;
}

// Records a second since it began, NAN where it is not known.
static double rate_of(const struct assay_run_state *s, double now)
{
    const double seconds = worked(s, now);
    return seconds > 0 && s->n_record >= s->holder.records
               ? (double)(s->n_record - s->holder.records) / seconds
               : NAN;
}

// Seconds until it is done, NAN where it is not known.
static double left_of(const struct assay_run_state *s, double now)
{
    const double rate = rate_of(s, now);
    if (!s->n_task || phase_of(s) != RUNNING || !(rate > 0)) return NAN;
    return (double)(s->n_task > s->n_done ? s->n_task - s->n_done : 0) / rate;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// ---- text ---------------------------------------------------------------------------------------
// "1:02:03", "2:03"
static const char *duration(char text[32], double seconds)
{
    const uint64_t s = seconds > 0 ? (uint64_t)(fmin(seconds, 1e12) + 0.5) : 0;
    if (s >= 3600)
        snprintf(text, 32, "%" PRIu64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(text, 32, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return text;
}

static const char *moment(char text[64], double when)
{
    const time_t at = (time_t)fmax(fmin(when, 1e11), 0);
    struct tm tm;
    strftime(text, 64, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &tm));
    return text;
}

static void print_job(const struct assay_run_state *s, const char *dir)
{
    assay_print_line(stdout, "directory   %s", dir);
    if (!s->config) {
        if (*s->why)
            assay_print_line(stdout, "job         cannot be read by this program: %s", s->why);
        return;
    }
    const char *space = assay_config_evaluation(s->config)->space;
    const char *shard = assay_config_candidates(s->config)->shard;
    const struct assay_search_spec *search = assay_config_search(s->config);
    if (s->search)
        assay_print_line(stdout, "job         search of %s by %.300s, seeds %.300s", space,
                         search->method, search->seeds);
    else
        assay_print_line(stdout, "job         sweep of %s%s%s", space, *shard ? ", shard " : "",
                         shard);
}

static void print_done(const struct assay_run_state *s)
{
    printf("done        %" PRIu64, s->n_done);
    if (s->n_task)
        printf(" of %" PRIu64 " (%.1f %%)", s->n_task,
               100.0 * (double)s->n_done / (double)s->n_task);
    else if (s->search)
        printf(" evaluations");
    for (int v = 0; v <= ASSAY_VERDICT_FAILED; v++)
        if (s->count[v])
            printf("%s %" PRIu64 " %s", v ? "," : ":", s->count[v],
                   assay_verdict_name((enum assay_verdict)v));
    printf("\n");
}

static void print_reasons(const struct assay_run_state *s, int32_t verdict)
{
    enum { MOST = 5 };
    size_t shown = 0, kinds = 0;
    for (size_t i = 0; i < s->n_reason; i++) {
        if (s->reason[i].verdict != verdict || ++kinds > MOST) continue;
        assay_print_line(stdout, "%-12s%" PRIu64 " by %s",
                         shown++ ? "" : assay_verdict_name((enum assay_verdict)verdict),
                         s->reason[i].n, s->reason[i].text);
    }
    if (kinds > MOST) printf("%12s%zu other reasons\n", "", kinds - MOST);
}

static void print_pace(const struct assay_run_state *s, double now)
{
    char text[64], span[32];
    const double rate = rate_of(s, now), left = left_of(s, now);
    if (!isnan(rate))
        printf("rate        %.3g/s since %s, for %s\n", rate, moment(text, s->holder.begun),
               duration(span, worked(s, now)));
    if (s->n_record)
        printf("CPU time    %.3g s a candidate, %s in all\n", s->cpu_seconds / (double)s->n_record,
               duration(span, s->cpu_seconds));
    if (!isnan(left)) printf("left        %s at this rate\n", duration(span, left));
}

static void print_files(const struct assay_run_state *s, double now)
{
    char text[64], span[32];
    if (s->written)
        printf("journal     last record %s, %s ago\n", moment(text, s->written),
               duration(span, now - s->written));
    if (s->published)
        printf("checkpoint  %s %s, %s ago\n", s->result, moment(text, s->published),
               duration(span, now - s->published));
    else if (s->journal)
        printf("checkpoint  none yet\n");
}

static void print_holder(const struct assay_run_state *s)
{
    static const char *const lock[] = {
        [ASSAY_LOCK_UNKNOWN] = "whether it lives is not known: the lock tells nothing here",
        [ASSAY_LOCK_FREE] = "has ended",
        [ASSAY_LOCK_HELD] = "lives and has the lock"};
    const struct assay_holder *h = &s->holder;
    if (h->ranks)
        assay_print_line(stdout, "ranks       %d on %s; %d evaluated a candidate", h->ranks,
                         h->hosts, s->ranks);
    else if (s->ranks)
        printf("ranks       %d evaluated a candidate\n", s->ranks);
    if (h->pid)
        assay_print_line(stdout, "owner       process %ld on %s %s", h->pid, h->host,
                         lock[h->lock]);
}

static void print_state(const struct assay_run_state *s, const char *dir, double now)
{
    const enum phase phase = phase_of(s);
    print_job(s, dir);
    printf("state       %s%s%s\n", phase_name(phase), *phase_help(phase) ? ": " : "",
           phase_help(phase));
    if (s->journal) print_done(s);
    print_reasons(s, ASSAY_VERDICT_FAILED);
    print_reasons(s, ASSAY_VERDICT_DEGENERATE);
    print_pace(s, now);
    print_files(s, now);
    print_holder(s);
}

// ---- JSON ---------------------------------------------------------------------------------------
static void json_named(struct json *j, const char *key, double value)
{
    json_key(j, key);
    json_number(j, value);
}

// A time since the epoch, or null.
static void json_time(struct json *j, const char *key, double when)
{
    json_named(j, key, when > 0 ? when : NAN);
}

static void json_job(struct json *j, const struct assay_run_state *s)
{
    json_key(j, "job");
    json_text(j, s->search ? "search" : "sweep");
    if (!s->config) return;
    json_key(j, "space");
    json_text(j, assay_config_evaluation(s->config)->space);
    json_key(j, s->search ? "method" : "shard");
    json_text(j, s->search ? assay_config_search(s->config)->method
                           : assay_config_candidates(s->config)->shard);
}

static void json_counts(struct json *j, const struct assay_run_state *s)
{
    json_key(j, "done");
    json_count(j, s->n_done);
    json_named(j, "total", s->n_task ? (double)s->n_task : NAN);
    for (int v = 0; v <= ASSAY_VERDICT_FAILED; v++) {
        json_key(j, assay_verdict_name((enum assay_verdict)v));
        json_count(j, s->count[v]);
    }
    json_key(j, "reasons");
    json_begin(j, '[');
    for (size_t i = 0; i < s->n_reason; i++) {
        json_begin(j, '{');
        json_key(j, "status");
        json_text(j, assay_verdict_name((enum assay_verdict)s->reason[i].verdict));
        json_key(j, "reason");
        json_text(j, s->reason[i].text);
        json_key(j, "n");
        json_count(j, s->reason[i].n);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void json_holder(struct json *j, const struct assay_holder *h)
{
    json_key(j, "owner");
    json_begin(j, '{');
    json_key(j, "host");
    json_text(j, h->pid ? h->host : NULL);
    json_named(j, "pid", h->pid ? (double)h->pid : NAN);
    json_key(j, "lives");
    if (h->lock == ASSAY_LOCK_UNKNOWN)
        json_text(j, NULL);
    else
        json_bool(j, h->lock == ASSAY_LOCK_HELD);
    json_named(j, "exit_code", h->ended ? h->exit_code : NAN);
    json_named(j, "ranks", h->ranks ? h->ranks : NAN);
    json_key(j, "hosts");
    json_text(j, h->ranks ? h->hosts : NULL);
    json_time(j, "begun", h->begun);
    json_time(j, "ended", h->ended);
    json_end(j, '}');
}

static void json_state(const struct assay_run_state *s, const char *dir, double now)
{
    struct json j = {.out = stdout};
    json_begin(&j, '{');
    json_key(&j, "directory");
    json_text(&j, dir);
    json_key(&j, "state");
    json_text(&j, phase_name(phase_of(s)));
    if (s->journal) {
        json_job(&j, s);
        json_counts(&j, s);
    }
    json_named(&j, "rate", rate_of(s, now));
    json_named(&j, "left", left_of(s, now));
    json_named(&j, "cpu_seconds", s->cpu_seconds);
    json_time(&j, "written", s->written);
    json_time(&j, "published", s->published);
    json_holder(&j, &s->holder);
    json_end(&j, '}');
    json_line(&j);
}

// ---- the verb -----------------------------------------------------------------------------------
static bool goes_on(const struct assay_run_state *s)
{
    const enum phase phase = phase_of(s);
    return phase == STARTING || phase == RUNNING;
}

static int look(struct assay_run_watch *w, const char *dir, bool json, bool watch,
                struct assay_err *err)
{
    enum { SECONDS = 2 };
    const bool screen = watch && !json && assay_terminal_columns(stdout);
    struct assay_run_state state;
    for (bool first = true;; first = false) {
        ASSAY_TRY(assay_run_watch_look(w, &state, err));
        if (screen)
            fputs("\033[H\033[J", stdout);
        else if (!first && !json)
            putchar('\n');
        (json ? json_state : print_state)(&state, dir, now_seconds());
        if (!watch || !goes_on(&state)) return ASSAY_EXIT_COMPLETE;
        // A reader that has left is found out by main.
        if (fflush(stdout) != 0) return ASSAY_EXIT_COMPLETE;
        sleep(SECONDS);
    }
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_run_watch *w = NULL;
    const char *dir = args->position[0];
    int json = 0;
    ASSAY_TRY(cli_choice(args, "format", &json, err));
    int status = assay_run_watch_open(&w, cli_vocabulary(), dir, err);
    if (status >= 0) status = look(w, dir, json, cli_flag(args, "watch"), err);
    assay_run_watch_close(w);
    return status;
}

static const struct cli_option options[] = {
    {.name = "watch", .help = "look again every two seconds, until it no longer runs"},
    CLI_OPTION_JSON,
    {.name = NULL},
};

const struct cli_verb cli_verb_status = {
    .name = "status",
    .synopsis = "DIR",
    .help = "tell how far the run in a directory is",
    .about =
        "Reads the journal, the lock and the configuration of a sweep, a shard or a search that\n"
        "runs, was stopped or is dead, from any host that sees the directory, and changes\n"
        "nothing. The time left is reckoned by the rate since the run began; since the most\n"
        "expensive candidates come first, it is rather too long.\n",
    .examples = "assay status runs/nb201\n"
                "assay status runs/nb201 --watch\n"
                "assay status runs/nb201 --format json\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
