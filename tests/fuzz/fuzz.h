// SPDX-License-Identifier: Apache-2.0
// What the harnesses share: an input taken apart, and a file that holds one.
#ifndef ASSAY_TESTS_FUZZ_FUZZ_H
#define ASSAY_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assay/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// What is left of an input; behind its end there are zeros.
struct input {
    const uint8_t *at;
    size_t n;
};

static inline void take(struct input *in, void *to, size_t n)
{
    const size_t here = n < in->n ? n : in->n;
    memset(to, 0, n);
    if (here) memcpy(to, in->at, here);
    in->at += here;
    in->n -= here;
}

static inline uint8_t take_byte(struct input *in)
{
    uint8_t byte;
    take(in, &byte, 1);
    return byte;
}

static inline uint64_t take_number(struct input *in)
{
    uint64_t number;
    take(in, &number, sizeof number);
    return number;
}

// Mostly what is near a limit.
static inline uint64_t take_size(struct input *in)
{
    static const uint64_t near[] = {
        0,        1,        2,          3,          7,          8,          100,       1000,
        1u << 16, 1u << 28, UINT32_MAX, 1ull << 32, 1ull << 40, 1ull << 61, INT64_MAX, UINT64_MAX};
    const uint8_t kind = take_byte(in);
    if (kind < 128) return kind % 16;
    return kind < 192 ? near[kind % ASSAY_LEN(near)] : take_number(in);
}

// A text of at most cap - 1 bytes, its length first.
static inline char *take_text(struct input *in, char *text, size_t cap)
{
    const size_t n = take_byte(in) % cap;
    take(in, text, n);
    text[n] = 0;
    return text;
}

static inline void must(bool holds, const char *what, const struct assay_err *err)
{
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, err ? err->text : "");
    abort();
}

// An error has its code and a text, and the text is one that can be shown.
static inline void must_explain(int status, const struct assay_err *err)
{
    must(status < 0 && err->code == status && *err->text, "an error without a text", err);
    for (const char *c = err->text; *c; c++)
        must(*c == '\n' || ((unsigned char)*c >= ' ' && *c != 127), "a text that repaints", err);
}

// A file of this process alone that holds the bytes; its name, which stays the same.
static inline const char *memory_file(const void *bytes, size_t n)
{
    static char name[32];
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", 0);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t)n) abort();
    return name;
}

#endif
