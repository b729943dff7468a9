// SPDX-License-Identifier: Apache-2.0
// kern: the hot loops as one table of function pointers, chosen once by CPU.
#ifndef ASSAY_KERN_H
#define ASSAY_KERN_H

#include "assay/base.h"

// The elements of a table: what the backward pass saves, computes and accumulates, as float or as
// double. A rung has a table of each.
enum assay_precision { ASSAY_SINGLE, ASSAY_DOUBLE };
#define ASSAY_PRECISION_NAMES "single|double" // as an option's choices

struct assay_kern; // the table itself is private to kern and exec (src/kern/table.h)

// The fastest table this CPU runs, or the named rung ("baseline", "avx2", "avx512", "auto"); an
// unknown name or one this CPU cannot run is an error that lists those it can. The result is
// static.
int assay_kern_select(const struct assay_kern **out, const char *rung,
                      enum assay_precision precision, struct assay_err *err);
const char *assay_kern_name(const struct assay_kern *kern);
// The table of double of a rung; itself, of a table that is no rung's.
const struct assay_kern *assay_kern_precise(const struct assay_kern *kern);
// The i-th rung of the ladder, slowest first, NULL past the end; runnable tells whether this CPU
// has it.
const struct assay_kern *assay_kern_rung(enum assay_precision precision, unsigned i);
bool assay_kern_runnable(const struct assay_kern *kern);
// FLOP/s of a register-resident FMA loop in this rung's vectors, measured for about `seconds` of
// thread CPU time.
double assay_kern_peak(const struct assay_kern *kern, double seconds);

#endif
