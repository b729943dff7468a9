// SPDX-License-Identifier: Apache-2.0
// cli: words on the command line -> calls.
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// This process's rank by the launcher's account, NULL without a launcher. One rank reports the
// errors that all ranks find before MPI runs.
static const char *launcher_rank(void)
{
    static const char *const name[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                       "SLURM_PROCID"};
    const char *rank = NULL;
    for (unsigned i = 0; i < ASSAY_LEN(name) && !rank; i++) rank = getenv(name[i]);
    return rank;
}

static bool launched_as_first(void)
{
    const char *rank = launcher_rank();
    return !rank || strcmp(rank, "0") == 0;
}

// Prints the error when this rank is the one to tell it; returns the exit code.
static int conclude(int status, const struct assay_err *err, bool tells)
{
    if (status >= 0) return status;
    if (tells) fprintf(stderr, "assay: %s\n", err->text);
    return status == ASSAY_ERR_USAGE ? ASSAY_EXIT_USAGE : ASSAY_EXIT_ERROR;
}

// ---- the ranks ----------------------------------------------------------------------------------
// Writes the words that decide what the ranks do together.
static void describe(int argc, char **argv, char *words, size_t cap)
{
    size_t n = (size_t)snprintf(words, cap, "%.60s", argc > 1 ? argv[1] : "--help");
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--dry-run") || !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            n += (size_t)snprintf(words + n, n < cap ? cap - n : 0, " %s", argv[i]);
    for (char *c = words; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?'; // the words may reach a terminal
}

// *comm is the caller's, also after an error.
static int start(struct assay_comm **comm, bool alone, int argc, char **argv, struct assay_err *err)
{
    char words[100];
    describe(argc, argv, words, sizeof words);
    ASSAY_TRY(assay_comm_start(comm, alone, err));
    return assay_farm_meet(*comm, words, err);
}

// Ranks that a launcher started meet before their words are looked at: one that ended with an error
// at once would have the launcher end rank 0 before it has spoken, and one whose words need no MPI
// would leave the others waiting.
static int join(int argc, char **argv, struct assay_comm **comm, struct assay_err *err)
{
    const struct cli_verb *verb = NULL;
    const bool found = argc > 1 && cli_verb_find(&verb, argv[1], NULL) >= 0;
    const bool parallel = found && verb->parallel;
    if (parallel ? !launcher_rank() : !assay_comm_launched()) return 0;
    return start(comm, !parallel || verb->alone, argc, argv, err);
}

static int run_parallel(struct cli_args *args, int status, struct assay_err *err)
{
    if (!args->comm) return conclude(status, err, launched_as_first());
    status = assay_comm_agree(args->comm, status, err);
    if (status >= 0) status = cli_blame(args, args->verb->run(args, err), err);
    status = assay_comm_agree(args->comm, status, err);
    return conclude(status, err, assay_comm_rank(args->comm) == 0);
}

// ---- the words ----------------------------------------------------------------------------------
static int run_verb(const struct cli_verb *verb, int argc, char **argv, struct assay_comm **comm,
                    struct assay_err *err)
{
    struct cli_args args;
    int status = cli_args_parse(&args, verb, argc - 2, argv + 2, err), code = ASSAY_EXIT_COMPLETE;
    if (args.help)
        cli_verb_help(verb, stdout);
    else if (verb->parallel) {
        if (status >= 0 && !*comm) status = start(comm, verb->alone, argc, argv, err);
        args.comm = *comm;
        code = run_parallel(&args, status, err);
    } else {
        if (status >= 0) status = cli_blame(&args, verb->run(&args, err), err);
        code = conclude(status, err, launched_as_first());
    }
    cli_args_free(&args);
    return code;
}

static int print_version(void)
{
    char text[4096];
    const bool known = assay_build_describe(text, sizeof text) > 0;
    fputs(known ? text : "assay: no memory to tell the version\n", known ? stdout : stderr);
    return known ? ASSAY_EXIT_COMPLETE : ASSAY_EXIT_ERROR;
}

// assay help [VERB]
static int help(int argc, char **argv, struct assay_err *err)
{
    const struct cli_verb *verb = NULL;
    if (argc > 1)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "help: '%.200s' is one word too many: assay help VERB", argv[1]);
    if (argc == 1) ASSAY_TRY(cli_verb_find(&verb, argv[0], err));
    if (verb)
        cli_verb_help(verb, stdout);
    else
        cli_help(stdout);
    return ASSAY_EXIT_COMPLETE;
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int run_words(int argc, char **argv, struct assay_comm **comm, struct assay_err *err)
{
    if (argc < 2) {
        cli_help(stderr);
        return ASSAY_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) return print_version();
    if (asks_help(word)) return conclude(help(argc - 2, argv + 2, err), err, launched_as_first());
    const struct cli_verb *verb = NULL;
    const int status = cli_verb_find(&verb, word, err);
    if (status < 0) return conclude(status, err, launched_as_first());
    return run_verb(verb, argc, argv, comm, err);
}

// Whether the reader of a pipe has seen enough (`| head`) and closed it.
static bool reader_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

// What was printed must have arrived: a full disk is an error.
static int close_stdout(int code)
{
    const bool bad = ferror(stdout);
    errno = 0;
    if ((fflush(stdout) == 0 && !bad) || reader_left()) return code;
    fprintf(stderr, "assay: standard output: %s\n", errno ? strerror(errno) : "write error");
    return code ? code : ASSAY_EXIT_ERROR;
}

int main(int argc, char **argv)
{
    struct assay_comm *comm = NULL;
    struct assay_err err = {0};
    signal(SIGPIPE, SIG_IGN);
    const int met = join(argc, argv, &comm, &err);
    int code = met < 0 ? conclude(met, &err, comm ? !assay_comm_rank(comm) : launched_as_first())
                       : run_words(argc, argv, &comm, &err);
    code = close_stdout(code);
    assay_comm_finish(comm);
    return code;
}
