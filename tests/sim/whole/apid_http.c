/* apid_http.c - services/apid/http.h on virtual time: requests come as events, and what a thread of the listener would
 * wait for is looked after now and then. What is answered is the product's own (respond.h). */
#include "services/apid/http.h"

#include <stdio.h>

#include "common/base/err.h"
#include "services/apid/respond.h"
#include "tests/sim/whole/reader.h"

enum { LOOK_US = 20000, URI_BYTES = 256 };

/* A request on its way. */
struct arrival {
    uint64_t number;
    char uri[URI_BYTES], query[URI_BYTES];
};

/* One that waits for executord. */
struct exchange {
    uint64_t number, ticket, asked_us;
    struct route_request request;
    struct query_codec_question question;
    struct exchange *next;
};

struct http {
    struct http_options options;
    struct exchange *waiting;
    uint32_t waiting_count;
    bool looking;
};

int http_new(struct http **out, const struct http_options *options)
{
    struct http *self = must(calloc(1, sizeof *self));
    self->options = *options;
    world.current->http = self;
    *out = self;
    return 0;
}

void http_destroy(struct http **self)
{
    if (!self || !*self)
        return;
    for (struct exchange *each = (*self)->waiting; each;) {
        struct exchange *next = each->next;
        reader_lost(each->number);
        free(each);
        each = next;
    }
    world.current->http = NULL;
    free(*self);
    *self = NULL;
}

/* The answer leaves the process. */
static void reply_take(uint64_t number, int status, json_t *body)
{
    if (world_point())
        reader_answered(number, status, body);
    else
        reader_lost(number);
    json_decref(body);
}

/* --- executord's answers ------------------------------------------------------------------------------------------ */

static void finish_take(struct http *self, struct exchange *exchange, int rc,
                        const Cybermesh__Query__V1__QueryFrame *frame)
{
    if (rc < 0)
        judge_given_up(world.current, rc, world_now_us() - exchange->asked_us, self->waiting_count);
    json_t *body = NULL;
    const char *why = "";
    int status = respond_from_executord(rc, frame, &exchange->request, &body, &why);
    reply_take(exchange->number, status, body);
    free(exchange);
}

/* True: its ticket has ended, and it with it. */
static bool look_after(struct http *self, struct exchange *exchange)
{
    uint64_t ticket = exchange->ticket;
    CLEANUP(query_codec_free) Cybermesh__Query__V1__QueryFrame *frame = NULL;
    int rc = query_client_take(self->options.query, ticket, &frame);
    if (rc == QUERY_CLIENT_WAITS)
        return false;
    self->waiting_count--;
    finish_take(self, exchange, rc, frame);
    Cybermesh__Query__V1__QueryFrame *again = NULL;
    if (query_client_take(self->options.query, ticket, &again) != ERR_NOT_FOUND)
        violate("v%" PRIu32 ".apid: a ticket that has ended gives another answer", world.current->validator);
    query_codec_free(&again);
    return true;
}

static void look(void *thing, uint64_t number)
{
    struct http *self = thing;
    struct exchange **at = &self->waiting;
    while (*at) {
        struct exchange *exchange = *at, *next = exchange->next;
        if (look_after(self, exchange))
            *at = next;
        else
            at = &exchange->next;
    }
    self->looking = self->waiting != NULL;
    if (self->looking)
        world_after(LOOK_US, look, self, 0);
}

static void ask_executord(struct http *self, uint64_t number, const struct route_request *request)
{
    struct exchange *exchange = must(calloc(1, sizeof *exchange));
    *exchange = (struct exchange){.number = number, .asked_us = world_now_us(), .request = *request};
    exchange->question = respond_question(&exchange->request);
    int rc = query_client_ask(self->options.query, &exchange->question, &exchange->ticket);
    if (rc < 0) {
        finish_take(self, exchange, rc, NULL);
        return;
    }
    exchange->next = self->waiting;
    self->waiting = exchange;
    judge_waiting(world.current, ++self->waiting_count);
    if (!self->looking)
        world_after(LOOK_US, look, self, 0);
    self->looking = true;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void arrive(void *thing, uint64_t number)
{
    struct arrival arrival = *(struct arrival *)thing;
    struct http *self = world.current->http;
    free(thing);
    struct request_form form = {
        .method = "GET", .version = "1.1", .content_length = -1, .header_count = 1, .host_count = 1};
    struct route_request request;
    json_t *body = NULL;
    const char *why = "";
    int status = respond_route(&request, &form, arrival.uri, arrival.query, &why);
    if (status == 0 && request.route == ROUTE_STATE) {
        ask_executord(self, arrival.number, &request);
        return;
    }
    status = status == 0 ? respond_from_database(self->options.database, &request, &body, &why) : status;
    reply_take(arrival.number, status, body);
}

static void never_arrive(void *thing)
{
    reader_lost(((struct arrival *)thing)->number);
    free(thing);
}

void apid_http_get(struct process *process, uint64_t number, uint64_t delay_us, const char *uri, const char *query)
{
    struct arrival *arrival = must(calloc(1, sizeof *arrival));
    arrival->number = number;
    snprintf(arrival->uri, sizeof arrival->uri, "%s", uri);
    snprintf(arrival->query, sizeof arrival->query, "%s", query);
    world_at(&(struct world_event){.at_us = world_now_us() + delay_us,
                                   .process = process,
                                   .aside = true,
                                   .run = arrive,
                                   .drop = never_arrive,
                                   .thing = arrival});
}
