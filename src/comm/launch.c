// SPDX-License-Identifier: Apache-2.0
#include "comm/launch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The number in an environment variable, 0 when it is not set.
static long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : 0;
}

static int refuse(const char *name, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MPI,
                         "MPI says this is the only rank, but %s=%s: the launcher started "
                         "independent copies that do "
                         "not know each other. Use `srun --mpi=pmix` or this Open MPI's own "
                         "`mpirun`; for one process "
                         "on purpose use `mpirun -n 1` or `srun -n 1`",
                         name, getenv(name));
}

// Who says how many ranks were meant, in order. Open MPI's mpirun speaks for itself, whatever
// allocation it runs in; then any launcher's process manager; then Slurm, whose SLURM_NTASKS is
// inherited by everything inside a job, although only a step is as many processes, and a batch
// script is one.
int comm_check_singleton(struct assay_err *err)
{
    static const struct {
        const char *name;
        long alone; // largest value a lone rank may see
    } told[] = {{"PMI_SIZE", 1}, {"PMIX_SIZE", 1}, {"MPI_WORLD_SIZE", 1}, {"PMIX_RANK", 0}};

    if (getenv("OMPI_COMM_WORLD_SIZE"))
        return number("OMPI_COMM_WORLD_SIZE") > 1 ? refuse("OMPI_COMM_WORLD_SIZE", err) : 0;
    for (size_t i = 0; i < ASSAY_LEN(told); i++)
        if (number(told[i].name) > told[i].alone) return refuse(told[i].name, err);
    if (getenv("SLURM_STEP_NUM_TASKS"))
        return number("SLURM_STEP_NUM_TASKS") > 1 ? refuse("SLURM_STEP_NUM_TASKS", err) : 0;
    return getenv("SLURM_STEP_ID") && number("SLURM_NTASKS") > 1 ? refuse("SLURM_NTASKS", err) : 0;
}

// Whether the process above had this variable when it started; true when that cannot be known.
static bool inherited(const char *name)
{
    char path[64], *word = NULL;
    size_t cap = 0, n = strlen(name);
    bool found = false;

    snprintf(path, sizeof path, "/proc/%ld/environ", (long)getppid());
    FILE *in = fopen(path, "r");
    while (in && !found && getdelim(&word, &cap, '\0', in) > 0)
        found = strncmp(word, name, n) == 0 && word[n] == '=';
    if (in) fclose(in);
    free(word);
    return found || !in;
}

bool assay_comm_launched(void)
{
    if (number("OMPI_COMM_WORLD_SIZE") > 1) return !inherited("OMPI_COMM_WORLD_SIZE");
    return getenv("PMIX_RANK") && number("SLURM_STEP_NUM_TASKS") > 1 && !inherited("PMIX_RANK");
}
