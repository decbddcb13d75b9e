/* reducer.h - what an accepted transaction writes: one reducer per kind, one file each.
 *
 * A reducer is a function of the transaction and the block it is in; it writes the value of the record the transaction
 * creates and names its status. Where the record goes, the nonce record and the receipt are the executor's.
 *
 * Pure. Ownership: everything is borrowed for the call; the status is static text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/equivocation.h"
#include "common/base/tx.h"

/* What execution may know of a policy's params: integers and text only. Within the limits of record.h. */
struct policy_facts {
    struct span policy_id; /* empty: none */
    const struct span *targets;
    size_t target_count;
    uint64_t ttl_s; /* 0: none */
};

struct reducer_input {
    const struct tx *tx; /* of an event, else NULL */
    const struct hash *tx_id;
    const struct policy_facts *policy; /* of a policy, else NULL */
    const struct equivocation *proof;  /* of validator evidence, else NULL */
    uint64_t height;
    uint64_t block_time_s; /* unix s */
};

/* Each returns the record's status. */
const char *reducer_anomaly(struct bytes_writer *value, const struct reducer_input *input);
const char *reducer_evidence(struct bytes_writer *value, const struct reducer_input *input);
const char *reducer_policy(struct bytes_writer *value, const struct reducer_input *input);
const char *reducer_validator_evidence(struct bytes_writer *value, const struct reducer_input *input);
