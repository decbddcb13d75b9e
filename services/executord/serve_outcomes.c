/* serve_outcomes.c - what happened in each block, for persistd: an ask for a height that is not there yet waits. */
#include <errno.h>

#include "common/base/err.h"
#include "services/executord/executord_state.h"
#include "services/executord/outcome_codec.h"

enum { OUTCOMES_BYTES_MAX = 16 << 20 }; /* of one answer, but for a single larger one */

/* Answer what a peer waits for, if it is there. */
static void serve_ask(struct executord *self, struct executord_ask *ask)
{
    if (!ask->waits || ask->ask.height_first > executor_committed(self->executor)->header.height)
        return;
    struct span frame;
    int rc = executord_store_outcomes(self->store, &ask->ask, &frame);
    if (rc < 0) {
        executord_stop(self, rc, "read outcomes");
        return;
    }
    rc = executord_send(self, EXECUTORD_OUTCOME, &ask->route, frame);
    ask->waits = rc == -EAGAIN;
}

void serve_outcomes_waiting(struct executord *self)
{
    for (size_t i = 0; i < EXECUTORD_ASK_COUNT_MAX; i++)
        serve_ask(self, &self->asks[i]);
}

static bool same_route(const struct bus_route *a, const struct bus_route *b)
{
    return span_equal(span_of(a->bytes, a->size), span_of(b->bytes, b->size));
}

/* One Ask per peer: a new one replaces the last. */
static struct executord_ask *place_of(struct executord *self, const struct bus_route *route)
{
    struct executord_ask *idle = NULL;
    for (size_t i = 0; i < EXECUTORD_ASK_COUNT_MAX; i++) {
        if (same_route(&self->asks[i].route, route))
            return &self->asks[i];
        if (!idle && !self->asks[i].waits)
            idle = &self->asks[i];
    }
    return idle ? idle : &self->asks[0];
}

/* The database's certificate is kept where there is none; persistd is told ours. */
static void take_database_certificate(struct executord *self, const struct bus_route *route, struct span certificate)
{
    if (certificate.size > 0 && executord_store_certificate(self->store).size == 0) {
        int rc = executord_store_put_certificate(self->store, certificate);
        if (rc < 0) {
            executord_stop(self, rc, "store the genesis certificate");
            return;
        }
    }
    struct bytes_writer writer = executord_answer_writer(self);
    outcome_codec_put_genesis(&writer, executord_store_certificate(self->store));
    executord_send_answer(self, EXECUTORD_OUTCOME, route, &writer);
}

void serve_outcomes_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct outcome_codec_request request;
    int rc = outcome_codec_decode(&request, message->payload);
    if (rc < 0) {
        executord_bad_frame(self, EXECUTORD_OUTCOME, message, rc);
        return;
    }
    if (request.kind == OUTCOME_CODEC_ACK) {
        self->persisted_height = request.height;
        metrics_set(self->metrics, EXECUTORD_METRIC_PERSISTED_HEIGHT, (int64_t)request.height);
        return;
    }
    if (request.kind == OUTCOME_CODEC_GENESIS) {
        take_database_certificate(self, &message->route, request.certificate);
        return;
    }
    struct executord_ask *ask = place_of(self, &message->route);
    *ask = (struct executord_ask){
        .route = message->route,
        .ask = {.request = request.request,
                .height_first = request.height_first,
                .count_max = request.count_max,
                .bytes_max = OUTCOMES_BYTES_MAX},
        .waits = true,
    };
    serve_ask(self, ask);
}
