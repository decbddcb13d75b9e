/* test_bus.c - the bus on real sockets: loopback ports that the kernel chooses, and a directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/bus.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"

enum {
    WAIT_MS = 10000,  /* for what must come; under a sanitizer on a busy machine this can take long */
    SILENCE_MS = 300, /* for what must not come */
    FRAME_MAX = 4096,
};

struct keys {
    uint8_t secret[BUS_KEY_BYTES];
    uint8_t public[BUS_KEY_BYTES];
};

struct story {
    struct bus *bus;
    struct bus_socket *router;
    struct bus_socket *dealer;
    struct keys server;
    struct keys client;
    char directory[64];
    char endpoint[128];
};

static struct keys keys_new(void)
{
    struct keys keys;
    randombytes_buf(keys.secret, sizeof keys.secret);
    bus_curve_public(keys.public, keys.secret);
    return keys;
}

static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "/tmp/bus-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    s->server = keys_new();
    s->client = keys_new();
    assert_int_equal(bus_new(&s->bus), 0);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    bus_socket_close(&s->dealer);
    bus_socket_close(&s->router);
    bus_destroy(&s->bus);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

static struct bus_options ipc_options(struct story *s, const char *name)
{
    snprintf(s->endpoint, sizeof s->endpoint, "ipc://%s/%s.sock", s->directory, name);
    return (struct bus_options){
        .name = name, .endpoint = s->endpoint, .frame_bytes_max = FRAME_MAX, .queue_count_max = 100};
}

static struct bus_options tcp_bind_options(struct story *s)
{
    return (struct bus_options){.name = "stage",
                                .endpoint = "tcp://127.0.0.1:*",
                                .curve_secret = s->server.secret,
                                .frame_bytes_max = FRAME_MAX,
                                .queue_count_max = 100};
}

static struct bus_options tcp_connect_options(struct story *s, const char *endpoint)
{
    return (struct bus_options){.name = "stage_client",
                                .endpoint = endpoint,
                                .curve_secret = s->client.secret,
                                .server_public = s->server.public,
                                .frame_bytes_max = FRAME_MAX,
                                .queue_count_max = 100};
}

static void pair_over_ipc(struct story *s)
{
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
}

static void pair_over_tcp(struct story *s)
{
    struct bus_options options = tcp_bind_options(s);
    assert_int_equal(bus_allow(s->bus, "stage", s->client.public, "ingestd"), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
}

/* Wait until the socket has an event. */
static int wait_event(struct bus_socket *socket, int event, int timeout_ms)
{
    struct pollfd item = {.fd = bus_socket_fd(socket), .events = POLLIN};
    while (!(bus_socket_events(socket) & event)) {
        if (poll(&item, 1, timeout_ms) <= 0)
            return 0;
    }
    return 1;
}

static int receive_within(struct bus_socket *socket, struct bus_message *out, int timeout_ms)
{
    int rc = bus_receive(socket, out);
    while (rc == -EAGAIN && wait_event(socket, BUS_READABLE, timeout_ms) > 0)
        rc = bus_receive(socket, out);
    return rc;
}

static void send_text(struct bus_socket *socket, const struct bus_route *route, const char *text)
{
    int rc = bus_send(socket, route, text, strlen(text));
    while (rc == -EAGAIN && wait_event(socket, BUS_WRITABLE, WAIT_MS) > 0)
        rc = bus_send(socket, route, text, strlen(text));
    assert_int_equal(rc, 0);
}

static void assert_payload(const struct bus_message *message, const char *text)
{
    assert_int_equal(message->payload.size, strlen(text));
    assert_memory_equal(message->payload.data, text, strlen(text));
}

static struct bus_route expect_text(struct bus_socket *socket, const char *text, const char *user_id)
{
    struct bus_message message;
    assert_int_equal(receive_within(socket, &message, WAIT_MS), 0);
    assert_payload(&message, text);
    assert_string_equal(message.user_id, user_id);
    struct bus_route route = message.route;
    bus_message_deinit(&message);
    return route;
}

static void expect_silence(struct bus_socket *socket)
{
    struct bus_message message;
    assert_int_equal(receive_within(socket, &message, SILENCE_MS), -EAGAIN);
}

/* Both directions work. */
static void expect_conversation(struct story *s, const char *user_id)
{
    send_text(s->dealer, NULL, "question");
    struct bus_route route = expect_text(s->router, "question", user_id);
    send_text(s->router, &route, "answer");
    expect_text(s->dealer, "answer", "");
}

/* --- conversations ------------------------------------------------------------------------------------------------ */

static void a_question_over_ipc_is_answered_by_its_route(void **state)
{
    pair_over_ipc(*state);
    expect_conversation(*state, "");
    struct story *s = *state;
    assert_int_equal(bus_socket_counters(s->router).received_count, 1);
    assert_int_equal(bus_socket_counters(s->router).sent_count, 1);
    assert_string_equal(bus_socket_name(s->router), "pair");
}

static void a_question_over_tcp_names_the_peer_by_its_key(void **state)
{
    pair_over_tcp(*state);
    expect_conversation(*state, "ingestd");
    assert_int_equal(bus_refused_count(((struct story *)*state)->bus), 0);
}

static void an_empty_payload_is_a_message(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    send_text(s->dealer, NULL, "");
    expect_text(s->router, "", "");
}

static void a_subscriber_hears_the_topics_it_asked_for(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "feed");
    assert_int_equal(bus_pub_bind(&s->router, s->bus, &options), 0);
    assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(bus_subscribe(s->dealer, "consensus/vote"), 0);

    struct bus_message message;
    int rc = -EAGAIN;
    for (int i = 0; i < WAIT_MS / 10 && rc == -EAGAIN; i++) {
        assert_int_equal(bus_publish(s->router, "consensus/proposal", "p", 1), 0);
        assert_int_equal(bus_publish(s->router, "consensus/vote", "v", 1), 0);
        rc = receive_within(s->dealer, &message, 10);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(message.topic, "consensus/vote");
    assert_payload(&message, "v");
    bus_message_deinit(&message);
}

static void a_subscriber_over_tcp_needs_an_allowed_key(void **state)
{
    struct story *s = *state;
    struct bus_options options = tcp_bind_options(s);
    assert_int_equal(bus_pub_bind(&s->router, s->bus, &options), 0);
    options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(bus_subscribe(s->dealer, ""), 0);

    struct bus_message message;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(bus_publish(s->router, "blocks", "b", 1), 0);
        assert_int_equal(receive_within(s->dealer, &message, 10), -EAGAIN);
    }
    assert_int_equal(bus_allow(s->bus, "stage", s->client.public, "v2"), 0);
    int rc = -EAGAIN;
    for (int i = 0; i < WAIT_MS / 10 && rc == -EAGAIN; i++) {
        bus_socket_tend(s->dealer, 1000 + (uint64_t)i * 100); /* which connects anew */
        assert_int_equal(bus_publish(s->router, "blocks", "b", 1), 0);
        rc = receive_within(s->dealer, &message, 10);
    }
    assert_int_equal(rc, 0);
    bus_socket_tend(s->dealer, 1);
    assert_true(bus_socket_is_connected(s->dealer));
    bus_message_deinit(&message);
}

static void a_topic_out_of_range_is_refused(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "feed");
    assert_int_equal(bus_pub_bind(&s->router, s->bus, &options), 0);
    char topic[BUS_TOPIC_BYTES_MAX + 2];
    memset(topic, 't', sizeof topic);
    topic[sizeof topic - 1] = '\0';
    assert_int_equal(bus_publish(s->router, "", "x", 1), -EINVAL);
    assert_int_equal(bus_publish(s->router, topic, "x", 1), -EINVAL);
    assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(bus_subscribe(s->dealer, topic), -EINVAL);
}

static void a_taken_buffer_goes_out_without_a_copy(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    expect_conversation(s, "");
    uint8_t *payload = malloc(3000);
    memset(payload, 'x', 3000);
    assert_int_equal(bus_send_take(s->dealer, NULL, &payload, 3000), 0);
    assert_null(payload);
    struct bus_message message;
    assert_int_equal(receive_within(s->router, &message, WAIT_MS), 0);
    assert_int_equal(message.payload.size, 3000);
    bus_message_deinit(&message);
}

static void a_buffer_that_cannot_be_sent_stays_with_its_owner(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "absent");
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    uint8_t *payload = malloc(3000);
    memset(payload, 'x', 3000);
    assert_int_equal(bus_send_take(s->dealer, NULL, &payload, 3000), -EAGAIN);
    assert_non_null(payload);
    assert_int_equal(payload[2999], 'x');
    assert_int_equal(bus_send_take(s->dealer, NULL, &payload, FRAME_MAX + 1), ERR_TOO_LARGE);
    assert_non_null(payload);
    free(payload);
}

static void a_moved_message_keeps_its_bytes(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    char large[2000];
    memset(large, 'l', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    const char *const texts[] = {"small", large};
    for (size_t i = 0; i < 2; i++) {
        struct bus_message first, second;
        send_text(s->dealer, NULL, texts[i]);
        assert_int_equal(receive_within(s->router, &first, WAIT_MS), 0);
        bus_message_move(&second, &first);
        bus_message_deinit(&first); /* holds nothing: harmless */
        memset(&first, 0xee, sizeof first);
        assert_payload(&second, texts[i]);
        assert_true(second.route.size > 0);
        bus_message_deinit(&second);
    }
}

/* --- peers that come and go --------------------------------------------------------------------------------------- */

static void a_peer_that_left_is_told(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    send_text(s->dealer, NULL, "question");
    struct bus_route route = expect_text(s->router, "question", "");
    bus_socket_close(&s->dealer);
    int rc = 0;
    for (int i = 0; i < WAIT_MS / 10 && rc != ERR_PEER_GONE; i++) {
        rc = bus_send(s->router, &route, "answer", 6);
        wait_event(s->router, BUS_READABLE, 10);
    }
    assert_int_equal(rc, ERR_PEER_GONE);
    assert_true(bus_socket_counters(s->router).gone_count > 0);
}

static void nothing_is_queued_for_a_peer_that_is_away(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "absent");
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(bus_send(s->dealer, NULL, "x", 1), -EAGAIN);
    assert_int_equal(bus_socket_counters(s->dealer).full_count, 1);
}

static void a_full_queue_turns_back_and_loses_nothing(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "narrow");
    options.queue_count_max = 4;
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    send_text(s->dealer, NULL, "first");
    uint8_t payload[FRAME_MAX] = {0};
    unsigned sent = 0;
    for (;;) {
        int rc = bus_send(s->dealer, NULL, payload, sizeof payload);
        if (rc == -EAGAIN && wait_event(s->dealer, BUS_WRITABLE, SILENCE_MS) <= 0)
            break;
        sent += rc == 0;
        assert_true(sent < 10000);
    }
    expect_text(s->router, "first", "");
    struct bus_message message;
    unsigned received = 0;
    while (received < sent && receive_within(s->router, &message, WAIT_MS) == 0) {
        received++;
        bus_message_deinit(&message);
    }
    assert_int_equal(received, sent);
}

static void a_restarted_peer_is_found_again(void **state)
{
    struct story *s = *state;
    struct bus *other = NULL;
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(bus_new(&other), 0);
    assert_int_equal(bus_router_bind(&s->router, other, &options), 0);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    expect_conversation(s, "");
    bus_socket_tend(s->dealer, 1);
    assert_true(bus_socket_is_connected(s->dealer));
    bus_socket_close(&s->router);
    bus_destroy(&other); /* as its process would end */
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    struct bus_message message;
    int rc = -EAGAIN;
    for (int i = 0; i < WAIT_MS / 100 && rc == -EAGAIN; i++) { /* a standing request is sent again */
        int sent = bus_send(s->dealer, NULL, "again", 5);
        assert_true(sent == 0 || sent == -EAGAIN);
        rc = receive_within(s->router, &message, 100);
    }
    assert_int_equal(rc, 0);
    assert_payload(&message, "again");
    bus_message_deinit(&message);
}

/* --- strangers ---------------------------------------------------------------------------------------------------- */

static void an_unlisted_key_gets_nothing(void **state)
{
    struct story *s = *state;
    pair_over_tcp(s);
    expect_conversation(s, "ingestd");
    s->client = keys_new();
    struct bus_options options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    struct bus_socket *stranger = NULL;
    assert_int_equal(bus_dealer_connect(&stranger, s->bus, &options), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(bus_send(stranger, NULL, "let me in", 9), -EAGAIN);
        expect_silence(s->router);
        if (bus_refused_count(s->bus) > 0)
            break;
    }
    assert_true(bus_refused_count(s->bus) > 0);
    bus_socket_close(&stranger);
    expect_conversation(s, "ingestd");
}

static void a_key_of_another_socket_gets_nothing(void **state)
{
    struct story *s = *state;
    struct bus_options options = tcp_bind_options(s);
    assert_int_equal(bus_allow(s->bus, "gossip", s->client.public, "v2"), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(wait_event(s->dealer, BUS_WRITABLE, SILENCE_MS), 0);
    expect_silence(s->router);
}

static void a_forbidden_key_is_refused_from_then_on(void **state)
{
    struct story *s = *state;
    pair_over_tcp(s);
    expect_conversation(s, "ingestd");
    bus_socket_close(&s->dealer);
    bus_forbid(s->bus, "stage", s->client.public);
    bus_forbid(s->bus, "unknown", s->client.public);
    struct bus_options options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(wait_event(s->dealer, BUS_WRITABLE, SILENCE_MS), 0);
}

static void a_server_with_another_key_gets_nothing_from_us(void **state)
{
    struct story *s = *state;
    struct bus_options options = tcp_bind_options(s);
    assert_int_equal(bus_allow(s->bus, "stage", s->client.public, "ingestd"), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    options = tcp_connect_options(s, bus_socket_endpoint(s->router));
    struct keys other = keys_new();
    options.server_public = other.public;
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(wait_event(s->dealer, BUS_WRITABLE, SILENCE_MS), 0);
    expect_silence(s->router);
}

/* A DEALER of plain libzmq in a context of its own. */
struct stranger {
    void *context;
    void *socket;
};

static struct stranger stranger_new(int type)
{
    struct stranger stranger = {.context = zmq_ctx_new()};
    stranger.socket = zmq_socket(stranger.context, type);
    int no_wait = 0;
    zmq_setsockopt(stranger.socket, ZMQ_LINGER, &no_wait, sizeof no_wait);
    return stranger;
}

static void stranger_destroy(struct stranger *stranger)
{
    zmq_close(stranger->socket);
    zmq_ctx_term(stranger->context);
}

static void clients_without_curve_get_nothing(void **state)
{
    struct story *s = *state;
    pair_over_tcp(s);
    struct stranger plain = stranger_new(ZMQ_DEALER);
    zmq_setsockopt(plain.socket, ZMQ_PLAIN_USERNAME, "admin", 5);
    zmq_setsockopt(plain.socket, ZMQ_PLAIN_PASSWORD, "admin", 5);
    struct stranger open = stranger_new(ZMQ_DEALER);
    struct stranger subscriber = stranger_new(ZMQ_SUB);
    zmq_setsockopt(subscriber.socket, ZMQ_SUBSCRIBE, "", 0);
    void *const sockets[] = {plain.socket, open.socket, subscriber.socket};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(zmq_connect(sockets[i], bus_socket_endpoint(s->router)), 0);
    zmq_send(plain.socket, "hello", 5, ZMQ_DONTWAIT);
    zmq_send(open.socket, "hello", 5, ZMQ_DONTWAIT);
    expect_silence(s->router);
    expect_conversation(s, "ingestd");
    char buffer[16];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(zmq_recv(sockets[i], buffer, sizeof buffer, ZMQ_DONTWAIT), -1);
    stranger_destroy(&plain);
    stranger_destroy(&open);
    stranger_destroy(&subscriber);
}

static int raw_connect(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int raw_connect_ipc(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + strlen("ipc://"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Openings that a ZMTP engine has to survive: other protocols, old and future greetings, cut and mutated ones. */
static void send_garbage(int (*connect_to)(const char *endpoint), const char *endpoint, unsigned round)
{
    static const char *const openings[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\xff\xf4\xff\xfd\x06quit\r\n",                 /* telnet */
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /* TLS */
        "\x01\x7f",                                     /* ZMTP 1.0 */
        "\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05",           /* ZMTP 2.0 */
        "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL",         /* ZMTP 3.0 */
        "\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01\x43URVE",   /* ZMTP 3.1 */
        "\xff\0\0\0\0\0\0\0\x01\x7f\xff\xff",           /* a future one */
    };
    static const size_t sizes[] = {27, 8, 11, 2, 12, 16, 17, 12};
    uint8_t bytes[2048];
    size_t size = 64 + randombytes_uniform(1900);
    randombytes_buf(bytes, size);
    size_t which = round % 9;
    if (which < 8) {
        if (sizes[which] >= 12) /* the rest of a greeting is zeros */
            memset(bytes, 0, 64);
        memcpy(bytes, openings[which], sizes[which]);
        if (which == 6)
            memcpy(bytes + 64, "\x04\xc8\x05HELLO\x01\0", 10); /* and then a HELLO full of noise */
    }
    int fd = connect_to(endpoint);
    ssize_t put = send(fd, bytes, size, MSG_NOSIGNAL);
    (void)put;
    if (round % 2)
        shutdown(fd, SHUT_WR);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 4 && poll(&item, 1, 5) > 0 && recv(fd, bytes, sizeof bytes, 0) > 0; i++)
        ;
    close(fd);
}

static void garbage_on_tcp_ends_nothing(void **state)
{
    struct story *s = *state;
    pair_over_tcp(s);
    for (unsigned round = 0; round < 180; round++)
        send_garbage(raw_connect, bus_socket_endpoint(s->router), round);
    expect_silence(s->router);
    expect_conversation(s, "ingestd");
}

static void garbage_on_ipc_ends_nothing(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    for (unsigned round = 0; round < 180; round++)
        send_garbage(raw_connect_ipc, s->endpoint, round);
    struct bus_message message; /* without CURVE a few bytes are a message already */
    while (receive_within(s->router, &message, SILENCE_MS) == 0)
        bus_message_deinit(&message);
    expect_conversation(s, "");
}

/* --- bad messages of admitted peers ------------------------------------------------------------------------------- */

static void messages_with_wrong_frames_are_dropped_and_counted(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    struct stranger peer = stranger_new(ZMQ_DEALER);
    assert_int_equal(zmq_connect(peer.socket, s->endpoint), 0);
    zmq_send(peer.socket, "", 0, ZMQ_SNDMORE); /* as a REQ does */
    zmq_send(peer.socket, "two frames", 10, 0);
    for (int i = 0; i < 50; i++)
        zmq_send(peer.socket, "many", 4, ZMQ_SNDMORE);
    zmq_send(peer.socket, "frames", 6, 0);
    zmq_send(peer.socket, "good", 4, 0);
    expect_text(s->router, "good", "");
    assert_int_equal(bus_socket_counters(s->router).bad_count, 2);
    stranger_destroy(&peer);
}

static void a_publisher_without_topic_is_dropped_and_counted(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "feed");
    struct stranger peer = stranger_new(ZMQ_PUB);
    assert_int_equal(zmq_bind(peer.socket, s->endpoint), 0);
    assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), 0);
    assert_int_equal(bus_subscribe(s->dealer, ""), 0);
    char long_topic[BUS_TOPIC_BYTES_MAX + 1];
    memset(long_topic, 't', sizeof long_topic);
    struct bus_message message;
    int rc = -EAGAIN;
    for (int i = 0; i < WAIT_MS / 10 && rc == -EAGAIN; i++) {
        zmq_send(peer.socket, "alone", 5, 0);
        zmq_send(peer.socket, "", 0, ZMQ_SNDMORE);
        zmq_send(peer.socket, "no topic", 8, 0);
        zmq_send(peer.socket, long_topic, sizeof long_topic, ZMQ_SNDMORE);
        zmq_send(peer.socket, "long topic", 10, 0);
        zmq_send(peer.socket, "t", 1, ZMQ_SNDMORE);
        zmq_send(peer.socket, "good", 4, 0);
        rc = receive_within(s->dealer, &message, 10);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(message.topic, "t");
    assert_payload(&message, "good");
    assert_true(bus_socket_counters(s->dealer).bad_count >= 3);
    bus_message_deinit(&message);
    stranger_destroy(&peer);
}

static void a_frame_above_the_limit_is_not_sent(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    uint8_t payload[FRAME_MAX + 1] = {0};
    send_text(s->dealer, NULL, "first");
    expect_text(s->router, "first", "");
    assert_int_equal(bus_send(s->dealer, NULL, payload, sizeof payload), ERR_TOO_LARGE);
    assert_int_equal(bus_send(s->dealer, NULL, payload, sizeof payload - 1), 0);
}

static void a_frame_above_the_limit_is_not_accepted(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    struct stranger peer = stranger_new(ZMQ_DEALER);
    assert_int_equal(zmq_connect(peer.socket, s->endpoint), 0);
    static uint8_t payload[8 * 1024 * 1024];
    zmq_send(peer.socket, payload, FRAME_MAX + 1, 0); /* within what CURVE might add: arrives, is counted */
    zmq_send(peer.socket, payload, FRAME_MAX, 0);
    struct bus_message message;
    assert_int_equal(receive_within(s->router, &message, WAIT_MS), 0);
    assert_int_equal(message.payload.size, FRAME_MAX);
    bus_message_deinit(&message);
    assert_int_equal(bus_socket_counters(s->router).bad_count, 1);
    zmq_send(peer.socket, payload, sizeof payload, 0); /* far above: libzmq ends the connection */
    expect_silence(s->router);
    stranger_destroy(&peer);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    expect_conversation(s, "");
}

static void a_frame_at_the_limit_passes_with_curve(void **state)
{
    struct story *s = *state;
    pair_over_tcp(s);
    expect_conversation(s, "ingestd");
    uint8_t payload[FRAME_MAX] = {0};
    assert_int_equal(bus_send(s->dealer, NULL, payload, sizeof payload), 0);
    struct bus_message message;
    assert_int_equal(receive_within(s->router, &message, WAIT_MS), 0);
    assert_int_equal(message.payload.size, FRAME_MAX);
    bus_message_deinit(&message);
}

/* --- what is refused at the start --------------------------------------------------------------------------------- */

static void tcp_without_keys_is_refused(void **state)
{
    struct story *s = *state;
    struct bus_options options = tcp_bind_options(s);
    options.curve_secret = NULL;
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), -EINVAL);
    assert_int_equal(bus_pub_bind(&s->router, s->bus, &options), -EINVAL);
    options.endpoint = "tcp://127.0.0.1:9";
    options.server_public = s->server.public;
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), -EINVAL);
    options.curve_secret = s->client.secret;
    options.server_public = NULL;
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), -EINVAL);
    assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), -EINVAL);
    assert_null(s->router);
    assert_null(s->dealer);
}

static void other_transports_and_bad_endpoints_are_refused(void **state)
{
    struct story *s = *state;
    static const char *const endpoints[] = {
        "",
        "inproc://x",
        "udp://127.0.0.1:1",
        "pgm://eth0;239.0.0.1:1",
        "ws://127.0.0.1:1",
        "tcp://",
        "tcp://:1",
        "tcp://host:",
        "tcp://host",
        "tcp://127.0.0.1:1;127.0.0.1:2",
        "tcp://a b:1",
        "ipc://",
        "ipc://*",
        "ipc://@name",
        "ipc:///tmp/",
        "TCP://127.0.0.1:1",
    };
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        struct bus_options options = tcp_bind_options(s);
        options.endpoint = endpoints[i];
        assert_int_equal(bus_router_bind(&s->router, s->bus, &options), -EINVAL);
    }
}

static void options_out_of_range_are_refused(void **state)
{
    struct story *s = *state;
    struct bus_options good = ipc_options(s, "pair");
    struct bus_options bad[7] = {good, good, good, good, good, good, good};
    bad[0].name = NULL;
    bad[1].name = "";
    bad[2].name = "with space";
    bad[3].frame_bytes_max = 0;
    bad[4].frame_bytes_max = BUS_FRAME_BYTES_MAX + 1;
    bad[5].queue_count_max = 0;
    bad[6].endpoint = NULL;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(bus_router_bind(&s->router, s->bus, &bad[i]), -EINVAL);
    assert_int_equal(bus_allow(s->bus, "pair", s->client.public, ""), -EINVAL);
    assert_int_equal(bus_allow(s->bus, "", s->client.public, "x"), -EINVAL);
    assert_int_equal(bus_allow(s->bus, "pair", s->client.public, "new\nline"), -EINVAL);
}

static void a_long_ipc_path_is_refused_by_name(void **state)
{
    struct story *s = *state;
    char endpoint[256];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%0*d", s->directory, 120, 0);
    struct bus_options options = ipc_options(s, "pair");
    options.endpoint = endpoint;
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), -ENAMETOOLONG);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), -ENAMETOOLONG);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%0*d", s->directory,
             (int)(BUS_IPC_PATH_BYTES_MAX - strlen(s->directory) - 1), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
}

static void an_ipc_directory_open_to_others_is_refused(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "pair");
    static const mode_t open_modes[] = {0777, 0755, 0711, 0701, 0704, 0770, 0720};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        assert_int_equal(chmod(s->directory, open_modes[i]), 0);
        assert_int_equal(bus_router_bind(&s->router, s->bus, &options), ERR_PERMISSIONS);
        assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), ERR_PERMISSIONS);
        assert_int_equal(bus_pub_bind(&s->router, s->bus, &options), ERR_PERMISSIONS);
        assert_int_equal(bus_sub_connect(&s->dealer, s->bus, &options), ERR_PERMISSIONS);
    }
    assert_int_equal(chmod(s->directory, 0750), 0);
    pair_over_ipc(s);
    expect_conversation(s, "");
    struct stat status;
    assert_int_equal(stat(s->endpoint + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
}

static void a_missing_ipc_directory_is_made_by_who_binds(void **state)
{
    struct story *s = *state;
    char endpoint[160];
    char path[128];
    snprintf(path, sizeof path, "%s/new", s->directory);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/x.sock", path);
    struct bus_options options = ipc_options(s, "pair");
    options.endpoint = endpoint;
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), -ENOENT);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(endpoint + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_linked_ipc_directory_is_refused(void **state)
{
    struct story *s = *state;
    char path[128];
    char endpoint[160];
    snprintf(path, sizeof path, "%s/link", s->directory);
    assert_int_equal(symlink("/tmp", path), 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/x.sock", path);
    struct bus_options options = ipc_options(s, "pair");
    options.endpoint = endpoint;
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), -ENOTDIR);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), -ENOTDIR);
}

/* Run as another user in a child: returns what the function returned. */
static int as_nobody(int (*function)(const char *endpoint), const char *endpoint)
{
    pid_t child = fork();
    if (child == 0)
        _exit(setgid(65534) < 0 || setuid(65534) < 0 ? 99 : function(endpoint));
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int connect_errno(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
}

static void another_user_cannot_reach_an_ipc_socket(void **state)
{
    struct story *s = *state;
    if (geteuid() != 0)
        skip(); /* only root can become another user */
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    assert_int_equal(as_nobody(connect_errno, s->endpoint), EACCES);
    assert_int_equal(chmod(s->directory, 0750), 0);
    assert_int_equal(as_nobody(connect_errno, s->endpoint), EACCES);
}

static void an_ipc_directory_of_someone_else_is_refused(void **state)
{
    struct story *s = *state;
    if (geteuid() != 0)
        skip(); /* only root can give a directory away */
    struct bus_options options = ipc_options(s, "pair");
    assert_int_equal(chown(s->directory, 65534, 65534), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), ERR_PERMISSIONS);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), ERR_PERMISSIONS);
    assert_int_equal(chown(s->directory, 65534, getegid()), 0);
    assert_int_equal(chmod(s->directory, 0750), 0);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), ERR_PERMISSIONS);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0); /* a group of ours: another stage's user */
}

/* A process that binds and is killed, so that its socket file stays. */
static void leave_a_stale_socket(const char *endpoint)
{
    pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + 6);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(access(endpoint + 6, F_OK), 0);
}

static void the_socket_of_a_killed_process_is_replaced(void **state)
{
    struct story *s = *state;
    ipc_options(s, "pair");
    leave_a_stale_socket(s->endpoint);
    pair_over_ipc(s);
    expect_conversation(s, "");
}

static void the_socket_of_a_living_process_is_not_stolen(void **state)
{
    struct story *s = *state;
    pair_over_ipc(s);
    struct bus_options options = ipc_options(s, "pair");
    struct bus_socket *thief = NULL;
    assert_int_equal(bus_router_bind(&thief, s->bus, &options), -EADDRINUSE);
    expect_conversation(s, "");
}

static void a_file_in_the_way_is_left_alone(void **state)
{
    struct story *s = *state;
    struct bus_options options = ipc_options(s, "pair");
    int fd = open(s->endpoint + 6, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "data", 4), 4);
    close(fd);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), -EEXIST);
    struct stat status;
    assert_int_equal(stat(s->endpoint + 6, &status), 0);
    assert_int_equal(status.st_size, 4);
}

static void a_tcp_port_in_use_is_refused(void **state)
{
    struct story *s = *state;
    struct bus_options options = tcp_bind_options(s);
    assert_int_equal(bus_router_bind(&s->router, s->bus, &options), 0);
    options.endpoint = bus_socket_endpoint(s->router);
    struct bus_socket *second = NULL;
    assert_int_equal(bus_router_bind(&second, s->bus, &options), -EADDRINUSE);
}

static void the_allow_list_is_bounded(void **state)
{
    struct story *s = *state;
    uint8_t key[BUS_KEY_BYTES] = {0};
    for (unsigned i = 0; i < BUS_ALLOWED_COUNT_MAX; i++) {
        memcpy(key, &i, sizeof i);
        assert_int_equal(bus_allow(s->bus, "stage", key, "peer"), 0);
    }
    assert_int_equal(bus_allow(s->bus, "stage", key, "renamed"), 0); /* no new entry */
    key[31] = 1;
    assert_int_equal(bus_allow(s->bus, "stage", key, "peer"), ERR_FULL);
    key[31] = 0;
    bus_forbid(s->bus, "stage", key);
    key[31] = 1;
    assert_int_equal(bus_allow(s->bus, "stage", key, "peer"), 0);
}

static void a_public_key_is_the_one_libzmq_makes(void **state)
{
    (void)state;
    char public_z85[41], secret_z85[41];
    uint8_t public[BUS_KEY_BYTES], secret[BUS_KEY_BYTES], got[BUS_KEY_BYTES];
    assert_int_equal(zmq_curve_keypair(public_z85, secret_z85), 0);
    assert_non_null(zmq_z85_decode(public, public_z85));
    assert_non_null(zmq_z85_decode(secret, secret_z85));
    bus_curve_public(got, secret);
    assert_memory_equal(got, public, sizeof public);
}

/* Nobody listens: the tries become rarer, and never rarer than every 2 s and the jitter of 100 ms. The port is bound,
 * so that nobody else gets it. */
static void a_dead_peer_is_tried_less_and_less_often(void **state)
{
    struct story *s = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(s->endpoint, sizeof s->endpoint, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    struct bus_options options = tcp_connect_options(s, s->endpoint);
    assert_int_equal(bus_dealer_connect(&s->dealer, s->bus, &options), 0);
    /* Some tries may go unseen where this process waits for a processor; the time that they took may not. */
    const uint64_t start_ms = loop_now_ms();
    uint32_t last_ms = 0;
    while (last_ms < 2000 && loop_now_ms() - start_ms < 2 * WAIT_MS) {
        bus_socket_tend(s->dealer, 1);
        uint32_t retry_ms = bus_socket_retry_ms(s->dealer);
        assert_in_range(retry_ms, last_ms, 2100);
        last_ms = retry_ms;
        poll(NULL, 0, 20);
    }
    assert_in_range(last_ms, 2000, 2100);
    assert_true(loop_now_ms() - start_ms >= 100 + 200 + 400 + 800 + 1600);
    close(fd);
    assert_false(bus_socket_is_connected(s->dealer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(a_question_over_ipc_is_answered_by_its_route),
        STORY(a_question_over_tcp_names_the_peer_by_its_key),
        STORY(an_empty_payload_is_a_message),
        STORY(a_subscriber_hears_the_topics_it_asked_for),
        STORY(a_subscriber_over_tcp_needs_an_allowed_key),
        STORY(a_topic_out_of_range_is_refused),
        STORY(a_taken_buffer_goes_out_without_a_copy),
        STORY(a_buffer_that_cannot_be_sent_stays_with_its_owner),
        STORY(a_moved_message_keeps_its_bytes),
        STORY(a_peer_that_left_is_told),
        STORY(nothing_is_queued_for_a_peer_that_is_away),
        STORY(a_full_queue_turns_back_and_loses_nothing),
        STORY(a_restarted_peer_is_found_again),
        STORY(an_unlisted_key_gets_nothing),
        STORY(a_key_of_another_socket_gets_nothing),
        STORY(a_forbidden_key_is_refused_from_then_on),
        STORY(a_server_with_another_key_gets_nothing_from_us),
        STORY(clients_without_curve_get_nothing),
        STORY(garbage_on_tcp_ends_nothing),
        STORY(garbage_on_ipc_ends_nothing),
        STORY(messages_with_wrong_frames_are_dropped_and_counted),
        STORY(a_publisher_without_topic_is_dropped_and_counted),
        STORY(a_frame_above_the_limit_is_not_sent),
        STORY(a_frame_above_the_limit_is_not_accepted),
        STORY(a_frame_at_the_limit_passes_with_curve),
        STORY(tcp_without_keys_is_refused),
        STORY(other_transports_and_bad_endpoints_are_refused),
        STORY(options_out_of_range_are_refused),
        STORY(a_long_ipc_path_is_refused_by_name),
        STORY(an_ipc_directory_open_to_others_is_refused),
        STORY(a_missing_ipc_directory_is_made_by_who_binds),
        STORY(a_linked_ipc_directory_is_refused),
        STORY(another_user_cannot_reach_an_ipc_socket),
        STORY(an_ipc_directory_of_someone_else_is_refused),
        STORY(the_socket_of_a_killed_process_is_replaced),
        STORY(the_socket_of_a_living_process_is_not_stolen),
        STORY(a_file_in_the_way_is_left_alone),
        STORY(a_tcp_port_in_use_is_refused),
        STORY(the_allow_list_is_bounded),
        STORY(a_dead_peer_is_tried_less_and_less_often),
        cmocka_unit_test(a_public_key_is_the_one_libzmq_makes),
    };
    log_set_fd(open("/dev/null", O_WRONLY));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
