// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <sys/resource.h>
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

// The number a file holds, or what is there already when it is smaller ("max" is no number).
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
