/* sim_twins.c - Twins: all scenarios of doubled validators up to a number of views, or a sample beyond.
 *
 *     sim_twins --validators N --views V [--quorum Q] [--expect-fork] [--shard I/K | any/K] [--index X] [--twice]
 *     sim_twins --validators N --views V [--quorum Q] --symmetry
 *     sim_twins --validators N --views V --sample COUNT [--seed S] [--doubled D] [--expect-fork]
 *
 * All: validator 0 is doubled; scenarios that a renaming turns into one another are run once (twins_choices.h).
 * Symmetry: every scenario is run, and each must fork or not as the one that stands for it does. Samples know no limits
 * of the enumeration: three sides, partitions without quorum, more than one doubled validator. Twice: each scenario
 * again with cores made anew; nothing may differ.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/genesis.h"
#include "tests/sim/twins.h"
#include "tests/sim/twins_choices.h"
#include "tests/sim/twins_reuse.h"

enum {
    PROGRESS = 100000,
    MEMBERS_MAX = 1 << 24,     /* of all classes, with --symmetry */
    MMAP_BYTES_MIN = 256 << 10 /* a core is large and mostly untouched: fresh zero pages are cheaper than clearing */
};

enum verdict { VERDICT_UNKNOWN, VERDICT_NO_FORK, VERDICT_FORK };

struct search {
    struct twins_scenario scenario;
    struct twins_choices choices;
    struct twins_choice chosen[TWINS_VIEWS_MAX];
    uint64_t index, run, forks, stuck, heights;
    uint64_t shard, shards, only, sample_count, seed;
    bool expect_fork, symmetry, twice;
    /* With --symmetry: what became of each class, at the place of its least member. */
    uint8_t *verdicts;
    uint64_t classes, differences;
};

/* Nothing more to look for? */
static bool done(const struct search *self)
{
    return self->expect_fork ? self->forks > 0 : self->forks + self->stuck + self->differences > 0;
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

/* Made anew instead of used again, a run is the same. */
static void run_anew(struct search *self, const struct twins_result *first)
{
    struct twins_result again;
    twins_reuse_off = true;
    twins_run(&again, &self->scenario);
    twins_reuse_off = false;
    if (again.fork == first->fork && again.stuck == first->stuck && again.heights == first->heights &&
        again.fingerprint == first->fingerprint)
        return;
    self->differences++;
    printf("scenario %" PRIu64 " is another one with cores that are made anew\n", self->index);
}

static bool run(struct search *self)
{
    struct twins_result result;
    twins_run(&result, &self->scenario);
    self->run++;
    self->heights += result.heights;
    self->stuck += result.stuck;
    if (self->twice)
        run_anew(self, &result);
    if (result.fork && self->forks++ == 0 && !self->symmetry) {
        printf("a fork, scenario %" PRIu64 ":\n", self->index);
        print_scenario(&self->scenario);
    }
    if (result.stuck && self->stuck == 1) {
        printf("no progress, scenario %" PRIu64 ":\n", self->index);
        print_scenario(&self->scenario);
    }
    if (self->run % PROGRESS == 0)
        printf("%" PRIu64 " scenarios\n", self->run);
    return result.fork;
}

static void apply_chosen(struct search *self)
{
    for (uint32_t v = 0; v < self->scenario.views; v++)
        twins_choices_apply(&self->choices, self->chosen[v], &self->scenario.view[v]);
}

static void enumerate(struct search *self, uint32_t view, const struct twins_symmetry *symmetries, uint32_t count)
{
    if (view == self->scenario.views) {
        apply_chosen(self);
        if (self->index % self->shards == self->shard && (self->only == UINT64_MAX || self->only == self->index))
            run(self);
        self->index++;
        return;
    }
    for (uint32_t c = 0; c < self->choices.choice_count && !done(self); c++) {
        struct twins_symmetry kept[TWINS_SYMMETRIES_MAX];
        uint32_t kept_count = 0;
        self->chosen[view] = self->choices.choices[c];
        if (twins_choices_least(&self->choices, self->chosen[view], symmetries, count, kept, &kept_count))
            enumerate(self, view + 1, kept, kept_count);
    }
}

static uint64_t choice_number(const struct twins_choices *choices, struct twins_choice choice)
{
    uint64_t number = 0;
    while (choices->choices[number].leader != choice.leader || choices->choices[number].sides != choice.sides)
        number++;
    return number;
}

/* Choices are numbered as they are compared, so the least member of a class comes first of its members. */
static void run_member(struct search *self)
{
    struct twins_choice least[TWINS_VIEWS_MAX];
    memcpy(least, self->chosen, sizeof least);
    twins_choices_to_least(&self->choices, least, self->scenario.views);
    uint64_t place = 0;
    for (uint32_t v = 0; v < self->scenario.views; v++)
        place = place * self->choices.choice_count + choice_number(&self->choices, least[v]);
    apply_chosen(self);
    uint8_t verdict = run(self) ? VERDICT_FORK : VERDICT_NO_FORK;
    self->classes += self->verdicts[place] == VERDICT_UNKNOWN;
    if (self->verdicts[place] == VERDICT_UNKNOWN)
        self->verdicts[place] = verdict;
    if (self->verdicts[place] != verdict && self->differences++ == 0) {
        printf("scenario %" PRIu64 " is not as the one that stands for it:\n", self->index);
        print_scenario(&self->scenario);
    }
    self->index++;
}

static void run_members(struct search *self, uint32_t view)
{
    if (view == self->scenario.views) {
        run_member(self);
        return;
    }
    for (uint32_t c = 0; c < self->choices.choice_count; c++) {
        self->chosen[view] = self->choices.choices[c];
        run_members(self, view + 1);
    }
}

static int check_symmetry(struct search *self)
{
    uint64_t members = 1;
    for (uint32_t v = 0; v < self->scenario.views; v++)
        members *= self->choices.choice_count;
    self->verdicts = members <= MEMBERS_MAX ? calloc(members, 1) : NULL;
    if (!self->verdicts)
        return 2;
    run_members(self, 0);
    free(self->verdicts);
    /* The other way to the same number: the enumeration that takes the least members alone. */
    struct search counted = *self;
    counted.index = counted.forks = counted.stuck = counted.differences = 0;
    counted.shard = 1;
    counted.shards = UINT64_MAX;
    enumerate(&counted, 0, self->choices.symmetries, self->choices.symmetry_count);
    printf("symmetry validators=%" PRIu32 " quorum=%" PRIu32 " views=%" PRIu32 " members=%" PRIu64 " forks=%" PRIu64
           " classes=%" PRIu64 " enumerated=%" PRIu64 " differences=%" PRIu64 "\n",
           self->scenario.validators, self->choices.quorum, self->scenario.views, self->index, self->forks,
           self->classes, counted.index, self->differences);
    return self->differences == 0 && self->classes == counted.index && self->run > 0 ? 0 : 1;
}

static uint64_t draw(uint64_t *random, uint64_t count)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % count;
}

static void sample(struct search *self)
{
    struct twins_scenario *scenario = &self->scenario;
    uint32_t views_max = scenario->views;
    uint64_t random = self->seed;
    for (; self->index < self->sample_count && !done(self); self->index++) {
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
    scenario->views = views_max;
}

static int usage(void)
{
    fputs("usage: sim_twins --validators N --views V [--quorum Q] [--expect-fork] [--shard I/K | any/K] [--index X]\n"
          "                 [--trace] [--twice] [--symmetry | --sample COUNT [--seed S] [--doubled D]]\n",
          stderr);
    return 2;
}

static bool parse_flag(struct search *self, const char *word)
{
    bool *flags[] = {&self->expect_fork, &self->scenario.trace, &self->symmetry, &self->twice};
    static const char *const names[] = {"--expect-fork", "--trace", "--symmetry", "--twice"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            *flags[i] = true;
            return true;
        }
    }
    return false;
}

/* I/K: scenarios I, I + K, I + 2 K, ..; any/K: one that is drawn. */
static bool parse_shard(struct search *self, const char *value)
{
    if (sscanf(value, "any/%" SCNu64, &self->shards) != 1)
        return sscanf(value, "%" SCNu64 "/%" SCNu64, &self->shard, &self->shards) == 2 && self->shards > 0;
    if (self->shards == 0 || self->shards > UINT32_MAX)
        return false;
    self->shard = randombytes_uniform((uint32_t)self->shards);
    printf("shard %" PRIu64 "/%" PRIu64 "\n", self->shard, self->shards);
    return true;
}

static bool parse_number(struct search *self, const char *word, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(word, "--validators") == 0)
        self->scenario.validators = (uint32_t)number;
    else if (strcmp(word, "--views") == 0)
        self->scenario.views = (uint32_t)number;
    else if (strcmp(word, "--quorum") == 0)
        self->scenario.quorum = (uint32_t)number;
    else if (strcmp(word, "--doubled") == 0)
        self->scenario.doubled = (uint32_t)number;
    else if (strcmp(word, "--sample") == 0)
        self->sample_count = number;
    else if (strcmp(word, "--seed") == 0)
        self->seed = number;
    else if (strcmp(word, "--index") == 0)
        self->only = number;
    else
        return strcmp(word, "--shard") == 0 && parse_shard(self, value);
    return true;
}

static bool parse(struct search *self, int argc, char **argv)
{
    self->scenario = (struct twins_scenario){.validators = 4, .doubled = 1, .views = 3};
    self->shards = 1;
    self->only = UINT64_MAX;
    self->seed = randombytes_uniform(1000000000);
    for (int i = 1; i < argc; i++) {
        if (parse_flag(self, argv[i]))
            continue;
        if (i + 1 == argc || !parse_number(self, argv[i], argv[i + 1]))
            return false;
        i++;
    }
    const struct twins_scenario *scenario = &self->scenario;
    uint32_t limit = self->sample_count ? TWINS_INSTANCES_MAX - scenario->doubled : TWINS_HONEST_MAX + 1;
    return scenario->validators >= 3 && scenario->validators <= limit && scenario->doubled >= 1 &&
           scenario->doubled * 2 <= scenario->validators && scenario->views >= 2 &&
           scenario->views <= TWINS_VIEWS_MAX && (self->sample_count > 0 || scenario->doubled == 1);
}

int main(int argc, char **argv)
{
    static struct search self;
    if (sodium_init() < 0 || !parse(&self, argc, argv))
        return usage();
    const struct twins_scenario *scenario = &self.scenario;
    uint32_t quorum = scenario->quorum ? scenario->quorum : genesis_quorum(scenario->validators);
    setvbuf(stdout, NULL, _IOLBF, 0);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    if (self.sample_count > 0) {
        printf("seed %" PRIu64 "\n", self.seed);
        sample(&self);
    } else {
        twins_choices_init(&self.choices, scenario->validators, quorum);
        if (self.symmetry)
            return check_symmetry(&self);
        enumerate(&self, 0, self.choices.symmetries, self.choices.symmetry_count);
    }
    printf("twins validators=%" PRIu32 " doubled=%" PRIu32 " quorum=%" PRIu32 " views=%" PRIu32 " choices=%" PRIu32
           " scenarios=%" PRIu64 " run=%" PRIu64 " heights=%" PRIu64 " forks=%" PRIu64 " stuck=%" PRIu64 "\n",
           scenario->validators, scenario->doubled, quorum, scenario->views, self.choices.choice_count, self.index,
           self.run, self.heights, self.forks, self.stuck);
    if (self.differences > 0)
        return 1;
    if (self.expect_fork)
        return self.forks > 0 ? 0 : 1;
    return self.forks + self.stuck > 0 || self.run == 0 ? 1 : 0;
}
