/* sim_twins.c - Twins: all scenarios of doubled validators up to a number of views, or a sample beyond.
 *
 *     sim_twins --validators N --views V [--quorum Q] [--expect-fork] [--shard I/K] [--index X]
 *     sim_twins --validators N --views V --sample COUNT [--seed S] [--doubled D] [--expect-fork]
 *
 * All: validator 0 is doubled. Each view has a leader (any validator) and a partition in two sides of which at least
 * one has a quorum of keys: a view without one decides nothing. Honest validators are alike and so are the two copies,
 * so scenarios that a renaming turns into one another are run once: under each prefix's own symmetries, the least
 * choice of each orbit. Samples know no such limits: three sides, partitions without quorum, more than one doubled
 * validator.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/genesis.h"
#include "tests/sim/twins.h"

enum {
    SYMMETRIES_MAX = 2 * 120,
    CHOICES_MAX = 1024,
    HONEST_MAX = 5,
    PROGRESS = 100000,
    MMAP_BYTES_MIN = 256 << 10 /* a core is large and mostly untouched: fresh zero pages are cheaper than clearing */
};

/* A renaming: honest validator i + 1 becomes perm[i] + 1; swap: the two copies change places. */
struct symmetry {
    uint8_t perm[HONEST_MAX];
    bool swap;
};

/* One view: its leader, and bit i set: instance i is not on instance 0's side. */
struct choice {
    uint32_t leader, sides;
};

struct search {
    struct twins_scenario scenario;
    uint32_t honest, quorum;
    struct symmetry all[SYMMETRIES_MAX];
    uint32_t symmetry_count;
    struct choice choices[CHOICES_MAX];
    uint32_t choice_count;
    uint64_t index, run, forks, stuck, heights;
    uint64_t shard, shards, only;
    bool expect_fork;
};

static bool failed(const struct search *self)
{
    return self->expect_fork ? false : self->forks + self->stuck > 0;
}

static void add_symmetries(struct search *self, uint8_t *perm, uint32_t at)
{
    if (at == self->honest) {
        for (int swap = 0; swap < 2; swap++) {
            struct symmetry *each = &self->all[self->symmetry_count++];
            memcpy(each->perm, perm, self->honest);
            each->swap = swap != 0;
        }
        return;
    }
    for (uint32_t i = at; i < self->honest; i++) {
        uint8_t held = perm[at];
        perm[at] = perm[i];
        perm[i] = held;
        add_symmetries(self, perm, at + 1);
        perm[i] = perm[at];
        perm[at] = held;
    }
}

/* Instances: 0 and `validators` are the copies, 1 .. honest the others. */
static struct choice renamed(const struct search *self, const struct symmetry *symmetry, struct choice choice)
{
    uint32_t second = self->scenario.validators;
    struct choice out = {.leader = choice.leader ? (uint32_t)symmetry->perm[choice.leader - 1] + 1 : 0};
    for (uint32_t i = 0; i < self->honest; i++)
        out.sides |= ((choice.sides >> (i + 1)) & 1) << (symmetry->perm[i] + 1);
    out.sides |= choice.sides & (1u << second);
    if (symmetry->swap && (choice.sides >> second) & 1) {
        /* The copies stood on different sides: seen from the other one, the honest change theirs. */
        uint32_t honest_bits = ((1u << self->honest) - 1) << 1;
        out.sides ^= honest_bits;
    }
    return out;
}

static uint32_t code(struct choice choice)
{
    return choice.leader << 16 | choice.sides;
}

static bool has_quorum(const struct search *self, uint32_t sides, uint32_t side)
{
    uint32_t second = self->scenario.validators;
    uint32_t keys = side == 0 || (sides >> second & 1) == side ? 1 : 0;
    for (uint32_t i = 1; i <= self->honest; i++)
        keys += (sides >> i & 1) == side ? 1 : 0;
    return keys >= self->quorum;
}

static void prepare(struct search *self)
{
    uint8_t perm[HONEST_MAX] = {0, 1, 2, 3, 4};
    self->honest = self->scenario.validators - 1;
    self->quorum = self->scenario.quorum ? self->scenario.quorum : genesis_quorum(self->scenario.validators);
    add_symmetries(self, perm, 0);
    for (uint32_t leader = 0; leader <= self->honest; leader++) {
        for (uint32_t sides = 0; sides < 2u << self->scenario.validators; sides += 2) {
            if (has_quorum(self, sides, 0) || has_quorum(self, sides, 1))
                self->choices[self->choice_count++] = (struct choice){.leader = leader, .sides = sides};
        }
    }
}

static void print_scenario(const struct twins_scenario *scenario)
{
    for (uint32_t v = 0; v < scenario->views; v++) {
        printf("  view %" PRIu32 ": leader %" PRIu32 ", sides", v + 1, scenario->view[v].leader);
        for (uint32_t i = 0; i < scenario->validators + scenario->doubled; i++)
            printf(" %d", scenario->view[v].side[i]);
        putchar('\n');
    }
}

static void run(struct search *self)
{
    struct twins_result result;
    twins_run(&result, &self->scenario);
    self->run++;
    self->heights += result.heights;
    self->stuck += result.stuck;
    if (result.fork && self->forks++ == 0) {
        printf("a fork, scenario %" PRIu64 ":\n", self->index);
        print_scenario(&self->scenario);
    }
    if (result.stuck && self->stuck == 1) {
        printf("no progress, scenario %" PRIu64 ":\n", self->index);
        print_scenario(&self->scenario);
    }
    if (self->run % PROGRESS == 0)
        printf("%" PRIu64 " scenarios\n", self->run);
}

static void enumerate(struct search *self, uint32_t view, const struct symmetry *symmetries, uint32_t count)
{
    if (view == self->scenario.views) {
        if (self->index % self->shards == self->shard && (self->only == UINT64_MAX || self->only == self->index))
            run(self);
        self->index++;
        return;
    }
    for (uint32_t c = 0; c < self->choice_count && !failed(self); c++) {
        if (self->expect_fork && self->forks > 0)
            return;
        struct choice choice = self->choices[c];
        struct symmetry kept[SYMMETRIES_MAX];
        uint32_t kept_count = 0;
        bool least = true;
        for (uint32_t i = 0; i < count && least; i++) {
            uint32_t image = code(renamed(self, &symmetries[i], choice));
            least = image >= code(choice);
            if (image == code(choice))
                kept[kept_count++] = symmetries[i];
        }
        if (!least)
            continue;
        struct twins_view *of = &self->scenario.view[view];
        of->leader = choice.leader;
        for (uint32_t i = 0; i <= self->scenario.validators; i++)
            of->side[i] = choice.sides >> i & 1;
        enumerate(self, view + 1, kept, kept_count);
    }
}

static uint64_t draw(uint64_t *random, uint64_t count)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % count;
}

static void sample(struct search *self, uint64_t seed, uint64_t count)
{
    struct twins_scenario *scenario = &self->scenario;
    uint32_t views_max = scenario->views;
    uint64_t random = seed;
    for (; self->index < count && !failed(self) && !(self->expect_fork && self->forks > 0); self->index++) {
        scenario->views = 2 + (uint32_t)draw(&random, views_max - 1);
        for (uint32_t v = 0; v < scenario->views; v++) {
            uint64_t sides = 1 + draw(&random, 3);
            /* Leaders that lie more often than not: the others are less of a trial. */
            scenario->view[v].leader =
                (uint32_t)draw(&random, draw(&random, 2) ? scenario->doubled : scenario->validators);
            for (uint32_t i = 0; i < scenario->validators + scenario->doubled; i++)
                scenario->view[v].side[i] = (uint8_t)draw(&random, sides);
        }
        if (self->only == UINT64_MAX || self->only == self->index)
            run(self);
    }
}

static int usage(void)
{
    fputs("usage: sim_twins --validators N --views V [--quorum Q] [--expect-fork] [--shard I/K] [--index X] [--trace]\n"
          "                 [--sample COUNT [--seed S] [--doubled D]]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct search self;
    uint64_t count = 0, seed = randombytes_uniform(1000000000);
    self.scenario = (struct twins_scenario){.validators = 4, .doubled = 1, .views = 3};
    self.shards = 1;
    self.only = UINT64_MAX;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--expect-fork") == 0) {
            self.expect_fork = true;
            continue;
        }
        if (strcmp(argv[i], "--trace") == 0) {
            self.scenario.trace = true;
            continue;
        }
        if (strcmp(argv[i], "--validators") == 0)
            self.scenario.validators = (uint32_t)number;
        else if (strcmp(argv[i], "--views") == 0)
            self.scenario.views = (uint32_t)number;
        else if (strcmp(argv[i], "--quorum") == 0)
            self.scenario.quorum = (uint32_t)number;
        else if (strcmp(argv[i], "--doubled") == 0)
            self.scenario.doubled = (uint32_t)number;
        else if (strcmp(argv[i], "--sample") == 0)
            count = number;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number;
        else if (strcmp(argv[i], "--index") == 0)
            self.only = number;
        else if (strcmp(argv[i], "--shard") != 0 ||
                 sscanf(value, "%" SCNu64 "/%" SCNu64, &self.shard, &self.shards) != 2 || self.shards == 0)
            return usage();
        i++;
    }
    const struct twins_scenario *scenario = &self.scenario;
    uint32_t limit = count ? TWINS_INSTANCES_MAX - scenario->doubled : HONEST_MAX + 1;
    if (sodium_init() < 0 || scenario->validators < 3 || scenario->validators > limit || scenario->doubled < 1 ||
        scenario->doubled * 2 > scenario->validators || scenario->views < 2 || scenario->views > TWINS_VIEWS_MAX ||
        (count == 0 && scenario->doubled != 1))
        return usage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    if (count > 0) {
        printf("seed %" PRIu64 "\n", seed);
        sample(&self, seed, count);
    } else {
        prepare(&self);
        enumerate(&self, 0, self.all, self.symmetry_count);
    }
    printf("twins validators=%" PRIu32 " doubled=%" PRIu32 " quorum=%" PRIu32 " views=%" PRIu32 " choices=%" PRIu32
           " scenarios=%" PRIu64 " run=%" PRIu64 " heights=%" PRIu64 " forks=%" PRIu64 " stuck=%" PRIu64 "\n",
           scenario->validators, scenario->doubled, scenario->quorum, scenario->views, self.choice_count, self.index,
           self.run, self.heights, self.forks, self.stuck);
    if (self.expect_fork)
        return self.forks > 0 ? 0 : 1;
    return self.forks + self.stuck > 0 || self.run == 0 ? 1 : 0;
}
