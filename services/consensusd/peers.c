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
#include "common/base/tx.h"
#include "common/edge/keyfile.h"
#include "services/consensusd/consensusd_state.h"
#include "services/consensusd/sync_check.h"

#include <sodium.h>

enum { QUEUE_COUNT_MAX = 1000, SYNC_QUEUE_COUNT_MAX = 16 };

static uint32_t tx_count_max(const struct consensusd *self)
{
    return (uint32_t)self->genesis->parameters.block_max_txs;
}

static const char *validator_name(const struct consensusd *self, uint32_t index)
{
    return self->genesis->validators[index].name;
}

/* What a peer says. */

static void on_consensus(void *context, struct bus_message *message)
{
    struct peer *peer = context;
    struct consensusd *self = peer->daemon;
    static struct consensus_codec_frame frame; /* large, and one at a time */
    int rc = consensus_codec_decode(&frame, message->payload, tx_count_max(self));
    if (rc == 0 && frame.event.sender != peer->index) {
        consensus_codec_deinit(&frame);
        rc = ERR_UNAUTHENTICATED;
    }
    if (rc < 0) {
        consensusd_bad_frame(self, message->topic, validator_name(self, peer->index), rc);
        return;
    }
    metrics_add_at(self->metrics, CONSENSUSD_METRIC_RECEIVED, (size_t)(frame.event.type - CONSENSUS_PROPOSAL), 1);
    if (self->core)
        consensusd_step(self, &frame.event);
    consensus_codec_deinit(&frame);
}

/* Answering for blocks. */

struct answer {
    struct consensus_codec_block blocks[SYNC_BLOCKS];
    struct safety_store_block stored[SYNC_BLOCKS];
    size_t count, stored_count, bytes;
};

static size_t bodies_size(const struct span *bodies, size_t count)
{
    size_t size = 512;
    for (size_t i = 0; i < count; i++)
        size += bodies[i].size + 8;
    return size;
}

static bool answer_full(const struct answer *answer, size_t limit)
{
    return answer->count >= limit || answer->bytes > SYNC_BYTES_MAX;
}

/* Committed blocks, from the store. */
static uint64_t add_stored(struct consensusd *self, struct answer *answer, uint64_t height, size_t limit)
{
    for (; height <= self->committed_height && !answer_full(answer, limit); height++) {
        struct safety_store_block *stored = &answer->stored[answer->stored_count];
        int rc = safety_store_read(self->store, height, stored);
        if (rc < 0) {
            if (rc != ERR_NOT_FOUND)
                consensusd_stop(self, rc, "read a block");
            return UINT64_MAX;
        }
        answer->stored_count++;
        if (stored->qc.signature_count == 0)
            return UINT64_MAX;
        answer->bytes += bodies_size(stored->bodies, stored->body_count);
        answer->blocks[answer->count++] = (struct consensus_codec_block){
            .header = stored->header, .qc = stored->qc, .bodies = stored->bodies, .body_count = stored->body_count};
    }
    return height;
}

/* Certified blocks above them, whose bodies are at hand. */
static void add_open(struct consensusd *self, struct answer *answer, uint64_t height, size_t limit)
{
    static struct consensus_certified open[SYNC_BLOCKS];
    size_t count = consensus_certified(self->core, height, open, SYNC_BLOCKS);
    for (size_t i = 0; i < count && !answer_full(answer, limit); i++) {
        struct hash id = block_id(&open[i].header);
        const struct block_cache_entry *entry = block_cache_find(self->cache, &id);
        if (!entry && open[i].header.tx_count > 0)
            return;
        struct consensus_codec_block *block = &answer->blocks[answer->count++];
        *block = (struct consensus_codec_block){.header = open[i].header, .qc = *open[i].qc};
        if (entry) {
            block->bodies = entry->bodies;
            block->body_count = entry->body_count;
            answer->bytes += bodies_size(entry->bodies, entry->body_count);
        }
    }
}

static void answer_request(struct consensusd *self, const struct bus_route *route,
                           const struct consensus_codec_sync *request)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return;
    size_t limit = request->count_max < SYNC_BLOCKS ? request->count_max : SYNC_BLOCKS;
    uint64_t height = add_stored(self, answer, request->height_first ? request->height_first : 1, limit);
    if (height != UINT64_MAX)
        add_open(self, answer, height, limit);
    uint8_t *frame = NULL;
    size_t size = 0;
    int rc = consensus_codec_encode_response(request->request, answer->blocks, answer->count, self->committed_height,
                                             &frame, &size);
    if (rc == 0)
        rc = bus_send_take(self->sync, route, &frame, size);
    if (rc == 0)
        metrics_add(self->metrics, CONSENSUSD_METRIC_SYNC_ANSWERED, answer->count);
    free(frame);
    for (size_t i = 0; i < answer->stored_count; i++)
        safety_store_block_deinit(&answer->stored[i]);
    free(answer);
}

static struct peer *peer_by_name(struct consensusd *self, const char *name)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (strcmp(validator_name(self, self->peers[i].index), name) == 0)
            return &self->peers[i];
    }
    return NULL;
}

/* At most SYNC_PER_SECOND answers to one peer. */
static bool may_answer(struct peer *peer)
{
    uint64_t second = loop_now_ms() / 1000;
    if (peer->second != second) {
        peer->second = second;
        peer->answers_in_second = 0;
    }
    return peer->answers_in_second++ < SYNC_PER_SECOND;
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
    if (!self->core || !may_answer(peer))
        self->dropped_requests++;
    else
        answer_request(self, &message->route, &request);
    consensus_codec_sync_deinit(&request);
}

/* Asking for blocks. */

void peers_sync(struct consensusd *self, uint32_t validator, uint64_t height_first)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        struct peer *peer = &self->peers[i];
        if (peer->index != validator)
            continue;
        uint8_t *frame = NULL;
        size_t size = 0;
        uint32_t count = sync_pace_ask(&self->pace);
        self->asked = peer;
        int rc = consensus_codec_encode_request(++peer->sync_request, height_first, count, &frame, &size);
        if (rc == 0)
            rc = bus_send_take(peer->sync, NULL, &frame, size);
        log_debug("sync.asked", "peer=%s height=%llu count=%u rc=%d", validator_name(self, validator),
                  (unsigned long long)height_first, count, rc);
        peer->sync_waiting = rc == 0;
        free(frame);
    }
}

static int take_block(struct consensusd *self, const struct consensus_codec_block *block,
                      struct consensus_certified *out)
{
    struct hash *ids = calloc(block->body_count + 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < block->body_count; i++)
        ids[i] = tx_id(block->bodies[i]);
    *out = (struct consensus_certified){.header = block->header, .tx_ids = ids, .qc = &block->qc};
    struct hash id = block_id(&block->header);
    /* A block that turns out not to fit is forgotten with its height. */
    int rc = block->header.height > self->committed_height
                 ? block_cache_put(self->cache, &id, block->header.height, block->bodies, block->body_count)
                 : 0;
    return rc == ERR_FULL ? 0 : rc;
}

static void take_response(struct consensusd *self, uint32_t sender, const struct consensus_codec_sync *response,
                          size_t good)
{
    struct consensus_certified *blocks = calloc(good + 1, sizeof *blocks);
    int rc = blocks ? 0 : -ENOMEM;
    size_t count = 0;
    while (rc == 0 && count < good) {
        rc = take_block(self, &response->blocks[count], &blocks[count]);
        count += rc == 0 ? 1 : 0;
    }
    if (rc == 0) {
        struct consensus_event event = {.type = CONSENSUS_SYNCED, .sender = sender};
        event.u.synced.blocks = blocks;
        event.u.synced.count = count;
        consensusd_step(self, &event);
        for (size_t i = 0; i < count; i++) {
            struct hash id = block_id(&blocks[i].header);
            stages_bodies_arrived(self, &id);
        }
        metrics_add(self->metrics, CONSENSUSD_METRIC_SYNC_RECEIVED, count);
    }
    for (size_t i = 0; i < count; i++)
        free((struct hash *)(uintptr_t)blocks[i].tx_ids);
    free(blocks);
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
        consensusd_bad_frame(self, "sync", validator_name(self, peer->index), rc);
        return;
    }
    /* One answer per question. */
    if (self->core && peer->sync_waiting && response.request == peer->sync_request) {
        peer->sync_waiting = false;
        if (peer == self->asked)
            sync_pace_answered(&self->pace);
        size_t good = sync_check_good(self->genesis, &response);
        if (good < response.block_count)
            consensusd_bad_frame(self, "sync", validator_name(self, peer->index), ERR_UNAUTHENTICATED);
        take_response(self, peer->index, &response, good);
    }
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

/* Opening. */

static int open_peer(struct consensusd *self, const struct consensusd_peer_address *address, const uint8_t *secret)
{
    uint32_t index = 0;
    while (index < self->genesis->validator_count && strcmp(validator_name(self, index), address->name) != 0)
        index++;
    if (index == self->genesis->validator_count || index == self->self) {
        config_problem("CONSENSUS_PEERS", address->name, "wants names of other validators of the genesis file");
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
        rc =
            config_problem("CONSENSUS_CURVE_KEY_FILE", NULL, "wants the key that the genesis file names for this node");
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
