/* peers.c - the other validators: one PUB, a SUB per peer, a ROUTER that answers, a DEALER per peer that asks. Where
 * they are, peering.c knows.
 *
 * Each SUB has one publisher, known by its CURVE key, so a frame whose sender is somebody else is dropped before any
 * signature is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/wire.h"
#include "common/edge/keyfile.h"
#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/peer_codec.h"

#include <sodium.h>

enum {
    QUEUE_COUNT_MAX = 1000,
    SYNC_QUEUE_COUNT_MAX = 16,
    MESSAGES_MAX = 64, /* of one peer per wake-up: then the others' turn */
};

static uint32_t tx_count_max(const struct consensusd *self)
{
    return (uint32_t)self->genesis->parameters.block_max_txs;
}

/* What a peer says. */

static void bad_frame(struct peer *peer, const char *arrow, int rc)
{
    peer->meter.bad_count++;
    consensusd_bad_frame(peer->daemon, arrow, consensusd_validator_name(peer->daemon, peer->index), rc);
}

/* Who sends more than its share is not read further. */
static bool may_read(struct peer *peer, enum peer_channel channel, const struct bus_message *message)
{
    return peer_meter_take(&peer->meter, channel, message->payload.size, loop_now_ms());
}

static void remember_told(struct peer *peer, const struct consensus_codec_frame *frame)
{
    if (frame->high_qc_view > peer->told_view)
        peer->told_view = frame->high_qc_view;
    if (frame->event.sender_committed_height > peer->told_height)
        peer->told_height = frame->event.sender_committed_height;
}

static void on_consensus(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    struct consensusd *self = peer->daemon;
    static struct consensus_codec_frame frame; /* large, and one at a time */
    if (!may_read(peer, PEER_HEARD, message))
        return;
    int rc = consensus_codec_decode(&frame, message->payload, tx_count_max(self));
    if (rc == 0 && frame.sender != peer->index) {
        consensus_codec_deinit(&frame);
        rc = ERR_UNAUTHENTICATED;
    }
    if (rc < 0) {
        bad_frame(peer, message->topic, rc);
        return;
    }
    if (frame.core == CONSENSUS_CODEC_CONSENSUS) {
        remember_told(peer, &frame);
        metrics_add_at(self->metrics, CONSENSUSD_METRIC_RECEIVED, (size_t)(frame.event.type - CONSENSUS_PROPOSAL), 1);
        if (self->core)
            consensusd_step(self, &frame.event);
    } else {
        beginning_on_message(self, &frame.ceremony);
    }
    consensus_codec_deinit(&frame);
}

static struct peer *peer_by_name(struct consensusd *self, const char *name)
{
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (i != self->self && strcmp(consensusd_validator_name(self, i), name) == 0)
            return &self->peers[i];
    }
    return NULL;
}

static int take_blocks_request(struct peer *peer, const struct bus_message *message)
{
    struct consensusd *self = peer->daemon;
    struct consensus_codec_sync request;
    int rc = consensus_codec_decode_sync(&request, message->payload, tx_count_max(self));
    if (rc < 0)
        return rc;
    if (request.is_request)
        sync_blocks_on_request(self, peer, &message->route, &request);
    rc = request.is_request ? 0 : ERR_MALFORMED;
    consensus_codec_sync_deinit(&request);
    return rc;
}

/* A SyncFrame is about blocks or about peers. */
static void on_sync_request(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    struct peer *peer = peer_by_name(self, message->user_id);
    if (!peer) {
        consensusd_bad_frame(self, "sync", message->user_id, ERR_UNAUTHENTICATED);
        return;
    }
    if (!may_read(peer, PEER_ASKING, message))
        return;
    uint32_t field = 0;
    struct span body;
    int rc = wire_frame_open(message->payload, &field, &body);
    if (rc == 0)
        rc = field == PEER_CODEC_REQUEST ? peering_on_request(peer, &message->route, body)
                                         : take_blocks_request(peer, message);
    if (rc < 0)
        bad_frame(peer, "sync", rc);
}

static int take_blocks_response(struct peer *peer, const struct bus_message *message)
{
    struct consensusd *self = peer->daemon;
    struct consensus_codec_sync response;
    int rc = consensus_codec_decode_sync(&response, message->payload, tx_count_max(self));
    if (rc < 0)
        return rc;
    bool good = !response.is_request && response.block_count <= SYNC_BLOCKS;
    if (good)
        sync_blocks_on_response(self, peer, &response);
    consensus_codec_sync_deinit(&response);
    return good ? 0 : ERR_MALFORMED;
}

static void on_sync_response(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    if (!may_read(peer, PEER_ANSWERING, message))
        return;
    uint32_t field = 0;
    struct span body;
    int rc = wire_frame_open(message->payload, &field, &body);
    if (rc == 0)
        rc = field == PEER_CODEC_RESPONSE ? peering_on_response(peer, body) : take_blocks_response(peer, message);
    if (rc < 0)
        bad_frame(peer, "sync", rc);
}

/* Speaking. */

void peers_broadcast(struct consensusd *self, const struct consensus_effect *effect)
{
    struct consensus_status status;
    consensus_status(self->core, &status);
    struct consensus_codec_sender sender = {
        .index = self->self, .high_qc_view = status.high_qc_view, .committed_height = status.committed_height};
    const char *topic = "";
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = consensus_codec_encode(effect, &sender, &topic, &frame, &size);
    if (rc == 0)
        rc = bus_publish_take(self->pub, topic, &frame, size);
    if (rc < 0)
        log_error("broadcast.failed", "topic=%s error=\"%s\"", topic, err_text(rc));
    free(frame);
}

bool peers_is_connected(const struct peer *peer)
{
    return peer->sub && peer->sync && bus_socket_is_connected(peer->sub) && bus_socket_is_connected(peer->sync);
}

uint32_t peers_connected(const struct consensusd *self)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++)
        count += peers_is_connected(&self->peers[i]);
    return count;
}

uint64_t peers_reachable(const struct consensusd *self)
{
    uint64_t reachable = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (self->peers[i].sync && bus_socket_is_connected(self->peers[i].sync))
            reachable |= UINT64_C(1) << i;
    }
    return reachable;
}

/* Connecting. */

static void close_socket(struct consensusd *self, struct bus_socket **socket)
{
    if (*socket)
        loop_socket_remove(self->loop, *socket);
    bus_socket_close(socket);
}

static void disconnect(struct peer *peer)
{
    close_socket(peer->daemon, &peer->sub);
    close_socket(peer->daemon, &peer->sync);
    peer->sync_waiting = false;
    peer->connected_wall_ms = 0;
}

static int connect_sub(struct peer *peer, struct bus_options *options, const char *endpoint)
{
    struct consensusd *self = peer->daemon;
    options->name = peer->pub_name;
    options->endpoint = endpoint;
    options->frame_bytes_max = CONSENSUS_CODEC_FRAME_BYTES_MAX;
    options->queue_count_max = QUEUE_COUNT_MAX;
    int rc = bus_sub_connect(&peer->sub, self->bus, options);
    rc = rc == 0 ? bus_subscribe(peer->sub, "consensus/") : rc;
    struct loop_socket_handlers handlers = {.message = on_consensus, .context = peer, .messages_max = MESSAGES_MAX};
    return rc == 0 ? loop_socket_add(self->loop, peer->sub, &handlers) : rc;
}

static int connect_sync(struct peer *peer, struct bus_options *options, const char *endpoint)
{
    struct consensusd *self = peer->daemon;
    options->name = peer->sync_name;
    options->endpoint = endpoint;
    options->frame_bytes_max = CONSENSUS_CODEC_SYNC_BYTES_MAX;
    options->queue_count_max = SYNC_QUEUE_COUNT_MAX;
    int rc = bus_dealer_connect(&peer->sync, self->bus, options);
    struct loop_socket_handlers handlers = {.message = on_sync_response, .context = peer, .messages_max = MESSAGES_MAX};
    return rc == 0 ? loop_socket_add(self->loop, peer->sync, &handlers) : rc;
}

int peers_connect(struct consensusd *self, uint32_t validator, const struct peerbook_address *address)
{
    struct peer *peer = &self->peers[validator];
    disconnect(peer);
    struct bus_options options = {.curve_secret = self->curve_secret,
                                  .server_public = self->genesis->validators[validator].consensus_curve_key};
    int rc = connect_sub(peer, &options, address->pub);
    rc = rc == 0 ? connect_sync(peer, &options, address->sync) : rc;
    if (rc < 0)
        disconnect(peer);
    return rc;
}

/* Opening. */

static int allow_validators(struct consensusd *self)
{
    int rc = 0;
    for (uint32_t i = 0; i < self->genesis->validator_count && rc == 0; i++) {
        const struct genesis_validator *validator = &self->genesis->validators[i];
        if (i == self->self)
            continue;
        rc = bus_allow(self->bus, "consensus", validator->consensus_curve_key, validator->name);
        rc = rc == 0 ? bus_allow(self->bus, "sync", validator->consensus_curve_key, validator->name) : rc;
    }
    return rc;
}

static int bind_own(struct consensusd *self, const uint8_t *secret)
{
    int rc = allow_validators(self);
    struct bus_options options = {.name = "consensus",
                                  .endpoint = self->config->pub_bind,
                                  .curve_secret = secret,
                                  .frame_bytes_max = CONSENSUS_CODEC_FRAME_BYTES_MAX,
                                  .queue_count_max = QUEUE_COUNT_MAX};
    rc = rc == 0 ? bus_pub_bind(&self->pub, self->bus, &options) : rc;
    options.name = "sync";
    options.endpoint = self->config->sync_bind;
    options.frame_bytes_max = CONSENSUS_CODEC_SYNC_BYTES_MAX;
    options.queue_count_max = SYNC_QUEUE_COUNT_MAX;
    rc = rc == 0 ? bus_router_bind(&self->sync, self->bus, &options) : rc;
    struct loop_socket_handlers handlers = {.message = on_sync_request, .context = self};
    return rc == 0 ? loop_socket_add(self->loop, self->sync, &handlers) : rc;
}

int peers_open(struct consensusd *self)
{
    uint8_t public[BUS_KEY_BYTES];
    int rc = keyfile_read(self->config->consensus_curve_key_file, self->curve_secret);
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(self->config->consensus_curve_key_file));
        return log_failure(rc, "read CONSENSUS_CURVE_KEY_FILE");
    }
    bus_curve_public(public, self->curve_secret);
    if (memcmp(public, self->genesis->validators[self->self].consensus_curve_key, BUS_KEY_BYTES) != 0)
        rc = config_problem("CONSENSUS_CURVE_KEY_FILE", NULL, "the key that the genesis file names for this node");
    rc = rc == 0 ? bind_own(self, self->curve_secret) : rc;
    self->pace = sync_pace_of(SYNC_BLOCKS);
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        struct peer *peer = &self->peers[i];
        *peer = (struct peer){
            .daemon = self, .index = i, .meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, loop_now_ms())};
        snprintf(peer->pub_name, sizeof peer->pub_name, "sub-%.50s", consensusd_validator_name(self, i));
        snprintf(peer->sync_name, sizeof peer->sync_name, "ask-%.50s", consensusd_validator_name(self, i));
    }
    return rc == 0 ? peering_open(self) : rc;
}

void peers_close(struct consensusd *self)
{
    peering_close(self);
    for (uint32_t i = 0; self->genesis && i < self->genesis->validator_count; i++) {
        if (self->peers[i].daemon)
            disconnect(&self->peers[i]);
    }
    close_socket(self, &self->sync);
    bus_socket_close(&self->pub);
    sodium_memzero(self->curve_secret, sizeof self->curve_secret);
}
