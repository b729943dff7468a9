// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_COMM_LAUNCH_H
#define ASSAY_SRC_COMM_LAUNCH_H

#include "assay/comm.h"

// Refuses to run as a single rank when the launcher meant more.
int comm_check_singleton(struct assay_err *err);

#endif
