/* consensusd_config.c - the configuration keys of consensusd. */
#include "services/consensusd/consensusd_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/genesis.h"
#include "common/edge/udp.h"
#include "services/consensusd/retention.h"

#define FIELD(member) offsetof(struct consensusd_config, member)

static const struct config_key keys[] = {
    {.name = "SIGN_KEY_FILE",
     .type = CONFIG_FILE,
     .offset = FIELD(sign_key_file),
     .help = "Seed of this validator's consensus key; its public key is in the genesis file."},
    {.name = "CONSENSUS_CURVE_KEY_FILE",
     .type = CONFIG_FILE,
     .offset = FIELD(consensus_curve_key_file),
     .help = "CURVE secret key towards other validators; its public key is in the genesis file."},
    {.name = "CONSENSUS_PUB_BIND",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(pub_bind),
     .help = "Where other validators hear this one; tcp, bound here."},
    {.name = "CONSENSUS_SYNC_BIND",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(sync_bind),
     .help = "Where other validators ask for blocks; tcp, bound here."},
    {.name = "CONSENSUS_PEERS",
     .type = CONFIG_LIST,
     .max = GENESIS_VALIDATORS_MAX - 1,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(peers),
     .help = "Other validators, one is enough: name=tcp://host:port|tcp://host:port (their PUB and SYNC), ..."},
    {.name = "CONSENSUS_ADVERTISE",
     .type = CONFIG_TEXT,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(advertise),
     .help =
         "Where others reach this one: tcp://address:port|tcp://address:port (PUB and SYNC), and |tcp://address:port "
         "of its mempoold's gossip; addresses as numbers. Without it, it tells nobody."},
    {.name = "CONSENSUS_BEACON",
     .type = CONFIG_TEXT,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(beacon),
     .help =
         "On a LAN: udp://address:port, a broadcast or multicast address where validators call out where they are."},
    {.name = "POOL_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/pool.sock",
     .offset = FIELD(pool_endpoint),
     .help = "Where mempoold gives transactions."},
    {.name = "EXECUTION_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/execution.sock",
     .offset = FIELD(execution_endpoint),
     .help = "Where executord executes blocks."},
    {.name = "QUERY_CONSENSUSD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/query_consensusd.sock",
     .offset = FIELD(query_endpoint),
     .help = "Where apid asks for the status; bound here."},
    {.name = "DATA_DIR",
     .type = CONFIG_PATH,
     .fallback = "data/consensusd",
     .offset = FIELD(data_dir),
     .help = "Directory of the voting state and the blocks."},
    {.name = "VOTED_MARK_FILE",
     .type = CONFIG_PATH,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(voted_mark_file),
     .help = "How far the signing key was used, apart from DATA_DIR; without it: SIGN_KEY_FILE with .voted behind it."},
    {.name = "RECOVER_ABOVE_VIEW",
     .type = CONFIG_INTEGER,
     .fallback = "0",
     .max = UINT64_C(1) << 53,
     .unit = "(a view)",
     .offset = FIELD(recover_above_view),
     .help = "Only after the voting state was lost: a view not below any that the key signed in; silent until then."},
    {.name = "STORE_MAP_SIZE_BYTES",
     .type = CONFIG_SIZE,
     .fallback = "64GiB",
     .min = UINT64_C(64) << 20,
     .max = UINT64_C(16) << 40,
     .offset = FIELD(store_map_bytes_max),
     .help = "The store grows up to this; then consensusd stops."},
    {.name = "BLOCK_RETENTION",
     .type = CONFIG_INTEGER,
     .fallback = "10000000",
     .max = UINT64_C(1) << 53,
     .unit = "blocks",
     .offset = FIELD(block_retention),
     .help = "Committed blocks kept for validators that are behind, 100 at least; 0: all."},
    {.name = "BLOCK_MIN_INTERVAL_MS",
     .type = CONFIG_INTEGER,
     .fallback = "20",
     .max = 60000,
     .unit = "ms",
     .offset = FIELD(block_min_interval_ms),
     .help = "Least age of the last block with transactions when the next one is proposed."},
    {.name = "BLOCK_TARGET_TXS",
     .type = CONFIG_INTEGER,
     .fallback = "500",
     .min = 1,
     .max = 100000,
     .unit = "transactions",
     .offset = FIELD(block_target_txs),
     .help = "With so many waiting, a block is proposed before that age."},
    CONFIG_CURVE_KEY("MEMPOOLD_CURVE_KEY", struct consensusd_config, mempoold_key),
    CONFIG_CURVE_KEY("EXECUTORD_CURVE_KEY", struct consensusd_config, executord_key),
    CONFIG_CURVE_KEY("APID_CURVE_KEY", struct consensusd_config, apid_key),
};

const struct config_table consensusd_config_table = CONFIG_TABLE(keys);

int consensusd_config_check(const void *config)
{
    const struct consensusd_config *self = config;
    const struct config_arrow arrows[] = {
        {self->pool_endpoint, "MEMPOOLD_CURVE_KEY", &self->mempoold_key},
        {self->execution_endpoint, "EXECUTORD_CURVE_KEY", &self->executord_key},
        {self->query_endpoint, "APID_CURVE_KEY", &self->apid_key},
    };
    int rc = config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
    if (!config_endpoint_is_tcp(self->pub_bind))
        rc = config_problem("CONSENSUS_PUB_BIND", self->pub_bind, "tcp://host:port");
    if (!config_endpoint_is_tcp(self->sync_bind))
        rc = config_problem("CONSENSUS_SYNC_BIND", self->sync_bind, "tcp://host:port");
    if (self->block_retention > 0 && self->block_retention < RETENTION_BLOCKS_MIN)
        rc = config_problem("BLOCK_RETENTION", NULL, "0, or 100 blocks at least");
    struct udp beacon;
    if (self->beacon && udp_parse(&beacon, self->beacon) < 0)
        rc = config_problem("CONSENSUS_BEACON", self->beacon, "udp://address:port, a broadcast or multicast address");
    struct peer_record_endpoints own;
    if (self->advertise && consensusd_advertise_parse(&own, self->advertise) < 0)
        rc = config_problem("CONSENSUS_ADVERTISE", self->advertise,
                            "tcp://address:port|tcp://address:port[|tcp://address:port], addresses as numbers that one "
                            "host has");
    for (size_t i = 0; i < self->peers.count; i++) {
        struct consensusd_peer_address address;
        int parsed = consensusd_peer_address_parse(&address, self->peers.items[i]);
        if (parsed < 0)
            rc = config_problem("CONSENSUS_PEERS", self->peers.items[i], "name=tcp://host:port|tcp://host:port");
        else
            consensusd_peer_address_free(&address);
    }
    return rc;
}

int consensusd_advertise_parse(struct peer_record_endpoints *out, const char *text)
{
    struct peer_record_endpoints endpoints = {0};
    char *const to[] = {endpoints.pub, endpoints.sync, endpoints.gossip};
    size_t count = 0;
    for (const char *at = text; at && count < ARRAY_COUNT(to); count++) {
        const char *bar = strchr(at, '|');
        struct span item = span_of(at, bar ? (size_t)(bar - at) : strlen(at));
        if (!peer_record_endpoint_is_valid(item))
            return ERR_MALFORMED;
        memcpy(to[count], item.data, item.size); /* a valid one fits */
        at = bar ? bar + 1 : NULL;
    }
    if (count < 2 ||
        strlen(endpoints.pub) + strlen(endpoints.sync) + strlen(endpoints.gossip) + count - 1 != strlen(text))
        return ERR_MALFORMED;
    *out = endpoints;
    return 0;
}

int consensusd_peer_address_parse(struct consensusd_peer_address *out, const char *item)
{
    const char *equal = strchr(item, '=');
    const char *bar = equal ? strchr(equal, '|') : NULL;
    if (!bar || equal == item || strncmp(equal + 1, "tcp://", 6) != 0 || strncmp(bar + 1, "tcp://", 6) != 0)
        return ERR_MALFORMED;
    struct consensusd_peer_address address = {
        .name = strndup(item, (size_t)(equal - item)),
        .pub = strndup(equal + 1, (size_t)(bar - equal - 1)),
        .sync = strdup(bar + 1),
    };
    if (!address.name || !address.pub || !address.sync) {
        consensusd_peer_address_free(&address);
        return -ENOMEM;
    }
    *out = address;
    return 0;
}

void consensusd_peer_address_free(struct consensusd_peer_address *address)
{
    free(address->name);
    free(address->pub);
    free(address->sync);
    *address = (struct consensusd_peer_address){0};
}
