// SPDX-License-Identifier: Apache-2.0
// Memory that will be wanted soon is fetched while kernels compute.

// Lines at a step that loads about as much as it computes; others fetch one or two, as measured.
// Processors drop what comes too fast.
#define MANY_LINES 6

// What a kernel fetches at its steps.
struct fetch {
    const char *at;
    ptrdiff_t step; // of a line; 0: nothing is wanted, `at` stays, at first on what is hot anyway
    int32_t left;   // lines of this piece
};

ALWAYS struct fetch fetch_begin(const struct assay_ahead *a, const void *hot)
{
    const bool any = a && a->left > 0;
    return any ? (struct fetch){a->at, ASSAY_LINE, a->left} : (struct fetch){hot, 0, INT32_MAX};
}

ALWAYS void fetch_step(struct assay_ahead *a, struct fetch *f, const int32_t lines)
{
    UNROLL for (int32_t i = 0; i < lines; i++) __builtin_prefetch(f->at + i * ASSAY_LINE);
    f->at += lines * f->step;
    f->left -= lines;
    if (f->left > 0 || f->step == 0) return;
    f->at += f->left * f->step; // back to the end of the piece
    struct assay_range *r = &a->range[a->now];
    if (--r->pieces > 0) {
        f->at += r->jump;
        f->left = r->lines;
    } else if (++a->now < a->n) {
        f->at = r[1].at;
        f->left = r[1].lines;
    } else {
        f->step = 0;
    }
}

ALWAYS void fetch_end(struct assay_ahead *a, const struct fetch *f)
{
    if (!a) return;
    a->at = f->at;
    a->left = f->step ? f->left : 0;
}
