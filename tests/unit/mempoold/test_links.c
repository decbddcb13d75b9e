/* test_links.c - which of two addresses of another validator's mempoold is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "services/mempoold/links.h"

enum { PEER = 1, WAIT_MS = 30000, START_MS = 1000 };

/* Nobody listens on port 1. */
static const char nobody[] = "tcp://127.0.0.1:1", nobody_else[] = "tcp://127.0.0.2:1", a_third[] = "tcp://127.0.0.3:1";

struct story {
    struct genesis genesis;
    struct links links;
    uint8_t peer_secret[KEYFILE_KEY_BYTES];
    char endpoint[64];
};

static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    s->genesis.validator_count = 2;
    snprintf(s->genesis.validators[PEER].name, sizeof s->genesis.validators[PEER].name, "v2");
    randombytes_buf(s->peer_secret, sizeof s->peer_secret);
    bus_curve_public(s->genesis.validators[PEER].mempool_curve_key, s->peer_secret);
    randombytes_buf(s->links.gossip_secret, sizeof s->links.gossip_secret);
    s->links.genesis = &s->genesis;
    assert_int_equal(bus_new(&s->links.bus), 0);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    links_close(&s->links);
    free(s);
    return 0;
}

static void given_configured(struct story *s, const char *endpoint)
{
    s->links.addresses[PEER].configured = endpoint;
    assert_int_equal(links_reconnect(&s->links, PEER), 0);
    assert_false(links_tend(&s->links, PEER, START_MS));
}

static void what_is_told_is_used_where_nothing_is_configured(void **state)
{
    struct story *s = *state;
    assert_true(links_told(&s->links, PEER, nobody, START_MS));
    assert_int_equal(s->links.peer_bits, 0);
    assert_int_equal(links_reconnect(&s->links, PEER), 0);
    assert_int_equal(s->links.peer_bits, 1 << PEER);
    assert_string_equal(bus_socket_endpoint(s->links.peers[PEER]), nobody);
    assert_false(links_told(&s->links, PEER, nobody, START_MS)); /* no news */
}

static void what_is_told_first_replaces_nothing_and_what_is_told_later_does(void **state)
{
    struct story *s = *state;
    given_configured(s, nobody);
    assert_false(links_told(&s->links, PEER, nobody_else, START_MS));
    assert_true(links_told(&s->links, PEER, a_third, START_MS));
    assert_int_equal(links_reconnect(&s->links, PEER), 0);
    assert_string_equal(bus_socket_endpoint(s->links.peers[PEER]), a_third);
}

/* Look at the validator's address: START_MS is when it was tried first. */
static bool tend_at(struct story *s, uint64_t after_ms)
{
    return links_tend(&s->links, PEER, START_MS + after_ms);
}

static void of_two_addresses_each_gets_its_time(void **state)
{
    struct story *s = *state;
    s->links.addresses[PEER].tried_ms = START_MS;
    given_configured(s, nobody);
    assert_false(links_told(&s->links, PEER, nobody_else, START_MS));
    assert_false(tend_at(s, LINKS_PATIENCE_MS - 1));
    assert_true(tend_at(s, LINKS_PATIENCE_MS));
    assert_int_equal(links_reconnect(&s->links, PEER), 0);
    assert_string_equal(bus_socket_endpoint(s->links.peers[PEER]), nobody_else);
    assert_false(tend_at(s, 2 * LINKS_PATIENCE_MS - 1));
    assert_true(tend_at(s, 2 * LINKS_PATIENCE_MS));
    assert_int_equal(links_reconnect(&s->links, PEER), 0);
    assert_string_equal(bus_socket_endpoint(s->links.peers[PEER]), nobody);
}

static void the_only_address_stays(void **state)
{
    struct story *s = *state;
    given_configured(s, nobody);
    assert_false(tend_at(s, 10 * LINKS_PATIENCE_MS));
    assert_false(links_told(&s->links, PEER, nobody, START_MS));
    assert_false(tend_at(s, 20 * LINKS_PATIENCE_MS));
}

static void an_address_where_the_validator_answers_stays(void **state)
{
    struct story *s = *state;
    uint8_t own_key[BUS_KEY_BYTES];
    bus_curve_public(own_key, s->links.gossip_secret);
    assert_int_equal(bus_allow(s->links.bus, "gossip", own_key, "v1"), 0);
    const struct bus_options options = {.name = "gossip",
                                        .endpoint = "tcp://127.0.0.1:*",
                                        .curve_secret = s->peer_secret,
                                        .frame_bytes_max = 1000,
                                        .queue_count_max = 10};
    assert_int_equal(bus_router_bind(&s->links.gossip, s->links.bus, &options), 0);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", bus_socket_endpoint(s->links.gossip));
    given_configured(s, s->endpoint);
    assert_false(links_told(&s->links, PEER, nobody, START_MS));
    uint64_t end_ms = loop_now_ms() + WAIT_MS;
    while (!bus_socket_is_connected(s->links.peers[PEER]) && loop_now_ms() < end_ms) {
        bus_socket_tend(s->links.peers[PEER], loop_now_ms());
        poll(NULL, 0, 10);
    }
    assert_false(tend_at(s, 10 * LINKS_PATIENCE_MS));
    bus_socket_close(&s->links.gossip); /* it goes: from now on it is missed */
    while (bus_socket_is_connected(s->links.peers[PEER]) && loop_now_ms() < end_ms) {
        bus_socket_tend(s->links.peers[PEER], loop_now_ms());
        poll(NULL, 0, 10);
    }
    assert_false(tend_at(s, 11 * LINKS_PATIENCE_MS - 1));
    assert_true(tend_at(s, 11 * LINKS_PATIENCE_MS));
}

static void an_address_that_is_none_leaves_no_socket(void **state)
{
    struct story *s = *state;
    given_configured(s, nobody);
    s->links.addresses[PEER].configured = "udp://127.0.0.1:1";
    assert_int_equal(links_reconnect(&s->links, PEER), -EINVAL);
    assert_null(s->links.peers[PEER]);
    assert_int_equal(s->links.peer_bits, 0);
    assert_false(tend_at(s, 10 * LINKS_PATIENCE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(what_is_told_is_used_where_nothing_is_configured),
        STORY(what_is_told_first_replaces_nothing_and_what_is_told_later_does),
        STORY(of_two_addresses_each_gets_its_time),
        STORY(the_only_address_stays),
        STORY(an_address_where_the_validator_answers_stays),
        STORY(an_address_that_is_none_leaves_no_socket),
    };
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return cmocka_run_group_tests_name("mempoold_links", tests, NULL, NULL);
}
