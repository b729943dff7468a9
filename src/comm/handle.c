// SPDX-License-Identifier: Apache-2.0
#include "comm/handle.h"

int comm_check(int rc, const char *what, struct assay_err *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;

    if (rc == MPI_SUCCESS) return 0;
    MPI_Error_string(rc, text, &n);
    return assay_err_set(err, ASSAY_ERR_MPI, "%s failed: %s", what, text);
}
