/* test_verified_once.c - verified signatures are never verified twice: how many verifications each kind of message
 * costs. Five validators, a quorum of four.
 */
#include "tests/unit/consensusd/core_rig.h"

enum { CHAIN = 150 }; /* more views than the tally keeps */

static struct rig rig;
static struct rig_block chain[CHAIN];
static struct qc certificates[CHAIN];
static uint64_t counted;

/* The core does not lead the first four views. */
static int start(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    counted = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

/* Verifications since the last call. */
static uint64_t cost(void)
{
    uint64_t before = counted;
    counted = rig_status(&rig).counters.signatures_verified;
    return counted - before;
}

static void make_chain(uint32_t count)
{
    struct qc justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < count; i++) {
        chain[i] = rig_block(&rig, i ? &chain[i - 1] : &rig.root, &justify, i + 1, 1);
        certificates[i] = rig_qc(&rig, &chain[i], rig_others(&rig));
        justify = certificates[i];
    }
}

static void a_proposal_its_votes_and_its_certificate(void **state)
{
    (void)state;
    make_chain(2);
    struct qc genesis = rig_genesis_qc(&rig);
    rig_accept(&rig, &chain[0], &genesis, NULL);
    assert_int_equal(cost(), 1); /* its proposer's vote */
    uint32_t leader = rig_leader(&rig, 1), voted = 0;
    rig_vote(&rig, leader, leader, &chain[0]);
    assert_int_equal(cost(), 0);
    for (uint32_t i = 0; i < RIG_VALIDATORS && voted < 2; i++) {
        if (i == leader || i == rig.self)
            continue;
        rig_vote(&rig, i, i, &chain[0]);
        rig_vote(&rig, i, i, &chain[0]); /* twice over */
        voted++;
    }
    assert_int_equal(cost(), 2);
    assert_int_equal(rig_status(&rig).high_qc_view, 1); /* with our own */
    /* The next leader's certificate has the votes of the four others: three were seen. */
    rig_accept(&rig, &chain[1], &certificates[0], NULL);
    assert_int_equal(cost(), 1 + 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
}

static void heartbeats_with_a_known_certificate(void **state)
{
    (void)state;
    make_chain(1);
    uint32_t leader = rig_leader(&rig, 1);
    rig_heartbeat(&rig, leader, &certificates[0], NULL);
    assert_int_equal(cost(), 1 + 4);
    for (int i = 0; i < 10; i++)
        rig_heartbeat(&rig, leader, &certificates[0], NULL);
    assert_int_equal(cost(), 10);
}

static void timeouts_and_their_certificate(void **state)
{
    (void)state;
    make_chain(1);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[0], NULL);
    cost();
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &certificates[0]);
    uint32_t sent = 0;
    for (uint32_t i = 0; i < RIG_VALIDATORS && sent < 2; i++) {
        if (i == rig.self)
            continue;
        rig_timeout(&rig, i, 2, &certificates[0]);
        rig_timeout(&rig, i, 2, &certificates[0]);
        sent++;
    }
    assert_int_equal(cost(), 2);
    /* Two more are in the certificate; who sends it again, or builds on it, costs nothing more. */
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(cost(), 2);
    assert_int_equal(rig_status(&rig).view, 3);
    struct rig_block block = rig_block(&rig, &chain[0], &certificates[0], 3, 1);
    rig_propose(&rig, &block, &certificates[0], &tc);
    assert_int_equal(cost(), 2); /* its proposer's vote, and the signature that attaches the certificate */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 0);
}

static void a_vote_that_came_before_its_proposal(void **state)
{
    (void)state;
    make_chain(1);
    struct qc genesis = rig_genesis_qc(&rig);
    uint32_t leader = rig_leader(&rig, 1);
    rig_vote(&rig, leader, leader, &chain[0]);
    assert_int_equal(cost(), 1);
    rig_propose(&rig, &chain[0], &genesis, NULL);
    assert_int_equal(cost(), 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
}

/* The tally has no room for its view before its certificates are taken in. */
static void a_proposal_of_a_view_far_ahead(void **state)
{
    (void)state;
    const uint64_t view = 2 + CONSENSUS_VIEWS_AHEAD_MAX;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, view - 1, rig_others(&rig), &genesis);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, view, 1);
    uint32_t leader = rig_leader(&rig, view);
    assert_int_not_equal(leader, rig.self);
    rig_propose(&rig, &block, &genesis, &tc);
    assert_int_equal(cost(), 2 + 4);
    assert_int_equal(rig_status(&rig).view, view);
    rig_vote(&rig, leader, leader, &block);
    assert_int_equal(cost(), 0);
}

static void answer(uint32_t sender, const struct qc *qcs, size_t count)
{
    static struct consensus_certified blocks[CHAIN];
    for (size_t i = 0; i < count; i++)
        blocks[i] = (struct consensus_certified){.header = chain[i].header, .tx_ids = chain[i].tx_ids, .qc = &qcs[i]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = sender, .u.synced = {.blocks = blocks, .count = count}});
}

static uint32_t fall_behind(void)
{
    make_chain(CHAIN);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[CHAIN - 1], NULL);
    while (rig_count(&rig, CONSENSUS_SYNC) == 0)
        rig_tick(&rig, 10);
    assert_int_equal(cost(), 1 + 4);
    return rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
}

/* The shell has the certificates judged before it keeps the bodies. */
static void blocks_that_come_by_sync(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    for (size_t i = 0; i < CHAIN; i++)
        assert_true(consensus_certificate_valid(rig.core, &certificates[i]));
    assert_int_equal(cost(), 4 * (CHAIN - 1));
    answer(peer, certificates, CHAIN);
    assert_int_equal(cost(), 0);
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN + 1);
}

/* A certificate that was judged bad, or was never judged, is not taken for one that was judged good. */
static void what_was_not_verified_is_not_believed(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    struct qc good = certificates[0];
    assert_true(consensus_certificate_valid(rig.core, &good));
    certificates[0].signatures[3].signature.bytes[40] ^= 1;
    assert_false(consensus_certificate_valid(rig.core, &certificates[0]));
    assert_false(consensus_certificate_valid(rig.core, &certificates[0]));
    answer(peer, certificates, CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    struct qc none = rig_genesis_qc(&rig);
    assert_false(consensus_certificate_valid(rig.core, &none));
}

/* A block that is here with its certificate comes once more, and the certificate is a lie with our own signature in it:
 * it is not verified, so it must not be used, or we would fall silent. */
static void a_lie_about_a_certified_block_is_not_looked_at(void **state)
{
    (void)state;
    enum { HALF = CHAIN / 2 };
    uint32_t peer = fall_behind();
    static struct qc lies[HALF];
    answer(peer, certificates, HALF);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1); /* for the other half */
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, peer);
    cost();
    for (size_t i = 0; i < HALF; i++) {
        lies[i] = certificates[i];
        lies[i].signatures[0].validator = rig.self;
        lies[i].signatures[0].signature.bytes[0] ^= 1;
    }
    answer(peer, lies, HALF);
    assert_int_equal(cost(), 0);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 0);
    static struct consensus_certified held[HALF];
    assert_int_equal(consensus_certified(rig.core, 1, held, HALF), HALF);
    for (size_t i = 0; i < HALF; i++)
        assert_memory_equal(&held[i].qc->signatures[0].signature, &certificates[i].signatures[0].signature, SIGN_BYTES);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_proposal_its_votes_and_its_certificate), STORY(a_vote_that_came_before_its_proposal),
        STORY(a_proposal_of_a_view_far_ahead),           STORY(heartbeats_with_a_known_certificate),
        STORY(timeouts_and_their_certificate),           STORY(blocks_that_come_by_sync),
        STORY(what_was_not_verified_is_not_believed),    STORY(a_lie_about_a_certified_block_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
