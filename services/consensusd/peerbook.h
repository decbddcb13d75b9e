/* peerbook.h - the core that knows where the other validators are: which record it holds of each, where to connect,
 * what to ask whom and what to tell whom.
 *
 *   peerbook_step(book, &event, &effects)
 *
 * Of each validator of the genesis file one record is held at most, the one with the highest version, and only with a
 * good signature of that validator. Addresses of the configuration are tried first; a record that comes later and says
 * something else replaces them, for it is the validator's own word and newer than the operator's file; and while nobody
 * answers at one of the two, they are tried in turns.
 *
 * Pure: time comes with each event. Ownership: the book owns what it holds; texts of the configuration and the genesis
 * must outlive it. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/peer_record.h"
#include "common/base/sign.h"
#include "common/base/span.h"

enum {
    PEERBOOK_ASK_MS_MIN = 5000, /* between two questions to one validator, doubled after each */
    PEERBOOK_ASK_MS_MAX = 60000,
    PEERBOOK_HASTE_MS = 1000,     /* to the next question when something has changed */
    PEERBOOK_PATIENCE_MS = 10000, /* with an address where nobody answers, when there is another; doubled each time */
    PEERBOOK_PATIENCE_MS_MAX = 60000,
    PEERBOOK_REPLACE_MS = 2000, /* between two records of one validator */
    PEERBOOK_RECORDS_MAX = GENESIS_VALIDATORS_MAX,
    PEERBOOK_EFFECTS_MAX = 4 * GENESIS_VALIDATORS_MAX,
};

/* Where an address is from. */
enum peerbook_source {
    PEERBOOK_NOWHERE,
    PEERBOOK_CONFIG,
    PEERBOOK_STORE, /* a record of an earlier run */
    PEERBOOK_PEER,  /* a record that another validator told */
    PEERBOOK_BEACON,
};
const char *peerbook_source_text(enum peerbook_source source);

struct peerbook_address {
    const char *pub; /* NULL: none */
    const char *sync;
};

struct peerbook_config {
    const struct genesis *genesis;
    uint32_t self;
    const struct sign_key *key;                                 /* copied */
    bool advertises;                                            /* tells others where it is */
    struct peer_record_endpoints own;                           /* if so */
    struct peerbook_address configured[GENESIS_VALIDATORS_MAX]; /* by validator */
};

enum peerbook_event_type {
    PEERBOOK_STORED,   /* records of an earlier run; before START */
    PEERBOOK_START,    /* once; wall_ms is the clock */
    PEERBOOK_LINK,     /* the sync connection to `from` stands, or does not */
    PEERBOOK_ASKED,    /* by `from`, who holds `versions` and sends `records` along */
    PEERBOOK_ANSWERED, /* by `from`: records */
    PEERBOOK_HEARD,    /* by beacon: records */
    PEERBOOK_TICK,
};

struct peerbook_event {
    enum peerbook_event_type type;
    uint64_t now_ms;
    uint64_t wall_ms; /* START */
    uint32_t from;    /* validator */
    uint64_t request; /* ANSWERED */
    bool connected;   /* LINK */
    const struct span *records;
    size_t record_count;      /* PEERBOOK_RECORDS_MAX at most */
    const uint64_t *versions; /* ASKED: one for each validator of the genesis file; 0: none */
};

enum peerbook_effect_type {
    PEERBOOK_CONNECT,     /* to this validator, at peerbook_peer()->address, in place of any earlier connection */
    PEERBOOK_ASK,         /* this validator, with number `request`, the versions held and the own record */
    PEERBOOK_ANSWER,      /* this validator's question, with the records of `validators` */
    PEERBOOK_SAVE,        /* the records have changed */
    PEERBOOK_TELL_GOSSIP, /* where a mempoold is has changed */
};

struct peerbook_effect {
    enum peerbook_effect_type type;
    uint32_t validator;
    uint64_t request;
    uint64_t validators; /* bit i: validator i */
};

struct peerbook_effects {
    struct peerbook_effect items[PEERBOOK_EFFECTS_MAX];
    size_t count;
};

/* What happened to records that were shown: taken, no news (the same or a lower version), refused because the last one
 * of this validator is younger than PEERBOOK_REPLACE_MS; then those of enum peer_record_verdict. */
enum peerbook_result {
    PEERBOOK_TAKEN,
    PEERBOOK_SAME,
    PEERBOOK_OLDER,
    PEERBOOK_TOO_SOON,
    PEERBOOK_BAD,
    PEERBOOK_RESULT_COUNT = PEERBOOK_BAD + PEER_RECORD_BAD_SIGNATURE
};
const char *peerbook_result_text(uint32_t result);

/* What is known of one validator. Read it between steps. */
struct peerbook_peer {
    bool held;
    struct peer_record record;          /* if held */
    enum peerbook_source record_source; /* if held */
    enum peerbook_source source;        /* of the address in use */
    struct peerbook_address address;    /* in use */
    bool connected;
    uint64_t tried_ms; /* since when this address is tried, or lost */
    uint32_t tries;
    uint64_t ask_ms, asked_ms; /* next, last */
    uint64_t ask_interval_ms;
    uint64_t request; /* number of the last question */
    bool waiting;     /* for its answer */
    uint64_t replaced_ms;
};

struct peerbook;

/* Returns 0 or -ENOMEM. */
MUST_USE int peerbook_new(struct peerbook **out, const struct peerbook_config *config);
/* Wipes the key. Accepts NULL and pointer to NULL; leaves *self NULL. */
void peerbook_destroy(struct peerbook **self);

void peerbook_step(struct peerbook *self, const struct peerbook_event *event, struct peerbook_effects *effects);

const struct peerbook_peer *peerbook_peer(const struct peerbook *self, uint32_t validator);
uint64_t peerbook_count(const struct peerbook *self, uint32_t result);

/* The record held of a validator as bytes; 0: none held. */
size_t peerbook_record(const struct peerbook *self, uint32_t validator, uint8_t out[static PEER_RECORD_BYTES_MAX]);
