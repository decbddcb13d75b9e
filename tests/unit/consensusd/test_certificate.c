/* test_certificate.c - certificates: what makes one good, and what a good one moves. */
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

/* Anybody may show a certificate in a heartbeat. */
static void show(const struct qc *qc)
{
    rig_heartbeat(&rig, rig_leader(&rig, 1), qc, NULL);
}

static struct rig_block first_block(void)
{
    struct qc genesis = rig_genesis_qc(&rig);
    return rig_block(&rig, &rig.root, &genesis, 1, 1);
}

static void assert_bad_qc(const struct qc *qc)
{
    uint64_t before = rig_status(&rig).counters.dropped_bad;
    show(qc);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, before + 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    assert_int_equal(rig_status(&rig).view, 1);
}

static void assert_bad_tc(const struct tc *tc)
{
    uint64_t before = rig_status(&rig).counters.dropped_bad;
    rig_new_view(&rig, rig_leader(&rig, 1), tc);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, before + 1);
    assert_int_equal(rig_status(&rig).view, 1);
}

static void a_quorum_is_four_of_five(void **state)
{
    (void)state;
    struct rig_block block = first_block();
    struct qc qc = rig_qc(&rig, &block, 0x7);
    assert_bad_qc(&qc);
    qc = rig_qc(&rig, &block, 0xf);
    show(&qc);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void signers_are_distinct_sorted_and_known(void **state)
{
    (void)state;
    struct rig_block block = first_block();
    struct qc qc = rig_qc(&rig, &block, 0xf);
    qc.signatures[1] = qc.signatures[0];
    assert_bad_qc(&qc);
    qc = rig_qc(&rig, &block, 0xf);
    struct cert_signature swapped = qc.signatures[0];
    qc.signatures[0] = qc.signatures[1];
    qc.signatures[1] = swapped;
    assert_bad_qc(&qc);
    qc = rig_qc(&rig, &block, 0xf);
    qc.signatures[3].validator = RIG_VALIDATORS;
    assert_bad_qc(&qc);
}

static void each_signature_is_over_the_certificates_own_fields(void **state)
{
    (void)state;
    struct rig_block block = first_block();
    for (uint32_t i = 0; i < RIG_QUORUM; i++) {
        struct qc qc = rig_qc(&rig, &block, 0xf);
        qc.signatures[i].signature.bytes[40] ^= 1;
        assert_bad_qc(&qc);
    }
    struct qc qc = rig_qc(&rig, &block, 0xf);
    qc.view = 2;
    assert_bad_qc(&qc);
    qc = rig_qc(&rig, &block, 0xf);
    qc.height = 2;
    assert_bad_qc(&qc);
    qc = rig_qc(&rig, &block, 0xf);
    qc.block_id.bytes[0] ^= 1;
    assert_bad_qc(&qc);
}

static void what_was_verified_is_not_verified_again(void **state)
{
    (void)state;
    struct rig_block block = first_block();
    struct qc genesis = rig_genesis_qc(&rig);
    rig_accept(&rig, &block, &genesis, NULL);
    rig_vote(&rig, rig_leader(&rig, 2), rig_leader(&rig, 2), &block);
    rig_vote(&rig, rig_leader(&rig, 3), rig_leader(&rig, 3), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    uint64_t before = rig_status(&rig).counters.signatures_verified;
    struct qc qc = rig_qc(&rig, &block, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &block, &qc, 2, 0);
    rig_propose(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
    /* The proposer's vote, and the one vote of the certificate that was not heard before. */
    assert_int_equal(rig_status(&rig).counters.signatures_verified, before + 2);
}

static void the_lock_never_goes_back(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc first_qc = rig_qc(&rig, &first, 0xf);
    struct rig_block second = rig_block(&rig, &first, &first_qc, 2, 0);
    struct qc second_qc = rig_qc(&rig, &second, 0xf);
    show(&second_qc);
    assert_int_equal(rig_status(&rig).high_qc_view, 2);
    show(&first_qc);
    struct tc tc = rig_tc(&rig, 5, 0xf, &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, 6);
    assert_int_equal(rig_status(&rig).high_qc_view, 2);
}

static void the_lock_is_kept_over_a_restart(void **state)
{
    (void)state;
    struct rig_block first = first_block();
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = rig_qc(&rig, &first, 0xf)};
    rig_stop(&rig);
    rig_start(&rig, 5, &voting);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void a_timeout_certificate_wants_a_quorum_of_distinct_signers(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1, 0x7, &genesis);
    assert_bad_tc(&tc);
    for (uint32_t i = 1; i < RIG_QUORUM; i++) {
        tc = rig_tc(&rig, 1, 0xf, &genesis);
        tc.signatures[i] = tc.signatures[i - 1];
        assert_bad_tc(&tc);
    }
    for (uint32_t i = 0; i < RIG_QUORUM; i++) {
        tc = rig_tc(&rig, 1, 0xf, &genesis);
        tc.signatures[i].signature.bytes[0] ^= 1;
        assert_bad_tc(&tc);
    }
    tc = rig_tc(&rig, 1, 0xf, &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void a_timeout_certificate_has_the_highest_certificate_of_its_signers(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, 0xf);
    struct tc lower = rig_tc(&rig, 2, 0xf, &qc);
    lower.high_qc = genesis; /* all say 1, the attached one is of view 0 */
    assert_bad_tc(&lower);
    struct tc higher = rig_tc(&rig, 2, 0xf, &genesis);
    higher.high_qc = qc; /* all say 0 */
    assert_bad_tc(&higher);
    struct tc forged = rig_tc(&rig, 2, 0xf, &genesis);
    forged.signatures[1].high_qc_view = 1; /* signed as 0 */
    forged.high_qc = qc;
    assert_bad_tc(&forged);
    struct tc above = rig_tc(&rig, 1, 0xf, &qc); /* a certificate of the view itself */
    assert_bad_tc(&above);
}

static void the_certificate_in_a_timeout_certificate_is_good(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, 0xf);
    struct tc tc = rig_tc(&rig, 2, 0xf, &qc);
    tc.high_qc.signatures[2].signature.bytes[7] ^= 1;
    assert_bad_tc(&tc);
    struct tc unsigned_one = rig_tc(&rig, 1, 0xf, &genesis);
    unsigned_one.high_qc.block_id = first.id; /* nobody signs for the genesis block, and for it alone */
    assert_bad_tc(&unsigned_one);
}

static void the_timeout_certificate_of_a_heartbeat_is_verified(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1, 0xf, &genesis);
    tc.signatures[2].signature.bytes[7] ^= 1;
    rig_heartbeat(&rig, rig_leader(&rig, 1), &genesis, &tc);
    assert_int_equal(rig_status(&rig).view, 1);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    tc.signatures[2].signature.bytes[7] ^= 1;
    rig_heartbeat(&rig, rig_leader(&rig, 1), &genesis, &tc);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void a_certificate_of_votes_is_formed_once_there_is_a_quorum(void **state)
{
    (void)state;
    struct rig_block block = first_block();
    for (uint64_t view = 1; view <= 3; view++)
        rig_vote(&rig, rig_leader(&rig, view), rig_leader(&rig, view), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    rig_vote(&rig, rig_leader(&rig, 4), rig_leader(&rig, 4), &block);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
}

static void votes_for_different_blocks_do_not_add_up(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block one = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct rig_block other = rig_block(&rig, &rig.root, &genesis, 1, 2);
    for (uint64_t view = 1; view <= 4; view++)
        rig_vote(&rig, rig_leader(&rig, view), rig_leader(&rig, view), view % 2 ? &one : &other);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
    rig_vote(&rig, rig_leader(&rig, 1), rig_leader(&rig, 1), &other);
    assert_int_equal(rig_status(&rig).counters.equivocations, 1);
}

static void the_timeout_certificate_is_kept_over_a_restart(void **state)
{
    (void)state;
    struct rig_block first = first_block();
    struct qc qc = rig_qc(&rig, &first, 0xf);
    struct consensus_voting voting = {
        .last_voted_view = 1, .high_qc = qc, .has_tc = true, .high_tc = rig_tc(&rig, 4, 0xf, &qc)};
    rig_stop(&rig);
    rig_start(&rig, 5, &voting);
    assert_int_equal(rig_status(&rig).view, 5);
    /* The higher of the two counts. */
    struct rig_block sixth = rig_block(&rig, &first, &qc, 6, 1);
    voting.high_qc = rig_qc(&rig, &sixth, 0xf);
    rig_stop(&rig);
    rig_start(&rig, 5, &voting);
    assert_int_equal(rig_status(&rig).view, 7);
}

/* Whether the block is here, and however often it is shown. */
static void a_forged_certificate_of_a_known_block_is_refused_each_time(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = first_block();
    rig_propose(&rig, &block, &genesis, NULL);
    struct qc qc = rig_qc(&rig, &block, rig_others(&rig));
    qc.signatures[2].signature.bytes[11] ^= 1;
    for (int again = 0; again < 3; again++)
        assert_bad_qc(&qc);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_quorum_is_four_of_five),
        STORY(signers_are_distinct_sorted_and_known),
        STORY(each_signature_is_over_the_certificates_own_fields),
        STORY(what_was_verified_is_not_verified_again),
        STORY(the_lock_never_goes_back),
        STORY(the_lock_is_kept_over_a_restart),
        STORY(a_timeout_certificate_wants_a_quorum_of_distinct_signers),
        STORY(a_timeout_certificate_has_the_highest_certificate_of_its_signers),
        STORY(the_certificate_in_a_timeout_certificate_is_good),
        STORY(the_timeout_certificate_of_a_heartbeat_is_verified),
        STORY(a_certificate_of_votes_is_formed_once_there_is_a_quorum),
        STORY(votes_for_different_blocks_do_not_add_up),
        STORY(the_timeout_certificate_is_kept_over_a_restart),
        STORY(a_forged_certificate_of_a_known_block_is_refused_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
