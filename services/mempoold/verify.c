/* verify.c - a job is a few bodies with their checks, in one allocation. */
#include "services/mempoold/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/equivocation.h"
#include "common/edge/log.h"
#include "common/edge/txcheck.h"
#include "common/edge/workers.h"

struct verify {
    struct verify_options options;
    struct workers *workers;
    struct log_limit lost_log;
};

struct job {
    struct verify *owner;
    uint32_t peer;
    size_t check_count;
    struct mempool_check checks[VERIFY_JOB_COUNT_MAX];
    uint8_t bytes[];
};

int verify_new(struct verify **out, struct loop *loop, const struct verify_options *options)
{
    CLEANUP(verify_destroy) struct verify *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    int rc = workers_new(&self->workers, loop,
                         &(struct workers_options){.name = "verify",
                                                   .thread_count = options->thread_count,
                                                   .queue_count_max = WORKERS_QUEUE_COUNT_MAX});
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void verify_destroy(struct verify **self)
{
    if (!self || !*self)
        return;
    workers_destroy(&(*self)->workers, free);
    free(*self);
    *self = NULL;
}

/* All that the body alone decides. Proof of equivocation is judged by the genesis file's validators. */
static int check(const struct txcheck_context *context, const struct genesis *genesis, struct span body)
{
    struct equivocation proof;
    if (tx_is_validator_evidence(body))
        return equivocation_check(&proof, body, genesis);
    struct tx tx;
    const char *why;
    return txcheck_run(context, body, &tx, &why);
}

static void job_work(void *argument)
{
    struct job *job = argument;
    const struct genesis *genesis = job->owner->options.genesis;
    struct txcheck_context context = txcheck_static(&genesis->parameters);
    for (size_t i = 0; i < job->check_count; i++)
        job->checks[i].result = check(&context, genesis, job->checks[i].body);
}

static void job_done(void *argument)
{
    struct job *job = argument;
    struct mempool_checks checks = {.peer = job->peer, .checks = job->checks, .check_count = job->check_count};
    job->owner->options.done(job->owner->options.context, &checks);
    free(job);
}

static struct job *job_new(struct verify *self, uint32_t peer, const struct mempool_check *checks, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += checks[i].body.size;
    struct job *job = malloc(sizeof *job + size);
    if (!job)
        return NULL;
    job->owner = self;
    job->peer = peer;
    job->check_count = count;
    uint8_t *at = job->bytes;
    for (size_t i = 0; i < count; i++) {
        struct span body = checks[i].body;
        memcpy(at, body.data, body.size);
        job->checks[i] = (struct mempool_check){.id = checks[i].id, .body = span_of(at, body.size)};
        at += body.size;
    }
    return job;
}

static int submit_some(struct verify *self, uint32_t peer, const struct mempool_check *checks, size_t count)
{
    struct job *job = job_new(self, peer, checks, count);
    if (!job)
        return -ENOMEM;
    int rc = workers_submit(self->workers, &(struct workers_job){.work = job_work, .done = job_done, .argument = job});
    if (rc < 0)
        free(job);
    return rc;
}

void verify_submit(struct verify *self, const struct mempool_checks *checks)
{
    for (size_t first = 0; first < checks->check_count; first += VERIFY_JOB_COUNT_MAX) {
        size_t count = checks->check_count - first;
        if (count > VERIFY_JOB_COUNT_MAX)
            count = VERIFY_JOB_COUNT_MAX;
        int rc = submit_some(self, checks->peer, checks->checks + first, count);
        if (rc < 0)
            log_limited(&self->lost_log, LOG_LEVEL_ERROR, "verify.lost", "txs=%zu rc=%d", count, rc);
    }
}
