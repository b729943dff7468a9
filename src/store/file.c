// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // sync_file_range
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int file_path(char *path, const char *dir, const char *name, struct assay_err *err)
{
    if (!*dir) dir = ".";
    if (snprintf(path, ASSAY_PATH_MAX, "%s/%s", dir, name) < ASSAY_PATH_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "the path %.200s... is longer than %d bytes", dir,
                         ASSAY_PATH_MAX - 1);
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// The error says what stands where the directory should be, or why there is none.
static int no_dir(const char *path, int why, struct assay_err *err)
{
    char target[ASSAY_PATH_MAX];
    struct stat st;
    const int lost = stat(path, &st) == 0 ? 0 : errno;
    if (!lost)
        return assay_err_set(err, ASSAY_ERR_IO, "%s is %s, expected a directory", path,
                             S_ISREG(st.st_mode) ? "a file" : "no directory");
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot create the directory %s: %s", path,
                             strerror(why));
    target[n] = 0;
    return assay_err_set(err, ASSAY_ERR_IO,
                         "%s is a link, and its target %.500s %s%s; expected a directory", path,
                         target, lost == ENOENT ? "does not exist" : "cannot be reached: ",
                         lost == ENOENT ? "" : strerror(lost));
}

int file_check_dir(const char *dir, struct assay_err *err)
{
    struct stat st;
    return is_dir(dir) || lstat(dir, &st) != 0 ? ASSAY_OK : no_dir(dir, 0, err);
}

int file_make_dir(const char *dir, struct assay_err *err)
{
    char path[ASSAY_PATH_MAX];
    ASSAY_TRY(file_path(path, dir, "", err)); // the path ends with a slash
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        const int why = mkdir(path, 0777) == 0 ? 0 : errno;
        if (why && !is_dir(path)) return no_dir(path, why, err);
        *slash = '/';
    }
    return ASSAY_OK;
}

bool file_write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
    const char *from = bytes;
    while (n > 0) {
        const ssize_t done = pwrite(fd, from, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        from += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

void file_write_back(int fd, uint64_t at, size_t n)
{
    // Not every file system does it, and none needs to.
    (void)sync_file_range(fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

bool file_read_at(int fd, void *bytes, size_t n, uint64_t at)
{
    char *to = bytes;
    while (n > 0) {
        errno = 0;
        const ssize_t done = pread(fd, to, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        to += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

// A rename lasts only once its directory is on disk. Some file systems cannot sync a directory.
static bool sync_dir(const char *dir)
{
    const int fd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES;
    const bool ok = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    close(fd);
    return ok;
}

// Whether a file's name may be given to another file: a device's or a pipe's must not, and such as
// /dev/stdout leads to one or to a file.
static bool is_replaceable(const char *file)
{
    char target[8] = "";
    struct stat st;
    if (readlink(file, target, sizeof target - 1) > 0 && strncmp(target, "/proc/", 6) == 0)
        return false;
    return stat(file, &st) != 0 || S_ISREG(st.st_mode);
}

int assay_file_unique(char *path, size_t cap, const char *file, struct assay_err *err)
{
    uint64_t number;
    ssize_t n;
    if (!is_replaceable(file))
        return assay_err_set(err, ASSAY_ERR_IO, "%s: exists and is not a regular file", file);
    while ((n = getrandom(&number, sizeof number, 0)) < 0 && errno == EINTR) continue;
    if (n != sizeof number)
        return assay_err_set(err, ASSAY_ERR_IO, "no random name for a temporary file of %s: %s",
                             file, strerror(errno));
    if ((size_t)snprintf(path, cap, "%s.tmp-%016" PRIx64, file, number) < cap) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "the path %.200s... is too long", file);
}

// ---- replacing ---------------------------------------------------------------------------------

static int fail(const struct file_draft *d, const char *doing, uint64_t n, int why,
                struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_IO, "cannot %s %s (%" PRIu64 " bytes): %s", doing, d->path,
                         n, strerror(why));
}

int file_draft_open(struct file_draft *d, const char *dir, const char *name, struct assay_err *err)
{
    *d = (struct file_draft){.fd = -1};
    ASSAY_TRY(file_path(d->path, dir, name, err));
    ASSAY_TRY(assay_file_unique(d->temporary, sizeof d->temporary, d->path, err));
    // O_EXCL: whatever has this name, a link included, is another's and stays as it is.
    d->fd = open(d->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (d->fd >= 0) {
        assay_guard_file(d->temporary);
        return ASSAY_OK;
    }
    return assay_err_set(err, ASSAY_ERR_IO, "cannot write %s: %s", d->path, strerror(errno));
}

void file_draft_drop(struct file_draft *d)
{
    if (d->fd < 0) return;
    assay_guard_file(NULL);
    close(d->fd);
    d->fd = -1;
    unlink(d->temporary);
}

// Closes the file, whose bytes are on disk then.
static bool close_synced(struct file_draft *d)
{
    const bool synced = fsync(d->fd) == 0;
    const int why = errno;
    const bool closed = close(d->fd) == 0;
    d->fd = -1;
    if (!synced) errno = why;
    return synced && closed;
}

int file_draft_keep(struct file_draft *d, const char *dir, uint64_t n, int why,
                    struct assay_err *err)
{
    const char *doing = "write";
    if (why) {
        file_draft_drop(d);
        return fail(d, doing, n, why, err);
    }
    assay_guard_file(NULL);
    bool ok = close_synced(d);
    if (ok) {
        doing = "put in place";
        ok = rename(d->temporary, d->path) == 0 && sync_dir(dir);
    }
    if (ok) return ASSAY_OK;
    why = errno;
    unlink(d->temporary);
    return fail(d, doing, n, why, err);
}

int assay_file_replace(const char *dir, const char *name, const void *bytes, size_t n,
                       struct assay_err *err)
{
    struct file_draft d;
    ASSAY_TRY(file_draft_open(&d, dir, name, err));
    const bool ok = file_write_at(d.fd, bytes, n, 0);
    return file_draft_keep(&d, dir, n, ok ? 0 : errno, err);
}

void file_remove_temporaries(const char *dir, const char *name, const struct assay_log *log)
{
    char prefix[300], path[ASSAY_PATH_MAX];
    snprintf(prefix, sizeof prefix, "%.250s.tmp-", name);
    DIR *stream = opendir(*dir ? dir : ".");
    if (!stream) return;
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        if (file_path(path, dir, entry->d_name, NULL) < 0 || unlink(path) != 0) continue;
        assay_log_line(log, ASSAY_LOG_INFO, "removed %s, left by a job that was killed", path);
    }
    closedir(stream);
}
