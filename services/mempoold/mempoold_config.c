/* mempoold_config.c - the table, and what it cannot say. */
#include "services/mempoold/mempoold_config.h"

#include <string.h>

#include "common/base/err.h"

#define FIELD(member) offsetof(struct mempoold_config, member)

static const struct config_key keys[] = {
    {.name = "ADMISSION_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/admission.sock",
     .offset = FIELD(admission_endpoint),
     .help = "Where ingestd submits transactions; bound here."},
    {.name = "POOL_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/pool.sock",
     .offset = FIELD(pool_endpoint),
     .help = "Where consensusd takes transactions; bound here."},
    {.name = "QUERY_MEMPOOLD_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/query_mempoold.sock",
     .offset = FIELD(query_endpoint),
     .help = "Where apid asks for the status; bound here."},
    {.name = "GOSSIP_BIND",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(gossip_bind),
     .help = "Where other validators' mempoold ask for transactions; tcp, bound here."},
    {.name = "GOSSIP_CURVE_KEY_FILE",
     .type = CONFIG_FILE,
     .offset = FIELD(gossip_curve_key_file),
     .help = "CURVE secret key of this validator's mempoold; its public key is in the genesis file."},
    {.name = "GOSSIP_PEERS",
     .type = CONFIG_LIST,
     .max = 63,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(gossip_peers),
     .help = "The other validators' mempoold: name=tcp://host:port, ..."},
    CONFIG_CURVE_KEY("INGESTD_CURVE_KEY", struct mempoold_config, ingestd_key),
    CONFIG_CURVE_KEY("CONSENSUSD_CURVE_KEY", struct mempoold_config, consensusd_key),
    CONFIG_CURVE_KEY("APID_CURVE_KEY", struct mempoold_config, apid_key),
    {.name = "MEMPOOL_MAX_TXS",
     .type = CONFIG_INTEGER,
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .unit = "transactions",
     .offset = FIELD(max_txs),
     .help = "Transactions that wait, at most."},
    {.name = "MEMPOOL_MAX_BYTES",
     .type = CONFIG_SIZE,
     .fallback = "10MiB",
     .min = 2 << 20,
     .max = UINT64_C(16) << 30,
     .offset = FIELD(max_bytes),
     .help = "Bytes of the transactions that wait, at most."},
    {.name = "MEMPOOL_NONCE_TTL",
     .type = CONFIG_DURATION,
     .fallback = "15m",
     .min = 1000,
     .max = 86400000,
     .offset = FIELD(nonce_ttl_ms),
     .help = "How long a transaction waits before it is forgotten; ingestd submits it again."},
    {.name = "MEMPOOL_RATE_PER_SECOND",
     .type = CONFIG_INTEGER,
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .unit = "transactions/s",
     .offset = FIELD(rate_per_second),
     .help = "Admissions of one producer; one second's worth may come at once."},
    {.name = "MEMPOOL_VERIFY_THREADS",
     .type = CONFIG_INTEGER,
     .fallback = "1",
     .min = 1,
     .max = 64,
     .unit = "threads",
     .offset = FIELD(verify_threads),
     .help = "Threads that verify transactions fetched from other validators."},
};

const struct config_table mempoold_config_table = CONFIG_TABLE(keys);

static bool is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", strlen("tcp://")) == 0;
}

static int check_stage(const struct mempoold_config *config, const char *endpoint, const char *key_name,
                       const struct config_hex32 *key)
{
    if (!is_tcp(endpoint))
        return 0;
    if (!config->common.stage_curve_key_file)
        return config_problem("STAGE_CURVE_KEY_FILE", NULL, "a key file, because a stage endpoint is tcp");
    if (!key->is_set)
        return config_problem(key_name, NULL, "the stage's CURVE public key, because its endpoint is tcp");
    return 0;
}

int mempoold_config_peer(struct mempoold_peer *out, const char *item)
{
    const char *equals = strchr(item, '=');
    size_t size = equals ? (size_t)(equals - item) : 0;
    if (size == 0 || size > MEMPOOLD_PEER_NAME_BYTES_MAX || !is_tcp(equals + 1))
        return ERR_CONFIG;
    memcpy(out->name, item, size);
    out->name[size] = '\0';
    out->endpoint = equals + 1;
    return 0;
}

int mempoold_config_check(const void *config_)
{
    const struct mempoold_config *config = config_;
    int rc = check_stage(config, config->admission_endpoint, "INGESTD_CURVE_KEY", &config->ingestd_key);
    if (rc == 0)
        rc = check_stage(config, config->pool_endpoint, "CONSENSUSD_CURVE_KEY", &config->consensusd_key);
    if (rc == 0)
        rc = check_stage(config, config->query_endpoint, "APID_CURVE_KEY", &config->apid_key);
    if (rc == 0 && !is_tcp(config->gossip_bind))
        rc = config_problem("GOSSIP_BIND", config->gossip_bind, "tcp://host:port");
    for (size_t i = 0; rc == 0 && i < config->gossip_peers.count; i++) {
        struct mempoold_peer peer;
        if (mempoold_config_peer(&peer, config->gossip_peers.items[i]) < 0)
            rc = config_problem("GOSSIP_PEERS", config->gossip_peers.items[i], "name=tcp://host:port, ...");
    }
    return rc;
}
