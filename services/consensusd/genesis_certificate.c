/* genesis_certificate.c - signed bytes, checks and the protobuf form of the genesis ceremony.
 *
 * An attestation in a certificate is a GenesisReady without its terms: the certificate has them once, for all.
 */
#include "services/consensusd/genesis_certificate.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/wire.h"

/* Domains are written with their zero byte. */
static const char config_domain[] = "cybermesh/genesis-config/v1";
static const char peers_domain[] = "cybermesh/genesis-peers/v1";
static const char ready_domain[] = "cybermesh/genesis-ready/v1";
static const char certificate_domain[] = "cybermesh/genesis-certificate/v1";

enum {
    TERMS_BYTES = 3 * HASH_BYTES,
    READY_BYTES = sizeof ready_domain + TERMS_BYTES + GENESIS_CERTIFICATE_NONCE_BYTES + 8,
    ATTESTATION_BYTES = 4 + GENESIS_CERTIFICATE_NONCE_BYTES + 8 + SIGN_BYTES,
    SIGNED_BYTES_MAX = sizeof certificate_domain + TERMS_BYTES + 4 + GENESIS_VALIDATORS_MAX * ATTESTATION_BYTES + 4,
};

/* Fields of GenesisCertificate and of GenesisAttestation in proof.proto. */
enum { FIELD_CHAIN_ID = 1, FIELD_CONFIG_HASH, FIELD_PEER_HASH, FIELD_ATTESTATIONS, FIELD_AGGREGATOR, FIELD_SIGNATURE };
enum { ATTESTATION_VALIDATOR = 1, ATTESTATION_NONCE, ATTESTATION_TIME_MS, ATTESTATION_SIGNATURE };

/* --- terms -------------------------------------------------------------------------------------------------------- */

/* H("cybermesh/genesis-config/v1\0" || u64 protocol version || u64 schema version) */
static struct hash config_hash_of(uint64_t protocol_version, uint64_t schema_version)
{
    uint8_t bytes[16];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    bytes_put_u64(&writer, protocol_version);
    bytes_put_u64(&writer, schema_version);
    return hash_of2(span_of(config_domain, sizeof config_domain), bytes_written(&writer));
}

/* H("cybermesh/genesis-peers/v1\0" || the validators' ids, sorted) */
static struct hash peer_hash_of(const struct genesis *genesis)
{
    struct hash ids[GENESIS_VALIDATORS_MAX];
    uint32_t count = genesis->validator_count;
    assert(count <= GENESIS_VALIDATORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct hash *id = &genesis->validators[i].id;
        uint32_t place = i;
        for (; place > 0 && memcmp(ids[place - 1].bytes, id->bytes, HASH_BYTES) > 0; place--)
            ids[place] = ids[place - 1];
        ids[place] = *id;
    }
    return hash_of2(span_of(peers_domain, sizeof peers_domain), span_of(ids, count * sizeof ids[0]));
}

void genesis_terms_of(struct genesis_terms *out, const struct genesis *genesis)
{
    *out = (struct genesis_terms){.chain_id = genesis->chain_id,
                                  .config_hash = config_hash_of(GENESIS_PROTOCOL_VERSION, GENESIS_SCHEMA_VERSION),
                                  .peer_hash = peer_hash_of(genesis)};
}

static bool terms_equal(const struct genesis_terms *a, const struct genesis_terms *b)
{
    return hash_equal(&a->chain_id, &b->chain_id) && hash_equal(&a->config_hash, &b->config_hash) &&
           hash_equal(&a->peer_hash, &b->peer_hash);
}

/* --- signed bytes ------------------------------------------------------------------------------------------------- */

static void put_terms(struct bytes_writer *writer, const struct genesis_terms *terms)
{
    bytes_put(writer, terms->chain_id.bytes, HASH_BYTES);
    bytes_put(writer, terms->config_hash.bytes, HASH_BYTES);
    bytes_put(writer, terms->peer_hash.bytes, HASH_BYTES);
}

/* "cybermesh/genesis-ready/v1\0" || chain_id || config_hash || peer_hash || nonce || u64 time_ms */
static void ready_bytes(uint8_t out[static READY_BYTES], const struct genesis_terms *terms,
                        const uint8_t nonce[static GENESIS_CERTIFICATE_NONCE_BYTES], uint64_t time_ms)
{
    struct bytes_writer writer = bytes_writer_of(out, READY_BYTES);
    bytes_put(&writer, ready_domain, sizeof ready_domain);
    put_terms(&writer, terms);
    bytes_put(&writer, nonce, GENESIS_CERTIFICATE_NONCE_BYTES);
    bytes_put_u64(&writer, time_ms);
    assert(!writer.failed && writer.size == READY_BYTES);
}

/* "cybermesh/genesis-certificate/v1\0" || chain_id || config_hash || peer_hash || u32 count || count x (u32 validator
 * || nonce || u64 time_ms || signature) || u32 aggregator */
static struct span certificate_bytes(uint8_t out[static SIGNED_BYTES_MAX],
                                     const struct genesis_certificate *certificate)
{
    struct bytes_writer writer = bytes_writer_of(out, SIGNED_BYTES_MAX);
    bytes_put(&writer, certificate_domain, sizeof certificate_domain);
    put_terms(&writer, &certificate->terms);
    bytes_put_u32(&writer, certificate->count);
    for (uint32_t i = 0; i < certificate->count; i++) {
        const struct genesis_attestation *each = &certificate->attestations[i];
        bytes_put_u32(&writer, each->validator);
        bytes_put(&writer, each->nonce, sizeof each->nonce);
        bytes_put_u64(&writer, each->time_ms);
        bytes_put(&writer, each->signature.bytes, SIGN_BYTES);
    }
    bytes_put_u32(&writer, certificate->aggregator);
    assert(!writer.failed);
    return bytes_written(&writer);
}

void genesis_ready_sign(struct genesis_ready *ready, const struct sign_key *key)
{
    uint8_t bytes[READY_BYTES];
    ready_bytes(bytes, &ready->terms, ready->nonce, ready->time_ms);
    sign_message(&ready->signature, key, span_of(bytes, sizeof bytes));
}

bool genesis_ready_is_signed(const struct genesis_ready *ready, const struct sign_public *key)
{
    uint8_t bytes[READY_BYTES];
    ready_bytes(bytes, &ready->terms, ready->nonce, ready->time_ms);
    return sign_verify(&ready->signature, key, span_of(bytes, sizeof bytes)) == 0;
}

void genesis_certificate_sign(struct genesis_certificate *certificate, const struct sign_key *key)
{
    assert(certificate->count <= GENESIS_VALIDATORS_MAX);
    uint8_t bytes[SIGNED_BYTES_MAX];
    sign_message(&certificate->signature, key, certificate_bytes(bytes, certificate));
}

/* --- checks ------------------------------------------------------------------------------------------------------- */

/* "at least a quorum of attestations, of known validators, sorted and distinct; the aggregator is known" */
static bool signers_are_a_quorum(const struct genesis_certificate *certificate, const struct genesis *genesis)
{
    if (certificate->count < genesis_quorum(genesis->validator_count) || certificate->count > GENESIS_VALIDATORS_MAX)
        return false;
    for (uint32_t i = 0; i < certificate->count; i++) {
        uint32_t validator = certificate->attestations[i].validator;
        if (validator >= genesis->validator_count)
            return false;
        if (i > 0 && validator <= certificate->attestations[i - 1].validator)
            return false;
    }
    return certificate->aggregator < genesis->validator_count;
}

/* "the newest is at most 180 s after the oldest" */
static bool times_are_together(const struct genesis_certificate *certificate)
{
    uint64_t oldest_ms = UINT64_MAX, newest_ms = 0;
    for (uint32_t i = 0; i < certificate->count; i++) {
        uint64_t time_ms = certificate->attestations[i].time_ms;
        oldest_ms = time_ms < oldest_ms ? time_ms : oldest_ms;
        newest_ms = time_ms > newest_ms ? time_ms : newest_ms;
    }
    return newest_ms - oldest_ms <= GENESIS_CERTIFICATE_SPREAD_MS_MAX;
}

/* "every attestation is signed by its validator over the certificate's terms" */
static bool attestations_are_signed(const struct genesis_certificate *certificate, const struct genesis *genesis)
{
    for (uint32_t i = 0; i < certificate->count; i++) {
        const struct genesis_attestation *each = &certificate->attestations[i];
        struct genesis_ready ready = {
            .terms = certificate->terms, .time_ms = each->time_ms, .signature = each->signature};
        memcpy(ready.nonce, each->nonce, sizeof ready.nonce);
        if (!genesis_ready_is_signed(&ready, &genesis->validators[each->validator].sign_key))
            return false;
    }
    return true;
}

/* "the whole is signed by the aggregator" */
static bool aggregator_signed(const struct genesis_certificate *certificate, const struct genesis *genesis)
{
    uint8_t bytes[SIGNED_BYTES_MAX];
    const struct sign_public *key = &genesis->validators[certificate->aggregator].sign_key;
    return sign_verify(&certificate->signature, key, certificate_bytes(bytes, certificate)) == 0;
}

int genesis_certificate_check(const struct genesis_certificate *certificate, const struct genesis *genesis)
{
    struct genesis_terms terms;
    genesis_terms_of(&terms, genesis);
    if (!terms_equal(&certificate->terms, &terms))
        return ERR_CONFLICT;
    if (!signers_are_a_quorum(certificate, genesis) || !times_are_together(certificate))
        return ERR_MALFORMED;
    if (!attestations_are_signed(certificate, genesis) || !aggregator_signed(certificate, genesis))
        return ERR_UNAUTHENTICATED;
    return 0;
}

/* --- protobuf ----------------------------------------------------------------------------------------------------- */

static void put_attestation(struct bytes_writer *writer, const struct genesis_attestation *attestation)
{
    wire_put_number(writer, ATTESTATION_VALIDATOR, attestation->validator);
    wire_put_bytes(writer, ATTESTATION_NONCE, span_of(attestation->nonce, sizeof attestation->nonce));
    wire_put_number(writer, ATTESTATION_TIME_MS, attestation->time_ms);
    wire_put_bytes(writer, ATTESTATION_SIGNATURE, span_of(attestation->signature.bytes, SIGN_BYTES));
}

size_t genesis_certificate_encode(uint8_t out[static GENESIS_CERTIFICATE_BYTES_MAX],
                                  const struct genesis_certificate *certificate)
{
    assert(certificate->count <= GENESIS_VALIDATORS_MAX);
    const struct genesis_terms *terms = &certificate->terms;
    struct bytes_writer writer = bytes_writer_of(out, GENESIS_CERTIFICATE_BYTES_MAX);
    wire_put_bytes(&writer, FIELD_CHAIN_ID, span_of(terms->chain_id.bytes, HASH_BYTES));
    wire_put_bytes(&writer, FIELD_CONFIG_HASH, span_of(terms->config_hash.bytes, HASH_BYTES));
    wire_put_bytes(&writer, FIELD_PEER_HASH, span_of(terms->peer_hash.bytes, HASH_BYTES));
    for (uint32_t i = 0; i < certificate->count; i++) {
        struct bytes_writer counter = bytes_writer_of(NULL, 0);
        put_attestation(&counter, &certificate->attestations[i]);
        wire_put_item_head(&writer, FIELD_ATTESTATIONS, counter.size);
        put_attestation(&writer, &certificate->attestations[i]);
    }
    wire_put_number(&writer, FIELD_AGGREGATOR, certificate->aggregator);
    wire_put_bytes(&writer, FIELD_SIGNATURE, span_of(certificate->signature.bytes, SIGN_BYTES));
    assert(!writer.failed);
    return writer.size;
}

static bool get_fixed(const struct wire_field *field, void *out, size_t size)
{
    if (field->type != WIRE_BYTES || field->bytes.size != size)
        return false;
    memcpy(out, field->bytes.data, size);
    return true;
}

static bool get_u64(const struct wire_field *field, uint64_t *out)
{
    *out = field->value;
    return field->type == WIRE_VARINT;
}

static bool get_u32(const struct wire_field *field, uint32_t *out)
{
    *out = (uint32_t)field->value;
    return field->type == WIRE_VARINT && field->value <= UINT32_MAX;
}

/* Which fields came: bit n is field n. What has no value that may be left out must be among them. */
enum {
    ATTESTATION_FIELDS = 1 << ATTESTATION_NONCE | 1 << ATTESTATION_SIGNATURE,
    CERTIFICATE_FIELDS = 1 << FIELD_CHAIN_ID | 1 << FIELD_CONFIG_HASH | 1 << FIELD_PEER_HASH | 1 << FIELD_SIGNATURE,
};

static bool get_attestation(const struct wire_field *field, struct genesis_attestation *out)
{
    struct bytes_reader reader = bytes_reader_of(field->bytes);
    struct wire_field item;
    uint32_t seen = 0;
    bool good = field->type == WIRE_BYTES;
    while (good && wire_next(&reader, &item)) {
        switch (item.number) {
        case ATTESTATION_VALIDATOR:
            good = get_u32(&item, &out->validator);
            break;
        case ATTESTATION_NONCE:
            good = get_fixed(&item, out->nonce, sizeof out->nonce);
            break;
        case ATTESTATION_TIME_MS:
            good = get_u64(&item, &out->time_ms);
            break;
        case ATTESTATION_SIGNATURE:
            good = get_fixed(&item, out->signature.bytes, SIGN_BYTES);
            break;
        default:
            good = false;
        }
        seen |= good ? 1u << item.number : 0;
    }
    return good && !reader.failed && (seen & ATTESTATION_FIELDS) == ATTESTATION_FIELDS;
}

static bool get_field(const struct wire_field *field, struct genesis_certificate *out)
{
    switch (field->number) {
    case FIELD_CHAIN_ID:
        return get_fixed(field, out->terms.chain_id.bytes, HASH_BYTES);
    case FIELD_CONFIG_HASH:
        return get_fixed(field, out->terms.config_hash.bytes, HASH_BYTES);
    case FIELD_PEER_HASH:
        return get_fixed(field, out->terms.peer_hash.bytes, HASH_BYTES);
    case FIELD_ATTESTATIONS:
        return out->count < GENESIS_VALIDATORS_MAX && get_attestation(field, &out->attestations[out->count++]);
    case FIELD_AGGREGATOR:
        return get_u32(field, &out->aggregator);
    case FIELD_SIGNATURE:
        return get_fixed(field, out->signature.bytes, SIGN_BYTES);
    default:
        return false;
    }
}

int genesis_certificate_decode(struct genesis_certificate *out, struct span bytes)
{
    struct genesis_certificate certificate = {0};
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct wire_field field;
    uint32_t seen = 0;
    if (bytes.size > GENESIS_CERTIFICATE_BYTES_MAX)
        return ERR_MALFORMED;
    while (wire_next(&reader, &field)) {
        if (!get_field(&field, &certificate))
            return ERR_MALFORMED;
        seen |= 1u << field.number;
    }
    if (reader.failed || (seen & CERTIFICATE_FIELDS) != CERTIFICATE_FIELDS)
        return ERR_MALFORMED;
    *out = certificate;
    return 0;
}
