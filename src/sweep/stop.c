// SPDX-License-Identifier: Apache-2.0
// When to stop: signals, Slurm's end time, the user's own limit.
#include "run.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
// A signal handler has no other place to leave its word.
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    if (caught && number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    caught = number;
}

// They stay until the process ends: leaving together is part of a clean stop.
void sweep_signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ASSAY_LEN(signals); i++) sigaction(signals[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

int sweep_signal(void)
{
    return caught;
}

// Slurm kills at its end time: stop a minute earlier, or a tenth of a short job.
static double slurm_seconds(void)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    const double end = text ? strtod(text, NULL) : 0, left = end - (double)time(NULL);

    if (end <= 0) return INFINITY;
    return left - fmin(60, 0.1 * fmax(left, 0));
}

double sweep_deadline(const struct assay_config *config, const char **why)
{
    const double own = config->time_limit > 0 ? config->time_limit : INFINITY;
    const double slurm = slurm_seconds();

    *why = own <= slurm ? "run.time_limit" : "Slurm's end time";
    return assay_clock_wall() + fmin(own, slurm);
}
