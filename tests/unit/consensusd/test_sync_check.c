/* test_sync_check.c - of an answer with blocks, only what is proved is kept. */
#include "tests/unit/consensusd/samples.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/merkle.h"
#include "common/base/tx.h"
#include "services/consensusd/sync_check.h"

enum { VALIDATORS = 4, QUORUM = 3, BLOCKS = 3 };

static struct genesis genesis;
static struct sign_key keys[VALIDATORS];
static struct consensus_codec_block blocks[BLOCKS];
static struct consensus_codec_sync response;
static struct span bodies[BLOCKS][2];
static struct consensus *core;

static void certify_as(struct consensus_codec_block *block, uint64_t view, uint64_t height)
{
    struct qc *qc = &block->qc;
    *qc = (struct qc){.view = view, .height = height, .block_id = block_id(&block->header), .signature_count = QUORUM};
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &genesis.chain_id, qc->view, qc->height, &qc->block_id);
    for (uint32_t i = 0; i < QUORUM; i++) {
        qc->signatures[i].validator = i;
        sign_message(&qc->signatures[i].signature, &keys[i], span_of(message, sizeof message));
    }
}

static void certify(struct consensus_codec_block *block)
{
    certify_as(block, block->header.view, block->header.height);
}

static int setup(void **state)
{
    if (sodium_init() < 0)
        return -1;
    genesis = (struct genesis){.chain_id = sample_hash(0xc1), .validator_count = VALIDATORS};
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&keys[i], seed);
        genesis.validators[i].sign_key = keys[i].public;
    }
    struct consensus_config config = {.genesis = &genesis, .self = 3, .key = keys[3], .root = sample_header(9, 0)};
    config.root_id = block_id(&config.root);
    assert_int_equal(consensus_new(&core, &config), 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        bodies[i][0] = span_text("one");
        bodies[i][1] = span_text("two");
        struct hash ids[] = {tx_id(bodies[i][0]), tx_id(bodies[i][1])}, scratch[2];
        blocks[i] =
            (struct consensus_codec_block){.header = sample_header(10 + i, 2), .bodies = bodies[i], .body_count = 2};
        blocks[i].header.tx_root = merkle_root(ids, 2, scratch);
        certify(&blocks[i]);
    }
    response = (struct consensus_codec_sync){.blocks = blocks, .block_count = BLOCKS};
    return 0;
}

static int teardown(void **state)
{
    consensus_destroy(&core);
    return 0;
}

static uint64_t signatures_verified(void)
{
    struct consensus_status status;
    consensus_status(core, &status);
    return status.counters.signatures_verified;
}

static void a_certificate_is_verified_once(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(sync_check_good(core, &response), BLOCKS);
    assert_int_equal(signatures_verified(), BLOCKS * QUORUM);
}

/* One byte more or less is another certificate, and it is verified. */
static void what_looks_like_a_verified_certificate_is_not_one(void **state)
{
    assert_int_equal(sync_check_good(core, &response), BLOCKS);
    blocks[0].qc.signatures[QUORUM - 1].signature.bytes[63] ^= 1;
    assert_int_equal(sync_check_good(core, &response), 0);
    assert_int_equal(sync_check_good(core, &response), 0);
    blocks[0].qc.signatures[QUORUM - 1].signature.bytes[63] ^= 1;
    blocks[0].qc.signatures[QUORUM - 1].validator = QUORUM;
    assert_int_equal(sync_check_good(core, &response), 0);
}

static void proved_blocks_are_good(void **state)
{
    assert_int_equal(sync_check_good(core, &response), BLOCKS);
    response.block_count = 0;
    assert_int_equal(sync_check_good(core, &response), 0);
}

static void a_block_without_transactions_is_good(void **state)
{
    blocks[1].header.tx_count = 0;
    blocks[1].header.tx_root = (struct hash){{0}};
    blocks[1].body_count = 0;
    certify(&blocks[1]);
    assert_int_equal(sync_check_good(core, &response), BLOCKS);
}

static void other_bodies_end_it(void **state)
{
    bodies[1][1] = span_text("Two");
    assert_int_equal(sync_check_good(core, &response), 1);
}

static void bodies_in_another_order_end_it(void **state)
{
    bodies[2][0] = span_text("two");
    bodies[2][1] = span_text("one");
    assert_int_equal(sync_check_good(core, &response), 2);
}

static void a_bad_signature_ends_it(void **state)
{
    blocks[1].qc.signatures[2].signature.bytes[0] ^= 1;
    assert_int_equal(sync_check_good(core, &response), 1);
}

static void fewer_than_a_quorum_end_it(void **state)
{
    blocks[1].qc.signature_count = QUORUM - 1;
    assert_int_equal(sync_check_good(core, &response), 1);
}

static void a_changed_header_ends_it(void **state)
{
    blocks[0].header.timestamp_ms++;
    assert_int_equal(sync_check_good(core, &response), 0);
}

static void the_certificate_of_another_block_ends_it(void **state)
{
    blocks[1].qc = blocks[2].qc;
    assert_int_equal(sync_check_good(core, &response), 1);
}

/* It names the block, and a quorum signed it. */
static void a_certificate_of_another_height_or_view_ends_it(void **state)
{
    const struct block_header header = blocks[1].header;
    certify_as(&blocks[1], header.view, header.height + 1);
    assert_int_equal(sync_check_good(core, &response), 1);
    certify_as(&blocks[1], header.view + 1, header.height);
    assert_int_equal(sync_check_good(core, &response), 1);
    certify_as(&blocks[1], header.view, header.height);
    assert_int_equal(sync_check_good(core, &response), BLOCKS);
}

static void another_number_of_bodies_ends_it(void **state)
{
    blocks[1].header.tx_count = 3; /* its tx_root is of two */
    certify(&blocks[1]);
    assert_int_equal(sync_check_good(core, &response), 1);
}

/* The genesis block's certificate has no signers and is valid; it certifies nothing else. */
static void the_implied_certificate_ends_it(void **state)
{
    blocks[1].header.view = 0;
    blocks[1].header.height = 0;
    blocks[1].qc = (struct qc){.block_id = block_id(&blocks[1].header)};
    assert_int_equal(sync_check_good(core, &response), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(proved_blocks_are_good),
        STORY(a_block_without_transactions_is_good),
        STORY(other_bodies_end_it),
        STORY(bodies_in_another_order_end_it),
        STORY(a_bad_signature_ends_it),
        STORY(fewer_than_a_quorum_end_it),
        STORY(a_changed_header_ends_it),
        STORY(the_certificate_of_another_block_ends_it),
        STORY(a_certificate_of_another_height_or_view_ends_it),
        STORY(another_number_of_bodies_ends_it),
        STORY(the_implied_certificate_ends_it),
        STORY(a_certificate_is_verified_once),
        STORY(what_looks_like_a_verified_certificate_is_not_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
