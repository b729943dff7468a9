// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char *volatile guarded; // the library at work; NULL: none
static const char *volatile file;    // to be removed
static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT};
static struct sigaction before[ASSAY_LEN(fatal)];

// It is called in a signal handler, too, and so uses no stream and no memory.
static size_t append(char *text, size_t n, size_t cap, const char *more)
{
    while (*more && n < cap) text[n++] = *more++;
    return n;
}

static void tell(void)
{
    char text[256];
    size_t n = append(text, 0, sizeof text, "assay: ");

    n = append(text, n, sizeof text, guarded);
    n = append(
        text, n, sizeof text,
        " ended the program in the middle of its work, as it does when it finds no memory\n");
    if (file) unlink(file);
    if (write(STDERR_FILENO, text, n) < 0) _exit(EXIT_FAILURE);
    _exit(EXIT_FAILURE);
}

static void on_signal(int signal)
{
    (void)signal;
    tell();
}

static void on_exit_of_library(void)
{
    if (guarded) tell();
}

void assay_guard_begin(const char *library)
{
    static bool prepared;
    static char room[1 << 14]; // HDF5's errors of errors may have taken the whole stack
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

    ASSAY_ASSERT(!guarded);
    if (!prepared) prepared = sigaltstack(&stack, NULL) == 0 && atexit(on_exit_of_library) == 0;
    guarded = library;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ASSAY_LEN(fatal); i++) sigaction(fatal[i], &action, &before[i]);
}

void assay_guard_end(void)
{
    for (size_t i = 0; guarded && i < ASSAY_LEN(fatal); i++) sigaction(fatal[i], &before[i], NULL);
    guarded = NULL;
}

void assay_guard_file(const char *path)
{
    file = path;
}
