/* test_evidence.c - validators that sign two different things for one view. */
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

/* Two blocks for one view that differ in their number of transactions. */
static struct rig_block block_of(uint64_t view, uint32_t tx_count)
{
    struct qc genesis = rig_genesis_qc(&rig);
    return rig_block(&rig, &rig.root, &genesis, view, tx_count);
}

static void assert_nothing_told(void)
{
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_EVIDENCE), 0);
}

/* The one proof that the last step told: it holds, and names this validator. */
static struct equivocation assert_told(uint32_t offender, enum equivocation_kind kind)
{
    static const struct equivocation none;
    const struct consensus_effect *effect = rig_effect(&rig, CONSENSUS_SEND_EVIDENCE, 0);
    struct equivocation evidence = effect ? *effect->u.evidence : none;
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_EVIDENCE), 1);
    assert_true(hash_equal(&evidence.offender, &rig.genesis.validators[offender].id));
    assert_int_equal(evidence.kind, kind);
    assert_int_equal(equivocation_verify(&evidence, &rig.genesis), 0);
    return evidence;
}

static void two_votes_in_a_view_are_proof(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    rig_vote(&rig, liar, liar, &a);
    rig_vote(&rig, liar, liar, &a);
    assert_nothing_told();
    rig_vote(&rig, liar, liar, &b);
    assert_int_equal(assert_told(liar, EQUIVOCATION_VOTE).view, 1);
    assert_int_equal(rig_status(&rig).counters.equivocations, 1);
    assert_int_equal(rig_status(&rig).counters.offenders, 1);
}

static void two_proposals_in_a_view_are_proof(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 1);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    struct qc genesis = rig_genesis_qc(&rig);
    rig_propose(&rig, &a, &genesis, NULL);
    assert_nothing_told();
    rig_propose(&rig, &b, &genesis, NULL);
    assert_told(liar, EQUIVOCATION_VOTE); /* those in the proposals */
    for (uint32_t again = 3; again <= 5; again++) {
        struct rig_block another = block_of(1, again);
        rig_propose(&rig, &another, &genesis, NULL);
        assert_nothing_told(); /* one proof is enough */
    }
    assert_int_equal(rig_status(&rig).counters.offenders, 1);
}

/* The certificate that leads into its view comes with it, however far that is. */
static void two_proposals_of_a_view_that_they_bring_are_proof(void **state)
{
    (void)state;
    const uint64_t views[] = {3, 3 + CONSENSUS_VIEWS_AHEAD_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(views); i++) {
        rig_stop(&rig);
        rig_start(&rig, 5, NULL);
        struct qc genesis = rig_genesis_qc(&rig);
        struct tc tc = rig_tc(&rig, views[i] - 1, rig_others(&rig), &genesis);
        struct rig_block a = block_of(views[i], 1), b = block_of(views[i], 2);
        rig_propose(&rig, &a, &genesis, &tc);
        assert_nothing_told();
        rig_propose(&rig, &b, &genesis, &tc);
        assert_told(rig_leader(&rig, views[i]), EQUIVOCATION_VOTE);
        assert_int_equal(rig_status(&rig).counters.equivocations, 1); /* one lie is counted once */
    }
}

static void a_validator_is_accused_once(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2);
    for (uint64_t view = 1; view <= 4; view++) {
        struct rig_block a = block_of(view, 1), b = block_of(view, 2);
        rig_vote(&rig, liar, liar, &a);
        rig_vote(&rig, liar, liar, &b);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_EVIDENCE), view == 1);
    }
    assert_int_equal(rig_status(&rig).counters.equivocations, 4);
    assert_int_equal(rig_status(&rig).counters.offenders, 1);
}

static void votes_of_two_views_and_forged_ones_are_no_proof(void **state)
{
    (void)state;
    uint32_t honest = rig_leader(&rig, 2), liar = rig_leader(&rig, 3);
    struct rig_block a = block_of(1, 1), b = block_of(2, 2), c = block_of(1, 2);
    rig_vote(&rig, honest, honest, &a);
    rig_vote(&rig, honest, honest, &b);
    rig_vote(&rig, honest, liar, &c); /* signed by somebody else */
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.equivocations, 0);
}

/* Its first vote made the certificate; the second comes when the view is over. Late votes that say the same, and those
 * of who is accused already, cost no verification. */
static void a_second_vote_after_the_certificate_is_proof(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2), honest = rig_leader(&rig, 3);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    struct qc qc = rig_qc(&rig, &a, rig_others(&rig));
    rig_heartbeat(&rig, liar, &qc, NULL);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    uint64_t verified = rig_status(&rig).counters.signatures_verified;
    rig_vote(&rig, liar, liar, &a);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, verified);
    rig_vote(&rig, honest, liar, &b); /* signed by somebody else */
    assert_nothing_told();
    rig_vote(&rig, liar, liar, &b);
    assert_int_equal(assert_told(liar, EQUIVOCATION_VOTE).view, 1);
    verified = rig_status(&rig).counters.signatures_verified;
    rig_vote(&rig, liar, liar, &b);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, verified);
}

/* It lies about the block's height, which the certificate's rules see to; the block is the same. */
static void two_votes_for_one_block_are_no_proof(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2);
    struct rig_block a = block_of(1, 1), higher = a;
    higher.header.height++;
    rig_vote(&rig, liar, liar, &a);
    rig_vote(&rig, liar, liar, &higher);
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.equivocations, 0);
}

static void tell(uint32_t sender, const struct equivocation *evidence)
{
    struct consensus_event event = {.type = CONSENSUS_EVIDENCE, .sender = sender};
    event.u.evidence = evidence;
    rig_step(&rig, &event);
}

static void proof_of_others_is_judged_and_told_on_once(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2), teller = rig_leader(&rig, 3);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    rig_vote(&rig, liar, liar, &a);
    rig_vote(&rig, liar, liar, &b);
    struct equivocation proof = assert_told(liar, EQUIVOCATION_VOTE);
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    struct equivocation forged = proof;
    forged.statements[1].signature.bytes[3] ^= 1;
    tell(teller, &forged);
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    forged = proof;
    forged.offender = rig.genesis.validators[teller].id;
    tell(teller, &forged);
    assert_nothing_told();
    tell(teller, &proof);
    assert_told(liar, EQUIVOCATION_VOTE);
    uint64_t verified = rig_status(&rig).counters.signatures_verified;
    tell(teller, &proof);
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.signatures_verified, verified);
}

/* From the store, or because a committed block has it. */
static void who_is_known_to_have_equivocated_is_not_accused_again(void **state)
{
    (void)state;
    uint32_t liar = rig_leader(&rig, 2), other = rig_leader(&rig, 3);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_ACCUSED, .u.accused = UINT64_C(1) << liar});
    assert_int_equal(rig_status(&rig).counters.offenders, 1);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    rig_vote(&rig, liar, liar, &a);
    rig_vote(&rig, liar, liar, &b);
    assert_nothing_told();
    rig_vote(&rig, other, other, &a);
    rig_vote(&rig, other, other, &b);
    assert_told(other, EQUIVOCATION_VOTE);
    assert_int_equal(rig_status(&rig).counters.offenders, 2);
}

/* The sender is its leader, the vote in it another's. */
static void a_second_proposal_that_its_leader_did_not_sign_is_no_proof(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    rig_propose(&rig, &a, &genesis, NULL);
    rig_propose_by(&rig, rig_leader(&rig, 1), rig_leader(&rig, 2), &b, &genesis, NULL);
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.equivocations, 0);
}

/* The network doubles messages. */
static void one_proposal_that_comes_twice_is_no_proof(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = block_of(1, 1);
    rig_propose(&rig, &block, &genesis, NULL);
    rig_propose(&rig, &block, &genesis, NULL); /* not voted for yet */
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.equivocations, 0);
}

static void whoever_the_offender_is_its_proof_is_taken_once(void **state)
{
    (void)state;
    for (uint32_t liar = 0; liar < RIG_VALIDATORS; liar++) {
        uint64_t witness = liar == rig_leader(&rig, 5) ? 4 : 5; /* another core has seen it */
        rig_stop(&rig);
        rig_start(&rig, witness, NULL);
        struct rig_block a = block_of(1, 1), b = block_of(1, 2);
        rig_vote(&rig, liar, liar, &a);
        rig_vote(&rig, liar, liar, &b);
        struct equivocation proof = assert_told(liar, EQUIVOCATION_VOTE);
        rig_stop(&rig);
        rig_start(&rig, 5, NULL);
        uint32_t teller = rig_leader(&rig, 3);
        tell(teller, &proof);
        assert_told(liar, EQUIVOCATION_VOTE);
        tell(teller, &proof);
        assert_nothing_told();
        assert_int_equal(rig_status(&rig).counters.offenders, 1);
    }
}

static void what_is_known_of_one_is_not_forgotten_for_another(void **state)
{
    (void)state;
    uint32_t first = rig_leader(&rig, 2), second = rig_leader(&rig, 3);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_ACCUSED, .u.accused = UINT64_C(1) << first});
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_ACCUSED, .u.accused = UINT64_C(1) << second});
    assert_int_equal(rig_status(&rig).counters.offenders, 2);
    struct rig_block a = block_of(1, 1), b = block_of(1, 2);
    rig_vote(&rig, first, first, &a);
    rig_vote(&rig, first, first, &b);
    assert_nothing_told();
    assert_int_equal(rig_status(&rig).counters.offenders, 2);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(two_votes_in_a_view_are_proof),
        STORY(two_proposals_in_a_view_are_proof),
        STORY(two_proposals_of_a_view_that_they_bring_are_proof),
        STORY(a_validator_is_accused_once),
        STORY(a_second_vote_after_the_certificate_is_proof),
        STORY(votes_of_two_views_and_forged_ones_are_no_proof),
        STORY(two_votes_for_one_block_are_no_proof),
        STORY(proof_of_others_is_judged_and_told_on_once),
        STORY(who_is_known_to_have_equivocated_is_not_accused_again),
        STORY(a_second_proposal_that_its_leader_did_not_sign_is_no_proof),
        STORY(one_proposal_that_comes_twice_is_no_proof),
        STORY(whoever_the_offender_is_its_proof_is_taken_once),
        STORY(what_is_known_of_one_is_not_forgotten_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
