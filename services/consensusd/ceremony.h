/* ceremony.h - the genesis ceremony of one validator: before view 1, a quorum shows that it is there with the same
 * genesis file and the same rules. docs/consensus.md has the rules.
 *
 * ceremony_step() takes what happened and gives what to do, in order. After DONE it goes on answering late joiners.
 *
 * Pure: no sockets, clock, disk or log; libsodium's signatures only.
 * Ownership: event memory stays with the caller; effects are valid until the next call.
 * Threads:   one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/schedule.h"
#include "common/base/sign.h"
#include "services/consensusd/genesis_certificate.h"

struct ceremony; /* opaque */

enum {
    CEREMONY_RESEND_MIN_MS = 5000, /* a fresh GenesisReady; doubles */
    CEREMONY_RESEND_MAX_MS = 60000,
    CEREMONY_ANSWER_MS = 500,     /* least time between two broadcasts of one kind that others cause */
    CEREMONY_AGE_MS_MAX = 150000, /* an attestation heard longer ago than this is no longer counted */
    CEREMONY_SKEW_MS_MAX =
        60000, /* and one whose time is further than this from the own clock when it is heard never is */
    CEREMONY_STEP_IN_MS = 10000, /* so long after the first quorum here the leader of the next view may make it, too */
    CEREMONY_EFFECTS_MAX = 5,    /* of one step */
};

struct ceremony_config {
    const struct genesis *genesis; /* loan for the object's life */
    uint32_t self;                 /* validator index */
    struct sign_key key;           /* copied */
    uint8_t seed[32];              /* random: for nonces */
    uint64_t now_ms;
};

enum ceremony_event_type {
    CEREMONY_TICK,        /* time passed */
    CEREMONY_CONNECTED,   /* a peer connected: it has heard nothing yet */
    CEREMONY_READY,       /* messages; sender is authenticated by the transport */
    CEREMONY_CERTIFICATE, /* from a peer, the own store or the database; sender is self for the last two */
};

struct ceremony_event {
    enum ceremony_event_type type;
    uint64_t now_ms;  /* monotonic */
    uint64_t wall_ms; /* unix */
    uint32_t sender;  /* validator index */
    union {
        const struct genesis_ready *ready;
        const struct genesis_certificate *certificate;
    } u;
};

/* Why a validator is refused. */
enum ceremony_refusal {
    CEREMONY_OTHER_CHAIN = 1, /* another genesis file */
    CEREMONY_OTHER_CONFIG,    /* other rules: another version of the software */
    CEREMONY_OTHER_PEERS,     /* other validators */
    CEREMONY_BAD_CLOCK,       /* its clock is more than SKEW_MS_MAX from ours */
    CEREMONY_BAD_SIGNATURE,   /* of the attestation or the certificate */
    CEREMONY_BAD_CERTIFICATE, /* not a quorum of sorted, known signers */
    CEREMONY_REFUSALS,
};

enum ceremony_effect_type {
    CEREMONY_SEND_READY,       /* broadcast */
    CEREMONY_STORE,            /* write the certificate and sync, before anything behind it */
    CEREMONY_DONE,             /* start consensus; once */
    CEREMONY_SEND_CERTIFICATE, /* broadcast */
    CEREMONY_REFUSE,           /* say by name that a validator is refused, and why */
};

struct ceremony_effect {
    enum ceremony_effect_type type;
    union {
        struct genesis_ready ready;
        const struct genesis_certificate *certificate; /* STORE, SEND_CERTIFICATE */
        struct {
            uint32_t validator;
            enum ceremony_refusal why;
            struct hash ours, theirs; /* OTHER_*: the hashes that differ; else zero */
        } refuse;
    } u;
};

struct ceremony_effects {
    const struct ceremony_effect *items;
    size_t count;
};

enum ceremony_phase { CEREMONY_COLLECTING, CEREMONY_FINISHED };

struct ceremony_status {
    enum ceremony_phase phase;
    uint32_t
        ready_count; /* validators with a fresh attestation here, the own one counted; FINISHED: in the certificate */
    uint32_t quorum;
    uint64_t missing;    /* bit i: validator i has none there */
    uint64_t refused;    /* bit i: the last word of validator i was refused */
    uint32_t aggregator; /* FINISHED: who made the certificate */
    uint64_t refusals;   /* messages */
};

/* Returns 0, -EINVAL (no such validator, N out of range) or -ENOMEM. */
MUST_USE int ceremony_new(struct ceremony **out, const struct ceremony_config *config);
void ceremony_destroy(struct ceremony **self);

/* Apply one event. A message that breaks a rule is counted and changes nothing. */
void ceremony_step(struct ceremony *self, const struct ceremony_event *event, struct ceremony_effects *effects);

/* When the next TICK is due, monotonic ms; UINT64_MAX: none is. */
uint64_t ceremony_deadline_ms(const struct ceremony *self);

void ceremony_status(const struct ceremony *self, struct ceremony_status *out);

/* NULL until FINISHED. */
const struct genesis_certificate *ceremony_certificate(const struct ceremony *self);
