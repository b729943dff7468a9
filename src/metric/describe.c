// SPDX-License-Identifier: Apache-2.0
// The protocol of a column in words.
#include "subject.h"

#include <stdarg.h>
#include <stdio.h>

void metric_describe_run(const struct assay_protocol *p, char *text, size_t cap)
{
    snprintf(text, cap, "repeats=%llu seed=%llu weights=%s", (unsigned long long)p->repeats,
             (unsigned long long)p->seed,
             p->redraw ? "redrawn each repeat" : "the same in every repeat");
}

void metric_describe_size(uint64_t channels, uint64_t cells, int macro, uint64_t stem,
                          char text[ASSAY_METRIC_SIZE])
{
    enum { IMAGENET = 2 }; // enum assay_macro
    static const char *const name[] = {"tenas", "cifar"};
    int n = 0;
    if (!channels && !cells)
        n = snprintf(text, ASSAY_METRIC_SIZE, "the architecture's own C and N");
    else if (!cells)
        n = snprintf(text, ASSAY_METRIC_SIZE, "C=%llu", (unsigned long long)channels);
    else
        n = snprintf(text, ASSAY_METRIC_SIZE, "C=%llu N=%llu", (unsigned long long)channels,
                     (unsigned long long)cells);
    const size_t rest = ASSAY_METRIC_SIZE - (size_t)n;
    if (macro == IMAGENET)
        snprintf(text + n, rest, " macro=imagenet");
    else if (macro || stem > 1)
        snprintf(text + n, rest, " macro=%s stem=%llu", name[macro], (unsigned long long)stem);
}

void metric_describe_net(const struct assay_protocol *p, uint64_t batch, const char *what, int init,
                         char *text, size_t cap)
{
    char size[ASSAY_METRIC_SIZE];
    metric_describe_size(p->channels, p->cells, p->macro, p->stem, size);
    const int n = snprintf(text, cap,
                           "batch=%llu %s init=%s precision=float64%s "
                           "%s classes=%llu image=%llu ",
                           (unsigned long long)batch, what, assay_init_name((enum assay_init)init),
                           p->precision == ASSAY_SINGLE ? ", float32 backward" : "", size,
                           (unsigned long long)p->classes, (unsigned long long)p->image);
    if (n >= 0 && (size_t)n < cap) metric_describe_run(p, text + n, cap - (size_t)n);
}

void metric_describe_kernel(const struct assay_ntk_options *o, const struct assay_protocol *p,
                            const char *bn, char *text, size_t cap)
{
    char what[96];
    snprintf(what, sizeof what, "bn=%s outputs=%s parameters=weights%s", bn,
             o->outputs == ASSAY_OUTPUTS_ALL ? "all" : "sum",
             o->eigenvalues == ASSAY_EIGENVALUES_EXTREME ? " eigenvalues=extreme" : "");
    metric_describe_net(p, o->batch, what, o->init, text, cap);
}

// What BNs do, and how they are differentiated.
static const char *norm_words(const struct assay_pass *pass)
{
    switch (pass->norms) {
    case ASSAY_NORMS_RUNNING:
        return "running";
    case ASSAY_NORMS_NONE:
        return "none";
    case ASSAY_NORMS_REDUCTIONS:
        return "none, but batch in reduction blocks";
    case ASSAY_NORMS_BATCH:
        break;
    }
    return pass->bn == ASSAY_BN_BATCH ? "batch" : "frozen";
}

static const char *pull_words(enum assay_pull pull)
{
    switch (pull) {
    case ASSAY_PULL_NONE:
        return "";
    case ASSAY_PULL_LOSS:
        return " loss=cross-entropy";
    case ASSAY_PULL_TARGET:
        return " outputs=target";
    default:
        return " outputs=sum";
    }
}

// Returns the labels that any of n passes has.
static enum assay_labels read_labels(const struct assay_pass *pass, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (pass[i].labels != ASSAY_LABELS_NONE) return pass[i].labels;
    return ASSAY_LABELS_NONE;
}

// Says what the first of n passes is, where a metric has no words of its own.
static void describe_pass(const struct assay_pass *pass, uint32_t n, const struct assay_protocol *p,
                          char *text, size_t cap)
{
    static const char *const labels[] = {" labels=true", " labels=random", ""};
    static const char *const input[] = {"", "input=patches ", "input=noise ",
                                        "input=perturbed noise ", "input=ones "};
    char what[256], weighting[64] = "", take[48] = "";
    struct assay_protocol own = *p;
    if (pass->precise) own.precision = ASSAY_DOUBLE;
    if (pass->pull == ASSAY_PULL_WEIGHTS) {
        const int used = snprintf(text, cap, "weights alone init=%s ", assay_init_name(pass->init));
        if (used >= 0 && (size_t)used < cap)
            metric_describe_run(p, text + used, cap - (size_t)used);
        return;
    }
    if (pass->weighting == ASSAY_WEIGHTS_CONSTANT)
        snprintf(weighting, sizeof weighting, " weights=%g", pass->constant);
    else if (pass->weighting == ASSAY_WEIGHTS_ABSOLUTE)
        snprintf(weighting, sizeof weighting, " weights=absolute");
    if (pass->take)
        snprintf(take, sizeof take, "first %llu images ", (unsigned long long)pass->take);
    snprintf(what, sizeof what, "%s%s%s%s%sbn=%s%s%s%s", input[pass->input.kind],
             pass->network == ASSAY_NET_LITERAL ? "network=literal " : "",
             pass->parts > 1 ? "batches=2 halves " : "", take,
             pass->batch == 1 ? "image by image " : "", norm_words(pass), weighting,
             pull_words(pass->pull), labels[read_labels(pass, n)]);
    metric_describe_net(&own, pass->input.n, what, pass->init, text, cap);
}

void assay_metric_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                           size_t cap)
{
    struct assay_pass pass[ASSAY_METRIC_PASSES];
    if (use->metric->describe) {
        use->metric->describe(use, p, text, cap);
        return;
    }
    const uint32_t n = use->metric->passes ? use->metric->passes(use, p, pass) : 0;
    if (n)
        describe_pass(pass, n, p, text, cap);
    else
        snprintf(text, cap, "none");
}

// ---- passes -------------------------------------------------------------------------------------
struct line {
    char *text;
    size_t cap, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(l->text + l->used, l->cap - l->used, format, args);
    va_end(args);
    l->used += n < 0 ? 0 : (size_t)n < l->cap - l->used ? (size_t)n : l->cap - l->used - 1;
}

static void add_input(struct line *l, const struct assay_demand *d, const struct assay_forward *f)
{
    static const char *const of[] = {"image", "patch", "noise image", "perturbed noise image",
                                     "image of ones"},
                             *const many[] = {"images", "patches", "noise images",
                                              "perturbed noise images", "images of ones"};
    const struct assay_input *input = &d->input[f->input].input;
    const uint64_t part = input->n / f->parts, n = f->take && f->take < part ? f->take : part;
    add(l, "%llu %s", (unsigned long long)n, n == 1 ? of[input->kind] : many[input->kind]);
    if (f->parts > 1) add(l, " (part %u of %u)", f->part + 1, f->parts);
    if (input->kind != ASSAY_INPUT_ONES) add(l, " of %s", input->key);
    if (f->batch && f->batch < n) add(l, ", %llu at a time", (unsigned long long)f->batch);
}

static void add_weights(struct line *l, const struct assay_weights *w)
{
    if (w->weighting == ASSAY_WEIGHTS_CONSTANT)
        add(l, ", weights %g", w->constant);
    else
        add(l, ", init %s%s", assay_init_name(w->init),
            w->weighting == ASSAY_WEIGHTS_ABSOLUTE ? ", absolute" : "");
}

// What is looked at, or pulled back through the pass.
static void add_pull(struct line *l, const struct assay_pass *pass, const struct assay_protocol *p)
{
    static const char *const words[] = {"values",  "sum of logits",   "loss",   "target logits",
                                        "rows",    "kernel",          "blocks", "firsts",
                                        "weights", "ends of a kernel"};
    const uint64_t n = pass->parts ? pass->input.n / pass->parts : pass->input.n;
    add(l, "%s", words[pass->pull]);
    if (has_kernel(pass) || pass->pull == ASSAY_PULL_ROWS)
        add(l, " of %llu rows", (unsigned long long)assay_kernel_rows(pass, n, p->classes));
    if (pass->pull != ASSAY_PULL_NONE && pass->bn == ASSAY_BN_FROZEN) add(l, ", BN frozen");
    if (pass->pull != ASSAY_PULL_NONE)
        add(l, " in %s", pass->precise || p->precision == ASSAY_DOUBLE ? "float64" : "float32");
}

// The metrics that share one of the passes.
static void add_users(struct line *l, const struct assay_demand *d, uint32_t pass)
{
    for (uint32_t i = 0; i < d->n_use; i++) {
        bool uses = false;
        for (uint32_t k = 0; k < d->use[i].n_pass; k++) uses |= d->use[i].pass[k] == pass;
        if (uses) add(l, " %s", d->use[i].metric->name);
    }
}

void assay_demand_describe(const struct assay_demand *d, const struct assay_protocol *p,
                           uint32_t forward, char *text, size_t cap)
{
    static const char *const network[] = {"network", "thin network", "literal network"},
                             *const norms[] = {"", ", BN running", ", no BN",
                                               ", BN in reduction blocks"};
    const struct assay_forward *f = &d->forward[forward];
    const struct assay_weights *w = &d->weights[f->weights];
    struct line l = {.text = text, .cap = cap};
    add(&l, "%s, ", network[w->network]);
    add_input(&l, d, f);
    add_weights(&l, w);
    add(&l, "%s", norms[f->norms]);
    for (uint32_t i = 0, n = 0; i < d->n_pass; i++) {
        if (d->pass[i].forward != forward) continue;
        add(&l, n++ ? "; " : " | ");
        add_pull(&l, &d->pass[i].pass, p);
        add(&l, ":");
        add_users(&l, d, i);
    }
}
