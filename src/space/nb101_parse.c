// SPDX-License-Identifier: Apache-2.0
// Cells as people and programs write them: a matrix of edges and a list of operations, or a hash.
#include "literal.h"
#include "nb101.h"

#include <string.h>

// What stands at a vertex besides the operations.
enum { INPUT = NB101_OPS, OUTPUT, EMPTY };

struct parser {
    struct space_text *t;
    struct nb101_cell cell;
};

// Whether these are the digits of a hash.
static bool is_hash(const char *text, size_t length)
{
    return length == NB101_HEX && strspn(text, "0123456789abcdef") >= length;
}

static int take_hash(struct space_text *t, uint64_t *index)
{
    if (!nb101_find_hash(t->at, index)) return space_text_fail(t, "the hash of a cell");
    t->at += NB101_HEX;
    return ASSAY_OK;
}

// ---- cells --------------------------------------------------------------------------------------
// Whether what remains of a cell within the limits when it is pruned has an operation everywhere.
static int check_cell(const struct parser *p)
{
    struct space_text *t = p->t;
    struct nb101_cell cell = p->cell;
    if (!nb101_prune(&cell))
        return assay_err_set(t->err, ASSAY_ERR_INPUT,
                             "%s: no path leads from its input to its output", t->what);
    const uint32_t edges = nb101_edges(&cell);
    for (uint32_t v = 1; v + 1 < cell.n; v++)
        if (cell.op[v] >= NB101_OPS)
            return assay_err_set(t->err, ASSAY_ERR_INPUT, "%s: a vertex on a path has no operation",
                                 t->what);
    if (cell.n <= NB101_VERTICES && edges <= NB101_EDGES) return ASSAY_OK;
    return assay_err_set(t->err, ASSAY_ERR_INPUT,
                         "%s: %u vertices and %u edges are on paths from its input to its output, "
                         "expected at most %d and %d",
                         t->what, cell.n, edges, NB101_VERTICES, NB101_EDGES);
}

// Takes what stands in row u and column v of the matrix, as a digit or a value.
static int take_edge(struct parser *p, uint32_t u, uint32_t v, uint32_t edge)
{
    if (edge > 1) return space_text_fail(p->t, "0 or 1");
    if (edge && v <= u) return space_text_fail(p->t, "0, as edges lead to later vertices");
    p->cell.from[v] |= (uint16_t)(edge << u);
    return ASSAY_OK;
}

static int take_value(struct parser *p, uint32_t u, uint32_t v, const struct literal *m)
{
    p->t->at = m->at;
    return take_edge(p, u, v, m->kind == LITERAL_NUMBER ? m->number : UINT32_MAX);
}

static int check_size(const struct parser *p, size_t n)
{
    char expected[64];
    if (n >= 2 && n <= NB101_WRITTEN_MAX) return ASSAY_OK;
    snprintf(expected, sizeof expected, "a matrix of 2 to %d rows", NB101_WRITTEN_MAX);
    return space_text_fail(p->t, expected);
}

// ---- its own notation ---------------------------------------------------------------------------
static int parse_row(struct parser *p, uint32_t u)
{
    char expected[64];
    uint32_t v = 0;
    if (u == 0) {
        ASSAY_TRY(check_size(p, strspn(p->t->at, "01")));
        p->cell.n = (uint32_t)strspn(p->t->at, "01");
    }
    snprintf(expected, sizeof expected, "%u rows of %u digits 0 or 1", p->cell.n, p->cell.n);
    for (; v < p->cell.n && *p->t->at && strchr("01", *p->t->at); v++, p->t->at++)
        ASSAY_TRY(take_edge(p, u, v, (uint32_t)(*p->t->at - '0')));
    return v == p->cell.n ? ASSAY_OK : space_text_fail(p->t, expected);
}

static int parse_own(struct parser *p)
{
    struct space_text *t = p->t;
    p->cell.n = 1;
    for (uint32_t u = 0; u < p->cell.n; u++) {
        if (u > 0) ASSAY_TRY(space_text_expect(t, ';', "';' between the rows of the matrix"));
        ASSAY_TRY(parse_row(p, u));
    }
    ASSAY_TRY(space_text_expect(t, '/', "'/' between matrix and operations"));
    for (uint32_t v = 1; v + 1 < p->cell.n; v++, t->at++) {
        if (!*t->at || !strchr("012", *t->at))
            return space_text_fail(t, "an operation: 0 (3x3), 1 (1x1) or 2 (max pool)");
        p->cell.op[v] = (uint8_t)(*t->at - '0');
    }
    space_text_skip_blank(t);
    return *t->at ? space_text_fail(t, "nothing after the operations") : ASSAY_OK;
}

// ---- matrices of Python -------------------------------------------------------------------------
// What array(x, dtype=...) is made of.
static const struct literal *content(const struct literal *value)
{
    return value->kind == LITERAL_CALL && literal_is(value, "array") && value->n ? value->first
                                                                                 : value;
}

static int take_row(struct parser *p, uint32_t u, const struct literal *row)
{
    row = content(row);
    if (row->kind != LITERAL_LIST || row->n != p->cell.n)
        return literal_fail(p->t, row, "as many numbers in each row of the matrix as rows");
    const struct literal *m = row->first;
    for (uint32_t v = 0; v < p->cell.n; v++, m = m->next) ASSAY_TRY(take_value(p, u, v, m));
    return ASSAY_OK;
}

// Row by row, without anything between.
static int take_digits(struct parser *p, const struct literal *text)
{
    uint32_t n = 0;
    p->t->at = text->at;
    while ((size_t)n * n < text->length) n++;
    if ((size_t)n * n != text->length)
        return space_text_fail(p->t, "the digits of a square matrix, row by row");
    ASSAY_TRY(check_size(p, n));
    p->cell.n = n;
    for (uint32_t i = 0; i < n * n; i++, p->t->at++)
        ASSAY_TRY(take_edge(p, i / n, i % n, (uint32_t)(*p->t->at - '0')));
    return ASSAY_OK;
}

static int take_matrix(struct parser *p, const struct literal *value)
{
    uint32_t u = 0;
    value = content(value);
    p->t->at = value->at;
    if (value->kind == LITERAL_TEXT) return take_digits(p, value);
    if (value->kind != LITERAL_LIST || (value->n && value->first->kind == LITERAL_NUMBER))
        return space_text_fail(p->t, "a matrix and operations");
    ASSAY_TRY(check_size(p, value->n));
    p->cell.n = value->n;
    for (const struct literal *row = value->first; row; row = row->next)
        ASSAY_TRY(take_row(p, u++, row));
    return ASSAY_OK;
}

// ---- operations of Python -----------------------------------------------------------------------
static const char ops[] =
    "one of conv3x3-bn-relu, conv1x1-bn-relu, maxpool3x3 between input and output";

// The operation that a name of that length is, or a name of nasbench's own constants.
static bool is_op(const char *name, size_t length, uint8_t *op)
{
    static const char *const known[][2] = {[NB101_CONV_3X3] = {"conv3x3-bn-relu", "CONV3X3"},
                                           [NB101_CONV_1X1] = {"conv1x1-bn-relu", "CONV1X1"},
                                           [NB101_MAX_POOL] = {"maxpool3x3", "MAXPOOL3X3"},
                                           [INPUT] = {"input", "INPUT"},
                                           [OUTPUT] = {"output", "OUTPUT"},
                                           [EMPTY] = {"null", "None"}};
    for (*op = 0; *op < ASSAY_LEN(known); ++*op)
        for (int i = 0; i < 2; i++)
            if (strlen(known[*op][i]) == length && memcmp(name, known[*op][i], length) == 0)
                return true;
    return false;
}

struct vertices {
    uint32_t n;
    uint8_t op[NB101_WRITTEN_MAX];
};

static int add_op(struct parser *p, struct vertices *v, const char *name, size_t length)
{
    p->t->at = name;
    if (v->n == p->cell.n) return space_text_fail(p->t, "as many operations as vertices");
    return is_op(name, length, &v->op[v->n++]) ? ASSAY_OK : space_text_fail(p->t, ops);
}

// The benchmark's labels: -1 the input, -2 the output.
static int add_label(struct parser *p, struct vertices *v, const struct literal *label)
{
    const uint32_t number = label->number;
    p->t->at = label->at;
    if (v->n == p->cell.n) return space_text_fail(p->t, "as many operations as vertices");
    if (number >= NB101_OPS && number + 2 > 1)
        return space_text_fail(p->t, "a number from -2 to 2");
    v->op[v->n++] = number < NB101_OPS ? (uint8_t)number : number + 1 == 0 ? INPUT : OUTPUT;
    return ASSAY_OK;
}

// Names in one text, with commas between.
static int read_names(struct parser *p, struct vertices *v, const struct literal *text)
{
    const char *at = text->at, *end = text->at + text->length;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        ASSAY_TRY(add_op(p, v, at, (size_t)(stop - at)));
        at = comma ? comma + 1 : end;
    }
    return ASSAY_OK;
}

// Whether no edge leads to a vertex behind the output: such vertices are empty, and make all
// matrices equally large.
static bool ends_at(const struct nb101_cell *cell, uint32_t output)
{
    for (uint32_t v = output + 1; v < cell->n; v++)
        if (cell->from[v]) return false;
    return true;
}

// Whether input and output stand in the list; without them it has the other vertices alone.
static int take_vertices(struct parser *p, const struct vertices *v, const struct literal *value)
{
    uint32_t n = 0;
    while (n < v->n && v->op[n] != OUTPUT) n++;
    const bool ends = n > 0 && n < v->n, named = v->n && v->op[0] == INPUT;
    if (ends && named) {
        if (!ends_at(&p->cell, n))
            return literal_fail(p->t, value, "no edge to a vertex behind the output");
        p->cell.n = n + 1;
        memcpy(p->cell.op, v->op, n + 1);
        return ASSAY_OK;
    }
    if (n < v->n || named || v->n + 2 != p->cell.n)
        return literal_fail(p->t, value, "input, an operation for each vertex, output");
    memcpy(p->cell.op + 1, v->op, v->n);
    return ASSAY_OK;
}

static int take_ops(struct parser *p, const struct literal *value)
{
    struct vertices v = {0};
    value = content(value);
    if (value->kind == LITERAL_TEXT)
        ASSAY_TRY(read_names(p, &v, value));
    else if (value->kind != LITERAL_LIST)
        return literal_fail(p->t, value, "a list of operations");
    for (const struct literal *m = value->first; m; m = m->next)
        ASSAY_TRY(m->kind == LITERAL_NUMBER ? add_label(p, &v, m)
                                            : add_op(p, &v, m->at, m->length));
    return take_vertices(p, &v, value);
}

// ---- NASLib -------------------------------------------------------------------------------------
// Reads the matrix, row by row, and behind it operations with numbers of their own.
static int take_numbers(struct parser *p, const struct literal *list)
{
    static const uint8_t op[] = {INPUT, OUTPUT, NB101_MAX_POOL, NB101_CONV_1X1, NB101_CONV_3X3};
    struct vertices v = {0};
    const struct literal *m = list->first;
    while (p->cell.n * (p->cell.n + 1) < list->n) p->cell.n++;
    const uint32_t n = p->cell.n;
    if (n * (n + 1) != list->n || n < 2 || n > NB101_WRITTEN_MAX)
        return literal_fail(p->t, list,
                            "a matrix and operations, or n (n + 1) numbers as NASLib has");
    for (uint32_t i = 0; i < n * n; i++, m = m->next) ASSAY_TRY(take_value(p, i / n, i % n, m));
    for (; m; m = m->next) {
        uint8_t number;
        ASSAY_TRY(literal_number(p->t, m, ASSAY_LEN(op), "an operation from 0 to 4", &number));
        v.op[v.n++] = op[number];
    }
    return take_vertices(p, &v, list);
}

// ---- all of them --------------------------------------------------------------------------------
// Takes the members called like this, or those without a name in their order.
static int take_named(struct parser *p, const struct literal *value)
{
    static const char *const matrix[] = {"matrix", "module_adjacency", "adjacency", "adj"},
                             *const list[] = {"ops", "module_operations", "operations", "labels"};
    const struct literal *found[2] = {0};
    for (const struct literal *m = value->first; m; m = m->next) {
        for (size_t i = 0; i < ASSAY_LEN(matrix); i++) {
            if (literal_has_key(m, matrix[i])) found[0] = m;
            if (literal_has_key(m, list[i])) found[1] = m;
        }
    }
    for (const struct literal *m = value->first; m; m = m->next)
        if (!m->key && (!found[0] || !found[1])) found[found[0] != NULL] = m;
    if (!found[0] || !found[1]) return literal_fail(p->t, value, "a matrix and operations");
    ASSAY_TRY(take_matrix(p, found[0]));
    return take_ops(p, found[1]);
}

// [hash, epochs, matrix, operations, ...], a row of the benchmark's own file.
static bool is_record(const struct literal *value)
{
    return value->kind == LITERAL_LIST && value->n >= 4 && value->first->kind == LITERAL_TEXT &&
           is_hash(value->first->at, value->first->length);
}

static int take_record(struct parser *p, const struct literal *record)
{
    const struct literal *matrix = record->first->next->next;
    uint64_t named;
    bool other;
    p->t->at = record->first->at;
    ASSAY_TRY(take_hash(p->t, &named));
    ASSAY_TRY(take_matrix(p, matrix));
    ASSAY_TRY(take_ops(p, matrix->next));
    ASSAY_TRY(check_cell(p));
    return nb101_find(&p->cell, &other) == named
               ? ASSAY_OK
               : literal_fail(p->t, record->first, "the hash of the cell behind it");
}

static int parse_literal(struct parser *p)
{
    struct literals pool;
    const struct literal *value;
    ASSAY_TRY(literal_read_list(p->t, &pool, &value));
    if (value->n == 1) value = value->first;
    if (is_record(value)) return take_record(p, value);
    const bool flat = value->kind == LITERAL_LIST && value->n && !value->first->key &&
                      value->first->kind == LITERAL_NUMBER;
    return flat ? take_numbers(p, value) : take_named(p, value);
}

// Reads the hash of a cell, which stands for the cell.
static int parse_hash(struct parser *p)
{
    uint64_t index;
    ASSAY_TRY(take_hash(p->t, &index));
    nb101_decode(nb101_code[index], &p->cell);
    space_text_skip_blank(p->t);
    return *p->t->at ? space_text_fail(p->t, "nothing after the hash") : ASSAY_OK;
}

int nb101_read(struct space_text *t, struct nb101_cell *cell)
{
    struct parser p = {.t = t};
    if (literal_begins(t))
        ASSAY_TRY(parse_literal(&p));
    else if (is_hash(t->at, space_text_word(t)))
        ASSAY_TRY(parse_hash(&p));
    else
        ASSAY_TRY(parse_own(&p));
    ASSAY_TRY(check_cell(&p));
    *cell = p.cell;
    return ASSAY_OK;
}

int nb101_parse(const struct assay_space *space, struct space_text *t, uint64_t *index)
{
    struct nb101_cell cell;
    (void)space;
    t->what = "NAS-Bench-101 cell";
    ASSAY_TRY(nb101_read(t, &cell));
    *index = nb101_find(&cell, &t->other);
    return ASSAY_OK;
}
