/* query_client.c - a table of waiting questions under one mutex. */
#include "services/apid/query_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum { FRESH_MS = 5000, RESEND_PERIOD_MS = 250 };

enum slot_state { SLOT_FREE, SLOT_NEW, SLOT_SENT, SLOT_DONE };

struct slot {
    enum slot_state state;
    uint64_t request; /* also the asker's ticket */
    uint64_t asked_ms, sent_ms;
    const struct query_codec_question *question; /* the asker's, who waits */
    Cybermesh__Query__V1__QueryFrame *frame;     /* SLOT_DONE */
};

/* What a socket's handler gets: whose answer it is. */
struct stage {
    struct query_client *client;
    enum query_client_stage index;
    struct bus_socket *socket; /* NULL: not asked */
    uint64_t bad_count;
};

struct query_client {
    struct query_client_options options;
    struct stage stages[QUERY_CLIENT_STAGES];
    struct loop_wakeup *wakeup;
    uint32_t timer;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t done;
    struct slot slots[QUERY_CLIENT_WAITING_MAX];
    uint64_t request_last;
    uint64_t heard_ms; /* executord; 0: never */
};

/* --- asking, on the loop's thread --------------------------------------------------------------------------------- */

static int send_frame(struct stage *stage, uint8_t *bytes, size_t size)
{
    int rc = bus_send_take(stage->socket, NULL, &bytes, size);
    free(bytes);
    return rc;
}

static int send_question(struct query_client *self, const struct slot *slot)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rc = query_codec_ask_state(&bytes, &size, slot->request, slot->question);
    return rc == 0 ? send_frame(&self->stages[QUERY_CLIENT_EXECUTORD], bytes, size) : rc;
}

/* New questions, and those that nobody answered: their peer may have restarted. What cannot be sent now is tried again
 * by the timer. */
static void send_waiting(void *context)
{
    struct query_client *self = context;
    uint64_t now_ms = loop_now_ms();
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        bool is_late = slot->state == SLOT_SENT && now_ms >= slot->sent_ms + QUERY_CLIENT_AGAIN_MS;
        if ((slot->state == SLOT_NEW || is_late) && send_question(self, slot) == 0) {
            slot->state = SLOT_SENT;
            slot->sent_ms = now_ms;
        }
    }
    pthread_mutex_unlock(&self->lock);
}

void query_client_tick(struct query_client *self)
{
    for (size_t i = 0; i < QUERY_CLIENT_STAGES; i++) {
        uint8_t *bytes = NULL;
        size_t size = 0;
        struct stage *stage = &self->stages[i];
        int rc = stage->socket ? query_codec_ask_status(&bytes, &size, 0) : -EAGAIN;
        rc = rc == 0 ? send_frame(stage, bytes, size) : rc;
        if (rc < 0 && rc != -EAGAIN)
            log_warn("query.unsent", "socket=%s error=\"%s\"", bus_socket_name(stage->socket), err_text(rc));
    }
}

/* --- answers, on the loop's thread -------------------------------------------------------------------------------- */

/* The frame goes to who asked, if he still waits. */
static void hand_over_take(struct query_client *self, Cybermesh__Query__V1__QueryFrame **frame)
{
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != SLOT_SENT || slot->request != query_codec_request(*frame))
            continue;
        slot->frame = TAKE(*frame);
        slot->state = SLOT_DONE;
        pthread_cond_broadcast(&self->done);
        return;
    }
}

static void tell_status(struct stage *stage, const Cybermesh__Query__V1__Status *status)
{
    const struct query_client_options *options = &stage->client->options;
    for (size_t i = 0; i < status->n_items && options->status; i++)
        options->status(options->context, stage->index, status->items[i]->name, status->items[i]->value);
}

static void on_message(void *context, struct bus_message *message)
{
    struct stage *stage = context;
    struct query_client *self = stage->client;
    CLEANUP(query_codec_free) Cybermesh__Query__V1__QueryFrame *frame = NULL;
    if (query_codec_read(&frame, message->payload) < 0) {
        if (stage->bad_count++ == 0)
            log_warn("query.bad_frame", "socket=%s bytes=%zu", bus_socket_name(stage->socket), message->payload.size);
        return;
    }
    bool is_status = frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
    if (is_status)
        tell_status(stage, frame->status);
    if (stage->index != QUERY_CLIENT_EXECUTORD)
        return;
    pthread_mutex_lock(&self->lock);
    self->heard_ms = loop_now_ms();
    if (!is_status)
        hand_over_take(self, &frame);
    pthread_mutex_unlock(&self->lock);
}

/* --- the threads that ask ----------------------------------------------------------------------------------------- */

static struct slot *slot_take(struct query_client *self, const struct query_codec_question *question)
{
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        *slot = (struct slot){
            .state = SLOT_NEW, .request = ++self->request_last, .asked_ms = loop_now_ms(), .question = question};
        return slot;
    }
    return NULL;
}

int query_client_ask(struct query_client *self, const struct query_codec_question *question, uint64_t *ticket)
{
    pthread_mutex_lock(&self->lock);
    const struct slot *slot = slot_take(self, question);
    if (slot)
        *ticket = slot->request;
    pthread_mutex_unlock(&self->lock);
    if (!slot)
        return ERR_FULL;
    loop_wakeup_signal(self->wakeup);
    return 0;
}

static struct slot *slot_find(struct query_client *self, uint64_t ticket)
{
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != SLOT_FREE && slot->request == ticket)
            return slot;
    }
    return NULL;
}

static int take_locked(struct query_client *self, uint64_t ticket, Cybermesh__Query__V1__QueryFrame **out)
{
    struct slot *slot = slot_find(self, ticket);
    if (!slot)
        return ERR_NOT_FOUND;
    if (slot->state != SLOT_DONE && loop_now_ms() < slot->asked_ms + QUERY_CLIENT_WAIT_MS)
        return QUERY_CLIENT_WAITS;
    int rc = slot->state == SLOT_DONE ? 0 : ERR_PEER_GONE;
    if (rc == 0)
        *out = TAKE(slot->frame);
    *slot = (struct slot){.state = SLOT_FREE};
    return rc;
}

int query_client_take(struct query_client *self, uint64_t ticket, Cybermesh__Query__V1__QueryFrame **out)
{
    pthread_mutex_lock(&self->lock);
    int rc = take_locked(self, ticket, out);
    pthread_mutex_unlock(&self->lock);
    return rc;
}

/* As pthread_cond_timedwait() wants it, of the clock that loop_now_ms() reads. */
static struct timespec deadline(void)
{
    uint64_t at_ms = loop_now_ms() + QUERY_CLIENT_WAIT_MS;
    return (struct timespec){.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000};
}

int query_client_state(struct query_client *self, const struct query_codec_question *question,
                       Cybermesh__Query__V1__QueryFrame **out)
{
    uint64_t ticket = 0;
    int rc = query_client_ask(self, question, &ticket);
    if (rc < 0)
        return rc;
    struct timespec until = deadline();
    pthread_mutex_lock(&self->lock);
    rc = take_locked(self, ticket, out);
    while (rc == QUERY_CLIENT_WAITS) {
        (void)pthread_cond_timedwait(&self->done, &self->lock, &until);
        rc = take_locked(self, ticket, out);
    }
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

/* --- begin and end ------------------------------------------------------------------------------------------------ */

static int open_stages(struct query_client *self)
{
    for (size_t i = 0; i < QUERY_CLIENT_STAGES; i++) {
        struct stage *stage = &self->stages[i];
        *stage = (struct stage){.client = self, .index = (enum query_client_stage)i};
        if (!self->options.stages[i].endpoint)
            continue;
        int rc = bus_dealer_connect(&stage->socket, self->options.bus, &self->options.stages[i]);
        if (rc < 0)
            return rc;
        struct loop_socket_handlers handlers = {.message = on_message, .context = stage};
        rc = loop_socket_add(self->options.loop, stage->socket, &handlers);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int query_client_new(struct query_client **out, const struct query_client_options *options)
{
    CLEANUP(query_client_destroy) struct query_client *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->timer = LOOP_TIMER_NONE;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->done, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    int rc = loop_wakeup_new(&self->wakeup, options->loop, send_waiting, self);
    rc = rc == 0 ? loop_timer_every(options->loop, RESEND_PERIOD_MS, send_waiting, self, &self->timer) : rc;
    rc = rc == 0 ? open_stages(self) : rc;
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void query_client_destroy(struct query_client **self)
{
    if (!self || !*self)
        return;
    loop_timer_cancel((*self)->options.loop, (*self)->timer);
    for (size_t i = 0; i < QUERY_CLIENT_STAGES; i++) {
        if ((*self)->stages[i].socket)
            loop_socket_remove((*self)->options.loop, (*self)->stages[i].socket);
        bus_socket_close(&(*self)->stages[i].socket);
    }
    for (size_t i = 0; i < QUERY_CLIENT_WAITING_MAX; i++)
        query_codec_free(&(*self)->slots[i].frame);
    loop_wakeup_destroy(&(*self)->wakeup);
    pthread_cond_destroy(&(*self)->done);
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}
