/* test_restored.c - blocks that did not come as the proposal of the moment: restored from the store, fetched, waiting,
 * refused; and what the store does not have.
 */
#include "tests/unit/consensusd/core_rig.h"

#include <string.h>

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
    /* In the order of their views. */
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    rig_propose(&rig, &older, &qc, NULL);
    rig_propose(&rig, &newer, &qc, &tc);
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
    static struct hash ids[2 * CONSENSUS_BLOCKS_MAX];
    for (uint64_t i = 1; i <= 2 * CONSENSUS_BLOCKS_MAX; i++) {
        struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
        block.header.timestamp_ms += i;
        rig_reseal(&block);
        ids[i - 1] = block.id;
        rig_propose(&rig, &block, &genesis, NULL);
        for (size_t n = 0; n < rig_count(&rig, CONSENSUS_FORGET); n++, forgotten++) {
            const struct hash *id = &rig_effect(&rig, CONSENSUS_FORGET, n)->u.forget;
            size_t named = 0;
            while (named + 1 < i && memcmp(&ids[named], id, HASH_BYTES) != 0)
                named++;
            assert_true(named + 1 < i); /* one of those that came before */
        }
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

/* Nobody will ever execute it, so it is no work either. */
static void a_child_of_a_refused_block_starts_no_timer(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 2);
    rig_propose(&rig, &first, &genesis, NULL);
    rig_checked(&rig, &first, false);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, 5000);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
}

/* The lock is the certificate of a block above the root, which is not here: it is not the root's own. */
static void the_lock_is_not_the_roots_certificate_unless_it_names_the_root(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 1);
    struct consensus_voting voting = {.last_voted_view = 2, .high_qc = rig_qc(&rig, &second, rig_others(&rig))};
    rig_restart(&rig, &first, &voting);
    struct tc tc = rig_tc(&rig, 3, rig_others(&rig), &first_qc);
    struct rig_block third = rig_block(&rig, &first, &first_qc, 4, 1);
    rig_accept(&rig, &third, &first_qc, &tc);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    const struct qc *justify = rig_effect(&rig, CONSENSUS_PERSIST, 0)->u.persist.justify;
    assert_int_equal(justify->view, 1);
    assert_memory_equal(&justify->block_id, &first.id, HASH_BYTES);
}

/* A chain in which no two views follow each other fills the tree, and nothing in it may go. Returns its last block,
 * whose view is *view. */
static struct rig_block fill_tree(uint64_t *view)
{
    rig.genesis.parameters.schedule_lag_blocks = CONSENSUS_BLOCKS_MAX; /* one epoch */
    struct rig_block block = rig.root;
    struct qc justify = rig_genesis_qc(&rig);
    for (*view = 0; block.header.height + 1 < CONSENSUS_BLOCKS_MAX;) {
        *view += 2;
        block = rig_block(&rig, &block, &justify, *view, 1);
        justify = (struct qc){.view = *view, .height = block.header.height, .block_id = block.id};
        restore(&block, NULL);
        rig_checked(&rig, &block, true);
    }
    assert_int_equal(rig_status(&rig).blocks_held, CONSENSUS_BLOCKS_MAX);
    return block;
}

/* The next block is left out, whoever made it, and nothing is built. */
static void a_tree_in_which_nothing_may_go_takes_no_more(void **state)
{
    (void)state;
    uint64_t view;
    struct rig_block block = fill_tree(&view);
    struct qc qc = rig_qc(&rig, &block, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    uint64_t turn = view + 1;
    while (rig_leader(&rig, turn) != rig.self)
        turn++;
    for (view++; view < turn; view++) {
        struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &qc);
        struct rig_block child = rig_block(&rig, &block, &qc, view, 1);
        rig_propose(&rig, &child, &qc, qc.view + 1 == view ? NULL : &tc);
        assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
        assert_int_equal(rig_count(&rig, CONSENSUS_FORGET), 0);
    }
    struct tc tc = rig_tc(&rig, turn - 1, rig_others(&rig), &qc);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, turn);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_pool(&rig, RIG_TARGET_TXS + CONSENSUS_BLOCKS_MAX, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    assert_int_equal(rig_status(&rig).blocks_held, CONSENSUS_BLOCKS_MAX);
}

static void nor_does_it_take_blocks_that_come_by_sync(void **state)
{
    (void)state;
    uint64_t view;
    struct rig_block block = fill_tree(&view);
    struct qc qc = rig_qc(&rig, &block, rig_others(&rig));
    struct rig_block next = rig_block(&rig, &block, &qc, view + 2, 0);
    struct qc next_qc = rig_qc(&rig, &next, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &next_qc, NULL);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    uint32_t peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    struct consensus_certified certified = {.header = next.header, .qc = &next_qc};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = &certified, .count = 1}});
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).blocks_held, CONSENSUS_BLOCKS_MAX);
    assert_true(rig_status(&rig).behind);
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
        STORY(a_child_of_a_refused_block_starts_no_timer),
        STORY(the_lock_is_not_the_roots_certificate_unless_it_names_the_root),
        STORY(a_tree_in_which_nothing_may_go_takes_no_more),
        STORY(nor_does_it_take_blocks_that_come_by_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
