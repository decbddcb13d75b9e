/* reducer_policy.c - a PolicyEvent creates a policy, `active`; it expires at block time + ttl. */
#include "services/executord/record.h"
#include "services/executord/reducer.h"

const char *reducer_policy(struct bytes_writer *value, const struct reducer_input *input)
{
    static const char status[] = "active";
    const struct tx *tx = input->tx;
    const struct policy_facts *facts = input->policy;
    struct record_policy record = {
        .rule = tx->type,
        .action = tx->action,
        .policy_id = facts->policy_id,
        .targets = facts->targets,
        .target_count = facts->target_count,
        .ttl_s = facts->ttl_s,
        .expires_at_s = facts->ttl_s > 0 ? input->block_time_s + facts->ttl_s : 0,
        .active = true,
        .ts = tx->ts,
        .content_hash = span_of(tx->content_hash.bytes, HASH_BYTES),
        .producer = span_of(tx->producer.bytes, sizeof tx->producer.bytes),
        .tx_id = span_of(input->tx_id->bytes, HASH_BYTES),
        .height = input->height,
    };
    record_policy_encode(value, &record);
    return status;
}
