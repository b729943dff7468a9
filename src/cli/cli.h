// SPDX-License-Identifier: Apache-2.0
// Private to cli: what a verb is, and the words it was given.
//
// Adding a verb = one file verb_<name>.c that defines `const struct cli_verb cli_verb_<name>`, one
// line in the list of verbs.c, and one line in src/meson.build.
#ifndef ASSAY_SRC_CLI_CLI_H
#define ASSAY_SRC_CLI_CLI_H

#include "assay/base.h"
#include "assay/search.h"
#include "assay/sweep.h"

// One option. The table ends with a NULL name. --help and -h exist everywhere by themselves.
struct cli_option {
    const char *name;  // "top" is given as --top
    char letter;       // 'o' is given as -o; 0: none
    const char *value; // the value's name in the help ("DIR"); NULL: a flag
    const char *help;  // may have several lines
    bool repeat;       // may be given more than once
};

// Spaces of at most so many architectures are walked through to find classes of equal networks.
#define CLI_WALKED_MAX 2000000

// For verbs that take a configuration.
#define CLI_OPTION_SET                                                                             \
    {                                                                                              \
        .name = "set", .value = "SECTION.KEY=VALUE", .repeat = true,                               \
        .help = "set a configuration key (over the file); repeatable;\n"                           \
                "`assay list options` shows all keys"                                              \
    }
// For verbs that take the candidates of a sweep; see cli_sweep_config.
#define CLI_OPTIONS_CANDIDATES                                                                     \
    {.name = "first", .value = "I", .help = "first candidate, by index"},                          \
        {.name = "count", .value = "N", .help = "number of candidates from there on"},             \
        {.name = "sample", .value = "N", .help = "a random sample of N candidates"},               \
        {.name = "seed", .value = "S", .help = "seed of that sample"},                             \
        {.name = "archs",                                                                          \
         .value = "FILE",                                                                          \
         .help = "candidates from a file, one architecture or index per line,\n"                   \
                 "or from a table with a column of architectures; in space onnx a list\n"          \
                 "of files, one path a line, or a directory of them"},                             \
        {.name = "order",                                                                          \
         .value = "TABLE.csv",                                                                     \
         .help = "candidates are this table's, which has columns index and arch;\n"                \
                 "--first, --count and indices in FILE count as it does"},                         \
        {.name = "key",                                                                            \
         .value = "NAME",                                                                          \
         .help = "the column of architectures of either table (arch)"},                            \
        {.name = "shard",                                                                          \
         .value = "I/N",                                                                           \
         .help = "only part I of N of the candidates, each with a directory of\n"                  \
                 "its own; `assay merge` joins them"},                                             \
        {.name = "metrics",                                                                        \
         .value = "NAMES",                                                                         \
         .help = "comma-separated metrics (`assay list metrics`)"},                                \
        {.name = "members",                                                                        \
         .help = "evaluate every architecture, not one for all that are\n"                         \
                 "the same network at initialisation"},                                            \
    {                                                                                              \
        .name = "memory", .value = "MIB",                                                          \
        .help = "most memory of a rank; refused when a candidate needs more\n"                     \
                "(--dry-run says how much is needed)"                                              \
    }
// For verbs that read a table of accuracies; see truth_options.
#define CLI_OPTIONS_TRUTH                                                                          \
    {.name = "truth",                                                                              \
     .value = "FILE",                                                                              \
     .help = "measured accuracies: CSV with a header, or JSON; rows without an\n"                  \
             "accuracy (empty, nan, NA, null or None) are left out"},                              \
        {.name = "target", .value = "NAME", .help = "its column of accuracies (test_accuracy)"},   \
    {                                                                                              \
        .name = "key", .value = "NAME", .help = "its column of architectures (arch)"               \
    }
// For verbs that take an architecture; see cli_architecture.
#define CLI_OPTIONS_ORDER                                                                          \
    {.name = "order",                                                                              \
     .value = "TABLE.csv",                                                                         \
     .help = "numbers count as in this table, which has columns index and\n"                       \
             "arch: a benchmark's own order"},                                                     \
    {                                                                                              \
        .name = "key", .value = "NAME", .help = "that table's column of architectures (arch)"      \
    }
// For verbs that take a supernet in place of an architecture; see cli_check_supernet.
#define CLI_OPTION_SUPERNET                                                                        \
    {                                                                                              \
        .name = "supernet", .value = "MASK",                                                       \
        .help = "TE-NAS's supernet in place of an architecture: for each edge the\n"               \
                "numbers of its live operations (\"1234\"; \"-\": none), edges separated\n"        \
                "by commas, cell types by slashes; or full, or full+none"                          \
    }

// For verbs that print a table, which other programs read; see cli_format.
enum cli_format { CLI_TEXT, CLI_CSV, CLI_JSON };
#define CLI_OPTIONS_FORMAT                                                                         \
    {.name = "csv", .help = "comma-separated, more digits: --format csv"},                         \
    {                                                                                              \
        .name = "format", .value = "text|csv|json",                                                \
        .help = "json: an object a row, each on a line of its own"                                 \
    }
// For verbs that tell of one thing.
#define CLI_OPTION_JSON                                                                            \
    {                                                                                              \
        .name = "format", .value = "text|json", .help = "json: one object, on one line"            \
    }

struct cli_args;

struct cli_verb {
    const char *name;
    const char *synopsis; // positional arguments and required options: "CONFIG -o DIR"
    const char *help;     // one line
    const char *about;    // a paragraph for --help, ends with a newline; may be NULL
    const char *examples; // one per line, ends with a newline
    const struct cli_option *option;
    unsigned min_position, max_position;
    bool parallel; // runs on all ranks; args->comm is theirs
    bool alone;    // one process is enough, whatever the launcher meant
    // Prints to stdout; the caller checks that it was written. Returns an exit code (>= 0), or a
    // negative status with a text that the caller prints: ASSAY_ERR_USAGE exits 2, others 1.
    // A parallel verb's error is the same on all ranks, and rank 0 prints it.
    int (*run)(const struct cli_args *args, struct assay_err *err);
};

struct cli_given {
    const struct cli_option *option;
    const char *value; // NULL of a flag
};

// The words of one command line, borrowed from argv.
struct cli_args {
    const struct cli_verb *verb;
    const char **position;
    size_t n_position;
    struct cli_given *given; // in the order given
    size_t n_given;
    bool help;               // --help was among the words; nothing else was checked
    struct assay_comm *comm; // of a parallel verb
};

// Understands --flag, --opt value, --opt=value, -o value, -ovalue and -- (the rest is positional).
// An unknown option is ERR_USAGE and names the nearest known one.
int cli_args_parse(struct cli_args *args, const struct cli_verb *verb, int argc, char **argv,
                   struct assay_err *err);
void cli_args_free(struct cli_args *args);
bool cli_flag(const struct cli_args *args, const char *name);
// The option's value, or NULL when it was not given.
const char *cli_value(const struct cli_args *args, const char *name);
// The option's value as a whole number from min to max; *out stays as it is when it was not given.
int cli_u64(const struct cli_args *args, const char *name, uint64_t min, uint64_t max,
            uint64_t *out, struct assay_err *err);
// The same for a word that is not an option's value; what ("--top", "INDEX") opens the error text.
int cli_parse_u64(const char *word, const char *what, uint64_t min, uint64_t max, uint64_t *out,
                  struct assay_err *err);
// Which of the choices an option has, counted from 0; its value in the help lists them:
// "drop|last". *out stays as it is when the option was not given.
int cli_choice(const struct cli_args *args, const char *name, int *out, struct assay_err *err);
// What --format and --csv say, of a verb with CLI_OPTIONS_FORMAT; text where neither is given.
int cli_format(const struct cli_args *args, enum cli_format *format, struct assay_err *err);
// ERR_USAGE unless exactly one of the second positional argument and --supernet is given.
int cli_check_supernet(const struct cli_args *args, struct assay_err *err);

// An architecture given by its text, or by its number: the space's own, or that of --order.
struct cli_architecture {
    uint64_t index;
    const char *order; // the table, or NULL
    uint64_t number;   // there
};
int cli_architecture(struct cli_architecture *a, const struct cli_args *args,
                     const struct assay_space *space, const char *word, struct assay_err *err);
// ERR_USAGE for --key without --order, and for --order with --supernet.
int cli_check_order(const struct cli_args *args, struct assay_err *err);

// ---- configuration ----------------------------------------------------------------------------
struct cli_settings {
    struct assay_setting *item;
    size_t n, cap;
};
void cli_settings_free(struct cli_settings *settings);
int cli_settings_add(struct cli_settings *settings, const char *section, const char *name,
                     const char *value, const char *origin, struct assay_err *err);
// Appends what the INI file says, or the installed configuration of that name, which is told; the
// errors name file and line.
int cli_settings_read(struct cli_settings *settings, const char *file, const struct cli_args *args,
                      struct assay_err *err);
#define CLI_PATH_MAX 4096
// Whether the word ("nb201-tenas") names no file but an installed configuration; writes its path.
bool cli_config_installed(const char *word, char *path, size_t cap);
// After a file could not be read: where else it was looked for, when it was not there.
int cli_config_missing(const char *word, int status, struct assay_err *err);
// Appends every --set of args.
int cli_settings_set(struct cli_settings *settings, const struct cli_args *args,
                     struct assay_err *err);
// Appends every option of args that is short for a key.
int cli_settings_short(struct cli_settings *settings, const struct cli_args *args,
                       struct assay_err *err);
// Turns an error of the configuration, which names its key, into ERR_USAGE when the command line
// set that key. Other errors stay.
int cli_blame(const struct cli_args *args, int status, struct assay_err *err);
// Turns an error about a value that the command line gives into ERR_USAGE, whoever found it; other
// errors stay.
int cli_usage(int status, struct assay_err *err);
// All keys there are: what the rooms bring, in the order of texts. It is made on first use.
const struct assay_vocabulary *cli_vocabulary(void);
// Makes the configuration of a verb: defaults, preset, file (may be NULL), then every --set.
int cli_config(struct assay_config *config, const char *file, const struct cli_args *args,
               struct assay_err *err);
// Makes the configuration of a sweep: the same with the first positional argument as file, and
// CLI_OPTIONS_CANDIDATES over all. A choice of candidates on the command line replaces the file's.
int cli_sweep_config(struct assay_config *config, const struct cli_args *args,
                     struct assay_err *err);

// ---- texts ------------------------------------------------------------------------------------
// Prints the text and a line end; its first line begins at column `indent` or before. On a terminal
// it is a paragraph, folded to the width that is left; elsewhere its own line ends hold. All lines
// but the first begin with `next`, which is `indent` wide.
void cli_fold(FILE *out, const char *text, size_t indent, const char *next);

// ---- verbs ------------------------------------------------------------------------------------
extern const struct cli_verb *const cli_verbs[]; // ends with NULL
// The verb of that name; an unknown one is ERR_USAGE and names the nearest.
int cli_verb_find(const struct cli_verb **out, const char *name, struct assay_err *err);
void cli_help(FILE *out);
void cli_verb_help(const struct cli_verb *verb, FILE *out);

#endif
