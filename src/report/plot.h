// SPDX-License-Identifier: Apache-2.0
// Plots, drawn by gnuplot as SVG: a script is written, the program is run on it, and the picture is
// put into the page.
//
// Why gnuplot: it draws axes, keys and patterns that are legible in black and white, and its SVG
// has text as text. It is a program of a few megabytes that clusters have anyway, so that nothing
// is linked and sweeps do without it; PLplot would bring Qt, wxWidgets and Fortran along with its
// headers, and cairo draws no axes.
//
// A script is a program, too: gnuplot runs the shell. What stands in one is numbers, texts of this
// program, and what plot_word makes harmless.
#ifndef ASSAY_SRC_REPORT_PLOT_H
#define ASSAY_SRC_REPORT_PLOT_H

#include "assay/base.h"

// What is larger is not drawn, nor is what is nearer to 0 than its reciprocal: an axis reaches a
// little beyond its values, and gnuplot knows neither infinity nor numbers below the normal ones.
#define PLOT_MOST 1e280

struct plot {
    FILE *script; // to be written to
    char *text;
    size_t n;
};

// ERR_STATE, naming the package, where gnuplot cannot be started.
int plot_check(struct assay_err *err);
// Begins a plot of that size in pixels of the page: numbers, words and commands follow on script.
int plot_begin(struct plot *p, unsigned width, unsigned height, struct assay_err *err);
// Writes a quoted word. Of somebody else's text only letters, digits and a few signs are left, each
// other byte is an underscore.
void plot_word(FILE *script, const char *text);
// The same as a word of a data block, which has other quotes.
void plot_data_word(FILE *script, const char *text);
// Writes what a line of six looks like, which differ without colours.
#define PLOT_LINES 6
void plot_line(FILE *script, uint32_t line);
// Draws it and writes the picture to html; number: of the picture in its page. The plot is gone.
int plot_end(struct plot *p, FILE *html, unsigned number, struct assay_err *err);
// Frees a plot that is not drawn.
void plot_drop(struct plot *p);
// Whether an axis, or a logarithmic one, can hold a value; NaN none can.
bool plot_holds(double value);
bool plot_holds_log(double value);

#endif
