/* test_peers.c - what is heard of another validator, and on which of its sockets. */
#include "tests/unit/consensusd/shell_rig.h"

#include <stdlib.h>
#include <string.h>

enum { PEER = 1, OTHER = 2 };
enum { HEARD, ANSWERING, SOCKETS };

static struct loop_socket_handlers handlers[SOCKETS];
static uint8_t sockets[SOCKETS]; /* nobody looks into them */

static void assert_key_of_peer(const struct bus_options *options)
{
    assert_memory_equal(options->server_public, shell.genesis.validators[PEER].consensus_curve_key, BUS_KEY_BYTES);
}

int __wrap_bus_sub_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options);
int __wrap_bus_sub_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    (void)bus;
    assert_key_of_peer(options);
    *out = (struct bus_socket *)&sockets[HEARD];
    return 0;
}

int __wrap_bus_dealer_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options);
int __wrap_bus_dealer_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    (void)bus;
    assert_key_of_peer(options);
    *out = (struct bus_socket *)&sockets[ANSWERING];
    return 0;
}

int __wrap_bus_subscribe(struct bus_socket *self, const char *prefix);
int __wrap_bus_subscribe(struct bus_socket *self, const char *prefix)
{
    (void)self;
    assert_string_equal(prefix, "consensus/");
    return 0;
}

void __wrap_bus_socket_close(struct bus_socket **self);
void __wrap_bus_socket_close(struct bus_socket **self)
{
    *self = NULL;
}

int __wrap_loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *added);
int __wrap_loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *added)
{
    (void)self;
    handlers[socket == (struct bus_socket *)&sockets[HEARD] ? HEARD : ANSWERING] = *added;
    return 0;
}

void __wrap_loop_socket_remove(struct loop *self, struct bus_socket *socket);
void __wrap_loop_socket_remove(struct loop *self, struct bus_socket *socket)
{
    (void)self;
    (void)socket;
}

static void connect_peer(void)
{
    const struct peerbook_address address = {.pub = "tcp://10.0.0.1:1", .sync = "tcp://10.0.0.1:2"};
    assert_int_equal(peers_connect(shell.daemon, PEER, &address), 0);
}

static int start(void **state)
{
    (void)state;
    shell_start();
    memset(shell.genesis.validators[PEER].consensus_curve_key, 0x77, BUS_KEY_BYTES);
    struct peer *peer = &shell.daemon->peers[PEER];
    peer->sync = NULL;
    peer->meter = peer_meter_of(peer_limits, PEER_CHANNEL_COUNT, shell.now_ms);
    connect_peer();
    return 0;
}

static void say(int socket, struct span payload)
{
    struct bus_message message = {.payload = payload, .topic = "consensus/heartbeat"};
    handlers[socket].message(handlers[socket].context, &message);
}

/* A heartbeat that names this sender comes from the peer. */
static void heartbeat_of(uint32_t sender)
{
    const struct qc qc = sample_qc(3, 3);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_HEARTBEAT};
    effect.u.heartbeat = (struct consensus_heartbeat){.view = 4, .high_qc = &qc, .signature = sample_signature(9)};
    const struct consensus_codec_sender named = {.index = sender};
    const char *topic = "";
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode(&effect, &named, &topic, &frame, &size), 0);
    say(HEARD, span_of(frame, size));
    free(frame);
}

static void who_speaks_in_anothers_name_is_not_heard(void **state)
{
    (void)state;
    heartbeat_of(OTHER);
    heartbeat_of(RIG_SELF);
    heartbeat_of(RIG_VALIDATORS);
    assert_int_equal(shell.event_count, 0);
    assert_int_equal(shell.daemon->dropped_frames, 3);
    assert_int_equal(shell.daemon->peers[PEER].meter.bad_count, 3);
    heartbeat_of(PEER);
    assert_int_equal(shell.event_count, 1);
    assert_int_equal(shell.event.sender, PEER);
}

static void who_says_too_much_is_not_read(void **state)
{
    (void)state;
    while (peer_meter_take(&shell.daemon->peers[PEER].meter, PEER_HEARD, 1, shell.now_ms))
        ;
    heartbeat_of(PEER);
    heartbeat_of(OTHER);
    assert_int_equal(shell.event_count, 0);
    assert_int_equal(shell.daemon->dropped_frames, 0);
    shell.now_ms += 1000;
    heartbeat_of(PEER);
    assert_int_equal(shell.event_count, 1);
}

/* Answers are larger than all that is asked. */
static void answers_have_a_limit_of_their_own(void **state)
{
    (void)state;
    enum { ANSWER_BYTES = 2 << 20 };
    uint8_t *nothing = calloc(1, ANSWER_BYTES);
    assert_non_null(nothing);
    for (size_t i = 1; i <= 3; i++) {
        say(ANSWERING, span_of(nothing, ANSWER_BYTES));
        assert_int_equal(shell.daemon->dropped_frames, i); /* it was read, and means nothing */
    }
    free(nothing);
}

static void say_response(const struct consensus_codec_sync *response)
{
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode_response(response, &frame, &size), 0);
    say(ANSWERING, span_of(frame, size));
    free(frame);
}

static void an_answer_is_an_answer_and_has_no_more_blocks_than_may_be_asked_for(void **state)
{
    (void)state;
    static struct consensus_codec_block blocks[SYNC_BLOCKS + 1];
    sync_blocks_ask(shell.daemon, PEER, 1);
    uint64_t request = shell.daemon->peers[PEER].sync_request;
    say(ANSWERING, span_of(shell.sent[0].frame, shell.sent[0].size)); /* the very question */
    assert_int_equal(shell.daemon->dropped_frames, 1);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        blocks[i].header = sample_header(i + 1, 0);
    say_response(
        &(struct consensus_codec_sync){.request = request, .blocks = blocks, .block_count = ARRAY_COUNT(blocks)});
    assert_int_equal(shell.daemon->dropped_frames, 2);
    assert_int_equal(shell.event_count, 0);
    say_response(&(struct consensus_codec_sync){.request = request});
    assert_int_equal(shell.event_count, 1);
}

/* What was asked on the old connection has no answer on the new one. */
static void a_new_connection_begins_without_questions(void **state)
{
    (void)state;
    sync_blocks_ask(shell.daemon, PEER, 1);
    connect_peer();
    say_response(&(struct consensus_codec_sync){.request = shell.daemon->peers[PEER].sync_request});
    assert_int_equal(shell.event_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(who_speaks_in_anothers_name_is_not_heard),
        STORY(who_says_too_much_is_not_read),
        STORY(answers_have_a_limit_of_their_own),
        STORY(an_answer_is_an_answer_and_has_no_more_blocks_than_may_be_asked_for),
        STORY(a_new_connection_begins_without_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
