/* mempoold_config.h - mempoold's keys. Values; Threads: read only after loading. */
#pragma once

#include <stdint.h>

#include "common/edge/config.h"

struct mempoold_config {
    struct config_common common;
    char *admission_endpoint;
    char *pool_endpoint;
    char *query_endpoint;
    char *gossip_bind;
    char *gossip_curve_key_file;
    struct config_list gossip_peers;
    struct config_hex32 ingestd_key;
    struct config_hex32 consensusd_key;
    struct config_hex32 apid_key;
    uint64_t max_txs;
    uint64_t max_bytes;
    uint64_t nonce_ttl_ms;
    uint64_t rate_per_second;
    uint64_t verify_threads;
};

extern const struct config_table mempoold_config_table;

/* What the table cannot say: a tcp stage endpoint needs keys; peers have the form name=tcp://host:port. For
 * struct daemon_spec. */
MUST_USE int mempoold_config_check(const void *config);

enum { MEMPOOLD_PEER_NAME_BYTES_MAX = 64 };

/* One item of GOSSIP_PEERS. */
struct mempoold_peer {
    char name[MEMPOOLD_PEER_NAME_BYTES_MAX + 1];
    const char *endpoint; /* into the item */
};

/* Returns 0 or ERR_CONFIG. */
MUST_USE int mempoold_config_peer(struct mempoold_peer *out, const char *item);
