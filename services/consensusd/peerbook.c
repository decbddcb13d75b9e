/* peerbook.c - records come in by questions, answers, beacons and from the store; all go one way, take_record().
 *
 * Who asks shows what it holds, so who is asked learns as well that there is news, and asks in turn: a change reaches
 * everybody in a few questions, however far apart the questions of quiet times are.
 */
#include "services/consensusd/peerbook.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct peerbook {
    struct peerbook_config config;
    struct sign_key key;
    bool started;
    struct peerbook_peer peers[GENESIS_VALIDATORS_MAX];
    uint64_t counts[PEERBOOK_RESULT_COUNT];
};

const char *peerbook_source_text(enum peerbook_source source)
{
    static const char *const texts[] = {"none", "config", "store", "peer", "beacon"};
    return texts[source];
}

const char *peerbook_result_text(uint32_t result)
{
    static const char *const texts[PEERBOOK_RESULT_COUNT] = {
        "taken", "same", "older", "too_soon", "malformed", "other_chain", "unknown", "endpoint", "bad_signature"};
    assert(result < PEERBOOK_RESULT_COUNT);
    return texts[result];
}

int peerbook_new(struct peerbook **out, const struct peerbook_config *config)
{
    assert(config->self < config->genesis->validator_count);
    struct peerbook *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = *config;
    self->key = *config->key;
    self->config.key = &self->key;
    *out = self;
    return 0;
}

void peerbook_destroy(struct peerbook **self)
{
    if (!self || !*self)
        return;
    sign_key_wipe(&(*self)->key);
    free(*self);
    *self = NULL;
}

const struct peerbook_peer *peerbook_peer(const struct peerbook *self, uint32_t validator)
{
    assert(validator < self->config.genesis->validator_count);
    return &self->peers[validator];
}

uint64_t peerbook_count(const struct peerbook *self, uint32_t result)
{
    assert(result < PEERBOOK_RESULT_COUNT);
    return self->counts[result];
}

size_t peerbook_record(const struct peerbook *self, uint32_t validator, uint8_t out[static PEER_RECORD_BYTES_MAX])
{
    const struct peerbook_peer *peer = peerbook_peer(self, validator);
    return peer->held ? peer_record_encode(out, &peer->record, &self->config.genesis->chain_id) : 0;
}

static void add(struct peerbook_effects *effects, struct peerbook_effect effect)
{
    /* SAVE and TELL_GOSSIP say that something has changed: once is enough. */
    for (size_t i = 0; i < effects->count; i++) {
        if (effects->items[i].type == effect.type && effects->items[i].validator == effect.validator &&
            effect.type != PEERBOOK_ANSWER)
            return;
    }
    assert(effects->count < PEERBOOK_EFFECTS_MAX);
    effects->items[effects->count++] = effect;
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static struct peerbook_address address_of_record(const struct peerbook_peer *peer)
{
    return (struct peerbook_address){.pub = peer->record.endpoints.pub, .sync = peer->record.endpoints.sync};
}

static bool address_equal(struct peerbook_address a, struct peerbook_address b)
{
    return a.pub && b.pub && strcmp(a.pub, b.pub) == 0 && strcmp(a.sync, b.sync) == 0;
}

static void use(struct peerbook *self, uint32_t validator, enum peerbook_source source, uint64_t now_ms,
                struct peerbook_effects *effects)
{
    struct peerbook_peer *peer = &self->peers[validator];
    peer->source = source;
    peer->address = source == PEERBOOK_CONFIG ? self->config.configured[validator] : address_of_record(peer);
    peer->connected = false;
    peer->tried_ms = now_ms;
    peer->waiting = false;
    add(effects, (struct peerbook_effect){.type = PEERBOOK_CONNECT, .validator = validator});
}

/* The address that is not in use, if there is one that differs. */
static enum peerbook_source other_source(const struct peerbook *self, uint32_t validator)
{
    const struct peerbook_peer *peer = &self->peers[validator];
    struct peerbook_address configured = self->config.configured[validator];
    if (!peer->held || !configured.pub || address_equal(configured, address_of_record(peer)))
        return PEERBOOK_NOWHERE;
    return peer->source == PEERBOOK_CONFIG ? peer->record_source : PEERBOOK_CONFIG;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void hasten(struct peerbook *self, uint64_t now_ms)
{
    for (uint32_t i = 0; i < self->config.genesis->validator_count; i++) {
        struct peerbook_peer *peer = &self->peers[i];
        peer->ask_interval_ms = PEERBOOK_ASK_MS_MIN;
        if (peer->ask_ms > now_ms + PEERBOOK_HASTE_MS)
            peer->ask_ms = now_ms + PEERBOOK_HASTE_MS;
    }
}

/* A validator signs each version once, also when its clock has gone back or its store is lost: above the last one it
 * knows of. */
static void sign_own(struct peerbook *self, uint64_t version_min, struct peerbook_effects *effects)
{
    struct peerbook_peer *own = &self->peers[self->config.self];
    if (version_min > PEER_RECORD_VERSION_MAX)
        return;
    own->record = (struct peer_record){.version = version_min, .endpoints = self->config.own};
    peer_record_sign(&own->record, &self->config.genesis->chain_id, &self->key);
    own->held = true;
    own->record_source = PEERBOOK_CONFIG;
    add(effects, (struct peerbook_effect){.type = PEERBOOK_SAVE});
}

/* Somebody has a record of ours that we do not hold. If it is good, it is from an earlier life: say it anew. */
static void on_own(struct peerbook *self, const struct peer_record *record, uint64_t now_ms,
                   struct peerbook_effects *effects)
{
    struct peerbook_peer *own = &self->peers[self->config.self];
    if (!self->started) {
        own->record = *record;
        own->held = true;
    } else if (self->config.advertises) {
        sign_own(self, record->version + 1, effects);
        hasten(self, now_ms);
    }
}

static void on_news(struct peerbook *self, uint32_t validator, const struct peerbook_event *event,
                    enum peerbook_source source, const struct peer_record *record, struct peerbook_effects *effects)
{
    struct peerbook_peer *peer = &self->peers[validator];
    bool gossip_moved = strcmp(peer->record.endpoints.gossip, record->endpoints.gossip) != 0;
    char in_use[2][PEER_RECORD_ENDPOINT_BYTES_MAX + 1];
    memcpy(in_use[0], peer->record.endpoints.pub, sizeof in_use[0]);
    memcpy(in_use[1], peer->record.endpoints.sync, sizeof in_use[1]);
    struct peerbook_address before = peer->address;
    if (peer->source != PEERBOOK_NOWHERE && peer->source != PEERBOOK_CONFIG)
        before = (struct peerbook_address){.pub = in_use[0], .sync = in_use[1]};
    peer->record = *record;
    peer->held = true;
    peer->record_source = source;
    if (!self->started)
        return;
    peer->replaced_ms = event->now_ms;
    add(effects, (struct peerbook_effect){.type = PEERBOOK_SAVE});
    if (gossip_moved)
        add(effects, (struct peerbook_effect){.type = PEERBOOK_TELL_GOSSIP});
    if (!address_equal(before, address_of_record(peer))) {
        peer->tries = 0;
        use(self, validator, source, event->now_ms, effects);
    }
    hasten(self, event->now_ms);
}

/* Only a higher version replaces a record, and only the validator itself can have signed it. */
static uint32_t take_record(struct peerbook *self, const struct peerbook_event *event, enum peerbook_source source,
                            struct span bytes, struct peerbook_effects *effects)
{
    struct peer_record record;
    uint32_t validator = 0;
    int verdict = peer_record_decode(&record, &validator, bytes, self->config.genesis);
    if (verdict != 0)
        return PEERBOOK_BAD + (uint32_t)verdict - 1;
    const struct peerbook_peer *peer = &self->peers[validator];
    if (peer->held && record.version <= peer->record.version)
        return record.version == peer->record.version ? PEERBOOK_SAME : PEERBOOK_OLDER;
    if (peer->replaced_ms != 0 && event->now_ms < peer->replaced_ms + PEERBOOK_REPLACE_MS)
        return PEERBOOK_TOO_SOON;
    verdict = peer_record_verify(&record, validator, self->config.genesis);
    if (verdict != 0)
        return PEERBOOK_BAD + (uint32_t)verdict - 1;
    if (validator == self->config.self)
        on_own(self, &record, event->now_ms, effects);
    else
        on_news(self, validator, event, source, &record, effects);
    return PEERBOOK_TAKEN;
}

static void take_records(struct peerbook *self, const struct peerbook_event *event, enum peerbook_source source,
                         struct peerbook_effects *effects)
{
    assert(event->record_count <= PEERBOOK_RECORDS_MAX);
    for (size_t i = 0; i < event->record_count; i++)
        self->counts[take_record(self, event, source, event->records[i], effects)]++;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void on_start(struct peerbook *self, const struct peerbook_event *event, struct peerbook_effects *effects)
{
    const struct peerbook_config *config = &self->config;
    struct peerbook_peer *own = &self->peers[config->self];
    self->started = true;
    if (!config->advertises) {
        own->held = false;
    } else if (!own->held || !peer_record_endpoints_equal(&own->record.endpoints, &config->own)) {
        uint64_t above = own->held ? own->record.version + 1 : 1;
        sign_own(self, event->wall_ms > above ? event->wall_ms : above, effects);
    }
    for (uint32_t i = 0; i < config->genesis->validator_count; i++) {
        self->peers[i].ask_interval_ms = PEERBOOK_ASK_MS_MIN;
        if (i == config->self)
            continue;
        if (config->configured[i].pub)
            use(self, i, PEERBOOK_CONFIG, event->now_ms, effects);
        else if (self->peers[i].held)
            use(self, i, PEERBOOK_STORE, event->now_ms, effects);
    }
    add(effects, (struct peerbook_effect){.type = PEERBOOK_TELL_GOSSIP});
}

static void on_link(struct peerbook *self, const struct peerbook_event *event)
{
    struct peerbook_peer *peer = &self->peers[event->from];
    if (event->connected == peer->connected)
        return;
    peer->connected = event->connected;
    peer->waiting = false;
    if (event->connected) {
        peer->tries = 0;
        peer->ask_ms = event->now_ms;
        peer->ask_interval_ms = PEERBOOK_ASK_MS_MIN;
    } else {
        peer->tried_ms = event->now_ms;
    }
}

static void on_asked(struct peerbook *self, const struct peerbook_event *event, struct peerbook_effects *effects)
{
    take_records(self, event, PEERBOOK_PEER, effects);
    struct peerbook_effect answer = {.type = PEERBOOK_ANSWER, .validator = event->from, .request = event->request};
    bool has_news = false;
    for (uint32_t i = 0; i < self->config.genesis->validator_count; i++) {
        const struct peerbook_peer *peer = &self->peers[i];
        uint64_t held = peer->held ? peer->record.version : 0;
        if (held > event->versions[i])
            answer.validators |= UINT64_C(1) << i;
        if (held < event->versions[i])
            has_news = true;
    }
    struct peerbook_peer *asker = &self->peers[event->from];
    uint64_t soon_ms =
        asker->asked_ms + PEERBOOK_HASTE_MS > event->now_ms ? asker->asked_ms + PEERBOOK_HASTE_MS : event->now_ms;
    if (has_news && asker->ask_ms > soon_ms)
        asker->ask_ms = soon_ms;
    add(effects, answer);
}

/* One answer per question. */
static void on_answered(struct peerbook *self, const struct peerbook_event *event, struct peerbook_effects *effects)
{
    struct peerbook_peer *peer = &self->peers[event->from];
    if (!peer->waiting || peer->request != event->request)
        return;
    peer->waiting = false;
    take_records(self, event, PEERBOOK_PEER, effects);
}

static uint64_t patience_ms(const struct peerbook_peer *peer)
{
    uint64_t patience = (uint64_t)PEERBOOK_PATIENCE_MS << (peer->tries < 3 ? peer->tries : 3);
    return patience < PEERBOOK_PATIENCE_MS_MAX ? patience : PEERBOOK_PATIENCE_MS_MAX;
}

static void tend(struct peerbook *self, uint32_t validator, uint64_t now_ms, struct peerbook_effects *effects)
{
    struct peerbook_peer *peer = &self->peers[validator];
    if (!peer->connected) {
        enum peerbook_source other = other_source(self, validator);
        if (other != PEERBOOK_NOWHERE && now_ms >= peer->tried_ms + patience_ms(peer)) {
            peer->tries++;
            use(self, validator, other, now_ms, effects);
        }
        return;
    }
    if (now_ms < peer->ask_ms)
        return;
    peer->asked_ms = now_ms;
    peer->ask_ms = now_ms + peer->ask_interval_ms;
    peer->ask_interval_ms =
        peer->ask_interval_ms < PEERBOOK_ASK_MS_MAX / 2 ? 2 * peer->ask_interval_ms : PEERBOOK_ASK_MS_MAX;
    peer->waiting = true;
    add(effects, (struct peerbook_effect){.type = PEERBOOK_ASK, .validator = validator, .request = ++peer->request});
}

void peerbook_step(struct peerbook *self, const struct peerbook_event *event, struct peerbook_effects *effects)
{
    effects->count = 0;
    assert(event->from < self->config.genesis->validator_count);
    switch (event->type) {
    case PEERBOOK_STORED:
        assert(!self->started);
        take_records(self, event, PEERBOOK_STORE, effects);
        break;
    case PEERBOOK_START:
        on_start(self, event, effects);
        break;
    case PEERBOOK_LINK:
        on_link(self, event);
        break;
    case PEERBOOK_ASKED:
        on_asked(self, event, effects);
        break;
    case PEERBOOK_ANSWERED:
        on_answered(self, event, effects);
        break;
    case PEERBOOK_HEARD:
        take_records(self, event, PEERBOOK_BEACON, effects);
        break;
    case PEERBOOK_TICK:
        for (uint32_t i = 0; i < self->config.genesis->validator_count; i++) {
            if (i != self->config.self)
                tend(self, i, event->now_ms, effects);
        }
        break;
    }
}
