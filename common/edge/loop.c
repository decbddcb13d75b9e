/* loop.c - zloop polls, this file decides what is called.
 *
 * zloop's own timers are not used: a cancelled one may still fire, a late one fires several times in a row, and
 * destroying a loop with a cancelled timer that never ran aborts. One timerfd, armed for the earliest deadline, does
 * without these. All pollers are tolerant, else zloop drops a broken one silently. SIGTERM and SIGINT are blocked and
 * read from a signalfd; CZMQ must not install handlers of its own.
 *
 * zloop leaves a round of polling as soon as a handler added or removed something, so no handler is ever called for
 * a registration that is gone. Inside one socket's drain that is checked here, by the slot's generation.
 */
#include "common/edge/loop.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum {
    MESSAGES_MAX_DEFAULT = 256,
    INTERNAL_FD_COUNT = 2,    /* timerfd, signalfd */
    INTERNAL_TIMER_COUNT = 1, /* sockets_tend */
    TIMER_COUNT_MAX = LOOP_TIMER_COUNT_MAX + INTERNAL_TIMER_COUNT,
    TEND_MS = 500,
    SOURCE_COUNT_MAX = LOOP_SOCKET_COUNT_MAX + LOOP_FD_COUNT_MAX + INTERNAL_FD_COUNT,
    TIMER_GENERATION_MAX = UINT32_MAX / TIMER_COUNT_MAX - 1,
};

/* One registered socket or descriptor. */
struct source {
    struct loop *loop;
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
    zloop_t *zloop;
    int timer_fd;
    int signal_fd;
    bool stopping;
    int failure; /* of polling, told by loop_run */
    uint32_t socket_count;
    uint32_t fd_count;
    uint64_t armed_us; /* the deadline timer_fd is set to; 0: none */
    struct timer timers[TIMER_COUNT_MAX];
    struct source sources[SOURCE_COUNT_MAX];
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
    for (size_t i = 0; i < SOURCE_COUNT_MAX; i++) {
        if (self->sources[i].used && self->sources[i].socket == socket)
            return &self->sources[i];
    }
    return NULL;
}

static struct source *source_of_fd(struct loop *self, int fd)
{
    for (size_t i = 0; i < SOURCE_COUNT_MAX; i++) {
        if (self->sources[i].used && !self->sources[i].socket && self->sources[i].fd == fd)
            return &self->sources[i];
    }
    return NULL;
}

/* A free slot. There is one: the limits were checked. */
static struct source *source_take(struct loop *self)
{
    struct source *source = self->sources;
    while (source->used)
        source++;
    assert(source < self->sources + SOURCE_COUNT_MAX);
    *source = (struct source){.loop = self, .used = true, .fd = -1, .generation = source->generation + 1};
    return source;
}

/* The item zloop knows the source by. A socket's has fd -1, since zloop_poller_end would match 0. */
static zmq_pollitem_t source_item(const struct source *source)
{
    zmq_pollitem_t item = {.fd = source->fd};
    if (source->socket)
        item.socket = bus_socket_handle(source->socket);
    if (!source->paused)
        item.events |= ZMQ_POLLIN;
    if (source->awaits_write)
        item.events |= ZMQ_POLLOUT;
    return item;
}

static int source_ready(zloop_t *zloop, zmq_pollitem_t *item, void *argument);

/* Bring what zloop polls up to date with the source. Returns 0 or -ENOMEM. */
static int source_poll(struct source *source)
{
    zloop_t *zloop = source->loop->zloop;
    zmq_pollitem_t item = source_item(source);
    zloop_poller_end(zloop, &item);
    if (!source->used || item.events == 0)
        return 0;
    if (zloop_poller(zloop, &item, source_ready, source) < 0)
        return -ENOMEM;
    zloop_poller_set_tolerant(zloop, &item);
    return 0;
}

/* The same where the caller cannot be told: the loop ends with the error instead of losing a source silently. */
static void source_poll_or_stop(struct source *source)
{
    int rc = source_poll(source);
    if (rc < 0) {
        source->loop->failure = rc;
        source->loop->stopping = true;
    }
}

static void source_release(struct source *source)
{
    source->used = false;
    source_poll_or_stop(source);
}

/* Hand out at most messages_max messages; the handler may pause, remove or close the socket, or stop the loop. */
static void socket_drain(struct source *source)
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
        if (rc < 0) {
            if (rc != -EAGAIN)
                log_error("loop.receive_failed", "socket=%s error=\"%s\"", bus_socket_name(source->socket),
                          err_text(rc));
            break;
        }
        count++;
        if (handlers.message)
            handlers.message(handlers.context, &message);
        bus_message_deinit(&message);
        here = source->used && source->generation == generation;
    }
    if (count > 0 && here && handlers.drained)
        handlers.drained(handlers.context);
}

static void socket_ready(struct source *source, short events)
{
    const uint32_t generation = source->generation;
    if (events & ZMQ_POLLOUT && source->awaits_write) {
        source->awaits_write = false;
        source_poll_or_stop(source);
        if (source->handlers.writable)
            source->handlers.writable(source->handlers.context);
    }
    if (source->used && source->generation == generation && events & ZMQ_POLLIN)
        socket_drain(source);
}

/* Called by zloop. -1 ends zloop_start(). */
static int source_ready(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    (void)zloop;
    struct source *source = argument;
    struct loop *self = source->loop;
    assert(source->used);
    if (source->socket)
        socket_ready(source, item->revents);
    else
        source->ready(source->context);
    return self->stopping ? -1 : 0;
}

int loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *handlers)
{
    if (source_of_socket(self, socket))
        return -EEXIST;
    if (self->socket_count == LOOP_SOCKET_COUNT_MAX)
        return ERR_FULL;
    struct source *source = source_take(self);
    source->socket = socket;
    source->handlers = *handlers;
    if (source->handlers.messages_max == 0)
        source->handlers.messages_max = MESSAGES_MAX_DEFAULT;
    int rc = source_poll(source);
    source->used = rc == 0;
    self->socket_count += rc == 0;
    return rc;
}

void loop_socket_remove(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (!source)
        return;
    source_release(source);
    self->socket_count--;
}

static void socket_pause_set(struct loop *self, const struct bus_socket *socket, bool paused)
{
    struct source *source = source_of_socket(self, socket);
    if (!source || source->paused == paused)
        return;
    source->paused = paused;
    source_poll_or_stop(source);
}

void loop_socket_pause(struct loop *self, struct bus_socket *socket)
{
    socket_pause_set(self, socket, true);
}

void loop_socket_resume(struct loop *self, struct bus_socket *socket)
{
    socket_pause_set(self, socket, false);
}

void loop_socket_await_write(struct loop *self, struct bus_socket *socket)
{
    struct source *source = source_of_socket(self, socket);
    if (!source || source->awaits_write)
        return;
    source->awaits_write = true;
    source_poll_or_stop(source);
}

/* Without a limit: for the loop's own descriptors. */
static int fd_add(struct loop *self, int fd, void (*ready)(void *context), void *context)
{
    struct source *source = source_take(self);
    source->fd = fd;
    source->ready = ready;
    source->context = context;
    int rc = source_poll(source);
    source->used = rc == 0;
    return rc;
}

int loop_fd_add(struct loop *self, int fd, void (*ready)(void *context), void *context)
{
    if (fd < 0)
        return -EBADF;
    if (source_of_fd(self, fd))
        return -EEXIST;
    if (self->fd_count == LOOP_FD_COUNT_MAX)
        return ERR_FULL;
    int rc = fd_add(self, fd, ready, context);
    self->fd_count += rc == 0;
    return rc;
}

void loop_fd_remove(struct loop *self, int fd)
{
    struct source *source = source_of_fd(self, fd);
    if (!source)
        return;
    source_release(source);
    self->fd_count--;
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* The used timer with the earliest deadline, or NULL. */
static struct timer *timer_next(struct loop *self)
{
    struct timer *next = NULL;
    for (size_t i = 0; i < TIMER_COUNT_MAX; i++) {
        struct timer *timer = &self->timers[i];
        if (timer->used && (!next || timer->deadline_us < next->deadline_us))
            next = timer;
    }
    return next;
}

/* Set timer_fd to the earliest deadline, if it is not yet. */
static void timers_arm(struct loop *self)
{
    const struct timer *next = timer_next(self);
    uint64_t deadline_us = next ? next->deadline_us : 0;
    if (deadline_us == self->armed_us)
        return;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(deadline_us / 1000000), .tv_nsec = (long)(deadline_us % 1000000 * 1000)}};
    int rc = timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(rc == 0); /* the arguments are ours */
    (void)rc;
    self->armed_us = deadline_us;
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
static void timers_ready(void *context)
{
    struct loop *self = context;
    uint64_t expirations;
    if (read(self->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        log_error("loop.timer_failed", "error=\"%s\"", strerror(errno));
    self->armed_us = 0;
    const uint64_t now_us = loop_now_us();
    for (size_t i = 0; i < TIMER_COUNT_MAX && !self->stopping; i++) {
        struct timer *timer = timer_next(self);
        if (!timer || timer->deadline_us > now_us)
            break;
        timer_fire(timer, now_us);
    }
    timers_arm(self);
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
    if (id)
        *id = generation * TIMER_COUNT_MAX + index;
    timers_arm(self);
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
    if (!timer->used || timer->generation != id / TIMER_COUNT_MAX)
        return;
    timer->used = false;
    timers_arm(self);
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
    zsys_handler_set(NULL); /* else CZMQ takes SIGINT and SIGTERM */
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
    return fd_add(self, self->signal_fd, signal_ready, self);
}

static void sockets_tend(void *context)
{
    struct loop *self = context;
    for (size_t i = 0; i < SOURCE_COUNT_MAX; i++) {
        if (self->sources[i].used && self->sources[i].socket)
            bus_socket_tend(self->sources[i].socket, loop_now_ms());
    }
}

static int timers_open(struct loop *self)
{
    self->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (self->timer_fd < 0)
        return -errno;
    int rc = fd_add(self, self->timer_fd, timers_ready, self);
    return rc < 0 ? rc : loop_timer_every(self, TEND_MS, sockets_tend, self, NULL);
}

int loop_new(struct loop **out)
{
    CLEANUP(loop_destroy) struct loop *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->timer_fd = -1;
    self->signal_fd = -1;
    self->zloop = zloop_new();
    if (!self->zloop)
        return -ENOMEM;
    int rc = signals_open(self);
    if (rc == 0)
        rc = timers_open(self);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void loop_destroy(struct loop **self)
{
    if (!self || !*self)
        return;
    zloop_destroy(&(*self)->zloop);
    if ((*self)->timer_fd >= 0)
        close((*self)->timer_fd);
    if ((*self)->signal_fd >= 0)
        close((*self)->signal_fd);
    free(*self);
    *self = NULL;
}

/* zloop_start() returns -1 when a handler said so, and 0 when zmq_poll() failed. */
int loop_run(struct loop *self)
{
    self->stopping = false;
    self->failure = 0;
    while (!self->stopping) {
        errno = 0;
        if (zloop_start(self->zloop) == 0 && errno != EINTR) {
            self->failure = errno ? -errno : -EIO;
            log_error("loop.poll_failed", "error=\"%s\"", err_text(self->failure));
            break;
        }
    }
    return self->failure;
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
