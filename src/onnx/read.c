// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  ((INT64_C(1) << 31) - 1) // protobuf's own
#define NODES_MAX 100000
#define LIST_MAX  1000000
#define TEXT_MAX  4096

int onnx_bad(const struct parse *p, const char *fmt, ...)
{
    char text[sizeof p->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return assay_err_set(p->err, ASSAY_ERR_INPUT, "%s", text);
}

int onnx_damaged(const struct parse *p, const char *what)
{
    return onnx_bad(p, "no ONNX model, or a damaged one: %s is no protobuf message, or is cut off",
                    what);
}

int onnx_room(const struct parse *p, void **list, uint32_t n, uint32_t *cap, size_t size,
              const char *what)
{
    const uint32_t most = strcmp(what, "node") == 0 ? NODES_MAX : LIST_MAX;
    if (n < *cap) return ASSAY_OK;
    if (n >= most) return onnx_bad(p, "more than %u of its lists' elements (%s)", most, what);
    const uint32_t more = n < 16 ? 16 : 2 * n;
    void *grown = realloc(*list, more * size);
    if (!grown) return assay_err_set(p->err, ASSAY_ERR_MEMORY, "out of memory for its graph");
    *list = grown;
    *cap = more;
    return ASSAY_OK;
}

int onnx_text(const struct parse *p, const struct wire_field *f, struct assay_onnx_text *out)
{
    const size_t n = (size_t)(f->bytes.end - f->bytes.at);
    if (f->type != WIRE_BYTES) return onnx_damaged(p, "a name");
    if (n > TEXT_MAX || (n && memchr(f->bytes.at, 0, n)))
        return onnx_bad(p, "a name of %zu bytes or with zero bytes, expected at most %d bytes", n,
                        TEXT_MAX);
    *out = (struct assay_onnx_text){(const char *)f->bytes.at, (uint32_t)n};
    return ASSAY_OK;
}

bool assay_onnx_is(struct assay_onnx_text text, const char *word)
{
    return strlen(word) == text.n && (!text.n || memcmp(text.at, word, text.n) == 0);
}

const struct assay_onnx_attr *assay_onnx_attr(const struct assay_onnx *m,
                                              const struct assay_onnx_node *n, const char *name)
{
    for (uint32_t i = 0; i < n->attr.n; i++) {
        const struct assay_onnx_attr *a = &m->attr[n->attr.first + i];
        if (assay_onnx_is(a->name, name)) return a;
    }
    return NULL;
}

void assay_onnx_free(struct assay_onnx *m)
{
#define FREE(list, type) free(m->list);
    ASSAY_ONNX_LISTS(FREE)
#undef FREE
    free(m->bytes);
    *m = (struct assay_onnx){0};
}

int assay_onnx_parse(struct assay_onnx *m, const char *who, uint8_t *bytes, size_t n,
                     struct assay_err *err)
{
    struct assay_err own;
    const struct parse p = {.m = m, .err = err ? err : &own};
    m->bytes = bytes;
    m->n_bytes = n;
    const int status = n ? onnx_model(&p, (struct wire){bytes, bytes + n})
                         : onnx_bad(&p, "the file is empty, expected an ONNX model");
    if (status >= 0) return ASSAY_OK;
    assay_onnx_free(m);
    return assay_err_prefix(p.err, "%s", who);
}

static int read_all(int fd, uint8_t *bytes, size_t n, const char *file, struct assay_err *err)
{
    for (size_t done = 0; done < n;) {
        const ssize_t got = read(fd, bytes + done, n - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", file, strerror(errno));
        if (got == 0)
            return assay_err_set(err, ASSAY_ERR_INPUT, "%s: it became shorter while it was read",
                                 file);
        done += (size_t)got;
    }
    return ASSAY_OK;
}

static int read_bytes(int fd, const char *file, uint8_t **bytes, size_t *n, struct assay_err *err)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", file, strerror(errno));
    if (about.st_size > FILE_MAX)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %lld bytes, expected less than 2 GiB; a network without its "
                             "weights is small (export_params=False)",
                             file, (long long)about.st_size);
    *n = (size_t)about.st_size;
    *bytes = malloc(*n + 1);
    if (!*bytes)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory for its %zu bytes", file,
                             *n);
    return read_all(fd, *bytes, *n, file, err);
}

int assay_onnx_read(struct assay_onnx *m, const char *file, struct assay_err *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    int fd;
    ASSAY_TRY(assay_file_open(&fd, file, file, true, "an ONNX file", err));
    const int status = read_bytes(fd, file, &bytes, &n, err);
    close(fd);
    if (status < 0) {
        free(bytes);
        return status;
    }
    return assay_onnx_parse(m, file, bytes, n, err);
}
