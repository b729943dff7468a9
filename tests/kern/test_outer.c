// SPDX-License-Identifier: Apache-2.0
// Weight gradients of every rung against plain loops over columns and pixels.
#include "tensor.h"

#define MOST_COLUMNS 96

struct columns {
    uint32_t n, windows, run;
    ptrdiff_t off[MOST_COLUMNS];
};

static ptrdiff_t place(const struct grid *g, uint32_t c, uint32_t y, uint32_t x)
{
    return (ptrdiff_t)(grid_at(g, c, y, x) - g->first);
}

static void draw_windows(struct columns *q, const struct grid *a, uint32_t windows)
{
    q->windows = windows;
    for (; q->n < 9 * windows; q->n += 9) {
        const uint32_t c = pick(0, a->c - 1);
        for (uint32_t k = 0; k < 9; k++) q->off[q->n + k] = place(a, c, k / 3, k % 3);
    }
}

// Runs along the row, the column or the channels of a window of `side` x `side` pixels, and columns
// that are left, fewer than a run.
static void draw_runs(struct columns *q, const struct grid *a, uint32_t side)
{
    const uint32_t way = q->windows && q->run > 1 ? 0 : pick(0, 2), last = q->run - 1;
    const uint32_t apart = way == 0 && !q->windows && 2 * last < side ? pick(1, 2) : 1;
    for (uint32_t i = pick(0, 6); i > 0; i--) {
        const uint32_t c = pick(0, a->c - 1 - (way == 2 ? last : 0)),
                       y = pick(0, side - 1 - (way == 1 ? last : 0)),
                       x = pick(0, side - 1 - (way == 0 ? last * apart : 0));
        for (uint32_t j = 0; j <= last; j++)
            q->off[q->n++] = place(a, c + (way == 2 ? j : 0), y + (way == 1 ? j : 0),
                                   x + (way == 0 ? j * apart : 0));
    }
    for (uint32_t i = q->n == 0 ? 1 : pick(0, last); i > 0; i--)
        q->off[q->n++] = place(a, pick(0, a->c - 1), pick(0, side - 1), pick(0, side - 1));
}

static uint32_t draw_width(bool windows)
{
    static const uint32_t wide[] = {12, 20, 36, 130};
    if (pick(0, 3) == 0) return wide[pick(0, 3)];
    return windows && flip() ? 4 * pick(1, 4) : pick(1, 9);
}

// dy (co, h, w, lanes), a: so many pixels that all columns lie inside.
static void outer_with(const struct assay_kern *k, bool windows)
{
    static const uint32_t run[] = {1, 3, 5};
    struct columns q = {.run = run[pick(0, windows ? 1 : 2)]};
    const uint32_t side = q.run == 5 ? 9 : 5, step = windows ? 1 : pick(1, 2), co = pick(1, 7),
                   w = draw_width(windows), h = w > 36 ? pick(1, 2) : pick(1, 8);
    const struct grid dy_grid = grid_make(co, h, w, k->lanes),
                      a_grid = grid_make(pick(q.run, 5), (h - 1) * step + side,
                                         (w - 1) * step + side, IMAGES);
    if (windows) draw_windows(&q, &a_grid, pick(1, 7));
    draw_runs(&q, &a_grid, side);
    struct tensor *dy = grid_tensor("dy", elements(), &dy_grid, true),
                  *a = grid_tensor("a", elements(), &a_grid, true),
                  *acc = tensor_draw("acc", elements(), (size_t)co * q.n * k->lanes),
                  *lift = tensor_make("lift", elements(), (size_t)co * q.windows * 16 * k->lanes);
    memset(address(lift, 0), 0, lift->n * k->size);
    struct assay_ahead ahead = {
        .n = 1, .range = {{a->memory, 0, 2, 3}}, .at = a->memory, .left = 3};
    const struct assay_outer p = {.co = co,
                                  .q = q.n,
                                  .h = h,
                                  .w = w,
                                  .run = q.run,
                                  .windows = q.windows,
                                  .lift = address(lift, 0),
                                  .off = q.off,
                                  .dy_c = dy_grid.step_c,
                                  .dy_y = dy_grid.step_y,
                                  .a_y = a_grid.step_y * (ptrdiff_t)step,
                                  .a_x = (ptrdiff_t)step * IMAGES,
                                  .ahead = flip() ? &ahead : NULL};
    const uint32_t calls = pick(1, 2); // what is summed of several is folded once
    seal();
    for (uint32_t i = 0; i < calls; i++)
        k->outer(&p, address(dy, dy_grid.first), address(a, a_grid.first), address(acc, 0));
    k->window(co, q.windows, q.n, address(lift, 0), address(acc, 0));
    for (size_t i = 0; i < lift->n; i++) exactly(lift, i, 0);
    for (size_t i = 0; i < acc->n; i++) {
        const uint32_t lane = i % k->lanes, j = (uint32_t)(i / k->lanes) % q.n,
                       o = (uint32_t)(i / k->lanes) / q.n;
        begin(acc, i, true);
        for (uint32_t s = 0; s < calls * h * w; s++) {
            const uint32_t y = s / w % h, x = s % w;
            const double v =
                was(dy, grid_at(&dy_grid, o, y, x) + lane) *
                was(a, grid_at(&a_grid, 0, y * step, x * step) + (size_t)q.off[j] + lane % IMAGES);
            // Of four pixels' terms a tap of a window makes products of magnitude (1 + 2 / 2 + 2 /
            // 2)^2 x 2 x 2 in all.
            add_sized(acc, i, v, j < 9 * q.windows ? 9 : fabs(v));
        }
    }
}

static void outer_round(const struct assay_kern *k)
{
    outer_with(k, false);
}

static void windows_round(const struct assay_kern *k)
{
    outer_with(k, true);
}

static void test_outer(void **state)
{
    (void)state;
    rounds("outer", true, 150, outer_round);
}

static void test_windows(void **state)
{
    (void)state;
    rounds("windows", true, 100, windows_round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outer),
        cmocka_unit_test(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
