// SPDX-License-Identifier: Apache-2.0
// What a pass pulls back begins as a derivative with respect to the logits.
#include "subject.h"

#include <math.h>

void assay_cross_entropy_cotangent(uint32_t n, uint32_t classes, const double *logit,
                                   const uint32_t *label, double *cot)
{
    for (uint32_t i = 0; i < n; i++, logit += classes, cot += classes) {
        double largest = -INFINITY, sum = 0.0;
        for (uint32_t k = 0; k < classes; k++) largest = fmax(largest, logit[k]);
        for (uint32_t k = 0; k < classes; k++) sum += cot[k] = exp(logit[k] - largest);
        for (uint32_t k = 0; k < classes; k++) cot[k] = (cot[k] / sum - (k == label[i])) / n;
    }
}

void pull_cotangent(enum assay_pull pull, uint32_t n, uint32_t classes, const double *logit,
                    const uint32_t *label, double *cot)
{
    if (pull == ASSAY_PULL_LOSS) {
        assay_cross_entropy_cotangent(n, classes, logit, label, cot);
        return;
    }
    for (size_t i = 0; i < (size_t)n * classes; i++)
        cot[i] = pull == ASSAY_PULL_LOGITS ? 1.0 / n : 0;
    for (size_t i = 0; pull == ASSAY_PULL_TARGET && i < n; i++) cot[i * classes + label[i]] = 1;
}
