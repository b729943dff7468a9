// SPDX-License-Identifier: Apache-2.0
// base: status codes, error text, log, arena, counter-based random numbers, hash, option tables,
// text files, clock.
#ifndef ASSAY_BASE_H
#define ASSAY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// ---- errors -----------------------------------------------------------------------------------
// An error that a user or the system makes is a negative status, with a text in a struct assay_err
// that the caller owns.
#define ASSAY_STATUS_LIST(X)                                                                       \
    X(OK, 0, "success")                                                                            \
    X(ERR_USAGE, -1, "wrong command line")                                                         \
    X(ERR_CONFIG, -2, "wrong option or configuration value")                                       \
    X(ERR_INPUT, -3, "wrong or damaged input file")                                                \
    X(ERR_IO, -4, "the system refused an input or output operation")                               \
    X(ERR_MEMORY, -5, "out of memory, or over the memory limit")                                   \
    X(ERR_STATE, -6, "the run directory is in use or belongs to another configuration")            \
    X(ERR_MPI, -7, "the ranks disagree or the launcher is misconfigured")

enum assay_status {
#define ASSAY_STATUS_ENUM(name, value, help) ASSAY_##name = (value),
    ASSAY_STATUS_LIST(ASSAY_STATUS_ENUM)
#undef ASSAY_STATUS_ENUM
};

struct assay_err {
    int code;
    char text[1024];
};

// Writes the formatted text, with control characters as assay_text_show shows them, and returns
// code (negative). err may be NULL.
int assay_err_set(struct assay_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Puts "prefix: " in front of the text already there; returns err's code.
int assay_err_prefix(struct assay_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// Puts lines behind the text already there, each with "\n" in front.
void assay_err_lines(struct assay_err *err, const char *lines);

// The only control-flow macro: passes a negative status up.
#define ASSAY_TRY(expr)                                                                            \
    do {                                                                                           \
        const int assay_try_ = (expr);                                                             \
        if (assay_try_ < 0) return assay_try_;                                                     \
    } while (0)

// A bug aborts, in release builds too.
void assay_bug(const char *file, int line, const char *what) __attribute__((noreturn));
#define ASSAY_ASSERT(cond) ((cond) ? (void)0 : assay_bug(__FILE__, __LINE__, #cond))

// HDF5 crashes, or calls exit, in many places where it finds no memory. Between begin and end,
// which do not nest, such an end of the process is reported on stderr in the library's name, and
// the exit code is 1.
void assay_guard_begin(const char *library);
void assay_guard_end(void);
// The file is removed when a library ends the program so; borrowed, NULL: none is.
void assay_guard_file(const char *path);

#define ASSAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

// ---- what a number is ---------------------------------------------------------------------------
// What became of a candidate, ordered by severity. Only OK takes part in rankings; the others rank
// last.
enum assay_verdict {
    ASSAY_VERDICT_OK,
    ASSAY_VERDICT_DEGENERATE, // a quantity is undefined or infinite (e.g. rank-deficient kernel)
    ASSAY_VERDICT_DEAD,       // the output does not depend on the input
    ASSAY_VERDICT_FAILED      // the evaluation went wrong; reason says how
};
const char *assay_verdict_name(enum assay_verdict verdict);

struct assay_column {
    const char *name, *unit, *source; // source: paper and equation
    int direction;                    // +1 larger is better, -1 smaller is better, 0 neither
};

// ---- texts that somebody else wrote ------------------------------------------------------------
// What is wrong with a text, in words that stand behind its name, or NULL: control characters (also
// C1, line separators and what turns the direction of writing), or bytes that are not UTF-8's.
const char *assay_text_fault(const char *text);
// Copies a text, with \x1b in place of each such byte, up to a character that does not fit. lines:
// line ends stay as they are.
void assay_text_show(char *out, size_t cap, const char *text, bool lines);
// Prints a line of at most 4095 bytes, shown like that.
void assay_print_line(FILE *stream, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Opens a file to read it and waits for nobody: a directory or block device, or with `regular` any
// other kind than a regular file is ERR_INPUT, which says what was expected. who opens the error
// text. Reading from a pipe waits for those who write to it.
int assay_file_open(int *fd, const char *file, const char *who, bool regular, const char *expected,
                    struct assay_err *err);
// Reads the whole of a text file or pipe: malloc'd, without a byte order mark, and with its last
// line ended. ERR_INPUT: a zero byte (with its line), UTF-16, an empty pipe, more than
// ASSAY_TEXT_FILE_MAX bytes.
#define ASSAY_TEXT_FILE_MAX (1 << 30)
int assay_text_read(char **text, const char *file, const char *who, const char *expected,
                    struct assay_err *err);
// Closes a stream of memory (open_memstream). Returns its text, malloc'd, or NULL when there was
// not enough memory for all of it.
char *assay_text_close(FILE *out, char *const *text);
// Takes the next line off such a text and ends it in place; NULL: there is none. LF, CR LF and CR
// alone end one.
char *assay_text_line(char **rest);

// ---- log --------------------------------------------------------------------------------------
enum assay_log_level {
    ASSAY_LOG_QUIET,
    ASSAY_LOG_ERROR,
    ASSAY_LOG_WARN,
    ASSAY_LOG_INFO,
    ASSAY_LOG_DEBUG
};

struct assay_log {
    FILE *stream; // borrowed
    enum assay_log_level level;
    int rank; // printed in front of each line when >= 0
};

// Prints one line and flushes it; control characters are shown as by assay_text_show. With log NULL
// nothing is printed.
void assay_log_line(const struct assay_log *log, enum assay_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// How many columns the terminal that the stream writes to has now; 0: it is no terminal.
unsigned assay_terminal_columns(FILE *stream);

// ---- memory -----------------------------------------------------------------------------------
// An arena hands out 64-byte aligned blocks and takes all of them back at once. It grows by chunks;
// a reset merges them into one, so the steady state allocates nothing.
struct assay_arena {
    struct assay_chunk *chunk;
    size_t used, peak; // bytes since the last reset, largest ever
};

// Returns uninitialised memory, or NULL when the system has none left.
void *assay_arena_alloc(struct assay_arena *arena, size_t bytes);
// The same, zeroed.
void *assay_arena_zalloc(struct assay_arena *arena, size_t bytes);
void assay_arena_reset(struct assay_arena *arena);
// Gives the pages of a block back to the system, which fills them with zeros when they are touched.
void assay_arena_forget(void *block, size_t bytes);
// Empties the arena and makes it one chunk with room for `bytes` (the sum of its blocks, each
// rounded up by assay_arena_block); false: the system has none left. A chunk that is there is kept
// when it is large enough and, unless most is 0, takes at most `most` bytes.
bool assay_arena_reserve(struct assay_arena *arena, size_t bytes, size_t most);
// Bytes that such a chunk takes from the system, and bytes that all chunks take now.
size_t assay_arena_footprint(size_t bytes);
size_t assay_arena_held(const struct assay_arena *arena);
// Bytes a block takes.
static inline size_t assay_arena_block(size_t bytes)
{
    return bytes ? (bytes + 63) / 64 * 64 : 64;
}
// Frees everything; a zeroed struct is an empty arena.
void assay_arena_finish(struct assay_arena *arena);

// Bytes that the system counts as this process's, in memory, now; 0: it does not say.
uint64_t assay_resident(void);
// Bytes that it can have at most: those of the machine or container, or its own limit.
uint64_t assay_memory_most(void);
// ERR_MEMORY unless there can be memory for n things of that many bytes at all: a file may name any
// number. what: the things, for the error's text.
int assay_memory_room(uint64_t n, const char *what, double bytes, struct assay_err *err);
// A hash of the program file, the same for all processes of one build; 0 where there is no /proc.
int assay_program_hash(uint64_t *hash, struct assay_err *err);

// ---- hash -------------------------------------------------------------------------------------
struct assay_hash {
    uint64_t lo, hi;
};

uint64_t assay_hash64(const void *bytes, size_t n, uint64_t seed); // XXH3 64 bit
struct assay_hash assay_hash128(const void *bytes, size_t n);      // XXH3 128 bit
static inline bool assay_hash_equal(struct assay_hash a, struct assay_hash b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

// ---- random numbers ---------------------------------------------------------------------------
// Philox4x32-10 streams keyed by (seed, repeat, role, name): no number depends on who draws it or
// when.
struct assay_rng {
    uint32_t key[2], counter[4], block[4];
    unsigned left; // unused words in block
    bool has_spare;
    double spare; // second half of a Box-Muller pair
};

void assay_rng_init(struct assay_rng *rng, uint64_t seed, uint64_t repeat, const char *role,
                    const char *name);
uint32_t assay_rng_u32(struct assay_rng *rng);
double assay_rng_uniform(struct assay_rng *rng);             // in [0, 1), 53 bits
double assay_rng_normal(struct assay_rng *rng);              // N(0, 1), Box-Muller
uint64_t assay_rng_below(struct assay_rng *rng, uint64_t n); // uniform in [0, n), unbiased, n >= 1

// ---- options ----------------------------------------------------------------------------------
// A table describes the fields of a struct that a user may set as "section.key=value".
enum assay_opt_type {
    ASSAY_OPT_U64,
    ASSAY_OPT_F64,
    ASSAY_OPT_BOOL,
    ASSAY_OPT_ENUM,
    ASSAY_OPT_TEXT,
    ASSAY_OPT_NAMED // the only row of a section whose keys the user names
};
#define ASSAY_TEXT_MAX 1024
#define ASSAY_NAME_MAX 64 // of a key that the user names, and of a column

enum assay_opt_role {
    ASSAY_OPT_NUMBERS,      // determines numbers
    ASSAY_OPT_CIRCUMSTANCE, // determines none: how, where or how long they are computed
    ASSAY_OPT_LOCAL         // a circumstance that may also differ between the ranks of a run
};

struct assay_opt {
    const char *section, *name, *help;
    enum assay_opt_type
        type; // field: uint64_t, double, bool, int (index of the choice), char[ASSAY_TEXT_MAX];
              // of NAMED a char[ASSAY_TEXT_MAX] of lines "name = value", which is empty by default
    size_t offset;
    const char *def;     // default, as a user would write it
    double min, max;     // of numbers, inclusive; of TEXT, max > 0 is the field's size in bytes
    const char *choices; // of ENUM, and of TEXT that allows only these: "first|second|third"
    // What a key does to the identity of a run, which tells all that determines its numbers.
    enum assay_opt_role role;
    const char *job;  // the only kind of job whose numbers it determines; NULL: those of every job
    const char *with; // it is left out while this key of its section has its default; NULL: never
};

// What a row says of its field, for designated initialisers.
#define ASSAY_KEY_U64(lo, hi)  .type = ASSAY_OPT_U64, .min = (lo), .max = (hi)
#define ASSAY_KEY_ANY_U64      ASSAY_KEY_U64(0, 0x1p64)
#define ASSAY_KEY_F64(lo, hi)  .type = ASSAY_OPT_F64, .min = (lo), .max = (hi)
#define ASSAY_KEY_CHOICE(list) .type = ASSAY_OPT_ENUM, .choices = (list)
#define ASSAY_KEY_BOOL         .type = ASSAY_OPT_BOOL
#define ASSAY_KEY_TEXT         .type = ASSAY_OPT_TEXT

// A table, and the struct that it fills: what a room, a metric, a space or a search method brings.
struct assay_options {
    const struct assay_opt *opt; // rows of one or more sections, the last with a NULL name
    size_t size;                 // bytes of the struct, into which the rows' offsets point
};

// Sets every field to its default. The table ends with a NULL name.
void assay_opts_defaults(const struct assay_opt *table, void *object);
// Sets one field; origin ("file.ini:12", "--set") opens the error text, which names the key, the
// value seen and what is expected; an unknown key lists the nearest known one. In a section of
// NAMED keys a name is letters, digits and underscores; a value replaces the one that stood there,
// and an empty one takes the key away.
int assay_opts_set(const struct assay_opt *table, void *object, const char *section,
                   const char *name, const char *value, const char *origin, struct assay_err *err);
// The row that describes section.name, or NULL.
const struct assay_opt *assay_opts_find(const struct assay_opt *table, const char *section,
                                        const char *name);
// Writes the field's value as a user would.
void assay_opts_value(const struct assay_opt *opt, const void *object, char *text, size_t cap);
// Writes the whole object as an INI text that sets it again; returns the length it needs
// (snprintf's rule).
size_t assay_opts_format(const struct assay_opt *table, const void *object, char *text, size_t cap);
// Takes the next key off the lines of a NAMED field, in the order in which they were first set;
// false: there is none. *at begins as the field.
bool assay_opts_named(const char **at, char name[ASSAY_NAME_MAX], char value[ASSAY_TEXT_MAX]);

// Edit distance of two words, for "did you mean": smaller is nearer.
unsigned assay_word_distance(const char *a, const char *b);
// The largest distance at which a known word may be meant by this one: one slip in three letters.
unsigned assay_word_near(const char *word);

// ---- comma-separated tables -------------------------------------------------------------------
// A comma-separated file in memory: a header line, then at least one row, all of equally many
// cells. Cells may be quoted, also around line ends (RFC 4180); blanks and line ends around their
// text are taken off. Lines without any text are no rows.
struct assay_csv {
    const char *file; // borrowed, for error texts
    char *text;       // what the cells point into
    char **cell;      // (n_row + 1, n_column), the header first
    size_t *line;     // (n_row + 1) where each row stands in the file, from 1
    size_t n_row, n_column;
};
// Reads a file. A row of another length, an empty file, an unclosed quote, another separator, other
// line ends than LF and CR LF, and text that is not UTF-8's (zero bytes) are errors naming file and
// line.
int assay_csv_read(struct assay_csv *csv, const char *file, struct assay_err *err);
// The same of a text that assay_text_read has read; takes it, also on error.
int assay_csv_parse(struct assay_csv *csv, const char *file, char *text, struct assay_err *err);
void assay_csv_free(struct assay_csv *csv);
// Finds the one column of that name. An error when there are two, and when there is none: it lists
// those there are, and names the option that takes another (NULL: none does).
int assay_csv_column(const struct assay_csv *csv, const char *name, const char *option,
                     size_t *column, struct assay_err *err);
static inline const char *assay_csv_cell(const struct assay_csv *csv, size_t row, size_t column)
{
    return csv->cell[(row + 1) * csv->n_column + column];
}

// ---- clock ------------------------------------------------------------------------------------
double assay_clock_wall(void);   // seconds, monotonic
double assay_clock_thread(void); // CPU seconds of this thread

#endif
