#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a fresh checkout on Debian 12 or 13 to a ranking: installs what is missing, builds into build/,
# sweeps a few hundred architectures on two ranks with generated images. Run it again to resume.
set -eu
cd "$(dirname "$0")/.."
. jobs/install-deps.sh
assay_install $ASSAY_BUILD_PACKAGES gnuplot-nox # which draws for `assay report`

# Optimised; an existing build directory is brought up to date.
if [ ! -f build/build.ninja ]; then
    meson setup build
    echo "building: the first dozen files take most of the time, a minute or two on two cores"
fi
meson compile -C build program

# Two ranks also where Open MPI would refuse: as root, in a container, on one core.
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none                  # Open MPI 4
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none # and 5

run=runs/quickstart
code=0
mpirun -n 2 build/assay sweep configs/nb201-quickstart.ini -o "$run" </dev/null || code=$?
# 3: complete, some candidates failed. Anything else but 0 is an error, or a stop to resume.
[ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
build/assay rank "$run" --top 20
echo "as one HTML file: build/assay report $run -o quickstart.html"
exit "$code"
