/* test_silence.c - a validator whose voting state is not the last one of its key is silent. */
#include "tests/unit/consensusd/core_rig.h"

static struct rig rig;

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

/* Certify a block that this validator did not vote for, and offer the next one. Returns how many votes it gave. */
static size_t votes_after_certificate_of(uint32_t signers)
{
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, signers);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_checked(&rig, &first, true);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 1);
    rig_accept(&rig, &second, &qc, NULL);
    return rig_count(&rig, CONSENSUS_SEND_VOTE);
}

static void a_key_that_signed_elsewhere_signs_no_more_here(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    uint32_t with_self = rig_others(&rig) | 1u << rig.self;
    assert_int_equal(votes_after_certificate_of(with_self), 0);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 1);
    rig_pool(&rig, 1, 5000); /* nor does it time out */
    rig_tick(&rig, 60000);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_PERSIST), 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 0);
    assert_int_equal(rig_status(&rig).high_qc_view, 1); /* it follows */
}

static void certificates_of_others_change_nothing(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    assert_int_equal(votes_after_certificate_of(rig_others(&rig)), 1);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 0);
}

static void a_timeout_certificate_shows_it_too(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 3, RIG_ALL, &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 3);
}

static void what_this_validator_signed_itself_is_no_surprise(void **state)
{
    (void)state;
    struct consensus_voting voting = {.last_voted_view = 3};
    rig_start(&rig, 5, NULL);
    voting.high_qc = rig_genesis_qc(&rig);
    rig_stop(&rig);
    rig_start(&rig, 5, &voting);
    struct tc tc = rig_tc(&rig, 3, RIG_ALL, &voting.high_qc);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 0);
}

/* After a loss: below the floor nothing is signed; a certificate of the floor's view ends the silence. */
static void a_lost_state_is_silent_until_the_floor(void **state)
{
    (void)state;
    rig_start_above(&rig, 5, NULL, 2);
    assert_int_equal(votes_after_certificate_of(rig_others(&rig)), 0);
    assert_int_equal(rig_status(&rig).floor_view, 2);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 1);
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    struct rig_block third = rig_block(&rig, &second, &second_qc, 3, 1);
    rig_accept(&rig, &third, &second_qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    assert_int_equal(rig_status(&rig).floor_view, 0);
}

static void who_is_silent_has_no_block_built(void **state)
{
    (void)state;
    rig_start(&rig, 2, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &first, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &first, RIG_ALL); /* with our signature, that nobody gave here */
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_checked(&rig, &first, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_pool(&rig, 3, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    rig_tick(&rig, 100);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    assert_int_equal(rig_status(&rig).view, 2); /* where it leads */
}

/* Certificates from before the loss have this key's signatures: what is not above the floor was to be expected. */
static void own_signatures_below_the_floor_are_no_surprise(void **state)
{
    (void)state;
    rig_start_above(&rig, 5, NULL, 2);
    votes_after_certificate_of(RIG_ALL);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 0);
    assert_int_equal(rig_status(&rig).last_voted_view, 2);
}

/* Views above the floor are fresh, but the lock is forgotten: only a certificate of the floor's view makes up for it.
 */
static void a_view_above_the_floor_is_not_enough(void **state)
{
    (void)state;
    rig_start_above(&rig, 5, NULL, 2);
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 3, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, 4);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 4, 1);
    rig_accept(&rig, &block, &genesis, &tc);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    rig_tick(&rig, 60000);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
}

/* The certificate of the view just below the floor leads into the floor's view: there the lost state may have spoken.
 */
static void the_view_of_the_floor_is_not_timed_out_of(void **state)
{
    (void)state;
    rig_start_above(&rig, 5, NULL, 2);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_accept(&rig, &first, &genesis, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    assert_int_equal(rig_status(&rig).view, 2);
    for (uint64_t i = 1; i <= 2; i++) {
        rig_timeout(&rig, rig_leader(&rig, i), 2, &qc);
        rig_tick(&rig, 60000);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    assert_int_equal(rig_status(&rig).counters.timeouts_sent, 0);
}

/* The certificate is enough: its block need not be here, nor ever come. */
static void the_block_that_was_signed_elsewhere_may_be_missing(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, RIG_ALL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    assert_int_equal(rig_status(&rig).used_elsewhere_view, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_teardown(name, stop)
        STORY(a_key_that_signed_elsewhere_signs_no_more_here),
        STORY(certificates_of_others_change_nothing),
        STORY(a_timeout_certificate_shows_it_too),
        STORY(what_this_validator_signed_itself_is_no_surprise),
        STORY(a_lost_state_is_silent_until_the_floor),
        STORY(a_view_above_the_floor_is_not_enough),
        STORY(who_is_silent_has_no_block_built),
        STORY(own_signatures_below_the_floor_are_no_surprise),
        STORY(the_view_of_the_floor_is_not_timed_out_of),
        STORY(the_block_that_was_signed_elsewhere_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
