/* watch.c - a thread, a condition variable to end it, and the last result under the same lock. */
#include "services/apid/watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { PERIOD_S = 1 };

struct watch {
    struct database *database;
    pthread_t thread;
    bool is_running;
    pthread_cond_t wake;
    pthread_mutex_t lock; /* of what follows */
    bool stopping;
    int rc;
    int64_t height;
};

static void look(struct watch *self)
{
    int64_t height = -1;
    int rc = database_height(self->database, &height);
    pthread_mutex_lock(&self->lock);
    self->rc = rc;
    self->height = height;
    pthread_mutex_unlock(&self->lock);
}

/* True when it is time to end. */
static bool pause_between(struct watch *self)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PERIOD_S;
    int rc = 0;
    pthread_mutex_lock(&self->lock);
    while (!self->stopping && rc == 0)
        rc = pthread_cond_timedwait(&self->wake, &self->lock, &until);
    bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    return stopping;
}

static void *run(void *context)
{
    struct watch *self = context;
    while (!pause_between(self))
        look(self);
    return NULL;
}

int watch_new(struct watch **out, struct database *database)
{
    CLEANUP(watch_destroy) struct watch *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->database = database;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    look(self);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    self->is_running = pthread_create(&self->thread, NULL, run, self) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!self->is_running)
        return -EAGAIN;
    *out = TAKE(self);
    return 0;
}

void watch_destroy(struct watch **self)
{
    if (!self || !*self)
        return;
    pthread_mutex_lock(&(*self)->lock);
    (*self)->stopping = true;
    pthread_cond_signal(&(*self)->wake);
    pthread_mutex_unlock(&(*self)->lock);
    if ((*self)->is_running)
        pthread_join((*self)->thread, NULL);
    pthread_cond_destroy(&(*self)->wake);
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}

int watch_height(struct watch *self, int64_t *height)
{
    pthread_mutex_lock(&self->lock);
    int rc = self->rc;
    if (rc == 0)
        *height = self->height;
    pthread_mutex_unlock(&self->lock);
    return rc;
}
