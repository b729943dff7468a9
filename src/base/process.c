// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

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
