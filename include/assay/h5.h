// SPDX-License-Identifier: Apache-2.0
// h5: what HDF5 is told before its first call, why a call failed, and what it does not look at
// itself before it reads a file that may be forged.
#ifndef ASSAY_H5_H
#define ASSAY_H5_H

#include "assay/base.h"

#include <hdf5.h>

// Prepares HDF5. To be called in every place that may be the first to use it; later calls do
// nothing new.
void assay_h5_start(void);
// Why the last call failed: the deepest message of HDF5's error stack.
void assay_h5_reason(char *text, size_t cap);

// What is wrong with the chunks of a data set that has all of them, in words that stand behind its
// name, or NULL. Wrong is a chunk that is not as large as the data set says once it is unpacked,
// because HDF5 reads on behind its end. Of the filters that HDF5 has by itself those it can check
// are deflate, shuffle and fletcher32, and the others are a fault; plug-ins are their owner's.
const char *assay_h5_chunks_fault(hid_t set);

#endif
