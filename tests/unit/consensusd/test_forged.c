/* test_forged.c - what a liar makes of true statements of others, and what it cannot break with false ones. */
#include "tests/unit/consensusd/core_rig.h"

#include "services/consensusd/tally.h"

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

static struct rig_block first_block(void)
{
    struct qc genesis = rig_genesis_qc(&rig);
    return rig_block(&rig, &rig.root, &genesis, 1, 1);
}

/* Two others and so this validator, too, time out of view 2 with the certificate of view 1. One more would end it. */
static struct qc three_timeouts(void)
{
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    for (uint64_t i = 1; i <= 2; i++)
        rig_timeout(&rig, rig_leader(&rig, i), 2, &qc);
    return qc;
}

static void refuse_new_view(const struct tc *tc)
{
    uint64_t bad = rig_status(&rig).counters.dropped_bad, view = rig_status(&rig).view;
    rig_new_view(&rig, rig_leader(&rig, 4), tc);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, bad + 1);
    assert_int_equal(rig_status(&rig).view, view);
}

/* The lower the views that a TC names, the more it allows: a word that is known is not good for another one. */
static void a_known_timeout_does_not_vouch_for_a_lower_certificate(void **state)
{
    (void)state;
    three_timeouts();
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &qc);
    tc.high_qc = genesis;
    for (uint32_t i = 0; i < tc.signature_count; i++)
        tc.signatures[i].high_qc_view = 0; /* the signatures say 1 */
    for (uint32_t i = 0; i < tc.signature_count; i++) {
        uint32_t validator = tc.signatures[i].validator;
        if (validator != rig_leader(&rig, 1) && validator != rig_leader(&rig, 2))
            rig_tc_sign(&rig, &tc, i); /* accomplices: only the known ones are forged */
    }
    refuse_new_view(&tc);
}

static void a_known_timeout_does_not_vouch_for_another_signature(void **state)
{
    (void)state;
    struct qc qc = three_timeouts();
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &qc);
    for (uint32_t i = 0; i < tc.signature_count; i++) {
        if (tc.signatures[i].validator == rig_leader(&rig, 1))
            tc.signatures[i].signature.bytes[5] ^= 1;
    }
    refuse_new_view(&tc);
}

/* Memory that nothing was written to is no signature. */
static void a_signature_of_zeros_is_none(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    for (uint32_t i = 0; i < tc.signature_count; i++)
        memset(&tc.signatures[i].signature, 0, sizeof tc.signatures[i].signature);
    refuse_new_view(&tc);
}

/* The tally is a ring of views: one that is so far ahead that it would take the current one's place is not let in. */
static void a_certificate_of_a_far_view_does_not_erase_votes(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = first_block();
    rig_accept(&rig, &block, &genesis, NULL); /* the leader's vote and our own */
    rig_vote(&rig, rig_leader(&rig, 2), rig_leader(&rig, 2), &block);
    struct rig_block far = rig_block(&rig, &block, &genesis, 1 + TALLY_VIEWS, 1);
    struct qc forged = rig_qc(&rig, &far, 0xf);
    forged.signatures[0].signature.bytes[0] ^= 1;
    rig_heartbeat(&rig, rig_leader(&rig, 4), &forged, NULL);
    rig_vote(&rig, rig_leader(&rig, 3), rig_leader(&rig, 3), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
}

static void a_certificate_and_a_proposal_that_is_not_later_are_refused(void **state)
{
    (void)state;
    struct rig_block first = first_block();
    struct qc genesis = rig_genesis_qc(&rig);
    rig_accept(&rig, &first, &genesis, NULL);
    struct rig_block second = rig_block(&rig, &first, &genesis, 3, 1);
    struct qc qc = rig_qc(&rig, &second, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &genesis);
    struct rig_block block = rig_block(&rig, &second, &qc, 3, 1); /* of its parent's view, under a good TC */
    uint32_t held = rig_status(&rig).blocks_held;
    rig_propose(&rig, &block, &qc, &tc);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    assert_int_equal(rig_status(&rig).blocks_held, held);
}

/* Messages may turn round on their way: a validator's older word does not take the newer one's place. */
static void an_older_timeout_that_comes_later_changes_nothing(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &qc);
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 2), 3, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 3), 3, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 4), 3, &genesis);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 1);
    const struct tc *tc = rig_effect(&rig, CONSENSUS_SEND_NEW_VIEW, 0)->u.new_view;
    assert_int_equal(tc_verify(tc, &rig.genesis), 0);
    assert_int_equal(tc->high_qc.view, 1);
}

/* Who times out again may know a higher certificate by then: the highest is attached, so its entry must name it. */
static void a_newer_timeout_takes_the_older_ones_place(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &qc);
    for (uint64_t i = 2; i <= 4; i++)
        rig_timeout(&rig, rig_leader(&rig, i), 3, &genesis);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 1);
    const struct tc *tc = rig_effect(&rig, CONSENSUS_SEND_NEW_VIEW, 0)->u.new_view;
    assert_int_equal(tc_verify(tc, &rig.genesis), 0);
    assert_int_equal(tc->high_qc.view, 1);
}

/* Of blocks that come by sync: votes that are known vouch for themselves alone, too. */
static void a_certificate_with_another_signature_of_a_known_vote_is_refused(void **state)
{
    (void)state;
    struct rig_block first = first_block();
    for (uint64_t i = 1; i <= 3; i++)
        rig_vote(&rig, rig_leader(&rig, i), rig_leader(&rig, i), &first);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    qc.signatures[1].signature.bytes[7] ^= 1;
    assert_false(consensus_certificate_valid(rig.core, &qc));
    qc.signatures[1].signature.bytes[7] ^= 1;
    assert_true(consensus_certificate_valid(rig.core, &qc));
}

/* Two others have left for a later view: that is no reason to give up the vote in this one. */
static void timeouts_of_a_later_view_are_not_joined(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    for (uint64_t i = 1; i <= 3; i++) {
        rig_timeout(&rig, rig_leader(&rig, i), 5, &genesis);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
}

/* Who lags behind has the genesis block's certificate still; others have committed since. */
static void the_genesis_certificate_is_good_after_commits(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = rig_qc(&rig, &first, rig_others(&rig))};
    rig_restart(&rig, &first, &voting);
    rig_timeout(&rig, rig_leader(&rig, 1), 2, &genesis);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 0);
    rig_timeout(&rig, rig_leader(&rig, 2), 2, &genesis);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1); /* counted, so joined */
}

/* "Verified signatures are never verified twice", and what is stale or out of turn costs none at all. */
static void what_is_known_or_useless_costs_no_signature_check(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    for (uint64_t i = 1; i <= 4; i++)
        rig_timeout(&rig, rig_leader(&rig, i), 1, &genesis);
    assert_int_equal(rig_status(&rig).view, 2);
    uint64_t checks = rig_status(&rig).counters.signatures_verified;
    assert_int_equal(checks, 3); /* with our own word the third ended the view: the fourth was stale */
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    rig_timeout(&rig, rig_leader(&rig, 4), 1, &genesis);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, checks);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &genesis, &tc);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, checks + 1); /* the heartbeat's own */
    struct tc two = rig_tc(&rig, 2, rig_others(&rig), &genesis);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 3, 1);
    rig_propose_by(&rig, rig_leader(&rig, 4), rig_leader(&rig, 4), &block, &genesis, &two);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, checks + 1);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
}

/* The tally has no room for views far below or far above; certificates of them are judged without it. */
static void a_timeout_certificate_of_a_far_view_is_judged(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1000, rig_others(&rig), &genesis);
    tc.signatures[1].signature.bytes[3] ^= 1;
    refuse_new_view(&tc);
    tc.signatures[1].signature.bytes[3] ^= 1;
    rig_new_view(&rig, rig_leader(&rig, 4), &tc);
    assert_int_equal(rig_status(&rig).view, 1001);
}

static void a_vote_older_than_the_tally_is_dropped(void **state)
{
    (void)state;
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block far = rig_block(&rig, &first, &qc, 1 + TALLY_VIEWS, 1);
    struct tc tc = rig_tc(&rig, TALLY_VIEWS, rig_others(&rig), &qc);
    rig_new_view(&rig, rig_leader(&rig, 4), &tc);
    for (uint64_t i = 1; i <= RIG_QUORUM; i++)
        rig_vote(&rig, rig_leader(&rig, i), rig_leader(&rig, i), &far);
    assert_int_equal(rig_status(&rig).high_qc_view, 1 + TALLY_VIEWS);
    rig_vote(&rig, rig_leader(&rig, 1), rig_leader(&rig, 1), &first);
    assert_int_equal(rig_status(&rig).counters.dropped_stale, 1);
    assert_int_equal(rig_status(&rig).counters.equivocations, 0);
}

/* Above the first blocks nobody's certificate is of view 0, whatever block it names. */
static void the_genesis_certificate_justifies_no_later_block(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block root = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = rig_qc(&rig, &root, rig_others(&rig))};
    rig_restart(&rig, &root, &voting);
    struct qc unsigned_one = {.block_id = root.id};
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    struct rig_block block = rig_block(&rig, &root, &unsigned_one, 2, 1);
    block.header.height = 1;
    rig_reseal(&block);
    rig_propose(&rig, &block, &unsigned_one, &tc);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
}

/* It is good as a certificate, and would be the second link of a chain that nobody voted for. */
static void the_genesis_certificate_certifies_no_later_block(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block root = first_block();
    struct qc root_qc = rig_qc(&rig, &root, rig_others(&rig));
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = root_qc};
    rig_restart(&rig, &root, &voting);
    struct rig_block second = rig_block(&rig, &root, &root_qc, 2, 1);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    struct rig_block third = rig_block(&rig, &second, &second_qc, 3, 0);
    rig_accept(&rig, &second, &root_qc, NULL);
    rig_accept(&rig, &third, &second_qc, NULL);
    assert_int_equal(rig_status(&rig).committed_height, 1);
    genesis.block_id = third.id;
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &genesis);
    assert_int_equal(rig_status(&rig).committed_height, 1);
    struct consensus_certified served[4];
    assert_int_equal(consensus_certified(rig.core, 3, served, 4), 0);
}

/* A proposal of an older view brings an older TC: what this validator shows and builds on stays the newest. */
static void an_older_timeout_certificate_replaces_no_newer_one(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc newer = rig_tc(&rig, 5, rig_others(&rig), &genesis), older = rig_tc(&rig, 2, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &newer);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 3, 1);
    rig_propose(&rig, &block, &genesis, &older);
    assert_int_equal(rig_status(&rig).view, 6);
    rig_tick(&rig, CONSENSUS_HEARTBEAT_MS);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SEND_HEARTBEAT, 0)->u.heartbeat.high_tc->view, 5);
}

/* A vote of the furthest view that is taken has the place of a view that is not too old for a proposal. */
static void a_late_proposal_whose_place_is_taken_does_no_harm(void **state)
{
    (void)state;
    enum { VIEW = TALLY_VIEWS + 2, LATE = VIEW + CONSENSUS_VIEWS_AHEAD_MAX - TALLY_VIEWS };
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, VIEW - 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    struct rig_block far = rig_block(&rig, &rig.root, &genesis, VIEW + CONSENSUS_VIEWS_AHEAD_MAX, 1);
    uint32_t voter = rig_leader(&rig, LATE) == rig_leader(&rig, 1) ? rig_leader(&rig, 2) : rig_leader(&rig, 1);
    rig_vote(&rig, voter, voter, &far);
    struct tc late_tc = rig_tc(&rig, LATE - 1, rig_others(&rig), &genesis);
    struct rig_block late = rig_block(&rig, &rig.root, &genesis, LATE, 1);
    assert_true(rig_leader(&rig, LATE) != rig.self);
    rig_propose(&rig, &late, &genesis, &late_tc);
    rig_checked(&rig, &late, true);
    assert_int_equal(rig_status(&rig).view, VIEW);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

/* Old proposals, told again and again: neither a signature check nor a place to wait. */
static void a_proposal_that_is_long_over_is_not_looked_at(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct tc tc = rig_tc(&rig, TALLY_VIEWS, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 4), &tc);
    uint64_t verified = rig_status(&rig).counters.signatures_verified;
    rig_propose(&rig, &first, &genesis, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_stale, 1);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, verified);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    /* One that lost: its parent is below the root. */
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = qc};
    struct rig_block lost = rig_block(&rig, &rig.root, &genesis, 2, 1);
    struct tc lost_tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_restart(&rig, &first, &voting);
    rig_propose(&rig, &lost, &genesis, &lost_tc);
    assert_int_equal(rig_status(&rig).counters.dropped_stale, 1);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_known_timeout_does_not_vouch_for_a_lower_certificate),
        STORY(a_known_timeout_does_not_vouch_for_another_signature),
        STORY(a_signature_of_zeros_is_none),
        STORY(a_certificate_of_a_far_view_does_not_erase_votes),
        STORY(a_certificate_and_a_proposal_that_is_not_later_are_refused),
        STORY(an_older_timeout_that_comes_later_changes_nothing),
        STORY(a_newer_timeout_takes_the_older_ones_place),
        STORY(a_certificate_with_another_signature_of_a_known_vote_is_refused),
        STORY(timeouts_of_a_later_view_are_not_joined),
        STORY(the_genesis_certificate_is_good_after_commits),
        STORY(what_is_known_or_useless_costs_no_signature_check),
        STORY(a_timeout_certificate_of_a_far_view_is_judged),
        STORY(a_vote_older_than_the_tally_is_dropped),
        STORY(the_genesis_certificate_justifies_no_later_block),
        STORY(the_genesis_certificate_certifies_no_later_block),
        STORY(an_older_timeout_certificate_replaces_no_newer_one),
        STORY(a_late_proposal_whose_place_is_taken_does_no_harm),
        STORY(a_proposal_that_is_long_over_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
