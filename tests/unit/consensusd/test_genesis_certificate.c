/* test_genesis_certificate.c - what is a certificate of the genesis ceremony, and its bytes. */
#include "tests/unit/consensusd/ceremony_samples.h"

#include <string.h>

#include "common/base/err.h"
#include "tests/unit/base/vectors.h"

enum { VALIDATORS = 5, ALL = 0x1f, FOUR = 0x1e };

static const uint64_t TIME_MS = 1700000000000;
static struct ceremony_samples samples;

static int setup(void **state)
{
    (void)state;
    ceremony_samples_make(&samples, VALIDATORS);
    return 0;
}

static int check(const struct genesis_certificate *certificate)
{
    return genesis_certificate_check(certificate, &samples.genesis);
}

/* The aggregator signs what was changed, so that only the change is wrong. */
static int check_resealed(struct genesis_certificate *certificate)
{
    genesis_certificate_sign(certificate, &samples.keys[certificate->aggregator % VALIDATORS]);
    return check(certificate);
}

static void a_quorum_of_attestations_is_a_certificate(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    assert_int_equal(check(&certificate), 0);
    certificate = ceremony_samples_certificate(&samples, ALL, 4, TIME_MS);
    assert_int_equal(check(&certificate), 0);
    /* The aggregator need not attest. */
    certificate = ceremony_samples_certificate(&samples, FOUR, 0, TIME_MS);
    assert_int_equal(check(&certificate), 0);
}

static void fewer_than_a_quorum_are_none(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, 0x0e, 1, TIME_MS);
    assert_int_equal(check(&certificate), ERR_MALFORMED);
    certificate = ceremony_samples_certificate(&samples, 0, 1, TIME_MS);
    assert_int_equal(check(&certificate), ERR_MALFORMED);
}

static void signers_are_known_sorted_and_distinct(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    certificate.attestations[3] = certificate.attestations[2];
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    struct genesis_attestation first = certificate.attestations[0];
    certificate.attestations[0] = certificate.attestations[1];
    certificate.attestations[1] = first;
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    certificate.attestations[3].validator = VALIDATORS;
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    certificate.aggregator = VALIDATORS;
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
}

static void more_attestations_than_validators_may_be_are_none(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    certificate.count = GENESIS_VALIDATORS_MAX + 1;
    assert_int_equal(check(&certificate), ERR_MALFORMED);
    certificate.count = UINT32_MAX;
    assert_int_equal(check(&certificate), ERR_MALFORMED);
}

static void other_terms_are_a_conflict(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
        struct hash *terms[] = {&certificate.terms.chain_id, &certificate.terms.config_hash,
                                &certificate.terms.peer_hash};
        terms[which]->bytes[31] ^= 1;
        assert_int_equal(check_resealed(&certificate), ERR_CONFLICT);
    }
}

static void attestations_further_apart_than_the_spread_are_none(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    ceremony_samples_attest(&samples, &certificate, 2, 3, TIME_MS + GENESIS_CERTIFICATE_SPREAD_MS_MAX);
    assert_int_equal(check_resealed(&certificate), 0);
    ceremony_samples_attest(&samples, &certificate, 2, 3, TIME_MS + GENESIS_CERTIFICATE_SPREAD_MS_MAX + 1);
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
    ceremony_samples_attest(&samples, &certificate, 2, 3, 0);
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
    ceremony_samples_attest(&samples, &certificate, 2, 3, UINT64_MAX);
    assert_int_equal(check_resealed(&certificate), ERR_MALFORMED);
}

static void every_attestation_is_signed_by_its_validator(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
        certificate.attestations[i].signature.bytes[5] ^= 1;
        assert_int_equal(check_resealed(&certificate), ERR_UNAUTHENTICATED);
        certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
        certificate.attestations[i].nonce[5] ^= 1;
        assert_int_equal(check_resealed(&certificate), ERR_UNAUTHENTICATED);
        certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
        certificate.attestations[i].time_ms++;
        assert_int_equal(check_resealed(&certificate), ERR_UNAUTHENTICATED);
    }
}

static void the_whole_is_signed_by_the_aggregator(void **state)
{
    (void)state;
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    certificate.aggregator = 2;
    assert_int_equal(check(&certificate), ERR_UNAUTHENTICATED);
    certificate = ceremony_samples_certificate(&samples, ALL, 1, TIME_MS);
    certificate.count--;
    assert_int_equal(check(&certificate), ERR_UNAUTHENTICATED);
}

static void peer_hash_does_not_depend_on_the_order_of_the_file(void **state)
{
    (void)state;
    struct ceremony_samples turned = samples;
    struct genesis_validator first = turned.genesis.validators[0];
    turned.genesis.validators[0] = turned.genesis.validators[4];
    turned.genesis.validators[4] = first;
    struct genesis_terms terms;
    genesis_terms_of(&terms, &turned.genesis);
    assert_memory_equal(&terms, &samples.terms, sizeof terms);
    turned.genesis.validators[4].id.bytes[0] ^= 1;
    genesis_terms_of(&terms, &turned.genesis);
    assert_memory_not_equal(&terms.peer_hash, &samples.terms.peer_hash, HASH_BYTES);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void a_certificate_is_decoded_as_it_was_encoded(void **state)
{
    (void)state;
    static struct ceremony_samples many;
    ceremony_samples_make(&many, GENESIS_VALIDATORS_MAX);
    static struct genesis_certificate certificate, decoded;
    certificate = ceremony_samples_certificate(&many, UINT64_MAX, 63, UINT64_MAX);
    certificate.attestations[0].time_ms = 0; /* a number that is not written */
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = genesis_certificate_encode(bytes, &certificate);
    memset(&decoded, 0, sizeof decoded);
    assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, size)), 0);
    assert_memory_equal(&decoded, &certificate, sizeof decoded);
}

static void an_attestation_too_many_is_malformed(void **state)
{
    (void)state;
    static struct genesis_certificate certificate, decoded;
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = genesis_certificate_encode(bytes, &certificate);
    /* The last attestation again and again: it stands before the aggregator (2 bytes) and the signature (66). */
    size_t one = 2 + 2 + 34 + 7 + 66;
    size_t tail = 2 + 66;
    for (uint32_t count = 4; count <= GENESIS_VALIDATORS_MAX; count++) {
        assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, size)), 0);
        assert_int_equal(decoded.count, count);
        memmove(bytes + size - tail + one, bytes + size - tail, tail);
        memcpy(bytes + size - tail, bytes + size - tail - one, one);
        size += one;
    }
    assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, size)), ERR_MALFORMED);
}

static void a_certificate_cut_short_is_malformed_and_changes_nothing(void **state)
{
    (void)state;
    static struct genesis_certificate certificate, decoded;
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = genesis_certificate_encode(bytes, &certificate);
    for (size_t cut = 0; cut < size; cut++) {
        decoded.count = 77;
        assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, cut)), ERR_MALFORMED);
        assert_int_equal(decoded.count, 77);
    }
}

static void unknown_fields_and_wrong_sizes_are_malformed(void **state)
{
    (void)state;
    static struct genesis_certificate certificate, decoded;
    certificate = ceremony_samples_certificate(&samples, FOUR, 1, TIME_MS);
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = genesis_certificate_encode(bytes, &certificate);
    const struct {
        uint8_t bytes[8];
        size_t size;
    } tails[] = {
        {{0x38, 1}, 2},                            /* field 7 */
        {{0x08, 1}, 2},                            /* chain_id as a number */
        {{0x0a, 1, 0}, 3},                         /* chain_id of one byte */
        {{0x22, 0}, 2},                            /* an attestation of nothing */
        {{0x2a, 0}, 2},                            /* aggregator as bytes */
        {{0x28, 0x80, 0x80, 0x80, 0x80, 0x10}, 6}, /* aggregator 2^32 */
        {{0x32, 0}, 2},                            /* signature of no bytes */
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        memcpy(bytes + size, tails[i].bytes, tails[i].size);
        assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, size + tails[i].size)), ERR_MALFORMED);
    }
    assert_int_equal(genesis_certificate_decode(&decoded, span_of(bytes, size)), 0);
    static uint8_t large[GENESIS_CERTIFICATE_BYTES_MAX + 2];
    memcpy(large, bytes, size);
    for (size_t i = size; i + 2 <= sizeof large; i += 2)
        memcpy(large + i, "\x28\x01", 2);
    size_t most = size + (GENESIS_CERTIFICATE_BYTES_MAX - size) / 2 * 2;
    assert_int_equal(genesis_certificate_decode(&decoded, span_of(large, most)), 0);
    assert_int_equal(genesis_certificate_decode(&decoded, span_of(large, most + 2)), ERR_MALFORMED);
}

/* --- vectors ------------------------------------------------------------------------------------------------------ */

/* The file's network: its terms are those of the vectors. */
static struct genesis network_of(const json_t *root, struct genesis_terms *terms)
{
    struct genesis genesis = vectors_genesis(root);
    genesis_terms_of(terms, &genesis);
    struct hash config_hash = vectors_hash(root, "config_hash"), peer_hash = vectors_hash(root, "peer_hash");
    assert_memory_equal(&terms->chain_id, &genesis.chain_id, HASH_BYTES);
    assert_memory_equal(&terms->config_hash, &config_hash, HASH_BYTES);
    assert_memory_equal(&terms->peer_hash, &peer_hash, HASH_BYTES);
    return genesis;
}

static void attestations_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors_load("genesis_readies.json");
    struct genesis_terms terms;
    struct genesis genesis = network_of(root, &terms);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct blob seed = vectors_bytes(test_case, "seed"), nonce = vectors_bytes(test_case, "nonce");
        assert_int_equal(seed.size, SIGN_SEED_BYTES);
        assert_int_equal(nonce.size, GENESIS_CERTIFICATE_NONCE_BYTES);
        struct sign_key key;
        sign_key_from_seed(&key, seed.data);
        struct genesis_ready ready = {.terms = terms, .time_ms = vectors_u64(test_case, "time_ms")};
        memcpy(ready.nonce, nonce.data, sizeof ready.nonce);
        genesis_ready_sign(&ready, &key);
        struct signature expected = vectors_signature(test_case, "expect");
        assert_memory_equal(&ready.signature, &expected, SIGN_BYTES);
        assert_true(genesis_ready_is_signed(&ready, &genesis.validators[index].sign_key));
        blob_free(&seed);
        blob_free(&nonce);
    }
    json_decref(root);
}

static const char *verdict_text(int rc)
{
    switch (rc) {
    case 0:
        return "OK";
    case ERR_CONFLICT:
        return "CONFLICT";
    case ERR_MALFORMED:
        return "MALFORMED";
    case ERR_UNAUTHENTICATED:
        return "UNAUTHENTICATED";
    default:
        return "something else";
    }
}

static void certificates_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *root = vectors_load("genesis_certificates.json");
    struct genesis_terms terms;
    struct genesis genesis = network_of(root, &terms);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        const char *name = vectors_text(test_case, "name");
        struct blob bytes = vectors_bytes(test_case, "certificate");
        static struct genesis_certificate certificate;
        int rc = genesis_certificate_decode(&certificate, blob_span(&bytes));
        if (vectors_bool(test_case, "canonical")) {
            assert_int_equal(rc, 0);
            uint8_t again[GENESIS_CERTIFICATE_BYTES_MAX];
            size_t size = genesis_certificate_encode(again, &certificate);
            vectors_assert_equal(name, span_of(again, size), blob_span(&bytes));
        }
        if (rc == 0)
            rc = genesis_certificate_check(&certificate, &genesis);
        if (strcmp(verdict_text(rc), vectors_text(test_case, "expect")) != 0)
            fail_msg("%s: %s", name, verdict_text(rc));
        blob_free(&bytes);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quorum_of_attestations_is_a_certificate),
        cmocka_unit_test(fewer_than_a_quorum_are_none),
        cmocka_unit_test(signers_are_known_sorted_and_distinct),
        cmocka_unit_test(more_attestations_than_validators_may_be_are_none),
        cmocka_unit_test(other_terms_are_a_conflict),
        cmocka_unit_test(attestations_further_apart_than_the_spread_are_none),
        cmocka_unit_test(every_attestation_is_signed_by_its_validator),
        cmocka_unit_test(the_whole_is_signed_by_the_aggregator),
        cmocka_unit_test(peer_hash_does_not_depend_on_the_order_of_the_file),
        cmocka_unit_test(a_certificate_is_decoded_as_it_was_encoded),
        cmocka_unit_test(an_attestation_too_many_is_malformed),
        cmocka_unit_test(a_certificate_cut_short_is_malformed_and_changes_nothing),
        cmocka_unit_test(unknown_fields_and_wrong_sizes_are_malformed),
        cmocka_unit_test(attestations_are_those_of_the_vectors),
        cmocka_unit_test(certificates_are_those_of_the_vectors),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
