/* admin.c - a daemon's plain-HTTP listener, by civetweb.
 *
 * Every request is answered in civetweb's begin_request callback, before civetweb looks at files, methods or
 * authorization of its own; what it refuses itself (a request it cannot parse) becomes a problem document in its
 * http_error callback. A connection carries one request, so what a body would smuggle in is never read.
 */
#include "common/edge/admin.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <civetweb.h>

#include "common/base/err.h"
#include "common/base/text.h"
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"

enum { ADDRESS_BYTES_MAX = NI_MAXHOST + NI_MAXSERV + 4, LISTEN_BYTES_MAX = 512 };

struct condition {
    char name[ADMIN_NAME_BYTES_MAX];
    char detail[ADMIN_TEXT_BYTES_MAX];
    bool ok;
};

struct status_member {
    char name[ADMIN_NAME_BYTES_MAX];
    char text[ADMIN_TEXT_BYTES_MAX]; /* when is_text */
    uint64_t number;
    bool is_text;
};

struct admin {
    struct mg_context *server;
    bool library_is_open;
    uint16_t port;
    char daemon[ADMIN_NAME_BYTES_MAX];
    char node[ADMIN_TEXT_BYTES_MAX];
    uint64_t started_ms;
    uint64_t beat_age_ms_max;
    const struct metrics *metrics;
    struct metrics *metrics_none; /* ours, when the owner has none */
    atomic_uint_fast64_t beat_ms;

    pthread_mutex_t lock; /* of what follows */
    struct condition conditions[ADMIN_CONDITION_COUNT_MAX];
    size_t condition_count;
    struct status_member members[ADMIN_STATUS_COUNT_MAX];
    size_t member_count;
};

/* --- text and JSON ------------------------------------------------------------------------------------------------ */

/* Copy and cut, not inside a character. */
static void text_copy(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size);
    if (length == size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

static void put_json_text(FILE *out, const char *text)
{
    bool is_clean = text_is_clean(span_text(text));
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (*c == '"' || *c == '\\')
            fputc('\\', out);
        fputc(is_clean || (byte >= 0x20 && byte < 0x7f) ? byte : '?', out);
    }
    fputc('"', out);
}

static void put_json_member(FILE *out, const char *name, const char *text)
{
    put_json_text(out, name);
    fputc(':', out);
    put_json_text(out, text);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static const char JSON[] = "application/json";
static const char PROBLEM[] = "application/problem+json";

struct answer {
    int status;
    const char *type;
    const char *more_headers; /* lines that end with \r\n, or "" */
};

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return status < 500 ? "Request Refused" : "Server Error";
    }
}

static void answer_send(struct mg_connection *connection, const struct answer *answer, struct span body)
{
    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
              "X-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
              answer->status, status_text(answer->status), answer->type, body.size, answer->more_headers);
    if (body.size > 0)
        mg_write(connection, body.data, body.size);
}

static int answer_problem(struct mg_connection *connection, int status, const char *detail)
{
    char body[512];
    int length =
        snprintf(body, sizeof body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n",
                 status_text(status), status, detail);
    const struct answer answer = {
        .status = status, .type = PROBLEM, .more_headers = status == 405 ? "Allow: GET\r\n" : ""};
    answer_send(connection, &answer, span_of(body, length > 0 ? (size_t)length : 0));
    return status;
}

/* Make a JSON body with put(out, self), which returns the status; send it. */
static int answer_json(struct mg_connection *connection, struct admin *self, int (*put)(FILE *out, struct admin *self))
{
    char *body = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&body, &size);
    if (!out)
        return answer_problem(connection, 503, "out of memory");
    const struct answer answer = {.status = put(out, self), .type = JSON, .more_headers = ""};
    bool is_whole = !ferror(out);
    is_whole = fclose(out) == 0 && is_whole;
    if (is_whole)
        answer_send(connection, &answer, span_of(body, size));
    free(body);
    return is_whole ? answer.status : answer_problem(connection, 503, "out of memory");
}

static int put_health(FILE *out, struct admin *self)
{
    uint64_t beat_ms = atomic_load(&self->beat_ms);
    uint64_t now_ms = loop_now_ms();
    uint64_t age_ms = now_ms > beat_ms ? now_ms - beat_ms : 0;
    bool alive = age_ms <= self->beat_age_ms_max;
    fprintf(out, "{\"status\":\"%s\",\"beat_age_ms\":%" PRIu64 "}\n", alive ? "ok" : "stalled", age_ms);
    return alive ? 200 : 503;
}

static bool all_ok(const struct admin *self)
{
    for (size_t i = 0; i < self->condition_count; i++) {
        if (!self->conditions[i].ok)
            return false;
    }
    return true;
}

static int put_ready(FILE *out, struct admin *self)
{
    pthread_mutex_lock(&self->lock);
    bool ready = all_ok(self);
    fprintf(out, "{\"ready\":%s,\"conditions\":[", ready ? "true" : "false");
    for (size_t i = 0; i < self->condition_count; i++) {
        const struct condition *condition = &self->conditions[i];
        fputs(i > 0 ? ",{" : "{", out);
        put_json_member(out, "name", condition->name);
        fprintf(out, ",\"ok\":%s,", condition->ok ? "true" : "false");
        put_json_member(out, "detail", condition->detail);
        fputc('}', out);
    }
    pthread_mutex_unlock(&self->lock);
    fputs("]}\n", out);
    return ready ? 200 : 503;
}

static int put_status(FILE *out, struct admin *self)
{
    fputc('{', out);
    put_json_member(out, "daemon", self->daemon);
    fputc(',', out);
    put_json_member(out, "node", self->node);
    fputc(',', out);
    put_json_member(out, "version", daemon_version());
    fprintf(out, ",\"uptime_seconds\":%" PRIu64, (loop_now_ms() - self->started_ms) / 1000);
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->member_count; i++) {
        const struct status_member *member = &self->members[i];
        fputc(',', out);
        put_json_text(out, member->name);
        if (member->is_text) {
            fputc(':', out);
            put_json_text(out, member->text);
        } else {
            fprintf(out, ":%" PRIu64, member->number);
        }
    }
    pthread_mutex_unlock(&self->lock);
    fputs("}\n", out);
    return 200;
}

static int answer_health(struct mg_connection *connection, struct admin *self)
{
    return answer_json(connection, self, put_health);
}

static int answer_ready(struct mg_connection *connection, struct admin *self)
{
    return answer_json(connection, self, put_ready);
}

static int answer_status(struct mg_connection *connection, struct admin *self)
{
    return answer_json(connection, self, put_status);
}

static int answer_metrics(struct mg_connection *connection, struct admin *self)
{
    static const struct answer answer = {
        .status = 200, .type = "text/plain; version=0.0.4; charset=utf-8", .more_headers = ""};
    char *text = NULL;
    size_t size = 0;
    int rc = metrics_render(self->metrics, &text, &size);
    if (rc < 0)
        return answer_problem(connection, 503, err_text(rc));
    answer_send(connection, &answer, span_of(text, size));
    free(text);
    return answer.status;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static size_t header_count(const struct mg_request_info *request, const char *name)
{
    size_t count = 0;
    for (int i = 0; i < request->num_headers; i++)
        count += mg_strcasecmp(request->http_headers[i].name, name) == 0;
    return count;
}

/* What makes a request ambiguous, or more than a question; NULL when it is fine. */
static const char *request_fault(const struct mg_request_info *request)
{
    const char *version = request->http_version ? request->http_version : "";
    size_t hosts = header_count(request, "Host");
    if (hosts > 1 || (hosts == 0 && strcmp(version, "1.0") != 0))
        return "exactly one Host is required";
    if (header_count(request, "Transfer-Encoding") > 0 || header_count(request, "Content-Length") > 1 ||
        request->content_length > 0)
        return "a request here has no body";
    return NULL;
}

static const struct route {
    const char *path;
    int (*answer)(struct mg_connection *connection, struct admin *self);
} routes[] = {
    {"/health", answer_health},
    {"/ready", answer_ready},
    {"/metrics", answer_metrics},
    {"/status", answer_status},
};

/* civetweb's callback: a result > 0 is the status of an answer that was sent. */
static int request_begin(struct mg_connection *connection)
{
    const struct mg_request_info *request = mg_get_request_info(connection);
    if (request->num_headers >= MG_MAX_HEADERS) /* civetweb drops what is beyond */
        return answer_problem(connection, 431, "too many headers");
    const char *fault = request_fault(request);
    if (fault)
        return answer_problem(connection, 400, fault);
    const char *path = request->local_uri ? request->local_uri : "";
    const struct route *route = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(routes) && !route; i++)
        route = strcmp(path, routes[i].path) == 0 ? &routes[i] : NULL;
    if (!route)
        return answer_problem(connection, 404, "nothing is here");
    if (strcmp(request->request_method, "GET") != 0)
        return answer_problem(connection, 405, "only GET is answered");
    return route->answer(connection, request->user_data);
}

/* civetweb's callback for what it refuses itself; 0: the answer was sent. */
static int request_refused(struct mg_connection *connection, int status, const char *message)
{
    answer_problem(connection, status, "the request was refused");
    return 0;
}

/* civetweb's callback for its log; 1: done with. What outsiders send is not worth a line here. */
static int message_dropped(const struct mg_connection *connection, const char *message)
{
    return 1;
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

/* Can we bind there? civetweb would not say why not. */
static int address_probe(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const int on = 1;
    int rc = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 1) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static int address_text(char out[static ADDRESS_BYTES_MAX], const struct addrinfo *address)
{
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    snprintf(out, ADDRESS_BYTES_MAX, address->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

/* host:port -> the same with a number for the host, which we may bind. */
static int address_resolve(char out[static ADDRESS_BYTES_MAX], const char *listen_text)
{
    char host[LISTEN_BYTES_MAX];
    const char *colon = strrchr(listen_text, ':');
    if (!colon || colon == listen_text || (size_t)(colon - listen_text) >= sizeof host)
        return -EINVAL;
    bool bracketed = listen_text[0] == '[' && colon[-1] == ']' && colon - listen_text > 2;
    size_t length = (size_t)(colon - listen_text) - (bracketed ? 2 : 0);
    memcpy(host, listen_text + bracketed, length);
    host[length] = '\0';

    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, colon + 1, &hints, &found);
    if (rc != 0)
        return rc == EAI_MEMORY ? -ENOMEM : -EADDRNOTAVAIL;
    rc = address_probe(found);
    if (rc == 0)
        rc = address_text(out, found);
    freeaddrinfo(found);
    return rc;
}

static int server_start(struct admin *self, const char *address)
{
    char threads[8];
    char request_bytes[16];
    char request_ms[16];
    snprintf(threads, sizeof threads, "%d", ADMIN_THREAD_COUNT);
    snprintf(request_bytes, sizeof request_bytes, "%d", ADMIN_REQUEST_BYTES_MAX);
    snprintf(request_ms, sizeof request_ms, "%d", ADMIN_REQUEST_MS_MAX);
    /* clang-format off */
    const char *options[] = {
        "listening_ports", address,
        "num_threads", threads,
        "max_request_size", request_bytes,
        "request_timeout_ms", request_ms,
        "enable_keep_alive", "no",
        "enable_directory_listing", "no",
        "access_control_allow_origin", "",
        "access_control_allow_methods", "",
        "access_control_allow_headers", "",
        NULL,
    };
    /* clang-format on */
    const struct mg_callbacks callbacks = {
        .begin_request = request_begin, .http_error = request_refused, .log_message = message_dropped};
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    self->server = mg_start(&callbacks, self, options);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    struct mg_server_port port = {0};
    if (!self->server || mg_get_server_ports(self->server, 1, &port) != 1)
        return -EIO;
    self->port = (uint16_t)port.port;
    return 0;
}

static int listen_start(struct admin *self, const char *listen_text)
{
    char address[ADDRESS_BYTES_MAX];
    int rc = address_resolve(address, listen_text);
    if (rc == 0)
        rc = server_start(self, address);
    if (rc < 0) {
        log_error("admin.bind_failed", "address=%s error=\"%s\"", LOG_QUOTE_TEXT(listen_text), err_text(rc));
        return rc;
    }
    log_info("admin.listening", "address=%s port=%u", LOG_QUOTE_TEXT(listen_text), self->port);
    return 0;
}

int admin_new(struct admin **out, const struct admin_options *options)
{
    if (options->condition_count > ADMIN_CONDITION_COUNT_MAX)
        return -EINVAL;
    CLEANUP(admin_destroy) struct admin *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    text_copy(self->daemon, sizeof self->daemon, options->daemon);
    text_copy(self->node, sizeof self->node, options->node ? options->node : "");
    self->condition_count = options->condition_count;
    for (size_t i = 0; i < self->condition_count; i++)
        text_copy(self->conditions[i].name, sizeof self->conditions[i].name, options->conditions[i]);
    self->started_ms = loop_now_ms();
    self->beat_age_ms_max = options->beat_age_ms_max > 0 ? options->beat_age_ms_max : ADMIN_BEAT_AGE_MS_MAX;
    admin_beat(self);

    int rc = options->metrics ? 0 : metrics_new(&self->metrics_none, NULL, 0);
    if (rc < 0)
        return rc;
    self->metrics = options->metrics ? options->metrics : self->metrics_none;
    mg_init_library(MG_FEATURES_DEFAULT);
    self->library_is_open = true;
    rc = listen_start(self, options->listen);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void admin_destroy(struct admin **self)
{
    if (!self || !*self)
        return;
    if ((*self)->server)
        mg_stop((*self)->server);
    if ((*self)->library_is_open)
        mg_exit_library();
    metrics_destroy(&(*self)->metrics_none);
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}

uint16_t admin_port(const struct admin *self)
{
    return self->port;
}

/* --- what the owner tells ----------------------------------------------------------------------------------------- */

void admin_beat(struct admin *self)
{
    atomic_store(&self->beat_ms, loop_now_ms());
}

void admin_ready_set(struct admin *self, size_t index, bool ok, const char *detail)
{
    assert(index < self->condition_count);
    struct condition *condition = &self->conditions[index];
    pthread_mutex_lock(&self->lock);
    bool changed = condition->ok != ok;
    condition->ok = ok;
    text_copy(condition->detail, sizeof condition->detail, detail ? detail : "");
    pthread_mutex_unlock(&self->lock);
    if (changed)
        log_info("admin.condition", "name=%s ok=%s detail=%s", condition->name, ok ? "true" : "false",
                 LOG_QUOTE_TEXT(detail ? detail : ""));
}

bool admin_ready(struct admin *self)
{
    pthread_mutex_lock(&self->lock);
    bool ready = all_ok(self);
    pthread_mutex_unlock(&self->lock);
    return ready;
}

/* The member of this name, added when there is room; else NULL. With the lock held. */
static struct status_member *member_of(struct admin *self, const char *name)
{
    char known[ADMIN_NAME_BYTES_MAX] = "";
    text_copy(known, sizeof known, name);
    for (size_t i = 0; i < self->member_count; i++) {
        if (strcmp(self->members[i].name, known) == 0)
            return &self->members[i];
    }
    if (self->member_count == ADMIN_STATUS_COUNT_MAX)
        return NULL;
    struct status_member *member = &self->members[self->member_count++];
    memcpy(member->name, known, sizeof known);
    return member;
}

void admin_status_set_u64(struct admin *self, const char *name, uint64_t value)
{
    pthread_mutex_lock(&self->lock);
    struct status_member *member = member_of(self, name);
    if (member) {
        member->number = value;
        member->is_text = false;
    }
    pthread_mutex_unlock(&self->lock);
}

void admin_status_set_text(struct admin *self, const char *name, const char *text)
{
    pthread_mutex_lock(&self->lock);
    struct status_member *member = member_of(self, name);
    if (member) {
        text_copy(member->text, sizeof member->text, text);
        member->is_text = true;
    }
    pthread_mutex_unlock(&self->lock);
}
