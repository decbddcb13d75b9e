/* peers.c - the other validators: one PUB, a SUB per peer, a ROUTER that answers for blocks, a DEALER per peer that
 * asks.
 *
 * Each SUB has one publisher, known by its CURVE key, so a frame whose sender is somebody else is dropped before any
 * signature is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/keyfile.h"
#include "services/consensusd/consensusd_state.h"

#include <sodium.h>

enum { QUEUE_COUNT_MAX = 1000, SYNC_QUEUE_COUNT_MAX = 16 };

static uint32_t tx_count_max(const struct consensusd *self)
{
    return (uint32_t)self->genesis->parameters.block_max_txs;
}

/* What a peer says. */

static void on_consensus(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    struct consensusd *self = peer->daemon;
    static struct consensus_codec_frame frame; /* large, and one at a time */
    int rc = consensus_codec_decode(&frame, message->payload, tx_count_max(self));
    if (rc == 0 && frame.sender != peer->index) {
        consensus_codec_deinit(&frame);
        rc = ERR_UNAUTHENTICATED;
    }
    if (rc < 0) {
        consensusd_bad_frame(self, message->topic, consensusd_validator_name(self, peer->index), rc);
        return;
    }
    if (frame.core == CONSENSUS_CODEC_CONSENSUS) {
        metrics_add_at(self->metrics, CONSENSUSD_METRIC_RECEIVED, (size_t)(frame.event.type - CONSENSUS_PROPOSAL), 1);
        if (self->core)
            consensusd_step(self, &frame.event);
    }
    consensus_codec_deinit(&frame);
}

static struct peer *peer_by_name(struct consensusd *self, const char *name)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (strcmp(consensusd_validator_name(self, self->peers[i].index), name) == 0)
            return &self->peers[i];
    }
    return NULL;
}

static void on_sync_request(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    struct peer *peer = peer_by_name(self, message->user_id);
    struct consensus_codec_sync request;
    int rc = peer ? consensus_codec_decode_sync(&request, message->payload, tx_count_max(self)) : ERR_UNAUTHENTICATED;
    if (rc < 0 || !request.is_request) {
        if (rc == 0)
            consensus_codec_sync_deinit(&request);
        consensusd_bad_frame(self, "sync", message->user_id, rc < 0 ? rc : ERR_MALFORMED);
        return;
    }
    sync_blocks_on_request(self, peer, &message->route, &request);
    consensus_codec_sync_deinit(&request);
}

static void on_sync_response(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    struct consensusd *self = peer->daemon;
    struct consensus_codec_sync response;
    int rc = consensus_codec_decode_sync(&response, message->payload, tx_count_max(self));
    if (rc == 0 && (response.is_request || response.block_count > SYNC_BLOCKS)) {
        consensus_codec_sync_deinit(&response);
        rc = ERR_MALFORMED;
    }
    if (rc < 0) {
        consensusd_bad_frame(self, "sync", consensusd_validator_name(self, peer->index), rc);
        return;
    }
    sync_blocks_on_response(self, peer, &response);
    consensus_codec_sync_deinit(&response);
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

uint32_t peers_connected(const struct consensusd *self)
{
    uint32_t count = 0;
    for (size_t i = 0; i < self->peer_count; i++)
        count += bus_socket_is_connected(self->peers[i].sub) && bus_socket_is_connected(self->peers[i].sync);
    return count;
}

uint64_t peers_reachable(const struct consensusd *self)
{
    uint64_t reachable = 0;
    for (size_t i = 0; i < self->peer_count; i++) {
        if (bus_socket_is_connected(self->peers[i].sync))
            reachable |= UINT64_C(1) << self->peers[i].index;
    }
    return reachable;
}

/* Opening. */

static int open_peer(struct consensusd *self, const struct consensusd_peer_address *address, const uint8_t *secret)
{
    uint32_t index = 0;
    while (index < self->genesis->validator_count && strcmp(consensusd_validator_name(self, index), address->name) != 0)
        index++;
    if (index == self->genesis->validator_count || index == self->self) {
        config_problem("CONSENSUS_PEERS", address->name, "names of other validators of the genesis file");
        return ERR_CONFIG;
    }
    struct peer *peer = &self->peers[self->peer_count++];
    *peer = (struct peer){.daemon = self, .index = index};
    snprintf(peer->pub_name, sizeof peer->pub_name, "sub-%.50s", address->name);
    snprintf(peer->sync_name, sizeof peer->sync_name, "ask-%.50s", address->name);
    struct bus_options options = {.name = peer->pub_name,
                                  .endpoint = address->pub,
                                  .curve_secret = secret,
                                  .server_public = self->genesis->validators[index].consensus_curve_key,
                                  .frame_bytes_max = CONSENSUS_CODEC_FRAME_BYTES_MAX,
                                  .queue_count_max = QUEUE_COUNT_MAX};
    int rc = bus_sub_connect(&peer->sub, self->bus, &options);
    rc = rc == 0 ? bus_subscribe(peer->sub, "consensus/") : rc;
    options.name = peer->sync_name;
    options.endpoint = address->sync;
    options.frame_bytes_max = CONSENSUS_CODEC_SYNC_BYTES_MAX;
    options.queue_count_max = SYNC_QUEUE_COUNT_MAX;
    rc = rc == 0 ? bus_dealer_connect(&peer->sync, self->bus, &options) : rc;
    struct loop_socket_handlers hear = {.message = on_consensus, .context = peer};
    struct loop_socket_handlers answer = {.message = on_sync_response, .context = peer};
    rc = rc == 0 ? loop_socket_add(self->loop, peer->sub, &hear) : rc;
    return rc == 0 ? loop_socket_add(self->loop, peer->sync, &answer) : rc;
}

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
    uint8_t secret[KEYFILE_KEY_BYTES], public[BUS_KEY_BYTES];
    int rc = keyfile_read(self->config->consensus_curve_key_file, secret);
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(self->config->consensus_curve_key_file));
        return log_failure(rc, "read CONSENSUS_CURVE_KEY_FILE");
    }
    bus_curve_public(public, secret);
    if (memcmp(public, self->genesis->validators[self->self].consensus_curve_key, BUS_KEY_BYTES) != 0)
        rc = config_problem("CONSENSUS_CURVE_KEY_FILE", NULL, "the key that the genesis file names for this node");
    rc = rc == 0 ? bind_own(self, secret) : rc;
    self->pace = sync_pace_of(SYNC_BLOCKS);
    for (size_t i = 0; i < self->config->peers.count && rc == 0; i++) {
        struct consensusd_peer_address address;
        rc = consensusd_peer_address_parse(&address, self->config->peers.items[i]);
        if (rc < 0)
            break;
        rc = open_peer(self, &address, secret);
        consensusd_peer_address_free(&address);
    }
    sodium_memzero(secret, sizeof secret);
    if (rc == 0 && self->peer_count + 1 < self->genesis->validator_count)
        log_warn("peers.missing", "named=%zu of=%u", self->peer_count, self->genesis->validator_count - 1);
    return rc;
}

static void close_socket(struct consensusd *self, struct bus_socket **socket)
{
    if (*socket)
        loop_socket_remove(self->loop, *socket);
    bus_socket_close(socket);
}

void peers_close(struct consensusd *self)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        close_socket(self, &self->peers[i].sub);
        close_socket(self, &self->peers[i].sync);
    }
    close_socket(self, &self->sync);
    bus_socket_close(&self->pub);
}
