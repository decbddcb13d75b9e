/* links.c - which socket hears whom. */
#include "services/mempoold/links.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "services/mempoold/admission_codec.h"
#include "services/mempoold/gossip_codec.h"
#include "services/mempoold/pool_codec.h"
#include "services/mempoold/query_codec.h"

enum {
    STAGE_QUEUE_COUNT_MAX = 1000,
    GOSSIP_QUEUE_COUNT_MAX = 16, /* frames of 8 MiB */
    FRAME_BYTES_PER_TX = 16,     /* what a frame adds to each body, generously */
    FRAME_BYTES_EXTRA = 4096,
};

/* --- the stages of this validator --------------------------------------------------------------------------------- */

struct stage {
    const char *name;
    const char *endpoint;
    const char *peer; /* the stage that may speak here */
    const struct config_hex32 *peer_key;
    uint32_t frame_bytes_max;
};

static int stage_bind(struct links *self, const struct stage *stage, const uint8_t *secret, struct bus_socket **out)
{
    if (stage->peer_key->is_set) {
        int rc = bus_allow(self->bus, stage->name, stage->peer_key->bytes, stage->peer);
        if (rc < 0)
            return rc;
    }
    struct bus_options options = {
        .name = stage->name,
        .endpoint = stage->endpoint,
        .curve_secret = secret,
        .frame_bytes_max = stage->frame_bytes_max,
        .queue_count_max = STAGE_QUEUE_COUNT_MAX,
    };
    return bus_router_bind(out, self->bus, &options);
}

/* A block of the genesis file's size fits one frame. */
static uint32_t pool_frame_bytes_max(const struct genesis_parameters *parameters)
{
    uint64_t bytes = parameters->block_max_bytes + parameters->block_max_txs * FRAME_BYTES_PER_TX + FRAME_BYTES_EXTRA;
    if (bytes < POOL_CODEC_FRAME_BYTES_MAX)
        bytes = POOL_CODEC_FRAME_BYTES_MAX;
    return bytes < BUS_FRAME_BYTES_MAX ? (uint32_t)bytes : BUS_FRAME_BYTES_MAX;
}

static int stages_bind(struct links *self, const struct mempoold_config *config, const struct genesis *genesis,
                       const uint8_t *secret)
{
    struct stage admission = {.name = "admission",
                              .endpoint = config->admission_endpoint,
                              .peer = "ingestd",
                              .peer_key = &config->ingestd_key,
                              .frame_bytes_max = ADMISSION_CODEC_FRAME_BYTES_MAX};
    struct stage pool = {.name = "pool",
                         .endpoint = config->pool_endpoint,
                         .peer = "consensusd",
                         .peer_key = &config->consensusd_key,
                         .frame_bytes_max = pool_frame_bytes_max(&genesis->parameters)};
    struct stage query = {.name = "query_mempoold",
                          .endpoint = config->query_endpoint,
                          .peer = "apid",
                          .peer_key = &config->apid_key,
                          .frame_bytes_max = QUERY_CODEC_FRAME_BYTES_MAX};
    int rc = stage_bind(self, &admission, secret, &self->admission);
    if (rc == 0)
        rc = stage_bind(self, &pool, secret, &self->pool);
    if (rc == 0)
        rc = stage_bind(self, &query, secret, &self->query);
    return rc;
}

static int stages_open(struct links *self, const struct mempoold_config *config, const struct genesis *genesis)
{
    uint8_t secret[KEYFILE_KEY_BYTES] = {0};
    const char *path = config->common.stage_curve_key_file;
    if (path) {
        int rc = keyfile_read(path, secret);
        if (rc < 0) {
            log_error("key.unreadable", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(path), err_text(rc));
            return rc;
        }
    }
    int rc = stages_bind(self, config, genesis, path ? secret : NULL);
    sodium_memzero(secret, sizeof secret);
    return rc;
}

/* --- the other validators ----------------------------------------------------------------------------------------- */

static int own_key_check(const uint8_t secret[static KEYFILE_KEY_BYTES], const struct genesis_validator *own,
                         const char *path)
{
    uint8_t public[BUS_KEY_BYTES];
    bus_curve_public(public, secret);
    if (memcmp(public, own->mempool_curve_key, BUS_KEY_BYTES) == 0)
        return 0;
    return config_problem("GOSSIP_CURVE_KEY_FILE", path, "the key whose public key is mempool_curve_key of NODE_NAME");
}

static int gossip_bind(struct links *self, const struct mempoold_config *config, const struct genesis *genesis,
                       const uint8_t *secret, uint32_t own_index)
{
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        const struct genesis_validator *validator = &genesis->validators[i];
        if (i == own_index)
            continue;
        int rc = bus_allow(self->bus, "gossip", validator->mempool_curve_key, validator->name);
        if (rc < 0)
            return rc;
    }
    struct bus_options options = {
        .name = "gossip",
        .endpoint = config->gossip_bind,
        .curve_secret = secret,
        .frame_bytes_max = GOSSIP_CODEC_FRAME_BYTES_MAX,
        .queue_count_max = GOSSIP_QUEUE_COUNT_MAX,
    };
    return bus_router_bind(&self->gossip, self->bus, &options);
}

static const char *address_in_use(const struct links_address *address)
{
    return address->uses_told ? address->told : address->configured;
}

int links_reconnect(struct links *self, uint32_t index)
{
    struct links_address *address = &self->addresses[index];
    bus_socket_close(&self->peers[index]);
    self->peer_bits &= ~(UINT64_C(1) << index);
    struct bus_options options = {
        .name = self->genesis->validators[index].name,
        .endpoint = address_in_use(address),
        .curve_secret = self->gossip_secret,
        .server_public = self->genesis->validators[index].mempool_curve_key,
        .frame_bytes_max = GOSSIP_CODEC_FRAME_BYTES_MAX,
        .queue_count_max = GOSSIP_QUEUE_COUNT_MAX,
    };
    int rc = bus_dealer_connect(&self->peers[index], self->bus, &options);
    if (rc == 0)
        self->peer_bits |= UINT64_C(1) << index;
    log_info("gossip.address", "peer=%s source=%s endpoint=%s", LOG_QUOTE_TEXT(options.name),
             address->uses_told ? "record" : "config", LOG_QUOTE_TEXT(options.endpoint));
    return rc;
}

static bool use_told(struct links_address *address, bool told, uint64_t now_ms)
{
    address->uses_told = told;
    address->tried_ms = now_ms;
    return true;
}

bool links_told(struct links *self, uint32_t index, const char *endpoint, uint64_t now_ms)
{
    struct links_address *address = &self->addresses[index];
    if (strcmp(address->told, endpoint) == 0)
        return false;
    bool first = address->told[0] == '\0';
    snprintf(address->told, sizeof address->told, "%s", endpoint);
    if (first && address->configured)
        return false;
    return use_told(address, true, now_ms);
}

bool links_tend(struct links *self, uint32_t index, uint64_t now_ms)
{
    struct links_address *address = &self->addresses[index];
    if (!self->peers[index] || bus_socket_is_connected(self->peers[index])) {
        address->tried_ms = now_ms;
        return false;
    }
    if (address->told[0] == '\0' || !address->configured || strcmp(address->told, address->configured) == 0 ||
        now_ms < address->tried_ms + LINKS_PATIENCE_MS)
        return false;
    return use_told(address, !address->uses_told, now_ms);
}

static int peer_connect(struct links *self, const char *item, uint32_t own_index)
{
    struct mempoold_peer peer;
    int rc = mempoold_config_peer(&peer, item);
    if (rc < 0)
        return rc;
    int index = genesis_validator_named(self->genesis, peer.name);
    if (index < 0)
        return config_problem("GOSSIP_PEERS", item, "names of validators in the genesis file");
    if ((uint32_t)index == own_index || self->peers[index])
        return config_problem("GOSSIP_PEERS", item, "each other validator once");
    self->addresses[index].configured = peer.endpoint;
    return links_reconnect(self, (uint32_t)index);
}

static int gossip_open(struct links *self, const struct mempoold_config *config, uint32_t own_index)
{
    const char *path = config->gossip_curve_key_file;
    int rc = keyfile_read(path, self->gossip_secret);
    if (rc < 0) {
        log_error("key.unreadable", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(path), err_text(rc));
        return rc;
    }
    rc = own_key_check(self->gossip_secret, &self->genesis->validators[own_index], path);
    if (rc == 0)
        rc = gossip_bind(self, config, self->genesis, self->gossip_secret, own_index);
    for (size_t i = 0; rc == 0 && i < config->gossip_peers.count; i++)
        rc = peer_connect(self, config->gossip_peers.items[i], own_index);
    return rc;
}

int links_open(struct links *self, const struct mempoold_config *config, const struct genesis *genesis,
               uint32_t own_index)
{
    self->genesis = genesis;
    int rc = bus_new(&self->bus);
    if (rc == 0)
        rc = stages_open(self, config, genesis);
    if (rc == 0)
        rc = gossip_open(self, config, own_index);
    return rc;
}

void links_close(struct links *self)
{
    bus_socket_close(&self->admission);
    bus_socket_close(&self->pool);
    bus_socket_close(&self->query);
    bus_socket_close(&self->gossip);
    for (size_t i = 0; i < GENESIS_VALIDATORS_MAX; i++)
        bus_socket_close(&self->peers[i]);
    bus_destroy(&self->bus);
    sodium_memzero(self->gossip_secret, sizeof self->gossip_secret);
}
