/* test_cert.c - signed bytes, certificates, and the three proofs that rest on them. */
#include "tests/unit/base/vectors.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cert.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "common/base/stateproof.h"

enum { HEADERS_MAX = 8, SIGNED_BYTES_MAX = 256, BASE64_BYTES_MAX = 4096, PATH_ITEMS_MAX = 64 };

static size_t message_write(uint8_t *out, const json_t *test_case)
{
    const char *kind = vectors_text(test_case, "kind");
    struct hash chain_id = vectors_hash(test_case, "chain_id");
    if (strcmp(kind, "vote") == 0) {
        struct hash block_id = vectors_hash(test_case, "block_id");
        cert_vote_bytes(out, &chain_id, vectors_u64(test_case, "view"), vectors_u64(test_case, "height"), &block_id);
        return CERT_VOTE_BYTES;
    }
    if (strcmp(kind, "proposal") == 0) {
        struct hash block_id = vectors_hash(test_case, "block_id"), tc_hash = vectors_hash(test_case, "tc_hash");
        cert_proposal_bytes(out, &chain_id, &block_id, &tc_hash);
        return CERT_PROPOSAL_BYTES;
    }
    if (strcmp(kind, "timeout") == 0) {
        cert_timeout_bytes(out, &chain_id, vectors_u64(test_case, "view"), vectors_u64(test_case, "high_qc_view"));
        return CERT_TIMEOUT_BYTES;
    }
    assert_string_equal(kind, "heartbeat");
    cert_heartbeat_bytes(out, &chain_id, vectors_u64(test_case, "view"), vectors_u64(test_case, "high_qc_view"),
                         vectors_u64(test_case, "committed_height"));
    return CERT_HEARTBEAT_BYTES;
}

static void signed_bytes_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("signing.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        uint8_t bytes[SIGNED_BYTES_MAX];
        size_t size = message_write(bytes, test_case);
        struct blob expected = vectors_bytes(test_case, "message");
        vectors_assert_equal(vectors_text(test_case, "name"), span_of(bytes, size), blob_span(&expected));
        blob_free(&expected);
    }
    json_decref(root);
}

static void signatures_read(struct qc *qc, const json_t *array)
{
    size_t index;
    const json_t *entry;
    json_array_foreach(array, index, entry)
    {
        assert_true(index < CERT_SIGNERS_MAX);
        qc->signatures[index].validator = (uint32_t)vectors_integer(entry, "validator");
        qc->signatures[index].signature = vectors_signature(entry, "signature");
        qc->signature_count = (uint32_t)index + 1;
    }
}

static void tc_hashes_are_those_of_the_vectors(void **state)
{
    json_t *root = vectors_load("tc_hashes.json");
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct tc tc = {.view = (uint64_t)vectors_integer(test_case, "view")};
        size_t i;
        const json_t *entry;
        json_array_foreach(vectors_get(test_case, "signatures"), i, entry)
        {
            tc.signatures[i].validator = (uint32_t)vectors_integer(entry, "validator");
            tc.signatures[i].high_qc_view = (uint64_t)vectors_integer(entry, "high_qc_view");
            tc.signatures[i].signature = vectors_signature(entry, "signature");
            tc.signature_count = (uint32_t)i + 1;
        }
        tc.high_qc.view = (uint64_t)vectors_integer(test_case, "qc_view");
        tc.high_qc.height = (uint64_t)vectors_integer(test_case, "qc_height");
        tc.high_qc.block_id = vectors_hash(test_case, "qc_block_id");
        signatures_read(&tc.high_qc, vectors_get(test_case, "qc_signatures"));
        struct hash got = tc_hash(&tc), expected = vectors_hash(test_case, "expect");
        assert_true(hash_equal(&got, &expected));
    }
    json_decref(root);
}

/* A proof as it stands in JSON; the headers' memory is the caller's. Returns 0, or 1 when it has no such form. */
static int proof_read(struct cert_commit_proof *proof, uint8_t headers[static HEADERS_MAX * BLOCK_HEADER_BYTES],
                      const json_t *object)
{
    *proof = (struct cert_commit_proof){.headers = headers};
    size_t index;
    const json_t *text;
    json_array_foreach(vectors_get(object, "headers"), index, text)
    {
        assert_true(index < HEADERS_MAX);
        if (hex_decode(headers + index * BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES, json_string_value(text)) < 0)
            return 1;
        proof->header_count++;
    }
    const json_t *qc = vectors_get(object, "qc");
    proof->qc.view = (uint64_t)vectors_integer(qc, "view");
    proof->qc.height = (uint64_t)vectors_integer(qc, "height");
    proof->qc.block_id = vectors_hash(qc, "block_id");
    signatures_read(&proof->qc, vectors_get(qc, "signatures"));
    return 0;
}

static int proof_verify(struct block_header *out, const json_t *object, const struct genesis *genesis)
{
    static uint8_t headers[HEADERS_MAX * BLOCK_HEADER_BYTES];
    static struct cert_commit_proof proof;
    if (proof_read(&proof, headers, object) != 0)
        return CERT_BAD;
    const char *why = NULL;
    int verdict = cert_commit_proof_verify(out, &proof, genesis, &why);
    assert_true((verdict == 0) == (why == NULL));
    return verdict;
}

static void commit_proofs_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("commit_proofs.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        struct block_header header;
        int verdict = proof_verify(&header, test_case, &genesis);
        if ((verdict == 0) != vectors_expect_ok(test_case))
            fail_msg("%s: %d", vectors_text(test_case, "name"), verdict);
        if (verdict == 0) {
            struct hash id = block_id(&header), expected = vectors_hash(test_case, "block_id");
            assert_true(hash_equal(&id, &expected));
            assert_int_equal(header.height, vectors_integer(test_case, "height"));
        }
    }
    json_decref(root);
}

static size_t path_read(struct hash path[static PATH_ITEMS_MAX], const json_t *array)
{
    size_t index;
    const json_t *text;
    json_array_foreach(array, index, text)
    {
        assert_true(index < PATH_ITEMS_MAX);
        assert_int_equal(hex_decode(path[index].bytes, HASH_BYTES, json_string_value(text)), 0);
    }
    return json_array_size(array);
}

static size_t base64_read(uint8_t out[static BASE64_BYTES_MAX], const char *text)
{
    size_t size;
    assert_int_equal(
        sodium_base642bin(out, BASE64_BYTES_MAX, text, strlen(text), NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL),
        0);
    return size;
}

static bool item_is_under(const struct hash *tree_root, const struct hash *item, const json_t *proof, const char *path)
{
    struct hash hashes[PATH_ITEMS_MAX];
    size_t count = path_read(hashes, vectors_get(proof, path));
    return merkle_verify(tree_root, item, (size_t)vectors_integer(proof, "tx_count"),
                         (size_t)vectors_integer(proof, "index"), hashes, count) == 0;
}

static bool tx_proof_holds(const json_t *test_case, const struct genesis *genesis)
{
    const json_t *proof = vectors_get(test_case, "proof");
    struct block_header header;
    if (proof_verify(&header, vectors_get(proof, "commit"), genesis) != 0)
        return false;
    struct hash asked = vectors_hash(test_case, "tx_id"), tx_id = vectors_hash(proof, "tx_id");
    if (!hash_equal(&asked, &tx_id) || vectors_integer(proof, "tx_count") != header.tx_count)
        return false;
    uint8_t receipt[BASE64_BYTES_MAX];
    size_t receipt_size = base64_read(receipt, vectors_text(proof, "receipt"));
    struct hash receipt_hash = hash_of(span_of(receipt, receipt_size));
    return item_is_under(&header.tx_root, &tx_id, proof, "path") &&
           item_is_under(&header.receipt_root, &receipt_hash, proof, "receipt_path");
}

static void transaction_proofs_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("tx_proofs.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (tx_proof_holds(test_case, &genesis) != vectors_expect_ok(test_case))
            fail_msg("%s", vectors_text(test_case, "name"));
    }
    json_decref(root);
}

static bool state_proof_holds(const json_t *test_case, const struct genesis *genesis)
{
    const json_t *proof = vectors_get(test_case, "proof");
    struct block_header header;
    if (proof_verify(&header, vectors_get(proof, "commit"), genesis) != 0)
        return false;
    if (strcmp(vectors_text(test_case, "key"), vectors_text(proof, "key")) != 0 ||
        (uint64_t)vectors_integer(proof, "height") != header.height)
        return false;
    struct stateproof state_proof = {0};
    const json_t *leaf = vectors_get(proof, "leaf");
    if (!json_is_null(leaf)) {
        state_proof.has_leaf = true;
        state_proof.leaf.key_hash = vectors_hash(leaf, "key_hash");
        state_proof.leaf.value_hash = vectors_hash(leaf, "value_hash");
    }
    state_proof.sibling_count = (uint32_t)path_read(state_proof.siblings, vectors_get(proof, "siblings"));
    uint8_t bytes[BASE64_BYTES_MAX];
    struct span value = {0};
    if (!json_is_null(vectors_get(proof, "value")))
        value = span_of(bytes, base64_read(bytes, vectors_text(proof, "value")));
    return stateproof_verify(&header.state_root, span_text(vectors_text(proof, "key")), value, &state_proof) == 0;
}

static void state_proofs_are_judged_as_the_vectors_say(void **state)
{
    json_t *root = vectors_load("state_proofs.json");
    struct genesis genesis = vectors_genesis(root);
    size_t index;
    const json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (state_proof_holds(test_case, &genesis) != vectors_expect_ok(test_case))
            fail_msg("%s", vectors_text(test_case, "name"));
    }
    json_decref(root);
}

/* A network of five whose keys the test holds. */
struct network {
    struct genesis genesis;
    struct sign_key keys[5];
};

static void network_init(struct network *network)
{
    *network = (struct network){.genesis = {.validator_count = 5}};
    network->genesis.chain_id = hash_of(span_text("a chain"));
    for (uint32_t i = 0; i < 5; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&network->keys[i], seed);
        network->genesis.validators[i].sign_key = network->keys[i].public;
    }
}

static struct qc qc_signed(const struct network *network, uint64_t view, uint32_t signer_count)
{
    struct qc qc = {.view = view, .height = view, .block_id = hash_of(span_text("a block"))};
    uint8_t vote[CERT_VOTE_BYTES];
    cert_vote_bytes(vote, &network->genesis.chain_id, qc.view, qc.height, &qc.block_id);
    for (uint32_t i = 0; i < signer_count; i++) {
        qc.signatures[i].validator = i;
        sign_message(&qc.signatures[i].signature, &network->keys[i], span_of(vote, sizeof vote));
    }
    qc.signature_count = signer_count;
    return qc;
}

static void a_certificate_needs_a_quorum_of_distinct_sorted_known_signers(void **state)
{
    struct network network;
    network_init(&network);
    struct qc good = qc_signed(&network, 7, 4), qc = good;
    assert_int_equal(qc_verify(&good, &network.genesis), 0);
    assert_int_equal(qc_signers(&good), 0x0f);

    qc = qc_signed(&network, 7, 3);
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    assert_int_equal(qc_verify(&qc, &network.genesis), CERT_BAD);
    qc = good;
    qc.signatures[1] = qc.signatures[0];
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    assert_int_equal(qc_verify(&qc, &network.genesis), CERT_BAD);
    qc = good;
    qc.signatures[0] = good.signatures[1];
    qc.signatures[1] = good.signatures[0];
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    qc = good;
    qc.signatures[3].validator = 5;
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    qc = good;
    qc.signature_count = CERT_SIGNERS_MAX + 1;
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
}

static void a_certificate_with_one_wrong_signature_is_bad(void **state)
{
    struct network network;
    network_init(&network);
    for (uint32_t i = 0; i < 5; i++) {
        struct qc qc = qc_signed(&network, 7, 5);
        qc.signatures[i].signature.bytes[3] ^= 1;
        assert_int_equal(qc_check_form(&qc, &network.genesis), 0);
        assert_int_equal(qc_verify(&qc, &network.genesis), CERT_BAD);
    }
    struct qc qc = qc_signed(&network, 7, 4);
    qc.height++;
    assert_int_equal(qc_verify(&qc, &network.genesis), CERT_BAD);
}

static void only_the_genesis_certificate_has_view_or_height_zero(void **state)
{
    struct network network;
    network_init(&network);
    struct qc qc = {0};
    assert_int_equal(qc_verify(&qc, &network.genesis), 0);
    assert_int_equal(qc_signers(&qc), 0);
    qc.view = 1;
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    qc = (struct qc){.height = 1};
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
    qc = qc_signed(&network, 0, 4);
    assert_int_equal(qc_check_form(&qc, &network.genesis), CERT_BAD);
}

static struct tc tc_signed(const struct network *network, uint64_t view, const uint64_t high_qc_views[static 4])
{
    struct tc tc = {.view = view, .signature_count = 4};
    uint64_t greatest = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t timeout[CERT_TIMEOUT_BYTES];
        cert_timeout_bytes(timeout, &network->genesis.chain_id, view, high_qc_views[i]);
        tc.signatures[i].validator = i + 1;
        tc.signatures[i].high_qc_view = high_qc_views[i];
        sign_message(&tc.signatures[i].signature, &network->keys[i + 1], span_of(timeout, sizeof timeout));
        greatest = high_qc_views[i] > greatest ? high_qc_views[i] : greatest;
    }
    if (greatest > 0)
        tc.high_qc = qc_signed(network, greatest, 4);
    return tc;
}

static void a_timeout_certificate_carries_the_highest_qc_of_its_signers(void **state)
{
    struct network network;
    network_init(&network);
    struct tc good = tc_signed(&network, 9, (const uint64_t[]){6, 8, 7, 6}), tc = good;
    assert_int_equal(tc_verify(&good, &network.genesis), 0);

    tc.high_qc = qc_signed(&network, 7, 4);
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc.high_qc = qc_signed(&network, 9, 4);
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc = tc_signed(&network, 8, (const uint64_t[]){6, 8, 7, 6});
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc = tc_signed(&network, 1, (const uint64_t[]){0, 0, 0, 0});
    assert_int_equal(tc_verify(&tc, &network.genesis), 0);
    tc = tc_signed(&network, 0, (const uint64_t[]){0, 0, 0, 0});
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
}

static void a_timeout_certificate_needs_a_quorum_and_every_signature(void **state)
{
    struct network network;
    network_init(&network);
    struct tc good = tc_signed(&network, 9, (const uint64_t[]){6, 8, 7, 6}), tc = good;
    tc.signature_count = 3;
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    assert_int_equal(tc_verify(&tc, &network.genesis), CERT_BAD);
    tc.signature_count = CERT_SIGNERS_MAX + 1;
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc = good;
    tc.signatures[2].validator = 2;
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc = good;
    tc.signatures[3].validator = 5;
    assert_int_equal(tc_check_form(&tc, &network.genesis), CERT_BAD);
    tc = good;
    tc.signatures[2].high_qc_view = 6; /* signed another one */
    assert_int_equal(tc_check_form(&tc, &network.genesis), 0);
    assert_int_equal(tc_verify(&tc, &network.genesis), CERT_BAD);
    tc = good;
    tc.high_qc.signatures[0].signature.bytes[0] ^= 1;
    assert_int_equal(tc_verify(&tc, &network.genesis), CERT_BAD);
    for (uint32_t i = 0; i < good.signature_count; i++) {
        tc = good;
        tc.signatures[i].signature.bytes[0] ^= 1;
        assert_int_equal(tc_verify(&tc, &network.genesis), CERT_BAD);
    }
}

static void a_tc_hash_covers_every_part(void **state)
{
    struct network network;
    network_init(&network);
    struct tc good = tc_signed(&network, 9, (const uint64_t[]){6, 8, 7, 6});
    struct hash expected = tc_hash(&good);
    struct tc changed[8];
    for (size_t i = 0; i < 8; i++)
        changed[i] = good;
    changed[0].view++;
    changed[1].signature_count--;
    changed[2].signatures[3].validator--;
    changed[3].signatures[0].high_qc_view++;
    changed[4].signatures[3].signature.bytes[63] ^= 1;
    changed[5].high_qc.height++;
    changed[6].high_qc.block_id.bytes[31] ^= 1;
    changed[7].high_qc.signatures[3].signature.bytes[63] ^= 1;
    for (size_t i = 0; i < 8; i++) {
        struct hash got = tc_hash(&changed[i]);
        assert_false(hash_equal(&got, &expected));
    }
}

/* The greatest certificate, and one signature more than there is room for. */
static void a_certificate_has_at_most_64_signatures(void **state)
{
    struct genesis genesis = {.validator_count = GENESIS_VALIDATORS_MAX};
    struct qc qc = {.view = 1, .height = 1, .signature_count = CERT_SIGNERS_MAX};
    struct tc tc = {.view = 1, .signature_count = CERT_SIGNERS_MAX};
    for (uint32_t i = 0; i < CERT_SIGNERS_MAX; i++)
        qc.signatures[i].validator = tc.signatures[i].validator = i;
    assert_int_equal(qc_check_form(&qc, &genesis), 0);
    assert_int_equal(tc_check_form(&tc, &genesis), 0);
    assert_true(qc_signers(&qc) == UINT64_MAX);
    qc.signature_count++;
    tc.signature_count++;
    assert_int_equal(qc_check_form(&qc, &genesis), CERT_BAD);
    assert_int_equal(tc_check_form(&tc, &genesis), CERT_BAD);
}

/* Four validators sign for this view, height and block. */
static void qc_sign(struct qc *qc, const struct network *network)
{
    uint8_t vote[CERT_VOTE_BYTES];
    cert_vote_bytes(vote, &network->genesis.chain_id, qc->view, qc->height, &qc->block_id);
    for (uint32_t i = 0; i < 4; i++) {
        qc->signatures[i].validator = i;
        sign_message(&qc->signatures[i].signature, &network->keys[i], span_of(vote, sizeof vote));
    }
    qc->signature_count = 4;
}

/* A chain of count headers, views rising by one, and the QC of the last. */
static void chain_make(uint8_t *headers, struct cert_commit_proof *proof, const struct network *network, size_t count)
{
    struct block_header header = {.chain_id = network->genesis.chain_id, .height = 1, .view = 1};
    struct hash id = {0};
    for (size_t i = 0; i < count; i++) {
        header.parent_id = id;
        header.justify_view = header.view - 1;
        block_header_encode(headers + i * BLOCK_HEADER_BYTES, &header);
        id = block_id(&header);
        header.height++;
        header.view++;
    }
    *proof = (struct cert_commit_proof){.headers = headers, .header_count = count};
    proof->qc = (struct qc){.view = count, .height = count, .block_id = id};
    qc_sign(&proof->qc, network);
}

static int chain_verify(const struct cert_commit_proof *proof, const struct network *network)
{
    struct block_header header;
    const char *why;
    return cert_commit_proof_verify(&header, proof, &network->genesis, &why);
}

/* Quorums that signed something else, however good their signatures are, prove nothing. */
static void the_certificate_is_for_the_last_header_in_view_height_and_block(void **state)
{
    struct network network;
    network_init(&network);
    uint8_t headers[3 * BLOCK_HEADER_BYTES];
    struct cert_commit_proof good, proof;
    chain_make(headers, &good, &network, 3);
    assert_int_equal(chain_verify(&good, &network), 0);
    for (int i = 0; i < 3; i++) {
        proof = good;
        proof.qc.view += i == 0;
        proof.qc.height += i == 1;
        proof.qc.block_id.bytes[0] ^= i == 2;
        qc_sign(&proof.qc, &network);
        assert_int_equal(qc_verify(&proof.qc, &network.genesis), 0);
        assert_int_equal(chain_verify(&proof, &network), CERT_BAD);
    }
}

static void one_certified_header_proves_nothing(void **state)
{
    struct network network;
    network_init(&network);
    uint8_t headers[BLOCK_HEADER_BYTES];
    struct cert_commit_proof proof;
    chain_make(headers, &proof, &network, 1);
    assert_int_equal(qc_verify(&proof.qc, &network.genesis), 0);
    assert_int_equal(chain_verify(&proof, &network), CERT_BAD);
}

static void a_commit_proof_has_at_most_4096_headers(void **state)
{
    struct network network;
    network_init(&network);
    static uint8_t headers[(CERT_PROOF_HEADERS_MAX + 1) * BLOCK_HEADER_BYTES];
    struct cert_commit_proof proof;
    struct block_header header;
    const char *why;
    chain_make(headers, &proof, &network, CERT_PROOF_HEADERS_MAX);
    assert_int_equal(cert_commit_proof_verify(&header, &proof, &network.genesis, &why), 0);
    assert_int_equal(header.height, 1);
    chain_make(headers, &proof, &network, CERT_PROOF_HEADERS_MAX + 1);
    assert_int_equal(cert_commit_proof_verify(&header, &proof, &network.genesis, &why), CERT_BAD);
    assert_string_equal(why, "a proof has 2 to 4096 headers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_bytes_are_those_of_the_vectors),
        cmocka_unit_test(tc_hashes_are_those_of_the_vectors),
        cmocka_unit_test(commit_proofs_are_judged_as_the_vectors_say),
        cmocka_unit_test(transaction_proofs_are_judged_as_the_vectors_say),
        cmocka_unit_test(state_proofs_are_judged_as_the_vectors_say),
        cmocka_unit_test(a_certificate_needs_a_quorum_of_distinct_sorted_known_signers),
        cmocka_unit_test(a_certificate_with_one_wrong_signature_is_bad),
        cmocka_unit_test(only_the_genesis_certificate_has_view_or_height_zero),
        cmocka_unit_test(a_timeout_certificate_carries_the_highest_qc_of_its_signers),
        cmocka_unit_test(a_timeout_certificate_needs_a_quorum_and_every_signature),
        cmocka_unit_test(a_tc_hash_covers_every_part),
        cmocka_unit_test(a_certificate_has_at_most_64_signatures),
        cmocka_unit_test(the_certificate_is_for_the_last_header_in_view_height_and_block),
        cmocka_unit_test(one_certified_header_proves_nothing),
        cmocka_unit_test(a_commit_proof_has_at_most_4096_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
