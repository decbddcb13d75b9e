/* genesis.h - the genesis file as values (docs/protocol.md, "Genesis and chain id"). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/sign.h"

enum { GENESIS_VALIDATORS_MAX = 64, GENESIS_PRODUCERS_MAX = 4096, GENESIS_NAME_BYTES_MAX = 64 };

enum producer_role {
    PRODUCER_ROLE_ANOMALY = 1,
    PRODUCER_ROLE_EVIDENCE = 2,
    PRODUCER_ROLE_POLICY = 4,
    PRODUCER_ROLE_GOVERNOR = 8,
};

struct genesis_validator {
    char name[GENESIS_NAME_BYTES_MAX + 1];
    struct sign_public sign_key;
    struct sign_public control_key;
    uint8_t consensus_curve_key[32];
    uint8_t mempool_curve_key[32];
    struct hash id; /* SHA-256(sign_key) */
};

struct genesis_producer {
    char name[GENESIS_NAME_BYTES_MAX + 1];
    struct sign_public key;
    uint32_t roles; /* bits of enum producer_role */
};

/* X(name, default, min, max): integers; every number that execution or voting depends on. */
#define GENESIS_PARAMETERS(X)                                                                                          \
    X(block_max_txs, 5000, 1, 100000)                                                                                  \
    X(block_max_bytes, 4194304, 1114112, 67108864)                                                                     \
    X(tx_max_age_s, 86400, 60, 31536000)                                                                               \
    X(tx_future_skew_s, 300, 1, 86400)                                                                                 \
    X(block_future_skew_ms, 5000, 100, 600000)                                                                         \
    X(view_timeout_min_ms, 200, 10, 60000)                                                                             \
    X(view_timeout_initial_ms, 1000, 10, 60000)                                                                        \
    X(view_timeout_max_ms, 10000, 10, 600000)                                                                          \
    X(reputation_initial_ppm, 1000000, 0, 1000000)                                                                     \
    X(reputation_leader_min_ppm, 700000, 0, 1000000)                                                                   \
    X(reputation_proposer_ppm, 10000, 0, 1000000)                                                                      \
    X(reputation_signer_ppm, 2000, 0, 1000000)                                                                         \
    X(reputation_missed_ppm, 50000, 0, 1000000)                                                                        \
    X(schedule_epoch_blocks, 64, 1, 65536)                                                                             \
    X(schedule_lag_blocks, 8, 1, 65536)

struct genesis_parameters {
#define GENESIS_FIELD(name, default_value, min, max) uint64_t name;
    GENESIS_PARAMETERS(GENESIS_FIELD)
#undef GENESIS_FIELD
    bool require_v2;           /* refuse v1 signatures; default false */
    bool custody_verification; /* text "required" (default) or "off" in the file */
};

struct genesis {
    char network[GENESIS_NAME_BYTES_MAX + 1];
    uint64_t created_ms;
    struct hash chain_id;
    uint32_t validator_count;
    struct genesis_validator validators[GENESIS_VALIDATORS_MAX]; /* file order: a certificate's index */
    uint32_t producer_count;
    struct genesis_producer *producers;
    struct genesis_parameters parameters;
};

/* f = floor((n - 1) / 3), quorum = floor((n + f) / 2) + 1; n is 1..64. */
uint32_t genesis_faults_max(uint32_t validator_count);
uint32_t genesis_quorum(uint32_t validator_count);

/* Index of the validator with this id, or -1. */
int genesis_validator_index(const struct genesis *genesis, const struct hash *id);

/* Likewise by name. */
int genesis_validator_named(const struct genesis *genesis, const char *name);

/* Defaults of every parameter. */
struct genesis_parameters genesis_parameters_default(void);
