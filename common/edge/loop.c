/* loop.c - epoll waits, this file decides what is called.
 *
 * libzmq's descriptor of a socket tells that its state may have changed, and tells it once; ZMQ_EVENTS, or a receive,
 * tells what is true now; and every call on the socket may change that without a new signal. So a socket is asked when
 * its descriptor was readable, when it was registered, resumed or waits to write, and after calls on it
 * (bus_socket_watch()). The loop sleeps only while no socket is to be asked: then each said no after the last call on
 * it.
 *
 * A handler may remove anything: what comes after it looks at the slot's generation before it touches the slot.
 */
#include "common/edge/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum {
    MESSAGES_MAX_DEFAULT = 256,
    INTERNAL_FD_COUNT = 1,    /* signalfd */
    INTERNAL_TIMER_COUNT = 1, /* sockets_tend */
    TIMER_COUNT_MAX = LOOP_TIMER_COUNT_MAX + INTERNAL_TIMER_COUNT,
    TEND_MS = 500,
    EVENT_COUNT_MAX = 64, /* taken from epoll at once */
    SOURCE_COUNT_MAX = LOOP_SOCKET_COUNT_MAX + LOOP_FD_COUNT_MAX + INTERNAL_FD_COUNT,
    TIMER_GENERATION_MAX = UINT32_MAX / TIMER_COUNT_MAX - 1,
};

/* Why a socket is to be asked. These lie together, for every round looks at all of them. */
struct ask {
    bool ready; /* it may be */
    bool used;  /* see bus_socket_watch() */
};

/* One registered socket or descriptor. */
struct source {
    struct loop *loop;
    struct ask *ask;
    struct bus_socket *socket; /* NULL: a descriptor */
    int fd;
    bool used;
    bool paused;
    bool awaits_write;
    uint32_t generation; /* counts the uses of this slot */
    struct loop_socket_handlers handlers;
    void (*ready)(void *context); /* descriptors */
    void *context;
};

struct timer {
    bool used;
    uint32_t generation;
    uint64_t deadline_us;
    uint64_t period_us; /* 0: once */
    void (*fire)(void *context);
    void *context;
};

struct loop {
    int epoll_fd;
    int signal_fd;
    bool stopping;
    uint32_t socket_count;
    uint32_t fd_count;
    uint32_t source_limit; /* slots from here on were never used */
    uint32_t timer_limit;  /* the same */
    struct timer timers[TIMER_COUNT_MAX];
    struct source sources[SOURCE_COUNT_MAX];
    struct ask asks[SOURCE_COUNT_MAX]; /* of the source at the same place; false where there is no socket */
};

struct loop_wakeup {
    struct loop *loop;
    int fd;
    void (*handler)(void *context);
    void *context;
};

const uint64_t loop_wakeup_payload = 1;

/* --- clocks ------------------------------------------------------------------------------------------------------- */

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t loop_now_ms(void)
{
    return loop_now_us() / 1000;
}

int64_t loop_wall_ms(void)
{
    return (int64_t)(clock_us(CLOCK_REALTIME) / 1000);
}

/* --- sources ------------------------------------------------------------------------------------------------------ */

static struct source *source_of_socket(struct loop *self, const struct bus_socket *socket)
{
    for (size_t i = 0; i < self->source_limit; i++) {
        if (self->sources[i].used && self->sources[i].socket == socket)
            return &self->sources[i];
    }
    return NULL;
}

static struct source *source_of_fd(struct loop *self, int fd)
{
    for (size_t i = 0; i < self->source_limit; i++) {
        if (self->sources[i].used && !self->sources[i].socket && self->sources[i].fd == fd)
            return &self->sources[i];
    }
    return NULL;
}

/* Put it into a free slot, and let epoll watch its descriptor. There is a slot: the limits were checked. Returns 0 or
 * -errno. */
static int source_add(struct loop *self, const struct source *wanted)
{
    uint32_t index = 0;
    while (self->sources[index].used)
        index++;
    assert(index < SOURCE_COUNT_MAX);
    struct source *source = &self->sources[index];
    const uint32_t generation = source->generation + 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)generation << 32 | index};
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, wanted->fd, &event) < 0)
        return -errno;
    *source = *wanted;
    source->loop = self;
    source->ask = &self->asks[index];
    source->used = true;
    source->generation = generation;
    if (source->socket)
        bus_socket_watch(source->socket, &source->ask->used);
    if (index == self->source_limit)
        self->source_limit++;
    return 0;
}

static void source_remove(struct source *source)
{
    source->used = false;
    if (source->socket)
        bus_socket_watch(source->socket, NULL);
    *source->ask = (struct ask){.ready = false};
    epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

static bool source_is_still(const struct source *source, uint32_t generation)
{
    return source->used && source->generation == generation;
}

/* Hand out at most messages_max messages; the handler may pause, remove or close the socket, or stop the loop. Returns
 * 0 or -errno. */
static int socket_drain(struct source *source)
{
    const struct loop_socket_handlers handlers = source->handlers;
    const uint32_t generation = source->generation;
    uint32_t count = 0;
    bool here = true;
    while (here && count < handlers.messages_max && !source->paused && !source->loop->stopping) {
        struct bus_message message;
        int rc = bus_receive(source->socket, &message);
        if (rc == -EINTR)
            continue;
        if (rc == -EAGAIN)
            break;
        if (rc < 0)
            return rc;
        count++;
        if (handlers.message)
            handlers.message(handlers.context, &message);
        bus_message_deinit(&message);
        here = source_is_still(source, generation);
    }
    if (count > 0 && here && handlers.drained)
        handlers.drained(handlers.context);
    if (source_is_still(source, generation))
        source->ask->ready |= source->awaits_write; /* receiving may have taken the signal that it is writable */
    return 0;
}

/* What is to be done with the socket: BUS_READABLE, BUS_WRITABLE, both, 0 or -errno. One that is only read is not
 * asked: receiving tells as well whether there is something. */
static int socket_events(struct source *source)
{
    source->ask->ready = false;
    if (!source->awaits_write && !source->paused && source->handlers.message)
        return BUS_READABLE;
    int wanted = (source->paused ? 0 : BUS_READABLE) | (source->awaits_write ? BUS_WRITABLE : 0);
    int events = bus_socket_events(source->socket);
    return events < 0 ? events : events & wanted;
}

static int socket_serve(struct source *source)
{
    const uint32_t generation = source->generation;
    int events = socket_events(source);
    if (events < 0)
        return events;
    if (events & BUS_WRITABLE) {
        source->awaits_write = false;
        if (source->handlers.writable)
            source->handlers.writable(source->handlers.context);
    }
    return events & BUS_READABLE && source_is_still(source, generation) ? socket_drain(source) : 0;
}

static bool is_to_be_asked(const struct ask *ask)
{
    return ask->ready || ask->used;
}

/* Serve each socket that may be ready, once. Returns 0 or -errno. */
static int sockets_serve(struct loop *self)
{
    int rc = 0;
    for (size_t i = 0; i < self->source_limit && !self->stopping && rc == 0; i++) {
        if (is_to_be_asked(&self->asks[i]))
            rc = socket_serve(&self->sources[i]);
    }
    return rc;
}

static bool any_is_to_be_asked(const struct loop *self)
{
    for (size_t i = 0; i < self->source_limit; i++) {
        if (is_to_be_asked(&self->asks[i]))
            return true;
    }
    return false;
}

int loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *handlers)
{
    if (source_of_socket(self, socket))
        return -EEXIST;
    if (self->socket_count == LOOP_SOCKET_COUNT_MAX)
        return ERR_FULL;
    struct source source = {.socket = socket, .fd = bus_socket_fd(socket), .handlers = *handlers};
    if (source.handlers.messages_max == 0)
        source.handlers.messages_max = MESSAGES_MAX_DEFAULT;
    int rc = source_add(self, &source);
    self->socket_count += rc == 0;
    return rc;
}

void loop_socket_remove(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (!source)
        return;
    source_remove(source);
    self->socket_count--;
}

void loop_socket_pause(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (source)
        source->paused = true;
}

void loop_socket_resume(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (source) {
        source->paused = false;
        source->ask->ready = true;
    }
}

void loop_socket_await_write(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (source) {
        source->awaits_write = true;
        source->ask->ready = true;
    }
}

int loop_fd_add(struct loop *self, int fd, void (*ready)(void *context), void *context)
{
    if (fd < 0)
        return -EBADF;
    if (source_of_fd(self, fd))
        return -EEXIST;
    if (self->fd_count == LOOP_FD_COUNT_MAX)
        return ERR_FULL;
    int rc = source_add(self, &(struct source){.fd = fd, .ready = ready, .context = context});
    self->fd_count += rc == 0;
    return rc;
}

void loop_fd_remove(struct loop *self, int fd)
{
    struct source *source = source_of_fd(self, fd);
    if (!source)
        return;
    source_remove(source);
    self->fd_count--;
}

/* Wait up to timeout_ms (-1: for ever) for descriptors; serve those that are ready, and have their sockets asked.
 * Returns 0 or -errno. */
static int descriptors_serve(struct loop *self, int timeout_ms)
{
    struct epoll_event events[EVENT_COUNT_MAX];
    int count = epoll_wait(self->epoll_fd, events, EVENT_COUNT_MAX, timeout_ms);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count && !self->stopping; i++) {
        struct source *source = &self->sources[(uint32_t)events[i].data.u64];
        if (!source_is_still(source, (uint32_t)(events[i].data.u64 >> 32)))
            continue;
        if (source->socket)
            source->ask->ready = true;
        else
            source->ready(source->context);
    }
    return 0;
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* The used timer with the earliest deadline, or NULL. */
static struct timer *timer_next(struct loop *self)
{
    struct timer *next = NULL;
    for (size_t i = 0; i < self->timer_limit; i++) {
        struct timer *timer = &self->timers[i];
        if (timer->used && (!next || timer->deadline_us < next->deadline_us))
            next = timer;
    }
    return next;
}

/* How long to wait for the earliest deadline, in ms rounded up; -1: for ever. */
static int timers_wait_ms(struct loop *self)
{
    const struct timer *next = timer_next(self);
    if (!next)
        return -1;
    uint64_t now_us = loop_now_us();
    uint64_t wait_ms = next->deadline_us > now_us ? (next->deadline_us - now_us + 999) / 1000 : 0;
    return wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
}

/* One that is late fires once; what it missed is skipped. */
static void timer_fire(struct timer *timer, uint64_t now_us)
{
    if (timer->period_us == 0)
        timer->used = false;
    else
        timer->deadline_us += timer->period_us * (1 + (now_us - timer->deadline_us) / timer->period_us);
    timer->fire(timer->context);
}

/* Fire what is due, earliest first; at most as many as there can be, so that others get their turn. */
static void timers_fire(struct loop *self)
{
    const uint64_t now_us = loop_now_us();
    for (size_t i = 0; i < TIMER_COUNT_MAX && !self->stopping; i++) {
        struct timer *timer = timer_next(self);
        if (!timer || timer->deadline_us > now_us)
            break;
        timer_fire(timer, now_us);
    }
}

static int timer_add(struct loop *self, const struct timer *wanted, uint32_t *id)
{
    uint32_t index = 0;
    while (index < TIMER_COUNT_MAX && self->timers[index].used)
        index++;
    if (index == TIMER_COUNT_MAX)
        return ERR_FULL;
    struct timer *timer = &self->timers[index];
    uint32_t generation = timer->generation % TIMER_GENERATION_MAX + 1; /* never 0, so no id is LOOP_TIMER_NONE */
    *timer = *wanted;
    timer->used = true;
    timer->generation = generation;
    if (index == self->timer_limit)
        self->timer_limit++;
    if (id)
        *id = generation * TIMER_COUNT_MAX + index;
    return 0;
}

int loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context, uint32_t *id)
{
    struct timer timer = {.deadline_us = loop_now_us() + (uint64_t)delay_ms * 1000, .fire = fire, .context = context};
    return timer_add(self, &timer, id);
}

int loop_timer_every(struct loop *self, uint32_t period_ms, void (*fire)(void *context), void *context, uint32_t *id)
{
    if (period_ms == 0)
        return -EINVAL;
    uint64_t period_us = (uint64_t)period_ms * 1000;
    struct timer timer = {
        .deadline_us = loop_now_us() + period_us, .period_us = period_us, .fire = fire, .context = context};
    return timer_add(self, &timer, id);
}

void loop_timer_cancel(struct loop *self, uint32_t id)
{
    struct timer *timer = &self->timers[id % TIMER_COUNT_MAX];
    if (timer->generation == id / TIMER_COUNT_MAX)
        timer->used = false;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void signal_ready(void *context)
{
    struct loop *self = context;
    struct signalfd_siginfo info;
    if (read(self->signal_fd, &info, sizeof info) != sizeof info)
        return;
    log_info("loop.signal", "signal=%u sender=%u", info.ssi_signo, info.ssi_pid);
    self->stopping = true;
}

static int signals_open(struct loop *self)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int rc = -pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (rc < 0)
        return rc;
    self->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (self->signal_fd < 0)
        return -errno;
    return source_add(self, &(struct source){.fd = self->signal_fd, .ready = signal_ready, .context = self});
}

static void sockets_tend(void *context)
{
    struct loop *self = context;
    for (size_t i = 0; i < self->source_limit; i++) {
        if (self->sources[i].used && self->sources[i].socket)
            bus_socket_tend(self->sources[i].socket, loop_now_ms());
    }
}

int loop_new(struct loop **out)
{
    CLEANUP(loop_destroy) struct loop *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->signal_fd = -1;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0)
        return -errno;
    int rc = signals_open(self);
    if (rc == 0)
        rc = loop_timer_every(self, TEND_MS, sockets_tend, self, NULL);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void loop_destroy(struct loop **self)
{
    if (!self || !*self)
        return;
    if ((*self)->signal_fd >= 0)
        close((*self)->signal_fd);
    if ((*self)->epoll_fd >= 0)
        close((*self)->epoll_fd);
    free(*self);
    *self = NULL;
}

/* Everything that is ready, once: sockets, descriptors, timers. Returns 0 or -errno. */
static int loop_round(struct loop *self)
{
    int rc = sockets_serve(self);
    if (rc < 0 || self->stopping)
        return rc;
    rc = descriptors_serve(self, any_is_to_be_asked(self) ? 0 : timers_wait_ms(self));
    if (rc == 0)
        timers_fire(self);
    return rc;
}

int loop_run(struct loop *self)
{
    int rc = 0;
    self->stopping = false;
    while (rc == 0 && !self->stopping)
        rc = loop_round(self);
    if (rc < 0)
        log_error("loop.poll_failed", "error=\"%s\"", err_text(rc));
    return rc;
}

void loop_stop(struct loop *self)
{
    self->stopping = true;
}

/* --- other threads ------------------------------------------------------------------------------------------------ */

static void wakeup_ready(void *context)
{
    struct loop_wakeup *self = context;
    uint64_t count;
    if (read(self->fd, &count, sizeof count) == sizeof count)
        self->handler(self->context);
}

int loop_wakeup_new(struct loop_wakeup **out, struct loop *loop, void (*handler)(void *context), void *context)
{
    CLEANUP(loop_wakeup_destroy) struct loop_wakeup *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    *self = (struct loop_wakeup){.loop = loop, .handler = handler, .context = context};
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->fd < 0)
        return -errno;
    int rc = loop_fd_add(loop, self->fd, wakeup_ready, self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void loop_wakeup_destroy(struct loop_wakeup **self)
{
    if (!self || !*self)
        return;
    if ((*self)->fd >= 0) {
        loop_fd_remove((*self)->loop, (*self)->fd);
        close((*self)->fd);
    }
    free(*self);
    *self = NULL;
}

/* A full counter (EAGAIN) is a wake-up too. */
void loop_wakeup_signal(struct loop_wakeup *self)
{
    while (write(self->fd, &loop_wakeup_payload, sizeof loop_wakeup_payload) < 0 && errno == EINTR)
        ;
}

int loop_wakeup_fd(const struct loop_wakeup *self)
{
    return self->fd;
}
