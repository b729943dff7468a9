// SPDX-License-Identifier: Apache-2.0
// Memory that the ranks of a host share: an MPI window. Open MPI 4 makes it of a file in a
// directory (osc_sm_backing_directory, else /dev/shm), which it removes again as soon as all ranks
// have mapped it. When it cannot, the one rank that knows returns with an error and the others wait
// for it in vain: so all that can be known beforehand is looked at first, and what is left ends the
// job.
#define _GNU_SOURCE // MAP_ANONYMOUS
#include "comm/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ALIGN = 64 };

struct assay_shared {
    struct assay_comm *host; // borrowed
    MPI_Win window;
    void *block;
};

static void find_directory(char *dir, size_t cap)
{
    MPI_T_cvar_handle handle;
    int provided, at, count = 0;

    snprintf(dir, cap, "/dev/shm");
    if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided)) return;
    if (!MPI_T_cvar_get_index("osc_sm_backing_directory", &at) &&
        !MPI_T_cvar_handle_alloc(at, NULL, &handle, &count)) {
        if (count > 1 && (size_t)count <= cap) MPI_T_cvar_read(handle, dir);
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
}

static int no_room(const char *dir, const char *host, size_t bytes, const char *why,
                   struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "no room for the %.1f MiB that the ranks of %.64s share in %.200s: %s; "
                         "expected that much there, or OMPI_MCA_osc_sm_backing_directory=DIR with "
                         "another place on that host, best in memory",
                         (double)bytes / 0x1p20, host, dir, why);
}

// The room that is asked for: Open MPI asks for 5 % more than it needs.
static int check_directory(const char *host, size_t bytes, struct assay_err *err)
{
    char dir[4096], why[64]; // Open MPI 4 itself has 2048 bytes for it
    struct statvfs fs;

    find_directory(dir, sizeof dir);
    if (access(dir, W_OK | X_OK) || statvfs(dir, &fs))
        return no_room(dir, host, bytes, strerror(errno), err);
    const double have = (double)fs.f_bavail * (double)fs.f_frsize;
    if (have > 1.06 * (double)bytes + 0x1p20) return 0;
    snprintf(why, sizeof why, "%.1f MiB are free", have / 0x1p20);
    return no_room(dir, host, bytes, why, err);
}

// Tries the address space, since a limit of the process (ulimit -v) would meet one rank alone.
static int check_addresses(size_t bytes, struct assay_err *err)
{
    void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %.1f MiB of images: %s",
                             (double)bytes / 0x1p20, strerror(errno));
    munmap(at, bytes);
    return 0;
}

// Touching a page that a full file system cannot give kills the process. The kernel, which writes
// there on our behalf, gets an error instead.
static int fill(void *block, size_t bytes, struct assay_err *err)
{
    const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int why = zero < 0 ? errno : 0;

    for (size_t done = 0; !why && done < bytes;) {
        const ssize_t n = read(zero, (char *)block + done, bytes - done);
        if (n > 0) done += (size_t)n;
        if (n <= 0 && errno != EINTR) why = n ? errno : EIO;
    }
    if (zero >= 0) close(zero);
    if (!why) return 0;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "the host has no memory for %.1f MiB of images, or the place for shared "
                         "memory is full: %s",
                         (double)bytes / 0x1p20, strerror(why));
}

// Rank 0 of the host gives all of the memory.
static int open_window(struct assay_shared *shared, size_t bytes, struct assay_err *err)
{
    struct assay_comm *host = shared->host;
    const MPI_Aint own = host->rank ? 0 : (MPI_Aint)(bytes + ALIGN);
    MPI_Aint size;
    char *at;
    int unit;

    ASSAY_TRY(comm_check(
        MPI_Win_allocate_shared(own, 1, MPI_INFO_NULL, host->mpi, (void *)&at, &shared->window),
        "MPI_Win_allocate_shared", err));
    ASSAY_TRY(comm_check(MPI_Win_shared_query(shared->window, 0, &size, &unit, (void *)&at),
                         "MPI_Win_shared_query", err));
    ASSAY_TRY(
        comm_check(MPI_Win_lock_all(MPI_MODE_NOCHECK, shared->window), "MPI_Win_lock_all", err));
    // The first multiple of 64 lies alike in all ranks, since pages do.
    shared->block = at + (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;
    return 0;
}

static void give_up(struct assay_comm *host, const char *why)
{
    fprintf(stderr, "assay: rank %d of the ranks of %s: %s\n", host->rank, host->host, why);
    assay_comm_abort(host, EXIT_FAILURE);
}

int assay_shared_create(struct assay_shared **out, struct assay_comm *host, size_t bytes,
                        struct assay_err *err)
{
    struct assay_shared *shared = calloc(1, sizeof *shared);
    struct assay_err text = {0};

    *out = NULL;
    int status = shared ? check_addresses(bytes, err)
                        : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for shared memory");
    if (!status && host->rank == 0) status = check_directory(host->host, bytes, err);
    status = assay_comm_agree(host, status, err);
    if (status < 0) {
        free(shared);
        return status;
    }
    shared->host = host;
    if (open_window(shared, bytes, &text)) give_up(host, text.text);
    status = host->rank == 0 ? fill(shared->block, bytes, err) : 0;
    status = assay_comm_agree(host, status, err);
    if (status < 0)
        assay_shared_free(shared);
    else
        *out = shared;
    return status;
}

void *assay_shared_block(const struct assay_shared *shared)
{
    return shared->block;
}

int assay_shared_publish(struct assay_shared *shared, struct assay_err *err)
{
    ASSAY_TRY(comm_check(MPI_Win_sync(shared->window), "MPI_Win_sync", err));
    ASSAY_TRY(comm_check(MPI_Barrier(shared->host->mpi), "MPI_Barrier", err));
    return comm_check(MPI_Win_sync(shared->window), "MPI_Win_sync", err);
}

void assay_shared_free(struct assay_shared *shared)
{
    if (!shared) return;
    MPI_Win_unlock_all(shared->window);
    MPI_Win_free(&shared->window);
    free(shared);
}
