/* test_propose.c - when the leader proposes, and what. */
#include "tests/unit/consensusd/core_rig.h"

static struct rig rig;

/* The core leads view 1. */
static int start(void **state)
{
    (void)state;
    rig_start(&rig, 1, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

/* This validator has accepted the block of view 1, with two transactions. Returns its certificate. */
static struct qc begin_with_first(uint32_t self, struct rig_block *first)
{
    rig_stop(&rig);
    rig_start(&rig, self, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    *first = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_accept(&rig, first, &genesis, NULL);
    return rig_qc(&rig, first, rig_others(&rig));
}

/* Answer the BUILD of the last step with a block of tx_count transactions. */
static struct rig_block build(const struct rig_block *parent, const struct qc *justify, uint64_t view,
                              uint32_t tx_count)
{
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    struct rig_block block = rig_block(&rig, parent, justify, view, tx_count);
    rig_step(&rig,
             &(struct consensus_event){.type = CONSENSUS_BUILT,
                                       .u.built = {.view = view, .header = block.header, .tx_ids = block.tx_ids}});
    return block;
}

static void a_leader_with_something_in_its_pool_proposes_and_votes(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_pool(&rig, 2, 0);
    const struct consensus_build *asked = &rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build;
    assert_int_equal(asked->view, 1);
    assert_int_equal(asked->height, 1);
    assert_true(asked->with_txs);
    assert_true(asked->timestamp_ms > rig.root.header.timestamp_ms);
    assert_memory_equal(&asked->parent_id, &rig.root.id, HASH_BYTES);
    struct rig_block block = build(&rig.root, &genesis, 1, 2);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_PROPOSAL);
    const struct consensus_proposal *proposal = &rig_effect(&rig, CONSENSUS_SEND_PROPOSAL, 0)->u.proposal;
    assert_null(proposal->tc);
    assert_memory_equal(&proposal->signature, &(struct signature){0}, SIGN_BYTES); /* its vote signs it */
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &rig.genesis.chain_id, 1, 1, &block.id);
    assert_int_equal(
        sign_verify(&proposal->vote_signature, &rig.keys[rig.self].public, span_of(message, sizeof message)), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 1);
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, 30);
        assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    }
}

static void nobody_proposes_out_of_turn(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 2, NULL);
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_tick(&rig, 100);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
}

static void nobody_proposes_where_it_may_have_voted(void **state)
{
    (void)state;
    rig_stop(&rig);
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = rig_genesis_qc(&rig)};
    rig_start(&rig, 1, &voting);
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_tick(&rig, 100);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
}

static void a_block_that_was_built_too_late_is_not_proposed(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 2), &tc);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_BUILT,
                                             .u.built = {.view = 1, .header = block.header, .tx_ids = block.tx_ids}});
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
}

static void a_block_that_was_built_on_an_older_certificate_is_not_proposed(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 3, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_pool(&rig, 3, 0);
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    rig_tick(&rig, 100);
    struct rig_block late = rig_block(&rig, &rig.root, &genesis, 3, 2);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    assert_int_equal(rig_status(&rig).view, 3);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_BUILT,
                                             .u.built = {.view = 3, .header = late.header, .tx_ids = late.tx_ids}});
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 0);
    rig_tick(&rig, 100);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.parent_id, &first.id, HASH_BYTES);
}

static void after_timeouts_the_certificate_of_them_is_attached(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 3, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &genesis);
    rig_pool(&rig, 2, 0);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    build(&rig.root, &genesis, 3, 2);
    const struct consensus_proposal *proposal = &rig_effect(&rig, CONSENSUS_SEND_PROPOSAL, 0)->u.proposal;
    assert_int_equal(proposal->tc->view, 2);
    assert_int_equal(proposal->justify->view, 0);
    uint8_t message[CERT_PROPOSAL_BYTES];
    struct hash attached = tc_hash(&tc);
    struct hash id = block_id(&proposal->header);
    cert_proposal_bytes(message, &rig.genesis.chain_id, &id, &attached);
    assert_int_equal(sign_verify(&proposal->signature, &rig.keys[rig.self].public, span_of(message, sizeof message)),
                     0);
}

static void an_uncommitted_block_is_followed_by_an_empty_one(void **state)
{
    (void)state;
    struct rig_block first;
    struct qc qc = begin_with_first(2, &first);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    const struct consensus_build *asked = &rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build;
    assert_false(asked->with_txs);
    assert_int_equal(asked->justify_signers, rig_others(&rig));
    assert_int_equal(asked->excluded_count, 1);
    assert_memory_equal(asked->excluded, &first.id, HASH_BYTES);
    build(&first, &qc, 2, 0);
    const struct qc *justify = rig_effect(&rig, CONSENSUS_SEND_PROPOSAL, 0)->u.proposal.justify;
    assert_memory_equal(&justify->block_id, &first.id, HASH_BYTES);
    assert_int_equal(qc_verify(justify, &rig.genesis), 0);
}

static void blocks_with_transactions_keep_their_distance(void **state)
{
    (void)state;
    struct rig_block first;
    struct qc qc = begin_with_first(2, &first);
    rig_pool(&rig, 5, 0); /* two of them are in the block */
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    assert_false(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs);
}

static void what_could_not_be_built_is_tried_again(void **state)
{
    (void)state;
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_BUILD_FAILED, .u.built = {.view = 1}});
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    uint64_t due_ms = consensus_deadline_ms(rig.core);
    assert_true(due_ms > rig.now_ms && due_ms < rig.now_ms + 100);
    rig_tick(&rig, due_ms - rig.now_ms);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
}

/* The core leads view 3; the block with transactions of view 1 is committed when it gets there. The
 * block that it would build on, and its certificate. */
static struct rig_block highest;
static struct qc highest_qc;

static void commit_one_block(void)
{
    struct rig_block first;
    struct qc qc = begin_with_first(3, &first);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_accept(&rig, &second, &qc, NULL);
    highest = second;
    highest_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &highest_qc, NULL);
    assert_int_equal(rig_status(&rig).committed_height, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
}

static void the_next_transactions_wait_for_the_interval(void **state)
{
    (void)state;
    commit_one_block();
    rig_pool(&rig, RIG_TARGET_TXS - 1, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    assert_int_equal(consensus_deadline_ms(rig.core), rig.now_ms + RIG_MIN_INTERVAL_MS);
    rig_tick(&rig, RIG_MIN_INTERVAL_MS - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_tick(&rig, 1);
    assert_true(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs);
}

static void a_full_block_does_not_wait(void **state)
{
    (void)state;
    commit_one_block();
    rig_pool(&rig, RIG_TARGET_TXS, 0);
    assert_true(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs);
}

static void with_nothing_to_do_no_empty_block_is_proposed(void **state)
{
    (void)state;
    commit_one_block();
    rig_tick(&rig, 60000);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    /* What waited turned out to be worth nothing: the empty block that was built is thrown away. */
    rig_pool(&rig, 1, 0);
    build(&highest, &highest_qc, 3, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 2);
}

/* The first block is final by the second one's certificate, which its rival's proposer had not seen: who has heard of
 * the rival alone does not know that the first is final, and needs blocks that nobody else needs. */
static struct qc begin_with_rival(uint32_t self_leads, struct rig_block *rival)
{
    struct rig_block first;
    struct qc qc = begin_with_first(self_leads, &first);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_accept(&rig, &second, &qc, NULL);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 3), &second_qc, NULL);
    assert_int_equal(rig_status(&rig).committed_height, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &qc);
    *rival = rig_block(&rig, &first, &qc, 3, 0);
    rig_accept(&rig, rival, &qc, &tc);
    return rig_qc(&rig, rival, rig_others(&rig));
}

static void a_chain_goes_on_until_it_proves_what_is_final(void **state)
{
    (void)state;
    struct rig_block rival;
    struct qc qc = begin_with_rival(4, &rival);
    rig_heartbeat(&rig, rig_leader(&rig, 3), &qc, NULL);
    assert_false(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs);
    struct rig_block next = build(&rival, &qc, 4, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 1);
    struct qc next_qc = rig_qc(&rig, &next, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 3), &next_qc, NULL);
    assert_int_equal(rig_status(&rig).committed_height, 2);
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, 1000);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
}

/* Its leader may be down. */
static void a_chain_that_does_not_prove_what_is_final_is_work(void **state)
{
    (void)state;
    struct rig_block rival;
    struct qc qc = begin_with_rival(5, &rival);
    rig_heartbeat(&rig, rig_leader(&rig, 3), &qc, NULL);
    size_t timeouts = 0;
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, 1000);
        timeouts += rig_count(&rig, CONSENSUS_SEND_TIMEOUT);
    }
    assert_true(timeouts > 0);
}

static void a_leader_waits_for_the_parents_execution(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 2, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_propose(&rig, &first, &genesis, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_pool(&rig, 3, 0);
    rig_tick(&rig, 100);
    assert_int_equal(rig_status(&rig).view, 2);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_checked(&rig, &first, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
}

static void one_block_is_built_at_a_time(void **state)
{
    (void)state;
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_BUILD_FAILED, .u.built.view = 7}); /* of another view */
    for (int i = 0; i < 10; i++) {
        rig_tick(&rig, 30);
        assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
        assert_true(consensus_deadline_ms(rig.core) > rig.now_ms); /* and nobody looks whether it is done */
    }
}

/* What comes from executord is looked at, too. */
static void a_block_that_is_not_the_one_asked_for_is_not_proposed(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    for (int what = 0; what < 5; what++) {
        rig_tick(&rig, 100);
        rig_pool(&rig, 2, 0);
        struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
        if (what == 0)
            block.header.proposer = rig.genesis.validators[rig_leader(&rig, 2)].id;
        else if (what == 1)
            block.header.chain_id.bytes[0] ^= 1;
        else if (what == 2)
            block.header.parent_id.bytes[0] ^= 1;
        else if (what == 3)
            block.header.justify_view = 1;
        else
            block.header.justify_signers = 1;
        rig_step(&rig,
                 &(struct consensus_event){.type = CONSENSUS_BUILT,
                                           .u.built = {.view = 1, .header = block.header, .tx_ids = block.tx_ids}});
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 0);
        assert_int_equal(rig_status(&rig).last_voted_view, 0);
    }
}

static void without_work_the_clock_sleeps_until_the_heartbeat(void **state)
{
    (void)state;
    rig_tick(&rig, CONSENSUS_HEARTBEAT_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_HEARTBEAT), 1);
    assert_int_equal(consensus_deadline_ms(rig.core), rig.now_ms + CONSENSUS_HEARTBEAT_MS);
}

/* A restart on a block whose store does not tell who leads its children: nobody does, until a block tells. */
static void where_nobody_knows_the_leaders_nothing_is_proposed(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block root = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &root, rig_others(&rig));
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = qc};
    struct consensus_config config = {.genesis = &rig.genesis,
                                      .self = rig.self,
                                      .key = rig.keys[rig.self],
                                      .block_min_interval_ms = RIG_MIN_INTERVAL_MS,
                                      .block_target_txs = RIG_TARGET_TXS,
                                      .root = root.header,
                                      .root_id = root.id,
                                      .voting = &voting,
                                      .now_ms = rig.now_ms};
    consensus_destroy(&rig.core);
    assert_int_equal(consensus_new(&rig.core, &config), 0);
    struct rig_block second = rig_block(&rig, &root, &qc, 2, 1);
    rig_propose(&rig, &second, &qc, NULL); /* nor judged: it waits */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    for (uint64_t view = 2; view < 2 + RIG_VALIDATORS; view++) {
        struct tc tc = rig_tc(&rig, view, rig_others(&rig), &qc);
        rig_pool(&rig, 2, 0);
        rig_tick(&rig, 30);
        assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
        rig_new_view(&rig, rig_leader(&rig, view + 1) == rig.self ? rig_leader(&rig, view) : rig_leader(&rig, view + 1),
                     &tc);
    }
}

/* The distance is one between blocks with transactions: an empty one that came meanwhile makes it no longer. */
static void an_empty_block_delays_no_transactions(void **state)
{
    (void)state;
    struct rig_block first;
    struct qc qc = begin_with_first(3, &first);
    rig_tick(&rig, RIG_MIN_INTERVAL_MS);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_accept(&rig, &second, &qc, NULL);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_pool(&rig, 3, 0);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_true(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs);
}

static void what_was_committed_waits_no_more(void **state)
{
    (void)state;
    for (uint32_t pooled = 2; pooled <= 3; pooled++) {
        struct rig_block first;
        struct qc qc = begin_with_first(3, &first);
        struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
        rig_accept(&rig, &second, &qc, NULL);
        rig_pool(&rig, pooled, 0);
        rig_tick(&rig, RIG_MIN_INTERVAL_MS);
        struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
        assert_int_equal(rig_status(&rig).committed_height, 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), pooled - 2);
    }
}

/* A clock that is behind the proposer's of the parent: nobody would take a block that is not later than that. */
static void a_block_is_built_later_than_its_parent_whatever_the_clock_says(void **state)
{
    (void)state;
    rig.wall_ms = rig.root.header.timestamp_ms - 500;
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.timestamp_ms, rig.root.header.timestamp_ms + 1);
}

/* The own block is the first of its epoch: who built it said who leads its children. */
static void an_own_block_brings_the_leaders_of_its_children(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 2, NULL);
    rig.genesis.parameters.schedule_epoch_blocks = 1;
    rig.genesis.parameters.schedule_lag_blocks = 1;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_BUILT,
                       .u.built = {.view = 2,
                                   .header = second.header,
                                   .schedule = {.count = 1, .leaders = {(uint8_t)rig_leader(&rig, 4)}}}});
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 1);
    struct qc second_qc = rig_qc(&rig, &second, RIG_ALL);
    struct rig_block third = rig_block(&rig, &second, &second_qc, 3, 0);
    rig_propose(&rig, &third, &second_qc, NULL); /* by who would have led in the epoch before */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    third.header.proposer = rig.genesis.validators[rig_leader(&rig, 4)].id;
    rig_reseal(&third);
    rig_propose_by(&rig, rig_leader(&rig, 4), rig_leader(&rig, 4), &third, &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
}

static void what_is_in_an_uncommitted_block_is_not_proposed_again(void **state)
{
    (void)state;
    for (uint32_t pooled = 2; pooled <= 3; pooled++) {
        rig_stop(&rig);
        rig_start(&rig, 2, NULL);
        struct qc genesis = rig_genesis_qc(&rig);
        struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 2);
        rig_accept(&rig, &first, &genesis, NULL);
        rig_pool(&rig, pooled, 0);
        rig_tick(&rig, RIG_MIN_INTERVAL_MS);
        struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        assert_int_equal(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.with_txs, pooled > 2);
    }
}

/* It has blocks and never voted: no certificate of its root is here, and the genesis block's is not that. */
static void who_has_no_certificate_of_its_root_builds_nothing(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block root = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_restart(&rig, &root, NULL);
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_status(&rig).view, 1); /* where it leads */
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
}

/* Its leaders are those of its epoch, also when the answer names none. */
static void an_own_blocks_children_are_led_by_its_epochs_leaders(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_pool(&rig, 2, 0);
    struct rig_block first = build(&rig.root, &genesis, 1, 2);
    struct qc qc = rig_qc(&rig, &first, RIG_ALL);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_leader_with_something_in_its_pool_proposes_and_votes),
        STORY(nobody_proposes_out_of_turn),
        STORY(nobody_proposes_where_it_may_have_voted),
        STORY(a_block_that_was_built_too_late_is_not_proposed),
        STORY(a_block_that_was_built_on_an_older_certificate_is_not_proposed),
        STORY(after_timeouts_the_certificate_of_them_is_attached),
        STORY(an_uncommitted_block_is_followed_by_an_empty_one),
        STORY(blocks_with_transactions_keep_their_distance),
        STORY(what_could_not_be_built_is_tried_again),
        STORY(the_next_transactions_wait_for_the_interval),
        STORY(a_full_block_does_not_wait),
        STORY(with_nothing_to_do_no_empty_block_is_proposed),
        STORY(a_chain_goes_on_until_it_proves_what_is_final),
        STORY(a_chain_that_does_not_prove_what_is_final_is_work),
        STORY(a_leader_waits_for_the_parents_execution),
        STORY(one_block_is_built_at_a_time),
        STORY(a_block_that_is_not_the_one_asked_for_is_not_proposed),
        STORY(without_work_the_clock_sleeps_until_the_heartbeat),
        STORY(where_nobody_knows_the_leaders_nothing_is_proposed),
        STORY(an_empty_block_delays_no_transactions),
        STORY(what_was_committed_waits_no_more),
        STORY(a_block_is_built_later_than_its_parent_whatever_the_clock_says),
        STORY(an_own_block_brings_the_leaders_of_its_children),
        STORY(what_is_in_an_uncommitted_block_is_not_proposed_again),
        STORY(who_has_no_certificate_of_its_root_builds_nothing),
        STORY(an_own_blocks_children_are_led_by_its_epochs_leaders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
