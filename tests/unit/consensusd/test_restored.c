/* test_restored.c - blocks that did not come as the proposal of the moment: restored from the store, fetched, waiting,
 * refused; and what the store does not have.
 */
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

static void restore(const struct rig_block *block, const struct qc *justify)
{
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_RESTORED,
                       .u.restored = {.header = block->header, .tx_ids = block->tx_ids, .justify = justify}});
}

/* Nothing tells that a block from the store obeyed the voting rule: its proposal does. */
static void a_restored_block_gets_a_vote_only_by_its_proposal(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    restore(&block, NULL);
    rig_checked(&rig, &block, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_VOTE);
}

/* A crash between the writes of a block's ancestors and its own leaves a vote without its block: it never left. */
static void a_vote_whose_block_is_not_stored_is_not_sent_again(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct consensus_voting voting = {.last_voted_view = 1,
                                      .has_vote = true,
                                      .vote_view = 1,
                                      .vote_height = 1,
                                      .vote_block_id = block.id,
                                      .high_qc = genesis};
    rig_stop(&rig);
    rig_start(&rig, 5, &voting);
    for (int again = 0; again < 3; again++) {
        rig_accept(&rig, &block, &genesis, NULL);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
        rig_propose(&rig, &block, &genesis, NULL);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    }
}

static void an_answer_to_no_question_changes_no_verdict(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &block, &genesis, NULL);
    rig_checked(&rig, &block, false);
    rig_checked(&rig, &block, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
}

static void an_empty_block_has_no_root_of_transactions(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 0);
    block.header.tx_root.bytes[3] = 1;
    rig_reseal(&block);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
}

static void a_block_has_no_more_transactions_than_allowed(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig.genesis.parameters.block_max_txs = 2;
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 3);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
}

/* One proposal waits for each sender: the newest, for the others' views are over. */
static void of_proposals_that_wait_the_newest_is_kept(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block newer = rig_block(&rig, &first, &qc, 7, 1), older = rig_block(&rig, &first, &qc, 2, 1);
    assert_int_equal(rig_leader(&rig, 7), rig_leader(&rig, 2));
    struct tc tc = rig_tc(&rig, 6, rig_others(&rig), &qc);
    rig_propose(&rig, &newer, &qc, &tc);
    rig_propose(&rig, &older, &qc, NULL);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_checked(&rig, &newer, true);
    assert_int_equal(rig_status(&rig).last_voted_view, 7);
}

/* Many blocks of one leader for its view: the tree has room for 512, and says what goes. */
static void a_flood_of_blocks_has_its_bound(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    size_t forgotten = 0;
    for (uint64_t i = 1; i <= 2 * CONSENSUS_BLOCKS_MAX; i++) {
        struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
        block.header.timestamp_ms += i;
        rig_reseal(&block);
        rig_propose(&rig, &block, &genesis, NULL);
        forgotten += rig_count(&rig, CONSENSUS_FORGET);
        assert_true(rig_status(&rig).blocks_held <= CONSENSUS_BLOCKS_MAX);
    }
    assert_int_equal(forgotten, CONSENSUS_BLOCKS_MAX + 1); /* the root is among those held */
}

/* What the executor refused is no work, and so nobody's reason to time out. */
static void a_refused_block_starts_no_timer(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_propose(&rig, &block, &genesis, NULL);
    rig_checked(&rig, &block, false);
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, 5000);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_restored_block_gets_a_vote_only_by_its_proposal),
        STORY(a_vote_whose_block_is_not_stored_is_not_sent_again),
        STORY(an_answer_to_no_question_changes_no_verdict),
        STORY(an_empty_block_has_no_root_of_transactions),
        STORY(a_block_has_no_more_transactions_than_allowed),
        STORY(of_proposals_that_wait_the_newest_is_kept),
        STORY(a_flood_of_blocks_has_its_bound),
        STORY(a_refused_block_starts_no_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
