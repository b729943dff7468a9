// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// The holder writes "HOST PID\n" into the file, for the error text of whoever comes second.
static void name_holder(int fd)
{
    char host[256] = "unknown-host", text[300];
    gethostname(host, sizeof host - 1);
    const int n = snprintf(text, sizeof text, "%s %ld\n", host, (long)getpid());
    // Only a courtesy: the lock holds without it.
    if (ftruncate(fd, 0) == 0) (void)assay_file_write_at(fd, text, (size_t)n, 0);
}

static int refuse(int fd, const char *dir, struct assay_err *err)
{
    char text[300] = "", host[256] = "an unknown host";
    long pid = 0;
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    sscanf(text, "%255s %ld", host, &pid);
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "the run directory %s is in use by process %ld on %s; wait for it, stop "
                         "it, or use another directory",
                         dir, pid, host);
}

int assay_file_lock(int *fd, const char *dir, const struct assay_log *log, struct assay_err *err)
{
    char path[ASSAY_PATH_MAX];
    ASSAY_TRY(assay_file_path(path, dir, "lock", err));
    const int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    int failed;
    while ((failed = flock(lock, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) continue;
    if (!failed) {
        name_holder(lock);
        *fd = lock;
        return ASSAY_OK;
    }
    const int why = errno;
    const int status = why == EWOULDBLOCK ? refuse(lock, dir, err) : ASSAY_OK;
    close(lock);
    if (status < 0) return status;
    *fd = -1;
    assay_log_line(log, ASSAY_LOG_WARN,
                   "%s cannot be locked (%s): nothing keeps a second job out of this directory",
                   path, strerror(why));
    return ASSAY_OK;
}
