# SPDX-License-Identifier: Apache-2.0
# Sourced by the job scripts, which are submitted from the top of the checkout. Those that `meson install`
# brought know where they and the program are, and are submitted from anywhere; so are these with
# ASSAY_JOBS=/where/the/checkout/is/jobs. ASSAY=/another/assay takes that program.
#
# Two launchers start the ranks, and both take their number and nodes from the job:
#   srun --mpi=pmix   Slurm starts every rank itself. It must speak the PMI of the MPI that assay was
#                     built with: `srun --mpi=list` shows what this Slurm speaks; Open MPI wants pmix,
#                     another MPI perhaps pmi2 (ASSAY_SRUN_MPI=pmi2). With the wrong one every rank
#                     would be a job of its own; assay notices and refuses.
#   mpirun            Open MPI starts one daemon a node, and these the ranks. Works whatever PMI Slurm
#                     speaks, if Open MPI was built for Slurm. Ask for it with ASSAY_LAUNCHER=mpirun.
#                     It ends the ranks at once on SIGTERM, so leave stopping to the end time.
# A variable reaches the job with `sbatch --export=ALL,ASSAY_LAUNCHER=mpirun ...`.

assay=${ASSAY:-${ASSAY_JOBS:+${ASSAY_JOBS%/*}/}build/assay}

# One thread per rank: the ranks already fill the cores.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

# One task of an array, and not all of it, which the number of its last task may also mean.
job=$SLURM_JOB_ID
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# assay stops cleanly before this time. Not every Slurm tells a job (22.05 does not); squeue does.
if [ -z "${SLURM_JOB_END_TIME:-}" ]; then
    end=$(squeue -h -j "$job" -o %e) && end=$(date -d "$end" +%s) && export SLURM_JOB_END_TIME="$end"
fi

# launch RANKS PROGRAM WORD...: RANKS may be "", all of the job's
launch() {
    ranks=$1
    shift
    case ${ASSAY_LAUNCHER:-srun} in
    srun) srun --mpi="${ASSAY_SRUN_MPI:-pmix}" ${ranks:+--ntasks="$ranks"} "$@" ;;
    mpirun) mpirun ${ranks:+-n "$ranks"} "$@" ;;
    *) echo "ASSAY_LAUNCHER=$ASSAY_LAUNCHER: expected srun or mpirun" >&2; return 2 ;;
    esac
}

journal_bytes() { stat -c %s "$1/journal" 2>/dev/null || echo 0; }

# sweep CONFIG DIR OPTION...: exit code 0 or 3 complete, 75 stopped early, others: an error
sweep() { launch "" "$assay" sweep "$1" -o "$2" "${@:3}"; }

# sweep_until_done CONFIG DIR OPTION...: as sweep, but a job that was stopped, or lost a rank, puts
# itself back into the queue and resumes there; it does not return then.
sweep_until_done() {
    before=$(journal_bytes "$2")
    sweep "$@"
    code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || [ "$code" -eq 2 ] || {
        # Only while it gets on: an error that stands, or a job too short for a single candidate,
        # would come back for ever.
        [ "$(journal_bytes "$2")" -gt "$before" ] && exec scontrol requeue "$job"
        echo "exit code $code, and nothing was finished in this job: not requeued" >&2
    }
    return "$code"
}

# finish CODE DIR: the end of a job script: prints the best of a complete sweep
finish() {
    case $1 in
    0 | 3) "$assay" rank "$2/results.h5" --top 20 ;;
    75) echo "stopped early; what is finished is safe in $2: submit the same job again to resume" ;;
    esac
    exit "$1"
}
