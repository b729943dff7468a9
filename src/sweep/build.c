// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include "assay/la.h"

#include <hdf5.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#ifdef __clang__
#    define COMPILER "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__)
#else
#    define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__)
#endif

size_t assay_build_describe(char *text, size_t cap)
{
    const struct assay_kern *kern = NULL;
    unsigned major = 0, minor = 0, release = 0;

    assay_guard_begin("HDF5");
    H5dont_atexit(); // as in every place that may be the first to use HDF5
    const bool answers = H5get_libversion(&major, &minor, &release) >= 0;
    assay_guard_end();
    if (!answers) return 0;
    const bool known = assay_kern_select(&kern, "auto", ASSAY_SINGLE, NULL) >= 0;
    const int n =
        snprintf(text, cap,
                 "assay: %s\n"
                 "commit: %s\n"
                 "compiler: " COMPILER "\n"
                 "MPI: %s\n"
                 "BLAS: %s\n"
                 "ScaLAPACK: %s\n"
                 "HDF5: %u.%u.%u\n"
                 "CPU rung: %s\n"
                 "arithmetic: %d\n",
                 ASSAY_VERSION, sweep_commit, assay_comm_name(), assay_la_name(), assay_pla_name(),
                 major, minor, release, known ? assay_kern_name(kern) : "none", ASSAY_ARITHMETIC);
    return n > 0 ? (size_t)n : 0;
}
