// SPDX-License-Identifier: Apache-2.0
// Which CPUs the system and the launcher gave to the ranks.
#define _GNU_SOURCE // sched_getaffinity
#include "comm/handle.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(MPI_MAX_PROCESSOR_NAME <= ASSAY_HOST_MAX, "a host's name fits");

enum { CPU_WORDS = 64 };

struct seat {
    char host[MPI_MAX_PROCESSOR_NAME];
    uint64_t cpu[CPU_WORDS]; // bits: those the rank may use; zeros: the system does not say
    int rank;
};

static struct seat own_seat(const struct assay_comm *comm)
{
    struct seat seat = {.rank = comm->rank};

    memcpy(seat.host, comm->host, sizeof seat.host);
    if (sched_getaffinity(0, sizeof seat.cpu, (cpu_set_t *)(void *)seat.cpu))
        memset(seat.cpu, 0, sizeof seat.cpu);
    return seat;
}

static int count(const uint64_t *cpu)
{
    int n = 0;

    for (int i = 0; i < CPU_WORDS; i++) n += __builtin_popcountll(cpu[i]);
    return n;
}

static int by_host(const void *a, const void *b)
{
    const struct seat *x = a, *y = b;
    const int order = strcmp(x->host, y->host);

    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static void add_name(struct assay_placement *p, const char *host, int n)
{
    const size_t used = strlen(p->names), room = sizeof p->names - used;
    const int length = snprintf(p->names + used, room, "%s%s (%d)", used ? ", " : "", host, n);

    if (length >= 0 && (size_t)length >= room) p->names[used] = '\0'; // no name is cut
}

// Takes the n ranks of one host, and keeps it when it is the fullest so far.
static void add_host(struct assay_placement *p, const struct seat *seat, int n, bool first_works)
{
    uint64_t all[CPU_WORDS] = {0};
    const int ranks = n - (seat->rank == 0 && !first_works);

    for (int i = 0; i < n; i++)
        for (int k = 0; k < CPU_WORDS; k++) all[k] |= seat[i].cpu[k];
    const int cpus = count(all);
    p->hosts++;
    add_name(p, seat->host, n);
    if (p->hosts > 1 && (int64_t)ranks * p->cpus <= (int64_t)p->ranks * cpus) return;
    p->ranks = ranks;
    p->cpus = cpus;
    p->each = count(seat[n - 1].cpu);
    memcpy(p->host, seat->host, sizeof seat->host);
}

static void sum_up(struct assay_placement *p, struct seat *seat, int n, bool first_works)
{
    qsort(seat, (size_t)n, sizeof *seat, by_host);
    for (int first = 0, last = 1; first < n; first = last++) {
        while (last < n && !strcmp(seat[first].host, seat[last].host)) last++;
        add_host(p, seat + first, last - first, first_works);
    }
}

int assay_comm_placement(struct assay_comm *comm, bool first_works, struct assay_placement *p,
                         struct assay_err *err)
{
    const struct seat own = own_seat(comm);
    const size_t n = comm->rank == 0 ? (size_t)comm->size : 1;
    struct seat *all = calloc(n, sizeof *all);

    *p = (struct assay_placement){0};
    int status =
        all ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %d ranks", comm->size);
    status = assay_comm_agree(comm, status, err);
    if (!status)
        status = comm_check(
            MPI_Gather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, 0, comm->mpi),
            "MPI_Gather", err);
    if (!status && comm->rank == 0) sum_up(p, all, comm->size, first_works);
    free(all);
    return status;
}
