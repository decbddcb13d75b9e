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
     .help = "Other validators' mempoold: name=tcp://host:port, ...; consensusd tells of the rest."},
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

int mempoold_config_peer(struct mempoold_peer *out, const char *item)
{
    const char *equals = strchr(item, '=');
    size_t size = equals ? (size_t)(equals - item) : 0;
    if (size == 0 || size > MEMPOOLD_PEER_NAME_BYTES_MAX || !config_endpoint_is_tcp(equals + 1))
        return ERR_CONFIG;
    memcpy(out->name, item, size);
    out->name[size] = '\0';
    out->endpoint = equals + 1;
    return 0;
}

int mempoold_config_check(const void *config)
{
    const struct mempoold_config *self = config;
    const struct config_arrow arrows[] = {
        {self->admission_endpoint, "INGESTD_CURVE_KEY", &self->ingestd_key},
        {self->pool_endpoint, "CONSENSUSD_CURVE_KEY", &self->consensusd_key},
        {self->query_endpoint, "APID_CURVE_KEY", &self->apid_key},
    };
    int rc = config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
    if (!config_endpoint_is_tcp(self->gossip_bind))
        rc = config_problem("GOSSIP_BIND", self->gossip_bind, "tcp://host:port");
    for (size_t i = 0; i < self->gossip_peers.count; i++) {
        struct mempoold_peer peer;
        if (mempoold_config_peer(&peer, self->gossip_peers.items[i]) < 0)
            rc = config_problem("GOSSIP_PEERS", self->gossip_peers.items[i], "name=tcp://host:port, ...");
    }
    return rc;
}
