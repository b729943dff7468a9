// SPDX-License-Identifier: Apache-2.0
// The element type of a kernel table, for the files that are compiled once for each: REAL_BYTES is
// 4, or 8 where the build says so. OF_REAL: the name of what there is of each.
#ifndef ASSAY_SRC_KERN_REAL_H
#define ASSAY_SRC_KERN_REAL_H

#include <stdint.h>

#ifndef REAL_BYTES
#    define REAL_BYTES 4
#endif

#if REAL_BYTES == 4
typedef float real;
typedef int32_t real_bits;
#    define OF_REAL(name) name##_single
#    define REAL_SIGN     INT32_MIN
#    define REAL_MIN      0x1p-126f // the smallest normal one
#else
typedef double real;
typedef int64_t real_bits;
#    define OF_REAL(name) name##_double
#    define REAL_SIGN     INT64_MIN
#    define REAL_MIN      0x1p-1022
#endif

#endif
