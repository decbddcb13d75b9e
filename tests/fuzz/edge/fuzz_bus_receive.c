/* fuzz_bus_receive.c - any number of frames of any size from an admitted peer: what is handed out is within its limits,
 * and the next good message arrives.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "common/edge/bus.h"
#include "common/edge/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MAX = 100, WAIT_MS = 20000 };

static struct bus *bus;
static struct bus_socket *router;
static void *peer_context;
static void *peer;
static char directory[] = "/tmp/fuzz-bus-XXXXXX";
static char path[64];

static void end(void)
{
    zmq_close(peer);
    zmq_ctx_term(peer_context);
    bus_socket_close(&router);
    bus_destroy(&bus);
    unlink(path);
    rmdir(directory);
}

static void start(void)
{
    char endpoint[80];
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof path, "%s/x", directory);
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    struct bus_options options = {
        .name = "x", .endpoint = endpoint, .frame_bytes_max = FRAME_MAX, .queue_count_max = 100};
    if (bus_new(&bus) < 0 || bus_router_bind(&router, bus, &options) < 0)
        abort();
    peer_context = zmq_ctx_new();
    peer = zmq_socket(peer_context, ZMQ_DEALER);
    int no_wait = 0;
    zmq_setsockopt(peer, ZMQ_LINGER, &no_wait, sizeof no_wait);
    if (zmq_connect(peer, endpoint) < 0)
        abort();
    atexit(end);
}

/* Each frame comes after two bytes: the top bit says that more frames follow, the rest is the length modulo 256. */
static void send_frames(const uint8_t *data, size_t size)
{
    int more = 0;
    while (size >= 2) {
        size_t frame_size = data[1] < size - 2 ? data[1] : size - 2;
        more = data[0] & 0x80 ? ZMQ_SNDMORE : 0;
        if (zmq_send(peer, data + 2, frame_size, more) < 0)
            abort();
        data += 2 + frame_size;
        size -= 2 + frame_size;
    }
    if (more && zmq_send(peer, "", 0, 0) < 0)
        abort();
}

static bool is_sentinel(const struct bus_message *message)
{
    return message->payload.size == 8 && memcmp(message->payload.data, "sentinel", 8) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!bus)
        start();
    send_frames(data, size < 4096 ? size : 4096);
    if (zmq_send(peer, "sentinel", 8, 0) < 0)
        abort();
    for (bool ended = false; !ended;) {
        struct bus_message message;
        int rc = bus_receive(router, &message);
        if (rc == -EAGAIN) {
            struct pollfd item = {.fd = bus_socket_fd(router), .events = POLLIN};
            if (!(bus_socket_events(router) & BUS_READABLE) && poll(&item, 1, WAIT_MS) <= 0)
                abort();
            continue;
        }
        assert(rc == 0 && message.payload.size <= FRAME_MAX && message.route.size > 0);
        assert(message.user_id[0] == '\0' && message.topic[0] == '\0');
        ended = is_sentinel(&message);
        bus_message_deinit(&message);
    }
    return 0;
}
