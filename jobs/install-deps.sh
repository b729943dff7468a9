# SPDX-License-Identifier: Apache-2.0
# Sourced by jobs/quickstart.sh and the test scripts: installs Debian packages that are missing.

# Meson looks for cmocka even when only the program is built.
ASSAY_BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config openmpi-bin libopenmpi-dev
    libscalapack-openmpi-dev libopenblas-dev libhdf5-dev zlib1g-dev librandom123-dev libxxhash-dev libjson-c-dev
    libcmocka-dev"
ASSAY_TEST_PACKAGES="python3 python3-h5py python3-numpy slurm-wlm munge gnuplot-nox"
ASSAY_CHECK_PACKAGES="clang clang-format libclang-rt-dev"

# assay_missing PACKAGE...: those that are not installed
assay_missing() {
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

# assay_refuse WHY PACKAGE...
assay_refuse() {
    why=$1
    shift
    echo "$why; run this as root, then start again:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends" "$@" >&2
    return 1
}

# assay_install PACKAGE...: does nothing, and needs no rights, when nothing is missing
assay_install() {
    if ! command -v dpkg-query >/dev/null; then
        echo "no Debian package manager here; these packages (or their like) must be installed:" "$@" >&2
        return 0
    fi
    missing=$(assay_missing "$@")
    [ -z "$missing" ] && return 0
    echo "installing:" $missing
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        command -v sudo >/dev/null || { assay_refuse "there is no sudo here to install them" $missing; return; }
    fi
    { $as_root apt-get update -qq </dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $missing </dev/null; } ||
        assay_refuse "they could not be installed" $missing
}
