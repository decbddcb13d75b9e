/* test_peerbook.c - several books on a virtual clock: whoever listens at an address can be asked there, nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/consensusd/peerbook.h"

enum { COUNT = 5, STEP_MS = 500, WALL_MS = 1760000, SAVED_MAX = COUNT };

struct node {
    struct peerbook *book; /* NULL: not running */
    struct peer_record_endpoints own;
    int connected_to[COUNT]; /* who answers at the address in use; -1: nobody */
    uint32_t connects[COUNT];
    uint32_t asks[COUNT];
    uint32_t gossip_told;
    uint8_t saved[SAVED_MAX][PEER_RECORD_BYTES_MAX];
    struct span saved_spans[SAVED_MAX];
    size_t saved_count;
};

static struct genesis genesis;
static struct sign_key keys[COUNT];
static struct node nodes[COUNT];
static struct peer_record_endpoints homes[COUNT]; /* where each is at first */
static struct peerbook_config configs[COUNT];
static uint64_t now_ms;

static void deliver(uint32_t at, struct peerbook_event *event);

static struct peer_record_endpoints endpoints_of(uint32_t port)
{
    struct peer_record_endpoints endpoints;
    snprintf(endpoints.pub, sizeof endpoints.pub, "tcp://10.0.0.1:%u", port);
    snprintf(endpoints.sync, sizeof endpoints.sync, "tcp://10.0.0.1:%u", port + 1);
    snprintf(endpoints.gossip, sizeof endpoints.gossip, "tcp://10.0.0.1:%u", port + 2);
    return endpoints;
}

static int who_listens(const struct peerbook_address *address)
{
    for (int i = 0; i < COUNT; i++) {
        if (nodes[i].book && strcmp(nodes[i].own.pub, address->pub) == 0 &&
            strcmp(nodes[i].own.sync, address->sync) == 0)
            return i;
    }
    return -1;
}

static void link_up(uint32_t at, uint32_t validator)
{
    int who = who_listens(&peerbook_peer(nodes[at].book, validator)->address);
    nodes[at].connected_to[validator] = who == (int)validator ? who : -1; /* CURVE: the key is the validator's */
    struct peerbook_event event = {
        .type = PEERBOOK_LINK, .from = validator, .connected = nodes[at].connected_to[validator] >= 0};
    deliver(at, &event);
}

static void ask(uint32_t at, uint32_t validator, uint64_t request)
{
    struct node *node = &nodes[at];
    node->asks[validator]++;
    uint64_t versions[COUNT] = {0};
    uint8_t own[PEER_RECORD_BYTES_MAX];
    for (uint32_t i = 0; i < COUNT; i++)
        versions[i] = peerbook_peer(node->book, i)->held ? peerbook_peer(node->book, i)->record.version : 0;
    struct span record = span_of(own, peerbook_record(node->book, at, own));
    struct peerbook_event event = {.type = PEERBOOK_ASKED,
                                   .from = at,
                                   .request = request,
                                   .records = &record,
                                   .record_count = record.size > 0,
                                   .versions = versions};
    if (nodes[validator].book && node->connected_to[validator] == (int)validator)
        deliver(validator, &event);
}

static void answer(uint32_t at, const struct peerbook_effect *effect)
{
    static uint8_t bytes[COUNT][PEER_RECORD_BYTES_MAX];
    struct span records[COUNT];
    size_t count = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        if (effect->validators >> i & 1)
            records[count] = span_of(bytes[i], peerbook_record(nodes[at].book, i, bytes[i])), count++;
    }
    struct peerbook_event event = {
        .type = PEERBOOK_ANSWERED, .from = at, .request = effect->request, .records = records, .record_count = count};
    deliver(effect->validator, &event);
}

static void save(uint32_t at)
{
    struct node *node = &nodes[at];
    node->saved_count = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t size = peerbook_record(node->book, i, node->saved[node->saved_count]);
        if (size > 0) {
            node->saved_spans[node->saved_count] = span_of(node->saved[node->saved_count], size);
            node->saved_count++;
        }
    }
}

static void deliver(uint32_t at, struct peerbook_event *event)
{
    struct peerbook_effects effects;
    event->now_ms = now_ms;
    peerbook_step(nodes[at].book, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct peerbook_effect *effect = &effects.items[i];
        switch (effect->type) {
        case PEERBOOK_CONNECT:
            nodes[at].connects[effect->validator]++;
            link_up(at, effect->validator);
            break;
        case PEERBOOK_ASK:
            ask(at, effect->validator, effect->request);
            break;
        case PEERBOOK_ANSWER:
            answer(at, effect);
            break;
        case PEERBOOK_SAVE:
            save(at);
            break;
        case PEERBOOK_TELL_GOSSIP:
            nodes[at].gossip_told++;
            break;
        }
    }
}

static void start(uint32_t at, uint64_t wall_ms)
{
    assert_int_equal(peerbook_new(&nodes[at].book, &configs[at]), 0);
    struct peerbook_event stored = {
        .type = PEERBOOK_STORED, .records = nodes[at].saved_spans, .record_count = nodes[at].saved_count};
    deliver(at, &stored);
    struct peerbook_event event = {.type = PEERBOOK_START, .wall_ms = wall_ms};
    deliver(at, &event);
}

static void stop(uint32_t at)
{
    peerbook_destroy(&nodes[at].book);
}

/* Everybody's links are looked at, as the shell does with its sockets, and everybody's clock goes on. */
static void pass(uint64_t ms)
{
    for (uint64_t end = now_ms + ms; now_ms < end; now_ms += STEP_MS) {
        for (uint32_t i = 0; i < COUNT; i++) {
            for (uint32_t k = 0; nodes[i].book && k < COUNT; k++) {
                if (k != i && peerbook_peer(nodes[i].book, k)->address.pub)
                    link_up(i, k);
            }
            struct peerbook_event tick = {.type = PEERBOOK_TICK};
            if (nodes[i].book)
                deliver(i, &tick);
        }
    }
}

static void know(uint32_t at, uint32_t validator)
{
    configs[at].configured[validator] =
        (struct peerbook_address){.pub = homes[validator].pub, .sync = homes[validator].sync};
}

static int world(void **state)
{
    now_ms = 1000;
    memset(nodes, 0, sizeof nodes);
    memset(configs, 0, sizeof configs);
    genesis = (struct genesis){.validator_count = COUNT, .chain_id.bytes = {7}};
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&keys[i], seed);
        genesis.validators[i].sign_key = keys[i].public;
        genesis.validators[i].id = sign_public_id(&keys[i].public);
        nodes[i].own = homes[i] = endpoints_of(20000 + 32 * i);
        configs[i] = (struct peerbook_config){
            .genesis = &genesis, .self = i, .key = &keys[i], .advertises = true, .own = nodes[i].own};
    }
    return 0;
}

static int world_end(void **state)
{
    for (uint32_t i = 0; i < COUNT; i++)
        stop(i);
    return 0;
}

static void start_all(void)
{
    for (uint32_t i = 0; i < COUNT; i++)
        start(i, WALL_MS + i);
}

static void assert_all_connected(void)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        for (uint32_t k = 0; nodes[i].book && k < COUNT; k++) {
            if (k != i && nodes[k].book && !peerbook_peer(nodes[i].book, k)->connected)
                fail_msg("%u is not connected to %u", i, k);
        }
    }
}

static uint64_t version_at(uint32_t at, uint32_t validator)
{
    const struct peerbook_peer *peer = peerbook_peer(nodes[at].book, validator);
    return peer->held ? peer->record.version : 0;
}

/* A record of a validator as bytes. */
static struct span record_of(uint32_t signer, uint32_t validator, uint64_t version, uint32_t port)
{
    static uint8_t bytes[PEER_RECORD_BYTES_MAX];
    struct peer_record record = {.version = version, .endpoints = endpoints_of(port)};
    peer_record_sign(&record, &genesis.chain_id, &keys[signer]);
    record.validator = genesis.validators[validator].id;
    return span_of(bytes, peer_record_encode(bytes, &record, &genesis.chain_id));
}

static void hear(uint32_t at, struct span record)
{
    struct peerbook_event event = {.type = PEERBOOK_HEARD, .records = &record, .record_count = 1};
    deliver(at, &event);
}

static void who_knows_one_finds_all(void **state)
{
    for (uint32_t i = 1; i < COUNT; i++)
        know(i, 0);
    start_all();
    pass(5000);
    assert_all_connected();
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(nodes[i].gossip_told > 1);
}

static void a_line_becomes_a_mesh(void **state)
{
    for (uint32_t i = 1; i < COUNT; i++)
        know(i, i - 1);
    start_all();
    pass(10000);
    assert_all_connected();
}

static void in_quiet_times_questions_are_a_minute_apart_and_news_are_not(void **state)
{
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(400000);
    uint32_t before = nodes[1].asks[0];
    pass(600000);
    assert_int_equal(nodes[1].asks[0] - before, 10);
    hear(1, record_of(2, 2, WALL_MS, 21000));
    pass(2500);
    assert_int_equal(version_at(0, 2), WALL_MS);
}

static void who_moves_is_found_again(void **state)
{
    for (uint32_t i = 0; i < COUNT; i++)
        for (uint32_t k = 0; k < COUNT; k++)
            if (k != i)
                know(i, k);
    start_all();
    pass(5000);
    assert_all_connected();
    uint32_t connects = nodes[0].connects[1];
    stop(3);
    pass(5000);
    nodes[3].own = configs[3].own = endpoints_of(30000);
    start(3, WALL_MS + 60000);
    pass(5000);
    assert_all_connected();
    assert_int_equal(peerbook_peer(nodes[0].book, 3)->source, PEERBOOK_PEER);
    assert_int_equal(nodes[0].connects[1], connects); /* who did not move was left alone */
}

static void a_restart_does_not_need_the_one_that_was_known(void **state)
{
    for (uint32_t i = 1; i < COUNT; i++)
        know(i, 0);
    start_all();
    pass(5000);
    stop(0);
    stop(4);
    start(4, WALL_MS + 60000);
    pass(2000);
    assert_all_connected();
    assert_int_equal(peerbook_peer(nodes[4].book, 1)->source, PEERBOOK_STORE);
    assert_int_equal(version_at(4, 4), WALL_MS + 4); /* nothing has changed: no new record */
}

static void only_the_validator_itself_says_where_it_is(void **state)
{
    know(1, 0);
    start_all();
    pass(5000);
    uint64_t version = version_at(1, 0);
    uint32_t connects = nodes[1].connects[0];
    hear(1, record_of(2, 0, version + 1, 31000));
    assert_int_equal(peerbook_count(nodes[1].book, PEERBOOK_BAD + PEER_RECORD_BAD_SIGNATURE - 1), 1);
    hear(1, record_of(0, 0, version - 1, 31000));
    assert_int_equal(peerbook_count(nodes[1].book, PEERBOOK_OLDER), 1);
    struct span record = record_of(0, 0, version + 1, 31000);
    hear(1, span_of(record.data, record.size - 1));
    assert_int_equal(peerbook_count(nodes[1].book, PEERBOOK_BAD), 1);
    genesis.chain_id.bytes[0]++;
    record = record_of(0, 0, version + 1, 31000);
    genesis.chain_id.bytes[0]--;
    hear(1, record);
    assert_int_equal(peerbook_count(nodes[1].book, PEERBOOK_BAD + PEER_RECORD_OTHER_CHAIN - 1), 1);
    assert_int_equal(version_at(1, 0), version);
    assert_int_equal(nodes[1].connects[0], connects);
}

static void a_validator_that_changes_its_mind_all_the_time_is_heard_now_and_then(void **state)
{
    start(1, WALL_MS);
    for (uint32_t i = 0; i < 10; i++)
        hear(1, record_of(0, 0, WALL_MS + i, 31000 + i));
    assert_int_equal(nodes[1].connects[0], 1);
    assert_int_equal(peerbook_count(nodes[1].book, PEERBOOK_TOO_SOON), 9);
    now_ms += PEERBOOK_REPLACE_MS;
    hear(1, record_of(0, 0, WALL_MS + 20, 32000));
    assert_int_equal(nodes[1].connects[0], 2);
}

/* Its store is lost and its clock went back: its new record would be older than the one that all hold. */
static void a_validator_outbids_its_own_past(void **state)
{
    know(0, 1);
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(5000);
    stop(1);
    nodes[1].saved_count = 0;
    nodes[1].own = configs[1].own = endpoints_of(30000);
    pass(2000);
    start(1, WALL_MS - 50000);
    pass(5000);
    assert_int_equal(version_at(0, 1), WALL_MS + 1);
    assert_true(peerbook_peer(nodes[0].book, 1)->connected);
}

/* Its store has this record. */
static void keep(uint32_t at, struct span record)
{
    memcpy(nodes[at].saved[0], record.data, record.size);
    nodes[at].saved_spans[0] = span_of(nodes[at].saved[0], record.size);
    nodes[at].saved_count = 1;
}

/* Moved, and its clock went back: what it says now is still newer than what it said. */
static void a_new_address_outbids_the_stored_one(void **state)
{
    keep(1, record_of(1, 1, WALL_MS + 5000, 31000));
    start(1, WALL_MS);
    assert_int_equal(version_at(1, 1), WALL_MS + 5001);
}

/* In quiet times, too, others hear of it at once. Above the last version there is none. */
static void what_outbids_an_own_record_is_told_soon(void **state)
{
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(400000);
    hear(1, record_of(1, 1, WALL_MS + 9, 31000));
    pass(2500);
    assert_int_equal(version_at(0, 1), WALL_MS + 10);
    hear(1, record_of(1, 1, PEER_RECORD_VERSION_MAX, 31000));
    assert_int_equal(version_at(1, 1), WALL_MS + 10);
}

static void two_addresses_are_tried_in_turns(void **state)
{
    know(1, 0);
    nodes[0].own = configs[0].own = endpoints_of(30000);
    configs[1].configured[0] = (struct peerbook_address){.pub = "tcp://v1.example:1", .sync = "tcp://v1.example:2"};
    keep(1, record_of(0, 0, WALL_MS, 30000));
    start(1, WALL_MS);
    assert_int_equal(peerbook_peer(nodes[1].book, 0)->source, PEERBOOK_CONFIG); /* the operator's word, at first */
    pass(PEERBOOK_PATIENCE_MS + STEP_MS);
    assert_int_equal(peerbook_peer(nodes[1].book, 0)->source, PEERBOOK_STORE);
    pass(2 * PEERBOOK_PATIENCE_MS + STEP_MS);
    assert_int_equal(peerbook_peer(nodes[1].book, 0)->source, PEERBOOK_CONFIG);
    start(0, WALL_MS);
    pass(4 * PEERBOOK_PATIENCE_MS + STEP_MS);
    assert_int_equal(peerbook_peer(nodes[1].book, 0)->source, PEERBOOK_STORE);
    assert_true(peerbook_peer(nodes[1].book, 0)->connected);
    pass(200000);
    assert_int_equal(nodes[1].connects[0], 4); /* and it stays there */
}

static void who_does_not_advertise_tells_nothing_of_itself(void **state)
{
    configs[1].advertises = false;
    keep(1, record_of(1, 1, WALL_MS, 31000)); /* it did once */
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(5000);
    assert_true(peerbook_peer(nodes[1].book, 0)->connected);
    assert_int_equal(version_at(0, 1), 0);
    hear(1, record_of(1, 1, WALL_MS + 1, 31000)); /* nor does it contradict */
    pass(5000);
    assert_int_equal(version_at(1, 1), 0);
    assert_int_equal(version_at(0, 1), 0);
    assert_int_equal(version_at(1, 0), WALL_MS);
}

static void what_nobody_asked_for_is_not_looked_at(void **state)
{
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(5000);
    struct span record = record_of(2, 2, WALL_MS, 31000);
    struct peerbook_event event = {.type = PEERBOOK_ANSWERED,
                                   .request = peerbook_peer(nodes[1].book, 0)->request,
                                   .records = &record,
                                   .record_count = 1};
    deliver(1, &event);
    assert_int_equal(version_at(1, 2), 0);
}

static void an_answer_is_to_the_last_question(void **state)
{
    know(1, 0);
    start(0, WALL_MS);
    start(1, WALL_MS);
    pass(5000);
    now_ms += PEERBOOK_ASK_MS_MAX;
    nodes[1].connected_to[0] = -1; /* this question is lost */
    struct peerbook_event tick = {.type = PEERBOOK_TICK};
    deliver(1, &tick);
    struct span record = record_of(2, 2, WALL_MS, 31000);
    struct peerbook_event event = {.type = PEERBOOK_ANSWERED,
                                   .request = peerbook_peer(nodes[1].book, 0)->request - 1,
                                   .records = &record,
                                   .record_count = 1};
    deliver(1, &event);
    assert_int_equal(version_at(1, 2), 0);
    event.request++;
    deliver(1, &event);
    assert_int_equal(version_at(1, 2), WALL_MS);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, world, world_end)
    const struct CMUnitTest tests[] = {
        STORY(who_knows_one_finds_all),
        STORY(a_line_becomes_a_mesh),
        STORY(in_quiet_times_questions_are_a_minute_apart_and_news_are_not),
        STORY(who_moves_is_found_again),
        STORY(a_restart_does_not_need_the_one_that_was_known),
        STORY(only_the_validator_itself_says_where_it_is),
        STORY(a_validator_that_changes_its_mind_all_the_time_is_heard_now_and_then),
        STORY(a_validator_outbids_its_own_past),
        STORY(a_new_address_outbids_the_stored_one),
        STORY(what_outbids_an_own_record_is_told_soon),
        STORY(an_answer_is_to_the_last_question),
        STORY(two_addresses_are_tried_in_turns),
        STORY(who_does_not_advertise_tells_nothing_of_itself),
        STORY(what_nobody_asked_for_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
