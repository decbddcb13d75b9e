/* admin.h - a daemon's plain-HTTP listener for health, readiness, metrics and status.
 *
 *   GET /health   200 while the loop lives, else 503: admin_beat() is older than ADMIN_BEAT_AGE_MS_MAX
 *   GET /ready    200 when all conditions are ok, else 503; {"ready":false,"conditions":[{"name","ok","detail"}]}
 *   GET /metrics  Prometheus text
 *   GET /status   {"daemon","node","version","uptime_seconds", and what admin_status_set_*() set}
 *
 * What is refused gets an RFC 9457 problem document: 404 other paths, 405 other methods, 431 too many headers, 400 no
 * single Host (HTTP/1.1) or a body. One request per connection. The listener belongs on a private address: it asks for
 * no credentials.
 *
 * Not pure: sockets, threads of civetweb. Ownership: options are copied, but metrics must outlive the admin. Threads:
 * new, destroy for the owner; the setters for any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/metrics.h"

enum {
    ADMIN_BEAT_AGE_MS_MAX = 10000,
    ADMIN_CONDITION_COUNT_MAX = 16,
    ADMIN_STATUS_COUNT_MAX = 128,
    ADMIN_NAME_BYTES_MAX = 64,   /* of conditions and status members, with the zero byte */
    ADMIN_TEXT_BYTES_MAX = 1024, /* of details and status texts, with the zero byte; longer ones are cut */
    ADMIN_THREAD_COUNT = 2,
    ADMIN_REQUEST_BYTES_MAX = 8192, /* request line and headers */
    ADMIN_REQUEST_MS_MAX = 5000,    /* to receive a request */
};

struct admin;

struct admin_options {
    const char *daemon; /* "mempoold" */
    const char *node;   /* NODE_NAME */
    const char *listen; /* ADMIN_LISTEN, host:port; a name is resolved; port 0: any free one, see admin_port() */
    const struct metrics *metrics; /* may be NULL: process metrics only */
    const char *const *conditions; /* what /ready asks for, as {"kafka", "mempoold"}; not ok at the start */
    size_t condition_count;        /* 0..ADMIN_CONDITION_COUNT_MAX */
    uint32_t beat_age_ms_max;      /* when /health fails; 0: ADMIN_BEAT_AGE_MS_MAX */
};

/* Bind, start the threads (with all signals blocked) and beat once. After loop_new(). On success *out belongs to the
 * caller. Returns 0; -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, ... (logged with the address); -EINVAL; -ENOMEM. */
MUST_USE int admin_new(struct admin **out, const struct admin_options *options);

/* Ends the threads. Accepts NULL and pointer to NULL; leaves *self NULL. */
void admin_destroy(struct admin **self);

/* The port it listens on. */
uint16_t admin_port(const struct admin *self);

/* The loop is alive: call it from a timer of the loop, every second (loop_timer_every(loop, 1000, ...)). */
void admin_beat(struct admin *self);

/* Set condition `index` of options.conditions. `detail` says why not, or what it is; may be NULL. Changes of `ok` are
 * logged. */
void admin_ready_set(struct admin *self, size_t index, bool ok, const char *detail);

/* Are all conditions ok? */
bool admin_ready(struct admin *self);

/* Set a member of /status; a new name adds it (ADMIN_STATUS_COUNT_MAX; further ones are ignored). Text is shown as
 * UTF-8, what is not becomes `?`. */
void admin_status_set_u64(struct admin *self, const char *name, uint64_t value);
void admin_status_set_text(struct admin *self, const char *name, const char *text);
