/* test_pacemaker.c - when a view ends without a certificate. */
#include "tests/unit/consensusd/core_rig.h"

enum { INITIAL_MS = 1000 };

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

/* An uncommitted block with transactions: from now on there is work. */
static struct rig_block make_work(void)
{
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_accept(&rig, &block, &genesis, NULL);
    return block;
}

static void idle_is_quiet(void **state)
{
    (void)state;
    for (int i = 0; i < 600; i++) {
        rig_tick(&rig, 100);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
        assert_int_equal(rig_count(&rig, CONSENSUS_BUILD), 0);
    }
    assert_int_equal(rig_status(&rig).view, 1);
}

static void with_work_the_view_times_out_and_again_each_time_later(void **state)
{
    (void)state;
    make_work();
    uint64_t wait_ms = INITIAL_MS;
    for (int i = 0; i < 4; i++) {
        rig_tick(&rig, wait_ms - 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
        rig_tick(&rig, 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
        wait_ms = wait_ms * 3 / 2;
    }
}

static void the_back_off_ends_at_a_minute(void **state)
{
    (void)state;
    make_work();
    for (int i = 0; i < 30; i++)
        rig_tick(&rig, 60000);
    rig_tick(&rig, 59999);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

static void a_timeout_is_written_down_first_and_carries_the_lock(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_tick(&rig, 0);
    rig_tick(&rig, INITIAL_MS);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_TIMEOUT);
    const struct consensus_voting *voting = rig_effect(&rig, CONSENSUS_PERSIST, 0)->u.persist.voting;
    assert_int_equal(voting->last_voted_view, 2);
    assert_int_equal(voting->timeout_high_qc_view, 1);
    assert_true(voting->has_timeout);
    assert_int_equal(voting->timeout_view, 2);
    assert_null(rig_effect(&rig, CONSENSUS_PERSIST, 0)->u.persist.block_id);
    const struct consensus_timeout *timeout = &rig_effect(&rig, CONSENSUS_SEND_TIMEOUT, 0)->u.timeout;
    assert_int_equal(timeout->view, 2);
    assert_int_equal(timeout->high_qc->view, 1);
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &rig.genesis.chain_id, 2, 1);
    assert_int_equal(sign_verify(&timeout->signature, &rig.keys[rig.self].public, span_of(message, sizeof message)), 0);
}

static void after_its_timeout_a_validator_does_not_vote_in_the_view(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_tick(&rig, 0);
    rig_tick(&rig, INITIAL_MS);
    struct rig_block second = rig_block(&rig, &first, &qc, 2, 0);
    rig_accept(&rig, &second, &qc, NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
}

static void no_timeout_below_the_last_voted_view(void **state)
{
    (void)state;
    rig_stop(&rig);
    /* The store remembers a vote in view 2 or 3; its certificates reach view 1 only. */
    for (uint64_t voted = 2; voted <= 3; voted++) {
        struct consensus_voting voting = {.last_voted_view = voted, .high_qc = rig_genesis_qc(&rig)};
        rig_start(&rig, 5, &voting);
        make_work();
        rig_tick(&rig, INITIAL_MS);
        rig_tick(&rig, 10 * INITIAL_MS);
        assert_int_equal(rig_status(&rig).counters.timeouts_sent, 0);
        assert_int_equal(rig_status(&rig).last_voted_view, voted);
        rig_stop(&rig);
    }
}

static void two_of_five_timeouts_are_joined_and_one_is_not(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    for (int again = 0; again < 3; again++) {
        rig_timeout(&rig, rig_leader(&rig, 1), 1, &genesis);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    rig_timeout(&rig, rig_leader(&rig, 2), 1, &genesis);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_TIMEOUT);
    assert_int_equal(rig_status(&rig).view, 1);
}

static uint64_t reason_count(enum consensus_timeout_reason reason)
{
    return rig_status(&rig).counters.timeout_reasons[reason];
}

static void a_timeout_says_what_was_missing(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block block = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &block, &genesis, NULL); /* work, not executed yet */
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(reason_count(CONSENSUS_TIMEOUT_NO_PAYLOAD), 1);
    rig_checked(&rig, &block, true);
    rig_tick(&rig, 2 * INITIAL_MS);
    assert_int_equal(reason_count(CONSENSUS_TIMEOUT_NO_CERTIFICATE), 1);
    struct qc qc = rig_qc(&rig, &block, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_tick(&rig, 0);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(reason_count(CONSENSUS_TIMEOUT_NO_PROPOSAL), 1);
    assert_int_equal(rig_status(&rig).counters.timeouts_sent, 3);
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    rig_timeout(&rig, rig_leader(&rig, 1), 1, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 2), 1, &genesis);
    assert_int_equal(reason_count(CONSENSUS_TIMEOUT_JOINED), 1);
}

static void a_quorum_of_timeouts_ends_the_view_and_is_told(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_timeout(&rig, rig_leader(&rig, 1), 1, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 2), 1, &genesis); /* and our own: three */
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 0);
    rig_timeout(&rig, rig_leader(&rig, 3), 1, &genesis);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0); /* said once */
    const struct tc *tc = rig_effect(&rig, CONSENSUS_SEND_NEW_VIEW, 0)->u.new_view;
    assert_int_equal(tc->view, 1);
    assert_int_equal(tc_verify(tc, &rig.genesis), 0);
    assert_int_equal(rig_status(&rig).view, 2);
}

static void the_certificate_of_timeouts_has_the_highest_of_their_certificates(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_timeout(&rig, rig_leader(&rig, 1), 2, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 2), 2, &qc);
    rig_timeout(&rig, rig_leader(&rig, 3), 2, &genesis);
    if (rig_status(&rig).view == 2)
        rig_timeout(&rig, rig_leader(&rig, 4), 2, &genesis);
    const struct tc *tc = rig_effect(&rig, CONSENSUS_SEND_NEW_VIEW, 0)->u.new_view;
    assert_int_equal(tc->high_qc.view, 1);
    assert_int_equal(tc_verify(tc, &rig.genesis), 0);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
}

static void a_timeout_is_its_senders_word(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc forged = rig_qc(&rig, &first, 0x7);
    rig_timeout(&rig, rig_leader(&rig, 1), 2, &forged); /* its certificate is none */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    struct qc qc = rig_qc(&rig, &first, 0xf);
    rig_timeout(&rig, rig_leader(&rig, 1), 1, &qc); /* a certificate of that very view */
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 2);
    rig_timeout(&rig, rig_leader(&rig, 1), 2 + CONSENSUS_VIEWS_AHEAD_MAX, &genesis);
    assert_int_equal(rig_status(&rig).counters.dropped_ahead, 1);
}

static void rechecked(const struct hash *parent_id, uint32_t live_count)
{
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_RECHECKED,
                                             .u.rechecked = {.parent_id = *parent_id, .live_count = live_count}});
}

static void a_waiting_transaction_is_work_only_if_the_executor_would_take_it(void **state)
{
    (void)state;
    rig_pool(&rig, 3, 0);
    rig_tick(&rig, INITIAL_MS - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 1);
    rechecked(&rig.root.id, 0);
    for (int i = 0; i < 50; i++) {
        rig_tick(&rig, INITIAL_MS);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    struct hash older = hash_of(span_text("older"));
    rechecked(&older, 1);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    rechecked(&rig.root.id, 1);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

static void the_timer_follows_the_measured_views(void **state)
{
    (void)state;
    struct qc qc = rig_genesis_qc(&rig);
    struct rig_block parent = rig.root;
    for (uint64_t view = 1; view <= 9; view++) {
        if (rig_leader(&rig, view) == rig.self)
            break;
        assert_int_equal(rig_status(&rig).view_timeout_ms, INITIAL_MS);
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 1);
        rig_accept(&rig, &block, &qc, NULL);
        rig_tick(&rig, 10);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        parent = block;
    }
    /* The core leads view 5; certificates of others' blocks carry it on. */
    for (uint64_t view = 5; view <= 9; view++) {
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 1);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_tick(&rig, 10);
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        parent = block;
    }
    /* Ten measured views of 10 ms: the least that is allowed. */
    assert_int_equal(rig_status(&rig).view_timeout_ms, rig.genesis.parameters.view_timeout_min_ms);
}

static void a_heartbeat_tells_the_highest_certificates(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block first = rig_block(&rig, &rig.root, &genesis, 1, 1);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    struct tc tc = rig_tc(&rig, 4, rig_others(&rig), &qc);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    rig_tick(&rig, CONSENSUS_HEARTBEAT_MS);
    const struct consensus_heartbeat *heartbeat = &rig_effect(&rig, CONSENSUS_SEND_HEARTBEAT, 0)->u.heartbeat;
    assert_int_equal(heartbeat->view, 5);
    assert_int_equal(heartbeat->high_qc->view, 1);
    assert_int_equal(heartbeat->high_tc->view, 4);
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &rig.genesis.chain_id, 5, 1, 0);
    assert_int_equal(sign_verify(&heartbeat->signature, &rig.keys[rig.self].public, span_of(message, sizeof message)),
                     0);
}

/* A TC turns the view and keeps the back-off; a certificate ends it. Each view's clock starts anew. */
static void the_back_off_lasts_until_a_view_ends_with_a_certificate(void **state)
{
    (void)state;
    make_work();
    struct qc genesis = rig_genesis_qc(&rig);
    rig_tick(&rig, INITIAL_MS);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    rig_tick(&rig, INITIAL_MS / 2);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SEND_TIMEOUT, 0)->u.timeout.view, 2);
    struct rig_block second = rig_block(&rig, &rig.root, &genesis, 2, 1);
    struct qc qc = rig_qc(&rig, &second, rig_others(&rig));
    rig_accept(&rig, &second, &genesis, &tc);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    rig_tick(&rig, INITIAL_MS - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SEND_TIMEOUT, 0)->u.timeout.view, 3);
}

/* Eight views of 400 ms: the mean 400, the deviation from 200 down by a quarter with each; T = mean + 4 x deviation. */
static void the_timer_is_the_mean_and_four_deviations(void **state)
{
    (void)state;
    struct qc qc = rig_genesis_qc(&rig);
    struct rig_block parent = rig.root;
    uint64_t deviation_us = 0;
    for (uint64_t view = 1; view <= 8; view++) {
        assert_int_equal(rig_status(&rig).view_timeout_ms, INITIAL_MS);
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 1);
        if (rig_leader(&rig, view) == rig.self)
            rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_TICK}); /* the block before is work enough */
        else
            rig_propose(&rig, &block, &qc, NULL);
        rig_tick(&rig, 400);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        parent = block;
        deviation_us = view == 1 ? 200000 : 3 * deviation_us / 4;
    }
    assert_int_equal(rig_status(&rig).view_timeout_ms, (400000 + 4 * deviation_us + 999) / 1000);
    /* A view that was faster than the mean is away from it, too. */
    struct rig_block last = rig_block(&rig, &parent, &qc, 9, 0);
    rig_tick(&rig, 0);
    rig_tick(&rig, 160);
    qc = rig_qc(&rig, &last, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    deviation_us = (3 * deviation_us + 240000) / 4;
    assert_int_equal(rig_status(&rig).view_timeout_ms, (370000 + 4 * deviation_us + 999) / 1000);
}

static void slow_views_make_the_timer_no_longer_than_the_most(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    rig.genesis.parameters.view_timeout_max_ms = 1500;
    struct qc qc = rig_genesis_qc(&rig);
    struct rig_block parent = rig.root;
    for (uint64_t view = 1; view <= 8; view++) {
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 1);
        if (rig_leader(&rig, view) != rig.self)
            rig_propose(&rig, &block, &qc, NULL);
        rig_tick(&rig, 900);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        parent = block;
    }
    rig_tick(&rig, 0);
    assert_int_equal(rig_status(&rig).view_timeout_ms, 1141);
    for (uint64_t view = 9; view <= 12; view++) {
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 1);
        rig_tick(&rig, 5000);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        parent = block;
    }
    assert_int_equal(rig_status(&rig).view_timeout_ms, 1500);
}

/* The longest waiting transaction has waited T: the executor is asked about the block that a leader would build on. */
static void the_executor_is_asked_about_the_highest_certificates_block_and_again(void **state)
{
    (void)state;
    rig_pool(&rig, 1, INITIAL_MS - 100);
    rig_tick(&rig, 99);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    rig_tick(&rig, 1);
    const struct consensus_effect *asked = rig_effect(&rig, CONSENSUS_RECHECK, 0);
    assert_memory_equal(&asked->u.recheck.parent_id, &rig.root.id, HASH_BYTES);
    assert_int_equal(asked->u.recheck.timestamp_ms, rig.wall_ms);
    rig_tick(&rig, 999);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 1);
}

static void an_emptied_pool_is_no_work(void **state)
{
    (void)state;
    rig_pool(&rig, 1, INITIAL_MS);
    rechecked(&rig.root.id, 1);
    rig_tick(&rig, INITIAL_MS - 1);
    rig_pool(&rig, 0, 0);
    rig_tick(&rig, 10 * INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
}

static void a_timeout_counts_for_its_signer_only(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_timeout(&rig, rig_leader(&rig, 1), 1, &genesis);
    struct tc one = rig_tc(&rig, 1, 1u << rig_leader(&rig, 1), &genesis);
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_TIMEOUT,
                       .sender = rig_leader(&rig, 2),
                       .u.timeout = {.view = 1, .high_qc = &genesis, .signature = one.signatures[0].signature}});
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
}

static void heartbeats_come_twice_a_second_and_a_forged_one_is_dropped(void **state)
{
    (void)state;
    rig_tick(&rig, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_HEARTBEAT), 1);
    rig_tick(&rig, CONSENSUS_HEARTBEAT_MS - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_HEARTBEAT), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_HEARTBEAT), 1);
    assert_null(rig_effect(&rig, CONSENSUS_SEND_HEARTBEAT, 0)->u.heartbeat.high_tc);
    struct rig_block first = make_work();
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_HEARTBEAT,
                                             .sender = rig_leader(&rig, 1),
                                             .u.heartbeat = {.view = 2, .high_qc = &qc}});
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
    assert_int_equal(rig_status(&rig).high_qc_view, 0);
}

/* The question about the pool is for a validator that nothing else keeps awake, and for a state that is there. */
static void the_pool_is_looked_at_only_when_nothing_else_is_work(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    rig_pool(&rig, 5, 60000);
    for (int i = 0; i < 5; i++) {
        rig_tick(&rig, 100);
        assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    }
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL); /* a block that is not here */
    rig_pool(&rig, 5, 60000);
    rig_tick(&rig, 100);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block empty = rig_block(&rig, &rig.root, &genesis, 1, 0);
    rig_stop(&rig);
    rig_start(&rig, 5, NULL);
    struct qc empty_qc = rig_qc(&rig, &empty, rig_others(&rig));
    rig_propose(&rig, &empty, &genesis, NULL); /* here, and not executed */
    rig_heartbeat(&rig, rig_leader(&rig, 1), &empty_qc, NULL);
    rig_pool(&rig, 5, 60000);
    rig_tick(&rig, 100);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    rig_checked(&rig, &empty, true);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 1);
}

/* The view ended by timeouts; its certificate, when it comes, raises the lock and starts no clock anew. */
static void a_certificate_of_a_view_that_is_over_does_not_start_the_view_again(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    struct qc genesis = rig_genesis_qc(&rig);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 2), &tc);
    rig_tick(&rig, INITIAL_MS - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    struct qc qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 2), &qc, NULL);
    assert_int_equal(rig_status(&rig).view, 2);
    assert_int_equal(rig_status(&rig).high_qc_view, 1);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

/* The own lock is higher than what all others name: the certificate of the timeouts has it. */
static void the_own_certificate_may_be_the_highest(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    struct qc genesis = rig_genesis_qc(&rig), qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    for (uint64_t i = 1; i <= 3; i++)
        rig_timeout(&rig, rig_leader(&rig, i), 2, &genesis);
    const struct tc *tc = rig_effect(&rig, CONSENSUS_SEND_NEW_VIEW, 0)->u.new_view;
    assert_int_equal(tc->high_qc.view, 1);
    assert_int_equal(tc_verify(tc, &rig.genesis), 0);
}

/* The others were there first; nobody says anything after this validator's own timer. */
static void the_own_timeout_may_complete_the_certificate(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    make_work();
    for (uint64_t i = 1; i <= 3; i++)
        rig_timeout(&rig, rig_leader(&rig, i), 2, &genesis);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    assert_int_equal(rig_status(&rig).view, 2);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 1);
    assert_int_equal(rig_status(&rig).view, 3);
}

/* A timeout that was joined is one like any other: the timer begins anew, and is longer. */
static void after_a_joined_timeout_the_timer_begins_anew(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    make_work();
    rig_tick(&rig, INITIAL_MS / 2);
    rig_timeout(&rig, rig_leader(&rig, 1), 1, &genesis);
    rig_timeout(&rig, rig_leader(&rig, 2), 1, &genesis);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
    rig_tick(&rig, INITIAL_MS * 3 / 2 - 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    rig_tick(&rig, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

/* What the executor said was about transactions that are gone. */
static void a_pool_that_was_empty_is_looked_at_again(void **state)
{
    (void)state;
    rig_pool(&rig, 1, INITIAL_MS);
    rechecked(&rig.root.id, 1);
    rig_pool(&rig, 0, 0);
    rig_pool(&rig, 1, 0);
    for (int i = 0; i < 5; i++) {
        rig_tick(&rig, INITIAL_MS);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
}

static void the_executor_is_asked_at_a_time_after_the_block(void **state)
{
    (void)state;
    rig.wall_ms = rig.root.header.timestamp_ms - 500 - INITIAL_MS;
    rig_pool(&rig, 1, INITIAL_MS);
    rig_tick(&rig, 0);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_effect(&rig, CONSENSUS_RECHECK, 0)->u.recheck.timestamp_ms, rig.root.header.timestamp_ms + 1);
}

static void timeouts_of_a_view_that_is_over_are_dropped(void **state)
{
    (void)state;
    struct rig_block first = make_work();
    struct qc genesis = rig_genesis_qc(&rig), qc = rig_qc(&rig, &first, rig_others(&rig));
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
    for (uint64_t i = 1; i <= RIG_QUORUM; i++) {
        rig_timeout(&rig, rig_leader(&rig, i), 1, &genesis);
        assert_int_equal(rig_status(&rig).counters.dropped_stale, i);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_NEW_VIEW), 0);
    }
}

/* Transactions come all the time: each one is no reason to begin to wait anew. */
static void a_growing_pool_stops_no_timer(void **state)
{
    (void)state;
    rig_pool(&rig, 1, INITIAL_MS);
    rechecked(&rig.root.id, 1);
    for (uint32_t i = 1; i <= 9; i++) {
        rig_tick(&rig, INITIAL_MS / 10);
        rig_pool(&rig, i, INITIAL_MS);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    rig_tick(&rig, INITIAL_MS / 10);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

/* A leader can propose transactions that nobody gets. Its view times out once; then nobody would propose anything for
 * the block, and what waits in the pool is looked at as before. */
static void a_past_views_block_without_its_transactions_is_no_work(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block withheld = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &withheld, &genesis, NULL);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    for (int i = 0; i < 100; i++) {
        rig_tick(&rig, INITIAL_MS);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 0);
    }
    rig_pool(&rig, 1, INITIAL_MS);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 1);
}

/* A liar shows its block to one validator alone, and gives its transactions to nobody: no other times out. */
static void after_a_timeout_the_pool_is_looked_at_though_the_clock_runs(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block withheld = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &withheld, &genesis, NULL);
    rig_pool(&rig, 1, INITIAL_MS);
    rig_tick(&rig, INITIAL_MS - 1); /* the clock begins to run at this look */
    assert_int_equal(rig_count(&rig, CONSENSUS_RECHECK), 0);
    size_t timeouts = 0, rechecks = 0;
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, INITIAL_MS / 10);
        timeouts += rig_count(&rig, CONSENSUS_SEND_TIMEOUT);
        rechecks += rig_count(&rig, CONSENSUS_RECHECK);
        assert_true(rechecks == 0 || timeouts > 0);
    }
    assert_true(timeouts > 0 && rechecks > 0);
}

/* Its transactions come late: then it is work like any other. */
static void a_past_views_block_that_was_executed_is_work(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    struct rig_block late = rig_block(&rig, &rig.root, &genesis, 1, 1);
    rig_propose(&rig, &late, &genesis, NULL);
    struct tc tc = rig_tc(&rig, 1, rig_others(&rig), &genesis);
    rig_new_view(&rig, rig_leader(&rig, 1), &tc);
    rig_checked(&rig, &late, true);
    rig_tick(&rig, 0);
    rig_tick(&rig, INITIAL_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_TIMEOUT), 1);
}

/* How long a view lasts in which there was nothing to do says nothing about the network. */
static void views_without_work_are_not_measured(void **state)
{
    (void)state;
    struct qc qc = rig_genesis_qc(&rig);
    struct rig_block parent = rig.root;
    for (uint64_t view = 1; view <= 12; view++) {
        struct rig_block block = rig_block(&rig, &parent, &qc, view, 0);
        rig_tick(&rig, 3000);
        qc = rig_qc(&rig, &block, rig_others(&rig));
        rig_heartbeat(&rig, rig_leader(&rig, 1), &qc, NULL);
        assert_int_equal(rig_status(&rig).view_timeout_ms, INITIAL_MS);
        parent = block;
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(idle_is_quiet),
        STORY(with_work_the_view_times_out_and_again_each_time_later),
        STORY(the_back_off_ends_at_a_minute),
        STORY(a_timeout_is_written_down_first_and_carries_the_lock),
        STORY(after_its_timeout_a_validator_does_not_vote_in_the_view),
        STORY(no_timeout_below_the_last_voted_view),
        STORY(two_of_five_timeouts_are_joined_and_one_is_not),
        STORY(a_timeout_says_what_was_missing),
        STORY(a_quorum_of_timeouts_ends_the_view_and_is_told),
        STORY(the_certificate_of_timeouts_has_the_highest_of_their_certificates),
        STORY(a_timeout_is_its_senders_word),
        STORY(a_waiting_transaction_is_work_only_if_the_executor_would_take_it),
        STORY(the_timer_follows_the_measured_views),
        STORY(a_heartbeat_tells_the_highest_certificates),
        STORY(the_back_off_lasts_until_a_view_ends_with_a_certificate),
        STORY(the_timer_is_the_mean_and_four_deviations),
        STORY(slow_views_make_the_timer_no_longer_than_the_most),
        STORY(the_executor_is_asked_about_the_highest_certificates_block_and_again),
        STORY(an_emptied_pool_is_no_work),
        STORY(a_timeout_counts_for_its_signer_only),
        STORY(heartbeats_come_twice_a_second_and_a_forged_one_is_dropped),
        STORY(the_pool_is_looked_at_only_when_nothing_else_is_work),
        STORY(a_certificate_of_a_view_that_is_over_does_not_start_the_view_again),
        STORY(the_own_certificate_may_be_the_highest),
        STORY(the_own_timeout_may_complete_the_certificate),
        STORY(after_a_joined_timeout_the_timer_begins_anew),
        STORY(a_pool_that_was_empty_is_looked_at_again),
        STORY(the_executor_is_asked_at_a_time_after_the_block),
        STORY(timeouts_of_a_view_that_is_over_are_dropped),
        STORY(a_growing_pool_stops_no_timer),
        STORY(a_past_views_block_without_its_transactions_is_no_work),
        STORY(a_past_views_block_that_was_executed_is_work),
        STORY(after_a_timeout_the_pool_is_looked_at_though_the_clock_runs),
        STORY(views_without_work_are_not_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
