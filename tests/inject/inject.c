// SPDX-License-Identifier: Apache-2.0
// Preloaded: counts the calls of an operation that one object of the process makes, and lets one of
// them fail.
//
//   INJECT_OP      memory, open, write, rename, sync, truncate, lock, read, mkdir, close, unlink
//                  or stat
//   INJECT_CALLER  who calls: "program", or part of a library's file name ("libhdf5")
//   INJECT_AT      the call that fails, from 1 on; 0: none, they are only counted
//   INJECT_STICKY  set: all calls from there on fail
//   INJECT_ERRNO   the reason given, a number (of memory always ENOMEM)
//   INJECT_RANK    only in the process of this rank
//   INJECT_LOG     a file that is told of each failure, "OP N OBJECT+OFFSET", and at the end of the
//                  count, "calls N"
//
// What MPI allocates for itself is thus never touched. Only calls across objects are seen: not
// those that the C library makes within itself.
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS // both names of a function are wanted: open and open64
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum op {
    MEMORY,
    OPEN,
    WRITE,
    RENAME,
    SYNC,
    TRUNCATE,
    LOCK,
    READ,
    MKDIR,
    CLOSE,
    UNLINK,
    STAT,
    OPS
};
static const char *const op_name[OPS] = {"memory", "open", "write", "rename", "sync",   "truncate",
                                         "lock",   "read", "mkdir", "close",  "unlink", "stat"};

static struct {
    enum op op; // OPS: nothing is injected
    const char *caller;
    long at, count;
    bool sticky;
    int why, log;
    uintptr_t base, end; // of the object that calls
} inject = {.op = OPS, .log = -1};

// ---- who calls ----------------------------------------------------------------------------------
static bool is_caller(const struct dl_phdr_info *object)
{
    const bool program = !*object->dlpi_name;

    return strcmp(inject.caller, "program") ? strstr(object->dlpi_name, inject.caller) != NULL
                                            : program;
}

static int find_caller(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (inject.end || !is_caller(object)) return 0;
    inject.base = object->dlpi_addr;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        const uintptr_t end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
        if (part->p_type == PT_LOAD && end > inject.end) inject.end = end;
    }
    return 0;
}

static void say(const char *what, long n, uintptr_t at)
{
    char text[128];
    const int length =
        at ? snprintf(text, sizeof text, "%s %ld %s+%#lx\n", what, n, inject.caller, at)
           : snprintf(text, sizeof text, "%s %ld\n", what, n);

    if (inject.log >= 0) syscall(SYS_write, inject.log, text, length);
}

// ---- what fails ---------------------------------------------------------------------------------
static bool fails(enum op op, const void *from)
{
    const uintptr_t at = (uintptr_t)from;

    if (op != inject.op || at < inject.base || at >= inject.end) return false;
    const long n = __atomic_add_fetch(&inject.count, 1, __ATOMIC_SEQ_CST);
    if (!inject.at || (inject.sticky ? n < inject.at : n != inject.at)) return false;
    say(op_name[op], n, at - inject.base);
    errno = op == MEMORY ? ENOMEM : inject.why;
    return true;
}
#define FAILS(op) fails(op, __builtin_return_address(0))

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t n)
{
    return FAILS(MEMORY) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return FAILS(MEMORY) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *at, size_t n)
{
    return FAILS(MEMORY) ? NULL : __libc_realloc(at, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return FAILS(MEMORY) ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **at, size_t align, size_t n)
{
    void *block = FAILS(MEMORY) ? NULL : __libc_memalign(align, n);

    if (!block) return ENOMEM;
    *at = block;
    return 0;
}

// The next object's function of this name, called with these arguments unless it is to fail.
#define WRAP(op, failed, result, name, parameters, ...)                                            \
    result name parameters;                                                                        \
    result name parameters                                                                         \
    {                                                                                              \
        static result(*real) parameters;                                                           \
        if (FAILS(op)) return failed;                                                              \
        if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);                           \
        return real(__VA_ARGS__);                                                                  \
    }
WRAP(MEMORY, NULL, char *, strdup, (const char *text), text)
WRAP(MEMORY, NULL, FILE *, open_memstream, (char **text, size_t *n), text, n)
WRAP(MEMORY, -1, ssize_t, getline, (char **line, size_t *n, FILE *from), line, n, from)
WRAP(MEMORY, -1, ssize_t, getdelim, (char **line, size_t *n, int end, FILE *from), line, n, end,
     from)
WRAP(MEMORY, -1, int, vasprintf, (char **text, const char *format, va_list more), text, format,
     more)
WRAP(MEMORY, MAP_FAILED, void *, mmap64,
     (void *at, size_t n, int access, int flags, int fd, off_t from), at, n, access, flags, fd,
     from)
WRAP(OPEN, NULL, FILE *, fdopen, (int fd, const char *mode), fd, mode)
WRAP(OPEN, NULL, DIR *, opendir, (const char *path), path)
WRAP(OPEN, NULL, FILE *, fopen, (const char *path, const char *mode), path, mode)
WRAP(OPEN, NULL, FILE *, fopen64, (const char *path, const char *mode), path, mode)
WRAP(WRITE, -1, ssize_t, write, (int fd, const void *from, size_t n), fd, from, n)
WRAP(WRITE, -1, ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), fd, from, n, at)
WRAP(WRITE, -1, ssize_t, pwrite64, (int fd, const void *from, size_t n, off_t at), fd, from, n, at)
WRAP(READ, -1, ssize_t, read, (int fd, void *to, size_t n), fd, to, n)
WRAP(READ, -1, ssize_t, pread, (int fd, void *to, size_t n, off_t at), fd, to, n, at)
WRAP(READ, -1, ssize_t, pread64, (int fd, void *to, size_t n, off_t at), fd, to, n, at)
WRAP(RENAME, -1, int, rename, (const char *from, const char *to), from, to)
WRAP(SYNC, -1, int, fsync, (int fd), fd)
WRAP(SYNC, -1, int, fdatasync, (int fd), fd)
WRAP(TRUNCATE, -1, int, ftruncate, (int fd, off_t n), fd, n)
WRAP(TRUNCATE, -1, int, ftruncate64, (int fd, off_t n), fd, n)
WRAP(LOCK, -1, int, flock, (int fd, int what), fd, what)
WRAP(MKDIR, -1, int, mkdir, (const char *path, mode_t mode), path, mode)

WRAP(WRITE, EOF, int, fflush, (FILE * to), to)
WRAP(CLOSE, EOF, int, fclose, (FILE * file), file)
WRAP(CLOSE, -1, int, close, (int fd), fd)
WRAP(UNLINK, -1, int, unlink, (const char *path), path)
WRAP(STAT, -1, int, fstat64, (int fd, struct stat64 *st), fd, st)
WRAP(STAT, -1, int, fstat, (int fd, struct stat *st), fd, st)
WRAP(STAT, -1, int, stat64, (const char *path, struct stat64 *st), path, st)

#define WRAP_OPEN(name)                                                                            \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        static int (*real)(const char *, int, ...);                                                \
        mode_t mode = 0;                                                                           \
        va_list more;                                                                              \
        if (FAILS(OPEN)) return -1;                                                                \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                     \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                \
        return real(path, flags, mode);                                                            \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

// ---- what to do ---------------------------------------------------------------------------------
static long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : 0;
}

static bool is_rank(void)
{
    const char *only = getenv("INJECT_RANK"), *rank = getenv("OMPI_COMM_WORLD_RANK");

    return !only || (rank && !strcmp(only, rank));
}

__attribute__((constructor)) static void begin(void)
{
    const char *op = getenv("INJECT_OP"), *log = getenv("INJECT_LOG"),
               *caller = getenv("INJECT_CALLER");
    enum op found = MEMORY;

    while (op && found < OPS && strcmp(op, op_name[found])) found++;
    if (!op || !is_rank()) return;
    inject.caller = caller ? caller : "program";
    inject.at = number("INJECT_AT");
    inject.why = (int)number("INJECT_ERRNO");
    inject.sticky = getenv("INJECT_STICKY");
    dl_iterate_phdr(find_caller, NULL);
    if (log)
        inject.log = (int)syscall(SYS_openat, AT_FDCWD, log,
                                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (found == OPS || !inject.end || (log && inject.log < 0)) {
        fprintf(stderr, "inject: INJECT_OP=%s of %s: no such operation or object\n", op,
                inject.caller);
        _exit(99);
    }
    inject.op = found;
}

__attribute__((destructor)) static void end(void)
{
    if (inject.op < OPS) say("calls", inject.count, 0);
}
