// SPDX-License-Identifier: Apache-2.0
#include "axis.h"
#include "plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MOST = 1000, BINS_X = 44, BINS_Y = 32 };

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Makes room around values that are equal, or as good as equal: marks between them would be too.
static void widen(struct axis *axis)
{
    const double size = fmax(fabs(axis->lo), fabs(axis->hi));
    if (axis->hi - axis->lo > fmax(1e-9 * size, 1 / PLOT_MOST)) return;
    axis->log = false;
    axis->lo -= size > 1 / PLOT_MOST ? 0.5 * size : 0.5;
    axis->hi += size > 1 / PLOT_MOST ? 0.5 * size : 0.5;
}

// A few values may be far from all others.
static void fit_sorted(struct axis *axis, uint64_t n, const double *sorted)
{
    const double least = sorted[0], most = sorted[n - 1];
    const double low = sorted[n / 100], high = sorted[n - 1 - n / 100];
    axis->log = least > 0 && plot_holds_log(low) && high / low > 50;
    const double span = axis->log ? log(high) - log(low) : high - low;
    const double down = axis->log ? log(low) - log(least) : low - least;
    const double up = axis->log ? log(most) - log(high) : most - high;
    axis->lo = fmax(down > span ? low : least, axis->log ? 1 / PLOT_MOST : -PLOT_MOST);
    axis->hi = fmin(up > span ? high : most, PLOT_MOST);
    // All values may be larger than that.
    if (axis->lo > PLOT_MOST) axis->lo = axis->hi;
    if (axis->hi < -PLOT_MOST) axis->hi = axis->lo;
    widen(axis);
}

int axis_fit(struct axis *axis, uint64_t n, const double *value, struct assay_err *err)
{
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    memcpy(sorted, value, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_double);
    fit_sorted(axis, n, sorted);
    free(sorted);
    return ASSAY_OK;
}

bool axis_shows(const struct axis *axis, double value)
{
    return value >= axis->lo && value <= axis->hi;
}

double axis_place(const struct axis *axis, double value)
{
    const double lo = axis->lo, hi = axis->hi;
    return axis->log ? (log(value) - log(lo)) / (log(hi) - log(lo)) : (value - lo) / (hi - lo);
}

double axis_value(const struct axis *axis, double place)
{
    const double lo = axis->lo, hi = axis->hi;
    return axis->log ? exp(log(lo) + place * (log(hi) - log(lo))) : lo + place * (hi - lo);
}

// The distance of marks: 1, 2 or 5 times a power of ten, so that about five of them stand on the
// axis.
static double step_of(const struct axis *axis)
{
    const double least = axis->hi / 5 - axis->lo / 5, unit = pow(10, floor(log10(least)));
    return unit * (least > 5 * unit ? 10 : least > 2 * unit ? 5 : least > unit ? 2 : 1);
}

// Marks of a logarithmic axis, about five: powers of ten, and 2 and 5 times them where these are
// few.
static void write_marks(FILE *script, const struct axis *axis)
{
    const int first = (int)floor(log10(axis->lo)), last = (int)ceil(log10(axis->hi));
    const int step = (last - first + 4) / 5, most = last - first < 4 ? 3 : 1;
    static const int factor[] = {1, 2, 5};
    const char *before = "";
    for (int k = first; k <= last; k += step) {
        for (int i = 0; i < most; i++, before = ", ")
            fprintf(script, "%s%de%d", before, factor[i], k);
    }
}

// A margin keeps the outermost points off the border.
void axis_set(FILE *script, const struct axis *axis, const char *name)
{
    if (axis->log) {
        fprintf(script, "set logscale %s\nset %stics (", name, name);
        write_marks(script, axis);
        fputs(")\n", script);
    } else {
        fprintf(script, "set %stics %.9g\n", name, step_of(axis));
    }
    fprintf(script, "set format %s '%%.4g'\n", name);
    fprintf(script, "set %srange [%.15g:%.15g]\n", name, axis_value(axis, -0.03),
            axis_value(axis, 1.03));
}

// ---- points -------------------------------------------------------------------------------------
static uint32_t bin_of(const struct axis *axis, double value, uint32_t bins)
{
    const double place = axis_place(axis, value) * bins;
    return place < 0 ? 0 : place >= bins ? bins - 1 : (uint32_t)place;
}

static void write_bin(FILE *script, const struct axis axis[2], uint32_t i, uint32_t j, uint64_t n)
{
    const double x[3] = {(i + 0.5) / BINS_X, (double)i / BINS_X, (i + 1.0) / BINS_X};
    const double y[3] = {(j + 0.5) / BINS_Y, (double)j / BINS_Y, (j + 1.0) / BINS_Y};
    fprintf(script, "%.10g %.10g %.10g %.10g %.10g %.10g %" PRIu64 "\n", axis_value(&axis[0], x[0]),
            axis_value(&axis[1], y[0]), axis_value(&axis[0], x[1]), axis_value(&axis[0], x[2]),
            axis_value(&axis[1], y[1]), axis_value(&axis[1], y[2]), n);
}

static void write_bins(FILE *script, const struct axis axis[2], uint64_t (*count)[BINS_Y],
                       struct axis_points *points)
{
    for (uint32_t i = 0; i < BINS_X; i++) {
        for (uint32_t j = 0; j < BINS_Y; j++) {
            if (count[i][j] > points->most) points->most = count[i][j];
            if (count[i][j]) write_bin(script, axis, i, j, count[i][j]);
        }
    }
}

int axis_write(FILE *script, const struct axis axis[2], uint64_t n, const double *x,
               const double *y, struct axis_points *points, struct assay_err *err)
{
    uint64_t(*count)[BINS_Y] = calloc(BINS_X, sizeof *count);
    if (!count) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    *points = (struct axis_points){.binned = n > POINTS_MOST};
    fputs("$D << EOD\n", script);
    for (uint64_t i = 0; i < n; i++) {
        if (!axis_shows(&axis[0], x[i]) || !axis_shows(&axis[1], y[i]))
            points->outside++;
        else if (points->binned)
            count[bin_of(&axis[0], x[i], BINS_X)][bin_of(&axis[1], y[i], BINS_Y)]++;
        else
            fprintf(script, "%.10g %.10g\n", x[i], y[i]);
    }
    write_bins(script, axis, count, points);
    // A block without a row is an error to gnuplot.
    fputs(points->binned ? "NaN NaN NaN NaN NaN NaN NaN\nEOD\n" : "NaN NaN\nEOD\n", script);
    free(count);
    return ASSAY_OK;
}

// The more points the darker, by the logarithm of their number.
void axis_plot(FILE *script, const struct axis_points *points)
{
    if (!points->binned) {
        fputs("$D using 1:2 with points pt 6 ps 0.5 lw 1.5 lc rgb '#000000' notitle", script);
        return;
    }
    fputs("$D using 1:2:3:4:5:6:(log10($7)) with boxxyerror fs solid noborder lc palette notitle",
          script);
}
