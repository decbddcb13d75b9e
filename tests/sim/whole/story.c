/* story.c - the faults of a seed. Each seed draws which kinds it has at all, how often, and how bad. */
#include "tests/sim/whole/story.h"

#include <stdio.h>

#include "tests/sim/whole/events.h"
#include "tests/sim/whole/liar.h"
#include "tests/sim/whole/reader.h"
#include "tests/sim/whole/world.h"

enum { ACTIONS = 70, STEP_MS = 10, RESTART_PPM = 100000, AWAY_MS_MAX = 4000 };

static uint32_t any(void)
{
    return (uint32_t)world_below(world.n);
}

static struct process *any_process(void)
{
    struct validator *validator = &world.validators[any()];
    return &validator->stages[world_below(STAGE_COUNT)];
}

static void for_all(uint32_t validator, void (*act)(struct process *process))
{
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        act(&world.validators[validator].stages[stage]);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void some_events(void)
{
    for (uint64_t count = 1 + world_below(12); count > 0; count--)
        events_good();
}

static void many_events(void)
{
    for (int i = 0; i < 100; i++)
        events_good();
}

static void odd_events(void)
{
    for (uint64_t count = 1 + world_below(4); count > 0; count--) {
        static void (*const kinds[])(void) = {events_copy, events_nonce_pair, events_id_pair, events_bad};
        kinds[world_below(ARRAY_COUNT(kinds))]();
    }
}

/* So many that a block has both of many pairs. */
static void rival_events(void)
{
    for (int i = 0; i < 8; i++) {
        events_nonce_pair();
        events_id_pair();
    }
}

/* --- faults of processes ------------------------------------------------------------------------------------------ */

static void kill_one(void)
{
    process_kill(any_process());
}

static void kill_at_a_step(void)
{
    struct process *process = any_process();
    process->crash_armed = process_is_up(process);
    process->crash_countdown = (uint32_t)world_below(60);
}

static void kill_and_start(void)
{
    struct process *process = any_process();
    process_kill(process);
    world_run(world_below(50) * WORLD_MS);
    process_start(process);
}

/* All at once; executord is there, is away for long, or goes and comes back meanwhile. */
static void many_questions(void)
{
    struct validator *validator = &world.validators[any()];
    struct process *executord = &validator->stages[STAGE_EXECUTORD];
    uint64_t how = world_below(3);
    if (how == 1)
        process_kill(executord);
    reader_flood(&validator->stages[STAGE_APID]);
    if (how == 1)
        world_run(world_below(AWAY_MS_MAX) * WORLD_MS);
    if (how != 2)
        return;
    world_run(world_below(READER_FLOOD_MS) * WORLD_MS);
    process_kill(executord);
    world_run(world_below(READER_FLOOD_MS) * WORLD_MS);
    process_start(executord);
}

static void stop_one(void)
{
    process_stop(any_process());
}

static void stop_and_start(void)
{
    struct process *process = any_process();
    process_stop(process);
    world_run(world_below(50) * WORLD_MS);
    process_start(process);
}

static bool switched_off[VALIDATORS_MAX]; /* nobody starts its processes again */

static void kill_validator(void)
{
    uint32_t one = any();
    for_all(one, process_kill);
    switched_off[one] = true;
}

/* What is down comes back after a while, as a supervisor has it. */
static void supervise(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        for (int stage = 0; stage < STAGE_COUNT && !switched_off[i]; stage++) {
            if (world_chance(RESTART_PPM))
                process_start(&world.validators[i].stages[stage]);
        }
    }
}

static void start_all(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        switched_off[i] = false;
        for_all(i, process_start);
    }
}

/* Of all at once the disks tell what happened. */
static void power_failure(void)
{
    bool all = world_below(4) == 0;
    uint32_t one = any();
    for (uint32_t i = 0; i < world.n; i++) {
        if (!all && i != one)
            continue;
        for_all(i, process_kill);
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            disk_lag(world.validators[i].stages[stage].disks);
    }
    world_run(world_below(200) * WORLD_MS);
    start_all();
}

static void start_validator(void)
{
    uint32_t one = any();
    switched_off[one] = false;
    for_all(one, process_start);
}

/* --- faults around them ------------------------------------------------------------------------------------------- */

static void cut_link(void)
{
    uint32_t a = any(), b = any();
    world.links[a][b].cut = a != b; /* stages of one validator are on one machine */
    world.links[b][a].cut |= a != b && world_below(2) == 0;
}

static void partition(void)
{
    uint64_t side = world_below(UINT64_C(1) << world.n);
    for (uint32_t a = 0; a < world.n; a++) {
        for (uint32_t b = 0; b < world.n; b++)
            world.links[a][b].cut = ((side >> a) & 1) != ((side >> b) & 1);
    }
}

static void clog_links(void)
{
    uint32_t from = any();
    for (uint32_t to = 0; to < world.n; to++) {
        if (world_below(2) == 0)
            world.links[from][to].clogged_until_us = world.now_us + world_below(4000) * WORLD_MS;
    }
}

static void mend(void)
{
    memset(world.links, 0, sizeof world.links);
}

static void change_network(void)
{
    static const uint64_t delays_ms[] = {1, 3, 30, 150};
    world.delay_us_max = world.delay_us_min + delays_ms[world_below(ARRAY_COUNT(delays_ms))] * WORLD_MS;
    world.loss_ppm = (uint32_t)world_below(4) * 50000;
    world.duplicate_ppm = (uint32_t)world_below(3) * 50000;
}

/* Only these have stores. */
static struct process *any_with_store(void)
{
    static const enum stage stages[] = {STAGE_EXECUTORD, STAGE_CONSENSUSD};
    struct validator *validator = &world.validators[any()];
    return &validator->stages[stages[world_below(ARRAY_COUNT(stages))]];
}

static void slow_disk(void)
{
    static const uint64_t speeds_ms[] = {0, 1, 20, 200, 1500};
    any_with_store()->write_us_max = speeds_ms[world_below(ARRAY_COUNT(speeds_ms))] * WORLD_MS;
}

static void full_disk(void)
{
    static const uint32_t rates_ppm[] = {0, 30000, 300000};
    any_with_store()->write_fail_ppm = rates_ppm[world_below(ARRAY_COUNT(rates_ppm))];
}

static void bad_base(void)
{
    struct validator *validator = &world.validators[any()];
    validator->base_fail_ppm = (uint32_t)world_below(3) * 150000;
    if (world_below(2) == 0)
        validator->base_away_until_us = world.now_us + world_below(6000) * WORLD_MS;
}

static void bad_broker(void)
{
    broker_away(world_below(3000) * WORLD_MS);
}

static void rebalance(void)
{
    broker_rebalance(any());
}

static void jump_clock(void)
{
    world.validators[any()].wall_skew_ms = (int64_t)world_below(6001) - 3000;
}

typedef void action_fn(void);

/* The first ones happen in every run: there is work, and what broke comes back. */
static action_fn *const actions[] = {
    some_events,    some_events,   odd_events,     start_validator, start_all,      mend,           kill_one,
    kill_and_start, rival_events,  kill_and_start, stop_one,        stop_and_start, kill_at_a_step, kill_at_a_step,
    kill_validator, power_failure, cut_link,       partition,       clog_links,     change_network, slow_disk,
    full_disk,      bad_base,      bad_broker,     rebalance,       jump_clock,     many_events,    many_questions,
};
enum { ACTION_COUNT = ARRAY_COUNT(actions), ALWAYS = (1 << 6) - 1 };

/* --- the run ------------------------------------------------------------------------------------------------------ */

static bool is_broken(void)
{
    return world.violation[0] != '\0';
}

static void faults(void)
{
    uint64_t enabled = world_below(UINT64_C(1) << ACTION_COUNT) | ALWAYS;
    uint64_t gap_ms_max = 20 + world_below(400);
    for (int i = 0; i < ACTIONS && !is_broken(); i++) {
        uint64_t action = world_below(ACTION_COUNT);
        if ((enabled >> action) & 1)
            actions[action]();
        supervise();
        world_run((1 + world_below(gap_ms_max)) * WORLD_MS);
    }
}

static void heal_process(struct process *process)
{
    process->crash_armed = false;
    process->write_us_max = world_below(3) * WORLD_MS;
    process->write_fail_ppm = 0;
}

/* Everything works again, but for at most f validators that are dead for good. */
static void heal(void)
{
    mend();
    world.loss_ppm = 0;
    world.duplicate_ppm = 0;
    world.delay_us_max = world.delay_us_min + world_below(20) * WORLD_MS;
    broker_away(0);
    uint64_t dead_max = world_below(world.faults_max + 1);
    bool lies = world.liar < world.n;
    bool liar_dies = lies && liar_heal() == LIAR_DIES;
    if (lies && dead_max == world.faults_max)
        dead_max--;
    for (uint32_t i = 0; i < world.n; i++) {
        struct validator *validator = &world.validators[i];
        for_all(i, heal_process);
        validator->base_fail_ppm = 0;
        validator->base_away_until_us = 0;
        validator->wall_skew_ms = (int64_t)world_below(1001) - 500;
        if (world_is_liar(i)) {
            for_all(i, liar_dies ? process_kill : process_start);
        } else if (dead_max > 0 && !judge_is_whole(i)) {
            for_all(i, process_kill);
            dead_max--;
        } else {
            for_all(i, process_start);
        }
    }
    some_events();
    odd_events();
}

static uint64_t settle(void)
{
    uint64_t start_us = world.now_us;
    while (!judge_is_settled() && !is_broken() && world.now_us - start_us < STORY_SETTLE_MS_MAX * WORLD_MS)
        world_run(STEP_MS * WORLD_MS);
    return judge_is_settled() && !is_broken() ? (world.now_us - start_us) / WORLD_MS : UINT64_MAX;
}

static void begin(const struct story_options *options)
{
    uint32_t n = options->validator_count ? options->validator_count : options->seed % 3 == 0 ? 4 : 5;
    world_begin(options->seed, n, options->trace);
    events_begin();
    liar_begin(options->liar);
    bool drift = world_below(2) == 0;
    for (uint32_t i = 0; i < n; i++)
        world.validators[i].drift_ppt = drift ? (int64_t)world_below(41) - 20 : 0;
    if (world_below(2) == 0)
        change_network();
    start_all();
    some_events();
    reader_begin();
}

void story_run(struct story_result *out, const struct story_options *options)
{
    *out = (struct story_result){.settle_ms = UINT64_MAX};
    begin(options);
    faults();
    if (!is_broken()) {
        heal();
        out->settle_ms = settle();
        if (out->settle_ms != UINT64_MAX) {
            judge_verdicts();
            reader_ask_all();
        }
    }
    if (is_broken())
        snprintf(out->failure, sizeof out->failure, "%s", world.violation);
    else if (out->settle_ms == UINT64_MAX)
        snprintf(out->failure, sizeof out->failure,
                 "not everything became final: seed %" PRIu64 ", %" PRIu32 " validators", world.seed, world.n);
    if (out->failure[0] != '\0') {
        judge_print();
        liar_print(stderr);
    }
    out->fingerprint = world.fingerprint;
    out->steps = world.steps;
    out->heights = judge_height_max();
    out->records = judge_record_count();
    out->has_liar = world.liar < world.n;
    out->lies = liar_told();
    world_end();
    liar_end();
    reader_end();
}
