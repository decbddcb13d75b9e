/* txcheck.c - the order of the checks, and the content rules; everything else is common/base/tx.c.
 *
 * The signed bytes of a usual transaction fit the stack, so that a check on any thread costs no allocation of ours.
 */
#include "common/edge/txcheck.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/json.h"

enum {
    STACK_BYTES_MAX = 16 << 10,
    SIGNING_BYTES_EXTRA = 64, /* beside the body: tx_check_signature() */
};

#define CONFIDENCE_TOLERANCE 1e-6

struct txcheck_context txcheck_static(const struct genesis_parameters *parameters)
{
    return (struct txcheck_context){
        .require_v2 = parameters->require_v2,
        .custody_verification = parameters->custody_verification,
    };
}

static int refuse(enum reason reason, const char **why, const char *text)
{
    *why = text;
    return (int)reason;
}

static int check_producer(const struct txcheck_context *context, const struct tx *tx, const char **why)
{
    if (!context->producer)
        return 0;
    int rc = context->producer(context->producer_context, &tx->producer, tx_role(tx->kind));
    if (rc == REASON_PRODUCER_UNKNOWN)
        return refuse(REASON_PRODUCER_UNKNOWN, why, "producer is not registered");
    if (rc == REASON_PRODUCER_ROLE)
        return refuse(REASON_PRODUCER_ROLE, why, "producer has no role for this kind");
    if (rc == REASON_PRODUCER_QUARANTINED)
        return refuse(REASON_PRODUCER_QUARANTINED, why, "producer is quarantined");
    return rc;
}

static int check_signature(const struct txcheck_context *context, const struct tx *tx, const char **why)
{
    if (context->require_v2 && tx->alg != TX_ALG_V2)
        return refuse(REASON_BAD_SIGNATURE, why, "this network requires alg Ed25519-v2");
    uint8_t stack[STACK_BYTES_MAX];
    uint8_t *heap = NULL;
    size_t size = tx->body.size + SIGNING_BYTES_EXTRA;
    if (size > sizeof stack) {
        heap = malloc(size);
        if (!heap)
            return -ENOMEM;
    }
    int rc = tx_check_signature(tx, heap ? heap : stack, size);
    free(heap);
    return rc == 0 ? 0 : refuse(REASON_BAD_SIGNATURE, why, "signature does not verify");
}

static int check_severity(const json_t *payload, const struct tx *tx, const char **why)
{
    const json_t *severity = json_object_get(payload, "severity");
    if (!severity || (json_is_integer(severity) && json_integer_value(severity) == (json_int_t)tx->severity))
        return 0;
    return refuse(REASON_CONTENT_RULE, why, "severity of the payload differs from the message's");
}

static int check_confidence(const json_t *payload, const struct tx *tx, const char **why)
{
    const json_t *confidence = json_object_get(payload, "confidence");
    double expected;
    static_assert(sizeof expected == sizeof tx->confidence_bits, "a double has 8 bytes");
    memcpy(&expected, &tx->confidence_bits, sizeof expected);
    if (!confidence)
        return 0;
    if (json_is_number(confidence) && fabs(json_number_value(confidence) - expected) <= CONFIDENCE_TOLERANCE)
        return 0;
    return refuse(REASON_CONTENT_RULE, why, "confidence of the payload differs from the message's");
}

/* "An anomaly's payload is a JSON object; if it has severity or confidence they equal the message's. A policy's params
 * is a JSON object." An evidence's proof_blob is any bytes. */
static int check_content(const struct tx *tx, const char **why)
{
    if (tx->kind == TX_EVIDENCE)
        return 0;
    CLEANUP(json_cleanup) json_t *content = NULL;
    int rc = json_parse_strict(&content, tx->content, JSON_DEPTH_MAX);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0)
        return refuse(REASON_CONTENT_RULE, why, "payload or params is no JSON object of the allowed form");
    if (tx->kind != TX_ANOMALY)
        return 0;
    rc = check_severity(content, tx, why);
    return rc != 0 ? rc : check_confidence(content, tx, why);
}

static int check_timestamp(const struct txcheck_context *context, const struct tx *tx, const char **why)
{
    if (!context->has_reference || tx_check_timestamp(tx, context->reference_s, context->skew_s) == 0)
        return 0;
    return refuse(REASON_TIMESTAMP_SKEW, why, "ts is too far from the broker's timestamp of the record");
}

static int check_custody(const struct txcheck_context *context, const struct tx *tx, const char **why)
{
    if (!context->custody_verification || tx_check_custody(tx) == 0)
        return 0;
    return refuse(REASON_BAD_CUSTODY, why, "signature of a custody entry does not verify");
}

int txcheck_run(const struct txcheck_context *context, struct span body, struct tx *out, const char **why)
{
    int rc = tx_parse(out, body, why);
    if (rc == 0)
        rc = check_producer(context, out, why);
    if (rc == 0)
        rc = check_signature(context, out, why);
    if (rc == 0 && tx_check_content_hash(out) != 0)
        rc = refuse(REASON_BAD_CONTENT_HASH, why, "content_hash is not SHA-256 of the content");
    if (rc == 0)
        rc = check_content(out, why);
    if (rc == 0)
        rc = check_timestamp(context, out, why);
    if (rc == 0)
        rc = check_custody(context, out, why);
    return rc;
}
