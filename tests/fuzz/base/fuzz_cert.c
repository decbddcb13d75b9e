/* fuzz_cert.c - certificates and commit proofs for the network of tests/vectors/commit_proofs.json. Input: u8 0 a QC
 * and headers (a commit proof), else a TC; both in the layout that tc_hash() hashes.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/cert.h"
#include "common/base/hex.h"

static const char *const chain_id = "5d59b683baa3beb5d4b407c9ea87b7fe2cfe8a2c07cf5ff6cdd2e507972ea5fa";
static const char *const sign_keys[] = {
    "4be05202108255177f6e28341559787abe60e2b14082c1b2dd35adf80ce5eb7d",
    "4d598fc8b94358ca6f25b1d73f156b09579dc0378122349968fceb7062ca997a",
    "e5b1a0f4cd3f44f77a571a633126dfd48f598dd427cdbc7ff10c55e4530e877e",
    "51116266628832da6384d7892ad229719f39254671e22a0cb1744d95f3839de7",
    "c296e8c1f07dd47c2ab378905b86f3183e37c1aad47850e7eac4690a2e0a78d7",
};

static struct genesis genesis_make(void)
{
    struct genesis genesis = {.validator_count = ARRAY_COUNT(sign_keys)};
    FUZZ_REQUIRE(hex_decode(genesis.chain_id.bytes, HASH_BYTES, chain_id) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(sign_keys); i++)
        FUZZ_REQUIRE(hex_decode(genesis.validators[i].sign_key.bytes, SIGN_PUBLIC_BYTES, sign_keys[i]) == 0);
    return genesis;
}

static void qc_read(struct qc *qc, struct bytes_reader *reader)
{
    memset(qc, 0, sizeof *qc);
    qc->view = bytes_get_u64(reader);
    qc->height = bytes_get_u64(reader);
    bytes_get_copy(reader, qc->block_id.bytes, HASH_BYTES);
    qc->signature_count = bytes_get_u32(reader);
    for (uint32_t i = 0; i < qc->signature_count && i < CERT_SIGNERS_MAX; i++) {
        qc->signatures[i].validator = bytes_get_u32(reader);
        bytes_get_copy(reader, qc->signatures[i].signature.bytes, SIGN_BYTES);
    }
}

static void tc_read(struct tc *tc, struct bytes_reader *reader)
{
    memset(tc, 0, sizeof *tc);
    tc->view = bytes_get_u64(reader);
    tc->signature_count = bytes_get_u32(reader);
    for (uint32_t i = 0; i < tc->signature_count && i < CERT_SIGNERS_MAX; i++) {
        tc->signatures[i].validator = bytes_get_u32(reader);
        tc->signatures[i].high_qc_view = bytes_get_u64(reader);
        bytes_get_copy(reader, tc->signatures[i].signature.bytes, SIGN_BYTES);
    }
    qc_read(&tc->high_qc, reader);
}

static uint32_t bit_count(uint64_t bits)
{
    uint32_t count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static void require_qc(const struct qc *qc, const struct genesis *genesis)
{
    int form = qc_check_form(qc, genesis), verdict = qc_verify(qc, genesis);
    FUZZ_REQUIRE(verdict != 0 || form == 0);
    if (form == 0 && qc->signature_count > 0) {
        FUZZ_REQUIRE(qc->signature_count >= genesis_quorum(genesis->validator_count));
        FUZZ_REQUIRE(bit_count(qc_signers(qc)) == qc->signature_count);
    }
}

static void fuzz_commit_proof(struct bytes_reader *reader, const struct genesis *genesis)
{
    static struct cert_commit_proof proof;
    qc_read(&proof.qc, reader);
    if (reader->failed)
        return;
    require_qc(&proof.qc, genesis);
    proof.header_count = bytes_left(reader) / BLOCK_HEADER_BYTES;
    proof.headers = bytes_get_span(reader, proof.header_count * BLOCK_HEADER_BYTES).data;
    struct block_header header;
    const char *why = NULL;
    int verdict = cert_commit_proof_verify(&header, &proof, genesis, &why);
    FUZZ_REQUIRE((verdict == 0) == (why == NULL));
    if (verdict != 0)
        return;
    FUZZ_REQUIRE(proof.header_count >= 2 && qc_verify(&proof.qc, genesis) == 0);
    FUZZ_REQUIRE(hash_equal(&header.chain_id, &genesis->chain_id));
    FUZZ_REQUIRE(header.height + proof.header_count - 1 == proof.qc.height);
}

static void fuzz_tc(struct bytes_reader *reader, const struct genesis *genesis)
{
    static struct tc tc;
    tc_read(&tc, reader);
    require_qc(&tc.high_qc, genesis);
    int form = tc_check_form(&tc, genesis), verdict = tc_verify(&tc, genesis);
    FUZZ_REQUIRE(verdict != 0 || form == 0);
    if (form == 0) {
        FUZZ_REQUIRE(tc.high_qc.view < tc.view);
        struct hash hash = tc_hash(&tc);
        FUZZ_REQUIRE(!hash_is_zero(&hash));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct genesis genesis;
    if (genesis.validator_count == 0)
        genesis = genesis_make();
    struct bytes_reader reader = bytes_reader_of(span_of(data, size));
    if (bytes_get_u8(&reader) == 0)
        fuzz_commit_proof(&reader, &genesis);
    else
        fuzz_tc(&reader, &genesis);
    return 0;
}
