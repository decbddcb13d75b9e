/* story.c */
#include "tests/unit/apid/story.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/hex.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "proto/query.pb-c.h"
#include "services/persistd/database.h"
#include "services/persistd/migrate.h"

typedef Cybermesh__Query__V1__QueryFrame Frame;

const char *story_program;

/* --- the executord ------------------------------------------------------------------------------------------------ */

static void reply(struct story *s, const struct bus_route *route, const Frame *frame)
{
    uint8_t *bytes = malloc(cybermesh__query__v1__query_frame__get_packed_size(frame));
    assert_non_null(bytes);
    size_t size = cybermesh__query__v1__query_frame__pack(frame, bytes);
    assert_int_equal(bus_send(s->executord, route, bytes, size), 0);
    free(bytes);
}

static void tell_status(struct story *s, const struct bus_route *route)
{
    Cybermesh__Query__V1__Status status;
    cybermesh__query__v1__status__init(&status);
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
    frame.status = &status;
    reply(s, route, &frame);
}

/* Every key has the value "value", but for none/x. Only heights up to LAST are there. */
static void tell_state(struct story *s, const struct bus_route *route,
                       const Cybermesh__Query__V1__StateRequest *request)
{
    static uint8_t value[] = "value";
    assert_true(request->key.len < sizeof s->asked_key);
    snprintf(s->asked_key, sizeof s->asked_key, "%.*s", (int)request->key.len, (const char *)request->key.data);
    s->asked_count++;
    Cybermesh__Query__V1__State answer;
    cybermesh__query__v1__state__init(&answer);
    answer.request = request->request;
    answer.height = request->at_height ? request->height : LAST;
    answer.status = answer.height > LAST ? CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_UNKNOWN
                                         : CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK;
    answer.found = strcmp(s->asked_key, "none/x") != 0;
    if (answer.found)
        answer.value = (ProtobufCBinaryData){.data = value, .len = 5};
    answer.proof = (ProtobufCBinaryData){.data = s->proof.data, .len = s->proof.size};
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE;
    frame.state = &answer;
    reply(s, route, &frame);
}

static void hear(struct story *s)
{
    struct bus_message message;
    while (bus_receive(s->executord, &message) == 0) {
        Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, message.payload.size, message.payload.data);
        assert_non_null(frame);
        if (!s->is_mute && frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST)
            tell_state(s, &message.route, frame->state_request);
        else if (!s->is_mute)
            tell_status(s, &message.route);
        cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
        bus_message_deinit(&message);
    }
}

/* --- the reader --------------------------------------------------------------------------------------------------- */

struct story_answer story_answer;

/* Send these bytes, read until the program closes. */
void story_talk(struct story *s, const char *bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
    size_t size = 0;
    for (uint64_t until_ms = loop_now_ms() + WAIT_MS_MAX;;) {
        assert_true(loop_now_ms() < until_ms);
        hear(s);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 2) <= 0)
            continue;
        ssize_t got = recv(fd, story_answer.text + size, sizeof story_answer.text - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    close(fd);
    story_answer.text[size] = '\0';
    story_answer.status = size > 12 ? atoi(story_answer.text + 9) : 0;
    const char *end = strstr(story_answer.text, "\r\n\r\n");
    story_answer.body = end ? end + 4 : "";
}

int story_ask(struct story *s, const char *path)
{
    char request[2 * VALUE_BYTES];
    snprintf(request, sizeof request, "GET /api/v1/%s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    story_talk(s, request);
    return story_answer.status;
}

/* The document at this path; the caller ends it. */
json_t *story_get(struct story *s, const char *path)
{
    if (story_ask(s, path) != 200)
        fail_msg("%s: %s", path, story_answer.text);
    assert_non_null(strstr(story_answer.text, "Content-Type: application/json\r\n"));
    json_t *value = json_loads(story_answer.body, 0, NULL);
    assert_non_null(value);
    return value;
}

void story_problem(int status, const char *code)
{
    if (story_answer.status != status)
        fail_msg("wants %d: %s", status, story_answer.text);
    assert_non_null(strstr(story_answer.text, "Content-Type: application/problem+json\r\n"));
    json_t *problem = json_loads(story_answer.body, 0, NULL);
    assert_int_equal(vectors_integer(problem, "status"), status);
    assert_string_equal(vectors_text(problem, "code"), code);
    assert_true(strlen(vectors_text(problem, "detail")) > 0);
    json_decref(problem);
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

/* The last block says that its third validator voted twice. */
static void story_accuse(struct story *s)
{
    struct hash offender = chain_validator(2);
    char hex[2 * HASH_BYTES + 1], sql[VALUE_BYTES + sizeof hex];
    hex_encode(hex, offender.bytes, HASH_BYTES);
    snprintf(sql, sizeof sql,
             "INSERT INTO consensus_evidence (offender, kind, view, height, idx, ts, tx_id) "
             "VALUES (decode('%s', 'hex'), 1, 41, %d, 0, 1700000003, decode(repeat('ab', 32), 'hex'))",
             hex, LAST);
    server_run(s->dsn, sql);
}

void story_fill(struct story *s)
{
    struct database *database = NULL;
    struct database_options options = {
        .dsn = s->dsn, .steps = migrate_steps, .step_count = migrate_step_count, .chain_id = s->chain.chain_id};
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), 0);
    struct chain_run run = chain_run(&s->chain, 0, LAST + 1);
    struct rows rows;
    const char *why;
    rows_init(&rows, 1);
    assert_int_equal(rows_build(&rows, run.outcomes, LAST + 1, &why), 0);
    assert_int_equal(database_write(database, &rows, &tip), 0);
    rows_deinit(&rows);
    chain_run_end(&run);
    database_destroy(&database);
    char *hex = malloc(2 * s->proof.size + 1), *sql = malloc(2 * s->proof.size + VALUE_BYTES);
    hex_encode(hex, s->proof.data, s->proof.size);
    sprintf(sql, "UPDATE blocks SET proof = decode('%s', 'hex') WHERE height > 0", hex);
    server_run(s->dsn, sql);
    free(hex);
    free(sql);
    story_accuse(s);
}

static void load_proof(struct story *s)
{
    json_t *file = vectors_load("commit_proofs.json");
    json_t *first = json_array_get(vectors_get(file, "cases"), 0);
    assert_true(vectors_expect_ok(first));
    s->proof = vectors_bytes(first, "protobuf");
    s->proof_json = json_pack("{s:O, s:O}", "headers", vectors_get(first, "headers"), "qc", vectors_get(first, "qc"));
    json_decref(file);
}

static void start(struct story *s)
{
    char text[4][VALUE_BYTES];
    snprintf(text[0], VALUE_BYTES, "GENESIS_FILE=%s/genesis.json", s->directory);
    snprintf(text[1], VALUE_BYTES, "DB_DSN=%s", s->dsn);
    snprintf(text[2], VALUE_BYTES, "QUERY_EXECUTORD_ENDPOINT=ipc://ipc/query.sock");
    snprintf(text[3], VALUE_BYTES, "NODE_NAME=v1");
    char listen[] = "API_LISTEN=127.0.0.1:0", admin[] = "ADMIN_LISTEN=127.0.0.1:0", threads[] = "API_THREADS=4";
    char *environment[] = {text[0], text[1], text[2], text[3], listen, admin, threads, NULL};
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid > 0)
        return;
    char log[VALUE_BYTES];
    snprintf(log, sizeof log, "%s/log", s->directory);
    dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    char *arguments[] = {strdup("apid"), NULL};
    if (chdir(s->directory) == 0)
        execve(story_program, arguments, environment);
    _exit(127);
}

/* The port stands in the log. */
static uint16_t port_of(const struct story *s)
{
    char path[VALUE_BYTES], line[4096];
    snprintf(path, sizeof path, "%s/log", s->directory);
    unsigned port = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, "event=api.listening");
        at = at ? strstr(at, " port=") : NULL;
        port = at ? (unsigned)atoi(at + strlen(" port=")) : port;
    }
    if (file)
        fclose(file);
    return (uint16_t)port;
}

static void write_file(const struct story *s, const char *name, const char *text)
{
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/%s", s->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

int story_begin(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    *state = s;
    server_start(&s->server);
    if (s->server.pid == 0)
        return 0;
    snprintf(s->directory, sizeof s->directory, "/tmp/apid-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    char path[VALUE_BYTES], endpoint[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/ipc", s->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(s, "genesis.json", "{}\n");
    load_proof(s);
    chain_begin(&s->chain);
    for (int i = 0; i < LAST; i++)
        chain_add_anomalies(&s->chain, i == 0 ? "a" : i == 1 ? "b" : "c", BLOCK_TXS);
    server_database(&s->server, "story", s->dsn);
    story_fill(s);
    assert_int_equal(bus_new(&s->bus), 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/ipc/query.sock", s->directory);
    struct bus_options options = {
        .name = "query", .endpoint = endpoint, .frame_bytes_max = 1 << 20, .queue_count_max = 100};
    assert_int_equal(bus_router_bind(&s->executord, s->bus, &options), 0);
    start(s);
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && s->port == 0; waited_ms += 10) {
        usleep(10000);
        s->port = port_of(s);
    }
    assert_true(s->port > 0);
    return 0;
}

int story_end(void **state)
{
    struct story *s = *state;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    bus_socket_close(&s->executord);
    bus_destroy(&s->bus);
    server_stop(&s->server);
    if (s->directory[0]) {
        chain_end(&s->chain);
        blob_free(&s->proof);
        json_decref(s->proof_json);
        char command[64];
        snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
        assert_int_equal(system(command), 0);
    }
    free(s);
    return 0;
}

struct story *story_given(void **state)
{
    struct story *s = *state;
    if (s->server.pid == 0)
        skip();
    return s;
}

/* Ask until the answer has this status. */
void story_wait(struct story *s, const char *path, int status)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && story_ask(s, path) != status; waited_ms += 50)
        usleep(50000);
    assert_int_equal(story_answer.status, status);
}
