/* test_commit.c - what is final, in which order, and that its proof convinces a stranger. */
#include "tests/unit/consensusd/core_rig.h"

static struct rig rig;

static int start(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

static void assert_proved(const struct consensus_commit *commit)
{
    static uint8_t headers[8 * BLOCK_HEADER_BYTES];
    assert_true(commit->proof_header_count <= 8);
    for (size_t i = 0; i < commit->proof_header_count; i++)
        block_header_encode(headers + i * BLOCK_HEADER_BYTES, &commit->proof_headers[i]);
    struct cert_commit_proof proof = {
        .headers = headers, .header_count = commit->proof_header_count, .qc = *commit->proof_qc};
    struct block_header proved;
    const char *why = NULL;
    assert_int_equal(cert_commit_proof_verify(&proved, &proof, &rig.genesis, &why), 0);
    struct hash id = block_id(&proved);
    assert_memory_equal(&id, &commit->block_id, HASH_BYTES);
}

static void a_certified_child_in_the_next_view_makes_a_block_final(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &second, &first_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 0);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    const struct consensus_commit *commit = &rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit;
    assert_memory_equal(&commit->block_id, &first.id, HASH_BYTES);
    assert_memory_equal(commit->tx_ids, first.tx_ids, 2 * sizeof first.tx_ids[0]);
    assert_proved(commit);
    assert_int_equal(rig_status(&rig).committed_height, 1);
}

static void views_that_are_not_consecutive_make_nothing_final(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &first_qc);
    struct rig_block second = rig_block(&rig, &first, &first_qc, 3, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &second, &first_qc, &tc);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 0);
    assert_int_equal(rig_status(&rig).committed_height, 0);
    /* The next pair of consecutive views makes all three final but the last, lowest first. */
    struct rig_block third = rig_block(&rig, &second, &second_qc, 4, 0);
    struct qc third_qc = rig_qc(&rig, &third, rig_others(&rig));
    rig_accept(&rig, &third, &second_qc, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &third_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 2);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit.block_id, &first.id, HASH_BYTES);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_COMMIT, 1)->u.commit.block_id, &second.id, HASH_BYTES);
    assert_int_equal(rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit.proof_header_count, 3);
    assert_proved(&rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit);
    assert_proved(&rig_effect(&rig, CONSENSUS_COMMIT, 1)->u.commit);
}

static void a_final_block_waits_until_it_was_executed(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_propose(&rig, &first, &genesis, NULL);
    rig_propose(&rig, &second, &first_qc, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 0);
    rig_checked(&rig, &first, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
}

static void the_lost_branch_is_forgotten(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block lost = rig_block(&rig, &rig.root, &genesis, 1, 3);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &lost, &genesis, NULL);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &second, &first_qc, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_FORGET), 1);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_FORGET, 0)->u.forget, &lost.id, HASH_BYTES);
}

/* A FORGET that got lost would leave bodies in the cache and a question to the executor for ever. */
static void however_many_are_lost_at_once_each_is_forgotten(void **state)
{
    (void)state;
    enum { LOST = CONSENSUS_BLOCKS_MAX - 3 };
    struct qc genesis = rig_genesis_qc(&rig);
    uint64_t view = 1;
    for (size_t lost = 0; lost < LOST; view++) {
        struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &genesis);
        struct rig_block block = rig_block(&rig, &rig.root, &genesis, view, 1);
        if (rig_leader(&rig, view) == rig.self)
            continue;
        rig_propose(&rig, &block, &genesis, view > 1 ? &tc : NULL);
        lost++;
    }
    while (rig_leader(&rig, view) == rig.self || rig_leader(&rig, view + 1) == rig.self)
        view++;
    struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &genesis);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, view, 1);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, view + 1, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, &tc);
    rig_accept(&rig, &second, &first_qc, NULL);
    assert_int_equal(rig_status(&rig).blocks_held, LOST + 3);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_FORGET), LOST);
    assert_int_equal(rig_status(&rig).blocks_held, 2);
}

/* Views were skipped between all blocks: nothing is final before two follow each other, then all are. */
static void a_long_chain_is_handed_out_in_order(void **state)
{
    (void)state;
    enum { CHAIN = 2 * CONSENSUS_COMMITS_AT_ONCE - 8 }; /* their proofs fit into no single step */
    rig.genesis.parameters.schedule_lag_blocks = CHAIN; /* one epoch */
    struct rig_block block = rig.root;
    struct qc justify = rig_genesis_qc(&rig);
    uint64_t view = 1;
    for (size_t i = 0; i < CHAIN; i++) {
        view += 2;
        while (rig_leader(&rig, view) == rig.self || rig_leader(&rig, view + 1) == rig.self)
            view++;
        struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &justify);
        struct rig_block child = rig_block(&rig, &block, &justify, view, 1);
        rig_accept(&rig, &child, &justify, &tc);
        assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 0);
        block = child;
        justify = rig_qc(&rig, &block, rig_others(&rig));
    }
    struct rig_block last = rig_block(&rig, &block, &justify, view + 1, 0);
    struct qc last_qc = rig_qc(&rig, &last, rig_others(&rig));
    rig_accept(&rig, &last, &justify, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, view + 1), &last_qc, NULL);
    uint64_t height = 0;
    while (height < CHAIN) {
        size_t count = rig_count(&rig, CONSENSUS_COMMIT);
        assert_in_range(count, 1, CHAIN - height);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rig_effect(&rig, CONSENSUS_COMMIT, i)->u.commit.header.height, ++height);
        assert_int_equal(rig_status(&rig).committed_height, height);
        rig_tick(&rig, 1);
        assert_true(rig_count(&rig, CONSENSUS_COMMIT) <= CONSENSUS_COMMITS_AT_ONCE);
    }
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 0);
}

/* The certificate of a block that is not here yet, in a chain that goes quiet after it: nobody shows it again. */
static void a_certificate_that_came_before_its_block_makes_final(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct rig_block twin = rig_block(&rig, &first, &first_qc, 2, 1);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    rig_propose(&rig, &twin, &first_qc, NULL); /* of the same view, and nobody certified it */
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
    assert_int_equal(rig_status(&rig).committed_height, 0);
    rig_propose(&rig, &second, &first_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit.block_id, &first.id, HASH_BYTES);
    assert_proved(&rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit);
}

/* The third proposal came before the second one and waited; a still higher certificate is known by then. */
static void a_certificate_that_waited_in_a_proposal_makes_final(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 3, rig_others(&rig), &second_qc);
    struct rig_block third = rig_block(&rig, &second, &second_qc, 4, 0);
    struct qc third_qc = rig_qc(&rig, &third, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, NULL);
    rig_propose(&rig, &third, &second_qc, &tc);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &third_qc, NULL);
    assert_int_equal(rig_status(&rig).committed_height, 0);
    rig_propose(&rig, &second, &first_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    const struct consensus_commit *commit = &rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit;
    assert_memory_equal(&commit->block_id, &first.id, HASH_BYTES);
    assert_int_equal(commit->proof_header_count, 2);
    assert_proved(commit);
}

/* What is final waits for its execution; meanwhile a timeout shows a certificate from below. */
static void an_older_certificate_calls_nothing_back(void **state)
{
    (void)state;
    struct rig_block chain[4];
    struct qc certificates[4], justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < 4; i++) {
        chain[i] = rig_block(&rig, i ? &chain[i - 1] : &rig.root, &justify, i + 1, 0);
        rig_propose(&rig, &chain[i], &justify, NULL);
        justify = certificates[i] = rig_qc(&rig, &chain[i], rig_others(&rig));
    }
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[3], NULL); /* the third is final */
    rig_timeout(&rig, rig_leader(&rig, 1), 5, &certificates[1]);
    size_t committed = 0;
    for (size_t i = 0; i < 4; i++) {
        rig_checked(&rig, &chain[i], true);
        committed += rig_count(&rig, CONSENSUS_COMMIT);
    }
    assert_int_equal(committed, 3);
}

/* Blocks from the store, of which only the last one's certificate is here: no nearer pair proves anything. */
static void a_proof_ends_with_a_block_whose_certificate_is_here(void **state)
{
    (void)state;
    struct rig_block chain[4];
    struct qc justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < 4; i++) {
        chain[i] = rig_block(&rig, i ? &chain[i - 1] : &rig.root, &justify, i + 1, 0);
        justify = rig_qc(&rig, &chain[i], rig_others(&rig));
        rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_RESTORED,
                                                 .u.restored = {.header = chain[i].header, .tx_ids = chain[i].tx_ids}});
    }
    rig_heartbeat(&rig, rig_leader(&rig, 1), &justify, NULL);
    for (size_t i = 0; i < 3; i++) {
        rig_checked(&rig, &chain[i], true);
        assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
        const struct consensus_commit *commit = &rig_effect(&rig, CONSENSUS_COMMIT, 0)->u.commit;
        assert_null(commit->qc);
        assert_int_equal(commit->proof_header_count, 4 - i);
        assert_proved(commit);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_certified_child_in_the_next_view_makes_a_block_final),
        STORY(views_that_are_not_consecutive_make_nothing_final),
        STORY(a_final_block_waits_until_it_was_executed),
        STORY(the_lost_branch_is_forgotten),
        STORY(however_many_are_lost_at_once_each_is_forgotten),
        STORY(a_long_chain_is_handed_out_in_order),
        STORY(a_certificate_that_came_before_its_block_makes_final),
        STORY(a_certificate_that_waited_in_a_proposal_makes_final),
        STORY(an_older_certificate_calls_nothing_back),
        STORY(a_proof_ends_with_a_block_whose_certificate_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
