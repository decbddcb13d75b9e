/* peer_record.c - a record is the bytes that are signed, and the signature behind them. */
#include "common/base/peer_record.h"

#include <assert.h>
#include <string.h>

#include "common/base/bytes.h"

enum { IPV6_GROUPS = 8, IPV6_DIGITS_MAX = 4, MULTICAST_IPV4 = 224, MULTICAST_IPV6 = 0xff };

const char *peer_record_verdict_text(int verdict)
{
    static const char *const texts[] = {
        "ok", "malformed", "of another chain", "of no validator of the genesis file", "endpoint", "bad signature"};
    return verdict >= 0 && verdict < (int)ARRAY_COUNT(texts) ? texts[verdict] : "?";
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

/* A text that is read from the left; what does not fit fails. */
struct cursor {
    const uint8_t *at, *end;
    bool failed;
};

static bool next_is(const struct cursor *cursor, char expected)
{
    return cursor->at < cursor->end && *cursor->at == (uint8_t)expected;
}

static void skip(struct cursor *cursor, const char *expected)
{
    for (; *expected && !cursor->failed; expected++) {
        if (next_is(cursor, *expected))
            cursor->at++;
        else
            cursor->failed = true;
    }
}

/* Decimal digits without a leading zero, at most max. */
static uint32_t decimal(struct cursor *cursor, uint32_t max)
{
    const uint8_t *first = cursor->at;
    uint32_t value = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' && value <= max)
        value = value * 10 + (uint32_t)(*cursor->at++ - '0');
    if (cursor->at == first || value > max || (*first == '0' && cursor->at - first > 1))
        cursor->failed = true;
    return value;
}

/* One to four lower-case hex digits. */
static uint32_t group(struct cursor *cursor)
{
    uint32_t value = 0, count = 0;
    for (; cursor->at < cursor->end && count < IPV6_DIGITS_MAX; count++, cursor->at++) {
        uint8_t c = *cursor->at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint32_t)(c - 'a' + 10);
        else
            break;
    }
    cursor->failed = cursor->failed || count == 0;
    return value;
}

static void ipv4(struct cursor *cursor)
{
    uint32_t first = decimal(cursor, 255);
    for (int i = 0; i < 3; i++) {
        skip(cursor, ".");
        decimal(cursor, 255);
    }
    cursor->failed = cursor->failed || first == 0 || first >= MULTICAST_IPV4;
}

/* RFC 4291, section 2.2, forms 1 and 2, up to the closing bracket. `::` stands for one group at least. */
static void ipv6(struct cursor *cursor)
{
    uint32_t groups[IPV6_GROUPS] = {0}, any = 0;
    int count = 0, gap = -1;
    if (next_is(cursor, ':')) {
        skip(cursor, "::");
        gap = 0;
    }
    while (!cursor->failed && !next_is(cursor, ']')) {
        if (count == IPV6_GROUPS) {
            cursor->failed = true;
            return;
        }
        groups[count] = group(cursor);
        any |= groups[count++];
        if (next_is(cursor, ']'))
            break;
        skip(cursor, ":");
        if (next_is(cursor, ':') && gap < 0) {
            skip(cursor, ":");
            gap = count;
        } else if (next_is(cursor, ']')) {
            cursor->failed = true;
        }
    }
    bool whole = gap < 0 ? count == IPV6_GROUPS : count < IPV6_GROUPS;
    bool multicast = gap != 0 && groups[0] >> 8 == MULTICAST_IPV6;
    cursor->failed = cursor->failed || !whole || any == 0 || multicast;
}

bool peer_record_endpoint_is_valid(struct span text)
{
    if (text.size == 0 || text.size > PEER_RECORD_ENDPOINT_BYTES_MAX)
        return false;
    struct cursor cursor = {.at = text.data, .end = text.data + text.size};
    skip(&cursor, "tcp://");
    if (next_is(&cursor, '[')) {
        skip(&cursor, "[");
        ipv6(&cursor);
        skip(&cursor, "]");
    } else {
        ipv4(&cursor);
    }
    skip(&cursor, ":");
    uint32_t port = decimal(&cursor, 65535);
    return !cursor.failed && port > 0 && cursor.at == cursor.end;
}

bool peer_record_endpoints_equal(const struct peer_record_endpoints *a, const struct peer_record_endpoints *b)
{
    return strcmp(a->pub, b->pub) == 0 && strcmp(a->sync, b->sync) == 0 && strcmp(a->gossip, b->gossip) == 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void put_signed(struct bytes_writer *writer, const struct peer_record *record, const struct hash *chain_id)
{
    const struct peer_record_endpoints *endpoints = &record->endpoints;
    bytes_put(writer, PEER_RECORD_DOMAIN, PEER_RECORD_DOMAIN_BYTES);
    bytes_put(writer, chain_id->bytes, HASH_BYTES);
    bytes_put(writer, record->validator.bytes, HASH_BYTES);
    bytes_put_u64(writer, record->version);
    bytes_put_sized(writer, span_text(endpoints->pub));
    bytes_put_sized(writer, span_text(endpoints->sync));
    bytes_put_sized(writer, span_text(endpoints->gossip));
}

void peer_record_sign(struct peer_record *record, const struct hash *chain_id, const struct sign_key *key)
{
    uint8_t message[PEER_RECORD_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(message, sizeof message);
    record->validator = sign_public_id(&key->public);
    put_signed(&writer, record, chain_id);
    assert(!writer.failed);
    sign_message(&record->signature, key, bytes_written(&writer));
}

size_t peer_record_encode(uint8_t out[static PEER_RECORD_BYTES_MAX], const struct peer_record *record,
                          const struct hash *chain_id)
{
    struct bytes_writer writer = bytes_writer_of(out, PEER_RECORD_BYTES_MAX);
    put_signed(&writer, record, chain_id);
    bytes_put(&writer, record->signature.bytes, SIGN_BYTES);
    assert(!writer.failed);
    return writer.size;
}

/* A text of at most PEER_RECORD_ENDPOINT_BYTES_MAX bytes without a zero byte among them. */
static void get_endpoint(struct bytes_reader *reader, char out[static PEER_RECORD_ENDPOINT_BYTES_MAX + 1])
{
    uint32_t size = bytes_get_u32(reader);
    if (size > PEER_RECORD_ENDPOINT_BYTES_MAX)
        reader->failed = true;
    struct span text = bytes_get_span(reader, reader->failed ? 0 : size);
    if (text.size > 0 && memchr(text.data, '\0', text.size))
        reader->failed = true;
    if (text.size > 0)
        memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

/* Another validator connects to what stands here: never to a file, a name, or every host at once. */
static bool endpoints_are_good(const struct peer_record_endpoints *endpoints)
{
    return peer_record_endpoint_is_valid(span_text(endpoints->pub)) &&
           peer_record_endpoint_is_valid(span_text(endpoints->sync)) &&
           (endpoints->gossip[0] == '\0' || peer_record_endpoint_is_valid(span_text(endpoints->gossip)));
}

int peer_record_decode(struct peer_record *out, uint32_t *index, struct span bytes, const struct genesis *genesis)
{
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct peer_record record = {0};
    struct hash chain_id = {0};
    struct span domain = bytes_get_span(&reader, PEER_RECORD_DOMAIN_BYTES);
    bool ours = span_equal(domain, span_of(PEER_RECORD_DOMAIN, PEER_RECORD_DOMAIN_BYTES));
    bytes_get_copy(&reader, chain_id.bytes, HASH_BYTES);
    bytes_get_copy(&reader, record.validator.bytes, HASH_BYTES);
    record.version = bytes_get_u64(&reader);
    get_endpoint(&reader, record.endpoints.pub);
    get_endpoint(&reader, record.endpoints.sync);
    get_endpoint(&reader, record.endpoints.gossip);
    bytes_get_copy(&reader, record.signature.bytes, SIGN_BYTES);
    if (bytes_reader_end(&reader) < 0 || !ours || record.version == 0 || record.version > PEER_RECORD_VERSION_MAX)
        return PEER_RECORD_MALFORMED;
    if (!hash_equal(&chain_id, &genesis->chain_id))
        return PEER_RECORD_OTHER_CHAIN;
    int validator = genesis_validator_index(genesis, &record.validator);
    if (validator < 0)
        return PEER_RECORD_UNKNOWN;
    if (!endpoints_are_good(&record.endpoints))
        return PEER_RECORD_BAD_ENDPOINT;
    *out = record;
    *index = (uint32_t)validator;
    return 0;
}

int peer_record_verify(const struct peer_record *record, uint32_t index, const struct genesis *genesis)
{
    assert(index < genesis->validator_count);
    uint8_t message[PEER_RECORD_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(message, sizeof message);
    put_signed(&writer, record, &genesis->chain_id);
    assert(!writer.failed);
    const struct sign_public *key = &genesis->validators[index].sign_key;
    return sign_verify(&record->signature, key, bytes_written(&writer)) == 0 ? 0 : PEER_RECORD_BAD_SIGNATURE;
}
