/* fuzz_tx.c - any bytes as a transaction's body: what is read, written again, is the same bytes. */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/text.h"
#include "common/base/tx.h"

struct parts {
    struct tx_custody custody[TX_CUSTODY_MAX];
    struct tx_custody_fields custody_fields[TX_CUSTODY_MAX];
    struct hash refs[TX_REFS_MAX];
    struct span ref_spans[TX_REFS_MAX];
};

static void parts_fill(struct parts *parts, const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->ref_count; i++) {
        parts->refs[i] = tx_ref(tx, i);
        parts->ref_spans[i] = span_of(parts->refs[i].bytes, HASH_BYTES);
    }
    for (uint32_t i = 0; i < tx->custody_count; i++) {
        struct tx_custody *entry = &parts->custody[i];
        *entry = tx_custody_at(tx, i);
        parts->custody_fields[i] =
            (struct tx_custody_fields){.ref_hash = span_of(entry->ref_hash.bytes, HASH_BYTES),
                                       .actor_id = span_of(entry->actor_id, sizeof entry->actor_id),
                                       .signature = span_of(entry->signature.bytes, SIGN_BYTES),
                                       .ts = entry->ts};
    }
}

static void require_the_same_bytes(const struct tx *tx)
{
    static struct parts parts;
    parts_fill(&parts, tx);
    struct span producer = span_of(tx->producer.bytes, SIGN_PUBLIC_BYTES);
    struct tx_fields fields = {.kind = tx->kind,
                               .id = tx->id,
                               .type = tx->type,
                               .source = tx->source,
                               .model_version = tx->model_version,
                               .action = tx->action,
                               .alg = span_text(tx->alg == TX_ALG_V1 ? "Ed25519" : "Ed25519-v2"),
                               .content = tx->content,
                               .severity = tx->severity,
                               .ts = tx->ts,
                               .content_hash = span_of(tx->content_hash.bytes, HASH_BYTES),
                               .producer_id = producer,
                               .nonce = span_of(tx->nonce, TX_NONCE_BYTES),
                               .signature = span_of(tx->signature.bytes, SIGN_BYTES),
                               .pubkey = producer,
                               .refs = parts.ref_spans,
                               .ref_count = tx->ref_count,
                               .custody = parts.custody_fields,
                               .custody_count = tx->custody_count};
    memcpy(&fields.confidence, &tx->confidence_bits, sizeof fields.confidence);
    FUZZ_REQUIRE(tx_encoded_size(&fields) == tx->body.size);
    uint8_t *bytes = malloc(tx->body.size);
    FUZZ_REQUIRE(bytes);
    tx_encode(bytes, &fields);
    FUZZ_REQUIRE(memcmp(bytes, tx->body.data, tx->body.size) == 0);
    free(bytes);
}

static void require_the_limits(const struct tx *tx)
{
    FUZZ_REQUIRE(tx->id.size >= 1 && tx->id.size <= TX_ID_BYTES_MAX && text_is_clean(tx->id));
    FUZZ_REQUIRE(tx->type.size >= 1 && tx->type.size <= TX_TEXT_BYTES_MAX && text_is_clean(tx->type));
    FUZZ_REQUIRE(tx->kind != TX_ANOMALY || (tx->severity >= 1 && tx->severity <= 10));
    FUZZ_REQUIRE(tx->confidence_ppm <= 1000000);
    FUZZ_REQUIRE(tx->ref_count <= TX_REFS_MAX && tx->custody_count <= TX_CUSTODY_MAX);
    FUZZ_REQUIRE(tx_class(tx) <= 2 && tx_role(tx->kind) != 0);
}

static void require_that_checks_come_to_a_verdict(const struct tx *tx)
{
    size_t size = tx->body.size + 64;
    uint8_t *scratch = malloc(size);
    FUZZ_REQUIRE(scratch);
    FUZZ_REQUIRE(tx_signing_bytes(tx, scratch, size) > 0);
    int verdict = tx_check_signature(tx, scratch, size);
    FUZZ_REQUIRE(verdict == 0 || verdict == REASON_BAD_SIGNATURE);
    verdict = tx_check_content_hash(tx);
    FUZZ_REQUIRE(verdict == 0 || verdict == REASON_BAD_CONTENT_HASH);
    verdict = tx_check_custody(tx);
    FUZZ_REQUIRE(verdict == 0 || verdict == REASON_BAD_CUSTODY);
    verdict = tx_check_timestamp(tx, 1760000000, 300);
    FUZZ_REQUIRE(verdict == 0 || verdict == REASON_TIMESTAMP_SKEW);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tx tx;
    const char *why = NULL;
    int verdict = tx_parse(&tx, span_of(data, size), &why);
    if (verdict != 0) {
        FUZZ_REQUIRE((verdict == REASON_MALFORMED || verdict == REASON_TOO_LARGE) && why);
        return 0;
    }
    require_the_limits(&tx);
    require_the_same_bytes(&tx);
    require_that_checks_come_to_a_verdict(&tx);
    return 0;
}
