// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

// Whether the file is empty or holds what name_holder writes; pid is 0 in an empty one.
static bool read_holder(int fd, char host[256], long *pid)
{
    char text[300] = "", again[300];
    const ssize_t n = pread(fd, text, sizeof text, 0);
    *pid = 0;
    if (n == 0) return true;
    if (n < 0 || n == sizeof text || sscanf(text, "%255s %ld", host, pid) != 2) return false;
    for (const char *c = host; *c; c++)
        if (*c <= ' ' || *c > '~') return false;
    return snprintf(again, sizeof again, "%s %ld\n", host, *pid) == n &&
           memcmp(text, again, (size_t)n) == 0;
}

static int refuse(int fd, const char *dir, struct assay_err *err)
{
    char host[256];
    long pid;
    if (!read_holder(fd, host, &pid) || !pid)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "the run directory %s is in use by another process; wait for it, stop "
                             "it, or use another directory",
                             dir);
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "the run directory %s is in use by process %ld on %s; wait for it, stop "
                         "it, or use another directory",
                         dir, pid, host);
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
    char host[256];
    long pid;
    if (why == EWOULDBLOCK) return refuse(lock, dir, err);
    errno = 0;
    if (!read_holder(lock, host, &pid)) {
        if (!errno) return not_ours(path, "a file of another kind", err);
        return assay_err_set(err, ASSAY_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if (!why) name_holder(lock);
    return ASSAY_OK;
}

int file_lock(int *fd, const char *dir, const struct assay_log *log, struct assay_err *err)
{
    char path[ASSAY_PATH_MAX];
    int lock, failed;
    ASSAY_TRY(file_path(path, dir, "lock", err));
    ASSAY_TRY(open_lock(&lock, path, err));
    while ((failed = flock(lock, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) continue;
    const int why = failed ? errno : 0;
    const int status = judge(lock, why, dir, path, err);
    *fd = status < 0 || failed ? -1 : lock;
    if (*fd < 0) close(lock);
    if (status >= 0 && failed)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "%s cannot be locked (%s): nothing keeps a second job out of this directory",
                       path, strerror(why));
    return status;
}
