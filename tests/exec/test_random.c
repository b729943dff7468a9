// SPDX-License-Identifier: Apache-2.0
// Random networks against central differences of the float64 forward pass on its piece.
//
//   test_random [NETWORKS [SEED | new [FIRST]]]
//
// What is differentiated is the reference of forward.h on the literal network, in a random
// direction of every parameter tensor. The executor's Jacobian of every logit must agree on the
// literal network and on the folded one, with batch and frozen BN, on every kernel rung this CPU
// runs and on the widest one's tiles.
//
// How much the backward pass's rounding shows depends on the network. It is measured: the same
// Jacobian with parameters moved by half a unit in an element's last place and cotangents that
// round otherwise is the same but for rounding, while a fault, which is linear in the cotangents,
// stays. Every third network is checked in double, too. A failing one is shrunk and printed.
#include <time.h>

#include "random_subject.h"

#define TOLERANCE 4e-6 // in single precision, of the largest row of a parameter tensor, beside
#define NOISE     12.0 // so many times the rounding that was measured
#define RUNS_MAX  16
#define NOISY     1e-4 // rounding, relative, that makes float32 not enough; of few networks

// ---- verdict ------------------------------------------------------------------------------------
static bool loud;
static double slack = 1; // on all that is allowed
static struct {
    uint32_t networks, ambiguous, singular, noisy, mixes, twins, op[ASSAY_OP_COUNT];
    double largest_noise;
} seen;

static bool complain(const struct run *r, const char *what, const char *name, double is,
                     double allowed)
{
    if (loud)
        printf("  %s of %s: off by %.3g, allowed %.3g (%s, %s network, %s BN)\n", what, name, is,
               allowed, assay_kern_name(r->kern), r->folded ? "folded" : "literal",
               r->bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    return false;
}

static bool check_differences(const struct subject *s, const struct run *r, const double *jac,
                              const double *noise)
{
    struct assay_rng rng;
    double *way = numbers(s->g.n_theta), *want = numbers(s->rows);
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, r->bn, "test", "direction");
    for (uint32_t i = 0; i < s->g.n_param; i++) {
        const struct assay_param *p = &s->g.param[i];
        double length = 0, worst = 0;
        for (uint64_t k = 0; k < p->size; k++) {
            way[k] =
                assay_rng_normal(&rng) * (p->ndim > 1 ? sqrt((double)p->shape[0] / p->size) : 1);
            length += way[k] * way[k];
        }
        length = sqrt(length);
        const double apart =
            derivative(s, r->bn == ASSAY_BN_FROZEN, s->theta + p->offset, way, p->size, want);
        for (uint64_t row = 0; row < s->rows; row++) {
            double is = 0;
            for (uint64_t k = 0; k < p->size; k++)
                is += way[k] * jac[row * s->g.n_theta + p->offset + k];
            if (!(fabs(is - want[row]) <= worst)) worst = fabs(is - want[row]);
        }
        const double allowed =
            length * (TOLERANCE * distance(s, p, jac, NULL) + NOISE * noise[i]) + apart + 1e-9;
        if (!(worst <= slack * allowed))
            good = complain(r, "derivative", assay_graph_param_name(&s->g, i), worst, allowed);
    }
    free(way), free(want);
    return good;
}

// Another run's Jacobian. at_init, folding drops BNs of zero, and the derivative of beta with them.
static bool check_same(const struct subject *s, const struct run *r, const double *jac,
                       const double *want, const double *noise)
{
    bool good = true;
    for (uint32_t i = 0; i < s->g.n_param; i++) {
        const struct assay_param *p = &s->g.param[i];
        bool dropped = r->folded && s->recipe->at_init && p->role == ASSAY_BN_BETA;
        for (uint32_t k = 0; k < s->folded.n_param; k++) dropped &= s->source[k] != i;
        const double off = dropped ? 0 : distance(s, p, jac, want);
        const double allowed =
            fineness(r) * (TOLERANCE * distance(s, p, want, NULL) + 1e-9) + NOISE * noise[i];
        if (!(off <= slack * allowed))
            good = complain(r, "Jacobian", assay_graph_param_name(&s->g, i), off, allowed);
    }
    return good;
}

static bool check_logits(const struct subject *s, const struct run *r, struct assay_exec *x)
{
    const double *want = s->value[s->g.n_node - 1].v, *is = assay_exec_logits(x);
    double off = 0, scale = 1;
    for (uint64_t i = 0; i < s->rows; i++) {
        if (!(fabs(is[i] - want[i]) <= off)) off = fabs(is[i] - want[i]);
        scale = fmax(scale, fabs(want[i]));
    }
    return off <= 1e-10 * scale || complain(r, "forward pass", "logits", off, 1e-10 * scale);
}

// The gradient of a random functional of the logits is its cotangents times the Jacobian.
static bool check_gradient(const struct subject *s, const struct run *r, struct assay_exec *x,
                           const double *jac, const double *noise)
{
    const struct assay_graph *g = r->folded ? &s->folded : &s->g;
    struct assay_rng rng;
    double *cot = numbers(s->rows), *raw = numbers(g->n_theta), *grad = numbers(s->g.n_theta),
           *want = numbers(s->g.n_theta), norm = 0;
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, 0, "test", "cotangent");
    for (uint64_t i = 0; i < s->rows; i++) {
        cot[i] = assay_rng_normal(&rng), norm += fabs(cot[i]);
        for (uint64_t k = 0; k < s->g.n_theta; k++) want[k] += cot[i] * jac[i * s->g.n_theta + k];
    }
    assay_exec_gradient(x, r->bn, cot, raw);
    spread_columns(s, r->folded, raw, 1, grad);
    const struct subject one = {.g = s->g, .rows = 1};
    for (uint32_t i = 0; i < s->g.n_param; i++) {
        const struct assay_param *p = &s->g.param[i];
        const double off = distance(&one, p, grad, want),
                     allowed = fineness(r) * (norm * TOLERANCE * distance(s, p, jac, NULL) + 1e-9) +
                               norm * NOISE * noise[i];
        if (!(off <= slack * allowed))
            good = complain(r, "gradient", assay_graph_param_name(&s->g, i), off, allowed);
    }
    free(cot), free(raw), free(grad), free(want);
    return good;
}

// The signs of the literal network's ReLUs, in its own order.
static bool check_signs(const struct subject *s, struct run run)
{
    const struct run *r = &run;
    uint8_t *relus = calloc(s->g.n_node, 1);
    assay_tap_relus(&s->g, relus);
    run.tap = relus;
    struct bound x = bind(s, r, s->theta, false);
    const size_t words = assay_sign_words(x.graph);
    uint64_t *sign = calloc(s->recipe->batch * words + 1, sizeof *sign);
    struct assay_signs signs;
    const struct assay_taps taps = assay_signs_tap(&signs, x.graph, sign);
    double *own = own_theta(s, r, s->theta);
    assay_exec_set_taps(x.exec, &taps);
    assay_exec_forward(x.exec, own, s->images);
    free(own);
    bool good = check_logits(s, r, x.exec);
    for (uint32_t n = 0; n < s->recipe->batch; n++) {
        size_t bit = 0;
        for (uint32_t i = 0; i < s->g.n_node; i++) {
            const struct tensor *t = &s->value[i];
            const size_t pixels = (size_t)t->c * t->h * t->w;
            for (size_t k = 0; s->g.node[i].op == ASSAY_OP_RELU && k < pixels; k++, bit++) {
                const bool is = sign[n * words + bit / 64] >> bit % 64 & 1;
                if (is != (t->v[n * pixels + k] > 0))
                    good = complain(r, "sign", "a ReLU", (double)bit, 0);
            }
        }
    }
    free(sign), free(relus);
    bound_destroy(&x);
    return good;
}

// Derivatives of a functional of the logits, in units of `scale`, with respect to coefficients.
static void mix_gradient(const struct subject *s, const struct run *r, const double *theta,
                         const double *cot, double scale, double *coef)
{
    struct bound x = bind(s, r, theta, true);
    double *grad = numbers(s->g.n_theta), *scaled = numbers(s->rows);
    for (uint64_t i = 0; i < s->rows; i++) scaled[i] = scale * cot[i];
    assay_exec_mix_gradient(x.exec, scaled, grad, coef);
    for (uint32_t k = 0; k < s->g.n_in; k++) coef[k] /= scale;
    bound_destroy(&x);
    free(grad), free(scaled);
}

// The largest rounding of any.
static double mix_noise(const struct subject *s, const struct run *r, const double *cot,
                        const double *coef)
{
    double *theta = numbers(s->g.n_theta), *other = numbers(s->g.n_in), most = 0;
    for (int i = 0; i < NOISE_DRAWS; i++) {
        move_theta(s, r, (uint64_t)i, theta);
        mix_gradient(s, r, theta, cot, noise_scale[i], other);
        for (uint32_t k = 0; k < s->g.n_in; k++) most = fmax(most, fabs(other[k] - coef[k]));
    }
    free(theta), free(other);
    return most;
}

// fine: a run of double precision, which agrees with r, or NULL.
static bool check_mixes(const struct subject *s, const struct run *r, const struct run *fine)
{
    double *cot = numbers(s->rows), *want = numbers(s->rows), *coef = numbers(s->g.n_in),
           *other = numbers(s->g.n_in), most = 0;
    const double one = 1;
    struct assay_rng rng;
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, 0, "test", "mixes");
    for (uint64_t i = 0; i < s->rows; i++) cot[i] = assay_rng_normal(&rng);
    mix_gradient(s, r, s->theta, cot, 1, coef);
    const double noise = mix_noise(s, r, cot, coef);
    for (uint32_t k = 0; k < s->g.n_in; k++) most = fmax(most, fabs(coef[k]));
    if (fine) mix_gradient(s, fine, s->theta, cot, 1, other);
    for (uint32_t k = 0; fine && k < s->g.n_in; k++)
        good &= fabs(other[k] - coef[k]) <= slack * (TOLERANCE * most + NOISE * noise) ||
                complain(fine, "coefficient's derivative", "a mix", other[k] - coef[k], 0);
    for (uint32_t i = 0; i < s->g.n_node; i++) {
        const struct assay_node *node = &s->g.node[i];
        for (uint32_t k = node->in; node->mix && k < node->in + node->n_in; k++) {
            const double apart = derivative(s, false, &s->g.coef[k], &one, 1, want);
            double sum = 0;
            for (uint64_t row = 0; row < s->rows; row++) sum += cot[row] * want[row];
            const double allowed = TOLERANCE * most + NOISE * noise + 10 * apart + 1e-6;
            if (!(fabs(coef[k] - sum) <= slack * allowed))
                good =
                    complain(r, "coefficient's derivative", "a mix", fabs(coef[k] - sum), allowed);
        }
    }
    free(cot), free(want), free(coef), free(other);
    return good;
}

// Every rung of a precision, the literal network and the folded one. noise: rounding, every run's
// own (a convolution and its BN, folded, round otherwise than apart), or a little of the largest.
struct runs {
    unsigned n;
    struct run run[RUNS_MAX];
    struct bound x[RUNS_MAX];
    double *jac[RUNS_MAX], *noise;
};

static void make_runs(const struct subject *s, enum assay_bn bn, enum assay_precision precision,
                      struct runs *all, bool *noisy)
{
    double scale = 0, most = 0;
    *all = (struct runs){.noise = numbers(s->g.n_param)};
    for (unsigned i = 0; rung_at(precision, i / 2); i = ++all->n) {
        ASSAY_ASSERT(i < RUNS_MAX);
        all->run[i] = (struct run){.kern = rung_at(precision, i / 2), .folded = i % 2, .bn = bn};
        all->x[i] = bind(s, &all->run[i], s->theta, true);
        all->jac[i] = jacobian(s, all->x[i].exec, &all->run[i], 1);
        measure_noise(s, &all->run[i], i, all->jac[i], all->noise);
    }
    for (uint32_t p = 0; p < s->g.n_param; p++)
        scale = fmax(scale, distance(s, &s->g.param[p], all->jac[0], NULL));
    for (uint32_t p = 0; p < s->g.n_param; p++) {
        most = fmax(most, all->noise[p]);
        all->noise[p] = fmax(all->noise[p], 0x1p-22 * fineness(&all->run[0]) * scale);
    }
    seen.largest_noise = fmax(seen.largest_noise, scale > 0 ? most / scale : 0);
    *noisy |= most > NOISY * fineness(&all->run[0]) * scale;
}

// Against the first of them.
static bool check_runs(const struct subject *s, const struct runs *all)
{
    bool good = true;
    for (unsigned i = 0; i < all->n; i++) {
        good &= check_logits(s, &all->run[i], all->x[i].exec);
        good &= check_same(s, &all->run[i], all->jac[i], all->jac[0], all->noise);
        good &= check_gradient(s, &all->run[i], all->x[i].exec, all->jac[i], all->noise);
    }
    return good;
}

static void free_runs(struct runs *all)
{
    for (unsigned i = 0; i < all->n; i++) bound_destroy(&all->x[i]), free(all->jac[i]);
    free(all->noise);
}

static bool check_bn(const struct subject *s, enum assay_bn bn, bool *noisy)
{
    struct runs all, fine = {.n = 0};
    make_runs(s, bn, ASSAY_SINGLE, &all, noisy);
    bool good = check_runs(s, &all);
    if (s->recipe->seed % 3 == 0) {
        make_runs(s, bn, ASSAY_DOUBLE, &fine, noisy);
        good &= check_runs(s, &fine);
        good &= check_same(s, &all.run[0], all.jac[0], fine.jac[0], all.noise);
    }
    if (!is_singular(s)) {
        good &= check_differences(s, &all.run[0], all.jac[0], all.noise);
        if (bn == ASSAY_BN_BATCH) good &= check_mixes(s, &all.run[0], fine.n ? fine.run : NULL);
    }
    free_runs(&all), free_runs(&fine);
    return good;
}

// A node that is read twice by one user.
static bool has_twins(const struct assay_graph *g)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            for (uint32_t j = n->in; j < k; j++) {
                if (g->in[j] == g->in[k]) return true;
            }
        }
    }
    return false;
}

static void count(const struct subject *s, bool ambiguous, bool noisy)
{
    bool mixes = false, op[ASSAY_OP_COUNT] = {false};
    for (uint32_t i = 0; i < s->folded.n_node; i++) {
        mixes |= s->folded.node[i].mix;
        op[s->folded.node[i].op] = true;
    }
    for (uint32_t i = 0; i < ASSAY_OP_COUNT; i++) seen.op[i] += op[i];
    seen.networks++;
    seen.mixes += mixes, seen.twins += has_twins(&s->folded);
    seen.ambiguous += ambiguous, seen.noisy += noisy, seen.singular += is_singular(s);
}

static bool check(const struct recipe *r)
{
    struct subject s;
    set_up(&s, r);
    bool good = true, noisy = false;
    const bool ambiguous = is_ambiguous(&s);
    if (!ambiguous) {
        good = check_signs(&s, (struct run){.kern = rung_at(ASSAY_SINGLE, 0)});
        good &= check_bn(&s, ASSAY_BN_BATCH, &noisy);
        good &= check_bn(&s, ASSAY_BN_FROZEN, &noisy);
    }
    count(&s, ambiguous, noisy);
    tear_down(&s);
    return good;
}

static bool fails(const struct recipe *r)
{
    return !check(r);
}

static void report(const struct recipe *r, uint64_t seed, uint64_t number)
{
    printf("network %llu of seed %llu is wrong; the smallest like it:\n",
           (unsigned long long)number, (unsigned long long)seed);
    slack = 100; // lest rounding takes the place of the fault
    while (slack > 1 && check(r)) slack /= 10;
    const struct recipe least = shrink(*r, fails);
    slack = 1;
    struct subject s;
    set_up(&s, &least);
    assay_graph_print(&s.g, stdout);
    printf("batch %u, %s, scheme %u, BN %u, with affine %u\n", least.batch,
           least.at_init ? "at initialisation" : "BN betas", least.scheme, least.norm[0],
           least.norm[1]);
    tear_down(&s);
    loud = true;
    check(&least);
    loud = false;
}

static bool covers_everything(void)
{
    bool all = seen.mixes > 0 && seen.twins > 0;
    printf("in folded networks:");
    for (uint32_t i = 0; i < ASSAY_OP_COUNT; i++) {
        printf(" %s %u", assay_op_name((enum assay_op)i), seen.op[i]);
        all &= seen.op[i] > 0;
    }
    printf("\n%u networks: %u read a node twice, %u have mixes\n", seen.networks, seen.twins,
           seen.mixes);
    printf("float32 is not enough (over %g of the largest gradient) for %u, at worst %.2g\n", NOISY,
           seen.noisy, seen.largest_noise);
    printf("%u skipped, whose ReLUs or max-pools rounding decides; %u too steep for differences\n",
           seen.ambiguous, seen.singular);
    return all && seen.ambiguous * 10 <= seen.networks && seen.singular * 10 <= seen.networks &&
           seen.noisy * 20 <= seen.networks;
}

int main(int argc, char **argv)
{
    const uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : NETWORKS(300, 75);
    const bool fresh = argc > 2 && strcmp(argv[2], "new") == 0;
    const uint64_t seed = fresh ? (uint64_t)time(NULL) : argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0; // a few, once more
    uint64_t wrong = 0;
    printf("%llu networks of seed %llu\n", (unsigned long long)n, (unsigned long long)seed);
    for (uint64_t i = first; i < first + n && wrong < 5; i++) {
        const struct recipe r = draw_recipe(seed, i);
        if (check(&r)) continue;
        wrong++;
        report(&r, seed, i);
        fflush(stdout);
    }
    const bool covered = covers_everything() || first;
    if (wrong == 0 && !covered) printf("the networks were not what they should be\n");
    printf("%s\n", wrong ? "WRONG" : covered ? "all right" : "NOT COVERED");
    return wrong || !covered;
}
