/* test_proofs.c - a proof of equivocation is stored, told and handed over until its offender is inactive. */
#include "tests/unit/consensusd/shell_rig.h"

#include <errno.h>

#include "common/base/err.h"

enum { OFFENDER = 1, OTHER = 2, TELL_AGAIN_MS = 5000 };

static int write_rc;
static size_t told_before_written;

int __real_safety_store_put_evidence(struct safety_store *self, const struct hash *offender, struct span body);
int __wrap_safety_store_put_evidence(struct safety_store *self, const struct hash *offender, struct span body);
int __wrap_safety_store_put_evidence(struct safety_store *self, const struct hash *offender, struct span body)
{
    told_before_written = shell.broadcasts + shell.sent_count;
    return write_rc < 0 ? write_rc : __real_safety_store_put_evidence(self, offender, body);
}

static int start(void **state)
{
    (void)state;
    shell_start();
    write_rc = 0;
    shell.daemon->proofs_told_ms = shell.now_ms;
    return 0;
}

/* The validator voted for two blocks in view 1. */
static struct equivocation proof_against(uint32_t validator)
{
    struct equivocation proof = {
        .offender = shell.genesis.validators[validator].id, .kind = EQUIVOCATION_VOTE, .view = 1};
    for (uint8_t i = 0; i < 2; i++) {
        struct equivocation_statement *vote = &proof.statements[i];
        uint8_t message[CERT_VOTE_BYTES];
        vote->height = 1;
        vote->block_id = sample_hash((uint8_t)(i + 1));
        cert_vote_bytes(message, &shell.genesis.chain_id, proof.view, vote->height, &vote->block_id);
        sign_message(&vote->signature, &shell.keys[validator], span_of(message, sizeof message));
    }
    return proof;
}

static void take(uint32_t validator)
{
    const struct equivocation proof = proof_against(validator);
    assert_int_equal(proofs_take(shell.daemon, &proof), 0);
}

/* How often validators and mempoold were told, since the last time. */
static void assert_told(size_t validators, size_t mempoold)
{
    assert_int_equal(shell.broadcasts, validators);
    assert_int_equal(shell.sent_count, mempoold);
    shell_forget();
}

static void assert_core_knows(uint64_t accused)
{
    assert_int_equal(shell.event_count, 1);
    assert_int_equal(shell.event.type, CONSENSUS_ACCUSED);
    assert_int_equal(shell.event.u.accused, accused);
    shell_forget();
}

static void a_proof_is_on_disk_before_it_is_told(void **state)
{
    (void)state;
    take(OFFENDER);
    assert_int_equal(told_before_written, 0);
    assert_told(1, 1);
    const struct equivocation proof = proof_against(OTHER);
    write_rc = -EIO;
    assert_int_equal(proofs_take(shell.daemon, &proof), -EIO);
    assert_told(0, 0);
}

static void a_proof_is_told_again_and_handed_over_with_each_beat(void **state)
{
    (void)state;
    take(OFFENDER);
    take(OTHER);
    shell_forget();
    shell.now_ms += TELL_AGAIN_MS - 1;
    proofs_tick(shell.daemon);
    assert_told(0, 1);
    shell.now_ms++;
    proofs_tick(shell.daemon);
    assert_told(2, 1);
    proofs_tick(shell.daemon);
    assert_told(0, 1);
}

static int count_one(void *context, struct span body)
{
    (void)body;
    ++*(size_t *)context;
    return 0;
}

static size_t stored_count(void)
{
    size_t count = 0;
    assert_int_equal(safety_store_flush(shell.daemon->store), 0);
    assert_int_equal(safety_store_each_evidence(shell.daemon->store, count_one, &count), 0);
    return count;
}

/* Whosever proof the block has; each for itself, and for good. */
static void who_is_inactive_is_told_no_more(void **state)
{
    (void)state;
    take(OFFENDER);
    take(OTHER);
    shell_forget();
    proofs_settle(shell.daemon, 1u << OFFENDER);
    assert_core_knows(1u << OFFENDER | 1u << OTHER);
    assert_int_equal(stored_count(), 1);
    shell.now_ms += TELL_AGAIN_MS;
    proofs_tick(shell.daemon);
    assert_told(1, 1);
    proofs_settle(shell.daemon, 1u << OFFENDER);
    assert_int_equal(shell.event_count, 0); /* nothing new */
    proofs_settle(shell.daemon, 1u << OTHER);
    assert_core_knows(1u << OFFENDER | 1u << OTHER);
    assert_int_equal(shell.daemon->proofs_held, 0);
    assert_int_equal(stored_count(), 0);
    shell.now_ms += TELL_AGAIN_MS;
    proofs_tick(shell.daemon);
    assert_told(0, 0);
}

static void a_kept_proof_comes_back(void **state)
{
    (void)state;
    take(OFFENDER);
    shell.daemon->proofs_held = 0;
    shell_forget();
    assert_int_equal(proofs_restore(shell.daemon), 0);
    assert_core_knows(1u << OFFENDER);
    proofs_tick(shell.daemon);
    assert_told(0, 1);
}

/* What was read from disk is judged like what a stranger says. */
static void a_kept_proof_that_does_not_hold_is_corrupt(void **state)
{
    (void)state;
    struct equivocation proof = proof_against(OFFENDER);
    proof.statements[1].signature.bytes[5] ^= 1;
    assert_int_equal(proofs_take(shell.daemon, &proof), 0);
    assert_int_equal(proofs_restore(shell.daemon), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(a_proof_is_on_disk_before_it_is_told),
        STORY(a_proof_is_told_again_and_handed_over_with_each_beat),
        STORY(who_is_inactive_is_told_no_more),
        STORY(a_kept_proof_comes_back),
        STORY(a_kept_proof_that_does_not_hold_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
