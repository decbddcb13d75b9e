/* liar_state.h - what the files of the liar share: liar.c (hooks, memory, noise), liar_consensus.c, liar_mempool.c. */
#pragma once

#include "common/base/cert.h"
#include "tests/sim/whole/liar.h"
#include "tests/sim/whole/world.h"

enum lie {
    LIE_BODIES,      /* other bodies than asked for: altered, cut, in another order, too many, none */
    LIE_UNASKED,     /* bodies that nobody asked for, also large ones */
    LIE_FETCH,       /* odd questions for bodies */
    LIE_GIFT,        /* a good transaction that only its own pool has */
    LIE_BAD_GIFT,    /* one whose signature or content's hash is wrong */
    LIE_PROPOSAL,    /* a crooked block */
    LIE_TWO_BLOCKS,  /* different ones to different validators */
    LIE_VOTE,        /* for another block */
    LIE_TIMEOUT,     /* with an old certificate, of views to come */
    LIE_CERTIFICATE, /* in heartbeats, new views, timeouts, proofs */
    LIE_SYNC,        /* other blocks than asked for */
    LIE_SYNC_ASK,    /* odd ranges, odd peer records */
    LIE_GENESIS,     /* another genesis file */
    LIE_REPLAY,      /* what it heard or said before, also to the wrong one */
    LIE_NOISE,       /* frames with changed, missing or random bytes */
    LIE_WITHHOLD,    /* nothing */
    LIE_COUNT,
};

enum {
    LIAR_FRAMES_MAX = 32,
    LIAR_BODIES_MAX = 32,
    LIAR_QCS_MAX = 12,
    LIAR_BLOCKS_MAX = 8,
    LIAR_WAYS_MAX = VALIDATORS_MAX * SIM_BUS_CHANNELS,
    LIAR_ALL_PPM = 1000000,
};

struct liar_copy {
    enum sim_bus_channel channel;
    char topic[BUS_TOPIC_BYTES_MAX + 1];
    uint8_t *bytes;
    size_t size;
};

struct liar_block {
    uint64_t view, height;
    struct hash id;
};

/* What is said in a view in the place of its own proposal, or beside it. */
struct liar_proposal {
    uint64_t view;
    bool instead;
    struct liar_copy frame;
};

/* Rings: the newest takes the oldest's place. */
struct liar {
    uint64_t random;
    uint32_t lies; /* bit: enum lie */
    bool silent;   /* it lies no more */
    struct sign_key key;
    uint64_t told;
    uint32_t victim; /* hears little of it */
    struct liar_copy frames[LIAR_FRAMES_MAX], bodies[LIAR_BODIES_MAX];
    struct qc qcs[LIAR_QCS_MAX];
    struct tc tc; /* the last heard */
    struct liar_block blocks[LIAR_BLOCKS_MAX];
    size_t frame_count, body_count, qc_count, block_count;
    uint64_t view; /* the highest heard */
    struct liar_proposal proposal;
};

extern struct liar liar;

uint64_t liar_below(uint64_t count);
/* Is it time for this lie? */
bool liar_lies(enum lie lie, uint32_t ppm);
void liar_copy_set(struct liar_copy *copy, const struct sim_bus_word *word);
/* A lie is told. */
void liar_count(enum lie lie, const char *topic, size_t size);
/* Say it to one. */
void liar_say(enum lie lie, uint64_t way, const char *topic, struct span bytes);
/* To each other validator by this channel, or not. */
void liar_say_all(enum lie lie, const struct sim_bus_word *word, uint32_t withhold_ppm);
/* A word on one of this channel's ways, to whomever. */
void liar_say_any(enum lie lie, enum sim_bus_channel channel, struct span bytes);
void liar_remember_body(struct span body);
/* Empty: none yet. */
struct span liar_any_body(void);

/* Each: true when the word must not leave. */
bool liar_consensus_send(const struct sim_bus_word *word);
bool liar_sync_send(const struct sim_bus_word *word);
bool liar_bodies_send(const struct sim_bus_word *word);
void liar_consensus_heard(const struct sim_bus_word *word);
void liar_sync_heard(const struct sim_bus_word *word);
void liar_mempool_heard(const struct sim_bus_word *word);
/* Now and then. */
void liar_consensus_tick(void);
void liar_sync_tick(void);
void liar_mempool_tick(void);
