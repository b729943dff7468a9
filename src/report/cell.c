// SPDX-License-Identifier: Apache-2.0
#include "cell.h"

#include "html.h"

#include <string.h>

// In pixels. Edges lie in levels, so that none runs through the text of another.
enum { WIDTH = 330, MARGIN = 14, LEVEL = 17, LETTER = 6, RADIUS = 8, SLOPE = 9 };

struct layout {
    uint32_t level[ASSAY_DRAWING_EDGES]; // of each edge, from 1; 0: it is not drawn
    uint32_t levels;
};

bool cell_find(const struct assay_space *space, uint64_t index, const char *arch,
               struct assay_drawing *drawing)
{
    char text[ASSAY_ARCH_MAX];
    const bool own = index < assay_space_size(space) &&
                     assay_space_format(space, index, text, sizeof text) >= 0 &&
                     strcmp(text, arch) == 0;
    if (!own && assay_space_parse(space, arch, &index, NULL) < 0) return false;
    return assay_space_draw(space, index, drawing);
}

static int node_x(const struct assay_drawing_cell *cell, uint32_t node)
{
    if (cell->n_node < 2) return WIDTH / 2;
    return MARGIN + (int)(node * (WIDTH - 2 * MARGIN) / (cell->n_node - 1));
}

static bool is_none(const char *op)
{
    return op && strcmp(op, "none") == 0;
}

// What an edge takes of its level, its text included.
static void extent(const struct assay_drawing_cell *cell, const struct assay_drawing_edge *e,
                   int *left, int *right)
{
    const int middle = (node_x(cell, e->from) + node_x(cell, e->to)) / 2;
    const int half = e->op ? LETTER * (int)strlen(e->op) / 2 + 2 : 0;
    *left = node_x(cell, e->from) + SLOPE;
    *right = node_x(cell, e->to) - SLOPE;
    if (middle - half < *left) *left = middle - half;
    if (middle + half > *right) *right = middle + half;
}

static bool overlap(const struct assay_drawing_cell *cell, const struct assay_drawing_edge *a,
                    const struct assay_drawing_edge *b)
{
    int left[2], right[2];
    extent(cell, a, &left[0], &right[0]);
    extent(cell, b, &left[1], &right[1]);
    return left[0] < right[1] && left[1] < right[0];
}

// Puts an edge on the lowest level where it meets none that is there.
static void place(const struct assay_drawing_cell *cell, uint32_t edge, struct layout *l)
{
    uint32_t level = 1;
    for (uint32_t i = 0; i < cell->n_edge; i++) {
        if (l->level[i] != level || !overlap(cell, &cell->edge[i], &cell->edge[edge])) continue;
        level++;
        i = UINT32_MAX; // from the first again
    }
    l->level[edge] = level;
    if (level > l->levels) l->levels = level;
}

// Short edges lie below long ones.
static void arrange(const struct assay_drawing_cell *cell, struct layout *l)
{
    *l = (struct layout){.levels = 1};
    for (uint32_t span = 1; span < cell->n_node; span++)
        for (uint32_t i = 0; i < cell->n_edge; i++)
            if (cell->edge[i].to - cell->edge[i].from == (int)span && !is_none(cell->edge[i].op))
                place(cell, i, l);
}

static const char *dashes(const char *op)
{
    if (op && (strstr(op, "skip") || strstr(op, "identity"))) return " stroke-dasharray=\"5 3\"";
    return op && strstr(op, "pool") ? " stroke-dasharray=\"1.5 2.5\"" : "";
}

static int edge_y(int base, uint32_t level)
{
    return base - RADIUS - 3 - (int)level * LEVEL + LEVEL / 2;
}

static void print_line(FILE *out, const struct assay_drawing_cell *cell,
                       const struct assay_drawing_edge *e, int base, int y)
{
    const int x0 = node_x(cell, e->from), x1 = node_x(cell, e->to);
    fprintf(out, "<path d=\"M%d,%d L%d,%d L%d,%d L%d,%d\" fill=\"none\" stroke=\"#000\"%s/>", x0,
            base, x0 + SLOPE, y, x1 - SLOPE, y, x1, base, dashes(e->op));
}

// White around it keeps a text legible where a line runs behind it.
static void print_text(FILE *out, int x, int y, const char *text)
{
    fprintf(out,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" stroke=\"#fff\" stroke-width=\"3\" "
            "paint-order=\"stroke\">",
            x, y);
    html_text(out, text);
    fputs("</text>", out);
}

static void print_edges(FILE *out, const struct assay_drawing_cell *cell, const struct layout *l,
                        int base)
{
    for (uint32_t i = 0; i < cell->n_edge; i++)
        if (l->level[i]) print_line(out, cell, &cell->edge[i], base, edge_y(base, l->level[i]));
    for (uint32_t i = 0; i < cell->n_edge; i++) {
        const struct assay_drawing_edge *e = &cell->edge[i];
        const int x = (node_x(cell, e->from) + node_x(cell, e->to)) / 2;
        if (l->level[i] && e->op) print_text(out, x, edge_y(base, l->level[i]) - 3, e->op);
    }
}

static void print_node(FILE *out, const struct assay_drawing_cell *cell, uint32_t node, int base)
{
    const int x = node_x(cell, node);
    fprintf(out,
            "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#fff\" stroke=\"#000\"/><text x=\"%d\" "
            "y=\"%d\" text-anchor=\"middle\">%u</text>",
            x, base, RADIUS, x, base + 4, node);
    // Neighbours' texts stand below each other where they would touch.
    const int y = base + RADIUS + 12 + (cell->n_node > 6 && node % 2 ? 11 : 0);
    if (cell->node[node]) print_text(out, x, y, cell->node[node]);
}

static bool has_node_texts(const struct assay_drawing_cell *cell)
{
    for (uint32_t i = 0; i < cell->n_node; i++)
        if (cell->node[i]) return true;
    return false;
}

static void print_cell(FILE *out, const struct assay_drawing_cell *cell)
{
    struct layout l;
    arrange(cell, &l);
    const int base = (int)l.levels * LEVEL + 2 * RADIUS + 6;
    const int height = base + RADIUS + 3 + (has_node_texts(cell) ? 26 : 0);
    if (cell->name) fprintf(out, "<div class=\"name\">%s cell</div>", cell->name);
    fprintf(out,
            "<svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"10\" role=\"img\">",
            WIDTH, height, WIDTH, height);
    print_edges(out, cell, &l, base);
    for (uint32_t i = 0; i < cell->n_node; i++) print_node(out, cell, i, base);
    fputs("</svg>\n", out);
}

void cell_print(FILE *out, const struct assay_drawing *drawing)
{
    for (uint32_t i = 0; i < drawing->n_cell; i++) print_cell(out, &drawing->cell[i]);
}
