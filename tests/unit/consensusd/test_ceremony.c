/* test_ceremony.c - the genesis ceremony of one validator among four others that the test plays. */
#include "tests/unit/consensusd/ceremony_samples.h"

#include <errno.h>
#include <string.h>

#include "common/base/schedule.h"
#include "services/consensusd/ceremony.h"

enum { VALIDATORS = 5, QUORUM = 4, ALL = 0x1f };

static const uint64_t START_MS = 5000;
static const uint64_t WALL_MS = 1700000000000;

static struct ceremony_samples samples;
static struct ceremony *core;
static struct ceremony_effects effects;
static uint32_t self;
static uint64_t now_ms;

static uint64_t wall_ms(void)
{
    return WALL_MS + now_ms - START_MS;
}

static uint32_t leader(uint64_t view)
{
    struct schedule schedule;
    schedule_genesis(&schedule, &samples.genesis);
    return schedule_leader(&schedule, view);
}

/* The n-th of the other validators. */
static uint32_t other(uint32_t n)
{
    return n < self ? n : n + 1;
}

static void start(uint32_t validator_count, uint64_t self_leads)
{
    ceremony_samples_make(&samples, validator_count);
    self = leader(self_leads);
    now_ms = START_MS;
    struct ceremony_config config = {
        .genesis = &samples.genesis, .self = self, .key = samples.keys[self], .seed = {1}, .now_ms = now_ms};
    ceremony_destroy(&core);
    assert_int_equal(ceremony_new(&core, &config), 0);
}

static int stop(void **state)
{
    (void)state;
    ceremony_destroy(&core);
    return 0;
}

static void step(struct ceremony_event event)
{
    event.now_ms = now_ms;
    event.wall_ms = wall_ms();
    ceremony_step(core, &event, &effects);
}

static void tick(uint64_t pass_ms)
{
    now_ms += pass_ms;
    step((struct ceremony_event){.type = CEREMONY_TICK});
}

static void hear(uint32_t sender, const struct genesis_ready *ready)
{
    step((struct ceremony_event){.type = CEREMONY_READY, .sender = sender, .u.ready = ready});
}

static void hear_fresh(uint32_t sender)
{
    struct genesis_ready ready = ceremony_samples_ready(&samples, sender, wall_ms());
    hear(sender, &ready);
}

static void show(uint32_t sender, const struct genesis_certificate *certificate)
{
    step((struct ceremony_event){.type = CEREMONY_CERTIFICATE, .sender = sender, .u.certificate = certificate});
}

static size_t count(enum ceremony_effect_type type)
{
    size_t found = 0;
    for (size_t i = 0; i < effects.count; i++)
        found += effects.items[i].type == type;
    return found;
}

static void assert_refused(uint32_t validator, enum ceremony_refusal why)
{
    assert_int_equal(count(CEREMONY_REFUSE), 1);
    for (size_t i = 0; i < effects.count; i++) {
        if (effects.items[i].type == CEREMONY_REFUSE) {
            assert_int_equal(effects.items[i].u.refuse.validator, validator);
            assert_int_equal(effects.items[i].u.refuse.why, why);
        }
    }
}

static struct ceremony_status status(void)
{
    struct ceremony_status out;
    ceremony_status(core, &out);
    return out;
}

/* --- saying that we are there ------------------------------------------------------------------------------------- */

static void the_first_tick_says_that_we_are_there_and_later_ticks_less_often(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    static const uint64_t pauses_ms[] = {0, 5000, 10000, 20000, 40000, 60000, 60000};
    uint8_t nonce[32] = {0};
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        assert_int_equal(ceremony_deadline_ms(core), now_ms + pauses_ms[i]);
        if (pauses_ms[i] > 0) {
            tick(pauses_ms[i] - 1);
            assert_int_equal(effects.count, 0);
            tick(1);
        } else {
            tick(0);
        }
        assert_int_equal(effects.count, 1);
        assert_int_equal(effects.items[0].type, CEREMONY_SEND_READY);
        const struct genesis_ready *ready = &effects.items[0].u.ready;
        assert_int_equal(ready->time_ms, wall_ms());
        assert_memory_equal(&ready->terms, &samples.terms, sizeof ready->terms);
        assert_true(genesis_ready_is_signed(ready, &samples.keys[self].public));
        assert_memory_not_equal(ready->nonce, nonce, sizeof nonce);
        memcpy(nonce, ready->nonce, sizeof nonce);
    }
}

static void whoever_connects_or_is_heard_first_is_told_but_not_more_often_than_the_limit(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    step((struct ceremony_event){.type = CEREMONY_CONNECTED});
    assert_int_equal(effects.count, 0);
    assert_int_equal(ceremony_deadline_ms(core), now_ms + CEREMONY_ANSWER_MS);
    tick(CEREMONY_ANSWER_MS);
    assert_int_equal(count(CEREMONY_SEND_READY), 1);
    tick(CEREMONY_ANSWER_MS);
    assert_int_equal(effects.count, 0);
    hear_fresh(other(0));
    assert_int_equal(count(CEREMONY_SEND_READY), 1);
    hear_fresh(other(1));
    assert_int_equal(effects.count, 0);
    tick(CEREMONY_ANSWER_MS);
    assert_int_equal(count(CEREMONY_SEND_READY), 1);
    /* Whom we know is not told again. */
    hear_fresh(other(0));
    tick(CEREMONY_ANSWER_MS);
    assert_int_equal(effects.count, 0);
    /* But when nothing was heard for long. */
    tick(CEREMONY_AGE_MS_MAX + 1);
    tick(CEREMONY_ANSWER_MS);
    assert_int_equal(effects.count, 0);
    hear_fresh(other(0));
    assert_int_equal(count(CEREMONY_SEND_READY), 1);
}

/* --- the certificate ---------------------------------------------------------------------------------------------- */

static void the_leader_of_view_1_makes_the_certificate_at_a_quorum(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    hear_fresh(other(0));
    hear_fresh(other(1));
    assert_null(ceremony_certificate(core));
    assert_int_equal(status().ready_count, 3);
    hear_fresh(other(2));
    assert_int_equal(effects.count, 3);
    assert_int_equal(effects.items[0].type, CEREMONY_STORE);
    assert_int_equal(effects.items[1].type, CEREMONY_DONE);
    assert_int_equal(effects.items[2].type, CEREMONY_SEND_CERTIFICATE);
    const struct genesis_certificate *certificate = ceremony_certificate(core);
    assert_ptr_equal(effects.items[0].u.certificate, certificate);
    assert_ptr_equal(effects.items[2].u.certificate, certificate);
    assert_int_equal(genesis_certificate_check(certificate, &samples.genesis), 0);
    assert_int_equal(certificate->count, QUORUM);
    assert_int_equal(certificate->aggregator, self);
    assert_int_equal(status().phase, CEREMONY_FINISHED);
    assert_int_equal(status().missing, UINT64_C(1) << other(3));
}

static void one_validator_alone_is_a_quorum(void **state)
{
    (void)state;
    start(1, 1);
    tick(0);
    assert_int_equal(effects.count, 4);
    assert_int_equal(effects.items[2].type, CEREMONY_DONE);
    assert_int_equal(genesis_certificate_check(ceremony_certificate(core), &samples.genesis), 0);
}

static void the_leader_of_a_later_view_steps_in_when_its_turn_has_come(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    tick(1000); /* waiting for a quorum is nobody's turn */
    for (uint32_t i = 0; i < 3; i++)
        hear_fresh(other(i));
    uint64_t quorum_ms = now_ms;
    assert_null(ceremony_certificate(core));
    while (now_ms < quorum_ms + 2 * CEREMONY_STEP_IN_MS - 1) {
        uint64_t next_ms = ceremony_deadline_ms(core);
        uint64_t last_ms = quorum_ms + 2 * CEREMONY_STEP_IN_MS - 1;
        assert_true(next_ms > now_ms);
        tick((next_ms < last_ms ? next_ms : last_ms) - now_ms);
        assert_null(ceremony_certificate(core));
    }
    assert_int_equal(ceremony_deadline_ms(core), now_ms + 1);
    tick(1);
    assert_non_null(ceremony_certificate(core));
    assert_int_equal(count(CEREMONY_SEND_CERTIFICATE), 1);
}

static void an_old_attestation_is_not_counted(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    hear_fresh(other(0));
    hear_fresh(other(1));
    tick(CEREMONY_AGE_MS_MAX);
    assert_int_equal(status().ready_count, 3);
    tick(1);
    assert_int_equal(status().ready_count, 1);
    assert_int_equal(status().missing, ALL & ~(UINT64_C(1) << self));
    hear_fresh(other(2));
    assert_null(ceremony_certificate(core));
    hear_fresh(other(0));
    hear_fresh(other(1));
    assert_non_null(ceremony_certificate(core));
}

static void a_replayed_attestation_makes_none_younger(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    struct genesis_ready early = ceremony_samples_ready(&samples, other(0), wall_ms());
    hear(other(0), &early);
    tick(50000);
    hear(other(0), &early);
    tick(CEREMONY_AGE_MS_MAX - 50000);
    assert_int_equal(status().ready_count, 2);
    tick(1);
    assert_int_equal(status().ready_count, 1);
    /* And by now its time is too far from the clock. */
    hear(other(0), &early);
    assert_refused(other(0), CEREMONY_BAD_CLOCK);
    assert_int_equal(status().ready_count, 1);
}

static void attestations_too_far_apart_are_not_put_together(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    struct genesis_ready slow = ceremony_samples_ready(&samples, other(0), wall_ms() - CEREMONY_SKEW_MS_MAX);
    hear(other(0), &slow);
    hear_fresh(other(1));
    tick(CEREMONY_AGE_MS_MAX);
    struct genesis_ready fast = ceremony_samples_ready(&samples, other(2), wall_ms() + CEREMONY_SKEW_MS_MAX);
    hear(other(2), &fast);
    assert_int_equal(status().ready_count, 4);
    assert_null(ceremony_certificate(core));
    /* One that fits takes the place of the slow one. */
    hear_fresh(other(3));
    const struct genesis_certificate *certificate = ceremony_certificate(core);
    assert_null(certificate); /* other(1) is 210 s before the fast one */
    hear_fresh(other(1));
    certificate = ceremony_certificate(core);
    assert_non_null(certificate);
    assert_int_equal(certificate->count, QUORUM);
    assert_int_equal(status().missing, UINT64_C(1) << other(0));
}

static void a_certificate_from_another_ends_the_ceremony(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    struct genesis_certificate certificate =
        ceremony_samples_certificate(&samples, ALL & ~(UINT64_C(1) << self), other(0), 17);
    show(other(1), &certificate);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[0].type, CEREMONY_STORE);
    assert_int_equal(effects.items[1].type, CEREMONY_DONE);
    assert_memory_equal(ceremony_certificate(core), &certificate, sizeof certificate);
    assert_int_equal(status().aggregator, other(0));
    /* Once. */
    show(other(2), &certificate);
    assert_int_equal(effects.count, 0);
    tick(1000000);
    assert_int_equal(effects.count, 0);
    assert_int_equal(ceremony_deadline_ms(core), UINT64_MAX);
}

static void the_stored_certificate_is_checked_like_any_other(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, 0xf, 0, 17);
    struct genesis_certificate spoiled = certificate;
    spoiled.attestations[2].signature.bytes[0] ^= 1;
    show(self, &spoiled);
    assert_refused(self, CEREMONY_BAD_SIGNATURE);
    assert_null(ceremony_certificate(core));
    show(self, &certificate);
    assert_int_equal(count(CEREMONY_DONE), 1);
}

static void bad_certificates_are_refused(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, 0x7, 0, WALL_MS);
    show(other(0), &certificate);
    assert_refused(other(0), CEREMONY_BAD_CERTIFICATE);
    certificate = ceremony_samples_certificate(&samples, 0xf, 0, WALL_MS);
    certificate.signature.bytes[0] ^= 1;
    show(other(0), &certificate);
    assert_refused(other(0), CEREMONY_BAD_SIGNATURE);
    certificate = ceremony_samples_certificate(&samples, 0xf, 0, WALL_MS);
    certificate.terms.chain_id.bytes[0] ^= 1;
    show(other(0), &certificate);
    assert_refused(other(0), CEREMONY_OTHER_CHAIN);
    assert_null(ceremony_certificate(core));
    assert_int_equal(status().refusals, 3);
    assert_int_equal(status().refused, UINT64_C(1) << other(0));
    hear_fresh(other(0));
    assert_int_equal(status().refused, 0);
}

/* --- after it ----------------------------------------------------------------------------------------------------- */

static void late_joiners_are_sent_the_certificate_but_not_more_often_than_the_limit(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, 0xf, 0, WALL_MS);
    show(self, &certificate);
    /* The clock of a late joiner matters to nobody. */
    struct genesis_ready ready = ceremony_samples_ready(&samples, other(0), 1);
    hear(other(0), &ready);
    assert_int_equal(effects.count, 1);
    assert_int_equal(effects.items[0].type, CEREMONY_SEND_CERTIFICATE);
    hear_fresh(other(1));
    hear_fresh(other(0));
    assert_int_equal(effects.count, 0);
    assert_int_equal(ceremony_deadline_ms(core), now_ms + CEREMONY_ANSWER_MS);
    tick(CEREMONY_ANSWER_MS - 1);
    assert_int_equal(effects.count, 0);
    tick(1);
    assert_int_equal(count(CEREMONY_SEND_CERTIFICATE), 1);
    assert_int_equal(ceremony_deadline_ms(core), UINT64_MAX);
    step((struct ceremony_event){.type = CEREMONY_CONNECTED});
    tick(CEREMONY_RESEND_MAX_MS);
    assert_int_equal(effects.count, 0);
    /* One of another chain is refused, and gets it, too: it shows in what the two differ. */
    ready.terms.chain_id.bytes[0] ^= 1;
    ceremony_samples_resign(&samples, other(0), &ready);
    hear(other(0), &ready);
    assert_refused(other(0), CEREMONY_OTHER_CHAIN);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[1].type, CEREMONY_SEND_CERTIFICATE);
}

/* --- who is refused ----------------------------------------------------------------------------------------------- */

static void other_terms_are_refused_with_the_hashes_that_differ(void **state)
{
    (void)state;
    static const enum ceremony_refusal why[] = {CEREMONY_OTHER_CHAIN, CEREMONY_OTHER_CONFIG, CEREMONY_OTHER_PEERS};
    for (size_t which = 0; which < 3; which++) {
        start(VALIDATORS, 1);
        tick(0);
        struct genesis_ready ready = ceremony_samples_ready(&samples, other(0), wall_ms());
        struct hash *theirs[] = {&ready.terms.chain_id, &ready.terms.config_hash, &ready.terms.peer_hash};
        const struct hash *ours[] = {&samples.terms.chain_id, &samples.terms.config_hash, &samples.terms.peer_hash};
        theirs[which]->bytes[3] ^= 1;
        ceremony_samples_resign(&samples, other(0), &ready);
        hear(other(0), &ready);
        assert_refused(other(0), why[which]);
        assert_memory_equal(&effects.items[0].u.refuse.ours, ours[which], HASH_BYTES);
        assert_memory_equal(&effects.items[0].u.refuse.theirs, theirs[which], HASH_BYTES);
        assert_int_equal(status().ready_count, 1);
    }
}

static void bad_signatures_and_bad_clocks_are_refused(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    struct genesis_ready ready = ceremony_samples_ready(&samples, other(1), wall_ms());
    hear(other(0), &ready);
    assert_refused(other(0), CEREMONY_BAD_SIGNATURE);
    ready = ceremony_samples_ready(&samples, other(0), wall_ms() + CEREMONY_SKEW_MS_MAX + 1);
    hear(other(0), &ready);
    assert_refused(other(0), CEREMONY_BAD_CLOCK);
    ready = ceremony_samples_ready(&samples, other(1), wall_ms() - CEREMONY_SKEW_MS_MAX - 1);
    hear(other(1), &ready);
    assert_refused(other(1), CEREMONY_BAD_CLOCK);
    ready = ceremony_samples_ready(&samples, other(2), UINT64_MAX);
    hear(other(2), &ready);
    assert_refused(other(2), CEREMONY_BAD_CLOCK);
    assert_int_equal(status().ready_count, 1);
    assert_int_equal(status().refusals, 4);
    ready = ceremony_samples_ready(&samples, other(0), wall_ms() + CEREMONY_SKEW_MS_MAX);
    hear(other(0), &ready);
    ready = ceremony_samples_ready(&samples, other(1), wall_ms() - CEREMONY_SKEW_MS_MAX);
    hear(other(1), &ready);
    assert_int_equal(status().ready_count, 3);
    assert_int_equal(status().refused, UINT64_C(1) << other(2));
}

static void a_refusal_is_said_once_a_minute_and_always_counted(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    struct genesis_ready ready = ceremony_samples_ready(&samples, other(0), 1);
    hear(other(0), &ready);
    assert_refused(other(0), CEREMONY_BAD_CLOCK);
    hear(other(0), &ready);
    assert_int_equal(count(CEREMONY_REFUSE), 0);
    /* Another reason, another validator. */
    ready.signature.bytes[0] ^= 1;
    hear(other(0), &ready);
    assert_refused(other(0), CEREMONY_BAD_SIGNATURE);
    struct genesis_ready others = ceremony_samples_ready(&samples, other(1), 1);
    hear(other(1), &others);
    assert_refused(other(1), CEREMONY_BAD_CLOCK);
    now_ms += 60000 - 1;
    hear(other(1), &others);
    assert_int_equal(count(CEREMONY_REFUSE), 0);
    now_ms += 1;
    hear(other(1), &others);
    assert_refused(other(1), CEREMONY_BAD_CLOCK);
    assert_int_equal(status().refusals, 6);
}

static void senders_that_cannot_be_are_counted_and_change_nothing(void **state)
{
    (void)state;
    start(VALIDATORS, 1);
    tick(0);
    struct genesis_ready ready = ceremony_samples_ready(&samples, other(0), wall_ms());
    hear(VALIDATORS, &ready);
    hear(UINT32_MAX, &ready);
    struct genesis_ready own = ceremony_samples_ready(&samples, self, wall_ms() + 1);
    hear(self, &own);
    struct genesis_certificate certificate = ceremony_samples_certificate(&samples, 0xf, 0, WALL_MS);
    show(VALIDATORS, &certificate);
    assert_int_equal(effects.count, 0);
    assert_int_equal(status().refusals, 4);
    assert_int_equal(status().ready_count, 1);
}

static void a_clock_that_was_put_back_does_not_make_us_missing(void **state)
{
    (void)state;
    start(VALIDATORS, 3);
    tick(0);
    for (int i = 0; i < 6; i++) {
        now_ms += 60000;
        struct ceremony_event event = {.now_ms = now_ms, .wall_ms = WALL_MS - 1000};
        ceremony_step(core, &event, &effects);
        assert_int_equal(count(CEREMONY_SEND_READY), 1);
        assert_int_equal(status().ready_count, 1);
    }
}

static void nobody_can_be_a_validator_that_is_not(void **state)
{
    (void)state;
    ceremony_samples_make(&samples, VALIDATORS);
    struct ceremony_config config = {.genesis = &samples.genesis, .self = VALIDATORS, .key = samples.keys[0]};
    struct ceremony *none = NULL;
    assert_int_equal(ceremony_new(&none, &config), -EINVAL);
    config.self = 0;
    samples.genesis.validator_count = 0;
    assert_int_equal(ceremony_new(&none, &config), -EINVAL);
    samples.genesis.validator_count = GENESIS_VALIDATORS_MAX + 1;
    assert_int_equal(ceremony_new(&none, &config), -EINVAL);
    assert_null(none);
    ceremony_destroy(&none);
    ceremony_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_tick_says_that_we_are_there_and_later_ticks_less_often),
        cmocka_unit_test(whoever_connects_or_is_heard_first_is_told_but_not_more_often_than_the_limit),
        cmocka_unit_test(the_leader_of_view_1_makes_the_certificate_at_a_quorum),
        cmocka_unit_test(one_validator_alone_is_a_quorum),
        cmocka_unit_test(the_leader_of_a_later_view_steps_in_when_its_turn_has_come),
        cmocka_unit_test(an_old_attestation_is_not_counted),
        cmocka_unit_test(a_replayed_attestation_makes_none_younger),
        cmocka_unit_test(attestations_too_far_apart_are_not_put_together),
        cmocka_unit_test(a_certificate_from_another_ends_the_ceremony),
        cmocka_unit_test(the_stored_certificate_is_checked_like_any_other),
        cmocka_unit_test(bad_certificates_are_refused),
        cmocka_unit_test(late_joiners_are_sent_the_certificate_but_not_more_often_than_the_limit),
        cmocka_unit_test(other_terms_are_refused_with_the_hashes_that_differ),
        cmocka_unit_test(bad_signatures_and_bad_clocks_are_refused),
        cmocka_unit_test(a_refusal_is_said_once_a_minute_and_always_counted),
        cmocka_unit_test(senders_that_cannot_be_are_counted_and_change_nothing),
        cmocka_unit_test(a_clock_that_was_put_back_does_not_make_us_missing),
        cmocka_unit_test(nobody_can_be_a_validator_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
