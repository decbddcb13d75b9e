/* test_ceremony.c - seeded genesis ceremonies: faults first, then a quorum is up and everybody who is up must finish.
 *
 *     sim_ceremony [--first A] [--count K | --random-base] [--real-signatures] [--twice]
 *
 * Prints `FAILED seed=.. : why` for the first seed that fails and exits 1; else a line with figures. SIM_SEED and
 * SIM_SEEDS are the first seed and the count where no option says so.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/schedule.h"
#include "tests/sim/ceremony_world.h"
#include "tests/sim/fast_sign.h"

enum {
    FAULTS = 40,            /* actions of the first phase */
    PAUSE_MS_MAX = 15000,   /* between two of them */
    FINISH_MS_MAX = 600000, /* for everybody, once a quorum is up; a fifth of the messages may still be lost */
    SKEW_GOOD_MS = 25000,   /* clocks of good validators: any two are within CEREMONY_SKEW_MS_MAX of one another */
    SILENCE_MS = 400000,    /* how long fewer than a quorum is watched */
    LIE_MS_MAX = 3000,
};

struct figures {
    uint64_t steps, finish_ms_max, finish_seed, fingerprint;
};

/* Passes time in pieces, between which liars lie. */
static void pass(struct world *world, uint64_t for_ms)
{
    uint64_t until_ms = world->now_ms + for_ms;
    while (world->now_ms < until_ms && world->failure[0] == '\0') {
        uint64_t piece_ms = 1 + world_random(world, LIE_MS_MAX);
        world_run(world, world->now_ms + piece_ms < until_ms ? world->now_ms + piece_ms : until_ms);
        for (uint32_t i = 0; i < world->validator_count; i++) {
            if (world->nodes[i].liar)
                world_lie(world, i);
        }
    }
}

static uint32_t up_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->validator_count; i++)
        count += world->nodes[i].core != NULL;
    return count;
}

static void choose_world(struct world *world, uint64_t seed)
{
    static const uint32_t sizes[] = {1, 4, 5, 7, 4, 5, 7};
    world_init(world, seed, sizes[seed % 7]);
    for (uint32_t i = 0; i < world->validator_count; i++)
        world->nodes[i].wall_skew_ms = (int64_t)world_random(world, 2 * SKEW_GOOD_MS + 1) - SKEW_GOOD_MS;
    if (world_random(world, 2) == 0) {
        for (uint32_t n = (uint32_t)world_random(world, world->faults_max + 1); n > 0; n--)
            world->nodes[world_random(world, world->validator_count)].liar = true;
    }
    world->loss_percent = (uint32_t)world_random(world, 60);
    world->twice_percent = (uint32_t)world_random(world, 30);
    world->late_percent = (uint32_t)world_random(world, 30);
    world->connections_unnoticed = world_random(world, 3) == 0;
}

static void start_or_stop(struct world *world, uint32_t up_max)
{
    uint32_t i = (uint32_t)world_random(world, world->validator_count);
    struct world_node *node = &world->nodes[i];
    if (node->liar)
        return;
    if (node->core) {
        world_stop(world, i);
        uint64_t disk = world_random(world, 4);
        if (disk == 0)
            node->stored = false; /* a new disk */
        else if (disk == 1)
            node->disk.attestations[0].signature.bytes[world_random(world, SIGN_BYTES)] ^= 1; /* a bad one */
    } else if (up_count(world) < up_max) {
        world_start(world, i);
    }
}

/* Crashes, starts, cuts and other clocks, as many as there are actions; at most up_max validators are up. */
static void faults(struct world *world, uint32_t up_max)
{
    for (uint32_t i = 0; i < FAULTS && world->failure[0] == '\0'; i++) {
        uint64_t action = world_random(world, 8);
        if (action < 5)
            start_or_stop(world, up_max);
        else if (action == 5)
            world->cut ^= UINT64_C(1) << world_random(world, 64);
        else if (action == 6)
            world->cut = 0;
        pass(world, world_random(world, PAUSE_MS_MAX));
    }
}

static uint32_t liar_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->validator_count; i++)
        count += world->nodes[i].liar;
    return count;
}

/* Who stays down for good: as many as may be, or fewer; often the leader of view 1 is among them. */
static uint64_t choose_dead(struct world *world)
{
    uint64_t dead = 0;
    uint32_t may = world->validator_count - world->quorum - liar_count(world);
    struct schedule schedule;
    schedule_genesis(&schedule, &world->genesis);
    for (uint32_t n = (uint32_t)world_random(world, may + 1); n > 0; n--) {
        uint32_t choice = world_random(world, 2) == 0 ? schedule_leader(&schedule, 1)
                                                      : (uint32_t)world_random(world, world->validator_count);
        if (!world->nodes[choice].liar)
            dead |= UINT64_C(1) << choice;
    }
    return dead;
}

static bool all_finished(const struct world *world)
{
    for (uint32_t i = 0; i < world->validator_count; i++) {
        if (world->nodes[i].core && !world->nodes[i].finished)
            return false;
    }
    return true;
}

/* A validator with a clock that nobody believes: it counts for nobody, and is sent the certificate all the same. */
static void spoil_a_clock(struct world *world, uint64_t dead)
{
    uint32_t i = (uint32_t)world_random(world, world->validator_count);
    uint32_t good = world->validator_count - liar_count(world) - (uint32_t)__builtin_popcountll(dead);
    if (world_random(world, 3) != 0 || world->nodes[i].liar || dead >> i & 1 || good <= world->quorum)
        return;
    world->nodes[i].wall_skew_ms = world_random(world, 2) == 0 ? 10 * 365 * 86400000LL : -100000;
}

static void everybody_finishes(struct world *world, struct figures *figures, uint64_t seed)
{
    uint64_t dead = choose_dead(world);
    spoil_a_clock(world, dead);
    world->cut = 0;
    world->late_percent = 0;
    world->loss_percent = (uint32_t)world_random(world, 2) * (uint32_t)world_random(world, 20);
    for (uint32_t i = 0; i < world->validator_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (dead >> i & 1 && node->core)
            world_stop(world, i);
        else if (!(dead >> i & 1) && !node->liar && !node->core)
            world_start(world, i);
    }
    uint64_t healed_ms = world->now_ms;
    while (!all_finished(world) && world->now_ms - healed_ms < FINISH_MS_MAX && world->failure[0] == '\0')
        pass(world, 100);
    for (uint32_t i = 0; i < world->validator_count; i++) {
        if (world->nodes[i].core && !world->nodes[i].finished)
            world_fail(world, "does not finish with a quorum up", i);
    }
    if (world->now_ms - healed_ms > figures->finish_ms_max) {
        figures->finish_ms_max = world->now_ms - healed_ms;
        figures->finish_seed = seed;
    }
    pass(world, 60000); /* and then it is quiet: what is said too often shows */
}

/* Fewer than a quorum, liars among them: nobody may ever finish. */
static void nobody_finishes(struct world *world)
{
    uint32_t up_max = world->quorum - 1 - liar_count(world);
    uint64_t may_be_up = 0;
    while ((uint32_t)__builtin_popcountll(may_be_up) < up_max) {
        uint32_t i = (uint32_t)world_random(world, world->validator_count);
        if (!world->nodes[i].liar)
            may_be_up |= UINT64_C(1) << i;
    }
    for (uint32_t i = 0; i < world->validator_count; i++) {
        if (may_be_up >> i & 1)
            world_start(world, i);
    }
    pass(world, SILENCE_MS);
    for (uint32_t i = 0; i < world->validator_count; i++) {
        if (world->nodes[i].stored)
            world_fail(world, "finished while fewer than a quorum was ever there", i);
    }
}

/* The leader of view 1 is up all the time, the others one after another and not long, so that there never are a quorum
 * within CEREMONY_AGE_MS_MAX, though within the spread of a certificate there are. */
static void one_after_another(struct world *world)
{
    struct schedule schedule;
    schedule_genesis(&schedule, &world->genesis);
    uint32_t leader = schedule_leader(&schedule, 1);
    world->loss_percent = world->late_percent = 0;
    for (uint32_t i = 0; i < world->validator_count; i++) {
        world->nodes[i].liar = false;
        world->nodes[i].wall_skew_ms = 0;
    }
    world_start(world, leader);
    uint32_t others = world->quorum - 1;
    uint64_t pause_ms = (CEREMONY_AGE_MS_MAX + 10000) / (others > 1 ? others - 1 : 1);
    for (uint32_t n = 1; n <= others; n++) {
        uint32_t i = (leader + n) % world->validator_count;
        uint64_t start_ms = world->now_ms;
        world_start(world, i);
        pass(world, 2000);
        world_stop(world, i);
        world_run(world, start_ms + pause_ms);
    }
    for (uint32_t i = 0; i < world->validator_count; i++) {
        if (world->nodes[i].stored)
            world_fail(world, "finished while no quorum was there at one time", i);
    }
}

static void run(uint64_t seed, char failure[static 256], struct figures *figures)
{
    struct world world;
    choose_world(&world, seed);
    if (world.quorum > liar_count(&world) + 1 && world_random(&world, 6) == 0) {
        nobody_finishes(&world);
    } else if (world.validator_count > 1 && world_random(&world, 20) == 0) {
        one_after_another(&world);
    } else {
        bool a_quorum_at_last = world_random(&world, 2) == 0;
        faults(&world, a_quorum_at_last ? world.quorum - 1 : world.validator_count);
        everybody_finishes(&world, figures, seed);
    }
    figures->steps += world.steps;
    figures->fingerprint = world.fingerprint;
    memcpy(failure, world.failure, sizeof world.failure);
    world_deinit(&world);
}

static uint64_t number_or(const char *text, uint64_t otherwise)
{
    return text ? strtoull(text, NULL, 10) : otherwise;
}

struct choice {
    uint64_t first, count;
    bool twice;
};

static int parse(struct choice *choice, int argc, char **argv)
{
    choice->first = number_or(getenv("SIM_SEED"), 1);
    choice->count = number_or(getenv("SIM_SEEDS"), 500);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--twice") == 0) {
            choice->twice = true;
        } else if (strcmp(argv[i], "--real-signatures") == 0) {
            fast_sign_real = true;
        } else if (strcmp(argv[i], "--random-base") == 0) {
            if (!getenv("SIM_SEED"))
                choice->first = 1000000 + randombytes_uniform(2000000000);
        } else if (value && strcmp(argv[i], "--first") == 0) {
            choice->first = number_or(argv[++i], 1);
        } else if (value && strcmp(argv[i], "--count") == 0) {
            choice->count = number_or(argv[++i], 1);
        } else {
            fputs("usage: sim_ceremony [--first A] [--count K] [--random-base] [--real-signatures] [--twice]\n",
                  stderr);
            return 2;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return 2;
    struct choice choice = {0};
    struct figures figures = {0};
    int rc = parse(&choice, argc, argv);
    if (rc != 0)
        return rc;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seeds %" PRIu64 "..%" PRIu64 "\n", choice.first, choice.first + choice.count - 1);
    for (uint64_t seed = choice.first; seed < choice.first + choice.count; seed++) {
        char failure[256];
        run(seed, failure, &figures);
        uint64_t fingerprint = figures.fingerprint;
        if (failure[0] == '\0' && choice.twice)
            run(seed, failure, &figures);
        if (failure[0] == '\0' && figures.fingerprint != fingerprint)
            snprintf(failure, sizeof failure, "the same seed gave another run");
        if (failure[0] != '\0') {
            printf("FAILED seed=%" PRIu64 " : %s\n", seed, failure);
            return 1;
        }
    }
    printf("steps=%" PRIu64 " finish_ms_max=%" PRIu64 " seed=%" PRIu64 "\n", figures.steps, figures.finish_ms_max,
           figures.finish_seed);
    return 0;
}
