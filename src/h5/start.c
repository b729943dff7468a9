// SPDX-License-Identifier: Apache-2.0
#include "assay/h5.h"

#include <stdlib.h>

// Locking fails on Lustre, GPFS and NFS; HDF5 reads the variable when it starts. External links
// would have HDF5 open whatever they name, such as a pipe, and wait for it.
void assay_h5_start(void)
{
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
    H5dont_atexit(); // every file is closed at exit; after an error HDF5 may crash there
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Lunregister(H5L_TYPE_EXTERNAL);
}

static herr_t take_description(unsigned depth, const H5E_error2_t *e, void *text)
{
    (void)depth;
    if (e->desc && *e->desc) *(const char **)text = e->desc;
    return 0;
}

void assay_h5_reason(char *text, size_t cap)
{
    const char *deepest = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take_description, &deepest);
    snprintf(text, cap, "%s", deepest);
}
