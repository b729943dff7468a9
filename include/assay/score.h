// SPDX-License-Identifier: Apache-2.0
// score: columns made of columns: the rank of a row by a column, and weighted sums of such ranks.
#ifndef ASSAY_SCORE_H
#define ASSAY_SCORE_H

#include "assay/base.h"

// ---- rows and columns --------------------------------------------------------------------------
struct assay_score_column {
    const char *name;
    int direction;        // as in struct assay_column; a column of direction 0 has no ranks
    const double *value;  // (n)
    const uint64_t *rank; // (n) its ranks, or NULL: they are made where needed
};
// A table of n rows, of which everything is borrowed.
struct assay_score_rows {
    uint64_t n;
    const bool *ok; // (n) no value of the other rows counts; NULL: all are ok
    const struct assay_score_column *column;
    uint32_t n_column;
};

// order[position] = row; rank[row] = 1 + number of rows that are strictly better. Rows that are not
// ok, or whose value is not finite, stand last, in order of rows, and share one rank.
struct assay_ranking {
    uint64_t *order, *rank; // (n) both
};
// Ranks rows by n values; direction +1: larger ones are better. The ranking's arrays are the
// caller's. False when there is no memory.
bool assay_score_rank(const struct assay_score_rows *rows, const double *value, int direction,
                      const struct assay_ranking *ranking);

// ---- other names -------------------------------------------------------------------------------
// Some columns have another name in other programs. None of those names is a column here.
struct assay_alias {
    const char *name, *column;
};
extern const struct assay_alias assay_aliases[]; // ends with a NULL name
// Returns the column that another name stands for, and a name that is none as it is.
const char *assay_alias_column(const char *name);

// ---- formulas ----------------------------------------------------------------------------------
// formula = ["+" | "-"] term { ("+" | "-") term } | "vote" "(" COLUMN { "," COLUMN } ")"
// term    = [ weight "*" ] ( COLUMN | "lnrank" "(" COLUMN ")" )
//
// COLUMN stands for the rank of a row by that column: 1 + the number of rows that are strictly
// better, as in TE-NAS's rank sum; a smaller sum is better. lnrank(COLUMN) is ln(r / M), where M is
// the number of all rows and r is M for the best of them, 1 for the worst, the mean of their places
// for equal ones, as AZ-NAS aggregates its proxies (arXiv 2403.19232); a larger sum is
// better. Because the one grows where the other falls, a formula has terms of one kind only.
//
// vote(A, B, ...) is the number of rows that lose against a row: those that at least half of the
// columns hold strictly worse, as zero-cost-nas (arXiv 2101.08134) decides every pair by synflow,
// jacob_cov and snip; a larger number is better. It compares all pairs of rows.
#define ASSAY_SCORE_TERMS  32
#define ASSAY_SCORE_WEIGHT 1e6 // the largest

struct assay_score_term {
    double weight; // with its sign
    bool lnrank;
    uint32_t at;                 // where the column's name stands in the formula, from 1
    char column[ASSAY_NAME_MAX]; // what another name stands for
};
struct assay_score_formula {
    char where[ASSAY_NAME_MAX + 16]; // what opens the text of errors
    char text[ASSAY_TEXT_MAX];
    struct assay_score_term term[ASSAY_SCORE_TERMS];
    uint32_t n_term; // at least 1
    bool vote;       // the terms are its columns
    int direction;   // -1 for ranks, +1 for lnrank and vote
};
// Reads a formula. ERR_CONFIG, which opens with where ("score.mine", "--by"), names the formula,
// the position that is wrong and what was expected there.
int assay_score_parse(struct assay_score_formula *f, const char *where, const char *text,
                      struct assay_err *err);
// index[t] = number of term t's column among n columns, the first of that name. ERR_CONFIG for an
// unknown column, which lists those that have a direction, and for one that has none.
int assay_score_bind(const struct assay_score_formula *f, const struct assay_score_column *column,
                     uint32_t n, uint32_t index[ASSAY_SCORE_TERMS], struct assay_err *err);
// Evaluates a formula: value (n) is the sum of a row's terms, or its votes; NaN where the row is
// not ok or one of the columns is not finite. ranking, if not NULL, is by that value; of equal
// values the better by the first term comes first, and rows that are equal in both share a rank.
// Its errors are those of assay_score_bind, and ERR_MEMORY.
int assay_score_evaluate(const struct assay_score_formula *f, const struct assay_score_rows *rows,
                         double *value, const struct assay_ranking *ranking, struct assay_err *err);

// ---- scores ------------------------------------------------------------------------------------
// A formula with a name: what is published about its column.
struct assay_score {
    const char *name, *formula;
    const char *unit, *source, *protocol; // as of struct assay_column
};
// The scores that papers have named; the list ends with a NULL name.
extern const struct assay_score assay_scores[];
// The score of that name, or NULL.
const struct assay_score *assay_score_find(const char *name);
// What the values of a formula are: "rank sum", "sum of ln(rank/M)" or "rows outvoted".
const char *assay_score_unit(const struct assay_score_formula *f);

#endif
