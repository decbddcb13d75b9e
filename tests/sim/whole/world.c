/* world.c - the queue of what will happen, and the lives of processes. */
#include "tests/sim/whole/world.h"

#include <stdarg.h>
#include <stdio.h>

#include <sodium.h>

const char *const stage_names[STAGE_COUNT] = {"executord", "consensusd", "mempoold", "persistd", "ingestd", "apid"};

enum { STALL_US = 50000 };

struct world world;

/* --- chance ------------------------------------------------------------------------------------------------------- */

uint64_t world_random_of(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 2685821657736338717u;
}

uint64_t world_random(void)
{
    return world_random_of(&world.random);
}

uint64_t world_below(uint64_t count)
{
    return count ? (world_random() >> 11) % count : 0;
}

bool world_chance(uint32_t ppm)
{
    return ppm > 0 && world_below(1000000) < ppm;
}

/* What libsodium calls random is the seed's. */
static const char *sodium_name(void)
{
    return "simulation";
}

static uint32_t sodium_random(void)
{
    return (uint32_t)(world_random_of(&world.random_libsodium) >> 32);
}

static void sodium_fill(void *buffer, size_t size)
{
    uint8_t *out = buffer;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)sodium_random();
}

static struct randombytes_implementation sodium_source = {
    .implementation_name = sodium_name, .random = sodium_random, .buf = sodium_fill};

/* --- the queue ---------------------------------------------------------------------------------------------------- */

static bool event_before(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void world_at(const struct world_event *event)
{
    if (world.event_count == world.event_capacity) {
        world.event_capacity = world.event_capacity ? world.event_capacity * 2 : 1024;
        world.events = must(realloc(world.events, world.event_capacity * sizeof *world.events));
    }
    struct world_event added = *event;
    added.order = world.event_order++;
    added.life = added.process ? added.process->life : 0;
    size_t at = world.event_count++;
    while (at > 0 && event_before(&added, &world.events[(at - 1) / 2])) {
        world.events[at] = world.events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world.events[at] = added;
}

static struct world_event take_first(void)
{
    struct world_event first = world.events[0];
    struct world_event last = world.events[--world.event_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world.event_count)
            break;
        if (child + 1 < world.event_count && event_before(&world.events[child + 1], &world.events[child]))
            child++;
        if (!event_before(&world.events[child], &last))
            break;
        world.events[at] = world.events[child];
        at = child;
    }
    world.events[at] = last;
    return first;
}

uint64_t world_now_us(void)
{
    return world.now_us + world.spent_us;
}

void world_after(uint64_t delay_us, void (*run)(void *thing, uint64_t number), void *thing, uint64_t number)
{
    world_at(&(struct world_event){
        .at_us = world_now_us() + delay_us, .process = world.current, .run = run, .thing = thing, .number = number});
}

bool world_point(void)
{
    struct process *process = world.current;
    if (!process)
        return true;
    if (!process->dead && process->crash_armed && process->crash_countdown-- == 0) {
        if (world.trace)
            trace_line("killed at this step");
        process->dead = true;
    }
    return !process->dead;
}

void world_wait(uint64_t duration_us)
{
    world.spent_us += duration_us;
    if (duration_us >= STALL_US)
        world.current->stalled_until_us = world_now_us();
}

void world_mark(uint64_t number)
{
    world.fingerprint = (world.fingerprint ^ number) * 1099511628211u;
}

/* --- lives -------------------------------------------------------------------------------------------------------- */

/* Run something as the process, whatever runs now. */
struct scope {
    struct process *before;
    uint64_t spent_before_us;
};

static struct scope scope_enter(struct process *process)
{
    struct scope scope = {world.current, world.spent_us};
    world.current = process;
    world.spent_us = 0;
    return scope;
}

static void scope_leave(const struct scope *scope)
{
    world.current = scope->before;
    world.spent_us = scope->spent_before_us;
}

static void end_life(struct process *process)
{
    struct scope scope = scope_enter(process);
    if (process->daemon)
        stages_close(process);
    process->life++;
    process->loop = NULL;
    process->crash_armed = false;
    process->dead = false;
    process->stopped = false;
    scope_leave(&scope);
}

void process_start(struct process *process)
{
    if (process_is_up(process))
        return;
    struct scope scope = scope_enter(process);
    process->failure[0] = '\0';
    process->write_failed = false;
    process->born_us = world.now_us;
    process->clock_base_us = (1000 + world_below(100000)) * WORLD_MS;
    process->busy_until_us = 0;
    process->stalled_until_us = 0;
    if (world.trace)
        trace_line("starts");
    int rc = stages_open(process);
    process->busy_until_us = world.now_us + world.spent_us;
    bool failed = rc < 0 && !process->dead;
    scope_leave(&scope);
    if (rc < 0 || process->dead || process->stopped) {
        if (failed || process->stopped)
            judge_ended(process);
        process->dead = true;
        end_life(process);
    }
}

void process_kill(struct process *process)
{
    if (!process_is_up(process))
        return;
    struct scope scope = scope_enter(process);
    if (world.trace)
        trace_line("killed");
    scope_leave(&scope);
    process->dead = true;
    end_life(process);
}

void process_stop(struct process *process)
{
    if (!process_is_up(process))
        return;
    struct scope scope = scope_enter(process);
    if (world.trace)
        trace_line("told to stop");
    scope_leave(&scope);
    process->crash_armed = false;
    end_life(process);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void run_event(const struct world_event *event)
{
    struct process *process = event->process;
    world.current = process;
    world.spent_us = 0;
    world.steps++;
    world_mark(world.now_us << 8 | (process ? process->validator * STAGE_COUNT + (uint64_t)process->stage : 255));
    event->run(event->thing, event->number);
    if (process && !event->aside)
        process->busy_until_us = world.now_us + world.spent_us;
    world.current = NULL;
    world.spent_us = 0;
    if (!process || process->life != event->life)
        return;
    if (process->stopped && !process->dead)
        judge_ended(process);
    if (process->dead || process->stopped) {
        process->dead = true;
        end_life(process);
    }
}

void world_run(uint64_t duration_us)
{
    uint64_t until_us = world.now_us + duration_us;
    while (world.event_count > 0 && world.events[0].at_us <= until_us && world.violation[0] == '\0') {
        struct world_event event = take_first();
        const struct process *process = event.process;
        world.now_us = event.at_us;
        if (process && process->life != event.life) {
            if (event.drop)
                event.drop(event.thing);
            continue;
        }
        if (process && !event.aside && process->busy_until_us > world.now_us) {
            event.at_us = process->busy_until_us;
            world_at(&event);
            continue;
        }
        run_event(&event);
    }
    if (world.violation[0] == '\0')
        world.now_us = until_us;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

void world_begin(uint64_t seed, uint32_t validator_count, bool trace)
{
    world = (struct world){.seed = seed,
                           .random = seed * 2654435761u + 88172645463325252u,
                           .random_libsodium = seed * 40503u + 2463534242u,
                           .n = validator_count,
                           .liar = VALIDATORS_MAX,
                           .faults_max = (validator_count - 1) / 3,
                           .fingerprint = 14695981039346656037u,
                           .delay_us_min = WORLD_MS,
                           .delay_us_max = 3 * WORLD_MS,
                           .trace = trace};
    for (int i = 0; i < 8; i++) {
        world_random();
        sodium_random();
    }
    randombytes_set_implementation(&sodium_source);
    stages_genesis(&world.genesis, validator_count);
    judge_begin();
    broker_begin();
    for (uint32_t i = 0; i < validator_count; i++) {
        struct validator *validator = &world.validators[i];
        validator->base = base_new();
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            validator->stages[stage] = (struct process){.validator = i, .stage = (enum stage)stage};
    }
}

void world_end(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        for (int stage = 0; stage < STAGE_COUNT; stage++) {
            process_kill(&world.validators[i].stages[stage]);
            disk_free(&world.validators[i].stages[stage].disks);
        }
        base_free(&world.validators[i].base);
    }
    for (size_t i = 0; i < world.event_count; i++) {
        if (world.events[i].drop)
            world.events[i].drop(world.events[i].thing);
    }
    broker_end();
    judge_end();
    free(world.genesis.producers);
    free(world.events);
    world.events = NULL;
}
