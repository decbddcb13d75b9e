/* tx_check.c - the checks of a parsed transaction that need nothing but itself. */
#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/tx.h"
#include "common/base/tx_format.h"

/* "Signature v1: domain || ts(8) || u16 length of producer_id || producer_id || nonce || content_hash" */
static void tx_put_signing_v1(struct bytes_writer *writer, const struct tx *tx)
{
    bytes_put_span(writer, tx_format_of(tx->kind)->domain_v1);
    bytes_put_u64(writer, (uint64_t)tx->ts);
    bytes_put_u16(writer, SIGN_PUBLIC_BYTES);
    bytes_put(writer, tx->producer.bytes, SIGN_PUBLIC_BYTES);
    bytes_put(writer, tx->nonce, TX_NONCE_BYTES);
    bytes_put(writer, tx->content_hash.bytes, HASH_BYTES);
}

/* "Signature v2: domain || canonical form without the signature field" */
static void tx_put_signing_v2(struct bytes_writer *writer, const struct tx *tx)
{
    bytes_put_span(writer, tx_format_of(tx->kind)->domain_v2);
    bytes_put_span(writer, tx->unsigned_a);
    bytes_put_span(writer, tx->unsigned_b);
}

size_t tx_signing_bytes(const struct tx *tx, uint8_t *out, size_t capacity)
{
    struct bytes_writer writer = bytes_writer_of(out, capacity);
    if (tx->alg == TX_ALG_V1)
        tx_put_signing_v1(&writer, tx);
    else
        tx_put_signing_v2(&writer, tx);
    return writer.failed ? 0 : writer.size;
}

int tx_check_signature(const struct tx *tx, uint8_t *scratch, size_t scratch_size)
{
    size_t size = tx_signing_bytes(tx, scratch, scratch_size);
    assert(size > 0);
    return sign_verify(&tx->signature, &tx->producer, span_of(scratch, size)) == 0 ? 0 : REASON_BAD_SIGNATURE;
}

int tx_check_content_hash(const struct tx *tx)
{
    struct hash computed = hash_sha256(tx->content);
    return hash_equal(&computed, &tx->content_hash) ? 0 : REASON_BAD_CONTENT_HASH;
}

static int tx_check_custody_entry(const struct tx *tx, const struct tx_custody *entry)
{
    static const char domain_v1[] = "evidence.custody.v1";  /* signed without its zero byte: what is deployed */
    static const char domain_v2[] = "cybermesh/custody/v1"; /* with it */
    uint8_t bytes[sizeof domain_v2 + HASH_BYTES + 32 + 8];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    struct sign_public signer = tx->producer;
    if (tx->alg == TX_ALG_V1) {
        bytes_put(&writer, domain_v1, sizeof domain_v1 - 1);
    } else {
        bytes_put(&writer, domain_v2, sizeof domain_v2);
        memcpy(signer.bytes, entry->actor_id, SIGN_PUBLIC_BYTES);
    }
    bytes_put(&writer, entry->ref_hash.bytes, HASH_BYTES);
    bytes_put(&writer, entry->actor_id, sizeof entry->actor_id);
    bytes_put_u64(&writer, (uint64_t)entry->ts);
    assert(!writer.failed);
    return sign_verify(&entry->signature, &signer, bytes_written(&writer));
}

int tx_check_custody(const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->custody_count; i++) {
        struct tx_custody entry = tx_custody_at(tx, i);
        if (tx_check_custody_entry(tx, &entry) != 0)
            return REASON_BAD_CUSTODY;
    }
    return 0;
}

int tx_check_timestamp(const struct tx *tx, int64_t reference_s, int64_t skew_s)
{
    /* The distance of two int64 always fits a uint64. */
    uint64_t distance =
        tx->ts > reference_s ? (uint64_t)tx->ts - (uint64_t)reference_s : (uint64_t)reference_s - (uint64_t)tx->ts;
    return skew_s >= 0 && distance <= (uint64_t)skew_s ? 0 : REASON_TIMESTAMP_SKEW;
}
