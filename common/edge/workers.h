/* workers.h - a pool of threads for pure work, as signature checks.
 *
 * A job is work(argument) on some thread of the pool, then done(argument) on the loop's thread. done is called in the
 * order of submission, whatever order the work ended in, so a daemon stays deterministic.
 *
 * Not pure: threads.
 * Ownership: the argument belongs to the job from workers_submit() until done(argument) is called; the submitter's
 * thread must not touch it in between.
 * Threads: all functions are for the loop's thread; work runs on the pool's threads and shares nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

enum {
    WORKERS_THREAD_COUNT_MAX = 64,
    WORKERS_QUEUE_COUNT_MAX = 65536,
};

struct loop;
struct workers;

struct workers_options {
    const char *name;         /* of the threads (15 characters are shown), for top and gdb */
    uint32_t thread_count;    /* 1..WORKERS_THREAD_COUNT_MAX */
    uint32_t queue_count_max; /* jobs submitted and not done; 1..WORKERS_QUEUE_COUNT_MAX */
};

struct workers_job {
    void (*work)(void *argument); /* on a thread of the pool: no loop, no bus, no store, no log */
    void (*done)(void *argument); /* on the loop's thread; may submit the next job */
    void *argument;
};

/* Starts the threads, with all signals blocked. On success *out belongs to the caller. Returns 0, -EINVAL, -ENOMEM,
 * -EAGAIN (no thread) or the errors of loop_wakeup_new(). */
MUST_USE int workers_new(struct workers **out, struct loop *loop, const struct workers_options *options);

/* Waits for the work that runs; jobs that wait are not run. For every job not done yet, done() is NOT called:
 * `abandon`, if not NULL, is called with its argument instead, so that it can be freed. Before loop_destroy(). Accepts
 * NULL and pointer to NULL; leaves *self NULL. */
void workers_destroy(struct workers **self, void (*abandon)(void *argument));

/* Returns 0 or -EAGAIN (queue_count_max jobs are not done yet: stop reading upstream until some are). */
MUST_USE int workers_submit(struct workers *self, const struct workers_job *job);

/* Free places and jobs not done: for back-pressure and metrics. */
uint32_t workers_room(const struct workers *self);
uint32_t workers_pending(const struct workers *self);
