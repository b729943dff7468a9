// SPDX-License-Identifier: Apache-2.0
// What taps show of random networks: values against the reference's, gradients at every node
// against central differences of the float64 forward pass on its piece, parameters' image by image
// against sums over both, what convolutions pull back against the gradient that is its sum, and
// products of images against those of what is shown of them, on
// every kernel rung, with batch and frozen BN, and from plans of single gradients. That someone
// looks on changes no bit of the gradient.
//
//   test_taps [NETWORKS [SEED]]
#include "shown.h"

#define EVERYTHING                                                                                 \
    (ASSAY_TAP_VALUE | ASSAY_TAP_GRADIENT | ASSAY_TAP_KEPT | ASSAY_TAP_LAYER | ASSAY_TAP_PULLED |  \
     ASSAY_TAP_PRODUCTS)
#define TOLERANCE 4e-6 // of a node's largest gradient, beside
#define NOISE     12.0 // so many times the rounding that was measured

// ---- verdict ------------------------------------------------------------------------------------
static struct {
    uint32_t networks, skipped, compared, replaced, pulled, op[ASSAY_OP_COUNT];
    uint64_t contributions, products;
} seen;

static bool complain(const struct run *r, const char *what, uint32_t node, double is,
                     double allowed)
{
    printf("  %s of node %u: off by %.3g, allowed %.3g (%s, %s network, %s BN)\n", what, node, is,
           allowed, assay_kern_name(r->kern), r->folded ? "folded" : "literal",
           r->bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    return false;
}

static size_t size_of(const struct subject *s, const struct assay_graph *g, uint32_t node)
{
    const struct assay_node *n = &g->node[node];
    return (size_t)s->recipe->batch * n->c * n->h * n->w;
}

static bool check_values(const struct subject *s, const struct run *r, const struct shown *shown)
{
    bool good = !shown->twice || complain(r, "one gradient too many", 0, 1, 0);
    for (uint32_t i = 0; i < s->g.n_node; i++) {
        double off = 0, kept = 0, most = 1;
        for (size_t k = 0; k < size_of(s, &s->g, i); k++) {
            const double want = s->value[i].v[k];
            off = fmax(off, fabs(shown->value[i][k] - want));
            most = fmax(most, fabs(want));
            if (shown->kept[i] && !(fabs(shown->kept[i][k] - want) <= kept))
                kept = fabs(shown->kept[i][k] - want);
        }
        if (!(off <= 1e-10 * most)) good = complain(r, "value", i, off, 1e-10 * most);
        const double allowed = fmax(2e-7 * fineness(r), 1e-10) * most;
        if (!(kept <= allowed)) good = complain(r, "kept value", i, kept, allowed);
    }
    return good;
}

// Entry q (input channel, row, column of the kernel) of output channel o, of image i: the sum of
// the gradient at the output times the input that it saw; *size: of the terms.
static double outer(const struct assay_graph *g, const struct assay_node *n, const double *gradient,
                    const double *input, uint32_t o, uint32_t q, double *size)
{
    const struct assay_node *in = &g->node[g->in[n->in]];
    const bool linear = n->op == ASSAY_OP_LINEAR;
    const uint32_t kernel = linear ? 1 : assay_graph_kernel_w(n), rows = linear ? 1 : n->kernel,
                   groups = linear ? 1 : n->groups,
                   c = o / (n->c / groups) * (in->c / groups) + q / (rows * kernel);
    const int64_t stride = linear ? 1 : n->stride, pad = linear ? 0 : n->pad,
                  ky = q / kernel % rows * n->dilation, kx = q % kernel * n->dilation;
    double sum = *size = 0;
    for (uint32_t p = 0; p < n->h * n->w; p++) {
        const int64_t sy = p / n->w * stride + ky - pad, sx = p % n->w * stride + kx - pad;
        if (sy < 0 || sx < 0 || sy >= in->h || sx >= in->w) continue;
        const double term = gradient[(size_t)o * n->h * n->w + p] *
                            input[((size_t)c * in->h + (size_t)sy) * in->w + (size_t)sx];
        sum += term, *size += fabs(term);
    }
    return sum;
}

// What an image adds to the gradient of a layer's parameter, by loops over what else is shown.
static double contribution(const struct shown *shown, const struct assay_param *p, uint64_t image,
                           uint64_t k, double *size)
{
    const struct assay_graph *g = shown->g;
    const struct assay_node *n = &g->node[p->node];
    const uint32_t from = g->in[n->in], q = (uint32_t)(p->size / n->c);
    const size_t pixels = (size_t)g->node[from].c * g->node[from].h * g->node[from].w;
    const double *gradient = shown->gradient[p->node] + image * n->c * n->h * n->w;
    if (p->role == ASSAY_LINEAR_BIAS || p->role == ASSAY_CONV_BIAS) {
        double sum = *size = 0;
        for (uint32_t i = 0; i < n->h * n->w; i++) {
            sum += gradient[k * n->h * n->w + i];
            *size += fabs(gradient[k * n->h * n->w + i]);
        }
        return sum;
    }
    return outer(g, n, gradient, shown->value[from] + image * pixels, (uint32_t)(k / q),
                 (uint32_t)(k % q), size);
}

static bool check_layers(const struct subject *s, const struct run *r, const struct shown *shown)
{
    bool good = true;
    for (uint32_t i = 0; i < shown->g->n_param; i++) {
        const struct assay_param *p = &shown->g->param[i];
        const uint8_t op = shown->g->node[p->node].op;
        double off = 0, most = 0;
        if (op != ASSAY_OP_CONV && op != ASSAY_OP_LINEAR) continue;
        if (!shown->layer[i] != !shown->gradient[p->node])
            return complain(r, "a parameter", p->node, 1, 0);
        for (uint64_t k = 0; shown->layer[i] && k < p->size * s->recipe->batch; k++) {
            double size;
            const double want = contribution(shown, p, k / p->size, k % p->size, &size);
            off = fmax(off, fabs(shown->layer[i][k] - want));
            most = fmax(most, size);
            seen.contributions++;
        }
        if (!(off <= 2e-6 * most)) good = complain(r, "parameter", p->node, off, 2e-6 * most);
    }
    return good;
}

// Returns what convolutions pull back of a node, or NULL where something else does, too.
static double *sum_pulled(const struct subject *s, const struct shown *shown, uint32_t node)
{
    const struct assay_graph *g = &s->g;
    const size_t size = size_of(s, g, node);
    double *sum = numbers(size);
    uint32_t readers = 0;
    for (uint32_t i = node + 1; i < g->n_node; i++) {
        for (uint32_t k = 0; k < g->node[i].n_in; k++) {
            if (g->in[g->node[i].in + k] != node) continue;
            readers++;
            if (g->node[i].op != ASSAY_OP_CONV) readers = UINT32_MAX / 2;
            for (size_t p = 0; shown->pulled[i] && p < size; p++) sum[p] += shown->pulled[i][p];
        }
    }
    if (readers > 0 && readers < UINT32_MAX / 2) return sum;
    free(sum);
    return NULL;
}

static bool check_pulled(const struct subject *s, const struct run *r, const struct shown *shown)
{
    bool good = true;
    for (uint32_t node = 0; node < s->g.n_node; node++) {
        double *sum = shown->gradient[node] ? sum_pulled(s, shown, node) : NULL, most = 0, off = 0;
        const bool relu = s->g.node[node].op == ASSAY_OP_RELU;
        for (size_t k = 0; sum && k < size_of(s, &s->g, node); k++) {
            const bool passed = !relu || shown->value[node][k] > 0;
            const double want = passed ? shown->gradient[node][k] : 0;
            most = fmax(most, fabs(shown->gradient[node][k]));
            off = fmax(off, fabs(sum[k] - want));
        }
        if (!(off <= TOLERANCE * most))
            good = complain(r, "what is pulled back", node, off, TOLERANCE * most);
        seen.pulled += sum != NULL;
        free(sum);
    }
    return good;
}

// v: (n, units). Sums and products of the images' numbers less their first ones.
static bool check_product(const struct subject *s, const struct run *r, uint32_t node,
                          const double *products, const double *v, size_t units)
{
    const size_t n = s->recipe->batch;
    double off = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        const double *a = v + i * units;
        for (size_t j = 0; j <= i + 1; j++) { // the last one is the sum
            const double *b = v + (j <= i ? j : 0) * units;
            double want = 0, size = 0;
            for (size_t k = 0; k < units; k++) {
                const double term = (a[k] - a[0]) * (j <= i ? b[k] - b[0] : 1);
                want += term, size += fabs(term);
            }
            off = fmax(off, fabs(products[j <= i ? i * n + j : n * n + i] - want));
            most = fmax(most, size);
        }
    }
    seen.products++;
    return off <= TOLERANCE * most || complain(r, "a product", node, off, TOLERANCE * most);
}

static bool check_products(const struct subject *s, const struct run *r, const struct shown *shown)
{
    const struct assay_graph *g = shown->g;
    bool good = true;
    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int pulled = 0; pulled < 2; pulled++) {
            const double *products = shown->products[pulled][i],
                         *v = pulled ? shown->pulled[i] : shown->gradient[i];
            const uint32_t of = pulled ? g->in[g->node[i].in] : i;
            if (pulled && r->bn == ASSAY_BN_BATCH && !products != !v)
                return complain(r, "products", i, 1, 0);
            if (products)
                good &= check_product(s, r, i, products, v, size_of(s, g, of) / s->recipe->batch);
        }
    }
    return good;
}

static bool check_differences(const struct subject *s, const struct run *r, const double *cot,
                              const struct shown *shown, const struct shown *moved)
{
    struct assay_rng rng;
    double *want = numbers(s->rows), norm = 0;
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, 3, "test", "way");
    for (uint64_t i = 0; i < s->rows; i++) norm += fabs(cot[i]);
    for (uint32_t node = 0; node < s->g.n_node; node++) {
        const size_t size = size_of(s, &s->g, node);
        double *way = numbers(size), length = 0, is = 0, most = 0, noise = 0, sum = 0;
        for (size_t k = 0; k < size; k++) {
            way[k] = assay_rng_normal(&rng), length += way[k] * way[k];
            if (!shown->gradient[node]) continue;
            is += way[k] * shown->gradient[node][k];
            most += pow(shown->gradient[node][k], 2);
            noise += pow(shown->gradient[node][k] - moved->gradient[node][k], 2);
        }
        const double apart = node_derivative(s, r->bn == ASSAY_BN_FROZEN, node, way, want);
        for (uint64_t i = 0; i < s->rows; i++) sum += cot[i] * want[i];
        const double allowed =
            sqrt(length) * (TOLERANCE * fineness(r) * sqrt(most) + NOISE * sqrt(noise)) +
            10 * norm * apart + 1e-6 * norm;
        if (!(fabs(is - sum) <= allowed))
            good = complain(r, "gradient", node, fabs(is - sum), allowed);
        seen.compared++, seen.op[s->g.node[node].op] += shown->gradient[node] != NULL;
        free(way);
    }
    free(want);
    return good;
}

// What the gradient changes by along `way` of all parameters where node's own is given: <given -
// own, d value of the node>.
static double replaced_change(const struct subject *s, bool frozen, uint32_t node,
                              const double *way, const double *more, double h)
{
    const size_t n = size_of(s, &s->g, node);
    double *theta = numbers(s->g.n_theta), sum = 0;
    for (int side = -1; side <= 1; side += 2) {
        for (uint64_t k = 0; k < s->g.n_theta; k++) theta[k] = s->theta[k] + side * h * way[k];
        struct tensor *value = forward_values(&s->g, &(struct pass){.n = s->recipe->batch,
                                                                    .theta = theta,
                                                                    .input = s->images,
                                                                    .held = s->value,
                                                                    .frozen = frozen,
                                                                    .norm = s->recipe->norm});
        for (size_t k = 0; k < n; k++) sum += side * more[k] * value[node].v[k];
        free_values(&s->g, value);
    }
    free(theta);
    return sum / (2 * h);
}

// Each fifth node in turn.
static bool check_replaced(const struct subject *s, struct run r, const double *cot)
{
    struct assay_rng rng;
    double *way = numbers(s->g.n_theta);
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, 4, "test", "way");
    for (uint64_t k = 0; k < s->g.n_theta; k++) way[k] = assay_rng_normal(&rng);
    for (uint32_t node = s->recipe->seed % 5; node + 1 < s->g.n_node; node += 5) {
        const size_t n = size_of(s, &s->g, node);
        uint8_t *tap = calloc(s->g.n_node, 1);
        double *given = numbers(n), is = 0, scale = 0;
        tap[node] = ASSAY_TAP_VALUE | ASSAY_TAP_GRADIENT | ASSAY_TAP_REPLACED;
        r.tap = tap;
        struct shown own = {0}, other = {.given = given};
        for (size_t k = 0; k < n; k++) given[k] = assay_rng_normal(&rng);
        double *plain = look(s, &r, s->theta, cot, &own),
               *replaced = look(s, &r, s->theta, cot, &other);
        for (size_t k = 0; k < n; k++) {
            const double v = s->value[node].v[k], off = fabs(own.value[node][k] - v);
            if (v > -INFINITY && !(off <= 1e-8 * (1 + fabs(v)))) // where a max-pool is padded
                good = complain(&r, "value shown alone", node, off, 0);
        }
        for (size_t k = 0; own.gradient[node] && k < n; k++) given[k] -= own.gradient[node][k];
        for (uint64_t k = 0; k < s->g.n_theta; k++) {
            is += way[k] * (replaced[k] - plain[k]);
            scale += fabs(way[k] * (fabs(replaced[k]) + fabs(plain[k])));
        }
        double want = 0, apart = 0;
        if (own.gradient[node]) {
            want = replaced_change(s, r.bn == ASSAY_BN_FROZEN, node, way, given, 1e-6);
            apart =
                fabs(want - replaced_change(s, r.bn == ASSAY_BN_FROZEN, node, way, given, 4e-6));
        }
        const double allowed = 1e-4 * scale + 4 * apart + 1e-6;
        if (!(fabs(is - want) <= allowed))
            good = complain(&r, "replaced gradient", node, fabs(is - want), allowed);
        seen.replaced += own.gradient[node] && fabs(want) > 100 * allowed;
        forget(&own), forget(&other);
        free(tap), free(given), free(plain), free(replaced);
    }
    free(way);
    return good;
}

static bool check_bits(const struct subject *s, struct run r, const double *cot)
{
    const struct assay_graph *g = r.folded ? &s->folded : &s->g;
    uint8_t *tap = calloc(g->n_node, 1);
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].op != ASSAY_OP_RELU) tap[i] = EVERYTHING;
    }
    struct shown shown;
    double *plain = look(s, &r, s->theta, cot, NULL);
    r.tap = tap;
    double *tapped = look(s, &r, s->theta, cot, &shown);
    const bool same = memcmp(plain, tapped, g->n_theta * sizeof *plain) == 0;
    forget(&shown);
    free(plain), free(tapped), free(tap);
    return same || complain(&r, "bits", 0, 1, 0);
}

static bool check_rung(const struct subject *s, const struct assay_kern *kern, enum assay_bn bn,
                       bool single, const double *cot)
{
    uint8_t *tap = malloc(s->g.n_node);
    memset(tap, EVERYTHING, s->g.n_node);
    const struct run r = {.kern = kern, .bn = bn, .tap = tap, .single = single};
    double *theta = numbers(s->g.n_theta);
    struct shown shown, moved;
    move_theta(s, &r, 0, theta);
    free(look(s, &r, s->theta, cot, &shown));
    free(look(s, &r, theta, cot, &moved));
    bool good = check_values(s, &r, &shown);
    good &= check_layers(s, &r, &shown);
    good &= check_pulled(s, &r, &shown);
    good &= check_products(s, &r, &shown);
    if (!is_singular(s))
        good &= check_differences(s, &r, cot, &shown, &moved) && check_replaced(s, r, cot);
    for (int folded = 0; folded < 2; folded++)
        good &= check_bits(
            s, (struct run){.kern = kern, .bn = bn, .folded = folded, .single = single}, cot);
    forget(&shown), forget(&moved);
    free(theta), free(tap);
    return good;
}

static bool check(const struct recipe *recipe)
{
    struct subject s;
    struct assay_rng rng;
    bool good = true;
    set_up(&s, recipe);
    double *cot = numbers(s.rows);
    assay_rng_init(&rng, recipe->seed, 0, "test", "cotangent");
    for (uint64_t i = 0; i < s.rows; i++) cot[i] = assay_rng_normal(&rng);
    const bool ambiguous = is_ambiguous(&s);
    seen.networks++, seen.skipped += ambiguous;
    for (unsigned k = 0; !ambiguous && k < 3; k++) {
        const enum assay_bn bn = k == 1 ? ASSAY_BN_FROZEN : ASSAY_BN_BATCH;
        const struct assay_kern *kern;
        for (unsigned i = 0; (kern = rung_at(ASSAY_SINGLE, i)); i++) {
            if (k < 2 || kern->packed != kern) good &= check_rung(&s, kern, bn, k == 2, cot);
        }
        if (recipe->seed % 3 == 0)
            good &= check_rung(&s, rung_at(ASSAY_DOUBLE, 0), bn, k == 2, cot);
    }
    if (!good) assay_graph_print(&s.g, stdout);
    free(cot);
    tear_down(&s);
    return good;
}

int main(int argc, char **argv)
{
    const uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : NETWORKS(12, 6),
                   seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 28;
    uint32_t wrong = 0;
    for (uint64_t i = 0; i < n && wrong < 5; i++) {
        const struct recipe r = draw_recipe(seed, i);
        if (check(&r)) continue;
        printf("network %llu of seed %llu is wrong\n", (unsigned long long)i,
               (unsigned long long)seed);
        wrong++;
    }
    bool covered = seen.skipped * 5 <= seen.networks && seen.contributions > 0 && seen.pulled > 0 &&
                   seen.products > seen.networks;
    printf("gradients shown, by operation:");
    for (uint32_t i = 0; i < ASSAY_OP_COUNT; i++) {
        printf(" %s %u", assay_op_name((enum assay_op)i), seen.op[i]);
        covered &= seen.op[i] > 0 || i == ASSAY_OP_ZERO || i > ASSAY_OP_LINEAR;
    }
    covered &= seen.replaced * 10 > seen.networks;
    printf("\n%u networks, %u skipped, %u nodes, %u replaced: %s\n", seen.networks, seen.skipped,
           seen.compared, seen.replaced,
           wrong     ? "WRONG"
           : covered ? "all right"
                     : "NOT COVERED");
    return wrong || !covered;
}
