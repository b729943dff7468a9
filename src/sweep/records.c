// SPDX-License-Identifier: Apache-2.0
// What a run's records take: on disk, and in the memory of rank 0, which alone has all of them.
#include "run.h"

#include <stdlib.h>
#include <string.h>

// ---- on disk ------------------------------------------------------------------------------------
// How many spectra are stored. Those of a class are stored once for each chunk of rows that holds
// members of it. When there is no memory to count, one for each row is assumed.
static uint64_t count_spectra(const struct sweep_candidates *candidates, uint64_t chunk)
{
    uint64_t *last = calloc(candidates->n_task + 1, sizeof *last), n = 0; // chunk, from 1

    if (!last) return candidates->n_row;
    for (uint64_t i = 0; i < candidates->n_row; i++) {
        n += last[candidates->task_of[i]] != i / chunk + 1;
        last[candidates->task_of[i]] = i / chunk + 1;
    }
    free(last);
    return n;
}

// Bytes of a data set of /repeats or /spectrum, packed: of each of its numbers if it is compressed.
// Spectra of a class are compressed to one for each chunk of rows.
static double set_bytes(uint64_t rows, uint64_t width, uint64_t different, double packed)
{
    const double whole = (double)rows * (double)width * sizeof(double);

    return whole > (double)ASSAY_RESULTS_PACKED_MOST ? whole
                                                     : (double)different * (double)width * packed;
}

// After compression measured to 15 % on 300 and on 15,625 rows.
double sweep_results_bytes(const struct sweep_candidates *candidates, const struct assay_schema *s,
                           uint32_t n_extra)
{
    enum { VALUE = 3, EIGENVALUE = 7, RANK = 1, KEYS = 20, FIXED = 60000, CHUNK_VALUES = 1 << 15 };
    const uint64_t n = candidates->n_row, width = (uint64_t)s->repeats * s->spectrum_len;
    const double means = s->n_column * (s->repeats > 1 ? 2.0 : 1.0) + n_extra;
    const double row = KEYS + VALUE * means + 2.0 * RANK * (s->n_column + n_extra);
    const uint64_t spectra =
        width ? count_spectra(candidates, width < CHUNK_VALUES ? CHUNK_VALUES / width : 1) : 0;

    return FIXED + (double)n * row + s->n_column * set_bytes(n, s->repeats, n, VALUE) +
           set_bytes(n, width, spectra, EIGENVALUE);
}

// Measured on one core of 2.5 GHz with AVX-512: rows and columns of tables are made, ranked and
// compressed; large data sets are read from the journal and written with checksums.
double sweep_publish_seconds(const struct sweep_candidates *candidates,
                             const struct assay_schema *s, uint32_t n_extra)
{
    const double row = 1e-6, number = 0.25e-6, byte = 1.2e-9;
    const double width = (double)s->repeats * (s->n_column + s->spectrum_len);

    return (double)candidates->n_row *
           (row + number * (s->n_column + n_extra) + byte * width * sizeof(double));
}

// ---- in memory ----------------------------------------------------------------------------------
// What rank 0's libraries take once a first row is written: HDF5's code and its buffers.
#define WRITING (UINT64_C(5) << 20)

// The table of rows, and its copy by columns, which is there while it is written.
static uint64_t table_bytes(const struct sweep_candidates *candidates, const struct assay_schema *s,
                            uint32_t n_extra, const struct assay_space *space)
{
    enum { KEY = 32, RANKS = 16, STATUS = 16, SORTING = 32 }; // of a row
    char arch[ASSAY_ARCH_MAX] = "";

    if (candidates->n_row) assay_space_format(space, candidates->index[0], arch, sizeof arch);
    const uint64_t text = strlen(arch) + 1;
    const uint64_t row = sizeof(struct assay_row) + assay_arena_block(text) +
                         assay_arena_block((n_extra + 1) * sizeof(double));
    const uint64_t mean = sizeof(double), error = sizeof(double);
    const uint64_t columns =
        KEY + s->n_column * (mean + error + RANKS) + (n_extra + 1) * (mean + RANKS);

    // A quarter more, since the last chunk of an arena is partly empty.
    return candidates->n_row * (row + columns + text + STATUS + SORTING) * 5 / 4;
}

// Values of a data set on their way into the file: a chunk of whole rows, and HDF5's own.
static uint64_t chunk_bytes(const struct assay_schema *s)
{
    enum { CHUNK = 1 << 18 };
    const uint64_t row =
        (uint64_t)s->repeats * (s->spectrum_len ? s->spectrum_len : 1) * sizeof(double);

    return 3 * (row > CHUNK ? row : CHUNK);
}

uint64_t sweep_records_bytes(const struct sweep_candidates *candidates,
                             const struct assay_schema *schema, uint32_t n_extra,
                             const struct assay_space *space)
{
    enum { ROW = 2 * sizeof(uint64_t) }; // its index and task
    const uint64_t known = assay_farm_bytes(schema, candidates->n_task) + candidates->n_row * ROW;

    return WRITING + known + table_bytes(candidates, schema, n_extra, space) + chunk_bytes(schema);
}
