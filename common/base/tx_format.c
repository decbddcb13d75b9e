/* tx_format.c - the fields, limits, roles and signing domains of each kind. */
#include "common/base/tx_format.h"

#include <assert.h>

#include "common/base/genesis.h"

static const enum tx_field tx_anomaly_fields[] = {TX_FIELD_ID,           TX_FIELD_TYPE,       TX_FIELD_SOURCE,
                                                  TX_FIELD_SEVERITY,     TX_FIELD_CONFIDENCE, TX_FIELD_TS,
                                                  TX_FIELD_CONTENT_HASH, TX_FIELD_CONTENT,    TX_FIELD_MODEL_VERSION,
                                                  TX_FIELD_PRODUCER_ID,  TX_FIELD_NONCE,      TX_FIELD_SIGNATURE,
                                                  TX_FIELD_PUBKEY,       TX_FIELD_ALG};
static const enum tx_field tx_evidence_fields[] = {
    TX_FIELD_ID,           TX_FIELD_TYPE,        TX_FIELD_REFS,  TX_FIELD_CONTENT,   TX_FIELD_CUSTODY, TX_FIELD_TS,
    TX_FIELD_CONTENT_HASH, TX_FIELD_PRODUCER_ID, TX_FIELD_NONCE, TX_FIELD_SIGNATURE, TX_FIELD_PUBKEY,  TX_FIELD_ALG};
static const enum tx_field tx_policy_fields[] = {
    TX_FIELD_ID,          TX_FIELD_ACTION, TX_FIELD_TYPE,      TX_FIELD_CONTENT, TX_FIELD_TS, TX_FIELD_CONTENT_HASH,
    TX_FIELD_PRODUCER_ID, TX_FIELD_NONCE,  TX_FIELD_SIGNATURE, TX_FIELD_PUBKEY,  TX_FIELD_ALG};

static_assert(ARRAY_COUNT(tx_anomaly_fields) <= TX_FIELDS_MAX, "fields of an anomaly");
static_assert(ARRAY_COUNT(tx_evidence_fields) <= TX_FIELDS_MAX, "fields of an evidence");
static_assert(ARRAY_COUNT(tx_policy_fields) <= TX_FIELDS_MAX, "fields of a policy");

static const struct tx_format tx_formats[TX_EVENT_KIND_COUNT] = {
    [TX_ANOMALY] = {tx_anomaly_fields,
                    ARRAY_COUNT(tx_anomaly_fields),
                    TX_CONTENT_BYTES_MAX,
                    "payload must have at most 524288 bytes",
                    PRODUCER_ROLE_ANOMALY,
                    {.data = (const uint8_t *)("ai.anomaly.v1"), .size = sizeof("ai.anomaly.v1") - 1},
                    {.data = (const uint8_t *)("cybermesh/ai.anomaly/v2"), .size = sizeof("cybermesh/ai.anomaly/v2")}},
    [TX_EVIDENCE] = {tx_evidence_fields,
                     ARRAY_COUNT(tx_evidence_fields),
                     TX_PROOF_BLOB_BYTES_MAX,
                     "proof_blob must have at most 262144 bytes",
                     PRODUCER_ROLE_EVIDENCE,
                     {.data = (const uint8_t *)("ai.evidence.v1"), .size = sizeof("ai.evidence.v1") - 1},
                     {.data = (const uint8_t *)("cybermesh/ai.evidence/v2"),
                      .size = sizeof("cybermesh/ai.evidence/v2")}},
    [TX_POLICY] = {tx_policy_fields,
                   ARRAY_COUNT(tx_policy_fields),
                   TX_CONTENT_BYTES_MAX,
                   "params must have at most 524288 bytes",
                   PRODUCER_ROLE_POLICY,
                   {.data = (const uint8_t *)("ai.policy.v1"), .size = sizeof("ai.policy.v1")},
                   {.data = (const uint8_t *)("cybermesh/ai.policy/v2"), .size = sizeof("cybermesh/ai.policy/v2")}},
};

const struct tx_format *tx_format_of(enum tx_kind kind)
{
    assert(kind >= TX_ANOMALY && kind < TX_EVENT_KIND_COUNT);
    return &tx_formats[kind];
}
