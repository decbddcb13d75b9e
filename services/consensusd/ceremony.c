/* ceremony.c - the genesis ceremony as a pure function of events.
 *
 * Everybody says again and again that it is there (GenesisReady), as a certificate needs a quorum that was there at
 * about the same time. Whoever may make the certificate makes it of the newest attestations; whoever has it is
 * finished, and answers everybody who still says that it is there. Two certificates may be made: they are no part of
 * the chain, and each says the same, that a quorum has these terms.
 */
#include "services/consensusd/ceremony.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

#define NEVER_MS UINT64_MAX

enum { REFUSE_AGAIN_MS = 60000 };

/* The newest attestation of a validator. */
struct heard {
    bool held;
    uint64_t heard_ms; /* monotonic */
    struct genesis_attestation attestation;
};

/* A broadcast that others cause: wanted now, sent at the earliest at next_ms. */
struct answer {
    bool wanted;
    uint64_t next_ms;
};

struct ceremony {
    const struct genesis *genesis;
    uint32_t self;
    uint32_t quorum;
    struct sign_key key;
    uint8_t seed[32];
    uint64_t nonce_count;
    struct genesis_terms terms;
    uint64_t now_ms, wall_ms;

    enum ceremony_phase phase;
    struct heard heard[GENESIS_VALIDATORS_MAX];
    uint64_t resend_ms; /* when the next own GenesisReady is due */
    uint64_t resend_interval_ms;
    struct answer ready_answer, certificate_answer;
    uint64_t quorum_ms; /* when a quorum was held for the first time; NEVER_MS: not yet */
    uint64_t turn_ms;   /* how long after that it is our turn to make the certificate; NEVER_MS: never */
    struct genesis_certificate certificate;

    uint64_t refused; /* bit i: the last word of validator i was refused */
    uint64_t refusals;
    uint64_t quiet_until_ms[GENESIS_VALIDATORS_MAX][CEREMONY_REFUSALS];

    struct ceremony_effect effects[CEREMONY_EFFECTS_MAX];
    size_t effect_count;
};

static struct ceremony_effect *add_effect(struct ceremony *self, enum ceremony_effect_type type)
{
    assert(self->effect_count < CEREMONY_EFFECTS_MAX);
    struct ceremony_effect *effect = &self->effects[self->effect_count++];
    *effect = (struct ceremony_effect){.type = type};
    return effect;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* --- refusing ----------------------------------------------------------------------------------------------------- */

struct differing {
    enum ceremony_refusal why; /* 0: nothing */
    struct hash ours, theirs;
};

/* The first of the terms in which the other differs from us. */
static struct differing differing_terms(const struct ceremony *self, const struct genesis_terms *theirs)
{
    const struct genesis_terms *ours = &self->terms;
    if (!hash_equal(&ours->chain_id, &theirs->chain_id))
        return (struct differing){CEREMONY_OTHER_CHAIN, ours->chain_id, theirs->chain_id};
    if (!hash_equal(&ours->config_hash, &theirs->config_hash))
        return (struct differing){CEREMONY_OTHER_CONFIG, ours->config_hash, theirs->config_hash};
    if (!hash_equal(&ours->peer_hash, &theirs->peer_hash))
        return (struct differing){CEREMONY_OTHER_PEERS, ours->peer_hash, theirs->peer_hash};
    return (struct differing){0};
}

/* "Refused by name: always counted, said once per validator, reason and minute." */
static void refuse(struct ceremony *self, uint32_t validator, const struct differing *differing)
{
    self->refusals++;
    self->refused |= UINT64_C(1) << validator;
    uint64_t *quiet_until_ms = &self->quiet_until_ms[validator][differing->why];
    if (self->now_ms < *quiet_until_ms)
        return;
    *quiet_until_ms = self->now_ms + REFUSE_AGAIN_MS;
    struct ceremony_effect *effect = add_effect(self, CEREMONY_REFUSE);
    effect->u.refuse.validator = validator;
    effect->u.refuse.why = differing->why;
    effect->u.refuse.ours = differing->ours;
    effect->u.refuse.theirs = differing->theirs;
}

static void refuse_for(struct ceremony *self, uint32_t validator, enum ceremony_refusal why)
{
    struct differing nothing_to_compare = {.why = why};
    refuse(self, validator, &nothing_to_compare);
}

/* --- attestations ------------------------------------------------------------------------------------------------- */

/* "One heard longer ago than AGE_MS_MAX no longer counts." */
static bool is_fresh(const struct ceremony *self, uint32_t validator)
{
    const struct heard *heard = &self->heard[validator];
    return heard->held && self->now_ms - heard->heard_ms <= CEREMONY_AGE_MS_MAX;
}

static uint32_t fresh_count(const struct ceremony *self)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++)
        count += is_fresh(self, i);
    return count;
}

/* "The newest of each validator is kept; a replayed older one changes nothing." */
static void keep(struct ceremony *self, uint32_t validator, const struct genesis_ready *ready)
{
    struct heard *heard = &self->heard[validator];
    if (is_fresh(self, validator) && ready->time_ms <= heard->attestation.time_ms)
        return;
    *heard = (struct heard){
        .held = true,
        .heard_ms = self->now_ms,
        .attestation = {.validator = validator, .time_ms = ready->time_ms, .signature = ready->signature}};
    memcpy(heard->attestation.nonce, ready->nonce, sizeof heard->attestation.nonce);
}

static void on_ready(struct ceremony *self, uint32_t sender, const struct genesis_ready *ready)
{
    assert(ready);
    struct differing differing = differing_terms(self, &ready->terms);
    if (differing.why != 0) {
        refuse(self, sender, &differing);
        /* "Who is finished answers it, too: the certificate shows the other in what it differs." */
        self->certificate_answer.wanted |= self->phase == CEREMONY_FINISHED;
        return;
    }
    if (!genesis_ready_is_signed(ready, &self->genesis->validators[sender].sign_key)) {
        refuse_for(self, sender, CEREMONY_BAD_SIGNATURE);
        return;
    }
    /* Whoever is finished counts nobody, so its clock does not matter. */
    if (self->phase == CEREMONY_FINISHED) {
        self->refused &= ~(UINT64_C(1) << sender);
        self->certificate_answer.wanted = true;
        return;
    }
    if (distance(ready->time_ms, self->wall_ms) > CEREMONY_SKEW_MS_MAX) {
        refuse_for(self, sender, CEREMONY_BAD_CLOCK);
        return;
    }
    self->refused &= ~(UINT64_C(1) << sender);
    /* Whom we hear for the first time has perhaps not heard us. */
    if (!is_fresh(self, sender))
        self->ready_answer.wanted = true;
    keep(self, sender, ready);
}

/* --- saying that we are there ------------------------------------------------------------------------------------- */

/* Nobody can foresee a nonce, and none is used twice. */
static void next_nonce(struct ceremony *self, uint8_t out[static GENESIS_CERTIFICATE_NONCE_BYTES])
{
    uint8_t count[8];
    struct bytes_writer writer = bytes_writer_of(count, sizeof count);
    bytes_put_u64(&writer, self->nonce_count++);
    struct hash nonce = hash_of2(span_of(self->seed, sizeof self->seed), bytes_written(&writer));
    static_assert(sizeof nonce.bytes == GENESIS_CERTIFICATE_NONCE_BYTES, "a nonce is a hash");
    memcpy(out, nonce.bytes, sizeof nonce.bytes);
}

static bool answer_is_due(const struct ceremony *self, const struct answer *answer)
{
    return answer->wanted && self->now_ms >= answer->next_ms;
}

static void answer_sent(struct ceremony *self, struct answer *answer)
{
    *answer = (struct answer){.wanted = false, .next_ms = self->now_ms + CEREMONY_ANSWER_MS};
}

/* "A fresh GenesisReady at the first tick, then after 5 s, doubling to 60 s; also for whoever has not heard us, at most
 * once per ANSWER_MS." */
static void send_ready_if_due(struct ceremony *self)
{
    bool scheduled = self->now_ms >= self->resend_ms;
    if (!scheduled && !answer_is_due(self, &self->ready_answer))
        return;
    if (scheduled) {
        self->resend_ms = self->now_ms + self->resend_interval_ms;
        uint64_t doubled_ms = 2 * self->resend_interval_ms;
        self->resend_interval_ms = doubled_ms < CEREMONY_RESEND_MAX_MS ? doubled_ms : CEREMONY_RESEND_MAX_MS;
    }
    struct genesis_ready ready = {.terms = self->terms, .time_ms = self->wall_ms};
    next_nonce(self, ready.nonce);
    genesis_ready_sign(&ready, &self->key);
    self->heard[self->self].held = false; /* the own newest one counts even when the own clock was put back */
    keep(self, self->self, &ready);
    add_effect(self, CEREMONY_SEND_READY)->u.ready = ready;
    answer_sent(self, &self->ready_answer);
}

/* --- the certificate ---------------------------------------------------------------------------------------------- */

static void finish(struct ceremony *self, const struct genesis_certificate *certificate)
{
    assert(self->phase == CEREMONY_COLLECTING);
    self->certificate = *certificate;
    self->phase = CEREMONY_FINISHED;
    self->ready_answer.wanted = false;
    add_effect(self, CEREMONY_STORE)->u.certificate = &self->certificate;
    add_effect(self, CEREMONY_DONE);
}

static void on_certificate(struct ceremony *self, uint32_t sender, const struct genesis_certificate *certificate)
{
    assert(certificate);
    struct differing differing = differing_terms(self, &certificate->terms);
    if (differing.why != 0) {
        refuse(self, sender, &differing);
        return;
    }
    if (self->phase == CEREMONY_FINISHED)
        return;
    int rc = genesis_certificate_check(certificate, self->genesis);
    if (rc != 0) {
        refuse_for(self, sender, rc == ERR_MALFORMED ? CEREMONY_BAD_CERTIFICATE : CEREMONY_BAD_SIGNATURE);
        return;
    }
    self->refused &= ~(UINT64_C(1) << sender);
    finish(self, certificate);
}

static uint64_t time_of(const struct ceremony *self, uint32_t validator)
{
    return self->heard[validator].attestation.time_ms;
}

/* Fresh, and at most the spread newer than oldest_ms. */
static bool is_together(const struct ceremony *self, uint32_t validator, uint64_t oldest_ms)
{
    return is_fresh(self, validator) && time_of(self, validator) >= oldest_ms &&
           time_of(self, validator) - oldest_ms <= GENESIS_CERTIFICATE_SPREAD_MS_MAX;
}

/* Where the spread begins that has most of the fresh attestations; of equals the newest. *count is how many it has. */
static uint64_t best_spread(const struct ceremony *self, uint32_t *count)
{
    uint64_t best_ms = 0;
    *count = 0;
    for (uint32_t first = 0; first < self->genesis->validator_count; first++) {
        if (!is_fresh(self, first))
            continue;
        uint64_t oldest_ms = time_of(self, first);
        uint32_t together = 0;
        for (uint32_t i = 0; i < self->genesis->validator_count; i++)
            together += is_together(self, i, oldest_ms);
        if (together > *count || (together == *count && oldest_ms > best_ms)) {
            *count = together;
            best_ms = oldest_ms;
        }
    }
    return best_ms;
}

/* "The leader of view 1 makes it at a quorum at once; after each STEP_IN_MS the leader of the next view may, too." */
static bool is_our_turn(struct ceremony *self)
{
    if (self->quorum_ms == NEVER_MS && fresh_count(self) >= self->quorum)
        self->quorum_ms = self->now_ms;
    return self->quorum_ms != NEVER_MS && self->turn_ms != NEVER_MS && self->now_ms - self->quorum_ms >= self->turn_ms;
}

static void aggregate_if_possible(struct ceremony *self)
{
    if (!is_our_turn(self))
        return;
    uint32_t count;
    uint64_t oldest_ms = best_spread(self, &count);
    if (count < self->quorum)
        return;
    struct genesis_certificate certificate = {.terms = self->terms, .aggregator = self->self};
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (is_together(self, i, oldest_ms))
            certificate.attestations[certificate.count++] = self->heard[i].attestation;
    }
    genesis_certificate_sign(&certificate, &self->key);
    assert(certificate.count == count && genesis_certificate_check(&certificate, self->genesis) == 0);
    finish(self, &certificate);
    add_effect(self, CEREMONY_SEND_CERTIFICATE)->u.certificate = &self->certificate;
    answer_sent(self, &self->certificate_answer);
}

/* "Who is finished answers every GenesisReady with the certificate, at most once per ANSWER_MS." */
static void send_certificate_if_due(struct ceremony *self)
{
    if (!answer_is_due(self, &self->certificate_answer))
        return;
    add_effect(self, CEREMONY_SEND_CERTIFICATE)->u.certificate = &self->certificate;
    answer_sent(self, &self->certificate_answer);
}

/* --- the object --------------------------------------------------------------------------------------------------- */

/* How long after the quorum it is this validator's turn. */
static uint64_t turn_of(const struct genesis *genesis, uint32_t validator)
{
    struct schedule schedule;
    schedule_genesis(&schedule, genesis);
    for (uint64_t view = 1; view <= schedule.count; view++) {
        if (schedule_leader(&schedule, view) == validator)
            return (view - 1) * CEREMONY_STEP_IN_MS;
    }
    return NEVER_MS;
}

int ceremony_new(struct ceremony **out, const struct ceremony_config *config)
{
    uint32_t validator_count = config->genesis->validator_count;
    if (validator_count == 0 || validator_count > GENESIS_VALIDATORS_MAX || config->self >= validator_count)
        return -EINVAL;
    struct ceremony *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->genesis = config->genesis;
    self->self = config->self;
    self->quorum = genesis_quorum(validator_count);
    self->key = config->key;
    memcpy(self->seed, config->seed, sizeof self->seed);
    genesis_terms_of(&self->terms, config->genesis);
    self->now_ms = config->now_ms;
    self->phase = CEREMONY_COLLECTING;
    self->resend_ms = config->now_ms;
    self->resend_interval_ms = CEREMONY_RESEND_MIN_MS;
    self->quorum_ms = NEVER_MS;
    self->turn_ms = turn_of(config->genesis, config->self);
    *out = self;
    return 0;
}

void ceremony_destroy(struct ceremony **self)
{
    if (!self || !*self)
        return;
    sign_key_wipe(&(*self)->key);
    free(*self);
    *self = NULL;
}

void ceremony_step(struct ceremony *self, const struct ceremony_event *event, struct ceremony_effects *effects)
{
    self->effect_count = 0;
    self->now_ms = event->now_ms > self->now_ms ? event->now_ms : self->now_ms;
    self->wall_ms = event->wall_ms;
    bool is_known = event->sender < self->genesis->validator_count;
    switch (event->type) {
    case CEREMONY_TICK:
        break;
    case CEREMONY_CONNECTED:
        self->ready_answer.wanted = self->phase == CEREMONY_COLLECTING;
        break;
    case CEREMONY_READY:
        if (is_known && event->sender != self->self)
            on_ready(self, event->sender, event->u.ready);
        else
            self->refusals++;
        break;
    case CEREMONY_CERTIFICATE:
        if (is_known)
            on_certificate(self, event->sender, event->u.certificate);
        else
            self->refusals++;
        break;
    }
    if (self->phase == CEREMONY_COLLECTING) {
        send_ready_if_due(self);
        aggregate_if_possible(self);
    } else {
        send_certificate_if_due(self);
    }
    *effects = (struct ceremony_effects){.items = self->effects, .count = self->effect_count};
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ceremony_deadline_ms(const struct ceremony *self)
{
    if (self->phase == CEREMONY_FINISHED)
        return self->certificate_answer.wanted ? self->certificate_answer.next_ms : NEVER_MS;
    uint64_t deadline_ms = self->resend_ms;
    if (self->ready_answer.wanted)
        deadline_ms = earlier(deadline_ms, self->ready_answer.next_ms);
    /* When our turn has come, the attestations do not fit together yet: only a new one changes that. */
    bool turn_to_come =
        self->quorum_ms != NEVER_MS && self->turn_ms != NEVER_MS && self->quorum_ms + self->turn_ms > self->now_ms;
    return turn_to_come ? earlier(deadline_ms, self->quorum_ms + self->turn_ms) : deadline_ms;
}

void ceremony_status(const struct ceremony *self, struct ceremony_status *out)
{
    *out = (struct ceremony_status){
        .phase = self->phase, .quorum = self->quorum, .refused = self->refused, .refusals = self->refusals};
    uint64_t present = 0;
    if (self->phase == CEREMONY_FINISHED) {
        out->aggregator = self->certificate.aggregator;
        for (uint32_t i = 0; i < self->certificate.count; i++)
            present |= UINT64_C(1) << self->certificate.attestations[i].validator;
    }
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (self->phase == CEREMONY_COLLECTING && is_fresh(self, i))
            present |= UINT64_C(1) << i;
        if (present >> i & 1)
            out->ready_count++;
        else
            out->missing |= UINT64_C(1) << i;
    }
}

const struct genesis_certificate *ceremony_certificate(const struct ceremony *self)
{
    return self->phase == CEREMONY_FINISHED ? &self->certificate : NULL;
}
