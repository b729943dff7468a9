// SPDX-License-Identifier: Apache-2.0
#include "header.h"
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// An identity is a configuration, its columns and some words: a few KiB.
enum { VERSION = 1, BYTE_ORDER_MARK = 0x01020304, IDENTITY_MOST = 1 << 16 };
static const char magic[8] = "assayjnl";

// What the file begins with; the identity, the extra block and the checksum of all before it
// follow.
struct preamble {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t record_bytes, n_identity, n_extra;
};

int header_create(const char *dir, uint64_t record_bytes, const char *identity, const void *extra,
                  size_t n_extra, struct assay_err *err)
{
    struct preamble p = {.version = VERSION,
                         .byte_order = BYTE_ORDER_MARK,
                         .record_bytes = record_bytes,
                         .n_identity = strlen(identity),
                         .n_extra = n_extra};
    memcpy(p.magic, magic, sizeof magic);
    const size_t n = sizeof p + p.n_identity + n_extra;
    char *bytes = malloc(n + sizeof(uint64_t));
    if (!bytes) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    memcpy(bytes, &p, sizeof p);
    memcpy(bytes + sizeof p, identity, p.n_identity);
    if (n_extra) memcpy(bytes + sizeof p + p.n_identity, extra, n_extra);
    const uint64_t checksum = assay_hash64(bytes, n, 0);
    memcpy(bytes + n, &checksum, sizeof checksum);
    const int status = assay_file_replace(dir, "journal", bytes, n + sizeof checksum, err);
    free(bytes);
    return status;
}

static int check_preamble(const struct preamble *p, const char *path, struct assay_err *err)
{
    if (memcmp(p->magic, magic, sizeof magic) != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a journal of assay", path);
    if (p->byte_order != BYTE_ORDER_MARK)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: written on a machine of another byte order, or damaged", path);
    if (p->version != VERSION)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: format version %u; this program reads version %d", path,
                             p->version, VERSION);
    return ASSAY_OK;
}

// Bytes of the whole header, or 0 when the file is too short to hold it, or when it is no header.
static uint64_t header_bytes(const struct preamble *p, uint64_t file_bytes)
{
    uint64_t n = sizeof *p + sizeof(uint64_t);
    if (p->n_identity > IDENTITY_MOST) return 0;
    if (__builtin_add_overflow(n, p->n_identity, &n)) return 0;
    if (__builtin_add_overflow(n, p->n_extra, &n)) return 0;
    return n <= file_bytes ? n : 0;
}

static int take_blocks(struct header *header, const struct preamble *p, const char *bytes,
                       struct assay_err *err)
{
    header->identity = malloc(p->n_identity + 1);
    header->extra = malloc(p->n_extra + 1);
    if (!header->identity || !header->extra) {
        header_free(header);
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    }
    memcpy(header->identity, bytes + sizeof *p, p->n_identity);
    header->identity[p->n_identity] = 0;
    memcpy(header->extra, bytes + sizeof *p + p->n_identity, p->n_extra);
    header->n_extra = p->n_extra;
    header->record_bytes = p->record_bytes;
    return ASSAY_OK;
}

static int damaged(const char *path, struct assay_err *err)
{
    return assay_err_set(
        err, ASSAY_ERR_INPUT,
        "%s: the header is truncated or damaged; restore the file, or move it away "
        "to start anew",
        path);
}

// The error after file_read_at failed.
static int not_read(const char *path, struct assay_err *err)
{
    if (!errno) return damaged(path, err); // the file ends early
    return assay_err_set(err, ASSAY_ERR_IO, "cannot read %s: %s", path, strerror(errno));
}

int header_read(struct header *header, int fd, const char *path, struct assay_err *err)
{
    struct preamble p;
    struct stat st;
    *header = (struct header){0};
    if (fstat(fd, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", path, strerror(errno));
    if ((size_t)st.st_size < sizeof p) return damaged(path, err);
    if (!file_read_at(fd, &p, sizeof p, 0)) return not_read(path, err);
    ASSAY_TRY(check_preamble(&p, path, err));
    header->bytes = header_bytes(&p, (uint64_t)st.st_size);
    if (!header->bytes) return damaged(path, err);
    char *bytes = malloc(header->bytes);
    if (!bytes) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", path);
    int status = damaged(path, err);
    const size_t n = header->bytes - sizeof header->checksum;
    if (file_read_at(fd, bytes, header->bytes, 0)) {
        memcpy(&header->checksum, bytes + n, sizeof header->checksum);
        // An identity is a text; a zero byte in it would hide what stands behind.
        if (header->checksum == assay_hash64(bytes, n, 0) &&
            !memchr(bytes + sizeof p, 0, p.n_identity))
            status = take_blocks(header, &p, bytes, err);
    } else {
        status = not_read(path, err);
    }
    free(bytes);
    return status;
}

void header_free(struct header *header)
{
    free(header->identity);
    free(header->extra);
    *header = (struct header){0};
}
