// SPDX-License-Identifier: Apache-2.0
// A directory of its own for every test, and small files in it.
#ifndef ASSAY_TESTS_SCRATCH_H
#define ASSAY_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

// cmocka's setup and teardown: *state is the directory's name.
static inline int scratch_open(void **state)
{
    char *dir = strdup("/tmp/assay-test-XXXXXX");
    *state = dir;
    return dir && mkdtemp(dir) ? 0 : -1;
}

static inline void scratch_remove(const char *path)
{
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char *inner = malloc(strlen(path) + strlen(entry->d_name) + 2);
        if (!inner) abort();
        sprintf(inner, "%s/%s", path, entry->d_name);
        scratch_remove(inner);
        free(inner);
    }
    if (dir) closedir(dir);
    remove(path);
}

static inline int scratch_close(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

// "DIR/NAME", valid until the fourth call after it.
static inline const char *scratch_path(void **state, const char *name)
{
    static char path[4][4096];
    static unsigned turn;
    char *to = path[turn++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", (const char *)*state, name);
    return to;
}

static inline void scratch_write(const char *path, const void *bytes, size_t n)
{
    unlink(path); // rewriting in place makes ext4 wait for the disk
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) abort();
}

// The whole file, malloc'd; NULL and 0 bytes if there is none.
static inline unsigned char *scratch_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    *n = 0;
    if (!f) return NULL;
    if (fseek(f, 0, SEEK_END) != 0) abort();
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*n + 1);
    if (!bytes || fread(bytes, 1, *n, f) != *n) abort();
    fclose(f);
    return bytes;
}

// Fails the test unless text contains part, showing both.
#define ASSERT_CONTAINS(text, part)                                                                \
    do {                                                                                           \
        if (!strstr(text, part)) fail_msg("'%s' is not in: %s", part, text);                       \
    } while (0)

// Data of the reference kind, or NULL where there is none.
static inline const char *reference_data(void)
{
    const char *dir = getenv("ASSAY_TEST_DATA");
    return dir && *dir ? dir : NULL;
}

#endif
