// SPDX-License-Identifier: Apache-2.0
// Which file the name of a configuration means: one that is there, or an installed one.
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Takes the file's name off a path; false when there is no other part.
static bool take_name(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
    return slash;
}

// Writes the folder of the configurations that were installed with this program. A relative
// ASSAY_CONFIGS counts from the folder of the program, which may have been moved with them.
static bool installed_folder(char *folder, size_t cap)
{
    char program[CLI_PATH_MAX] = "";
    if (*ASSAY_CONFIGS == '/') return (size_t)snprintf(folder, cap, "%s", ASSAY_CONFIGS) < cap;
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0 || (size_t)n == sizeof program - 1 || !take_name(program)) return false;
    return (size_t)snprintf(folder, cap, "%s/" ASSAY_CONFIGS, program) < cap;
}

// A directory is none: a run's may have the name of its configuration.
static bool is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && !S_ISDIR(s.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool cli_config_installed(const char *word, char *path, size_t cap)
{
    static const char end[] = ".ini";
    const size_t n = strlen(word);
    const bool whole = n >= strlen(end) && strcmp(word + n - strlen(end), end) == 0;
    char folder[CLI_PATH_MAX], file[CLI_PATH_MAX];
    if (!*word || strchr(word, '/') || is_file(word) || !installed_folder(folder, sizeof folder))
        return false;
    if ((size_t)snprintf(file, sizeof file, "%s/%s%s", folder, word, whole ? "" : end) >=
        sizeof file)
        return false;
    char *real = is_file(file) ? realpath(file, NULL) : NULL; // without the way through bin/..
    const bool found = real && strlen(real) < cap;
    if (found) strcpy(path, real);
    free(real);
    return found;
}

int cli_config_missing(const char *word, int status, struct assay_err *err)
{
    char folder[CLI_PATH_MAX];
    if (strchr(word, '/') || is_file(word) || !installed_folder(folder, sizeof folder) ||
        !is_folder(folder))
        return status;
    return assay_err_set(err, status,
                         "%.200s: no such file, and there is no configuration of that name in "
                         "%.200s",
                         word, folder);
}
