// SPDX-License-Identifier: Apache-2.0
// Texts that somebody else wrote: reading a whole file of them, and showing them to a person.
#include "assay/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- showing ------------------------------------------------------------------------------------
// How many bytes follow the first of a UTF-8 character; 4: this byte begins none.
static size_t bytes_after(unsigned char first)
{
    if (first < 0x80) return 0;
    if (first < 0xc0 || first > 0xf7) return 4;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

// Bytes of the UTF-8 character at c, 0 when there is none (RFC 3629: also no surrogates, and
// nothing in more bytes than it needs).
static size_t decode(const char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)text;
    const size_t more = bytes_after(*c);
    if (more == 4) return 0;
    *code = more ? *c & (0x3fu >> more) : *c;
    for (size_t i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (c[i] & 0x3fu);
    }
    const bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[more] || *code > 0x10ffff || surrogate ? 0 : more + 1;
}

// Whether it is a C0 or C1 control, DEL, a line or paragraph separator, or turns the direction of
// writing.
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

const char *assay_text_fault(const char *text)
{
    uint32_t code;
    for (size_t n; *text; text += n) {
        n = decode(text, &code);
        if (!n) return "is not in UTF-8";
        if (is_control(code)) return "holds control characters";
    }
    return NULL;
}

void assay_text_show(char *out, size_t cap, const char *text, bool lines)
{
    uint32_t code;
    size_t used = 0;
    for (size_t n; *text; text += n) {
        char shown[8];
        n = decode(text, &code);
        const bool plain = n && (!is_control(code) || (lines && *text == '\n'));
        if (plain)
            snprintf(shown, sizeof shown, "%.*s", (int)n, text);
        else
            snprintf(shown, sizeof shown, "\\x%02x", (unsigned char)*text);
        if (!plain) n = 1; // the bytes after it are shown so, too
        const size_t more = strlen(shown);
        if (used + more >= cap) break;
        memcpy(out + used, shown, more);
        used += more;
    }
    out[used] = 0;
}

void assay_print_line(FILE *stream, const char *fmt, ...)
{
    char text[4096], shown[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay_text_show(shown, sizeof shown, text, false);
    fprintf(stream, "%s\n", shown);
}

// ---- files --------------------------------------------------------------------------------------
// Whether reading may wait: a pipe, or the terminal that this program reads from, is waited for,
// and no other device.
static bool is_waited_for(const struct stat *st)
{
    struct stat in;
    if (S_ISFIFO(st->st_mode)) return true;
    return S_ISCHR(st->st_mode) && fstat(STDIN_FILENO, &in) == 0 && in.st_rdev == st->st_rdev;
}

static int prepare(int fd, const char *who, bool regular, const char *expected,
                   struct assay_err *err)
{
    struct stat st;
    const char *fault = NULL;
    if (fstat(fd, &st) != 0 || (is_waited_for(&st) && fcntl(fd, F_SETFL, 0) < 0))
        return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", who, strerror(errno));
    if (S_ISBLK(st.st_mode) || (regular && !S_ISREG(st.st_mode)))
        fault = "not a regular file";
    else if (S_ISDIR(st.st_mode))
        fault = "a directory";
    if (!fault) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s, expected %s", who, fault, expected);
}

int assay_file_open(int *fd, const char *file, const char *who, bool regular, const char *expected,
                    struct assay_err *err)
{
    // Without O_NONBLOCK a pipe would be waited for until a program opens its other end.
    *fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0) return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", who, strerror(errno));
    const int status = prepare(*fd, who, regular, expected, err);
    if (status < 0) close(*fd);
    return status;
}

// Refuses zero bytes: text has none, and UTF-16 has one in every line's end.
static int check_bytes(const char *text, size_t from, size_t n, const char *who,
                       struct assay_err *err)
{
    const char *zero = memchr(text + from, 0, n - from);
    size_t line = 1;
    if (!zero) return ASSAY_OK;
    if (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: UTF-16 text, expected UTF-8", who);
    for (const char *at = text; at < zero; at++) line += *at == '\n';
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s:%zu: a zero byte: not a text file, or not in UTF-8", who, line);
}

static int grow(char **text, size_t *cap, const char *who, struct assay_err *err)
{
    if (*cap > ASSAY_TEXT_FILE_MAX)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: more than %d MiB, expected a text file",
                             who, ASSAY_TEXT_FILE_MAX >> 20);
    *cap = *cap ? 2 * *cap : 1 << 16;
    char *more = realloc(*text, *cap);
    if (!more) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for its text", who);
    *text = more;
    return ASSAY_OK;
}

// Reads all of a file, and keeps room for a line's end and a zero byte behind.
static int slurp(int fd, char **text, size_t *n, const char *who, struct assay_err *err)
{
    size_t cap = 0;
    for (;;) {
        if (*n + 2 >= cap) ASSAY_TRY(grow(text, &cap, who, err));
        const ssize_t got = read(fd, *text + *n, cap - *n - 2);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", who, strerror(errno));
        if (got == 0) return ASSAY_OK;
        // Checked while it is read, since a device may have no end.
        ASSAY_TRY(check_bytes(*text, *n, *n + (size_t)got, who, err));
        *n += (size_t)got;
    }
}

// Refuses an empty pipe: one that nobody writes to is most likely not what was meant.
static int check_pipe(int fd, size_t n, const char *who, struct assay_err *err)
{
    struct stat st;
    if (n || fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: an empty pipe, which no program writes to",
                         who);
}

int assay_text_read(char **text, const char *file, const char *who, const char *expected,
                    struct assay_err *err)
{
    static const char mark[] = "\xEF\xBB\xBF"; // which spreadsheets and Windows put first
    size_t n = 0;
    int fd;
    *text = NULL;
    ASSAY_TRY(assay_file_open(&fd, file, who, false, expected, err));
    int status = slurp(fd, text, &n, who, err);
    if (status >= 0) status = check_pipe(fd, n, who, err);
    close(fd);
    if (status < 0) {
        free(*text);
        *text = NULL;
        return status;
    }
    if (n && (*text)[n - 1] != '\n') (*text)[n++] = '\n';
    (*text)[n] = 0;
    if (strncmp(*text, mark, 3) == 0) memmove(*text, *text + 3, n - 2);
    return ASSAY_OK;
}

char *assay_text_line(char **rest)
{
    char *line = *rest, *end = line + strcspn(line, "\r\n");
    const bool pair = end[0] == '\r' && end[1] == '\n';
    if (!*line) return NULL;
    *rest = end + (pair ? 2 : *end ? 1 : 0);
    *end = 0;
    return line;
}

char *assay_text_close(FILE *out, char *const *text)
{
    const bool bad = ferror(out);

    if (fclose(out) == 0 && !bad) return *text;
    free(*text);
    return NULL;
}
