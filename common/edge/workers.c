/* workers.c - a ring of jobs under one lock.
 *
 * Positions only grow: head <= next <= tail. [head, next) was taken by threads, [next, tail) waits. A thread marks its
 * job finished; the loop's thread takes finished jobs from the head only, which makes the order. A thread wakes the
 * loop when the job it finished is the head: any other will be found when the head gets there. Jobs are batches, so one
 * lock is enough.
 */
#include "common/edge/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/edge/loop.h"

struct slot {
    struct workers_job job;
    bool finished;
};

struct workers {
    pthread_mutex_t lock; /* guards the positions, slots and stopping */
    pthread_cond_t work_is_there;
    uint64_t head;
    uint64_t next;
    uint64_t tail;
    bool stopping;
    uint32_t capacity;
    struct slot *slots;
    struct loop_wakeup *wakeup;
    uint32_t thread_count; /* started */
    pthread_t threads[WORKERS_THREAD_COUNT_MAX];
};

static struct slot *slot_at(const struct workers *self, uint64_t position)
{
    return &self->slots[position % self->capacity];
}

/* --- the pool's threads ------------------------------------------------------------------------------------------- */

/* Wait for a job. Returns false when the pool ends. */
static bool job_take(struct workers *self, uint64_t *position, struct workers_job *job)
{
    pthread_mutex_lock(&self->lock);
    while (self->next == self->tail && !self->stopping)
        pthread_cond_wait(&self->work_is_there, &self->lock);
    bool taken = !self->stopping;
    if (taken) {
        *position = self->next++;
        *job = slot_at(self, *position)->job;
    }
    pthread_mutex_unlock(&self->lock);
    return taken;
}

static void job_finish(struct workers *self, uint64_t position)
{
    pthread_mutex_lock(&self->lock);
    slot_at(self, position)->finished = true;
    bool is_head = position == self->head;
    pthread_mutex_unlock(&self->lock);
    if (is_head)
        loop_wakeup_signal(self->wakeup);
}

static void *thread_main(void *argument)
{
    struct workers *self = argument;
    uint64_t position;
    struct workers_job job;
    while (job_take(self, &position, &job)) {
        job.work(job.argument);
        job_finish(self, position);
    }
    return NULL;
}

/* --- the loop's thread -------------------------------------------------------------------------------------------- */

/* Take the job at the head if it is finished. */
static bool finished_take(struct workers *self, struct workers_job *out)
{
    pthread_mutex_lock(&self->lock);
    bool taken = self->head < self->next && slot_at(self, self->head)->finished;
    if (taken)
        *out = slot_at(self, self->head++)->job;
    pthread_mutex_unlock(&self->lock);
    return taken;
}

/* Hand finished jobs back, at most a queue full at once: a done() that submits may not keep the loop here. */
static void finished_hand_back(void *context)
{
    struct workers *self = context;
    struct workers_job job;
    for (uint32_t i = 0; i < self->capacity; i++) {
        if (!finished_take(self, &job))
            return;
        job.done(job.argument);
    }
    loop_wakeup_signal(self->wakeup);
}

int workers_submit(struct workers *self, const struct workers_job *job)
{
    assert(job->work && job->done);
    pthread_mutex_lock(&self->lock);
    bool room = self->tail - self->head < self->capacity;
    if (room) {
        *slot_at(self, self->tail++) = (struct slot){.job = *job};
        pthread_cond_signal(&self->work_is_there);
    }
    pthread_mutex_unlock(&self->lock);
    return room ? 0 : -EAGAIN;
}

/* head and tail are written by this thread only. */
uint32_t workers_pending(const struct workers *self)
{
    return (uint32_t)(self->tail - self->head);
}

uint32_t workers_room(const struct workers *self)
{
    return self->capacity - workers_pending(self);
}

/* --- construction ------------------------------------------------------------------------------------------------- */

static int threads_start(struct workers *self, const struct workers_options *options)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int rc = 0;
    while (rc == 0 && self->thread_count < options->thread_count) {
        rc = -pthread_create(&self->threads[self->thread_count], NULL, thread_main, self);
        if (rc == 0) {
            char name[16];
            snprintf(name, sizeof name, "%.12s-%u", options->name, self->thread_count % 100);
            pthread_setname_np(self->threads[self->thread_count++], name);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void workers_cleanup(struct workers **self)
{
    workers_destroy(self, NULL);
}

int workers_new(struct workers **out, struct loop *loop, const struct workers_options *options)
{
    if (options->thread_count == 0 || options->thread_count > WORKERS_THREAD_COUNT_MAX || !options->name ||
        options->queue_count_max == 0 || options->queue_count_max > WORKERS_QUEUE_COUNT_MAX)
        return -EINVAL;
    CLEANUP(workers_cleanup) struct workers *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work_is_there, NULL);
    self->capacity = options->queue_count_max;
    self->slots = calloc(self->capacity, sizeof *self->slots);
    if (!self->slots)
        return -ENOMEM;
    int rc = loop_wakeup_new(&self->wakeup, loop, finished_hand_back, self);
    if (rc == 0)
        rc = threads_start(self, options);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

static void threads_stop(struct workers *self)
{
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->work_is_there);
    pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < self->thread_count; i++)
        pthread_join(self->threads[i], NULL);
}

void workers_destroy(struct workers **self, void (*abandon)(void *argument))
{
    if (!self || !*self)
        return;
    struct workers *pool = TAKE(*self);
    threads_stop(pool);
    loop_wakeup_destroy(&pool->wakeup);
    for (; abandon && pool->head < pool->tail; pool->head++)
        abandon(slot_at(pool, pool->head)->job.argument);
    pthread_cond_destroy(&pool->work_is_there);
    pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool);
}
