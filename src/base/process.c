// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// Linux tells in pages: all of the address space, then what of it is resident.
uint64_t assay_resident(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *stream = fopen("/proc/self/statm", "r");

    if (!stream) return 0;
    const int found = fscanf(stream, "%llu %llu", &all, &resident);
    fclose(stream);
    return found == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

// The number that a file holds, or `least` when that is smaller; a file may say "max", which is no
// number.
static uint64_t least_of_file(const char *path, uint64_t least)
{
    unsigned long long value;
    FILE *stream = fopen(path, "r");

    if (!stream) return least;
    if (fscanf(stream, "%llu", &value) == 1 && value < least) least = value;
    fclose(stream);
    return least;
}

uint64_t assay_memory_most(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    struct rlimit limit;
    uint64_t most = UINT64_MAX;

    if (pages > 0) most = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < most) most = limit.rlim_cur;
    most = least_of_file("/sys/fs/cgroup/memory.max", most); // of a container
    return least_of_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", most);
}

int assay_memory_room(uint64_t n, const char *what, double bytes, struct assay_err *err)
{
    const double all = (double)n * bytes, most = (double)assay_memory_most();

    if (all <= most) return 0;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%" PRIu64 " %s of at least %.0f bytes each need %.0f MiB, more "
                         "than the %.0f MiB that this program can have here",
                         n, what, bytes, all / 0x1p20, most / 0x1p20);
}

int assay_program_hash(uint64_t *hash, struct assay_err *err)
{
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st = {0};

    *hash = 0;
    if (fd < 0 && errno == ENOENT) return 0; // without /proc no rank can tell its build
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int why = errno;
    if (fd >= 0) close(fd);
    if (bytes == MAP_FAILED)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot read the program file: %s", strerror(why));
    *hash = assay_hash64(bytes, (size_t)st.st_size, 0);
    munmap(bytes, (size_t)st.st_size);
    return 0;
}
