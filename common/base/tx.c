/* tx.c - reads a transaction's body. The canonical form of a message is unique: every field is there once, every length
 * is exact, nothing follows.
 */
#include "common/base/tx.h"

#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/text.h"
#include "common/base/tx_format.h"

enum {
    TX_REF_STRIDE = 4 + HASH_BYTES,
    TX_CUSTODY_STRIDE = 4 + TX_CUSTODY_BYTES,
};

/* Parsing: each tx_read_*() is given the value of one field and returns 0 or the verdict, with *why. */

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
        if (value.size == 0) /* the one text that may be left out */
            return 0;
        return tx_read_text(&tx->model_version, value, TX_TEXT_BYTES_MAX, why,
                            "model_version must be at most 256 bytes of UTF-8 without control characters");
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
        tx->content = value; /* its size was checked before */
        return 0;
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

/* Cut the canonical form into its fields' values. Every field is there, in number order, and nothing follows. */
static int tx_split(struct tx *tx, struct span values[static TX_FIELDS_MAX], struct bytes_reader *reader)
{
    const struct tx_format *format = tx_format_of(tx->kind);
    size_t begin = reader->position;
    for (size_t i = 0; i < format->field_count; i++) {
        size_t field_begin = reader->position;
        if (bytes_get_u8(reader) != i + 1)
            return ERR_MALFORMED;
        values[i] = bytes_get_span(reader, bytes_get_u32(reader));
        if (format->fields[i] == TX_FIELD_SIGNATURE && !reader->failed) {
            tx->unsigned_a = span_of(reader->data + begin, field_begin - begin);
            tx->unsigned_b = span_of(reader->data + reader->position, bytes_left(reader));
        }
    }
    return bytes_reader_end(reader);
}

/* Sizes first, then the form of each field in number order: the first failure is the verdict. */
static int tx_read_fields(struct tx *tx, const struct span values[static TX_FIELDS_MAX], const char **why)
{
    const struct tx_format *format = tx_format_of(tx->kind);
    for (size_t i = 0; i < format->field_count; i++) {
        if (format->fields[i] == TX_FIELD_CONTENT && values[i].size > format->content_bytes_max)
            return tx_fail(REASON_TOO_LARGE, why, format->content_too_large);
    }
    for (size_t i = 0; i < format->field_count; i++) {
        int verdict = tx_read_field(tx, format->fields[i], values[i], why);
        if (verdict != 0)
            return verdict;
    }
    return 0;
}

int tx_parse(struct tx *out, struct span body, const char **why)
{
    if (body.size > TX_BODY_BYTES_MAX)
        return tx_fail(REASON_TOO_LARGE, why, "a transaction has at most 1 MiB");
    struct bytes_reader reader = bytes_reader_of(body);
    uint8_t kind = bytes_get_u8(&reader);
    if (kind < TX_ANOMALY || kind >= TX_EVENT_KIND_COUNT)
        return tx_fail(REASON_MALFORMED, why, "kind must be 1, 2 or 3");
    struct tx tx = {.kind = (enum tx_kind)kind, .body = body};
    struct span values[TX_FIELDS_MAX] = {0};
    if (tx_split(&tx, values, &reader) < 0)
        return tx_fail(REASON_MALFORMED, why,
                       "the canonical form must have every field once, in number order, and nothing after the last");
    int verdict = tx_read_fields(&tx, values, why);
    if (verdict != 0)
        return verdict;
    *out = tx;
    return 0;
}

bool tx_is_validator_evidence(struct span body)
{
    return body.size > 0 && body.data[0] == TX_VALIDATOR_EVIDENCE;
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

uint32_t tx_role(enum tx_kind kind)
{
    return tx_format_of(kind)->role;
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
