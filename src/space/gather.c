// SPDX-License-Identifier: Apache-2.0
// Making collections of files.
#include "collection.h"

#include "assay/onnx.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINES_MOST 8 // of warnings, however many files there are

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a collection of networks");
}

// ---- what was seen ------------------------------------------------------------------------------
// Open addressing; n_slot is a power of two.
struct assay_collection_seen {
    struct assay_hash key;
    uint64_t number; // from 1; 0: the slot is free
};

static struct assay_collection_seen *slot_of(const struct assay_collection *c,
                                             struct assay_hash key)
{
    for (uint64_t i = key.lo;; i++) {
        struct assay_collection_seen *s = &c->seen[i & (c->n_slot - 1)];
        if (!s->number || assay_hash_equal(s->key, key)) return s;
    }
}

static int reserve_slots(struct assay_collection *c, struct assay_err *err)
{
    struct assay_collection old = *c;
    if (2 * (c->n_seen + 4) <= c->n_slot) return ASSAY_OK;
    c->n_slot = c->n_slot ? 2 * c->n_slot : 64;
    c->seen = calloc(c->n_slot, sizeof *c->seen);
    if (!c->seen) {
        *c = old;
        return no_memory(err);
    }
    for (uint64_t i = 0; i < old.n_slot; i++)
        if (old.seen[i].number) *slot_of(c, old.seen[i].key) = old.seen[i];
    free(old.seen);
    return ASSAY_OK;
}

// The number that a key was first seen with, which is this one where it is new. A call of
// reserve_slots makes room for four.
static uint64_t see(struct assay_collection *c, struct assay_hash key, uint64_t number)
{
    struct assay_collection_seen *s = slot_of(c, key);
    if (!s->number) {
        *s = (struct assay_collection_seen){key, number + 1};
        c->n_seen++;
    }
    return s->number - 1;
}

// Names, networks and warnings are keys of three kinds.
enum seen_kind { SEEN_NAME, SEEN_NETWORK, SEEN_WARNING };
static struct assay_hash key_of(enum seen_kind kind, const void *bytes, size_t n)
{
    struct assay_hash key = assay_hash128(bytes, n);
    key.hi += kind; // the low bits choose the slot
    return key;
}

// ---- networks -----------------------------------------------------------------------------------
// What a file is read into.
struct reading {
    struct assay_hash digest, network; // network: of the graph that is executed
    uint8_t *file;                     // without weights
    size_t n_file;
    char why[ASSAY_ARCH_MAX];
};

static int append(struct assay_collection *c, const char *name, const struct reading *r,
                  uint64_t like, struct assay_err *err)
{
    const size_t n_name = strlen(name) + 1, n_why = strlen(r->why) + 1,
                 used = sizeof(struct collection_network) + n_name + n_why + r->n_file,
                 bytes = (used + 7) / 8 * 8, begin = c->n ? c->n : sizeof(struct collection_head),
                 all = begin + bytes;
    if (all > COLLECTION_MOST)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "its networks take more than 1 GiB without weights (%.300s is number "
                             "%" PRIu64 "); divide the list",
                             name, c->n_network);
    if (all > c->cap) {
        void *more = realloc(c->block, 2 * all);
        if (!more) return no_memory(err);
        c->block = more;
        c->cap = 2 * all;
    }
    uint8_t *at = c->block + begin;
    const struct collection_network head = {.bytes = bytes,
                                            .digest = r->digest,
                                            .like = like,
                                            .n_name = (uint32_t)n_name,
                                            .n_why = (uint32_t)n_why,
                                            .n_file = r->n_file};
    memset(at, 0, bytes);
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, name, n_name);
    memcpy(at + sizeof head + n_name, r->why, n_why);
    if (r->n_file) memcpy(at + sizeof head + n_name + n_why, r->file, r->n_file);
    c->n = all;
    *(struct collection_head *)(void *)c->block =
        (struct collection_head){COLLECTION_MAGIC, ++c->n_network};
    return ASSAY_OK;
}

// ---- a file -------------------------------------------------------------------------------------
// The network that is executed, as a key: equal ones are evaluated once.
static int hash_network(const struct assay_graph *g, struct assay_hash *hash, struct assay_err *err)
{
    struct assay_graph folded;
    assay_graph_init(&folded);
    const int status = assay_graph_fold(g, true, &folded, NULL, err);
    if (status >= 0) *hash = assay_graph_hash(&folded);
    assay_graph_free(&folded);
    return status;
}

// Whether a file without its weights is read as the same network. Where it is not, all of it is
// kept: an operation computes with values that a stripped file does not have.
static int check_stripped(const struct assay_graph *g, uint8_t *bytes, size_t n, bool *same,
                          struct assay_err *err)
{
    struct assay_onnx again = {0};
    struct assay_onnx_net net = {0};
    struct assay_graph other;
    assay_graph_init(&other);
    int status = assay_onnx_parse(&again, "", bytes, n, err);
    if (status >= 0) status = assay_onnx_import(&again, &other, &net, err);
    *same = status >= 0 && g->n_param == other.n_param &&
            assay_hash_equal(assay_graph_hash(g), assay_graph_hash(&other));
    assay_onnx_net_free(&net);
    assay_onnx_free(&again);
    assay_graph_free(&other);
    return status == ASSAY_ERR_MEMORY ? status : ASSAY_OK;
}

static int copy_bytes(const uint8_t *bytes, size_t n, uint8_t **copy, struct assay_err *err)
{
    *copy = malloc(n + 1);
    if (!*copy) return no_memory(err);
    memcpy(*copy, bytes, n);
    return ASSAY_OK;
}

static int strip(struct reading *r, const struct assay_onnx *m, const struct assay_graph *g,
                 struct assay_err *err)
{
    uint8_t *copy;
    bool same;
    ASSAY_TRY(assay_onnx_strip(m, &r->file, &r->n_file, err));
    ASSAY_TRY(copy_bytes(r->file, r->n_file, &copy, err));
    ASSAY_TRY(check_stripped(g, copy, r->n_file, &same, err));
    if (same) return ASSAY_OK;
    free(r->file);
    r->n_file = m->n_bytes;
    return copy_bytes(m->bytes, m->n_bytes, &r->file, err);
}

static void say(struct assay_collection *c, const struct assay_log *log, const char *file,
                const char *text)
{
    if (c->n_line++ < LINES_MOST) assay_log_line(log, ASSAY_LOG_WARN, "%s: %s", file, text);
}

// Says what was taken in another way than the file has it, of many files once.
static void warn(struct assay_collection *c, const char *file, char *warnings,
                 const struct assay_log *log)
{
    for (char *line; (line = strsep(&warnings, "\n")) && *line;) {
        const struct assay_hash key = key_of(SEEN_WARNING, line, strlen(line));
        if (c->n_seen + 2 < c->n_slot && !slot_of(c, key)->number) {
            see(c, key, 0);
            say(c, log, file, line);
        }
    }
}

// Reads a file's network; what is wrong with it is its reason, only a lack of memory is an error.
static int read_network(struct assay_collection *c, struct reading *r, const char *file,
                        const struct assay_log *log, struct assay_err *err)
{
    struct assay_onnx m = {0};
    struct assay_onnx_net net = {0};
    struct assay_graph g;
    assay_graph_init(&g);
    int status = assay_onnx_read(&m, file, err);
    if (status >= 0) {
        r->digest = assay_hash128(m.bytes, m.n_bytes);
        status = assay_onnx_import(&m, &g, &net, err);
        if (status < 0) assay_err_prefix(err, "%s", file);
    }
    if (status >= 0) status = hash_network(&g, &r->network, err);
    if (status >= 0) warn(c, file, net.warnings, log);
    if (status >= 0) status = strip(r, &m, &g, err);
    assay_onnx_net_free(&net);
    assay_onnx_free(&m);
    assay_graph_free(&g);
    return status;
}

// Why a file has no network, without its path, which is known.
static void take_reason(struct reading *r, const char *file, const struct assay_err *err)
{
    const size_t n = strlen(file);
    const bool named = strncmp(err->text, file, n) == 0 && strncmp(err->text + n, ": ", 2) == 0;
    snprintf(r->why, sizeof r->why, "%.1000s", err->text + (named ? n + 2 : 0));
    free(r->file);
    r->file = NULL;
    r->n_file = 0;
}

static int check_name(const char *name, struct assay_err *err)
{
    const char *fault = assay_text_fault(name);
    if (fault)
        return assay_err_set(err, ASSAY_ERR_INPUT, "'%.200s' is no name for a network: it %s", name,
                             fault);
    if (*name && strlen(name) < ASSAY_ARCH_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "'%.200s' is no name for a network: expected 1 to %d bytes", name,
                         ASSAY_ARCH_MAX - 1);
}

// Begins a network of that name: 1; 0: there is one already.
static int begin(struct assay_collection *c, const char *name, struct assay_err *err)
{
    ASSAY_TRY(check_name(name, err));
    ASSAY_TRY(reserve_slots(c, err));
    return see(c, key_of(SEEN_NAME, name, strlen(name)), c->n_network) == c->n_network;
}

int assay_collection_add(struct assay_collection *c, const char *name, const char *file,
                         const struct assay_log *log, struct assay_err *err)
{
    struct reading r = {.why = ""};
    struct assay_err why = {0};
    const int fresh = begin(c, name, err);
    if (fresh <= 0) return fresh;
    int status = read_network(c, &r, file, log, &why);
    uint64_t like = c->n_network;
    if (status == ASSAY_ERR_MEMORY) {
        free(r.file);
        return assay_err_set(err, status, "%s", why.text);
    }
    if (status < 0) {
        take_reason(&r, file, &why);
        say(c, log, file, r.why);
        c->n_failed++;
    } else {
        like = see(c, key_of(SEEN_NETWORK, &r.network, sizeof r.network), c->n_network);
    }
    status = append(c, name, &r, like, err);
    free(r.file);
    return status;
}

int collection_add_name(struct assay_collection *c, const char *name, struct assay_err *err)
{
    const struct reading r = {.why = "only its name is known here"};
    const int fresh = begin(c, name, err);
    if (fresh > 0) return append(c, name, &r, c->n_network, err);
    return fresh ? fresh
                 : assay_err_set(err, ASSAY_ERR_INPUT, "'%.200s' is there twice, expected once",
                                 name);
}

void assay_collection_free(struct assay_collection *c)
{
    free(c->block);
    free(c->seen);
    *c = (struct assay_collection){0};
}

// ---- lists --------------------------------------------------------------------------------------
static int add_in(struct assay_collection *c, const char *folder, int n_folder, const char *name,
                  const struct assay_log *log, struct assay_err *err)
{
    char path[ASSAY_TEXT_MAX + ASSAY_ARCH_MAX];
    if (*name == '/') n_folder = 0;
    const int n = snprintf(path, sizeof path, "%.*s%s", n_folder, folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return assay_err_set(err, ASSAY_ERR_INPUT, "the path '%.200s...' is too long", path);
    return assay_collection_add(c, name, path, log, err);
}

static char *trim(char *line)
{
    line += strspn(line, " \t");
    size_t n = strlen(line);
    while (n && strchr(" \t", line[n - 1])) n--;
    line[n] = '\0';
    return line;
}

static int add_lines(struct assay_collection *c, const char *list, char *rest,
                     const struct assay_log *log, struct assay_err *err)
{
    const char *slash = strrchr(list, '/');
    const int folder = slash ? (int)(slash - list) + 1 : 0;
    size_t number = 0;
    for (char *line; (line = assay_text_line(&rest)) != NULL;) {
        const char *name = trim(line);
        number++;
        if (!*name || *name == '#') continue;
        if (add_in(c, list, folder, name, log, err) < 0)
            return assay_err_prefix(err, "%s:%zu", list, number);
    }
    return ASSAY_OK;
}

static int add_list(struct assay_collection *c, const char *list, const struct assay_log *log,
                    struct assay_err *err)
{
    char *text;
    ASSAY_TRY(assay_text_read(&text, list, list, "a list of ONNX files, one path a line", err));
    const int status = add_lines(c, list, text, log, err);
    free(text);
    return status;
}

static int is_onnx(const struct dirent *e)
{
    const size_t n = strlen(e->d_name);
    return n > 5 && strcmp(e->d_name + n - 5, ".onnx") == 0;
}

// By bytes, whatever the locale: the order is that of the candidates' numbers.
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct assay_collection *c, const char *folder, const struct assay_log *log,
                      struct assay_err *err)
{
    struct dirent **entry;
    char prefix[ASSAY_TEXT_MAX + 2];
    const int n = scandir(folder, &entry, is_onnx, by_name);
    if (n < 0) return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", folder, strerror(errno));
    const int length = snprintf(prefix, sizeof prefix, "%.*s/", ASSAY_TEXT_MAX, folder);
    int status = ASSAY_OK;
    for (int i = 0; i < n; i++) {
        if (status >= 0) {
            status = add_in(c, prefix, length, entry[i]->d_name, log, err);
            if (status < 0) assay_err_prefix(err, "%s", folder);
        }
        free(entry[i]);
    }
    free(entry);
    return status;
}

int assay_collection_read(struct assay_collection *c, const char *list, const struct assay_log *log,
                          struct assay_err *err)
{
    struct stat about;
    const bool folder = stat(list, &about) == 0 && S_ISDIR(about.st_mode);
    ASSAY_TRY((folder ? add_folder : add_list)(c, list, log, err));
    if (!c->n_network)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no %s", list,
                             folder ? "file of it is called NAME.onnx"
                                    : "path of an ONNX file in it, expected one a line");
    if (c->n_failed == c->n_network)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: none of its %" PRIu64 " files is a network that can be read",
                             list, c->n_network);
    if (c->n_failed)
        assay_log_line(log, ASSAY_LOG_WARN,
                       "%s: %" PRIu64 " of %" PRIu64 " files have no network that can be read; "
                       "their status is failed",
                       list, c->n_failed, c->n_network);
    return ASSAY_OK;
}
