// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "join.h"
#include "results.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The directory may hold joined results, and never a run's. *made: it is new.
static int make_dir(const char *dir, bool *made, struct assay_err *err)
{
    char path[2 * ASSAY_TEXT_MAX];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/journal", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return assay_err_set(err, ASSAY_ERR_USAGE, "-o: too long a name");
    if (lstat(path, &st) == 0)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%s holds a run, whose results stay as they are; use another "
                             "directory",
                             dir);
    *made = mkdir(dir, 0777) == 0;
    if (*made || errno == EEXIST) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_IO, "cannot create %s: %s", dir, strerror(errno));
}

static int read_all(struct join_source *source, const struct cli_args *args, struct assay_err *err)
{
    for (size_t i = 0; i < args->n_position; i++) {
        source[i].file = args->position[i];
        ASSAY_TRY(results_read(&source[i].table, args->position[i], err));
    }
    return ASSAY_OK;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    const char *dir = cli_value(args, "output");
    if (!dir || !*dir)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "join: -o DIR is missing or empty: where results.h5 goes");
    struct join_source *source = calloc(args->n_position, sizeof *source);
    if (!source) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    bool made = false;
    int status = read_all(source, args, err);
    if (status >= 0) status = make_dir(dir, &made, err);
    if (status >= 0)
        status = join_write(source, args->n_position, cli_flag(args, "all"), dir, stderr, err);
    if (status < 0 && made) rmdir(dir);
    for (size_t i = 0; i < args->n_position; i++) assay_table_free(source[i].table);
    free(source);
    return status < 0 ? status : ASSAY_EXIT_COMPLETE;
}

static const struct cli_option options[] = {
    {.name = "output", .letter = 'o', .value = "DIR", .help = "directory of the joined results.h5"},
    {.name = "all", .help = "rows that any of the files has, not only those that all have"},
    {.name = NULL},
};

const struct cli_verb cli_verb_join = {
    .name = "join",
    .synopsis = "DIR|RESULTS.h5 DIR|RESULTS.h5... -o DIR",
    .help = "put the columns of several results files side by side",
    .about =
        "The files are of one space; a sweep of new metrics need not repeat old ones. Columns\n"
        "that are equal are one; others of the same name get the number of their file, such as\n"
        "kappa_2. Scores are made anew among the rows, also those that no file alone had the\n"
        "columns for. A row has the worst of its verdicts.\n",
    .examples = "assay join runs/nb201 runs/proxies -o runs/both\n"
                "assay join runs/nb201/results.h5 runs/proxies/results.h5 -o runs/any --all\n",
    .option = options,
    .min_position = 2,
    .max_position = UINT_MAX,
    .run = run,
};
