/* ceremony_world.c - the network, the validators and what must hold. */
#include "tests/sim/ceremony_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t start_wall_ms = 1700000000000;

enum { STEPS_PER_MS_MAX = 500 };

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

uint64_t world_random(struct world *self, uint64_t limit)
{
    uint64_t mixed = self->random += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return (mixed ^ mixed >> 31) % limit;
}

void world_fail(struct world *self, const char *why, uint32_t validator)
{
    if (self->failure[0] == '\0')
        snprintf(self->failure, sizeof self->failure, "%s (validator %u of %u, %" PRIu64 " ms)", why, validator,
                 self->validator_count, self->now_ms);
}

uint64_t world_wall_ms(const struct world *self, uint32_t validator)
{
    return start_wall_ms + self->now_ms + (uint64_t)self->nodes[validator].wall_skew_ms;
}

void world_init(struct world *self, uint64_t seed, uint32_t validator_count)
{
    static const uint32_t quorums[] = {[1] = 1, [4] = 3, [5] = 4, [7] = 5}; /* not reckoned by what is tested */
    memset(self, 0, sizeof *self);
    self->random = seed;
    self->validator_count = validator_count;
    self->quorum = quorums[validator_count];
    self->faults_max = (validator_count - 1) / 3;
    self->genesis.validator_count = validator_count;
    self->genesis.parameters = genesis_parameters_default();
    for (size_t i = 0; i < HASH_BYTES; i++)
        self->genesis.chain_id.bytes[i] = (uint8_t)world_random(self, 256);
    for (uint32_t i = 0; i < validator_count; i++) {
        uint8_t key_seed[SIGN_SEED_BYTES];
        for (size_t k = 0; k < sizeof key_seed; k++)
            key_seed[k] = (uint8_t)world_random(self, 256);
        sign_key_from_seed(&self->keys[i], key_seed);
        self->genesis.validators[i].sign_key = self->keys[i].public;
        self->genesis.validators[i].id = sign_public_id(&self->keys[i].public);
        self->nodes[i].said = must(calloc(WORLD_SAID_MAX, sizeof self->nodes[i].said[0]));
    }
    genesis_terms_of(&self->terms, &self->genesis);
}

void world_deinit(struct world *self)
{
    for (uint32_t i = 0; i < self->validator_count; i++) {
        ceremony_destroy(&self->nodes[i].core);
        free(self->nodes[i].said);
    }
    for (size_t i = 0; i < self->letter_count; i++)
        free(self->letters[i].certificate);
    free(self->letters);
}

/* --- the network -------------------------------------------------------------------------------------------------- */

static void post(struct world *self, const struct world_letter *letter)
{
    if (self->letter_count == self->letter_capacity) {
        self->letter_capacity = self->letter_capacity ? 2 * self->letter_capacity : 256;
        self->letters = must(realloc(self->letters, self->letter_capacity * sizeof *self->letters));
    }
    self->letters[self->letter_count] = *letter;
    self->letters[self->letter_count++].order = self->letter_order++;
}

/* The letter that comes next, or NULL. */
static struct world_letter *next_letter(struct world *self)
{
    struct world_letter *next = NULL;
    for (size_t i = 0; i < self->letter_count; i++) {
        struct world_letter *each = &self->letters[i];
        if (!next || each->at_ms < next->at_ms || (each->at_ms == next->at_ms && each->order < next->order))
            next = each;
    }
    return next;
}

static uint64_t delay_ms(struct world *self)
{
    return world_random(self, 100) < self->late_percent ? 1 + world_random(self, WORLD_DELAY_MS_MAX)
                                                        : 1 + world_random(self, 50);
}

void world_send(struct world *self, uint32_t from, uint32_t to, const struct genesis_ready *ready,
                const struct genesis_certificate *certificate)
{
    if (world_random(self, 100) < self->loss_percent || self->cut >> (8 * from + to) & 1)
        return;
    uint32_t copies = world_random(self, 100) < self->twice_percent ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        struct world_letter letter = {.at_ms = self->now_ms + delay_ms(self),
                                      .from = from,
                                      .to = to,
                                      .type = certificate ? CEREMONY_CERTIFICATE : CEREMONY_READY};
        if (certificate) {
            letter.certificate = must(malloc(sizeof *certificate));
            *letter.certificate = *certificate;
        } else if (ready) {
            letter.ready = *ready;
        }
        post(self, &letter);
    }
}

static void broadcast(struct world *self, uint32_t from, const struct genesis_ready *ready,
                      const struct genesis_certificate *certificate)
{
    for (uint32_t to = 0; to < self->validator_count; to++) {
        if (to != from)
            world_send(self, from, to, ready, certificate);
    }
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

void world_remember(struct world *self, uint32_t validator, const struct genesis_ready *ready)
{
    struct world_node *node = &self->nodes[validator];
    if (node->said_count == WORLD_SAID_MAX) {
        world_fail(self, "more was said than anybody can remember", validator);
        return;
    }
    struct world_said *said = &node->said[node->said_count++];
    memset(said, 0, sizeof *said);
    said->attestation =
        (struct genesis_attestation){.validator = validator, .time_ms = ready->time_ms, .signature = ready->signature};
    memcpy(said->attestation.nonce, ready->nonce, sizeof said->attestation.nonce);
}

static struct world_said *said_by(const struct world *self, uint32_t validator, const uint8_t *nonce, uint64_t time_ms)
{
    const struct world_node *node = &self->nodes[validator];
    for (size_t i = node->said_count; i > 0; i--) {
        const struct genesis_attestation *said = &node->said[i - 1].attestation;
        if (memcmp(said->nonce, nonce, sizeof said->nonce) == 0 && said->time_ms == time_ms)
            return &node->said[i - 1];
    }
    return NULL;
}

static void note_hearing(struct world *self, uint32_t from, uint32_t to, const struct genesis_ready *ready)
{
    const struct world_node *node = &self->nodes[to];
    struct world_said *said = said_by(self, from, ready->nonce, ready->time_ms);
    if (!said)
        return;
    if (said->heard[to].life == node->life && self->now_ms - said->heard[to].at_ms <= CEREMONY_AGE_MS_MAX)
        return;
    said->heard[to].life = node->life;
    said->heard[to].at_ms = self->now_ms;
    said->heard[to].wall_ms = world_wall_ms(self, to);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* An honest validator's attestation in a certificate: it was said, and whoever made the certificate heard it lately, at
 * about that time by its own clock. A liar may sign anything, and say it again when it suits it. */
static void judge_attestation(struct world *self, uint32_t validator, const struct genesis_attestation *attestation,
                              bool made_here)
{
    const struct world_said *said = said_by(self, attestation->validator, attestation->nonce, attestation->time_ms);
    if (self->nodes[attestation->validator].liar)
        return;
    if (!said) {
        world_fail(self, "finished with what nobody said", validator);
        return;
    }
    if (!made_here || attestation->validator == validator)
        return;
    if (said->heard[validator].life != self->nodes[validator].life ||
        self->now_ms - said->heard[validator].at_ms > CEREMONY_AGE_MS_MAX)
        world_fail(self, "put an old attestation into a certificate", validator);
    if (distance(attestation->time_ms, said->heard[validator].wall_ms) > CEREMONY_SKEW_MS_MAX)
        world_fail(self, "put an attestation with a wrong time into a certificate", validator);
}

static bool was_made(const struct world *self, const struct genesis_certificate *certificate)
{
    const struct world_node *node = &self->nodes[certificate->aggregator];
    bool found = node->liar;
    for (size_t i = 0; i < node->made_count; i++)
        found = found || memcmp(&node->made[i], &certificate->signature, sizeof certificate->signature) == 0;
    return found;
}

/* Nobody finishes but with a quorum of validators that said so, each for itself, at about one time. */
static void judge_certificate(struct world *self, uint32_t validator, const struct genesis_certificate *certificate,
                              bool made_here)
{
    struct world_node *node = &self->nodes[validator];
    uint64_t signers = 0, oldest_ms = UINT64_MAX, newest_ms = 0;
    if (memcmp(&certificate->terms, &self->terms, sizeof self->terms) != 0)
        world_fail(self, "finished with other terms", validator);
    for (uint32_t i = 0; i < certificate->count; i++) {
        const struct genesis_attestation *each = &certificate->attestations[i];
        if (each->validator >= self->validator_count) {
            world_fail(self, "finished with an unknown signer", validator);
            return;
        }
        judge_attestation(self, validator, each, made_here);
        signers |= UINT64_C(1) << each->validator;
        oldest_ms = each->time_ms < oldest_ms ? each->time_ms : oldest_ms;
        newest_ms = each->time_ms > newest_ms ? each->time_ms : newest_ms;
    }
    if ((uint32_t)__builtin_popcountll(signers) < self->quorum)
        world_fail(self, "finished with fewer than a quorum", validator);
    if (newest_ms - oldest_ms > 180000)
        world_fail(self, "finished with attestations that are too far apart", validator);
    if (made_here && node->made_count < WORLD_MADE_MAX)
        node->made[node->made_count++] = certificate->signature;
    if (certificate->aggregator >= self->validator_count || !was_made(self, certificate))
        world_fail(self, "finished with a certificate that nobody made", validator);
}

/* Every message has a cause: the schedule, a connection, a validator that is new, a GenesisReady. */
static void judge_messages(struct world *self, uint32_t validator)
{
    const struct world_node *node = &self->nodes[validator];
    uint64_t age_ms = self->now_ms - node->born_ms;
    uint64_t scheduled = 5 + age_ms / CEREMONY_RESEND_MAX_MS;
    uint64_t new_ones = self->validator_count * (1 + age_ms / CEREMONY_AGE_MS_MAX);
    if (node->ready_sent > scheduled + node->connected + new_ones)
        world_fail(self, "says too often that it is there", validator);
    if (node->certificates_sent > 1 + node->ready_heard || node->certificates_sent > 2 + age_ms / CEREMONY_ANSWER_MS)
        world_fail(self, "sends the certificate too often", validator);
}

/* --- validators --------------------------------------------------------------------------------------------------- */

static bool has_effect(const struct ceremony_effects *effects, enum ceremony_effect_type type)
{
    for (size_t i = 0; i < effects->count; i++) {
        if (effects->items[i].type == type)
            return true;
    }
    return false;
}

static void carry_out(struct world *self, uint32_t validator, const struct ceremony_effects *effects, bool from_disk)
{
    struct world_node *node = &self->nodes[validator];
    bool stored_now = false;
    if (effects->count > CEREMONY_EFFECTS_MAX)
        world_fail(self, "too many effects", validator);
    for (size_t i = 0; i < effects->count; i++) {
        const struct ceremony_effect *effect = &effects->items[i];
        self->fingerprint = self->fingerprint * 1099511628211 + self->now_ms * 64 + validator * 8 + effect->type;
        switch (effect->type) {
        case CEREMONY_SEND_READY:
            if (node->finished)
                world_fail(self, "finished and still says that it is there", validator);
            node->ready_sent++;
            world_remember(self, validator, &effect->u.ready);
            broadcast(self, validator, &effect->u.ready, NULL);
            break;
        case CEREMONY_STORE:
            judge_certificate(self, validator, effect->u.certificate, has_effect(effects, CEREMONY_SEND_CERTIFICATE));
            node->disk = *effect->u.certificate;
            node->stored = stored_now = true;
            break;
        case CEREMONY_DONE:
            if (!stored_now || node->finished)
                world_fail(self, "done twice, or before it is stored", validator);
            node->finished = true;
            node->finished_ms = self->now_ms;
            break;
        case CEREMONY_SEND_CERTIFICATE:
            if (!node->finished)
                world_fail(self, "sends a certificate before it is finished", validator);
            node->certificates_sent++;
            broadcast(self, validator, NULL, effect->u.certificate);
            break;
        case CEREMONY_REFUSE:
            if (!from_disk && !self->nodes[effect->u.refuse.validator].liar &&
                effect->u.refuse.why != CEREMONY_BAD_CLOCK)
                world_fail(self, "refuses one who did nothing wrong", validator);
            break;
        }
    }
    judge_messages(self, validator);
}

static void step(struct world *self, uint32_t validator, struct ceremony_event event)
{
    struct world_node *node = &self->nodes[validator];
    event.now_ms = self->now_ms + node->clock_base_ms;
    event.wall_ms = world_wall_ms(self, validator);
    struct ceremony_effects effects;
    ceremony_step(node->core, &event, &effects);
    self->steps++;
    carry_out(self, validator, &effects, event.type == CEREMONY_CERTIFICATE && event.sender == validator);
    if ((ceremony_certificate(node->core) != NULL) != node->finished)
        world_fail(self, "has a certificate and is not finished, or the other way round", validator);
}

static void connect_soon(struct world *self, uint32_t from, uint32_t to)
{
    struct world_letter letter = {.at_ms = self->now_ms + 1 + world_random(self, 2000),
                                  .from = from,
                                  .to = to,
                                  .type = CEREMONY_CONNECTED,
                                  .life = self->nodes[to].life};
    post(self, &letter);
}

void world_start(struct world *self, uint32_t validator)
{
    struct world_node *node = &self->nodes[validator];
    node->clock_base_ms = world_random(self, 1000000);
    struct ceremony_config config = {.genesis = &self->genesis,
                                     .self = validator,
                                     .key = self->keys[validator],
                                     .now_ms = self->now_ms + node->clock_base_ms};
    for (size_t i = 0; i < sizeof config.seed; i++)
        config.seed[i] = (uint8_t)world_random(self, 256);
    if (ceremony_new(&node->core, &config) != 0)
        abort();
    node->life++;
    node->born_ms = self->now_ms;
    node->connected = node->ready_sent = node->ready_heard = node->certificates_sent = 0;
    node->finished = false;
    for (uint32_t i = 0; i < self->validator_count; i++) {
        if (i != validator && self->nodes[i].core && !self->connections_unnoticed) {
            connect_soon(self, i, validator);
            connect_soon(self, validator, i);
        }
    }
    if (node->stored) {
        struct genesis_certificate disk = node->disk;
        struct ceremony_event event = {.type = CEREMONY_CERTIFICATE, .sender = validator, .u.certificate = &disk};
        step(self, validator, event);
    }
}

void world_stop(struct world *self, uint32_t validator)
{
    ceremony_destroy(&self->nodes[validator].core);
    self->nodes[validator].finished = false;
}

static void deliver(struct world *self, struct world_letter *letter)
{
    struct world_letter taken = *letter;
    *letter = self->letters[--self->letter_count];
    struct world_node *node = &self->nodes[taken.to];
    struct ceremony_event event = {.type = taken.type, .sender = taken.from};
    if (taken.type == CEREMONY_READY)
        event.u.ready = &taken.ready;
    else if (taken.type == CEREMONY_CERTIFICATE)
        event.u.certificate = taken.certificate;
    bool late = taken.type == CEREMONY_CONNECTED && taken.life != node->life;
    if (node->core && !late) {
        node->connected += taken.type == CEREMONY_CONNECTED;
        node->ready_heard += taken.type == CEREMONY_READY;
        if (taken.type == CEREMONY_READY)
            note_hearing(self, taken.from, taken.to, &taken.ready);
        step(self, taken.to, event);
    }
    free(taken.certificate);
}

/* When a core is to be ticked, in the world's time. */
static uint64_t due_ms(const struct world *self, uint32_t validator)
{
    const struct world_node *node = &self->nodes[validator];
    uint64_t deadline_ms = node->core ? ceremony_deadline_ms(node->core) : UINT64_MAX;
    if (deadline_ms == UINT64_MAX)
        return UINT64_MAX;
    deadline_ms -= node->clock_base_ms;
    return deadline_ms > self->now_ms ? deadline_ms : self->now_ms;
}

void world_run(struct world *self, uint64_t until_ms)
{
    uint64_t steps_in_ms = 0;
    while (self->failure[0] == '\0') {
        struct world_letter *letter = next_letter(self);
        uint64_t next_ms = letter ? letter->at_ms : UINT64_MAX;
        uint32_t ticked = self->validator_count;
        for (uint32_t i = 0; i < self->validator_count; i++) {
            if (due_ms(self, i) < next_ms) {
                next_ms = due_ms(self, i);
                ticked = i;
            }
        }
        if (next_ms > until_ms)
            break;
        steps_in_ms = next_ms == self->now_ms ? steps_in_ms + 1 : 0;
        if (steps_in_ms > STEPS_PER_MS_MAX)
            world_fail(self, "time does not pass", ticked);
        self->now_ms = next_ms;
        if (ticked < self->validator_count)
            step(self, ticked, (struct ceremony_event){.type = CEREMONY_TICK});
        else if (letter)
            deliver(self, letter);
    }
    if (self->now_ms < until_ms)
        self->now_ms = until_ms;
}
