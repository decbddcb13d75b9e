/* test_proof_codec.c */
#include "tests/unit/executord/world.h"

#include <string.h>

#include "common/base/err.h"
#include "proto/proof.pb-c.h"
#include "services/executord/proof_codec.h"

enum { HEADERS = 2, SIGNATURES = 3 };

static uint8_t header_bytes[HEADERS][BLOCK_HEADER_BYTES];
static uint8_t signatures[SIGNATURES][SIGN_BYTES];
static uint8_t id[32] = {7};
static uint8_t packed[8192];

/* A proof as protobuf-c packs it. */
static size_t pack(size_t header_size, size_t signature_size)
{
    ProtobufCBinaryData headers[HEADERS];
    Cybermesh__Proof__V1__Signature items[SIGNATURES];
    Cybermesh__Proof__V1__Signature *pointers[SIGNATURES];
    for (size_t i = 0; i < HEADERS; i++) {
        memset(header_bytes[i], (int)i + 1, BLOCK_HEADER_BYTES);
        headers[i] = (ProtobufCBinaryData){header_size, header_bytes[i]};
    }
    for (uint32_t i = 0; i < SIGNATURES; i++) {
        cybermesh__proof__v1__signature__init(&items[i]);
        memset(signatures[i], (int)i + 10, SIGN_BYTES);
        items[i].validator = i;
        items[i].signature = (ProtobufCBinaryData){signature_size, signatures[i]};
        pointers[i] = &items[i];
    }
    Cybermesh__Proof__V1__Qc qc;
    cybermesh__proof__v1__qc__init(&qc);
    qc.view = 8;
    qc.height = 5;
    qc.block_id = (ProtobufCBinaryData){32, id};
    qc.n_signatures = SIGNATURES;
    qc.signatures = pointers;
    Cybermesh__Proof__V1__CommitProof proof;
    cybermesh__proof__v1__commit_proof__init(&proof);
    proof.n_headers = HEADERS;
    proof.headers = headers;
    proof.qc = &qc;
    return cybermesh__proof__v1__commit_proof__pack(&proof, packed);
}

static void a_proof_is_read(void **state)
{
    struct proof_codec_proof proof;
    size_t size = pack(BLOCK_HEADER_BYTES, SIGN_BYTES);
    assert_int_equal(proof_codec_decode(&proof, span_of(packed, size)), 0);
    assert_int_equal(proof.proof.header_count, HEADERS);
    assert_memory_equal(proof.proof.headers, header_bytes, sizeof header_bytes);
    assert_int_equal(proof.proof.qc.view, 8);
    assert_int_equal(proof.proof.qc.height, 5);
    assert_memory_equal(proof.proof.qc.block_id.bytes, id, 32);
    assert_int_equal(proof.proof.qc.signature_count, SIGNATURES);
    for (uint32_t i = 0; i < SIGNATURES; i++) {
        assert_int_equal(proof.proof.qc.signatures[i].validator, i);
        assert_memory_equal(proof.proof.qc.signatures[i].signature.bytes, signatures[i], SIGN_BYTES);
    }
    proof_codec_deinit(&proof);
}

static void what_is_no_proof_is_malformed(void **state)
{
    struct proof_codec_proof proof;
    size_t size = pack(BLOCK_HEADER_BYTES - 1, SIGN_BYTES);
    assert_int_equal(proof_codec_decode(&proof, span_of(packed, size)), ERR_MALFORMED);
    size = pack(BLOCK_HEADER_BYTES, SIGN_BYTES - 1);
    assert_int_equal(proof_codec_decode(&proof, span_of(packed, size)), ERR_MALFORMED);
    size = pack(BLOCK_HEADER_BYTES, SIGN_BYTES);
    assert_int_equal(proof_codec_decode(&proof, span_of(packed, size - 1)), ERR_MALFORMED);
    assert_int_equal(proof_codec_decode(&proof, (struct span){0}), 0); /* nothing in it, and that is what is said */
    assert_int_equal(proof.proof.header_count, 0);
    proof_codec_deinit(&proof);
}

static void more_signatures_than_validators_are_too_large(void **state)
{
    uint8_t bytes[3 + (CERT_SIGNERS_MAX + 1) * (2 + 2 + SIGN_BYTES)];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    static const uint8_t item[4 + SIGN_BYTES] = {0x22, 2 + SIGN_BYTES, 0x12, SIGN_BYTES};
    size_t qc_size = (CERT_SIGNERS_MAX + 1) * sizeof item;
    uint8_t head[] = {0x12, (uint8_t)(qc_size | 0x80), (uint8_t)(qc_size >> 7)};
    bytes_put(&writer, head, sizeof head);
    for (size_t i = 0; i <= CERT_SIGNERS_MAX; i++)
        bytes_put(&writer, item, sizeof item);
    assert_false(writer.failed);
    struct proof_codec_proof proof;
    assert_int_equal(proof_codec_decode(&proof, bytes_written(&writer)), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_is_read),
        cmocka_unit_test(what_is_no_proof_is_malformed),
        cmocka_unit_test(more_signatures_than_validators_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
