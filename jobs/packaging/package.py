# SPDX-License-Identifier: Apache-2.0
"""A Spack recipe (Spack 1.0 or newer) of assay.

From the top of the checkout, with this file as packages/assay/package.py of a repository of your own
(`spack repo create ~/spack-own own`, `spack repo add ~/spack-own/...`):

    spack dev-build assay@main ^openmpi
    spack load assay
    assay sweep nb201-quickstart -o runs/try
"""
from spack_repo.builtin.build_systems.meson import MesonPackage

from spack.package import *


class Assay(MesonPackage):
    """Ranks neural architectures by training-free metrics (TE-NAS, NASI and others) under MPI."""

    license("Apache-2.0", checked_by="assay")

    # Without an address: `spack dev-build` takes the checkout that it is called in.
    version("main")
    version("0.1.0")

    depends_on("c", type="build")
    depends_on("meson@1.0:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("python@3.10:", type="build")
    depends_on("cmocka", type="build")

    depends_on("mpi@3.1:")
    depends_on("openblas threads=none")
    depends_on("netlib-scalapack")
    depends_on("hdf5@1.10: ~mpi+hl")
    depends_on("json-c")
    depends_on("zlib-api")
    depends_on("xxhash")
    depends_on("random123", type="build")
    depends_on("gnuplot", type="run")  # which draws for `assay report`

    # What is installed. The tests, which tests/run.sh builds and runs, want Python's h5py, and Slurm.
    build_targets = ["program"]
    build_time_test_callbacks = []

    def install(self, spec, prefix):
        with working_dir(self.build_directory):
            meson("install", "--no-rebuild")  # `ninja install` would build the tests

    def setup_run_environment(self, env):
        env.set("ASSAY_JOBS", join_path(self.prefix.share, "assay", "jobs"))

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        assay = Executable(join_path(self.prefix.bin, "assay"))
        assay("sweep", "nb201-quickstart", "-o", "check", "--sample", "2", "-q")
