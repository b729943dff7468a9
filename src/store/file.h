// SPDX-License-Identifier: Apache-2.0
// Whole writes, atomic replacement of a file, and the lock of a run directory.
#ifndef ASSAY_SRC_STORE_FILE_H
#define ASSAY_SRC_STORE_FILE_H

#include "assay/store.h"

#define ASSAY_PATH_MAX 4096

// "DIR/NAME"; an error when it does not fit ASSAY_PATH_MAX.
int file_path(char *path, const char *dir, const char *name, struct assay_err *err);
// Creates dir and its parents where missing.
int file_make_dir(const char *dir, struct assay_err *err);
// An error, which says what it is, when something else than a directory stands there.
int file_check_dir(const char *dir, struct assay_err *err);
// Writes n bytes at offset `at`, with one pwrite(2) unless the system takes fewer. False: see
// errno.
bool file_write_at(int fd, const void *bytes, size_t n, uint64_t at);
// Has the system begin to bring these bytes to disk, so that a later sync finds little to do.
void file_write_back(int fd, uint64_t at, size_t n);
// Reads exactly n bytes; false: see errno (0: the file ends before).
bool file_read_at(int fd, void *bytes, size_t n, uint64_t at);
// A file that is being written beside the one it shall replace.
struct file_draft {
    int fd; // -1: it is gone
    char path[ASSAY_PATH_MAX], temporary[ASSAY_PATH_MAX];
};
// The draft must stay where it is until it is kept or dropped; nothing is there to be dropped after
// an error.
int file_draft_open(struct file_draft *d, const char *dir, const char *name, struct assay_err *err);
// Puts it in place of the former file. why: the errno of a write that failed, which is the error
// then, or 0. Whatever happens, no draft remains. n: its bytes, for the error's text.
int file_draft_keep(struct file_draft *d, const char *dir, uint64_t n, int why,
                    struct assay_err *err);
void file_draft_drop(struct file_draft *d);
// Removes what a killed assay_file_replace left behind.
void file_remove_temporaries(const char *dir, const char *name, const struct assay_log *log);

// Takes DIR/lock for this process, or ERR_STATE naming the holder. Anything else of this name (a
// link, another's file) is ERR_STATE, too, and stays as it is. *fd holds the lock until closed;
// -1 where the file system knows no locks (logged).
int file_lock(int *fd, const char *dir, const struct assay_log *log, struct assay_err *err);
// Puts lines behind what a lock that is held says; -1 is no lock. The first line of all is "begun
// TIME"; see assay_holder_read.
#define ASSAY_HOLDER_BEGUN "begun "
enum { ASSAY_HOLDER_TEXT = 4096 };
void file_lock_sign(int fd, const char *lines);

#endif
