/* bus.c - common/edge/bus.h on virtual time.
 *
 * A connection between stages of a validator keeps its order and loses nothing as long as both sides live; when one
 * ends, what was under way is lost, and the connecting side comes again. Between validators a message may besides be
 * late, lost, doubled and overtaken, and links are cut and clogged.
 *
 * tcp is CURVE here, too: a connection stands only between the keys that both sides name.
 *
 * What one validator says to the others passes the liar's hooks (liar.h) when it is the liar.
 */
#include "tests/sim/whole/bus.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/err.h"
#include "tests/sim/whole/liar.h"
#include "tests/sim/whole/world.h"

enum {
    CONNECT_US_MAX = 20000, /* a connection is there at once, or is tried again ... */
    AGAIN_US_MAX = 200000,
    LOCAL_US_MAX = 300, /* between stages */
    ALLOWED_MAX = 64,
    ENDPOINT_BYTES = 192,
    LATE_US_MAX = 100000, /* of a doubled message */
};

struct parcel {
    uint32_t references;
    char topic[BUS_TOPIC_BYTES_MAX + 1];
    size_t size;
    uint8_t data[];
};

enum kind { KIND_ROUTER, KIND_DEALER, KIND_PUB, KIND_SUB };

struct allowed {
    char socket_name[BUS_NAME_BYTES_MAX];
    uint8_t key[BUS_KEY_BYTES];
    char user_id[BUS_NAME_BYTES_MAX];
};

struct bus {
    struct allowed allowed[ALLOWED_MAX];
    size_t allowed_count;
};

struct bus_socket {
    enum kind kind;
    struct bus *bus;
    struct process *process;
    struct loop_socket_handlers handlers;
    bool listening, paused, subscribed, tcp;
    char name[BUS_NAME_BYTES_MAX];
    char endpoint[ENDPOINT_BYTES]; /* of all validators together */
    char prefix[BUS_TOPIC_BYTES_MAX + 1];
    uint8_t public[BUS_KEY_BYTES], server_public[BUS_KEY_BYTES];
    uint32_t queue_count_max, frame_bytes_max;
    struct conn *conn; /* DEALER and SUB */
    struct bus_counters counters;
    uint64_t number;
    struct bus_socket *next;
};

/* Messages of one direction between stages, and how many are under way. */
struct lane {
    struct parcel **items;
    size_t first, count, capacity;
    uint32_t under_way;
    uint64_t last_us;
};

enum { TO_SERVER, TO_CLIENT };

struct conn {
    uint64_t number; /* also the ROUTER's route */
    struct bus_socket *client, *server;
    char user_id[BUS_NAME_BYTES_MAX];
    struct lane lanes[2];
    struct conn *next;
};

static struct bus_socket *sockets;
static struct conn *conns;
static uint64_t number_last;

/* --- parcels ------------------------------------------------------------------------------------------------------ */

static struct parcel *parcel_new(const char *topic, const void *payload, size_t size)
{
    struct parcel *parcel = must(malloc(sizeof *parcel + size));
    parcel->references = 1;
    parcel->size = size;
    snprintf(parcel->topic, sizeof parcel->topic, "%s", topic);
    if (size > 0)
        memcpy(parcel->data, payload, size);
    return parcel;
}

static void parcel_release(void *parcel)
{
    struct parcel *self = parcel;
    if (--self->references == 0)
        free(self);
}

static void lane_put(struct lane *lane, struct parcel *parcel)
{
    if (lane->count == lane->capacity) {
        size_t capacity = lane->capacity ? 2 * lane->capacity : 8;
        struct parcel **items = must(calloc(capacity, sizeof(struct parcel *)));
        for (size_t i = 0; i < lane->count; i++)
            items[i] = lane->items[(lane->first + i) % lane->capacity];
        free(lane->items);
        *lane = (struct lane){.items = items,
                              .count = lane->count,
                              .capacity = capacity,
                              .under_way = lane->under_way,
                              .last_us = lane->last_us};
    }
    lane->items[(lane->first + lane->count++) % lane->capacity] = parcel;
}

static struct parcel *lane_take(struct lane *lane)
{
    struct parcel *parcel = lane->items[lane->first];
    lane->first = (lane->first + 1) % lane->capacity;
    lane->count--;
    return parcel;
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static bool is_remote(const struct conn *conn)
{
    return conn->client->process->validator != conn->server->process->validator;
}

static struct conn *conn_find(uint64_t number)
{
    struct conn *each = conns;
    while (each && each->number != number)
        each = each->next;
    return each;
}

static struct bus_socket *socket_find(uint64_t number)
{
    struct bus_socket *each = sockets;
    while (each && each->number != number)
        each = each->next;
    return each;
}

static void try_connect(void *thing, uint64_t number);

static void connect_later(struct bus_socket *client, uint64_t delay_us_max)
{
    world_at(&(struct world_event){.at_us = world_now_us() + 1 + world_below(delay_us_max),
                                   .process = client->process,
                                   .aside = true,
                                   .run = try_connect,
                                   .number = client->number});
}

static void conn_end(struct conn *conn)
{
    struct conn **at = &conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    conn->client->conn = NULL;
    for (int i = 0; i < 2; i++) {
        while (conn->lanes[i].count > 0)
            parcel_release(lane_take(&conn->lanes[i]));
        free(conn->lanes[i].items);
    }
    free(conn);
}

/* Who the server takes the client for; false: nobody it knows. */
static bool authenticate(const struct bus_socket *client, const struct bus_socket *server, char *user_id)
{
    user_id[0] = '\0';
    if (!server->tcp)
        return true;
    if (memcmp(client->server_public, server->public, BUS_KEY_BYTES) != 0)
        return false;
    for (size_t i = 0; i < server->bus->allowed_count; i++) {
        const struct allowed *allowed = &server->bus->allowed[i];
        if (strcmp(allowed->socket_name, server->name) == 0 &&
            memcmp(allowed->key, client->public, BUS_KEY_BYTES) == 0) {
            snprintf(user_id, BUS_NAME_BYTES_MAX, "%s", allowed->user_id);
            return true;
        }
    }
    return false;
}

static bool fits(const struct bus_socket *client, const struct bus_socket *server)
{
    return server->kind == (client->kind == KIND_SUB ? KIND_PUB : KIND_ROUTER) &&
           strcmp(server->endpoint, client->endpoint) == 0;
}

static void try_connect(void *thing, uint64_t number)
{
    struct bus_socket *client = socket_find(number);
    if (!client || client->conn)
        return;
    char user_id[BUS_NAME_BYTES_MAX];
    struct bus_socket *server = sockets;
    while (server && !fits(client, server))
        server = server->next;
    bool cut = server && world.links[client->process->validator][server->process->validator].cut;
    if (!server || server->process->dead || cut || !authenticate(client, server, user_id)) {
        connect_later(client, AGAIN_US_MAX);
        return;
    }
    struct conn *conn = must(calloc(1, sizeof *conn));
    *conn = (struct conn){.number = ++number_last, .client = client, .server = server, .next = conns};
    memcpy(conn->user_id, user_id, sizeof user_id);
    conns = conn;
    client->conn = conn;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static struct bus_socket *end_of(const struct conn *conn, int direction)
{
    return direction == TO_SERVER ? conn->server : conn->client;
}

static void message_of(struct bus_message *out, const struct conn *conn, int direction, struct parcel *parcel)
{
    *out = (struct bus_message){.payload = span_of(parcel->data, parcel->size), .full_ = true};
    memcpy(out->frame_, &parcel, sizeof(struct parcel *));
    snprintf(out->topic, sizeof out->topic, "%s", parcel->topic);
    if (direction == TO_SERVER) {
        out->route.size = sizeof conn->number;
        memcpy(out->route.bytes, &conn->number, sizeof conn->number);
        memcpy(out->user_id, conn->user_id, sizeof out->user_id);
    }
}

static enum sim_bus_channel channel_of(const struct conn *conn, int direction)
{
    if (conn->client->kind == KIND_SUB)
        return SIM_BUS_CONSENSUS;
    if (conn->server->process->stage == STAGE_CONSENSUSD)
        return direction == TO_SERVER ? SIM_BUS_SYNC_QUESTION : SIM_BUS_SYNC_ANSWER;
    return direction == TO_SERVER ? SIM_BUS_FETCH : SIM_BUS_BODIES;
}

static uint64_t way_of(const struct conn *conn, int direction)
{
    return conn->number << 1 | (uint64_t)direction;
}

static struct sim_bus_word word_of(const struct conn *conn, int direction, const struct bus_socket *other)
{
    return (struct sim_bus_word){.way = way_of(conn, direction),
                                 .channel = channel_of(conn, direction),
                                 .peer = other->process->validator,
                                 .topic = ""};
}

static void tell_liar(const struct conn *conn, int direction, const struct parcel *parcel)
{
    if (!is_remote(conn) || !world_is_liar(end_of(conn, direction)->process->validator))
        return;
    struct sim_bus_word word = word_of(conn, direction, end_of(conn, 1 - direction));
    word.topic = parcel->topic;
    word.bytes = span_of(parcel->data, parcel->size);
    liar_on_heard(&word);
}

static void hand_over(const struct conn *conn, int direction, struct parcel *parcel)
{
    struct bus_socket *socket = end_of(conn, direction);
    tell_liar(conn, direction, parcel);
    if (parcel->size > socket->frame_bytes_max || !socket->handlers.message) {
        parcel_release(parcel);
        return;
    }
    struct loop_socket_handlers handlers = socket->handlers;
    struct bus_message message;
    message_of(&message, conn, direction, parcel);
    socket->counters.received_count++;
    handlers.message(handlers.context, &message);
    bus_message_deinit(&message);
    if (handlers.drained)
        handlers.drained(handlers.context);
}

/* The first message of the lane; which event brings which one does not matter. */
static void arrive_local(void *thing, uint64_t number)
{
    struct conn *conn = conn_find(number >> 1);
    int direction = (int)(number & 1);
    if (!conn || conn->lanes[direction].count == 0)
        return;
    const struct bus_socket *socket = end_of(conn, direction);
    if (!socket->listening || socket->paused)
        return; /* resuming makes the events anew */
    hand_over(conn, direction, lane_take(&conn->lanes[direction]));
}

static void arrive_remote(void *thing, uint64_t number)
{
    struct parcel *parcel = thing;
    struct conn *conn = conn_find(number >> 1);
    int direction = (int)(number & 1);
    if (!conn) {
        parcel_release(parcel);
        return;
    }
    conn->lanes[direction].under_way--;
    hand_over(conn, direction, parcel);
}

static void post(struct conn *conn, int direction, uint64_t at_us, void (*run)(void *, uint64_t), struct parcel *parcel)
{
    world_at(&(struct world_event){.at_us = at_us,
                                   .process = end_of(conn, direction)->process,
                                   .run = run,
                                   .drop = parcel ? parcel_release : NULL,
                                   .thing = parcel,
                                   .number = way_of(conn, direction)});
}

static void listen_again(struct bus_socket *socket)
{
    for (struct conn *conn = conns; conn; conn = conn->next) {
        for (int direction = 0; direction < 2; direction++) {
            if (end_of(conn, direction) != socket)
                continue;
            for (size_t i = 0; i < conn->lanes[direction].count; i++)
                post(conn, direction, world_now_us() + 1, arrive_local, NULL);
        }
    }
}

void sim_bus_listen(struct bus_socket *socket, const struct loop_socket_handlers *handlers)
{
    socket->listening = handlers != NULL;
    socket->handlers = handlers ? *handlers : (struct loop_socket_handlers){0};
    if (handlers)
        listen_again(socket);
}

void sim_bus_pause(struct bus_socket *socket, bool pause)
{
    bool resumed = socket->paused && !pause;
    socket->paused = pause;
    if (resumed)
        listen_again(socket);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void deliver_remote(struct conn *conn, int direction, struct parcel *parcel, uint64_t late_us)
{
    const struct process *from = end_of(conn, 1 - direction)->process;
    const struct link *link = &world.links[from->validator][end_of(conn, direction)->process->validator];
    if (link->cut || world_chance(world.loss_ppm))
        return;
    uint64_t delay_us = world.delay_us_min + world_below(world.delay_us_max - world.delay_us_min + 1);
    uint64_t at_us = world_now_us() + delay_us + late_us;
    if (at_us < link->clogged_until_us)
        at_us = link->clogged_until_us;
    parcel->references++;
    conn->lanes[direction].under_way++;
    post(conn, direction, at_us, arrive_remote, parcel);
}

static void deliver_local(struct conn *conn, int direction, struct parcel *parcel)
{
    struct lane *lane = &conn->lanes[direction];
    uint64_t at_us = world_now_us() + 1 + world_below(LOCAL_US_MAX);
    if (at_us < lane->last_us)
        at_us = lane->last_us;
    lane->last_us = at_us;
    parcel->references++;
    lane_put(lane, parcel);
    post(conn, direction, at_us, arrive_local, NULL);
}

static bool has_room(const struct conn *conn, int direction)
{
    const struct lane *lane = &conn->lanes[direction];
    return lane->count + lane->under_way < end_of(conn, 1 - direction)->queue_count_max;
}

static void transmit(struct conn *conn, int direction, struct parcel *parcel)
{
    world_mark(parcel->size);
    deliver_remote(conn, direction, parcel, 0);
    if (world_chance(world.duplicate_ppm))
        deliver_remote(conn, direction, parcel, world_below(LATE_US_MAX));
}

/* Has the liar said something else, or nothing, in its place? */
static bool is_lied(const struct conn *conn, int direction, const struct parcel *parcel)
{
    if (!world_is_liar(end_of(conn, 1 - direction)->process->validator))
        return false;
    struct sim_bus_word word = word_of(conn, direction, end_of(conn, direction));
    word.topic = parcel->topic;
    word.bytes = span_of(parcel->data, parcel->size);
    return liar_on_send(&word);
}

static int deliver(struct conn *conn, int direction, struct parcel *parcel)
{
    if (!has_room(conn, direction))
        return -EAGAIN;
    if (!is_remote(conn)) {
        world_mark(parcel->size);
        deliver_local(conn, direction, parcel);
    } else if (!is_lied(conn, direction, parcel)) {
        transmit(conn, direction, parcel);
    }
    return 0;
}

static struct conn *conn_of(const struct bus_socket *self, const struct bus_route *route)
{
    if (!route)
        return self->conn;
    uint64_t number = 0;
    memcpy(&number, route->bytes, sizeof number);
    struct conn *conn = conn_find(number);
    return conn && conn->server == self ? conn : NULL;
}

int bus_send(struct bus_socket *self, const struct bus_route *route, const void *payload, size_t size)
{
    if (!world_point())
        return -EAGAIN;
    if (size > self->frame_bytes_max)
        return ERR_TOO_LARGE;
    struct conn *conn = conn_of(self, route);
    if (!conn)
        return route ? ERR_PEER_GONE : -EAGAIN;
    struct parcel *parcel = parcel_new("", payload, size);
    int rc = deliver(conn, route ? TO_CLIENT : TO_SERVER, parcel);
    parcel_release(parcel);
    self->counters.sent_count += rc == 0;
    return rc;
}

int bus_send_take(struct bus_socket *self, const struct bus_route *route, uint8_t **payload, size_t size)
{
    int rc = bus_send(self, route, *payload, size);
    if (rc == 0)
        free(TAKE(*payload));
    return rc;
}

int bus_publish(struct bus_socket *self, const char *topic, const void *payload, size_t size)
{
    if (!world_point())
        return 0; /* as a PUB whose messages go nowhere */
    if (size > self->frame_bytes_max)
        return ERR_TOO_LARGE;
    if (self->process->stage == STAGE_CONSENSUSD)
        judge_frame(self->process->validator, span_of(payload, size));
    struct parcel *parcel = parcel_new(topic, payload, size);
    for (struct conn *conn = conns; conn; conn = conn->next) {
        if (conn->server == self && conn->client->subscribed &&
            strncmp(topic, conn->client->prefix, strlen(conn->client->prefix)) == 0)
            (void)deliver(conn, TO_CLIENT, parcel); /* a PUB drops for who is slow */
    }
    parcel_release(parcel);
    self->counters.sent_count++;
    return 0;
}

int bus_publish_take(struct bus_socket *self, const char *topic, uint8_t **payload, size_t size)
{
    int rc = bus_publish(self, topic, *payload, size);
    if (rc == 0)
        free(TAKE(*payload));
    return rc;
}

/* --- the liar's --------------------------------------------------------------------------------------------------- */

size_t sim_bus_ways(struct sim_bus_word *out, size_t capacity, uint32_t from)
{
    size_t count = 0;
    for (const struct conn *conn = conns; conn; conn = conn->next) {
        for (int direction = 0; direction < 2 && is_remote(conn); direction++) {
            bool publishes = conn->client->kind != KIND_SUB || direction == TO_CLIENT;
            if (publishes && end_of(conn, 1 - direction)->process->validator == from && count < capacity)
                out[count++] = word_of(conn, direction, end_of(conn, direction));
        }
    }
    return count;
}

void sim_bus_say(uint64_t way, const char *topic, struct span bytes)
{
    struct conn *conn = conn_find(way >> 1);
    int direction = (int)(way & 1);
    if (!conn || !has_room(conn, direction))
        return;
    struct parcel *parcel = parcel_new(topic, bytes.data, bytes.size);
    transmit(conn, direction, parcel);
    parcel_release(parcel);
}

void sim_bus_submit(uint32_t validator, struct span frame)
{
    struct conn *conn = conns;
    while (conn && (conn->server->process->validator != validator || strcmp(conn->server->name, "admission") != 0))
        conn = conn->next;
    if (!conn || !has_room(conn, TO_SERVER))
        return;
    struct parcel *parcel = parcel_new("", frame.data, frame.size);
    deliver_local(conn, TO_SERVER, parcel);
    parcel_release(parcel);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

int bus_receive(struct bus_socket *self, struct bus_message *out)
{
    return -EAGAIN; /* the loop receives */
}

void bus_message_move(struct bus_message *to, struct bus_message *from)
{
    *to = *from;
    *from = (struct bus_message){.full_ = false};
}

void bus_message_deinit(struct bus_message *self)
{
    if (!self->full_)
        return;
    struct parcel *parcel;
    memcpy(&parcel, self->frame_, sizeof(struct parcel *));
    parcel_release(parcel);
    *self = (struct bus_message){.full_ = false};
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

int bus_new(struct bus **out)
{
    *out = must(calloc(1, sizeof **out));
    return 0;
}

void bus_destroy(struct bus **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int bus_allow(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES], const char *user_id)
{
    if (self->allowed_count == ALLOWED_MAX)
        return ERR_FULL;
    struct allowed *allowed = &self->allowed[self->allowed_count++];
    snprintf(allowed->socket_name, sizeof allowed->socket_name, "%s", socket_name);
    memcpy(allowed->key, key, BUS_KEY_BYTES);
    snprintf(allowed->user_id, sizeof allowed->user_id, "%s", user_id);
    return 0;
}

void bus_forbid(struct bus *self, const char *socket_name, const uint8_t key[static BUS_KEY_BYTES])
{
    for (size_t i = 0; i < self->allowed_count; i++) {
        if (strcmp(self->allowed[i].socket_name, socket_name) == 0 &&
            memcmp(self->allowed[i].key, key, BUS_KEY_BYTES) == 0)
            self->allowed[i] = self->allowed[--self->allowed_count];
    }
}

uint64_t bus_refused_count(const struct bus *self)
{
    return 0;
}

static int socket_new(struct bus_socket **out, struct bus *bus, const struct bus_options *options, enum kind kind)
{
    struct bus_socket *self = must(calloc(1, sizeof *self));
    *self = (struct bus_socket){.kind = kind,
                                .bus = bus,
                                .process = world.current,
                                .tcp = strncmp(options->endpoint, "tcp://", 6) == 0,
                                .queue_count_max = options->queue_count_max,
                                .frame_bytes_max = options->frame_bytes_max,
                                .number = ++number_last};
    snprintf(self->name, sizeof self->name, "%s", options->name);
    if (self->tcp) {
        snprintf(self->endpoint, sizeof self->endpoint, "%s", options->endpoint);
        bus_curve_public(self->public, options->curve_secret);
    } else { /* its path is relative to the validator's directory */
        snprintf(self->endpoint, sizeof self->endpoint, "%" PRIu32 ":%s", self->process->validator, options->endpoint);
    }
    if (self->tcp && options->server_public)
        memcpy(self->server_public, options->server_public, BUS_KEY_BYTES);
    self->next = sockets;
    sockets = self;
    if (kind == KIND_DEALER || kind == KIND_SUB)
        connect_later(self, CONNECT_US_MAX);
    *out = self;
    return 0;
}

int bus_router_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_new(out, bus, options, KIND_ROUTER);
}

int bus_dealer_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_new(out, bus, options, KIND_DEALER);
}

int bus_pub_bind(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_new(out, bus, options, KIND_PUB);
}

int bus_sub_connect(struct bus_socket **out, struct bus *bus, const struct bus_options *options)
{
    return socket_new(out, bus, options, KIND_SUB);
}

void bus_socket_close(struct bus_socket **self)
{
    if (!self || !*self)
        return;
    struct bus_socket **at = &sockets;
    while (*at != *self)
        at = &(*at)->next;
    *at = (*self)->next;
    struct conn *conn = conns;
    while (conn) {
        struct conn *next = conn->next;
        if (conn->client == *self) {
            conn_end(conn);
        } else if (conn->server == *self) {
            struct bus_socket *client = conn->client;
            conn_end(conn);
            connect_later(client, AGAIN_US_MAX);
        }
        conn = next;
    }
    free(*self);
    *self = NULL;
}

int bus_subscribe(struct bus_socket *self, const char *topic_prefix)
{
    self->subscribed = true;
    snprintf(self->prefix, sizeof self->prefix, "%s", topic_prefix);
    return 0;
}

const char *bus_socket_name(const struct bus_socket *self)
{
    return self->name;
}

const char *bus_socket_endpoint(const struct bus_socket *self)
{
    return self->endpoint;
}

struct bus_counters bus_socket_counters(const struct bus_socket *self)
{
    return self->counters;
}

uint32_t bus_socket_retry_ms(const struct bus_socket *self)
{
    (void)self;
    return 0; /* who comes back is connected at once */
}

bool bus_socket_is_connected(const struct bus_socket *self)
{
    return self->conn != NULL;
}

void bus_curve_public(uint8_t out[static BUS_KEY_BYTES], const uint8_t secret[static BUS_KEY_BYTES])
{
    struct hash hash = hash_of2(span_text("curve public"), span_of(secret, BUS_KEY_BYTES));
    memcpy(out, hash.bytes, BUS_KEY_BYTES);
}
