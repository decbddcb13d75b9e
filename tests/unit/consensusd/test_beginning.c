/* test_beginning.c - consensus starts after the genesis ceremony, with its certificate on disk. */
#include "tests/unit/consensusd/shell_rig.h"

#include <string.h>

#include "tests/unit/consensusd/ceremony_samples.h"

enum { QUORUM = 0x7, TOO_FEW = 0x3, BETWEEN_MS = 1000 };

static struct ceremony_samples samples;
static uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
static size_t published, started, armed;
static bool stored_when_started;

int __wrap_loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context,
                           uint32_t *id);
int __wrap_loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context,
                           uint32_t *id)
{
    (void)self;
    assert_true(delay_ms > 0 && fire && context == shell.daemon);
    armed++;
    *id = 1;
    return 0;
}

void __wrap_loop_timer_cancel(struct loop *self, uint32_t id);
void __wrap_loop_timer_cancel(struct loop *self, uint32_t id)
{
    (void)self;
    armed -= id != LOOP_TIMER_NONE;
}

int64_t __wrap_loop_wall_ms(void);
int64_t __wrap_loop_wall_ms(void)
{
    return (int64_t)shell.now_ms;
}

int __wrap_bus_publish_take(struct bus_socket *self, const char *topic, uint8_t **payload, size_t size);
int __wrap_bus_publish_take(struct bus_socket *self, const char *topic, uint8_t **payload, size_t size)
{
    (void)self;
    assert_true(topic && *payload && size > 0);
    published++;
    return 0;
}

static bool is_stored(void)
{
    static uint8_t kept[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = 0;
    return safety_store_certificate(shell.daemon->store, kept, &size) == 0 && size > 0;
}

int __wrap_consensusd_start_core(struct consensusd *self);
int __wrap_consensusd_start_core(struct consensusd *self)
{
    started++;
    stored_when_started = is_stored();
    self->core = (struct consensus *)&shell.daemon;
    return 0;
}

static int start(void **state)
{
    (void)state;
    shell_start();
    ceremony_samples_make(&samples, RIG_VALIDATORS);
    shell.genesis = samples.genesis;
    shell.daemon->key = samples.keys[RIG_SELF];
    shell.daemon->core = NULL;
    published = started = armed = 0;
    stored_when_started = false;
    assert_int_equal(beginning_open(shell.daemon), 0);
    assert_int_equal(armed, 1);
    return 0;
}

static int stop(void **state)
{
    beginning_close(shell.daemon);
    return shell_stop(state);
}

/* A certificate of these validators, as somebody kept it. */
static struct span certificate_of(uint64_t signers)
{
    const struct genesis_certificate certificate = ceremony_samples_certificate(&samples, signers, 1, shell.now_ms);
    return span_of(bytes, genesis_certificate_encode(bytes, &certificate));
}

static void consensus_starts_after_the_certificate_is_on_disk(void **state)
{
    (void)state;
    shell.daemon->genesis_known = true;
    assert_int_equal(beginning_try(shell.daemon), 0);
    assert_int_equal(started, 0);
    beginning_on_stored(shell.daemon, certificate_of(QUORUM), "executord");
    assert_int_equal(started, 1);
    assert_true(stored_when_started);
    assert_int_equal(beginning_try(shell.daemon), 0);
    assert_int_equal(started, 1); /* once */
}

static void consensus_starts_when_the_genesis_block_is_known(void **state)
{
    (void)state;
    beginning_on_stored(shell.daemon, certificate_of(QUORUM), "executord");
    assert_true(is_stored());
    assert_int_equal(started, 0);
    shell.daemon->genesis_known = true;
    assert_int_equal(beginning_try(shell.daemon), 0);
    assert_int_equal(started, 1);
}

/* Whoever kept it: what is read is judged like what another validator says. */
static void a_kept_certificate_that_is_none_begins_nothing(void **state)
{
    (void)state;
    shell.daemon->genesis_known = true;
    beginning_on_stored(shell.daemon, certificate_of(TOO_FEW), "executord");
    struct span whole = certificate_of(QUORUM);
    beginning_on_stored(shell.daemon, span_of(whole.data, whole.size - 1), "executord");
    samples.genesis.chain_id.bytes[0] ^= 1;
    genesis_terms_of(&samples.terms, &samples.genesis);
    beginning_on_stored(shell.daemon, certificate_of(QUORUM), "executord");
    assert_int_equal(beginning_try(shell.daemon), 0);
    assert_int_equal(started, 0);
    assert_false(is_stored());
    assert_int_equal(armed, 1); /* the ceremony goes on, with one timer */
}

/* It may not have heard what was said before it came. */
static void whoever_connects_is_told_that_we_are_there(void **state)
{
    (void)state;
    struct peer *peer = &shell.daemon->peers[1];
    beginning_beat(shell.daemon);
    for (int again = 0; again < 2; again++) {
        size_t before = published;
        shell.now_ms += BETWEEN_MS;
        peer->sub = peer->sync;
        beginning_beat(shell.daemon);
        assert_int_equal(published, before + 1);
        shell.now_ms += BETWEEN_MS;
        beginning_beat(shell.daemon);
        assert_int_equal(published, before + 1);
        peer->sub = NULL;
        beginning_beat(shell.daemon);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)
        STORY(consensus_starts_after_the_certificate_is_on_disk),
        STORY(consensus_starts_when_the_genesis_block_is_known),
        STORY(a_kept_certificate_that_is_none_begins_nothing),
        STORY(whoever_connects_is_told_that_we_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
