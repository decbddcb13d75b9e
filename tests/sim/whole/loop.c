/* loop.c - common/edge/loop.h and workers.h on virtual time.
 *
 * Work of a pool happens at one moment and its result is told at a later one, in the order of submission: a process may
 * be killed before, between and behind.
 */
#include "common/edge/loop.h"

#include <errno.h>

#include "common/base/err.h"
#include "common/edge/workers.h"
#include "tests/sim/whole/bus.h"
#include "tests/sim/whole/world.h"

enum { WORK_US_MAX = 2000, START_WALL_S = 1700000000 };

struct timer {
    uint32_t id; /* LOOP_TIMER_NONE: free */
    uint64_t period_us;
    void (*fire)(void *context);
    void *context;
};

struct loop_wakeup {
    struct loop *loop;
    void (*handler)(void *context);
    void *context;
    bool signalled;
    int number; /* what stands for its descriptor */
    struct loop_wakeup *next;
};

struct loop {
    struct timer timers[LOOP_TIMER_COUNT_MAX];
    uint32_t timer_last;
    struct loop_wakeup *wakeups;
    int wakeup_last;
    struct workers *pools;
    uint64_t pool_last;
};

const uint64_t loop_wakeup_payload = 1;

int loop_new(struct loop **out)
{
    struct loop *self = must(calloc(1, sizeof *self));
    world.current->loop = self;
    *out = self;
    return 0;
}

void loop_destroy(struct loop **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int loop_run(struct loop *self)
{
    return -ENOSYS; /* the world runs all loops */
}

void loop_stop(struct loop *self)
{
    world.current->stopped = true;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

int loop_socket_add(struct loop *self, struct bus_socket *socket, const struct loop_socket_handlers *handlers)
{
    sim_bus_listen(socket, handlers);
    return 0;
}

void loop_socket_remove(struct loop *self, struct bus_socket *socket)
{
    sim_bus_listen(socket, NULL);
}

void loop_socket_pause(struct loop *self, struct bus_socket *socket)
{
    sim_bus_pause(socket, true);
}

void loop_socket_resume(struct loop *self, struct bus_socket *socket)
{
    sim_bus_pause(socket, false);
}

/* --- descriptors: nothing outside of the simulation ever speaks --------------------------------------------------- */

int loop_fd_add(struct loop *self, int fd, void (*ready)(void *context), void *context)
{
    return 0;
}

void loop_fd_remove(struct loop *self, int fd)
{
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

static struct timer *timer_find(struct loop *self, uint32_t id)
{
    for (size_t i = 0; i < LOOP_TIMER_COUNT_MAX; i++) {
        if (self->timers[i].id == id)
            return &self->timers[i];
    }
    return NULL;
}

/* A span of the process's clock as one of the world's. */
static uint64_t world_span_us(uint64_t us)
{
    int64_t drift_ppt = world.validators[world.current->validator].drift_ppt;
    return us * 1000 / (uint64_t)(1000 + drift_ppt);
}

static void timer_due(void *thing, uint64_t number)
{
    struct loop *self = thing;
    struct timer *timer = timer_find(self, (uint32_t)number);
    if (!timer)
        return;
    struct timer fired = *timer;
    if (fired.period_us > 0)
        world_after(world_span_us(fired.period_us), timer_due, self, number);
    else
        timer->id = LOOP_TIMER_NONE;
    fired.fire(fired.context);
}

static int timer_add(struct loop *self, uint64_t delay_ms, uint64_t period_ms, const struct timer *what, uint32_t *id)
{
    struct timer *timer = timer_find(self, LOOP_TIMER_NONE);
    if (!timer)
        return ERR_FULL;
    *timer = *what;
    timer->id = ++self->timer_last;
    timer->period_us = period_ms * WORLD_MS;
    if (id)
        *id = timer->id;
    world_after(world_span_us(delay_ms * WORLD_MS), timer_due, self, timer->id);
    return 0;
}

int loop_timer_once(struct loop *self, uint32_t delay_ms, void (*fire)(void *context), void *context, uint32_t *id)
{
    return timer_add(self, delay_ms, 0, &(struct timer){.fire = fire, .context = context}, id);
}

int loop_timer_every(struct loop *self, uint32_t period_ms, void (*fire)(void *context), void *context, uint32_t *id)
{
    if (period_ms == 0)
        return -EINVAL;
    return timer_add(self, period_ms, period_ms, &(struct timer){.fire = fire, .context = context}, id);
}

void loop_timer_cancel(struct loop *self, uint32_t id)
{
    struct timer *timer = id == LOOP_TIMER_NONE ? NULL : timer_find(self, id);
    if (timer)
        timer->id = LOOP_TIMER_NONE;
}

/* --- wake-ups ----------------------------------------------------------------------------------------------------- */

int loop_wakeup_new(struct loop_wakeup **out, struct loop *loop, void (*handler)(void *context), void *context)
{
    struct loop_wakeup *self = must(calloc(1, sizeof *self));
    *self = (struct loop_wakeup){
        .loop = loop, .handler = handler, .context = context, .number = ++loop->wakeup_last, .next = loop->wakeups};
    loop->wakeups = self;
    *out = self;
    return 0;
}

void loop_wakeup_destroy(struct loop_wakeup **self)
{
    if (!self || !*self)
        return;
    struct loop_wakeup **at = &(*self)->loop->wakeups;
    while (*at != *self)
        at = &(*at)->next;
    *at = (*self)->next;
    free(*self);
    *self = NULL;
}

static struct loop_wakeup *wakeup_find(struct loop *loop, int number)
{
    struct loop_wakeup *each = loop->wakeups;
    while (each && each->number != number)
        each = each->next;
    return each;
}

static void wakeup_due(void *thing, uint64_t number)
{
    struct loop_wakeup *wakeup = wakeup_find(thing, (int)number);
    if (!wakeup)
        return;
    wakeup->signalled = false;
    wakeup->handler(wakeup->context);
}

void loop_wakeup_signal(struct loop_wakeup *self)
{
    if (self->signalled)
        return;
    self->signalled = true;
    world_after(0, wakeup_due, self->loop, (uint64_t)self->number);
}

int loop_wakeup_fd(const struct loop_wakeup *self)
{
    return self->number;
}

void sim_loop_wake(struct process *process, int number)
{
    struct loop_wakeup *wakeup = process->loop ? wakeup_find(process->loop, number) : NULL;
    if (!wakeup || wakeup->signalled)
        return;
    wakeup->signalled = true;
    world_at(&(struct world_event){.at_us = world_now_us(),
                                   .process = process,
                                   .run = wakeup_due,
                                   .thing = process->loop,
                                   .number = (uint64_t)number});
}

/* --- clocks ------------------------------------------------------------------------------------------------------- */

uint64_t loop_now_us(void)
{
    const struct process *process = world.current;
    int64_t drift_ppt = world.validators[process->validator].drift_ppt;
    return process->clock_base_us + (world_now_us() - process->born_us) * (uint64_t)(1000 + drift_ppt) / 1000;
}

uint64_t loop_now_ms(void)
{
    return loop_now_us() / 1000;
}

int64_t loop_wall_ms(void)
{
    return sim_wall_ms() + world.validators[world.current->validator].wall_skew_ms;
}

int64_t sim_wall_ms(void)
{
    return INT64_C(1000) * START_WALL_S + (int64_t)(world_now_us() / WORLD_MS);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

struct job {
    struct workers_job what;
    uint64_t number;
    struct job *next;
};

struct workers {
    uint64_t number;
    struct loop *loop;
    struct job *first, **last; /* by submission */
    uint32_t count, count_max;
    uint64_t job_last;
    uint64_t told_us; /* when the last job's end is told */
    struct workers *next;
};

int workers_new(struct workers **out, struct loop *loop, const struct workers_options *options)
{
    struct workers *self = must(calloc(1, sizeof *self));
    *self = (struct workers){
        .number = ++loop->pool_last, .loop = loop, .count_max = options->queue_count_max, .next = loop->pools};
    self->last = &self->first;
    loop->pools = self;
    *out = self;
    return 0;
}

void workers_destroy(struct workers **self, void (*abandon)(void *argument))
{
    if (!self || !*self)
        return;
    struct workers **at = &(*self)->loop->pools;
    while (*at != *self)
        at = &(*at)->next;
    *at = (*self)->next;
    for (struct job *job = (*self)->first; job;) {
        struct job *next = job->next;
        if (abandon)
            abandon(job->what.argument);
        free(job);
        job = next;
    }
    free(*self);
    *self = NULL;
}

enum { JOB_BITS = 48 };

static struct workers *pool_find(struct loop *loop, uint64_t number)
{
    struct workers *each = loop->pools;
    while (each && each->number != number)
        each = each->next;
    return each;
}

static void job_works(void *thing, uint64_t number)
{
    struct workers *pool = pool_find(thing, number >> JOB_BITS);
    struct job *job = pool ? pool->first : NULL;
    while (job && job->number != (number & ((UINT64_C(1) << JOB_BITS) - 1)))
        job = job->next;
    if (job)
        job->what.work(job->what.argument);
}

/* Ends are told in order: whichever event comes, the first job that is not told is meant. */
static void job_is_done(void *thing, uint64_t number)
{
    struct workers *pool = pool_find(thing, number);
    if (!pool)
        return;
    struct job *job = pool->first;
    struct workers_job what = job->what;
    pool->first = job->next;
    if (!pool->first)
        pool->last = &pool->first;
    pool->count--;
    free(job);
    what.done(what.argument);
}

int workers_submit(struct workers *self, const struct workers_job *job)
{
    if (self->count >= self->count_max)
        return -EAGAIN;
    struct job *added = must(calloc(1, sizeof *added));
    *added = (struct job){.what = *job, .number = ++self->job_last};
    *self->last = added;
    self->last = &added->next;
    self->count++;
    uint64_t work_us = world_now_us() + world_below(WORK_US_MAX);
    uint64_t done_us = work_us + world_below(WORK_US_MAX);
    if (done_us < self->told_us)
        done_us = self->told_us;
    self->told_us = done_us;
    struct world_event event = {.at_us = work_us, .process = world.current, .run = job_works, .thing = self->loop};
    event.number = self->number << JOB_BITS | added->number;
    event.aside = true;
    world_at(&event);
    event.aside = false;
    event.at_us = done_us;
    event.run = job_is_done;
    event.number = self->number;
    world_at(&event);
    return 0;
}

uint32_t workers_room(const struct workers *self)
{
    return self->count_max - self->count;
}

uint32_t workers_pending(const struct workers *self)
{
    return self->count;
}
