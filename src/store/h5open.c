// SPDX-License-Identifier: Apache-2.0
#include "assay/h5.h"
#include "file.h"
#include "h5read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int unreadable(const char *file, struct assay_err *err)
{
    char why[256], dir[ASSAY_PATH_MAX], journal[ASSAY_PATH_MAX], cure[ASSAY_PATH_MAX + 64] = "";
    const char *slash = strrchr(file, '/');
    assay_h5_reason(why, sizeof why);
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - file) + (slash == file) : 1,
             slash ? file : ".");
    if (file_path(journal, dir, "journal", NULL) >= 0 && access(journal, R_OK) == 0)
        snprintf(cure, sizeof cure, "; `assay pack %s` writes it anew from the journal", dir);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: unreadable, truncated or damaged HDF5 file (%s)%s", file, why, cure);
}

int h5r_open(hid_t *id, const char *file, const char *expected, struct assay_err *err)
{
    struct stat st;
    *id = H5I_INVALID_HID;
    assay_h5_start();
    if (stat(file, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s; expected %s", file, strerror(errno),
                             expected);
    if (!S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a regular file; expected %s", file,
                             expected);
    if (H5Fis_hdf5(file) == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not an HDF5 file; expected %s", file,
                             expected);
    *id = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
    return *id < 0 ? unreadable(file, err) : ASSAY_OK;
}
