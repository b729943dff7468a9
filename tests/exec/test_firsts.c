// SPDX-License-Identifier: Apache-2.0
// The first number of every parameter in the Jacobian with frozen BN is what the whole Jacobian
// has there, to the bit, of random networks on every kernel rung.
#include "random_subject.h"

static bool same(const struct subject *s, const struct run *r)
{
    const struct assay_graph *g = r->folded ? &s->folded : &s->g;
    const uint32_t classes = s->recipe->classes;
    const uint64_t first = s->recipe->seed % s->rows, count = s->rows - first;
    struct bound x = bind(s, r, s->theta, true);
    double *cot = numbers((uint64_t)classes * classes), *all = numbers(count * g->n_theta),
           *firsts = numbers(count * g->n_param);
    struct assay_rng rng;
    bool good = true;
    assay_rng_init(&rng, s->recipe->seed, 0, "test", "cotangent");
    for (uint32_t k = 0; k < classes * classes; k++) cot[k] = assay_rng_normal(&rng);
    assay_exec_jacobian(x.exec, ASSAY_BN_FROZEN, cot, classes, first, count, g->n_theta, all,
                        g->n_theta);
    assay_exec_jacobian_firsts(x.exec, cot, classes, first, count, firsts, g->n_param);
    for (uint64_t i = 0; i < count; i++)
        for (uint32_t p = 0; p < g->n_param; p++)
            good &= firsts[i * g->n_param + p] == all[i * g->n_theta + g->param[p].offset];
    bound_destroy(&x);
    free(cot), free(all), free(firsts);
    return good;
}

int main(void)
{
    uint32_t wrong = 0;
    for (uint64_t i = 0; i < NETWORKS(40, 10); i++) {
        const struct recipe recipe = draw_recipe(1, i);
        struct subject s;
        set_up(&s, &recipe);
        for (int p = ASSAY_SINGLE; p <= ASSAY_DOUBLE; p++) {
            const struct assay_kern *kern;
            for (unsigned k = 0; (kern = rung_at((enum assay_precision)p, k)); k++)
                for (int folded = 0; folded < 2; folded++)
                    wrong += !same(&s, &(struct run){.kern = kern, .folded = folded});
        }
        tear_down(&s);
    }
    printf("%u wrong\n", wrong);
    return wrong > 0;
}
