// SPDX-License-Identifier: Apache-2.0
// When to stop: signals, Slurm's end time, the user's own limit.
#include "farm/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Slurm kills a job at its end time: a run stops a minute earlier, or a tenth of a short job's
// time.
#define MARGIN_SECONDS 60.0
#define MARGIN_PART    0.1

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
// These are global because a signal handler has no other place to leave its word.
static volatile sig_atomic_t caught;
static char words[2 * ASSAY_TEXT_MAX]; // what the first signal is answered with; empty: nothing
static volatile sig_atomic_t n_words;
static volatile sig_atomic_t dropped; // standard error reaches nobody once the launcher ends ranks

// Says it on the terminal that Ctrl-C was pressed on, which the ranks still have.
static void say_on_terminal(void)
{
    const int terminal = open("/dev/tty", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal < 0) return;
    if (write(terminal, "\n", 1) < 0 || write(terminal, words, (size_t)n_words) < 0) dropped = 0;
    close(terminal);
}

static void on_signal(int number)
{
    if (caught && number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    // Said at once: a launcher may kill the ranks before the candidate under evaluation is
    // finished.
    const int was = errno;
    if (!caught && write(STDERR_FILENO, words, (size_t)n_words) < 0) n_words = 0;
    if (!caught && number == SIGTERM && dropped && n_words) say_on_terminal();
    errno = was;
    caught = number;
}

// The words begin on a new line on a terminal, where a progress bar may stand.
static void prepare_words(const char *dir)
{
    snprintf(words, sizeof words,
             "%sassay: stopping: what is finished stays in %s, and the same command resumes\n",
             isatty(STDERR_FILENO) ? "\n" : "", dir);
    n_words = (sig_atomic_t)strlen(words);
    // Open MPI 5's mpirun, which PRTE is, forwards nothing any more when it sends SIGTERM.
    dropped = getenv("PRTE_LAUNCHED") && !isatty(STDERR_FILENO);
    if (dropped) signal(SIGTTOU, SIG_IGN); // otherwise writing to the terminal could stop the rank
}

// The handlers stay until the process ends, because leaving together is part of a clean stop.
void farm_signals_catch(const char *dir)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (dir) prepare_words(dir);

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ASSAY_LEN(signals); i++) sigaction(signals[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

void farm_signals_hush(void)
{
    n_words = 0;
}

int farm_signal(void)
{
    return caught;
}

void farm_limit_open(struct farm_limit *limit, double own)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    const double end = text ? strtod(text, NULL) : 0, now = assay_clock_wall();
    const double left = end > 0 ? end - (double)time(NULL) : INFINITY;

    limit->own = own > 0 ? now + own : INFINITY;
    limit->slurm = now + left;
    limit->margin = fmin(MARGIN_SECONDS, MARGIN_PART * fmax(left, 0));
}

const char *farm_limit_reached(const struct farm_limit *limit, double longest, double publishing)
{
    const double now = assay_clock_wall();

    if (now >= limit->own) return "run.time_limit";
    return now + limit->margin + longest + publishing >= limit->slurm ? "Slurm's end time" : NULL;
}
