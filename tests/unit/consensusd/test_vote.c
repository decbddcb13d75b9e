/* test_vote.c - which proposals are executed and voted for. */
#include "tests/unit/consensusd/core_rig.h"

static struct rig rig;

/* The core leads view 5, so that it votes on the proposals of views 1 to 4. */
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

static void assert_refused(void)
{
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

static void a_block_is_executed_then_written_down_then_voted_for(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &block.id, HASH_BYTES);
    rig_checked(&rig, &block, true);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_VOTE);
    const struct consensus_effect *persist = rig_effect(&rig, CONSENSUS_PERSIST, 0);
    assert_int_equal(persist->u.persist.voting->last_voted_view, 1);
    assert_memory_equal(persist->u.persist.block_id, &block.id, HASH_BYTES);
    assert_int_equal(persist->u.persist.header->height, 1);
    const struct consensus_vote *vote = &rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote;
    assert_int_equal(vote->view, 1);
    assert_int_equal(vote->height, 1);
    assert_memory_equal(&vote->block_id, &block.id, HASH_BYTES);
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &rig.genesis.chain_id, 1, 1, &block.id);
    assert_int_equal(sign_verify(&vote->signature, &rig.keys[rig.self].public, span_of(message, sizeof message)), 0);
}

static void a_block_that_the_executor_refuses_gets_no_vote(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_propose(&rig, &block, &genesis, NULL);
    rig_checked(&rig, &block, false);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
}

static void one_vote_in_a_view(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct rig_block second = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_accept(&rig, &first, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    rig_accept(&rig, &second, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).counters.votes_sent, 1);
}

static void no_vote_at_or_below_the_last_voted_view_of_the_store(void **state)
{
    (void)state;
    rig_stop(&rig);
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = rig_genesis_qc(&rig)};
    rig_start(&rig, 5, &voting);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 1);
}

static void the_view_is_the_current_one(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, 2);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

static void asked_again_the_stored_vote_is_sent_again(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &block, &genesis, NULL);
    struct signature first = rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote.signature;
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_PERSIST), 0);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote.signature, &first, SIGN_BYTES);
}

static void a_gap_of_views_wants_a_timeout_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 2, 1);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_refused();
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_accept(&rig, &block, &genesis, &tc);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_VOTE);
}

static void the_timeout_certificate_is_of_the_view_before(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 3, 1);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_propose(&rig, &block, &genesis, &tc);
    assert_refused();
}

static void without_a_gap_no_timeout_certificate_may_be_attached(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_propose(&rig, &second, &qc, &tc);
    assert_refused();
}

static void no_signer_of_the_timeout_certificate_had_a_higher_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct tc tc;
    /* A leader that hides the certificate of view 1 and proposes on the genesis block. */
    struct rig_block fork = rig_block(&rig, &rig.root, &genesis, 3, 1);
    for (uint32_t i = 0; i < RIG_QUORUM; i++) {
        tc = rig_tc(&rig, 2, rig_others(&rig), &genesis);
        tc.signatures[i].high_qc_view = 1;
        rig_tc_sign(&rig, &tc, i);
        tc.high_qc = qc;
        rig_propose(&rig, &fork, &genesis, &tc);
        assert_int_equal(rig_status(&rig).counters.dropped_bad, i + 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    }
    struct rig_block block = rig_block(&rig, &first, &qc, 3, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &block, &qc, &tc);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote.view, 3);
}

static void the_parent_is_the_justified_block(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    second.header.parent_id = rig.root.id;
    rig_reseal(&second);
    rig_propose(&rig, &second, &qc, NULL);
    assert_refused();
}

/* A leader that made two blocks in view 1, and builds on the one that has no certificate. */
static void a_twin_of_the_justified_block_is_no_parent(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct rig_block twin = rig_block(&rig, &rig.root, &genesis, 1, 2);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &twin, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &twin, &qc, 2, 1);
    rig_propose(&rig, &second, &qc, NULL);
    assert_refused();
}

/* A header that makes its certificate look new enough for the timeout certificate. */
static void the_header_tells_the_view_of_the_parents_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc old = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &old, 2, 1);
    struct qc locked = rig_qc(&rig, &second, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 3, rig_others(&rig), &locked);
    struct rig_block fork = rig_block(&rig, &first, &old, 4, 1);
    fork.header.justify_view = 2;
    rig_reseal(&fork);
    rig_propose(&rig, &fork, &old, &tc);
    assert_refused();
}

static void the_timeout_certificate_must_be_good(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 2, 1);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    tc.signatures[1].signature.bytes[3] ^= 1;
    rig_propose(&rig, &block, &genesis, &tc);
    assert_refused();
    assert_int_equal(rig_status(&rig).view, 1);
}

static void the_header_tells_who_signed_the_parents_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    second.header.justify_signers = RIG_ALL;
    rig_reseal(&second);
    rig_propose(&rig, &second, &qc, NULL);
    assert_refused();
}

static void only_the_leader_proposes(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    uint32_t other = rig_leader(&rig, 2);
    block.header.proposer = rig.genesis.validators[other].id;
    rig_reseal(&block);
    rig_propose_by(&rig, other, other, &block, &genesis, NULL);
    assert_refused();
    /* The leader itself, with a block in another's name. */
    rig_propose_by(&rig, rig_leader(&rig, 1), rig_leader(&rig, 1), &block, &genesis, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
}

static void the_sender_signs_and_is_the_proposer(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose_by(&rig, rig_leader(&rig, 1), rig_leader(&rig, 2), &block, &genesis, NULL);
    assert_refused();
    rig_propose_by(&rig, rig_leader(&rig, 2), rig_leader(&rig, 1), &block, &genesis, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
}

/* It is over view, height and block id, and so over the header: without it nothing else is looked at. */
static void the_leaders_vote_signs_its_proposal(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block block = rig_block(&rig, &first, &qc, 2, 1);
    struct consensus_event event = rig_proposal(&rig, rig_leader(&rig, 2), &block, &qc, NULL);
    event.u.proposal.vote_signature.bytes[3] ^= 1;
    rig_step(&rig, &event);
    assert_refused();
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    struct tc tc = rig_tc(&rig, 3, rig_others(&rig), &genesis);
    block = rig_block(&rig, &first, &qc, 4, 1);
    event = rig_proposal(&rig, rig_leader(&rig, 4), &block, &qc, &tc); /* its other signature is good */
    event.u.proposal.vote_signature.bytes[3] ^= 1;
    rig_step(&rig, &event);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 2);
    assert_int_equal(rig_status(&rig).view, 1);
}

static void an_attached_timeout_certificate_is_signed_with_its_block(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 2, 1);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis), other = tc;
    other.signatures[0].signature.bytes[3] ^= 1;
    struct consensus_event event = rig_proposal(&rig, rig_leader(&rig, 2), &block, &genesis, &other);
    event.u.proposal.tc = &tc;
    rig_step(&rig, &event);
    assert_refused();
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 2);
    assert_int_equal(rig_status(&rig).view, 1);
    rig_accept(&rig, &block, &genesis, &tc);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
}

static void a_block_is_later_than_its_parent_and_not_far_ahead_of_the_clock(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    block.header.timestamp_ms = rig.root.header.timestamp_ms;
    rig_reseal(&block);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_refused();
    block.header.timestamp_ms = rig.wall_ms + rig.genesis.parameters.block_future_skew_ms + 1;
    rig_reseal(&block);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    block.header.timestamp_ms--;
    rig_reseal(&block);
    rig_accept(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
}

static void the_transactions_are_those_of_the_root(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 2);
    block.tx_ids[1].bytes[5] ^= 1;
    rig_propose(&rig, &block, &genesis, NULL);
    assert_refused();
}

static void the_parents_certificate_must_be_good(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    qc.signatures[1].signature.bytes[3] ^= 1;
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    rig_propose(&rig, &second, &qc, NULL);
    assert_refused();
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
}

static void a_proposal_waits_for_its_parent(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_checked(&rig, &second, true);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote.view, 2);
}

/* Who leads is known only with the parent: a stranger's proposal may have to wait, and is refused then. */
static void a_proposal_that_waited_is_still_the_leaders(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    uint32_t other = rig_leader(&rig, 3);
    second.header.proposer = rig.genesis.validators[other].id;
    rig_reseal(&second);
    rig_propose_by(&rig, other, other, &second, &qc, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 0);
    rig_accept(&rig, &first, &genesis, NULL);
    assert_refused();
}

static void a_vote_counts_for_its_signer_only(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &block, &genesis, NULL); /* the proposer's vote and our own */
    rig_vote(&rig, rig_leader(&rig, 2), rig_leader(&rig, 3), &block);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    rig_vote(&rig, rig_leader(&rig, 3), rig_leader(&rig, 3), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    rig_vote(&rig, rig_leader(&rig, 3), rig_leader(&rig, 3), &block); /* said twice, counted once */
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    rig_vote(&rig, rig_leader(&rig, 4), rig_leader(&rig, 4), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void votes_more_than_100_views_ahead_are_dropped(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 2 + CONSENSUS_VIEWS_AHEAD_MAX, 1);
    rig_vote(&rig, rig_leader(&rig, 1), rig_leader(&rig, 1), &block);
    assert_int_equal(rig_status(&rig).counters.dropped_ahead, 1);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 0);
    block = rig_block(&rig, &rig.root, &genesis, 1 + CONSENSUS_VIEWS_AHEAD_MAX, 1);
    for (uint64_t i = 1; i <= RIG_QUORUM; i++)
        rig_vote(&rig, rig_leader(&rig, i), rig_leader(&rig, i), &block);
    assert_int_equal(rig_status(&rig).counters.dropped_ahead, 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 1 + CONSENSUS_VIEWS_AHEAD_MAX);
}

/* A block of an epoch inherits the leaders of its children; the first one of the next brings them with its execution:
 * before that nobody can tell, and a proposal on it waits. */
static void the_first_block_of_an_epoch_brings_the_leaders_of_its_children(void **state)
{
    (void)state;
    rig.genesis.parameters.schedule_epoch_blocks = 4;
    rig.genesis.parameters.schedule_lag_blocks = 2;
    struct schedule schedule = {.count = 1, .leaders = {(uint8_t)rig_leader(&rig, 6)}};
    struct rig_block block = rig.root;
    struct qc justify = rig_genesis_qc(&rig);
    uint64_t view = 0;
    while (block.header.height < 6) {
        while (rig_leader(&rig, ++view) == rig.self || rig_leader(&rig, view) == schedule.leaders[0])
            ;
        struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &justify);
        struct rig_block child = rig_block(&rig, &block, &justify, view, 0);
        rig_propose(&rig, &child, &justify, justify.view + 1 == view ? NULL : &tc);
        assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
        if (child.header.height < 6)
            rig_checked(&rig, &child, true);
        block = child;
        justify = rig_qc(&rig, &block, rig_others(&rig));
    }
    struct rig_block next = rig_block(&rig, &block, &justify, view + 1, 0);
    next.header.proposer = rig.genesis.validators[schedule.leaders[0]].id;
    rig_reseal(&next);
    rig_propose_by(&rig, schedule.leaders[0], schedule.leaders[0], &next, &justify, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    rig_checked_with(&rig, &block, &schedule);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &next.id, HASH_BYTES);
    rig_checked(&rig, &next, true);
    assert_int_equal(rig_status(&rig).last_voted_view, view + 1);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 0);
    struct rig_block other = rig_block(&rig, &block, &justify, view + 1, 1);
    uint32_t stranger = (schedule.leaders[0] + 1u) % RIG_VALIDATORS;
    stranger = stranger == rig.self ? (stranger + 1) % RIG_VALIDATORS : stranger;
    other.header.proposer = rig.genesis.validators[stranger].id;
    rig_reseal(&other);
    rig_propose_by(&rig, stranger, stranger, &other, &justify, NULL);
    assert_refused();
}

static void the_own_vote_may_complete_a_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &block, &genesis, NULL);
    for (uint64_t i = 2; i <= 3; i++)
        rig_vote(&rig, rig_leader(&rig, i), rig_leader(&rig, i), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    rig_checked(&rig, &block, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    assert_int_equal(rig_status(&rig).view, 2);
}

/* Votes are facts, whatever is missing here: the proposer's is in its proposal. */
static void the_vote_in_a_proposal_that_waits_counts(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    uint32_t voters[] = {rig_leader(&rig, 1), rig_leader(&rig, 3), rig_leader(&rig, 4)};
    for (size_t i = 0; i < ARRAY_COUNT(voters); i++)
        rig_vote(&rig, voters[i], voters[i], &second);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_status(&rig).high_qc_view, 2);
}

static void an_ancestor_that_is_stored_is_not_written_again(void **state)
{
    (void)state;
    struct qc justify = rig_genesis_qc(&rig);
    struct rig_block block = rig.root;
    for (uint64_t view = 1; view <= 4; view += 2) { /* nothing is committed */
        struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &justify);
        struct rig_block child = rig_block(&rig, &block, &justify, view, 1);
        rig_accept(&rig, &child, &justify, view > 1 ? &tc : NULL);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_PERSIST), 1);
        block = child;
        justify = rig_qc(&rig, &block, rig_others(&rig));
    }
}

static void an_answer_about_an_unknown_block_changes_nothing(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_checked(&rig, &block, true);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

static void who_does_not_lead_costs_no_signature_check(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    uint32_t other = rig_leader(&rig, 2);
    block.header.proposer = rig.genesis.validators[other].id;
    rig_reseal(&block);
    rig_propose_by(&rig, other, other, &block, &genesis, NULL);
    assert_refused();
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 0);
}

/* Whatever stands behind the last signer in memory. */
static void only_the_signers_of_a_timeout_certificate_count(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 2, 1);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    tc.signatures[tc.signature_count] = (struct tc_signature){.validator = rig.self, .high_qc_view = 9};
    rig_accept(&rig, &block, &genesis, &tc);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
}

static void a_block_is_executed_after_its_parent(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    rig_propose(&rig, &first, &genesis, NULL);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    rig_checked(&rig, &first, true);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &second.id, HASH_BYTES);
}

static void whoever_proposed_it_a_proposal_that_waited_is_judged(void **state)
{
    (void)state;
    uint32_t judged = 0;
    for (uint64_t self_leads = 1; self_leads <= 5; self_leads += 4) { /* one is not the other */
        for (uint64_t view = 2; view <= 1 + RIG_VALIDATORS; view++) {
            rig_stop(&rig);
            rig_start(&rig, self_leads, NULL);
            struct qc genesis = rig_genesis_qc(&rig);
            struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
            struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
            struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &qc);
            struct rig_block next = rig_block(&rig, &first, &qc, view, 1);
            if (rig_leader(&rig, view) == rig.self)
                continue;
            rig_propose(&rig, &next, &qc, view > 2 ? &tc : NULL);
            rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_RESTORED,
                                                     .u.restored = {.header = first.header, .tx_ids = first.tx_ids}});
            rig_checked(&rig, &first, true);
            assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &next.id, HASH_BYTES);
            judged |= 1u << rig_leader(&rig, view);
        }
    }
    assert_int_equal(judged, RIG_ALL);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_block_is_executed_then_written_down_then_voted_for),
        STORY(a_block_that_the_executor_refuses_gets_no_vote),
        STORY(one_vote_in_a_view),
        STORY(no_vote_at_or_below_the_last_voted_view_of_the_store),
        STORY(the_view_is_the_current_one),
        STORY(asked_again_the_stored_vote_is_sent_again),
        STORY(a_gap_of_views_wants_a_timeout_certificate),
        STORY(the_timeout_certificate_is_of_the_view_before),
        STORY(without_a_gap_no_timeout_certificate_may_be_attached),
        STORY(no_signer_of_the_timeout_certificate_had_a_higher_certificate),
        STORY(the_parent_is_the_justified_block),
        STORY(a_twin_of_the_justified_block_is_no_parent),
        STORY(the_header_tells_the_view_of_the_parents_certificate),
        STORY(the_timeout_certificate_must_be_good),
        STORY(the_header_tells_who_signed_the_parents_certificate),
        STORY(only_the_leader_proposes),
        STORY(the_sender_signs_and_is_the_proposer),
        STORY(the_leaders_vote_signs_its_proposal),
        STORY(an_attached_timeout_certificate_is_signed_with_its_block),
        STORY(a_block_is_later_than_its_parent_and_not_far_ahead_of_the_clock),
        STORY(the_transactions_are_those_of_the_root),
        STORY(the_parents_certificate_must_be_good),
        STORY(a_proposal_waits_for_its_parent),
        STORY(a_proposal_that_waited_is_still_the_leaders),
        STORY(a_vote_counts_for_its_signer_only),
        STORY(votes_more_than_100_views_ahead_are_dropped),
        STORY(the_first_block_of_an_epoch_brings_the_leaders_of_its_children),
        STORY(the_own_vote_may_complete_a_certificate),
        STORY(the_vote_in_a_proposal_that_waits_counts),
        STORY(an_ancestor_that_is_stored_is_not_written_again),
        STORY(an_answer_about_an_unknown_block_changes_nothing),
        STORY(who_does_not_lead_costs_no_signature_check),
        STORY(only_the_signers_of_a_timeout_certificate_count),
        STORY(a_block_is_executed_after_its_parent),
        STORY(whoever_proposed_it_a_proposal_that_waited_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
