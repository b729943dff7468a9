// SPDX-License-Identifier: Apache-2.0
#include "plot.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "gnuplot"
enum { SECONDS_MOST = 60 };

extern char **environ;

// ---- the script ---------------------------------------------------------------------------------
int plot_begin(struct plot *p, unsigned width, unsigned height, struct assay_err *err)
{
    p->text = NULL;
    p->script = open_memstream(&p->text, &p->n);
    if (!p->script) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    fprintf(
        p->script,
        "set terminal svg size %u,%u dynamic noenhanced font 'sans-serif,12' background '#ffffff'\n"
        "set encoding utf8\n"
        "set border 3 lc rgb '#000000'\n"
        "set tics nomirror out scale 0.6\n"
        "set grid lc rgb '#d0d0d0' lw 0.5\n"
        "set datafile missing NaN\n",
        width, height);
    return ASSAY_OK;
}

static void write_word(FILE *script, const char *text, char quote)
{
    fputc(quote, script);
    for (; *text; text++)
        fputc(isalnum((unsigned char)*text) || strchr(" .,:+-*/=()%_", *text) ? *text : '_',
              script);
    fputc(quote, script);
}

void plot_word(FILE *script, const char *text)
{
    write_word(script, text, '\'');
}

void plot_data_word(FILE *script, const char *text)
{
    write_word(script, text, '"');
}

void plot_line(FILE *script, uint32_t line)
{
    static const uint8_t dashes[PLOT_LINES] = {1, 2, 4, 5, 1, 2};
    fprintf(script, "with linespoints dt %u pt %u ps 0.6 lc rgb '%s'", dashes[line], 4 + line,
            line < 4 ? "#000000" : "#777777");
}

bool plot_holds_log(double value)
{
    return value >= 1 / PLOT_MOST && value <= PLOT_MOST;
}

bool plot_holds(double value)
{
    return value == 0 || plot_holds_log(fabs(value));
}

void plot_drop(struct plot *p)
{
    fclose(p->script);
    free(p->text);
}

// ---- the program --------------------------------------------------------------------------------
static int missing(int why, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "cannot start " PROGRAM ", which draws the plots: %s; install it (Debian "
                         "and Ubuntu: gnuplot-nox, others: gnuplot), or load its module",
                         strerror(why));
}

// Whatever stands in a file, a plot takes a moment; a program that does not end is ended.
static int wait_for(pid_t pid, int *status, struct assay_err *err)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    const double begin = assay_clock_wall();
    pid_t ended;
    while ((ended = waitpid(pid, status, WNOHANG)) == 0 &&
           assay_clock_wall() - begin < SECONDS_MOST)
        nanosleep(&moment, NULL);
    if (ended == pid) return ASSAY_OK;
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
    return assay_err_set(err, ASSAY_ERR_STATE, PROGRAM " did not end within %d s", SECONDS_MOST);
}

// Runs gnuplot without anybody's settings. in, out and complaints are files: no end waits for the
// other. *status is that of waitpid.
static int run(int in, int out, int complaints, char *const argv[], int *status,
               struct assay_err *err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int why = posix_spawn_file_actions_init(&actions);
    if (!why) why = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!why) why = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!why) why = posix_spawn_file_actions_adddup2(&actions, complaints, 2);
    if (!why) why = posix_spawnp(&pid, PROGRAM, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return why ? missing(why, err) : wait_for(pid, status, err);
}

// The whole of a file, malloc'd, or NULL.
static char *read_back(FILE *file, size_t *n)
{
    if (fseek(file, 0, SEEK_END) != 0) return NULL;
    const long size = ftell(file);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (!text) return NULL;
    rewind(file);
    *n = fread(text, 1, (size_t)size, file);
    text[*n] = '\0';
    if (*n == (size_t)size) return text;
    free(text);
    return NULL;
}

// The first line of what gnuplot said that has a letter in it.
static int refused(FILE *complaints, int status, struct assay_err *err)
{
    size_t n;
    char *text = read_back(complaints, &n);
    const char *line = text ? text : "";
    while (*line && !isalpha((unsigned char)*line)) line++;
    const int set = assay_err_set(err, ASSAY_ERR_STATE, PROGRAM " drew no plot (status %d): %.*s",
                                  status, (int)strcspn(line, "\n"), line);
    free(text);
    return set;
}

struct files {
    FILE *in, *out, *complaints;
};

static int open_files(struct files *f, struct assay_err *err)
{
    f->in = tmpfile();
    f->out = tmpfile();
    f->complaints = tmpfile();
    if (f->in && f->out && f->complaints) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_IO, "no temporary file for a plot in " P_tmpdir ": %s",
                         strerror(errno));
}

static void close_files(struct files *f)
{
    if (f->in) fclose(f->in);
    if (f->out) fclose(f->out);
    if (f->complaints) fclose(f->complaints);
}

static int draw_files(struct files *f, const char *script, char **svg, struct assay_err *err)
{
    char *const argv[] = {PROGRAM, "-d", NULL};
    int status;
    size_t n;
    if (fputs(script, f->in) < 0 || fflush(f->in) != 0 || fseek(f->in, 0, SEEK_SET) != 0)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot write a temporary file: %s",
                             strerror(errno));
    ASSAY_TRY(run(fileno(f->in), fileno(f->out), fileno(f->complaints), argv, &status, err));
    if (status != 0) return refused(f->complaints, status, err);
    *svg = read_back(f->out, &n);
    return *svg ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_IO, "cannot read a plot back");
}

static int draw(const char *script, char **svg, struct assay_err *err)
{
    struct files f;
    int status = open_files(&f, err);
    if (status >= 0) status = draw_files(&f, script, svg, err);
    close_files(&f);
    return status;
}

int plot_check(struct assay_err *err)
{
    char *svg = NULL;
    const int status = draw("set terminal svg\n", &svg, err);
    free(svg);
    return status;
}

// ---- the picture --------------------------------------------------------------------------------
// What stands before a name that is unique in gnuplot's picture, but not in the page.
static const char *name_before(const char *at)
{
    static const char *const before[] = {" id='", " id=\"", "href='#", "href=\"#", "url(#"};
    for (size_t i = 0; i < ASSAY_LEN(before); i++)
        if (strncmp(at, before[i], strlen(before[i])) == 0) return before[i];
    return NULL;
}

// Copies the picture without the head of an XML file and without the program's title, which
// browsers would show as a tip.
static void embed(const char *svg, FILE *html, unsigned number)
{
    const char *title = strstr(svg, "<title>"), *after = strstr(svg, "</desc>");
    for (const char *at = svg; *at;) {
        if (at == title && after) at = after + strlen("</desc>");
        const char *before = name_before(at);
        if (before) fprintf(html, "%sp%u-", before, number);
        at += before ? strlen(before) : 0;
        if (!before) fputc(*at++, html);
    }
}

int plot_end(struct plot *p, FILE *html, unsigned number, struct assay_err *err)
{
    char *svg = NULL, *script = assay_text_close(p->script, &p->text);
    if (!script) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a plot");
    const int status = draw(script, &svg, err);
    const char *begin = svg ? strstr(svg, "<svg") : NULL;
    free(script);
    if (begin) embed(begin, html, number);
    free(svg);
    ASSAY_TRY(status);
    return begin ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_STATE, PROGRAM " drew no SVG picture");
}
