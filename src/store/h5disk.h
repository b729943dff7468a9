// SPDX-License-Identifier: Apache-2.0
// A driver of HDF5 that writes through to an open file and tells HDF5 of no failure: HDF5 does not
// survive a full disk when it closes a file. The first error is kept for us instead.
#ifndef ASSAY_SRC_STORE_H5DISK_H
#define ASSAY_SRC_STORE_H5DISK_H

#include <stdint.h>

#include <hdf5.h>

struct h5disk {
    int fd;         // readable and writable, borrowed
    int why;        // errno of the first write that failed, 0: none did
    uint64_t bytes; // the file is so long
    uint64_t begun; // what stands before is on its way to disk
};
// Has files of these access properties written by the driver, which H5FDunregister frees; disk must
// stay where it is until then. Negative on failure.
hid_t h5disk_use(hid_t access, struct h5disk *disk);

#endif
