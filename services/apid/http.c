/* http.c - requests and answers. */
#include "services/apid/http.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <civetweb.h>
#include <sodium.h>

#include "common/base/hex.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "services/apid/answers.h"
#include "services/apid/http_metrics.h"
#include "services/apid/request.h"
#include "services/apid/respond.h"
#include "services/apid/route.h"

enum {
    REQUEST_BYTES_MAX = 16384, /* request line and headers */
    REQUEST_MS_MAX = 5000,     /* to receive a request */
    ETAG_BYTES = 16,
    ETAG_TEXT_BYTES = 2 * ETAG_BYTES + 1,
    CACHE_TEXT_BYTES = 160,
    REAL_DIGITS = 9, /* of a confidence, which has six after the point */
};

struct http {
    struct http_options options;
    struct mg_context *server;
    atomic_uint_fast64_t request_last;
    atomic_int_fast64_t in_flight;
    uint64_t started_ms;
};

/* One request on its way. */
struct exchange {
    struct http *http;
    struct mg_connection *connection;
    const struct mg_request_info *info; /* NULL: there is no request that could be read */
    const char *method;
    struct route_request request;
    bool routed;
    uint64_t id;
    uint64_t start_us;
    int status;
    size_t size;
};

static const char *reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

struct reply {
    int status;
    const char *type;
    const char *etag; /* NULL: not to be cached */
    struct span body;
};

static void send_reply(struct exchange *exchange, const struct reply *reply)
{
    char cache[CACHE_TEXT_BYTES];
    char content[CACHE_TEXT_BYTES] = ""; /* 304 has none: its length would be that of the answer it stands for */
    if (reply->etag)
        snprintf(cache, sizeof cache, "ETag: \"%s\"\r\nCache-Control: public, max-age=31536000, immutable\r\n",
                 reply->etag);
    else
        snprintf(cache, sizeof cache, "Cache-Control: no-store\r\n");
    if (reply->status != 304)
        snprintf(content, sizeof content, "Content-Type: %s\r\nContent-Length: %zu\r\n", reply->type, reply->body.size);
    mg_printf(exchange->connection,
              "HTTP/1.1 %d %s\r\n%s%s%sX-Request-Id: %016" PRIx64 "\r\nX-Content-Type-Options: nosniff\r\n"
              "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
              "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
              reply->status, reason_phrase(reply->status), content, cache,
              reply->status == 405 ? "Allow: GET, HEAD\r\n" : "", exchange->id);
    bool has_body = reply->status != 304 && strcmp(exchange->method, "HEAD") != 0;
    if (reply->body.size > 0 && has_body)
        mg_write(exchange->connection, reply->body.data, reply->body.size);
    exchange->status = reply->status;
    exchange->size = has_body ? reply->body.size : 0;
}

static void send_problem(struct exchange *exchange, int status, const char *detail)
{
    CLEANUP(json_cleanup) json_t *problem = answers_problem(status, detail);
    char *text = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    send_reply(
        exchange,
        &(struct reply){.status = status, .type = "application/problem+json", .body = span_text(text ? text : "{}")});
    free(text);
}

/* Blocks and transactions never change once they are stored: their answers may be cached for ever. */
static bool is_immutable(enum route route)
{
    return route == ROUTE_BLOCK || route == ROUTE_BLOCK_PROOF || route == ROUTE_TRANSACTION ||
           route == ROUTE_TRANSACTION_PROOF;
}

static void make_etag(char out[static ETAG_TEXT_BYTES], struct span body)
{
    struct hash hash = hash_of(body);
    hex_encode(out, hash.bytes, ETAG_BYTES);
}

static void send_json_take(struct exchange *exchange, json_t *value)
{
    CLEANUP(json_cleanup) json_t *owned = value;
    char *text = owned ? json_dumps(owned, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS)) : NULL;
    if (!text) {
        send_problem(exchange, 500, "out of memory");
        return;
    }
    char etag[ETAG_TEXT_BYTES];
    struct reply reply = {.status = 200, .type = "application/json", .body = span_text(text)};
    if (is_immutable(exchange->request.route)) {
        make_etag(etag, reply.body);
        reply.etag = etag;
        if (request_knows(mg_get_header(exchange->connection, "If-None-Match"), etag))
            reply.status = 304;
    }
    send_reply(exchange, &reply);
    free(text);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void answer_health(struct exchange *exchange)
{
    uint64_t uptime_s = (loop_now_ms() - exchange->http->started_ms) / 1000;
    send_json_take(exchange, json_pack("{s:s, s:I}", "status", "ok", "uptime_seconds", (json_int_t)uptime_s));
}

static void answer_ready(struct exchange *exchange)
{
    if (admin_ready(exchange->http->options.admin))
        send_json_take(exchange, json_pack("{s:b}", "ready", 1));
    else
        send_problem(exchange, 503, "the database or executord does not answer");
}

static void answer_metrics(struct exchange *exchange)
{
    char *text = NULL;
    size_t size = 0;
    if (metrics_render(exchange->http->options.metrics, &text, &size) < 0) {
        send_problem(exchange, 500, "out of memory");
        return;
    }
    send_reply(exchange, &(struct reply){.status = 200,
                                         .type = "text/plain; version=0.0.4; charset=utf-8",
                                         .body = span_of(text, size)});
    free(text);
}

/* A document, or why there is none. */
static void send_answer_take(struct exchange *exchange, int status, json_t *value, const char *why)
{
    if (status == 200)
        send_json_take(exchange, value);
    else
        send_problem(exchange, status, why);
}

static void answer_from_executord(struct exchange *exchange)
{
    const struct route_request *request = &exchange->request;
    struct query_codec_question question = respond_question(request);
    CLEANUP(query_codec_free) Cybermesh__Query__V1__QueryFrame *frame = NULL;
    int rc = query_client_state(exchange->http->options.query, &question, &frame);
    json_t *value = NULL;
    const char *why = "";
    int status = respond_from_executord(rc, frame, request, &value, &why);
    send_answer_take(exchange, status, value, why);
}

static void answer_from_database(struct exchange *exchange)
{
    json_t *value = NULL;
    const char *why = "";
    int status = respond_from_database(exchange->http->options.database, &exchange->request, &value, &why);
    send_answer_take(exchange, status, value, why);
}

static void answer(struct exchange *exchange)
{
    metrics_add_at(exchange->http->options.metrics, HTTP_METRIC_REQUESTS, exchange->request.route, 1);
    switch (exchange->request.route) {
    case ROUTE_HEALTH:
        answer_health(exchange);
        break;
    case ROUTE_READY:
        answer_ready(exchange);
        break;
    case ROUTE_METRICS:
        answer_metrics(exchange);
        break;
    case ROUTE_STATE:
        answer_from_executord(exchange);
        break;
    case ROUTE_BLOCK_LATEST:
    case ROUTE_BLOCKS:
    case ROUTE_BLOCK:
    case ROUTE_BLOCK_PROOF:
    case ROUTE_TRANSACTION:
    case ROUTE_TRANSACTION_PROOF:
    case ROUTE_STATE_ROOT:
    case ROUTE_VALIDATORS:
    case ROUTE_VALIDATOR:
    case ROUTE_ANOMALIES:
    case ROUTE_CONSENSUS_EVIDENCE:
    case ROUTE_COUNT:
        answer_from_database(exchange);
        break;
    }
}

/* --- what every request passes ------------------------------------------------------------------------------------ */

static size_t header_count(const struct mg_request_info *info, const char *name)
{
    size_t count = 0;
    for (int i = 0; i < info->num_headers; i++)
        count += mg_strcasecmp(info->http_headers[i].name, name) == 0;
    return count;
}

static struct request_form form_of(const struct mg_request_info *info)
{
    return (struct request_form){.method = info->request_method,
                                 .version = info->http_version ? info->http_version : "",
                                 .content_length = info->content_length,
                                 .header_count = (size_t)info->num_headers,
                                 .host_count = header_count(info, "Host"),
                                 .content_length_count = header_count(info, "Content-Length"),
                                 .transfer_encoding_count = header_count(info, "Transfer-Encoding")};
}

static void serve(struct exchange *exchange)
{
    const struct mg_request_info *info = exchange->info;
    struct request_form form = form_of(info);
    const char *uri = info->request_uri ? info->request_uri : "";
    const char *why = "";
    int status = respond_route(&exchange->request, &form, uri, info->query_string, &why);
    if (status != 0) {
        send_problem(exchange, status, why);
        return;
    }
    exchange->routed = true;
    answer(exchange);
}

/* Path and parameters are left out: the route says enough, and what a client sends does not belong in a log. What asks
 * again and again, how we are, is no event. */
static void write_log(const struct exchange *exchange, uint64_t took_us)
{
    bool is_probe = exchange->routed && exchange->request.route <= ROUTE_METRICS;
    enum log_level level = is_probe ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    if (log_enabled(level))
        log_write(level, "http.answered", " id=%016" PRIx64 " method=%s route=%s status=%d bytes=%zu us=%" PRIu64,
                  exchange->id, LOG_QUOTE_TEXT(exchange->method),
                  exchange->routed ? route_names[exchange->request.route] : "-", exchange->status, exchange->size,
                  took_us);
}

static struct exchange exchange_begin(struct mg_connection *connection)
{
    struct http *self = mg_get_user_data(mg_get_context(connection));
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct exchange exchange = {.http = self,
                                .connection = connection,
                                .info = info,
                                .method = info && info->request_method ? info->request_method : "-",
                                .request = {.route = ROUTE_COUNT},
                                .id = atomic_fetch_add(&self->request_last, 1),
                                .start_us = loop_now_us()};
    metrics_set(self->options.metrics, HTTP_METRIC_IN_FLIGHT, atomic_fetch_add(&self->in_flight, 1) + 1);
    return exchange;
}

static void exchange_end(struct exchange *exchange)
{
    struct http *self = exchange->http;
    uint64_t took_us = loop_now_us() - exchange->start_us;
    metrics_set(self->options.metrics, HTTP_METRIC_IN_FLIGHT, atomic_fetch_sub(&self->in_flight, 1) - 1);
    metrics_observe(self->options.metrics, HTTP_METRIC_TIME, took_us);
    metrics_add_at(self->options.metrics, HTTP_METRIC_ANSWERS, (size_t)exchange->status / 100, 1);
    write_log(exchange, took_us);
}

/* civetweb's callback: a result > 0 is the status of an answer that was sent. */
static int on_request(struct mg_connection *connection)
{
    struct exchange exchange = exchange_begin(connection);
    serve(&exchange);
    exchange_end(&exchange);
    return exchange.status;
}

/* civetweb's callback for what it refuses itself; 0: the answer was sent. */
static int on_refused(struct mg_connection *connection, int status, const char *message)
{
    struct exchange exchange = exchange_begin(connection);
    send_problem(&exchange, status >= 500 ? 500 : 400, "the request is not HTTP, or is above its limits");
    exchange_end(&exchange);
    return 0;
}

static int drop_message(const struct mg_connection *connection, const char *message)
{
    return 1;
}

int http_new(struct http **out, const struct http_options *options)
{
    CLEANUP(http_destroy) struct http *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    self->started_ms = loop_now_ms();
    uint64_t first = 0; /* ids of several replicas are not mixed up */
    randombytes_buf(&first, sizeof first);
    atomic_init(&self->request_last, first);
    char threads[16], request_bytes[16], request_ms[16];
    snprintf(threads, sizeof threads, "%u", options->threads);
    snprintf(request_bytes, sizeof request_bytes, "%d", REQUEST_BYTES_MAX);
    snprintf(request_ms, sizeof request_ms, "%d", REQUEST_MS_MAX);
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", options->listen,
        "decode_url", "no", /* in place: an encoded slash would be gone */
        "num_threads", threads,
        "max_request_size", request_bytes,
        "request_timeout_ms", request_ms,
        "enable_keep_alive", "no",
        "enable_auth_domain_check", "no",
        "enable_directory_listing", "no",
        "access_control_allow_origin", "",
        "access_control_allow_methods", "",
        "access_control_allow_headers", "",
        NULL,
    };
    /* clang-format on */
    const struct mg_callbacks callbacks = {
        .begin_request = on_request, .http_error = on_refused, .log_message = drop_message};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    mg_init_library(MG_FEATURES_DEFAULT);
    self->server = mg_start(&callbacks, self, settings);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!self->server) {
        log_error("api.bind_failed", "address=%s error=\"cannot listen there: in use, or not an address of this host\"",
                  LOG_QUOTE_TEXT(options->listen));
        return -EADDRINUSE;
    }
    struct mg_server_port port = {0};
    if (mg_get_server_ports(self->server, 1, &port) < 1)
        return -EIO;
    log_info("api.listening", "address=%s port=%d threads=%u", LOG_QUOTE_TEXT(options->listen), port.port,
             options->threads);
    *out = TAKE(self);
    return 0;
}

void http_destroy(struct http **self)
{
    if (!self || !*self)
        return;
    if ((*self)->server)
        mg_stop((*self)->server);
    mg_exit_library();
    free(*self);
    *self = NULL;
}
