/* responder.c - the thread that answers the feed's questions from the database. */
#include "services/persistd/responder.h"

#include <errno.h>
#include <stdlib.h>

#include "common/edge/workers.h"
#include "services/persistd/feed_store.h"

struct responder {
    struct responder_options options;
    struct feed_store *store;
    struct workers *workers;
};

struct job {
    struct responder *responder;
    struct bus_route route;
    struct feed_codec_question question;
    uint8_t *frame;
    size_t size;
    int rc;
    struct hash ids[]; /* of the question */
};

static void job_free(void *argument)
{
    struct job *job = argument;
    free(job->frame);
    free(job);
}

static void work(void *argument)
{
    struct job *job = argument;
    job->rc = feed_store_answer(job->responder->store, &job->question, &job->frame, &job->size);
}

static void done(void *argument)
{
    struct job *job = argument;
    const struct responder_options *options = &job->responder->options;
    options->done(options->context, &job->route, job->rc, &job->frame, job->size);
    job_free(job);
}

int responder_ask(struct responder *self, const struct feed_codec_question *question, const struct bus_route *route)
{
    struct job *job = calloc(1, sizeof *job + question->id_count * sizeof job->ids[0]);
    if (!job)
        return -ENOMEM;
    job->responder = self;
    job->route = *route;
    job->question = *question;
    job->question.ids = job->ids;
    memcpy(job->ids, question->ids, question->id_count * sizeof job->ids[0]);
    int rc = workers_submit(self->workers, &(struct workers_job){.work = work, .done = done, .argument = job});
    if (rc < 0)
        job_free(job);
    return rc;
}

int responder_new(struct responder **out, const struct responder_options *options)
{
    CLEANUP(responder_destroy) struct responder *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    int rc = feed_store_new(&self->store, options->dsn, options->password_file);
    if (rc == 0)
        rc = workers_new(&self->workers, options->loop,
                         &(struct workers_options){
                             .name = "responder", .thread_count = 1, .queue_count_max = RESPONDER_QUEUE_COUNT_MAX});
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void responder_destroy(struct responder **self)
{
    if (!self || !*self)
        return;
    workers_destroy(&(*self)->workers, job_free);
    feed_store_destroy(&(*self)->store);
    free(*self);
    *self = NULL;
}
