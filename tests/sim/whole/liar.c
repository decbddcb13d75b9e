/* liar.c - the hooks, what the liar remembers, and noise. */
#include "tests/sim/whole/liar.h"

#include "tests/sim/whole/liar_state.h"

enum {
    SHARE = 2, /* one seed in so many has a liar */
    TICK_MS_MAX = 120,
    REMEMBERED_BYTES_MAX = 64 << 10,
    REMEMBER_PPM = 200000,
    WITHHOLD_PPM = 100000,
    VICTIM_PPM = 700000,
    NOISE_BYTES_MAX = 300,
    LIE_SHARE = 2,      /* one run in so many has a lie; .. */
    BAD_GIFT_SHARE = 4, /* .. of those that spoil all blocks of its own */
    WARM_UP = 8,
};

struct liar liar;
static uint64_t told_ever[LIE_COUNT];

static const char *const names[LIE_COUNT] = {[LIE_BODIES] = "bodies",
                                             [LIE_UNASKED] = "unasked",
                                             [LIE_FETCH] = "fetch",
                                             [LIE_GIFT] = "gift",
                                             [LIE_BAD_GIFT] = "bad_gift",
                                             [LIE_PROPOSAL] = "proposal",
                                             [LIE_TWO_BLOCKS] = "two_blocks",
                                             [LIE_VOTE] = "vote",
                                             [LIE_TIMEOUT] = "timeout",
                                             [LIE_CERTIFICATE] = "certificate",
                                             [LIE_SYNC] = "sync",
                                             [LIE_SYNC_ASK] = "sync_ask",
                                             [LIE_GENESIS] = "genesis",
                                             [LIE_REPLAY] = "replay",
                                             [LIE_NOISE] = "noise",
                                             [LIE_WITHHOLD] = "withhold"};

uint64_t liar_below(uint64_t count)
{
    return count ? (world_random_of(&liar.random) >> 11) % count : 0;
}

bool liar_lies(enum lie lie, uint32_t ppm)
{
    return (liar.lies >> lie & 1) != 0 && liar_below(LIAR_ALL_PPM) < ppm;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

void liar_copy_set(struct liar_copy *copy, const struct sim_bus_word *word)
{
    free(copy->bytes);
    *copy = (struct liar_copy){.channel = word->channel, .size = word->bytes.size};
    snprintf(copy->topic, sizeof copy->topic, "%s", word->topic);
    copy->bytes = must(malloc(copy->size + 1));
    if (copy->size > 0)
        memcpy(copy->bytes, word->bytes.data, copy->size);
}

static void remember(const struct sim_bus_word *word)
{
    if (word->bytes.size <= REMEMBERED_BYTES_MAX && liar_below(LIAR_ALL_PPM) < REMEMBER_PPM)
        liar_copy_set(&liar.frames[liar.frame_count++ % LIAR_FRAMES_MAX], word);
}

static const struct liar_copy *any_frame(void)
{
    size_t count = liar.frame_count < LIAR_FRAMES_MAX ? liar.frame_count : LIAR_FRAMES_MAX;
    return count ? &liar.frames[liar_below(count)] : NULL;
}

void liar_remember_body(struct span body)
{
    if (body.size > 0 && body.size <= REMEMBERED_BYTES_MAX)
        liar_copy_set(&liar.bodies[liar.body_count++ % LIAR_BODIES_MAX],
                      &(struct sim_bus_word){.topic = "", .bytes = body});
}

struct span liar_any_body(void)
{
    size_t count = liar.body_count < LIAR_BODIES_MAX ? liar.body_count : LIAR_BODIES_MAX;
    const struct liar_copy *body = &liar.bodies[liar_below(count)];
    return span_of(body->bytes, body->size);
}

/* --- speaking ----------------------------------------------------------------------------------------------------- */

void liar_count(enum lie lie, const char *topic, size_t size)
{
    liar.told++;
    told_ever[lie]++;
    if (world.trace)
        trace_line("v%" PRIu32 " lies (%s): %s %zu bytes", world.liar, names[lie], topic, size);
}

void liar_say(enum lie lie, uint64_t way, const char *topic, struct span bytes)
{
    liar_count(lie, topic, bytes.size);
    sim_bus_say(way, topic, bytes);
}

void liar_say_all(enum lie lie, const struct sim_bus_word *word, uint32_t withhold_ppm)
{
    struct sim_bus_word ways[LIAR_WAYS_MAX];
    size_t count = sim_bus_ways(ways, LIAR_WAYS_MAX, world.liar);
    for (size_t i = 0; i < count; i++) {
        if (ways[i].channel == word->channel && liar_below(LIAR_ALL_PPM) >= withhold_ppm)
            liar_say(lie, ways[i].way, word->topic, word->bytes);
    }
}

static uint64_t any_way(const struct sim_bus_word *ways, size_t count, enum sim_bus_channel channel)
{
    size_t fitting[LIAR_WAYS_MAX], fitting_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (ways[i].channel == channel)
            fitting[fitting_count++] = i;
    }
    return fitting_count ? ways[fitting[liar_below(fitting_count)]].way : 0;
}

void liar_say_any(enum lie lie, enum sim_bus_channel channel, struct span bytes)
{
    struct sim_bus_word ways[LIAR_WAYS_MAX];
    uint64_t way = any_way(ways, sim_bus_ways(ways, LIAR_WAYS_MAX, world.liar), channel);
    if (way)
        liar_say(lie, way, channel == SIM_BUS_CONSENSUS ? "consensus/vote" : "", bytes);
}

/* --- replays and noise -------------------------------------------------------------------------------------------- */

static void replay(void)
{
    const struct liar_copy *frame = any_frame();
    if (!frame)
        return;
    struct sim_bus_word ways[LIAR_WAYS_MAX];
    size_t count = sim_bus_ways(ways, LIAR_WAYS_MAX, world.liar);
    bool elsewhere = liar_below(8) == 0;
    enum sim_bus_channel channel = elsewhere ? (enum sim_bus_channel)liar_below(SIM_BUS_CHANNELS) : frame->channel;
    uint64_t way = any_way(ways, count, channel);
    if (way)
        liar_say(LIE_REPLAY, way, frame->topic, span_of(frame->bytes, frame->size));
}

/* Some bytes changed, or the end cut off. */
static void spoil(uint8_t *bytes, size_t *size)
{
    if (liar_below(3) == 0)
        *size = liar_below(*size);
    for (uint64_t i = 1 + liar_below(4); i > 0 && *size > 0; i--)
        bytes[liar_below(*size)] = (uint8_t)liar_below(256);
}

static void make_noise(void)
{
    uint8_t noise[NOISE_BYTES_MAX];
    size_t size = liar_below(sizeof noise);
    for (size_t i = 0; i < size; i++)
        noise[i] = (uint8_t)liar_below(256);
    const struct liar_copy *frame = liar_below(4) ? any_frame() : NULL;
    if (!frame) {
        liar_say_any(LIE_NOISE, (enum sim_bus_channel)liar_below(SIM_BUS_CHANNELS), span_of(noise, size));
        return;
    }
    struct liar_copy spoilt = {0};
    liar_copy_set(&spoilt, &(struct sim_bus_word){.topic = frame->topic, .bytes = span_of(frame->bytes, frame->size)});
    spoil(spoilt.bytes, &spoilt.size);
    liar_say_any(LIE_NOISE, frame->channel, span_of(spoilt.bytes, spoilt.size));
    free(spoilt.bytes);
}

/* --- hooks -------------------------------------------------------------------------------------------------------- */

static bool send(const struct sim_bus_word *word)
{
    switch (word->channel) {
    case SIM_BUS_CONSENSUS:
        return liar_consensus_send(word);
    case SIM_BUS_SYNC_ANSWER:
        return liar_sync_send(word);
    case SIM_BUS_BODIES:
        return liar_bodies_send(word);
    case SIM_BUS_SYNC_QUESTION:
    case SIM_BUS_FETCH:
    case SIM_BUS_CHANNELS:
        break;
    }
    return false;
}

/* Who does not hear of its blocks in time asks for them; one validator only, or the block would get no quorum. */
static bool withholds(const struct sim_bus_word *word)
{
    bool to_victim = word->peer == liar.victim && word->channel == SIM_BUS_CONSENSUS;
    if (to_victim && strcmp(word->topic, "consensus/proposal") == 0 && liar_lies(LIE_SYNC, VICTIM_PPM))
        return true;
    return liar_lies(LIE_WITHHOLD, to_victim ? VICTIM_PPM : WITHHOLD_PPM);
}

bool liar_on_send(const struct sim_bus_word *word)
{
    if (liar.silent)
        return false;
    remember(word);
    if (withholds(word)) {
        liar_count(LIE_WITHHOLD, word->topic, word->bytes.size);
        return true;
    }
    return send(word);
}

void liar_on_heard(const struct sim_bus_word *word)
{
    if (liar.silent)
        return;
    remember(word);
    switch (word->channel) {
    case SIM_BUS_CONSENSUS:
        liar_consensus_heard(word);
        break;
    case SIM_BUS_SYNC_QUESTION:
    case SIM_BUS_SYNC_ANSWER:
        liar_sync_heard(word);
        break;
    case SIM_BUS_FETCH:
    case SIM_BUS_BODIES:
        liar_mempool_heard(word);
        break;
    case SIM_BUS_CHANNELS:
        break;
    }
}

static void tick(void *thing, uint64_t number)
{
    if (liar.silent)
        return;
    if (liar_lies(LIE_REPLAY, 400000))
        replay();
    if (liar_lies(LIE_NOISE, 400000))
        make_noise();
    liar_consensus_tick();
    liar_sync_tick();
    liar_mempool_tick();
    world_at(&(struct world_event){.at_us = world.now_us + (1 + liar_below(TICK_MS_MAX)) * WORLD_MS, .run = tick});
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

static void draw_lies(void)
{
    for (int lie = 0; lie < LIE_COUNT; lie++) {
        if (liar_below(lie == LIE_BAD_GIFT ? BAD_GIFT_SHARE : LIE_SHARE) == 0)
            liar.lies |= 1u << lie;
    }
    if (liar.lies & (1u << LIE_BODIES | 1u << LIE_UNASKED))
        liar.lies |= 1u << LIE_GIFT; /* else nobody asks it for bodies */
    liar.victim = (uint32_t)liar_below(world.n);
}

void liar_begin(enum liar_presence presence)
{
    liar = (struct liar){.random = world.seed * 2862933555777941757u + 3037000493u};
    for (int i = 0; i < WARM_UP; i++)
        world_random_of(&liar.random);
    bool drawn = liar_below(SHARE) == 0;
    uint32_t who = (uint32_t)liar_below(world.n);
    draw_lies();
    liar.silent = world.faults_max == 0 || presence == LIAR_NEVER || (presence == LIAR_BY_SEED && !drawn);
    if (liar.silent)
        return;
    world.liar = who;
    char path[32];
    uint8_t seed[SIGN_SEED_BYTES];
    snprintf(path, sizeof path, "sign.%" PRIu32, who);
    stages_key(seed, path);
    sign_key_from_seed(&liar.key, seed);
    tick(NULL, 0);
}

void liar_end(void)
{
    for (size_t i = 0; i < LIAR_FRAMES_MAX; i++)
        free(liar.frames[i].bytes);
    for (size_t i = 0; i < LIAR_BODIES_MAX; i++)
        free(liar.bodies[i].bytes);
    free(liar.proposal.frame.bytes);
    liar = (struct liar){.silent = true};
}

enum liar_end_of_faults liar_heal(void)
{
    static const enum liar_end_of_faults ends[] = {LIAR_LIES_ON, LIAR_LIES_ON, LIAR_TURNS_HONEST, LIAR_DIES};
    enum liar_end_of_faults end = ends[liar_below(ARRAY_COUNT(ends))];
    liar.silent = end != LIAR_LIES_ON;
    return end;
}

uint64_t liar_told(void)
{
    return liar.told;
}

void liar_print(FILE *out)
{
    fprintf(out, "lies:");
    for (int lie = 0; lie < LIE_COUNT; lie++)
        fprintf(out, " %s=%" PRIu64, names[lie], told_ever[lie]);
    fputc('\n', out);
}
