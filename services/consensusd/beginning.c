/* beginning.c - carries out the genesis ceremony, and starts consensus after it.
 *
 * consensus starts when the genesis block is known (executord tells it) and the certificate of the ceremony is on disk
 * here. The certificate comes from the own store, from executord (which keeps a copy, and the database's), from another
 * validator, or is made together with the others.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/err.h"
#include "services/consensusd/stages_state.h"

static const char *const refusal_texts[CEREMONY_REFUSALS] = {
    [CEREMONY_OTHER_CHAIN] = "another genesis file",
    [CEREMONY_OTHER_CONFIG] = "other rules: another version of the software",
    [CEREMONY_OTHER_PEERS] = "other validators",
    [CEREMONY_BAD_CLOCK] = "its clock is more than a minute from ours",
    [CEREMONY_BAD_SIGNATURE] = "a signature is wrong",
    [CEREMONY_BAD_CERTIFICATE] = "its certificate is not of a quorum",
};

static void step(struct consensusd *self, struct ceremony_event *event);

/* --- effects ------------------------------------------------------------------------------------------------------ */

static void publish(struct consensusd *self, int rc, uint8_t **frame, size_t size)
{
    if (rc == 0)
        rc = bus_publish_take(self->pub, CONSENSUS_CODEC_GENESIS_TOPIC, frame, size);
    if (rc < 0)
        log_error("broadcast.failed", "topic=" CONSENSUS_CODEC_GENESIS_TOPIC " error=\"%s\"", err_text(rc));
    free(*frame);
}

static void send_ready(struct consensusd *self, const struct genesis_ready *ready)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    struct consensus_codec_sender sender = {.index = self->self};
    int rc = consensus_codec_encode_ready(ready, &sender, &frame, &size);
    publish(self, rc, &frame, size);
}

static void send_certificate(struct consensusd *self, const struct genesis_certificate *certificate)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    struct consensus_codec_sender sender = {.index = self->self, .committed_height = self->committed_height};
    int rc = consensus_codec_encode_genesis(certificate, &sender, &frame, &size);
    publish(self, rc, &frame, size);
}

/* What is stored is what executord is offered, and what a restart reads. */
static void store_certificate(struct consensusd *self, const struct genesis_certificate *certificate)
{
    self->certificate_size = genesis_certificate_encode(self->certificate, certificate);
    int rc = safety_store_set_certificate(self->store, span_of(self->certificate, self->certificate_size));
    if (rc < 0)
        consensusd_stop(self, rc, "store the genesis certificate");
}

static void refuse(struct consensusd *self, const struct ceremony_effect *effect)
{
    const char *name = consensusd_validator_name(self, effect->u.refuse.validator);
    const char *why = refusal_texts[effect->u.refuse.why];
    if (hash_is_zero(&effect->u.refuse.ours))
        log_warn("genesis.refused", "validator=%s why=\"%s\"", LOG_QUOTE_TEXT(name), why);
    else
        log_warn("genesis.refused", "validator=%s why=\"%s\" ours=%s theirs=%s", LOG_QUOTE_TEXT(name), why,
                 LOG_HASH(&effect->u.refuse.ours), LOG_HASH(&effect->u.refuse.theirs));
}

static void done(struct consensusd *self)
{
    const struct genesis_certificate *certificate = ceremony_certificate(self->ceremony);
    log_info("genesis.certified", "ready=%u of=%u aggregator=%s", certificate->count, self->genesis->validator_count,
             LOG_QUOTE_TEXT(consensusd_validator_name(self, certificate->aggregator)));
    self->certified = true;
    int rc = beginning_try(self);
    if (rc < 0)
        consensusd_stop(self, rc, "begin after the genesis ceremony");
}

static void carry_out(struct consensusd *self, const struct ceremony_effect *effect)
{
    switch (effect->type) {
    case CEREMONY_SEND_READY:
        send_ready(self, &effect->u.ready);
        break;
    case CEREMONY_STORE:
        store_certificate(self, effect->u.certificate);
        break;
    case CEREMONY_DONE:
        done(self);
        break;
    case CEREMONY_SEND_CERTIFICATE:
        send_certificate(self, effect->u.certificate);
        break;
    case CEREMONY_REFUSE:
        refuse(self, effect);
        break;
    }
}

static void on_timer(void *context)
{
    struct consensusd *self = context;
    self->ceremony_timer = LOOP_TIMER_NONE;
    struct ceremony_event event = {.type = CEREMONY_TICK};
    step(self, &event);
}

static void arm(struct consensusd *self)
{
    loop_timer_cancel(self->loop, self->ceremony_timer);
    self->ceremony_timer = LOOP_TIMER_NONE;
    uint64_t due_ms = ceremony_deadline_ms(self->ceremony), now_ms = loop_now_ms();
    if (due_ms == UINT64_MAX)
        return;
    uint64_t delay_ms = due_ms <= now_ms ? 1 : due_ms - now_ms;
    assert(delay_ms <= UINT32_MAX);
    int rc = loop_timer_once(self->loop, (uint32_t)delay_ms, on_timer, self, &self->ceremony_timer);
    if (rc < 0)
        consensusd_stop(self, rc, "arm the ceremony's timer");
}

static void step(struct consensusd *self, struct ceremony_event *event)
{
    event->now_ms = loop_now_ms();
    event->wall_ms = (uint64_t)loop_wall_ms();
    struct ceremony_effects effects;
    ceremony_step(self->ceremony, event, &effects);
    for (size_t i = 0; i < effects.count && self->failure == 0; i++)
        carry_out(self, &effects.items[i]);
    if (self->failure == 0)
        arm(self);
}

/* --- what comes --------------------------------------------------------------------------------------------------- */

void beginning_on_message(struct consensusd *self, struct ceremony_event *event)
{
    step(self, event);
}

void beginning_on_stored(struct consensusd *self, struct span bytes, const char *where)
{
    static struct genesis_certificate certificate; /* large, and one at a time */
    if (self->certified || self->failure != 0)
        return;
    if (genesis_certificate_decode(&certificate, bytes) == 0) {
        struct ceremony_event event = {
            .type = CEREMONY_CERTIFICATE, .sender = self->self, .u.certificate = &certificate};
        step(self, &event);
    }
    if (self->failure == 0 && !self->certified)
        log_limited(&self->bad_certificate_limit, LOG_LEVEL_ERROR, "genesis.bad_certificate",
                    "where=%s bytes=%zu error=\"it is not a certificate of this genesis file\"", where, bytes.size);
    if (self->certified)
        log_info("genesis.restored", "where=%s", where);
}

void beginning_beat(struct consensusd *self)
{
    uint32_t connected = peers_connected(self);
    bool more = connected > self->connected_before;
    self->connected_before = connected;
    if (!more)
        return;
    struct ceremony_event event = {.type = CEREMONY_CONNECTED};
    step(self, &event);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

int beginning_try(struct consensusd *self)
{
    if (self->core || !self->genesis_known || !self->certified)
        return 0;
    int rc = consensusd_start_core(self);
    if (rc == 0 && self->executor == EXECUTOR_RESUMING)
        handover_continue(self);
    return rc;
}

int beginning_open(struct consensusd *self)
{
    struct ceremony_config config = {
        .genesis = self->genesis, .self = self->self, .key = self->key, .now_ms = loop_now_ms()};
    randombytes_buf(config.seed, sizeof config.seed);
    int rc = ceremony_new(&self->ceremony, &config);
    sign_key_wipe(&config.key);
    if (rc < 0)
        return log_failure(rc, "prepare the genesis ceremony");
    rc = safety_store_genesis(self->store, &self->genesis_header);
    self->genesis_known = rc == 0;
    if (rc < 0 && rc != ERR_NOT_FOUND) /* executord tells it */
        return log_failure(rc, "read the genesis block");
    rc = safety_store_certificate(self->store, self->certificate, &self->certificate_size);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return log_failure(rc, "read the genesis certificate");
    if (rc == 0)
        beginning_on_stored(self, span_of(self->certificate, self->certificate_size), "store");
    else
        arm(self);
    return self->failure;
}

void beginning_show(struct consensusd *self, struct beginning_text *out)
{
    struct ceremony_status status;
    ceremony_status(self->ceremony, &status);
    *out = (struct beginning_text){.refusals = status.refusals, .ready_count = status.ready_count};
    if (status.phase == CEREMONY_FINISHED) {
        snprintf(out->phase, sizeof out->phase, "done");
        return;
    }
    snprintf(out->phase, sizeof out->phase, "collecting %u/%u", status.ready_count, status.quorum);
    size_t used = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count && used < sizeof out->missing; i++) {
        if (!(status.missing >> i & 1))
            continue;
        int wrote = snprintf(out->missing + used, sizeof out->missing - used, "%s%s%s", used ? ", " : "",
                             consensusd_validator_name(self, i), status.refused >> i & 1 ? " (refused)" : "");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

void beginning_close(struct consensusd *self)
{
    if (self->loop)
        loop_timer_cancel(self->loop, self->ceremony_timer);
    ceremony_destroy(&self->ceremony);
}
