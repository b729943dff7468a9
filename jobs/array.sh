#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A sweep as an array of N small jobs, then one that merges them:
#
#   jobs/array.sh 8 configs/nb201-tenas.ini runs/nb201
#
# Many small jobs find room where a large one waits. Part I of N goes to RUN.shards/I-of-N; no network
# is in two parts. When all parts have ended, the merge job makes RUN of them, the same as one sweep
# would, or says in its log which part is missing: run this command again and only that is computed.
# Words after these three go to `assay sweep`. SBATCH_OPTIONS="--partition=short --ntasks=4" goes to
# both jobs. On nodes of different kinds add --set run.cpu=avx2: parts must use the same kernels.
set -eu
: "${3:?usage: jobs/array.sh SHARDS CONFIG RUN_DIRECTORY [OPTION...]}"
here=$(cd "$(dirname "$0")" && pwd)
export ASSAY_JOBS="${ASSAY_JOBS:-$here}"
parts=$1 run=$3
array=$(sbatch --parsable --array="1-$parts" ${SBATCH_OPTIONS:-} "$here/shard.sbatch" "$@")
# afterany, not afterok: a part with failed candidates ends with 3, and is complete nevertheless.
array=${array%%;*} # without the cluster's name
merge=$(sbatch --parsable ${SBATCH_OPTIONS:-} --ntasks=1 --dependency="afterany:$array" "$here/merge.sbatch" "$parts" "$run")
echo "submitted: $parts shards $array, merge ${merge%%;*}"
