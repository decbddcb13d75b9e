/* ceremony_world.h - genesis ceremonies on virtual time: the real cores of N validators, a network that loses, delays,
 * reorders and repeats, validators that crash and come back with or without their disk, clocks that are wrong, and
 * liars. A run is a function of its seed.
 *
 * The first rule that is broken is kept as world->failure. Pure but for memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/consensusd/ceremony.h"

enum {
    WORLD_VALIDATORS_MAX = 7,
    WORLD_DELAY_MS_MAX = 20000, /* of a message that comes late or twice */
    WORLD_SAID_MAX = 2048,      /* attestations of one validator that are remembered */
    WORLD_MADE_MAX = 64,        /* certificates */
};

/* What a validator really said, and when another heard it: first in this life, or again when that was too long ago. */
struct world_said {
    struct genesis_attestation attestation;
    struct {
        uint64_t life, at_ms, wall_ms;
    } heard[WORLD_VALIDATORS_MAX];
};

struct world_node {
    struct ceremony *core; /* NULL: down */
    uint64_t life;         /* how often it started */
    uint64_t born_ms;
    uint64_t clock_base_ms; /* its monotonic clock's 0 */
    int64_t wall_skew_ms;
    bool liar;
    bool stored;
    struct genesis_certificate disk;
    bool finished;
    uint64_t finished_ms;
    /* of this life */
    uint64_t connected, ready_sent, ready_heard, certificates_sent;
    struct world_said *said;
    size_t said_count;
    struct signature made[WORLD_MADE_MAX]; /* of certificates, in all lives */
    size_t made_count;
};

struct world_letter {
    uint64_t at_ms, order;
    uint32_t from, to;
    enum ceremony_event_type type;
    uint64_t life; /* CONNECTED: the receiver's */
    struct genesis_ready ready;
    struct genesis_certificate *certificate; /* owned; NULL: none */
};

struct world {
    uint64_t random;
    uint32_t validator_count, quorum, faults_max;
    struct genesis genesis;
    struct genesis_terms terms;
    struct sign_key keys[WORLD_VALIDATORS_MAX];
    struct world_node nodes[WORLD_VALIDATORS_MAX];
    uint64_t now_ms;
    uint32_t loss_percent, twice_percent, late_percent; /* of messages */
    bool connections_unnoticed;                         /* no core is told of them */
    uint64_t cut;                                       /* bit 8 * from + to: nothing passes */
    struct world_letter *letters;
    size_t letter_count, letter_capacity;
    uint64_t letter_order;
    uint64_t steps, fingerprint;
    char failure[256];
};

/* A number below limit, from the seed. */
uint64_t world_random(struct world *self, uint64_t limit);
void world_fail(struct world *self, const char *why, uint32_t validator);
uint64_t world_wall_ms(const struct world *self, uint32_t validator);

void world_init(struct world *self, uint64_t seed, uint32_t validator_count);
void world_deinit(struct world *self);

void world_start(struct world *self, uint32_t validator);
void world_stop(struct world *self, uint32_t validator);

/* Everything until then; returns early when a rule was broken. */
void world_run(struct world *self, uint64_t until_ms);

/* A message on its way, with everything that can happen to it. The certificate is copied; NULL: a READY. */
void world_send(struct world *self, uint32_t from, uint32_t to, const struct genesis_ready *ready,
                const struct genesis_certificate *certificate);

/* Remember what a validator said. */
void world_remember(struct world *self, uint32_t validator, const struct genesis_ready *ready);

/* What a liar does once in a while (ceremony_liar.c). */
void world_lie(struct world *self, uint32_t liar);
