// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// The holder writes "HOST PID\n" into the file, for the error text of whoever comes second.
static void name_holder(int fd)
{
    char host[256] = "unknown-host", text[300];
    gethostname(host, sizeof host - 1);
    const int n = snprintf(text, sizeof text, "%s %ld\n", host, (long)getpid());
    // Failing here is no error: the name is a courtesy, and the lock holds without it.
    if (ftruncate(fd, 0) == 0) (void)file_write_at(fd, text, (size_t)n, 0);
}

// What a lock says: the first line, and what file_lock_sign put behind it.
struct words {
    char host[ASSAY_HOLDER_HOST];
    long pid; // 0: the file is empty
    char text[ASSAY_HOLDER_TEXT];
    const char *rest; // of the text
};

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((*text < ' ' || *text > '~') && *text != '\n') return false;
    return true;
}

// Whether the file is empty or holds what name_holder and file_lock_sign write.
static bool read_words(int fd, struct words *w)
{
    char first[ASSAY_HOLDER_HOST + 32];
    *w = (struct words){.rest = w->text};
    const ssize_t n = pread(fd, w->text, sizeof w->text - 1, 0);
    if (n == 0) return true;
    if (n < 0 || !is_plain(w->text) || sscanf(w->text, "%255s %ld", w->host, &w->pid) != 2)
        return false;
    const int length = snprintf(first, sizeof first, "%s %ld\n", w->host, w->pid);
    if (memchr(w->text, 0, (size_t)n) || strncmp(w->text, first, (size_t)length) != 0) return false;
    w->rest = w->text + length;
    return !*w->rest || strncmp(w->rest, ASSAY_HOLDER_BEGUN, strlen(ASSAY_HOLDER_BEGUN)) == 0;
}

static int refuse(int fd, const char *dir, struct assay_err *err)
{
    struct words w;
    if (!read_words(fd, &w) || !w.pid)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "the run directory %s is in use by another process; wait for it, stop "
                             "it, or use another directory",
                             dir);
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "the run directory %s is in use by process %ld on %s; wait for it, stop "
                         "it, or use another directory",
                         dir, w.pid, w.host);
}

static int not_ours(const char *path, const char *what, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "%s is %s, not the lock of a run; nothing was changed. Move it away, or "
                         "use another directory",
                         path, what);
}

// A file of this name may be the user's own, or lead to one: only a lock is ever written to.
static int open_lock(int *fd, const char *path, struct assay_err *err)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    const bool known = *fd >= 0 && fstat(*fd, &st) == 0;
    const int why = errno;
    if (known && S_ISREG(st.st_mode)) return ASSAY_OK;
    if (*fd >= 0) close(*fd);
    if (known) return not_ours(path, "no regular file", err);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) return not_ours(path, "a symbolic link", err);
    return assay_err_set(err, ASSAY_ERR_IO, "cannot create %s: %s", path, strerror(why));
}

// Decides about an open file that could be locked, or for the reason `why` could not.
static int judge(int lock, int why, const char *dir, const char *path, struct assay_err *err)
{
    struct words w;
    if (why == EWOULDBLOCK) return refuse(lock, dir, err);
    errno = 0;
    if (!read_words(lock, &w)) {
        if (!errno) return not_ours(path, "a file of another kind", err);
        return assay_err_set(err, ASSAY_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if (!why) name_holder(lock);
    return ASSAY_OK;
}

// Whoever asks for the holder has the lock for a moment, which is no reason to refuse a run.
static int lock_patiently(int fd)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    for (int i = 0;; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
        const bool taken = errno == EWOULDBLOCK;
        if (errno != EINTR && (!taken || i == 10)) return errno;
        if (taken) nanosleep(&moment, NULL);
    }
}

int file_lock(int *fd, const char *dir, const struct assay_log *log, struct assay_err *err)
{
    char path[ASSAY_PATH_MAX];
    int lock;
    ASSAY_TRY(file_path(path, dir, "lock", err));
    ASSAY_TRY(open_lock(&lock, path, err));
    const int why = lock_patiently(lock);
    const int status = judge(lock, why, dir, path, err);
    *fd = status < 0 || why ? -1 : lock;
    if (*fd < 0) close(lock);
    if (status >= 0 && why)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "%s cannot be locked (%s): nothing keeps a second job out of this directory",
                       path, strerror(why));
    return status;
}

// ---- who has it ---------------------------------------------------------------------------------
void file_lock_sign(int fd, const char *lines)
{
    struct stat st;
    // Failing here is no error, as above. Lines without a first one are a file of another kind.
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
        (void)file_write_at(fd, lines, strlen(lines), (uint64_t)st.st_size);
}

// Whether a process holds the lock of an open file: LOCK_SH is given where nobody does.
static enum assay_lock look(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) return ASSAY_LOCK_FREE;
    return errno == EWOULDBLOCK ? ASSAY_LOCK_HELD : ASSAY_LOCK_UNKNOWN;
}

static void read_lines(struct assay_holder *h, const char *at)
{
    char key[16];
    double time;
    for (; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        int n = 0;
        if (sscanf(at, "%15s %n", key, &n) != 1 || !n) continue;
        const int length = (int)strcspn(at + n, "\n");
        if (strcmp(key, "begun") == 0 && sscanf(at + n, "%lf", &time) == 1)
            h->begun = time;
        else if (strcmp(key, "records") == 0)
            (void)sscanf(at + n, "%" SCNu64, &h->records);
        else if (strcmp(key, "ranks") == 0)
            (void)sscanf(at + n, "%d", &h->ranks);
        else if (strcmp(key, "hosts") == 0)
            snprintf(h->hosts, sizeof h->hosts, "%.*s", length, at + n);
        else if (strcmp(key, "ended") == 0 && sscanf(at + n, "%lf %d", &time, &h->exit_code) == 2)
            h->ended = time;
    }
}

int assay_holder_read(struct assay_holder *holder, const char *dir, struct assay_err *err)
{
    char path[ASSAY_PATH_MAX];
    struct stat st;
    struct words w;
    *holder = (struct assay_holder){.lock = ASSAY_LOCK_UNKNOWN};
    ASSAY_TRY(file_path(path, dir, "lock", err));
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return ASSAY_OK;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read_words(fd, &w)) {
        holder->lock = look(fd);
        holder->pid = w.pid;
        memcpy(holder->host, w.host, sizeof holder->host);
        read_lines(holder, w.rest);
    }
    close(fd);
    return ASSAY_OK;
}
