/* consensusd_config.h - the configuration keys of consensusd. */
#pragma once

#include <stdint.h>

#include "common/base/peer_record.h"
#include "common/edge/config.h"

struct consensusd_config {
    struct config_common common; /* first */
    char *sign_key_file;
    char *consensus_curve_key_file;
    char *pub_bind;
    char *sync_bind;
    struct config_list peers;
    char *advertise;
    char *beacon;
    char *pool_endpoint;
    char *execution_endpoint;
    char *query_endpoint;
    char *data_dir;
    char *voted_mark_file;
    uint64_t recover_above_view;
    uint64_t store_map_bytes_max;
    uint64_t block_retention;
    uint64_t block_min_interval_ms;
    uint64_t block_target_txs;
    struct config_hex32 mempoold_key;
    struct config_hex32 executord_key;
    struct config_hex32 apid_key;
};

extern const struct config_table consensusd_config_table;

/* What the table cannot say. Returns 0 or ERR_CONFIG (logged). */
int consensusd_config_check(const void *config);

/* One item of CONSENSUS_PEERS, "name=tcp://host:port|tcp://host:port". Texts are the caller's to free(). */
struct consensusd_peer_address {
    char *name;
    char *pub;
    char *sync;
};

/* Returns 0, ERR_MALFORMED or -ENOMEM. */
MUST_USE int consensusd_peer_address_parse(struct consensusd_peer_address *out, const char *item);
void consensusd_peer_address_free(struct consensusd_peer_address *address);

/* CONSENSUS_ADVERTISE, "pub|sync" or "pub|sync|gossip" in the form of peer_record.h. Returns 0 or ERR_MALFORMED. */
MUST_USE int consensusd_advertise_parse(struct peer_record_endpoints *out, const char *text);
