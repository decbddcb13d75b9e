/* tx.c - the transaction envelope.
 *
 * One table per kind lists the fields in number order; the encoder and the parser both walk it, so they cannot
 * disagree. The canonical form of a message is unique: every field is there, every length is exact, nothing follows.
 */
#include "common/base/tx.h"

#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/genesis.h"
#include "common/base/text.h"

enum tx_field {
    TX_FIELD_ID,
    TX_FIELD_TYPE,
    TX_FIELD_SOURCE,
    TX_FIELD_SEVERITY,
    TX_FIELD_CONFIDENCE,
    TX_FIELD_TS,
    TX_FIELD_CONTENT_HASH,
    TX_FIELD_CONTENT,
    TX_FIELD_MODEL_VERSION,
    TX_FIELD_PRODUCER_ID,
    TX_FIELD_NONCE,
    TX_FIELD_SIGNATURE,
    TX_FIELD_PUBKEY,
    TX_FIELD_ALG,
    TX_FIELD_REFS,
    TX_FIELD_CUSTODY,
    TX_FIELD_ACTION,
};

/* Fields in number order: the number is the index + 1. */
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

struct tx_field_list {
    const enum tx_field *fields;
    size_t count;
};

/* What differs between the kinds. */
static const struct tx_format {
    struct tx_field_list list;
    size_t content_bytes_max;
    uint32_t role;
    struct span domain_v1; /* as deployed: only the policy's has its zero byte */
    struct span domain_v2;
} tx_formats[TX_KIND_COUNT] = {
#define TX_LITERAL(text, size)                                                                                         \
    {                                                                                                                  \
        (const uint8_t *)(text), (size)                                                                                \
    }
    [TX_ANOMALY] = {{tx_anomaly_fields, ARRAY_COUNT(tx_anomaly_fields)},
                    TX_CONTENT_BYTES_MAX,
                    PRODUCER_ROLE_ANOMALY,
                    TX_LITERAL("ai.anomaly.v1", sizeof "ai.anomaly.v1" - 1),
                    TX_LITERAL("cybermesh/ai.anomaly/v2", sizeof "cybermesh/ai.anomaly/v2")},
    [TX_EVIDENCE] = {{tx_evidence_fields, ARRAY_COUNT(tx_evidence_fields)},
                     TX_PROOF_BLOB_BYTES_MAX,
                     PRODUCER_ROLE_EVIDENCE,
                     TX_LITERAL("ai.evidence.v1", sizeof "ai.evidence.v1" - 1),
                     TX_LITERAL("cybermesh/ai.evidence/v2", sizeof "cybermesh/ai.evidence/v2")},
    [TX_POLICY] = {{tx_policy_fields, ARRAY_COUNT(tx_policy_fields)},
                   TX_CONTENT_BYTES_MAX,
                   PRODUCER_ROLE_POLICY,
                   TX_LITERAL("ai.policy.v1", sizeof "ai.policy.v1"),
                   TX_LITERAL("cybermesh/ai.policy/v2", sizeof "cybermesh/ai.policy/v2")},
#undef TX_LITERAL
};

enum {
    TX_REF_STRIDE = 4 + HASH_BYTES,
    TX_CUSTODY_STRIDE = 4 + TX_CUSTODY_BYTES,
};

static uint64_t tx_double_bits(double value)
{
    uint64_t bits;
    static_assert(sizeof bits == sizeof value, "a double has 8 bytes");
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Encoding */

/* The length of a value is known only after it was written by a counting writer, or by arithmetic. */
static void tx_put_u64_sized(struct bytes_writer *writer, uint64_t value)
{
    bytes_put_u32(writer, 8);
    bytes_put_u64(writer, value);
}

/* A repeated field's value: u32 count || each item u32 length || item. */
static void tx_put_refs(struct bytes_writer *writer, const struct tx_fields *fields)
{
    bytes_put_u32(writer, (uint32_t)fields->ref_count);
    for (size_t i = 0; i < fields->ref_count; i++)
        bytes_put_sized(writer, fields->refs[i]);
}

static void tx_put_custody_entry(struct bytes_writer *writer, const struct tx_custody_fields *entry)
{
    bytes_put_u8(writer, 1);
    bytes_put_sized(writer, entry->ref_hash);
    bytes_put_u8(writer, 2);
    bytes_put_sized(writer, entry->actor_id);
    bytes_put_u8(writer, 3);
    tx_put_u64_sized(writer, (uint64_t)entry->ts);
    bytes_put_u8(writer, 4);
    bytes_put_sized(writer, entry->signature);
}

static void tx_put_custody(struct bytes_writer *writer, const struct tx_fields *fields)
{
    bytes_put_u32(writer, (uint32_t)fields->custody_count);
    for (size_t i = 0; i < fields->custody_count; i++) {
        struct bytes_writer counter = bytes_writer_of(NULL, 0);
        tx_put_custody_entry(&counter, &fields->custody[i]);
        bytes_put_u32(writer, (uint32_t)counter.size);
        tx_put_custody_entry(writer, &fields->custody[i]);
    }
}

/* u32 length || the value that put writes */
static void tx_put_measured(struct bytes_writer *writer, const struct tx_fields *fields,
                            void (*put)(struct bytes_writer *, const struct tx_fields *))
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, fields);
    bytes_put_u32(writer, (uint32_t)counter.size);
    put(writer, fields);
}

/* u32 length || value */
static void tx_put_field(struct bytes_writer *writer, const struct tx_fields *fields, enum tx_field field)
{
    switch (field) {
    case TX_FIELD_ID:
        bytes_put_sized(writer, fields->id);
        break;
    case TX_FIELD_TYPE:
        bytes_put_sized(writer, fields->type);
        break;
    case TX_FIELD_SOURCE:
        bytes_put_sized(writer, fields->source);
        break;
    case TX_FIELD_SEVERITY:
        tx_put_u64_sized(writer, fields->severity);
        break;
    case TX_FIELD_CONFIDENCE:
        tx_put_u64_sized(writer, tx_double_bits(fields->confidence));
        break;
    case TX_FIELD_TS:
        tx_put_u64_sized(writer, (uint64_t)fields->ts);
        break;
    case TX_FIELD_CONTENT_HASH:
        bytes_put_sized(writer, fields->content_hash);
        break;
    case TX_FIELD_CONTENT:
        bytes_put_sized(writer, fields->content);
        break;
    case TX_FIELD_MODEL_VERSION:
        bytes_put_sized(writer, fields->model_version);
        break;
    case TX_FIELD_PRODUCER_ID:
        bytes_put_sized(writer, fields->producer_id);
        break;
    case TX_FIELD_NONCE:
        bytes_put_sized(writer, fields->nonce);
        break;
    case TX_FIELD_SIGNATURE:
        bytes_put_sized(writer, fields->signature);
        break;
    case TX_FIELD_PUBKEY:
        bytes_put_sized(writer, fields->pubkey);
        break;
    case TX_FIELD_ALG:
        bytes_put_sized(writer, fields->alg);
        break;
    case TX_FIELD_REFS:
        tx_put_measured(writer, fields, tx_put_refs);
        break;
    case TX_FIELD_CUSTODY:
        tx_put_measured(writer, fields, tx_put_custody);
        break;
    case TX_FIELD_ACTION:
        bytes_put_sized(writer, fields->action);
        break;
    }
}

static void tx_put(struct bytes_writer *writer, const struct tx_fields *fields)
{
    assert(fields->kind >= TX_ANOMALY && fields->kind < TX_KIND_COUNT);
    const struct tx_field_list *list = &tx_formats[fields->kind].list;
    bytes_put_u8(writer, (uint8_t)fields->kind);
    for (size_t i = 0; i < list->count; i++) {
        bytes_put_u8(writer, (uint8_t)(i + 1));
        tx_put_field(writer, fields, list->fields[i]);
    }
}

size_t tx_encoded_size(const struct tx_fields *fields)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    tx_put(&counter, fields);
    return counter.size;
}

void tx_encode(uint8_t *out, const struct tx_fields *fields)
{
    struct bytes_writer writer = bytes_writer_of(out, SIZE_MAX);
    tx_put(&writer, fields);
    assert(!writer.failed);
}

/* Parsing: each tx_read_*() is given one field's value and returns 0 or the verdict, with *why. */

static int tx_fail(enum reason reason, const char **why, const char *text)
{
    *why = text;
    return (int)reason;
}

static int tx_read_text(struct span *out, struct span value, size_t size_max, const char **why, const char *text)
{
    if (value.size == 0 || value.size > size_max || !text_is_clean(value))
        return tx_fail(REASON_MALFORMED, why, text);
    *out = value;
    return 0;
}

static int tx_read_copy(void *out, size_t size, struct span value, const char **why, const char *text)
{
    if (value.size != size)
        return tx_fail(REASON_MALFORMED, why, text);
    memcpy(out, value.data, size);
    return 0;
}

static int tx_read_u64(uint64_t *out, struct span value, const char **why, const char *text)
{
    struct bytes_reader reader = bytes_reader_of(value);
    uint64_t result = bytes_get_u64(&reader);
    if (bytes_reader_end(&reader) < 0)
        return tx_fail(REASON_MALFORMED, why, text);
    *out = result;
    return 0;
}

static int tx_read_severity(struct tx *tx, struct span value, const char **why)
{
    static const char text[] = "severity must be an integer from 1 to 10";
    uint64_t severity;
    int verdict = tx_read_u64(&severity, value, why, text);
    if (verdict != 0)
        return verdict;
    if (severity < 1 || severity > 10)
        return tx_fail(REASON_MALFORMED, why, text);
    tx->severity = (uint32_t)severity;
    return 0;
}

/* Round half up of x * 10^6 for an IEEE-754 double 0 <= x <= 1 given by its bits, exactly.
 *
 * x is mantissa * 2^-shift with mantissa < 2^53, so x * 10^6 + 1/2 is (mantissa * 10^6 + 2^(shift - 1)) / 2^shift, all
 * integers of less than 128 bits; the division rounds down. Floating point would round twice: first the product, then
 * the sum, and 0.5 - 2^-54 plus one half is 1. No value below 1 has shift < 53, and 1 itself has 52. From shift 75 on
 * mantissa * 10^6 < 2^73 is less than half of 2^shift: the result is 0.
 */
static uint32_t tx_ppm_of_bits(uint64_t bits)
{
    uint64_t exponent = bits >> 52 & 0x7ff;
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0)
        return 0; /* zero or subnormal */
    mantissa |= UINT64_C(1) << 52;
    uint64_t shift = 1075 - exponent;
    if (shift >= 75)
        return 0;
    __extension__ unsigned __int128 scaled = mantissa;
    scaled = scaled * 1000000u;
    scaled += (__typeof__(scaled))1 << (shift - 1);
    return (uint32_t)(scaled >> shift);
}

static int tx_read_confidence(struct tx *tx, struct span value, const char **why)
{
    static const char text[] = "confidence must be a finite number from 0 to 1";
    static const uint64_t negative_zero = UINT64_C(1) << 63;
    static const uint64_t one = UINT64_C(1023) << 52;
    uint64_t bits;
    int verdict = tx_read_u64(&bits, value, why, text);
    if (verdict != 0)
        return verdict;
    /* The bits of doubles that are not negative are ordered as the numbers are; infinity and NaN are above 1. */
    if (bits > one && bits != negative_zero)
        return tx_fail(REASON_MALFORMED, why, text);
    tx->confidence_bits = bits;
    tx->confidence_ppm = tx_ppm_of_bits(bits);
    return 0;
}

static int tx_read_content(struct tx *tx, struct span value, const char **why)
{
    if (value.size > tx_formats[tx->kind].content_bytes_max)
        return tx_fail(REASON_TOO_LARGE, why,
                       tx->kind == TX_EVIDENCE ? "proof_blob has more than 262144 bytes"
                                               : "payload or params has more than 524288 bytes");
    tx->content = value;
    return 0;
}

static int tx_read_pubkey(struct tx *tx, struct span value, const char **why)
{
    if (!span_equal(value, span_of(tx->producer.bytes, sizeof tx->producer.bytes)))
        return tx_fail(REASON_MALFORMED, why, "pubkey must be the same 32 bytes as producer_id");
    return 0;
}

static int tx_read_alg(struct tx *tx, struct span value, const char **why)
{
    if (span_equal(value, span_text("Ed25519")))
        tx->alg = TX_ALG_V1;
    else if (span_equal(value, span_text("Ed25519-v2")))
        tx->alg = TX_ALG_V2;
    else
        return tx_fail(REASON_MALFORMED, why, "alg must be Ed25519 or Ed25519-v2");
    return 0;
}

static int tx_read_refs(struct tx *tx, struct span value, const char **why)
{
    struct bytes_reader reader = bytes_reader_of(value);
    uint32_t count = bytes_get_u32(&reader);
    if (reader.failed || count > TX_REFS_MAX)
        return tx_fail(REASON_MALFORMED, why, "refs must be a list of at most 1000");
    struct span items = span_of(reader.data + reader.position, bytes_left(&reader));
    for (uint32_t i = 0; i < count; i++) {
        if (bytes_get_u32(&reader) != HASH_BYTES)
            return tx_fail(REASON_MALFORMED, why, "each of refs must have 32 bytes");
        bytes_get_span(&reader, HASH_BYTES);
    }
    if (bytes_reader_end(&reader) < 0)
        return tx_fail(REASON_MALFORMED, why, "refs must end after its last item");
    tx->ref_count = count;
    tx->refs = items;
    return 0;
}

/* The next field of a custody entry: its number, its length and so many bytes. */
static struct span tx_custody_field(struct bytes_reader *reader, uint8_t number, uint32_t size)
{
    if (bytes_get_u8(reader) != number || bytes_get_u32(reader) != size)
        reader->failed = true;
    return bytes_get_span(reader, size);
}

static int tx_read_custody(struct tx *tx, struct span value, const char **why)
{
    struct bytes_reader reader = bytes_reader_of(value);
    uint32_t count = bytes_get_u32(&reader);
    if (reader.failed || count > TX_CUSTODY_MAX)
        return tx_fail(REASON_MALFORMED, why, "coc must be a list of at most 64");
    struct span items = span_of(reader.data + reader.position, bytes_left(&reader));
    for (uint32_t i = 0; i < count; i++) {
        if (bytes_get_u32(&reader) != TX_CUSTODY_BYTES)
            reader.failed = true;
        tx_custody_field(&reader, 1, HASH_BYTES);
        tx_custody_field(&reader, 2, 32);
        tx_custody_field(&reader, 3, 8);
        tx_custody_field(&reader, 4, SIGN_BYTES);
    }
    if (bytes_reader_end(&reader) < 0)
        return tx_fail(REASON_MALFORMED, why,
                       "each of coc must be ref_hash and actor_id of 32 bytes, ts, and a signature of 64 bytes");
    tx->custody_count = count;
    tx->custody = items;
    return 0;
}

static int tx_read_ts(struct tx *tx, struct span value, const char **why)
{
    uint64_t ts;
    int verdict = tx_read_u64(&ts, value, why, "ts must be an integer of 8 bytes");
    if (verdict != 0)
        return verdict;
    tx->ts = (int64_t)ts;
    return 0;
}

static int tx_read_field(struct tx *tx, enum tx_field field, struct span value, const char **why)
{
    switch (field) {
    case TX_FIELD_ID:
        return tx_read_text(&tx->id, value, TX_ID_BYTES_MAX, why,
                            "id must be 1 to 128 bytes of UTF-8 without control characters");
    case TX_FIELD_TYPE:
        return tx_read_text(&tx->type, value, TX_TEXT_BYTES_MAX, why,
                            "type, evidence_type or rule must be 1 to 256 bytes of UTF-8 without control characters");
    case TX_FIELD_SOURCE:
        return tx_read_text(&tx->source, value, TX_TEXT_BYTES_MAX, why,
                            "source must be 1 to 256 bytes of UTF-8 without control characters");
    case TX_FIELD_MODEL_VERSION:
        return tx_read_text(&tx->model_version, value, TX_TEXT_BYTES_MAX, why,
                            "model_version must be 1 to 256 bytes of UTF-8 without control characters");
    case TX_FIELD_ACTION:
        return tx_read_text(&tx->action, value, TX_TEXT_BYTES_MAX, why,
                            "action must be 1 to 256 bytes of UTF-8 without control characters");
    case TX_FIELD_SEVERITY:
        return tx_read_severity(tx, value, why);
    case TX_FIELD_CONFIDENCE:
        return tx_read_confidence(tx, value, why);
    case TX_FIELD_TS:
        return tx_read_ts(tx, value, why);
    case TX_FIELD_CONTENT_HASH:
        return tx_read_copy(tx->content_hash.bytes, HASH_BYTES, value, why, "content_hash must have 32 bytes");
    case TX_FIELD_CONTENT:
        return tx_read_content(tx, value, why);
    case TX_FIELD_PRODUCER_ID:
        return tx_read_copy(tx->producer.bytes, SIGN_PUBLIC_BYTES, value, why, "producer_id must have 32 bytes");
    case TX_FIELD_NONCE:
        return tx_read_copy(tx->nonce, TX_NONCE_BYTES, value, why, "nonce must have 16 bytes");
    case TX_FIELD_SIGNATURE:
        return tx_read_copy(tx->signature.bytes, SIGN_BYTES, value, why, "signature must have 64 bytes");
    case TX_FIELD_PUBKEY:
        return tx_read_pubkey(tx, value, why);
    case TX_FIELD_ALG:
        return tx_read_alg(tx, value, why);
    case TX_FIELD_REFS:
        return tx_read_refs(tx, value, why);
    case TX_FIELD_CUSTODY:
        return tx_read_custody(tx, value, why);
    }
    return tx_fail(REASON_MALFORMED, why, "unknown field");
}

/* Read every field; the first failure in byte order is the verdict. */
static int tx_read_fields(struct tx *tx, struct bytes_reader *reader, const char **why)
{
    const struct tx_field_list *list = &tx_formats[tx->kind].list;
    size_t begin = reader->position;
    size_t rest = begin; /* where the second part of the unsigned form begins */
    for (size_t i = 0; i < list->count; i++) {
        size_t field_begin = reader->position;
        uint8_t number = bytes_get_u8(reader);
        struct span value = bytes_get_span(reader, bytes_get_u32(reader));
        if (reader->failed || number != i + 1)
            return tx_fail(REASON_MALFORMED, why, "the canonical form must have every field, in number order");
        int verdict = tx_read_field(tx, list->fields[i], value, why);
        if (verdict != 0)
            return verdict;
        if (list->fields[i] == TX_FIELD_SIGNATURE) {
            tx->unsigned_a = span_of(reader->data + begin, field_begin - begin);
            rest = reader->position;
        }
    }
    tx->unsigned_b = span_of(reader->data + rest, reader->position - rest);
    return 0;
}

int tx_parse(struct tx *out, struct span body, const char **why)
{
    if (body.size > TX_BODY_BYTES_MAX)
        return tx_fail(REASON_TOO_LARGE, why, "the transaction has more than 1 MiB");
    struct bytes_reader reader = bytes_reader_of(body);
    uint8_t kind = bytes_get_u8(&reader);
    if (kind < TX_ANOMALY || kind >= TX_KIND_COUNT)
        return tx_fail(REASON_MALFORMED, why, "kind must be 1, 2 or 3");
    struct tx tx = {.kind = (enum tx_kind)kind, .body = body};
    int verdict = tx_read_fields(&tx, &reader, why);
    if (verdict != 0)
        return verdict;
    if (bytes_reader_end(&reader) < 0)
        return tx_fail(REASON_MALFORMED, why, "nothing may follow the last field");
    *out = tx;
    return 0;
}

struct hash tx_id(struct span body)
{
    static const char domain[] = "cybermesh/tx/v1"; /* with its zero byte */
    return hash_of2(span_of(domain, sizeof domain), body);
}

struct hash tx_ref(const struct tx *tx, uint32_t index)
{
    assert(index < tx->ref_count);
    struct hash ref;
    memcpy(ref.bytes, tx->refs.data + (size_t)index * TX_REF_STRIDE + 4, HASH_BYTES);
    return ref;
}

struct tx_custody tx_custody_at(const struct tx *tx, uint32_t index)
{
    assert(index < tx->custody_count);
    struct tx_custody entry;
    struct bytes_reader reader =
        bytes_reader_of(span_of(tx->custody.data + (size_t)index * TX_CUSTODY_STRIDE + 4, TX_CUSTODY_BYTES));
    struct span ref_hash = tx_custody_field(&reader, 1, HASH_BYTES);
    struct span actor_id = tx_custody_field(&reader, 2, 32);
    struct span ts = tx_custody_field(&reader, 3, 8);
    struct span signature = tx_custody_field(&reader, 4, SIGN_BYTES);
    assert(bytes_reader_end(&reader) == 0);
    memcpy(entry.ref_hash.bytes, ref_hash.data, HASH_BYTES);
    memcpy(entry.actor_id, actor_id.data, sizeof entry.actor_id);
    struct bytes_reader ts_reader = bytes_reader_of(ts);
    entry.ts = (int64_t)bytes_get_u64(&ts_reader);
    memcpy(entry.signature.bytes, signature.data, SIGN_BYTES);
    return entry;
}

/* "Signature v1: domain || ts(8) || u16 length of producer_id || producer_id || nonce || content_hash" */
static void tx_put_signing_v1(struct bytes_writer *writer, const struct tx *tx)
{
    bytes_put_span(writer, tx_formats[tx->kind].domain_v1);
    bytes_put_u64(writer, (uint64_t)tx->ts);
    bytes_put_u16(writer, SIGN_PUBLIC_BYTES);
    bytes_put(writer, tx->producer.bytes, SIGN_PUBLIC_BYTES);
    bytes_put(writer, tx->nonce, TX_NONCE_BYTES);
    bytes_put(writer, tx->content_hash.bytes, HASH_BYTES);
}

/* "Signature v2: domain || canonical form without the signature field" */
static void tx_put_signing_v2(struct bytes_writer *writer, const struct tx *tx)
{
    bytes_put_span(writer, tx_formats[tx->kind].domain_v2);
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

uint32_t tx_role(enum tx_kind kind)
{
    assert(kind >= TX_ANOMALY && kind < TX_KIND_COUNT);
    return tx_formats[kind].role;
}

uint32_t tx_class(const struct tx *tx)
{
    static const char *const acts_now[] = {"drop", "reject", "block", "quarantine", "rate_limit"};
    if (tx->kind != TX_POLICY)
        return 2;
    for (size_t i = 0; i < ARRAY_COUNT(acts_now); i++) {
        if (span_equal(tx->action, span_text(acts_now[i])))
            return 0;
    }
    return 1;
}
