// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_COMM_MESSAGE_H
#define ASSAY_SRC_COMM_MESSAGE_H

#include "assay/comm.h"

// Waits until the messages still on their way have left, and frees them.
void comm_finish_messages(struct assay_comm *comm);

#endif
