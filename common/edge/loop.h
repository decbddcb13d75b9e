/* loop.h - the event loop of a daemon's one thread.
 *
 * Sockets of the bus, file descriptors, timers, wake-ups from other threads, and the end at SIGTERM or SIGINT. Every
 * handler is called on the loop's thread, one at a time, and may add or remove anything, also itself.
 *
 * Not pure: epoll, signalfd, eventfd, clocks.
 * Ownership: handlers' contexts, sockets and descriptors stay with the caller and must outlive their registration.
 * Threads:   one owner, but for loop_wakeup_signal() and the clocks, which any thread may call.
 *
 * loop_new() blocks SIGTERM and SIGINT in the calling thread and so in every thread started later: call it before
 * anything that starts threads (bus_new, workers_new, kafka, admin), else a signal may end the process through one of
 * them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/bus.h"

enum {
    LOOP_TIMER_COUNT_MAX = 64,
    LOOP_SOCKET_COUNT_MAX = 256, /* sockets of one loop; 2 per peer and validator at most */
    LOOP_FD_COUNT_MAX = 64,
    LOOP_TIMER_NONE = 0, /* no timer has this id */
};

struct loop;
struct loop_wakeup;

/* --- the loop ----------------------------------------------------------------------------------------------------- */

/* Returns 0, -ENOMEM or -errno (descriptors). */
MUST_USE int loop_new(struct loop **out);

/* Accepts NULL and pointer to NULL; leaves *self NULL. Wake-ups of this loop must have been destroyed. */
void loop_destroy(struct loop **self);

/* Run until SIGTERM, SIGINT or loop_stop(). May be called again afterwards. Returns 0 or -errno (waiting, or a
 * socket, failed). */
MUST_USE int loop_run(struct loop *self);

/* End loop_run() after the running handler. From handlers only; other threads use a wake-up. */
void loop_stop(struct loop *self);

/* --- sockets ------------------------------------------------------------------------------------------------------ */

/* What happens with a socket. Members that are NULL are not called. */
struct loop_socket_handlers {
    /* One message. It ends after the call unless moved away with bus_message_move(). */
    void (*message)(void *context, struct bus_message *message);
    /* After the messages of one wake-up (at least one, at most messages_max): here a batch is carried on. */
    void (*drained)(void *context);
    /* Once after loop_socket_await_write(), when a send may succeed again. */
    void (*writable)(void *context);
    void *context;
    uint32_t messages_max; /* per wake-up, so that one busy socket does not starve the others; 0 means 256 */
};

/* Returns 0, -EEXIST (already there), ERR_FULL (LOOP_SOCKET_COUNT_MAX) or -ENOMEM, -ENOSPC (the kernel's). */
MUST_USE int loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *handlers);

/* Before bus_socket_close(). A socket that is not there is ignored. */
void loop_socket_remove(struct loop *self, struct bus_socket *socket);

/* Back-pressure: a paused socket is not read, so its queue and then its senders fill. Takes effect after the running
 * message handler. Both may be repeated. */
void loop_socket_pause(struct loop *self, struct bus_socket *socket);
void loop_socket_resume(struct loop *self, struct bus_socket *socket);

/* Call the writable handler once, when the socket accepts a message: after a DEALER's -EAGAIN. A ROUTER counts as
 * writable as soon as any of its peers is: there use a timer. */
void loop_socket_await_write(struct loop *self, struct bus_socket *socket);

/* --- descriptors -------------------------------------------------------------------------------------------------- */

/* Call ready(context) whenever fd is readable, or broken or closed by its peer (then read() tells which).
 * Returns 0, -EEXIST, ERR_FULL, -EPERM (a file, which is always ready), -EBADF, -ENOMEM or -ENOSPC. */
MUST_USE int loop_fd_add(struct loop *self, int fd, void (*ready)(void *context), void *context);

/* Before close(fd). One that is not there is ignored. */
void loop_fd_remove(struct loop *self, int fd);

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* Call fire(context) once after delay_ms (to a millisecond, never early), or every period_ms (1 or more) until
 * cancelled. *id, never LOOP_TIMER_NONE, is for loop_timer_cancel() and may be NULL. Returns 0, ERR_FULL
 * (LOOP_TIMER_COUNT_MAX) or -EINVAL. */
MUST_USE int loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context,
                             uint32_t *id);
MUST_USE int loop_timer_every(struct loop *self, uint32_t period_ms, void (*fire)(void *context), void *context,
                              uint32_t *id);

/* A timer that fired (once) or was cancelled, or LOOP_TIMER_NONE, is ignored: ids are not used again soon. */
void loop_timer_cancel(struct loop *self, uint32_t id);

/* --- other threads ------------------------------------------------------------------------------------------------ */

/* A wake-up: after loop_wakeup_signal() from any thread, handler(context) is called on the loop's thread. Signals that
 * come before the call are one call. Returns 0, -errno or the errors of loop_fd_add(). */
MUST_USE int loop_wakeup_new(struct loop_wakeup **out, struct loop *loop, void (*handler)(void *context),
                             void *context);

/* No other thread may still use it. Before loop_destroy(). Accepts NULL and pointer to NULL; leaves *self NULL. */
void loop_wakeup_destroy(struct loop_wakeup **self);

void loop_wakeup_signal(struct loop_wakeup *self);

/* For a library that writes to a descriptor itself, as librdkafka: rd_kafka_queue_io_event_enable(queue,
 * loop_wakeup_fd(w), &loop_wakeup_payload, sizeof loop_wakeup_payload). Stays the wake-up's: do not read or close it.
 */
int loop_wakeup_fd(const struct loop_wakeup *self);
extern const uint64_t loop_wakeup_payload;

/* --- clocks ------------------------------------------------------------------------------------------------------- */

uint64_t loop_now_ms(void); /* monotonic: for intervals and the `now` of core events */
uint64_t loop_now_us(void); /* monotonic: for durations in metrics */
int64_t loop_wall_ms(void); /* since 1970-01-01 UTC: for timestamps that leave the process */
