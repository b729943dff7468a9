// SPDX-License-Identifier: Apache-2.0
#include "assay/comm.h"

#include "comm/handle.h"
#include "comm/launch.h"
#include "comm/message.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct assay_comm world;

// Open MPI 4 gives all programs without a launcher one directory for their files, and one that
// starts while another ends may not survive it: each has its own here.
static void open_folder(struct assay_comm *comm)
{
    const char *name = "OMPI_MCA_orte_tmpdir_base", *tmp = getenv("TMPDIR");

    if (getenv(name)) return;
    snprintf(comm->folder, sizeof comm->folder, "%s/assay-mpi.%ld", tmp ? tmp : "/tmp",
             (long)getpid());
    if (mkdir(comm->folder, 0700) == 0)
        setenv(name, comm->folder, 0);
    else
        comm->folder[0] = '\0';
}

// Whether the launcher put every rank on this host. MPI itself could tell only after its settings
// are needed.
static bool on_one_host(void)
{
    const char *ranks = getenv("OMPI_COMM_WORLD_SIZE"),
               *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE"),
               *nodes = getenv("SLURM_STEP_NUM_NODES");

    return ranks ? here && strcmp(ranks, here) == 0 : nodes && strcmp(nodes, "1") == 0;
}

// Settings of Open MPI that a user would otherwise have to know; what the user set stays. A program
// started without a launcher needs no daemon; and shared memory between ranks without
// process_vm_readv, which containers forbid and Open MPI 4 does not notice in time. Where its files
// of shared memory were given a place, so that nodes on one machine keep theirs apart, those of
// windows go there, too. Ranks on one host never talk over TCP, but Open MPI 5 sets it up all the
// same, and warns on the terminal when an interface of the machine puzzles it; and a program
// without a launcher talks to itself only, which takes no files of shared memory.
static void set_defaults(struct assay_comm *comm)
{
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    const bool launched = getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK");
    if (!launched) open_folder(comm);
    if (!launched || on_one_host()) setenv("OMPI_MCA_btl", launched ? "self,vader" : "self", 0);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    const char *vader = getenv("OMPI_MCA_btl_vader_backing_directory");
    if (vader) setenv("OMPI_MCA_osc_sm_backing_directory", vader, 0);
}

static int open_world(struct assay_comm *comm, bool alone, struct assay_err *err)
{
    int n = 0;

    ASSAY_TRY(comm_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi), "MPI_Comm_dup", err));
    ASSAY_TRY(comm_check(MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN),
                         "MPI_Comm_set_errhandler", err));
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->size);
    MPI_Get_processor_name(comm->host, &n);
    return comm->size == 1 && !alone ? comm_check_singleton(err) : 0;
}

int assay_comm_start(struct assay_comm **out, bool alone, struct assay_err *err)
{
    struct assay_comm *comm = &world; // static: a rank without memory could not say so before MPI
    int provided = 0;

    set_defaults(comm);
    int status = comm_check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided),
                            "MPI_Init_thread", err);
    if (!status) {
        status = open_world(comm, alone, err);
        if (status) MPI_Finalize();
    }
    if (status) {
        if (comm->folder[0]) rmdir(comm->folder);
        return status;
    }
    *out = comm;
    return 0;
}

void assay_comm_finish(struct assay_comm *comm)
{
    if (!comm) return;
    assay_comm_free(comm);
    MPI_Finalize();
    if (comm->folder[0]) rmdir(comm->folder);
}

void assay_comm_abort(struct assay_comm *comm, int exit_code)
{
    assay_guard_end(); // the process ends because we want it to
    MPI_Abort(comm ? comm->mpi : MPI_COMM_WORLD, exit_code);
    abort();
}

int assay_comm_rank(const struct assay_comm *comm)
{
    return comm->rank;
}

int assay_comm_size(const struct assay_comm *comm)
{
    return comm->size;
}

const char *assay_comm_host(const struct assay_comm *comm)
{
    return comm->host;
}

int assay_comm_min(struct assay_comm *comm, int value)
{
    int least = value;

    MPI_Allreduce(&value, &least, 1, MPI_INT, MPI_MIN, comm->mpi);
    return least;
}

int assay_comm_agree(struct assay_comm *comm, int status, struct assay_err *err)
{
    struct {
        int status, rank;
    } mine = {status < 0 ? status : 0, comm->rank}, worst = mine;
    struct assay_err text = {0};

    ASSAY_TRY(comm_check(MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MINLOC, comm->mpi),
                         "MPI_Allreduce", err));
    if (!worst.status) return status;
    if (err && worst.rank == comm->rank) text = *err;
    ASSAY_TRY(comm_check(MPI_Bcast(&text, sizeof text, MPI_BYTE, worst.rank, comm->mpi),
                         "MPI_Bcast", err));
    if (err) *err = text;
    return worst.status;
}

int assay_comm_share(struct assay_comm *comm, int root, void *bytes, size_t n,
                     struct assay_err *err)
{
    ASSAY_ASSERT(n <= INT_MAX);
    return comm_check(MPI_Bcast(bytes, (int)n, MPI_BYTE, root, comm->mpi), "MPI_Bcast", err);
}

int assay_comm_sum(struct assay_comm *comm, size_t n, double *value, struct assay_err *err)
{
    ASSAY_ASSERT(n <= INT_MAX);
    return comm_check(MPI_Allreduce(MPI_IN_PLACE, value, (int)n, MPI_DOUBLE, MPI_SUM, comm->mpi),
                      "MPI_Allreduce", err);
}

int assay_comm_sum_to(struct assay_comm *comm, int root, size_t n, double *value,
                      struct assay_err *err)
{
    const bool mine = assay_comm_rank(comm) == root;

    ASSAY_ASSERT(n <= INT_MAX);
    return comm_check(MPI_Reduce(mine ? MPI_IN_PLACE : value, mine ? value : NULL, (int)n,
                                 MPI_DOUBLE, MPI_SUM, root, comm->mpi),
                      "MPI_Reduce", err);
}

int assay_comm_max(struct assay_comm *comm, double *value, struct assay_err *err)
{
    return comm_check(MPI_Allreduce(MPI_IN_PLACE, value, 1, MPI_DOUBLE, MPI_MAX, comm->mpi),
                      "MPI_Allreduce", err);
}

int assay_comm_exchange(struct assay_comm *comm, const void *send, const int *send_n,
                        const int *send_at, void *receive, const int *receive_n,
                        const int *receive_at, struct assay_err *err)
{
    return comm_check(MPI_Alltoallv(send, send_n, send_at, MPI_BYTE, receive, receive_n, receive_at,
                                    MPI_BYTE, comm->mpi),
                      "MPI_Alltoallv", err);
}

// Makes room for a communicator on every rank, or on none.
static int reserve_part(struct assay_comm *comm, struct assay_comm **part, struct assay_err *err)
{
    *part = calloc(1, sizeof **part);
    int status = *part ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a communicator");
    status = assay_comm_agree(comm, status, err);
    if (status < 0) free(*part);
    return status;
}

// Wraps the communicator that MPI made of some ranks; NULL where it made none.
static struct assay_comm *open_part(const struct assay_comm *comm, struct assay_comm *part)
{
    if (part->mpi == MPI_COMM_NULL) {
        free(part);
        return NULL;
    }
    MPI_Comm_set_errhandler(part->mpi, MPI_ERRORS_RETURN);
    MPI_Comm_rank(part->mpi, &part->rank);
    MPI_Comm_size(part->mpi, &part->size);
    memcpy(part->host, comm->host, sizeof part->host);
    return part;
}

int assay_comm_split(struct assay_comm *comm, int colour, struct assay_comm **out,
                     struct assay_err *err)
{
    struct assay_comm *part;

    *out = NULL;
    ASSAY_TRY(reserve_part(comm, &part, err));
    MPI_Comm_split(comm->mpi, colour < 0 ? MPI_UNDEFINED : colour, comm->rank, &part->mpi);
    *out = open_part(comm, part);
    return 0;
}

int assay_comm_split_host(struct assay_comm *comm, struct assay_comm **out, struct assay_err *err)
{
    struct assay_comm *part;

    *out = NULL;
    ASSAY_TRY(reserve_part(comm, &part, err));
    MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &part->mpi);
    *out = open_part(comm, part);
    return 0;
}

int assay_comm_sharing(struct assay_comm *comm, int *ranks, struct assay_err *err)
{
    struct assay_comm *host;

    ASSAY_TRY(assay_comm_split_host(comm, &host, err));
    *ranks = assay_comm_min(comm, assay_comm_size(host));
    assay_comm_free(host);
    return 0;
}

void assay_comm_free(struct assay_comm *comm)
{
    if (!comm) return;
    comm_finish_messages(comm);
    MPI_Comm_free(&comm->mpi);
    if (comm != &world) free(comm);
}

int assay_comm_fortran(const struct assay_comm *comm)
{
    return MPI_Comm_c2f(comm->mpi);
}

const char *assay_comm_name(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;

    if (MPI_Get_library_version(text, &n) != MPI_SUCCESS) return "unknown MPI";
    text[strcspn(text, ",\n")] = '\0';
    return text;
}
