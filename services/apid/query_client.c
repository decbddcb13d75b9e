/* query_client.c - a table of waiting questions under one mutex. */
#include "services/apid/query_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "proto/query.pb-c.h"

enum { FRAME_VERSION = 1, FRESH_MS = 5000 };

enum slot_state { SLOT_FREE, SLOT_NEW, SLOT_SENT, SLOT_DONE };

struct slot {
    enum slot_state state;
    uint64_t request;
    const struct query_client_question *question;
    uint8_t *frame;
    size_t size;
};

struct query_client {
    struct loop *loop;
    struct bus_socket *socket;
    struct loop_wakeup *wakeup;
    pthread_mutex_t lock;
    pthread_cond_t done;
    struct slot slots[QUERY_CLIENT_WAITING_MAX];
    uint64_t request_last;
    uint64_t heard_ms;
};

static int send_question(struct query_client *self, uint64_t request, const struct query_client_question *question)
{
    Cybermesh__Query__V1__QueryFrame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    Cybermesh__Query__V1__StateRequest state;
    cybermesh__query__v1__state_request__init(&state);
    Cybermesh__Query__V1__StatusRequest status;
    cybermesh__query__v1__status_request__init(&status);
    frame.version = FRAME_VERSION;
    if (question) {
        state.request = request;
        state.key.data = (uint8_t *)(uintptr_t)question->key;
        state.key.len = strlen(question->key);
        state.at_height = question->at_height;
        state.height = question->height;
        frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST;
        frame.state_request = &state;
    } else {
        status.request = request;
        frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS_REQUEST;
        frame.status_request = &status;
    }
    size_t size = cybermesh__query__v1__query_frame__get_packed_size(&frame);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    cybermesh__query__v1__query_frame__pack(&frame, bytes);
    int rc = bus_send_take(self->socket, NULL, &bytes, size);
    free(bytes);
    return rc;
}

static void on_wakeup(void *context)
{
    struct query_client *self = context;
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state == SLOT_NEW && send_question(self, slot->request, slot->question) == 0)
            slot->state = SLOT_SENT;
    }
    pthread_mutex_unlock(&self->lock);
}

static uint64_t request_of(struct span payload, bool *is_state)
{
    Cybermesh__Query__V1__QueryFrame *frame =
        cybermesh__query__v1__query_frame__unpack(NULL, payload.size, payload.data);
    uint64_t request = 0;
    *is_state =
        frame && frame->version == FRAME_VERSION && frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE;
    if (*is_state)
        request = frame->state->request;
    if (frame)
        cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
    return request;
}

static void on_message(void *context, struct bus_message *message)
{
    struct query_client *self = context;
    bool is_state = false;
    uint64_t request = request_of(message->payload, &is_state);
    pthread_mutex_lock(&self->lock);
    self->heard_ms = loop_now_ms();
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX && is_state; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != SLOT_SENT || slot->request != request)
            continue;
        slot->frame = malloc(message->payload.size);
        if (slot->frame) {
            memcpy(slot->frame, message->payload.data, message->payload.size);
            slot->size = message->payload.size;
            slot->state = SLOT_DONE;
        }
        pthread_cond_broadcast(&self->done);
    }
    pthread_mutex_unlock(&self->lock);
}

static struct slot *slot_take(struct query_client *self, const struct query_client_question *question)
{
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        *slot = (struct slot){.state = SLOT_NEW, .request = ++self->request_last, .question = question};
        return slot;
    }
    return NULL;
}

static struct timespec deadline(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += QUERY_CLIENT_WAIT_MS / 1000;
    return at;
}

int query_client_state(struct query_client *self, const struct query_client_question *question, uint8_t **frame,
                       size_t *size)
{
    pthread_mutex_lock(&self->lock);
    struct slot *slot = slot_take(self, question);
    if (!slot) {
        pthread_mutex_unlock(&self->lock);
        return ERR_FULL;
    }
    loop_wakeup_signal(self->wakeup);
    struct timespec until = deadline();
    int timed_out = 0;
    while (slot->state != SLOT_DONE && timed_out == 0)
        timed_out = pthread_cond_timedwait(&self->done, &self->lock, &until);
    int rc = slot->state == SLOT_DONE ? 0 : ERR_PEER_GONE;
    if (rc == 0) {
        *frame = slot->frame;
        *size = slot->size;
    }
    *slot = (struct slot){0};
    pthread_mutex_unlock(&self->lock);
    return rc;
}

bool query_client_is_connected(struct query_client *self)
{
    pthread_mutex_lock(&self->lock);
    bool fresh = self->heard_ms && loop_now_ms() < self->heard_ms + FRESH_MS;
    pthread_mutex_unlock(&self->lock);
    return fresh;
}

void query_client_tick(struct query_client *self)
{
    int rc = send_question(self, 0, NULL);
    if (rc < 0 && rc != -EAGAIN)
        log_warn("query.unsent", "error=\"%s\"", err_text(rc));
    on_wakeup(self);
}

int query_client_new(struct query_client **out, struct loop *loop, struct bus *bus, const struct bus_options *executord)
{
    CLEANUP(query_client_destroy) struct query_client *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->loop = loop;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->done, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    int rc = loop_wakeup_new(&self->wakeup, loop, on_wakeup, self);
    rc = rc == 0 ? bus_dealer_connect(&self->socket, bus, executord) : rc;
    struct loop_socket_handlers handlers = {.message = on_message, .context = self};
    rc = rc == 0 ? loop_socket_add(loop, self->socket, &handlers) : rc;
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void query_client_destroy(struct query_client **self)
{
    if (!self || !*self)
        return;
    if ((*self)->socket)
        loop_socket_remove((*self)->loop, (*self)->socket);
    bus_socket_close(&(*self)->socket);
    loop_wakeup_destroy(&(*self)->wakeup);
    pthread_cond_destroy(&(*self)->done);
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}
