/* test_consensus.c - the core's door: who is heard, what a restart brings back, what is served to others. */
#include "tests/unit/consensusd/core_rig.h"

#include <errno.h>
#include <string.h>

static struct rig rig;

/* The core leads view 5. */
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

static void a_validator_outside_the_genesis_file_cannot_start(void **state)
{
    (void)state;
    struct consensus *core = NULL;
    struct consensus_config config = {.genesis = &rig.genesis, .self = RIG_VALIDATORS, .root = rig.root.header};
    assert_int_equal(consensus_new(&core, &config), -EINVAL);
    rig.genesis.validator_count = GENESIS_VALIDATORS_MAX + 1;
    assert_int_equal(consensus_new(&core, &config), -EINVAL);
    assert_null(core);
}

static void only_other_validators_are_heard(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_vote(&rig, RIG_VALIDATORS, rig_leader(&rig, 1), &block);
    rig_vote(&rig, rig.self, rig.self, &block);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    struct rig_block own = rig_block(&rig, &rig.root, &genesis, 5, 1);
    struct tc tc = rig_tc(&rig, 4, rig_others(&rig), &genesis);
    rig_propose(&rig, &own, &genesis, &tc); /* in our own name, from outside */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 3);
    assert_int_equal(rig_status(&rig).view, 1);
    assert_int_equal(rig_status(&rig).counters.signatures_verified, 0);
}

static void a_block_of_another_chain_is_refused(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    block.header.chain_id.bytes[0] ^= 1;
    rig_reseal(&block);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
}

static void an_executor_that_forgot_is_asked_again_parents_first(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &second, &qc, NULL);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_EXECUTOR_RESET});
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &first.id, HASH_BYTES);
    rig_checked(&rig, &first, true);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_CHECK, 0)->u.check.block_id, &second.id, HASH_BYTES);
    rig_checked(&rig, &second, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    assert_int_equal(rig_status(&rig).counters.votes_sent, 2);
}

/* What the core wrote down before its vote for first, as the store gives it back. */
static struct consensus_voting vote_for(const struct rig_block *first)
{
    struct qc genesis = rig_genesis_qc(&rig);
    rig_accept(&rig, first, &genesis, NULL);
    return *rig_effect(&rig, CONSENSUS_PERSIST, 0)->u.persist.voting;
}

static void after_a_restart_the_stored_vote_is_sent_again_and_no_other(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct rig_block twin = rig_block(&rig, &rig.root, &genesis, 1, 2);
    struct consensus_voting voting = vote_for(&first);
    struct rig_block root = rig.root;
    rig_restart(&rig, &root, &voting);
    restore(&first, &genesis);
    rig_accept(&rig, &twin, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    rig_propose(&rig, &first, &genesis, NULL);
    assert_memory_equal(&rig_effect(&rig, CONSENSUS_SEND_VOTE, 0)->u.vote.signature, &voting.vote_signature,
                        SIGN_BYTES);
    assert_int_equal(rig_count(&rig, CONSENSUS_PERSIST), 0);
}

/* A crash between two writes left the vote and not its block: who votes for a block can serve it. */
static void a_stored_vote_without_its_block_stays_here(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct consensus_voting voting = vote_for(&first);
    struct rig_block root = rig.root;
    rig_restart(&rig, &root, &voting);
    rig_propose(&rig, &first, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    rig_checked(&rig, &first, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

static void a_stored_block_with_a_bad_certificate_is_left_out(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    restore(&first, &genesis);
    assert_int_equal(rig_status(&rig).blocks_held, 2);
    qc.signatures[0].signature.bytes[1] ^= 1;
    restore(&second, &qc);
    assert_int_equal(rig_status(&rig).blocks_held, 2);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
}

/* Its lock is the certificate of its last committed block, and it leads: the block it builds is stored with that
 * certificate, though nobody showed it again. */
static void a_restarted_leader_builds_on_its_last_committed_block(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block fourth = rig_block(&rig, &rig.root, &genesis, 4, 1);
    struct consensus_voting voting = {.last_voted_view = 4, .high_qc = rig_qc(&rig, &fourth, rig_others(&rig))};
    rig_restart(&rig, &fourth, &voting);
    rig_pool(&rig, 1, 0);
    assert_int_equal(rig_effect(&rig, CONSENSUS_BUILD, 0)->u.build.justify_view, 4);
    struct rig_block fifth = rig_block(&rig, &fourth, &voting.high_qc, 5, 1);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_BUILT,
                                             .u.built = {.view = 5, .header = fifth.header, .tx_ids = fifth.tx_ids}});
    const struct consensus_effect *persist = rig_effect(&rig, CONSENSUS_PERSIST, 0);
    assert_int_equal(persist->u.persist.justify->view, 4);
    assert_int_equal(persist->u.persist.justify->signature_count, voting.high_qc.signature_count);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_PROPOSAL), 1);
}

static void who_never_voted_begins_with_its_last_blocks_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block fourth = rig_block(&rig, &rig.root, &genesis, 4, 1);
    struct qc qc = rig_qc(&rig, &fourth, rig_others(&rig));
    rig_restart(&rig, &fourth, NULL);
    assert_int_equal(rig_status(&rig).view, 1);
    restore(&fourth, &qc);
    assert_int_equal(rig_status(&rig).high_qc_view, 4);
    assert_int_equal(rig_status(&rig).view, 5);
}

static void the_certified_chain_is_served_from_a_height_up(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc first_qc = rig_qc(&rig, &first, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 2, rig_others(&rig), &first_qc);
    struct rig_block second = rig_block(&rig, &first, &first_qc, 3, 2);
    rig_accept(&rig, &first, &genesis, NULL);
    rig_accept(&rig, &second, &first_qc, &tc);
    struct consensus_certified served[4];
    assert_int_equal(consensus_certified(rig.core, 1, served, 4), 1); /* second has no certificate yet */
    struct qc second_qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &second_qc, NULL);
    assert_int_equal(consensus_certified(rig.core, 1, served, 4), 2);
    assert_int_equal(served[0].qc->view, 1);
    assert_int_equal(served[1].qc->view, 3);
    assert_memory_equal(served[1].tx_ids, second.tx_ids, 2 * sizeof second.tx_ids[0]);
    assert_int_equal(consensus_certified(rig.core, 1, served, 1), 1);
    assert_int_equal(served[0].header.height, 1);
    assert_int_equal(consensus_certified(rig.core, 2, served, 4), 1);
    assert_int_equal(served[0].header.height, 2);
    assert_int_equal(consensus_certified(rig.core, 3, served, 4), 0);
}

static void the_next_tick_is_due_with_the_first_of_the_clocks(void **state)
{
    (void)state;
    rig_tick(&rig, 0);
    assert_int_equal(consensus_deadline_ms(rig.core), rig.now_ms + CONSENSUS_HEARTBEAT_MS);
    rig_tick(&rig, 100);
    rig_pool(&rig, 1, 900);
    assert_int_equal(consensus_deadline_ms(rig.core), rig.now_ms + 100);
}

/* What was asked is forgotten there; what was refused stays refused. */
static void an_executor_that_forgot_builds_again_and_refuses_for_good(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 1, NULL);
    rig_pool(&rig, 2, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_EXECUTOR_RESET});
    assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 1);
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &first, &genesis, NULL);
    rig_checked(&rig, &first, false);
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_EXECUTOR_RESET});
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
}

/* The leaders of the first views follow from the genesis file: nothing has to be stored for that. */
static void the_genesis_blocks_leaders_are_known_without_a_store(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct consensus_config config = {.genesis = &rig.genesis,
                                      .self = rig.self,
                                      .key = rig.keys[rig.self],
                                      .root = rig.root.header,
                                      .root_id = rig.root.id,
                                      .now_ms = rig.now_ms};
    consensus_destroy(&rig.core);
    assert_int_equal(consensus_new(&rig.core, &config), 0);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &block, &genesis, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 1);
}

/* What is committed is served from the store; what has no certificate here is not served, nor what stands on it. */
static void only_certified_blocks_above_the_root_are_served(void **state)
{
    (void)state;
    struct rig_block chain[4];
    struct qc certificates[4], justify = rig_genesis_qc(&rig);
    struct consensus_certified served[4];
    for (uint32_t i = 0; i < 4; i++) {
        chain[i] = rig_block(&rig, i ? &chain[i - 1] : &rig.root, &justify, i + 1, 0);
        justify = certificates[i] = rig_qc(&rig, &chain[i], rig_others(&rig));
    }
    restore(&chain[0], NULL);
    restore(&chain[1], NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[1], NULL);
    assert_int_equal(consensus_certified(rig.core, 1, served, 4), 0); /* the first has none */
    assert_int_equal(consensus_certified(rig.core, 2, served, 4), 1);
    rig_timeout(&rig, rig_leader(&rig, 1), 3, &certificates[0]);
    assert_int_equal(consensus_certified(rig.core, 1, served, 4), 2);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[3], NULL); /* of a block that is not here */
    assert_int_equal(consensus_certified(rig.core, 1, served, 4), 2);
    rig_checked(&rig, &chain[0], true);
    assert_int_equal(rig_status(&rig).committed_height, 1);
    for (uint64_t height = 0; height <= 1; height++)
        assert_int_equal(consensus_certified(rig.core, height, served, 4), 0);
    assert_int_equal(consensus_certified(rig.core, 2, served, 4), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_validator_outside_the_genesis_file_cannot_start),
        STORY(only_other_validators_are_heard),
        STORY(a_block_of_another_chain_is_refused),
        STORY(an_executor_that_forgot_is_asked_again_parents_first),
        STORY(after_a_restart_the_stored_vote_is_sent_again_and_no_other),
        STORY(a_stored_vote_without_its_block_stays_here),
        STORY(a_stored_block_with_a_bad_certificate_is_left_out),
        STORY(a_restarted_leader_builds_on_its_last_committed_block),
        STORY(who_never_voted_begins_with_its_last_blocks_certificate),
        STORY(the_certified_chain_is_served_from_a_height_up),
        STORY(the_next_tick_is_due_with_the_first_of_the_clocks),
        STORY(an_executor_that_forgot_builds_again_and_refuses_for_good),
        STORY(the_genesis_blocks_leaders_are_known_without_a_store),
        STORY(only_certified_blocks_above_the_root_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
