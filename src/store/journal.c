// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"
#include "file.h"
#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHECKSUM = sizeof(uint64_t), BLOCK = 1 << 20 };

// In the file, record i stands at header + i * frame and is followed by its checksum, seeded with
// the header's checksum + i: a record of another journal, or at another place, is not valid.
struct assay_journal {
    int fd, lock; // lock: -1 when there is none
    bool torn;    // bytes of a failed append may stand behind the last record
    char path[ASSAY_PATH_MAX];
    uint64_t header, seed, n_record;
    size_t frame;
    unsigned char *buffer; // grows to the largest batch appended
    size_t buffer_bytes;
};

static uint64_t record_at(const struct assay_journal *journal, uint64_t i)
{
    return journal->header + i * journal->frame;
}

static uint64_t record_checksum(const struct assay_journal *journal, uint64_t i, const void *record)
{
    return assay_hash64(record, journal->frame - CHECKSUM, journal->seed + i);
}

static bool record_valid(const struct assay_journal *journal, uint64_t i,
                         const unsigned char *frame)
{
    uint64_t checksum;
    memcpy(&checksum, frame + journal->frame - CHECKSUM, CHECKSUM);
    return checksum == record_checksum(journal, i, frame);
}

static int reserve(struct assay_journal *journal, size_t bytes, struct assay_err *err)
{
    if (bytes <= journal->buffer_bytes) return ASSAY_OK;
    unsigned char *buffer = realloc(journal->buffer, bytes);
    if (!buffer) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", journal->path);
    journal->buffer = buffer;
    journal->buffer_bytes = bytes;
    return ASSAY_OK;
}

static int refuse_read(const struct assay_journal *journal, uint64_t at, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_IO, "cannot read %s at byte %" PRIu64 ": %s", journal->path,
                         at, errno ? strerror(errno) : "the file became shorter");
}

// ---- opening -----------------------------------------------------------------------------------

// Counts the valid records from the start of the file.
static int count_records(struct assay_journal *journal, uint64_t file_bytes, struct assay_err *err)
{
    const uint64_t total = (file_bytes - journal->header) / journal->frame;
    const uint64_t block = journal->frame < BLOCK ? BLOCK / journal->frame : 1;
    ASSAY_TRY(reserve(journal, block * journal->frame, err));
    while (journal->n_record < total) {
        const uint64_t first = journal->n_record, left = total - first;
        const uint64_t n = left < block ? left : block;
        if (!file_read_at(journal->fd, journal->buffer, n * journal->frame,
                          record_at(journal, first)))
            return refuse_read(journal, record_at(journal, first), err);
        for (uint64_t i = 0; i < n; i++) {
            if (!record_valid(journal, first + i, journal->buffer + i * journal->frame))
                return ASSAY_OK;
            journal->n_record++;
        }
    }
    return ASSAY_OK;
}

// What a killed process leaves behind the first record that is not valid is nothing, or zeros.
// Anything else there is results, or what a power failure made of them, which nobody may cut off.
static int check_tail(struct assay_journal *journal, uint64_t file_bytes, struct assay_err *err)
{
    const uint64_t bad = record_at(journal, journal->n_record);
    for (uint64_t at = bad + journal->frame; at < file_bytes; at += BLOCK) {
        const size_t n = file_bytes - at < BLOCK ? (size_t)(file_bytes - at) : BLOCK;
        ASSAY_TRY(reserve(journal, n, err));
        if (!file_read_at(journal->fd, journal->buffer, n, at))
            return refuse_read(journal, at, err);
        if (journal->buffer[0] == 0 && memcmp(journal->buffer, journal->buffer + 1, n - 1) == 0)
            continue;
        return assay_err_set(
            err, ASSAY_ERR_INPUT,
            "%s: record %" PRIu64 " (byte %" PRIu64
            ") is damaged, its checksum is wrong and more data follow; nothing was "
            "changed. Restore the file, or keep only the %" PRIu64
            " records before it with: truncate -s %" PRIu64 " %s",
            journal->path, journal->n_record, bad, journal->n_record, bad, journal->path);
    }
    return ASSAY_OK;
}

// Finds the whole records. A torn tail behind them is cut off if cut is set, and otherwise left
// alone.
static int scan(struct assay_journal *journal, bool cut, const struct assay_log *log,
                struct assay_err *err)
{
    struct stat st;
    if (fstat(journal->fd, &st) != 0) return refuse_read(journal, 0, err);
    const uint64_t file_bytes = (uint64_t)st.st_size;
    errno = 0;
    if (file_bytes < journal->header) return refuse_read(journal, file_bytes, err);
    ASSAY_TRY(count_records(journal, file_bytes, err));
    const uint64_t end = record_at(journal, journal->n_record);
    if (end == file_bytes) return ASSAY_OK;
    ASSAY_TRY(check_tail(journal, file_bytes, err));
    if (!cut) return ASSAY_OK;
    if (ftruncate(journal->fd, (off_t)end) != 0)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot cut the torn tail of %s: %s", journal->path,
                             strerror(errno));
    assay_log_line(log, ASSAY_LOG_WARN,
                   "%s: cut off %" PRIu64 " bytes of a record torn by a crash; %" PRIu64
                   " records are whole",
                   journal->path, file_bytes - end, journal->n_record);
    return ASSAY_OK;
}

static int check_record_bytes(struct assay_journal *journal, const struct header *header,
                              const struct assay_schema *schema, struct assay_err *err)
{
    enum { RECORD_MOST = 1 << 30 };
    const struct assay_schema none = {.n_column = 0};
    const bool any = !schema && header->record_bytes >= assay_record_bytes(&none) &&
                     header->record_bytes <= RECORD_MOST;
    const size_t expected =
        any ? header->record_bytes : assay_record_bytes(schema ? schema : &none);
    journal->header = header->bytes;
    journal->seed = header->checksum;
    journal->frame = expected + CHECKSUM;
    if (header->record_bytes == expected) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "%s: records of %" PRIu64 " bytes, this program and configuration write "
                         "%zu: it was made by another version or configuration",
                         journal->path, header->record_bytes, expected);
}

static int check_identity(const struct assay_journal *journal, const struct header *header,
                          const char *identity, const void *extra, size_t n_extra,
                          struct assay_err *err)
{
    if (strcmp(header->identity, identity) != 0) {
        char diff[700];
        assay_diff_lines(header->identity, identity, diff, sizeof diff);
        assay_err_set(err, ASSAY_ERR_STATE,
                      "%.200s belongs to another configuration (- its own, + now); use another "
                      "directory or restore the setting:",
                      journal->path);
        assay_err_lines(err, diff);
        return ASSAY_ERR_STATE;
    }
    if (header->n_extra != n_extra || (n_extra && memcmp(header->extra, extra, n_extra) != 0))
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%s belongs to another list of candidates (%zu bytes, now %zu); use "
                             "another directory",
                             journal->path, header->n_extra, n_extra);
    return ASSAY_OK;
}

// Opens DIR/journal and reads its header, which the caller frees.
static int open_file(struct assay_journal *journal, const char *dir, bool writes,
                     struct header *header, struct assay_err *err)
{
    const int flags = writes ? O_RDWR | O_NOFOLLOW : O_RDONLY;
    struct stat st;
    ASSAY_TRY(file_path(journal->path, dir, "journal", err));
    if (*dir) ASSAY_TRY(file_check_dir(dir, err));
    // A pipe would keep open(2) waiting, and what a link leads to is not ours to write to.
    const bool there = (writes ? lstat : stat)(journal->path, &st) == 0;
    if (there && !S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s; expected the journal of a run",
                             journal->path,
                             S_ISLNK(st.st_mode) ? "a symbolic link" : "not a regular file");
    journal->fd = open(journal->path, flags | O_NONBLOCK | O_CLOEXEC);
    if (journal->fd < 0)
        return assay_err_set(err, errno == ENOENT ? ASSAY_ERR_INPUT : ASSAY_ERR_IO,
                             "cannot open %s: %s%s", journal->path, strerror(errno),
                             errno == ENOENT ? "; expected a run directory" : "");
    return header_read(header, journal->fd, journal->path, err);
}

static struct assay_journal *journal_new(struct assay_err *err)
{
    struct assay_journal *journal = calloc(1, sizeof *journal);
    if (journal)
        journal->fd = journal->lock = -1;
    else
        assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    return journal;
}

static int prepare_dir(struct assay_journal *journal, const char *dir, const struct assay_log *log,
                       struct assay_err *err)
{
    static const char *const name[] = {"journal", "results.h5", "search.h5", "config.ini"};
    ASSAY_TRY(file_make_dir(dir, err));
    ASSAY_TRY(file_lock(&journal->lock, dir, log, err));
    for (size_t i = 0; i < ASSAY_LEN(name); i++) file_remove_temporaries(dir, name[i], log);
    return file_path(journal->path, dir, "journal", err);
}

int assay_journal_open(struct assay_journal **out, const char *dir,
                       const struct assay_schema *schema, const char *identity, const void *extra,
                       size_t n_extra, const struct assay_log *log, uint64_t *n_record,
                       struct assay_err *err)
{
    struct header header = {0};
    struct assay_journal *journal = journal_new(err);
    if (!journal) return ASSAY_ERR_MEMORY;
    int status = prepare_dir(journal, dir, log, err);
    if (status >= 0 && access(journal->path, F_OK) != 0 && errno == ENOENT)
        status = header_create(dir, assay_record_bytes(schema), identity, extra, n_extra, err);
    if (status >= 0) status = open_file(journal, dir, true, &header, err);
    if (status >= 0) status = check_identity(journal, &header, identity, extra, n_extra, err);
    if (status >= 0) status = check_record_bytes(journal, &header, schema, err);
    if (status >= 0) status = scan(journal, true, log, err);
    header_free(&header);
    if (status < 0) {
        assay_journal_close(journal);
        return status;
    }
    *n_record = journal->n_record;
    *out = journal;
    return ASSAY_OK;
}

int assay_journal_open_read(struct assay_journal **out, const char *dir,
                            const struct assay_schema *schema, uint64_t *n_record,
                            struct assay_err *err)
{
    struct header header = {0};
    struct assay_journal *journal = journal_new(err);
    if (!journal) return ASSAY_ERR_MEMORY;
    int status = open_file(journal, dir, false, &header, err);
    if (status >= 0) status = check_record_bytes(journal, &header, schema, err);
    if (status >= 0) status = scan(journal, false, NULL, err);
    header_free(&header);
    if (status < 0) {
        assay_journal_close(journal);
        return status;
    }
    *n_record = journal->n_record;
    *out = journal;
    return ASSAY_OK;
}

int assay_journal_peek(const char *dir, char **identity, void **extra, size_t *n_extra,
                       struct assay_err *err)
{
    struct header header = {0};
    struct assay_journal journal = {.fd = -1};
    const int status = open_file(&journal, dir, false, &header, err);
    if (journal.fd >= 0) close(journal.fd);
    if (status < 0) return status;
    *identity = header.identity;
    *extra = header.extra;
    *n_extra = header.n_extra;
    return ASSAY_OK;
}

int assay_journal_refresh(struct assay_journal *journal, uint64_t *n_record, struct assay_err *err)
{
    const int status = scan(journal, false, NULL, err);
    *n_record = journal->n_record;
    return status;
}

// ---- who writes it ------------------------------------------------------------------------------
void assay_journal_begin(struct assay_journal *journal, int ranks, const char *hosts)
{
    char lines[ASSAY_HOLDER_HOSTS + 128];
    snprintf(lines, sizeof lines,
             ASSAY_HOLDER_BEGUN "%lld\nrecords %" PRIu64 "\nranks %d\nhosts %.*s\n",
             (long long)time(NULL), journal->n_record, ranks, ASSAY_HOLDER_HOSTS - 1, hosts);
    file_lock_sign(journal->lock, lines);
}

void assay_journal_end(struct assay_journal *journal, int exit_code)
{
    char line[64];
    snprintf(line, sizeof line, "ended %lld %d\n", (long long)time(NULL), exit_code);
    file_lock_sign(journal->lock, line);
}

size_t assay_journal_record_bytes(const struct assay_journal *journal)
{
    return journal->frame - CHECKSUM;
}

uint64_t assay_journal_records(const struct assay_journal *journal)
{
    return journal->n_record;
}

const char *assay_journal_path(const struct assay_journal *journal)
{
    return journal->path;
}

void assay_journal_close(struct assay_journal *journal)
{
    if (!journal) return;
    if (journal->fd >= 0) close(journal->fd);
    if (journal->lock >= 0) close(journal->lock);
    free(journal->buffer);
    free(journal);
}

// ---- records -----------------------------------------------------------------------------------

// Cuts the file back to its whole records after an append that failed.
static bool cut_back(struct assay_journal *journal)
{
    if (journal->torn && ftruncate(journal->fd, (off_t)record_at(journal, journal->n_record)) != 0)
        return false;
    journal->torn = false;
    return true;
}

static void frame_records(struct assay_journal *journal, const unsigned char *record, size_t n)
{
    const size_t bytes = journal->frame - CHECKSUM;
    unsigned char *to = journal->buffer;
    for (size_t i = 0; i < n; i++, record += bytes, to += journal->frame) {
        const uint64_t checksum = record_checksum(journal, journal->n_record + i, record);
        memcpy(to, record, bytes);
        memcpy(to + bytes, &checksum, CHECKSUM);
    }
}

int assay_journal_append(struct assay_journal *journal, const void *records, size_t n,
                         struct assay_err *err)
{
    if (n == 0) return ASSAY_OK;
    ASSAY_TRY(reserve(journal, n * journal->frame, err));
    frame_records(journal, records, n);
    bool ok = cut_back(journal);
    if (ok) {
        journal->torn = true;
        ok = file_write_at(journal->fd, journal->buffer, n * journal->frame,
                           record_at(journal, journal->n_record));
    }
    if (!ok) {
        const int why = errno;
        const bool whole = cut_back(journal);
        return assay_err_set(err, ASSAY_ERR_IO,
                             "cannot append %zu records to %s: %s; its %" PRIu64
                             " records are safe%s",
                             n, journal->path, strerror(why), journal->n_record,
                             whole ? "" : " (a torn one behind them is cut when the run resumes)");
    }
    file_write_back(journal->fd, record_at(journal, journal->n_record), n * journal->frame);
    journal->torn = false;
    journal->n_record += n;
    return ASSAY_OK;
}

int assay_journal_sync(struct assay_journal *journal, struct assay_err *err)
{
    if (fdatasync(journal->fd) == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_IO, "cannot bring %s to disk: %s", journal->path,
                         strerror(errno));
}

int assay_journal_read(struct assay_journal *journal, uint64_t i, void *bytes,
                       struct assay_err *err)
{
    ASSAY_ASSERT(i < journal->n_record);
    ASSAY_TRY(reserve(journal, journal->frame, err));
    if (!file_read_at(journal->fd, journal->buffer, journal->frame, record_at(journal, i)))
        return refuse_read(journal, record_at(journal, i), err);
    if (!record_valid(journal, i, journal->buffer))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: record %" PRIu64 " (byte %" PRIu64
                             ") was damaged while the file was open",
                             journal->path, i, record_at(journal, i));
    if (assay_record_check(journal->buffer, err) < 0)
        return assay_err_prefix(err, "%s: record %" PRIu64, journal->path, i);
    memcpy(bytes, journal->buffer, journal->frame - CHECKSUM);
    return ASSAY_OK;
}
