// SPDX-License-Identifier: Apache-2.0
// comm: the only room that sees MPI messages: ranks, teams, tags, agreement.
//
// Point-to-point messages are plain bytes under one of two tags. Sending never blocks, so that a
// rank that computes delays nobody who sends; the receiver looks for messages when it suits it.
#ifndef ASSAY_COMM_H
#define ASSAY_COMM_H

#include "assay/base.h"

struct assay_comm;

// Starts MPI (once per process). Unless one process is enough (`alone`), it refuses, with the cure
// in the text, when the launcher made N programs of one rank each: MPI_Comm_size is 1 while
// OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX_SIZE, PMIX_RANK or SLURM_NTASKS says more. SLURM_NTASKS
// counts also in a batch script without a launcher (there N tasks were paid for, and one process
// would use one); `mpirun -n 1` or `srun -n 1` says that one is meant.
int assay_comm_start(struct assay_comm **out, bool alone, struct assay_err *err);
// Whether a launcher started this very process, not one above it, as one of several ranks: the
// others may wait for it in assay_comm_start.
bool assay_comm_launched(void);
// Collective: waits for all ranks. comm may be NULL.
void assay_comm_finish(struct assay_comm *comm);
// Ends the whole job at once with this exit code.
void assay_comm_abort(struct assay_comm *comm, int exit_code) __attribute__((noreturn));
int assay_comm_rank(const struct assay_comm *comm);
int assay_comm_size(const struct assay_comm *comm);
// Name of the machine this rank runs on.
const char *assay_comm_host(const struct assay_comm *comm);
// Where the ranks are: on how many hosts; and of the host with the most ranks for its CPUs, how
// many ranks it has, on how many CPUs they may run together, and on how many the last of them may.
// 0 CPUs: the system does not say. names: "a (2), b (2)", the ranks of every host, as far as fits.
#define ASSAY_HOST_MAX 256
struct assay_placement {
    int hosts, ranks, cpus, each;
    char host[ASSAY_HOST_MAX], names[1024];
};
// Collective; filled on rank 0. first_works: rank 0 computes and counts as the others do.
int assay_comm_placement(struct assay_comm *comm, bool first_works, struct assay_placement *p,
                         struct assay_err *err);
// Collective: every rank gives its status; all return the worst, with the text of the lowest rank
// that has it.
int assay_comm_agree(struct assay_comm *comm, int status, struct assay_err *err);
// Collective: the smallest of the ranks' values.
int assay_comm_min(struct assay_comm *comm, int value);
// Collective: root's n bytes to all ranks.
int assay_comm_share(struct assay_comm *comm, int root, void *bytes, size_t n,
                     struct assay_err *err);
// Collective: n sums over the ranks, which are added in the order of ranks only as far as MPI keeps
// it; and the largest of the ranks' values.
int assay_comm_sum(struct assay_comm *comm, size_t n, double *value, struct assay_err *err);
int assay_comm_max(struct assay_comm *comm, double *value, struct assay_err *err);
// Collective: root gets n such sums in the place of its values.
int assay_comm_sum_to(struct assay_comm *comm, int root, size_t n, double *value,
                      struct assay_err *err);
// Collective: each rank has bytes for each, which begin at send_at[rank] and are send_n[rank] many,
// and gets those that all have for it.
int assay_comm_exchange(struct assay_comm *comm, const void *send, const int *send_n,
                        const int *send_at, void *receive, const int *receive_n,
                        const int *receive_at, struct assay_err *err);
// Collective: the ranks that give the same colour become a communicator of their own, in the order
// they had. *out is the caller's, or NULL where the colour is negative.
int assay_comm_split(struct assay_comm *comm, int colour, struct assay_comm **out,
                     struct assay_err *err);
// Collective: how many ranks share a host's memory, where they are the fewest.
int assay_comm_sharing(struct assay_comm *comm, int *ranks, struct assay_err *err);
// Collective: the ranks that share this one's memory become a communicator.
int assay_comm_split_host(struct assay_comm *comm, struct assay_comm **out, struct assay_err *err);
// Frees what a split gave; collective over it. NULL is fine.
void assay_comm_free(struct assay_comm *comm);
// MPI's handle as Fortran libraries take it.
int assay_comm_fortran(const struct assay_comm *comm);
// The MPI that was really loaded: "Open MPI v4.1.4".
const char *assay_comm_name(void);

// ---- memory of a host --------------------------------------------------------------------------
// A block that all ranks of a host see.
struct assay_shared;
// Collective over `host` (assay_comm_split_host), which is borrowed; all give the same size. The
// memory is there in full when this returns: where the host has less, or no place for it, that is
// ERR_MEMORY on all ranks, naming the place, and no signal later. Aligned to 64 bytes.
int assay_shared_create(struct assay_shared **out, struct assay_comm *host, size_t bytes,
                        struct assay_err *err);
void *assay_shared_block(const struct assay_shared *shared);
// Collective: what any rank wrote before the call, all ranks see after it.
int assay_shared_publish(struct assay_shared *shared, struct assay_err *err);
// Collective; NULL is fine.
void assay_shared_free(struct assay_shared *shared);

// ---- messages ---------------------------------------------------------------------------------
// Every error of these functions is ERR_MPI, also one of memory: another rank waits for the
// message, so that the job must end.
enum assay_tag { ASSAY_TAG_TASK = 1, ASSAY_TAG_DONE };

struct assay_mail {
    int from;
    enum assay_tag tag;
    size_t n; // bytes
};

// Copies n bytes (at most INT_MAX) and sends them in the background; messages between two ranks
// keep their order.
int assay_comm_post(struct assay_comm *comm, int to, enum assay_tag tag, const void *bytes,
                    size_t n, struct assay_err *err);
// Waits up to `seconds` (0: only looks; a signal ends the wait) for a message from anyone. Returns
// 1 and describes it, or 0.
int assay_comm_poll(struct assay_comm *comm, double seconds, struct assay_mail *mail,
                    struct assay_err *err);
// Receives the message found by the last poll into bytes (mail->n of them).
int assay_comm_take(struct assay_comm *comm, const struct assay_mail *mail, void *bytes,
                    struct assay_err *err);

#endif
