/* bus_zap.c - libzmq asks about every CURVE client before its first message; without an answer of 200 it is
 * disconnected.
 *
 * The list is per socket (the ZAP domain is the socket's name): a key that may speak as a gossip peer may not speak as
 * a stage. The name a key has there travels as User-Id with each of its messages. Requests come from libzmq itself, yet
 * nothing in them is trusted: the credentials are a stranger's.
 */
#include "common/edge/bus_zap.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "common/base/err.h"
#include "common/edge/log.h"

/* Frames of a request, RFC 27. */
enum { FRAME_VERSION, FRAME_REQUEST_ID, FRAME_DOMAIN, FRAME_ADDRESS, FRAME_IDENTITY, FRAME_MECHANISM, FRAME_CURVE_KEY };
enum { FRAME_COUNT_CURVE = 7, REQUEST_ID_BYTES_MAX = 255 };

struct entry {
    char domain[BUS_NAME_BYTES_MAX];
    char user_id[BUS_NAME_BYTES_MAX];
    uint8_t key[BUS_KEY_BYTES];
};

struct bus_zap {
    pthread_mutex_t lock; /* guards entries and entry_count */
    struct entry *entries;
    size_t entry_count;
    atomic_uint_fast64_t refused_count;
    struct log_limit refused_log;
    void *socket; /* the thread's, between its start and its end */
    pthread_t thread;
    bool thread_runs;
};

bool bus_zap_name_is_valid(const char *name)
{
    if (!name || name[0] == '\0' || strlen(name) >= BUS_NAME_BYTES_MAX)
        return false;
    for (; *name; name++) {
        if (*name <= ' ' || *name > '~')
            return false;
    }
    return true;
}

/* The entry of a key in a domain, or NULL. The caller holds the lock. */
static struct entry *entry_find(struct bus_zap *self, struct span domain, const uint8_t *key)
{
    for (size_t i = 0; i < self->entry_count; i++) {
        struct entry *entry = &self->entries[i];
        if (span_equal(domain, span_text(entry->domain)) && memcmp(entry->key, key, BUS_KEY_BYTES) == 0)
            return entry;
    }
    return NULL;
}

int bus_zap_allow(struct bus_zap *self, const char *domain, const uint8_t key[static BUS_KEY_BYTES],
                  const char *user_id)
{
    if (!bus_zap_name_is_valid(domain) || !bus_zap_name_is_valid(user_id))
        return -EINVAL;
    int rc = 0;
    pthread_mutex_lock(&self->lock);
    struct entry *entry = entry_find(self, span_text(domain), key);
    if (!entry && self->entry_count == BUS_ALLOWED_COUNT_MAX)
        rc = ERR_FULL;
    else if (!entry)
        entry = &self->entries[self->entry_count++];
    if (entry) {
        memset(entry, 0, sizeof *entry);
        memcpy(entry->domain, domain, strlen(domain));
        memcpy(entry->user_id, user_id, strlen(user_id));
        memcpy(entry->key, key, BUS_KEY_BYTES);
    }
    pthread_mutex_unlock(&self->lock);
    return rc;
}

void bus_zap_forbid(struct bus_zap *self, const char *domain, const uint8_t key[static BUS_KEY_BYTES])
{
    pthread_mutex_lock(&self->lock);
    struct entry *entry = entry_find(self, span_text(domain), key);
    if (entry)
        *entry = self->entries[--self->entry_count];
    pthread_mutex_unlock(&self->lock);
}

uint64_t bus_zap_refused_count(const struct bus_zap *self)
{
    return atomic_load(&self->refused_count);
}

enum bus_zap_verdict bus_zap_judge(struct bus_zap *self, const struct span *frames, size_t count,
                                   char user_id[static BUS_NAME_BYTES_MAX])
{
    if (count < FRAME_MECHANISM + 1 || !span_equal(frames[FRAME_VERSION], span_text("1.0")))
        return BUS_ZAP_MALFORMED;
    if (!span_equal(frames[FRAME_MECHANISM], span_text("CURVE")))
        return BUS_ZAP_REFUSED;
    if (count != FRAME_COUNT_CURVE || frames[FRAME_CURVE_KEY].size != BUS_KEY_BYTES)
        return BUS_ZAP_MALFORMED;
    pthread_mutex_lock(&self->lock);
    const struct entry *entry = entry_find(self, frames[FRAME_DOMAIN], frames[FRAME_CURVE_KEY].data);
    if (entry)
        memcpy(user_id, entry->user_id, BUS_NAME_BYTES_MAX);
    pthread_mutex_unlock(&self->lock);
    return entry ? BUS_ZAP_ALLOWED : BUS_ZAP_REFUSED;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

struct request {
    zmq_msg_t messages[BUS_ZAP_FRAME_COUNT_MAX];
    struct span frames[BUS_ZAP_FRAME_COUNT_MAX];
    size_t count; /* frames received; those above BUS_ZAP_FRAME_COUNT_MAX are only counted */
};

static void request_deinit(struct request *request)
{
    size_t kept = request->count < BUS_ZAP_FRAME_COUNT_MAX ? request->count : BUS_ZAP_FRAME_COUNT_MAX;
    for (size_t i = 0; i < kept; i++)
        zmq_msg_close(&request->messages[i]);
    request->count = 0;
}

/* Wait for all frames of one request. Returns 0 or -errno. */
static int request_receive(void *socket, struct request *out)
{
    out->count = 0;
    for (int more = 1; more;) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, socket, 0) < 0) {
            if (errno == EINTR)
                continue;
            int rc = -errno;
            request_deinit(out);
            return rc;
        }
        more = zmq_msg_more(&message);
        if (out->count < BUS_ZAP_FRAME_COUNT_MAX) {
            zmq_msg_t *kept = &out->messages[out->count];
            zmq_msg_init(kept);
            zmq_msg_move(kept, &message);
            out->frames[out->count] = span_of(zmq_msg_data(kept), zmq_msg_size(kept));
        }
        zmq_msg_close(&message);
        out->count++;
    }
    return 0;
}

/* Send one frame; after a failure the rest is not sent. */
static void answer_frame(int *rc, void *socket, struct span frame, int flags)
{
    while (*rc == 0 && zmq_send(socket, frame.data, frame.size, flags) < 0) {
        if (errno != EINTR)
            *rc = -errno;
    }
}

static int answer_send(void *socket, struct span request_id, enum bus_zap_verdict verdict, const char *user_id)
{
    static const char *const status[] = {
        [BUS_ZAP_ALLOWED] = "200", [BUS_ZAP_REFUSED] = "400", [BUS_ZAP_MALFORMED] = "500"};
    int rc = 0;
    answer_frame(&rc, socket, span_text("1.0"), ZMQ_SNDMORE);
    answer_frame(&rc, socket, request_id, ZMQ_SNDMORE);
    answer_frame(&rc, socket, span_text(status[verdict]), ZMQ_SNDMORE);
    answer_frame(&rc, socket, span_text(""), ZMQ_SNDMORE); /* status text: strangers are told nothing */
    answer_frame(&rc, socket, span_text(user_id), ZMQ_SNDMORE);
    answer_frame(&rc, socket, span_text(""), 0); /* metadata */
    return rc;
}

static void refusal_count(struct bus_zap *self, const struct request *request)
{
    atomic_fetch_add(&self->refused_count, 1);
    struct span none = {0};
    struct span domain = request->count > FRAME_DOMAIN ? request->frames[FRAME_DOMAIN] : none;
    struct span address = request->count > FRAME_ADDRESS ? request->frames[FRAME_ADDRESS] : none;
    log_limited(&self->refused_log, LOG_LEVEL_WARN, "bus.refused", "socket=%s address=%s", LOG_QUOTE(domain),
                LOG_QUOTE(address));
}

static int request_answer(struct bus_zap *self, const struct request *request)
{
    char user_id[BUS_NAME_BYTES_MAX] = "";
    enum bus_zap_verdict verdict = BUS_ZAP_MALFORMED;
    if (request->count <= BUS_ZAP_FRAME_COUNT_MAX)
        verdict = bus_zap_judge(self, request->frames, request->count, user_id);
    if (verdict != BUS_ZAP_ALLOWED)
        refusal_count(self, request);
    struct span request_id = request->count > FRAME_REQUEST_ID ? request->frames[FRAME_REQUEST_ID] : (struct span){0};
    if (request_id.size > REQUEST_ID_BYTES_MAX)
        request_id.size = 0;
    return answer_send(self->socket, request_id, verdict, user_id);
}

static void *thread_main(void *argument)
{
    struct bus_zap *self = argument;
    struct request request;
    int rc = 0;
    while (rc == 0) {
        rc = request_receive(self->socket, &request);
        if (rc < 0)
            break;
        rc = request_answer(self, &request);
        request_deinit(&request);
    }
    if (rc != -ETERM)
        log_error("bus.zap_ended", "error=%s", LOG_QUOTE_TEXT(zmq_strerror(-rc)));
    zmq_close(self->socket);
    return NULL;
}

/* No signal may be delivered to a thread of ours. */
static int thread_start(struct bus_zap *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(&self->thread, NULL, thread_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    self->thread_runs = rc == 0;
    return rc;
}

/* --- construction ------------------------------------------------------------------------------------------------- */

int bus_zap_new_idle(struct bus_zap **out)
{
    struct bus_zap *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->entries = calloc(BUS_ALLOWED_COUNT_MAX, sizeof *self->entries);
    if (!self->entries) {
        free(self);
        return -ENOMEM;
    }
    pthread_mutex_init(&self->lock, NULL);
    *out = self;
    return 0;
}

int bus_zap_new(struct bus_zap **out, void *zmq_context)
{
    CLEANUP(bus_zap_destroy) struct bus_zap *self = NULL;
    int rc = bus_zap_new_idle(&self);
    if (rc < 0)
        return rc;
    self->socket = zmq_socket(zmq_context, ZMQ_REP);
    if (!self->socket)
        return -errno;
    int no_wait = 0;
    zmq_setsockopt(self->socket, ZMQ_LINGER, &no_wait, sizeof no_wait);
    rc = zmq_bind(self->socket, "inproc://zeromq.zap.01") < 0 ? -errno : thread_start(self);
    if (rc < 0) {
        zmq_close(self->socket);
        return rc;
    }
    *out = TAKE(self);
    return 0;
}

void bus_zap_destroy(struct bus_zap **self)
{
    if (!self || !*self)
        return;
    if ((*self)->thread_runs)
        pthread_join((*self)->thread, NULL);
    pthread_mutex_destroy(&(*self)->lock);
    free((*self)->entries);
    free(*self);
    *self = NULL;
}
