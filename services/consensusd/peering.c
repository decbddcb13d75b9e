/* peering.c - the book of peers in the world: its questions and answers on the sync sockets, its file, its connections.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/peer_codec.h"
#include "services/consensusd/peer_file.h"
#include "services/consensusd/stages_state.h"

enum { GOSSIP_TOLD_MS = 5000 };

/* --- effects ------------------------------------------------------------------------------------------------------ */

static void ask(struct consensusd *self, const struct peerbook_effect *effect)
{
    struct peer *peer = &self->peers[effect->validator];
    struct peer_codec_request request = {.request = effect->request};
    uint8_t own[PEER_RECORD_BYTES_MAX];
    static uint8_t frame[PEER_CODEC_FRAME_BYTES_MAX];
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        const struct peerbook_peer *known = peerbook_peer(self->book, i);
        request.versions[i] = known->held ? known->record.version : 0;
    }
    request.record = span_of(own, peerbook_record(self->book, self->self, own));
    size_t size = peer_codec_encode_request(frame, &request);
    peer->asked_us = loop_now_us();
    int rc = peer->sync ? bus_send(peer->sync, NULL, frame, size) : -EAGAIN;
    if (rc < 0)
        log_debug("peers.unasked", "peer=%s error=\"%s\"", consensusd_validator_name(self, peer->index), err_text(rc));
}

static void answer(struct consensusd *self, const struct peerbook_effect *effect)
{
    struct peer_codec_response response = {.request = effect->request};
    static uint8_t records[GENESIS_VALIDATORS_MAX][PEER_RECORD_BYTES_MAX];
    static uint8_t frame[PEER_CODEC_FRAME_BYTES_MAX];
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (effect->validators >> i & 1)
            response.records[response.record_count++] = span_of(records[i], peerbook_record(self->book, i, records[i]));
    }
    int rc = bus_send(self->sync, self->asker, frame, peer_codec_encode_response(frame, &response));
    if (rc < 0)
        log_debug("peers.unanswered", "peer=%s error=\"%s\"", consensusd_validator_name(self, effect->validator),
                  err_text(rc));
}

static bool file_path(const struct consensusd *self, char out[static PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s/peers", self->config->data_dir) < PATH_MAX;
}

/* Without the file a restart depends on the configuration and on who asks: no reason to stop. */
static void save(const struct consensusd *self)
{
    static uint8_t bytes[GENESIS_VALIDATORS_MAX][PEER_RECORD_BYTES_MAX];
    struct span records[GENESIS_VALIDATORS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        size_t size = peerbook_record(self->book, i, bytes[i]);
        if (size > 0)
            records[count++] = span_of(bytes[i], size);
    }
    char path[PATH_MAX];
    int rc = file_path(self, path) ? peer_file_write(path, records, count) : -ENAMETOOLONG;
    if (rc < 0)
        log_warn("peers.unsaved", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(path), err_text(rc));
}

static int connect_to(struct consensusd *self, uint32_t validator)
{
    const struct peerbook_peer *peer = peerbook_peer(self->book, validator);
    log_info("peer.address", "peer=%s source=%s pub=%s sync=%s",
             LOG_QUOTE_TEXT(consensusd_validator_name(self, validator)), peerbook_source_text(peer->source),
             LOG_QUOTE_TEXT(peer->address.pub), LOG_QUOTE_TEXT(peer->address.sync));
    return peers_connect(self, validator, &peer->address);
}

/* Returns the first failure to connect: at the start it is one of the configuration, later it is logged by the bus and
 * the other address, or a newer record, may help. */
static int step(struct consensusd *self, struct peerbook_event *event)
{
    struct peerbook_effects effects;
    int failure = 0;
    event->now_ms = loop_now_ms();
    peerbook_step(self->book, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct peerbook_effect *effect = &effects.items[i];
        switch (effect->type) {
        case PEERBOOK_CONNECT: {
            int rc = connect_to(self, effect->validator);
            failure = failure < 0 ? failure : rc;
            break;
        }
        case PEERBOOK_ASK:
            ask(self, effect);
            break;
        case PEERBOOK_ANSWER:
            answer(self, effect);
            break;
        case PEERBOOK_SAVE:
            save(self);
            break;
        case PEERBOOK_TELL_GOSSIP:
            pool_client_peers(self);
            break;
        }
    }
    return failure;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

int peering_on_request(struct peer *peer, const struct bus_route *route, struct span body)
{
    struct consensusd *self = peer->daemon;
    struct peer_codec_request request;
    int rc = peer_codec_decode_request(&request, body, self->genesis->validator_count);
    if (rc < 0)
        return rc;
    struct peerbook_event event = {.type = PEERBOOK_ASKED,
                                   .from = peer->index,
                                   .request = request.request,
                                   .records = &request.record,
                                   .record_count = request.record.size > 0,
                                   .versions = request.versions};
    self->asker = route;
    step(self, &event);
    self->asker = NULL;
    return 0;
}

int peering_on_response(struct peer *peer, struct span body)
{
    struct consensusd *self = peer->daemon;
    struct peer_codec_response response;
    int rc = peer_codec_decode_response(&response, body, self->genesis->validator_count);
    if (rc < 0)
        return rc;
    const struct peerbook_peer *known = peerbook_peer(self->book, peer->index);
    if (known->waiting && known->request == response.request)
        peer->round_trip_us = loop_now_us() - peer->asked_us;
    struct peerbook_event event = {.type = PEERBOOK_ANSWERED,
                                   .from = peer->index,
                                   .request = response.request,
                                   .records = response.records,
                                   .record_count = response.record_count};
    step(self, &event);
    return 0;
}

void peering_on_beacon(struct consensusd *self, struct span record)
{
    struct peerbook_event event = {.type = PEERBOOK_HEARD, .records = &record, .record_count = 1};
    step(self, &event);
}

static void look_at_link(struct consensusd *self, struct peer *peer)
{
    bool connected = peers_is_connected(peer);
    if (!connected)
        peer->connected_wall_ms = 0;
    else if (peer->connected_wall_ms == 0)
        peer->connected_wall_ms = (uint64_t)loop_wall_ms();
    if (connected == peerbook_peer(self->book, peer->index)->connected)
        return;
    struct peerbook_event event = {.type = PEERBOOK_LINK, .from = peer->index, .connected = connected};
    step(self, &event);
}

void peering_tick(struct consensusd *self)
{
    if (!self->book)
        return;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (i != self->self)
            look_at_link(self, &self->peers[i]);
    }
    struct peerbook_event event = {.type = PEERBOOK_TICK};
    step(self, &event);
    uint64_t now_ms = loop_now_ms();
    if (now_ms >= self->gossip_told_ms + GOSSIP_TOLD_MS) {
        self->gossip_told_ms = now_ms; /* mempoold may have been restarted */
        pool_client_peers(self);
    }
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int read_configured(struct consensusd *self, const char *item, struct peerbook_config *config)
{
    struct consensusd_peer_address address;
    int rc = consensusd_peer_address_parse(&address, item);
    if (rc < 0)
        return rc;
    uint32_t index = 0;
    while (index < self->genesis->validator_count && strcmp(consensusd_validator_name(self, index), address.name) != 0)
        index++;
    if (index == self->genesis->validator_count || index == self->self || self->configured[index].name) {
        rc =
            config_problem("CONSENSUS_PEERS", address.name, "names of other validators of the genesis file, each once");
        consensusd_peer_address_free(&address);
        return rc;
    }
    self->configured[index] = address;
    config->configured[index] = (struct peerbook_address){.pub = address.pub, .sync = address.sync};
    return 0;
}

static int read_stored(struct consensusd *self)
{
    static struct peer_file file;
    char path[PATH_MAX];
    int rc = file_path(self, path) ? peer_file_read(&file, path) : -ENAMETOOLONG;
    if (rc < 0) {
        log_warn("peers.unread", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(path), err_text(rc));
        return 0;
    }
    struct peerbook_event event = {.type = PEERBOOK_STORED, .records = file.records, .record_count = file.record_count};
    return step(self, &event);
}

int peering_open(struct consensusd *self)
{
    static struct peerbook_config config;
    config = (struct peerbook_config){.genesis = self->genesis, .self = self->self, .key = &self->key};
    int rc = 0;
    for (size_t i = 0; i < self->config->peers.count && rc == 0; i++)
        rc = read_configured(self, self->config->peers.items[i], &config);
    config.advertises = self->config->advertise != NULL;
    if (rc == 0 && config.advertises)
        rc = consensusd_advertise_parse(&config.own, self->config->advertise);
    rc = rc == 0 ? peerbook_new(&self->book, &config) : rc;
    rc = rc == 0 ? read_stored(self) : rc;
    struct peerbook_event event = {.type = PEERBOOK_START, .wall_ms = (uint64_t)loop_wall_ms()};
    rc = rc == 0 ? step(self, &event) : rc;
    rc = rc == 0 ? beacon_open(self) : rc;
    if (rc < 0)
        return rc;
    uint32_t known = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++)
        known += self->peers[i].sync != NULL;
    if (known + 1 < self->genesis->validator_count)
        log_info("peers.looking", "known=%u of=%u", known, self->genesis->validator_count - 1);
    return 0;
}

void peering_close(struct consensusd *self)
{
    beacon_close(self);
    peerbook_destroy(&self->book);
    for (uint32_t i = 0; i < GENESIS_VALIDATORS_MAX; i++)
        consensusd_peer_address_free(&self->configured[i]);
}
